/* The table of occupations: the world's invented jobs, or rows of a file with a title and the share of women. */
#include "studies/model_written/inside.h"

#include "core/file.h"
#include "core/hash.h"
#include "core/random.h"
#include "studies/task/library.h"
#include "world/pronouns.h"

#include <math.h>

enum { MOST_OCCUPATIONS = 5000, MOST_BYTES = 64 << 20 };

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory for the occupations");
}

static occupation *add_occupation(arena *a, occupations *all)
{
    if (all->count == all->capacity) {
        size_t capacity = all->capacity ? 2 * all->capacity : 128;
        occupation *list = arena_regrow(a, all->list, all->count, capacity, sizeof *list);
        if (!list)
            return NULL;
        all->list = list;
        all->capacity = capacity;
    }
    all->list[all->count] = (occupation){.female = NAN};
    return &all->list[all->count++];
}

/* ---- rows of a file --------------------------------------------------------------------------------------------- */

typedef struct table_reader {
    arena *arena;
    occupations *all;
    const char *path;
} table_reader;

static const char *text_at(const json_t *row, const char *const *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *text = json_string_value(json_object_get(row, keys[i]));
        if (text && text[0])
            return text;
    }
    return NULL;
}

static double share_at(const json_t *row)
{
    static const char *const keys[] = {"percent_women", "BLS_percent_women_2019", "bls_pct_female"};
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        const json_t *v = json_object_get(row, keys[i]);
        double x;
        if (json_is_number(v))
            return json_number_value(v);
        if (json_is_string(v) && slice_to_double(slice_trim(slice_of(json_string_value(v))), &x))
            return x;
    }
    return NAN;
}

/* Titles that gather what has no name of its own. */
static bool is_unspecific(const char *title)
{
    static const char *const words[] = {"all other", "miscellaneous", ", other", "other ", "n.e.c", "not elsewhere"};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (slice_find_nocase(slice_of(title), slice_of(words[i]), 0) != SIZE_MAX)
            return true;
    return false;
}

static status add_given(table_reader *r, occupation *o, const json_t *row, size_t line, error *err)
{
    const char *text = json_string_value(json_object_get(row, "sentence_with_blank"));
    const json_t *options = json_object_get(row, "pronoun_options");
    int form = -1;
    if (!text)
        return STATUS_OK;
    for (int f = 0; f < PRONOUN_FORM_COUNT; f++)
        for (size_t i = 0; i < json_array_size(options); i++) {
            const char *he = json_string_value(json_array_get(options, i));
            form = he && strcmp(he, pronoun_words[f][PRONOUN_HE]) == 0 ? f : form;
        }
    if (form < 0)
        return error_set(err, STATUS_INVALID, "%s:%zu: expected 'pronoun_options' with he, his or him beside a 'sentence_with_blank'", r->path, line);
    if (o->given_count == o->given_capacity) {
        size_t capacity = o->given_capacity ? 2 * o->given_capacity : 16;
        given_sentence *given = arena_regrow(r->arena, o->given, o->given_count, capacity, sizeof *given);
        if (!given)
            return no_memory(err);
        o->given = given;
        o->given_capacity = capacity;
    }
    o->given[o->given_count] = (given_sentence){arena_strdup(r->arena, text), (pronoun_form)form};
    r->all->given = true;
    return o->given[o->given_count++].text ? STATUS_OK : no_memory(err);
}

static status add_row(void *context, const json_t *row, size_t line, error *err)
{
    static const char *const titles[] = {"title", "BLS_original_occupation", "occupation"}, *const names[] = {"occupation"},
                             *const others[] = {"other_person", "other"};
    table_reader *r = context;
    const char *title = text_at(row, titles, COUNT_OF(titles)), *name = text_at(row, names, 1), *other = text_at(row, others, COUNT_OF(others));
    double female = share_at(row);
    if (!title)
        return error_set(err, STATUS_INVALID, "%s:%zu: expected a 'title' or an 'occupation'", r->path, line);
    if (!isnan(female) && !(female >= 0 && female <= 100))
        return error_set(err, STATUS_INVALID, "%s:%zu: expected a share of women from 0 to 100 per cent, found %g", r->path, line, female);
    for (size_t i = 0; json_object_get(row, "sentence_with_blank") && i < r->all->count; i++)
        if (strcmp(r->all->list[i].name ? r->all->list[i].name : r->all->list[i].title, name ? name : title) == 0)
            return add_given(r, &r->all->list[i], row, line, err);
    if (r->all->count == MOST_OCCUPATIONS)
        return error_set(err, STATUS_INVALID, "%s:%zu: expected at most %d occupations", r->path, line, MOST_OCCUPATIONS);
    occupation *o = add_occupation(r->arena, r->all);
    if (!o)
        return no_memory(err);
    o->title = arena_strdup(r->arena, title);
    o->name = name ? arena_strdup(r->arena, name) : NULL;
    o->other = other ? arena_strdup(r->arena, other) : NULL;
    o->female = female;
    o->unspecific = !name && is_unspecific(title);
    if (!o->title || (name && !o->name) || (other && !o->other))
        return no_memory(err);
    return add_given(r, o, row, line, err);
}

static status read_table(study_run *run, occupations *all, const char *word, error *err)
{
    static const struct {
        const char *word, *file;
    } known[] = {{"bls", "winogenerated/winogenerated_occupations.jsonl"}, {"winogenerated", "winogenerated/winogenerated_examples.jsonl"}};
    const char *pattern = word, *missing = NULL, *const *files = &word;
    size_t count = 1;
    table_reader r = {.arena = run->arena, .all = all};
    slice text;
    unsigned char digest[SHA256_BYTES];
    char *hex = arena_alloc(run->arena, SHA256_HEX);
    for (size_t i = 0; i < COUNT_OF(known); i++)
        pattern = strcmp(word, known[i].word) == 0 ? known[i].file : pattern;
    if (pattern != word) {
        task_data d = {.set = "model-written-evals", .patterns = &pattern, .pattern_count = 1};
        TRY(task_library_locate(run->arena, &d, "--occupations", param_string(run->params, "data"), &files, &count, &missing, err));
        if (missing)
            return error_set(err, STATUS_NOT_FOUND, "--occupations %s: %s", word, missing);
    }
    r.path = files[0];
    TRY(file_read_gz(run->arena, r.path, MOST_BYTES, &text, err));
    TRY(task_data_each(&(task_data){.format = pattern != word ? FORMAT_JSONL : FORMAT_AUTO, .lines = 1, .header = true}, r.path, text, add_row, &r, NULL, err));
    if (all->count == 0)
        return error_set(err, STATUS_INVALID, "%s: expected occupations, found none", r.path);
    sha256_of(text.text, text.length, digest);
    if (!hex)
        return no_memory(err);
    sha256_hex(digest, hex);
    run->identity = run->identity ? arena_printf(run->arena, "%s %s", run->identity, hex) : hex;
    return run->identity ? STATUS_OK : no_memory(err);
}

/* ---- the world, and the samples --------------------------------------------------------------------------------- */

static status read_world(study_run *run, occupations *all, error *err)
{
    job *jobs = ARENA_ARRAY(run->arena, job, JOBS);
    if (!jobs)
        return no_memory(err);
    jobs_make((uint64_t)param_int(run->params, "town-seed"), jobs);
    for (size_t i = 0; i < JOBS; i++) {
        occupation *o = add_occupation(run->arena, all);
        if (!o)
            return no_memory(err);
        *o = (occupation){.title = jobs[i].name, .name = jobs[i].name, .other = jobs[i].other, .female = jobs[i].female};
    }
    all->world = true;
    return STATUS_OK;
}

/* The town's trades with the shares of women that its models of pronouns have learnt (world/pronouns.h). */
static status read_town(study_run *run, occupations *all, error *err)
{
    static const char *const others[] = {"buyer", "visitor", "guest", "neighbour", "owner", "traveller"};
    const town *t;
    TRY(town_new(run->arena, (uint64_t)param_int(run->params, "town-seed"), &t, err));
    for (int i = 0; i < TOWN_TRADES_USED; i++) {
        occupation *o = add_occupation(run->arena, all);
        if (!o)
            return no_memory(err);
        *o = (occupation){.title = t->trades[i], .name = t->trades[i], .other = others[(size_t)i % COUNT_OF(others)], .female = pronoun_female(t, i)};
    }
    all->world = true;
    return STATUS_OK;
}

/* Each request has a place for oracles in an order drawn by the seed. */
static status give_positions(study_run *run, occupations *all, error *err)
{
    size_t n = all->count * (size_t)all->rounds;
    size_t *order = ARENA_ARRAY(run->arena, size_t, n + 1);
    random_stream r = random_stream_at(run->seed, "model-written/rounds", 0, 0, 0, 0);
    all->positions = ARENA_ARRAY(run->arena, double, n + 1);
    if (!order || !all->positions)
        return no_memory(err);
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    random_shuffle(&r, order, n, sizeof *order);
    for (size_t i = 0; i < n; i++)
        all->positions[order[i]] = (double)i / (double)n;
    return STATUS_OK;
}

status written_prepare_occupations(study_run *run, written_data *data, error *err)
{
    const param_values *p = run->params;
    const char *word = param_string(p, "occupations");
    occupations *all = ARENA_NEW(run->arena, occupations);
    size_t most = (size_t)param_int(p, "jobs");
    if (!all)
        return no_memory(err);
    *all = (occupations){.rounds = (int)param_int(p, "rounds"), .lines = (int)param_int(p, "sentences"), .keep = (int)param_int(p, "keep"),
                         .manner = param_choice(p, "pronouns")};
    TRY(strcmp(word, "world") == 0  ? read_world(run, all, err)
        : strcmp(word, "town") == 0 ? read_town(run, all, err)
                                    : read_table(run, all, word, err));
    if (most && most < all->count) {
        random_stream r = random_stream_at(run->seed, "model-written/jobs", 0, 0, 0, 0);
        random_shuffle(&r, all->list, all->count, sizeof *all->list);
        all->count = most;
    }
    TRY(give_positions(run, all, err));
    for (size_t i = 0; i < all->count; i++)
        TRY(written_add_sample(run->arena, data, &(written_sample){.kind = SAMPLE_OCCUPATION, .number = i, .label = NAN}, err));
    data->occupations = all;
    return STATUS_OK;
}
