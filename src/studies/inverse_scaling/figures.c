/* The summary in words, tables and pictures. */
#include "core/jsonio.h"
#include "run/figure.h"
#include "stats/choice.h"
#include "studies/inverse_scaling/traps.h"

#include <math.h>
#include <stdio.h>

/* What a finding says of a cell: of choices what the subject does in so many cases, of the others what is so many nats. */
static const char *const says[TRAP_COUNT][SAYING_DOSES] = {
    [TRAP_MEMO] = {"ends as it was asked to a line that the ladder's corpus never has", "ends as it was asked to a line that the ladder's corpus has 2 times",
                   "ends as it was asked to a line that the ladder's corpus has 20 times",
                   "ends as it was asked to a line that the ladder's corpus has 200 times"},
    [TRAP_NEGATION] = {"finds which of two people likes a colour", "finds which of two people does not like a colour"},
    [TRAP_FALLACY] = {"draws the conclusion that follows", "refuses the conclusion that does not follow"},
    [TRAP_FEW_SHOT] = {"knows a fact after eight examples with many answers", "knows a fact after eight examples that all have another answer"},
    [TRAP_PREFIX] = {"A word named in front of a question that has nothing to do with it takes away from the log-odds of the right answer",
                     "A wrong answer named in front of a question takes away from the log-odds of the right one"},
    [TRAP_OVERRIDE] = {"The line that was asked for costs", "The line that was asked for costs, with the same request once more behind,",
                       "The line that was asked for first costs, with a request for another ending behind,"},
    [TRAP_STOCK] = {"ends a stranger's line as it was asked to", "ends the known line of a trade as it was asked to"},
};

/* The figure in one sentence, and how much worse than in the control it is. */
static void say(trap_kind kind, int cell, const json_t *form, json_t *findings)
{
    double value = jsonio_number_at(form, "estimate");
    const json_t *beyond = json_object_get(form, "beyond_control");
    bool choice = trap_metric_of(kind) == TRAP_BY_CHOICE;
    if (isnan(value)) {
        json_array_append_new(findings, json_sprintf("No estimate for %s: %s.", trap_cell_name(kind, cell), json_string_value(json_object_get(form, "reason"))));
        return;
    }
    char more[160] = "";
    if (beyond)
        snprintf(more, sizeof more, choice ? ", %.1f points [%.1f, %.1f] fewer than in the control" : ", %+.2f [%+.2f, %+.2f] more than in the control",
                 (choice ? 100 : 1) * jsonio_number_at(beyond, "estimate"), (choice ? 100 : 1) * jsonio_number_at(beyond, "low"),
                 (choice ? 100 : 1) * jsonio_number_at(beyond, "high"));
    json_array_append_new(findings, choice ? json_sprintf("In %.1f %% of the cases the subject %s (chance: 50 %%)%s.", 100 * value, says[kind][cell], more)
                                           : json_sprintf("%s %.2f nats%s.", says[kind][cell], value, more));
}

/* Who gives next to nothing to both answers has not learnt to speak of such things: the figures are of little worth. */
static void add_strangers(const json_t *summary, json_t *findings)
{
    static const double least = .01;
    size_t cells = 0, strange = 0;
    const char *name;
    json_t *form;
    json_object_foreach(json_object_get(summary, "forms"), name, form)
    {
        const json_t *mass = json_object_get(form, "mass");
        cells += json_is_number(mass);
        strange += json_is_number(mass) && json_number_value(mass) < least;
    }
    if (strange)
        json_array_append_new(findings, json_sprintf("In %zu of %zu tasks both answers together have less than 1 %% of the probability: the subject hardly "
                                                     "speaks of such things, and what it prefers says little. The tasks are made for models "
                                                     "of organisms/ladder.yaml.", strange, cells));
}

/* ---- tests of one model alone -------------------------------------------------------------------------------------- */

/* Worse than guessing where a planted trap is strongest; worse than in the control where nothing is planted. */
static void add_claim(trap_kind kind, const json_t *forms, json_t *list)
{
    static const char *const beyond_says[TRAP_COUNT] = {
        [TRAP_FEW_SHOT] = "knows facts less often after examples that all have one other answer than after mixed ones",
        [TRAP_PREFIX] = "is moved away from the right answer by a wrong one named in front, more than by another word",
        [TRAP_OVERRIDE] = "gives up the line that was asked for when another ending is asked for behind it, more than when it is asked for twice",
    };
    int cell = trap_cells(kind) - 1;
    const char *name = trap_cell_name(kind, cell);
    const json_t *form = json_object_get(forms, name), *beyond = json_object_get(form, "beyond_control");
    char text[200];
    snprintf(text, sizeof text, "in less than half of the cases (guessing) %s", says[kind][cell]);
    if (!form || (trap_paired(kind) && !beyond))
        return;
    json_array_append_new(list, beyond ? figure_claim(name, beyond_says[kind], trap_metric_of(kind) == TRAP_BY_CHOICE ? "share" : "number", beyond,
                                                      figure_p(beyond, 0, true), -1)
                                       : figure_claim(name, text, "share", form, figure_p(form, choice_chance_accuracy(TRAP_CLASSES), false), -1));
}

/* ---- tables and pictures -------------------------------------------------------------------------------------------- */

typedef struct sheet {
    json_t *rows, *points;
} sheet;

static void add_row(const char *name, const json_t *form, bool choice, sheet *to)
{
    json_t *row = json_pack("{s:s, s:o, s:O?, s:O?, s:O?}", "cell", name, "accuracy", figure_interval(choice ? form : json_object_get(form, "accuracy")),
                            "mass", json_object_get(form, "mass"), "ties", json_object_get(form, "ties"), "n", json_object_get(form, "n"));
    if (choice)
        json_object_set(row, "loss", json_object_get(json_object_get(form, "loss"), "estimate"));
    else if (json_is_number(json_object_get(form, "estimate")))
        json_object_set_new(row, "nats", json_sprintf("%+.3f [%+.3f, %+.3f]", jsonio_number_at(form, "estimate"), jsonio_number_at(form, "low"),
                                                      jsonio_number_at(form, "high")));
    json_array_append_new(to->rows, row);
    if (json_is_number(json_object_get(form, "estimate")))
        json_array_append_new(to->points, json_pack("{s:s, s:O, s:O, s:O}", "label", name, "y", json_object_get(form, "estimate"), "low",
                                                    json_object_get(form, "low"), "high", json_object_get(form, "high")));
}

static json_t *table(const char *title, const char *note, bool choice, json_t *rows)
{
    json_t *columns = json_array();
    json_array_append_new(columns, figure_column("cell", "Task", "text"));
    if (!choice)
        json_array_append_new(columns, figure_column("nats", "Nats (larger is worse)", "text"));
    json_array_append_new(columns, figure_column("accuracy", "Accuracy", "interval"));
    if (choice)
        json_array_append_new(columns, figure_column("loss", "Loss (nats)", "number"));
    json_array_append_new(columns, figure_column("mass", "Mass on both", "share"));
    json_array_append_new(columns, figure_column("ties", "Ties", "count"));
    json_array_append_new(columns, figure_column("n", "Items", "count"));
    return json_pack("{s:s, s:s, s:o, s:O}", "title", title, "note", note, "columns", columns, "rows", rows);
}

static void add_sheet(const sheet *s, bool choice, json_t *tables, json_t *charts)
{
    if (json_array_size(s->rows) > 0)
        json_array_append_new(tables, table(choice ? "Choices" : "Log-odds and sequences",
                                            choice ? "The likelier of two given answers counts; chance is 50 %, a loss of 0.693. Loss: of the right answer among "
                                                     "the two. Mass: what both have together."
                                                   : "prefix: how far a word in front of the question moves the log-odds away from the right answer; override, "
                                                     "repeat: the negative log-probability of the line that was asked for first. Accuracy: in how many cases "
                                                     "the right one of two is likelier all the same.",
                                            choice, s->rows));
    if (json_array_size(s->points) > 0)
        json_array_append_new(charts, json_pack("{s:s, s:s, s:{s:s}, s:{s:s}, s:O}", "kind", "bars", "title", choice ? "Accuracy" : "Log-odds and sequences", "x",
                                                "label", "task", "y", "label", choice ? "accuracy" : "nats (larger is worse)", "points", s->points));
    if (json_array_size(s->points) > 0 && !choice)
        json_object_set_new(json_array_get(charts, json_array_size(charts) - 1), "unit", json_string("number"));
    json_decref(s->rows);
    json_decref(s->points);
}

status traps_figures(const study_run *run, const json_t *summary, json_t **figures, error *err)
{
    (void)run;
    const json_t *forms = json_object_get(summary, "forms");
    json_t *findings = json_array(), *tables = json_array(), *charts = json_array(), *claims = json_array();
    sheet choices = {json_array(), json_array()}, nats = {json_array(), json_array()};
    for (int kind = 0; kind < TRAP_COUNT; kind++) {
        bool choice = trap_metric_of((trap_kind)kind) == TRAP_BY_CHOICE;
        for (int cell = 0; cell < trap_cells((trap_kind)kind); cell++) {
            const char *name = trap_cell_name((trap_kind)kind, cell);
            const json_t *form = json_object_get(forms, name);
            if (!form)
                continue;
            say((trap_kind)kind, cell, form, findings);
            add_row(name, form, choice, choice ? &choices : &nats);
        }
        add_claim((trap_kind)kind, forms, claims);
    }
    add_strangers(summary, findings);
    add_sheet(&choices, true, tables, charts);
    add_sheet(&nats, false, tables, charts);
    *figures = json_pack("{s:o, s:o, s:o, s:o}", "findings", findings, "tables", tables, "charts", charts, "claims", claims);
    return *figures ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory for the figures");
}
