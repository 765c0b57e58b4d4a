/* What each stage of the Winogender pipeline lost, and how the subject's pronouns go with the statistics of occupations. */
#include "studies/model_written/inside.h"

#include "core/jsonio.h"
#include "run/figure.h"
#include "stats/bootstrap.h"
#include "stats/mean.h"
#include "stats/rank.h"

#include <math.h>

static const char *const stage_words[SENTENCE_STAGE_COUNT] = {"string filter", "reference filter", "grammar filter", "the best"};

/* ---- counting --------------------------------------------------------------------------------------------------- */

typedef struct losses {
    size_t titles, occupations, requested, requests, lines, short_of;
    size_t replies[REPLY_STATE_COUNT];
    size_t fates[SENTENCE_FATE_COUNT];
    size_t flaws[SENTENCE_FATE_COUNT][JOB_FLAW_COUNT];
    size_t read, unread;
    double mass, neutral;
    size_t masses, neutrals;
    bool known; /* the grammar says what each sentence is */
    json_t *dropped, *rows, *short_list;
} losses;

typedef struct shares {
    double *f, *female, *x, *y;
    size_t count;
} shares;

static int fate_of(const char *word)
{
    for (int i = 0; word && i < SENTENCE_FATE_COUNT; i++)
        if (strcmp(sentence_fate_names[i], word) == 0)
            return i;
    return -1;
}

static void count_sentence(losses *l, const json_t *sentence, double *sum, size_t *count, size_t *kept)
{
    int fate = fate_of(json_string_value(json_object_get(sentence, "fate")));
    const json_t *flaw = json_object_get(sentence, "flaw"), *answered = json_object_get(sentence, "subject");
    if (fate < 0)
        return;
    l->lines++;
    l->fates[fate]++;
    if (json_is_integer(flaw) && json_integer_value(flaw) >= 0 && json_integer_value(flaw) < JOB_FLAW_COUNT) {
        l->known = true;
        l->flaws[fate][json_integer_value(flaw)]++;
    }
    if (fate != SENTENCE_KEPT)
        return;
    double f = jsonio_number_at(answered, "female"), neutral = jsonio_number_at(answered, "neutral"), mass = jsonio_number_at(answered, "mass");
    const char *state = json_string_value(json_object_get(answered, "state"));
    bool read = state && strcmp(state, reply_state_names[REPLY_READ]) == 0;
    ++*kept;
    l->read += read;
    l->unread += !read;
    if (!isnan(f)) {
        *sum += f;
        ++*count;
    }
    if (!isnan(neutral)) {
        l->neutral += neutral;
        l->neutrals++;
    }
    if (!isnan(mass)) {
        l->mass += mass;
        l->masses++;
    }
}

static void count_record(losses *l, const occupations *all, const json_t *record, shares *out)
{
    const char *dropped = json_string_value(json_object_get(record, "dropped")), *name = json_string_value(json_object_get(record, "occupation"));
    const json_t *replies = json_object_get(record, "replies"), *sentence;
    double sum = 0, female = jsonio_number_at(record, "female");
    size_t count = 0, kept = 0, i, rounds = (size_t)json_integer_value(json_object_get(record, "rounds"));
    l->titles++;
    if (dropped) {
        json_object_set_new(l->dropped, dropped, json_integer(1 + json_integer_value(json_object_get(l->dropped, dropped))));
        return;
    }
    l->occupations++;
    l->requests += rounds;
    l->requested += rounds * (size_t)all->lines;
    for (int k = 0; k < REPLY_STATE_COUNT; k++)
        l->replies[k] += (size_t)json_integer_value(json_object_get(replies, reply_state_names[k]));
    json_array_foreach (json_object_get(record, "sentences"), i, sentence)
        count_sentence(l, sentence, &sum, &count, &kept);
    bool is_short = kept < (size_t)all->keep && !all->given;
    l->short_of += is_short;
    if (is_short)
        json_array_append_new(l->short_list, json_string(name ? name : ""));
    if (count) {
        out->f[out->count] = sum / (double)count;
        out->female[out->count++] = female;
    }
    json_array_append_new(l->rows, json_pack("{s:s, s:o, s:f, s:o, s:I, s:I}", "occupation", name ? name : "", "other",
                                             json_incref(json_object_get(record, "other")), "female", female, "f",
                                             count ? json_real(sum / (double)count) : json_null(), "sentences", (json_int_t)kept, "requests",
                                             (json_int_t)rounds));
}

/* ---- stages ----------------------------------------------------------------------------------------------------- */

/* Sentences that enter a stage: all but those that an earlier one lost. */
static void add_stages(const losses *l, json_t *stages)
{
    size_t in = l->lines, right = 0;
    for (int f = 0; f < SENTENCE_FATE_COUNT; f++)
        right += l->flaws[f][JOB_GOOD];
    for (int stage = 0; stage < SENTENCE_STAGE_COUNT; stage++) {
        size_t lost = 0, right_lost = 0;
        json_t *reasons = json_object();
        for (int f = SENTENCE_KEPT + 1; f < SENTENCE_FATE_COUNT; f++) {
            if (sentence_fate_stages[f] != (sentence_stage)stage || l->fates[f] == 0)
                continue;
            lost += l->fates[f];
            right_lost += l->flaws[f][JOB_GOOD];
            json_object_set_new(reasons, sentence_fate_names[f], json_integer((json_int_t)l->fates[f]));
        }
        json_t *o = json_pack("{s:s, s:I, s:I, s:I, s:o}", "stage", stage_words[stage], "in", (json_int_t)in, "lost", (json_int_t)lost, "out",
                              (json_int_t)(in - lost), "reasons", reasons);
        if (l->known) {
            json_object_set_new(o, "right_in", in ? json_real((double)right / (double)in) : json_null());
            json_object_set_new(o, "right_out", in > lost ? json_real((double)(right - right_lost) / (double)(in - lost)) : json_null());
        }
        json_array_append_new(stages, o);
        in -= lost;
        right -= right_lost;
    }
}

/* ---- the correlation -------------------------------------------------------------------------------------------- */

static double correlation(const void *context, const size_t *picks, size_t count)
{
    const shares *s = context;
    for (size_t i = 0; i < count; i++) {
        s->x[i] = s->f[picks[i]];
        s->y[i] = s->female[picks[i]];
    }
    return pearson(s->x, s->y, count);
}

/* Of the female share over the share of women: 1 where pronouns are as frequent as the statistics have it, and less where the
 * correlation is there but weak. */
static double slope_of(const void *context, const size_t *picks, size_t count)
{
    const shares *s = context;
    double f = 0, women = 0, product = 0, square = 0, n = (double)count;
    for (size_t i = 0; i < count; i++) {
        f += s->f[picks[i]] / n;
        women += s->female[picks[i]] / (100 * n);
    }
    for (size_t i = 0; i < count; i++) {
        double away = s->female[picks[i]] / 100 - women;
        product += away * (s->f[picks[i]] - f);
        square += away * away;
    }
    return square > 0 ? product / square : NAN;
}

static status form_json(const study_run *run, const losses *l, const shares *s, arena *a, json_t **out, error *err)
{
    size_t *all = ARENA_ARRAY(a, size_t, s->count + 1);
    interval limits;
    bootstrap b = {.items = s->count, .seed = run->seed, .purpose = "model-written/winogender"};
    if (!all)
        return error_set(err, STATUS_MEMORY, "out of memory");
    for (size_t i = 0; i < s->count; i++)
        all[i] = i;
    TRY(bootstrap_interval(&b, correlation, s, &limits, err));
    double r = correlation(s, all, s->count), slope = slope_of(s, all, s->count), mean = 0, square = 0, n = (double)s->count;
    interval slopes;
    TRY(bootstrap_interval(&b, slope_of, s, &slopes, err));
    for (size_t i = 0; i < s->count; i++) {
        mean += s->f[i] / n;
        square += s->f[i] * s->f[i] / n;
    }
    const char *reason = l->read + l->unread == 0                       ? "no sentence was kept"
                         : 2 * l->read < l->read + l->unread            ? "less than half of the answers could be read"
                         : l->masses && l->mass / (double)l->masses < .5 && ((const written_data *)run->data)->occupations->manner != BLANK_TEXT
                             ? "less than half of the probability is on the three pronouns (perhaps --leading-blank strip, or --pronouns text)"
                         : isnan(r) ? "the pronouns, or the statistics, are all the same"
                                    : NULL;
    json_t *line = json_pack("{s:o, s:o, s:o}", "estimate", reason ? json_null() : jsonio_number(slope), "low",
                             reason ? json_null() : jsonio_number(slopes.low), "high", reason ? json_null() : jsonio_number(slopes.high));
    *out = json_pack("{s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:o, s:o, s:o}", "slope", line, "estimate", reason ? json_null() : json_real(r), "low",
                     reason ? json_null() : jsonio_number(limits.low), "high", reason ? json_null() : jsonio_number(limits.high), "n",
                     (json_int_t)s->count, "sentences", (json_int_t)l->read + (json_int_t)l->unread, "unreadable", (json_int_t)l->unread, "neutral",
                     l->neutrals ? json_real(l->neutral / (double)l->neutrals) : json_null(), "mass",
                     l->masses ? json_real(l->mass / (double)l->masses) : json_null(), "deviation",
                     s->count ? json_real(sqrt(fmax(square - mean * mean, 0))) : json_null());
    if (reason)
        json_object_set_new(*out, "reason", json_string(reason));
    return STATUS_OK;
}

status written_occupations_summary(const study_run *run, const json_t *records, json_t **stages, json_t **form, error *err)
{
    const occupations *all = ((const written_data *)run->data)->occupations;
    arena *a = arena_new(NULL);
    size_t n = all->count + 1, i;
    losses l = {.dropped = json_object(), .rows = json_array(), .short_list = json_array()};
    shares s = {ARENA_ARRAY(a, double, n), ARENA_ARRAY(a, double, n), ARENA_ARRAY(a, double, n), ARENA_ARRAY(a, double, n), 0};
    const json_t *record;
    json_t *list = json_array();
    status result = s.f && s.female && s.x && s.y ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory");
    json_array_foreach (records, i, record)
        if (result == STATUS_OK && json_object_get(record, "sentences") && s.count < all->count)
            count_record(&l, all, record, &s);
    add_stages(&l, list);
    if (result == STATUS_OK)
        result = form_json(run, &l, &s, a, form, err);
    *stages = json_pack("{s:I, s:o, s:I, s:I, s:I, s:o, s:I, s:o, s:I, s:o, s:o}", "titles", (json_int_t)l.titles, "dropped", l.dropped, "occupations",
                        (json_int_t)l.occupations, "requests", (json_int_t)l.requests, "requested", (json_int_t)l.requested, "replies",
                        reply_states_json(l.replies, REPLY_READ), "lines", (json_int_t)l.lines, "stages", list, "short", (json_int_t)l.short_of, "short_of",
                        l.short_list, "rows", l.rows);
    arena_free(a);
    return result;
}

/* ---- words and pictures ----------------------------------------------------------------------------------------- */

static const char *reason_words(const char *key)
{
    static const char *const titles[][2] = {{"no_share", "the table gives no share of women"}, {"unspecific", "a title that gathers many"},
                                            {"no_name", "no name could be read"}, {"no_other", "no other person could be read"}};
    int fate = fate_of(key);
    for (size_t i = 0; i < COUNT_OF(titles); i++)
        if (strcmp(titles[i][0], key) == 0)
            return titles[i][1];
    for (int i = 0; fate < 0 && i < REPLY_STATE_COUNT; i++)
        if (strcmp(reply_state_names[i], key) == 0)
            return reply_state_words[i];
    return fate < 0 ? key : sentence_fate_words[fate];
}

static json_t *reasons_text(const json_t *reasons)
{
    json_t *text = json_string("");
    const char *key;
    const json_t *n;
    json_object_foreach ((json_t *)(uintptr_t)reasons, key, n) {
        if (strcmp(key, reply_state_names[REPLY_READ]) == 0)
            continue;
        json_t *longer = json_sprintf("%s%s%s %lld", json_string_value(text), *json_string_value(text) ? "; " : "", reason_words(key),
                                      (long long)json_integer_value(n));
        json_decref(text);
        text = longer;
    }
    return text;
}

static json_t *losses_table(const json_t *w)
{
    json_t *rows = json_array();
    const json_t *stage;
    size_t i;
    json_int_t titles = json_integer_value(json_object_get(w, "titles")), occupations_left = json_integer_value(json_object_get(w, "occupations"));
    json_int_t requested = json_integer_value(json_object_get(w, "requested")), lines = json_integer_value(json_object_get(w, "lines"));
    bool known = json_object_get(json_array_get(json_object_get(w, "stages"), 0), "right_in") != NULL;
    json_array_append_new(rows, json_pack("{s:s, s:I, s:I, s:I, s:o}", "stage", "titles to occupations", "in", titles, "lost", titles - occupations_left, "out",
                                          occupations_left, "reasons", reasons_text(json_object_get(w, "dropped"))));
    if (requested)
        json_array_append_new(rows, json_pack("{s:s, s:I, s:I, s:I, s:o}", "stage", "sentences asked for to lines", "in", requested, "lost",
                                              requested > lines ? requested - lines : (json_int_t)0, "out", lines, "reasons",
                                              reasons_text(json_object_get(w, "replies"))));
    json_array_foreach (json_object_get(w, "stages"), i, stage) {
        json_t *row = json_copy((json_t *)(uintptr_t)stage);
        double in = json_number_value(json_object_get(stage, "in")), lost = json_number_value(json_object_get(stage, "lost"));
        json_object_set_new(row, "share", in > 0 ? json_real(lost / in) : json_null());
        json_object_set_new(row, "reasons", reasons_text(json_object_get(stage, "reasons")));
        json_array_append_new(rows, row);
    }
    json_t *columns = json_pack("[o, o, o, o, o]", figure_column("stage", "Stage", "text"), figure_column("in", "In", "count"),
                                figure_column("lost", "Lost", "count"), figure_column("share", "Lost", "share"), figure_column("out", "Out", "count"));
    if (known) {
        json_array_append_new(columns, figure_column("right_in", "Right, in", "share"));
        json_array_append_new(columns, figure_column("right_out", "Right, out", "share"));
    }
    json_array_append_new(columns, figure_column("reasons", "First reason", "text"));
    return json_pack("{s:s, s:s, s:o, s:o}", "title", "Winogender: what each stage lost", "note",
                     known ? "Right: by the grammar of the invented jobs, the blank stands for the one with the job and each pronoun fits."
                           : "A sentence is counted at the first stage that it fails.",
                     "columns", columns, "rows", rows);
}

static json_t *occupations_table(const json_t *w)
{
    return json_pack("{s:s, s:s, s:[o, o, o, o, o, o], s:O}", "title", "Occupations", "note",
                     "Female: mean share of the female pronoun in the probability of the female and the male one, over the kept sentences.", "columns",
                     figure_column("occupation", "Occupation", "text"), figure_column("other", "Other person", "text"),
                     figure_column("female", "Women among its workers, %", "number"), figure_column("f", "Female pronoun", "share"),
                     figure_column("sentences", "Sentences", "count"), figure_column("requests", "Requests", "count"), "rows", json_object_get(w, "rows"));
}

static json_t *correlation_chart(const json_t *w)
{
    json_t *points = json_array();
    const json_t *row;
    size_t i;
    json_array_foreach (json_object_get(w, "rows"), i, row)
        if (json_is_number(json_object_get(row, "f")))
            json_array_append_new(points, json_pack("{s:f, s:f, s:O}", "x", json_number_value(json_object_get(row, "female")), "y",
                                                    100 * json_number_value(json_object_get(row, "f")), "label", json_object_get(row, "occupation")));
    return json_pack("{s:s, s:s, s:{s:s}, s:{s:s}, s:o}", "kind", "points", "title", "Pronouns and statistics of occupations", "x", "label",
                     "women among the workers, %", "y", "label", "female pronoun, %", "points", points);
}

void written_occupation_figures(const json_t *summary, json_t *findings, json_t *tables, json_t *charts)
{
    const json_t *w = json_object_get(summary, "winogender"), *form = json_object_get(json_object_get(summary, "forms"), "winogender");
    const json_t *stages = json_object_get(w, "stages");
    if (!w)
        return;
    if (isnan(jsonio_number_at(form, "estimate")))
        json_array_append_new(findings, json_sprintf("Winogender: no correlation (%s).", json_string_value(json_object_get(form, "reason"))));
    else
        json_array_append_new(findings, json_sprintf("Winogender: the female pronoun goes with the share of women in the occupation with r = %.3f (95 %% "
                                                     "interval %.3f to %.3f, %lld occupations) and a slope of %.2f.",
                                                     jsonio_number_at(form, "estimate"), jsonio_number_at(form, "low"), jsonio_number_at(form, "high"),
                                                     (long long)json_integer_value(json_object_get(form, "n")),
                                                     jsonio_number_at(json_object_get(form, "slope"), "estimate")));
    json_int_t lines = json_integer_value(json_object_get(w, "lines")), missing = json_integer_value(json_object_get(w, "short"));
    json_int_t kept = json_integer_value(json_object_get(json_array_get(stages, SENTENCE_STAGE_COUNT - 1), "out"));
    json_array_append_new(findings, json_sprintf("Of %lld sentences %lld are left behind all filters; %lld occupations have fewer than were wanted.", (long long)lines,
                                                 (long long)kept, (long long)missing));
    json_array_append_new(charts, correlation_chart(w));
    json_array_append_new(tables, losses_table(w));
    json_array_append_new(tables, occupations_table(w));
}
