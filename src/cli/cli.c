#include "cli/cli.h"

#include "cli/command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { OUTPUT_LIMIT = 1 << 30 };

bool cli_colours(void)
{
    const char *none = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(STDOUT_FILENO) && !(none && *none) && term && strcmp(term, "dumb") != 0;
}

const char *cli_today(arena *a)
{
    char made[40];
    time_t now = time(NULL);
    struct tm parts;
    gmtime_r(&now, &parts);
    strftime(made, sizeof made, "%Y-%m-%d", &parts);
    return arena_strdup(a, made);
}

progress_mode cli_progress_mode(const command_call *call)
{
    bool quiet = param_find(call->options, "quiet") && param_flag(call->options, "quiet");
    return quiet ? PROGRESS_QUIET : PROGRESS_AUTO;
}

const command *command_find(const char *name)
{
    for (size_t i = 0; i < command_table_count; i++)
        if (strcmp(command_table[i]->name, name) == 0)
            return command_table[i];
    return NULL;
}

/* A message quotes what it found, which may hold what a terminal obeys: control characters are shown, not sent. */
static void print_shown(const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if ((*c < ' ' && *c != '\n' && *c != '\t') || *c == 0x7f)
            fprintf(stderr, "\\x%02x", *c);
        else
            fputc(*c, stderr);
}

static int report_failure(const char *verb, const error *err)
{
    if (err->code == STATUS_INTERRUPTED && !err->message[0])
        return status_exit_code(err->code);
    fprintf(stderr, "assay%s%s: ", verb ? " " : "", verb ? verb : "");
    print_shown(err->message);
    fputs(err->hint[0] ? "\nhint: " : "", stderr);
    print_shown(err->hint);
    fputc('\n', stderr);
    return status_exit_code(err->code);
}

static status print_out(const strbuf *out, error *err)
{
    if (out->failed)
        return error_set(err, STATUS_MEMORY, "the output is too large, or memory is out");
    if ((out->length && fwrite(out->text, 1, out->length, stdout) != out->length) || fflush(stdout) != 0)
        return error_system(err, "writing to standard output");
    return STATUS_OK;
}

static status unknown_command(arena *a, const char *word, error *err)
{
    const char **names = ARENA_ARRAY(a, const char *, command_table_count + 1);
    if (!names)
        return error_set(err, STATUS_MEMORY, "out of memory");
    for (size_t i = 0; i < command_table_count; i++)
        names[i] = command_table[i]->name;
    int nearest = text_nearest(word, names, command_table_count);
    error_set(err, STATUS_USAGE, word[0] == '-' ? "unknown option '%s'" : "there is no command '%s'", word);
    if (nearest >= 0)
        return error_hint(err, "did you mean 'assay %s'?", names[nearest]);
    return error_hint(err, "'assay help' names the commands");
}

static status run_command(const command *c, command_call *call, int count, char **words, error *err)
{
    bool help = false;
    TRY(command_parse(c, call->arena, count, words, call, &help, err));
    if (help)
        help_command(&call->out, c, call->study);
    else
        TRY(c->run(call, err));
    return print_out(&call->out, err);
}

static status dispatch(command_call *call, int argc, char **argv, const command **chosen, error *err)
{
    const char *word = argc > 1 ? argv[1] : "--help";
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        strbuf_printf(&call->out, "assay %s\n", ASSAY_VERSION);
        return print_out(&call->out, err);
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        help_overview(&call->out);
        return print_out(&call->out, err);
    }
    *chosen = command_find(word);
    if (!*chosen)
        return unknown_command(call->arena, word, err);
    return run_command(*chosen, call, argc - 2, argv + 2, err);
}

int cli_main(int argc, char **argv)
{
    cli_catch_signals();
    error err = {.code = STATUS_OK};
    arena *a = arena_new(NULL);
    if (!a) {
        error_set(&err, STATUS_MEMORY, "out of memory");
        return report_failure(NULL, &err);
    }
    command_call call = {.arena = a, .out = strbuf_new(a, OUTPUT_LIMIT)};
    const command *chosen = NULL;
    status outcome = dispatch(&call, argc, argv, &chosen, &err);
    int code = outcome == STATUS_OK ? 0 : report_failure(chosen ? chosen->name : NULL, &err);
    arena_free(a);
    return code;
}
