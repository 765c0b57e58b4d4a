/* One sample of a log, as much of it as is kept. */
#include "inspect/import.h"

typedef struct sample_reader {
    jsonstream *stream;
    json_t *sample;
    size_t left; /* bytes that may still be kept */
    bool cut;
} sample_reader;

/* Keeps the value under the key where it fits. */
static status keep(sample_reader *r, json_t *into, const char *key, error *err)
{
    json_t *value = NULL;
    uint64_t from = jsonstream_place(r->stream);
    TRY(jsonstream_value(r->stream, r->left, &value, err));
    size_t taken = (size_t)(jsonstream_place(r->stream) - from);
    r->cut = r->cut || !value;
    if (!value)
        return STATUS_OK;
    r->left -= taken < r->left ? taken : r->left;
    int kept = key ? json_object_set_new(into, key, value) : json_array_append_new(into, value);
    return kept == 0 ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory while reading a sample");
}

/* Of an object only one member. */
static status keep_member(sample_reader *r, const char *key, const char *member, error *err)
{
    const char *name;
    json_t *object = json_object();
    json_object_set_new(r->sample, key, object);
    if (jsonstream_peek(r->stream) != '{')
        return jsonstream_skip(r->stream, err);
    TRY(jsonstream_enter(r->stream, '{', err));
    error walk = {0};
    while (jsonstream_member(r->stream, &name, &walk))
        TRY(strcmp(name, member) == 0 ? keep(r, object, member, err) : jsonstream_skip(r->stream, err));
    if (walk.code != STATUS_OK && err)
        *err = walk;
    return walk.code;
}

static bool wanted_event(const json_t *event)
{
    const char *kind = json_string_value(json_object_get(event, "event"));
    const char *source = json_string_value(json_object_get(event, "source"));
    return kind && (strcmp(kind, "model") == 0 || (strcmp(kind, "info") == 0 && source && strcmp(source, "assay score") == 0));
}

/* An event is read whole, and what nobody reads of it is dropped at once. */
static status keep_events(sample_reader *r, error *err)
{
    static const char *const heavy[] = {"call", "tools", "traceback", "traceback_ansi", "config"};
    json_t *events = json_array();
    json_object_set_new(r->sample, "events", events);
    if (jsonstream_peek(r->stream) != '[')
        return jsonstream_skip(r->stream, err);
    TRY(jsonstream_enter(r->stream, '[', err));
    error walk = {0};
    while (jsonstream_item(r->stream, &walk)) {
        size_t before = json_array_size(events), left = r->left;
        bool cut = r->cut;
        TRY(keep(r, events, NULL, err));
        if (json_array_size(events) == before)
            continue;
        json_t *event = json_array_get(events, before);
        if (!wanted_event(event)) {
            json_array_remove(events, before);
            r->left = left;
            r->cut = cut;
            continue;
        }
        for (size_t i = 0; i < COUNT_OF(heavy); i++)
            json_object_del(event, heavy[i]);
        json_t *choices = json_object_get(json_object_get(event, "output"), "choices");
        for (size_t i = 0; i < json_array_size(choices); i++)
            json_object_del(json_array_get(choices, i), "logprobs");
    }
    if (walk.code != STATUS_OK && err)
        *err = walk;
    return walk.code;
}

/* ---- attachments and references --------------------------------------------------------------------------------- */

/* Replaces texts "attachment://HASH" by what they stand for; the text itself is shared, however often it is named. */
static void resolve(json_t *value, const json_t *attachments, int depth)
{
    static const char prefix[] = "attachment://";
    const char *key;
    json_t *part;
    void *next;
    if (depth > 32)
        return;
    if (json_is_object(value)) {
        json_object_foreach_safe(value, next, key, part)
        {
            const char *text = json_string_value(part);
            json_t *meant = text && strncmp(text, prefix, sizeof prefix - 1) == 0
                                ? json_object_get(attachments, text + sizeof prefix - 1)
                                : NULL;
            if (json_is_string(meant))
                json_object_set(value, key, meant);
            else
                resolve(part, attachments, depth + 1);
        }
    }
    for (size_t i = 0; json_is_array(value) && i < json_array_size(value); i++) {
        part = json_array_get(value, i);
        const char *text = json_string_value(part);
        json_t *meant = text && strncmp(text, prefix, sizeof prefix - 1) == 0
                            ? json_object_get(attachments, text + sizeof prefix - 1)
                            : NULL;
        if (json_is_string(meant))
            json_array_set(value, i, meant);
        else
            resolve(part, attachments, depth + 1);
    }
}

/* The ranges of an event's input_refs name messages that stand once beside all events. */
static void resolve_input(json_t *event, const json_t *pool, size_t *most, bool *cut)
{
    const json_t *ranges = json_object_get(event, "input_refs");
    if (json_array_size(ranges) == 0)
        return;
    json_t *input = json_array();
    for (size_t i = 0; i < json_array_size(ranges); i++) {
        const json_t *range = json_array_get(ranges, i);
        json_int_t from = json_integer_value(json_array_get(range, 0)), to = json_integer_value(json_array_get(range, 1));
        for (json_int_t k = from < 0 ? 0 : from; k < to && (size_t)k < json_array_size(pool); k++) {
            if (*most == 0) {
                *cut = true;
                break;
            }
            json_array_append(input, json_array_get(pool, (size_t)k));
            --*most;
        }
    }
    json_object_set_new(event, "input", input);
    json_object_del(event, "input_refs");
}

static void resolve_all(json_t *sample, bool *cut)
{
    size_t most = 4 << 20; /* messages that all references of a sample may give */
    const json_t *attachments = json_object_get(sample, "attachments");
    json_t *pool = json_object_get(json_object_get(sample, "events_data"), "messages");
    json_t *events = json_object_get(sample, "events");
    static const char *const parts[] = {"input", "messages", "output", "events"};
    resolve(pool, attachments, 0);
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        resolve(json_object_get(sample, parts[i]), attachments, 0);
    for (size_t i = 0; i < json_array_size(events); i++)
        resolve_input(json_array_get(events, i), pool, &most, cut);
    json_object_del(sample, "attachments");
    json_object_del(sample, "events_data");
}

/* ---- the sample ------------------------------------------------------------------------------------------------- */

static status read_members(sample_reader *r, error *err)
{
    static const char *const plain[] = {"id",     "epoch",      "input",        "target",      "choices",    "messages",   "output", "scores",
                                        "metadata", "error",    "limit",        "total_time",  "working_time", "model_usage", "uuid", "attachments"};
    const char *key;
    TRY(jsonstream_enter(r->stream, '{', err));
    error walk = {0};
    while (jsonstream_member(r->stream, &key, &walk)) {
        size_t i = 0;
        while (i < COUNT_OF(plain) && strcmp(plain[i], key) != 0)
            i++;
        if (json_object_get(r->sample, key))
            return error_set(err, STATUS_INVALID, "a sample has the member \"%.64s\" twice", key);
        if (i < COUNT_OF(plain))
            TRY(keep(r, r->sample, plain[i], err));
        else if (strcmp(key, "events") == 0)
            TRY(keep_events(r, err));
        else if (strcmp(key, "events_data") == 0)
            TRY(keep_member(r, "events_data", "messages", err));
        else if (strcmp(key, "store") == 0)
            TRY(keep_member(r, "store", "assay", err));
        else
            TRY(jsonstream_skip(r->stream, err));
    }
    if (walk.code != STATUS_OK && err)
        *err = walk;
    return walk.code;
}

static status check(const json_t *sample, error *err)
{
    const json_t *id = json_object_get(sample, "id"), *epoch = json_object_get(sample, "epoch");
    if (!json_is_string(id) && !json_is_integer(id))
        return error_set(err, STATUS_INVALID, "a sample has no \"id\" that is a text or a whole number");
    if (!json_is_integer(epoch) || json_integer_value(epoch) < 1)
        return error_set(err, STATUS_INVALID, "a sample has no \"epoch\" that is a whole number from 1");
    if (json_integer_value(epoch) > 256)
        return error_set(err, STATUS_UNSUPPORTED, "a sample has epoch %lld; runs of Assay count at most 256 repeats",
                         (long long)json_integer_value(epoch));
    return STATUS_OK;
}

status import_sample_read(jsonstream *s, json_t **out, bool *cut, error *err)
{
    sample_reader r = {.stream = s, .sample = json_object(), .left = IMPORT_SAMPLE};
    *out = NULL;
    if (!r.sample)
        return error_set(err, STATUS_MEMORY, "out of memory while reading a sample");
    status result = read_members(&r, err);
    if (result == STATUS_OK)
        result = check(r.sample, err);
    if (result != STATUS_OK) {
        json_decref(r.sample);
        return result;
    }
    resolve_all(r.sample, &r.cut);
    *out = r.sample;
    *cut = r.cut;
    return STATUS_OK;
}
