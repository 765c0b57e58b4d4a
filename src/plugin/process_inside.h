/* process_inside.h - what process.c and dialogue.c share (private to src/plugin). */
#ifndef ASSAY_PLUGIN_PROCESS_INSIDE_H
#define ASSAY_PLUGIN_PROCESS_INSIDE_H

#include "plugin/lines.h"
#include "plugin/process.h"
#include "plugin/spawn.h"

#include <pthread.h>

enum {
    MOST_OUTGOING = 1 << 30,
    TAIL_BYTES = 2048, /* of standard error, for the words about its end */
    MOST_NOTE = 400,   /* bytes of a line of it that is passed on */
};

struct plugin_dialogue {
    plugin_process *process;
    plugin_dialogue *next_free;
    uint64_t id; /* its slot + MOST_DIALOGUES * how often the slot was used: no id comes twice */
    bool open;
    pthread_cond_t changed;
    json_t *unread[PLUGIN_MOST_UNREAD];
    size_t first, count;
};

struct plugin_process {
    char *path;
    spawned program;
    int wake[2];
    pthread_t thread;
    pthread_mutex_t lock; /* around all below but what is the thread's own */
    plugin_dialogue *slots[PLUGIN_MOST_DIALOGUES];
    size_t used;
    plugin_dialogue *free;
    strbuf outgoing;
    size_t sent;
    bool closing, lost, interrupted;
    char words[768]; /* why it is lost */
    double heard;
    uint64_t late;
    pthread_mutex_t listening; /* around the listener, also while it is called */
    plugin_listener listener;
    /* The thread's own. */
    lines reader;
    char tail[TAIL_BYTES + 1], note[MOST_NOTE + 1];
    size_t tail_length, note_length, noted;
};

/* Has the thread look at what there is to do. */
void plugin_process_wake(const plugin_process *p);

#endif
