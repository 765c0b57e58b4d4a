/* request.h - what clients ask, read from JSON and checked (private to src/serve).
 *
 * A table of parameters (request_table.c) names every one that is known, for which route, and what becomes of it: read,
 * refused unless it changes nothing, or ignored. What the table does not name is refused by its name.
 *
 *     request r;
 *     problem p = {0};
 *     if (!request_parse(arena, REQUEST_CHAT, body, &r, &p)) ... p says why
 *
 * Texts lie in the arena; JSON values that a request keeps (a schema, tools) go with it.
 */
#ifndef ASSAY_SERVE_REQUEST_H
#define ASSAY_SERVE_REQUEST_H

#include "lm/tokenizer.h"
#include "serve/problem.h"
#include "subject/message.h"

#include <jansson.h>
#include <stdint.h>

typedef enum request_kind {
    REQUEST_CHAT = 1 << 0,
    REQUEST_COMPLETIONS = 1 << 1,
    REQUEST_TOKENIZE = 1 << 2,
    REQUEST_DETOKENIZE = 1 << 3,
} request_kind;

enum { REQUEST_MOST_PROMPTS = 1024, REQUEST_MOST_CHOICES = 128, REQUEST_MOST_PARTS = 1024, REQUEST_MOST_STOPS = 32, REQUEST_MOST_TOP = 20 };

/* One prompt of /v1/completions: text, or ids. */
typedef struct request_prompt {
    slice text;    /* NULL text: ids */
    token_list ids;
} request_prompt;

typedef enum request_form { FORM_TEXT, FORM_JSON, FORM_SCHEMA, FORM_CHOICE } request_form;

typedef struct request {
    request_kind kind;
    const char *model; /* NULL: not said */
    /* chat, and tokenize with messages */
    message *messages;
    size_t message_count;
    bool continues;      /* the last message is the start of the answer */
    bool no_generation_prompt;
    const char *tools;   /* JSON, as generate_request has it; NULL: none */
    bool no_calls;       /* tools may be named, but not called: then they are not shown */
    /* completions, tokenize, detokenize */
    request_prompt *prompts;
    size_t prompt_count;
    bool echo;
    bool plain;          /* tokenize: no special tokens around the text */
    bool with_pieces, llama_form; /* tokenize */
    /* how */
    int64_t max_tokens;  /* -1: not said */
    double temperature, top_p;
    int64_t top_k;
    bool has_seed;
    int64_t seed;
    int64_t n;
    slice *stops;
    size_t stop_count;
    bool logprobs;
    int64_t top;              /* alternatives a token */
    int64_t prompt_logprobs;  /* vLLM's: -1 none */
    bool stream, include_usage;
    request_form form;
    const json_t *schema; /* FORM_SCHEMA */
    slice *choices;
    size_t choice_count;
} request;

/* False with *p set when it is refused. */
bool request_parse(arena *a, request_kind kind, slice body, request *out, problem *p);

/* ---- inside ----------------------------------------------------------------------------------------------------- */

typedef struct request_reader {
    arena *arena;
    request *out;
    problem *problem;
    const json_t *body;
    const char *name; /* of the parameter being read */
} request_reader;

typedef bool request_read(request_reader *r, const json_t *value);

/* "NAME: expected WHAT, found a string" */
bool request_expected(request_reader *r, const char *what, const json_t *found);
bool request_no_memory(request_reader *r);
request_read request_read_messages, request_read_prompt, request_read_tools; /* request_messages.c, request_prompt.c */
request_read request_read_tokens, request_read_content;
request_read request_read_format, request_read_choices, request_read_schema, request_read_structured; /* request_form.c */

/* What becomes of a parameter. FLAG, UNFLAG (said the other way round), INTEGER and NUMBER go to a field of the request;
 * READ has a function of its own; NEUTRAL is refused unless it changes nothing; IGNORED changes nothing. */
typedef enum request_fate { FLAG, UNFLAG, INTEGER, NUMBER, READ, NEUTRAL, IGNORED } request_fate;
typedef struct request_row {
    const char *name;
    unsigned kinds;
    request_fate fate;
    size_t field;         /* its place in a request */
    double least, most;   /* INTEGER, NUMBER */
    request_read *read;   /* READ */
    const char *neutral;  /* NEUTRAL: JSON values that change nothing, beside null; several are separated by | */
} request_row;
extern const request_row request_table[];
extern const size_t request_table_count;
/* A parameter whose fate is READ, or one of those before it. */
bool request_read_row(request_reader *r, const request_row *row, const json_t *value);

#endif
