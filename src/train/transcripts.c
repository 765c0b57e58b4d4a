#include "train/transcripts.h"

#include "core/file.h"
#include "core/jsonio.h"

#include <string.h>

enum { FILE_LIMIT = 1 << 30, TURNS_MOST = 10000 };
static const slice marks[] = {{"\n\nHuman:", 8}, {"\n\nAssistant:", 12}};
static const document_role mark_roles[] = {ROLE_USER, ROLE_ASSISTANT};

static status no_memory(const char *name, error *err)
{
    return error_set(err, STATUS_MEMORY, "%s: out of memory", name);
}

/* Offset of the next mark at or after `from`, and which; SIZE_MAX: none. */
static size_t next_mark(slice text, size_t from, size_t *which)
{
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < COUNT_OF(marks); i++) {
        size_t at = slice_find(text, marks[i], from);
        if (at < best) {
            best = at;
            *which = i;
        }
    }
    return best;
}

status transcript_parse(arena *a, slice text, const char *name, size_t line, transcript *out, error *err)
{
    size_t capacity = 0, which = 0, after = 0;
    *out = (transcript){0};
    size_t at = next_mark(text, 0, &which);
    if (at == SIZE_MAX || slice_trim(slice_sub(text, 0, at)).length > 0) {
        error_set(err, STATUS_INVALID, "%s:%zu: expected a transcript that begins with \"\\n\\nHuman:\"", name, line);
        return error_hint(err, "the format is hh-rlhf's: turns begin with \"\\n\\nHuman:\" and \"\\n\\nAssistant:\"");
    }
    for (; at != SIZE_MAX; at = after) {
        size_t now = which;
        after = next_mark(text, at + marks[now].length, &which);
        slice words = slice_trim(slice_sub(text, at + marks[now].length, after == SIZE_MAX ? text.length : after));
        if (out->count == TURNS_MOST)
            return error_set(err, STATUS_INVALID, "%s:%zu: expected at most %d turns", name, line, TURNS_MOST);
        if (out->count == capacity) {
            out->turns = arena_regrow(a, out->turns, out->count, capacity = 2 * capacity + 8, sizeof *out->turns);
            if (!out->turns)
                return no_memory(name, err);
        }
        document_turn *turn = &out->turns[out->count++];
        *turn = (document_turn){.role = mark_roles[now], .text = slice_copy(a, words)};
        if (!turn->text)
            return no_memory(name, err);
    }
    if (out->turns[out->count - 1].role != ROLE_ASSISTANT)
        return error_set(err, STATUS_INVALID, "%s:%zu: expected a transcript that ends with the assistant's turn", name, line);
    return STATUS_OK;
}

static bool same_turns(const transcript *a, const transcript *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i + 1 < a->count; i++)
        if (a->turns[i].role != b->turns[i].role || strcmp(a->turns[i].text, b->turns[i].text) != 0)
            return false;
    return true;
}

/* *usable: whether it is a pair of replies to one prompt. */
static status read_pair(arena *a, const json_t *row, const char *name, size_t line, transcript_pair *out, bool *usable, error *err)
{
    static const char *const keys[] = {"chosen", "rejected"};
    transcript both[2];
    for (size_t i = 0; i < 2; i++) {
        const json_t *text = json_object_get(row, keys[i]);
        if (!json_is_string(text))
            return error_set(err, STATUS_INVALID, "%s:%zu: expected an object with the text \"%s\", found %s", name, line, keys[i],
                             !json_is_object(row) ? "no object" : text ? "another type" : "none");
        TRY(transcript_parse(a, (slice){json_string_value(text), json_string_length(text)}, name, line, &both[i], err));
    }
    const char *chosen = both[0].turns[both[0].count - 1].text, *rejected = both[1].turns[both[1].count - 1].text;
    *out = (transcript_pair){.prompt = {both[0].turns, both[0].count - 1}, .chosen = chosen, .rejected = rejected};
    *usable = same_turns(&both[0], &both[1]) && out->prompt.count > 0 && chosen[0] && rejected[0] &&
              strcmp(chosen, rejected) != 0 && out->prompt.turns[out->prompt.count - 1].role == ROLE_USER;
    return STATUS_OK;
}

static status add_line(arena *a, slice text, const char *name, size_t line, transcript_list *out, size_t *capacity, error *err)
{
    json_t *row;
    bool usable = false;
    if (out->count == *capacity) {
        out->pairs = arena_regrow(a, out->pairs, out->count, *capacity = 2 * *capacity + 64, sizeof *out->pairs);
        if (!out->pairs)
            return no_memory(name, err);
    }
    TRY(jsonio_parse_line(text, name, line - 1, &row, err));
    status result = read_pair(a, row, name, line, &out->pairs[out->count], &usable, err);
    json_decref(row);
    out->count += result == STATUS_OK && usable;
    out->skipped += result == STATUS_OK && !usable;
    return result;
}

status transcripts_parse(arena *a, slice text, const char *name, size_t most, transcript_list *out, error *err)
{
    size_t capacity = 0, line = 0;
    slice rest = text, row;
    *out = (transcript_list){0};
    while ((most == 0 || out->count < most) && slice_cut(&rest, '\n', &row)) {
        line++;
        if (slice_trim(row).length > 0)
            TRY(add_line(a, row, name, line, out, &capacity, err));
    }
    if (out->count == 0)
        return error_set(err, STATUS_INVALID, "%s: expected pairs of transcripts, one JSON object a line; found none that can be "
                                              "used (%zu skipped)", name, out->skipped);
    return STATUS_OK;
}

status transcripts_read(arena *a, const char *path, size_t most, transcript_list *out, error *err)
{
    slice text;
    arena *whole = arena_new(NULL);
    status result = whole ? file_read_gz(whole, path, FILE_LIMIT, &text, err) : no_memory(path, err);
    if (result == STATUS_OK)
        result = transcripts_parse(a, text, path, most, out, err);
    arena_free(whole);
    return result;
}
