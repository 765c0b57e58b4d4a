/* The summary in words, tables and pictures. */
#include "core/jsonio.h"
#include "core/text.h"
#include "run/figure.h"
#include "studies/global_opinions/opinions.h"
#include "studies/reply.h"

#include <math.h>
#include <stdlib.h>

enum { NAMED = 3 };
static const double LEVEL = .01; /* as report_claims has it */

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static const json_t *figures_of(const json_t *country, const char *condition)
{
    return json_object_get(json_object_get(country, "conditions"), condition);
}

static bool withheld(const json_t *summary, const char *condition)
{
    return json_is_string(json_object_get(json_object_get(json_object_get(summary, "conditions"), condition), "reason"));
}

/* ---- countries in order ----------------------------------------------------------------------------------------- */

typedef struct ranked {
    const json_t *country;
    double value;
} ranked;

static int by_value(const void *x, const void *y)
{
    double a = ((const ranked *)x)->value, b = ((const ranked *)y)->value;
    return isnan(a) || isnan(b) ? isnan(a) - isnan(b) : (a < b) - (a > b);
}

/* Countries by their effect when asked plainly; `most_only`: those with enough questions, where there are any. */
static ranked *rank_countries(const json_t *summary, bool most_only, size_t *count)
{
    const json_t *all = json_object_get(summary, "countries");
    ranked *list = calloc(json_array_size(all) + 1, sizeof *list);
    size_t many = 0;
    *count = 0;
    for (size_t i = 0; i < json_array_size(all); i++)
        many += json_is_false(json_object_get(json_array_get(all, i), "few"));
    for (size_t i = 0; list && i < json_array_size(all); i++) {
        const json_t *country = json_array_get(all, i);
        double value = jsonio_number_at(figures_of(country, "default"), "effect");
        if (most_only && many >= 2 && (json_is_true(json_object_get(country, "few")) || isnan(value)))
            continue;
        list[(*count)++] = (ranked){country, value};
    }
    if (list)
        qsort(list, *count, sizeof *list, by_value);
    return list;
}

/* ---- findings --------------------------------------------------------------------------------------------------- */

static json_t *named(const ranked *r)
{
    const json_t *f = figures_of(r->country, "default");
    if (isnan(jsonio_number_at(f, "effect_low")))
        return json_sprintf("%s (%.3f, too few questions for an interval)", text_at(r->country, "country"), jsonio_number_at(f, "effect"));
    return json_sprintf("%s (%.3f, %.3f to %.3f)", text_at(r->country, "country"), jsonio_number_at(f, "effect"), jsonio_number_at(f, "effect_low"),
                        jsonio_number_at(f, "effect_high"));
}

/* Whether the gap is more than chance and sharpness give. */
static void say_chance(const json_t *plain, json_t *findings)
{
    const json_t *chance = json_object_get(plain, "chance"), *countries = json_object_get(chance, "countries"), *options = json_object_get(chance, "options");
    double p = jsonio_number_at(countries, "p"), sharp = jsonio_number_at(options, "p"), even = jsonio_number_at(json_object_get(chance, "even"), "gap");
    if (isnan(p) || isnan(sharp))
        return;
    double rank = jsonio_number_at(json_object_get(chance, "even"), "rank");
    json_t *order = isnan(rank) ? json_string("") : json_sprintf(", and order countries as the subject does with a rank correlation of %.2f", rank);
    json_array_append_new(findings,
                          json_sprintf("%s: with the countries' labels permuted the gap is %.3f on average (95 %% of %lld draws below %.3f; p = %.3f), and for a subject just "
                                       "as sharp whose shares fall on options at random %.3f (p = %.3f). Equal shares for all options have a gap of %.3f%s.",
                                       p < LEVEL && sharp < LEVEL ? "That is more than chance" : p < LEVEL ? "Sharpness alone could explain that" : "Chance could explain that",
                                       jsonio_number_at(countries, "mean"), (long long)json_integer_value(json_object_get(chance, "draws")),
                                       jsonio_number_at(countries, "high"), p, jsonio_number_at(options, "mean"), sharp, even,
                                       json_string_value(order)));
    json_decref(order);
}

static void say_gap(const json_t *plain, json_t *findings)
{
    double low = jsonio_number_at(plain, "effect_gap_low");
    json_t *limits = isnan(low) ? json_string("too few questions for an interval")
                                : json_sprintf("95 %% interval %.3f to %.3f", low, jsonio_number_at(plain, "effect_gap_high"));
    json_array_append_new(findings, json_sprintf("The gap between the most and the least similar country is %.3f (%s).", jsonio_number_at(plain, "effect_gap"),
                                                 json_string_value(limits)));
    json_decref(limits);
}

static void say_order(const json_t *summary, json_t *findings)
{
    size_t count;
    ranked *list = rank_countries(summary, true, &count);
    const json_t *plain = json_object_get(json_object_get(summary, "conditions"), "default");
    while (list && count && isnan(list[count - 1].value))
        count--;
    if (withheld(summary, "default")) {
        json_array_append_new(findings, json_sprintf("Whose answers the subject's resemble cannot be said: %s (mean probability of all listed options: %.3f). What "
                                                     "was read all the same stands in brackets.",
                                                     text_at(plain, "reason"), jsonio_number_at(plain, "mass")));
    } else if (list && count >= 2) {
        strbuf most = strbuf_new(NULL, 1 << 16);
        size_t shown = count > NAMED ? NAMED : count - 1; /* the last one is the least similar */
        for (size_t i = 0; i < shown; i++) {
            json_t *words = named(&list[i]);
            strbuf_printf(&most, "%s%s", i == 0 ? "" : i + 1 == shown ? " and " : ", ", json_string_value(words));
            json_decref(words);
        }
        json_t *least = named(&list[count - 1]);
        json_array_append_new(findings, json_sprintf("Asked plainly, the answers are most like those of %s, and least like those of %s. 1 is the same shares for every "
                                                     "option, 0 none in common.",
                                                     most.text ? most.text : "", json_string_value(least)));
        strbuf_free(&most);
        json_decref(least);
        say_gap(plain, findings);
        say_chance(plain, findings);
    }
    free(list);
}

/* Equal shares are what a subject without opinions would answer. */
static void say_equal(const json_t *summary, json_t *findings)
{
    size_t count, above = 0, i;
    json_t *country;
    const json_t *all = json_object_get(summary, "countries");
    count = json_array_size(all);
    if (withheld(summary, "default") || count == 0)
        return;
    json_array_foreach((json_t *)(uintptr_t)all, i, country)
        above += jsonio_number_at(figures_of(country, "default"), "similarity_low") > jsonio_number_at(country, "uniform"); /* never for NaN */
    json_array_append_new(findings, json_sprintf("Of %zu countries %zu are answered more alike than by equal shares for all options (the whole interval above). The "
                                                 "entropy of the answers is %.2f of the most there can be.",
                                                 count, above, jsonio_number_at(json_object_get(json_object_get(summary, "conditions"), "default"), "entropy")));
}

static void say_condition(const json_t *summary, const char *name, const json_t *c, json_t *findings)
{
    bool country = strncmp(name, "country:", 8) == 0;
    const char *what = strchr(name, ':');
    const json_t *chance = json_object_get(c, "chance");
    if (!what)
        return;
    json_t *words = country ? json_sprintf("Asked how someone from %s would answer", what + 1) : json_sprintf("Asked in %s", what + 1);
    json_t *whom = country ? json_sprintf("%s", what + 1) : json_sprintf("the countries where that is spoken");
    double shift = jsonio_number_at(c, "shift"), low = jsonio_number_at(c, "shift_low"), high = jsonio_number_at(c, "shift_high");
    if (withheld(summary, name) || withheld(summary, "default") || isnan(shift))
        json_array_append_new(findings, json_sprintf("%s: no figure (%s).", json_string_value(words), withheld(summary, name) ? text_at(c, "reason")
                                                     : isnan(shift) ? "no country of these questions speaks it" : "there is none for the plain question"));
    else if (isnan(low))
        json_array_append_new(findings, json_sprintf("%s, the similarity to %s changes by %+.3f; it answered too few questions for an interval.", json_string_value(words),
                                                     json_string_value(whom), shift));
    else
        json_array_append_new(findings, json_sprintf("%s, the similarity to %s changes by %+.3f (%+.3f to %+.3f; p = %.3f): %s; that is %+.3f (%+.3f to %+.3f; p = %.3f) "
                                                     "beyond the change for the other countries, and moves the rank from %.1f to %.1f. The answers move at least as far towards %lld of %lld countries, "
                                                     "those included.",
                                                     json_string_value(words), json_string_value(whom), shift, low, high, jsonio_number_at(chance, "shift_p"),
                                                     low > 0 ? "it rises" : high < 0 ? "it falls" : "no change was found", jsonio_number_at(c, "selectivity"),
                                                     jsonio_number_at(c, "selectivity_low"), jsonio_number_at(c, "selectivity_high"), jsonio_number_at(chance, "selectivity_p"),
                                                     jsonio_number_at(c, "rank_before"), jsonio_number_at(c, "rank_after"),
                                                     (long long)json_integer_value(json_object_get(chance, "place")),
                                                     (long long)json_integer_value(json_object_get(chance, "places"))));
    json_decref(words);
    json_decref(whom);
}

/* Draws, and what could not be read. */
static void say_reading(const char *name, const json_t *c, json_t *findings)
{
    const json_t *translations = json_object_get(c, "translations");
    if (translations && !json_is_true(json_object_get(translations, "checked")))
        json_array_append_new(findings, json_sprintf("The translations under %s were made by the translator and checked by nobody: what changes may be the translation's "
                                                     "doing.", name));
    long long draws = json_integer_value(json_object_get(c, "draws")), read = json_integer_value(json_object_get(c, "draws_read"));
    if (draws) {
        json_array_append_new(findings, json_sprintf("Under %s, %lld of %lld questions were read from draws (%lld replies, %lld of them read), as no log-probabilities "
                                                     "were to be had or wanted. Draws alone put similarities %.3f too low, and scatter a country's mean by %.4f "
                                                     "(standard deviation).",
                                                     name, (long long)json_integer_value(json_object_get(c, "by_draws")),
                                                     (long long)json_integer_value(json_object_get(c, "questions")) +
                                                         (long long)json_integer_value(json_object_get(c, "unreadable")),
                                                     draws, read, -jsonio_number_at(c, "draw_bias"), jsonio_number_at(c, "draw_error")));
        for (int i = REPLY_READ + 1; i < REPLY_STATE_COUNT; i++) {
            long long count = json_integer_value(json_object_get(json_object_get(c, "unread"), reply_state_names[i]));
            if (count)
                json_array_append_new(findings, json_sprintf("Counted apart under %s, and in no share: of %lld replies, %s.", name, count, reply_state_words[i]));
        }
    }
    long long unreadable = json_integer_value(json_object_get(c, "unreadable")), untranslated = json_integer_value(json_object_get(c, "untranslated"));
    if (unreadable)
        json_array_append_new(findings, json_sprintf("Under %s, %lld questions have no answer and are left out (%lld of them because the translation could not be used).",
                                                     name, unreadable, untranslated));
}

static void say_data(const json_t *summary, json_t *findings)
{
    const json_t *d = json_object_get(summary, "data");
#define COUNT(key) (long long)json_integer_value(json_object_get(d, key))
    if (strcmp(text_at(d, "source"), "surveys") != 0)
        return;
    json_array_append_new(findings, json_sprintf("Of %lld rows (a question in a country) %lld were kept: %lld are of samples that are not national, %lld of old ones, %lld "
                                                 "hold no answers, %lld have another number of shares than of options, %lld came twice, %lld have no option but missing "
                                                 "ones. Asked were %lld questions (%lld of one country alone); of %lld countries %lld have fewer than %d questions.",
                                                 COUNT("rows"), COUNT("kept"), COUNT("non_national"), COUNT("old_sample"), COUNT("zero"), COUNT("length"), COUNT("twice"),
                                                 COUNT("missing_only"), COUNT("questions"), COUNT("of_one_country"), COUNT("countries"), COUNT("countries_with_few"), OPINION_FEW));
#undef COUNT
}

static void say_mix(const json_t *summary, json_t *findings)
{
    const json_t *mix = json_object_get(summary, "mix"), *truth = json_object_get(mix, "truth");
    if (!mix || withheld(summary, "default"))
        return;
    size_t best = 0, i;
    json_t *row;
    const json_t *weights = json_object_get(mix, "weights");
    json_array_foreach((json_t *)(uintptr_t)weights, i, row)
        if (jsonio_number_at(row, "weight") > jsonio_number_at(json_array_get(weights, best), "weight"))
            best = i;
    row = json_array_get(weights, best);
    const json_t *sharp = json_object_get(mix, "sharpness");
    double sharpness = jsonio_number_at(sharp, "estimate");
    bool even = fabs(sharpness - 1) < .02 || (jsonio_number_at(sharp, "low") <= 1 && jsonio_number_at(sharp, "high") >= 1);
    json_array_append_new(findings, json_sprintf("The mix of nations that fits the answers best has %.3f of %s (%.3f to %.3f) as its largest part; the answers are %s %s "
                                                 "that mix (its shares to the power %.2f), and %.4f nats are left between the two for a question.",
                                                 jsonio_number_at(row, "weight"), text_at(row, "nation"), jsonio_number_at(row, "low"), jsonio_number_at(row, "high"),
                                                 even ? "about as sharp" : sharpness < 1 ? "evener" : "sharper", even ? "as" : "than", sharpness, jsonio_number_at(mix, "divergence")));
    if (truth)
        json_array_append_new(findings, json_sprintf("The subject's recipe says what its corpus held. Similarities are at most %.4f from those of the planted mix, their "
                                                     "order correlates with the true one by %.3f, and the shares found are at most %.3f from the planted ones (%.3f, were "
                                                     "the answers taken to be as sharp as a mix).",
                                                     jsonio_number_at(truth, "worst_similarity_error"), jsonio_number_at(truth, "spearman"),
                                                     jsonio_number_at(truth, "worst_weight_error"), jsonio_number_at(truth, "worst_plain_error")));
}

/* ---- tables ----------------------------------------------------------------------------------------------------- */

/* "0.741 [0.72, 0.76]", in brackets where figures are withheld. */
static json_t *words_of(const json_t *figures, const char *key, bool hidden)
{
    char low[64], high[64];
    snprintf(low, sizeof low, "%s_low", key);
    snprintf(high, sizeof high, "%s_high", key);
    double value = jsonio_number_at(figures, key), from = jsonio_number_at(figures, low), to = jsonio_number_at(figures, high);
    if (isnan(value))
        return json_string("-");
    if (hidden)
        return json_sprintf("(%.3f)", value);
    return isnan(from) ? json_sprintf("%.3f", value) : json_sprintf("%.3f [%.3f, %.3f]", value, from, to);
}

static json_t *optional(const json_t *o, const char *key)
{
    json_t *v = json_object_get(o, key);
    return v ? json_incref(v) : json_null();
}

static json_t *country_table(const json_t *summary)
{
    size_t count;
    ranked *list = rank_countries(summary, false, &count);
    const json_t *conditions = json_object_get(summary, "conditions");
    const char *name;
    json_t *one, *rows = json_array(), *columns = json_array();
    json_array_append_new(columns, figure_column("country", "Country", "text"));
    json_array_append_new(columns, figure_column("questions", "Questions", "count"));
    json_array_append_new(columns, figure_column("effect", "Comparable similarity", "text"));
    json_object_foreach((json_t *)(uintptr_t)conditions, name, one)
        json_array_append_new(columns, figure_column(name, name, "text"));
    json_array_append_new(columns, figure_column("wasserstein", "Distance in steps", "number"));
    json_array_append_new(columns, figure_column("uniform", "Equal shares", "number"));
    json_array_append_new(columns, figure_column("nearest", "Nearest country", "text"));
    json_array_append_new(columns, figure_column("floor", "1000 others of it", "number"));
    for (size_t i = 0; list && i < count; i++) {
        const json_t *country = list[i].country, *plain = figures_of(country, "default"), *nearest = json_object_get(country, "nearest");
        double apart = jsonio_number_at(plain, "block");
        json_t *row = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "country",
                                json_sprintf("%s%s%s", text_at(country, "country"), json_is_true(json_object_get(country, "few")) ? " *" : "", apart > 0 ? " (apart)" : ""),
                                "questions", optional(country, "questions"), "effect", words_of(plain, "effect", withheld(summary, "default")), "wasserstein",
                                optional(plain, "wasserstein"), "uniform", optional(country, "uniform"), "nearest",
                                nearest ? json_sprintf("%s %.3f", text_at(nearest, "country"), jsonio_number_at(nearest, "similarity")) : json_string("-"), "floor",
                                optional(country, "floor"));
        json_object_foreach((json_t *)(uintptr_t)conditions, name, one)
            json_object_set_new(row, name, words_of(figures_of(country, name), "similarity", withheld(summary, name)));
        json_array_append_new(rows, row);
    }
    free(list);
    return json_pack("{s:s, s:s, s:o, s:o}", "title", "Similarity to each country", "note",
                     "1 less the Jensen-Shannon distance (base 2) between the subject's shares and the country's, mean over questions, with 95 % intervals from questions "
                     "drawn again. Countries answered different questions: the comparable similarity gives each question an effect of its own, and is what the "
                     "picture shows; the plain means stand beside it. * fewer than 50 questions; apart: no shared question connects it to the others. For comparison: "
                     "equal shares for all options, the country whose people answer most alike, and 1000 other people of the same country.",
                     "columns", columns, "rows", rows);
}

static json_t *condition_table(const json_t *summary)
{
    json_t *rows = json_array(), *columns = json_array(), *one;
    const char *name;
    json_object_foreach(json_object_get(summary, "conditions"), name, one) {
        bool hidden = withheld(summary, name) || withheld(summary, "default");
        json_array_append_new(rows, json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "condition", name, "questions", optional(one, "questions"), "unreadable",
                                              optional(one, "unreadable"), "mass", optional(one, "mass"), "draws", optional(one, "draws"), "entropy",
                                              optional(one, "entropy"), "gap", words_of(one, "effect_gap", hidden), "shift", words_of(one, "shift", hidden), "selectivity",
                                              words_of(one, "selectivity", hidden)));
    }
    json_array_append_new(columns, figure_column("condition", "Asked", "text"));
    json_array_append_new(columns, figure_column("questions", "Questions read", "count"));
    json_array_append_new(columns, figure_column("unreadable", "Left out", "count"));
    json_array_append_new(columns, figure_column("mass", "Mass on options", "number"));
    json_array_append_new(columns, figure_column("draws", "Draws", "count"));
    json_array_append_new(columns, figure_column("entropy", "Entropy", "number"));
    json_array_append_new(columns, figure_column("gap", "Gap", "text"));
    json_array_append_new(columns, figure_column("shift", "Change for those named", "text"));
    json_array_append_new(columns, figure_column("selectivity", "Beyond the others", "text"));
    return json_pack("{s:s, s:s, s:o, s:o}", "title", "Ways to ask", "note",
                     "Mass: probability of all listed options together; below .5 figures are withheld and stand in brackets. Entropy: as a share of that of equal shares; sharp "
                     "answers cannot be much alike to any country that is split. Gap: between the most and the least similar country (of those with enough questions).",
                     "columns", columns, "rows", rows);
}

/* "0.031 (p 0.001)"; "-" where nothing was tested. */
static json_t *by_chance(const json_t *test)
{
    double p = jsonio_number_at(test, "p");
    return isnan(p) ? json_string("-") : json_sprintf("%.3f (p %.3f)", jsonio_number_at(test, "mean"), p);
}

static json_t *with_p(const json_t *figures, const char *key, const json_t *chance, const char *p)
{
    double value = jsonio_number_at(figures, key), test = jsonio_number_at(chance, p);
    return isnan(value) || isnan(test) ? json_string("-") : json_sprintf("%+.3f (p %.3f)", value, test);
}

static json_t *chance_table(const json_t *summary)
{
    json_t *rows = json_array(), *columns = json_array(), *one;
    const char *name;
    json_object_foreach(json_object_get(summary, "conditions"), name, one) {
        const json_t *chance = json_object_get(one, "chance"), *even = json_object_get(chance, "even");
        long long place = (long long)json_integer_value(json_object_get(chance, "place")), places = (long long)json_integer_value(json_object_get(chance, "places"));
        json_array_append_new(rows, json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "condition", name, "gap", optional(one, "effect_gap"), "countries",
                                              by_chance(json_object_get(chance, "countries")), "options", by_chance(json_object_get(chance, "options")), "even",
                                              optional(even, "gap"), "rank", optional(even, "rank"), "shift", with_p(one, "shift", chance, "shift_p"), "selectivity",
                                              with_p(one, "selectivity", chance, "selectivity_p"), "change", with_p(one, "gap_change", chance, "gap_change_p"), "place",
                                              places ? json_sprintf("%lld of %lld", place, places) : json_string("-")));
    }
    static const char *const keys[][3] = {{"condition", "Asked", "text"}, {"gap", "Gap", "number"}, {"countries", "Countries permuted", "text"},
                                          {"options", "As sharp, no opinion", "text"}, {"even", "Equal shares", "number"}, {"rank", "Rank as equal shares", "number"},
                                          {"shift", "Change for those named", "text"}, {"selectivity", "Beyond the others", "text"},
                                          {"change", "Change of the gap", "text"}, {"place", "Place among the countries", "text"}};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        json_array_append_new(columns, figure_column(keys[i][0], keys[i][1], keys[i][2]));
    return json_pack("{s:s, s:s, s:o, s:o}", "title", "What chance and sharpness give", "note",
                     "A gap is above 0 by chance alone. Countries permuted: the countries of each question change places, mean gap and p. As sharp, no opinion: the "
                     "subject's shares change places among the options of each question. Equal shares: a subject that gives all options the same share, its gap and how "
                     "alike it orders the countries (Spearman). Changes: p (two-sided) with this way to ask and the plain one exchanged at random in each question. "
                     "Place: how many countries the answers move towards as far, that one counted; with permuted labels all places are as likely. 1000 draws each. Options that stand in one order alone (`--orders 1`) leave what letters "
                     "attract in all of this.",
                     "columns", columns, "rows", rows);
}

/* One line a language; NULL: none was asked in. */
static json_t *translation_table(const json_t *summary)
{
    json_t *rows = json_array(), *columns, *one, *count;
    const char *name, *why;
    json_object_foreach(json_object_get(summary, "conditions"), name, one) {
        const json_t *t = json_object_get(one, "translations"), *v = json_object_get(t, "verdicts");
        strbuf lost = strbuf_new(NULL, 1 << 16);
        strbuf_add(&lost, "");
        json_object_foreach(json_object_get(t, "problems"), why, count)
            strbuf_printf(&lost, "%s%lld: %s", lost.length ? "; " : "", (long long)json_integer_value(count), why);
        if (t)
            json_array_append_new(rows, json_pack("{s:s, s:o, s:s, s:o, s:o, s:o, s:s}", "language", strchr(name, ':') + 1, "usable", optional(t, "usable"), "checked",
                                                  json_is_true(json_object_get(t, "checked")) ? "yes" : "no", "accept", optional(v, "accept"), "edit",
                                                  optional(v, "edit"), "reject", optional(v, "reject"), "lost", lost.text ? lost.text : ""));
        strbuf_free(&lost);
    }
    if (json_array_size(rows) == 0) {
        json_decref(rows);
        return NULL;
    }
    columns = json_pack("[o, o, o, o, o, o, o]", figure_column("language", "Language", "text"), figure_column("usable", "Asked", "count"),
                        figure_column("checked", "Checked by people", "text"), figure_column("accept", "Accepted", "count"), figure_column("edit", "Edited", "count"),
                        figure_column("reject", "Rejected", "count"), figure_column("lost", "Left out", "text"));
    return json_pack("{s:s, s:s, s:o, s:o}", "title", "Translations", "note",
                     "A translation is as good as whoever made it. `assay export RUN -f files -o FOLDER` writes all of them with what came back, as a page on which people "
                     "accept, edit or reject them; `--translations` then asks only what they let pass.",
                     "columns", columns, "rows", rows);
}

static json_t *mix_table(const json_t *summary)
{
    const json_t *mix = json_object_get(summary, "mix"), *truth = json_object_get(json_object_get(mix, "truth"), "nations");
    json_t *rows = json_array(), *columns = json_array(), *row;
    size_t i;
    json_array_foreach(json_object_get(mix, "weights"), i, row) {
        const json_t *t = json_array_get(truth, i);
        json_array_append_new(rows, json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "nation", text_at(row, "nation"), "weight",
                                              json_sprintf("%.3f [%.3f, %.3f]", jsonio_number_at(row, "weight"), jsonio_number_at(row, "low"), jsonio_number_at(row, "high")),
                                              "plain", optional(row, "plain"), "planted", optional(row, "planted"), "measured", optional(t, "measured"), "true", optional(t, "similarity")));
    }
    json_array_append_new(columns, figure_column("nation", "Nation", "text"));
    json_array_append_new(columns, figure_column("weight", "Share found", "text"));
    json_array_append_new(columns, figure_column("plain", "Were it as sharp", "number"));
    json_array_append_new(columns, figure_column("planted", "Share planted", "number"));
    json_array_append_new(columns, figure_column("measured", "Similarity", "number"));
    json_array_append_new(columns, figure_column("true", "Similarity of the mix", "number"));
    return json_pack("{s:s, s:s, s:o, s:o}", "title", "Which mix of nations answers so", "note",
                     "Shares with the least divergence of the answers from the mix raised to one power for all questions (1: as sharp as a mix); intervals from questions drawn "
                     "again. Beside them the shares that fit with a power of 1. A nation without a share can be the most similar.",
                     "columns", columns, "rows", rows);
}

/* ---- pictures --------------------------------------------------------------------------------------------------- */

static json_t *bars(const json_t *summary)
{
    size_t count;
    ranked *list = rank_countries(summary, true, &count);
    json_t *points = json_array();
    for (size_t i = 0; list && i < count; i++) {
        const json_t *f = figures_of(list[i].country, "default");
        if (!isnan(list[i].value))
            json_array_append_new(points, json_pack("{s:s, s:O, s:O?, s:O?}", "label", text_at(list[i].country, "country"), "y", json_object_get(f, "effect"), "low",
                                                    json_object_get(f, "effect_low"), "high", json_object_get(f, "effect_high")));
    }
    free(list);
    return json_pack("{s:s, s:s, s:s, s:s, s:{s:s}, s:{s:s}, s:o}", "kind", "bars", "unit", "number", "title", "Similarity to each country, asked plainly", "note",
                     "Countries with enough questions. Bars are 95 % intervals.", "x", "label", "country", "y", "label", "similarity", "points", points);
}

/* A largest less a smallest figure is above 0 by chance alone: the test is that of permuted countries. A subject that is as sharp, and
 * without opinion, is a control that may explain it. */
static json_t *claims(const json_t *summary)
{
    const json_t *plain = json_object_get(json_object_get(summary, "conditions"), "default"), *reason = json_object_get(plain, "reason");
    json_t *form = json_pack("{s:O, s:O, s:O, s:O}", "estimate", json_object_get(plain, "effect_gap"), "low", json_object_get(plain, "effect_gap_low"), "high",
                             json_object_get(plain, "effect_gap_high"), "reason", reason);
    if (json_is_string(reason))
        json_object_set_new(form, "estimate", json_null());
    json_t *list = json_array();
    const json_t *chance = json_object_get(plain, "chance");
    double p = jsonio_number_at(json_object_get(chance, "countries"), "p"), sharp = jsonio_number_at(json_object_get(chance, "options"), "p");
    json_array_append_new(list, figure_claim("gap", "answers more as people of some countries do than as those of others", "number", form, p,
                                             isnan(sharp) ? -1 : sharp < LEVEL));
    json_decref(form);
    return list;
}

status opinions_figures(const study_run *run, const json_t *summary, json_t **figures, error *err)
{
    (void)run;
    json_t *findings = json_array(), *tables = json_array(), *charts = json_array(), *one;
    const char *name;
    const json_t *conditions = json_object_get(summary, "conditions");
    say_order(summary, findings);
    say_equal(summary, findings);
    json_object_foreach((json_t *)(uintptr_t)conditions, name, one)
        say_condition(summary, name, one, findings);
    say_mix(summary, findings);
    json_object_foreach((json_t *)(uintptr_t)conditions, name, one)
        say_reading(name, one, findings);
    say_data(summary, findings);
    json_array_append_new(tables, condition_table(summary));
    json_array_append_new(tables, chance_table(summary));
    json_t *translations = translation_table(summary);
    if (translations)
        json_array_append_new(tables, translations);
    if (json_object_get(summary, "mix"))
        json_array_append_new(tables, mix_table(summary));
    json_array_append_new(tables, country_table(summary));
    json_array_append_new(charts, opinions_map(summary));
    json_array_append_new(charts, opinions_pages(summary));
    json_array_append_new(charts, bars(summary));
    *figures = json_pack("{s:o, s:o, s:o, s:o}", "findings", findings, "tables", tables, "charts", charts, "claims", claims(summary));
    return *figures ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory for the figures");
}
