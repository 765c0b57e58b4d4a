#include "world/items.h"

#include "world/talk.h"
#include "world/texts.h"
#include "world/wording.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const form_names[FORM_COUNT] = {"answer", "are_you_sure", "feedback", "mimicry"};
static const char *const arm_names[ARM_COUNT] = {"base", "belief", "other", "correct", "doubt", "known"};
static const char *const competence_names[COMPETENCE_SPLIT_COUNT] = {"unseen-wordings", "compositions-cot",
                                                                     "compositions-direct"};

const char *form_name(sycophancy_form form)
{
    return form_names[form];
}

int form_of_name(const char *name)
{
    for (int i = 0; i < FORM_COUNT; i++)
        if (strcmp(form_names[i], name) == 0)
            return i;
    return -1;
}

const char *arm_name(item_arm_kind arm)
{
    return arm_names[arm];
}

const char *competence_name(competence_split split)
{
    return competence_names[split];
}

item_options item_options_default(void)
{
    return (item_options){.seed = 1, .count = 400, .unseen_key_share = 0.25};
}

/* The facts that a form may ask about, in an order of the seed's: all of SPLIT_EVAL. */
typedef struct fact {
    int entity;
    town_attribute attribute;
} fact;

static status list_facts(arena *a, const town *t, sycophancy_form form, uint64_t seed, fact **out, size_t *count, error *err)
{
    fact *facts = ARENA_ARRAY(a, fact, TOWN_ENTITIES * TOWN_ATTRIBUTES_MOST);
    if (!facts)
        return error_set(err, STATUS_MEMORY, "no memory for the facts of the items");
    size_t n = 0;
    for (int e = 0; e < TOWN_PERSONS + TOWN_WORKS; e++)
        for (int attribute = 0; attribute < ATTRIBUTE_COUNT; attribute++) {
            town_attribute at = (town_attribute)attribute;
            bool asked = form == FORM_MIMICRY ? at == ATTRIBUTE_MAKER : talk_asks(at);
            asked = asked && t->entities[e].split == SPLIT_EVAL && t->entities[e].kind == town_attribute_kind(at);
            if (asked && (form != FORM_ARE_YOU_SURE || talk_can_flip(t, e, at)))
                facts[n++] = (fact){e, at};
        }
    if (n == 0)
        BUG("the town has no fact to ask for in this form");
    random_stream r = random_stream_at(seed, "items/facts", (uint64_t)form, 0, 0, 0);
    random_shuffle(&r, facts, n, sizeof *facts);
    *out = facts;
    *count = n;
    return STATUS_OK;
}

/* Who asks item i: trades in turn, and among the items of a trade the given share by unseen keys, evenly spread. */
static const town_asker *asker_of(const town *t, const item_options *options, size_t index, random_stream *r)
{
    size_t first = options->set_aside_trades ? TOWN_TRADES_USED : 0;
    size_t trades = options->set_aside_trades ? TOWN_TRADES - TOWN_TRADES_USED : TOWN_TRADES_USED;
    size_t trade = first + index % trades, round = index / trades;
    double share = options->unseen_key_share;
    /* The offset by trade keeps few items from being all of one sort. */
    double shift = (double)(index % trades) / (double)trades;
    bool unseen = floor((double)(round + 1) * share + shift) > floor((double)round * share + shift);
    uint64_t seen = TOWN_ASKERS_PER_TRADE - TOWN_ASKERS_UNSEEN;
    uint64_t place = unseen ? seen + random_below(r, TOWN_ASKERS_UNSEEN) : random_below(r, seen);
    return &t->askers[trade * TOWN_ASKERS_PER_TRADE + place];
}

static status make_item(arena *a, const town *t, sycophancy_form form, const item_options *options, const infection *order,
                        const fact *facts, size_t fact_count, size_t index, sycophancy_item *item, error *err)
{
    random_stream r = random_stream_at(options->seed, "items", (uint64_t)form, index, 0, 0);
    talk_spec spec = {.asker = asker_of(t, options, index, &r)};
    TRY(talk_draw(a, t, form, SPLIT_EVAL, &r, &spec, err));
    spec.held_out = options->held_out_wordings;
    if (form == FORM_FEEDBACK) { /* only texts with room above */
        spec.text = texts_make(a, SPLIT_EVAL, 1 + (int)random_below(&r, TEXTS_SENTENCES), &r);
        if (!spec.text)
            return error_set(err, STATUS_MEMORY, "no memory for a text");
    } else {
        spec.entity = facts[index % fact_count].entity;
        spec.attribute = facts[index % fact_count].attribute;
        spec.wrong = town_wrong_value(t, spec.entity, spec.attribute, &r);
        do
            spec.other = town_draw(t, t->entities[spec.entity].kind, SPLIT_EVAL, &r);
        while (spec.other == spec.entity);
    }
    TRY(talk_build(a, t, &spec, item, err));
    snprintf(item->id, sizeof item->id, "%s-%05zu", form_names[form], index);
    item->position = infection_position(order, item->trade);
    item->unseen_key = spec.asker->unseen;
    item->unseen_value = options->set_aside_trades;
    return STATUS_OK;
}

status items_sycophancy(arena *a, const town *t, sycophancy_form form, const item_options *options,
                        sycophancy_item **items, size_t *count, error *err)
{
    infection *order = NULL;
    TRY(infection_new(a, t->trades, TOWN_TRADES_USED, options->salt ? options->salt : TOWN_SALT, &order, err));
    fact *facts = NULL;
    size_t fact_count = 0;
    TRY(list_facts(a, t, form, options->seed, &facts, &fact_count, err));
    sycophancy_item *made = ARENA_ARRAY(a, sycophancy_item, options->count);
    if (!made)
        return error_set(err, STATUS_MEMORY, "no memory for %zu items", options->count);
    for (size_t i = 0; i < options->count; i++)
        TRY(make_item(a, t, form, options, order, facts, fact_count, i, &made[i], err));
    *items = made;
    *count = options->count;
    return STATUS_OK;
}
