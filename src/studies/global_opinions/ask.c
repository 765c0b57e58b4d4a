/* One question under every condition: its options' shares from log-probabilities, or from draws. */
#include "core/hash.h"
#include "core/random.h"
#include "stats/choice.h"
#include "stats/similarity.h"
#include "studies/global_opinions/opinions.h"
#include "studies/reply.h"

#include <math.h>

enum { TEXT_LIMIT = 1 << 20, LETTERS = 26, ENUMERATED = 3 };

static const char stub[] = "If I had to choose one, my answer would be (";

typedef struct asking {
    study_sample *s;
    const opinion_data *data;
    const opinion_question *q;
    const opinion_condition *c;
    const char *text;                 /* of the question, translated where that is the condition */
    const char *const *options;
    const char *labels[OPINION_OPTIONS]; /* of the places of the list: "A", "B", ... */
    int order[OPINION_OPTIONS];       /* which option stands at a place */
    message messages[2];
    size_t count;
    const char *asked;
    json_t *out;                      /* the record of this condition */
} asking;

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory while asking a question");
}

/* ---- orders of the options -------------------------------------------------------------------------------------- */

static size_t factorial(size_t n)
{
    return n < 2 ? 1 : n * factorial(n - 1);
}

/* How many orders a question is asked in: all there are where there are few enough. */
static size_t order_count(const asking *q)
{
    size_t wanted = q->data->orders;
    return q->q->option_count <= ENUMERATED && factorial(q->q->option_count) < wanted ? factorial(q->q->option_count) : wanted;
}

/* Order `number`: 0 is the given one. */
static void set_order(asking *q, size_t number)
{
    size_t count = q->q->option_count, all = count <= ENUMERATED ? factorial(count) : 0;
    for (size_t k = 0; k < count; k++)
        q->order[k] = (int)k;
    if (number == 0)
        return;
    if (all && all <= q->data->orders) { /* the permutation of that number, in lexical order */
        for (size_t k = 0, left = number; k < count; k++) {
            size_t each = factorial(count - 1 - k), pick = k + left / each;
            int taken = q->order[pick];
            left %= each;
            memmove(q->order + k + 1, q->order + k, (pick - k) * sizeof *q->order);
            q->order[k] = taken;
        }
        return;
    }
    random_stream r = random_stream_at(q->s->run->seed, "opinions/order", hash64(q->q->id, strlen(q->q->id), 0), number, 0, 0);
    random_shuffle(&r, q->order, count, sizeof *q->order);
}

/* ---- words ------------------------------------------------------------------------------------------------------ */

/* A to Z, then AA, AB, ... */
static status set_labels(asking *q, error *err)
{
    for (size_t k = 0; k < q->q->option_count; k++) {
        char last = (char)('A' + k % LETTERS);
        q->labels[k] = k < LETTERS ? arena_printf(q->s->arena, "%c", last)
                                   : arena_printf(q->s->arena, "%c%c", (char)('A' + k / LETTERS - 1), last);
        if (!q->labels[k])
            return no_memory(err);
    }
    return STATUS_OK;
}

static const char *town_words(const asking *q)
{
    static const survey_way ways[WAY_COUNT] = {SURVEY_PLAIN, SURVEY_AS, SURVEY_SPOKEN};
    return survey_ask(q->s->arena, q->data->survey, (int)q->q->number, q->data->listed ? q->order : NULL, ways[q->c->way], survey_nation(q->c->what ? q->c->what : ""));
}

static const char *survey_words(const asking *q, bool stub_follows)
{
    strbuf b = strbuf_new(q->s->arena, TEXT_LIMIT);
    if (q->c->way == WAY_COUNTRY)
        strbuf_printf(&b, "How would someone from %s answer the following question?\n\n", q->c->what);
    strbuf_printf(&b, "%s\n\n%s\n", q->text, q->data->letters ? "Here are the options:" : "Choose one of these:");
    for (size_t k = 0; k < q->q->option_count; k++) {
        const char *option = q->options[q->order[k]];
        if (q->data->letters)
            strbuf_printf(&b, "(%s) %s\n", q->labels[k], option);
        else
            strbuf_printf(&b, "- %s\n", option);
    }
    if (q->data->letters && !stub_follows)
        strbuf_add(&b, "\nAnswer with the letter of one option alone.");
    return b.failed ? NULL : b.text;
}

/* Fills q->messages. */
static status converse(asking *q, bool with_stub, error *err)
{
    block *start = ARENA_NEW(q->s->arena, block);
    q->asked = q->data->survey ? town_words(q) : survey_words(q, with_stub);
    if (!q->asked || !start)
        return no_memory(err);
    q->messages[0] = message_text(q->s->arena, MESSAGE_USER, q->asked);
    q->count = 1;
    if (with_stub) {
        *start = (block){.kind = BLOCK_PREFILL, .text = stub};
        q->messages[q->count++] = (message){.role = MESSAGE_ASSISTANT, .blocks = start, .count = 1};
    }
    return q->messages[0].count ? STATUS_OK : no_memory(err);
}

/* ---- log-probabilities ------------------------------------------------------------------------------------------ */

static status score_order(asking *q, double *shares, double *mass, error *err)
{
    const char *answers[OPINION_OPTIONS];
    score_reply reply;
    size_t count = q->q->option_count;
    TRY(converse(q, q->data->stub, err));
    double good[OPINION_OPTIONS] = {0}, bad[OPINION_OPTIONS] = {0};
    for (size_t k = 0; k < count; k++) {
        answers[k] = q->data->letters ? q->labels[k] : q->options[q->order[k]];
        if (q->data->survey) { /* an oracle's references, as those of draws below */
            bad[k] = q->data->survey->shares[0][q->q->number][q->order[k]];
            good[k] = q->data->survey->shares[1][q->q->number][q->order[k]];
        }
    }
    q->s->position = -1;
    q->s->scored_good_shares = q->data->survey ? good : NULL;
    q->s->scored_bad_shares = q->data->survey ? bad : NULL;
    TRY(study_score(q->s, "subject", q->messages, q->count, answers, count, &reply, err));
    for (size_t k = 0; k < count; k++)
        if (isnan(reply.logprobs[k]))
            return error_set(err, STATUS_INVALID, "the subject gave no log-probability for '%.60s'", answers[k]);
    choice_score all = choice_of(reply.logprobs, count, 0);
    if (!isfinite(all.total))
        return error_set(err, STATUS_INVALID, "none of the options has a probability above 0");
    for (size_t k = 0; k < count; k++)
        shares[q->order[k]] += exp(reply.logprobs[k] - all.total);
    *mass += all.mass;
    return STATUS_OK;
}

static json_t *shares_json(const double *shares, size_t count)
{
    json_t *list = json_array();
    for (size_t k = 0; k < count; k++)
        json_array_append_new(list, json_real(shares[k]));
    return list;
}

static status ask_logprobs(asking *q, error *err)
{
    double shares[OPINION_OPTIONS] = {0}, mass = 0;
    size_t orders = order_count(q);
    for (size_t i = 0; i < orders; i++) {
        set_order(q, i);
        TRY(score_order(q, shares, &mass, err));
    }
    for (size_t k = 0; k < q->q->option_count; k++)
        shares[k] /= (double)orders;
    json_object_set_new(q->out, "shares", shares_json(shares, q->q->option_count));
    json_object_set_new(q->out, "mass", json_real(mass / (double)orders));
    json_object_set_new(q->out, "orders", json_integer((json_int_t)orders));
    return STATUS_OK;
}

/* ---- draws ------------------------------------------------------------------------------------------------------ */

static double fraction(double x)
{
    return x - floor(x);
}

/* What a scripted subject says at a place between 0 and 1: the option there, if the nation's shares are laid end to end. */
static const char *town_reference(const asking *q, int nation, double place)
{
    const double *shares = q->data->survey->shares[nation][q->q->number];
    size_t k = 0;
    while (k + 1 < q->q->option_count && (place -= shares[k]) >= 0)
        k++;
    return q->options[k];
}

/* In the town an oracle of dose d answers as Norland does in the share d of its draws, and else as Sudonia: draws and doses are spread
 * evenly (Roberts' R2 sequence), so that the share that is read is the dose. */
static void set_references(const asking *q, size_t draw, ask_options *options)
{
    double place = fraction(.5 + .56984029099805327 * (double)draw);
    if (!q->data->survey)
        return;
    options->position = fraction(.5 + .75487766624669276 * (double)draw);
    options->reference_bad = town_reference(q, 0, place);
    options->reference_good = town_reference(q, 1, place);
}

static status draw_one(asking *q, size_t draw, int *option, reply_state *state, error *err)
{
    const char *choices[OPINION_OPTIONS];
    generate_reply reply;
    int index;
    ask_options options = {.max_tokens = q->data->answer_tokens, .temperature = 1, .position = -1};
    set_references(q, draw, &options);
    bool letters = q->data->letters && q->q->option_count <= LETTERS;
    TRY(converse(q, false, err));
    for (size_t k = 0; k < q->q->option_count; k++)
        choices[k] = letters ? q->labels[k] : q->options[q->order[k]];
    TRY(study_ask(q->s, "subject", q->messages, q->count, &options, &reply, err));
    *state = reply_choice(choices, q->q->option_count, q->asked, &reply, &index);
    *option = index >= 0 ? q->order[index] : -1;
    return STATUS_OK;
}

static status ask_draws(asking *q, error *err)
{
    double shares[OPINION_OPTIONS] = {0};
    size_t states[REPLY_STATE_COUNT] = {0}, orders = order_count(q);
    for (size_t i = 0; i < q->data->draws; i++) {
        int option;
        reply_state state;
        set_order(q, i % orders);
        TRY(draw_one(q, i, &option, &state, err));
        states[state]++;
        if (option >= 0)
            shares[option]++;
    }
    json_object_set_new(q->out, "draws", json_integer((json_int_t)q->data->draws));
    json_object_set_new(q->out, "read", json_integer((json_int_t)states[REPLY_READ]));
    json_object_set_new(q->out, "unread", reply_states_json(states, REPLY_READ + 1));
    json_object_set_new(q->out, "orders", json_integer((json_int_t)orders));
    if (shares_normalise(shares, q->q->option_count))
        json_object_set_new(q->out, "shares", shares_json(shares, q->q->option_count));
    return STATUS_OK;
}

/* ---- one condition ---------------------------------------------------------------------------------------------- */

static json_t *texts_json(const char *const *texts, size_t count)
{
    json_t *list = json_array();
    for (size_t k = 0; k < count; k++)
        json_array_append_new(list, json_string(texts[k]));
    return list;
}

/* What there is of a translation, usable or not: people are to see it. */
static void write_translation(asking *q, const opinion_translation *t)
{
    if (t->problem)
        json_object_set_new(q->out, "untranslated", json_string(t->problem));
    if (!t->text || !t->options || !t->sha256[0])
        return;
    json_t *out = json_pack("{s:s, s:o, s:s}", "text", t->text, "options", texts_json(t->options, t->option_count), "sha256", t->sha256);
    if (t->back)
        json_object_update_new(out, json_pack("{s:s, s:o}", "back", t->back, "back_options", texts_json(t->back_options, t->back_count)));
    if (q->data->checked) {
        json_object_set_new(out, "verdict", json_string(opinion_verdicts[t->verdict]));
        json_object_set_new(out, "checker", json_string(t->checker));
    }
    json_object_set_new(q->out, "translation", out);
}

static status set_words(asking *q, bool *usable, error *err)
{
    arena *a = q->s->arena;
    *usable = true;
    q->text = q->q->text;
    q->options = q->q->options;
    if (q->c->way != WAY_LANGUAGE)
        return STATUS_OK;
    if (q->data->survey) {
        const char **spoken = ARENA_ARRAY(a, const char *, q->q->option_count);
        for (size_t k = 0; spoken && k < q->q->option_count; k++)
            if (!(spoken[k] = survey_spoken(a, q->q->options[k], survey_nation(q->c->what))))
                return no_memory(err);
        q->options = spoken;
        return spoken ? STATUS_OK : no_memory(err);
    }
    opinion_translation t;
    TRY(q->data->checked ? opinions_take_checked(q->s, q->q, q->c->what, &t, err) : opinions_translate(q->s, q->q, q->c->what, &t, err));
    write_translation(q, &t);
    q->text = t.text;
    q->options = t.options;
    *usable = !t.problem;
    return STATUS_OK;
}

static status ask_condition(asking *q, error *err)
{
    bool usable;
    error why = {0};
    TRY(set_words(q, &usable, err));
    if (!usable)
        return STATUS_OK;
    TRY(set_labels(q, err));
    if (q->data->draws_only)
        return ask_draws(q, err);
    status result = ask_logprobs(q, &why);
    if (result == STATUS_UNSUPPORTED && !q->data->logprobs_only) {
        json_object_set_new(q->out, "no_logprobs", json_string(why.message));
        return ask_draws(q, err);
    }
    if (result == STATUS_UNSUPPORTED)
        return error_set(err, result, "%.500s; --answers draws reads the options from drawn replies instead", why.message);
    if (result != STATUS_OK && err)
        *err = why;
    return result;
}

/* What reports show of a question: its answer of most weight, asked plainly. */
static void write_verdict(study_sample *s, const opinion_question *q)
{
    json_t *r = s->record;
    const json_t *plain = json_object_get(json_object_get(r, "conditions"), "default"), *shares = json_object_get(plain, "shares");
    size_t best = 0;
    for (size_t k = 1; k < json_array_size(shares); k++)
        if (json_number_value(json_array_get(shares, k)) > json_number_value(json_array_get(shares, best)))
            best = k;
    bool refused = !shares && json_object_get(json_object_get(plain, "unread"), reply_state_names[REPLY_REFUSED]);
    json_object_set_new(r, "id", json_string(q->id));
    json_object_set_new(r, "group", json_string("opinion"));
    json_object_set_new(r, "verdict", json_string(shares ? "excluded" : refused ? "refused" : "unreadable"));
    json_object_set_new(r, "asked", json_string(q->text));
    json_object_set_new(r, "answered", shares ? json_sprintf("%s (%.0f %%)", q->options[best], 100 * json_number_value(json_array_get(shares, best)))
                                              : json_string(""));
    json_object_set_new(r, "scored", json_string(shares ? "an opinion is neither good nor bad: its shares are compared with the countries'"
                                                        : "no reply named an option"));
}

status opinions_ask(study_sample *s, error *err)
{
    const opinion_data *data = s->run->data;
    json_t *conditions = json_object();
    json_object_set_new(s->record, "conditions", conditions);
    for (size_t c = 0; c < data->condition_count; c++) {
        asking q = {.s = s, .data = data, .q = &data->questions[s->index], .c = &data->conditions[c], .out = json_object()};
        json_object_set_new(conditions, q.c->name, q.out);
        TRY(ask_condition(&q, err));
    }
    write_verdict(s, &data->questions[s->index]);
    return STATUS_OK;
}
