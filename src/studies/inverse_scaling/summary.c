/* From the records to the figures of each cell: shares of right choices, differences of log-odds, losses of sequences. */
#include "core/jsonio.h"
#include "stats/bootstrap.h"
#include "stats/choice.h"
#include "studies/inverse_scaling/traps.h"

#include <math.h>
#include <stdio.h>

/* What one cell's records say, item by item; NaN where a sample failed. */
typedef struct cell_scores {
    trap_kind kind;
    double *right, *value, *mass; /* value: as its metric has it, larger is worse (of choices the loss) */
    size_t *clusters, *picks;     /* picks: the items that did not fail */
    size_t *all;                  /* 0, 1, 2, ... */
    size_t items, n, ties, unequal;
} cell_scores;

typedef struct column {
    const double *values, *less; /* less: taken off, pair by pair; NULL: nothing is */
    bool absolute;
    const size_t *picks;
} column;

static double mean_of(const void *context, const size_t *picks, size_t count)
{
    const column *c = context;
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        size_t at = c->picks[picks[i]];
        double value = c->values[at] - (c->less ? c->less[at] : 0);
        sum += c->absolute ? fabs(value) : value;
    }
    return count ? sum / (double)count : NAN;
}

static const char *const value_keys[] = {[TRAP_BY_CHOICE] = "loss", [TRAP_BY_LOGODDS] = "logodds", [TRAP_BY_SEQUENCE] = "sequence_prob"};

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory for the figures");
}

static status read_cell(arena *a, const study_run *run, const json_t *records, size_t from, size_t to, cell_scores *c, error *err)
{
    const traps_data *data = run->data;
    size_t n = to - from;
    trap_kind kind = data->items[from]->kind;
    *c = (cell_scores){.kind = kind, .items = n, .right = ARENA_ARRAY(a, double, n), .value = ARENA_ARRAY(a, double, n),
                       .mass = ARENA_ARRAY(a, double, n), .clusters = ARENA_ARRAY(a, size_t, n), .picks = ARENA_ARRAY(a, size_t, n),
                       .all = ARENA_ARRAY(a, size_t, n)};
    if (!c->right || !c->value || !c->mass || !c->clusters || !c->picks || !c->all)
        return no_memory(err);
    for (size_t i = 0; i < n; i++) {
        const json_t *record = json_array_get(records, from + i), *scores = json_object_get(record, "scores");
        const json_t *tokens = json_object_get(record, "tokens");
        c->right[i] = jsonio_number_at(scores, "accuracy");
        c->value[i] = -jsonio_number_at(scores, value_keys[trap_metric_of(kind)]);
        c->mass[i] = jsonio_number_at(record, "mass");
        c->all[i] = i;
        if (!json_is_object(record))
            continue;
        c->clusters[c->n] = data->items[from + i]->cluster;
        c->picks[c->n++] = i;
        c->ties += json_is_true(json_object_get(record, "tied"));
        c->unequal += json_integer_value(json_array_get(tokens, 0)) != json_integer_value(json_array_get(tokens, 1));
    }
    return STATUS_OK;
}

/* {"estimate", "low", "high"} of a column over the items that did not fail. */
static status estimate(const study_run *run, const cell_scores *c, const column *of, const char *name, json_t **out, error *err)
{
    char purpose[96];
    interval limits;
    snprintf(purpose, sizeof purpose, "inverse-scaling/%s", name);
    bootstrap b = {.items = c->n, .clusters = c->clusters, .seed = run->seed, .purpose = purpose};
    TRY(bootstrap_interval(&b, mean_of, of, &limits, err));
    *out = json_pack("{s:o, s:o, s:o}", "estimate", jsonio_number(mean_of(of, c->all, c->n)), "low", jsonio_number(limits.low), "high",
                     jsonio_number(limits.high));
    return *out ? STATUS_OK : no_memory(err);
}

static status add_choice(const study_run *run, const cell_scores *c, const char *name, json_t *form, error *err)
{
    const column right = {.values = c->right, .picks = c->picks}, value = {.values = c->value, .picks = c->picks};
    json_t *rights, *losses;
    TRY(estimate(run, c, &right, name, &rights, err));
    json_object_update(form, rights);
    json_object_set(form, "rate", json_object_get(rights, "estimate"));
    json_object_set_new(form, "base", json_real(choice_chance_accuracy(TRAP_CLASSES)));
    json_object_set_new(form, "excess", json_null());
    json_object_set_new(form, "bounds", json_pack("[O, O]", json_object_get(rights, "estimate"), json_object_get(rights, "estimate")));
    json_object_set_new(form, "chance", json_real(choice_chance_accuracy(TRAP_CLASSES)));
    json_decref(rights);
    TRY(estimate(run, c, &value, name, &losses, err));
    json_object_set_new(losses, "chance", json_real(choice_chance_loss(TRAP_CLASSES)));
    json_object_set_new(form, "loss", losses);
    return STATUS_OK;
}

/* The figure is the value in nats; the share of right choices stands beside it. */
static status add_nats(const study_run *run, const cell_scores *c, const char *name, json_t *form, error *err)
{
    const column right = {.values = c->right, .picks = c->picks}, value = {.values = c->value, .picks = c->picks};
    const column absolute = {.values = c->value, .absolute = true, .picks = c->picks};
    trap_metric metric = trap_metric_of(c->kind);
    json_t *o;
    json_object_set_new(form, "metric", json_string(value_keys[metric]));
    TRY(estimate(run, c, &value, name, &o, err));
    json_object_update(form, o);
    json_decref(o);
    TRY(estimate(run, c, &right, name, &o, err));
    json_object_set_new(form, "accuracy", o);
    if (metric != TRAP_BY_LOGODDS)
        return STATUS_OK;
    TRY(estimate(run, c, &absolute, name, &o, err));
    json_object_set_new(form, "absolute", o);
    return STATUS_OK;
}

/* How much worse than in the control before it, the same questions pair by pair. */
static status add_beyond(const study_run *run, arena *a, const cell_scores *control, const cell_scores *c, const char *name, json_t *form, error *err)
{
    bool choice = trap_metric_of(c->kind) == TRAP_BY_CHOICE;
    cell_scores both = *c;
    column worse = {.values = choice ? control->right : c->value, .less = choice ? c->right : control->value};
    json_t *o;
    if (!(both.picks = ARENA_ARRAY(a, size_t, c->items + 1)))
        return no_memory(err);
    both.n = 0;
    for (size_t i = 0; i < c->items; i++)
        if (!isnan(c->right[i]) && !isnan(control->right[i]))
            both.picks[both.n++] = i;
    both.clusters = NULL; /* each question is its own */
    worse.picks = both.picks;
    TRY(estimate(run, &both, &worse, name, &o, err));
    json_object_set_new(o, "n", json_integer((json_int_t)both.n));
    json_object_set_new(form, "beyond_control", o);
    return STATUS_OK;
}

static status add_cell(const study_run *run, const cell_scores *c, const char *name, json_t *form, error *err)
{
    json_object_set_new(form, "n", json_integer((json_int_t)c->n));
    json_object_set_new(form, "failed", json_integer((json_int_t)(c->items - c->n)));
    json_object_set_new(form, "unreadable", json_integer(0));
    if (c->n == 0) {
        json_object_set_new(form, "estimate", json_null());
        json_object_set_new(form, "reason", json_string("no item was answered"));
        return STATUS_OK;
    }
    TRY(trap_metric_of(c->kind) == TRAP_BY_CHOICE ? add_choice(run, c, name, form, err) : add_nats(run, c, name, form, err));
    const column mass = {.values = c->mass, .picks = c->picks};
    json_object_set_new(form, "mass", jsonio_number(mean_of(&mass, c->all, c->n)));
    json_object_set_new(form, "ties", json_integer((json_int_t)c->ties));
    json_object_set_new(form, "unequal_lengths", json_integer((json_int_t)c->unequal));
    return STATUS_OK;
}

static status summarise(const study_run *run, arena *a, const json_t *records, json_t *forms, error *err)
{
    const traps_data *data = run->data;
    cell_scores c = {.kind = TRAP_COUNT}, before;
    for (size_t from = 0, to; from < run->sample_count; from = to) {
        const trap_item *first = data->items[from];
        const char *name = trap_cell_name(first->kind, first->cell);
        json_t *form = json_object();
        to = traps_cell_end(run, from);
        before = c;
        json_object_set_new(forms, name, form);
        TRY(read_cell(a, run, records, from, to, &c, err));
        TRY(add_cell(run, &c, name, form, err));
        if (first->cell == 0 || c.n == 0 || before.n == 0)
            continue;
        if (trap_paired(first->kind))
            TRY(add_beyond(run, a, &before, &c, name, form, err));
        const column control = {.values = before.right, .picks = before.picks};
        json_object_set_new(form, "control_failures", jsonio_number(1 - mean_of(&control, before.all, before.n)));
    }
    return STATUS_OK;
}

status traps_summarise(const study_run *run, const json_t *records, json_t **summary, error *err)
{
    json_t *forms = json_object();
    arena *a = arena_new(NULL);
    status result = a && forms ? summarise(run, a, records, forms, err) : no_memory(err);
    arena_free(a);
    if (result == STATUS_OK)
        *summary = json_pack("{s:O}", "forms", forms);
    json_decref(forms);
    return result;
}
