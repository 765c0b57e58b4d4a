/* What a run leaves for spreadsheets and for people: countries.csv (a line a condition and country), answers.csv (a line a condition,
 * question and country), and where questions were asked in other languages translations.csv and translations.html, to be checked. */
#include "core/csv.h"
#include "core/file.h"
#include "core/jsonio.h"
#include "stats/similarity.h"
#include "studies/global_opinions/opinions.h"

#include <math.h>

enum { MOST_TEXT = 1 << 30 };

typedef struct writing {
    const study_run *run;
    const opinion_data *d;
    arena *a;
    const json_t *records;
    const char *folder;
    strbuf *told;
} writing;

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory while writing files");
}

static status put(const writing *w, const char *name, const strbuf *text, const char *what, error *err)
{
    const char *path = file_join(w->a, w->folder, name);
    if (!path || !what || text->failed)
        return no_memory(err);
    TRY(file_write(path, strbuf_slice(text), err));
    strbuf_printf(w->told, "%s: %s\n", path, what);
    return STATUS_OK;
}

/* ---- cells ------------------------------------------------------------------------------------------------------ */

static void add_text(strbuf *b, const char *text)
{
    csv_add(b, text);
    strbuf_add_char(b, ',');
}

/* The comma behind the last field ends the line instead. */
static void end_line(strbuf *b)
{
    if (b->length)
        b->text[b->length - 1] = '\n';
}

/* A number that reads back as the same; nothing where there is none. */
static void add_number(strbuf *b, double value)
{
    char text[40] = "";
    if (isfinite(value))
        snprintf(text, sizeof text, "%.17g", value);
    for (int digits = 1; isfinite(value) && digits < 17; digits++) {
        char shorter[40];
        double back;
        snprintf(shorter, sizeof shorter, "%.*g", digits, value);
        if (slice_to_double(slice_of(shorter), &back) && back == value) {
            memcpy(text, shorter, sizeof text);
            break;
        }
    }
    add_text(b, text);
}

static void add_count(strbuf *b, size_t count)
{
    char text[32];
    snprintf(text, sizeof text, "%zu", count);
    add_text(b, text);
}

static void add_head(strbuf *b, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        add_text(b, names[i]);
    end_line(b);
}

/* [0.5,0.3,0.2]: what JSON, Python and R read as a list. */
static void add_shares(strbuf *b, const double *shares, size_t count, arena *a)
{
    strbuf list = strbuf_new(a, 1 << 16);
    for (size_t k = 0; k < count; k++)
        strbuf_printf(&list, "%s%.6g", k ? "," : "[", shares[k]);
    strbuf_add_char(&list, ']');
    add_text(b, list.failed ? "" : list.text);
}

/* ---- countries -------------------------------------------------------------------------------------------------- */

static void add_country(strbuf *b, const writing *w, const char *condition, const json_t *country)
{
    static const char *const figures[] = {"similarity", "similarity_low", "similarity_high", "effect", "effect_low", "effect_high", "natural", "wasserstein",
                                          "common", "common_questions", "block"};
    const json_t *f = json_object_get(json_object_get(country, "conditions"), condition), *nearest = json_object_get(country, "nearest");
    const char *near = json_string_value(json_object_get(nearest, "country"));
    add_text(b, w->run->subject_name ? w->run->subject_name : "");
    add_text(b, condition);
    add_text(b, json_string_value(json_object_get(country, "country")));
    add_number(b, jsonio_number_at(country, "iso"));
    add_number(b, jsonio_number_at(f, "questions"));
    add_text(b, json_is_true(json_object_get(country, "few")) ? "true" : "false");
    for (size_t i = 0; i < COUNT_OF(figures); i++)
        add_number(b, jsonio_number_at(f, figures[i]));
    add_number(b, jsonio_number_at(country, "uniform"));
    add_number(b, jsonio_number_at(country, "floor"));
    add_text(b, near ? near : "");
    add_number(b, jsonio_number_at(nearest, "similarity"));
    end_line(b);
}

static status write_countries(const writing *w, const json_t *summary, error *err)
{
    static const char *const names[] = {"subject", "condition", "country", "iso", "questions", "few", "similarity", "similarity_low", "similarity_high",
                                        "effect", "effect_low", "effect_high", "similarity_natural", "wasserstein", "similarity_common", "common_questions",
                                        "block", "uniform", "floor", "nearest", "nearest_similarity"};
    strbuf text = strbuf_new(NULL, MOST_TEXT);
    json_t *country;
    size_t i, count = 0;
    add_head(&text, names, COUNT_OF(names));
    for (size_t c = 0; c < w->d->condition_count; c++)
        json_array_foreach(json_object_get(summary, "countries"), i, country) {
            add_country(&text, w, w->d->conditions[c].name, country);
            count++;
        }
    status result = put(w, "countries.csv", &text, arena_printf(w->a, "%zu lines, one for each way to ask and country", count), err);
    strbuf_free(&text);
    return result;
}

/* ---- answers ---------------------------------------------------------------------------------------------------- */

static void add_answers(strbuf *b, const writing *w, size_t question, size_t condition, const opinion_reading *r, arena *line)
{
    const opinion_question *q = &w->d->questions[question];
    const json_t *record = json_object_get(json_object_get(json_array_get(w->records, question), "conditions"), w->d->conditions[condition].name);
    for (size_t i = 0; r->there && i < q->answer_count; i++) {
        const double *theirs = q->answers[i].shares;
        add_text(b, w->run->subject_name ? w->run->subject_name : "");
        add_text(b, w->d->conditions[condition].name);
        add_text(b, q->id);
        add_text(b, w->d->places[q->answers[i].place].name);
        add_count(b, q->option_count);
        add_shares(b, r->shares, q->option_count, line);
        add_shares(b, theirs, q->option_count, line);
        add_number(b, similarity(r->shares, theirs, q->option_count));
        add_number(b, similarity_natural(r->shares, theirs, q->option_count));
        add_number(b, wasserstein_steps(r->shares, theirs, q->option_count));
        add_number(b, r->mass);
        add_count(b, r->draws);
        add_count(b, r->read);
        add_number(b, jsonio_number_at(record, "orders"));
        add_text(b, q->text);
        end_line(b);
        arena_reset(line);
    }
}

static status write_answers(const writing *w, const opinion_reading *readings, error *err)
{
    static const char *const names[] = {"subject", "condition", "id", "country", "options", "subject_shares", "country_shares", "similarity",
                                        "similarity_natural", "wasserstein", "mass", "draws", "draws_read", "orders", "question"};
    strbuf text = strbuf_new(NULL, MOST_TEXT);
    arena *line = arena_new(NULL);
    size_t count = 0;
    add_head(&text, names, COUNT_OF(names));
    for (size_t c = 0; line && c < w->d->condition_count; c++)
        for (size_t q = 0; q < w->d->count; q++) {
            const opinion_reading *r = &readings[q * w->d->condition_count + c];
            add_answers(&text, w, q, c, r, line);
            count += r->there ? w->d->questions[q].answer_count : 0;
        }
    status result = line ? put(w, "answers.csv", &text, arena_printf(w->a, "%zu lines, one for each way to ask, question and country", count), err)
                         : no_memory(err);
    arena_free(line);
    strbuf_free(&text);
    return result;
}

/* ---- translations ----------------------------------------------------------------------------------------------- */

static json_t *lines_of(const json_t *texts)
{
    strbuf b = strbuf_new(NULL, 1 << 24);
    for (size_t i = 0; i < json_array_size(texts); i++)
        strbuf_printf(&b, "%s%s", i ? "\n" : "", json_string_value(json_array_get(texts, i)));
    json_t *out = json_string(b.length ? b.text : "");
    strbuf_free(&b);
    return out;
}

static const char *text_or_nothing(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static json_t *translation_row(const writing *w, size_t question, const opinion_condition *c)
{
    const opinion_question *q = &w->d->questions[question];
    const json_t *from = json_object_get(json_object_get(json_array_get(w->records, question), "conditions"), c->name);
    const json_t *t = json_object_get(from, "translation");
    json_t *options = json_array();
    for (size_t k = 0; k < q->option_count; k++)
        json_array_append_new(options, json_string(q->options[k]));
    json_t *row = json_pack("{s:s, s:s, s:s, s:o, s:s, s:o, s:s, s:o, s:s, s:s, s:s, s:s}", "id", q->id, "language", c->what, "question", q->text, "options",
                            lines_of(options), "translation", text_or_nothing(t, "text"), "translated_options", lines_of(json_object_get(t, "options")),
                            "back", text_or_nothing(t, "back"), "back_options", lines_of(json_object_get(t, "back_options")), "problem",
                            text_or_nothing(from, "untranslated"), "sha256", text_or_nothing(t, "sha256"), "verdict", text_or_nothing(t, "verdict"),
                            "checker", text_or_nothing(t, "checker"));
    json_decref(options);
    return row;
}

static status write_translations(const writing *w, error *err)
{
    static const char *const names[] = {"id", "language", "question", "options", "translation", "translated_options", "back", "back_options", "problem",
                                        "sha256", "verdict", "checker"};
    json_t *rows = json_array(), *row;
    size_t i, lost = 0;
    for (size_t c = 0; !w->d->survey && c < w->d->condition_count; c++)
        for (size_t q = 0; w->d->conditions[c].way == WAY_LANGUAGE && q < w->d->count; q++)
            json_array_append_new(rows, translation_row(w, q, &w->d->conditions[c]));
    strbuf table = strbuf_new(NULL, MOST_TEXT), page = strbuf_new(NULL, MOST_TEXT);
    add_head(&table, names, COUNT_OF(names));
    json_array_foreach(rows, i, row) {
        for (size_t k = 0; k < COUNT_OF(names); k++)
            add_text(&table, json_string_value(json_object_get(row, names[k])));
        end_line(&table);
        lost += text_or_nothing(row, "problem")[0] != 0;
    }
    status result = STATUS_OK;
    if (json_array_size(rows))
        result = put(w, "translations.csv", &table,
                     arena_printf(w->a, "%zu translations, %zu of which could not be used; `--translations FILE` reads them back, checked", json_array_size(rows), lost),
                     err);
    if (result == STATUS_OK && json_array_size(rows))
        result = opinions_check_page(rows, &page, err);
    if (result == STATUS_OK && json_array_size(rows))
        result = put(w, "translations.html", &page, "the same as a page to check them on", err);
    strbuf_free(&table);
    strbuf_free(&page);
    json_decref(rows);
    return result;
}

/* ---- all -------------------------------------------------------------------------------------------------------- */

status opinions_write_files(const study_run *run, const json_t *records, const char *folder, strbuf *told, error *err)
{
    writing w = {.run = run, .d = run->data, .a = arena_new(NULL), .records = records, .folder = folder, .told = told};
    opinion_reading *readings;
    json_t *summary = NULL;
    if (!w.a)
        return no_memory(err);
    status result = opinions_summarise(run, records, &summary, err);
    if (result == STATUS_OK)
        result = write_countries(&w, summary, err);
    if (result == STATUS_OK)
        result = opinions_readings(w.a, w.d, records, &readings, err);
    if (result == STATUS_OK)
        result = write_answers(&w, readings, err);
    if (result == STATUS_OK)
        result = write_translations(&w, err);
    json_decref(summary);
    arena_free(w.a);
    return result;
}
