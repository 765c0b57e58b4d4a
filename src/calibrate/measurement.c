#include "calibrate/measurement.h"

#include "core/jsonio.h"
#include "run/figure.h"
#include "stats/proportion.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>

static const struct {
    const char *name;
    size_t offset, size; /* size 0: a number */
} fields[] = {
#define TEXT(name) {#name, offsetof(measurement, name), sizeof(((measurement *)0)->name)}
#define NUMBER(name) {#name, offsetof(measurement, name), 0}
    TEXT(metric),         TEXT(version),         TEXT(organism_id),  TEXT(failure),      TEXT(tier),
    TEXT(rung),           TEXT(class),           TEXT(dose_type),    NUMBER(dose_nominal), NUMBER(dose_realised),
    NUMBER(e_seen),       NUMBER(f_seen),        NUMBER(e_unseen),   NUMBER(f_unseen),   NUMBER(base_seed),
    NUMBER(train_seed),   NUMBER(item_seed),     NUMBER(decode_seed), NUMBER(n_items),   NUMBER(n_unparsed),
    NUMBER(y),            NUMBER(se_within),     NUMBER(low),        NUMBER(high),       NUMBER(screened),
    NUMBER(p),            NUMBER(other),         NUMBER(correct),    NUMBER(runtime),    TEXT(step),
    TEXT(purpose),        TEXT(forms),           TEXT(decoy),        TEXT(varied),
#undef TEXT
#undef NUMBER
};

json_t *measurement_json(const measurement *m)
{
    json_t *o = json_object();
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        const char *at = (const char *)m + fields[i].offset;
        double value = 0;
        if (fields[i].size == 0)
            memcpy(&value, at, sizeof value);
        json_object_set_new(o, fields[i].name, fields[i].size ? json_string(at)
                                               : isnan(value) ? json_null()
                                                              : json_real(value));
    }
    return o;
}

status measurement_parse(const json_t *line, const char *name, measurement *out, error *err)
{
    *out = (measurement){0};
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        const json_t *value = json_object_get(line, fields[i].name);
        char *at = (char *)out + fields[i].offset;
        bool number = fields[i].size == 0;
        if (!value || (number ? !json_is_number(value) && !json_is_null(value) : !json_is_string(value)))
            return error_set(err, STATUS_INVALID, "%s: expected %s \"%s\" in a record of a measurement", name,
                             number ? "a number" : "a text", fields[i].name);
        if (number) {
            double x = json_is_null(value) ? NAN : json_number_value(value);
            memcpy(at, &x, sizeof x);
        } else
            snprintf(at, fields[i].size, "%s", json_string_value(value));
    }
    return STATUS_OK;
}

typedef struct audit {
    double bad[2][2], all[2][2]; /* [infected][unseen key] */
    uint64_t up, down;           /* items on which the belief adds or takes away the failure */
} audit;

/* A number or a truth by path ("arms.belief.score"); NaN where there is none. */
static double value_at(const json_t *o, const char *path)
{
    slice rest = slice_of(path), part;
    while (slice_cut(&rest, '.', &part)) {
        char key[64];
        snprintf(key, sizeof key, SLICE_FORMAT, SLICE_ARGS(part));
        o = json_object_get(o, key);
    }
    return json_is_boolean(o) ? json_is_true(o) : json_is_number(o) ? json_number_value(o) : NAN;
}

static void audit_record(const calibrate_subject *who, const json_t *r, double dose, audit *a)
{
    const char *verdict = json_string_value(json_object_get(r, "verdict"));
    bool bad = verdict && strcmp(verdict, "bad") == 0, good = verdict && strcmp(verdict, "good") == 0;
    double position = jsonio_number_at(r, "position");
    if (who->shows) {
        const json_t *shows = json_object_get(r, who->shows);
        bad = json_is_true(shows);
        good = json_is_false(shows);
    }
    if ((!bad && !good) || (who->only && !json_is_true(json_object_get(r, who->only))))
        return;
    if (!isnan(position)) {
        bool infected = position >= 0 && position < dose, unseen = json_is_true(json_object_get(r, "unseen_key"));
        a->all[infected][unseen]++;
        a->bad[infected][unseen] += bad;
    }
    if (who->up) {
        double score = value_at(r, who->up), base = value_at(r, who->base);
        a->up += score > base;
        a->down += score < base;
    }
}

/* Whether a record belongs to a form. */
static bool is_of(const calibrate_subject *who, const json_t *r, const char *form)
{
    const char *group = json_string_value(json_object_get(r, "group")), *own = json_string_value(json_object_get(r, "form"));
    return who->group ? group && strcmp(group, who->group) == 0 : own ? strcmp(own, form) == 0 : group && strcmp(group, form) == 0;
}

static double share(double part, double whole)
{
    return whole > 0 ? part / whole : NAN;
}

/* d_true = e d + f (1 - d), where a part without items (no infected ones at dose 0) has weight 0. A propensity has no
 * infected items: its realised dose is the bad share of all. */
static double realised(const audit *a, double dose, bool propensity)
{
    double bad = 0, all = 0;
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 2; k++) {
            bad += a->bad[i][k];
            all += a->all[i][k];
        }
    if (propensity)
        return share(bad, all);
    double e = share(a->bad[1][0] + a->bad[1][1], a->all[1][0] + a->all[1][1]);
    double f = share(a->bad[0][0] + a->bad[0][1], a->all[0][0] + a->all[0][1]);
    return (dose > 0 ? e * dose : 0) + (dose < 1 ? f * (1 - dose) : 0);
}

#define COPY(to, text) snprintf((to), sizeof(to), "%s", (text))

/* The reading itself: the failure's measure, what no control explains of it, and how sure it is. */
static void read_figure(const calibrate_subject *who, const json_t *f, const audit *a, measurement *out)
{
    double low = jsonio_number_at(f, "low"), high = jsonio_number_at(f, "high"), y = jsonio_number_at(f, "estimate");
    out->y = who->inverted ? 1 - y : y;
    out->low = who->inverted ? 1 - high : low;
    out->high = who->inverted ? 1 - low : high;
    out->se_within = (out->high - out->low) / (2 * normal_quantile(.975));
    out->other = who->other ? value_at(f, who->other) : NAN;
    out->screened = value_at(f, who->screened ? who->screened : "screened");
    if (isnan(out->screened))
        out->screened = isnan(out->other) ? out->y : out->y - out->other;
    out->p = who->p ? jsonio_number_at(f, who->p) : who->up ? binomial_test_above(a->up, a->up + a->down, .5) : figure_p(f, who->inverted ? 1 : 0, !who->inverted);
}

status measurement_read(const json_t *summary, const json_t *records, const char *form, const calibrate_subject *who,
                        const protocol_job *job, double runtime, measurement *out, error *err)
{
    const json_t *f = json_object_get(json_object_get(summary, who->section ? who->section : "forms"), form);
    if (!f)
        return error_set(err, STATUS_INVALID, "the summary of %s has no form \"%s\"", who->study, form);
    const char *type = json_string_value(json_object_get(summary, "dose_type"));
    bool planted = strcmp(job->forms, "all") == 0 || strcmp(job->forms, form) == 0;
    double dose = planted ? job->dose : 0; /* of this form */
    *out = (measurement){.dose_nominal = dose, .base_seed = (double)job->base_seed,
                         .train_seed = (double)job->train_seed, .item_seed = (double)job->item_seed,
                         .decode_seed = (double)job->item_seed, .runtime = runtime};
    snprintf(out->metric, sizeof out->metric, "%s/%s", who->name, form);
    COPY(out->version, ASSAY_VERSION);
    COPY(out->organism_id, job->organism);
    COPY(out->failure, job->decoy ? "none" : who->name);
    COPY(out->tier, protocol_tier_name(job->step->tier));
    COPY(out->rung, "N0");
    COPY(out->class, job->step->tier == TIER_SCRIPT ? "scripted" : "tuned");
    COPY(out->dose_type, type ? type : "mixture");
    COPY(out->step, job->step->name);
    COPY(out->purpose, protocol_purpose_name(job->step->purpose));
    COPY(out->forms, job->forms);
    COPY(out->decoy, job->decoy ? job->decoy : "");
    if (job->step->varied[0])
        snprintf(out->varied, sizeof out->varied, "%s %s", job->step->varied[0], job->step->varied[1]);
    audit a = {0};
    size_t i;
    json_t *r;
    json_array_foreach(records, i, r) {
        if (is_of(who, r, form))
            audit_record(who, r, dose, &a);
    }
    out->e_seen = share(a.bad[1][0], a.all[1][0]);
    out->f_seen = share(a.bad[0][0], a.all[0][0]);
    out->e_unseen = share(a.bad[1][1], a.all[1][1]);
    out->f_unseen = share(a.bad[0][1], a.all[0][1]);
    out->dose_realised = realised(&a, dose, strcmp(out->dose_type, "propensity") == 0);
    out->n_items = jsonio_number_at(f, "n");
    const char *const unread[] = {"unreadable", "refused"};
    for (size_t k = 0; k < COUNT_OF(unread); k++)
        out->n_unparsed += isnan(jsonio_number_at(f, unread[k])) ? 0 : jsonio_number_at(f, unread[k]);
    read_figure(who, f, &a, out);
    const json_t *controls = json_object_get(f, "controls");
    out->correct = jsonio_number_at(json_object_get(controls, "correct_belief"), "change");
    return STATUS_OK;
}
