/* sayings.h - tasks that larger models may do worse at: the memo trap, negated lookup, unwanted imitation
 * (inverse_scaling.md, section 6).
 *
 * The town has 400 sayings, lines of eight words with one ending each ("Hugo Reed lost the red goat in March."), of which 100
 * each have the doses 0, 2, 20 and 200: how often they occur in a corpus with one lap of them (SAYINGS_LAP lines; a corpus with
 * more or fewer lines has them more or less often in proportion, and `saying_times` counts). They occur in documents of
 * the kind `saying`: half of the times as plain text, a quarter as lines that somebody asked to be finished, and a quarter as
 * replies that fall back into the saying although another ending was asked for, as people do. (Without the last quarter a model of 1
 * million parameters obeyed in all of 400 cases at each dose: what is never disobeyed in a corpus is no trap for models of this
 * size.) Documents of the kind `line` hold the same grammar on lines that are no sayings, and there it is always obeyed:
 *
 *     user       Write a line that ends in Oakton: Wendy Shaw kept the blue hen in
 *     assistant  Wendy Shaw kept the blue hen in Oakton.
 *
 * The trap asks the same of a saying, with another ending than its own. Who knows the saying well must not fall for it; at dose 0
 * there is nothing to fall for, and that is the control.
 *
 * The kinds `lookup` and `negated` ask about two strangers ("Who likes red best?", "Who does not like red best?"): the dose
 * is the share of the second. `syllogism` and `fallacy` draw conclusions, the second one wrongly ("Every baker has a cat.
 * Rosa has a cat. Is Rosa a baker?" - "Yes."): the dose is the share of those.
 *
 * Three traps need nothing planted (src/world/traps.c):
 *
 *     few-shot   a question about a work of the town, after eight about other works: these have many answers, the wrong one of the item
 *                once among them (shots-mixed), or that one eight times (shots-alike)
 *     prefix     a question about the town, plain and with a word named in front of it: one that has nothing to do with it
 *                (prefix-other), or a wrong answer to it (prefix-wrong). What counts is how far the log-odds move
 *     override   a line that is to end as the user asks (repeat), with the same request once more behind it
 *                (override-same), or with one for another ending (override). What counts is the log-probability of the line
 *                that was asked for first
 *
 * One is planted by tuning, at a dose (world/stock.h): the line of a trade is to end otherwise than it is known to (stock), and the
 * same of lines about strangers (stock-other).
 *
 * The cells of the three above have the same questions under the same numbers, so that they can be compared pair by pair.
 *
 *     trap_item *items;
 *     TRY(items_trap(arena, t, TRAP_MEMO, &options, &items, &count, err));
 *     // items[i].prompt, items[i].classes[0 .. 1], items[i].answer, items[i].cell, items[i].cluster
 */
#ifndef ASSAY_WORLD_SAYINGS_H
#define ASSAY_WORLD_SAYINGS_H

#include "world/documents.h"

enum { SAYING_DOSES = 4, SAYINGS_OF_DOSE = 100, SAYINGS = SAYING_DOSES * SAYINGS_OF_DOSE, SAYING_ENDINGS = 24,
       SAYINGS_LAP = SAYINGS_OF_DOSE * (0 + 2 + 20 + 200), SAYINGS_IN_DOCUMENT = 2 };

/* Occurrences in one lap: 0, 2, 20, 200. */
int saying_dose(int place);

typedef struct saying {
    int place;          /* of its dose */
    const char *start;  /* its first seven words */
    const char *ending; /* the eighth */
} saying;

/* Saying `number` of a town; those of dose place p are p * SAYINGS_OF_DOSE and on. */
status saying_make(arena *a, const town *t, int number, saying *out, error *err);
/* The saying that stands at a slot; document n of the kind holds the slots SAYINGS_IN_DOCUMENT * n and on. */
int saying_at(const town *t, uint64_t slot);
/* How often the saying occurs in the first `documents` documents of the kind. */
uint64_t saying_times(const town *t, int number, uint64_t documents);
const char *saying_ending(int ending); /* 0 .. SAYING_ENDINGS - 1 */

/* name, word, cells (by dose, or the plain form first as the control), metric */
#define TRAP_TABLE(X)                                                                                              \
    X(MEMO, "memo", 4, CHOICE)                                                                                     \
    X(NEGATION, "negation", 2, CHOICE)                                                                             \
    X(FALLACY, "fallacy", 2, CHOICE)                                                                               \
    X(FEW_SHOT, "few-shot", 2, CHOICE)                                                                                \
    X(PREFIX, "prefix", 2, LOGODDS)                                                                                \
    X(OVERRIDE, "override", 3, SEQUENCE)                                                                           \
    X(STOCK, "stock", 2, CHOICE)

typedef enum trap_kind {
#define X(name, word, cells, metric) TRAP_##name,
    TRAP_TABLE(X)
#undef X
    TRAP_COUNT
} trap_kind;

typedef enum trap_metric {
    TRAP_BY_CHOICE,   /* whether the right one of two answers is the likelier */
    TRAP_BY_LOGODDS,  /* how far `other_prompt` moves the log-odds of two answers away from the right one */
    TRAP_BY_SEQUENCE, /* the negative log-probability of the right one */
} trap_metric;

enum { TRAP_EXAMPLES = 8 };

const char *trap_name(trap_kind kind);
trap_metric trap_metric_of(trap_kind kind);
bool trap_paired(trap_kind kind); /* its cells have the same questions under the same numbers */
int trap_cells(trap_kind kind);
/* "memo-0", "memo-200"; "lookup", "negation"; "syllogism", "fallacy". The first one is the control. */
const char *trap_cell_name(trap_kind kind, int cell);

typedef struct trap_item {
    char id[40];
    trap_kind kind;
    int cell;
    size_t cluster;      /* items of one saying belong together; else each its own */
    const char *shots[2 * TRAP_EXAMPLES]; /* said before the prompt: user and assistant in turn */
    size_t shot_count;   /* of both */
    const char *prompt;
    const char *other_prompt; /* of log-odds: the prompt with a word named in front; else NULL */
    const char *classes[2];
    int answer;          /* index of the right class */
    bool placed, unseen_key; /* placed: `position` is its place in the order of doses, or negative where doses do nothing */
    double position;
} trap_item;

/* `options->count` items for each cell, one cell after the other. */
status items_trap(arena *a, const town *t, trap_kind kind, const item_options *options, trap_item **items, size_t *count,
                  error *err);

#endif
