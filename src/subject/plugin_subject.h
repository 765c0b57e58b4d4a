/* plugin_subject.h - what agents and tools of plug-ins share (private to src/subject). */
#ifndef ASSAY_SUBJECT_PLUGIN_SUBJECT_H
#define ASSAY_SUBJECT_PLUGIN_SUBJECT_H

#include "plugin/named.h"
#include "subject/broker.h"

typedef struct plugin_subject {
    const char *name; /* its specification */
    plugin_named named;
    bool is_tool;
    const char *tools; /* of a tool: the list that its subject is shown */
    subject *beneath;  /* NULL: nobody */
    broker *broker;    /* of who is beneath */
} plugin_subject;

/* One request while it is answered. */
typedef struct agent_request {
    plugin_subject *self;
    arena *arena;
    const generate_request *request;
    uint64_t asked; /* questions beneath so far */
    int prompt_tokens, completion_tokens, cached_tokens;
    bool uncounted;
} agent_request;

/* Asks who is beneath; `q` gets its address, and the tokens are added up. */
status plugin_ask_beneath(agent_request *r, generate_request *q, generate_reply *reply, error *err);
/* The tokens of all that was asked beneath are those of the answer. */
void plugin_take_tokens(const agent_request *r, generate_reply *reply);
/* The request waits for somebody else (begins), and goes on: no batch beneath waits for it meanwhile. */
void plugin_wait_beneath(const plugin_subject *p, bool begins);

/* tool.c */
status tool_prepare(arena *a, plugin_subject *p, error *err);
status tool_answer(agent_request *r, generate_reply *reply, error *err);

#endif
