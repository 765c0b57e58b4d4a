/* metrics.h - private to the task study: the one table of metrics.
 *
 * A metric says what is asked for an item, what the task's file must give for that, and how what came becomes one number.
 * Everything else (help, checks of files, counting, intervals, tables) reads the table; a new metric is a row of metrics.c.
 */
#ifndef ASSAY_STUDIES_TASK_METRICS_H
#define ASSAY_STUDIES_TASK_METRICS_H

#include <stdbool.h>
#include <stddef.h>

typedef enum task_asks {
    ASKS_CHOICE,   /* log-probabilities of the choices behind the prompt */
    ASKS_PAIR,     /* the same behind prompt and other_prompt */
    ASKS_SEQUENCE, /* of one completion */
    ASKS_REPLY,    /* a written reply */
    ASKS_SAMPLES,  /* several written replies */
    ASKS_GRADE,    /* a written reply, and a judge's grade of it */
    ASKS_SCORER,   /* a written reply, and what a plug-in says of it (plugin/scorer.h) */
} task_asks;

/* What a task's file must give. */
enum {
    NEEDS_CHOICES = 1 << 0,
    NEEDS_TWO = 1 << 1,      /* exactly two of them */
    NEEDS_ANSWER = 1 << 2,   /* which choice is right */
    NEEDS_MATCHING = 1 << 3, /* `matching` and `other`, which are the choices */
    NEEDS_OTHER = 1 << 4,    /* other_prompt */
    NEEDS_TARGET = 1 << 5,   /* `answer` as a text */
    NEEDS_PATTERN = 1 << 6,
    NEEDS_RUBRIC = 1 << 7,   /* rubric and grades */
    NEEDS_SCORER = 1 << 8,
};

/* What came for one item. */
typedef struct task_measured {
    const double *logprobs, *other; /* of the choices; `other` behind other_prompt */
    size_t count;
    int answer;
} task_measured;

/* What became of it. NaN: the metric has no such figure. */
typedef struct task_outcome {
    double value;  /* the metric's own */
    double right;  /* 1, 0, .5 for a tie that counts half; NaN where nothing is right or wrong */
    double soft;   /* share of the answer in the mass on all choices */
    double mass;   /* on all choices */
    int best;      /* index of the likeliest choice; -1: none */
    bool tied;
} task_outcome;

typedef struct task_metric {
    const char *name, *help;
    task_asks asks;
    unsigned needs;
    bool share;         /* values are 0, 1 or between: an interval of a share */
    bool mass_counts;   /* no estimate where the mean mass on the choices is below one half */
    int better;         /* 1: larger is better, -1: smaller is, 0: neither */
    double (*chance)(size_t choices); /* what guessing gives; NULL: not known */
    double (*invert)(double value);   /* NULL: cannot be inverted */
    void (*measure)(const task_measured *in, task_outcome *out); /* of ASKS_CHOICE, _PAIR and _SEQUENCE */
    const char *good, *bad; /* why a verdict was given: one sentence each */
} task_metric;

extern const task_metric task_metrics[];
extern const size_t task_metric_count;
/* NULL: there is none of that name. */
const task_metric *task_metric_find(const char *name);

#endif
