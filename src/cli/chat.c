/* assay chat -m SUBJECT: a conversation on the terminal, or through a pipe. */
#include "cli/command.h"

#include "cli/conversation.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const param_spec options[] = {
    {.name = "model", .letter = 'm', .type = PARAM_STRING, .value = "SUBJECT",
     .help = "who answers: base, a checkpoint folder or GGUF file, script:FILE.yaml, an API"},
    {.name = "system", .type = PARAM_STRING, .value = "TEXT", .help = "the system message"},
    {.name = "temperature", .type = PARAM_NUMBER, .least = 0, .most = 100, .fallback = "0.7", .value = "X", .help = "0: greedy"},
    {.name = "max-tokens", .type = PARAM_INT, .least = 1, .most = 1 << 20, .fallback = "512", .value = "N", .help = "longest answer"},
    {.name = "load", .type = PARAM_STRING, .value = "FILE", .help = "go on with a conversation that /save wrote"},
    OPTION_SEED,
    OPTIONS_PROMPT,
    {.name = "api-key-variable", .type = PARAM_STRING, .value = "NAME", .help = "environment variable with the key of an API"},
    OPTION_THREADS,
};

enum { MOST_LINE = 16 << 20 };

/* What was read of stdin and is no line yet. */
typedef struct input {
    char *text;
    size_t length, capacity;
    size_t taken; /* of it, the line that is being answered */
    bool over;
} input;

typedef struct chat {
    conversation talk;
    input in;
    bool terminal, over;
    char last; /* character printed */
} chat;

/* ---- signals ---------------------------------------------------------------------------------------------------- */

/* The answer shall end; the program shall. On a terminal Ctrl-C stops the answer alone. */
static atomic_bool stopped, ended, on_terminal;
/* A byte for each signal: whichever thread takes it, the one that waits for a line wakes. */
static int wake[2] = {-1, -1};

static void on_signal(int number)
{
    if (atomic_load(&ended))
        _exit(status_exit_code(STATUS_INTERRUPTED));
    if (number == SIGTERM || !atomic_load(&on_terminal))
        atomic_store(&ended, true);
    atomic_store(&stopped, true);
    int before = errno;
    ssize_t ignored = write(wake[1], "", 1);
    (void)ignored;
    errno = before;
}

static status catch_signals(bool terminal, error *err)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    if (pipe2(wake, O_CLOEXEC | O_NONBLOCK) != 0)
        return error_system(err, "making a pipe");
    atomic_store(&on_terminal, terminal);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return STATUS_OK;
}

/* ---- answers ---------------------------------------------------------------------------------------------------- */

static void print_piece(void *context, slice text)
{
    chat *c = context;
    fwrite(text.text, 1, text.length, stdout);
    fflush(stdout);
    if (text.length)
        c->last = text.text[text.length - 1];
}

static status ask(chat *c, const char *question, error *err)
{
    atomic_store(&stopped, atomic_load(&ended));
    c->last = '\0';
    status result = conversation_ask(&c->talk, question, print_piece, c, &stopped, err);
    if (atomic_exchange(&stopped, false) && result == STATUS_OK)
        fputs(" [stopped]", stderr);
    if (c->last != '\n' && (c->last || result == STATUS_OK))
        fputc('\n', stdout);
    if (fflush(stdout) != 0)
        return error_system(err, "writing to standard output");
    if (atomic_load(&ended))
        return error_set(err, STATUS_INTERRUPTED, "interrupted");
    return result;
}

/* ---- commands --------------------------------------------------------------------------------------------------- */

typedef status chat_command(chat *c, const char *rest, error *err);

static chat_command help, reset, set_system, save, load, retry, set_temperature, set_max, quit;

static const struct {
    const char *name, *value, *help;
    chat_command *run;
} commands[] = {
    {"/help", NULL, "this list", help},
    {"/reset", NULL, "forget what was said, but not the system message", reset},
    {"/system", "TEXT", "set the system message; without a text: none", set_system},
    {"/save", "FILE", "write the conversation as JSON", save},
    {"/load", "FILE", "go on with a conversation from a file", load},
    {"/retry", NULL, "another answer to the last question", retry},
    {"/temperature", "X", "0: greedy", set_temperature},
    {"/max", "N", "longest answer, in tokens", set_max},
    {"/quit", NULL, "end (so does Ctrl-D)", quit},
};

static status help(chat *c, const char *rest, error *err)
{
    (void)c, (void)rest, (void)err;
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        fprintf(stderr, "  %-12s %-5s %s\n", commands[i].name, commands[i].value ? commands[i].value : "", commands[i].help);
    fputs("  Ctrl-C stops an answer.\n", stderr);
    return STATUS_OK;
}

static status reset(chat *c, const char *rest, error *err)
{
    (void)rest;
    return conversation_reset(&c->talk, err);
}

static status set_system(chat *c, const char *rest, error *err)
{
    return conversation_set_system(&c->talk, rest, err);
}

static status save(chat *c, const char *rest, error *err)
{
    TRY(*rest ? STATUS_OK : error_set(err, STATUS_USAGE, "/save: expected a file"));
    return conversation_save(&c->talk, rest, err);
}

static status load(chat *c, const char *rest, error *err)
{
    TRY(*rest ? STATUS_OK : error_set(err, STATUS_USAGE, "/load: expected a file"));
    return conversation_load(&c->talk, rest, err);
}

static status retry(chat *c, const char *rest, error *err)
{
    (void)rest;
    return ask(c, NULL, err);
}

static status set_temperature(chat *c, const char *rest, error *err)
{
    double value;
    if (!slice_to_double(slice_of(rest), &value) || !(value >= 0 && value <= 100))
        return error_set(err, STATUS_USAGE, "/temperature: expected a number from 0 to 100, found \"%s\"", rest);
    c->talk.temperature = value;
    return STATUS_OK;
}

static status set_max(chat *c, const char *rest, error *err)
{
    int64_t value;
    if (!slice_to_int(slice_of(rest), &value) || value < 1 || value > 1 << 20)
        return error_set(err, STATUS_USAGE, "/max: expected a whole number from 1, found \"%s\"", rest);
    c->talk.max_tokens = (int)value;
    return STATUS_OK;
}

static status quit(chat *c, const char *rest, error *err)
{
    (void)rest, (void)err;
    c->over = true;
    return STATUS_OK;
}

static status obey(chat *c, char *line, error *err)
{
    size_t length = strcspn(line, " \t");
    const char *names[COUNT_OF(commands)], *rest = line + length + strspn(line + length, " \t");
    if (line[length])
        line[length] = '\0';
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        names[i] = commands[i].name;
        if (strcmp(commands[i].name, line) == 0)
            return commands[i].run(c, rest, err);
    }
    int nearest = text_nearest(line, names, COUNT_OF(names));
    return error_set(err, STATUS_USAGE, "there is no command %s; %s%s", line, nearest >= 0 ? "did you mean " : "/help names them",
                     nearest >= 0 ? names[nearest] : "");
}

/* ---- lines ------------------------------------------------------------------------------------------------------ */

typedef enum waited { WAITED_READ, WAITED_SIGNAL, WAITED_MEMORY } waited;

/* Waits for more of stdin, or a signal. */
static waited read_more(input *in)
{
    struct pollfd both[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = wake[0], .events = POLLIN}};
    char drained[64];
    if (in->length + 1 >= in->capacity) {
        size_t capacity = in->capacity ? 2 * in->capacity : 4096;
        char *grown = capacity > MOST_LINE ? NULL : realloc(in->text, capacity);
        if (!grown)
            return WAITED_MEMORY;
        in->text = grown;
        in->capacity = capacity;
    }
    if (poll(both, 2, -1) < 0)
        return WAITED_SIGNAL;
    if (both[1].revents) {
        while (read(wake[0], drained, sizeof drained) > 0)
            ;
        return WAITED_SIGNAL;
    }
    ssize_t n = read(STDIN_FILENO, in->text + in->length, in->capacity - in->length - 1);
    in->length += n > 0 ? (size_t)n : 0;
    in->over = n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN);
    return WAITED_READ;
}

/* *line NULL: the end of the input, or of the program. An interrupted line is an empty one. */
static status read_line(chat *c, char **line, error *err)
{
    input *in = &c->in;
    char *end;
    *line = NULL;
    if (in->taken > 0)
        memmove(in->text, in->text + in->taken, in->length - in->taken);
    in->length -= in->taken;
    in->taken = 0;
    if (c->terminal) {
        fputs("> ", stdout);
        fflush(stdout);
    }
    while (!(end = in->length ? memchr(in->text, '\n', in->length) : NULL) && !in->over) {
        waited w = read_more(in);
        if (w == WAITED_MEMORY)
            return error_set(err, STATUS_LIMIT, "a line is longer than %d MiB", MOST_LINE >> 20);
        if (atomic_load(&ended))
            return STATUS_OK;
        if (w == WAITED_SIGNAL && c->terminal && atomic_exchange(&stopped, false)) {
            fputs("\n(/quit or Ctrl-D ends)\n> ", stderr);
            in->length = 0; /* the terminal has forgotten what was typed, too */
        }
    }
    if (!end && in->length == 0)
        return STATUS_OK;
    size_t length = end ? (size_t)(end - in->text) : in->length;
    in->taken = end ? length + 1 : length;
    in->text[length] = '\0';
    if (length > 0 && in->text[length - 1] == '\r')
        in->text[length - 1] = '\0';
    *line = in->text;
    return STATUS_OK;
}

static status take_line(chat *c, char *line, error *err)
{
    if (line[strspn(line, " \t")] == '\0')
        return STATUS_OK;
    if (line[0] == '/')
        return obey(c, line, err);
    if (!utf8_valid(slice_of(line)))
        return error_set(err, STATUS_INVALID, "this line is not UTF-8");
    return ask(c, line, err);
}

/* On a terminal a mistake is said and the talk goes on; through a pipe it ends it. */
static status talk(chat *c, error *err)
{
    char *line;
    status result = read_line(c, &line, err);
    while (result == STATUS_OK && line) {
        result = take_line(c, line, err);
        if (result != STATUS_OK && c->terminal && !atomic_load(&ended)) {
            fprintf(stderr, "%s\n", err->message);
            if (err->hint[0])
                fprintf(stderr, "hint: %s\n", err->hint);
            result = STATUS_OK;
        }
        if (result == STATUS_OK && c->over)
            break;
        if (result == STATUS_OK)
            result = read_line(c, &line, err);
    }
    if (c->terminal && !c->over)
        fputc('\n', stdout);
    free(c->in.text);
    return result == STATUS_OK && atomic_load(&ended) ? error_set(err, STATUS_INTERRUPTED, "interrupted") : result;
}

static status prepare(command_call *call, chat *c, subject *s, error *err)
{
    const param_values *o = call->options;
    subject_probe seen = {0};
    TRY(conversation_open(&c->talk, s, (uint64_t)param_int(o, "seed"), err));
    TRY(subject_look(s, call->arena, SUBJECT_GENERATES, NULL, &seen, err)); /* a wrong address is said before the first question */
    if (seen.notes)
        fprintf(stderr, "note: %s\n", seen.notes);
    c->talk.temperature = param_number(o, "temperature");
    c->talk.max_tokens = (int)param_int(o, "max-tokens");
    if (param_string(o, "load"))
        TRY(conversation_load(&c->talk, param_string(o, "load"), err));
    if (param_string(o, "system"))
        TRY(conversation_set_system(&c->talk, param_string(o, "system"), err));
    return STATUS_OK;
}

static status run(command_call *call, error *err)
{
    const param_values *o = call->options;
    chat c = {.terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)};
    subject *s;
    if (!param_string(o, "model")) {
        error_set(err, STATUS_USAGE, "nobody to talk to");
        return error_hint(err, "name a subject with -m: base, a checkpoint folder or GGUF file, script:FILE.yaml");
    }
    subject_options subjects = {.threads = (size_t)param_int(o, "threads"), .api_key_variable = param_string(o, "api-key-variable")};
    TRY(cli_prompt_options(call, &subjects, err));
    TRY(subject_open(call->arena, param_string(o, "model"), &subjects, &s, err));
    status result = prepare(call, &c, s, err);
    if (result == STATUS_OK) {
        if (c.terminal)
            fprintf(stderr, "%s answers; /help names the commands\n", s->specification);
        result = catch_signals(c.terminal, err);
    }
    if (result == STATUS_OK)
        result = talk(&c, err);
    if (wake[0] >= 0) {
        struct sigaction usual = {.sa_handler = SIG_DFL};
        sigaction(SIGINT, &usual, NULL);
        sigaction(SIGTERM, &usual, NULL);
        close(wake[0]);
        close(wake[1]);
    }
    conversation_close(&c.talk);
    subject_close(s);
    return result;
}

const command command_chat = {
    .name = "chat",
    .summary = "a conversation on the terminal",
    .about = "Reads a line, prints the answer, and goes on; the whole conversation is put to the subject each time. A checkpoint on "
             "this machine answers as it writes; Ctrl-C stops an answer, and what came so far stays said. Lines that begin with / "
             "are commands: /help names them.\n\n"
             "Questions may also come through a pipe, a line each; answers then go to stdout, nothing else does, and the first "
             "failure ends the command.",
    .examples = "  assay chat -m base\n"
                "  echo 'Who sells bread?' | assay chat -m out/s50 --temperature 0\n",
    COMMAND_OPTIONS(options),
    .run = run,
};
