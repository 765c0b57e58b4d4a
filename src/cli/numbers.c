#include "cli/numbers.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER = 1 << 18, BATCH = 8192, LONGEST = 512, HEAD = 8, MOST_SKETCH = 1 << 28 };

const char *const number_format_names[NUMBER_FORMATS + 1] = {"text", "f64", "f32", "u64", NULL};

struct number_source {
    arena *arena;
    const char *name;
    int descriptor;
    number_format format;
    char *buffer;        /* BUFFER bytes */
    size_t begin, end;   /* what was read and not used yet */
    uint64_t bytes;      /* read so far */
    bool ended;
    double *batch;
    size_t count;
    uint64_t line, place; /* of the text being read; numbers given so far */
};

/* ---- bytes ------------------------------------------------------------------------------------------------------- */

status number_source_open(arena *a, const char *path, number_format format, number_source **out, error *err)
{
    number_source *n = ARENA_NEW(a, number_source);
    bool standard = strcmp(path, "-") == 0;
    if (!n || !(n->buffer = arena_alloc(a, BUFFER)) || !(n->batch = ARENA_ARRAY(a, double, BATCH)))
        return error_set(err, STATUS_MEMORY, "out of memory for reading %s", path);
    n->arena = a;
    n->name = standard ? "standard input" : path;
    n->format = format;
    n->line = 1;
    n->descriptor = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (n->descriptor < 0)
        return error_system(err, "cannot read %s", path);
    *out = n;
    return STATUS_OK;
}

void number_source_close(number_source *n)
{
    if (n->descriptor > STDIN_FILENO)
        close(n->descriptor);
    n->descriptor = -1;
}

uint64_t number_source_bytes(const number_source *n)
{
    return n->bytes;
}

uint64_t number_file_bytes(const char *path)
{
    struct stat info;
    return strcmp(path, "-") != 0 && stat(path, &info) == 0 && S_ISREG(info.st_mode) ? (uint64_t)info.st_size : 0;
}

/* More bytes behind those that are left, which move to the front. */
static status refill(number_source *n, error *err)
{
    memmove(n->buffer, n->buffer + n->begin, n->end - n->begin);
    n->end -= n->begin;
    n->begin = 0;
    while (!n->ended && n->end < BUFFER) {
        ssize_t got = read(n->descriptor, n->buffer + n->end, BUFFER - n->end);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_system(err, "cannot read %s", n->name);
        n->ended = got == 0;
        n->end += (size_t)got;
        n->bytes += (uint64_t)got;
        if (n->end >= HEAD)
            break; /* a pipe gives what it has */
    }
    return STATUS_OK;
}

/* Ours, or KLL's of DataSketches: preamble, version, family (no text begins so). */
static bool looks_saved(const number_source *n)
{
    const unsigned char *b = (const unsigned char *)n->buffer + n->begin;
    if (n->end - n->begin < HEAD)
        return false;
    bool theirs = n->format == NUMBERS_TEXT && (b[0] == 2 || b[0] == 5) && (b[1] == 1 || b[1] == 2) && b[2] == 15;
    return theirs || memcmp(b, "ASSAYSKT", HEAD) == 0;
}

status number_source_sketch(number_source *n, slice *out, error *err)
{
    *out = (slice){NULL, 0};
    TRY(refill(n, err));
    if (!looks_saved(n))
        return STATUS_OK;
    strbuf all = strbuf_new(n->arena, MOST_SKETCH);
    while (n->end > n->begin && !all.failed) {
        strbuf_add_bytes(&all, n->buffer + n->begin, n->end - n->begin);
        n->begin = n->end;
        TRY(refill(n, err));
    }
    if (all.failed)
        return error_set(err, STATUS_LIMIT, "%s: a saved sketch has at most %d bytes", n->name, MOST_SKETCH);
    *out = strbuf_slice(&all);
    return STATUS_OK;
}

/* ---- numbers in text --------------------------------------------------------------------------------------------- */

/* Whole numbers and decimals of up to 15 digits, which doubles and exact powers of ten give exactly. */
static bool read_short(slice text, double *out)
{
    static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    size_t i = text.length && text.text[0] == '-', digits = 0, behind = 0;
    bool negative = i == 1, point = false;
    uint64_t value = 0;
    for (; i < text.length; i++) {
        unsigned c = (unsigned char)text.text[i];
        if (c - '0' < 10) {
            value = 10 * value + (c - '0');
            digits++;
            behind += point;
        } else if (c == '.' && !point) {
            point = true;
        } else {
            return false;
        }
        if (digits > 15)
            return false;
    }
    if (digits == 0)
        return false;
    double x = (double)value / powers[behind];
    *out = negative ? -x : x;
    return true;
}

bool number_read(slice text, double *out)
{
    char copy[LONGEST + 1], *end;
    if (read_short(text, out))
        return true;
    if (text.length == 0 || text.length > LONGEST)
        return false;
    memcpy(copy, text.text, text.length);
    copy[text.length] = '\0';
    *out = strtod(copy, &end);
    return end == copy + text.length && strpbrk(copy, "xX(") == NULL;
}

static status give(number_source *n, number_taker *take, void *context, error *err)
{
    size_t count = n->count;
    n->count = 0;
    return count ? take(context, n->batch, count, n->bytes, err) : STATUS_OK;
}

static status add(number_source *n, double x, number_taker *take, void *context, error *err)
{
    n->place++;
    n->batch[n->count++] = x;
    return n->count == BATCH ? give(n, take, context, err) : STATUS_OK;
}

static bool parts(char c)
{
    return c == '\n' || c == ' ' || c == '\t' || c == '\r' || c == ',' || c == ';';
}

static status take_word(number_source *n, slice word, number_taker *take, void *context, error *err)
{
    double x;
    if (!number_read(word, &x)) {
        error_set(err, STATUS_INVALID, "%s:%llu: expected a number, found \"" SLICE_FORMAT "\"", n->name, (unsigned long long)n->line,
                  (int)(word.length < 40 ? word.length : 40), word.text);
        return error_hint(err, "text has numbers alone; --type names binary formats");
    }
    if (isnan(x))
        return error_set(err, STATUS_INVALID, "%s:%llu: number %llu is NaN, which has no rank", n->name, (unsigned long long)n->line,
                         (unsigned long long)n->place + 1);
    return add(n, x, take, context, err);
}

/* Words that end in the buffer, and the last one when nothing follows. A comment is passed over up to its line's end. */
static status take_words(number_source *n, bool *comment, number_taker *take, void *context, error *err)
{
    while (n->begin < n->end) {
        char c = n->buffer[n->begin];
        if (parts(c) || *comment) {
            if (c == '\n') {
                n->line++;
                *comment = false;
            }
            n->begin++;
            continue;
        }
        if (c == '#') {
            *comment = true;
            continue;
        }
        size_t to = n->begin;
        while (to < n->end && !parts(n->buffer[to]))
            to++;
        if (to - n->begin > LONGEST)
            return error_set(err, STATUS_INVALID, "%s:%llu: expected a number, found more than %d characters without a space", n->name,
                             (unsigned long long)n->line, LONGEST);
        if (to == n->end && !n->ended)
            return STATUS_OK;
        TRY(take_word(n, (slice){n->buffer + n->begin, to - n->begin}, take, context, err));
        n->begin = to;
    }
    return STATUS_OK;
}

static status read_text(number_source *n, number_taker *take, void *context, error *err)
{
    bool comment = false;
    if (n->end - n->begin >= 3 && memcmp(n->buffer + n->begin, "\xef\xbb\xbf", 3) == 0)
        n->begin += 3; /* UTF-8's mark at the front */
    for (;;) {
        TRY(take_words(n, &comment, take, context, err));
        if (n->ended)
            return STATUS_OK;
        TRY(refill(n, err));
    }
}

/* ---- binary numbers ---------------------------------------------------------------------------------------------- */

static uint64_t bits_at(const char *bytes, size_t width)
{
    uint64_t value = 0;
    for (size_t i = 0; i < width; i++)
        value |= (uint64_t)(unsigned char)bytes[i] << (8 * i);
    return value;
}

static double value_of(number_format format, uint64_t bits)
{
    double x;
    float f;
    uint32_t half = (uint32_t)bits;
    if (format == NUMBERS_U64)
        return (double)bits;
    if (format == NUMBERS_F32) {
        memcpy(&f, &half, sizeof f);
        return (double)f;
    }
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* SOSD's files begin with the number of their keys. */
static status read_binary(number_source *n, number_taker *take, void *context, error *err)
{
    size_t width = n->format == NUMBERS_F32 ? 4 : 8;
    uint64_t announced = 0;
    bool head = n->format == NUMBERS_U64;
    for (;;) {
        for (; n->end - n->begin >= width; n->begin += width) {
            uint64_t bits = bits_at(n->buffer + n->begin, width);
            if (head) {
                announced = bits;
                head = false;
                continue;
            }
            double x = value_of(n->format, bits);
            if (isnan(x))
                return error_set(err, STATUS_INVALID, "%s: number %llu (at byte %llu) is NaN, which has no rank", n->name,
                                 (unsigned long long)n->place + 1, (unsigned long long)(n->bytes - (n->end - n->begin)));
            TRY(add(n, x, take, context, err));
        }
        if (n->ended)
            break;
        TRY(refill(n, err));
    }
    if (n->end > n->begin)
        return error_set(err, STATUS_INVALID, "%s: ends within a number: %zu bytes behind number %llu, each has %zu", n->name,
                         n->end - n->begin, (unsigned long long)n->place, width);
    if (n->format == NUMBERS_U64 && (head || announced != n->place))
        return error_set(err, STATUS_INVALID, "%s: announces %llu keys in its first 8 bytes and holds %llu", n->name,
                         (unsigned long long)announced, (unsigned long long)n->place);
    return STATUS_OK;
}

status number_source_read(number_source *n, number_taker *take, void *context, error *err)
{
    TRY(n->format == NUMBERS_TEXT ? read_text(n, take, context, err) : read_binary(n, take, context, err));
    return give(n, take, context, err);
}
