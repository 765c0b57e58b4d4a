/* What is written down of an item. */
#include "core/jsonio.h"
#include "stats/choice.h"
#include "studies/task/ask.h"

#include <math.h>

enum { SHOWN = 600 };

/* A text that is shown: the end of a long one, where the question stands. */
static json_t *shown(const asking *q, const char *text)
{
    size_t length = strlen(text);
    if (length <= SHOWN)
        return json_string(text);
    const char *from = text + length - SHOWN;
    while (((unsigned char)*from & 0xC0) == 0x80)
        from++;
    const char *cut = arena_printf(q->sample->arena, "... %s", from);
    return json_string(cut ? cut : "");
}

static double mean(const task_outcome *all, size_t count, size_t offset)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += *(const double *)((const char *)&all[i] + offset);
    return sum / (double)count;
}

#define MEAN(field) mean(outcomes, count, offsetof(task_outcome, field))

/* Who answered better than even is good; a task without right and wrong has no verdict of its own. */
static const char *verdict_of(const asking *q, double right, size_t count, const char **why)
{
    const task_metric *m = q->spec->metric;
    if (count == 0) {
        *why = reply_state_words[q->state];
        return q->state == REPLY_REFUSED ? "refused" : "unreadable";
    }
    bool good = isnan(right) || right >= .5, even = right == .5 && q->outcome.tied;
    *why = even ? "the answers are equally likely; counted half" : good ? m->good : m->bad;
    return good ? "good" : "bad";
}

/* How much of the mass is on "Yes": balanced labels hide that somebody says yes to everything. */
static double inclination(const asking *q)
{
    for (int i = 0; q->item->choices && i < q->item->choice_count; i++)
        if (slice_find_nocase(slice_trim(slice_of(q->item->choices[i])), SLICE("yes"), 0) == 0 &&
            slice_trim(slice_of(q->item->choices[i])).length == 3)
            return choice_of(q->logprobs, (size_t)q->item->choice_count, (size_t)i).share;
    return NAN;
}

static void add_scores(const asking *q, json_t *r)
{
    json_t *list = json_array(), *others = q->others ? json_array() : NULL;
    size_t n = q->item->choices ? (size_t)q->item->choice_count : 1;
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(list, jsonio_number(q->logprobs[i]));
        if (others)
            json_array_append_new(others, jsonio_number(q->others[i]));
    }
    json_object_set_new(r, "logprobs", list);
    if (others)
        json_object_set_new(r, "other_logprobs", others);
    if (q->spec->metric->needs & NEEDS_MATCHING && !isnan(inclination(q)))
        json_object_set_new(r, "yes", json_real(inclination(q)));
    if (q->joined > 0)
        json_object_set_new(r, "joined", json_integer(q->joined));
    if (q->unknown_join)
        json_object_set_new(r, "joined", json_null());
}

static void add_labels(const asking *q, json_t *r)
{
    json_object_set_new(r, "group", json_string(q->run->tasks[q->item->task].name));
    json_object_set_new(r, "id", json_string(q->item->id));
    if (q->item->group)
        json_object_set_new(r, "by", json_string(q->item->group));
    if (q->item->cluster)
        json_object_set_new(r, "cluster", json_string(q->item->cluster));
}

void task_record_without_judge(const asking *q)
{
    json_t *r = q->sample->record;
    add_labels(q, r);
    json_object_set_new(r, "verdict", json_string("excluded"));
    json_object_set_new(r, "scored", json_string("replies are graded by a judge: --role judge=SUBJECT"));
    json_object_set_new(r, "state", json_string("no_judge"));
}

void task_record(const asking *q, const task_outcome *outcomes, size_t count)
{
    json_t *r = q->sample->record;
    const task_item *item = q->item;
    double right = count ? MEAN(right) : NAN, value = count ? MEAN(value) : NAN;
    const char *why, *verdict = verdict_of(q, right, count, &why), *answered = q->answered;
    if (!answered && count && q->outcome.best >= 0)
        answered = item->choices[q->outcome.best];
    const char *expected = item->answer >= 0 ? item->choices[item->answer] : item->target;
    add_labels(q, r);
    json_object_set_new(r, "verdict", json_string(verdict));
    json_object_set_new(r, "asked", shown(q, q->asked));
    if (answered)
        json_object_set_new(r, "answered", shown(q, answered));
    if (expected)
        json_object_set_new(r, "expected", shown(q, expected));
    json_object_set_new(r, "scored", json_string(why));
    if (q->logprobs)
        add_scores(q, r);
    if (item->choice_count && q->spec->metric->chance)
        json_object_set_new(r, "chance", jsonio_number(q->spec->metric->chance((size_t)item->choice_count)));
    if (count == 0) {
        json_object_set_new(r, "state", json_string(reply_state_names[q->state]));
        return;
    }
    json_object_set_new(r, "value", jsonio_number(value));
    if (!isnan(value)) /* of curves over size: larger is better where either is */
        json_object_set_new(r, "scores", json_pack("{s:f}", q->spec->metric->name, q->spec->metric->better < 0 ? 0 - value : value));
    if (!isnan(right))
        json_object_set_new(r, "right", jsonio_number(right));
    if (!isnan(MEAN(mass))) {
        json_object_set_new(r, "soft", jsonio_number(MEAN(soft)));
        json_object_set_new(r, "mass", jsonio_number(MEAN(mass)));
    }
    if (q->outcome.tied)
        json_object_set_new(r, "tied", json_true());
    if (count > 1) {
        double squares = 0;
        for (size_t i = 0; i < count; i++)
            squares += (outcomes[i].value - value) * (outcomes[i].value - value);
        json_object_set_new(r, "spread", jsonio_number(sqrt(squares / (double)count)));
    }
}
