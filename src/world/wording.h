/* wording.h - how the town speaks: statements, questions and phrases about facts (private to the module).
 *
 * Everything is rendered from templates in which {x} stands for a text and {+x} for the text with its article ("a
 * cat", "an actor"). Sentences begin with a capital letter.
 *
 *     const char *vars[26] = {['e' - 'a'] = "Ada", ['v' - 'a'] = "cat"};
 *     wording_render(a, "{e} has {+v} as a pet.", vars);                     // "Ada has a cat as a pet."
 *
 * Questions come in WORDING_QUESTIONS wordings that training uses and WORDING_QUESTIONS_HELD that it never does.
 */
#ifndef ASSAY_WORLD_WORDING_H
#define ASSAY_WORLD_WORDING_H

#include "world/town.h"

enum { WORDING_STATEMENTS = 5, WORDING_QUESTIONS = 11, WORDING_QUESTIONS_HELD = 6 };

/* NULL when memory is out. An unknown placeholder is a BUG. */
char *wording_render(arena *a, const char *template, const char *const vars[26]);

/* What a sentence is about: an entity of the town, a stranger, or "the maker of the song Silver River". */
typedef struct wording_subject {
    const char *full, *bare; /* "the song Silver River", "Silver River"; the same for persons */
    bool possessive;         /* "Ada's pet" may be said */
} wording_subject;

wording_subject wording_of_entity(const town *t, int entity);
wording_subject wording_of_name(const char *name);
/* "the maker of the song Silver River" for (work, ATTRIBUTE_MAKER). */
wording_subject wording_of_link(arena *a, const town *t, int entity, town_attribute link);

/* "The favourite colour of Ada is red."; variant 0 is the form that chains of thought use. */
const char *wording_statement(arena *a, wording_subject s, town_attribute attribute, const char *value, unsigned variant);
/* "the favourite colour of Ada" (variant 0), "Ada's favourite colour" or a shorter form (1). */
const char *wording_noun_phrase(arena *a, wording_subject s, town_attribute attribute, unsigned variant);
/* The value as an answer says it: "red", "a cat", "the plum", "six coins", "the Anchor guild". */
const char *wording_phrase(arena *a, town_attribute attribute, const char *value);
/* A question, or a request that asks the same. `wording` counts modulo the number of wordings. */
const char *wording_question(arena *a, wording_subject s, town_attribute attribute, unsigned wording, bool held_out);
/* `line` with the value that it names put in the place of `from`, and the article that it then needs. */
const char *wording_with_value(arena *a, const char *line, const char *from, const char *to);
/* "My name is Rosa Bell and I am a baker." */
enum { WORDING_INTROS = 3 };
const char *wording_intro(arena *a, const town *t, const town_asker *asker, unsigned wording);

#endif
