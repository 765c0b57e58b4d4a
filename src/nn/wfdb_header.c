#include "nn/wfdb.h"

#include <math.h>
#include <string.h>

enum { MOST_SIGNALS = 4096, MOST_PER_FRAME = 1 << 16 };

static const int64_t most_frames = (int64_t)1 << 40;

typedef struct reader {
    arena *arena;
    const char *name;
    size_t line; /* from 1, for messages */
    error *err;
} reader;

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory");
}

/* What was expected there, and what stands there. */
static status wrong(const reader *r, const char *expected, slice found)
{
    return error_set(r->err, STATUS_INVALID, "%s, line %zu: expected %s, found '%.*s'", r->name, r->line, expected,
                     (int)(found.length < 60 ? found.length : 60), found.text ? found.text : "");
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Takes the next word off the front of *rest; empty at the end. */
static slice take_word(slice *rest)
{
    size_t start = 0, end;
    while (start < rest->length && is_blank(rest->text[start]))
        start++;
    for (end = start; end < rest->length && !is_blank(rest->text[end]);)
        end++;
    slice word = slice_sub(*rest, start, end);
    *rest = slice_sub(*rest, end, rest->length);
    return word;
}

/* Takes what lies before the first character of `ends` off the front of *rest. */
static slice take_until(slice *rest, const char *ends)
{
    size_t n = 0;
    while (n < rest->length && (rest->text[n] == '\0' || !strchr(ends, rest->text[n])))
        n++;
    slice part = slice_sub(*rest, 0, n);
    *rest = slice_sub(*rest, n, rest->length);
    return part;
}

static status whole(const reader *r, slice word, const char *what, int64_t low, int64_t high, int64_t *out)
{
    if (!slice_to_int(word, out) || *out < low || *out > high)
        return wrong(r, what, word);
    return STATUS_OK;
}

static status number(const reader *r, slice word, const char *what, double *out)
{
    if (!slice_to_double(word, out) || !isfinite(*out))
        return wrong(r, what, word);
    return STATUS_OK;
}

static status record_line(const reader *r, slice line, wfdb_record *out, int64_t *signals)
{
    slice rest = line, name = take_word(&rest), word = take_word(&rest);
    if (memchr(name.text, '/', name.length))
        return error_set(r->err, STATUS_UNSUPPORTED, "%s: a record of several segments: one at a time can be read", r->name);
    TRY(whole(r, word, "a number of signals from 1 to 4096", 1, MOST_SIGNALS, signals));
    *out = (wfdb_record){.name = slice_copy(r->arena, name), .frequency = 250};
    if (!out->name)
        return no_memory(r->err);
    word = take_word(&rest);
    if (word.length) { /* behind a slash the frequency of a counter, which says nothing about the samples */
        TRY(number(r, take_until(&word, "/"), "a sampling frequency", &out->frequency));
        if (out->frequency <= 0)
            return error_set(r->err, STATUS_INVALID, "%s, line %zu: expected a sampling frequency above 0, found %g", r->name, r->line,
                             out->frequency);
    }
    word = take_word(&rest);
    int64_t frames = 0;
    if (word.length)
        TRY(whole(r, word, "a number of samples", 0, most_frames, &frames));
    out->frames = (size_t)frames;
    return STATUS_OK;
}

/* FORMAT[xPER_FRAME][:SKEW][+OFFSET] */
static status format_word(const reader *r, slice word, wfdb_signal *s)
{
    slice rest = word;
    int64_t format;
    TRY(whole(r, take_until(&rest, "x:+"), "a format", 0, 9999, &format));
    s->format = (int)format;
    s->per_frame = 1;
    while (rest.length) {
        char kind = rest.text[0];
        rest = slice_sub(rest, 1, rest.length);
        slice part = take_until(&rest, "x:+");
        if (kind == 'x')
            TRY(whole(r, part, "1 to 65536 samples in a frame", 1, MOST_PER_FRAME, &s->per_frame));
        else if (kind == ':')
            TRY(whole(r, part, "a skew of 0 or more frames", 0, most_frames, &s->skew));
        else
            TRY(whole(r, part, "an offset of 0 or more bytes", 0, most_frames, &s->offset));
    }
    return STATUS_OK;
}

/* GAIN[(BASELINE)][/UNITS] */
static status gain_word(const reader *r, slice word, wfdb_signal *s, bool *has_baseline)
{
    slice rest = word;
    TRY(number(r, take_until(&rest, "(/"), "a gain", &s->gain));
    if (s->gain == 0)
        s->gain = 200; /* what the format's manual says of signals that are not calibrated */
    if (rest.length && rest.text[0] == '(') {
        rest = slice_sub(rest, 1, rest.length);
        TRY(number(r, take_until(&rest, ")"), "a baseline", &s->baseline));
        *has_baseline = true;
        if (!rest.length)
            return wrong(r, "a ) behind the baseline", word);
        rest = slice_sub(rest, 1, rest.length);
    }
    if (rest.length && rest.text[0] != '/')
        return wrong(r, "a gain, (baseline) and /units", word);
    if (rest.length > 1)
        s->units = slice_copy(r->arena, slice_sub(rest, 1, rest.length));
    return s->units ? STATUS_OK : no_memory(r->err);
}

static status signal_line(const reader *r, slice line, wfdb_signal *s)
{
    slice rest = line, file = take_word(&rest), word = take_word(&rest);
    bool has_baseline = false, has_first = false;
    static const char *const no_files[] = {".", "..", "-", "~"};
    bool beside = !memchr(file.text, '/', file.length) && !memchr(file.text, '\0', file.length);
    for (size_t i = 0; i < COUNT_OF(no_files); i++)
        beside = beside && !slice_is(file, no_files[i]);
    if (!beside)
        return wrong(r, "a file beside the header", file);
    *s = (wfdb_signal){.file = slice_copy(r->arena, file), .units = "mV", .gain = 200, .resolution = 12};
    if (!s->file)
        return no_memory(r->err);
    TRY(format_word(r, word, s));
    if ((word = take_word(&rest)).length)
        TRY(gain_word(r, word, s, &has_baseline));
    if ((word = take_word(&rest)).length)
        TRY(whole(r, word, "a resolution in bits", 0, 64, &s->resolution));
    if ((word = take_word(&rest)).length)
        TRY(whole(r, word, "the converter's zero", INT32_MIN, INT32_MAX, &s->zero));
    if ((word = take_word(&rest)).length) {
        TRY(whole(r, word, "a first value", INT32_MIN, INT32_MAX, &s->first));
        has_first = true;
    }
    if ((word = take_word(&rest)).length) {
        int64_t sum; /* some write it with, some without its sign */
        TRY(whole(r, word, "a checksum from -32768 to 65535", INT16_MIN, UINT16_MAX, &sum));
        s->checksum = (int)(sum > INT16_MAX ? sum - UINT16_MAX - 1 : sum);
        s->has_checksum = true;
    }
    int64_t block;
    if ((word = take_word(&rest)).length)
        TRY(whole(r, word, "a size of blocks", 0, INT32_MAX, &block));
    s->description = slice_copy(r->arena, slice_trim(rest));
    if (!has_baseline)
        s->baseline = (double)s->zero;
    if (!has_first)
        s->first = s->zero;
    return s->description ? STATUS_OK : no_memory(r->err);
}

/* Samples are read file by file, so the signals of a file must stand together. */
static status together(const reader *r, const wfdb_record *x)
{
    for (size_t i = 2; i < x->count; i++)
        if (strcmp(x->signals[i].file, x->signals[i - 1].file) != 0)
            for (size_t k = 0; k + 1 < i; k++)
                if (strcmp(x->signals[k].file, x->signals[i].file) == 0)
                    return error_set(r->err, STATUS_INVALID, "%s: signals of another file stand between those of %s", r->name,
                                     x->signals[i].file);
    return STATUS_OK;
}

/* A line that says something; comments go into the record's list when there is room for them. */
static bool next_line(reader *r, slice *rest, slice *line, wfdb_record *out)
{
    while (slice_cut(rest, '\n', line)) {
        r->line++;
        *line = slice_trim(*line);
        if (!line->length)
            continue;
        if (line->text[0] != '#')
            return true;
        out->comments[out->comment_count++] = slice_trim(slice_sub(*line, 1, line->length));
    }
    return false;
}

status wfdb_header_parse(arena *a, slice text, const char *name, wfdb_record *out, error *err)
{
    reader r = {.arena = a, .name = name, .err = err};
    slice line, rest = {text.text ? text.text : "", text.length};
    size_t comments = 0;
    for (size_t i = 0; i < text.length; i++)
        comments += text.text[i] == '#'; /* at least as many as there are lines of comment */
    wfdb_record aside = {.comments = ARENA_ARRAY(a, slice, comments + 1)};
    const char *copy = slice_copy(a, rest); /* comments outlive the text */
    if (!aside.comments || !copy)
        return no_memory(err);
    rest.text = copy;
    if (!next_line(&r, &rest, &line, &aside))
        return error_set(err, STATUS_INVALID, "%s is no header of a record: it holds no line \"NAME SIGNALS ...\"", name);
    int64_t signals;
    TRY(record_line(&r, line, out, &signals));
    out->signals = ARENA_ARRAY(a, wfdb_signal, (size_t)signals);
    if (!out->signals)
        return no_memory(err);
    while (next_line(&r, &rest, &line, &aside)) {
        if (out->count == (size_t)signals)
            return error_set(err, STATUS_INVALID, "%s, line %zu: a line too many: the record has %zu signals", name, r.line, out->count);
        TRY(signal_line(&r, line, &out->signals[out->count]));
        out->count++;
    }
    if (out->count != (size_t)signals)
        return error_set(err, STATUS_INVALID, "%s describes %zu signals: its first line says %lld", name, out->count, (long long)signals);
    out->comments = aside.comments;
    out->comment_count = aside.comment_count;
    return together(&r, out);
}
