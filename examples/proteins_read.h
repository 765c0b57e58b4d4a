/* proteins_read.h - interaction graphs of proteins, one for each species of a folder.
 *
 * A species is a file SPECIES-network-neg1x.tsv (gzipped or not): "id id 1" for two proteins that interact, "id id 0" for two that
 * were drawn as not interacting, ids counted from 0; and, where there is one, SPECIES-sequences.txt(.gz): the amino acids of protein 0 on
 * the first line, and so on.
 *
 *     proteins p;
 *     TRY(proteins_read(arena, "ppi-species", "ecoli", &p, err));       // p.count 1832, p.features [1832][PROTEIN_FEATURES]
 *
 * A pair that stands there twice, or both ways round, is one pair: else one copy could be learnt from and the other tested. Pairs of a
 * protein with itself, and pairs that are said to interact and not to, are left out. `dropped` counts all of these.
 */
#ifndef ASSAY_EXAMPLES_PROTEINS_READ_H
#define ASSAY_EXAMPLES_PROTEINS_READ_H

#include "core/arena.h"
#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Shares of the 20 amino acids, the logarithm of the length, and how often triples of amino acids occur, by a hash of each into 64. */
enum { PROTEIN_FEATURES = 20 + 1 + 64 };

typedef struct protein_pair {
    int32_t a, b; /* a < b */
    bool linked;
} protein_pair;

typedef struct proteins {
    const char *species;
    size_t count, pair_count, linked, dropped;
    protein_pair *pairs; /* ordered by (a, b) */
    bool has_sequences;  /* without them the features are normal draws of a fixed seed, which say nothing about a protein */
    float *features;     /* [count][PROTEIN_FEATURES]; each column of mean 0 and variance 1 */
} proteins;

status proteins_read(arena *a, const char *folder, const char *species, proteins *out, error *err);
/* The names of the species in a folder, in order. */
status proteins_species(arena *a, const char *folder, const char ***names, size_t *count, error *err);

#endif
