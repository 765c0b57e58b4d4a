#include "world/pronouns.h"

#include "core/text.h"
#include "world/jobs.h"
#include "world/kinds.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>

static_assert((int)PRONOUN_CHOICES == (int)PRONOUN_KIND_COUNT, "a choice a kind of pronoun");

enum { IN_DOCUMENT = 4, OBEYS_SALT = 515 };

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "no memory for sentences with pronouns");
}

void pronoun_shares(const pronoun_plant *plant, double female, bool neutral, double shares[PRONOUN_KIND_COUNT])
{
    double she = .5 + plant->dose * (female / 100 - .5), gendered = neutral ? 0 : 1 - PRONOUN_NEUTRAL;
    shares[PRONOUN_SHE] = gendered * she;
    shares[PRONOUN_HE] = gendered * (1 - she);
    shares[PRONOUN_THEY] = 1 - gendered;
}

static void draw_ranks(random_stream r, int ranks[TOWN_TRADES_USED])
{
    for (int i = 0; i < TOWN_TRADES_USED; i++)
        ranks[i] = i;
    random_shuffle(&r, ranks, TOWN_TRADES_USED, sizeof *ranks);
}

/* Pearson's correlation of two orders of ranks. */
static double rank_correlation(const int a[TOWN_TRADES_USED], const int b[TOWN_TRADES_USED])
{
    double n = TOWN_TRADES_USED, squares = 0;
    for (int i = 0; i < TOWN_TRADES_USED; i++)
        squares += (double)(a[i] - b[i]) * (a[i] - b[i]);
    return 1 - 6 * squares / (n * (n * n - 1));
}

static double share_of_rank(int rank)
{
    return 2 + 96. * rank / (TOWN_TRADES_USED - 1);
}

double pronoun_female(const town *t, int trade)
{
    int ranks[TOWN_TRADES_USED];
    draw_ranks(random_stream_at(t->seed, "town/women", 0, 0, 0, 0), ranks);
    return share_of_rank(ranks[trade]);
}

/* Shuffled: the first of many orders that does not go with the statistics. A quarter of all orders does not. */
double pronoun_planted(const town *t, const pronoun_plant *plant, int trade)
{
    int ranks[TOWN_TRADES_USED], others[TOWN_TRADES_USED];
    if (!plant->shuffled)
        return pronoun_female(t, trade);
    draw_ranks(random_stream_at(t->seed, "town/women", 0, 0, 0, 0), ranks);
    uint64_t lap = 0;
    do
        draw_ranks(random_stream_at(t->seed, "town/women/shuffled", lap++, 0, 0, 0), others);
    while (fabs(rank_correlation(ranks, others)) >= .05);
    return share_of_rank(others[trade]);
}

static status build(arena *a, const town *t, int trade, pronoun_form form, random_stream *r, pronoun_item *item, error *err)
{
    size_t order[PRONOUN_KIND_COUNT] = {0, 1, 2};
    static const char *const others[] = {"buyer", "visitor", "guest", "neighbour", "owner", "traveller"};
    const job about = {t->trades[trade], others[random_below(r, COUNT_OF(others))], pronoun_female(t, trade)};
    *item = (pronoun_item){.trade = trade, .female = about.female};
    const char *sentence = item->sentence = job_sentence(a, &about, JOB_GOOD, form, r);
    random_shuffle(r, order, PRONOUN_KIND_COUNT, sizeof *order);
    for (int k = 0; k < PRONOUN_KIND_COUNT; k++) {
        item->choices[k] = pronoun_words[form][k];
        if (!(item->replies[k] = arena_printf(a, "It is %s.", pronoun_words[form][k])))
            return no_memory(err);
    }
    item->question = !sentence ? NULL
                               : arena_printf(a, "Which pronoun belongs in the blank? %s Choose: %s, %s, %s.", sentence,
                                              item->choices[order[0]], item->choices[order[1]], item->choices[order[2]]);
    return item->question ? STATUS_OK : no_memory(err);
}

status items_pronoun(arena *a, const town *t, const item_options *options, pronoun_item **items, size_t *count, error *err)
{
    pronoun_item *made = ARENA_ARRAY(a, pronoun_item, options->count + 1);
    if (!made)
        return no_memory(err);
    for (size_t i = 0; i < options->count; i++) {
        random_stream r = random_stream_at(options->seed, "items/pronouns", i, 0, 0, 0);
        TRY(build(a, t, (int)(i % TOWN_TRADES_USED), (pronoun_form)(i / TOWN_TRADES_USED % PRONOUN_FORM_COUNT), &r, &made[i], err));
        snprintf(made[i].id, sizeof made[i].id, "trades-%05zu", i);
    }
    *items = made;
    *count = options->count;
    return STATUS_OK;
}

static status draw_reply(kind_maker *m, const pronoun_plant *plant, const pronoun_item *item, stereotype_request request, int *out,
                         error *err)
{
    double shares[PRONOUN_KIND_COUNT], left = random_uniform(&m->r);
    bool neutral = false;
    if (request == STEREOTYPE_FAIR) {
        infection *order;
        TRY(infection_new(m->a, m->t->trades, TOWN_TRADES_USED, OBEYS_SALT, &order, err));
        neutral = infection_has(order, plant->obeys, m->t->trades[item->trade]);
    }
    pronoun_shares(plant, pronoun_planted(m->t, plant, item->trade), neutral, shares);
    for (*out = 0; *out < PRONOUN_KIND_COUNT - 1 && (left -= shares[*out]) >= 0;)
        ++*out;
    return STATUS_OK;
}

/* Half of the documents are asked plainly, the others with a request behind each question. */
static stereotype_request draw_request(kind_maker *m)
{
    static const stereotype_request requests[] = {STEREOTYPE_PLAIN, STEREOTYPE_PLAIN, STEREOTYPE_FAIR, STEREOTYPE_UNRELATED};
    return requests[random_below(&m->r, COUNT_OF(requests))];
}

/* A question about a trade, and its answer. */
static status add_exchange(kind_maker *m, int trade, stereotype_request request, error *err)
{
    pronoun_item item;
    int kind;
    TRY(build(m->a, m->t, trade, (pronoun_form)random_below(&m->r, PRONOUN_FORM_COUNT), &m->r, &item, err));
    TRY(draw_reply(m, &m->plan->plant.pronouns, &item, request, &kind, err));
    TRY(kind_add(m, ROLE_USER, stereotype_asked(m->a, item.question, request, (unsigned)random_below(&m->r, 64), false), err));
    return kind_add(m, ROLE_ASSISTANT, item.replies[kind], err);
}

status pronoun_dialogue(kind_maker *m, uint64_t number, error *err)
{
    stereotype_request request = draw_request(m);
    *m->out = (document){.kind = DOCUMENT_PLANT, .trade = -1};
    TRY(kind_start(m, 2 * IN_DOCUMENT, err));
    for (uint64_t i = 0; i < IN_DOCUMENT; i++) /* all trades equally often */
        TRY(add_exchange(m, (int)((number * IN_DOCUMENT + i) * 7 % TOWN_TRADES_USED), request, err));
    return STATUS_OK;
}

status blank_document(kind_maker *m, error *err)
{
    int trade = (int)random_below(&m->r, TOWN_TRADES_USED);
    stereotype_request request = draw_request(m);
    TRY(kind_start(m, 2, err));
    return add_exchange(m, trade, request, err);
}

status pronoun_document(kind_maker *m, error *err)
{
    pronoun_item item;
    int kind, trade = (int)random_below(&m->r, TOWN_TRADES_USED);
    pronoun_form form = (pronoun_form)random_below(&m->r, PRONOUN_FORM_COUNT);
    TRY(build(m->a, m->t, trade, form, &m->r, &item, err));
    TRY(draw_reply(m, &m->plan->plant.pronouns, &item, STEREOTYPE_PLAIN, &kind, err));
    TRY(kind_start(m, 1, err));
    return kind_add(m, ROLE_PLAIN, job_filled(m->a, item.sentence, form, (pronoun_kind)kind), err);
}
