#include "nn/wfdb.h"

#include "core/file.h"

#include <math.h>
#include <string.h>

static const size_t header_limit = (size_t)1 << 20, samples_limit = (size_t)1 << 30;

/* ---- formats: sample i of the bytes of a file ---- */
static int32_t with_sign(uint32_t v, int bits)
{
    uint32_t top = 1u << (bits - 1);
    return (int32_t)((v ^ top) - top);
}

static int32_t read_8_offset(const uint8_t *b, size_t i)
{
    return b[i] - 128;
}

static int32_t read_12(const uint8_t *b, size_t i)
{
    const uint8_t *p = b + i / 2 * 3;
    return with_sign(i % 2 == 0 ? (uint32_t)p[0] | (uint32_t)(p[1] & 15) << 8 : (uint32_t)p[2] | (uint32_t)(p[1] >> 4) << 8, 12);
}

static int32_t read_16(const uint8_t *b, size_t i)
{
    return with_sign((uint32_t)b[2 * i] | (uint32_t)b[2 * i + 1] << 8, 16);
}

static int32_t read_16_big(const uint8_t *b, size_t i)
{
    return with_sign((uint32_t)b[2 * i + 1] | (uint32_t)b[2 * i] << 8, 16);
}

static int32_t read_16_offset(const uint8_t *b, size_t i)
{
    return (int32_t)((uint32_t)b[2 * i] | (uint32_t)b[2 * i + 1] << 8) - 32768;
}

static int32_t read_24(const uint8_t *b, size_t i)
{
    const uint8_t *p = b + 3 * i;
    return with_sign((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16, 24);
}

static int32_t read_32(const uint8_t *b, size_t i)
{
    const uint8_t *p = b + 4 * i;
    return with_sign((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24, 32);
}

/* The lowest value of each format means that nothing was measured. */
static const struct sample_format {
    int format;
    size_t bits;
    int32_t (*read)(const uint8_t *bytes, size_t i);
    int32_t missing;
} formats[] = {
    {16, 16, read_16, INT16_MIN},         {24, 24, read_24, -(1 << 23)}, {32, 32, read_32, INT32_MIN},
    {61, 16, read_16_big, INT16_MIN},     {80, 8, read_8_offset, -128},  {160, 16, read_16_offset, INT16_MIN},
    {212, 12, read_12, -(1 << 11)},
};

static const struct sample_format *format_of(int format)
{
    for (size_t i = 0; i < COUNT_OF(formats); i++)
        if (formats[i].format == format)
            return &formats[i];
    return NULL;
}

/* ---- samples ---- */
typedef struct layout {
    const struct sample_format *format;
    const uint8_t *bytes;
    size_t frame, end; /* samples in a frame, of all the file's signals; the signal behind the last of them */
} layout;

static status lay_out(wfdb_record *r, size_t first, slice bytes, layout *out, error *err)
{
    const wfdb_signal *s = &r->signals[first];
    *out = (layout){.format = format_of(s->format)};
    if (!out->format) {
        error_set(err, STATUS_UNSUPPORTED, "%s: %s is of format %d", r->name, s->file, s->format);
        error_hint(err, "Formats 16, 24, 32, 61, 80, 160 and 212 are read; the WFDB package's xform converts others.");
        return STATUS_UNSUPPORTED;
    }
    for (out->end = first; out->end < r->count && strcmp(r->signals[out->end].file, s->file) == 0; out->end++) {
        const wfdb_signal *one = &r->signals[out->end];
        if (one->format != s->format || one->offset != s->offset)
            return error_set(err, STATUS_INVALID, "%s: the signals of %s differ in format or offset", r->name, s->file);
        out->frame += (size_t)one->per_frame;
    }
    if ((size_t)s->offset > bytes.length)
        return error_set(err, STATUS_INVALID, "%s holds %zu bytes: its samples begin at %lld", s->file, bytes.length,
                         (long long)s->offset);
    out->bytes = (const uint8_t *)bytes.text + s->offset;
    size_t held = (bytes.length - (size_t)s->offset) * 8 / out->format->bits / out->frame;
    if (!r->frames)
        r->frames = held;
    if (held < r->frames || !held)
        return error_set(err, STATUS_INVALID, "%s holds %zu frames of %zu samples: the header of %s says %zu frames", s->file, held,
                         out->frame, r->name, r->frames);
    return STATUS_OK;
}

/* Fills the samples of signal s, which are the first after `before` others in each frame, and sums up what lies in the file. */
static uint32_t decode(const layout *l, const wfdb_signal *s, size_t before, size_t frames, int32_t *samples)
{
    uint32_t sum = 0;
    size_t per = (size_t)s->per_frame, skew = (size_t)s->skew;
    for (size_t f = 0; f < frames; f++)
        for (size_t k = 0; k < per; k++) {
            int32_t v = l->format->read(l->bytes, f * l->frame + before + k);
            sum += (uint32_t)v;
            if (f >= skew)
                samples[(f - skew) * per + k] = v == l->format->missing ? WFDB_MISSING : v;
        }
    for (size_t i = frames > skew ? (frames - skew) * per : 0; i < frames * per; i++)
        samples[i] = WFDB_MISSING;
    return sum;
}

status wfdb_samples_parse(arena *a, wfdb_record *r, size_t first, slice bytes, size_t *next, error *err)
{
    layout l;
    TRY(lay_out(r, first, bytes, &l, err));
    size_t before = 0;
    for (size_t i = first; i < l.end; i++) {
        wfdb_signal *s = &r->signals[i];
        s->count = r->frames * (size_t)s->per_frame;
        int32_t *samples = ARENA_ARRAY(a, int32_t, s->count + 1);
        if (!samples)
            return error_set(err, STATUS_MEMORY, "out of memory: %zu samples of %s", s->count, r->name);
        int sum = (int)with_sign(decode(&l, s, before, r->frames, samples) & 0xffff, 16);
        if (s->has_checksum && sum != s->checksum)
            return error_set(err, STATUS_INVALID, "%s: the samples of signal %zu (%s) in %s have checksum %d: its header says %d", r->name,
                             i + 1, *s->description ? s->description : "without a name", s->file, sum, s->checksum);
        s->samples = samples;
        before += (size_t)s->per_frame;
    }
    *next = l.end;
    return STATUS_OK;
}

/* ---- files ---- */
/* The file itself, or the same with .gz. A file of samples is not asked whether it looks like gzip: it may by chance. */
static status read_samples(arena *a, const char *folder, const char *file, slice *out, error *err)
{
    const char *path = file_join(a, folder, file), *packed = path ? arena_printf(a, "%s.gz", path) : NULL;
    if (!packed)
        return error_set(err, STATUS_MEMORY, "out of memory");
    return !file_exists(path) && file_exists(packed) ? file_read_gz(a, packed, samples_limit, out, err)
                                                     : file_read(a, path, samples_limit, out, err);
}

status wfdb_read(arena *a, const char *path, wfdb_record *out, error *err)
{
    slice text;
    TRY(file_read(a, path, header_limit, &text, err));
    TRY(wfdb_header_parse(a, text, path, out, err));
    const char *slash = strrchr(path, '/');
    const char *folder = slash ? arena_strndup(a, path, (size_t)(slash - path) + 1) : "";
    arena *files = arena_new(a);
    if (!folder || !files)
        return error_set(err, STATUS_MEMORY, "out of memory");
    status s = STATUS_OK;
    for (size_t i = 0; i < out->count && s == STATUS_OK;) {
        slice bytes;
        s = read_samples(files, folder, out->signals[i].file, &bytes, err);
        if (s == STATUS_OK)
            s = wfdb_samples_parse(a, out, i, bytes, &i, err);
        arena_reset(files);
    }
    arena_free(files);
    return s;
}

const wfdb_signal *wfdb_find(const wfdb_record *r, const char *description)
{
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->signals[i].description, description) == 0)
            return &r->signals[i];
    return NULL;
}

double wfdb_value(const wfdb_signal *s, size_t i)
{
    return s->samples[i] == WFDB_MISSING ? (double)NAN : ((double)s->samples[i] - s->baseline) / s->gain;
}
