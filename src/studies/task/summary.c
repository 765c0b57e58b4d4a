/* From records to a figure for each task. */
#include "core/jsonio.h"
#include "studies/task/read.h"
#include "studies/task/task.h"

#include "core/hash.h"
#include "stats/mean.h"
#include "stats/multiple.h"
#include "stats/proportion.h"

#include <math.h>
#include <stdlib.h>

/* The records of one task, or of one group of it. */
typedef struct tally {
    const task_spec *spec;
    double *values;
    uint64_t *clusters;
    size_t asked, failed, readable, refused, excluded, states[REPLY_STATE_COUNT];
    size_t tied, joined, join_unknown, infinite;
    double sum, right, soft, mass, yes, chance, spread;
    size_t rights, masses, yeses, chances, spreads;
    bool clustered;
} tally;

static void gather(double *sum, size_t *count, const json_t *record, const char *key)
{
    const json_t *value = json_object_get(record, key);
    if (json_is_number(value)) {
        *sum += json_number_value(value);
        ++*count;
    }
}

static void count_unread(tally *t, const char *state)
{
    t->excluded += strcmp(state, "no_judge") == 0;
    for (int i = 0; i < REPLY_STATE_COUNT; i++)
        t->states[i] += strcmp(state, reply_state_names[i]) == 0;
}

static void count_record(tally *t, const json_t *record)
{
    size_t softs = 0;
    const char *state = json_string_value(json_object_get(record, "state"));
    const char *cluster = json_string_value(json_object_get(record, "cluster"));
    const json_t *value = json_object_get(record, "value"), *joined = json_object_get(record, "joined");
    t->asked++;
    gather(&t->chance, &t->chances, record, "chance");
    t->joined += json_integer_value(joined) > 0;
    t->join_unknown += json_is_null(joined);
    if (state) {
        count_unread(t, state);
        return;
    }
    double x = json_number_value(value);
    if (json_is_number(value) && t->spec->invert)
        x = t->spec->metric->invert(x);
    if (!json_is_number(value) || !isfinite(x)) {
        t->infinite++;
        return;
    }
    t->clustered = t->clustered || cluster;
    t->clusters[t->readable] = cluster ? hash64(cluster, strlen(cluster), 0) : t->asked;
    t->values[t->readable++] = x;
    t->sum += x;
    gather(&t->right, &t->rights, record, "right");
    gather(&t->soft, &softs, record, "soft");
    gather(&t->mass, &t->masses, record, "mass");
    gather(&t->yes, &t->yeses, record, "yes");
    gather(&t->spread, &t->spreads, record, "spread");
    t->tied += json_is_true(json_object_get(record, "tied"));
}

/* ---- one figure ------------------------------------------------------------------------------------------------- */

static status estimate(tally *t, mean_estimate *out, error *err)
{
    double n = (double)t->readable;
    if (t->clustered) {
        if (!mean_clustered(t->values, t->clusters, t->readable, out))
            return error_set(err, STATUS_MEMORY, "out of memory for a summary");
    } else {
        *out = mean_of(t->values, t->readable);
        if (t->spec->metric->share)
            out->limits = wilson(t->sum, n, .95);
    }
    if (t->spec->metric->share && t->clustered) {
        out->limits.low = fmax(0, out->limits.low);
        out->limits.high = fmin(1, out->limits.high);
    }
    return STATUS_OK;
}

/* Why there is no estimate; empty: there is one. */
static void reason_of(const tally *t, char *reason, size_t size)
{
    double mass = t->masses ? t->mass / (double)t->masses : NAN;
    reason[0] = '\0';
    if (t->excluded)
        snprintf(reason, size, "replies are graded by a judge: --role judge=SUBJECT");
    else if (t->asked == 0)
        snprintf(reason, size, "all %zu samples failed; `assay show` says why", t->failed);
    else if (t->readable == 0)
        snprintf(reason, size, t->infinite ? "a probability of 0 makes it infinite" : "nothing could be read");
    else if (2 * t->readable < t->asked)
        snprintf(reason, size, "readable %.2f < .5", (double)t->readable / (double)t->asked);
    else if (t->infinite)
        snprintf(reason, size, "a probability of 0 makes it infinite in %zu items", t->infinite);
    else if (t->spec->metric->mass_counts && mass < .5)
        snprintf(reason, size, "choice_mass %.3g < .5", mass);
}

/* Against chance, two-sided: the exact binomial test, or Student's t over clusters. */
static double p_value(const tally *t, const mean_estimate *m, double chance)
{
    if (!t->spec->metric->share || isnan(chance) || t->readable == 0)
        return NAN;
    if (!t->clustered)
        return binomial_test((uint64_t)(t->sum + .5), t->readable, chance);
    double freedom = (double)m->clusters - 1;
    return m->error > 0 ? 2 * student_below(-fabs(m->mean - chance) / m->error, freedom) : NAN;
}

static void set_count(json_t *o, const char *key, size_t count)
{
    json_object_set_new(o, key, json_integer((json_int_t)count));
}

static status figure(tally *t, json_t **out, error *err)
{
    mean_estimate m;
    char reason[128];
    json_t *o = json_object();
    *out = o;
    TRY(estimate(t, &m, err));
    reason_of(t, reason, sizeof reason);
    double asked = (double)t->asked, unread = asked - (double)t->readable, chance = t->chances ? t->chance / (double)t->chances : NAN;
    if (t->spec->invert && t->spec->metric->invert && !isnan(chance))
        chance = t->spec->metric->invert(chance);
    size_t refused = t->states[REPLY_REFUSED];
    json_object_set_new(o, "metric", json_string(t->spec->metric->name));
    json_object_set_new(o, "rate", jsonio_number(m.mean));
    json_object_set_new(o, "base", json_null());
    json_object_set_new(o, "excess", json_null());
    json_object_set_new(o, "estimate", reason[0] ? json_null() : jsonio_number(m.mean));
    json_object_set_new(o, "low", reason[0] ? json_null() : jsonio_number(m.limits.low));
    json_object_set_new(o, "high", reason[0] ? json_null() : jsonio_number(m.limits.high));
    json_object_set_new(o, "error", jsonio_number(m.error));
    if (reason[0])
        json_object_set_new(o, "reason", json_string(reason));
    json_object_set_new(o, "bounds", t->spec->metric->share && asked > 0
                                         ? json_pack("[f, f]", t->sum / asked, (t->sum + unread) / asked)
                                         : json_null());
    set_count(o, "n", t->asked);
    set_count(o, "readable", t->readable);
    set_count(o, "unreadable", t->asked - t->readable - refused - t->excluded);
    set_count(o, "refused", refused);
    set_count(o, "excluded", t->excluded);
    set_count(o, "failed", t->failed);
    json_object_set_new(o, "unread", reply_states_json(t->states, REPLY_READ + 1));
    json_object_set_new(o, "chance", jsonio_number(chance));
    json_object_set_new(o, "p", reason[0] ? json_null() : jsonio_number(p_value(t, &m, chance)));
    if (t->clustered)
        set_count(o, "clusters", m.clusters);
    if (t->masses) {
        set_count(o, "ties", t->tied);
        json_object_set_new(o, "choice_mass", jsonio_number(t->mass / (double)t->masses));
        json_object_set_new(o, "soft", jsonio_number(t->soft / (double)t->masses));
        set_count(o, "joined", t->joined);
    }
    if (t->rights && !t->spec->metric->share)
        json_object_set_new(o, "accuracy", jsonio_number(t->right / (double)t->rights));
    if (t->yeses)
        json_object_set_new(o, "inclination_to_yes", jsonio_number(t->yes / (double)t->yeses));
    if (t->spreads)
        json_object_set_new(o, "spread_over_orders", jsonio_number(t->spread / (double)t->spreads));
    return STATUS_OK;
}

/* ---- all of them ------------------------------------------------------------------------------------------------ */


/* The records from `first` to `end` that have this value of "by"; NULL: all. */
static status tally_of(const task_spec *spec, const json_t *records, size_t first, size_t end, const char *by, json_t **out, error *err)
{
    size_t most = end - first + 1;
    tally t = {.spec = spec, .values = memory_alloc(most * sizeof(double)), .clusters = memory_alloc(most * sizeof(uint64_t))};
    status result = t.values && t.clusters ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory for a summary");
    for (size_t i = first; result == STATUS_OK && i < end; i++) {
        const json_t *record = json_array_get(records, i);
        const char *own = json_string_value(json_object_get(record, "by"));
        if (!json_is_object(record))
            t.failed += by == NULL;
        else if (!by || (own && strcmp(own, by) == 0))
            count_record(&t, record);
    }
    if (result == STATUS_OK)
        result = figure(&t, out, err);
    memory_free(t.values);
    memory_free(t.clusters);
    return result;
}

/* {"value of the column": figure, ...}, in the order in which they come. */
static status groups_of(const task_spec *spec, const json_t *records, size_t first, size_t end, json_t *out, error *err)
{
    for (size_t i = first; i < end; i++) {
        const char *by = json_string_value(json_object_get(json_array_get(records, i), "by"));
        json_t *one;
        if (!by || json_object_get(out, by))
            continue;
        TRY(tally_of(spec, records, first, end, by, &one, err));
        json_object_set_new(out, by, one);
    }
    return STATUS_OK;
}

static bool add_q(json_t *forms)
{
    size_t count = json_object_size(forms), i = 0;
    double *p = memory_alloc((2 * count + 1) * sizeof *p);
    const char *name;
    json_t *form;
    if (!p)
        return false;
    json_object_foreach(forms, name, form)
    {
        const json_t *value = json_object_get(form, "p");
        p[i++] = json_is_number(value) ? json_number_value(value) : NAN;
    }
    bool good = benjamini_hochberg(p, count, p + count);
    i = count;
    json_object_foreach(forms, name, form)
        json_object_set_new(form, "q", jsonio_number(p[i++]));
    memory_free(p);
    return good;
}

status task_summarise(const study_run *run, const json_t *records, json_t **summary, error *err)
{
    const task_run *data = run->data;
    json_t *forms = json_object();
    for (size_t t = 0; t < data->task_count; t++) {
        const task *of = &data->tasks[t];
        json_t *form = NULL, *groups = json_object();
        status result = tally_of(of->spec, records, data->first[t], data->first[t + 1], NULL, &form, err);
        json_object_set_new(forms, of->name, form);
        if (result == STATUS_OK && task_value_given(&of->spec->group))
            result = groups_of(of->spec, records, data->first[t], data->first[t + 1], groups, err);
        if (json_object_size(groups))
            json_object_set(form, "groups", groups);
        json_decref(groups);
        json_object_set_new(form, "title", json_string(of->title));
        if (of->spec->paper)
            json_object_set_new(form, "paper", json_string(of->spec->paper));
        if (of->spec->invert)
            json_object_set_new(form, "inverted", json_true());
        set_count(form, "left_out", data->left_out[t]);
        if (result != STATUS_OK) {
            json_decref(forms);
            return result;
        }
    }
    if (!add_q(forms)) {
        json_decref(forms);
        return error_set(err, STATUS_MEMORY, "out of memory for a summary");
    }
    json_t *absent = json_array();
    for (size_t i = 0; data->absent[i]; i++)
        json_array_append_new(absent, json_string(data->absent[i]));
    *summary = json_pack("{s:o, s:s, s:I, s:o}", "forms", forms, "data_sha256", run->identity ? run->identity : "", "rows_with_nul",
                         (json_int_t)data->replaced, "absent", absent);
    return *summary ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory for a summary");
}
