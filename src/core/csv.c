#include "core/csv.h"

#include <string.h>

csv_reader csv_open(slice text, char separator, const char *name)
{
    if (slice_starts(text, SLICE("\xEF\xBB\xBF")))
        text = slice_sub(text, 3, text.length);
    return (csv_reader){.rest = text, .name = name, .line = 1, .separator = separator};
}

static size_t lines_before(slice text, size_t end)
{
    size_t lines = 0;
    for (size_t i = 0; i < end; i++)
        lines += text.text[i] == '\n';
    return lines;
}

/* Once for the whole text: what no field can hold. */
static status check(csv_reader *r, error *err)
{
    r->checked = true;
    if (r->rest.length == 0)
        return STATUS_OK;
    const char *nul = memchr(r->rest.text, '\0', r->rest.length);
    if (nul)
        return error_set(err, STATUS_INVALID, "%s:%zu: expected text, found a NUL byte", r->name,
                         1 + lines_before(r->rest, (size_t)(nul - r->rest.text)));
    if (utf8_valid(r->rest))
        return STATUS_OK;
    slice rest = r->rest, line;
    size_t number = 1;
    while (slice_cut(&rest, '\n', &line) && utf8_valid(line))
        number++;
    error_set(err, STATUS_INVALID, "%s:%zu: expected text in UTF-8, found bytes that are not", r->name, number);
    return error_hint(err, "`iconv -f LATIN1 -t UTF-8` converts the commonest other encoding");
}

/* A field in quotes; *at is behind its opening quote, then behind the closing one. */
static status quoted(csv_reader *r, arena *a, size_t *at, slice *out, error *err)
{
    size_t start = *at, opened = r->line, doubled = 0;
    for (;; (*at)++) {
        if (*at >= r->rest.length) {
            error_set(err, STATUS_INVALID, "%s:%zu: a quote is opened here and never closed", r->name, opened);
            return error_hint(err, "a quote inside a field in quotes is written twice");
        }
        if (r->rest.text[*at] == '\n')
            r->line++;
        if (r->rest.text[*at] != '"')
            continue;
        if (*at + 1 >= r->rest.length || r->rest.text[*at + 1] != '"')
            break;
        doubled++;
        (*at)++;
    }
    *out = slice_sub(r->rest, start, *at);
    (*at)++;
    if (!doubled)
        return STATUS_OK;
    char *plain = arena_alloc(a, out->length - doubled + 1);
    if (!plain)
        return error_set(err, STATUS_MEMORY, "%s: out of memory", r->name);
    size_t used = 0;
    for (size_t i = 0; i < out->length; i++) {
        plain[used++] = out->text[i];
        i += out->text[i] == '"';
    }
    *out = (slice){plain, used};
    return STATUS_OK;
}

static status plain(csv_reader *r, size_t *at, slice *out, error *err)
{
    size_t start = *at;
    const char *text = r->rest.text;
    while (*at < r->rest.length && text[*at] != r->separator && text[*at] != '\n') {
        if (text[*at] == '"' && r->separator != '\t') {
            error_set(err, STATUS_INVALID, "%s:%zu: a quote inside a field that does not begin with one", r->name, r->line);
            return error_hint(err, "put the whole field in quotes, and write the quotes inside it twice");
        }
        (*at)++;
    }
    size_t end = *at;
    if (end > start && text[end - 1] == '\r' && (end == r->rest.length || text[end] == '\n'))
        end--;
    *out = slice_sub(r->rest, start, end);
    return STATUS_OK;
}

/* One field and what ends it; *last says that it was the record's last. */
static status field(csv_reader *r, arena *a, size_t *at, slice *out, bool *last, error *err)
{
    const char *text = r->rest.text;
    if (*at < r->rest.length && text[*at] == '"' && r->separator != '\t') {
        (*at)++;
        TRY(quoted(r, a, at, out, err));
        if (*at < r->rest.length && text[*at] == '\r' && (*at + 1 == r->rest.length || text[*at + 1] == '\n'))
            (*at)++;
    } else {
        TRY(plain(r, at, out, err));
    }
    *last = *at >= r->rest.length || text[*at] == '\n';
    if (!*last && text[*at] != r->separator) {
        error_set(err, STATUS_INVALID, "%s:%zu: text behind the closing quote of a field", r->name, r->line);
        return error_hint(err, "a quote inside a field in quotes is written twice");
    }
    *at += *at < r->rest.length;
    return STATUS_OK;
}

static void skip_empty_lines(csv_reader *r)
{
    size_t at = 0;
    for (;;) {
        size_t end = at + (at < r->rest.length && r->rest.text[at] == '\r');
        if (end >= r->rest.length || r->rest.text[end] != '\n')
            break;
        at = end + 1;
        r->line++;
    }
    r->rest = slice_sub(r->rest, at, r->rest.length);
}

status csv_next(csv_reader *r, arena *a, csv_record *out, bool *more, error *err)
{
    if (!r->checked)
        TRY(check(r, err));
    skip_empty_lines(r);
    *out = (csv_record){.line = r->line};
    *more = r->rest.length > 0;
    bool last = !*more;
    size_t at = 0, room = 0;
    while (!last) {
        if (out->count == room) {
            size_t grown = room ? 2 * room : 16;
            if (room >= CSV_FIELDS)
                return error_set(err, STATUS_INVALID, "%s:%zu: a record of more than %d fields", r->name, out->line, CSV_FIELDS);
            out->fields = arena_regrow(a, out->fields, out->count, grown, sizeof *out->fields);
            if (!out->fields)
                return error_set(err, STATUS_MEMORY, "%s: out of memory", r->name);
            room = grown;
        }
        TRY(field(r, a, &at, &out->fields[out->count], &last, err));
        out->count++;
    }
    r->line += at > 0 && r->rest.text[at - 1] == '\n';
    r->rest = slice_sub(r->rest, at, r->rest.length);
    return STATUS_OK;
}

status csv_columns(csv_reader *r, arena *a, const char *const *names, size_t count, size_t required, size_t *at, error *err)
{
    csv_record head;
    bool more;
    TRY(csv_next(r, a, &head, &more, err));
    for (size_t c = 0; c < count; c++) {
        at[c] = SIZE_MAX;
        for (size_t i = 0; i < head.count; i++)
            if (slice_is(slice_trim(head.fields[i]), names[c]))
                at[c] = i;
        if (at[c] != SIZE_MAX || c >= required)
            continue;
        strbuf all = strbuf_new(a, 256);
        for (size_t i = 0; i < required; i++)
            strbuf_printf(&all, "%s%s", i == 0 ? "" : i + 1 < required ? ", " : " and ", names[i]);
        return error_set(err, STATUS_INVALID, "%s: expected a first line with the column%s %.*s, found no '%s'", r->name, required > 1 ? "s" : "",
                         (int)all.length, all.text, names[c]);
    }
    return STATUS_OK;
}

slice csv_cell(const csv_record *record, size_t at)
{
    return at < record->count ? record->fields[at] : SLICE("");
}

status csv_rows(arena *a, csv_reader *r, const csv_table *t, void **out, size_t *count, error *err)
{
    size_t *at = ARENA_ARRAY(a, size_t, t->count + 1), capacity = 0;
    *out = NULL;
    *count = 0;
    if (!at)
        return error_set(err, STATUS_MEMORY, "%s: out of memory", r->name);
    status named = csv_columns(r, a, t->columns, t->count, t->required, at, err);
    if (named != STATUS_OK) {
        if (t->hint)
            error_hint(err, "%s", t->hint);
        return named;
    }
    for (;;) {
        csv_record record;
        bool more;
        TRY(csv_next(r, a, &record, &more, err));
        if (!more)
            return STATUS_OK;
        if (*count == t->most)
            return error_set(err, STATUS_INVALID, "%s: expected at most %zu %s", r->name, t->most, t->what);
        if (*count == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            void *grown = arena_regrow(a, *out, *count, capacity, t->size);
            if (!grown)
                return error_set(err, STATUS_MEMORY, "%s: out of memory for the %s", r->name, t->what);
            *out = grown;
        }
        TRY(t->row(a, r, &record, at, (char *)*out + *count * t->size, err));
        ++*count;
    }
}

void csv_add(strbuf *out, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        strbuf_add(out, text);
        return;
    }
    strbuf_add_char(out, '"');
    for (; *text; text++) {
        if (*text == '"')
            strbuf_add_char(out, '"');
        strbuf_add_char(out, *text);
    }
    strbuf_add_char(out, '"');
}
