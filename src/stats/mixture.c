#include "stats/mixture.h"

#include "solve/dense.h"

#include <math.h>
#include <stdbool.h>

enum { WARM_STEPS = 3, MOST_STEPS = 1000, QUADRATIC_SWEEPS = 4000, HALVINGS = 30 };
static const double rounding = 1e-14; /* of a sum of that size */
static const double good_enough = 1e-10; /* nats between the divergence that is reached and the least there is */

/* The problem: t over the cells that some part has, divided by its sum. */
typedef struct mixing {
    const double *target, *const *parts;
    size_t count, cells;
    double all; /* sum of the target over cells that an allowed part has */
    bool allowed[MIXTURE_PARTS];
} mixing;

static double mix_at(const mixing *m, const double *weights, size_t cell)
{
    double sum = 0;
    for (size_t c = 0; c < m->count; c++)
        sum += weights[c] > 0 ? weights[c] * m->parts[c][cell] : 0;
    return sum;
}

static bool is_seen(const mixing *m, size_t cell)
{
    for (size_t c = 0; c < m->count && m->target[cell] > 0; c++)
        if (m->allowed[c] && m->parts[c][cell] > 0)
            return true;
    return false;
}

/* -sum t log(mix) + sum w - 1: on the simplex the cross entropy, and least there (Kim and others, 2020, proposition 1). */
static double worth(const mixing *m, const double *weights)
{
    double sum = -1;
    for (size_t c = 0; c < m->count; c++)
        sum += weights[c];
    for (size_t i = 0; i < m->cells; i++) {
        if (!is_seen(m, i))
            continue;
        double mix = mix_at(m, weights, i);
        if (!(mix > 0))
            return INFINITY;
        sum -= m->target[i] / m->all * log(mix);
    }
    return sum;
}

/* Its gradient and, unless NULL, its second derivatives. */
static void derive(const mixing *m, const double *weights, double *gradient, double (*second)[MIXTURE_PARTS])
{
    for (size_t c = 0; c < m->count; c++) {
        gradient[c] = 1;
        for (size_t d = 0; second && d < m->count; d++)
            second[c][d] = 0;
    }
    for (size_t i = 0; i < m->cells; i++) {
        if (!is_seen(m, i))
            continue;
        double mix = mix_at(m, weights, i), t = m->target[i] / m->all;
        for (size_t c = 0; c < m->count; c++) {
            gradient[c] -= t * m->parts[c][i] / mix;
            for (size_t d = 0; second && d <= c; d++)
                second[c][d] += t * m->parts[c][i] * m->parts[d][i] / (mix * mix);
        }
    }
    for (size_t c = 0; second && c < m->count; c++)
        for (size_t d = 0; d < c; d++)
            second[d][c] = second[c][d];
}

/* Expectation-maximisation; brings any start near enough. */
static void warm_up(const mixing *m, double *weights)
{
    double gradient[MIXTURE_PARTS];
    derive(m, weights, gradient, NULL);
    for (size_t c = 0; c < m->count; c++)
        weights[c] *= 1 - gradient[c];
}

/* Least of the quadratic model over weights from 0 on, part by part in turn. */
static void least_quadratic(const mixing *m, const double *weights, const double *gradient, const double (*second)[MIXTURE_PARTS], double *next)
{
    double slope[MIXTURE_PARTS]; /* of the model at `next` */
    for (size_t c = 0; c < m->count; c++) {
        next[c] = weights[c];
        slope[c] = gradient[c];
    }
    double moved = 1;
    for (size_t sweep = 0; sweep < QUADRATIC_SWEEPS && moved > 1e-12; sweep++) {
        moved = 0;
        for (size_t c = 0; c < m->count; c++) {
            if (!m->allowed[c] || !(second[c][c] > 0))
                continue;
            double step = fmax(-slope[c] / second[c][c], -next[c]);
            for (size_t d = 0; d < m->count; d++)
                slope[d] += step * second[d][c];
            next[c] += step;
            moved = fmax(moved, fabs(step));
        }
    }
}

/* One step of sequential quadratic programming; false where nothing is left to be gained. */
static bool step(const mixing *m, double *weights)
{
    double gradient[MIXTURE_PARTS], second[MIXTURE_PARTS][MIXTURE_PARTS], next[MIXTURE_PARTS], least = 0, slope = 0;
    derive(m, weights, gradient, second);
    for (size_t c = 0; c < m->count; c++)
        least = m->allowed[c] ? fmin(least, gradient[c]) : least;
    if (-least < good_enough) /* by convexity no weights are better by more than this */
        return false;
    least_quadratic(m, weights, gradient, second, next);
    for (size_t c = 0; c < m->count; c++)
        slope += gradient[c] * (next[c] - weights[c]);
    if (slope > -rounding)
        return false;
    double from = worth(m, weights), share = 1;
    for (int i = 0; i < HALVINGS; i++, share /= 2) {
        double there[MIXTURE_PARTS], sum = 0;
        for (size_t c = 0; c < m->count; c++)
            there[c] = (1 - share) * weights[c] + share * next[c];
        if (worth(m, there) > from + .01 * share * slope + rounding)
            continue;
        for (size_t c = 0; c < m->count; c++)
            sum += there[c];
        for (size_t c = 0; c < m->count; c++)
            weights[c] = there[c] / sum;
        return true;
    }
    return false; /* rounding alone leads here */
}

static void judge(const mixing *m, const double *weights, mixture_fit_report *report)
{
    double all = 0, sum = 0;
    for (size_t i = 0; i < m->cells; i++)
        all += m->target[i];
    for (size_t i = 0; i < m->cells; i++)
        if (is_seen(m, i))
            sum += m->target[i] / all * log(m->target[i] / mix_at(m, weights, i));
    report->divergence = sum;
    report->missing = 1 - m->all / all;
}

void mixture_fit(const double *target, const double *const *parts, size_t count, size_t cells, const double *start, size_t most,
                 double *weights, mixture_fit_report *report)
{
    mixture_fit_report own = {.divergence = NAN, .missing = NAN};
    mixing m = {.target = target, .parts = parts, .count = count <= MIXTURE_PARTS ? count : 0, .cells = cells};
    double sum = 0;
    for (size_t c = 0; c < m.count; c++) {
        m.allowed[c] = !start || start[c] > 0;
        sum += weights[c] = start ? start[c] : 1;
    }
    for (size_t i = 0; i < cells && m.count; i++)
        m.all += is_seen(&m, i) ? target[i] : 0;
    for (size_t c = 0; c < count; c++)
        weights[c] = m.all > 0 && sum > 0 ? weights[c] / sum : NAN;
    if (m.all > 0 && sum > 0) {
        for (int i = 0; i < WARM_STEPS; i++)
            warm_up(&m, weights);
        while (own.steps < (most ? most : MOST_STEPS) && step(&m, weights))
            own.steps++;
        judge(&m, weights, &own);
    }
    if (report)
        *report = own;
}

/* ---- somebody evener or sharper than any mix -------------------------------------------------------------------- */

typedef struct sharp_fit {
    const mixture_rows *rows;
    const double *const *parts, *start;
    size_t count;
    double *room, *weights;
    mixture_fit_report report;
} sharp_fit;

static double times_of(const mixture_rows *rows, size_t row)
{
    return rows->times ? rows->times[row] : 1;
}

/* Divergence of one row from the mix raised to s. */
static double row_divergence(const sharp_fit *f, size_t row, double s)
{
    double all = 0, sum = 0;
    for (size_t i = f->rows->offsets[row]; i < f->rows->offsets[row + 1]; i++) {
        double mix = 0, share = f->rows->shares[i];
        for (size_t c = 0; c < f->count; c++)
            mix += f->weights[c] * f->parts[c][i];
        double raised = mix > 0 ? pow(mix, s) : 0;
        all += raised;
        sum += share > 0 && raised > 0 ? share * log(share / raised) : 0;
    }
    return all > 0 ? sum + log(all) : 0;
}

/* Fits the weights for one s; the divergence that is left, per row. */
static double fit_at(sharp_fit *f, double s)
{
    const mixture_rows *rows = f->rows;
    double sum = 0, all = 0;
    for (size_t r = 0; r < rows->rows; r++) {
        double row = 0;
        for (size_t i = rows->offsets[r]; i < rows->offsets[r + 1]; i++)
            row += f->room[i] = rows->shares[i] > 0 ? pow(rows->shares[i], 1 / s) : 0;
        for (size_t i = rows->offsets[r]; i < rows->offsets[r + 1]; i++)
            f->room[i] *= row > 0 ? times_of(rows, r) / row : 0;
    }
    mixture_fit(f->room, f->parts, f->count, rows->offsets[rows->rows], f->start, 0, f->weights, &f->report);
    for (size_t r = 0; r < rows->rows; r++) {
        sum += times_of(rows, r) > 0 ? times_of(rows, r) * row_divergence(f, r, s) : 0;
        all += times_of(rows, r);
    }
    return all > 0 ? sum / all : NAN;
}

void mixture_fit_sharp(const mixture_rows *rows, const double *const *parts, size_t count, const double *start, size_t most, double *room,
                       double *weights, double *sharpness, mixture_fit_report *report)
{
    static const double golden = .61803398874989485;
    sharp_fit f = {.rows = rows, .parts = parts, .start = start, .count = count, .room = room, .weights = weights};
    double low = -log(4), high = log(4), a = high - golden * (high - low), b = low + golden * (high - low);
    double at_a = fit_at(&f, exp(a)), at_b = fit_at(&f, exp(b));
    for (size_t step = 0; step < (most ? most : 30); step++) {
        if (at_a < at_b) {
            high = b;
            b = a;
            at_b = at_a;
            at_a = fit_at(&f, exp(a = high - golden * (high - low)));
        } else {
            low = a;
            a = b;
            at_a = at_b;
            at_b = fit_at(&f, exp(b = low + golden * (high - low)));
        }
    }
    *sharpness = exp((low + high) / 2);
    double left = fit_at(&f, *sharpness);
    if (report) {
        *report = f.report;
        report->divergence = left;
    }
}

double mixture_condition(const double *const *parts, size_t count, size_t cells)
{
    double m[MIXTURE_PARTS * MIXTURE_PARTS], values[MIXTURE_PARTS];
    if (count == 0 || count > MIXTURE_PARTS)
        return NAN;
    for (size_t a = 0; a < count; a++)
        for (size_t b = 0; b < count; b++) {
            m[a * count + b] = 0;
            for (size_t i = 0; i < cells; i++)
                m[a * count + b] += parts[a][i] * parts[b][i];
        }
    if (dense_symmetric_eigen(count, m, values, false, NULL) != STATUS_OK)
        return NAN;
    double least = values[0], largest = values[count - 1];
    return least > largest * 1e-14 ? sqrt(largest / least) : INFINITY;
}
