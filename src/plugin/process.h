/* process.h - one process that speaks JSON, a line a message, over its standard input and output.
 *
 * Any number of threads hold dialogues with it at once. A dialogue has a number, which every message of it carries as
 * "id"; one thread a process reads and writes for all of them.
 *
 *     plugin_process *p;
 *     TRY(plugin_process_start("./order.py", NULL, &p, err));
 *     plugin_dialogue *d;
 *     TRY(plugin_dialogue_begin(p, &d, err));
 *     TRY(plugin_say(d, json_pack("{s:s}", "do", "hello"), err));          // {"do": "hello", "id": 1}
 *     json_t *message;
 *     if (plugin_hear(d, 60, &message, err) == PLUGIN_SAID) ...            // {"id": 1, "protocol": 1, ...}
 *     plugin_dialogue_end(d);
 *     plugin_process_stop(p);                                              // no child of it is left behind
 *
 * The process is started without a shell, in a process group of its own, without the variables of the environment that
 * hold secrets (spawn.h). Once it has ended, closed its output, or said what is no message, it is lost: it is killed with
 * all that it started, and every dialogue hears why. What it said before that is heard first.
 *
 * Limits: a line has at most 16 MiB; a dialogue holds at most 64 messages that nobody has taken yet. What it writes to
 * standard error goes to `note`, up to a limit, and its end stands in the words about why it was lost.
 */
#ifndef ASSAY_PLUGIN_PROCESS_H
#define ASSAY_PLUGIN_PROCESS_H

#include "core/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    PLUGIN_MOST_DIALOGUES = 2048, /* at once */
    PLUGIN_MOST_UNREAD = 64,      /* messages of one dialogue that nobody has taken */
    PLUGIN_MOST_LINE = 16 << 20,
};

typedef struct plugin_process plugin_process;
typedef struct plugin_dialogue plugin_dialogue;

typedef enum plugin_heard {
    PLUGIN_SAID,
    PLUGIN_SILENT,      /* nothing came in time */
    PLUGIN_LOST,        /* the process is; why stands in the error */
    PLUGIN_INTERRUPTED, /* by plugin_process_interrupt */
} plugin_heard;

/* Gets what the process writes to standard error, a line at a time, from a thread of its own. */
typedef void plugin_note(void *context, const char *line);
typedef struct plugin_listener {
    plugin_note *note;
    void *context;
} plugin_listener;

/* STATUS_NOT_FOUND, STATUS_USAGE (not executable, no program) or STATUS_IO when it cannot be started. `path` is a file, and
 * is not searched for. `listener` may be NULL. */
status plugin_process_start(const char *path, const plugin_listener *listener, plugin_process **out, error *err);
/* From now on another listens, or with NULL nobody; the one before is called no more when this returns. */
void plugin_process_listen(plugin_process *p, const plugin_listener *listener);
/* Closes its input, gives it two seconds to end (none when it is lost), kills what is left, and frees everything. All
 * dialogues must have ended. NULL is allowed. */
void plugin_process_stop(plugin_process *p);
/* Ends it now; `words` are what its dialogues hear as the reason. */
void plugin_process_condemn(plugin_process *p, const char *words);
bool plugin_process_lost(plugin_process *p);
/* Seconds since it last said anything to anybody. */
double plugin_process_quiet(plugin_process *p);
/* Messages to dialogues that were over; they are ignored. */
uint64_t plugin_process_late(plugin_process *p);
/* Wakes all who wait, now and later, until it is called with false. */
void plugin_process_interrupt(plugin_process *p, bool on);

status plugin_dialogue_begin(plugin_process *p, plugin_dialogue **out, error *err);
/* What the process says to it from now on is ignored. NULL is allowed. */
void plugin_dialogue_end(plugin_dialogue *d);
/* Adds the dialogue's "id" and sends; takes the message (also NULL, which is out of memory). Never waits. A process that is
 * lost takes everything: plugin_hear tells. */
status plugin_say(plugin_dialogue *d, json_t *message, error *err);
/* The next message, an object without its "id"; waits at most so many seconds. The caller owns *out. */
plugin_heard plugin_hear(plugin_dialogue *d, double seconds, json_t **out, error *err);

#endif
