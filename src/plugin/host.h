/* host.h - keeps a plug-in running: greets it, starts it again when it is lost, and finds out whose fault that was.
 *
 *     plugin_host *h;
 *     TRY(plugin_host_open(arena, "./order.py", NULL, &h, err));           // {"do": "hello"} and its declaration
 *     ... any thread:
 *     plugin_call call = {.first = json_pack(...), .want = "record", .request = ask, .context = sample};
 *     json_t *answer;
 *     TRY(plugin_host_talk(h, &call, &answer, err));                       // {"record": {...}}
 *
 * All dialogues share one process. When it is lost, those in it are told apart: each is begun again, in a process where it
 * is alone, one after the other; one that is lost there too fails, and says why. So one bad sample costs no other. A
 * dialogue in which the plug-in keeps silent for too long fails alone where the process still talks to others; else the
 * process is held to hang, and is lost.
 *
 * The host ends with its arena, and so does every process.
 */
#ifndef ASSAY_PLUGIN_HOST_H
#define ASSAY_PLUGIN_HOST_H

#include "core/arena.h"
#include "plugin/declare.h"
#include "plugin/process.h"

#include <stdatomic.h>

typedef struct plugin_host plugin_host;

typedef struct plugin_host_options {
    double timeout_seconds; /* longest silence in a dialogue while it is the plug-in's turn; 0: 120 */
    double greeting_seconds; /* longest silence to its greeting; 0: 60 */
    plugin_listener listener;
    const atomic_bool *interrupt; /* set when starting and preparing are to be given up; may be NULL */
} plugin_host_options;

/* `options` may be NULL. `path` may begin with "plugin:". */
status plugin_host_open(arena *a, const char *path, const plugin_host_options *options, plugin_host **out, error *err);
const plugin_declaration *plugin_host_declaration(const plugin_host *h);
const char *plugin_host_path(const plugin_host *h); /* as it was named, without "plugin:" */
const char *plugin_host_sha256(const plugin_host *h); /* of the file, in hexadecimal */
/* STATUS_USAGE unless it is of this kind; `where` says where it stands: "-m". */
status plugin_host_require(const plugin_host *h, plugin_kind kind, const char *where, error *err);

/* Between dialogues only; `options` may be NULL. The listener of before is called no more when this returns. */
void plugin_host_set(plugin_host *h, const plugin_host_options *options);
/* Says `opening` (taken) to the running process now, and to every later one when it is started. Its answers, up to the first
 * without "more": true, go to `check` as a list each time. */
typedef status plugin_check(void *context, const json_t *answers, error *err);
status plugin_host_prepare(plugin_host *h, json_t *opening, plugin_check *check, void *context, error *err);

typedef struct plugin_call {
    json_t *first;    /* the first message; stays the caller's */
    const char *want; /* the member that the answer must have */
    /* The plug-in asks for something ("ask" or "score"): *reply is what it gets. STATUS_LIMIT, _INTERRUPTED, _MEMORY and
     * _REFUSED end the dialogue; other errors are told to the plug-in. NULL: it may not ask. */
    status (*request)(void *context, const json_t *message, json_t **reply, error *err);
    void (*again)(void *context);               /* the dialogue begins anew; may be NULL */
    void (*waiting)(void *context, bool begins); /* it waits for long, and nobody should wait for it; may be NULL */
    void *context;
    double seconds; /* longest silence; 0: the host's */
} plugin_call;

/* STATUS_IO when the plug-in is lost or silent, STATUS_INVALID when it says that it failed or answers with something else. */
status plugin_host_talk(plugin_host *h, const plugin_call *call, json_t **out, error *err);
/* Wakes all dialogues with STATUS_INTERRUPTED, now and later, until it is called with false. From any thread. */
void plugin_host_interrupt(plugin_host *h, bool on);
/* Processes started so far, and messages that came after the end of their dialogue. */
void plugin_host_counts(plugin_host *h, uint64_t *started, uint64_t *late);

#endif
