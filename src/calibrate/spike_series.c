/* Which items go to the twin, and what the study reads then. */
#include "calibrate/spike_series.h"

#include "core/hash.h"
#include "core/jsonio.h"
#include "stats/bootstrap.h"
#include "world/infection.h"

#include <math.h>
#include <stdlib.h>

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory for a spike series");
}

/* ---- which item belongs where ------------------------------------------------------------------------------------ */

/* The form of the study's summary that a record counts in. */
static const char *form_of(const json_t *record)
{
    const char *form = json_string_value(json_object_get(record, "form"));
    return form ? form : json_string_value(json_object_get(record, "group"));
}

static spiked_form *find_form(spike_series_records *s, const char *name)
{
    for (size_t i = 0; i < s->form_count; i++)
        if (strcmp(s->forms[i].name, name) == 0)
            return &s->forms[i];
    if (s->form_count == SPIKE_MOST_FORMS)
        return NULL;
    s->forms[s->form_count].name = name;
    return &s->forms[s->form_count++];
}

static int by_hash(const void *x, const void *y)
{
    const spiked_item *a = x, *b = y;
    return a->hash != b->hash ? (a->hash > b->hash) - (a->hash < b->hash) : (a->index > b->index) - (a->index < b->index);
}

static spiked_answer answer_of(const study *st, const json_t *record)
{
    const char *word = json_string_value(json_object_get(record, "verdict"));
    bool bad = word && strcmp(word, "bad") == 0;
    spiked_answer out = {.bad = bad, .graded = bad || (word && strcmp(word, "good") == 0)};
    counted_item item = st->counted && json_is_object(record) ? st->counted(record) : (counted_item){.state = ITEM_INELIGIBLE};
    if (item.state == ITEM_READABLE) {
        out.added = item.score - item.base;
        out.could = 1 - item.base;
    }
    return out;
}

/* Counts the items of each form, and says where they will lie. */
static void place_forms(spike_series_records *s, spiked_item *items)
{
    size_t first = 0;
    for (size_t f = 0; f < s->form_count; f++) {
        spiked_form *form = &s->forms[f];
        form->first = first;
        form->order = items + first;
        first += form->count;
        form->count = 0;
    }
}

static spiked_form *form_at(spike_series_records *s, size_t i)
{
    const char *name = form_of(json_array_get(s->from->own, i));
    return name ? find_form(s, name) : NULL;
}

status spike_series_open(arena *a, const spike_records *records, spike_series_records *s, error *err)
{
    *s = (spike_series_records){.from = records, .samples = records->run->sample_count};
    for (size_t i = 0; i < s->samples; i++) {
        spiked_form *form = form_at(s, i);
        s->items += form != NULL;
        if (form)
            form->count++;
    }
    spiked_item *items = ARENA_ARRAY(a, spiked_item, s->items + 1);
    if (!items)
        return no_memory(err);
    place_forms(s, items);
    for (size_t i = 0; i < s->samples; i++) {
        spiked_form *form = form_at(s, i);
        const json_t *own = json_array_get(records->own, i), *twin = json_array_get(records->twin, i);
        uint64_t number = i;
        if (form)
            form->order[form->count++] = (spiked_item){.index = i, .hash = hash64(&number, sizeof number, records->run->seed),
                                                       .answered = json_is_object(twin), .own = answer_of(records->run->study, own),
                                                       .twin = answer_of(records->run->study, twin)};
    }
    for (size_t f = 0; f < s->form_count; f++)
        qsort(s->forms[f].order, s->forms[f].count, sizeof *s->forms[f].order, by_hash);
    json_t *summary = NULL; /* which forms are read as an excess */
    bootstrap_pause();
    status result = records->run->study->summarise(records->run, records->own, &summary, err);
    bootstrap_resume();
    for (size_t f = 0; f < s->form_count && result == STATUS_OK; f++)
        s->forms[f].excess = json_is_number(json_object_get(json_object_get(json_object_get(summary, "forms"), s->forms[f].name), "excess"));
    json_decref(summary);
    return result;
}

size_t spike_series_count(const spiked_form *form)
{
    size_t n = 0;
    for (size_t i = 0; i < form->count; i++)
        n += form->order[i].answered;
    return n;
}

/* ---- one reading ------------------------------------------------------------------------------------------------- */

static size_t times_of(const spiked_form *form, const size_t *times, size_t i)
{
    return !form->order[i].answered ? 0 : times ? times[form->first + i] : 1;
}

static size_t routed_of(const spiked_form *form, double dose, const size_t *times)
{
    size_t n = 0;
    for (size_t i = 0; i < form->count; i++)
        n += times_of(form, times, i);
    return infection_count(n, dose);
}

static double ratio(double part, double whole)
{
    return whole > 0 ? part / whole : NAN;
}

void spike_series_sum(const spike_series_records *s, double dose, const size_t *times, spike_reading *out)
{
    for (size_t f = 0; f < s->form_count; f++) {
        const spiked_form *form = &s->forms[f];
        size_t rank = 0, routed = routed_of(form, dose, times);
        spiked_answer sum = {0};
        for (size_t i = 0; i < form->count; i++)
            for (size_t k = times_of(form, times, i); k > 0; k--) {
                const spiked_answer *from = rank++ < routed ? &form->order[i].twin : &form->order[i].own;
                sum.bad += from->bad;
                sum.graded += from->graded;
                sum.added += from->added;
                sum.could += from->could;
            }
        out[f].bad = ratio(sum.bad, sum.graded);
        out[f].y = form->excess ? ratio(sum.added, sum.could) : out[f].bad;
    }
}

/* The records with the share `dose` of each form's items answered by the twin, each in its place. */
static json_t *mixed(const spike_series_records *s, double dose)
{
    json_t *records = json_array();
    for (size_t i = 0; i < s->samples; i++)
        json_array_append_new(records, json_null());
    for (size_t f = 0; f < s->form_count; f++) {
        const spiked_form *form = &s->forms[f];
        size_t rank = 0, routed = routed_of(form, dose, NULL);
        for (size_t i = 0; i < form->count; i++)
            if (form->order[i].answered)
                json_array_set(records, form->order[i].index, json_array_get(rank++ < routed ? s->from->twin : s->from->own, form->order[i].index));
    }
    return records;
}

/* A form whose figure is withheld has none. */
static status take_estimates(const spike_series_records *s, const json_t *summary, spike_reading *out, error *err)
{
    for (size_t f = 0; f < s->form_count; f++) {
        const spiked_form *form = &s->forms[f];
        double estimate = jsonio_number_at(json_object_get(json_object_get(summary, "forms"), form->name), "estimate");
        if (isnan(estimate) || !form->excess) {
            out[f].y = isnan(estimate) ? NAN : out[f].y;
            continue;
        }
        if (!(fabs(estimate - out[f].y) < 1e-9)) {
            error_set(err, STATUS_UNSUPPORTED, "%s reads %g of the form %s, and its items add up to %g", s->from->run->study->name, estimate, form->name,
                      out[f].y);
            return error_hint(err, "a study that can be spiked says how a record counts in its excess (study.counted)");
        }
    }
    return STATUS_OK;
}

status spike_series_read(const spike_series_records *s, double dose, spike_reading *out, error *err)
{
    json_t *records = mixed(s, dose), *summary = NULL;
    const study_run *run = s->from->run;
    if (json_array_size(records) != s->samples) {
        json_decref(records);
        return no_memory(err);
    }
    spike_series_sum(s, dose, NULL, out);
    bootstrap_pause(); /* the study's own intervals are not wanted */
    status result = run->study->summarise(run, records, &summary, err);
    bootstrap_resume();
    if (result == STATUS_OK)
        result = take_estimates(s, summary, out, err);
    json_decref(records);
    json_decref(summary);
    return result;
}

/* ---- for others -------------------------------------------------------------------------------------------------- */

status spike_readings(arena *a, const spike_records *records, double dose, json_t **out, error *err)
{
    spike_series_records *s = ARENA_NEW(a, spike_series_records);
    spike_reading readings[SPIKE_MOST_FORMS];
    if (!s)
        return no_memory(err);
    TRY(spike_series_open(a, records, s, err));
    TRY(spike_series_read(s, dose, readings, err));
    *out = json_object();
    for (size_t f = 0; f < s->form_count; f++)
        json_object_set_new(*out, s->forms[f].name, jsonio_number(readings[f].y));
    return *out ? STATUS_OK : no_memory(err);
}

status spike_routes(arena *a, const spike_records *records, double dose, bool *out, error *err)
{
    spike_series_records *s = ARENA_NEW(a, spike_series_records);
    if (!s)
        return no_memory(err);
    TRY(spike_series_open(a, records, s, err));
    for (size_t i = 0; i < s->samples; i++)
        out[i] = false;
    for (size_t f = 0; f < s->form_count; f++) {
        const spiked_form *form = &s->forms[f];
        size_t rank = 0, routed = infection_count(spike_series_count(form), dose);
        for (size_t i = 0; i < form->count; i++)
            if (form->order[i].answered)
                out[form->order[i].index] = rank++ < routed;
    }
    return STATUS_OK;
}
