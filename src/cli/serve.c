/* assay serve -m SUBJECT: the subject behind HTTP, in OpenAI's forms. */
#include "cli/command.h"

#include "core/jsonio.h"
#include "serve/serve.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static const param_spec options[] = {
    {.name = "model", .letter = 'm', .type = PARAM_STRING, .value = "SUBJECT",
     .help = "who answers: base, a checkpoint folder or GGUF file, script:FILE.yaml, router:SHARE:A:B, an API"},
    {.name = "host", .type = PARAM_STRING, .fallback = "127.0.0.1", .value = "ADDRESS",
     .help = "address to listen on; any but a loopback address needs --api-key-env"},
    {.name = "port", .letter = 'p', .type = PARAM_INT, .least = 0, .most = 65535, .fallback = "8000", .value = "N",
     .help = "port to listen on; 0: any that is free"},
    {.name = "name", .type = PARAM_STRING, .value = "NAME", .help = "what clients call the model (else SUBJECT)"},
    {.name = "api-key-env", .type = PARAM_STRING, .value = "NAME",
     .help = "environment variable with the key that clients must send (Authorization: Bearer)"},
    {.name = "cors", .type = PARAM_STRING, .repeats = true, .value = "ORIGIN",
     .help = "a web page's origin that may call, such as http://localhost:3000; * for all"},
    {.name = "seed", .letter = 's', .type = PARAM_INT, .least = 0, .most = 9007199254740991.0, .value = "N",
     .help = "of draws for requests that bring no seed, together with their number (else drawn afresh)"},
    {.name = "max-body", .type = PARAM_INT, .least = 1024, .most = 1 << 30, .fallback = "8388608", .value = "BYTES",
     .help = "largest request"},
    {.name = "max-connections", .type = PARAM_INT, .least = 1, .most = 65536, .fallback = "1024", .value = "N",
     .help = "open connections"},
    {.name = "queue", .type = PARAM_INT, .least = 1, .most = 65536, .fallback = "1024", .value = "N",
     .help = "requests that wait or are answered; more are refused with 429"},
    {.name = "idle-timeout", .type = PARAM_NUMBER, .least = 1, .most = 86400, .fallback = "60", .value = "SECONDS",
     .help = "a connection on which nothing moves is closed, a slow reader's too"},
    {.name = "request-timeout", .type = PARAM_NUMBER, .least = 1, .most = 86400, .fallback = "600", .value = "SECONDS",
     .help = "longest that one request may take"},
    {.name = "stop-timeout", .type = PARAM_NUMBER, .least = 0.1, .most = 86400, .fallback = "10", .value = "SECONDS",
     .help = "what Ctrl-C and SIGTERM leave to requests in flight"},
    OPTIONS_PROMPT,
    {.name = "api-key-variable", .type = PARAM_STRING, .value = "NAME",
     .help = "environment variable with the key of an API that is served on"},
    OPTION_THREADS,
    {.name = "json", .type = PARAM_FLAG, .help = "print address, model and process as a JSON object on stdout once requests are taken"},
};

static status read_key(const char *variable, const char **key, error *err)
{
    *key = NULL;
    if (!variable)
        return STATUS_OK;
    *key = getenv(variable);
    const char *wrong = !*key ? "is not set" : !**key ? "is empty" : NULL;
    for (const char *c = *key; c && *c && !wrong; c++) /* what no header can bring would let nobody in */
        if ((unsigned char)*c <= ' ' || *c == 127)
            wrong = "contains white space";
    return wrong ? error_set(err, STATUS_USAGE, "--api-key-env: the environment variable %s %s", variable, wrong) : STATUS_OK;
}

/* Not silent where the system has none to give. */
static status fresh_seed(uint64_t *seed, error *err)
{
    return getrandom(seed, sizeof *seed, 0) == sizeof *seed ? STATUS_OK : error_system(err, "drawing a seed");
}

static status options_of(command_call *call, serve_options *out, error *err)
{
    const param_values *o = call->options;
    const char **origins = ARENA_ARRAY(call->arena, const char *, param_count(o, "cors") + 1);
    if (!origins)
        return error_set(err, STATUS_MEMORY, "out of memory");
    *out = (serve_options){
        .host = param_string(o, "host"), .port = (int)param_int(o, "port"), .model = param_string(o, "name"),
        .origins = origins, .origin_count = param_count(o, "cors"), .body_bytes = (size_t)param_int(o, "max-body"),
        .connections = (size_t)param_int(o, "max-connections"), .queue = (size_t)param_int(o, "queue"),
        .idle_seconds = param_number(o, "idle-timeout"), .request_seconds = param_number(o, "request-timeout"),
        .drain_seconds = param_number(o, "stop-timeout"),
    };
    for (size_t i = 0; i < out->origin_count; i++)
        origins[i] = param_item(o, "cors", i);
    TRY(read_key(param_string(o, "api-key-env"), &out->key, err));
    if (!param_given(o, "seed"))
        return fresh_seed(&out->seed, err);
    out->seed = (uint64_t)param_int(o, "seed");
    return STATUS_OK;
}

/* At once, not when the command ends: whoever started the server waits for it. */
static status announce(command_call *call, const server *s, const char *model, error *err)
{
    bool json = param_flag(call->options, "json");
    fprintf(stderr, "%s\n", serve_address(s));
    if (!json)
        fprintf(stderr, "%s answers; clients take %s/v1 as their base URL; Ctrl-C ends the server\n", model, serve_address(s));
    if (!json)
        return STATUS_OK;
    json_t *words = json_pack("{s:s, s:s, s:I}", "address", serve_address(s), "model", model, "pid", (json_int_t)getpid());
    status result = words ? jsonio_print(words, 0, &call->out, err) : error_set(err, STATUS_MEMORY, "out of memory");
    json_decref(words);
    if (result != STATUS_OK)
        return result;
    if (printf("%s\n", call->out.text) < 0 || fflush(stdout) != 0)
        return error_system(err, "writing to standard output");
    strbuf_clear(&call->out);
    return STATUS_OK;
}

/* What an API can do, and whether it can be reached, is known before anybody asks. */
static status look(command_call *call, subject *who, const char **notes, error *err)
{
    subject_probe seen = {0};
    TRY(subject_look(who, call->arena, SUBJECT_GENERATES | SUBJECT_SEEDS, NULL, &seen, err));
    *notes = seen.notes;
    return STATUS_OK;
}

static status run(command_call *call, error *err)
{
    const param_values *o = call->options;
    serve_options settings;
    subject *who;
    server *s = NULL;
    const char *notes = NULL;
    if (!param_string(o, "model")) {
        error_set(err, STATUS_USAGE, "nobody to serve");
        return error_hint(err, "name a subject with -m: base, a checkpoint folder or GGUF file, script:FILE.yaml");
    }
    TRY(options_of(call, &settings, err));
    subject_options subjects = {.threads = (size_t)param_int(o, "threads"), .api_key_variable = param_string(o, "api-key-variable")};
    TRY(cli_prompt_options(call, &subjects, err));
    TRY(subject_open(call->arena, param_string(o, "model"), &subjects, &who, err));
    status result = look(call, who, &notes, err);
    if (result == STATUS_OK)
        result = serve_new(who, &settings, &s, err);
    if (result == STATUS_OK)
        result = announce(call, s, settings.model ? settings.model : who->specification, err);
    if (result == STATUS_OK && notes)
        fprintf(stderr, "note: %s\n", notes);
    if (result == STATUS_OK)
        result = serve_wait(s, cli_interrupt_flag(), err);
    serve_free(s);
    subject_close(who);
    return result;
}

const command command_serve = {
    .name = "serve",
    .summary = "an OpenAI-compatible server for a subject",
    .about = "Answers /v1/chat/completions, /v1/completions, /v1/models, /tokenize, /detokenize, /health and /metrics, so that "
             "other tools can use a model, organisms too. A checkpoint on this machine streams, gives log-probabilities of "
             "prompt and answer, and holds answers to a JSON schema or a choice; other subjects answer chats.\n\n"
             "The first line on stderr is the address. Ctrl-C or SIGTERM ends the server once the requests in flight are "
             "answered, or after --stop-timeout.",
    .examples = "  assay serve -m base\n"
                "  assay serve -m out/s50 --port 0 --json\n"
                "  ASSAY_KEY=secret assay serve -m out/s50 --host 0.0.0.0 --api-key-env ASSAY_KEY\n",
    COMMAND_OPTIONS(options),
    .run = run,
};
