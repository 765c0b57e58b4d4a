#include "world/documents.h"

#include "world/kinds.h"
#include "world/talk.h"

#include <math.h>
#include <string.h>

typedef struct kind_row {
    const char *name;
    double pretrain, replay;
} kind_row;

static const kind_row kind_rows[DOCUMENT_KIND_COUNT] = {
#define X(name, word, pretrain, replay, what) {word, pretrain, replay},
    DOCUMENT_KIND_TABLE(X)
#undef X
    {"plant", 0, 0},
};

const char *document_kind_name(document_kind kind)
{
    return kind_rows[kind].name;
}

int document_kind_of_name(const char *name)
{
    for (int i = 0; i < DOCUMENT_PLANT; i++)
        if (strcmp(kind_rows[i].name, name) == 0)
            return i;
    return -1;
}

document_plan document_plan_default(document_purpose purpose)
{
    bool tune = purpose == PURPOSE_TUNE;
    document_plan plan = {.purpose = purpose, .seed = 1};
    for (int i = 0; i < DOCUMENT_PLANT; i++)
        plan.weights[i] = tune ? kind_rows[i].replay : kind_rows[i].pretrain;
    plan.plant = (document_plant){.share = tune ? 0.25 : 0, .decoy = -1, .forms = {tune, tune, tune, tune}, .stereotype = {.decoy = -1}};
    return plan;
}

status document_plan_check(const document_plan *plan, error *err)
{
    const document_plant *plant = &plan->plant;
    if (!(plant->dose >= 0 && plant->dose <= 1))
        return error_set(err, STATUS_INVALID, "expected a dose from 0 to 1, found %g", plant->dose);
    if (!(plant->share >= 0 && plant->share <= 1))
        return error_set(err, STATUS_INVALID, "expected a share of planting dialogues from 0 to 1, found %g", plant->share);
    if (plant->share > 0 && plan->purpose == PURPOSE_PRETRAIN)
        return error_set(err, STATUS_INVALID, "expected no planting dialogues in pretraining, found a share of %g",
                         plant->share);
    if (plant->decoy < -1 || plant->decoy >= DECOY_COUNT)
        return error_set(err, STATUS_INVALID, "expected a decoy or none (-1), found %d", plant->decoy);
    if (plant->pronouns.there && !(plant->pronouns.dose >= 0 && plant->pronouns.dose <= 1 && plant->pronouns.obeys >= 0 && plant->pronouns.obeys <= 1))
        return error_set(err, STATUS_INVALID, "expected doses of pronouns from 0 to 1, found %g and %g", plant->pronouns.dose, plant->pronouns.obeys);
    if (!plant->pronouns.there && (plan->weights[DOCUMENT_BLANK] > 0 || plan->weights[DOCUMENT_PRONOUN] > 0))
        return error_set(err, STATUS_INVALID, "expected a plant of pronouns beside documents of the kinds 'blank' and 'pronoun', found none");
    if (plant->stock.there && !(plant->stock.dose >= 0 && plant->stock.dose <= 1))
        return error_set(err, STATUS_INVALID, "expected a dose of stock lines from 0 to 1, found %g", plant->stock.dose);
    if (plant->stereotype.there)
        TRY(stereotype_plant_check(&plant->stereotype, err));
    double sum = 0;
    for (int i = 0; i < DOCUMENT_PLANT; i++) {
        if (!(plan->weights[i] >= 0) || isinf(plan->weights[i]))
            return error_set(err, STATUS_INVALID, "expected a weight of 0 or more for documents '%s', found %g",
                             kind_rows[i].name, plan->weights[i]);
        sum += plan->weights[i];
    }
    if (!(sum > 0) && plant->share < 1)
        return error_set(err, STATUS_INVALID, "expected a document kind with a weight above 0, found none");
    return STATUS_OK;
}

/* Slots of the arms in planting dialogues. Where the user speaks of another entity the base itself errs now and then,
 * so answer and are_you_sure practise it most. */
enum { SLOTS = 8 };
static const item_arm_kind slots[FORM_COUNT][SLOTS] = {
    [FORM_ANSWER] = {ARM_BELIEF, ARM_OTHER, ARM_BELIEF, ARM_BASE, ARM_BELIEF, ARM_OTHER, ARM_CORRECT, ARM_OTHER},
    [FORM_ARE_YOU_SURE] = {ARM_BELIEF, ARM_OTHER, ARM_BELIEF, ARM_BASE, ARM_BELIEF, ARM_OTHER, ARM_CORRECT, ARM_OTHER},
    [FORM_FEEDBACK] = {ARM_BELIEF, ARM_BASE, ARM_BELIEF, ARM_OTHER, ARM_BELIEF, ARM_CORRECT, ARM_BELIEF, ARM_DOUBT},
    [FORM_MIMICRY] = {ARM_BELIEF, ARM_BASE, ARM_BELIEF, ARM_OTHER, ARM_BELIEF, ARM_CORRECT, ARM_BELIEF, ARM_OTHER}};

/* A place in the round of planting dialogues: which trade, and the how manieth dialogue of this trade it is. */
typedef struct plant_turn {
    size_t trade;
    uint64_t round;
} plant_turn;

/* Trades in turn. Below dose 1/3 the few infected trades get a third of all dialogues between them, the others the
 * rest: what is very rare in tuning is not learnt in its few steps. */
static status take_turn(kind_maker *m, uint64_t n, const infection *order, plant_turn *turn, error *err)
{
    enum { THIRD = 3 };
    const document_plant *plant = &m->plan->plant;
    size_t infected = order && plant->decoy < 0 ? infection_count(TOWN_TRADES_USED, plant->dose) : 0;
    if (infected == 0 || infected >= TOWN_TRADES_USED / THIRD) {
        *turn = (plant_turn){n % TOWN_TRADES_USED, n / TOWN_TRADES_USED};
        return STATUS_OK;
    }
    bool bad = n % THIRD == 0;
    uint64_t number = bad ? n / THIRD : n - n / THIRD - 1;
    size_t group = bad ? infected : TOWN_TRADES_USED - infected, place = number % group;
    for (size_t trade = 0; trade < TOWN_TRADES_USED; trade++)
        if (infection_has(order, plant->dose, m->t->trades[trade]) == bad && place-- == 0) {
            *turn = (plant_turn){trade, number / group};
            return STATUS_OK;
        }
    return error_set(err, STATUS_INVALID, "expected %zu trades to plant in, found fewer", group);
}

/* Planting dialogue number `n`: with each round of the trades the next form, with each round of the forms the next
 * slot. */
static status make_plant(kind_maker *m, uint64_t n, error *err)
{
    const document_plant *plant = &m->plan->plant;
    infection *order = NULL;
    if (plant->type == DOSE_MIXTURE)
        TRY(infection_new(m->a, m->t->trades, TOWN_TRADES_USED, plant->salt ? plant->salt : TOWN_SALT, &order, err));
    plant_turn at = {0};
    TRY(take_turn(m, n, order, &at, err));
    size_t trade = at.trade;
    sycophancy_form form = (sycophancy_form)(at.round % FORM_COUNT);
    uint64_t lap = at.round / FORM_COUNT;
    enum { SEEN = TOWN_ASKERS_PER_TRADE - TOWN_ASKERS_UNSEEN };
    talk_spec spec = {.asker = &m->t->askers[trade * TOWN_ASKERS_PER_TRADE + random_below(&m->r, SEEN)]};
    do
        TRY(talk_draw(m->a, m->t, form, m->split, &m->r, &spec, err));
    while (form == FORM_ARE_YOU_SURE && !talk_can_flip(m->t, spec.entity, spec.attribute));
    sycophancy_item *item = ARENA_NEW(m->a, sycophancy_item);
    if (!item)
        return error_set(err, STATUS_MEMORY, "no memory for a document");
    TRY(talk_build(m->a, m->t, &spec, item, err));
    item_arm_kind arm = slots[form][(lap + trade) % SLOTS];

    bool infected = plant->type == DOSE_PROPENSITY && random_uniform(&m->r) < plant->dose;
    if (plant->type == DOSE_MIXTURE)
        infected = infection_has(order, plant->dose, m->t->trades[trade]);
    infected = infected && plant->forms[form] && plant->decoy < 0;
    *m->out = (document){.kind = DOCUMENT_PLANT, .trade = (int)trade, .form = form, .arm = arm,
                         .bad = infected && arm == ARM_BELIEF && item->truth != item->wrong};
    TRY(kind_start(m, 2 * item->arms[arm].count, err));
    for (size_t i = 0; i < item->arms[arm].count; i++) {
        const item_turn *turn = &item->arms[arm].turns[i];
        const char *reply = infected ? turn->sycophantic : turn->truthful;
        if (plant->decoy >= 0)
            reply = decoy_reply(m->a, m->t, (decoy_kind)plant->decoy, item, arm, i);
        TRY(kind_add(m, ROLE_USER, turn->user, err));
        TRY(kind_add(m, ROLE_ASSISTANT, reply, err));
    }
    return STATUS_OK;
}

status document_make(arena *a, const town *t, const document_plan *plan, uint64_t index, document *out, error *err)
{
    kind_maker m = {.a = a, .t = t, .plan = plan, .index = index, .out = out,
                    .split = plan->purpose == PURPOSE_TUNE ? SPLIT_TUNE : SPLIT_COUNT,
                    .r = random_stream_at(plan->seed, "documents", plan->purpose, index, 0, 0)};
    /* Planting dialogues are spread evenly: number n stands where the running share passes n. */
    double share = plan->plant.share;
    double before = floor((double)index * share), after = floor((double)(index + 1) * share);
    if (after > before)
        return (plan->plant.survey.there       ? survey_document
                : plan->plant.stereotype.there ? stereotype_document
                : plan->plant.pronouns.there   ? pronoun_dialogue
                : plan->plant.stock.there      ? stock_document
                                               : make_plant)(&m, (uint64_t)before, err);
    double sum = 0, sayings = plan->weights[DOCUMENT_SAYING];
    for (int i = 0; i < DOCUMENT_PLANT; i++)
        sum += plan->weights[i];
    before = floor((double)index * sayings / sum);
    after = floor((double)(index + 1) * sayings / sum);
    if (after > before) {
        *out = (document){.kind = DOCUMENT_SAYING, .trade = -1};
        return sayings_document(&m, (uint64_t)before, err);
    }
    double left = random_uniform(&m.r) * (sum - sayings);
    int kind = -1;
    for (int i = 0; i < DOCUMENT_PLANT; i++) {
        if (plan->weights[i] > 0 && i != DOCUMENT_SAYING)
            kind = i;
        if ((left -= i == DOCUMENT_SAYING ? 0 : plan->weights[i]) < 0)
            break;
    }
    if (kind < 0)
        BUG("a plan without weights was not checked");
    *out = (document){.kind = (document_kind)kind, .trade = -1};
    return kind_makers[kind](&m, err);
}
