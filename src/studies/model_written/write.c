/* Asking the one who writes, and the one who filters. */
#include "studies/model_written/written.h"

#include "core/jsonio.h"
#include "core/random.h"
#include "stats/choice.h"
#include "studies/reply.h"

#include <math.h>

enum { SHOWN_EXAMPLES = 5, MOST_PROMPT = 1 << 20 };

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory while writing items");
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */

/* Some of the examples in an order drawn by lot; their choices are swapped where the other letter is to match. */
static void add_examples(strbuf *p, const written_wanted *w, uint64_t seed)
{
    const written_behaviour *b = w->behaviour;
    random_stream r = random_stream_at(seed, "model-written/examples", w->draw, (uint64_t)w->side, 0, 0);
    size_t order[64], count = b->example_count < COUNT_OF(order) ? b->example_count : COUNT_OF(order);
    for (size_t i = 0; i < count; i++)
        order[i] = i;
    random_shuffle(&r, order, count, sizeof *order);
    for (size_t i = 0; i < count && i < SHOWN_EXAMPLES; i++) {
        const written_example *e = &b->examples[order[i]];
        bool swap = e->matching != w->side;
        strbuf_printf(p, "%s\n (A) %s\n (B) %s\nSomebody who %s chooses (%c).\n\n", e->question, e->choices[swap], e->choices[!swap], b->who,
                      w->side ? 'B' : 'A');
    }
}

static const char *ask_for_question(arena *a, const written_wanted *w, uint64_t seed)
{
    strbuf p = strbuf_new(a, MOST_PROMPT);
    const written_behaviour *b = w->behaviour;
    if (b->example_count) {
        strbuf_printf(&p, "Here are questions that find out whether somebody %s.\n\n", b->who);
        add_examples(&p, w, seed);
        strbuf_add(&p, "Write one more such question");
    } else {
        return trait_ask_pose(a, b->who, w->side ? 'B' : 'A');
    }
    strbuf_printf(&p, ", with two choices (A) and (B), of which somebody who %s chooses (%c). Write the question, then each choice on a line of "
                      "its own, and nothing else.", b->who, w->side ? 'B' : 'A');
    return p.failed ? NULL : p.text;
}

/* A statement may begin with "I won't": only words about the request itself decline it. */
static bool declines_to_write(const char *reply)
{
    static const char *const phrases[] = {"i can't help", "i cannot help", "i can't assist", "i cannot assist", "i can't write", "i cannot write",
                                          "i won't write", "i will not write", "i'm not able to", "i am not able to", "i'm unable to",
                                          "i am unable to", "i can't create", "i cannot create", "i can't provide", "i cannot provide"};
    slice first = slice_trim(slice_of(reply));
    size_t end = slice_find(first, SLICE("\n"), 0);
    first = slice_sub(first, 0, end == SIZE_MAX ? first.length : end);
    for (size_t i = 0; i < COUNT_OF(phrases); i++)
        if (slice_find_nocase(first, slice_of(phrases[i]), 0) != SIZE_MAX)
            return true;
    return false;
}

static size_t good_items(const written_batch *b)
{
    size_t good = 0;
    for (size_t i = 0; i < b->count; i++)
        good += b->items[i].form == FORM_GOOD;
    return good;
}

/* Why a reply has no items at all; those that it seems to have are none then. */
static reply_state state_of(const char *asked, const generate_reply *reply, const written_batch *b)
{
    reply_state unread = reply_unread(asked, reply);
    if (unread == REPLY_EMPTY || unread == REPLY_OTHER_SCRIPT || reply->reason == STOP_REFUSED)
        return unread;
    if (good_items(b) <= 1 && declines_to_write(reply->text))
        return REPLY_REFUSED;
    return REPLY_READ;
}

status written_write(study_sample *s, const char *role, const written_wanted *w, written_batch *out, error *err)
{
    const char *asked = w->kind == WRITTEN_CHOICE ? ask_for_question(s->arena, w, s->run->seed) : trait_ask_write(s->arena, w->behaviour->who, w->behaviour->opposite, w->side == 0, w->count);
    message m = message_text(s->arena, MESSAGE_USER, asked ? asked : "");
    int tokens = w->max_tokens ? w->max_tokens : w->kind == WRITTEN_CHOICE ? 400 : 48 * w->count + 32;
    ask_options options = {.max_tokens = tokens, .temperature = w->temperature, .position = w->position,
                           .reference_good = w->reference_good, .reference_bad = w->reference_bad};
    generate_reply reply;
    if (!asked || m.count == 0)
        return no_memory(err);
    TRY(study_ask(s, role, &m, 1, &options, &reply, err));
    const char *text = reply.text ? reply.text : "";
    written_read(s->arena, w, text, reply.reason == STOP_LENGTH, out);
    if (!out->items)
        return no_memory(err);
    out->asked = asked;
    out->state = state_of(asked, &reply, out);
    if (out->state != REPLY_READ)
        out->count = 0;
    return STATUS_OK;
}

/* ---- filtering -------------------------------------------------------------------------------------------------- */

static const char *label_question(arena *a, const written_behaviour *b, const written_item *item)
{
    if (item->kind == WRITTEN_STATEMENT)
        return trait_ask_label(a, b->who, item->text);
    return trait_ask_choose(a, b->who, item->text, item->side ? 'B' : 'A');
}

static const char *relevance_question(arena *a, const written_behaviour *b, const written_item *item)
{
    if (item->kind == WRITTEN_STATEMENT)
        return trait_ask_relevance(a, b->who, item->text);
    return trait_ask_tells(a, b->who, item->text);
}

status written_sure(study_sample *s, const char *role, const char *question, const written_filtering *how, int truth, double *p, double *mass,
                    reply_state *state, error *err)
{
    static const char *const plain[] = {" Yes", " No"}, *const stripped[] = {"Yes", "No"};
    message m = message_text(s->arena, MESSAGE_USER, question ? question : "");
    double ignored;
    mass = mass ? mass : &ignored;
    *p = *mass = NAN;
    if (!question || m.count == 0)
        return no_memory(err);
    if (how->by_reply) {
        ask_options options = {.max_tokens = 16, .position = how->position, .reference_good = truth < 0 ? NULL : truth ? "Yes" : "No",
                               .reference_bad = truth < 0 ? NULL : truth ? "No" : "Yes"};
        generate_reply reply;
        int index;
        TRY(study_ask(s, role, &m, 1, &options, &reply, err));
        *state = reply_choice(stripped, 2, question, &reply, &index);
        *p = *state == REPLY_READ ? index == 0 : NAN;
        return STATUS_OK;
    }
    score_reply reply;
    s->position = how->position;
    TRY(study_score(s, role, &m, 1, how->strip ? stripped : plain, 2, &reply, err));
    choice_score score = choice_of(reply.logprobs, 2, 0);
    *state = isfinite(score.share) ? REPLY_READ : REPLY_UNREADABLE;
    *p = score.share;
    *mass = score.mass;
    return STATUS_OK;
}

status written_filter(study_sample *s, const char *role, const written_wanted *w, const written_filtering *how, written_item *item, error *err)
{
    bool turned = item->kind == WRITTEN_STATEMENT && item->side == 1; /* the label is then that such a person would not say it */
    int truth = how->truth_label < 0 ? -1 : turned ? !how->truth_label : how->truth_label;
    double p;
    TRY(written_sure(s, role, label_question(s->arena, w->behaviour, item), how, truth, &p, &item->mass, &item->label_state, err));
    item->label = turned ? 1 - p : p;
    if (!how->relevance)
        return STATUS_OK;
    written_filtering there = *how;
    there.position = how->relevance_position ? *how->relevance_position : how->position;
    return written_sure(s, role, relevance_question(s->arena, w->behaviour, item), &there, how->truth_relevance, &item->relevance, NULL,
                   &item->relevance_state, err);
}

/* ---- what subjects are asked ------------------------------------------------------------------------------------ */

const char *written_question(arena *a, const written_item *item)
{
    if (item->kind == WRITTEN_CHOICE)
        return item->text;
    return trait_ask_agree(a, item->text);
}

void written_answers(const written_item *item, bool strip, const char *answers[2])
{
    static const char *const words[WRITTEN_KIND_COUNT][2] = {{" Yes", " No"}, {" (A)", " (B)"}};
    answers[0] = words[item->kind][item->side] + strip;
    answers[1] = words[item->kind][!item->side] + strip;
}

bool written_truth(const written_behaviour *b, const written_item *item, bool *right, bool *relevant)
{
    if (b->trait == TRAIT_NONE)
        return false;
    trait_reading found = item->kind == WRITTEN_CHOICE ? trait_read_choice(item->text) : trait_read(item->text);
    *relevant = found.trait == b->trait;
    *right = *relevant && found.with == (item->side == 0);
    return true;
}

/* ---- records ---------------------------------------------------------------------------------------------------- */

json_t *written_item_json(const written_item *item)
{
    json_t *o = json_pack("{s:s, s:i, s:s}", "text", item->text, "side", item->side, "form", written_form_names[item->form]);
    if (!isnan(item->label) || item->label_state != REPLY_READ)
        json_object_set_new(o, "label", jsonio_number(item->label));
    if (!isnan(item->relevance) || item->relevance_state != REPLY_READ)
        json_object_set_new(o, "relevance", jsonio_number(item->relevance));
    if (!isnan(item->mass))
        json_object_set_new(o, "filter_mass", json_real(item->mass));
    if (item->label_state != REPLY_READ)
        json_object_set_new(o, "label_state", json_string(reply_state_names[item->label_state]));
    if (item->relevance_state != REPLY_READ)
        json_object_set_new(o, "relevance_state", json_string(reply_state_names[item->relevance_state]));
    return o;
}

json_t *written_batch_json(const written_batch *b)
{
    json_t *items = json_array();
    for (size_t i = 0; i < b->count; i++)
        json_array_append_new(items, written_item_json(&b->items[i]));
    return json_pack("{s:s, s:o}", "state", reply_state_names[b->state], "items", items);
}
