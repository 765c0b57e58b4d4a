/* Dialogues with a process: what is said goes to its thread, what is heard comes from it. */
#include "plugin/process_inside.h"

#include "core/jsonio.h"
#include "core/progress.h"

#include <errno.h>

/* Under the lock. */
static plugin_dialogue *new_slot(plugin_process *p)
{
    if (p->used == PLUGIN_MOST_DIALOGUES)
        return NULL;
    plugin_dialogue *d = memory_alloc(sizeof *d);
    if (!d)
        return NULL;
    *d = (plugin_dialogue){.process = p, .id = p->used};
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&d->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    p->slots[p->used++] = d;
    return d;
}

status plugin_dialogue_begin(plugin_process *p, plugin_dialogue **out, error *err)
{
    pthread_mutex_lock(&p->lock);
    plugin_dialogue *d = p->free;
    if (d)
        p->free = d->next_free;
    else
        d = new_slot(p);
    if (d) {
        d->id += PLUGIN_MOST_DIALOGUES;
        d->open = true;
    }
    pthread_mutex_unlock(&p->lock);
    *out = d;
    return d ? STATUS_OK : error_set(err, STATUS_MEMORY, "no more dialogues with the plug-in %s can be held at once", p->path);
}

void plugin_dialogue_end(plugin_dialogue *d)
{
    if (!d)
        return;
    plugin_process *p = d->process;
    pthread_mutex_lock(&p->lock);
    p->late += p->lost ? 0 : d->count; /* nobody asked for them any more */
    for (; d->count > 0; d->count--)
        json_decref(d->unread[d->first++ % PLUGIN_MOST_UNREAD]);
    d->first = 0;
    d->open = false;
    d->next_free = p->free;
    p->free = d;
    pthread_mutex_unlock(&p->lock);
}

status plugin_say(plugin_dialogue *d, json_t *message, error *err)
{
    plugin_process *p = d->process;
    strbuf line = strbuf_new(NULL, MOST_OUTGOING);
    status result = message && json_object_set_new(message, "id", json_integer((json_int_t)d->id)) == 0
                        ? jsonio_print(message, 0, &line, err)
                        : error_set(err, STATUS_MEMORY, "out of memory while speaking to the plug-in %s", p->path);
    json_decref(message);
    strbuf_add_char(&line, '\n');
    if (result == STATUS_OK) {
        pthread_mutex_lock(&p->lock);
        bool first = p->outgoing.length == 0;
        if (!p->lost && !p->closing)
            strbuf_add_slice(&p->outgoing, strbuf_slice(&line));
        bool failed = p->outgoing.failed || line.failed;
        pthread_mutex_unlock(&p->lock);
        if (failed)
            result = error_set(err, STATUS_MEMORY, "out of memory while speaking to the plug-in %s", p->path);
        else if (first)
            plugin_process_wake(p);
    }
    strbuf_free(&line);
    return result;
}

/* Under the lock: false at the end of the time. */
static bool wait_until(plugin_dialogue *d, double when)
{
    struct timespec until = {.tv_sec = (time_t)when};
    until.tv_nsec = (long)((when - (double)until.tv_sec) * 1e9);
    return pthread_cond_timedwait(&d->changed, &d->process->lock, &until) != ETIMEDOUT;
}

plugin_heard plugin_hear(plugin_dialogue *d, double seconds, json_t **out, error *err)
{
    plugin_process *p = d->process;
    double until = clock_seconds() + (seconds < 1e9 ? seconds : 1e9);
    plugin_heard heard = PLUGIN_SAID;
    *out = NULL;
    pthread_mutex_lock(&p->lock);
    for (bool waiting = true; d->count == 0; waiting = wait_until(d, until)) {
        heard = p->interrupted ? PLUGIN_INTERRUPTED : p->lost ? PLUGIN_LOST : !waiting ? PLUGIN_SILENT : PLUGIN_SAID;
        if (heard != PLUGIN_SAID)
            break;
    }
    if (d->count > 0) {
        heard = PLUGIN_SAID;
        *out = d->unread[d->first];
        d->first = (d->first + 1) % PLUGIN_MOST_UNREAD;
        d->count--;
    } else if (heard == PLUGIN_LOST) {
        error_set(err, STATUS_IO, "%s", p->words);
    } else if (heard == PLUGIN_INTERRUPTED) {
        error_set(err, STATUS_INTERRUPTED, "interrupted before the plug-in %s was done", p->path);
    } else {
        error_set(err, STATUS_IO, "the plug-in %s said nothing for %g s", p->path, seconds);
    }
    pthread_mutex_unlock(&p->lock);
    return heard;
}
