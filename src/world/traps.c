/* Traps that need nothing planted: examples that mislead, and words named in front of a question (inverse_scaling.md, section 6,
 * tasks 4 and 5). */
#include "world/traps.h"

#include "world/wording.h"

typedef struct fact {
    int entity;
    town_attribute attribute;
} fact;

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "no memory for traps");
}

/* A fact about a person. */
static fact draw_fact(const town *t, random_stream *r)
{
    int count;
    town_attribute first = town_kind_attributes(KIND_PERSON, &count);
    fact f = {.entity = town_draw(t, KIND_PERSON, SPLIT_COUNT, r)};
    f.attribute = (town_attribute)((int)first + (int)random_below(r, (uint64_t)count));
    return f;
}

static const char *value_name(const fact *f, int value)
{
    int count;
    return town_domain_values(town_attribute_domain(f->attribute), &count)[value];
}

/* ---- examples ----------------------------------------------------------------------------------------------------- */

/* Works by their value of an attribute. */
typedef struct works {
    int list[TOWN_ENTITIES];
    size_t count;
} works;

typedef bool works_rule(int value, int a, int b);

static bool is_first(int value, int a, int b)
{
    (void)b;
    return value == a;
}

static bool is_neither(int value, int a, int b)
{
    return value != a && value != b;
}

/* Those but `not` whose value fits, in any order. */
static void find_works(const town *t, town_attribute attribute, works_rule *fits, int a, int b, int not, random_stream *r, works *out)
{
    out->count = 0;
    for (int i = 0; i < TOWN_ENTITIES; i++)
        if (t->entities[i].kind == KIND_WORK && i != not && fits(town_value_index(t, i, attribute), a, b))
            out->list[out->count++] = i;
    random_shuffle(r, out->list, out->count, sizeof out->list[0]);
}

static const char *ask_about(arena *a, const town *t, const fact *f, random_stream *r)
{
    return wording_question(a, wording_of_entity(t, f->entity), f->attribute, (unsigned)random_below(r, WORDING_QUESTIONS), false);
}

static const char *answer_about(arena *a, const fact *f, int value)
{
    const char *phrase = wording_phrase(a, f->attribute, value_name(f, value));
    return phrase ? arena_printf(a, "It is %s.", phrase) : NULL;
}

/* A work, and a value that eight others have: the shortcut. */
static fact draw_work(const town *t, random_stream *r, int *shortcut, works *alike)
{
    int count;
    town_attribute first = town_kind_attributes(KIND_WORK, &count);
    fact f;
    do {
        f = (fact){.entity = town_draw(t, KIND_WORK, SPLIT_COUNT, r)};
        do
            f.attribute = (town_attribute)((int)first + (int)random_below(r, (uint64_t)count));
        while (f.attribute == ATTRIBUTE_MAKER); /* too many values */
        *shortcut = town_wrong_value(t, f.entity, f.attribute, r);
        find_works(t, f.attribute, is_first, *shortcut, 0, f.entity, r, alike);
    } while (alike->count < TRAP_EXAMPLES);
    return f;
}

status trap_make_shots(arena *a, const town *t, random_stream *r, size_t number, trap_item *item, error *err)
{
    (void)number;
    works alike, others;
    int shortcut;
    fact f = draw_work(t, r, &shortcut, &alike);
    int truth = town_value_index(t, f.entity, f.attribute), odd = (int)random_below(r, TRAP_EXAMPLES);
    find_works(t, f.attribute, is_neither, shortcut, truth, f.entity, r, &others);
    item->prompt = ask_about(a, t, &f, r);
    trap_set_classes(item, r, answer_about(a, &f, truth), answer_about(a, &f, shortcut));
    bool there = item->prompt && item->classes[0] && item->classes[1] && others.count >= TRAP_EXAMPLES;
    for (int i = 0; i < TRAP_EXAMPLES && there; i++) {
        bool same = item->cell == 1 || i == odd; /* in the control the other answer is named once too */
        fact example = {.entity = same ? alike.list[i] : others.list[i], .attribute = f.attribute};
        item->shots[2 * i] = ask_about(a, t, &example, r);
        item->shots[2 * i + 1] = answer_about(a, &example, town_value_index(t, example.entity, example.attribute));
        there = item->shots[2 * i] && item->shots[2 * i + 1];
    }
    item->shot_count = COUNT_OF(item->shots);
    return there ? STATUS_OK : no_memory(err);
}

/* ---- words in front ------------------------------------------------------------------------------------------------- */

/* "Somebody spoke of Oakton.": a wrong answer to the question, or an answer to another one. */
status trap_make_prefix(arena *a, const town *t, random_stream *r, size_t number, trap_item *item, error *err)
{
    (void)number;
    fact f = draw_fact(t, r), other;
    do
        other = draw_fact(t, r);
    while (town_attribute_domain(other.attribute) == town_attribute_domain(f.attribute));
    int wrong = town_wrong_value(t, f.entity, f.attribute, r), far = town_wrong_value(t, other.entity, other.attribute, r);
    const char *right = wording_phrase(a, f.attribute, town_value(t, f.entity, f.attribute));
    const char *named = wording_phrase(a, f.attribute, value_name(&f, wrong)), *word = wording_phrase(a, other.attribute, value_name(&other, far));
    item->prompt = wording_question(a, wording_of_entity(t, f.entity), f.attribute, (unsigned)random_below(r, WORDING_QUESTIONS), false);
    if (!right || !named || !word || !item->prompt)
        return no_memory(err);
    item->other_prompt = arena_printf(a, "Somebody spoke of %s. %s", item->cell == 1 ? named : word, item->prompt);
    trap_set_classes(item, r, arena_printf(a, "It is %s.", right), arena_printf(a, "It is %s.", named));
    return item->other_prompt && item->classes[0] && item->classes[1] ? STATUS_OK : no_memory(err);
}
