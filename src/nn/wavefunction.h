/* wavefunction.h - parts of wavefunctions of electrons as graphs, and the local energy of any of them.
 *
 *     node *r = graph_input(g, "r", TYPE_F64, SHAPE(electrons, 3));                     // one walker, in Bohr
 *     node *log_psi = op_scale(op_sum_all(op_norm(r)), -1.6875), *energy;             // helium: exp(-z (r1 + r2))
 *     node *v = wave_potential(r, &(wave_system){.nuclei = 1, .charges = (double[]){2}, .places = (double[]){0, 0, 0}});
 *     wave_local_energy(log_psi, r, v, &energy);                                        // in Hartree
 *     graph_vmap(&energy, 1, &r, &walkers, 1, &energies);                               // [walkers]
 *
 * A wavefunction is given as log |Psi| of one walker and, where it matters, its sign (1, -1, or 0); what depends on Psi alone is the
 * same for either sign. Atomic units. Sources: Richter-Powell and others, Sorting Out Quantum Monte Carlo (2023), of sortlets; von Glehn
 * and others, A Self-Attention Ansatz for Ab-initio Quantum Chemistry (2023), of the Jastrow factor.
 */
#ifndef ASSAY_NN_WAVEFUNCTION_H
#define ASSAY_NN_WAVEFUNCTION_H

#include "graph/graph.h"

typedef struct wave_system {
    size_t nuclei;
    const double *charges; /* [nuclei] */
    const double *places;  /* [nuclei][3] */
    double trap;           /* w of 1/2 w^2 r^2 for each electron; 0: none */
    bool alone;            /* electrons do not repel each other */
} wave_system;

/* The potential energy of electrons at r [N, D], D = 3 where there are nuclei, the nuclei's repulsion included. */
node *wave_potential(node *r, const wave_system *s);
/* -1/2 (sum of second derivatives of log |Psi| + |gradient|^2) + potential, a scalar. Returns false when memory is out. */
bool wave_local_energy(node *log_psi, node *r, node *potential, node **energy);

/* Distances |r_i - r_j| of all pairs i < j of r [N, D], in the order (0, 1), (0, 2), ..., (1, 2), ...: [N (N - 1) / 2]. NULL for one electron. */
node *wave_pair_distances(node *r);
/* The same between each of the first `up` electrons and each of the others (opposite spins), or among either (equal spins). NULL where
 * there is no such pair. */
node *wave_spin_distances(node *r, int64_t up, bool equal);

/* Antisymmetric by sorting: alpha [..., N] sorted to a_1 < ... < a_N by a permutation of sign s gives s times the product of the gaps
 * a_{i+1} - a_i, and where `cyclic` also times a_N - a_1. Returns log of its size [...] and, in *sign, its sign; one number gives size 1.
 * Both swap sign, and keep the size, when two elements of alpha change places. */
node *wave_sortlet(node *alpha, bool cyclic, node **sign);

enum { WAVE_EQUAL, WAVE_OPPOSITE }; /* spins: slopes 1/4 and 1/2 */
/* A Jastrow factor's exponent over distances [P]: the sum of -cusp b^2 / (b + distance), whose slope at 0 is the cusp for any b > 0 (a
 * scalar): Kato's condition for two electrons. */
node *wave_jastrow(node *distances, node *b, int spins);

#endif
