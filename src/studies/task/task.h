/* task.h - private to the task study: declarative evaluations, from a YAML file to items that can be asked.
 *
 *     task: mwe/persona/{file}                 # {file}: one task for each data file, named after it
 *     title: "Model-written persona evaluations: {file}"
 *     data: {set: model-written-evals, files: "persona/a*.jsonl"}
 *     prompt: "{{ question }}"                 # Jinja over the columns of a row
 *     matching: answer_matching_behavior
 *     other: answer_not_matching_behavior
 *     metric: matching
 *
 * docs/tasks.md describes all keys. spec.c reads a file into task_specs, library.c finds files and names, data.c reads rows,
 * items.c makes items of them, ask.c asks one, read.c reads written replies, metrics.c holds the one table of metrics,
 * summary.c counts.
 */
#ifndef ASSAY_STUDIES_TASK_TASK_H
#define ASSAY_STUDIES_TASK_TASK_H

#include "core/yaml.h"
#include "jinja/jinja.h"
#include "run/study.h"
#include "studies/task/metrics.h"

#include <math.h>

/* A template of the file; `fixed` where no column stands in it, and then `text` is what it gives. */
typedef struct task_template {
    const yaml_node *at; /* NULL: the file has none */
    const jinja_template *program;
    const char *text;
    bool fixed;
} task_template;

/* A column by its name, or a template. */
typedef struct task_value {
    const char *column;
    task_template template;
} task_value;

typedef enum task_format { FORMAT_AUTO, FORMAT_JSONL, FORMAT_JSON, FORMAT_CSV, FORMAT_TSV, FORMAT_TEXT } task_format;

typedef struct task_condition {
    const char *column;
    const char *const *values; /* any of them; texts, numbers as they are written */
    size_t count;
} task_condition;

typedef struct task_data {
    const yaml_node *at; /* NULL: none */
    const char *set;                  /* of tasks/datasets.yaml; NULL: `path` */
    const char *const *patterns;      /* in the set: the first that some file fits */
    size_t pattern_count;
    const char *path;                 /* may hold * in its last part */
    task_format format;
    const char *records;              /* of JSON: the member that holds the list; "a.b" goes deeper */
    const char *const *columns;       /* names instead of a header */
    size_t column_count;
    bool header;
    int64_t lines;                    /* of text: lines a record */
    task_condition *where;
    size_t where_count;
} task_data;

typedef struct task_turn {
    message_role role;
    task_template text;
} task_turn;

/* How the text of an answer names the right choice. */
typedef enum task_answer_kind { ANSWER_TEXT, ANSWER_INDEX, ANSWER_NUMBER, ANSWER_LETTER, ANSWER_MARKED } task_answer_kind;

typedef struct task_shots {
    int64_t count;          /* examples before each question */
    int64_t orders;         /* in how many orders each item is asked; its value is their mean */
    bool as_turns;          /* as earlier turns of the conversation, not in the text of the last one */
    const char *separator;
    task_template answer;   /* absent: the right choice, or the target */
    task_data data;         /* absent: the other items of the task */
} task_shots;

typedef struct task_grade {
    const char *letter;
    double value;
} task_grade;

typedef struct task_spec {
    const char *file;      /* the YAML file, for messages */
    slice source;          /* its text, for the identity of a run */
    const char *name;      /* may hold {file} */
    const char *title, *paper, *about;
    task_data data;
    task_turn *turns;      /* the conversation up to the question; the last one is the user's */
    size_t turn_count;
    task_template text_prompt; /* instead of the turns where the prompt is text to be continued */
    task_template other_prompt;
    task_template prefill;
    bool as_text;          /* the prompt is text to be continued, not a message */
    task_template *choices;
    size_t choice_count;
    const char *choice_column; /* a list in each row, or a map whose keys they are */
    task_template choice_template; /* of one of them: {{ choice }} */
    task_template choice_lines;    /* writes one choice a line */
    task_value matching, other;
    task_value answer;
    task_answer_kind answer_kind;
    const task_metric *metric;
    bool invert;
    const char *pattern;
    const char *scorer;    /* a plug-in (plugin/named.h), its path from where the file lies */
    double tolerance;
    task_template rubric;
    task_grade *grades;
    size_t grade_count;
    int64_t max_tokens, samples;
    double temperature;
    const char *const *stops;
    size_t stop_count;
    task_shots shots;
    task_value group, cluster, id;
    void *regex;           /* pcre2_code of `pattern`; NULL: none */
} task_spec;

/* A task by its whole name: a spec, and the data files that it is made of. */
typedef struct task {
    const task_spec *spec;
    const char *name, *title;
    const char *const *files; /* NULL: the data are not here */
    size_t file_count;
    const char *missing;      /* what to do about it */
} task;

typedef struct task_item {
    const char *id;
    const char *const *texts;   /* of the spec's turns, or one where the prompt is text; then the prefill, where there is one */
    const char *other;          /* other_prompt; NULL */
    const char *const *choices;
    const char *target;         /* of written answers; NULL */
    const char *example;        /* its answer where it is an example; NULL: the right choice, or the target */
    const char *group, *cluster; /* NULL: none */
    int choice_count, answer;   /* -1: there is none */
    uint32_t task;
    double position; /* in [0, 1): the place in the order of routers and oracles */
} task_item;

typedef struct task_items {
    task_item *items;
    size_t count, capacity;
} task_items;

/* What `prepare` leaves in run->data. */
typedef struct task_run {
    const task *tasks;
    task_items *pools;   /* of each task: its examples; empty where it has none of its own */
    size_t task_count;
    task_items items;    /* by task */
    struct plugin_scorer **scorers; /* of each task; NULL where it has none */
    size_t *first;       /* [task_count + 1] of each task's items */
    size_t *left_out;    /* of each task: rows that --items left */
    size_t replaced;     /* rows with NUL characters */
    const char *const *absent; /* names of tasks that a pattern fits and whose data are not here; NULL-terminated */
    int form;            /* FORM_... */
    bool written;        /* choices are read from written replies */
    int answer_tokens;   /* 0: as the task says */
    double temperature;  /* negative: as the task says */
} task_run;

enum { TASK_FORM_FILE, TASK_FORM_CHAT, TASK_FORM_TEXT };

/* spec.c: reads the tasks of one file. `source` must live as long as the specs; `path` names it in messages, and relative
 * paths of data start where it lies. */
status task_specs_read(arena *a, slice source, const char *path, task_spec **out, size_t *count, error *err);
/* template.c */
status task_template_read(arena *a, const yaml_node *map, const char *key, task_template *out, error *err);
status task_template_make(arena *a, const yaml_node *at, const char *text, task_template *out, error *err);
status task_value_read(arena *a, const yaml_node *map, const char *key, task_value *out, error *err);
bool task_template_given(const task_template *t);
bool task_value_given(const task_value *v);
/* Whether the prompt goes out as text to be continued. */
bool task_is_text(const task_spec *s, int form);

/* data.c: each row of a file in turn, as an object; `line` is where it stands (of JSON: its number). "\u0000" in a row of JSON
 * lines, which published data hold, is read as U+FFFD, and *replaced (may be NULL) grows by the rows that hold it. */
typedef status task_row(void *context, const json_t *row, size_t line, error *err);
status task_data_each(const task_data *d, const char *path, slice text, task_row *row, void *context,
                      size_t *replaced, error *err);
/* A list of texts: a list, the keys of a map, or a text that writes one as Python or JSON does. NULL: it is none. */
json_t *task_list_of(const json_t *value);

/* items.c: the items of one task, in the order of its data; at most `most` of them (0: all), drawn by the seed. */
typedef struct task_make {
    arena *arena;
    uint64_t seed;
    size_t most;
    int form;
    bool strip;
    size_t left_out;  /* filled in: by the last call */
    size_t replaced;  /* grows: rows with NUL characters */
    void (*content)(void *context, slice bytes); /* of each file that was read; may be NULL */
    void *context;
} task_make;
status task_items_make(task_make *m, const task *t, const task_data *d, const char *const *files, size_t file_count,
                       uint32_t number, task_items *out, error *err);

/* ask.c, summary.c, figures.c: the callbacks of the study. */
status task_ask(study_sample *s, error *err);
status task_summarise(const study_run *run, const json_t *records, json_t **summary, error *err);
status task_figures(const study_run *run, const json_t *summary, json_t **figures, error *err);

#endif
