/* How varied the kept items are, for each label, and a map of all that was written. */
#include "studies/model_written/inside.h"

#include "core/hash.h"
#include "core/jsonio.h"
#include "stats/diversity.h"
#include "stats/texts.h"

#include <math.h>
#include <stdlib.h>

enum { MOST_COMPARED = 400, MOST_POINTS = 600, GROUPS = 10, SHOWN = 160 };

/* Numbers of items, and by what they are drawn where there are too many. */
typedef struct drawn {
    uint64_t lot;
    size_t item;
} drawn;

static int by_lot(const void *a, const void *b)
{
    const drawn *x = a, *y = b;
    if (x->lot != y->lot)
        return x->lot < y->lot ? -1 : 1;
    return (x->item > y->item) - (x->item < y->item);
}

static int by_item(const void *a, const void *b)
{
    const drawn *x = a, *y = b;
    return (x->item > y->item) - (x->item < y->item);
}

/* At most `most` of the list, those with the lowest lots, in their order. */
static size_t thin(const written_table *t, drawn *list, size_t count, size_t most)
{
    for (size_t i = 0; i < count; i++)
        list[i].lot = hash64(t->entries[list[i].item].id, strlen(t->entries[list[i].item].id), 1);
    if (count)
        qsort(list, count, sizeof *list, by_lot);
    count = count < most ? count : most;
    if (count)
        qsort(list, count, sizeof *list, by_item);
    return count;
}

static const char **texts_of(arena *a, const written_table *t, const drawn *list, size_t count)
{
    const char **texts = ARENA_ARRAY(a, const char *, count + 1);
    for (size_t i = 0; texts && i < count; i++)
        texts[i] = t->choices[list[i].item].text;
    return texts;
}

static status spread_of(arena *a, const char *const *texts, size_t count, uint64_t seed, json_t *out, error *err)
{
    text_points p;
    text_map m;
    text_groups g;
    double vendi = NAN, *similar = ARENA_ARRAY(a, double, count * count + 1);
    TRY(text_points_of(a, texts, count, &p, err));
    TRY(text_map_of(a, &p, TEXT_AXES, &m, err));
    TRY(text_groups_of(a, &p, &m, GROUPS, seed, &g, err));
    if (!similar)
        return error_set(err, STATUS_MEMORY, "out of memory while comparing %zu items", count);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j <= i; j++)
            similar[i * count + j] = i == j ? 1 : text_cosine(&p, i, j);
    TRY(vendi_score(similar, count, &vendi, err));
    json_object_set_new(out, "cosine", jsonio_number(text_mean_cosine(a, &p)));
    json_object_set_new(out, "vendi", jsonio_number(vendi));
    json_object_set_new(out, "entropy", jsonio_number(cluster_entropy(g.sizes, g.count)));
    return STATUS_OK;
}

/* Of the kept items of one set and side. */
static status side_json(const study_run *run, const written_table *t, size_t set, int side, json_t **out, error *err)
{
    arena *a = arena_new(NULL);
    drawn *list = ARENA_ARRAY(a, drawn, t->count + 1);
    size_t count = 0, all;
    for (size_t i = 0; list && i < t->count; i++)
        if (t->choices[i].set == set && t->choices[i].side == side && t->choices[i].fate == FATE_KEPT)
            list[count++].item = i;
    all = count;
    count = list ? thin(t, list, count, MOST_COMPARED) : 0;
    const char **texts = texts_of(a, t, list, count);
    status result = texts ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory");
    *out = json_pack("{s:I, s:I}", "n", (json_int_t)all, "compared", (json_int_t)count);
    if (result == STATUS_OK && count > 1) {
        json_object_set_new(*out, "distinct_1", jsonio_number(distinct_n(a, texts, count, 1)));
        json_object_set_new(*out, "distinct_2", jsonio_number(distinct_n(a, texts, count, 2)));
        json_object_set_new(*out, "self_bleu", jsonio_number(self_bleu(a, texts, count)));
        result = spread_of(a, texts, count, run->seed, *out, err);
    }
    arena_free(a);
    return result;
}

/* ---- the map ---------------------------------------------------------------------------------------------------- */

static json_t *short_text(arena *a, const char *text)
{
    slice s = slice_of(text);
    if (s.length <= SHOWN)
        return json_string(text);
    s.length = SHOWN;
    s.length -= utf8_open_tail(s);
    const char *cut = arena_printf(a, SLICE_FORMAT "...", SLICE_ARGS(s));
    return json_string(cut ? cut : "");
}

static json_t *point_json(arena *a, const written_data *data, const written_table *t, size_t item, const double *at)
{
    const written_choice *c = &t->choices[item];
    const written_set *set = &data->sets[c->set];
    static const char *const labels[WRITTEN_KIND_COUNT][2] = {{"Yes", "No"}, {"(A)", "(B)"}};
    json_t *o = json_pack("{s:f, s:f, s:o, s:s, s:s, s:s}", "x", at[0], "y", at[1], "label", short_text(a, c->text), "behaviour", set->name, "matching",
                          labels[set->kind][c->side], "fate", written_fate_names[c->fate]);
    if (t->entries[item].verity != VERITY_UNKNOWN)
        json_object_set_new(o, "truth", json_string(written_verity_names[t->entries[item].verity]));
    return o;
}

static status map_json(const study_run *run, const written_table *t, json_t **out, error *err)
{
    arena *a = arena_new(NULL);
    drawn *list = ARENA_ARRAY(a, drawn, t->count + 1);
    size_t count = 0, all;
    text_points p;
    text_map m = {0};
    text_groups g = {0};
    json_t *points = json_array(), *groups = json_array();
    for (size_t i = 0; list && i < t->count; i++)
        if (t->choices[i].fate != FATE_FORM)
            list[count++].item = i;
    all = count;
    count = list ? thin(t, list, count, MOST_POINTS) : 0;
    const char **texts = texts_of(a, t, list, count);
    status result = texts ? text_points_of(a, texts, count, &p, err) : error_set(err, STATUS_MEMORY, "out of memory");
    if (result == STATUS_OK)
        result = text_map_of(a, &p, TEXT_AXES, &m, err);
    if (result == STATUS_OK)
        result = text_groups_of(a, &p, &m, GROUPS, run->seed, &g, err);
    for (size_t i = 0; result == STATUS_OK && i < count; i++)
        json_array_append_new(points, point_json(a, run->data, t, list[i].item, m.at + i * m.axes));
    for (size_t k = 0; result == STATUS_OK && k < g.count; k++)
        json_array_append_new(groups, json_pack("{s:s, s:I}", "words", g.words[k], "n", (json_int_t)g.sizes[k]));
    if (result == STATUS_OK)
        *out = json_pack("{s:o, s:o, s:I, s:[f, f]}", "points", points, "groups", groups, "n", (json_int_t)all, "shares", m.shares[0], m.shares[1]);
    arena_free(a);
    return result;
}

status written_diversity(arena *a, const study_run *run, const written_table *t, json_t **diversity, json_t **map, error *err)
{
    const written_data *data = run->data;
    (void)a;
    *diversity = json_object();
    for (size_t set = 0; set < data->set_count; set++) {
        json_t *sides = json_array();
        json_object_set_new(*diversity, data->sets[set].name, sides);
        for (int side = 0; side < 2; side++) {
            json_t *one = NULL;
            TRY(side_json(run, t, set, side, &one, err));
            json_array_append_new(sides, one);
        }
    }
    return map_json(run, t, map, err);
}
