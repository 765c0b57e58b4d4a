/* api_desk.h - a subject behind HTTP and the server of tests that it asks, opened and closed together. */
#ifndef ASSAY_TESTS_SUBJECT_API_DESK_H
#define ASSAY_TESTS_SUBJECT_API_DESK_H

#include "fault_server.h"

#include "subject/broker.h"

typedef struct desk {
    arena *arena;
    server *server;
    subject *subject;
    broker *broker;
    error err;
} desk;

/* The subject is PATH#some:model on a new server. Tries again soon unless the options say when. */
static inline desk desk_open(server plan, const char *path, subject_options options)
{
    desk d = {.arena = arena_new(NULL), .server = server_start(plan)};
    if (options.retry_seconds == 0)
        options.retry_seconds = 0.01;
    const char *name = arena_printf(d.arena, "http://127.0.0.1:%d%s#some:model", d.server->port, path);
    if (subject_open(d.arena, name, &options, &d.subject, &d.err) != STATUS_OK)
        fail_msg("%s", d.err.message);
    assert_int_equal(broker_new(d.subject, &(broker_options){.askers = 64}, &d.broker, NULL), STATUS_OK);
    return d;
}

static inline void desk_close(desk *d)
{
    broker_free(d->broker);
    subject_close(d->subject);
    server_free(d->server);
    arena_free(d->arena);
}

#endif
