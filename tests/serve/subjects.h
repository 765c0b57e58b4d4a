/* subjects.h - who answers in the server's tests that need no model: a script, and one who waits at a gate; and clients that
 * ask from threads of their own. Include it in the one file of the program. */
#ifndef ASSAY_TESTS_SERVE_SUBJECTS_H
#define ASSAY_TESTS_SERVE_SUBJECTS_H

#include "desk.h"

#include "core/file.h"
#include "folder.h"

#define HI "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}"

static inline subject *script(arena *a)
{
    error err = {0};
    subject *s;
    const char *path = file_join(a, test_folder(), "script.yaml");
    assert_int_equal(file_write(path, SLICE("default: I do not know.\nrules:\n"
                                            "  - contains: capital of France\n    answer: Paris is it.\n"
                                            "  - contains: forbidden\n    answer: No.\n    refuses: true\n"
                                            "  - contains: broken\n    fails: the line is dead\n"
                                            "  - contains: either\n    answers: [left, right]\n"), &err), STATUS_OK);
    if (subject_open(a, arena_printf(a, "script:%s", path), NULL, &s, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return s;
}

/* Answers when the gate is open. */
typedef struct gate {
    pthread_mutex_t lock;
    pthread_cond_t change;
    bool open, interrupted;
    int waiting, answered;
    const char *text;
} gate;

static inline status wait_at_gate(subject *self, arena *a, const generate_request *const *requests, generate_reply *replies, size_t count,
                           error *err)
{
    gate *g = self->state;
    (void)a, (void)requests;
    pthread_mutex_lock(&g->lock);
    g->waiting++;
    while (!g->open && !g->interrupted)
        pthread_cond_wait(&g->change, &g->lock);
    g->waiting--;
    g->answered++;
    bool interrupted = g->interrupted;
    pthread_mutex_unlock(&g->lock);
    if (interrupted)
        return error_set(err, STATUS_INTERRUPTED, "interrupted");
    for (size_t i = 0; i < count; i++)
        replies[i] = (generate_reply){.text = g->text, .reason = STOP_END, .prompt_tokens = 1, .completion_tokens = 1};
    return STATUS_OK;
}

static inline void interrupt_gate(subject *self)
{
    gate *g = self->state;
    pthread_mutex_lock(&g->lock);
    g->interrupted = true;
    pthread_cond_broadcast(&g->change);
    pthread_mutex_unlock(&g->lock);
}

static inline void open_gate(gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->open = true;
    pthread_cond_broadcast(&g->change);
    pthread_mutex_unlock(&g->lock);
}

static const subject_class gate_class = {.name = "gate", .generate = wait_at_gate, .interrupt = interrupt_gate};

static inline void gate_make(gate *g, subject *s, const char *text)
{
    *g = (gate){.text = text};
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->change, NULL);
    *s = (subject){.class = &gate_class, .specification = "gate", .identity = "gate", .abilities = SUBJECT_GENERATES, .batch = 1,
                   .concurrent = true, .instant = true, .state = g};
}

static inline int gate_waiting(gate *g)
{
    pthread_mutex_lock(&g->lock);
    int n = g->waiting;
    pthread_mutex_unlock(&g->lock);
    return n;
}

static inline void wait_until(bool (*is)(void *), void *context, const char *what)
{
    for (int i = 0; i < 6000; i++) {
        if (is(context))
            return;
        usleep(10000);
    }
    fail_msg("%s did not happen in a minute", what);
}

static inline bool one_waits(void *context)
{
    return gate_waiting(context) == 1;
}

static inline bool none_waits(void *context)
{
    return gate_waiting(context) == 0;
}

/* A client in a thread of its own. */
typedef struct asking {
    desk *desk;
    const char *body;
    reply reply;
    pthread_t thread;
} asking;

static inline void *ask_in_thread(void *context)
{
    asking *q = context;
    desk own = *q->desk;
    own.arena = arena_new(NULL);
    own.replies = json_array();
    q->reply = desk_ask(&own, "/v1/chat/completions", q->body);
    q->reply.json = NULL;
    json_decref(own.replies);
    arena_free(own.arena);
    return NULL;
}

#endif
