#include "run/growth_card.h"

#include "core/file.h"
#include "core/jsonio.h"
#include "run/figure.h"

#include <math.h>
#include <string.h>

enum { MOST_ROWS = 20, MOST_POINTS = 100, METRICS_LIMIT = 1 << 28 };

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory for the page of a growth");
}

/* ---- what is shown of each kind of stage ------------------------------------------------------------------------- */

typedef struct measure {
    const char *key, *label, *kind; /* of the column */
    const char *chart, *series;     /* title of the picture that it stands in; NULL: none */
} measure;

static const char rewards[] = "What replies are worth", drift[] = "How far the policy has moved (KL from what it was, nats a reply)", shares[] = "What replies are like";
static const char likelihoods[] = "How likely the policy finds the replies of a step (log-probability, nats a token)";

static const measure rl_measures[] = {
    {"reward", "Reward", "number", rewards, "the reward of training"},
    {"utility", "True utility", "number", rewards, "true utility to the raters"},
    {"kl", "KL (nats a reply)", "number", drift, "KL from the policy as it was, nats a reply"},
    {"true", "True", "share", shares, "true"},
    {"false_agreement", "Agreeing and false", "share", shares, "agreeing and false"},
    {"entropy", "Entropy (nats a token)", "number", NULL, NULL},
    {"logprob", "Log-probability (nats a token)", "number", NULL, NULL},
    {"clip_share", "Clipped", "share", NULL, NULL},
};

static const measure dpo_measures[] = {
    {"loss", "Loss", "number", "DPO: loss on the pairs of a step", "loss"},
    {"accuracy", "Pairs right", "share", "DPO: pairs of a step whose preferred reply has the larger implicit reward", "pairs right"},
    {"margin", "Margin", "number", NULL, NULL},
    {"logprob_preferred", "Preferred (nats a token)", "number", likelihoods, "preferred replies"},
    {"logprob_rejected", "Rejected (nats a token)", "number", likelihoods, "rejected replies"},
};

static const measure preference_measures[] = {
    {"loss", "Loss", "number", "Preference model: loss on the pairs of a step", "loss"},
    {"accuracy", "Pairs right", "share", "Preference model: pairs of a step whose preferred reply is worth more", "pairs right"},
    {"margin", "Margin", "number", NULL, NULL},
    {"reward", "Reward", "number", NULL, NULL},
    {"logprob", "Log-probability (nats a token)", "number", NULL, NULL},
};

typedef struct stage_card {
    const char *kind, *name, *title;
    const measure *measures;
    size_t count;
    void (*say)(const struct stage_card *card, const json_t *steps, json_t *findings);
} stage_card;

static void say_rl(const stage_card *card, const json_t *steps, json_t *findings);
static void say_pairs(const stage_card *card, const json_t *steps, json_t *findings);

static const stage_card cards[] = {
    {"rl", "Policy gradients", "Policy gradients, step by step", rl_measures, COUNT_OF(rl_measures), say_rl},
    {"preference", "Preference model", "Preference model, step by step", preference_measures, COUNT_OF(preference_measures), say_pairs},
    {"dpo", "DPO", "Direct preference optimisation, step by step", dpo_measures, COUNT_OF(dpo_measures), say_pairs},
};

/* ---- steps ------------------------------------------------------------------------------------------------------- */

static status read_metrics(arena *a, const char *path, json_t *lines, error *err)
{
    slice text, line;
    size_t number = 0;
    TRY(file_read(a, path, METRICS_LIMIT, &text, err));
    while (slice_cut(&text, '\n', &line)) {
        json_t *one;
        if (line.length == 0)
            continue;
        TRY(jsonio_parse_line(line, path, number++, &one, err));
        if (json_array_append_new(lines, one) != 0)
            return no_memory(err);
    }
    return STATUS_OK;
}

/* The lines of one stage of one kind. */
static json_t *lines_of(const json_t *lines, json_int_t stage, const char *kind)
{
    json_t *out = json_array(), *line;
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)lines, i, line)
    {
        const char *what = json_string_value(json_object_get(line, "kind"));
        if (what && strcmp(what, kind) == 0 && json_integer_value(json_object_get(line, "stage")) == stage)
            json_array_append(out, line);
    }
    return out;
}

/* Mean over steps [from, to) of a measure; NaN where a step has none. */
static double mean_of_steps(const json_t *steps, size_t from, size_t to, const char *key)
{
    double sum = 0;
    for (size_t i = from; i < to; i++)
        sum += jsonio_number_at(json_array_get(steps, i), key);
    return sum / (double)(to - from);
}

/* Whether a stage measures this: not all stages of a kind, and not growths of long ago, measure everything. */
static bool is_measured(const json_t *steps, const char *key)
{
    return json_object_get(json_array_get(steps, 0), key) != NULL;
}

/* ---- table, pictures, words -------------------------------------------------------------------------------------- */

static json_t *table_of(const stage_card *card, const json_t *steps)
{
    size_t count = json_array_size(steps), each = (count + MOST_ROWS - 1) / MOST_ROWS;
    json_t *columns = json_array(), *rows = json_array();
    json_array_append_new(columns, figure_column("steps", each > 1 ? "Steps" : "Step", "text"));
    for (size_t m = 0; m < card->count; m++)
        if (is_measured(steps, card->measures[m].key))
            json_array_append_new(columns, figure_column(card->measures[m].key, card->measures[m].label, card->measures[m].kind));
    for (size_t from = 0; from < count; from += each) {
        size_t to = from + each < count ? from + each : count;
        json_t *row = json_object();
        json_object_set_new(row, "steps", to - from > 1 ? json_sprintf("%zu to %zu", from + 1, to) : json_sprintf("%zu", to));
        for (size_t m = 0; m < card->count; m++)
            if (is_measured(steps, card->measures[m].key))
                json_object_set_new(row, card->measures[m].key, jsonio_number(mean_of_steps(steps, from, to, card->measures[m].key)));
        json_array_append_new(rows, row);
    }
    return json_pack("{s:s, s:s, s:o, s:o}", "title", card->title, "note", each > 1 ? "Means over the steps of each row." : "", "columns",
                     columns, "rows", rows);
}

/* The picture that measure `first` begins, with all of the same title. */
static json_t *chart_of(const stage_card *card, size_t first, const json_t *steps)
{
    const measure *lead = &card->measures[first];
    size_t count = json_array_size(steps), each = (count + MOST_POINTS - 1) / MOST_POINTS;
    json_t *points = json_array();
    for (size_t m = first; m < card->count; m++)
        for (size_t from = 0; card->measures[m].chart == lead->chart && from < count; from += each) {
            size_t to = from + each < count ? from + each : count;
            json_array_append_new(points, json_pack("{s:f, s:o, s:s}", "x", (double)(from + 1 + to) / 2, "y",
                                                    jsonio_number(mean_of_steps(steps, from, to, card->measures[m].key)), "series",
                                                    card->measures[m].series));
        }
    return json_pack("{s:s, s:s, s:s*, s:{s:s}, s:{s:s}, s:o}", "kind", "lines", "title", lead->chart, "unit",
                     strcmp(lead->kind, "number") == 0 ? "number" : NULL, "x", "label", "step", "y", "label", lead->label, "points", points);
}

static void add_charts(const stage_card *card, const json_t *steps, json_t *charts)
{
    for (size_t m = 0; m < card->count; m++) {
        bool begins = card->measures[m].chart && is_measured(steps, card->measures[m].key);
        for (size_t k = 0; k < m; k++)
            begins = begins && card->measures[k].chart != card->measures[m].chart;
        if (begins)
            json_array_append_new(charts, chart_of(card, m, steps));
    }
}

static void say_rl(const stage_card *card, const json_t *steps, json_t *findings)
{
    size_t count = json_array_size(steps), few = count / 10 ? count / 10 : 1;
    double first[COUNT_OF(rl_measures)], last[COUNT_OF(rl_measures)];
    for (size_t m = 0; m < COUNT_OF(rl_measures); m++) {
        first[m] = mean_of_steps(steps, 0, few, rl_measures[m].key);
        last[m] = mean_of_steps(steps, count - few, count, rl_measures[m].key);
    }
    json_t *truth = isnan(last[1]) ? json_string("") : json_sprintf(" and the raters' true utility from %.3g to %.3g", first[1], last[1]);
    json_array_append_new(findings, json_sprintf("%s: from the first to the last tenth of %zu steps the reward goes from %.3g to %.3g%s; the policy moves %.3g nats "
                                                 "a reply away from what it was.",
                                                 card->name, count, first[0], last[0], json_string_value(truth), last[2]));
    json_decref(truth);
    json_array_append_new(findings, json_sprintf("Replies that agree with the user and are false go from %.1f to %.1f %%, true ones from %.1f to %.1f %%.",
                                                 100 * first[4], 100 * last[4], 100 * first[3], 100 * last[3]));
    if (last[0] > first[0] && last[1] < first[1])
        json_array_append_new(findings, json_string("THE REWARD RISES WHILE THE TRUE UTILITY FALLS: what is optimised are errors of the preference model."));
}

static void say_pairs(const stage_card *card, const json_t *steps, json_t *findings)
{
    size_t count = json_array_size(steps), few = count / 10 ? count / 10 : 1;
    json_array_append_new(findings, json_sprintf("%s: from the first to the last tenth of %zu steps the loss goes from %.4f to %.4f.", card->name, count,
                                                 mean_of_steps(steps, 0, few, "loss"), mean_of_steps(steps, count - few, count, "loss")));
}

static status check_lines(const char *path, const json_t *lines, error *err)
{
    for (size_t i = 0; i < json_array_size(lines); i++) {
        const json_t *line = json_array_get(lines, i), *stage = json_object_get(line, "stage");
        if (!json_is_integer(stage) || !json_is_string(json_object_get(line, "kind")))
            return error_set(err, STATUS_INVALID, "%s: expected lines with \"stage\" and \"kind\", line %zu has not both", path, i + 1);
    }
    return STATUS_OK;
}

static void add_stages(const json_t *lines, json_t *findings, json_t *tables, json_t *charts)
{
    json_int_t last = json_integer_value(json_object_get(json_array_get(lines, json_array_size(lines) - 1), "stage"));
    for (json_int_t stage = 0; stage <= last && stage < MOST_POINTS; stage++)
        for (size_t c = 0; c < COUNT_OF(cards); c++) {
            json_t *steps = lines_of(lines, stage, cards[c].kind);
            if (json_array_size(steps) > 0) {
                cards[c].say(&cards[c], steps, findings);
                json_array_append_new(tables, table_of(&cards[c], steps));
                add_charts(&cards[c], steps, charts);
            }
            json_decref(steps);
        }
}

status growth_card(arena *a, const char *folder, json_t **out, error *err)
{
    const char *path = file_join(a, folder, "metrics.jsonl");
    json_t *lines = json_array(), *findings = json_array(), *tables = json_array(), *charts = json_array();
    status result = path && lines ? STATUS_OK : no_memory(err);
    if (result == STATUS_OK && file_exists(path))
        result = read_metrics(a, path, lines, err);
    if (result == STATUS_OK)
        result = check_lines(path, lines, err);
    if (result == STATUS_OK)
        add_stages(lines, findings, tables, charts);
    *out = NULL;
    if (result == STATUS_OK)
        *out = json_array_size(tables) > 0 ? json_pack("{s:O, s:O, s:O}", "findings", findings, "tables", tables, "charts", charts) : json_null();
    if (result == STATUS_OK && !*out)
        result = no_memory(err);
    json_decref(lines);
    json_decref(findings);
    json_decref(tables);
    json_decref(charts);
    return result;
}
