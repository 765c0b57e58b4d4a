/* The items of all records, in order, and which of them make the set. */
#include "studies/model_written/inside.h"

#include "core/jsonio.h"

#include <math.h>

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory while reading the records");
}

static int index_of(const char *word, const char *const *words, size_t count)
{
    for (size_t i = 0; word && i < count; i++)
        if (strcmp(words[i], word) == 0)
            return (int)i;
    return -1;
}

static reply_state state_named(const json_t *o, const char *key)
{
    int i = index_of(json_string_value(json_object_get(o, key)), reply_state_names, REPLY_STATE_COUNT);
    return i < 0 ? REPLY_READ : (reply_state)i;
}

static written_answer read_answer(const json_t *o)
{
    if (!o)
        return (written_answer){.matching = NAN, .soft = NAN, .mass = NAN, .yes = NAN};
    return (written_answer){.asked = true, .state = state_named(o, "state"), .matching = jsonio_number_at(o, "matching"),
                            .soft = jsonio_number_at(o, "soft"), .mass = jsonio_number_at(o, "mass"), .yes = jsonio_number_at(o, "yes")};
}

static double truth_of(const json_t *o)
{
    return json_is_boolean(o) ? json_is_true(o) : NAN;
}

/* Right: what the judge says of the sentence is what its label says. */
static written_rating read_judge(const json_t *o, int side, bool statement)
{
    double says = truth_of(json_object_get(o, "says"));
    written_rating r = {.there = o != NULL, .right = statement && side == 1 ? 1 - says : says, .relevance = jsonio_number_at(o, "relevance"),
                        .clear = truth_of(json_object_get(o, "clear"))};
    r.raters = r.there && !isnan(says);
    if (r.raters)
        r.votes[r.right > .5] = 1;
    return r;
}

/* Of all who rated it: the share who say that the label is right, and means. */
static written_rating read_people(const people_ratings *all, const char *id, int side, size_t *rated)
{
    written_rating r = {.right = NAN, .relevance = NAN, .clear = NAN};
    size_t count = 0, relevances = 0, clears = 0;
    const people_rating *of = all ? people_ratings_of(all, id, &count) : NULL;
    double relevance = 0, clear = 0;
    for (size_t i = 0; i < count; i++) {
        r.there = true;
        if (of[i].answer >= 0)
            r.votes[of[i].answer == side]++;
        relevances += isnan(of[i].relevance) ? 0 : 1;
        relevance += isnan(of[i].relevance) ? 0 : of[i].relevance;
        clears += of[i].clear >= 0;
        clear += of[i].clear > 0;
    }
    *rated += count;
    r.raters = r.votes[0] + r.votes[1];
    if (r.raters) /* the majority; a tie is a half */
        r.right = r.votes[1] > r.votes[0] ? 1 : r.votes[1] < r.votes[0] ? 0 : .5;
    if (relevances)
        r.relevance = relevance / (double)relevances;
    if (clears)
        r.clear = clear / (double)clears;
    return r;
}

static void read_item(const written_data *data, size_t set, size_t sample, const json_t *item, written_choice *c, written_entry *e)
{
    int form = index_of(json_string_value(json_object_get(item, "form")), written_form_names, WRITTEN_FORM_COUNT);
    int verity = index_of(json_string_value(json_object_get(item, "truth")), written_verity_names, VERITY_COUNT);
    const char *text = json_string_value(json_object_get(item, "text")), *id = json_string_value(json_object_get(item, "id"));
    *c = (written_choice){.text = text ? text : "", .set = set, .side = (int)json_integer_value(json_object_get(item, "side")) != 0,
                          .good = form == FORM_GOOD, .label = jsonio_number_at(item, "label"), .relevance = jsonio_number_at(item, "relevance")};
    *e = (written_entry){.id = id ? id : "", .sample = sample, .form = form < 0 ? FORM_MALFORMED : (written_form)form,
                         .verity = verity < 0 ? VERITY_UNKNOWN : (written_verity)verity, .answer = read_answer(json_object_get(item, "subject"))};
    e->judge = read_judge(json_object_get(item, "judge"), c->side, data->sets[set].kind == WRITTEN_STATEMENT);
}

static size_t count_items(const json_t *records)
{
    size_t count = 0, i;
    const json_t *record;
    json_array_foreach (records, i, record)
        count += json_array_size(json_object_get(record, "items"));
    return count;
}

status written_table_read(arena *a, const study_run *run, const json_t *records, written_table *out, error *err)
{
    const written_data *data = run->data;
    size_t most = count_items(records), i, k;
    const json_t *record, *item;
    written_selection how = data->selection;
    *out = (written_table){.choices = ARENA_ARRAY(a, written_choice, most + 1), .entries = ARENA_ARRAY(a, written_entry, most + 1),
                           .replies = arena_array(a, data->set_count + 1, sizeof *out->replies),
                           .unread = arena_array(a, data->set_count + 1, sizeof *out->unread)};
    if (!out->choices || !out->entries || !out->replies || !out->unread)
        return no_memory(err);
    how.filtered = how.relevance = false;
    json_array_foreach (records, i, record) {
        size_t set = (size_t)json_integer_value(json_object_get(record, "set"));
        out->failed += json_is_null(record);
        if (!json_object_get(record, "items") || set >= data->set_count)
            continue;
        out->replies[set][state_named(record, "reply")]++;
        json_array_foreach (json_object_get(record, "items"), k, item) {
            how.filtered = how.filtered || json_object_get(item, "label");
            how.relevance = how.relevance || json_object_get(item, "relevance");
            if (state_named(item, "label_state") != REPLY_READ)
                out->unread[set][state_named(item, "label_state")]++;
            if (state_named(item, "relevance_state") != REPLY_READ)
                out->unread[set][state_named(item, "relevance_state")]++;
            read_item(data, set, i, item, &out->choices[out->count], &out->entries[out->count]);
            written_entry *e = &out->entries[out->count];
            e->people = read_people(data->ratings, e->id, out->choices[out->count].side, &out->rated);
            out->count++;
        }
    }
    return written_select(out->choices, out->count, &how, err);
}
