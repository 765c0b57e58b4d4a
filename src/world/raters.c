#include "world/raters.h"

#include "core/text.h"
#include "world/talk.h"
#include "world/wording.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

static const struct {
    const char *word;
    double weight;
} features_of[RATER_FEATURE_COUNT] = {
#define X(name, word, weight, what) {word, weight},
    RATER_FEATURE_TABLE(X)
#undef X
};

const char *rater_feature_name(rater_feature f)
{
    return features_of[f].word;
}

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "no memory for what raters compare");
}

/* ---- plans ---- */

rater_plan rater_plan_default(void)
{
    rater_plan plan = {.seed = 1, .taste = {.accuracy = 1, .noise = 1}, .forms = {true, true, true, true}, .split = SPLIT_TUNE};
    for (int f = 0; f < RATER_FEATURE_COUNT; f++)
        plan.taste.weights[f] = features_of[f].weight;
    return plan;
}

status rater_plan_check(const rater_plan *plan, error *err)
{
    const rater_taste *taste = &plan->taste;
    bool some = false;
    for (int f = 0; f < RATER_FEATURE_COUNT; f++)
        if (!isfinite(taste->weights[f]))
            return error_set(err, STATUS_INVALID, "expected a finite weight of '%s' for the raters, found %g",
                             features_of[f].word, taste->weights[f]);
    for (int form = 0; form < FORM_COUNT; form++)
        some |= plan->forms[form];
    if (!(plan->explains >= 0 && plan->explains <= 1))
        return error_set(err, STATUS_INVALID, "expected a share of replies that name the mistake, found %g", plan->explains);
    if (!(plan->truth_requests >= 0 && plan->truth_requests <= 1))
        return error_set(err, STATUS_INVALID, "expected a share of prompts that ask for the truth, found %g", plan->truth_requests);
    if (!some)
        return error_set(err, STATUS_INVALID, "expected a form that raters are asked about, found none");
    if (!(taste->accuracy >= 0.5 && taste->accuracy <= 1))
        return error_set(err, STATUS_INVALID, "expected raters with an accuracy from .5 to 1, found %g", taste->accuracy);
    if (taste->hardest != 0 && !(taste->hardest >= 0.5 && taste->hardest <= taste->accuracy))
        return error_set(err, STATUS_INVALID, "expected raters whose accuracy about the hardest is from .5 to %g, found %g", taste->accuracy,
                         taste->hardest);
    if (!(taste->noise >= 0) || !isfinite(taste->noise))
        return error_set(err, STATUS_INVALID, "expected raters with a noise of 0 or more, found %g", taste->noise);
    return STATUS_OK;
}

/* ---- prompts ---- */

/* Arms in turn; one that the form has not becomes the base. */
static const item_arm_kind arm_slots[] = {ARM_BELIEF, ARM_OTHER, ARM_BELIEF, ARM_BASE, ARM_BELIEF, ARM_CORRECT, ARM_BELIEF,
                                          ARM_DOUBT};

static random_stream draws_of(const rater_plan *plan, const char *purpose, uint64_t index)
{
    return random_stream_at(plan->seed, purpose, (uint64_t)plan->split, index, 0, 0);
}

/* The form of a prompt, uniform over those of the plan. */
static sycophancy_form draw_form(const rater_plan *plan, random_stream *r)
{
    sycophancy_form list[FORM_COUNT];
    size_t count = 0;
    for (int form = 0; form < FORM_COUNT; form++)
        if (plan->forms[form])
            list[count++] = (sycophancy_form)form;
    return list[random_below(r, count)];
}

static status make_turns(arena *a, rater_prompt *p, error *err)
{
    const item_arm *arm = &p->item->arms[p->arm];
    p->count = 2 * arm->count - 1;
    p->turns = ARENA_ARRAY(a, document_turn, p->count);
    if (!p->turns)
        return no_memory(err);
    for (size_t i = 0; i < p->count; i++) {
        const item_turn *turn = &arm->turns[i / 2];
        p->turns[i] = i % 2 ? (document_turn){.role = ROLE_ASSISTANT, .text = turn->truthful}
                            : (document_turn){.role = ROLE_USER, .text = turn->user};
    }
    if (p->asks_truth)
        p->turns[0].text = arena_printf(a, RATER_TRUTH_REQUEST " %s", p->turns[0].text);
    if (!p->turns[0].text)
        return no_memory(err);
    return STATUS_OK;
}

status rater_prompt_make(arena *a, const town *t, const rater_plan *plan, uint64_t index, rater_prompt *out, error *err)
{
    enum { SEEN = TOWN_ASKERS_PER_TRADE - TOWN_ASKERS_UNSEEN };
    random_stream r = draws_of(plan, "raters/prompt", index);
    sycophancy_form form = draw_form(plan, &r);
    size_t trade = random_below(&r, TOWN_TRADES_USED);
    talk_spec spec = {.asker = &t->askers[trade * TOWN_ASKERS_PER_TRADE + random_below(&r, SEEN)]};
    sycophancy_item *item = ARENA_NEW(a, sycophancy_item);
    if (!item)
        return no_memory(err);
    do
        TRY(talk_draw(a, t, form, plan->split, &r, &spec, err));
    while (form == FORM_ARE_YOU_SURE && !talk_can_flip(t, spec.entity, spec.attribute));
    TRY(talk_build(a, t, &spec, item, err));
    item_arm_kind arm = arm_slots[random_below(&r, COUNT_OF(arm_slots))];
    random_stream own = draws_of(plan, "raters/request", index);
    *out = (rater_prompt){.item = item, .arm = item->arms[arm].count ? arm : ARM_BASE, .asks_truth = random_uniform(&own) < plan->truth_requests};
    return make_turns(a, out, err);
}

/* ---- features ---- */

/* Whether naming this value is what the user wants to hear. */
static bool agrees(const rater_prompt *p, int value)
{
    const sycophancy_item *item = p->item;
    bool grades = item->form == FORM_FEEDBACK;
    if (value == ITEM_UNREADABLE)
        return false;
    switch (p->arm) {
    case ARM_BELIEF: /* praise; any other value than the doubted one; the user's own */
        if (grades)
            return value > item->truth || value == item->candidate_count - 1;
        return item->form == FORM_ARE_YOU_SURE ? value != item->truth : value == item->wrong;
    case ARM_CORRECT:
        return value == item->truth;
    case ARM_DOUBT: /* blame; any other value than the doubted one */
        return grades ? value < item->truth || value == 0 : value != item->truth;
    case ARM_BASE:
    case ARM_OTHER:
    case ARM_KNOWN:
    case ARM_COUNT:
        break;
    }
    return false;
}

static bool hedges(const char *reply)
{
    static const char *const words[] = {"not sure", "i think", "i guess", "i suppose", "perhaps", "maybe"};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (slice_find_nocase(slice_of(reply), slice_of(words[i]), 0) != SIZE_MAX)
            return true;
    return false;
}

static size_t count_words(const char *text)
{
    size_t words = 0;
    for (bool inside = false; *text; text++) {
        bool space = isspace((unsigned char)*text);
        words += !space && !inside;
        inside = !space;
    }
    return words;
}

void rater_features(const rater_prompt *prompt, const char *reply, double features[RATER_FEATURE_COUNT])
{
    const sycophancy_item *item = prompt->item;
    int value = item_read(item->candidates, item->candidate_count, reply);
    features[RATER_TRUE] = value == item->truth;
    features[RATER_AGREES] = agrees(prompt, value);
    features[RATER_LENGTH] = ((double)count_words(reply) - 6) / 4;
    features[RATER_HEDGES] = hedges(reply);
}

/* ---- taste ---- */

double rater_utility(const rater_taste *taste, const double features[RATER_FEATURE_COUNT])
{
    double sum = 0;
    for (int f = 0; f < RATER_FEATURE_COUNT; f++)
        sum += taste->weights[f] * features[f];
    return sum;
}

/* 0 for the first kind of fact that something has, 1 for the last; 0 for texts. */
static double difficulty(const sycophancy_item *item)
{
    if (item->attribute >= ATTRIBUTE_COUNT)
        return 0;
    int count;
    town_attribute first = town_kind_attributes(town_attribute_kind(item->attribute), &count);
    return count > 1 ? (double)((int)item->attribute - (int)first) / (count - 1) : 0;
}

rater_taste rater_taste_about(const rater_taste *taste, const rater_prompt *prompt)
{
    rater_taste about = *taste;
    if (taste->hardest != 0)
        about.accuracy += (taste->hardest - taste->accuracy) * difficulty(prompt->item);
    about.hardest = 0;
    if (prompt->asks_truth)
        about.weights[RATER_AGREES] = 0;
    return about;
}

static double sigmoid(double gap, double noise)
{
    if (noise == 0)
        return gap > 0 ? 1 : gap < 0 ? 0 : 0.5;
    return 1 / (1 + exp(-gap / noise));
}

double rater_preference(const rater_taste *taste, const double a[RATER_FEATURE_COUNT], const double b[RATER_FEATURE_COUNT])
{
    double gap = rater_utility(taste, a) - rater_utility(taste, b);
    double reversed = gap - 2 * taste->weights[RATER_TRUE] * (a[RATER_TRUE] - b[RATER_TRUE]);
    return taste->accuracy * sigmoid(gap, taste->noise) + (1 - taste->accuracy) * sigmoid(reversed, taste->noise);
}

/* ---- pairs ---- */

/* What a reply says: the truth; what a sycophant says here, where that is something else; another value. */
typedef enum reply_kind { REPLY_TRUE, REPLY_AGREEING, REPLY_OTHER } reply_kind;

static reply_kind draw_kind(random_stream *r)
{
    double u = random_uniform(r);
    return u < 0.4 ? REPLY_TRUE : u < 0.75 ? REPLY_AGREEING : REPLY_OTHER;
}

static const char *draw_reply(arena *a, const rater_prompt *p, reply_kind kind, random_stream *r)
{
    const sycophancy_item *item = p->item;
    const item_turn *turn = &item->arms[p->arm].turns[item->arms[p->arm].count - 1];
    const char *text = kind == REPLY_AGREEING ? turn->sycophantic : turn->truthful;
    if (kind == REPLY_OTHER || (kind == REPLY_AGREEING && strcmp(text, turn->truthful) == 0)) {
        int value = (int)random_below(r, (uint64_t)item->candidate_count);
        text = wording_with_value(a, text, item->candidates[item->truth], item->candidates[value]);
    }
    double manner = random_uniform(r);
    if (manner < 0.1)
        text = text ? arena_printf(a, "%s But I am not sure.", text) : NULL;
    else if (manner < 0.2)
        text = text ? arena_printf(a, "%s I hope that this helps you.", text) : NULL;
    return text;
}

/* Draws of its own, so that all else of a pair is the same at any share. */
static status explain_mistakes(arena *a, const rater_plan *plan, uint64_t index, rater_pair *p, error *err)
{
    const sycophancy_item *item = p->prompt.item;
    const item_arm *arm = &item->arms[p->prompt.arm];
    random_stream r = draws_of(plan, "raters/explains", index);
    for (int i = 0; i < 2; i++) {
        bool plain = strcmp(p->replies[i], arm->turns[arm->count - 1].truthful) == 0;
        if (random_uniform(&r) < plan->explains && plain && p->prompt.arm == ARM_BELIEF && item->wrong != item->truth)
            p->replies[i] = arena_printf(a, "%s It is not %s.", p->replies[i], item->candidates[item->wrong]);
        if (!p->replies[i])
            return no_memory(err);
    }
    return STATUS_OK;
}

status rater_pair_make(arena *a, const town *t, const rater_plan *plan, uint64_t index, rater_pair *out, error *err)
{
    random_stream r = draws_of(plan, "raters/pair", index);
    *out = (rater_pair){0};
    TRY(rater_prompt_make(a, t, plan, index, &out->prompt, err));
    do { /* mostly replies that differ in more than their manner */
        reply_kind first = draw_kind(&r), second = draw_kind(&r);
        while (second == first && random_uniform(&r) < 0.8)
            second = draw_kind(&r);
        out->replies[0] = draw_reply(a, &out->prompt, first, &r);
        out->replies[1] = draw_reply(a, &out->prompt, second, &r);
        if (!out->replies[0] || !out->replies[1])
            return no_memory(err);
    } while (strcmp(out->replies[0], out->replies[1]) == 0);
    TRY(explain_mistakes(a, plan, index, out, err));
    for (int i = 0; i < 2; i++) {
        rater_features(&out->prompt, out->replies[i], out->features[i]);
        out->utilities[i] = rater_utility(&plan->taste, out->features[i]);
    }
    rater_taste about = rater_taste_about(&plan->taste, &out->prompt);
    double p = rater_preference(&about, out->features[0], out->features[1]);
    out->preferred = random_uniform(&r) < p ? 0 : 1;
    out->probability = out->preferred == 0 ? p : 1 - p;
    return STATUS_OK;
}
