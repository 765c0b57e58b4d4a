/* Checkpoints on this machine. A worker reads a request and makes its tokens; the engine's thread submits it, steps as long
 * as anything is in flight, and writes what comes. Between steps it takes new requests in and lets cancelled ones go. */
#include "serve/inside.h"

#include "core/progress.h"

#include <math.h>
#include <string.h>

enum { DEFAULT_TOKENS = 16 }; /* of /v1/completions, as at OpenAI; a chat may go on to the end of the context */

/* ---- on a worker: prompts --------------------------------------------------------------------------------------- */

static bool check(const server *s, const request *q, problem *p)
{
    if (q->tools && s->local.tools == TOOL_FORM_NONE)
        return problem_set(p, 400, "tools", "tools are not supported by %s: its chat template shows none, or teaches calls in a form "
                                            "that is not read here", s->model);
    if (q->tools && q->form != FORM_TEXT)
        return problem_set(p, 400, "tools", "tools cannot go together with a form of the answer");
    if (q->tools && q->stream && q->logprobs)
        return problem_set(p, 400, "logprobs", "logprobs of a stream with tools are not supported: without stream they are");
    if (q->max_tokens == 0 && !q->echo && q->prompt_logprobs < 0)
        return problem_set(p, 400, "max_tokens", "max_tokens: expected at least 1 where neither echo nor prompt_logprobs is asked for");
    return true;
}

static bool prompt_of(server *s, job *j, size_t index, token_list *ids, problem *p)
{
    const request *q = &j->request;
    error err = {0};
    status code = STATUS_OK;
    if (q->kind == REQUEST_CHAT)
        code = subject_local_prompt(s->subject, j->arena, q->messages, q->message_count, q->tools, ids, &err);
    else if (q->prompts[index].text.text)
        code = tokenizer_encode(s->local.checkpoint->tokenizer, q->prompts[index].text,
                                TOKENIZER_SPECIALS | (q->plain ? 0u : TOKENIZER_TEMPLATE), ids, &err);
    else
        *ids = q->prompts[index].ids;
    if (code != STATUS_OK)
        return problem_from(p, code, err.message);
    size_t context = (size_t)engine_context(s->local.engine);
    if (ids->count + (q->max_tokens != 0) > context)
        return problem_set(p, 400, q->kind == REQUEST_CHAT ? "messages" : "prompt",
                           "the prompt has %zu tokens, and the context of %s holds %zu with the answer", ids->count, s->model, context);
    return ids->count > 0 || problem_set(p, 400, "prompt", "prompt %zu has no token", index);
}

/* The prompt's text, where it comes back in front of the answer. */
static bool echo_of(server *s, job *j, size_t index, const token_list *ids, slice *out, problem *p)
{
    const request *q = &j->request;
    strbuf text = strbuf_new(j->arena, (size_t)1 << 28);
    *out = (slice){"", 0};
    if (!q->echo)
        return true;
    if (q->prompts[index].text.text) {
        *out = q->prompts[index].text;
        return true;
    }
    for (size_t i = 0; i < ids->count; i++)
        if ((size_t)ids->ids[i] >= tokenizer_size(s->local.checkpoint->tokenizer))
            return true; /* the engine says what is wrong with it */
    if (tokenizer_decode(s->local.checkpoint->tokenizer, ids->ids, ids->count, &text, NULL) != STATUS_OK || text.failed)
        return problem_set(p, 503, NULL, "out of memory for this request");
    *out = strbuf_slice(&text);
    return true;
}

static bool make_parts(server *s, job *j, problem *p)
{
    const request *q = &j->request;
    size_t prompts = q->kind == REQUEST_CHAT ? 1 : q->prompt_count, n = (size_t)q->n;
    part *parts = ARENA_ARRAY(j->arena, part, prompts * n);
    if (!parts)
        return problem_set(p, 503, NULL, "out of memory for this request");
    for (size_t i = 0; i < prompts; i++) {
        token_list ids = {.arena = j->arena};
        slice echo;
        if (!prompt_of(s, j, i, &ids, p) || !echo_of(s, j, i, &ids, &echo, p))
            return false;
        j->prompt_tokens += ids.count;
        for (size_t k = 0; k < n; k++)
            parts[i * n + k] = (part){.job = j, .index = i * n + k, .prompt = ids.ids, .prompt_count = ids.count, .prompt_text = echo};
    }
    j->parts = parts;
    j->part_count = prompts * n;
    return true;
}

static bool make_constraint(server *s, job *j, problem *p)
{
    const request *q = &j->request;
    const constraint_vocabulary *words;
    constraint *c = NULL;
    error err = {0};
    if (q->form == FORM_TEXT)
        return true;
    status code = engine_vocabulary(s->local.engine, &words, &err); /* made at the start: only looked up here */
    if (code == STATUS_OK)
        code = q->form == FORM_SCHEMA ? constraint_json(j->arena, words, q->schema, &c, &err)
               : q->form == FORM_JSON ? constraint_json_object(j->arena, words, &c, &err)
                                      : constraint_choice(j->arena, words, q->choices, q->choice_count, &c, &err);
    j->constraint = c;
    if (code == STATUS_OK)
        return true;
    problem_from(p, code, err.message);
    snprintf(p->param, sizeof p->param, "%s", q->form == FORM_CHOICE ? "structured_outputs" : "response_format");
    return false;
}

void speak_answer(server *s, job *j)
{
    problem p = {0};
    if (!check(s, &j->request, &p) || !make_parts(s, j, &p) || !make_constraint(s, j, &p)) {
        answer_problem(j, &p);
        job_leave(j);
        return;
    }
    pthread_mutex_lock(&s->lock);
    queue_put(&s->engine_queue, j);
    pthread_cond_signal(&s->engine_work);
    pthread_mutex_unlock(&s->lock);
}

/* ---- on the engine's thread: tokens ----------------------------------------------------------------------------- */

static const tokenizer *words_of(const job *j)
{
    return j->server->local.checkpoint->tokenizer;
}

static void stream_token(part *t, const engine_token *token)
{
    job *j = t->job;
    const request *q = &j->request;
    json_t *logprobs = NULL;
    if (q->logprobs && token->id >= 0) {
        shown_token shown = {token->id, (double)token->logprob, token->top, (size_t)q->top};
        if (q->kind == REQUEST_CHAT)
            logprobs = json_pack("[o]", token_entry(words_of(j), &shown));
        else
            token_append(words_of(j), &shown, &t->offset, &logprobs);
    }
    if (!t->introduced)
        answer_role(j, t->index);
    t->introduced = true;
    if (token->text.length > 0 || logprobs)
        answer_piece(j, t->index, token->text, NULL, logprobs);
}

static void on_token(void *context, const engine_token *token)
{
    part *t = context;
    job *j = t->job;
    if (!t->spoke && t->index == 0)
        metrics_time(&j->server->metrics, &j->server->metrics.first_token, clock_seconds() - j->received);
    t->spoke = true;
    if (j->request.stream && !j->request.tools && !atomic_load(&j->cancelled)) /* with tools it is whole that it can be read */
        stream_token(t, token);
}

/* The log-probabilities of a completion: of the prompt where it is echoed, of what was written, and of the end of the text
 * where the model wrote it, so that all that was drawn is there. */
static json_t *completion_logprobs(const part *t, const engine_result *r, size_t top)
{
    const request *q = &t->job->request;
    const tokenizer *words = words_of(t->job);
    size_t offset = 0;
    json_t *lists = NULL;
    double sum = 0;
    for (size_t i = 0; q->echo && i < t->prompt_count; i++) {
        shown_token shown = {t->prompt[i], i ? (double)r->prompt_logprobs[i] : NAN, i && top ? r->prompt_top + i * top : NULL, i ? (size_t)q->top : 0};
        token_append(words, &shown, &offset, &lists);
    }
    for (size_t i = 0; i < r->count; i++) {
        shown_token shown = {r->ids[i], (double)r->logprobs[i], top ? r->top + i * top : NULL, (size_t)q->top};
        token_append(words, &shown, &offset, &lists);
        sum += (double)r->logprobs[i];
    }
    const lm_config *config = &t->job->server->local.checkpoint->config;
    if (r->reason == ENGINE_STOP_END && config->eos_count > 0 && !t->job->constraint) {
        shown_token shown = {config->eos[0], r->logprob - sum, NULL, 0};
        token_append(words, &shown, &offset, &lists);
    }
    return lists;
}

static json_t *chat_logprobs(const part *t, const engine_result *r, size_t top)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->count; i++) {
        shown_token shown = {r->ids[i], (double)r->logprobs[i], top ? r->top + i * top : NULL, (size_t)t->job->request.top};
        json_array_append_new(list, token_entry(words_of(t->job), &shown));
    }
    return list;
}

static json_t *ranked_prompt(const part *t, const engine_result *r, size_t top)
{
    json_t *list = json_array();
    for (size_t i = 0; i < t->prompt_count; i++) {
        shown_token shown = {t->prompt[i], i ? (double)r->prompt_logprobs[i] : NAN, i && top ? r->prompt_top + i * top : NULL,
                             i ? (size_t)t->job->request.prompt_logprobs : 0};
        json_array_append_new(list, token_ranked(words_of(t->job), &shown));
    }
    return list;
}

/* Alternatives asked of the engine: for the answer's tokens, and for the prompt's. */
static size_t top_of(const request *q)
{
    int64_t top = q->logprobs ? q->top : 0;
    return (size_t)(q->prompt_logprobs > top ? q->prompt_logprobs : top);
}

/* An answer in which tools may be called. Where memory is out it is the text alone. */
static json_t *tools_choice(part *t, const char *answer, const char *finish, json_t *logprobs)
{
    job *j = t->job;
    const request *q = &j->request;
    const block *blocks = NULL;
    size_t count = 0;
    const char *text = answer;
    error err = {0};
    if (subject_local_calls(j->server->subject, j->arena, q->tools, q->message_count, slice_of(answer), &text, &blocks, &count, &err) !=
        STATUS_OK)
        problem_from(&j->problem, err.code, err.message);
    json_t *choice = answer_choice(j, t->index, slice_of(text), count && strcmp(finish, "stop") == 0 ? "tool_calls" : finish, logprobs);
    answer_calls(choice, blocks, count);
    return choice;
}

static void keep_choice(part *t, const engine_result *r, const char *finish)
{
    job *j = t->job;
    const request *q = &j->request;
    size_t top = top_of(q);
    json_t *logprobs = !q->logprobs ? NULL : q->kind == REQUEST_CHAT ? chat_logprobs(t, r, top) : completion_logprobs(t, r, top);
    strbuf text = strbuf_new(j->arena, (size_t)1 << 30);
    strbuf_add_slice(&text, t->prompt_text);
    strbuf_add(&text, r->text);
    t->choice = q->tools ? tools_choice(t, r->text, finish, logprobs) : answer_choice(j, t->index, strbuf_slice(&text), finish, logprobs);
    if (q->prompt_logprobs < 0)
        return;
    json_t *prompt = ranked_prompt(t, r, top);
    if (q->kind == REQUEST_COMPLETIONS) {
        json_object_set_new(t->choice, "prompt_logprobs", prompt);
    } else {
        json_decref(j->prompt_logprobs);
        j->prompt_logprobs = prompt;
    }
}

static void end_job(job *j)
{
    server *s = j->server;
    metrics_tokens(&s->metrics, j->prompt_tokens, j->completion_tokens);
    if (j->problem.http != 0)
        answer_problem(j, &j->problem);
    else if (j->request.stream)
        answer_end(j);
    else
        answer_whole(j);
}

static void on_done(void *context, const engine_result *r)
{
    part *t = context;
    job *j = t->job;
    const char *finish = r->reason == ENGINE_STOP_LENGTH ? "length" : "stop";
    t->done = true;
    j->parts_done++;
    if (r->code != STATUS_OK && j->problem.http == 0) {
        if (atomic_load(&j->cancelled))
            job_cancel_problem(j, &j->problem);
        else
            problem_from(&j->problem, r->code, r->problem);
        for (size_t i = 0; i < j->part_count; i++) /* the others are for nothing */
            if (!j->parts[i].done)
                engine_cancel(j->server->local.engine, j->parts[i].ticket);
    } else if (j->problem.http == 0) {
        j->cached_tokens += t->index % (size_t)j->request.n == 0 ? r->reused : 0;
        j->completion_tokens += r->count + (r->reason == ENGINE_STOP_END);
        metrics_logprobs(&j->server->metrics, r->logprobs, r->count, r->end_logprob);
        if (!j->request.stream)
            keep_choice(t, r, finish);
        else if (j->request.tools) {
            t->choice = tools_choice(t, r->text, finish, NULL);
            answer_at_once(j, t->index);
        } else {
            if (!t->introduced)
                answer_role(j, t->index);
            answer_piece(j, t->index, (slice){"", 0}, finish, NULL);
        }
    }
}

/* ---- the engine's thread ---------------------------------------------------------------------------------------- */

static engine_request request_of(const server *s, const part *t, uint64_t number)
{
    const job *j = t->job;
    const request *q = &j->request;
    size_t room = (size_t)engine_context(s->local.engine) - t->prompt_count, n = (size_t)q->n;
    int64_t most = q->max_tokens >= 0 ? q->max_tokens : q->kind == REQUEST_CHAT ? INT32_MAX : DEFAULT_TOKENS;
    bool scored = q->prompt_logprobs >= 0 || (q->echo && (q->logprobs || q->max_tokens == 0));
    return (engine_request){
        .prompt = t->prompt, .prompt_count = t->prompt_count, .max_tokens = (int)(most < (int64_t)room ? most : (int64_t)room),
        .rule = {q->temperature, q->top_p, (int)q->top_k},
        .random = random_stream_at(q->has_seed ? (uint64_t)q->seed : s->options.seed, "generate/serve", t->index / n, t->index % n,
                                   q->has_seed ? 0 : number, 0),
        .stops = q->stops, .stop_count = q->stop_count, .constraint = j->constraint, .top = (int)top_of(q),
        .prompt_logprobs = scored, .prompt_from = 1,
    };
}

static void submit(server *s, job *j)
{
    uint64_t number = atomic_fetch_add(&s->numbers, 1) + 1;
    for (size_t i = 0; i < j->part_count; i++) {
        part *t = &j->parts[i];
        error err = {0};
        engine_request r = request_of(s, t, number);
        status code = engine_submit(s->local.engine, &r, &(engine_events){t, on_token, on_done}, &t->ticket, &err);
        if (code != STATUS_OK) {
            t->done = true;
            j->parts_done++;
            problem_from(&j->problem, code, err.message);
        }
    }
}

static void cancel_marked(server *s, job *live)
{
    if (!atomic_exchange(&s->some_cancelled, false))
        return;
    for (job *j = live; j; j = j->next)
        for (size_t i = 0; atomic_load(&j->cancelled) && i < j->part_count; i++)
            if (!j->parts[i].done)
                engine_cancel(s->local.engine, j->parts[i].ticket);
}

/* Jobs all of whose parts are done are answered and let go. */
static void answer_done(job **live)
{
    while (*live) {
        job *j = *live;
        if (j->parts_done < j->part_count) {
            live = &j->next;
            continue;
        }
        *live = j->next;
        end_job(j);
        job_leave(j);
    }
}

static void note_cache(server *s)
{
    engine_cache c = engine_cache_of(s->local.engine);
    engine_times t = engine_times_of(s->local.engine);
    metric_cache m = {.pages = c.pages, .pages_used = c.pages - c.pages_free, .pages_known = c.pages_known, .evicted = c.evicted_pages,
                      .prompt_tokens = c.prompt_tokens, .reused_tokens = c.reused_tokens, .steps = t.steps};
    metrics_set_cache(&s->metrics, &m);
}

/* Takes what has come in; waits where there is nothing to do. False at the end. */
static bool take_in(server *s, job **live)
{
    job_queue fresh = {0};
    pthread_mutex_lock(&s->lock);
    while (!*live && !s->engine_queue.first && !s->speech_closing)
        pthread_cond_wait(&s->engine_work, &s->lock);
    bool closing = s->speech_closing;
    for (job *j; (j = queue_take(&s->engine_queue));)
        queue_put(&fresh, j);
    pthread_mutex_unlock(&s->lock);
    for (job *j; (j = queue_take(&fresh));) {
        submit(s, j);
        j->next = *live;
        *live = j;
        if (atomic_load(&j->cancelled))
            atomic_store(&s->some_cancelled, true);
        if (closing)
            job_cancel(j);
    }
    for (job *j = closing ? *live : NULL; j; j = j->next)
        if (!atomic_exchange(&j->cancelled, true))
            atomic_store(&s->some_cancelled, true);
    return !closing || *live;
}

static void *run(void *context)
{
    server *s = context;
    job *live = NULL;
    while (take_in(s, &live)) {
        cancel_marked(s, live);
        /* Where a step fails every request has been told why; the engine goes on with the next ones. */
        if (engine_busy(s->local.engine))
            engine_step(s->local.engine, NULL);
        answer_done(&live);
        note_cache(s);
    }
    return NULL;
}

status speak_start(server *s, error *err)
{
    const constraint_vocabulary *words;
    TRY(engine_vocabulary(s->local.engine, &words, err));
    note_cache(s);
    if (pthread_create(&s->engine_thread, NULL, run, s) != 0)
        return error_set(err, STATUS_MEMORY, "a thread cannot be started");
    s->has_engine_thread = true;
    return STATUS_OK;
}

void speak_end(server *s)
{
    pthread_mutex_lock(&s->lock);
    s->speech_closing = true;
    pthread_cond_broadcast(&s->engine_work);
    pthread_mutex_unlock(&s->lock);
    if (s->has_engine_thread)
        pthread_join(s->engine_thread, NULL);
    s->has_engine_thread = false;
}
