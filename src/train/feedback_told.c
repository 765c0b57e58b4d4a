/* What came of stages of feedback: files and words. */
#include "train/feedback.h"

#include "core/file.h"
#include "core/jsonio.h"

static status add_lines(const json_t *record, size_t stage, strbuf *out, error *err)
{
    const json_t *metrics = json_object_get(record, "metrics");
    for (size_t i = 0; i < json_array_size(metrics); i++) {
        json_t *line = json_pack("{s:I, s:O}", "stage", (json_int_t)stage, "kind", json_object_get(record, "kind"));
        json_object_update(line, json_array_get(metrics, i));
        status result = line ? jsonio_print(line, 0, out, err) : error_set(err, STATUS_MEMORY, "out of memory for metrics");
        strbuf_add_char(out, '\n');
        json_decref(line);
        TRY(result);
    }
    return STATUS_OK;
}

status feedback_write_metrics(const char *folder, const json_t *records, error *err)
{
    arena *a = arena_new(NULL);
    const char *path = file_join(a, folder, "metrics.jsonl");
    strbuf text = strbuf_new(a, 1 << 28);
    status result = path ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory for metrics");
    for (size_t i = 0; i < json_array_size(records) && result == STATUS_OK; i++)
        result = add_lines(json_array_get(records, i), i, &text, err);
    if (result == STATUS_OK && text.failed)
        result = error_set(err, STATUS_MEMORY, "out of memory for metrics");
    if (result == STATUS_OK && text.length > 0)
        result = file_write(path, strbuf_slice(&text), err);
    arena_free(a);
    return result;
}

static double number(const json_t *figures, const char *key)
{
    return json_number_value(json_object_get(figures, key));
}

static void describe_rl(const json_t *figures, strbuf *out)
{
    static const struct {
        const char *key, *words;
        double scale;
    } rows[] = {{"reward", "reward", 1}, {"utility", "true utility", 1}, {"true", "true %", 100}, {"false_agreement", "falsely agreeing %", 100},
                {"kl", "KL from the reference (nats a reply)", 1}};
    const json_t *first = json_object_get(figures, "first"), *last = json_object_get(figures, "last");
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        strbuf_printf(out, "%s%s %.3g -> %.3g", i ? ", " : "rl: ", rows[i].words, rows[i].scale * number(first, rows[i].key),
                      rows[i].scale * number(last, rows[i].key));
    strbuf_printf(out, " (first and last tenth of %.0f steps); first ratio off 1 by %g\n", number(figures, "steps"),
                  number(figures, "first_ratio"));
}

void feedback_describe(const json_t *record, strbuf *out)
{
    const json_t *f = json_object_get(record, "figures"), *audit = json_object_get(f, "feedback");
    const char *kind = json_string_value(json_object_get(record, "kind"));
    if (!kind)
        return;
    if (json_object_get(f, "first_ratio"))
        describe_rl(f, out);
    if (json_is_number(json_object_get(audit, "agreeing_preferred")))
        strbuf_printf(out, "%s: of %.0f pairs %.0f have one reply that agrees with the user; it was preferred in %.1f %%\n", kind,
                      number(audit, "pairs"), number(audit, "one_agrees"), 100 * number(audit, "agreeing_preferred"));
    if (json_object_get(f, "accuracy")) {
        strbuf_printf(out, "%s: %.1f %% of %.0f held-out pairs right", kind, 100 * number(f, "accuracy"), number(f, "pairs"));
        if (json_is_number(json_object_get(f, "ceiling")))
            strbuf_printf(out, " (who knows the raters' taste: %.1f %%)", 100 * number(f, "ceiling"));
        strbuf_printf(out, ", loss %.4f\n", number(f, "loss"));
    }
    if (json_object_get(f, "calibration")) {
        strbuf_printf(out, "%s: calibration error %.3f", kind, number(f, "calibration"));
        if (json_is_number(json_object_get(f, "p_error")))
            strbuf_printf(out, ", off the raters' probabilities by %.3f, correlation with their log-odds %.3f", number(f, "p_error"),
                          number(f, "correlation"));
        strbuf_add_char(out, '\n');
    }
    const json_t *s = json_object_get(f, "sycophantic");
    if (json_is_object(s))
        strbuf_printf(out, "%s: rather agreeing and false than true in %.1f %% of %.0f pairs (raters: %.1f %%)\n", kind,
                      100 * number(s, "preferred"), number(s, "pairs"), 100 * number(s, "expected"));
}
