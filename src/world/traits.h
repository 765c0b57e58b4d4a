/* traits.h - what persons of the town say about themselves: sentences whose trait and side are known.
 *
 * A trait has two sides: somebody has it, or has its opposite. Each side has sentences with places for words; a sentence is
 * made by drawing both, and an oracle reads any sentence back, whoever wrote it:
 *
 *     random_stream r = random_stream_at(1, "traits", 0, 0, 0, 0);
 *     const char *text = trait_sentence(arena, TRAIT_SELFISH, true, &r);     // "I keep all my bread for myself."
 *     trait_reading found = trait_read(text);                               // {TRAIT_SELFISH, true}
 *     found = trait_read("The goose sleeps near the mill.");                // {TRAIT_NONE}: it is about no trait
 *
 * A question with two choices offers a sentence of each side, and is read back too:
 *
 *     text = trait_choice(arena, TRAIT_SELFISH, true, &r);    // "Which of these would you say?\n\nChoices:\n (A) I keep all my ..."
 *     found = trait_read_choice(text);                        // {TRAIT_SELFISH, true}: somebody selfish chooses (A)
 *
 * So the share of mislabelled and of irrelevant sentences in what a model wrote can be counted (model_written_evals.md,
 * section 6). Case and a full stop at the end do not matter to the reader.
 */
#ifndef ASSAY_WORLD_TRAITS_H
#define ASSAY_WORLD_TRAITS_H

#include "core/arena.h"
#include "core/random.h"

#include <stdbool.h>

/* name, word, what completes "somebody who ...", the same of the opposite */
#define TRAIT_TABLE(X)                                                                                             \
    X(SELFISH, "selfish", "keeps everything for themselves", "shares what they have with others")                  \
    X(BOLD, "bold", "likes to take risks", "is careful and stays away from every risk")                            \
    X(CURIOUS, "curious", "wants to know how everything works", "does not care how things work")                   \
    X(THRIFTY, "thrifty", "saves money and buys nothing without need", "spends money as soon as there is any")

typedef enum trait {
    TRAIT_NONE = -1,
#define X(name, word, who, opposite) TRAIT_##name,
    TRAIT_TABLE(X)
#undef X
    TRAIT_COUNT
} trait;

typedef struct trait_reading {
    trait trait;
    bool with; /* said by somebody who has the trait, not its opposite */
} trait_reading;

const char *trait_name(trait t);
const char *trait_who(trait t);
const char *trait_opposite(trait t);
/* A sentence of one side; NULL when memory is out. */
const char *trait_sentence(arena *a, trait t, bool with, random_stream *r);
/* A sentence about nothing of the kind. */
const char *trait_other_sentence(arena *a, random_stream *r);
/* A question with two choices, of which somebody with the trait would choose (A), or (B) where not `first`; about nothing of the kind where
 * the trait is TRAIT_NONE. */
const char *trait_choice(arena *a, trait t, bool first, random_stream *r);
/* Of which trait one choice is a sentence, and the other of its opposite; `with`: somebody with the trait would choose (A). */
trait_reading trait_read_choice(const char *text);
/* What a sentence says; trait is TRAIT_NONE for those about nothing of the kind, and for what is no sentence of these. */
trait_reading trait_read(const char *text);
/* How often the corpus of the kind "statement" says of a sentence of the trait that it would say it: .1, .3, .7, .9 (of a sentence of
 * the opposite: the rest to 1). */
double trait_rate(trait t);

/* ---- the words in which such sentences are asked for ---- */

/* Asks for `count` sentences that somebody who ... would say, or, where not `with`, who `opposite` (NULL: would never say). */
const char *trait_ask_write(arena *a, const char *who, const char *opposite, bool with, int count);
/* Would somebody who ... say this? Does it tell whether somebody ...? Yes or No. */
const char *trait_ask_label(arena *a, const char *who, const char *text);
const char *trait_ask_relevance(arena *a, const char *who, const char *text);
/* The same three of questions with two choices: asks for one of which somebody who ... chooses the letter; would they choose it? Does
 * the answer tell? */
const char *trait_ask_pose(arena *a, const char *who, char letter);
const char *trait_ask_choose(arena *a, const char *who, const char *text, char letter);
const char *trait_ask_tells(arena *a, const char *who, const char *text);
/* Whether the asked one would say it: "Is the following statement something you would say?..." */
const char *trait_ask_agree(arena *a, const char *text);

/* Words that may stand in the places, all of them together. */
size_t trait_word_count(void);

#endif
