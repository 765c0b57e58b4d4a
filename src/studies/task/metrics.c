#include "studies/task/metrics.h"

#include "stats/choice.h"

#include <math.h>
#include <string.h>

static void measure_choice(const task_measured *in, task_outcome *out)
{
    choice_score s = choice_of(in->logprobs, in->count, (size_t)in->answer);
    *out = (task_outcome){.value = s.right, .right = s.right, .soft = s.share, .mass = s.mass, .best = (int)s.best,
                          .tied = s.tied};
}

static void measure_loss(const task_measured *in, task_outcome *out)
{
    measure_choice(in, out);
    out->value = choice_of(in->logprobs, in->count, (size_t)in->answer).loss;
}

/* The matching answers are the first choice. */
static void measure_matching(const task_measured *in, task_outcome *out)
{
    measure_choice(in, out);
    out->value = out->right = choice_matches(in->logprobs, in->count);
}

static void measure_sequence(const task_measured *in, task_outcome *out)
{
    *out = (task_outcome){.value = -in->logprobs[0], .right = NAN, .soft = NAN, .mass = NAN, .best = -1};
}

/* Right or wrong, and the coverage, as the contest counts them: by the biased prompt, and over both. */
static void measure_logodds(const task_measured *in, task_outcome *out)
{
    choice_score plain = choice_of(in->logprobs, 2, (size_t)in->answer);
    choice_score biased = choice_of(in->other, 2, (size_t)in->answer);
    *out = (task_outcome){.value = choice_logodds(in->logprobs, in->other, (size_t)in->answer), .right = biased.right,
                          .soft = biased.share, .mass = (plain.mass + biased.mass) / 2, .best = (int)biased.best,
                          .tied = biased.tied};
}

static void measure_absolute(const task_measured *in, task_outcome *out)
{
    measure_logodds(in, out);
    out->value = fabs(out->value);
}

const task_metric task_metrics[] = {
    {.name = "classification_acc", .help = "share of items whose likeliest choice is the right one (no length normalisation)",
     .asks = ASKS_CHOICE, .needs = NEEDS_CHOICES | NEEDS_ANSWER, .share = true, .better = 1,
     .chance = choice_chance_accuracy, .invert = choice_invert_accuracy, .measure = measure_choice,
     .good = "the right answer is the likeliest one", .bad = "another answer is likelier than the right one"},
    {.name = "classification_loss", .help = "negative log-probability of the right choice among all choices, in nats",
     .asks = ASKS_CHOICE, .needs = NEEDS_CHOICES | NEEDS_ANSWER, .better = -1,
     .chance = choice_chance_loss, .invert = choice_invert_loss, .measure = measure_loss,
     .good = "the right answer is the likeliest one", .bad = "another answer is likelier than the right one"},
    {.name = "sequence_prob", .help = "negative log-probability of a completion, in nats",
     .asks = ASKS_SEQUENCE, .needs = NEEDS_TARGET, .better = -1, .measure = measure_sequence,
     .good = "its log-probability was measured", .bad = "its log-probability was measured"},
    {.name = "logodds", .help = "how far other_prompt moves the log-odds away from the right one of two choices; larger is worse",
     .asks = ASKS_PAIR, .needs = NEEDS_CHOICES | NEEDS_TWO | NEEDS_ANSWER | NEEDS_OTHER, .better = -1,
     .measure = measure_logodds,
     .good = "after other_prompt the right answer is the likeliest one", .bad = "after other_prompt the wrong answer is likelier"},
    {.name = "absolute_logodds", .help = "how far other_prompt moves the log-odds of two choices, in either direction",
     .asks = ASKS_PAIR, .needs = NEEDS_CHOICES | NEEDS_TWO | NEEDS_ANSWER | NEEDS_OTHER, .better = -1,
     .measure = measure_absolute,
     .good = "after other_prompt the right answer is the likeliest one", .bad = "after other_prompt the wrong answer is likelier"},
    {.name = "matching", .help = "matching-behaviour rate of model-written evaluations: share of items whose matching answer beats "
                                 "all others, ties half",
     .asks = ASKS_CHOICE, .needs = NEEDS_MATCHING, .share = true, .mass_counts = true, .chance = choice_chance_accuracy,
     .invert = choice_invert_accuracy, .measure = measure_matching,
     .good = "the answer that matches the behaviour is likelier", .bad = "an answer that does not match the behaviour is likelier"},
    {.name = "exact", .help = "share of replies that are the answer, white space around them aside",
     .asks = ASKS_REPLY, .needs = NEEDS_TARGET, .share = true, .better = 1, .invert = choice_invert_accuracy,
     .good = "the reply is the answer", .bad = "the reply is not the answer"},
    {.name = "pattern", .help = "share of replies in which a regular expression finds the answer (its first group, where it has one; "
                                "the last place that fits)",
     .asks = ASKS_REPLY, .needs = NEEDS_PATTERN, .share = true, .better = 1, .invert = choice_invert_accuracy,
     .good = "the pattern finds the answer", .bad = "the pattern finds another answer"},
    {.name = "number", .help = "share of replies whose last number (or what `pattern` finds) is the answer",
     .asks = ASKS_REPLY, .needs = NEEDS_TARGET, .share = true, .better = 1, .invert = choice_invert_accuracy,
     .good = "the number is the answer", .bad = "the number is not the answer"},
    {.name = "numeric", .help = "mean of the numbers in several sampled replies of a few tokens",
     .asks = ASKS_SAMPLES, .needs = 0,
     .good = "a number was given", .bad = "a number was given"},
    {.name = "graded", .help = "mean grade that the role `judge` gives by the task's rubric",
     .asks = ASKS_GRADE, .needs = NEEDS_RUBRIC, .share = true, .better = 1, .invert = choice_invert_accuracy,
     .good = "the judge's grade is above one half", .bad = "the judge's grade is one half or less"},
    {.name = "scorer", .help = "mean of what a plug-in of yours says of each reply (docs/plugins.md): good is 1, bad is 0, or a number",
     .asks = ASKS_SCORER, .needs = NEEDS_SCORER, .better = 1,
     .good = "the scorer counts it as good", .bad = "the scorer counts it as bad"},
};
const size_t task_metric_count = sizeof task_metrics / sizeof *task_metrics;

const task_metric *task_metric_find(const char *name)
{
    for (size_t i = 0; i < task_metric_count; i++)
        if (strcmp(task_metrics[i].name, name) == 0)
            return &task_metrics[i];
    return NULL;
}
