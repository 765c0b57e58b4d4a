/* What the code of a sample calls: asking and scoring, with the transcript written along. */
#include "run/engine.h"

#include <inttypes.h>
#include <math.h>

enum { MOST_TRANSCRIPT = 256 << 20, DEFAULT_TOKENS = 64 };

static const char *const reason_names[] = {"end", "stop_string", "length", "refused"};
_Static_assert(COUNT_OF(reason_names) == STOP_REASON_COUNT, "one name a reason");

/* ---- transcripts ------------------------------------------------------------------------------------------------ */

void transcript_string(strbuf *b, const char *text)
{
    static const char digits[] = "0123456789abcdef";
    slice s = slice_of(text);
    bool valid = utf8_valid(s);
    size_t at = 0;
    strbuf_add_char(b, '"');
    while (at < s.length) {
        size_t plain = at;
        while (plain < s.length && (unsigned char)s.text[plain] >= ' ' && s.text[plain] != '"' && s.text[plain] != '\\' &&
               (valid || (unsigned char)s.text[plain] < 128))
            plain++;
        strbuf_add_bytes(b, s.text + at, plain - at);
        at = plain;
        if (at == s.length)
            break;
        unsigned char c = (unsigned char)s.text[at];
        if (c >= 128) {
            strbuf_add_utf8(b, utf8_next(s, &at));
            continue;
        }
        at++;
        if (c == '"' || c == '\\') {
            strbuf_add_char(b, '\\');
            strbuf_add_char(b, (char)c);
        } else if (c == '\n') {
            strbuf_add(b, "\\n");
        } else {
            const char escape[] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
            strbuf_add_bytes(b, escape, sizeof escape);
        }
    }
    strbuf_add_char(b, '"');
}

static void add_content(strbuf *b, const message *m)
{
    if (m->count == 1 && m->blocks[0].kind == BLOCK_TEXT) {
        transcript_string(b, m->blocks[0].text);
        return;
    }
    strbuf_add_char(b, '[');
    for (size_t i = 0; i < m->count; i++) {
        const block *k = &m->blocks[i];
        strbuf_printf(b, "%s{\"type\": \"%s\", ", i ? ", " : "", block_kind_name(k->kind));
        if (k->name) {
            strbuf_add(b, "\"name\": ");
            transcript_string(b, k->name);
            strbuf_add(b, ", ");
        }
        if (k->id) {
            strbuf_add(b, "\"id\": ");
            transcript_string(b, k->id);
            strbuf_add(b, ", ");
        }
        strbuf_add(b, "\"text\": ");
        transcript_string(b, k->text);
        strbuf_add_char(b, '}');
    }
    strbuf_add_char(b, ']');
}

void transcript_start(engine_worker *w)
{
    strbuf_clear(&w->transcript);
    if (!w->transcript.limit)
        w->transcript = strbuf_new(NULL, MOST_TRANSCRIPT);
    strbuf_add_char(&w->transcript, '[');
    w->turns = 0;
}

const char *transcript_end(engine_worker *w)
{
    strbuf_add_char(&w->transcript, ']');
    return w->transcript.failed ? NULL : w->transcript.text;
}

static void add_question(engine_worker *w, const char *role, const message *messages, size_t count)
{
    strbuf *b = &w->transcript;
    strbuf_add(b, w->turns++ ? ", {\"role\": " : "{\"role\": ");
    transcript_string(b, role);
    strbuf_add(b, ", \"messages\": [");
    for (size_t i = 0; i < count; i++) {
        strbuf_add(b, i ? ", {\"role\": \"" : "{\"role\": \"");
        strbuf_add(b, message_role_name(messages[i].role));
        strbuf_add(b, "\", \"content\": ");
        add_content(b, &messages[i]);
        strbuf_add_char(b, '}');
    }
    strbuf_add_char(b, ']');
}

static void add_problem(engine_worker *w, status code, const error *err)
{
    strbuf_add(&w->transcript, ", \"problem\": ");
    transcript_string(&w->transcript, err && err->message[0] ? err->message : status_word(code));
    strbuf_add_char(&w->transcript, '}');
}

static void add_answer(engine_worker *w, const ask_options *o, const generate_reply *r)
{
    strbuf *b = &w->transcript;
    strbuf_add(b, ", \"answer\": ");
    transcript_string(b, r->text);
    strbuf_printf(b, ", \"reason\": \"%s\", \"prompt_tokens\": %d, \"completion_tokens\": %d", reason_names[r->reason],
                  r->prompt_tokens, r->completion_tokens);
    if (o->temperature > 0)
        strbuf_printf(b, ", \"temperature\": %.17g", o->temperature);
    if (isfinite(r->logprob))
        strbuf_printf(b, ", \"logprob\": %.17g", r->logprob);
    strbuf_add_char(b, '}');
}

static void add_scores(engine_worker *w, const char *const *continuations, const score_reply *r, size_t count)
{
    strbuf *b = &w->transcript;
    strbuf_add(b, ", \"scores\": [");
    for (size_t i = 0; i < count; i++) {
        strbuf_add(b, i ? ", {\"continuation\": " : "{\"continuation\": ");
        transcript_string(b, continuations[i]);
        if (isfinite(r->logprobs[i]))
            strbuf_printf(b, ", \"logprob\": %.17g", r->logprobs[i]);
        strbuf_printf(b, ", \"tokens\": %d}", r->token_counts[i]);
    }
    strbuf_add(b, "]}");
}

/* ---- asking ----------------------------------------------------------------------------------------------------- */

static status find_role(study_sample *s, const char *role, engine_role **out, error *err)
{
    engine_worker *w = s->engine;
    for (size_t i = 0; i < w->engine->role_count; i++)
        if (strcmp(w->engine->roles[i].name, role) == 0) {
            *out = &w->engine->roles[i];
            return STATUS_OK;
        }
    return error_set(err, STATUS_USAGE, "the study asks the role %s, which nobody fills", role);
}

bool study_has_role(const study_sample *s, const char *role)
{
    const engine_worker *w = s->engine;
    for (size_t i = 0; i < w->engine->role_count; i++)
        if (strcmp(w->engine->roles[i].name, role) == 0)
            return true;
    return false;
}

bool study_role_can(const study_sample *s, const char *role, unsigned abilities)
{
    const engine_worker *w = s->engine;
    for (size_t i = 0; i < w->engine->role_count; i++)
        if (strcmp(w->engine->roles[i].name, role) == 0)
            return (w->engine->roles[i].subject->abilities & abilities) == abilities;
    return false;
}

/* Doubled and missing tokens at the front are the commonest reason for figures that are quietly wrong. */
static status check_audit(const subject *s, const subject_audit *audit, error *err)
{
    size_t leading = 0;
    if (audit->bos < 0)
        return STATUS_OK;
    while (leading < audit->count && audit->ids[leading] == audit->bos)
        leading++;
    if (leading == 1)
        return STATUS_OK;
    error_set(err, STATUS_REFUSED,
              leading ? "%s: the first prompt begins with %zu tokens %d for the beginning of a text; expected one"
                      : "%s: the first prompt begins with %zu tokens for the beginning of a text (%d); expected one",
              s->specification, leading, (int)audit->bos);
    error_hint(err, "see the chat template and add_bos_token in the checkpoint's tokenizer_config.json");
    return STATUS_REFUSED;
}

/* The first prompt that a role gets is looked at before it is sent; everybody else waits for that. */
static status audit_first(engine *e, engine_role *role, arena *a, const message *messages, size_t count, error *err)
{
    size_t place = (size_t)(role - e->roles);
    if (atomic_load_explicit(&e->audit_passed[place], memory_order_acquire))
        return STATUS_OK;
    status result = STATUS_OK;
    pthread_mutex_lock(&e->audit_lock);
    if (!atomic_load(&e->audit_passed[place])) {
        subject_audit audit = {.bos = -1};
        if (role->subject->class->audit)
            result = role->subject->class->audit(role->subject, a, messages, count, &audit, err);
        if (result == STATUS_OK && audit.ids && e->audited)
            e->audited(e->context, role->name, &audit);
        if (result == STATUS_OK && audit.ids)
            result = check_audit(role->subject, &audit, err);
        if (result == STATUS_OK)
            atomic_store_explicit(&e->audit_passed[place], true, memory_order_release);
    }
    pthread_mutex_unlock(&e->audit_lock);
    return result;
}

/* While a thread asks one broker, the others must not wait for it. */
static void turn_to(engine *e, const broker *b, void (*turn)(broker *other))
{
    for (size_t i = 0; i < e->role_count; i++)
        if (e->roles[i].broker != b && engine_first_with_broker(e, i))
            turn(e->roles[i].broker);
}

void study_wait(study_sample *s, bool begins)
{
    const engine_worker *w = s->engine;
    turn_to(w->engine, NULL, begins ? broker_leave : broker_enter);
}

void study_again(study_sample *s)
{
    transcript_start(s->engine);
    s->turn = 0;
}

/* Of either kind of reply. */
#define COUNT_REPLY(w, role, r)                                                                                    \
    do {                                                                                                           \
        store_sample *counted = &(w)->sample;                                                                      \
        *((role)->judging ? &counted->judging : &counted->generating) += (r)->seconds_generating;                  \
        counted->waiting += (r)->seconds_waiting;                                                                  \
        counted->retrying += (r)->seconds_retrying;                                                                \
        counted->retries += (r)->retries;                                                                          \
        counted->prompt_tokens += (r)->cached ? 0 : (r)->prompt_tokens;                                            \
        counted->completion_tokens += (r)->cached ? 0 : (r)->completion_tokens;                                    \
    } while (0)

/* Text that is not UTF-8 (a model may stop inside a character) could not be stored: replaced before anyone sees it. */
static status clean_text(arena *a, generate_reply *reply, error *err)
{
    slice s = slice_of(reply->text);
    if (utf8_valid(s))
        return STATUS_OK;
    strbuf b = strbuf_new(a, s.length * 3 + 16);
    for (size_t at = 0; at < s.length;)
        strbuf_add_utf8(&b, utf8_next(s, &at));
    reply->text = b.text;
    return b.failed ? error_set(err, STATUS_MEMORY, "out of memory while reading an answer") : STATUS_OK;
}

status study_ask(study_sample *s, const char *role_name, const message *messages, size_t count, const ask_options *options,
                 generate_reply *reply, error *err)
{
    static const ask_options plain = {.position = -1};
    const ask_options *o = options ? options : &plain;
    engine_worker *w = s->engine;
    engine_role *role = NULL;
    *reply = (generate_reply){.logprob = NAN};
    TRY(find_role(s, role_name, &role, err));
    for (size_t i = 0; i < count; i++)
        if (messages[i].count == 0)
            return error_set(err, STATUS_MEMORY, "out of memory while writing a question");
    TRY(audit_first(w->engine, role, s->arena, messages, count, err));
    generate_request request = {
        .messages = messages,
        .count = count,
        .max_tokens = o->max_tokens > 0 ? o->max_tokens : DEFAULT_TOKENS,
        .temperature = o->temperature,
        .top_p = 1,
        .stops = o->stops,
        .stop_count = o->stop_count,
        .logprobs = o->logprobs,
        .tools = o->tools,
        .address = {.seed = s->run->seed, .study = s->run->study->name, .sample = s->index, .repeat = s->repeat,
                    .turn = s->turn++},
        .position = o->position,
        .reference_good = o->reference_good,
        .reference_bad = o->reference_bad,
    };
    error problem = {0};
    turn_to(w->engine, role->broker, broker_leave);
    status result = broker_generate(role->broker, s->arena, &request, reply, &problem);
    turn_to(w->engine, role->broker, broker_enter);
    COUNT_REPLY(w, role, reply);
    if (result == STATUS_OK)
        result = clean_text(s->arena, reply, &problem);
    add_question(w, role_name, messages, count);
    if (result == STATUS_OK) {
        add_answer(w, o, reply);
        return STATUS_OK;
    }
    add_problem(w, result, &problem);
    if (err)
        *err = problem;
    return result;
}

status study_score(study_sample *s, const char *role_name, const message *messages, size_t count,
                   const char *const *continuations, size_t continuation_count, score_reply *reply, error *err)
{
    engine_worker *w = s->engine;
    engine_role *role = NULL;
    *reply = (score_reply){0};
    TRY(find_role(s, role_name, &role, err));
    TRY(audit_first(w->engine, role, s->arena, messages, count, err));
    score_request request = {
        .messages = messages,
        .count = count,
        .continuations = continuations,
        .continuation_count = continuation_count,
        .address = {.seed = s->run->seed, .study = s->run->study->name, .sample = s->index, .repeat = s->repeat,
                    .turn = s->turn++},
        .position = s->position,
        .good = s->scored_good,
        .bad = s->scored_bad,
        .good_shares = s->scored_good_shares,
        .bad_shares = s->scored_bad_shares,
    };
    error problem = {0};
    turn_to(w->engine, role->broker, broker_leave);
    status result = broker_score(role->broker, s->arena, &request, reply, &problem);
    turn_to(w->engine, role->broker, broker_enter);
    COUNT_REPLY(w, role, reply);
    add_question(w, role_name, messages, count);
    if (result == STATUS_OK) {
        add_scores(w, continuations, reply, continuation_count);
        return STATUS_OK;
    }
    add_problem(w, result, &problem);
    if (err)
        *err = problem;
    return result;
}
