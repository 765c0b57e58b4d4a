/* Translations that people have checked: the table that a run leaves (files.c), filled. */
#include "studies/global_opinions/opinions.h"

#include "core/csv.h"

#include <stdlib.h>

enum { COLUMN_ID, COLUMN_LANGUAGE, COLUMN_TEXT, COLUMN_OPTIONS, COLUMN_VERDICT, COLUMN_CHECKER, COLUMN_BACK, COLUMN_BACK_OPTIONS, COLUMN_SHA256,
       COLUMN_COUNT, COLUMN_NEEDED = COLUMN_CHECKER, MOST_ROWS = 1 << 20 };
static const char *const columns[COLUMN_COUNT] = {"id", "language", "translation", "translated_options", "verdict", "checker",
                                                  "back", "back_options", "sha256"};
const char *const opinion_verdicts[VERDICT_COUNT] = {"", "accept", "edit", "reject"};

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory for checked translations");
}

static int order_of(const char *language, const char *id, const opinion_checked *b)
{
    int by_language = strcmp(language, b->language);
    return by_language ? by_language : strcmp(id, b->id);
}

static int by_place(const void *x, const void *y)
{
    const opinion_checked *a = x;
    return order_of(a->language, a->id, y);
}

/* A line an option. */
static status read_options(arena *a, slice cell, const char ***out, size_t *count, error *err)
{
    slice rest = cell, line;
    size_t room = 1;
    for (size_t i = 0; i < cell.length; i++)
        room += cell.text[i] == '\n';
    if (room > OPINION_OPTIONS)
        room = OPINION_OPTIONS + 1;
    *count = 0;
    if (!(*out = ARENA_ARRAY(a, const char *, room)))
        return no_memory(err);
    while (*count < room && slice_cut(&rest, '\n', &line)) {
        slice option = slice_trim(line);
        if (option.length && !((*out)[(*count)++] = slice_copy(a, option)))
            return no_memory(err);
    }
    return STATUS_OK;
}

static status read_row(arena *a, const csv_reader *r, const csv_record *record, const size_t *at, void *element, error *err)
{
    opinion_checked *out = element;
    slice cells[COLUMN_COUNT];
    const char *copies[COLUMN_COUNT];
    char hex[65];
    for (int c = 0; c < COLUMN_COUNT; c++) {
        cells[c] = slice_trim(csv_cell(record, at[c]));
        if (!(copies[c] = slice_copy(a, cells[c])))
            return no_memory(err);
    }
    *out = (opinion_checked){.id = copies[COLUMN_ID], .language = copies[COLUMN_LANGUAGE], .text = copies[COLUMN_TEXT], .checker = copies[COLUMN_CHECKER],
                             .back = cells[COLUMN_BACK].length ? copies[COLUMN_BACK] : NULL, .verdict = VERDICT_COUNT};
    for (int v = 0; v < VERDICT_COUNT; v++)
        if (slice_is(cells[COLUMN_VERDICT], opinion_verdicts[v]))
            out->verdict = (opinion_verdict)v;
    if (out->verdict == VERDICT_COUNT)
        return error_set(err, STATUS_INVALID, "%s:%zu: expected accept, edit, reject or nothing as the verdict, found '%.40s'", r->name, record->line,
                         copies[COLUMN_VERDICT]);
    if (!cells[COLUMN_ID].length || !cells[COLUMN_LANGUAGE].length)
        return error_set(err, STATUS_INVALID, "%s:%zu: expected an id and a language, found '%.40s' and '%.40s'", r->name, record->line, out->id, out->language);
    TRY(read_options(a, cells[COLUMN_OPTIONS], &out->options, &out->option_count, err));
    TRY(read_options(a, cells[COLUMN_BACK_OPTIONS], &out->back_options, &out->back_count, err));
    /* Whatever the word: a text that is not the one that was made has been edited. */
    opinions_hash(out->text, out->options, out->option_count, hex);
    if (out->verdict == VERDICT_ACCEPT && cells[COLUMN_SHA256].length && !slice_is(cells[COLUMN_SHA256], hex))
        out->verdict = VERDICT_EDIT;
    return STATUS_OK;
}

status opinions_read_checked(arena *a, slice text, const char *name, opinion_checked **out, size_t *count, error *err)
{
    static const csv_table table = {.columns = columns, .count = COLUMN_COUNT, .required = COLUMN_NEEDED, .size = sizeof(opinion_checked),
                                    .most = MOST_ROWS, .what = "translations", .row = read_row,
                                    .hint = "`assay export RUN -f files -o FOLDER` writes such a table from a run with a translator"};
    csv_reader r = csv_open(text, ',', name);
    void *rows;
    TRY(csv_rows(a, &r, &table, &rows, count, err));
    *out = rows;
    if (*count)
        qsort(*out, *count, sizeof **out, by_place);
    for (size_t i = 1; i < *count; i++)
        if (by_place(&(*out)[i - 1], &(*out)[i]) == 0)
            return error_set(err, STATUS_INVALID, "%s: the question %s comes twice in %s", name, (*out)[i].id, (*out)[i].language);
    return STATUS_OK;
}

static const opinion_checked *find(const opinion_data *d, const char *language, const char *id)
{
    size_t low = 0, high = d->checked_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = order_of(language, id, &d->checked[middle]);
        if (order == 0)
            return &d->checked[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

status opinions_take_checked(study_sample *s, const opinion_question *q, const char *language, opinion_translation *out, error *err)
{
    const opinion_checked *c = find(s->run->data, language, q->id);
    (void)err;
    *out = (opinion_translation){.problem = "the table of checked translations does not have it"};
    if (!c)
        return STATUS_OK;
    *out = (opinion_translation){.text = c->text, .options = c->options, .back = c->back, .back_options = c->back_options, .option_count = c->option_count,
                                 .back_count = c->back_count, .verdict = c->verdict, .checker = c->checker};
    opinions_hash(c->text, c->options, c->option_count, out->sha256);
    out->problem = c->verdict == VERDICT_REJECT                ? "who checked the translation rejected it"
                   : c->verdict == VERDICT_NONE                ? "nobody has checked the translation yet"
                   : !c->text[0]                               ? "the question of the checked translation is empty"
                   : c->option_count != q->option_count        ? "the checked translation has another number of options"
                                                               : NULL;
    return STATUS_OK;
}
