/* statistics.c - prints what Assay's statistics say of given numbers, for bench/peers/stats.py.
 *
 *     bench_statistics < cases.jsonl
 *
 * A line is {"what": NAME, ...} with the lists and numbers that the function takes; the answer is one line of JSON: a list of numbers
 * (null for NaN), or {"status": WORD, "message": TEXT} where the function refuses. */
#include "core/file.h"
#include "core/jsonio.h"
#include "stats/agreement.h"
#include "stats/forecast.h"
#include "stats/logit.h"
#include "stats/multiple.h"
#include "stats/permutation.h"
#include "stats/power.h"
#include "stats/power_law.h"
#include "stats/proportion.h"
#include "stats/rank.h"
#include "stats/ratings.h"
#include "stats/roc.h"
#include "stats/similarity.h"

#include <math.h>
#include <unistd.h>

typedef struct numbers {
    double *values;
    size_t count;
} numbers;

typedef struct question {
    arena *arena;
    const json_t *json;
    json_t *answer;
} question;

/* A list of numbers, null for NaN. */
static numbers list_of(const question *q, const char *key)
{
    const json_t *list = json_object_get(q->json, key);
    numbers n = {ARENA_ARRAY(q->arena, double, json_array_size(list) + 1), json_array_size(list)};
    for (size_t i = 0; n.values && i < n.count; i++) {
        const json_t *x = json_array_get(list, i);
        n.values[i] = json_is_number(x) ? json_number_value(x) : json_is_true(x) ? 1 : json_is_false(x) ? 0 : NAN;
    }
    return n;
}

static bool *flags_of(const question *q, const char *key)
{
    numbers n = list_of(q, key);
    bool *flags = ARENA_ARRAY(q->arena, bool, n.count + 1);
    for (size_t i = 0; i < n.count; i++)
        flags[i] = n.values[i] > 0;
    return flags;
}

static double number_of(const question *q, const char *key)
{
    return json_number_value(json_object_get(q->json, key));
}

static void say(const question *q, double x)
{
    json_array_append_new(q->answer, jsonio_number(x));
}

static void say_all(const question *q, const double *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        say(q, x[i]);
}

static status ask_correlation(const question *q, error *err)
{
    numbers x = list_of(q, "x"), y = list_of(q, "y");
    rank_correlation s, k;
    TRY(spearman(x.values, y.values, x.count, &s, err));
    TRY(kendall(x.values, y.values, x.count, &k, err));
    say_all(q, (double[]){s.value, s.p, k.value, k.p, pearson(x.values, y.values, x.count)}, 5);
    return STATUS_OK;
}

static status ask_proportion(const question *q, error *err)
{
    uint64_t k = (uint64_t)number_of(q, "k"), n = (uint64_t)number_of(q, "n"), b = (uint64_t)number_of(q, "b"), c = (uint64_t)number_of(q, "c");
    interval w = wilson((double)k, (double)n, .95), x = clopper_pearson(k, n, .95);
    (void)err;
    say_all(q, (double[]){w.low, w.high, x.low, x.high, binomial_test(k, n, number_of(q, "p")), mcnemar_exact(b, c), mcnemar_mid(b, c)}, 7);
    return STATUS_OK;
}

static status ask_multiple(const question *q, error *err)
{
    numbers p = list_of(q, "p");
    double *out = ARENA_ARRAY(q->arena, double, p.count + 1);
    if (!out || !holm(p.values, p.count, out))
        return error_set(err, STATUS_MEMORY, "out of memory");
    say_all(q, out, p.count);
    benjamini_hochberg(p.values, p.count, out);
    say_all(q, out, p.count);
    return STATUS_OK;
}

static status ask_roc(const question *q, error *err)
{
    numbers x = list_of(q, "x"), y = list_of(q, "y");
    const bool *kind = flags_of(q, "kind");
    roc_area a;
    roc_difference d;
    TRY(roc_area_of(x.values, kind, x.count, .95, &a, err));
    TRY(roc_compare(x.values, y.values, kind, x.count, .95, &d, err));
    say_all(q, (double[]){a.area, a.error, d.difference, d.error, d.p}, 5);
    return STATUS_OK;
}

static status ask_forecast(const question *q, error *err)
{
    numbers p = list_of(q, "x"), at = list_of(q, "at");
    const bool *right = flags_of(q, "right");
    double *shares = list_of(q, "right").values;
    calibration_bin bins[10];
    platt s;
    isotonic m;
    TRY(platt_fit(p.values, right, p.count, &s, err));
    TRY(isotonic_fit(q->arena, p.values, shares, NULL, p.count, &m, err));
    say_all(q, (double[]){calibration_error(p.values, right, p.count, bins, 10), brier(p.values, right, p.count).score}, 2);
    for (size_t i = 0; i < at.count; i++)
        say(q, isotonic_apply(&m, at.values[i]));
    for (size_t i = 0; i < at.count; i++)
        say(q, platt_apply(&s, at.values[i]));
    return STATUS_OK;
}

static status ask_agreement(const question *q, error *err)
{
    numbers r = list_of(q, "ratings"), table = list_of(q, "table"), counts = list_of(q, "counts");
    size_t raters = (size_t)number_of(q, "raters"), categories = (size_t)number_of(q, "categories");
    size_t *whole = ARENA_ARRAY(q->arena, size_t, counts.count + 1);
    for (int s = AGREEMENT_NOMINAL; s <= AGREEMENT_RATIO; s++) {
        agreement a;
        TRY(krippendorff_alpha(&(agreement_data){r.values, raters, r.count / raters, (agreement_scale)s}, &a, err));
        say(q, a.alpha);
    }
    for (size_t i = 0; i < counts.count; i++)
        whole[i] = (size_t)counts.values[i];
    say(q, cohen_kappa(table.values, categories));
    say(q, fleiss_kappa(whole, counts.count / categories, categories));
    return STATUS_OK;
}

static status ask_logit(const question *q, error *err)
{
    numbers x = list_of(q, "x");
    logit_data d = {.x = x.values, .outcome = flags_of(q, "y"), .features = (size_t)number_of(q, "features"), .intercept = true};
    logit_result r;
    d.rows = x.count / d.features;
    TRY(logit_fit(q->arena, &d, &r, err));
    say(q, r.separated);
    for (size_t k = 0; k < r.count; k++)
        say_all(q, (double[]){r.weights[k].value, r.weights[k].error, r.weights[k].p}, 3);
    return STATUS_OK;
}

static status ask_ratings(const question *q, error *err)
{
    numbers g = list_of(q, "games");
    size_t players = (size_t)number_of(q, "players"), count = g.count / 3;
    game *games = ARENA_ARRAY(q->arena, game, count + 1);
    ratings r;
    for (size_t i = 0; i < count; i++)
        games[i] = (game){(size_t)g.values[3 * i], (size_t)g.values[3 * i + 1], g.values[3 * i + 2]};
    TRY(bradley_terry_fit(q->arena, games, count, players, NULL, &r, err));
    say(q, (double)r.groups);
    for (size_t p = 1; p < players; p++) {
        rating_gap gap = rating_difference(&r, p, 0, .95);
        say_all(q, (double[]){gap.gap, gap.error}, 2);
    }
    return STATUS_OK;
}

static status ask_power(const question *q, error *err)
{
    double n = number_of(q, "n"), d = number_of(q, "d"), p1 = number_of(q, "p1"), p2 = number_of(q, "p2");
    (void)err;
    say_all(q, (double[]){power_two_means(n, d, 1, .05), power_one_mean(n, d, 1, .05), sample_two_means(d, 1, .05, .8),
                          sample_one_mean(d, 1, .05, .8), sample_two_shares(p1, p2, .05, .8)}, 5);
    return STATUS_OK;
}

static status ask_permutation(const question *q, error *err)
{
    numbers x = list_of(q, "x"), y = list_of(q, "y");
    permutation_options how = {.seed = 1, .purpose = "bench"};
    permutation_result two, paired;
    TRY(permutation_two(x.values, x.count, y.values, y.count, &how, &two, err));
    TRY(permutation_paired(x.values, x.count, &how, &paired, err));
    say_all(q, (double[]){two.p, paired.p}, 2);
    return STATUS_OK;
}

static status ask_power_law(const question *q, error *err)
{
    numbers x = list_of(q, "x"), y = list_of(q, "y");
    power_law p;
    power_floor f;
    TRY(power_law_fit(x.values, y.values, x.count, &p, err));
    TRY(power_floor_fit(x.values, y.values, x.count, &(power_floor_options){.resamples = 1}, &f, err));
    say_all(q, (double[]){p.exponent, p.exponent_limits.low, p.exponent_limits.high, p.curvature, p.curvature_p, f.loss, f.floor, f.scale, f.exponent}, 9);
    return STATUS_OK;
}

static status ask_similarity(const question *q, error *err)
{
    numbers x = list_of(q, "x"), y = list_of(q, "y");
    (void)err;
    say(q, 1 - similarity(x.values, y.values, x.count));
    return STATUS_OK;
}

static const struct {
    const char *name;
    status (*ask)(const question *q, error *err);
} table[] = {
    {"correlation", ask_correlation}, {"proportion", ask_proportion}, {"multiple", ask_multiple},       {"roc", ask_roc},
    {"forecast", ask_forecast},       {"agreement", ask_agreement},   {"logit", ask_logit},             {"ratings", ask_ratings},
    {"power", ask_power},             {"permutation", ask_permutation}, {"power-law", ask_power_law}, {"similarity", ask_similarity},
};

static status answer(question *q, error *err)
{
    const char *what = json_string_value(json_object_get(q->json, "what"));
    for (size_t i = 0; i < COUNT_OF(table); i++)
        if (what && strcmp(what, table[i].name) == 0)
            return table[i].ask(q, err);
    return error_set(err, STATUS_USAGE, "expected a known \"what\", found '%s'", what ? what : "nothing");
}

int main(void)
{
    error err = {0};
    arena *a = arena_new(NULL), *one = arena_new(a);
    slice text, line;
    if (file_read(a, "/dev/stdin", (size_t)1 << 30, &text, &err) != STATUS_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    for (size_t number = 0; slice_cut(&text, '\n', &line); number++) {
        json_t *json;
        if (line.length == 0)
            continue;
        if (jsonio_parse_line(line, "standard input", number, &json, &err) != STATUS_OK) {
            fprintf(stderr, "%s\n", err.message);
            return 1;
        }
        question q = {one, json, json_array()};
        status s = answer(&q, &err);
        json_t *out = s == STATUS_OK ? json_incref(q.answer) : json_pack("{s:s, s:s}", "status", status_word(s), "message", err.message);
        char *printed = json_dumps(out, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
        puts(printed);
        free(printed);
        json_decref(out);
        json_decref(q.answer);
        json_decref(json);
        arena_reset(one);
    }
    arena_free(a);
    return 0;
}
