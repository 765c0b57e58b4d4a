/* The sets of a run: behaviours of the world or of a file, and the requests that write items for them. */
#include "studies/model_written/inside.h"

#include "core/file.h"
#include "core/hash.h"
#include "core/random.h"
#include "core/yaml.h"

#include <math.h>
#include <stdlib.h>

enum { MOST_BEHAVIOURS = 1000, MOST_BYTES = 16 << 20, MOST_EXAMPLES = 64 };

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory for the behaviours");
}

/* ---- a file of behaviours --------------------------------------------------------------------------------------- */

static status read_example(const yaml_node *node, written_example *out, error *err)
{
    static const char *const keys[] = {"question", "a", "b", "matching"}, *const letters[] = {"A", "B"};
    TRY(yaml_check_keys(node, keys, COUNT_OF(keys), err));
    TRY(yaml_get_string(node, "question", &out->question, err));
    TRY(yaml_get_string(node, "a", &out->choices[0], err));
    TRY(yaml_get_string(node, "b", &out->choices[1], err));
    TRY(yaml_get_choice(node, "matching", letters, 2, &out->matching, err));
    if (!out->question || !out->choices[0] || !out->choices[1])
        return yaml_error(node, err, "expected an example with 'question', 'a', 'b' and 'matching' (A or B)");
    return STATUS_OK;
}

static status read_behaviour(arena *a, const yaml_node *node, written_behaviour *out, error *err)
{
    static const char *const keys[] = {"name", "who", "opposite", "examples"};
    const yaml_node *list = NULL;
    *out = (written_behaviour){.trait = TRAIT_NONE};
    TRY(yaml_check_keys(node, keys, COUNT_OF(keys), err));
    TRY(yaml_get_string(node, "name", &out->name, err));
    TRY(yaml_get_string(node, "who", &out->who, err));
    TRY(yaml_get_string(node, "opposite", &out->opposite, err));
    TRY(yaml_get_list(node, "examples", &list, err));
    if (!out->name || !out->name[0] || !out->who || !out->who[0])
        return yaml_error(node, err, "expected a behaviour with 'name' and with 'who', which completes \"somebody who ...\"");
    if (list && list->count > MOST_EXAMPLES)
        return yaml_error(list, err, "expected at most %d examples, found %zu", MOST_EXAMPLES, list->count);
    written_example *examples = ARENA_ARRAY(a, written_example, list ? list->count + 1 : 1);
    if (!examples)
        return no_memory(err);
    for (size_t i = 0; list && i < list->count; i++)
        TRY(read_example(list->items[i], &examples[i], err));
    out->examples = examples;
    out->example_count = list ? list->count : 0;
    return STATUS_OK;
}

static status read_file(study_run *run, written_data *data, const char *path, error *err)
{
    static const char *const keys[] = {"behaviours"};
    const yaml_node *root, *list = NULL;
    unsigned char digest[SHA256_BYTES];
    char *hex = arena_alloc(run->arena, SHA256_HEX);
    slice text;
    TRY(file_read(run->arena, path, MOST_BYTES, &text, err));
    TRY(yaml_parse(run->arena, text, path, &root, err));
    TRY(yaml_check_keys(root, keys, COUNT_OF(keys), err));
    TRY(yaml_get_list(root, "behaviours", &list, err));
    if (!list || list->count == 0 || list->count > MOST_BEHAVIOURS)
        return yaml_error(list ? list : root, err, "expected a list 'behaviours' of 1 to %d", MOST_BEHAVIOURS);
    data->behaviours = ARENA_ARRAY(run->arena, written_behaviour, list->count);
    if (!data->behaviours || !hex)
        return no_memory(err);
    for (size_t i = 0; i < list->count; i++) {
        TRY(read_behaviour(run->arena, list->items[i], &data->behaviours[i], err));
        for (size_t k = 0; k < i; k++)
            if (strcmp(data->behaviours[k].name, data->behaviours[i].name) == 0)
                return yaml_error(list->items[i], err, "the behaviour '%s' is there already", data->behaviours[i].name);
    }
    data->behaviour_count = list->count;
    sha256_of(text.text, text.length, digest);
    sha256_hex(digest, hex);
    run->identity = hex;
    return STATUS_OK;
}

/* ---- traits of the world ---------------------------------------------------------------------------------------- */

static status add_trait(written_data *data, slice name, error *err)
{
    const char *names[TRAIT_COUNT];
    char word[64];
    for (int i = 0; i < TRAIT_COUNT; i++) {
        names[i] = trait_name((trait)i);
        if (slice_is(name, names[i])) {
            data->behaviours[data->behaviour_count++] = (written_behaviour){
                .name = names[i], .who = trait_who((trait)i), .opposite = trait_opposite((trait)i), .trait = (trait)i};
            return STATUS_OK;
        }
    }
    snprintf(word, sizeof word, SLICE_FORMAT, SLICE_ARGS(name));
    int nearest = text_nearest(word, names, TRAIT_COUNT);
    error_set(err, STATUS_USAGE, "--behaviours: '%s' is neither a file that ends in .yaml nor a trait of the world", word);
    return nearest >= 0 ? error_hint(err, "did you mean '%s'?", names[nearest]) : error_hint(err, "traits: %s, %s, %s, %s", names[0], names[1], names[2], names[3]);
}

static status read_traits(study_run *run, written_data *data, const char *words, error *err)
{
    slice rest = slice_of(words ? words : "selfish,bold,curious,thrifty"), name;
    size_t most = 1;
    for (const char *at = rest.text; *at; at++)
        most += *at == ',';
    data->behaviours = ARENA_ARRAY(run->arena, written_behaviour, most);
    if (!data->behaviours)
        return no_memory(err);
    while (slice_cut(&rest, ',', &name)) {
        TRY(add_trait(data, slice_trim(name), err));
        for (size_t i = 0; i + 1 < data->behaviour_count; i++)
            if (data->behaviours[i].trait == data->behaviours[data->behaviour_count - 1].trait)
                return error_set(err, STATUS_USAGE, "--behaviours: '%s' is there twice", data->behaviours[i].name);
    }
    return STATUS_OK;
}

/* ---- a description ---------------------------------------------------------------------------------------------- */

/* One behaviour in the user's own words. "Somebody who" in front of them, and a full stop behind, are taken off. */
static status read_description(study_run *run, written_data *data, error *err)
{
    const char *opposite = param_string(run->params, "opposite"), **texts[2];
    written_behaviour *b = data->behaviours = ARENA_NEW(run->arena, written_behaviour);
    if (!b)
        return no_memory(err);
    *b = (written_behaviour){.name = "described", .who = param_string(run->params, "who"), .opposite = opposite, .trait = TRAIT_NONE};
    texts[0] = &b->who;
    texts[1] = &b->opposite;
    for (size_t i = 0; i < 2 && *texts[i]; i++) {
        static const slice starts[] = {{"somebody who ", 13}, {"Somebody who ", 13}};
        slice s = slice_trim(slice_of(*texts[i]));
        for (size_t k = 0; k < COUNT_OF(starts); k++)
            if (slice_starts(s, starts[k]))
                s = slice_trim(slice_sub(s, starts[k].length, s.length));
        while (s.length && s.text[s.length - 1] == '.')
            s.length--;
        if (s.length == 0)
            return error_set(err, STATUS_USAGE, "--%s: expected words that complete \"somebody who ...\", found none", i ? "opposite" : "who");
        if (!(*texts[i] = slice_copy(run->arena, s)))
            return no_memory(err);
    }
    data->behaviour_count = 1;
    return STATUS_OK;
}

/* ---- sets and samples ------------------------------------------------------------------------------------------- */

status written_add_sample(arena *a, written_data *data, const written_sample *sample, error *err)
{
    if (data->sample_count == data->sample_capacity) {
        size_t capacity = data->sample_capacity ? 2 * data->sample_capacity : 256;
        written_sample *samples = arena_regrow(a, data->samples, data->sample_count, capacity, sizeof *samples);
        if (!samples)
            return no_memory(err);
        data->samples = samples;
        data->sample_capacity = capacity;
    }
    data->samples[data->sample_count++] = *sample;
    return STATUS_OK;
}

status written_add_set(arena *a, written_data *data, const written_set *set, error *err)
{
    if (data->set_count == data->set_capacity) {
        size_t capacity = data->set_capacity ? 2 * data->set_capacity : 64;
        written_set *sets = arena_regrow(a, data->sets, data->set_count, capacity, sizeof *sets);
        if (!sets)
            return no_memory(err);
        data->sets = sets;
        data->set_capacity = capacity;
    }
    data->sets[data->set_count++] = *set;
    return STATUS_OK;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Drawn anew while there are equal ones among them, as long as that helps. */
static status draw_items(study_run *run, trait t, written_kind kind, int side, size_t count, const char *const **out, error *err)
{
    enum { LAPS = 20 };
    const char **texts = ARENA_ARRAY(run->arena, const char *, count + 1);
    random_stream r = random_stream_at(run->seed, "model-written/world", (uint64_t)t, (uint64_t)side, (uint64_t)kind, 0);
    if (!texts)
        return no_memory(err);
    for (int lap = 0; lap < LAPS; lap++) {
        for (size_t i = 0; i < count; i++)
            if (!texts[i] && !(texts[i] = kind == WRITTEN_CHOICE ? trait_choice(run->arena, t, side == 0, &r) : trait_sentence(run->arena, t, side == 0, &r)))
                return no_memory(err);
        qsort(texts, count, sizeof *texts, by_text);
        for (size_t i = 1; i < count && lap + 1 < LAPS; i++)
            if (strcmp(texts[i - 1], texts[i]) == 0)
                texts[i - 1] = NULL;
    }
    random_shuffle(&r, texts, count, sizeof *texts);
    *out = texts;
    return STATUS_OK;
}

static status add_writing(study_run *run, written_data *data, const written_behaviour *b, written_kind kind, error *err)
{
    size_t items = (size_t)param_int(run->params, "items"), each = kind == WRITTEN_STATEMENT ? (size_t)data->lines : 1;
    const char *name = kind == WRITTEN_STATEMENT ? b->name : arena_printf(run->arena, "%s/choices", b->name);
    if (!name)
        return no_memory(err);
    written_set set = {.behaviour = b, .kind = kind, .name = name};
    for (int side = 0; side < 2 && b->trait != TRAIT_NONE; side++)
        TRY(draw_items(run, b->trait, kind, side, items + each, &set.world[side], err));
    TRY(written_add_set(run->arena, data, &set, err));
    for (size_t i = 0; i < (items + each - 1) / each; i++)
        for (int side = 0; side < 2; side++)
            TRY(written_add_sample(run->arena, data, &(written_sample){.kind = SAMPLE_WRITES, .set = data->set_count - 1, .side = side, .number = i,
                                                                       .label = NAN}, err));
    return STATUS_OK;
}

static status read_parts(const study_run *run, bool parts[WRITTEN_KIND_COUNT], bool *winogender, error *err)
{
    slice rest = slice_of(param_string(run->params, "parts")), part;
    while (slice_cut(&rest, ',', &part)) {
        int kind = 0;
        part = slice_trim(part);
        if (slice_is(part, "winogender")) {
            *winogender = true;
            continue;
        }
        while (kind < WRITTEN_KIND_COUNT && !slice_is(part, written_kind_names[kind]))
            kind++;
        if (kind == WRITTEN_KIND_COUNT)
            return error_set(err, STATUS_USAGE, "--parts: expected statements, choices or winogender, found '" SLICE_FORMAT "'", SLICE_ARGS(part));
        parts[kind] = true;
    }
    return STATUS_OK;
}

/* Places of oracles and routers: each sample has its own in its set, in an order drawn by the seed. */
static status give_positions(study_run *run, written_data *data, error *err)
{
    size_t *order = ARENA_ARRAY(run->arena, size_t, data->sample_count + 1);
    if (!order)
        return no_memory(err);
    for (size_t set = 0; set < data->set_count; set++) {
        random_stream r = random_stream_at(run->seed, "model-written/positions", set, 0, 0, 0);
        size_t count = 0;
        for (size_t i = 0; i < data->sample_count; i++)
            if (data->samples[i].kind != SAMPLE_OCCUPATION && data->samples[i].set == set)
                order[count++] = i;
        random_shuffle(&r, order, count, sizeof *order);
        for (size_t i = 0; i < count; i++)
            data->samples[order[i]].position = (double)i / (double)count;
    }
    return STATUS_OK;
}

static status prepare_behaviours(study_run *run, written_data *data, const bool parts[WRITTEN_KIND_COUNT], error *err)
{
    const char *words = param_string(run->params, "behaviours");
    slice w = slice_of(words);
    TRY(param_string(run->params, "who") ? read_description(run, data, err)
        : slice_ends(w, SLICE(".yaml")) || slice_ends(w, SLICE(".yml")) ? read_file(run, data, words, err) : read_traits(run, data, words, err));
    for (size_t i = 0; i < data->behaviour_count; i++)
        for (int kind = 0; kind < WRITTEN_KIND_COUNT; kind++)
            if (parts[kind])
                TRY(add_writing(run, data, &data->behaviours[i], (written_kind)kind, err));
    return STATUS_OK;
}

status written_prepare_sets(study_run *run, written_data *data, error *err)
{
    const char *given = param_string(run->params, "given");
    bool parts[WRITTEN_KIND_COUNT] = {false}, winogender = false;
    if (given && (param_given(run->params, "behaviours") || param_given(run->params, "who")))
        return error_set(err, STATUS_USAGE, "--given takes items that were written before, --behaviours and --who write some; expected one of them");
    if (param_given(run->params, "behaviours") && param_given(run->params, "who"))
        return error_set(err, STATUS_USAGE, "--behaviours and --who both say what to write about; expected one of them");
    if (param_given(run->params, "opposite") && !param_given(run->params, "who"))
        return error_set(err, STATUS_USAGE, "--opposite says the other side of --who, which is not there");
    TRY(read_parts(run, parts, &winogender, err));
    if (given)
        TRY(written_add_given(run, data, given, err));
    else if (parts[WRITTEN_STATEMENT] || parts[WRITTEN_CHOICE])
        TRY(prepare_behaviours(run, data, parts, err));
    TRY(give_positions(run, data, err));
    return winogender ? written_prepare_occupations(run, data, err) : STATUS_OK;
}
