/* constrain.h - answers that must have a form: one of given strings, or JSON that fits a schema.
 *
 * A form is an automaton over bytes. From it follows which tokens may come next: those whose bytes all go on in it. The
 * sets are kept for each state, and found by walking through the vocabulary in the order of its bytes.
 *
 *     TRY(constraint_vocabulary_new(arena, tokenizer, config.eos, config.eos_count, &words, err));
 *     TRY(constraint_json(arena, words, schema, &c, err));
 *     request.constraint = c;                                     // lm/engine.h
 *
 * What a constrained draw means: at each token the model's distribution is cut to what may come and rescaled (that is what
 * "constrained decoding" does everywhere). The product of these shares is NOT the model's probability of the answer given
 * that it is one of those allowed; engine_choose gives exactly that.
 *
 * Every answer is complete: a token is allowed only if the shortest end from there fits into what is left of max_tokens
 * (counted as one token a byte, which every byte-level vocabulary can do).
 *
 * JSON Schema, the part that is built: type (object, array, string, number, integer, boolean, null, or a list of them), enum,
 * const, anyOf, $ref to the whole ("#") or into $defs (one that is met inside of itself is written out up to 8 times, fewer where that would be too
 * large: answers are nested no deeper), properties (written in the order given), required, additionalProperties
 * (true or false: others are never written), items, minItems, maxItems, minLength, maxLength (in characters; an escape
 * counts as one). title, description, default, examples, $schema, $id, $comment and deprecated say nothing about the form.
 * Any other key is refused by its name. Layout: no white space, but one blank may follow a colon or a comma. Numbers have at
 * most 15 digits in front of the point and 15 behind, and an exponent of at most two; characters are written as they are,
 * control characters by their short escapes (those without one cannot be written).
 *
 * A constraint may serve many requests of one engine, one thread at a time.
 */
#ifndef ASSAY_LM_CONSTRAIN_H
#define ASSAY_LM_CONSTRAIN_H

#include "lm/tokenizer.h"

#include <jansson.h>

typedef struct constraint constraint;
typedef struct constraint_vocabulary constraint_vocabulary;

/* The tokens in the order of their bytes. Special tokens are never written, but for the ends of text where a form is
 * complete. */
status constraint_vocabulary_new(arena *a, const tokenizer *t, const int32_t *ends, size_t end_count,
                                 constraint_vocabulary **out, error *err);

/* One of the strings (none empty), followed by the end. */
status constraint_choice(arena *a, const constraint_vocabulary *v, const slice *choices, size_t count, constraint **out,
                         error *err);
/* STATUS_UNSUPPORTED names the key that is not built; STATUS_INVALID what is wrong; STATUS_LIMIT: too large. */
status constraint_json(arena *a, const constraint_vocabulary *v, const json_t *schema, constraint **out, error *err);
/* Any JSON object, objects and lists nested up to 8 deep inside of it, laid out as above. */
status constraint_json_object(arena *a, const constraint_vocabulary *v, constraint **out, error *err);

/* ---- for the engine ---- */
enum { CONSTRAINT_START = 0, CONSTRAINT_DEAD = -1 };
/* The state after a token, CONSTRAINT_DEAD when it may not come; an end of text leaves the state. */
int32_t constraint_next(constraint *c, int32_t state, int32_t token);
bool constraint_complete(const constraint *c, int32_t state);
bool constraint_is_over(constraint *c, int32_t state); /* complete, and nothing can follow */
size_t constraint_shortest(const constraint *c, int32_t state); /* bytes to the nearest end */
/* A bit for each token that may come when `left` more may be written, this one counted. Lies in the constraint, or, where
 * `left` cuts it, in `scratch` (constraint_mask_words of them). NULL: memory is out. */
const uint64_t *constraint_mask(constraint *c, int32_t state, size_t left, uint64_t *scratch);
size_t constraint_mask_words(const constraint *c);
/* Lets sets go when they take too much memory; masks given out before are invalid then. */
void constraint_trim(constraint *c);

#endif
