#include "leads.h"

#include "core/file.h"
#include "nn/wfdb.h"

#include <math.h>
#include <string.h>
#include <strings.h>

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory");
}

/* Names of leads, whole or (with a star) how they begin. */
static bool is_lead(const char *name)
{
    static const char *const names[] = {"I",  "II", "III", "aVR", "aVL", "aVF", "V",   "V1",  "V2",   "V3",
                                        "V4", "V5", "V6",  "vx",  "vy",  "vz",  "ML*", "MCL*", "ECG*"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        size_t n = strlen(names[i]);
        bool begins = names[i][n - 1] == '*';
        if (begins ? strncasecmp(name, names[i], n - 1) == 0 : strcasecmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

/* Sample k of the result is the mean of the signal from k ratio to (k + 1) ratio, its samples taken as steps. */
static float mean_between(const wfdb_signal *s, double from, double to)
{
    double sum = 0;
    for (size_t i = (size_t)from; i < s->count && (double)i < to; i++)
        sum += wfdb_value(s, i) * (fmin((double)i + 1, to) - fmax((double)i, from));
    return (float)(sum / (to - from));
}

static status add_lead(arena *a, const wfdb_record *r, const wfdb_signal *s, double rate, const wfdb_annotations *marks, lead *out,
                       error *err)
{
    double ratio = r->frequency * (double)s->per_frame / rate;
    *out = (lead){.record = arena_strdup(a, r->name), .name = arena_strdup(a, s->description), .count = (size_t)((double)s->count / ratio)};
    out->samples = ARENA_ARRAY(a, float, out->count + 1);
    out->beats = ARENA_ARRAY(a, lead_beat, marks->count + 1);
    if (!out->record || !out->name || !out->samples || !out->beats)
        return no_memory(err);
    for (size_t k = 0; k < out->count; k++)
        out->samples[k] = mean_between(s, (double)k * ratio, (double)(k + 1) * ratio);
    for (size_t i = 0; i < marks->count; i++) {
        const wfdb_annotation *m = &marks->items[i];
        if (wfdb_is_beat(m->code) && m->frame >= 0)
            out->beats[out->beat_count++] = (lead_beat){(size_t)((double)m->frame * (double)s->per_frame / ratio), wfdb_symbol(m->code)[0]};
    }
    return STATUS_OK;
}

/* The leads of one record, appended. */
static status read_record(arena *a, arena *scratch, const char *path, double rate, leads *out, error *err)
{
    wfdb_record r;
    wfdb_annotations marks = {0};
    status s = wfdb_read(scratch, path, &r, err);
    if (s == STATUS_NOT_FOUND) {
        out->passed_over++;
        return STATUS_OK;
    }
    TRY(s);
    const char *atr = arena_printf(scratch, "%.*s.atr", (int)(strlen(path) - strlen(".hea")), path);
    lead *grown = arena_regrow(a, out->items, out->count, out->count + r.count, sizeof *grown);
    if (!atr || !grown)
        return no_memory(err);
    out->items = grown;
    if (file_exists(atr))
        TRY(wfdb_annotations_read(scratch, atr, &marks, err));
    for (size_t i = 0; i < r.count; i++)
        if (is_lead(r.signals[i].description)) {
            TRY(add_lead(a, &r, &r.signals[i], rate, &marks, &out->items[out->count], err));
            out->count++;
        }
    return STATUS_OK;
}

status leads_read(arena *a, const char *folder, double rate, leads *out, error *err)
{
    char **names;
    size_t count;
    arena *scratch = arena_new(a);
    *out = (leads){0};
    TRY(file_list(a, folder, &names, &count, err));
    for (size_t i = 0; i < count; i++) {
        if (!slice_ends(slice_of(names[i]), SLICE(".hea")))
            continue;
        const char *path = file_join(a, folder, names[i]);
        if (!path || !scratch)
            return no_memory(err);
        TRY(read_record(a, scratch, path, rate, out, err));
        arena_reset(scratch);
    }
    arena_free(scratch);
    if (!out->count)
        return error_set(err, STATUS_NOT_FOUND, "%s holds no WFDB record (NAME.hea with its samples) of an electrocardiogram", folder);
    return STATUS_OK;
}

/* Of mean 0 and variance 1; false where that cannot be. */
static bool standardise(float *x, size_t count)
{
    double mean = 0, squares = 0;
    for (size_t i = 0; i < count; i++)
        mean += (double)x[i] / (double)count;
    for (size_t i = 0; i < count; i++)
        squares += pow((double)x[i] - mean, 2) / (double)count;
    double spread = sqrt(squares);
    if (!(spread > 1e-3)) /* a microvolt; NaN too */
        return false;
    for (size_t i = 0; i < count; i++)
        x[i] = (float)(((double)x[i] - mean) / spread);
    return true;
}

bool lead_window(const lead *l, size_t start, size_t length, float *out)
{
    if (start > l->count || length > l->count - start)
        return false;
    memcpy(out, l->samples + start, length * sizeof(float));
    return standardise(out, length);
}

/* ---- ECG5000 ---- */
/* The next number of the text, which may be written like 1.0000000e+00. */
static bool next_number(slice *rest, double *out)
{
    *rest = slice_trim(*rest);
    size_t end = 0;
    while (end < rest->length && !strchr(" \t\r\n,", rest->text[end]))
        end++;
    slice word = slice_sub(*rest, 0, end);
    *rest = slice_sub(*rest, end + (end < rest->length), rest->length);
    return slice_to_double(word, out) && isfinite(*out);
}

status beat_file_read(arena *a, const char *path, beat_file *out, error *err)
{
    slice text, rest, line;
    size_t lines = 0, at = 0;
    TRY(file_read_gz(a, path, (size_t)256 << 20, &text, err));
    for (size_t i = 0; i < text.length; i++)
        lines += text.text[i] == '\n';
    *out = (beat_file){.samples = ARENA_ARRAY(a, float, (lines + 1) * BEAT_LENGTH), .labels = ARENA_ARRAY(a, int32_t, lines + 1)};
    if (!out->samples || !out->labels)
        return no_memory(err);
    for (rest = text; slice_cut(&rest, '\n', &line);) {
        at++;
        if (!slice_trim(line).length)
            continue;
        float *x = out->samples + out->count * BEAT_LENGTH;
        double kind = 0, value = 0;
        bool fits = next_number(&line, &kind) && kind >= 1 && kind <= 100 && kind == floor(kind);
        for (size_t k = 0; k < BEAT_LENGTH && fits; k++) {
            fits = next_number(&line, &value);
            x[k] = (float)value;
        }
        if (!fits || slice_trim(line).length || !standardise(x, BEAT_LENGTH))
            return error_set(err, STATUS_INVALID, "%s, line %zu: expected a class from 1 on and %d values that differ", path, at, BEAT_LENGTH);
        out->labels[out->count++] = (int32_t)kind - 1;
        out->classes = (int)kind > out->classes ? (int)kind : out->classes;
    }
    return out->count ? STATUS_OK : error_set(err, STATUS_INVALID, "%s is empty", path);
}
