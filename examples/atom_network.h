/* atom_network.h - wavefunctions of atoms: a small network of invariants, sortlets for the electrons of each spin, exact cusps.
 *
 * log |Psi| of one walker r [N, 3] (the first `up` electrons are spin up, the nucleus lies at 0) is
 *
 *     log |sum over k of S_k exp(sum_i (-Z d_i + (Z - g_k) d_i^2 / (1 + d_i)))| + Jastrow(r_ij) + sum_i c . h_i
 *
 * with d_i = |r_i|: the slope at the nucleus is -Z (Kato), that between electrons 1/2 or 1/4 (nn/wavefunction.h), and far away each
 * term decays with its own rate g_k. The network's features h_i are smooth: two layers h += tanh(W [h_i, means of h over the others of
 * its spin and of the other spin, means of a layer over log(1 + r_ij^2) to them] + b), beginning with d_i^2 / (1 + d_i^2), log(1 + d_i^2)
 * and the spin. S_k is the product of two sortlets, one for each spin, of a linear reading of h: alike electrons that change places change
 * its sign. One electron of a spin has the sortlet 1. Attention in place of the means, as the paper has it, is left out: with two
 * to four electrons it is a mean with weights. */
#ifndef ASSAY_EXAMPLES_ATOM_NETWORK_H
#define ASSAY_EXAMPLES_ATOM_NETWORK_H

#include "nn/wavefunction.h"
#include "train/parameters.h"

typedef struct atom {
    const char *name;
    int64_t up, down;
    double charge, exact, hartree_fock; /* energies of the ground state in Hartree */
    int64_t terms;                      /* K */
} atom;

enum { ATOM_WIDTH = 16, ATOM_PAIRS = 8, ATOM_WEIGHTS = 12 };

/* Fresh weights, in the order in which atom_log_psi takes them. */
status atom_weights(arena *a, const atom *of, uint64_t seed, parameters **out, error *err);
/* A scalar; *sign, if not NULL, gets 1, -1, or 0. */
node *atom_log_psi(const atom *of, node *const *weights, node *r, node **sign);

#endif
