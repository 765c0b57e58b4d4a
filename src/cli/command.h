/* command.h - what a command of the program is: a declaration, and a function that parses nothing.
 *
 * A command is one file src/cli/VERB.c that ends in a `const command`, named in the table of commands.c. From the
 * declaration come parsing with its messages, --help, the man page and the shell completion:
 *
 *     static const command_argument arguments[] = {{.name = "RUN", .help = "number of a run, or 'last'"}};
 *     static const param_spec options[] = {OPTION_STORE, OPTION_JSON};
 *
 *     static status run(command_call *call, error *err)
 *     {
 *         const char *which = call->arguments[0];               // as many as declared: already checked
 *         bool json = param_flag(call->options, "json");
 *         ...
 *         strbuf_printf(&call->out, "run %s\n", which);         // stdout, written when the command has succeeded
 *         return STATUS_OK;                                     // or error_set(err, ...), which becomes the exit code
 *     }
 *
 *     const command command_show = {
 *         .name = "show", .summary = "one line, no full stop", .about = "A paragraph.",
 *         COMMAND_ARGUMENTS(arguments), COMMAND_OPTIONS(options), .run = run,
 *     };
 *
 * What goes to stdout is gathered in call->out and printed once the command has returned STATUS_OK, so that a failed
 * command prints nothing there. Notes and progress go to stderr. A failure is printed by the frame as
 * "assay VERB: MESSAGE" and "hint: HINT"; the exit code is that of the status (core/error.h).
 */
#ifndef ASSAY_CLI_COMMAND_H
#define ASSAY_CLI_COMMAND_H

#include "core/param.h"
#include "core/progress.h"
#include "core/text.h"
#include "core/threads.h"
#include "run/study.h"

#include <stdatomic.h>

typedef enum command_word { WORD_ANY, WORD_FILE, WORD_FOLDER, WORD_STUDY, WORD_COMMAND, WORD_CHOICE } command_word;

/* One positional argument. Optional ones come last; only the last one may repeat. */
typedef struct command_argument {
    const char *name; /* as help shows it: "RECIPE" */
    const char *help; /* one line, no full stop */
    bool optional, repeats;
    command_word word;          /* what shells complete it with */
    const char *const *choices; /* WORD_CHOICE: NULL-terminated; others are refused */
} command_argument;

typedef struct command command;

typedef struct command_call {
    const command *command;
    arena *arena; /* lives as long as the command runs */
    const param_values *options;
    const char *const *arguments;
    size_t argument_count;
    const study *study;               /* when the command is `of_study`; else NULL */
    const param_values *study_params; /* the study's own parameters, in study->params' order */
    struct suite *suite;              /* where a suite was named: then `study` is its face (cli/suite.c), which holds no study */
    strbuf out;                       /* what is printed on stdout in the end */
} command_call;

struct command {
    const char *name, *summary;
    const char *about;    /* paragraphs, separated by an empty line */
    const char *examples; /* lines to type, each with its own newline; may be NULL */
    const command_argument *arguments;
    size_t argument_count;
    const param_spec *options;
    size_t option_count;
    /* The first argument names a study of the catalogue; its parameters are taken as options after its name. */
    bool of_study;
    status (*run)(command_call *call, error *err);
};

#define COMMAND_ARGUMENTS(table) .arguments = (table), .argument_count = COUNT_OF(table)
#define COMMAND_OPTIONS(table) .options = (table), .option_count = COUNT_OF(table)

/* All commands, in the order of help; defined in commands.c. */
extern const command *const command_table[];
extern const size_t command_table_count;
const command *command_find(const char *name); /* NULL when there is none */

/* Options that several commands share, so that they are called and explained alike. */
#define OPTION_JSON {.name = "json", .type = PARAM_FLAG, .help = "print one JSON object on stdout instead of tables"}
#define OPTION_QUIET {.name = "quiet", .letter = 'q', .type = PARAM_FLAG, .help = "no progress on stderr"}
#define OPTION_STORE                                                                                                   \
    {.name = "store", .type = PARAM_STRING, .fallback = "runs.db", .value = "FILE",                                    \
     .help = "the database of runs; it is made when it is not there"}
#define OPTION_SEED                                                                                                    \
    {.name = "seed", .letter = 's', .type = PARAM_INT, .least = 0, .most = 9007199254740991.0, .fallback = "1",        \
     .value = "N", .help = "every random draw follows from it"}
#define OPTION_THREADS                                                                                                 \
    {.name = "threads", .letter = 't', .type = PARAM_INT, .least = 0, .most = THREADS_MOST, .fallback = "0", .value = "N",     \
     .help = "numerical threads; 0: all processors; never changes a result"}
/* How checkpoints are asked (lm/chat.h); cli_prompt_options reads them. */
#define OPTIONS_PROMPT                                                                                                 \
    {.name = "prompt-style", .type = PARAM_CHOICE, .choices = cli_prompt_styles, .fallback = "chat", .value = "STYLE", \
     .help = "of a checkpoint: its chat template, or plain text"},                                                     \
        {.name = "template", .type = PARAM_STRING, .value = "FILE",                                                    \
         .help = "a chat template (Jinja) instead of the checkpoint's, or the name of one that it has"},               \
        {.name = "template-arg", .type = PARAM_STRING, .repeats = true, .value = "NAME=JSON",                          \
         .help = "a variable of the chat template, such as enable_thinking=false"},                                    \
        {.name = "template-date", .type = PARAM_STRING, .value = "DATE",                                               \
         .help = "the date (2026-03-07, or with T14:05:09) for a chat template that writes today's"}
extern const char *const cli_prompt_styles[];
/* What all runs of the command may take together; cli_limits reads them. */
#define OPTIONS_LIMITS                                                                                                 \
    {.name = "max-tokens", .type = PARAM_INT, .least = 0, .most = 9007199254740991.0, .fallback = "0", .value = "N",   \
     .help = "most tokens that the command may take, all runs, roles and sessions together; 0: no limit"},             \
        {.name = "max-cost", .type = PARAM_NUMBER, .least = 0, .most = 1e6, .fallback = "0", .value = "DOLLARS",       \
         .help = "most money that the command may take, judges included; needs prices; 0: no limit"},                  \
        {.name = "max-time", .type = PARAM_NUMBER, .least = 0, .most = 1e9, .fallback = "0", .value = "SECONDS",       \
         .help = "longest that the command may take, all sessions together; 0: no limit"},                             \
        {.name = "prices", .type = PARAM_STRING, .value = "FILE",                                                      \
         .help = "prices of models (else ASSAY_PRICES, else assay/prices.yaml in the user's configuration folder)"}
/* cli_role_keys reads them. */
#define OPTION_ROLE_KEYS                                                                                               \
    {.name = "api-key-variable", .type = PARAM_STRING, .repeats = true, .value = "[ROLE=]NAME",                        \
     .help = "environment variable with the key of an API, of one role or of all (else OPENAI_API_KEY, or "            \
             "ANTHROPIC_API_KEY)"}
#define OPTION_OUTPUT(what)                                                                                            \
    {.name = "output", .letter = 'o', .type = PARAM_STRING, .value = "PATH", .help = what}

/* What Ctrl-C (and SIGTERM) asked for: long work polls it and returns STATUS_INTERRUPTED when it can stop. A second
 * Ctrl-C ends the process at once. The flag lives as long as the process; lower modules are given its address. */
bool cli_interrupted(void);
const atomic_bool *cli_interrupt_flag(void);
/* PROGRESS_QUIET when the command has --quiet and it was given. */
progress_mode cli_progress_mode(const command_call *call);
/* May colours be used on stdout: a terminal, and neither NO_COLOR nor TERM=dumb. */
bool cli_colours(void);

/* Parsing: fills `call` from the words after the command's name. *help is set when --help or -h stood among them (then
 * missing arguments are no error). */
status command_parse(const command *c, arena *a, int count, char **words, command_call *call, bool *help, error *err);

/* help.c: what --help prints. `s` adds the parameters of a study; may be NULL. */
void help_overview(strbuf *out);
void help_command(strbuf *out, const command *c, const study *s);
/* "FILE" after "-o, --output " and so on: how an option is written in help; `out` gets it. */
void help_option_words(strbuf *out, const param_spec *spec);
/* What help says after an option's own line: its range, choices and default, or nothing. */
void help_option_range(strbuf *out, const param_spec *spec);
void help_synopsis(strbuf *out, const command *c);
/* manual.c: the man page assay(1), in man macros. */
void manual_page(strbuf *out);
/* studies_page.c: docs/studies.md. */
void studies_page(strbuf *out);

/* What a suite looks like to parsing and help: its title, its parts, and the options --only and --set. */
status cli_suite_face(arena *a, const struct suite *s, const study **out, error *err);
/* The date for the foot of a page; NULL: memory is out. */
const char *cli_today(arena *a);

/* Puts the values of OPTIONS_PROMPT into `out`. */
status cli_prompt_options(command_call *call, subject_options *out, error *err);
/* Puts the values of OPTION_ROLE_KEYS into `out` (run/run.h). */
struct run_request;
/* Puts the values of OPTIONS_LIMITS into `out`: limits, and the prices that are known. */
status cli_limits(command_call *call, struct run_request *out, error *err);
/* The file that an option names; else the one of an environment variable; else the user's own, assay/NAME in the configuration folder,
 * where it is there; else NULL. */
const char *cli_user_file(command_call *call, const char *option, const char *variable, const char *name);
status cli_role_keys(command_call *call, struct run_request *out, error *err);

#endif
