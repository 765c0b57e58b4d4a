/* Questions of real surveys: the published table (a line a question), or a JSON list with an item for each country and question. */
#include "studies/global_opinions/opinions.h"

#include "core/csv.h"
#include "core/file.h"
#include "core/hash.h"
#include "core/jsonio.h"
#include "stats/similarity.h"
#include "studies/global_opinions/literal.h"

enum { FILE_LIMIT = 1 << 28 };

typedef struct builder {
    arena *a;
    const char *name;
    opinion_data *data;
    bool drop_missing;
    size_t question_capacity, table_size;
    size_t *table;                                 /* open addressing: question + 1 by text and options */
    uint64_t *hashes;                              /* of each question */
    bool *lost;                                    /* questions that lost rows to `zero` */
    size_t *capacity;                              /* of the answers of each question */
} builder;

static status no_memory(const builder *b, error *err)
{
    return error_set(err, STATUS_MEMORY, "%s: out of memory", b->name);
}

/* ---- questions -------------------------------------------------------------------------------------------------- */

static uint64_t hash_question(const char *text, const char *const *options, size_t count)
{
    uint64_t h = hash64(text, strlen(text), count);
    for (size_t k = 0; k < count; k++)
        h = hash64(options[k], strlen(options[k]), h);
    return h;
}

static bool is_question(const opinion_question *q, const char *text, const char *const *options, size_t count)
{
    if (q->option_count != count || strcmp(q->text, text) != 0)
        return false;
    for (size_t k = 0; k < count; k++)
        if (strcmp(q->options[k], options[k]) != 0)
            return false;
    return true;
}

static status grow(builder *b, error *err)
{
    opinion_data *d = b->data;
    size_t old = b->question_capacity, capacity = old ? 2 * old : 1024;
    d->questions = arena_regrow(b->a, d->questions, old, capacity, sizeof *d->questions);
    b->hashes = arena_regrow(b->a, b->hashes, old, capacity, sizeof *b->hashes);
    b->lost = arena_regrow(b->a, b->lost, old, capacity, sizeof *b->lost);
    b->capacity = arena_regrow(b->a, b->capacity, old, capacity, sizeof *b->capacity);
    b->table = ARENA_ARRAY(b->a, size_t, 4 * capacity);
    if (!d->questions || !b->hashes || !b->lost || !b->capacity || !b->table)
        return no_memory(b, err);
    b->question_capacity = capacity;
    b->table_size = 4 * capacity;
    for (size_t i = 0; i < d->count; i++) {
        size_t at = b->hashes[i] % b->table_size;
        while (b->table[at])
            at = (at + 1) % b->table_size;
        b->table[at] = i + 1;
    }
    return STATUS_OK;
}

/* The question with this text and these options, added where it is new. The texts are copied. */
static status find_question(builder *b, const char *text, const char *const *options, size_t count, size_t *out, error *err)
{
    opinion_data *d = b->data;
    if (d->count == b->question_capacity || b->table_size == 0)
        TRY(grow(b, err));
    uint64_t h = hash_question(text, options, count);
    size_t at = h % b->table_size;
    for (; b->table[at]; at = (at + 1) % b->table_size)
        if (b->hashes[b->table[at] - 1] == h && is_question(&d->questions[b->table[at] - 1], text, options, count)) {
            *out = b->table[at] - 1;
            return STATUS_OK;
        }
    const char **copies = ARENA_ARRAY(b->a, const char *, count + 1);
    opinion_question *q = &d->questions[d->count];
    *q = (opinion_question){.id = arena_printf(b->a, "q-%08x", (unsigned)(h >> 32)), .text = arena_strdup(b->a, text), .options = copies,
                            .option_count = count, .number = d->count};
    for (size_t k = 0; copies && k < count; k++)
        if (!(copies[k] = arena_strdup(b->a, options[k])))
            return no_memory(b, err);
    if (!copies || !q->id || !q->text)
        return no_memory(b, err);
    b->hashes[d->count] = h;
    b->table[at] = d->count + 1;
    *out = d->count++;
    return STATUS_OK;
}

/* ---- answers ---------------------------------------------------------------------------------------------------- */

static status find_place(builder *b, const place_name *name, size_t *out, error *err)
{
    opinion_data *d = b->data;
    for (*out = 0; *out < d->place_count; (*out)++)
        if (slice_is(name->name, d->places[*out].name))
            return STATUS_OK;
    if (d->place_count == OPINION_PLACES)
        return error_set(err, STATUS_INVALID, "%s: more than %d countries", b->name, OPINION_PLACES);
    d->places[d->place_count++] = (opinion_place){.name = slice_copy(b->a, name->name), .iso = name->iso, .speaks = name->speaks};
    return d->places[*out].name ? STATUS_OK : no_memory(b, err);
}

static opinion_answer *find_answer(opinion_question *q, size_t place)
{
    for (size_t i = 0; i < q->answer_count; i++)
        if (q->answers[i].place == place)
            return &q->answers[i];
    return NULL;
}

static status keep_answer(builder *b, size_t question, size_t place, place_sample sample, const double *shares, error *err)
{
    opinion_question *q = &b->data->questions[question];
    double *copy = ARENA_ARRAY(b->a, double, q->option_count);
    opinion_answer *had = find_answer(q, place);
    if (!copy)
        return no_memory(b, err);
    memcpy(copy, shares, q->option_count * sizeof *copy);
    if (had) {
        /* Two samples of one country: the current national one counts, else the first. */
        b->data->counts.twice++;
        if (sample == SAMPLE_CURRENT)
            had->shares = copy;
        return STATUS_OK;
    }
    if (q->answer_count == b->capacity[question]) {
        size_t capacity = q->answer_count ? 2 * q->answer_count : 4;
        q->answers = arena_regrow(b->a, q->answers, q->answer_count, capacity, sizeof *q->answers);
        if (!q->answers)
            return no_memory(b, err);
        b->capacity[question] = capacity;
    }
    q->answers[q->answer_count++] = (opinion_answer){place, copy};
    b->data->counts.kept++;
    return STATUS_OK;
}

/* Options that are no answer. */
static bool is_missing(const char *option)
{
    static const char *const words[] = {"don't know", "dont know", "don\xe2\x80\x99t know", "dk/", "refused", "no answer", "other missing",
                                        "not asked", "missing", "don't -9"};
    slice s = slice_trim(slice_of(option));
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (slice_find_nocase(s, slice_of(words[i]), 0) != SIZE_MAX)
            return true;
    return slice_is(s, "DK") || slice_is(s, "NA") || slice_is(s, "Dk");
}

/* An option as text: files write the steps of a scale as numbers. NULL: neither, or memory is out. */
static const char *option_text(arena *a, const json_t *option)
{
    return json_is_string(option) ? json_string_value(option) : json_is_number(option) ? arena_printf(a, "%.15g", json_number_value(option)) : NULL;
}

/* Options and shares of a row; false: the row has too few options, or another number of shares. */
static bool read_row(const builder *b, const json_t *options, const json_t *shares, const char **texts, double *values, size_t *count)
{
    size_t all = json_array_size(options);
    *count = 0;
    if (all < 2 || all > OPINION_OPTIONS || json_array_size(shares) != all)
        return false;
    for (size_t k = 0; k < all; k++) {
        const char *text = option_text(b->a, json_array_get(options, k));
        const json_t *share = json_array_get(shares, k);
        if (!text || (!json_is_number(share) && !json_is_null(share)))
            return false;
        if (b->drop_missing && is_missing(text))
            continue;
        texts[*count] = text;
        values[(*count)++] = json_number_value(share); /* null: nobody was counted */
    }
    return true;
}

/* One country's answers to one question. */
static status take(builder *b, const char *text, const json_t *options, const char *country, const json_t *shares, error *err)
{
    const char *texts[OPINION_OPTIONS];
    double values[OPINION_OPTIONS];
    size_t count, question = 0, place;
    opinion_counts *counts = &b->data->counts;
    place_name name = place_read(slice_of(country));
    counts->rows++;
    if (name.sample == SAMPLE_NOT_NATIONAL || name.sample == SAMPLE_OLD || name.name.length == 0) {
        *(name.sample == SAMPLE_OLD ? &counts->old_sample : &counts->non_national) += 1;
        return STATUS_OK;
    }
    if (!read_row(b, options, shares, texts, values, &count)) {
        counts->length++;
        return STATUS_OK;
    }
    if (count < 2) {
        counts->missing_only++;
        return STATUS_OK;
    }
    bool known = shares_normalise(values, count);
    TRY(find_question(b, text, texts, count, &question, err));
    if (!known) {
        counts->zero++;
        counts->all_zero_questions += !b->lost[question];
        b->lost[question] = true;
        return STATUS_OK;
    }
    TRY(find_place(b, &name, &place, err));
    return keep_answer(b, question, place, name.sample, values, err);
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

static status read_list(builder *b, slice text, error *err)
{
    json_t *all;
    TRY(jsonio_parse(text, b->name, &all, err));
    status result = json_is_array(all) ? STATUS_OK
                                       : error_set(err, STATUS_INVALID, "%s: expected a list with an item for each country and question", b->name);
    for (size_t i = 0; result == STATUS_OK && i < json_array_size(all); i++) {
        const json_t *row = json_array_get(all, i);
        const char *question = json_string_value(json_object_get(row, "question")), *country = json_string_value(json_object_get(row, "country"));
        const json_t *options = json_object_get(row, "options"), *shares = json_object_get(row, "distribution");
        if (!question || !country || !json_is_array(options) || !json_is_array(shares))
            result = error_set(err, STATUS_INVALID, "%s: item %zu: expected the members question, country, options and distribution", b->name, i + 1);
        else
            result = take(b, question, options, country, shares, err);
    }
    json_decref(all);
    return result;
}

static status read_record(builder *b, const csv_record *r, const size_t columns[3], arena *scratch, error *err)
{
    json_t *options = NULL, *selections = NULL, *shares;
    const char *country;
    for (int i = 0; i < 3; i++)
        if (columns[i] >= r->count)
            return error_set(err, STATUS_INVALID, "%s:%zu: expected at least %zu fields, found %zu", b->name, r->line, columns[i] + 1, r->count);
    const char *question = slice_copy(scratch, r->fields[columns[0]]);
    status result = question ? literal_read(r->fields[columns[2]], b->name, r->line, &options, err) : no_memory(b, err);
    if (result == STATUS_OK)
        result = literal_read(r->fields[columns[1]], b->name, r->line, &selections, err);
    if (result == STATUS_OK && (!json_is_array(options) || !json_is_object(selections)))
        result = error_set(err, STATUS_INVALID, "%s:%zu: expected a list of options and a mapping of countries", b->name, r->line);
    if (result == STATUS_OK)
        json_object_foreach(selections, country, shares)
            if (result == STATUS_OK)
                result = take(b, question, options, country, shares, err);
    json_decref(options);
    json_decref(selections);
    return result;
}

static status read_table(builder *b, slice text, error *err)
{
    static const char *const names[] = {"question", "selections", "options"};
    csv_reader reader = csv_open(text, ',', b->name);
    csv_record record;
    bool more;
    size_t columns[3];
    arena *scratch = arena_new(NULL);
    status result = scratch ? csv_columns(&reader, scratch, names, COUNT_OF(names), COUNT_OF(names), columns, err) : no_memory(b, err);
    while (result == STATUS_OK) {
        arena_reset(scratch);
        result = csv_next(&reader, scratch, &record, &more, err);
        if (result != STATUS_OK || !more)
            break;
        result = read_record(b, &record, columns, scratch, err);
    }
    arena_free(scratch);
    return result;
}

status opinions_read(arena *a, slice text, const char *name, bool csv, bool drop_missing, opinion_data *data, error *err)
{
    builder b = {.a = a, .name = name, .data = data, .drop_missing = drop_missing};
    data->places = ARENA_ARRAY(a, opinion_place, OPINION_PLACES);
    if (!data->places)
        return no_memory(&b, err);
    TRY(csv ? read_table(&b, text, err) : read_list(&b, text, err));
    size_t kept = 0;
    for (size_t i = 0; i < data->count; i++)
        if (data->questions[i].answer_count)
            data->questions[kept++] = data->questions[i];
    data->count = kept;
    return kept ? STATUS_OK : error_set(err, STATUS_INVALID, "%s: no question that anybody answered", name);
}

status opinions_of_file(study_run *run, opinion_data *data, const char *path, error *err)
{
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    slice text, plain = slice_of(path);
    TRY(file_read_gz(run->arena, path, FILE_LIMIT, &text, err));
    if (slice_ends(plain, SLICE(".gz")))
        plain.length -= 3;
    TRY(opinions_read(run->arena, text, path, slice_ends(plain, SLICE(".csv")), param_flag(run->params, "drop-missing"), data, err));
    sha256_of(text.text, text.length, digest);
    sha256_hex(digest, hex);
    data->path = path;
    run->identity = arena_strdup(run->arena, hex);
    return run->identity ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory");
}
