/* Parts of wavefunctions: the checks of sortlets.md that are worked out by hand. Numbers as in its section 7. */
#include "core/random.h"
#include "graph/composite.h"
#include "graph/plan.h"
#include "nn/wavefunction.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void near(double found, double expected, double tolerance)
{
    if (!(fabs(found - expected) <= tolerance))
        fail_msg("found %.17g, expected %.17g (within %.2g)", found, expected, tolerance);
}

/* The outputs, f64, behind each other. */
static void values_of(node *const *outputs, size_t count, double *out)
{
    plan *p;
    error err = {0};
    if (plan_new(outputs[0]->graph, outputs, count, NULL, &p, &err) != STATUS_OK || plan_run(p, NULL, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    for (size_t i = 0, n; i < count; i++, out += n) {
        n = (size_t)shape_count(outputs[i]->shape);
        memcpy(out, plan_output(p, i), n * sizeof *out);
    }
    plan_free(p);
}

/* Sign times size of rows of `n` numbers, open and cyclic. */
static void sortlets(size_t rows, size_t n, const double *alpha, double *open, double *cyclic)
{
    graph *g = graph_new(NULL);
    node *a = graph_constant(g, TYPE_F64, SHAPE((int64_t)rows, (int64_t)n), alpha), *outputs[2];
    for (int i = 0; i < 2; i++) {
        node *sign, *size = wave_sortlet(a, i == 1, &sign);
        outputs[i] = op_mul(sign, op_exp(size));
    }
    double out[4096];
    assert_true(2 * rows <= 4096);
    values_of(outputs, 2, out);
    memcpy(open, out, rows * sizeof *open);
    memcpy(cyclic, out + rows, rows * sizeof *cyclic);
    graph_free(g);
}

/* Check 1. */
static void three_numbers(void **state)
{
    (void)state;
    enum { MANY = 1000 };
    static double alpha[MANY][3], open[MANY], cyclic[MANY];
    const double given[2][3] = {{0.3, -1, 2}, {-1, 0.3, 2}};
    sortlets(2, 3, given[0], open, cyclic);
    near(open[0], -2.21, 1e-14);
    near(cyclic[0], -6.63, 1e-14);
    near(open[1], 2.21, 1e-14);
    double two_open[2], two_cyclic[2]; /* of two the cyclic form is the sign times the gap's square */
    sortlets(2, 2, (double[]){0.5, 2, 2, 0.5}, two_open, two_cyclic);
    near(two_open[0], 1.5, 1e-14);
    near(two_cyclic[0], 2.25, 1e-14);
    near(two_cyclic[1], -2.25, 1e-14);
    random_stream r = random_stream_at(1, "test/sortlet", 0, 0, 0, 0);
    for (int i = 0; i < MANY; i++)
        for (int k = 0; k < 3; k++)
            alpha[i][k] = random_normal(&r);
    sortlets(MANY, 3, alpha[0], open, cyclic);
    for (int i = 0; i < MANY; i++) {
        const double *a = alpha[i];
        near(cyclic[i], (a[1] - a[0]) * (a[2] - a[0]) * (a[2] - a[1]), 1e-12);
    }
}

/* Check 10, on sortlets: any two numbers that change places turn the sign and keep the size. One number: 1. */
static void exchanges_turn_the_sign(void **state)
{
    (void)state;
    enum { N = 5, PAIRS = 10 };
    double rows[1 + PAIRS][N] = {{0.4, -1.2, 3, 0.9, -0.1}}, open[1 + PAIRS], cyclic[1 + PAIRS], alone = 7;
    size_t at = 1;
    for (int i = 0; i < N; i++)
        for (int j = i + 1; j < N; j++, at++) {
            memcpy(rows[at], rows[0], sizeof rows[0]);
            rows[at][i] = rows[0][j];
            rows[at][j] = rows[0][i];
        }
    sortlets(at, N, rows[0], open, cyclic);
    for (size_t i = 1; i < at; i++) {
        near(open[i], -open[0], 1e-14);
        near(cyclic[i], -cyclic[0], 1e-14);
    }
    sortlets(1, 1, &alone, open, cyclic);
    near(open[0], 1, 0);
    near(cyclic[0], 1, 0);
}

/* Check 10, on a whole wavefunction of two spins up and two down: a number for each electron, of its place and its spin, sorted together or
 * each spin by itself, Jastrow factors, an envelope. Electrons of one spin that change places turn the sign and keep the size; those of
 * opposite spins do neither of necessity. */
static void exchanges_of_electrons(void **state)
{
    (void)state;
    const double places[4][3] = {{0.5, -0.3, 0.8}, {-1.1, 0.4, 0.2}, {0.1, 0.9, -0.6}, {0.7, 0.2, -0.9}}, spins[4] = {1, 1, -1, -1};
    for (int apart = 0; apart < 2; apart++) {
        graph *g = graph_new(NULL);
        node *r = graph_input(g, "r", TYPE_F64, SHAPE(4, 3)), *spin = graph_constant(g, TYPE_F64, SHAPE(4, 1), spins), *b = graph_scalar(g, TYPE_F64, 0.8);
        node *weights = graph_constant(g, TYPE_F64, SHAPE(1, 3), (double[]){1.3, -0.4, 0.9}), *signs[2], *outputs[2];
        node *alpha = op_reshape(op_tanh(op_add(op_linear(r, weights), op_scale(spin, 0.2))), SHAPE(4));
        outputs[0] = wave_sortlet(apart ? op_slice(alpha, 0, 0, 2) : alpha, false, &signs[0]);
        outputs[1] = signs[0];
        if (apart) {
            outputs[0] = op_add(outputs[0], wave_sortlet(op_slice(alpha, 0, 2, 4), false, &signs[1]));
            outputs[1] = op_mul(signs[0], signs[1]);
        }
        outputs[0] = op_add(op_add(outputs[0], op_scale(op_sum_all(op_norm(r)), -2)),
                            op_add(wave_jastrow(wave_spin_distances(r, 2, true), b, WAVE_EQUAL),
                                   wave_jastrow(wave_spin_distances(r, 2, false), b, WAVE_OPPOSITE)));
        plan *p;
        assert_int_equal(plan_new(g, outputs, 2, NULL, &p, NULL), STATUS_OK);
        plan_bind(p, r, places);
        assert_int_equal(plan_run(p, NULL, NULL), STATUS_OK);
        double size = *(const double *)plan_output(p, 0), sign = *(const double *)plan_output(p, 1);
        near(fabs(sign), 1, 0);
        for (int i = 0; i < 4; i++)
            for (int j = i + 1; j < 4; j++) {
                double changed[4][3];
                memcpy(changed, places, sizeof changed);
                memcpy(changed[i], places[j], sizeof changed[i]);
                memcpy(changed[j], places[i], sizeof changed[j]);
                plan_bind(p, r, changed);
                assert_int_equal(plan_run(p, NULL, NULL), STATUS_OK);
                double other = *(const double *)plan_output(p, 0);
                if (spins[i] * spins[j] > 0) {
                    near(other, size, 1e-13);
                    near(*(const double *)plan_output(p, 1), -sign, 0);
                } else {
                    assert_true(fabs(other - size) > 1e-2);
                }
            }
        plan_free(p);
        graph_free(g);
    }
}

/* Section 3.1: d log |Psi| / d a_(i) = 1 / (a_i - a_{i-1}) - 1 / (a_{i+1} - a_i), scattered back. */
static void derivatives_go_through_the_order(void **state)
{
    (void)state;
    const double alpha[4] = {0.3, -1, 2, 0.8}, sorted[4] = {-1, 0.3, 0.8, 2};
    const int place[4] = {1, 0, 3, 2};
    graph *g = graph_new(NULL);
    node *a = graph_constant(g, TYPE_F64, SHAPE(4), alpha), *sign, *size = wave_sortlet(a, false, &sign), *d;
    double found[4];
    assert_true(graph_grad(size, &a, 1, NULL, &d));
    values_of(&d, 1, found);
    for (int i = 0; i < 4; i++) {
        int k = place[i];
        double below = k > 0 ? 1 / (sorted[k] - sorted[k - 1]) : 0, above = k < 3 ? 1 / (sorted[k + 1] - sorted[k]) : 0;
        near(found[i], below - above, 1e-13);
    }
    graph_free(g);
}

/* ---- local energies ---- */
typedef node *psi_of(node *r, double parameter);

/* log |Psi| of a graph's r, and the local energy there. */
static void energies_at(psi_of *log_psi, double parameter, const wave_system *system, int64_t electrons, int64_t dimensions, size_t places,
                        const double *at, double *out)
{
    graph *g = graph_new(NULL);
    int64_t n = (int64_t)places;
    node *r = graph_input(g, "r", TYPE_F64, SHAPE(electrons, dimensions)), *energy, *all;
    node *walkers = graph_constant(g, TYPE_F64, SHAPE(n, electrons, dimensions), at);
    assert_true(wave_local_energy(log_psi(r, parameter), r, wave_potential(r, system), &energy));
    assert_true(graph_vmap(&energy, 1, &r, &walkers, 1, &all));
    values_of(&all, 1, out);
    graph_free(g);
}

static const wave_system hydrogen = {.nuclei = 1, .charges = (const double[]){1}, .places = (const double[]){0, 0, 0}};
static const wave_system helium = {.nuclei = 1, .charges = (const double[]){2}, .places = (const double[]){0, 0, 0}};

static node *slater(node *r, double a)
{
    return op_scale(op_sum_all(op_norm(r)), -a);
}

static node *gaussian(node *r, double b)
{
    return op_scale(op_sum_all(op_square(r)), -b);
}

static double length(const double *x, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sqrt(sum);
}

enum { PLACES = 50 };

static void some_places(double *at, size_t count)
{
    random_stream r = random_stream_at(3, "test/places", 0, 0, 0, 0);
    for (size_t i = 0; i < count; i++)
        at[i] = random_normal(&r);
}

/* Check 2: E_loc = -a^2/2 + (a - 1)/r, -.505 for a = .9 at r = 1; the Gaussian's is 3 b - 2 b^2 r^2 - 1/r. Check 6: a = 1 is exact. */
static void hydrogen_atom(void **state)
{
    (void)state;
    double at[PLACES][3], e[PLACES];
    some_places(at[0], 3 * PLACES);
    memcpy(at[0], (double[]){0.6, 0, -0.8}, sizeof at[0]);
    energies_at(slater, 0.9, &hydrogen, 1, 3, PLACES, at[0], e);
    near(e[0], -0.505, 1e-14);
    for (int i = 0; i < PLACES; i++)
        near(e[i], -0.9 * 0.9 / 2 - 0.1 / length(at[i], 3), 1e-12);
    energies_at(slater, 1, &hydrogen, 1, 3, PLACES, at[0], e);
    for (int i = 0; i < PLACES; i++)
        near(e[i], -0.5, 1e-12);
    energies_at(gaussian, 0.3, &hydrogen, 1, 3, PLACES, at[0], e);
    for (int i = 0; i < PLACES; i++) {
        double r = length(at[i], 3);
        near(e[i], 0.9 - 0.18 * r * r - 1 / r, 1e-12);
    }
}

/* Check 3: with z = 2, E_loc = -4 + 1/r12. */
static void helium_atom(void **state)
{
    (void)state;
    double at[PLACES][6], e[PLACES];
    some_places(at[0], 6 * PLACES);
    energies_at(slater, 2, &helium, 2, 3, PLACES, at[0], e);
    for (int i = 0; i < PLACES; i++) {
        double d[3] = {at[i][0] - at[i][3], at[i][1] - at[i][4], at[i][2] - at[i][5]};
        near(e[i], -4 + 1 / length(d, 3), 1e-12);
    }
}

/* ---- energies as integrals ---- */

/* Nodes and weights of Gauss and Legendre's rule on [0, end]. */
static void gauss_rule(size_t n, double end, double *x, double *w)
{
    for (size_t i = 0; i < n; i++) {
        double z = cos(3.14159265358979 * ((double)i + .75) / ((double)n + .5)), slope = 0, step = 1;
        while (fabs(step) > 1e-15) {
            double p = 1, before = 0;
            for (size_t k = 0; k < n; k++) {
                double next = ((2 * (double)k + 1) * z * p - (double)k * before) / ((double)k + 1);
                before = p;
                p = next;
            }
            slope = (double)n * (z * p - before) / (z * z - 1);
            step = p / slope;
            z -= step;
        }
        x[i] = end / 2 * (1 + z);
        w[i] = end / ((1 - z * z) * slope * slope);
    }
}

enum { NODES = 80 };

/* Mean and variance of a trial's local energy on hydrogen, and the derivative of the mean in its parameter, whose derivative of log |Psi| is
 * -r^power: integrals over |Psi|^2 = exp(-2 parameter r^power). */
static void hydrogen_by_integral(psi_of *psi, double parameter, int power, double *mean, double *variance, double *slope)
{
    double r[NODES], w[NODES], at[NODES][3] = {{0}}, e[NODES], norm = 0, squares = 0, with = 0, alone = 0;
    gauss_rule(NODES, pow(20 / parameter, 1. / power), r, w);
    for (int i = 0; i < NODES; i++)
        at[i][2] = r[i];
    energies_at(psi, parameter, &hydrogen, 1, 3, NODES, at[0], e);
    *mean = 0;
    for (int i = 0; i < NODES; i++) {
        double weight = w[i] * r[i] * r[i] * exp(-2 * parameter * pow(r[i], power)), d = -pow(r[i], power);
        norm += weight;
        *mean += weight * e[i];
        squares += weight * e[i] * e[i];
        with += weight * e[i] * d;
        alone += weight * d;
    }
    *mean /= norm;
    *variance = squares / norm - *mean * *mean;
    *slope = 2 * (with / norm - *mean * alone / norm);
}

/* Check 2: E = a^2/2 - a, dE/da = a - 1 and the variance a^2 (a - 1)^2; the Gaussian's 3 b/2 - 2 sqrt(2 b/pi), least at b = 8/(9 pi). */
static void energies_of_hydrogen(void **state)
{
    (void)state;
    double mean, variance, slope;
    hydrogen_by_integral(slater, 0.9, 1, &mean, &variance, &slope);
    near(mean, -0.495, 1e-12);
    near(slope, -0.1, 1e-10);
    near(variance, 0.0081, 1e-10);
    hydrogen_by_integral(gaussian, 0.282942, 2, &mean, &variance, &slope);
    near(mean, -0.424413, 5e-7);
    near(slope, 0, 2e-6); /* b is given in six digits */
    hydrogen_by_integral(gaussian, 0.5, 2, &mean, &variance, &slope);
    near(mean, 0.75 - 2 / sqrt(3.14159265358979), 1e-10);
    near(slope, 1.5 - sqrt(2 / (3.14159265358979 * 0.5)), 1e-10);
}

/* Check 3: E = z^2 - 4 z + 5 z/8. Over r1, r2 = r1 + s (and the other half alike) and the distance d of the electrons, whose density at
 * given radii is d / (r1 r2) from s to r1 + r2: E_loc d is linear in d there, and two nodes are exact. */
static void energies_of_helium(void **state)
{
    (void)state;
    enum { SIDE = 24 };
    static const double charges[2] = {27. / 16, 2}, expected[2] = {-2.847656, -2.75};
    static double at[SIDE][SIDE][2][6], e[SIDE][SIDE][2];
    double x[SIDE], w[SIDE], unit[2], half[2];
    gauss_rule(2, 1, unit, half);
    for (int c = 0; c < 2; c++) {
        double z = charges[c], energy = 0, norm = 0;
        gauss_rule(SIDE, 9, x, w);
        for (int pass = 0; pass < 2; pass++) {
            for (int i = 0; i < SIDE; i++)
                for (int j = 0; j < SIDE; j++)
                    for (int k = 0; k < 2; k++) {
                        double r1 = x[i], r2 = r1 + x[j], d = x[j] + 2 * r1 * unit[k], cosine = (r1 * r1 + r2 * r2 - d * d) / (2 * r1 * r2);
                        double weight = w[i] * w[j] * half[k] * 2 * r1 * d * r1 * r2 * exp(-2 * z * (r1 + r2));
                        memcpy(at[i][j][k], (double[]){0, 0, r1, r2 * sqrt(1 - cosine * cosine), 0, r2 * cosine}, sizeof at[i][j][k]);
                        energy += pass ? weight * e[i][j][k] : 0;
                        norm += pass ? weight : 0;
                    }
            if (pass == 0)
                energies_at(slater, z, &helium, 2, 3, SIDE * SIDE * 2, at[0][0][0], e[0][0]);
        }
        near(energy / norm, z * z - 4 * z + 5 * z / 8, 1e-8);
        near(energy / norm, expected[c], 5e-7);
    }
}

/* Check 4: Hooke's atom, w = 1/2: (1 + r12/2) exp(-(r1^2 + r2^2)/4) is exact, E = 2. */
static node *hooke(node *r, double half)
{
    node *pair = wave_pair_distances(r);
    return op_add(op_sum_all(op_log(op_shift(op_scale(pair, half), 1))), op_scale(op_sum_all(op_square(r)), -0.25));
}

/* Check 5: two alike electrons in a trap, w = 1: (x2 - x1) exp(-(r1^2 + r2^2)/2), E = 4; by a sortlet of alpha = x. */
static node *trapped(node *r, double half)
{
    node *sign, *x = op_reshape(op_slice(r, 1, 0, 1), SHAPE(r->shape.size[0]));
    return op_add(wave_sortlet(x, false, &sign), op_scale(op_sum_all(op_square(r)), -half));
}

/* The Vandermonde product of one-dimensional alike particles, E = N^2/2; for three of them it is the cyclic sortlet. */
static node *cyclic(node *r, double half)
{
    node *sign, *x = op_reshape(r, SHAPE(r->shape.size[0]));
    return op_add(wave_sortlet(x, r->shape.size[0] == 3, &sign), op_scale(op_sum_all(op_square(r)), -half));
}

/* Check 6: nothing fluctuates where the wavefunction is exact. */
static void exact_wavefunctions(void **state)
{
    (void)state;
    static const wave_system hooke_trap = {.trap = 0.5}, trap = {.trap = 1, .alone = true};
    const struct {
        psi_of *psi;
        double parameter;
        const wave_system *system;
        int64_t electrons, dimensions;
        double energy;
    } cases[] = {{hooke, 0.5, &hooke_trap, 2, 3, 2}, {trapped, 0.5, &trap, 2, 3, 4}, {cyclic, 0.5, &trap, 1, 1, 0.5},
                 {cyclic, 0.5, &trap, 2, 1, 2},      {cyclic, 0.5, &trap, 3, 1, 4.5}, {slater, 1, &hydrogen, 1, 3, -0.5}};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        double at[PLACES * 6], e[PLACES], mean = 0, squares = 0;
        some_places(at, PLACES * 6);
        energies_at(cases[c].psi, cases[c].parameter, cases[c].system, cases[c].electrons, cases[c].dimensions, PLACES, at, e);
        for (int i = 0; i < PLACES; i++) {
            near(e[i], cases[c].energy, 1e-8);
            mean += e[i] / PLACES;
        }
        for (int i = 0; i < PLACES; i++)
            squares += (e[i] - mean) * (e[i] - mean) / PLACES;
        assert_true(sqrt(squares) < 1e-8);
    }
}

/* Three in one dimension: the open sortlet of alpha = x is not exact (section 6). */
static node *open_three(node *r, double half)
{
    return trapped(r, half);
}

static void the_open_sortlet_of_three_is_not_exact(void **state)
{
    (void)state;
    static const wave_system trap = {.trap = 1, .alone = true};
    double at[PLACES * 3], e[PLACES], most = 0;
    some_places(at, PLACES * 3);
    energies_at(open_three, 0.5, &trap, 3, 1, PLACES, at, e);
    for (int i = 0; i < PLACES; i++)
        most = fmax(most, fabs(e[i] - 4.5));
    assert_true(most > 0.1);
}

/* Check 6: the Laplacian against differences, h = 1e-4, of a log |Psi| with sortlet, Jastrow and nucleus. */
static node *mixed(node *r, double parameter)
{
    graph *g = r->graph;
    node *sign, *d = op_norm(r), *up = op_slice(d, 0, 0, 2);
    node *b = graph_scalar(g, TYPE_F64, parameter);
    node *pairs = op_add(wave_jastrow(wave_spin_distances(r, 2, true), b, WAVE_EQUAL), wave_jastrow(wave_spin_distances(r, 2, false), b, WAVE_OPPOSITE));
    return op_add(op_add(wave_sortlet(op_tanh(up), false, &sign), pairs), slater(r, 1.5));
}

static void laplacians_against_differences(void **state)
{
    (void)state;
    static const wave_system none = {.alone = true};
    double at[9] = {0.5, -0.3, 0.8, -1.1, 0.4, 0.2, 0.1, 0.9, -0.6}, energy, sums[19];
    const double h = 1e-4;
    energies_at(mixed, 0.8, &none, 3, 3, 1, at, &energy);
    graph *g = graph_new(NULL);
    node *r = graph_input(g, "r", TYPE_F64, SHAPE(3, 3)), *f = mixed(r, 0.8);
    plan *p;
    assert_int_equal(plan_new(g, &f, 1, NULL, &p, NULL), STATUS_OK);
    plan_bind(p, r, at);
    for (int k = 0; k < 19; k++) {
        int c = (k - 1) / 2;
        double was = k ? at[c] : 0;
        if (k)
            at[c] += k % 2 ? h : -h;
        assert_int_equal(plan_run(p, NULL, NULL), STATUS_OK);
        sums[k] = *(const double *)plan_output(p, 0);
        if (k)
            at[c] = was;
    }
    double laplacian = 0, slope = 0;
    for (int c = 0; c < 9; c++) {
        laplacian += (sums[1 + 2 * c] - 2 * sums[0] + sums[2 + 2 * c]) / (h * h);
        slope += (sums[1 + 2 * c] - sums[2 + 2 * c]) * (sums[1 + 2 * c] - sums[2 + 2 * c]) / (4 * h * h);
    }
    near(energy, -(laplacian + slope) / 2, 1e-5 * fabs(laplacian));
    plan_free(p);
    graph_free(g);
}

/* Check 9: slopes at 0 for any b. */
static void cusps(void **state)
{
    (void)state;
    const double ranges[] = {0.2, 1, 3};
    for (int i = 0; i < 3; i++)
        for (int spins = WAVE_EQUAL; spins <= WAVE_OPPOSITE; spins++) {
            graph *g = graph_new(NULL);
            double found, zero = 0;
            node *d = graph_constant(g, TYPE_F64, SHAPE(1), &zero), *slope;
            assert_true(graph_grad(wave_jastrow(d, graph_scalar(g, TYPE_F64, ranges[i]), spins), &d, 1, NULL, &slope));
            values_of(&slope, 1, &found);
            near(found, spins == WAVE_EQUAL ? 0.25 : 0.5, 1e-15);
            graph_free(g);
        }
}

/* Which pairs are which, and two nuclei's repulsion. */
static void pairs_and_nuclei(void **state)
{
    (void)state;
    const double at[4][3] = {{0, 0, 0}, {3, 0, 0}, {0, 4, 0}, {0, 0, 12}};
    graph *g = graph_new(NULL);
    node *r = graph_constant(g, TYPE_F64, SHAPE(4, 3), at), *one = op_slice(r, 0, 0, 1);
    node *outputs[3] = {wave_pair_distances(r), wave_spin_distances(r, 2, true), wave_spin_distances(r, 2, false)};
    double found[12], expected[12] = {3, 4, 12, 5, sqrt(153), sqrt(160), 3, sqrt(160), 4, 12, 5, sqrt(153)};
    values_of(outputs, 3, found);
    for (int i = 0; i < 12; i++)
        near(found[i], expected[i], 1e-14);
    assert_null(wave_pair_distances(one));
    assert_null(wave_spin_distances(one, 1, false));
    wave_system molecule = {.nuclei = 2, .charges = (double[]){1, 3}, .places = (double[]){0, 0, 0, 0, 0, 2}};
    node *v = wave_potential(op_slice(r, 0, 1, 3), &molecule);
    values_of(&v, 1, found);
    near(found[0], 1.5 + 0.2 - 1.0 / 3 - 1.0 / 4 - 3 / sqrt(13) - 3 / sqrt(20), 1e-14);
    graph_free(g);
}

/* Check 7: dE/da = 2 E[(E_loc - E) d log|Psi| / da] = a - 1 over exact draws of r from exp(-2 a r) r^2; check 2's mean and variance. */
static void gradient_of_the_energy(void **state)
{
    (void)state;
    enum { DRAWS = 1000000 };
    const double a = 0.9;
    double mean = 0, squares = 0, radius = 0, product = 0;
    random_stream s = random_stream_at(1, "test/estimator", 0, 0, 0, 0);
    for (int i = 0; i < DRAWS; i++) {
        double r = -log((1 - random_uniform(&s)) * (1 - random_uniform(&s)) * (1 - random_uniform(&s))) / (2 * a);
        double e = -a * a / 2 + (a - 1) / r;
        mean += e / DRAWS;
        squares += e * e / DRAWS;
        radius += r / DRAWS;
        product += e * -r / DRAWS;
    }
    near(mean, a * a / 2 - a, 1e-3);
    near(squares - mean * mean, a * a * (a - 1) * (a - 1), 4e-4); /* E[1 / r^4] is infinite */
    near(2 * (product - mean * -radius), a - 1, 1e-3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_numbers),          cmocka_unit_test(exchanges_turn_the_sign), cmocka_unit_test(exchanges_of_electrons),
        cmocka_unit_test(energies_of_hydrogen),   cmocka_unit_test(energies_of_helium),      cmocka_unit_test(derivatives_go_through_the_order),
        cmocka_unit_test(hydrogen_atom),          cmocka_unit_test(helium_atom),             cmocka_unit_test(exact_wavefunctions),
        cmocka_unit_test(the_open_sortlet_of_three_is_not_exact), cmocka_unit_test(laplacians_against_differences),
        cmocka_unit_test(cusps),                  cmocka_unit_test(pairs_and_nuclei),        cmocka_unit_test(gradient_of_the_energy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
