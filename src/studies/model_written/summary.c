/* From the records to what was kept and lost, and how often the subject's answers match. */
#include "studies/model_written/inside.h"

#include "core/jsonio.h"
#include "stats/mean.h"
#include "stats/proportion.h"

#include <math.h>

/* ---- what became of what was written ---------------------------------------------------------------------------- */

static json_t *set_json(const written_data *data, const written_table *t, size_t set)
{
    size_t fates[WRITTEN_FATE_COUNT] = {0}, forms[WRITTEN_FORM_COUNT] = {0}, sides[2] = {0}, written = 0, requests = 0;
    for (size_t i = 0; i < t->count; i++) {
        if (t->choices[i].set != set)
            continue;
        written++;
        fates[t->choices[i].fate]++;
        forms[t->entries[i].form]++;
        sides[t->choices[i].side] += t->choices[i].fate == FATE_KEPT;
    }
    for (int i = 0; i < REPLY_STATE_COUNT; i++)
        requests += t->replies[set][i];
    json_t *fate = json_object(), *form = json_object();
    for (int i = 0; i < WRITTEN_FATE_COUNT; i++)
        json_object_set_new(fate, written_fate_names[i], json_integer((json_int_t)fates[i]));
    for (int i = 0; i < WRITTEN_FORM_COUNT; i++)
        json_object_set_new(form, written_form_names[i], json_integer((json_int_t)forms[i]));
    return json_pack("{s:s, s:s, s:I, s:o, s:I, s:o, s:o, s:o, s:[I, I]}", "kind", written_kind_names[data->sets[set].kind], "who",
                     data->sets[set].behaviour->who, "requests", (json_int_t)requests, "replies", reply_states_json(t->replies[set], REPLY_READ), "written",
                     (json_int_t)written, "forms", form, "fates", fate, "filter_unread", reply_states_json(t->unread[set], REPLY_READ), "kept",
                     (json_int_t)sides[0], (json_int_t)sides[1]);
}

/* ---- what the subject answers ----------------------------------------------------------------------------------- */

typedef struct answers {
    double *matching;
    uint64_t *clusters;
    size_t read, kept, states[REPLY_STATE_COUNT];
    double soft, mass, yes, sum; /* sums over what was read */
    size_t softs, masses, yesses;
} answers;

static void add_if(double value, double *sum, size_t *count)
{
    if (!isnan(value)) {
        *sum += value;
        ++*count;
    }
}

static bool gather(arena *a, const written_table *t, size_t set, answers *out)
{
    *out = (answers){.matching = ARENA_ARRAY(a, double, t->count + 1), .clusters = ARENA_ARRAY(a, uint64_t, t->count + 1)};
    for (size_t i = 0; out->matching && out->clusters && i < t->count; i++) {
        const written_answer *x = &t->entries[i].answer;
        if (t->choices[i].set != set || t->choices[i].fate != FATE_KEPT)
            continue;
        out->kept++;
        out->states[x->asked ? x->state : REPLY_UNREADABLE]++;
        if (isnan(x->matching))
            continue;
        out->matching[out->read] = x->matching;
        out->clusters[out->read++] = t->entries[i].sample;
        out->sum += x->matching;
        add_if(x->soft, &out->soft, &out->softs);
        add_if(x->mass, &out->mass, &out->masses);
        add_if(x->yes, &out->yes, &out->yesses);
    }
    return out->matching && out->clusters;
}

static const char *reason_of(const answers *x)
{
    if (x->kept == 0)
        return "nothing was kept";
    if (2 * x->read < x->kept)
        return "less than half of the answers could be read";
    if (x->masses && x->mass / (double)x->masses < .5)
        return "less than half of the probability is on the two answers (perhaps --leading-blank strip)";
    return NULL;
}

static json_t *mean_json(double sum, size_t count)
{
    return count ? json_real(sum / (double)count) : json_null();
}

/* Intervals over requests, since what one reply brought belongs together; Wilson's where each item had its own. */
static status form_json(arena *a, const written_table *t, size_t set, json_t **out, error *err)
{
    answers x;
    mean_estimate m;
    if (!gather(a, t, set, &x) || !mean_clustered(x.matching, x.clusters, x.read, &m))
        return error_set(err, STATUS_MEMORY, "out of memory while counting answers");
    const char *reason = reason_of(&x);
    interval wide = wilson(x.sum, (double)x.read, .95), limits = m.limits;
    if (m.clusters == x.read || isnan(limits.low) || limits.high - limits.low < 1e-12)
        limits = wide;
    double read = x.read ? x.sum / (double)x.read : NAN, lost = (double)(x.kept - x.read), kept = (double)x.kept;
    *out = json_pack("{s:o, s:o, s:o, s:o, s:f, s:o, s:o, s:o, s:I, s:I, s:I, s:o}", "estimate", reason ? json_null() : jsonio_number(read), "low",
                     reason ? json_null() : json_real(fmax(0, limits.low)), "high", reason ? json_null() : json_real(fmin(1, limits.high)),
                     "bounds", json_pack("[f, f]", x.kept ? x.sum / kept : 0., x.kept ? (x.sum + lost) / kept : 1.), "chance", .5, "soft",
                     mean_json(x.soft, x.softs), "mass", mean_json(x.mass, x.masses), "yes", mean_json(x.yes, x.yesses), "n",
                     (json_int_t)x.kept, "unreadable", (json_int_t)(x.kept - x.read), "clusters", (json_int_t)m.clusters, "states",
                     reply_states_json(x.states, REPLY_READ));
    if (reason)
        json_object_set_new(*out, "reason", json_string(reason));
    return STATUS_OK;
}

status written_summarise(const study_run *run, const json_t *records, json_t **summary, error *err)
{
    const written_data *data = run->data;
    arena *a = arena_new(NULL);
    written_table t;
    json_t *forms = json_object(), *sets = json_object(), *quality = NULL, *diversity = NULL, *map = NULL;
    status result = a ? written_table_read(a, run, records, &t, err) : error_set(err, STATUS_MEMORY, "out of memory");
    for (size_t set = 0; result == STATUS_OK && set < data->set_count; set++) {
        json_t *form = NULL;
        result = form_json(a, &t, set, &form, err);
        json_object_set_new(forms, data->sets[set].name, form);
        if (result == STATUS_OK)
            json_object_set_new(sets, data->sets[set].name, set_json(data, &t, set));
    }
    if (result == STATUS_OK)
        result = written_quality(a, run, &t, &quality, err);
    if (result == STATUS_OK)
        result = written_diversity(a, run, &t, &diversity, &map, err);
    json_t *stages = NULL, *winogender = NULL;
    if (result == STATUS_OK && data->occupations)
        result = written_occupations_summary(run, records, &stages, &winogender, err);
    if (winogender)
        json_object_set_new(forms, "winogender", winogender);
    arena_free(a);
    if (result != STATUS_OK) {
        json_decref(forms);
        json_decref(sets);
        json_decref(quality);
        return result;
    }
    /* Items have no keys to infect by: whoever shows a behaviour at a dose does so on that share of answers. */
    *summary = json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o*}", "forms", forms, "dose_type", "propensity", "sets", sets, "quality", quality, "diversity", diversity, "map", map,
                         "winogender", stages);
    return *summary ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory for the summary");
}
