/* What a backend can really do, found out before a run spends anything: its list of models (which also says what kind
 * of server it is), and small requests for what a study needs beyond answers. A day's findings are kept in the cache. */
#include "subject/api.h"

#include "core/hash.h"
#include "core/jsonio.h"

#include <math.h>

enum { KEPT_SECONDS = 24 * 3600, PROBE_VERSION = 1 };

/* One look: what it asks, and what follows when the answer holds it. */
typedef struct looking {
    api *api;
    arena *arena;
    subject_probe *out;
    strbuf notes;
    bool logprobs, seeds; /* found */
} looking;

/* ---- small requests --------------------------------------------------------------------------------------------- */

static const char *any_answer(const json_t *answer)
{
    return json_is_object(answer) ? NULL : "it is not a JSON object";
}

/* A flaw that may pass is the run's to meet; these will not. */
static bool is_out_of_reach(const http_exchange *x)
{
    return x->curl == CURLE_COULDNT_CONNECT || x->curl == CURLE_COULDNT_RESOLVE_HOST || x->curl == CURLE_COULDNT_RESOLVE_PROXY ||
           x->curl == CURLE_PEER_FAILED_VERIFICATION || x->curl == CURLE_SSL_CONNECT_ERROR;
}

/* *answer: of an HTTP 200, to be released; NULL when the server said no. Fails only where nobody would fare better. */
static status look(looking *l, const char *url, const generate_request *q, json_t *(*write)(const api_call *c, arena *a),
                   const char *(*check)(const json_t *answer), json_t **answer, error *err)
{
    api_call c = {.api = l->api, .request = q, .url = url, .write = write, .check = check, .looking = true};
    status code;
    const char *problem = NULL;
    int prompt = 0, completion = 0, cached;
    *answer = NULL;
    api_send(l->arena, &c, 1);
    l->out->requests += 1 + c.exchange.retries;
    status result = c.exchange.code == 404 && !q ? STATUS_OK : api_outcome(l->arena, &c, &code, &problem, err);
    if (result == STATUS_OK && c.exchange.code == 200 && !c.malformed) {
        openai_usage(c.answer, &prompt, &completion, &cached);
        *answer = json_incref(c.answer);
    } else if (result == STATUS_OK && is_out_of_reach(&c.exchange)) {
        result = error_set(err, STATUS_NETWORK, "%s", problem ? problem : "no answer came");
    }
    l->out->prompt_tokens += prompt;
    l->out->completion_tokens += completion;
    api_clear(&c, 1);
    return result;
}

static void learn(looking *l, unsigned habit)
{
    atomic_fetch_or(&l->api->habits, habit);
}

static void note(looking *l, const char *words)
{
    strbuf_printf(&l->notes, "%s%s", l->notes.length ? "\n" : "", words);
}

/* ---- the looks -------------------------------------------------------------------------------------------------- */

/* Servers sign their list of models. */
static status look_at_models(looking *l, error *err)
{
    static const struct {
        const char *owner;
        unsigned habits;
    } rows[] = {
        {"vllm", API_CONTINUES | API_TOP_K},
        {"sglang", API_CONTINUES | API_TOP_K},
        {"llamacpp", API_PREFILLS | API_TOP_K},
    };
    json_t *answer;
    TRY(look(l, arena_printf(l->arena, "%s/models", l->api->base), NULL, NULL, any_answer, &answer, err));
    const json_t *list = json_object_get(answer, "data"), *each;
    bool listed = false;
    size_t i;
    json_array_foreach(list, i, each) {
        const char *id = json_string_value(json_object_get(each, "id"));
        const char *owner = json_string_value(json_object_get(each, "owned_by"));
        listed |= id && strcmp(id, l->api->model) == 0;
        for (size_t k = 0; owner && k < COUNT_OF(rows); k++)
            if (strcmp(owner, rows[k].owner) == 0 && l->api->form == &openai_chat_form)
                learn(l, rows[k].habits);
            else if (strcmp(owner, rows[k].owner) == 0)
                learn(l, rows[k].habits & API_TOP_K);
    }
    if (json_array_size(list) > 0 && !listed)
        note(l, arena_printf(l->arena, "%s/models does not list \"%s\"", l->api->base, l->api->model));
    json_decref(answer);
    return STATUS_OK;
}

static generate_request small(arena *a, message *m)
{
    *m = message_text(a, MESSAGE_USER, "Say yes.");
    return (generate_request){.messages = m, .count = 1, .max_tokens = 1, .address = {.study = "probe"}, .position = -1};
}

/* One token: settles which members the server takes (the judge adapts), the key, and the model. */
static status look_at_answers(looking *l, unsigned needs, error *err)
{
    message m;
    generate_request q = small(l->arena, &m);
    q.logprobs = (needs & (SUBJECT_LOGPROBS | SUBJECT_CHOOSES)) != 0;
    json_t *answer;
    TRY(look(l, l->api->url, &q, l->api->form->body, l->api->form->malformed, &answer, err));
    l->logprobs = q.logprobs && answer && isfinite(openai_logprob(answer));
    json_decref(answer);
    return STATUS_OK;
}

/* Draws at a seed twice, and at another one: the same words, and others. */
static status look_at_seeds(looking *l, error *err)
{
    generate_reply replies[3] = {{0}};
    for (uint64_t i = 0; i < COUNT_OF(replies); i++) {
        message m = message_text(l->arena, MESSAGE_USER, "Write ten words at random.");
        generate_request q = {.messages = &m, .count = 1, .max_tokens = 24, .temperature = 1, .position = -1,
                              .address = {.study = "probe", .seed = i / 2}};
        json_t *answer;
        TRY(look(l, l->api->url, &q, l->api->form->body, l->api->form->malformed, &answer, err));
        bool good = answer && l->api->form->read(l->arena, answer, &q, &replies[i]) == STATUS_OK;
        json_decref(answer);
        if (!good)
            return STATUS_OK;
    }
    l->seeds = !(atomic_load(&l->api->habits) & API_NO_SEED) && strcmp(replies[0].text, replies[1].text) == 0 &&
               strcmp(replies[0].text, replies[2].text) != 0;
    return STATUS_OK;
}

static json_t *top_body(const api_call *c, arena *a)
{
    message m = message_text(a, MESSAGE_USER, "Say yes.");
    return json_pack("{s:s, s:o, s:i, s:b, s:i}", "model", c->api->model, "messages", openai_messages(a, &m, 1),
                     c->habits & API_NEWER_LIMIT ? "max_completion_tokens" : "max_tokens", 1, "logprobs", 1,
                     "top_logprobs", API_TOP);
}

static json_t *prompt_body(const api_call *c, arena *a)
{
    message m = message_text(a, MESSAGE_USER, "Say yes.");
    return json_pack("{s:s, s:o, s:i, s:i}", "model", c->api->model, "messages", openai_messages(a, &m, 1), "max_tokens", 1,
                     "prompt_logprobs", 0);
}

static json_t *echo_body(const api_call *c, arena *a)
{
    (void)a;
    return json_pack("{s:s, s:s, s:i, s:i, s:b}", "model", c->api->model, "prompt", "Say yes.", "max_tokens", 1, "logprobs",
                     1, "echo", 1);
}

static bool echoes(const json_t *answer)
{
    const json_t *choice = json_array_get(json_object_get(answer, "choices"), 0);
    const char *text = json_string_value(json_object_get(choice, "text"));
    const json_t *values = json_object_get(json_object_get(choice, "logprobs"), "token_logprobs");
    return text && strstr(text, "Say yes.") && json_array_size(values) > 2;
}

static bool has_prompt_logprobs(const json_t *answer)
{
    const json_t *list = json_object_get(answer, "prompt_logprobs");
    return json_array_size(list) > 1 && json_is_object(json_array_get(list, json_array_size(list) - 1));
}

static bool lists_top(const json_t *answer)
{
    const json_t *choice = json_array_get(json_object_get(answer, "choices"), 0);
    const json_t *first = json_array_get(json_object_get(json_object_get(choice, "logprobs"), "content"), 0);
    return json_array_size(json_object_get(first, "top_logprobs")) > 1;
}

static status look_at_scores(looking *l, unsigned needs, error *err)
{
    const struct {
        const api_form *form;
        unsigned need, habit;
        json_t *(*write)(const api_call *c, arena *a);
        bool (*holds)(const json_t *answer);
    } rows[] = {
        {&openai_completions_form, SUBJECT_SCORES, API_ECHOES, echo_body, echoes},
        {&openai_chat_form, SUBJECT_SCORES, API_PROMPT_LOGPROBS, prompt_body, has_prompt_logprobs},
        {&openai_chat_form, SUBJECT_CHOOSES, API_LISTS_TOP, top_body, lists_top},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].form != l->api->form || !(needs & rows[i].need))
            continue;
        json_t *answer;
        TRY(look(l, l->api->url, NULL, rows[i].write, any_answer, &answer, err));
        if (answer && rows[i].holds(answer))
            learn(l, rows[i].habit);
        json_decref(answer);
    }
    return STATUS_OK;
}

/* ---- keeping ---------------------------------------------------------------------------------------------------- */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec;
}

static void probe_key(const subject *self, unsigned needs, char key[SHA256_HEX])
{
    unsigned char digest[SHA256_BYTES];
    char head[64];
    snprintf(head, sizeof head, "probe %d %u ", PROBE_VERSION, needs);
    strbuf b = strbuf_new(NULL, 1 << 16);
    strbuf_add(&b, head);
    strbuf_add(&b, self->identity);
    sha256_of(b.text ? b.text : "", b.length, digest);
    sha256_hex(digest, key);
    strbuf_free(&b);
}

static bool recall(looking *l, const answer_cache *cache, const char *key)
{
    arena *a = l->arena;
    const char *text;
    json_t *value;
    if (!cache || !cache->find(cache->context, a, key, &text) || !text ||
        jsonio_parse(slice_of(text), "probe", &value, NULL) != STATUS_OK)
        return false;
    double age = now() - json_number_value(json_object_get(value, "at"));
    bool fresh = age >= 0 && age < KEPT_SECONDS;
    if (fresh) {
        learn(l, (unsigned)json_integer_value(json_object_get(value, "habits")));
        l->logprobs = json_is_true(json_object_get(value, "logprobs"));
        l->seeds = json_is_true(json_object_get(value, "seeds"));
        l->out->notes = arena_strdup(a, json_string_value(json_object_get(value, "notes")));
    }
    json_decref(value);
    return fresh;
}

static void remember(looking *l, const answer_cache *cache, const char *key)
{
    strbuf b = strbuf_new(l->arena, 1 << 16);
    json_t *value = json_pack("{s:f, s:i, s:b, s:b, s:s?}", "at", now(), "habits", (int)atomic_load(&l->api->habits),
                              "logprobs", l->logprobs, "seeds", l->seeds, "notes", l->out->notes);
    if (cache && value && jsonio_print(value, 0, &b, NULL) == STATUS_OK && !b.failed)
        cache->keep(cache->context, key, b.text);
    json_decref(value);
}

/* ---- all of it -------------------------------------------------------------------------------------------------- */

/* Abilities follow from what was found. */
static unsigned abilities_of(const looking *l)
{
    unsigned habits = atomic_load(&l->api->habits), able = l->api->form->abilities;
    if (habits & (API_CONTINUES | API_PREFILLS))
        able |= SUBJECT_PREFILL;
    if (habits & (API_ECHOES | API_PROMPT_LOGPROBS))
        able |= SUBJECT_SCORES;
    if (habits & API_LISTS_TOP)
        able |= SUBJECT_CHOOSES;
    return able | (l->logprobs ? SUBJECT_LOGPROBS : 0) | (l->seeds ? SUBJECT_SEEDS : 0);
}

status api_probe(subject *self, arena *a, unsigned needs, const answer_cache *cache, subject_probe *out, error *err)
{
    looking l = {.api = self->state, .arena = a, .out = out, .notes = strbuf_new(a, 1 << 14)};
    const api *s = l.api;
    char key[SHA256_HEX];
    probe_key(self, needs, key);
    if (!recall(&l, cache, key)) {
        TRY(look_at_models(&l, err));
        TRY(look_at_answers(&l, needs, err));
        TRY(look_at_scores(&l, needs, err));
        if (needs & SUBJECT_SEEDS)
            TRY(look_at_seeds(&l, err));
        if ((atomic_load(&s->habits) & ~s->form->habits) & API_NO_TEMPERATURE)
            note(&l, arena_printf(a, "%s takes no temperature: it draws its answers as it likes, whatever the study asks", s->url));
        out->notes = l.notes.length ? l.notes.text : NULL;
        remember(&l, cache, key);
    }
    self->abilities = abilities_of(&l);
    return STATUS_OK;
}
