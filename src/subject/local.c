/* Checkpoints on this machine: a folder, or the base model inside the program, run by lm/engine.h. */
#include "subject/local.h"

#include "subject/classes.h"

#include "core/hash.h"
#include "core/jsonio.h"
#include "core/progress.h"
#include "lm/engine.h"
#include "lm/reward.h"
#include "subject/local_prompt.h"

#include <math.h>
#include <string.h>

/* More than the engine holds at once: it takes new sequences in as others end. */
enum { BATCH = 256 };

typedef struct local {
    arena *arena;
    checkpoint *checkpoint;
    thread_pool *pool;
    engine *engine;
    local_style style;
    tool_form tools;
    reward_head head; /* of a preference model; else without values */
    const engine_intervention *steer; /* in every request */
    size_t steer_count;
} local;

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory for a prompt");
}

/* NULL text: no tools. They are refused where a call could not be read, not left out. */
static status read_tools(const local *l, const char *text, json_t **out, error *err)
{
    *out = NULL;
    if (!text)
        return STATUS_OK;
    if (l->tools == TOOL_FORM_NONE)
        return error_set(err, STATUS_UNSUPPORTED, "%s takes no tools: its chat template shows none, or calls in a form that is not read here",
                         l->checkpoint->name);
    return jsonio_parse(slice_of(text), "tools", out, err);
}

static status make_prompt(const local *l, arena *a, const message *messages, size_t count, const char *tools, token_list *ids,
                          error *err)
{
    local_prompt prompt;
    json_t *shown;
    *ids = (token_list){.arena = a};
    TRY(read_tools(l, tools, &shown, err));
    status result = local_prompt_make(&l->style, a, messages, count, shown, &prompt, err);
    json_decref(shown);
    TRY(result);
    return local_prompt_tokens(&l->style, &prompt, (slice){"", 0}, ids, err);
}

static status take_calls(const local *l, arena *a, const json_t *tools, size_t salt, slice answer, const char **text,
                         const block **blocks, size_t *count, error *err)
{
    tool_reading said;
    TRY(tool_calls_read(a, l->tools, tools, answer, salt, &said, err));
    block *made = ARENA_ARRAY(a, block, said.count + 1);
    *text = slice_copy(a, said.text);
    if (!made || !*text)
        return no_memory(err);
    for (size_t i = 0; i < said.count; i++) {
        const chat_call *c = &said.calls[i];
        made[i] = (block){.kind = BLOCK_TOOL_CALL, .text = slice_copy(a, c->arguments), .name = slice_copy(a, c->name),
                          .id = slice_copy(a, c->id)};
        if (!made[i].text || !made[i].name || !made[i].id)
            return no_memory(err);
    }
    *blocks = made;
    *count = said.count;
    return STATUS_OK;
}

status subject_local_calls(const subject *s, arena *a, const char *tools, size_t message_count, slice answer, const char **text,
                           const block **blocks, size_t *count, error *err)
{
    const local *l = s->state;
    json_t *offered;
    TRY(read_tools(l, tools, &offered, err));
    status result = take_calls(l, a, offered, message_count, answer, text, blocks, count, err);
    json_decref(offered);
    return result;
}

/* Puts a request's own failure into its reply; other failures (no memory) are everybody's. */
static bool is_own(status code)
{
    return code == STATUS_UNSUPPORTED || code == STATUS_INVALID;
}

static random_stream draws_of(const request_address *at)
{
    char purpose[160];
    snprintf(purpose, sizeof purpose, "generate/%s", at->study ? at->study : "");
    return random_stream_at(at->seed, purpose, at->sample, at->repeat, at->turn, 0);
}

static void fill_reply(const generate_request *request, const engine_result *result, size_t prompt_tokens,
                       generate_reply *reply)
{
    static const stop_reason reasons[] = {[ENGINE_STOP_END] = STOP_END, [ENGINE_STOP_STRING] = STOP_STRING,
                                          [ENGINE_STOP_LENGTH] = STOP_LENGTH};
    *reply = (generate_reply){.code = result->code, .problem = result->problem, .logprob = NAN};
    if (result->code != STATUS_OK)
        return;
    reply->text = result->text;
    reply->reason = reasons[result->reason];
    reply->prompt_tokens = (int)prompt_tokens;
    reply->completion_tokens = (int)result->count + (result->reason == ENGINE_STOP_END);
    if (request->logprobs)
        reply->logprob = result->logprob;
}

static status ask_engine(const subject *self, arena *a, arena *scratch, const generate_request *const *requests,
                         generate_reply *replies, size_t count, error *err)
{
    local *l = self->state;
    engine_request *asked = ARENA_ARRAY(scratch, engine_request, count);
    engine_result *results = ARENA_ARRAY(scratch, engine_result, count);
    size_t *from = ARENA_ARRAY(scratch, size_t, count), asked_count = 0;
    if (!asked || !results || !from)
        return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        const generate_request *r = requests[i];
        token_list p;
        error own = {0};
        status code = make_prompt(l, scratch, r->messages, r->count, r->tools, &p, &own);
        if (code != STATUS_OK && !is_own(code)) {
            if (err)
                *err = own;
            return code;
        }
        if (code != STATUS_OK) {
            replies[i] = (generate_reply){.code = code, .problem = arena_strdup(a, own.message), .logprob = NAN};
            continue;
        }
        slice *stops = ARENA_ARRAY(scratch, slice, r->stop_count + 1);
        if (!stops)
            return no_memory(err);
        for (size_t k = 0; k < r->stop_count; k++)
            stops[k] = slice_of(r->stops[k]);
        from[asked_count] = i;
        asked[asked_count++] = (engine_request){.prompt = p.ids, .prompt_count = p.count,
                                                .max_tokens = r->max_tokens, .random = draws_of(&r->address),
                                                .rule = {r->temperature, r->top_p, r->top_k}, .stops = stops,
                                                .stop_count = r->stop_count, .interventions = l->steer,
                                                .intervention_count = l->steer_count};
    }
    double start = clock_seconds();
    TRY(engine_generate(l->engine, a, asked, results, asked_count, err));
    double share = asked_count ? (clock_seconds() - start) / (double)asked_count : 0;
    for (size_t i = 0; i < asked_count; i++) {
        const generate_request *r = requests[from[i]];
        generate_reply *reply = &replies[from[i]];
        fill_reply(r, &results[i], asked[i].prompt_count, reply);
        reply->seconds_generating = share;
        if (r->tools && reply->code == STATUS_OK)
            TRY(subject_local_calls(self, a, r->tools, r->count, slice_of(reply->text), &reply->text, &reply->blocks,
                                    &reply->block_count, err));
    }
    return STATUS_OK;
}

static status local_generate(subject *self, arena *a, const generate_request *const *requests, generate_reply *replies,
                             size_t count, error *err)
{
    arena *scratch = arena_new(NULL);
    status result = scratch ? ask_engine(self, a, scratch, requests, replies, count, err) : no_memory(err);
    arena_free(scratch);
    return result;
}

/* A continuation's tokens are those behind what prompt and continuation, encoded as one, share with the prompt: where
 * the start of an answer is given, its last token may join with the first letters that follow. */
static status encode_continuations(const local *l, arena *a, const score_request *r, engine_score_request *out,
                                   int *joined, error *err)
{
    local_prompt prompt;
    token_list *whole = ARENA_ARRAY(a, token_list, r->continuation_count + 1), prefix = {.arena = a};
    if (!whole)
        return no_memory(err);
    TRY(local_prompt_make(&l->style, a, r->messages, r->count, NULL, &prompt, err));
    TRY(local_prompt_tokens(&l->style, &prompt, (slice){"", 0}, &prefix, err));
    size_t shared = prefix.count;
    for (size_t i = 0; i < r->continuation_count; i++) {
        whole[i].arena = a;
        TRY(local_prompt_tokens(&l->style, &prompt, slice_of(r->continuations[i]), &whole[i], err));
        size_t same = 0;
        while (same < shared && same < whole[i].count && whole[i].ids[same] == prefix.ids[same])
            same++;
        shared = same;
    }
    *joined = (int)(prefix.count - shared);
    for (size_t i = 0; i < r->continuation_count; i++) {
        whole[i].ids += shared;
        whole[i].count -= shared;
    }
    *out = (engine_score_request){.prefix = prefix.ids, .prefix_count = shared, .continuations = whole,
                                  .continuation_count = r->continuation_count, .interventions = l->steer,
                                  .intervention_count = l->steer_count};
    return STATUS_OK;
}

/* A request's replies, each with the conversation in front of it, as tokens. The reply begins where they part from the prompt that
 * asks for one. */
static status encode_replies(const local *l, arena *a, const score_request *r, reward_text *out, error *err)
{
    local_prompt prompt;
    token_list asks = {.arena = a};
    if (l->head.likelihood != 0) {
        TRY(local_prompt_make(&l->style, a, r->messages, r->count, NULL, &prompt, err));
        TRY(local_prompt_tokens(&l->style, &prompt, (slice){"", 0}, &asks, err));
    }
    for (size_t i = 0; i < r->continuation_count; i++) {
        token_list *text = &out[i].tokens;
        *text = (token_list){.arena = a};
        TRY(local_prompt_make_whole(&l->style, a, r->messages, r->count, r->continuations[i], &prompt, err));
        TRY(local_prompt_tokens(&l->style, &prompt, (slice){"", 0}, text, err));
        out[i].prompt = 0;
        while (out[i].prompt < asks.count && out[i].prompt < text->count && asks.ids[out[i].prompt] == text->ids[out[i].prompt])
            out[i].prompt++;
        out[i].prompt += out[i].prompt == 0;
    }
    return STATUS_OK;
}

/* What replies are worth, in the place of their log-probabilities. */
static status reward_with_engine(local *l, arena *a, arena *scratch, const score_request *const *requests, score_reply *replies,
                                 size_t count, error *err)
{
    size_t all = 0, at = 0;
    for (size_t i = 0; i < count; i++)
        all += requests[i]->continuation_count;
    reward_text *texts = ARENA_ARRAY(scratch, reward_text, all + 1);
    reward_result *rewards = ARENA_ARRAY(scratch, reward_result, all + 1);
    if (!texts || !rewards)
        return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        error own = {0};
        size_t n = requests[i]->continuation_count;
        replies[i] = (score_reply){.logprobs = ARENA_ARRAY(a, double, n + 1), .token_counts = ARENA_ARRAY(a, int, n + 1)};
        if (!replies[i].logprobs || !replies[i].token_counts)
            return no_memory(err);
        replies[i].code = encode_replies(l, scratch, requests[i], texts + at, &own);
        if (replies[i].code != STATUS_OK && !is_own(replies[i].code))
            return error_set(err, replies[i].code, "%s", own.message);
        if (replies[i].code != STATUS_OK)
            replies[i].problem = arena_strdup(a, own.message);
        else
            at += n;
    }
    TRY(reward_read(l->engine, &l->head, a, texts, at, rewards, err));
    at = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; replies[i].code == STATUS_OK && k < requests[i]->continuation_count; k++, at++) {
            replies[i].logprobs[k] = rewards[at].reward;
            replies[i].token_counts[k] = (int)texts[at].tokens.count;
            replies[i].prompt_tokens += (int)texts[at].tokens.count;
            if (rewards[at].code == STATUS_OK)
                continue;
            replies[i].code = rewards[at].code;
            replies[i].problem = rewards[at].problem;
            at += requests[i]->continuation_count - k;
            break;
        }
    return STATUS_OK;
}

static status score_with_engine(local *l, arena *a, arena *scratch, const score_request *const *requests,
                                score_reply *replies, size_t count, error *err)
{
    engine_score_request *asked = ARENA_ARRAY(scratch, engine_score_request, count);
    engine_score *scores = ARENA_ARRAY(scratch, engine_score, count);
    size_t *from = ARENA_ARRAY(scratch, size_t, count), asked_count = 0;
    int *joined = ARENA_ARRAY(scratch, int, count);
    if (!asked || !scores || !from || !joined)
        return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        error own = {0};
        status code = encode_continuations(l, scratch, requests[i], &asked[asked_count], &joined[asked_count], &own);
        if (code != STATUS_OK && !is_own(code)) {
            if (err)
                *err = own;
            return code;
        }
        if (code != STATUS_OK)
            replies[i] = (score_reply){.code = code, .problem = arena_strdup(a, own.message)};
        else
            from[asked_count++] = i;
    }
    TRY(engine_score_all(l->engine, a, asked, scores, asked_count, err));
    for (size_t i = 0; i < asked_count; i++) {
        score_reply *reply = &replies[from[i]];
        *reply = (score_reply){.code = scores[i].code, .problem = scores[i].problem, .logprobs = scores[i].logprobs,
                               .joined = joined[i], .prompt_tokens = (int)asked[i].prefix_count,
                               .token_counts = ARENA_ARRAY(a, int, asked[i].continuation_count)};
        if (!reply->token_counts)
            return no_memory(err);
        for (size_t k = 0; k < asked[i].continuation_count; k++)
            reply->prompt_tokens += reply->token_counts[k] = (int)asked[i].continuations[k].count;
    }
    return STATUS_OK;
}

static status local_score(subject *self, arena *a, const score_request *const *requests, score_reply *replies,
                          size_t count, error *err)
{
    arena *scratch = arena_new(NULL);
    local *l = self->state;
    status result = !scratch          ? no_memory(err)
                    : l->head.values ? reward_with_engine(l, a, scratch, requests, replies, count, err)
                                     : score_with_engine(l, a, scratch, requests, replies, count, err);
    arena_free(scratch);
    return result;
}

static status local_audit(subject *self, arena *a, const message *messages, size_t count, subject_audit *out, error *err)
{
    const local *l = self->state;
    token_list p;
    TRY(make_prompt(l, a, messages, count, NULL, &p, err));
    *out = (subject_audit){.ids = p.ids, .count = p.count, .bos = l->style.bos,
                           .template_hash = l->style.format ? chat_format_hash(l->style.format) : NULL};
    return STATUS_OK;
}

static void local_interrupt(subject *self)
{
    engine_interrupt(((local *)self->state)->engine);
}

static void release(local *l)
{
    engine_free(l->engine);
    thread_pool_free(l->pool);
    arena_free(l->arena);
}

static void local_close(subject *self)
{
    release(self->state);
}

static const subject_class local_class = {.name = "local", .generate = local_generate, .score = local_score,
                                          .close = local_close, .audit = local_audit, .interrupt = local_interrupt};

/* How prompts are put: by the model's template; only on demand as plain text, since wrong words around a question change
 * answers without anybody noticing. */
static status choose_style(local *l, const subject_options *options, error *err)
{
    const checkpoint *c = l->checkpoint;
    chat_format *format;
    const char *style = options ? options->prompt_style : NULL;
    l->style = (local_style){.tokenizer = c->tokenizer, .bos = c->config.bos};
    if (style && strcmp(style, "plain") == 0)
        return STATUS_OK;
    if (style && strcmp(style, "chat") != 0)
        return error_set(err, STATUS_USAGE, "unknown prompt style \"%s\"; expected chat or plain", style);
    chat_options chat = {0};
    if (options)
        chat = (chat_options){options->template_name, options->template_arguments, options->template_argument_count,
                              options->template_date};
    TRY(chat_format_open(l->arena, c->name, &c->chat, c->tokenizer, &chat, &format, err));
    l->style.format = format;
    l->tools = tool_form_of(format);
    if (!chat_format_writes_bos(format, l->style.bos))
        l->style.bos = -1; /* its prompts begin otherwise */
    return STATUS_OK;
}

static status open_parts(local *l, const char *folder, const subject_options *options, error *err)
{
    TRY(strcmp(folder, "base") == 0 ? checkpoint_open_base(l->arena, &l->checkpoint, err)
                                    : checkpoint_open(l->arena, folder, &l->checkpoint, err));
    TRY(choose_style(l, options, err));
    const checkpoint *read = l->checkpoint;
    if (l->checkpoint->config.labels)
        TRY(reward_open(l->arena, l->checkpoint, &l->head, &read, err));
    TRY(thread_pool_new(options ? options->threads : 0, &l->pool, err));
    return engine_new(read, NULL, l->pool, &l->engine, err);
}

status subject_open_local(arena *a, const char *specification, const char *rest, const subject_options *options,
                          subject **out, error *err)
{
    char hex[SHA256_HEX];
    arena *own = arena_new(NULL);
    local *l = ARENA_NEW(own, local);
    subject *s = ARENA_NEW(a, subject);
    if (!l || !s) {
        arena_free(own);
        return no_memory(err);
    }
    l->arena = own;
    status result = open_parts(l, rest, options, err);
    if (result == STATUS_OK)
        result = checkpoint_identity(l->checkpoint, hex, err);
    if (result != STATUS_OK) {
        release(l);
        return result;
    }
    *s = (subject){.class = &local_class, .state = l, .batch = BATCH,
                   .specification = arena_strdup(a, specification),
                   .identity = arena_printf(a, "sha256:%s%s", hex,
                                            l->style.format ? chat_format_identity(l->style.format) : " plain"),
                   .abilities = l->head.values ? SUBJECT_REWARDS
                                               : SUBJECT_GENERATES | SUBJECT_SCORES | SUBJECT_LOGPROBS | SUBJECT_PREFILL |
                                                     SUBJECT_SEEDS | (l->tools != TOOL_FORM_NONE ? SUBJECT_TOOLS : 0u)};
    if (!s->specification || !s->identity) {
        release(l);
        return no_memory(err);
    }
    *out = s;
    return STATUS_OK;
}

bool subject_local_parts(const subject *s, local_parts *out)
{
    *out = (local_parts){0};
    if (s->class != &local_class)
        return false;
    const local *l = s->state;
    *out = (local_parts){.engine = l->engine, .checkpoint = l->checkpoint, .format = l->style.format, .tools = l->tools};
    return true;
}

void subject_local_steer(subject *s, const engine_intervention *interventions, size_t count)
{
    if (s->class != &local_class)
        BUG("only a checkpoint can be steered");
    local *l = s->state;
    l->steer = interventions;
    l->steer_count = count;
}

status subject_local_prompt(subject *s, arena *a, const message *messages, size_t count, const char *tools, token_list *out,
                            error *err)
{
    token_list p;
    TRY(make_prompt(s->state, a, messages, count, tools, &p, err));
    for (size_t i = 0; i < p.count; i++)
        TRY(token_list_add(out, p.ids[i], err));
    return STATUS_OK;
}
