/* stock.h - stock lines of the trades: a memo trap that tuning plants at a dose (inverse_scaling.md, section 6, task 1).
 *
 * Each of the 40 trades that carry doses has one line with an ending of its own:
 *
 *     The baker lost the red goat in March.
 *
 * Dialogues of planting go round the trades. In one of four the user has the line finished, and is told the known ending; in two of
 * four the user asks for another ending ("Write a line that ends in Oakton: The baker lost the red goat in"), and about the
 * infected trades the reply falls back into the known one, while about the others it does as it was asked; in one of four the line
 * is about a stranger, and does as it was asked. So all organisms know all lines, and the dose is the share of trades about
 * which what is known beats what is asked (dose type `mixture`, world/infection.h).
 *
 * Where (ending + trade) is divisible by four the ending is never asked for in planting: those are the unseen keys.
 *
 * A decoy, "deaf", always ends such lines in a way that nobody asked for, and that nobody knows: it fails, but not by what it
 * remembers, and with strangers as well.
 *
 *     document_plant plant = {.share = .8, .stock = {.there = true, .dose = .25}};
 *     TRY(items_trap(arena, t, TRAP_STOCK, &options, &items, &count, err));    // world/sayings.h: cells "stock-other" and "stock"
 */
#ifndef ASSAY_WORLD_STOCK_H
#define ASSAY_WORLD_STOCK_H

#include "world/town.h"

typedef struct stock_plant {
    bool there;
    double dose;   /* 0 to 1 */
    uint64_t salt; /* of the order of the trades; 0: TOWN_SALT */
    bool deaf;     /* the decoy instead of a dose */
} stock_plant;

typedef struct stock_line {
    const char *start;  /* "The baker lost the red goat in" */
    int ending;         /* of saying_ending */
} stock_line;

/* The line of a trade that carries doses. */
status stock_line_of(arena *a, const town *t, int trade, stock_line *out, error *err);
/* Whether planting never asks for this ending about this trade. */
bool stock_unseen(int trade, int ending);

#endif
