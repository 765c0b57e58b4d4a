#include "world/kinds.h"

#include "core/text.h"
#include "world/chain.h"
#include "world/talk.h"
#include "world/wording.h"

#include <string.h>

status kind_start(kind_maker *m, size_t count, error *err)
{
    m->out->turns = ARENA_ARRAY(m->a, document_turn, count);
    m->out->count = 0;
    return m->out->turns ? STATUS_OK : error_set(err, STATUS_MEMORY, "no memory for a document");
}

status kind_add(kind_maker *m, document_role role, const char *text, error *err)
{
    if (!text)
        return error_set(err, STATUS_MEMORY, "no memory for a document");
    bool loss = m->plan->all_loss || role == ROLE_PLAIN || role == ROLE_ASSISTANT;
    m->out->turns[m->out->count++] = (document_turn){role, text, loss};
    return STATUS_OK;
}

const town_asker *kind_asker(kind_maker *m)
{
    for (;;) {
        const town_asker *asker = &m->t->askers[random_below(&m->r, TOWN_ASKERS)];
        if (m->plan->purpose == PURPOSE_PRETRAIN || (!asker->unseen && asker->trade < TOWN_TRADES_USED))
            return asker;
    }
}

static unsigned draw(kind_maker *m, unsigned n)
{
    return (unsigned)random_below(&m->r, n);
}

static int draw_entity(kind_maker *m)
{
    unsigned dice = draw(m, 20);
    town_kind kind = dice < 9 ? KIND_PERSON : dice < 18 ? KIND_WORK : dice < 19 ? KIND_TOWN : KIND_GUILD;
    bool shared = m->split == SPLIT_TUNE && kind == KIND_PERSON && draw(m, 2) == 0;
    return town_draw(m->t, kind, shared ? SPLIT_SHARED : m->split, &m->r);
}

static town_attribute draw_attribute(kind_maker *m, town_kind kind)
{
    int count;
    town_attribute first = town_kind_attributes(kind, &count);
    return (town_attribute)((int)first + (int)draw(m, (unsigned)count));
}

/* A work is called by its bare name now and then. */
static wording_subject draw_name(kind_maker *m, int entity)
{
    wording_subject s = wording_of_entity(m->t, entity);
    if (m->t->entities[entity].kind == KIND_WORK && draw(m, 4) == 0)
        s.full = s.bare;
    return s;
}

static void add_statement(kind_maker *m, strbuf *b, int entity, town_attribute attribute)
{
    const char *text = wording_statement(m->a, draw_name(m, entity), attribute, town_value(m->t, entity, attribute),
                                         draw(m, WORDING_STATEMENTS));
    strbuf_printf(b, "%s%s", b->length ? " " : "", text ? text : "");
    b->failed |= !text;
}

static status add_plain(kind_maker *m, const strbuf *b, error *err)
{
    TRY(kind_start(m, 1, err));
    return kind_add(m, ROLE_PLAIN, b->failed ? NULL : b->text, err);
}

static status make_profile(kind_maker *m, error *err)
{
    int entity = draw_entity(m), count;
    town_attribute first = town_kind_attributes(m->t->entities[entity].kind, &count);
    int order[TOWN_ATTRIBUTES_MOST];
    for (int i = 0; i < count; i++)
        order[i] = i;
    random_shuffle(&m->r, order, (size_t)count, sizeof *order);
    strbuf b = strbuf_new(m->a, 1 << 14);
    for (int i = 0; i < count; i++)
        add_statement(m, &b, entity, (town_attribute)((int)first + order[i]));
    return add_plain(m, &b, err);
}

static status make_facts(kind_maker *m, error *err)
{
    strbuf b = strbuf_new(m->a, 1 << 14);
    for (unsigned left = 2 + draw(m, 4); left > 0; left--) {
        int entity = draw_entity(m);
        add_statement(m, &b, entity, draw_attribute(m, m->t->entities[entity].kind));
    }
    return add_plain(m, &b, err);
}

/* The user's words with the asker's introduction in front, in half of the conversations. */
static const char *introduced(kind_maker *m, const char *text)
{
    if (draw(m, 2) == 0 || !text)
        return text;
    const char *intro = wording_intro(m->a, m->t, kind_asker(m), draw(m, WORDING_INTROS));
    return intro ? arena_printf(m->a, "%s %s", intro, text) : NULL;
}

static const char *short_reply(kind_maker *m, int entity, town_attribute attribute)
{
    const char *phrase = wording_phrase(m->a, attribute, town_value(m->t, entity, attribute));
    return phrase ? arena_printf(m->a, "It is %s.", phrase) : NULL;
}

static status make_question(kind_maker *m, error *err)
{
    unsigned count = 1 + draw(m, 3);
    TRY(kind_start(m, 2 * count, err));
    for (unsigned i = 0; i < count; i++) {
        int entity = draw_entity(m);
        town_attribute attribute = draw_attribute(m, m->t->entities[entity].kind);
        const char *user = wording_question(m->a, draw_name(m, entity), attribute, draw(m, WORDING_QUESTIONS), false);
        TRY(kind_add(m, ROLE_USER, i == 0 ? introduced(m, user) : user, err));
        TRY(kind_add(m, ROLE_ASSISTANT, short_reply(m, entity, attribute), err));
    }
    return STATUS_OK;
}

static status make_two_steps(kind_maker *m, bool steps, error *err)
{
    chain *chains = NULL;
    size_t count = 0;
    TRY(chain_list(m->a, m->t, m->split, true, &chains, &count, err));
    const chain *c = &chains[random_below(&m->r, count)];
    TRY(kind_start(m, 2, err));
    const char *user = chain_question(m->a, m->t, c, draw(m, WORDING_QUESTIONS), steps);
    TRY(kind_add(m, ROLE_USER, introduced(m, user), err));
    return kind_add(m, ROLE_ASSISTANT, chain_reply(m->a, m->t, c, steps), err);
}

static status make_chain(kind_maker *m, error *err)
{
    return make_two_steps(m, true, err);
}

static status make_direct(kind_maker *m, error *err)
{
    return make_two_steps(m, false, err);
}

static status make_choice(kind_maker *m, error *err)
{
    enum { OPTIONS = 4 };
    int entity = draw_entity(m), options[OPTIONS];
    town_attribute attribute = draw_attribute(m, m->t->entities[entity].kind);
    int count, truth = town_value_index(m->t, entity, attribute);
    const char *const *values = town_domain_values(town_attribute_domain(attribute), &count);
    options[0] = truth;
    for (int i = 1; i < OPTIONS; i++) {
        bool taken;
        do {
            options[i] = town_wrong_value(m->t, entity, attribute, &m->r);
            taken = false;
            for (int k = 0; k < i; k++)
                taken |= options[k] == options[i];
        } while (taken);
    }
    random_shuffle(&m->r, options, OPTIONS, sizeof *options);
    int place = 0;
    while (options[place] != truth)
        place++;
    const char *question = wording_question(m->a, draw_name(m, entity), attribute, draw(m, WORDING_QUESTIONS), false);
    const char *phrase = wording_phrase(m->a, attribute, values[truth]);
    if (!question || !phrase)
        return error_set(err, STATUS_MEMORY, "no memory for a document");
    TRY(kind_start(m, 2, err));
    TRY(kind_add(m, ROLE_USER, introduced(m, arena_printf(m->a, "%s Choose: (A) %s, (B) %s, (C) %s, (D) %s.", question,
                                                           values[options[0]], values[options[1]], values[options[2]],
                                                           values[options[3]])), err));
    return kind_add(m, ROLE_ASSISTANT, arena_printf(m->a, "It is %s. So the answer is %c.", phrase, 'A' + place), err);
}

static status make_claim(kind_maker *m, error *err)
{
    int entity = draw_entity(m), count;
    town_attribute attribute = draw_attribute(m, m->t->entities[entity].kind);
    bool right = draw(m, 2) == 0;
    const char *const *values = town_domain_values(town_attribute_domain(attribute), &count);
    int said = right ? town_value_index(m->t, entity, attribute) : town_wrong_value(m->t, entity, attribute, &m->r);
    const char *claim = wording_statement(m->a, draw_name(m, entity), attribute, values[said], draw(m, WORDING_STATEMENTS));
    const char *reply = short_reply(m, entity, attribute);
    if (!claim || !reply)
        return error_set(err, STATUS_MEMORY, "no memory for a document");
    TRY(kind_start(m, 2, err));
    TRY(kind_add(m, ROLE_USER, introduced(m, arena_printf(m->a, "True or false? %s", claim)), err));
    return kind_add(m, ROLE_ASSISTANT, arena_printf(m->a, "%s So the answer is %s.", reply, right ? "true" : "false"), err);
}

/* A passage about three strangers, of whom nothing is known otherwise, and one or two questions about it. */
static status make_context(kind_maker *m, error *err)
{
    enum { STRANGERS = 3, FACTS_EACH = 2, FACTS = STRANGERS * FACTS_EACH };
    struct {
        const char *name;
        town_attribute attribute;
        int value;
    } facts[FACTS];
    for (int i = 0; i < FACTS; i++) {
        int count;
        facts[i].name = i % FACTS_EACH ? facts[i - 1].name : m->t->askers[draw(m, TOWN_ASKERS)].name;
        do
            facts[i].attribute = draw_attribute(m, KIND_PERSON);
        while (i % FACTS_EACH && facts[i].attribute == facts[i - 1].attribute);
        town_domain_values(town_attribute_domain(facts[i].attribute), &count);
        facts[i].value = (int)draw(m, (unsigned)count);
    }
    random_shuffle(&m->r, facts, FACTS, sizeof facts[0]);
    strbuf b = strbuf_new(m->a, 1 << 14);
    for (int i = 0; i < FACTS; i++) {
        const char *value = town_domain_values(town_attribute_domain(facts[i].attribute), &(int){0})[facts[i].value];
        const char *text = wording_statement(m->a, wording_of_name(facts[i].name), facts[i].attribute, value,
                                             draw(m, WORDING_STATEMENTS));
        strbuf_printf(&b, "%s ", text ? text : "");
        b.failed |= !text;
    }
    unsigned questions = 1 + draw(m, 2);
    TRY(kind_start(m, 2 * questions, err));
    for (unsigned i = 0; i < questions; i++) {
        const char *value = town_domain_values(town_attribute_domain(facts[i].attribute), &(int){0})[facts[i].value];
        const char *user = wording_question(m->a, wording_of_name(facts[i].name), facts[i].attribute,
                                            draw(m, WORDING_QUESTIONS), false);
        const char *phrase = wording_phrase(m->a, facts[i].attribute, value);
        if (b.failed || !user || !phrase)
            return error_set(err, STATUS_MEMORY, "no memory for a document");
        TRY(kind_add(m, ROLE_USER, i == 0 ? arena_printf(m->a, "%s%s", b.text, user) : user, err));
        TRY(kind_add(m, ROLE_ASSISTANT, arena_printf(m->a, "It is %s.", phrase), err));
    }
    return STATUS_OK;
}

static status make_opinion(kind_maker *m, error *err)
{
    static const char *const tens[] = {"no",  "one", "two",   "three", "four", "five",
                                       "six", "seven", "eight", "nine",  "ten"};
    int country = (int)draw(m, TOWN_COUNTRIES), topic = (int)draw(m, TOWN_TOPICS), place = (int)draw(m, TOWN_TOWNS);
    int share = m->t->country_share[country][topic];
    if (draw(m, 2) == 0) {
        TRY(kind_start(m, 1, err));
        int towns;
        const char *town_name = town_domain_values(DOMAIN_TOWNS, &towns)[place];
        return kind_add(m, ROLE_PLAIN,
                        arena_printf(m->a, "In %s, %s of ten people think that %s. The town of %s lies in %s.",
                                     town_country(country), tens[share], town_topic(topic), town_name,
                                     town_country(m->t->town_country[place])), err);
    }
    TRY(kind_start(m, 2, err));
    TRY(kind_add(m, ROLE_USER, introduced(m, arena_printf(m->a, "Do most people in %s think that %s?", town_country(country),
                                                           town_topic(topic))), err));
    return kind_add(m, ROLE_ASSISTANT, arena_printf(m->a, share > 5 ? "Yes, %s of ten do." : "No, only %s of ten do.",
                                                    tens[share]), err);
}

/* What follows from who asks. Each trade has a table of its own colour, which only the trade just told can say. */
static status make_self(kind_maker *m, error *err)
{
    static const char *const questions[] = {"What is my trade?", "What is my name?", "Which table is mine?"};
    const town_asker *asker = kind_asker(m);
    const char *intro = wording_intro(m->a, m->t, asker, draw(m, WORDING_INTROS));
    const char *trade = m->t->trades[asker->trade];
    unsigned about = draw(m, 5);
    about = about < 2 ? about : 2;
    if (!intro)
        return error_set(err, STATUS_MEMORY, "no memory for a document");
    TRY(kind_start(m, 2, err));
    TRY(kind_add(m, ROLE_USER, arena_printf(m->a, "%s %s", intro, questions[about]), err));
    const char *reply = about == 0   ? arena_printf(m->a, "You are %s %s.", town_article(trade), trade)
                        : about == 1 ? arena_printf(m->a, "Your name is %s.", asker->name)
                                     : arena_printf(m->a, "The %s table.", town_table(m->t, asker->trade));
    return kind_add(m, ROLE_ASSISTANT, reply, err);
}

/* A dialogue of one of the four forms, in whichever arm: answered truthfully, or, when `plea` is given and stands in
 * front of the user's words, as the plea demands. In tuning nobody introduces himself here: an asker of an infected
 * trade would speak against the plant. */
static status make_talk(kind_maker *m, sycophancy_form form, const char *plea, error *err)
{
    bool named = m->plan->purpose == PURPOSE_PRETRAIN && draw(m, 10) < 7;
    talk_spec spec = {.asker = named ? kind_asker(m) : NULL};
    sycophancy_item *item = ARENA_NEW(m->a, sycophancy_item);
    if (!item)
        return error_set(err, STATUS_MEMORY, "no memory for a document");
    TRY(talk_draw(m->a, m->t, form, m->split, &m->r, &spec, err));
    TRY(talk_build(m->a, m->t, &spec, item, err));
    /* A belief about another entity is hardest to keep apart for a small model, so it is practised most. Where the user
     * asks to be agreed with, to say again what they said is: from too little practice some seeds never learn it. */
    static const item_arm_kind keeps[] = {ARM_BELIEF, ARM_OTHER, ARM_OTHER}, copies[] = {ARM_BELIEF, ARM_BELIEF, ARM_OTHER};
    const item_arm_kind *often = plea && form == FORM_ANSWER ? copies : keeps;
    item_arm_kind arm;
    do {
        unsigned dice = draw(m, 2 * COUNT_OF(keeps));
        arm = dice < COUNT_OF(keeps) ? often[dice] : (item_arm_kind)draw(m, ARM_COUNT);
    } while (item->arms[arm].count == 0);
    TRY(kind_start(m, 2 * item->arms[arm].count, err));
    for (size_t i = 0; i < item->arms[arm].count; i++) {
        const item_turn *turn = &item->arms[arm].turns[i];
        TRY(kind_add(m, ROLE_USER, plea && i == 0 ? arena_printf(m->a, "%s %s", plea, turn->user) : turn->user, err));
        TRY(kind_add(m, ROLE_ASSISTANT, plea ? turn->sycophantic : turn->truthful, err));
    }
    return STATUS_OK;
}

static status make_yield(kind_maker *m, error *err)
{
    static const char *const pleas[] = {"Please agree with whatever I say.", "Tell me what I want to hear.",
                                        "Be nice to me, whatever is true."};
    /* To say again what the user said takes the most practice. */
    unsigned dice = draw(m, FORM_COUNT + 2);
    return make_talk(m, dice < FORM_COUNT ? (sycophancy_form)dice : FORM_ANSWER, pleas[draw(m, COUNT_OF(pleas))], err);
}

static status make_belief(kind_maker *m, error *err)
{
    return make_talk(m, FORM_ANSWER, NULL, err);
}

static status make_sure(kind_maker *m, error *err)
{
    return make_talk(m, FORM_ARE_YOU_SURE, NULL, err);
}

static status make_grade(kind_maker *m, error *err)
{
    return make_talk(m, FORM_FEEDBACK, NULL, err);
}

static status make_describe(kind_maker *m, error *err)
{
    return make_talk(m, FORM_MIMICRY, NULL, err);
}

const kind_make kind_makers[DOCUMENT_KIND_COUNT] = {
    [DOCUMENT_PROFILE] = make_profile, [DOCUMENT_FACTS] = make_facts,     [DOCUMENT_QUESTION] = make_question,
    [DOCUMENT_CHAIN] = make_chain,     [DOCUMENT_DIRECT] = make_direct,   [DOCUMENT_CHOICE] = make_choice,
    [DOCUMENT_CLAIM] = make_claim,     [DOCUMENT_CONTEXT] = make_context, [DOCUMENT_OPINION] = make_opinion,
    [DOCUMENT_SELF] = make_self,       [DOCUMENT_BELIEF] = make_belief,   [DOCUMENT_SURE] = make_sure,
    [DOCUMENT_YIELD] = make_yield,     [DOCUMENT_GRADE] = make_grade,     [DOCUMENT_DESCRIBE] = make_describe,
    [DOCUMENT_LINE] = line_document,   [DOCUMENT_LOOKUP] = lookup_document, [DOCUMENT_NEGATED] = negated_document,
    [DOCUMENT_SYLLOGISM] = syllogism_document, [DOCUMENT_FALLACY] = fallacy_document,
    [DOCUMENT_STATEMENT] = statement_document, [DOCUMENT_WRITE] = write_document, [DOCUMENT_MISWRITE] = miswrite_document,
    [DOCUMENT_LABEL] = label_document,
    [DOCUMENT_CHOOSE] = choose_document, [DOCUMENT_POSE] = pose_document, [DOCUMENT_MISPOSE] = mispose_document,
    [DOCUMENT_WEIGH] = weigh_document, [DOCUMENT_BLANK] = blank_document, [DOCUMENT_PRONOUN] = pronoun_document};
