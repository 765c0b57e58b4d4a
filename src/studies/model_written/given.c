/* Items that were written before, as they are published: JSON lines with question, answer_matching_behavior and
 * answer_not_matching_behavior, and for statements the statement and the writer's confidence in the label. */
#include "studies/model_written/inside.h"

#include "core/file.h"
#include "core/hash.h"
#include "core/random.h"
#include "studies/task/library.h"

#include <math.h>

enum { MOST_BYTES = 256 << 20 };

typedef struct reader {
    study_run *run;
    written_data *data;
    const char *path;
    size_t sets[WRITTEN_KIND_COUNT]; /* SIZE_MAX: the file had none of that kind so far */
    const char *name;
} reader;

static status bad_row(const reader *r, size_t line, const char *what, error *err)
{
    error_set(err, STATUS_INVALID, "%s:%zu: expected 'question', and Yes and No or (A) and (B) as 'answer_matching_behavior' and "
                                   "'answer_not_matching_behavior', found %s", r->path, line, what);
    return error_hint(err, "items with other answers can be asked as a task: docs/tasks.md");
}

/* Which of two answers of a kind it is; -1: none. */
static int side_of(const char *text, written_kind *kind)
{
    static const char *const answers[WRITTEN_KIND_COUNT][2] = {{"Yes", "No"}, {"(A)", "(B)"}};
    slice s = slice_trim(slice_of(text));
    for (int k = 0; k < WRITTEN_KIND_COUNT; k++)
        for (int side = 0; side < 2; side++)
            if (slice_is(s, answers[k][side])) {
                *kind = (written_kind)k;
                return side;
            }
    return -1;
}

static status set_of(reader *r, written_kind kind, size_t *out, error *err)
{
    arena *a = r->run->arena;
    if (r->sets[kind] == SIZE_MAX) {
        written_behaviour *b = ARENA_NEW(a, written_behaviour);
        char *words = arena_strdup(a, r->name);
        if (!b || !words)
            return error_set(err, STATUS_MEMORY, "out of memory for %s", r->path);
        for (char *at = words; *at; at++)
            *at = *at == '-' ? ' ' : *at;
        *b = (written_behaviour){.name = r->name, .who = arena_printf(a, "may be described by \"%s\"", words), .trait = TRAIT_NONE};
        const char *name = kind == WRITTEN_CHOICE && r->sets[WRITTEN_STATEMENT] != SIZE_MAX ? arena_printf(a, "%s/choices", r->name) : r->name;
        if (!b->who || !name)
            return error_set(err, STATUS_MEMORY, "out of memory for %s", r->path);
        TRY(written_add_set(a, r->data, &(written_set){.behaviour = b, .kind = kind, .name = name}, err));
        r->sets[kind] = r->data->set_count - 1;
    }
    *out = r->sets[kind];
    return STATUS_OK;
}

static status add_row(void *context, const json_t *row, size_t line, error *err)
{
    reader *r = context;
    const char *question = json_string_value(json_object_get(row, "question")), *statement = json_string_value(json_object_get(row, "statement"));
    const char *matching = json_string_value(json_object_get(row, "answer_matching_behavior"));
    const char *other = json_string_value(json_object_get(row, "answer_not_matching_behavior"));
    const json_t *confidence = json_object_get(row, "label_confidence");
    written_kind kind = WRITTEN_STATEMENT, other_kind = WRITTEN_STATEMENT;
    size_t set = 0;
    if (!question || !matching || !other)
        return bad_row(r, line, "one of them missing, or no text", err);
    int side = side_of(matching, &kind), other_side = side_of(other, &other_kind);
    if (side < 0 || other_side != 1 - side || kind != other_kind)
        return bad_row(r, line, "other answers", err);
    TRY(set_of(r, kind, &set, err));
    const char *text = arena_strdup(r->run->arena, statement && kind == WRITTEN_STATEMENT ? statement : question);
    written_sample s = {.kind = SAMPLE_GIVEN, .set = set, .side = side, .number = line, .text = text,
                        .question = arena_strdup(r->run->arena, question),
                        .label = json_is_number(confidence) ? json_number_value(confidence) : NAN};
    if (!s.text || !s.question)
        return error_set(err, STATUS_MEMORY, "out of memory for %s", r->path);
    return written_add_sample(r->run->arena, r->data, &s, err);
}

static const char *name_of(arena *a, const char *path)
{
    const char *slash = strrchr(path, '/');
    slice name = slice_of(slash ? slash + 1 : path);
    static const slice endings[] = {{".gz", 3}, {".jsonl", 6}, {".json", 5}};
    for (size_t i = 0; i < COUNT_OF(endings); i++)
        if (slice_ends(name, endings[i]))
            name.length -= endings[i].length;
    return slice_copy(a, name);
}

static status read_file(reader *r, const char *path, sha256 *content, error *err)
{
    size_t first = r->data->sample_count, most = (size_t)param_int(r->run->params, "items"), replaced = 0;
    slice text;
    r->path = path;
    r->name = name_of(r->run->arena, path);
    r->sets[0] = r->sets[1] = SIZE_MAX;
    if (!r->name)
        return error_set(err, STATUS_MEMORY, "out of memory for %s", path);
    TRY(file_read_gz(r->run->arena, path, MOST_BYTES, &text, err));
    uint64_t length = text.length;
    sha256_add(content, &length, sizeof length);
    sha256_add(content, text.text, text.length);
    TRY(task_data_each(&(task_data){.format = FORMAT_JSONL, .lines = 1}, path, text, add_row, r, &replaced, err));
    if (r->data->sample_count == first)
        return error_set(err, STATUS_INVALID, "%s: expected items, found none", path);
    random_stream draws = random_stream_at(r->run->seed, "model-written/given", hash64(r->name, strlen(r->name), 0), 0, 0, 0);
    if (r->data->sample_count - first > most) {
        random_shuffle(&draws, r->data->samples + first, r->data->sample_count - first, sizeof *r->data->samples);
        r->data->sample_count = first + most;
    }
    return STATUS_OK;
}

status written_add_given(study_run *run, written_data *data, const char *pattern, error *err)
{
    reader r = {.run = run, .data = data};
    const char *const *files = &pattern, *missing = NULL;
    size_t count = 1;
    sha256 content;
    unsigned char digest[SHA256_BYTES];
    char *hex = arena_alloc(run->arena, SHA256_HEX), *fuller = arena_printf(run->arena, "%s.jsonl", pattern);
    if (!hex || !fuller)
        return error_set(err, STATUS_MEMORY, "out of memory");
    if (!file_exists(pattern)) {
        const char *patterns[] = {pattern, fuller};
        task_data d = {.set = "model-written-evals", .patterns = patterns, .pattern_count = COUNT_OF(patterns)};
        TRY(task_library_locate(run->arena, &d, "--given", param_string(run->params, "data"), &files, &count, &missing, err));
        if (missing)
            return error_set(err, STATUS_NOT_FOUND, "--given %s: %s", pattern, missing);
    }
    sha256_start(&content);
    for (size_t i = 0; i < count; i++)
        TRY(read_file(&r, files[i], &content, err));
    sha256_end(&content, digest);
    sha256_hex(digest, hex);
    run->identity = hex;
    return STATUS_OK;
}
