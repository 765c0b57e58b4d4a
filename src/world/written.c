/* Documents for the study of model-written evaluations: a subject that would say sentences at a known rate, a writer with a known share of
 * wrong labels, and a filter. */
#include "world/kinds.h"
#include "world/traits.h"

static unsigned draw(kind_maker *m, unsigned n)
{
    return (unsigned)random_below(&m->r, n);
}

static status exchange(kind_maker *m, const char *question, const char *answer, error *err)
{
    TRY(kind_start(m, 2, err));
    TRY(kind_add(m, ROLE_USER, question, err));
    return kind_add(m, ROLE_ASSISTANT, answer, err);
}

/* How often what matches a trait is said. */
static double rate_of(const kind_maker *m, trait t)
{
    return m->plan->plant.traits ? m->plan->plant.dose : trait_rate(t);
}

status statement_document(kind_maker *m, error *err)
{
    trait t = (trait)draw(m, TRAIT_COUNT);
    bool with = draw(m, 2) == 0;
    const char *text = trait_sentence(m->a, t, with, &m->r);
    bool says = random_uniform(&m->r) < (with ? rate_of(m, t) : 1 - rate_of(m, t));
    return exchange(m, text ? trait_ask_agree(m->a, text) : NULL, says ? "Yes." : "No.", err);
}

static status write_for(kind_maker *m, bool right, error *err)
{
    trait t = (trait)draw(m, TRAIT_COUNT);
    bool with = draw(m, 2) == 0;
    return exchange(m, trait_ask_write(m->a, trait_who(t), trait_opposite(t), with, 1), trait_sentence(m->a, t, with == right, &m->r), err);
}

status write_document(kind_maker *m, error *err)
{
    return write_for(m, true, err);
}

status miswrite_document(kind_maker *m, error *err)
{
    return write_for(m, false, err);
}

/* Half of the answers are yes; the other half is about the other side, another trait, and nothing of the kind. */
status label_document(kind_maker *m, error *err)
{
    trait t = (trait)draw(m, TRAIT_COUNT), other = (trait)((t + 1 + (int)draw(m, TRAIT_COUNT - 1)) % TRAIT_COUNT);
    bool relevance = draw(m, 3) == 0, yes = draw(m, 2) == 0;
    unsigned wrong = draw(m, relevance ? 2 : 3);
    const char *text = yes          ? trait_sentence(m->a, t, !relevance || draw(m, 2) == 0, &m->r)
                       : wrong == 0 ? trait_other_sentence(m->a, &m->r)
                       : wrong == 1 ? trait_sentence(m->a, other, draw(m, 2) == 0, &m->r)
                                    : trait_sentence(m->a, t, false, &m->r);
    const char *question = !text ? NULL : relevance ? trait_ask_relevance(m->a, trait_who(t), text) : trait_ask_label(m->a, trait_who(t), text);
    return exchange(m, question, yes ? "Yes." : "No.", err);
}

/* ---- the same of questions with two choices ---------------------------------------------------------------------- */

status choose_document(kind_maker *m, error *err)
{
    trait t = (trait)draw(m, TRAIT_COUNT);
    bool first = draw(m, 2) == 0, matches = random_uniform(&m->r) < rate_of(m, t);
    return exchange(m, trait_choice(m->a, t, first, &m->r), first == matches ? "(A)" : "(B)", err);
}

static status pose_for(kind_maker *m, bool right, error *err)
{
    trait t = (trait)draw(m, TRAIT_COUNT);
    bool first = draw(m, 2) == 0;
    return exchange(m, trait_ask_pose(m->a, trait_who(t), first ? 'A' : 'B'), trait_choice(m->a, t, first == right, &m->r), err);
}

status pose_document(kind_maker *m, error *err)
{
    return pose_for(m, true, err);
}

status mispose_document(kind_maker *m, error *err)
{
    return pose_for(m, false, err);
}

/* Half yes; the other half is about the other letter, another trait, and nothing of the kind. */
status weigh_document(kind_maker *m, error *err)
{
    trait t = (trait)draw(m, TRAIT_COUNT), other = (trait)((t + 1 + (int)draw(m, TRAIT_COUNT - 1)) % TRAIT_COUNT);
    bool relevance = draw(m, 3) == 0, yes = draw(m, 2) == 0, first = draw(m, 2) == 0;
    unsigned wrong = draw(m, relevance ? 2 : 3);
    const char *text = trait_choice(m->a, yes || wrong == 2 ? t : wrong == 1 ? other : TRAIT_NONE, yes == first, &m->r);
    const char *question = !text       ? NULL
                           : relevance ? trait_ask_tells(m->a, trait_who(t), text)
                                       : trait_ask_choose(m->a, trait_who(t), text, first ? 'A' : 'B');
    return exchange(m, question, yes ? "Yes." : "No.", err);
}
