/* A sample of a run as a sample of a log: what was said, events, scores. */
#include "inspect/export.h"

#include "core/jsonio.h"

#include <stdio.h>

static const char *text_at(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* What our own store holds as JSON; NULL for what is not there. */
static json_t *parsed(const char *text)
{
    json_t *value = NULL;
    if (!text || jsonio_parse(slice_of(text), "store", &value, NULL) != STATUS_OK)
        return NULL;
    return value;
}

/* ---- scores ----------------------------------------------------------------------------------------------------- */

static const struct {
    const char *verdict, *value;
} values[] = {{"good", "C"}, {"bad", "I"}, {"partial", "P"}, {"unreadable", "N"}, {"refused", "N"}, {"excluded", "N"}};

/* An imported sample keeps the scores that it came with. */
json_t *export_scores(const export_run *r, const json_t *record)
{
    const json_t *kept = json_object_get(json_object_get(record, "inspect"), "scores");
    const char *verdict = text_at(record, "verdict");
    if (json_is_object(kept))
        return json_deep_copy(kept);
    json_t *scores = json_object();
    for (size_t i = 0; verdict && i < COUNT_OF(values); i++) {
        if (strcmp(values[i].verdict, verdict) != 0)
            continue;
        json_t *score = json_pack("{s:s, s:s*, s:s*, s:{s:s, s:s*}}", "value", values[i].value, "answer",
                                  text_at(record, "answered"), "explanation", text_at(record, "scored"), "metadata", "verdict",
                                  verdict, "group", text_at(record, "group"));
        json_object_set_new(scores, r->row.study, score);
    }
    return scores;
}

/* ---- answers and events ----------------------------------------------------------------------------------------- */

static const char *stop_reason(const char *reason)
{
    if (reason && strcmp(reason, "length") == 0)
        return "max_tokens";
    return reason && strcmp(reason, "refused") == 0 ? "content_filter" : "stop";
}

static json_t *usage(json_int_t input, json_int_t output)
{
    return json_pack("{s:I, s:I, s:I}", "input_tokens", input, "output_tokens", output, "total_tokens", input + output);
}

static json_t *answer_message(const json_t *exchange, const char *model)
{
    const char *answer = text_at(exchange, "answer");
    const json_t *calls = json_object_get(exchange, "tool_calls");
    json_t *message = json_pack("{s:s, s:s, s:s, s:s}", "role", "assistant", "content", answer ? answer : "", "source",
                                "generate", "model", model);
    if (json_is_array(calls))
        json_object_set(message, "tool_calls", (json_t *)(uintptr_t)calls);
    return message;
}

static json_t *output_of(const json_t *exchange, const char *model)
{
    const char *answer = text_at(exchange, "answer");
    json_t *choices = json_array();
    if (answer)
        json_array_append_new(choices, json_pack("{s:o, s:s}", "message", answer_message(exchange, model), "stop_reason",
                                                 stop_reason(text_at(exchange, "reason"))));
    json_t *output = json_pack("{s:s, s:o, s:s}", "model", model, "choices", choices, "completion", answer ? answer : "");
    if (json_is_integer(json_object_get(exchange, "prompt_tokens")))
        json_object_set_new(output, "usage",
                            usage(json_integer_value(json_object_get(exchange, "prompt_tokens")),
                                  json_integer_value(json_object_get(exchange, "completion_tokens"))));
    return output;
}

static json_t *messages_of(const json_t *exchange)
{
    const json_t *messages = json_object_get(exchange, "messages");
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(messages); i++)
        export_message(list, json_array_get(messages, i));
    return list;
}

/* All of the exchange but what the event says itself: enough to read it back as it was. */
static json_t *rest_of(const json_t *exchange)
{
    static const char *const said[] = {"messages", "answer", "problem", "tool_calls"};
    json_t *rest = json_copy((json_t *)(uintptr_t)exchange);
    for (size_t i = 0; i < COUNT_OF(said); i++)
        json_object_del(rest, said[i]);
    return json_pack("{s:o}", "assay", rest);
}

static const char *role_model(const export_run *r, const char *role)
{
    const json_t *roles = json_object_get(r->description, "roles");
    const char *specification = text_at(json_object_get(roles, role), "specification");
    return strcmp(role, "subject") == 0 || !specification ? r->model : arena_printf(r->arena, "assay/%s", specification);
}

typedef struct event_maker {
    const export_run *run;
    const store_sample *sample;
    arena *arena;
    json_t *events;
    const char *span;
} event_maker;

/* Takes the members that are the event's own. */
static void add_event(event_maker *m, const char *kind, json_t *own)
{
    char purpose[64];
    snprintf(purpose, sizeof purpose, "event %zu", json_array_size(m->events));
    json_t *event = json_pack("{s:s, s:s, s:s, s:f, s:s}", "uuid",
                              export_id(m->run, m->arena, purpose, m->sample->index, m->sample->repeat), "span_id", m->span,
                              "timestamp", m->run->time, "working_start", 0.0, "event", kind);
    json_object_update(event, own);
    json_decref(own);
    json_array_append_new(m->events, event);
}

static void add_exchange(event_maker *m, const json_t *exchange)
{
    const char *role = text_at(exchange, "role"), *problem = text_at(exchange, "problem");
    const char *model = role_model(m->run, role ? role : "subject");
    const json_t *scores = json_object_get(exchange, "scores");
    if (scores) {
        add_event(m, "info", json_pack("{s:s, s:{s:o, s:O}, s:o}", "source", "assay score", "data", "messages",
                                       messages_of(exchange), "scores", scores, "metadata", rest_of(exchange)));
        return;
    }
    json_t *config = json_object();
    if (json_object_get(exchange, "temperature"))
        json_object_set(config, "temperature", json_object_get(exchange, "temperature"));
    json_t *own = json_pack("{s:s, s:o, s:[], s:s, s:o, s:o, s:s*, s:o}", "model", model, "input", messages_of(exchange), "tools",
                            "tool_choice", "none", "config", config, "output", output_of(exchange, model), "error", problem,
                            "metadata", rest_of(exchange));
    if (role && strcmp(role, "subject") != 0)
        json_object_set_new(own, "role", json_string(role));
    add_event(m, "model", own);
}

static json_t *error_of(const store_sample *x)
{
    const char *words = x->problem ? x->problem : status_word(x->code);
    return json_pack("{s:s, s:s, s:s}", "message", words, "traceback", words, "traceback_ansi", words);
}

static json_t *make_events(const export_run *r, const store_sample *x, const json_t *head, const json_t *transcript,
                           const json_t *scores)
{
    event_maker m = {.run = r, .sample = x, .arena = arena_new(NULL), .events = json_array()};
    m.span = export_id(r, m.arena, "span", x->index, x->repeat);
    add_event(&m, "span_begin", json_pack("{s:s, s:s, s:s}", "id", m.span, "type", "sample", "name", r->row.study));
    add_event(&m, "sample_init", json_pack("{s:{s:O, s:O, s:O}, s:{}}", "sample", "input", json_object_get(head, "input"), "target",
                                           json_object_get(head, "target"), "id", json_object_get(head, "id"), "state"));
    for (size_t i = 0; i < json_array_size(transcript); i++)
        add_exchange(&m, json_array_get(transcript, i));
    const char *name;
    json_t *score;
    json_object_foreach((json_t *)(uintptr_t)scores, name, score)
        add_event(&m, "score", json_pack("{s:O, s:s, s:b}", "score", score, "scorer", name, "intermediate", 0));
    if (x->code != STATUS_OK)
        add_event(&m, "error", json_pack("{s:o}", "error", error_of(x)));
    add_event(&m, "span_end", json_pack("{s:s}", "id", m.span));
    arena_free(m.arena);
    return m.events;
}

/* ---- the sample ------------------------------------------------------------------------------------------------- */

void export_sample_place(const export_run *r, const json_t *record, uint64_t index, uint64_t repeat, json_t *into)
{
    const json_t *kept = json_object_get(record, "inspect"), *id = json_object_get(kept, "id");
    (void)r;
    json_object_set_new(into, "id", id ? json_incref((json_t *)(uintptr_t)id) : json_integer((json_int_t)index + 1));
    json_object_set_new(into, "epoch", json_integer((json_int_t)repeat + 1));
}

/* id, epoch, input, target: what samples and their summaries begin with. */
static json_t *head_of(const export_run *r, const store_sample *x, const json_t *record)
{
    const json_t *kept = json_object_get(record, "inspect");
    const char *asked = text_at(record, "asked"), *expected = text_at(record, "expected");
    json_t *head = json_object();
    export_sample_place(r, record, x->index, x->repeat, head);
    json_object_set_new(head, "input", json_object_get(kept, "input") ? json_incref(json_object_get(kept, "input"))
                                                                        : json_string(asked ? asked : ""));
    json_object_set_new(head, "target", json_object_get(kept, "target") ? json_incref(json_object_get(kept, "target"))
                                                                          : json_string(expected ? expected : ""));
    if (json_object_get(kept, "choices"))
        json_object_set(head, "choices", json_object_get(kept, "choices"));
    return head;
}

/* A run of ours has its record there, an imported one what it came with. */
static json_t *metadata_of(const json_t *record)
{
    const json_t *kept = json_object_get(record, "inspect");
    if (!kept)
        return json_is_object(record) ? json_copy((json_t *)(uintptr_t)record) : json_object();
    return json_object_get(kept, "metadata") ? json_incref(json_object_get(kept, "metadata")) : json_object();
}

static json_t *store_of(const store_sample *x, bool recorded)
{
    return json_pack("{s:{s:I, s:I, s:b, s:i, s:s?, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:I}}", "assay", "index", (json_int_t)x->index,
                     "repeat", (json_int_t)x->repeat, "recorded", recorded, "code", (int)x->code, "problem", x->problem, "seconds",
                     x->seconds, "generating", x->generating, "waiting", x->waiting, "retrying", x->retrying, "judging",
                     x->judging, "prompt_tokens", (json_int_t)x->prompt_tokens, "completion_tokens",
                     (json_int_t)x->completion_tokens, "retries", (json_int_t)x->retries);
}

static const json_t *last_of_subject(const json_t *transcript)
{
    for (size_t i = json_array_size(transcript); i-- > 0;) {
        const json_t *one = json_array_get(transcript, i);
        const char *role = text_at(one, "role");
        if (text_at(one, "answer") && (!role || strcmp(role, "subject") == 0))
            return one;
    }
    return json_array_get(transcript, 0);
}

static void add_said(const export_run *r, json_t *sample, const json_t *transcript)
{
    const json_t *last = last_of_subject(transcript);
    json_t *messages = messages_of(last);
    if (last && text_at(last, "answer"))
        json_array_append_new(messages, answer_message(last, r->model));
    json_object_set_new(sample, "messages", messages);
    json_object_set_new(sample, "output", last ? output_of(last, r->model) : json_pack("{s:s, s:[], s:s}", "model", r->model, "choices", "completion", ""));
}

static void add_usage(const export_run *r, json_t *sample, const store_sample *x)
{
    json_object_set_new(sample, "model_usage", json_pack("{s:o}", r->model, usage(x->prompt_tokens, x->completion_tokens)));
    json_object_set_new(sample, "total_time", json_real(x->seconds));
    double waited = x->waiting + x->retrying;
    json_object_set_new(sample, "working_time", json_real(x->seconds > waited ? x->seconds - waited : 0));
}

json_t *export_sample(const export_run *r, const store_sample *x)
{
    json_t *record = parsed(x->record), *transcript = parsed(x->transcript);
    json_t *sample = head_of(r, x, record), *scores = export_scores(r, record);
    arena *a = arena_new(NULL);
    add_said(r, sample, transcript);
    json_object_set(sample, "scores", scores);
    json_object_set_new(sample, "metadata", metadata_of(record));
    json_object_set_new(sample, "store", json_object_get(record, "inspect") ? json_object() : store_of(x, record != NULL));
    json_object_set_new(sample, "events", make_events(r, x, sample, transcript, scores));
    add_usage(r, sample, x);
    json_object_set_new(sample, "uuid", json_string(export_id(r, a, "sample", x->index, x->repeat)));
    if (x->code != STATUS_OK)
        json_object_set_new(sample, "error", error_of(x));
    json_object_set_new(sample, "attachments", json_object());
    arena_free(a);
    json_decref(record);
    json_decref(transcript);
    json_decref(scores);
    return sample;
}

json_t *export_sample_summary(const export_run *r, const store_sample *x)
{
    json_t *record = parsed(x->record), *out = head_of(r, x, record);
    arena *a = arena_new(NULL);
    json_object_set_new(out, "metadata", metadata_of(record));
    json_object_set_new(out, "scores", export_scores(r, record));
    add_usage(r, out, x);
    json_object_set_new(out, "uuid", json_string(export_id(r, a, "sample", x->index, x->repeat)));
    if (x->code != STATUS_OK)
        json_object_set_new(out, "error", json_string(x->problem ? x->problem : status_word(x->code)));
    json_object_set_new(out, "completed", json_true());
    arena_free(a);
    json_decref(record);
    return out;
}
