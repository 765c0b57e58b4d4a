/* Subjects that are no checkpoint on this machine: one question, one whole answer. Where a client wants a stream it gets the
 * answer in one piece. */
#include "serve/inside.h"

#include "core/hash.h"
#include "core/jsonio.h"
#include "core/progress.h"

#include <string.h>

enum { DEFAULT_TOKENS = 1024 };

/* What such a subject cannot be asked for. */
static bool check(const server *s, const request *q, problem *p)
{
    const struct {
        bool asked;
        const char *param, *words;
    } rows[] = {
        {q->kind != REQUEST_CHAT, "prompt", "it takes chats alone"},
        {q->logprobs, "logprobs", "it gives no log-probabilities of tokens"},
        {q->prompt_logprobs >= 0, "prompt_logprobs", "it gives no log-probabilities of prompts"},
        {q->form != FORM_TEXT, "response_format", "its answers cannot be held to a form"},
        {q->continues && !(s->subject->abilities & SUBJECT_PREFILL), "continue_final_message", "it begins its answers itself"},
        {q->tools && !(s->subject->abilities & SUBJECT_TOOLS), "tools", "it calls no tools"},
        {q->has_seed && !(s->subject->abilities & SUBJECT_SEEDS) && q->temperature > 0, "seed", "it draws as it likes"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].asked)
            return problem_set(p, 400, rows[i].param, "%s is not supported by %s: %s", rows[i].param, s->model, rows[i].words);
    return true;
}

/* Where a router places a conversation: its hash, in [0, 1). */
static double position_of(arena *a, const request *q)
{
    unsigned char digest[SHA256_BYTES];
    strbuf text = strbuf_new(a, (size_t)1 << 28);
    json_t *list = message_list_json(q->messages, q->message_count);
    if (list)
        jsonio_canonical(list, &text, NULL);
    json_decref(list);
    sha256_of(text.text ? text.text : "", text.length, digest);
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | digest[i];
    return (double)(bits >> 11) * 0x1p-53;
}

static generate_request question_of(server *s, job *j, size_t index)
{
    const request *q = &j->request;
    uint64_t number = atomic_fetch_add(&s->numbers, 1);
    const char **stops = ARENA_ARRAY(j->arena, const char *, q->stop_count + 1);
    for (size_t i = 0; stops && i < q->stop_count; i++)
        stops[i] = q->stops[i].text;
    return (generate_request){
        .messages = q->messages, .count = q->message_count,
        .max_tokens = q->max_tokens > 0 && q->max_tokens < INT32_MAX ? (int)q->max_tokens : DEFAULT_TOKENS,
        .temperature = q->temperature, .top_p = q->top_p, .top_k = (int)q->top_k, .stops = stops, .stop_count = stops ? q->stop_count : 0,
        .tools = q->tools, .position = position_of(j->arena, q),
        .address = {.seed = q->has_seed ? (uint64_t)q->seed : s->options.seed, .study = "serve", .repeat = index,
                    .turn = q->has_seed ? 0 : number + 1},
    };
}

static const char *finish_of(const generate_reply *r, bool calls)
{
    static const char *const words[STOP_REASON_COUNT] = {[STOP_END] = "stop", [STOP_STRING] = "stop", [STOP_LENGTH] = "length",
                                                         [STOP_REFUSED] = "content_filter"};
    return calls && r->reason == STOP_END ? "tool_calls" : words[r->reason];
}

static bool calls_tools(const generate_reply *r)
{
    for (size_t i = 0; i < r->block_count; i++)
        if (r->blocks[i].kind == BLOCK_TOOL_CALL)
            return true;
    return false;
}

static void take_reply(job *j, size_t index, const generate_reply *r)
{
    const char *finish = finish_of(r, calls_tools(r));
    slice text = slice_of(r->text);
    j->prompt_tokens += (uint64_t)r->prompt_tokens;
    j->completion_tokens += (uint64_t)r->completion_tokens;
    j->cached_tokens += (uint64_t)r->cached_tokens;
    json_t *choice = answer_choice(j, index, text, finish, NULL);
    answer_calls(choice, r->blocks, r->block_count);
    j->parts[index].choice = choice;
}

static bool ask_all(server *s, job *j, problem *p)
{
    size_t n = (size_t)j->request.n;
    j->parts = ARENA_ARRAY(j->arena, part, n);
    if (!j->parts)
        return problem_set(p, 503, NULL, "out of memory for this request");
    j->part_count = n;
    for (size_t i = 0; i < n; i++) {
        generate_request q = question_of(s, j, i);
        generate_reply reply = {0};
        error err = {0};
        if (atomic_load(&j->cancelled)) {
            job_cancel_problem(j, p);
            return false;
        }
        status code = broker_generate(s->broker, j->arena, &q, &reply, &err);
        if (code != STATUS_OK)
            return problem_from(p, code, err.message);
        if (i == 0)
            metrics_time(&s->metrics, &s->metrics.first_token, clock_seconds() - j->received);
        take_reply(j, i, &reply);
    }
    return true;
}

void ask_answer(server *s, job *j)
{
    problem p = {0};
    if (!check(s, &j->request, &p) || !ask_all(s, j, &p)) {
        answer_problem(j, &p);
    } else {
        metrics_tokens(&s->metrics, j->prompt_tokens, j->completion_tokens);
        if (!j->request.stream)
            answer_whole(j);
        else {
            for (size_t i = 0; i < j->part_count; i++)
                answer_at_once(j, i);
            answer_end(j);
        }
    }
    job_leave(j);
}
