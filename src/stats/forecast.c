#include "stats/forecast.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PLATT_STEPS = 100 };

static bool are_probabilities(const double *stated, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!(stated[i] >= 0 && stated[i] <= 1))
            return false;
    return count > 0;
}

double calibration_error(const double *stated, const bool *right, size_t count, calibration_bin *bins, size_t bin_count)
{
    double gap = 0;
    memset(bins, 0, bin_count * sizeof *bins);
    if (!are_probabilities(stated, count) || bin_count == 0)
        return NAN;
    for (size_t i = 0; i < count; i++) {
        size_t b = (size_t)(stated[i] * (double)bin_count);
        calibration_bin *bin = &bins[b < bin_count ? b : bin_count - 1];
        bin->count++;
        bin->stated += stated[i];
        bin->right += right[i];
    }
    for (size_t b = 0; b < bin_count; b++) {
        if (!bins[b].count)
            continue;
        bins[b].stated /= (double)bins[b].count;
        bins[b].right /= (double)bins[b].count;
        gap += fabs(bins[b].right - bins[b].stated) * (double)bins[b].count / (double)count;
    }
    return gap;
}

/* ---- Brier ------------------------------------------------------------------------------------------------------- */

typedef struct item {
    double x, y, weight;
} item;

static int by_x(const void *a, const void *b)
{
    const item *p = a, *q = b;
    return (p->x > q->x) - (p->x < q->x);
}

/* Items of equal x become one, in rising order: their number. */
static size_t merge_equal(item *items, size_t count)
{
    size_t groups = 0;
    qsort(items, count, sizeof *items, by_x);
    for (size_t i = 0; i < count; i++) {
        item *last = &items[groups ? groups - 1 : 0];
        if (groups && last->x == items[i].x) {
            last->weight += items[i].weight;
            last->y += (items[i].y - last->y) * items[i].weight / last->weight;
        } else {
            items[groups++] = items[i];
        }
    }
    return groups;
}

brier_score brier(const double *stated, const bool *right, size_t count)
{
    brier_score b = {NAN, NAN, NAN, NAN, 0};
    item *items = are_probabilities(stated, count) ? memory_alloc(count * sizeof *items) : NULL;
    if (!items)
        return b;
    double n = (double)count, base = 0, score = 0, reliability = 0, resolution = 0;
    for (size_t i = 0; i < count; i++) {
        items[i] = (item){stated[i], right[i], 1};
        base += right[i] / n;
        score += (stated[i] - right[i]) * (stated[i] - right[i]) / n;
    }
    b.groups = merge_equal(items, count);
    for (size_t g = 0; g < b.groups; g++) {
        double share = items[g].y, weight = items[g].weight / n;
        reliability += weight * (items[g].x - share) * (items[g].x - share);
        resolution += weight * (share - base) * (share - base);
    }
    memory_free(items);
    b.score = score;
    b.reliability = reliability;
    b.resolution = resolution;
    b.uncertainty = base * (1 - base);
    return b;
}

/* ---- Platt ------------------------------------------------------------------------------------------------------- */

typedef struct sigmoid_problem {
    const double *scores;
    const bool *right;
    size_t count;
    double high, low; /* targets of the two kinds */
} sigmoid_problem;

double platt_apply(const platt *p, double score)
{
    double z = p->slope * score + p->intercept;
    return z >= 0 ? exp(-z) / (1 + exp(-z)) : 1 / (1 + exp(z));
}

/* Cross-entropy of the targets. */
static double loss_of(const sigmoid_problem *s, double slope, double intercept)
{
    double sum = 0;
    for (size_t i = 0; i < s->count; i++) {
        double z = slope * s->scores[i] + intercept, t = s->right[i] ? s->high : s->low;
        sum += z >= 0 ? t * z + log1p(exp(-z)) : (t - 1) * z + log1p(exp(z));
    }
    return sum;
}

typedef struct newton {
    double gradient[2], hessian[3]; /* by slope and intercept */
} newton;

static newton slopes_of(const sigmoid_problem *s, const platt *at)
{
    newton w = {{0}, {1e-12, 0, 1e-12}}; /* so that it can be inverted */
    for (size_t i = 0; i < s->count; i++) {
        double p = platt_apply(at, s->scores[i]), x = s->scores[i], t = s->right[i] ? s->high : s->low, curve = p * (1 - p);
        w.gradient[0] += x * (t - p);
        w.gradient[1] += t - p;
        w.hessian[0] += x * x * curve;
        w.hessian[1] += x * curve;
        w.hessian[2] += curve;
    }
    return w;
}

status platt_fit(const double *scores, const bool *right, size_t count, platt *out, error *err)
{
    double good = 0, bad = 0;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(scores[i]))
            return error_set(err, STATUS_INVALID, "Platt's calibration: score %zu is not a finite number", i + 1);
        *(right[i] ? &good : &bad) += 1;
    }
    if (good == 0 || bad == 0)
        return error_set(err, STATUS_INVALID, "Platt's calibration: expected items of both kinds, found %.0f right and %.0f wrong", good, bad);
    sigmoid_problem s = {scores, right, count, (good + 1) / (good + 2), 1 / (bad + 2)};
    *out = (platt){0, log((bad + 1) / (good + 1)), 0};
    double loss = loss_of(&s, out->slope, out->intercept);
    for (; out->steps < PLATT_STEPS; out->steps++) {
        newton w = slopes_of(&s, out);
        double scale = fmax(1, sqrt(w.hessian[0] / w.hessian[2]));
        if (fabs(w.gradient[0]) < 1e-10 * scale * (double)count && fabs(w.gradient[1]) < 1e-10 * (double)count)
            break;
        double det = w.hessian[0] * w.hessian[2] - w.hessian[1] * w.hessian[1];
        double slope = -(w.hessian[2] * w.gradient[0] - w.hessian[1] * w.gradient[1]) / det;
        double intercept = -(w.hessian[0] * w.gradient[1] - w.hessian[1] * w.gradient[0]) / det, step = 1, next = loss;
        for (; step > 1e-10; step /= 2) {
            next = loss_of(&s, out->slope + step * slope, out->intercept + step * intercept);
            if (next <= loss + 1e-4 * step * (w.gradient[0] * slope + w.gradient[1] * intercept))
                break;
        }
        if (step <= 1e-10) /* rounding: there is nothing left to gain */
            break;
        out->slope += step * slope;
        out->intercept += step * intercept;
        loss = next;
    }
    return STATUS_OK;
}

/* ---- isotonic ---------------------------------------------------------------------------------------------------- */

status isotonic_fit(arena *a, const double *x, const double *y, const double *weights, size_t count, isotonic *out, error *err)
{
    if (count == 0)
        return error_set(err, STATUS_INVALID, "isotonic regression: there are no items");
    for (size_t i = 0; i < count; i++)
        if (!isfinite(x[i]) || !isfinite(y[i]) || (weights && (!(weights[i] > 0) || isinf(weights[i]))))
            return error_set(err, STATUS_INVALID, "isotonic regression: item %zu is (%g, %g), weight %g; expected finite numbers, and weights "
                             "above 0", i + 1, x[i], y[i], weights ? weights[i] : 1);
    item *items = memory_alloc(count * sizeof *items);
    size_t *ends = memory_alloc(count * sizeof *ends); /* of each block, one past its last item */
    out->x = ARENA_ARRAY(a, double, count);
    out->y = ARENA_ARRAY(a, double, count);
    if (!items || !ends || !out->x || !out->y) {
        memory_free(items);
        memory_free(ends);
        return error_set(err, STATUS_MEMORY, "out of memory for isotonic regression over %zu items", count);
    }
    for (size_t i = 0; i < count; i++)
        items[i] = (item){x[i], y[i], weights ? weights[i] : 1};
    out->count = merge_equal(items, count);
    size_t blocks = 0;
    for (size_t i = 0; i < out->count; i++)
        out->x[i] = items[i].x;
    for (size_t i = 0; i < out->count; i++) { /* blocks[k] is kept in items[k]: no block lies behind the items that it holds */
        items[blocks] = items[i];
        ends[blocks++] = i + 1;
        while (blocks > 1 && items[blocks - 2].y >= items[blocks - 1].y) {
            item *into = &items[blocks - 2], *from = &items[blocks - 1];
            double weight = into->weight + from->weight;
            into->y = (into->y * into->weight + from->y * from->weight) / weight;
            into->weight = weight;
            ends[blocks - 2] = ends[blocks - 1];
            blocks--;
        }
    }
    for (size_t b = 0, i = 0; b < blocks; b++)
        for (; i < ends[b]; i++)
            out->y[i] = items[b].y;
    memory_free(items);
    memory_free(ends);
    return STATUS_OK;
}

double isotonic_apply(const isotonic *m, double x)
{
    size_t low = 0, high = m->count - 1;
    if (isnan(x))
        return NAN;
    if (x <= m->x[0])
        return m->y[0];
    if (x >= m->x[high])
        return m->y[high];
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (m->x[middle] <= x)
            low = middle;
        else
            high = middle;
    }
    return m->y[low] + (x - m->x[low]) / (m->x[high] - m->x[low]) * (m->y[high] - m->y[low]);
}
