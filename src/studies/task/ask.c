/* One sample: asks one item, in as many orders of its examples as the task wants, and writes down what came. */
#include "studies/task/ask.h"

#include "core/hash.h"
#include "core/random.h"
#include "plugin/scorer.h"
#include "studies/reply.h"
#include "studies/task/pattern.h"
#include "studies/task/read.h"

#include <math.h>

enum { PROMPT_LIMIT = 1 << 28, SHOWN = 1200 };

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory while asking an item");
}

/* ---- the conversation ------------------------------------------------------------------------------------------- */

/* Which examples stand before the item, in the order `order`; NULL when memory is out. */
static const task_item **examples_of(const asking *q, size_t order)
{
    const task_items *pool = &q->run->pools[q->item->task];
    size_t wanted = (size_t)q->spec->shots.count, count = 0;
    uint64_t place = hash64(q->item->id, strlen(q->item->id), q->item->task);
    random_stream draw = random_stream_at(q->sample->run->seed, "task/shots", place, 0, 0, 0);
    random_stream mix = random_stream_at(q->sample->run->seed, "task/order", place, order, 0, 0);
    const task_item **all = ARENA_ARRAY(q->sample->arena, const task_item *, pool->count + 1);
    for (size_t i = 0; all && i < pool->count; i++)
        if (strcmp(pool->items[i].id, q->item->id) != 0)
            all[count++] = &pool->items[i];
    for (size_t i = 0; all && i < wanted && i < count; i++) {
        size_t other = i + (size_t)random_below(&draw, count - i);
        const task_item *kept = all[i];
        all[i] = all[other];
        all[other] = kept;
    }
    if (all)
        random_shuffle(&mix, all, wanted < count ? wanted : count, sizeof *all);
    return all;
}

static const char *answer_of(const task_item *item)
{
    return item->example ? item->example : item->answer >= 0 ? item->choices[item->answer] : item->target ? item->target : "";
}

static const char *last_text(const asking *q, const task_item *item)
{
    return item->texts[q->is_text ? 0 : q->spec->turn_count - 1];
}

/* The examples and the question as one text. */
static const char *join(const asking *q, const task_item *const *examples, const char *question)
{
    strbuf text = strbuf_new(q->sample->arena, PROMPT_LIMIT);
    for (size_t i = 0; i < (size_t)q->spec->shots.count; i++) {
        strbuf_add(&text, last_text(q, examples[i]));
        strbuf_add(&text, answer_of(examples[i]));
        strbuf_add(&text, q->spec->shots.separator);
    }
    strbuf_add(&text, question);
    return text.failed ? NULL : text.text;
}

static bool add_message(asking *q, message_role role, const char *text)
{
    message m = message_text(q->sample->arena, role, text);
    q->messages[q->count++] = m;
    return m.count > 0;
}

static bool add_start(asking *q, const char *text)
{
    block *b = ARENA_NEW(q->sample->arena, block);
    if (!b)
        return false;
    *b = (block){.kind = BLOCK_PREFILL, .text = text};
    q->messages[q->count++] = (message){.role = MESSAGE_ASSISTANT, .blocks = b, .count = 1};
    return true;
}

/* Fills q->messages for one order; `question` in the place of the last text. */
static status converse(asking *q, size_t order, const char *question, error *err)
{
    const task_spec *s = q->spec;
    size_t shots = (size_t)s->shots.count;
    const task_item **examples = NULL;
    q->messages = ARENA_ARRAY(q->sample->arena, message, s->turn_count + 2 * shots + 2);
    q->count = 0;
    if (shots && !(examples = examples_of(q, order)))
        return no_memory(err);
    bool turns = s->shots.as_turns && !q->is_text;
    const char *last = shots && !turns ? join(q, examples, question) : question;
    if (!q->messages || !last)
        return no_memory(err);
    const char *start = task_template_given(&s->prefill) ? q->item->texts[q->is_text ? 1 : s->turn_count] : NULL;
    if (q->is_text && start)
        last = arena_printf(q->sample->arena, "%s%s", last, start);
    q->asked = last;
    if (q->is_text)
        return last && add_start(q, last) ? STATUS_OK : no_memory(err);
    bool good = true;
    for (size_t i = 0; i + 1 < s->turn_count; i++)
        good = good && add_message(q, s->turns[i].role, q->item->texts[i]);
    for (size_t i = 0; turns && i < shots; i++)
        good = good && add_message(q, MESSAGE_USER, last_text(q, examples[i])) &&
               add_message(q, MESSAGE_ASSISTANT, slice_copy(q->sample->arena, slice_trim(slice_of(answer_of(examples[i])))));
    good = good && add_message(q, MESSAGE_USER, last);
    if (good && start)
        good = add_start(q, start);
    return good ? STATUS_OK : no_memory(err);
}

/* ---- log-probabilities ------------------------------------------------------------------------------------------ */

static status score(asking *q, const char *const *choices, size_t count, score_reply *reply, error *err)
{
    q->sample->position = q->item->position;
    status result = study_score(q->sample, "subject", q->messages, q->count, choices, count, reply, err);
    if (result == STATUS_UNSUPPORTED && err && q->spec->metric->asks == ASKS_CHOICE) {
        error why = *err; /* the record of a sample has no place for a hint */
        return error_set(err, STATUS_UNSUPPORTED, "%.500s; --ask reply reads the choice from a written reply instead", why.message);
    }
    TRY(result);
    q->joined = reply->joined > q->joined ? reply->joined : q->joined;
    q->unknown_join = q->unknown_join || reply->joined < 0;
    return STATUS_OK;
}

static status measure_scores(asking *q, size_t order, error *err)
{
    const task_item *item = q->item;
    const char *completion = item->target;
    const char *const *choices = item->choices ? item->choices : &completion;
    size_t count = item->choices ? (size_t)item->choice_count : 1;
    score_reply reply, other = {0};
    TRY(converse(q, order, last_text(q, item), err));
    TRY(score(q, choices, count, &reply, err));
    if (q->spec->metric->asks == ASKS_PAIR) {
        const char *plain = q->asked;
        TRY(converse(q, order, item->other, err));
        TRY(score(q, choices, count, &other, err));
        q->asked = plain;
    }
    q->logprobs = reply.logprobs;
    q->others = other.logprobs;
    q->state = REPLY_READ;
    for (size_t i = 0; i < count; i++)
        if (isnan(reply.logprobs[i]) || (other.logprobs && isnan(other.logprobs[i])))
            return error_set(err, STATUS_INVALID, "the subject gave no log-probability for '%.60s'", choices[i]);
    q->spec->metric->measure(&(task_measured){reply.logprobs, other.logprobs, count, item->answer}, &q->outcome);
    return STATUS_OK;
}

/* ---- written replies -------------------------------------------------------------------------------------------- */

static const char *trimmed(const asking *q, const char *text)
{
    return text ? slice_copy(q->sample->arena, slice_trim(slice_of(text))) : NULL;
}

static status ask_reply(asking *q, generate_reply *reply, error *err)
{
    const task_item *item = q->item;
    const task_spec *s = q->spec;
    int wrong = item->choice_count > 1 ? (item->answer == 0 ? 1 : 0) : -1;
    ask_options options = {
        .max_tokens = q->run->answer_tokens ? q->run->answer_tokens : (int)s->max_tokens,
        .temperature = q->run->temperature >= 0 ? q->run->temperature : s->temperature,
        .stops = s->stops,
        .stop_count = s->stop_count,
        .position = item->position,
        .reference_good = trimmed(q, item->answer >= 0 ? item->choices[item->answer] : item->target),
        .reference_bad = wrong >= 0 ? trimmed(q, item->choices[wrong]) : NULL,
    };
    *reply = (generate_reply){.logprob = NAN};
    TRY(study_ask(q->sample, "subject", q->messages, q->count, &options, reply, err));
    q->answered = reply->text ? reply->text : "";
    return STATUS_OK;
}

static void set_right(asking *q, double value)
{
    q->outcome = (task_outcome){.value = value, .right = value, .soft = NAN, .mass = NAN, .best = -1};
}

static void read_choice(asking *q, const generate_reply *reply)
{
    int index;
    q->state = reply_choice(q->item->choices, (size_t)q->item->choice_count, q->asked, reply, &index);
    set_right(q, index == q->item->answer);
    q->outcome.best = index;
}

static void read_exact(asking *q, const generate_reply *reply)
{
    slice text = slice_trim(slice_of(q->answered)), target = slice_trim(slice_of(q->item->target));
    bool right = slice_equal(text, target);
    q->state = right ? REPLY_READ : reply_unread(q->asked, reply);
    if (q->state == REPLY_UNREADABLE)
        q->state = REPLY_READ; /* some other answer */
    set_right(q, right);
}

static void read_pattern(asking *q, const generate_reply *reply)
{
    slice found;
    bool fits = task_pattern_last(q->spec->regex, slice_of(q->answered), &found);
    q->state = fits ? REPLY_READ : reply_unread(q->asked, reply);
    set_right(q, fits && (!q->item->target || slice_equal(slice_trim(found), slice_trim(slice_of(q->item->target)))));
}

/* Where a task has no answer column, that the pattern is nowhere found is a reading: the thing is not there. */
static void read_presence(asking *q, const generate_reply *reply)
{
    read_pattern(q, reply);
    if (q->state == REPLY_UNREADABLE || q->state == REPLY_TOO_LONG)
        q->state = REPLY_READ;
}

static void read_number(asking *q, const generate_reply *reply)
{
    slice text = slice_of(q->answered);
    double number = NAN, target = NAN;
    bool there = !q->spec->regex || task_pattern_last(q->spec->regex, text, &text);
    there = there && task_read_number(text, false, &number);
    task_read_number(slice_of(q->item->target), false, &target);
    q->state = there ? REPLY_READ : reply_unread(q->asked, reply);
    set_right(q, there && fabs(number - target) <= q->spec->tolerance);
}

static status measure_reply(asking *q, size_t order, error *err)
{
    generate_reply reply;
    TRY(converse(q, order, last_text(q, q->item), err));
    TRY(ask_reply(q, &reply, err));
    const char *name = q->spec->metric->name;
    if (q->spec->metric->asks == ASKS_CHOICE)
        read_choice(q, &reply);
    else if (strcmp(name, "exact") == 0)
        read_exact(q, &reply);
    else if (strcmp(name, "number") == 0)
        read_number(q, &reply);
    else if (q->item->target)
        read_pattern(q, &reply);
    else
        read_presence(q, &reply);
    return STATUS_OK;
}

/* The mean of the numbers in several replies; those without one are left out. */
static status measure_samples(asking *q, size_t order, error *err)
{
    double sum = 0;
    size_t numbers = 0;
    strbuf all = strbuf_new(q->sample->arena, PROMPT_LIMIT);
    generate_reply reply = {0};
    TRY(converse(q, order, last_text(q, q->item), err));
    for (int64_t i = 0; i < q->spec->samples; i++) {
        double number;
        TRY(ask_reply(q, &reply, err));
        if (task_read_number(slice_of(q->answered), true, &number)) {
            sum += number;
            numbers++;
        }
        strbuf_printf(&all, "%s%s", i ? " | " : "", q->answered);
    }
    q->answered = all.failed || !all.text ? "" : all.text;
    q->state = numbers ? REPLY_READ : reply_unread(q->asked, &reply);
    set_right(q, numbers ? sum / (double)numbers : NAN);
    q->outcome.right = NAN;
    return STATUS_OK;
}

/* ---- grades ----------------------------------------------------------------------------------------------------- */

static jinja_value word(const asking *q, const char *text)
{
    return jinja_text(q->sample->arena, slice_of(text ? text : ""), JINJA_DATA);
}

/* The grade that the judge's reply names; NaN: none. */
static double grade_of(const task_spec *s, const char *text)
{
    char letter[2] = {reply_letter(text), 0};
    slice reply = slice_trim(slice_of(text));
    for (size_t i = 0; i < s->grade_count; i++)
        if (strcmp(s->grades[i].letter, letter) == 0)
            return s->grades[i].value;
    for (size_t i = 0; i < s->grade_count; i++) {
        slice g = slice_of(s->grades[i].letter);
        if (slice_starts(reply, g) && (reply.length == g.length || strchr(" .,:;)\n", reply.text[g.length])))
            return s->grades[i].value;
    }
    return NAN;
}

static status measure_grade(asking *q, size_t order, error *err)
{
    const task_spec *s = q->spec;
    generate_reply reply, verdict;
    TRY(converse(q, order, last_text(q, q->item), err));
    TRY(ask_reply(q, &reply, err));
    q->state = reply_unread(q->asked, &reply);
    if (q->state == REPLY_EMPTY)
        return STATUS_OK;
    jinja_dict *variables = jinja_dict_new(q->sample->arena);
    jinja_output rubric = {.text = slice_of(s->rubric.text)};
    if (!variables)
        return no_memory(err);
    jinja_dict_put(variables, "prompt", word(q, q->asked));
    jinja_dict_put(variables, "reply", word(q, q->answered));
    jinja_dict_put(variables, "answer", word(q, q->item->target));
    if (!s->rubric.fixed)
        TRY(jinja_render(s->rubric.program, q->sample->arena, variables, NULL, &rubric, err));
    message m = message_text(q->sample->arena, MESSAGE_USER, slice_copy(q->sample->arena, rubric.text));
    if (m.count == 0)
        return no_memory(err);
    ask_options options = {.max_tokens = 256, .position = -1};
    TRY(study_ask(q->sample, "judge", &m, 1, &options, &verdict, err));
    double grade = grade_of(s, verdict.text ? verdict.text : "");
    q->state = isnan(grade) ? REPLY_UNREADABLE : REPLY_READ;
    set_right(q, grade);
    return STATUS_OK;
}

/* ---- scorers of plug-ins ---------------------------------------------------------------------------------------- */

static status measure_scorer(asking *q, size_t order, error *err)
{
    generate_reply reply;
    plugin_verdict v;
    TRY(converse(q, order, last_text(q, q->item), err));
    TRY(ask_reply(q, &reply, err));
    study_wait(q->sample, true);
    status result = plugin_scorer_judge(q->run->scorers[q->item->task], q->sample->arena,
                                        &(plugin_scored){.asked = q->asked, .answered = q->answered, .expected = q->item->target}, &v, err);
    study_wait(q->sample, false);
    TRY(result);
    bool good = strcmp(v.verdict, "good") == 0, bad = strcmp(v.verdict, "bad") == 0, refused = strcmp(v.verdict, "refused") == 0;
    q->state = good || bad ? REPLY_READ : refused ? REPLY_REFUSED : REPLY_UNREADABLE;
    set_right(q, isnan(v.value) ? good : v.value);
    q->outcome.right = good;
    return STATUS_OK;
}

/* ---- one item --------------------------------------------------------------------------------------------------- */

static status measure(asking *q, size_t order, error *err)
{
    switch (q->spec->metric->asks) {
    case ASKS_CHOICE:
        return q->run->written ? measure_reply(q, order, err) : measure_scores(q, order, err);
    case ASKS_PAIR:
    case ASKS_SEQUENCE:
        return measure_scores(q, order, err);
    case ASKS_REPLY:
        return measure_reply(q, order, err);
    case ASKS_SAMPLES:
        return measure_samples(q, order, err);
    case ASKS_GRADE:
        return measure_grade(q, order, err);
    case ASKS_SCORER:
        return measure_scorer(q, order, err);
    }
    BUG("no such way to ask");
}

status task_ask(study_sample *s, error *err)
{
    const task_run *run = s->run->data;
    const task_item *item = &run->items.items[s->index];
    const task_spec *spec = run->tasks[item->task].spec;
    size_t orders = spec->shots.count ? (size_t)spec->shots.orders : 1;
    asking q = {.sample = s, .run = run, .item = item, .spec = spec, .is_text = task_is_text(spec, run->form)};
    task_outcome *outcomes = ARENA_ARRAY(s->arena, task_outcome, orders);
    size_t read = 0;
    reply_state unread = REPLY_READ;
    if (!outcomes)
        return no_memory(err);
    if (spec->metric->asks == ASKS_GRADE && !study_has_role(s, "judge")) {
        task_record_without_judge(&q); /* nothing is spent on replies that nobody can grade */
        return STATUS_OK;
    }
    for (size_t i = 0; i < orders; i++) {
        TRY(measure(&q, i, err));
        if (q.state == REPLY_READ)
            outcomes[read++] = q.outcome;
        else
            unread = q.state;
    }
    q.state = read ? REPLY_READ : unread;
    task_record(&q, outcomes, read);
    return STATUS_OK;
}
