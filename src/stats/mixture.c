#include "stats/mixture.h"

#include "solve/dense.h"

#include <math.h>
#include <string.h>

enum { MOST_STEPS = 100000 };
static const double still = 1e-10;

static double mix_at(const double *const *parts, size_t count, const double *weights, size_t cell)
{
    double sum = 0;
    for (size_t c = 0; c < count; c++)
        sum += weights[c] * parts[c][cell];
    return sum;
}

/* One step; returns the largest move, or a negative number where no part has any of the target. */
static double step(const double *target, const double *const *parts, size_t count, size_t cells, double *weights)
{
    double gain[MIXTURE_PARTS] = {0}, all = 0, moved = 0;
    for (size_t i = 0; i < cells; i++) {
        double mix = target[i] > 0 ? mix_at(parts, count, weights, i) : 0;
        if (!(mix > 0))
            continue;
        all += target[i];
        for (size_t c = 0; c < count; c++)
            gain[c] += target[i] * parts[c][i] / mix;
    }
    if (!(all > 0))
        return -1;
    for (size_t c = 0; c < count; c++) {
        double next = weights[c] * gain[c] / all;
        moved = fmax(moved, fabs(next - weights[c]));
        weights[c] = next;
    }
    return moved;
}

static void judge(const double *target, const double *const *parts, size_t count, size_t cells, const double *weights,
                  mixture_fit_report *report)
{
    double all = 0, seen = 0, sum = 0;
    for (size_t i = 0; i < cells; i++)
        all += target[i];
    for (size_t i = 0; i < cells; i++) {
        double mix = target[i] > 0 ? mix_at(parts, count, weights, i) : 0;
        if (!(mix > 0))
            continue;
        seen += target[i];
        sum += target[i] / all * log(target[i] / mix);
    }
    report->divergence = sum;
    report->missing = 1 - seen / all;
}

void mixture_fit(const double *target, const double *const *parts, size_t count, size_t cells, const double *start, size_t most,
                 double *weights, mixture_fit_report *report)
{
    mixture_fit_report own = {.divergence = NAN, .missing = NAN};
    double moved = 1;
    for (size_t c = 0; c < count; c++)
        weights[c] = start ? start[c] : 1 / (double)count;
    if (count == 0 || count > MIXTURE_PARTS)
        moved = -1;
    for (size_t limit = most ? most : MOST_STEPS; moved > still && own.steps < limit; own.steps++)
        moved = step(target, parts, count, cells, weights);
    for (size_t c = 0; moved < 0 && c < count; c++)
        weights[c] = NAN;
    if (moved >= 0)
        judge(target, parts, count, cells, weights, &own);
    if (report)
        *report = own;
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
