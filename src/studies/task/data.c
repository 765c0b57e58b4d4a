/* Rows of data files: JSON lines, JSON, CSV, tables with tabs, and plain text of a fixed number of lines. */
#include "studies/task/task.h"

#include "core/csv.h"
#include "core/jsonio.h"

enum { LIST_DEPTH = 4 };

static task_format format_of(const task_data *d, const char *path)
{
    static const struct {
        const char *ending;
        task_format format;
    } endings[] = {{".jsonl", FORMAT_JSONL}, {".ndjson", FORMAT_JSONL}, {".json", FORMAT_JSON}, {".csv", FORMAT_CSV},
                   {".tsv", FORMAT_TSV}, {".txt", FORMAT_TEXT}};
    slice s = slice_of(path);
    if (slice_ends(s, SLICE(".gz")))
        s.length -= 3;
    for (size_t i = 0; d->format == FORMAT_AUTO && i < COUNT_OF(endings); i++)
        if (slice_ends(s, slice_of(endings[i].ending)))
            return endings[i].format;
    return d->format;
}

/* Whether a value is written so: texts as they are, numbers and truth values as JSON writes them. */
static bool is_written(const json_t *value, const char *text)
{
    if (json_is_string(value))
        return strcmp(json_string_value(value), text) == 0;
    char words[64] = "";
    if (json_is_integer(value))
        snprintf(words, sizeof words, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        snprintf(words, sizeof words, "%.17g", json_real_value(value));
    else if (json_is_boolean(value))
        snprintf(words, sizeof words, "%s", json_is_true(value) ? "true" : "false");
    return words[0] && strcmp(words, text) == 0;
}

static status no_column(const task_data *d, const char *path, size_t line, const char *column, const json_t *row, error *err)
{
    char list[300] = "";
    size_t used = 0;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)row, key, value)
        if (used < sizeof list)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", key);
    yaml_error(d->at, err, "there is no column '%s' in %s:%zu", column, path, line);
    return error_hint(err, "its columns are %s", list);
}

/* Whether a row is one of those that are asked for. */
static status wanted(const task_data *d, const char *path, size_t line, const json_t *row, bool *out, error *err)
{
    *out = true;
    for (size_t i = 0; i < d->where_count; i++) {
        const task_condition *c = &d->where[i];
        const json_t *value = json_object_get(row, c->column);
        bool any = false;
        if (!value)
            return no_column(d, path, line, c->column, row, err);
        for (size_t k = 0; k < c->count; k++)
            any = any || is_written(value, c->values[k]);
        *out = *out && any;
    }
    return STATUS_OK;
}

typedef struct reading {
    const task_data *data;
    const char *path;
    task_row *row;
    void *context;
    size_t rows, replaced;
} reading;

static status take(reading *r, const json_t *row, size_t line, error *err)
{
    bool is;
    if (!json_is_object(row))
        return error_set(err, STATUS_INVALID, "%s:%zu: expected an object with columns, found %s", r->path, line,
                         json_is_array(row) ? "a list" : json_is_string(row) ? "a text" : "another value");
    r->rows++;
    TRY(wanted(r->data, r->path, line, row, &is, err));
    return is ? r->row(r->context, row, line, err) : STATUS_OK;
}

/* The line with U+FFFD for each "\\u0000", which cannot stand in a text here; false: it holds none. */
static bool without_nul(slice line, strbuf *out)
{
    bool any = false;
    for (size_t i = 0; i < line.length; i++) {
        if (line.text[i] == '\\' && i + 1 < line.length && line.length - i >= 6 && memcmp(line.text + i, "\\u0000", 6) == 0) {
            strbuf_add(out, "\\uFFFD");
            i += 5;
            any = true;
        } else {
            strbuf_add_char(out, line.text[i]);
            if (line.text[i] == '\\' && i + 1 < line.length)
                strbuf_add_char(out, line.text[++i]);
        }
    }
    return any && !out->failed;
}

static status parse_row(reading *r, slice line, size_t number, json_t **row, error *err)
{
    status result = jsonio_parse_line(line, r->path, number - 1, row, err);
    if (result == STATUS_INVALID && slice_find(line, SLICE("\\u0000"), 0) != SIZE_MAX) {
        strbuf plain = strbuf_new(NULL, 2 * line.length + 16);
        if (without_nul(line, &plain)) {
            result = jsonio_parse_line(strbuf_slice(&plain), r->path, number - 1, row, err);
            r->replaced += result == STATUS_OK;
        }
        strbuf_free(&plain);
    }
    return result == STATUS_INVALID ? error_hint(err, "a file of JSON lines holds one object a line; is the end of it missing?") : result;
}

static status read_jsonl(reading *r, slice text, error *err)
{
    slice rest = text, line;
    if (slice_starts(rest, SLICE("\xEF\xBB\xBF")))
        rest = slice_sub(rest, 3, rest.length);
    for (size_t number = 1; slice_cut(&rest, '\n', &line); number++) {
        json_t *row;
        if (slice_trim(line).length == 0)
            continue;
        TRY(parse_row(r, line, number, &row, err));
        status result = take(r, row, number, err);
        json_decref(row);
        TRY(result);
    }
    return STATUS_OK;
}

static status read_json(reading *r, slice text, error *err)
{
    json_t *all;
    TRY(jsonio_parse(text, r->path, &all, err));
    const json_t *list = all;
    slice rest = slice_of(r->data->records), part;
    status result = STATUS_OK;
    while (result == STATUS_OK && r->data->records && slice_cut(&rest, '.', &part)) {
        char key[128];
        snprintf(key, sizeof key, SLICE_FORMAT, SLICE_ARGS(part));
        list = json_object_get(list, key);
        if (!list)
            result = error_set(err, STATUS_INVALID, "%s: there is no member '%s', where 'records' says that the rows are", r->path, key);
    }
    if (result == STATUS_OK && !json_is_array(list)) {
        error_set(err, STATUS_INVALID, "%s: expected a list of rows, found %s", r->path, json_is_object(list) ? "an object" : "another value");
        result = error_hint(err, "data: {records: NAME} names the member of the object that holds them");
    }
    for (size_t i = 0; result == STATUS_OK && i < json_array_size(list); i++)
        result = take(r, json_array_get(list, i), i + 1, err);
    json_decref(all);
    return result;
}

static json_t *text_json(slice s)
{
    return json_stringn(s.text ? s.text : "", s.length);
}

/* A row from fields; the header's names, or those of the file. */
static status make_row(reading *r, const char *const *names, size_t name_count, const csv_record *record, error *err)
{
    if (record->count != name_count) {
        error_set(err, STATUS_INVALID, "%s:%zu: expected %zu fields, as many as columns, found %zu", r->path, record->line, name_count,
                  record->count);
        return error_hint(err, "a field that holds the separator, quotes or line ends stands in quotes");
    }
    json_t *row = json_object();
    for (size_t i = 0; i < name_count; i++)
        json_object_set_new(row, names[i], text_json(record->fields[i]));
    status result = row && json_object_size(row) == name_count
                        ? take(r, row, record->line, err)
                        : error_set(err, STATUS_INVALID, "%s:%zu: a row cannot be read: two columns have one name, or memory is out", r->path,
                                    record->line);
    json_decref(row);
    return result;
}

static status read_table(reading *r, char separator, slice text, error *err)
{
    arena *whole = arena_new(NULL), *one = arena_new(whole);
    csv_reader reader = csv_open(text, separator, r->path);
    csv_record record = {0};
    bool more = true;
    const char *const *names = r->data->columns;
    size_t count = r->data->column_count;
    status result = one ? STATUS_OK : error_set(err, STATUS_MEMORY, "%s: out of memory", r->path);
    if (result == STATUS_OK && r->data->header) {
        result = csv_next(&reader, whole, &record, &more, err);
        const char **header = result == STATUS_OK ? ARENA_ARRAY(whole, const char *, record.count + 1) : NULL;
        for (size_t i = 0; header && i < record.count; i++)
            header[i] = slice_copy(whole, slice_trim(record.fields[i]));
        if (!names) {
            names = header;
            count = record.count;
        }
        if (result == STATUS_OK && !names)
            result = error_set(err, STATUS_MEMORY, "%s: out of memory", r->path);
    }
    while (result == STATUS_OK && more) {
        result = csv_next(&reader, one, &record, &more, err);
        if (result == STATUS_OK && more)
            result = make_row(r, names, count, &record, err);
        arena_reset(one);
    }
    arena_free(whole);
    return result;
}

static status read_text(reading *r, slice text, error *err)
{
    slice rest = text, line;
    size_t number = 1, lines = (size_t)r->data->lines;
    if (!utf8_valid(text) || slice_find(text, (slice){"", 1}, 0) != SIZE_MAX)
        return error_set(err, STATUS_INVALID, "%s: expected text in UTF-8 without NUL bytes", r->path);
    if (r->data->column_count != lines) {
        yaml_error(r->data->at, err, "expected as many 'columns' as 'lines' (%zu), found %zu", lines, r->data->column_count);
        return error_hint(err, "format: text takes records of a fixed number of lines, each of which is a column");
    }
    while (rest.text && rest.length) {
        json_t *row = json_object();
        size_t i = 0;
        for (; i < lines && slice_cut(&rest, '\n', &line); i++) {
            if (line.length && line.text[line.length - 1] == '\r')
                line.length--;
            json_object_set_new(row, r->data->columns[i], text_json(line));
        }
        status result = i == lines ? take(r, row, number, err)
                                   : error_set(err, STATUS_INVALID, "%s:%zu: expected a record of %zu lines, found %zu", r->path, number, lines, i);
        json_decref(row);
        TRY(result);
        number += lines;
    }
    return STATUS_OK;
}

status task_data_each(const task_data *d, const char *path, slice text, task_row *row, void *context,
                      size_t *replaced, error *err)
{
    reading r = {.data = d, .path = path, .row = row, .context = context};
    status result = STATUS_INVALID;
    switch (format_of(d, path)) {
    case FORMAT_JSONL:
        result = read_jsonl(&r, text, err);
        break;
    case FORMAT_JSON:
        result = read_json(&r, text, err);
        break;
    case FORMAT_CSV:
        result = read_table(&r, ',', text, err);
        break;
    case FORMAT_TSV:
        result = read_table(&r, '\t', text, err);
        break;
    case FORMAT_TEXT:
        result = read_text(&r, text, err);
        break;
    case FORMAT_AUTO:
        yaml_error(d->at, err, "nobody knows the format of %s by its ending", path);
        return error_hint(err, "say it: data: {format: jsonl}, or json, csv, tsv, text");
    }
    if (replaced)
        *replaced += r.replaced;
    if (result == STATUS_OK && r.rows == 0)
        return error_set(err, STATUS_INVALID, "%s: expected rows, found none", path);
    return result;
}

/* ---- lists that are written out --------------------------------------------------------------------------------- */

/* One text in quotes of Python or JSON; *at behind the opening quote, then behind the closing one. */
static bool read_quoted(slice s, size_t *at, char quote, strbuf *out)
{
    for (; *at < s.length; (*at)++) {
        char c = s.text[*at];
        if (c == quote) {
            (*at)++;
            return true;
        }
        if (c == '\\' && *at + 1 < s.length) {
            static const char letters[] = "ntr", values[] = "\n\t\r";
            char next = s.text[++*at];
            const char *known = strchr(letters, next);
            if (next == 'u' || next == 'x' || next == 'N')
                return false;
            strbuf_add_char(out, known && next ? values[known - letters] : next);
        } else {
            strbuf_add_char(out, c);
        }
    }
    return false;
}

static json_t *python_list(slice s)
{
    json_t *list = json_array();
    size_t at = 1;
    bool good = s.length >= 2 && s.text[0] == '[' && s.text[s.length - 1] == ']';
    while (good) {
        while (at < s.length && strchr(" \n\t,", s.text[at]))
            at++;
        if (at + 1 >= s.length)
            break;
        char quote = s.text[at++];
        strbuf one = strbuf_new(NULL, s.length + 1);
        good = (quote == '\'' || quote == '"') && read_quoted(s, &at, quote, &one) && !one.failed &&
               json_array_append_new(list, json_stringn(one.text ? one.text : "", one.length)) == 0;
        strbuf_free(&one);
    }
    if (good)
        return list;
    json_decref(list);
    return NULL;
}

json_t *task_list_of(const json_t *value)
{
    json_t *list = NULL, *parsed = NULL;
    if (json_is_array(value))
        return json_incref((json_t *)(uintptr_t)value);
    if (json_is_object(value)) {
        const char *key;
        json_t *each;
        list = json_array();
        json_object_foreach((json_t *)(uintptr_t)value, key, each)
            json_array_append_new(list, json_string(key));
        return list;
    }
    if (!json_is_string(value))
        return NULL;
    slice s = slice_trim(slice_of(json_string_value(value)));
    if (s.length && s.text[0] == '[') {
        if (jsonio_parse(s, "list", &parsed, NULL) == STATUS_OK)
            return parsed;
        return python_list(s);
    }
    return NULL;
}
