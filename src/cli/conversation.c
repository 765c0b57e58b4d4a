#include "cli/conversation.h"

#include "core/jsonio.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

enum { MOST_FILE = 64 << 20 };

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory for this conversation");
}

status conversation_open(conversation *c, subject *s, uint64_t seed, error *err)
{
    *c = (conversation){.subject = s, .arena = arena_new(NULL), .temperature = 0.7, .max_tokens = 512, .seed = seed};
    subject_local_parts(s, &c->local);
    return c->arena ? STATUS_OK : no_memory(err);
}

void conversation_close(conversation *c)
{
    arena_free(c->arena);
    c->arena = NULL;
}

static status add(conversation *c, message_role role, const char *text, error *err)
{
    if (c->count == c->capacity) {
        size_t capacity = c->capacity ? 2 * c->capacity : 16;
        message *grown = arena_regrow(c->arena, c->said, c->count, capacity, sizeof *grown);
        if (!grown)
            return no_memory(err);
        c->said = grown;
        c->capacity = capacity;
    }
    message m = message_text(c->arena, role, text);
    if (m.count == 0)
        return no_memory(err);
    c->said[c->count++] = m;
    return STATUS_OK;
}

static status begin(conversation *c, const char *system, error *err)
{
    arena *fresh = arena_new(NULL);
    const char *kept = fresh && system ? arena_strdup(fresh, system) : NULL;
    if (!fresh || (system && !kept)) {
        arena_free(fresh);
        return no_memory(err);
    }
    arena_free(c->arena);
    c->arena = fresh;
    c->system = kept;
    c->said = NULL;
    c->count = c->capacity = 0;
    c->attempt = 0;
    return STATUS_OK;
}

status conversation_reset(conversation *c, error *err)
{
    return begin(c, c->system, err);
}

status conversation_set_system(conversation *c, const char *text, error *err)
{
    const char *kept = text && *text ? arena_strdup(c->arena, text) : NULL;
    if (text && *text && !kept)
        return no_memory(err);
    c->system = kept;
    return STATUS_OK;
}

/* The system message, and what was said. */
static message *talk_of(const conversation *c, arena *a, size_t *count)
{
    message *talk = ARENA_ARRAY(a, message, c->count + 1);
    *count = 0;
    if (talk && c->system) {
        talk[0] = message_text(a, MESSAGE_SYSTEM, c->system);
        if (talk[(*count)++].count == 0)
            return NULL;
    }
    if (talk && c->count)
        memcpy(talk + *count, c->said, c->count * sizeof *talk);
    *count += c->count;
    return talk;
}

/* ---- asking ----------------------------------------------------------------------------------------------------- */

typedef struct answer {
    conversation_print *print;
    void *context;
    strbuf text;
    bool done;
    status code;
    char problem[512];
} answer;

static void on_token(void *context, const engine_token *token)
{
    answer *x = context;
    strbuf_add_slice(&x->text, token->text);
    if (token->text.length)
        x->print(x->context, token->text);
}

static void on_done(void *context, const engine_result *r)
{
    answer *x = context;
    x->done = true;
    x->code = r->code;
    snprintf(x->problem, sizeof x->problem, "%s", r->problem ? r->problem : "");
}

/* The same draws as the subject itself would make at this address. */
static status ask_engine(conversation *c, arena *a, const message *talk, size_t count, answer *x, const atomic_bool *stop, error *err)
{
    token_list ids = {.arena = a};
    TRY(subject_local_prompt(c->subject, a, talk, count, NULL, &ids, err));
    engine *e = c->local.engine;
    engine_request r = {.prompt = ids.ids, .prompt_count = ids.count, .max_tokens = c->max_tokens,
                        .rule = {c->temperature, 1, 0},
                        .random = random_stream_at(c->seed, "generate/chat", 0, c->attempt, c->count, 0)};
    uint64_t ticket;
    bool stopped = false;
    TRY(engine_submit(e, &r, &(engine_events){x, on_token, on_done}, &ticket, err));
    while (!x->done) {
        if (atomic_load(stop) && !stopped) {
            engine_cancel(e, ticket);
            stopped = true;
        }
        TRY(engine_step(e, err));
    }
    if (x->code != STATUS_OK && !stopped)
        return error_set(err, x->code, "%s", x->problem);
    return STATUS_OK;
}

/* A question that is waited for. */
typedef struct waiting {
    subject *subject;
    arena *arena;
    const generate_request *request;
    generate_reply *reply;
    status result;
    error err;
    atomic_bool done;
} waiting;

static void *wait_for(void *context)
{
    waiting *w = context;
    w->result = w->subject->class->generate(w->subject, w->arena, &w->request, w->reply, 1, &w->err);
    atomic_store(&w->done, true);
    return NULL;
}

/* Asks on another thread where the subject can be interrupted and asked again: so the user need not wait for a server that hangs. */
static status generate(subject *s, arena *a, const generate_request *q, generate_reply *reply, const atomic_bool *stop, error *err)
{
    waiting w = {.subject = s, .arena = a, .request = q, .reply = reply};
    pthread_t thread;
    bool stopped = false;
    if (!s->class->interrupt || !s->class->resume || pthread_create(&thread, NULL, wait_for, &w) != 0)
        return s->class->generate(s, a, &q, reply, 1, err);
    while (!atomic_load(&w.done)) {
        if (!stopped && atomic_load(stop)) {
            s->class->interrupt(s);
            stopped = true;
        }
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    pthread_join(thread, NULL);
    if (stopped)
        s->class->resume(s);
    if (w.result != STATUS_OK && err)
        *err = w.err;
    return w.result;
}

static status ask_subject(conversation *c, arena *a, const message *talk, size_t count, answer *x, const atomic_bool *stop, error *err)
{
    generate_request q = {.messages = talk, .count = count, .max_tokens = c->max_tokens, .temperature = c->temperature, .top_p = 1,
                          .position = -1, .address = {.seed = c->seed, .study = "chat", .repeat = c->attempt, .turn = c->count}};
    generate_reply reply = {0};
    TRY(generate(c->subject, a, &q, &reply, stop, err));
    if (reply.code != STATUS_OK)
        return error_set(err, reply.code, "%s", reply.problem ? reply.problem : status_word(reply.code));
    strbuf_add(&x->text, reply.text);
    x->print(x->context, slice_of(reply.text));
    return STATUS_OK;
}

static status ask(conversation *c, conversation_print *print, void *context, const atomic_bool *stop, error *err)
{
    arena *a = arena_new(NULL);
    size_t count = 0;
    answer x = {.print = print, .context = context, .text = strbuf_new(a, 1 << 28)};
    message *talk = a ? talk_of(c, a, &count) : NULL;
    status result = !talk ? no_memory(err)
                    : c->local.engine ? ask_engine(c, a, talk, count, &x, stop, err)
                                      : ask_subject(c, a, talk, count, &x, stop, err);
    if (result == STATUS_OK)
        result = x.text.failed ? no_memory(err) : add(c, MESSAGE_ASSISTANT, x.text.text ? x.text.text : "", err);
    arena_free(a);
    return result;
}

status conversation_ask(conversation *c, const char *question, conversation_print *print, void *context, const atomic_bool *stop,
                        error *err)
{
    size_t before = c->count;
    if (question)
        TRY(add(c, MESSAGE_USER, question, err));
    else if (c->count == 0)
        return error_set(err, STATUS_USAGE, "nothing was asked yet");
    else if (c->said[c->count - 1].role == MESSAGE_ASSISTANT)
        c->count--;
    c->attempt = question ? 0 : c->attempt + 1;
    status result = ask(c, print, context, stop, err);
    if (result != STATUS_OK)
        c->count = before;
    return result;
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

status conversation_save(const conversation *c, const char *path, error *err)
{
    size_t count;
    arena *a = arena_new(NULL);
    message *talk = a ? talk_of(c, a, &count) : NULL;
    json_t *list = talk ? message_list_json(talk, count) : NULL, *whole = list ? json_pack("{s:o}", "messages", list) : NULL;
    status result = whole ? jsonio_write(path, whole, 2, err) : no_memory(err);
    json_decref(whole);
    arena_free(a);
    return result;
}

static status load_one(conversation *c, const json_t *m, size_t i, const char *path, error *err)
{
    const char *role = json_string_value(json_object_get(m, "role")), *text = json_string_value(json_object_get(m, "content"));
    if (!role || !text)
        return error_set(err, STATUS_INVALID, "%s: messages[%zu]: expected \"role\" and \"content\" as texts", path, i);
    if (strcmp(role, message_role_name(MESSAGE_SYSTEM)) == 0 && i == 0)
        return conversation_set_system(c, text, err);
    if (strcmp(role, message_role_name(MESSAGE_USER)) == 0)
        return add(c, MESSAGE_USER, text, err);
    if (strcmp(role, message_role_name(MESSAGE_ASSISTANT)) == 0)
        return add(c, MESSAGE_ASSISTANT, text, err);
    return error_set(err, STATUS_INVALID, "%s: messages[%zu]: expected the role user or assistant (system: the first alone), found %s",
                     path, i, role);
}

static status load(conversation *c, const json_t *whole, const char *path, error *err)
{
    const json_t *list;
    TRY(jsonio_get_array(whole, "messages", path, &list, err));
    for (size_t i = 0; i < json_array_size(list); i++)
        TRY(load_one(c, json_array_get(list, i), i, path, err));
    return STATUS_OK;
}

status conversation_load(conversation *c, const char *path, error *err)
{
    json_t *whole;
    conversation fresh = *c;
    TRY(jsonio_read(path, MOST_FILE, &whole, err));
    fresh.arena = NULL;
    status result = begin(&fresh, NULL, err);
    if (result == STATUS_OK)
        result = load(&fresh, whole, path, err);
    json_decref(whole);
    conversation *dropped = result == STATUS_OK ? c : &fresh;
    arena_free(dropped->arena);
    if (result == STATUS_OK)
        *c = fresh;
    return result;
}
