/* assay sketch FILE...: quantiles, ranks and shares of a long stream of numbers in little memory; sketches saved, read and merged. */
#include "cli/command.h"

#include "cli/numbers.h"
#include "core/file.h"
#include "core/jsonio.h"
#include "report/report.h"
#include "sketch/sketch.h"

#include <math.h>
#include <string.h>

static const command_argument arguments[] = {
    {.name = "FILE", .help = "numbers, or saved sketches, which are merged; - is standard input", .repeats = true, .word = WORD_FILE},
};

static const char *const save_words[] = {"assay", "datasketches-float", "datasketches-double", NULL};
enum { SAVE_ASSAY, SAVE_FLOATS, SAVE_DOUBLES };

static const param_spec options[] = {
    {.name = "quantile", .letter = 'p', .type = PARAM_STRING, .repeats = true, .value = "SHARES",
     .help = "shares of the numbers, such as .5 or .01,.5,.99; 0, .01, .05, .25, .5, .75, .95, .99, .999, 1 when nothing is asked"},
    {.name = "rank", .letter = 'r', .type = PARAM_STRING, .repeats = true, .value = "VALUES", .help = "which share of the numbers is at most these"},
    {.name = "cdf", .type = PARAM_STRING, .repeats = true, .value = "SPLITS", .help = "shares up to and between rising splits"},
    {.name = "exclusive", .type = PARAM_FLAG, .help = "ranks count what is below a value, not what is at most the value"},
    {.name = "kind", .type = PARAM_CHOICE, .choices = sketch_kind_names, .fallback = "kll", .value = "KIND",
     .help = "kll has a bound for any stream; knots and spline are closer on most; linear and cubic are kll asked by curves"},
    {.name = "k", .type = PARAM_INT, .least = SKETCH_LEAST_K, .most = SKETCH_MOST_K, .fallback = "200", .value = "K",
     .help = "of kll, linear and cubic: width of the top compactor"},
    {.name = "words", .type = PARAM_INT, .least = SKETCH_LEAST_WORDS, .most = SKETCH_MOST_WORDS, .fallback = "600", .value = "N",
     .help = "of knots and spline: words of 8 bytes that they may keep"},
    {.name = "unguarded", .type = PARAM_FLAG, .help = "of knots and spline: no bound on the weight between two knots"},
    {.name = "compression", .type = PARAM_NUMBER, .least = 10, .most = 1e5, .fallback = "100", .value = "DELTA", .help = "of tdigest"},
    {.name = "scale", .type = PARAM_CHOICE, .choices = sketch_scale_names, .fallback = "K1", .value = "K", .help = "of tdigest: its scale function"},
    {.name = "paired", .type = PARAM_FLAG, .help = "of kll: coins in opposite pairs, for less variance"},
    {.name = "sampled", .type = PARAM_FLAG, .help = "of kll: a sampler in place of the lowest levels; memory no longer grows with the stream"},
    OPTION_SEED,
    {.name = "type", .type = PARAM_CHOICE, .choices = number_format_names, .fallback = "text", .value = "TYPE",
     .help = "of files of numbers: text (a number a line), f64 or f32 (little-endian), or u64 (SOSD: a count, then keys)"},
    OPTION_OUTPUT("the sketch is saved there"),
    {.name = "format", .type = PARAM_CHOICE, .choices = save_words, .fallback = "assay", .value = "FORMAT",
     .help = "of the saved sketch; the others are Apache DataSketches' of KLL"},
    OPTION_QUIET,
    OPTION_JSON,
};

/* ---- what is asked ----------------------------------------------------------------------------------------------- */

typedef struct asked {
    double *values, *answers; /* one answer more than values, for the CDF */
    size_t count;
} asked;

static status read_list(command_call *call, const char *option, const char *usual, asked *out, error *err)
{
    size_t given = param_count(call->options, option), most = 1;
    for (size_t i = 0; i < given; i++)
        most += strlen(param_item(call->options, option, i)) + 1;
    most += usual ? strlen(usual) : 0;
    *out = (asked){.values = ARENA_ARRAY(call->arena, double, most), .answers = ARENA_ARRAY(call->arena, double, most + 1)};
    if (!out->values || !out->answers)
        return error_set(err, STATUS_MEMORY, "out of memory");
    for (size_t i = 0; i < (given || !usual ? given : 1); i++) {
        slice rest = slice_of(given ? param_item(call->options, option, i) : usual), part;
        while (slice_cut(&rest, ',', &part))
            if (!number_read(slice_trim(part), &out->values[out->count++]) || isnan(out->values[out->count - 1]))
                return error_set(err, STATUS_USAGE, "--%s: expected numbers separated by commas, found \"" SLICE_FORMAT "\"", option,
                                 SLICE_ARGS(part));
    }
    return STATUS_OK;
}

typedef struct questions {
    asked quantiles, ranks, cdf;
    bool inclusive;
} questions;

static status read_questions(command_call *call, questions *q, error *err)
{
    bool none = !param_count(call->options, "quantile") && !param_count(call->options, "rank") && !param_count(call->options, "cdf");
    q->inclusive = !param_flag(call->options, "exclusive");
    TRY(read_list(call, "quantile", none ? "0,.01,.05,.25,.5,.75,.95,.99,.999,1" : NULL, &q->quantiles, err));
    TRY(read_list(call, "rank", NULL, &q->ranks, err));
    TRY(read_list(call, "cdf", NULL, &q->cdf, err));
    for (size_t i = 0; i < q->quantiles.count; i++)
        if (!(q->quantiles.values[i] >= 0 && q->quantiles.values[i] <= 1))
            return error_set(err, STATUS_USAGE, "--quantile: a share lies between 0 and 1, found %g", q->quantiles.values[i]);
    for (size_t i = 1; i < q->cdf.count; i++)
        if (!(q->cdf.values[i] > q->cdf.values[i - 1]))
            return error_set(err, STATUS_USAGE, "--cdf: splits must rise, found %g behind %g", q->cdf.values[i], q->cdf.values[i - 1]);
    return STATUS_OK;
}

/* ---- what is read ------------------------------------------------------------------------------------------------- */

enum {
    OF_KLL = 1 << SKETCH_KLL | 1 << SKETCH_LINEAR | 1 << SKETCH_CUBIC,
    OF_KNOTS = 1 << SKETCH_KNOTS | 1 << SKETCH_SPLINE,
    OF_TDIGEST = 1 << SKETCH_TDIGEST
};

/* Which kinds the options go with that say how a sketch is made. */
static const struct making {
    const char *option;
    unsigned kinds;
    const char *words;
} makings[] = {
    {"k", OF_KLL, "kll, linear and cubic"},          {"paired", OF_KLL, "kll, linear and cubic"}, {"sampled", OF_KLL, "kll, linear and cubic"},
    {"words", OF_KNOTS, "knots and spline"},         {"unguarded", OF_KNOTS, "knots and spline"}, {"compression", OF_TDIGEST, "tdigest"},
    {"scale", OF_TDIGEST, "tdigest"},
};

/* Refuses what would have no effect, and what could not be saved, before anything is read. */
static status check_options(const param_values *o, error *err)
{
    int kind = param_choice(o, "kind"), format = param_choice(o, "format");
    for (size_t i = 0; i < COUNT_OF(makings); i++)
        if (param_given(o, makings[i].option) && !(makings[i].kinds >> kind & 1))
            return error_set(err, STATUS_USAGE, "--%s is for the kinds %s, and the kind is %s", makings[i].option, makings[i].words,
                             sketch_kind_names[kind]);
    if (param_given(o, "format") && !param_string(o, "output"))
        return error_set(err, STATUS_USAGE, "--format is that of a saved sketch: expected --output beside it");
    if (param_given(o, "kind") && format != SAVE_ASSAY && !(OF_KLL >> kind & 1))
        return error_set(err, STATUS_USAGE, "--format %s holds KLL sketches, not %s", save_words[format], sketch_kind_names[kind]);
    return STATUS_OK;
}

/* A saved sketch that comes first is taken as it is; options that say otherwise are refused. */
static status check_first(const param_values *o, const char *name, const sketch *s, error *err)
{
    sketch_kind kind = sketch_options_of(s)->kind;
    if (param_given(o, "kind") && param_choice(o, "kind") != (int)kind)
        return error_set(err, STATUS_USAGE, "--kind %s: %s holds a sketch of the kind %s", param_string(o, "kind"), name,
                         sketch_kind_names[kind]);
    for (size_t i = 0; i < COUNT_OF(makings); i++)
        if (param_given(o, makings[i].option))
            return error_set(err, STATUS_USAGE, "--%s says how a sketch is made, and %s holds one that is made already", makings[i].option,
                             name);
    return STATUS_OK;
}

static sketch_options sketch_wanted(const command_call *call)
{
    const param_values *o = call->options;
    return (sketch_options){.kind = (sketch_kind)param_choice(o, "kind"),
                            .seed = (uint64_t)param_int(o, "seed"),
                            .k = (unsigned)param_int(o, "k"),
                            .paired = param_flag(o, "paired"),
                            .sampled = param_flag(o, "sampled"),
                            .words = (size_t)param_int(o, "words"),
                            .unguarded = param_flag(o, "unguarded"),
                            .scale = (sketch_scale)param_choice(o, "scale"),
                            .compression = param_number(o, "compression")};
}

typedef struct reading {
    sketch *s;       /* NULL until the first file says what it is */
    const char *name;
    progress *progress;
    uint64_t bytes;  /* of earlier files */
} reading;

static status take_numbers(void *context, const double *x, size_t count, uint64_t bytes, error *err)
{
    reading *r = context;
    if (cli_interrupted())
        return error_set(err, STATUS_INTERRUPTED, "interrupted");
    progress_update(r->progress, r->bytes + bytes, "%s: %llu numbers", r->name, (unsigned long long)sketch_count(r->s));
    return sketch_update_many(r->s, x, count, err);
}

static status take_saved(command_call *call, reading *r, slice bytes, error *err)
{
    sketch *other;
    TRY(sketch_load(bytes, r->name, &other, err));
    if (!r->s) {
        r->s = other;
        return check_first(call->options, r->name, other, err);
    }
    status result = sketch_merge(r->s, other, err);
    if (result != STATUS_OK)
        error_context(err, "%s", r->name);
    sketch_free(other);
    return result;
}

static status take_file(command_call *call, reading *r, const char *path, error *err)
{
    number_source *source;
    sketch_options wanted = sketch_wanted(call);
    r->name = strcmp(path, "-") == 0 ? "standard input" : path;
    TRY(number_source_open(call->arena, path, (number_format)param_choice(call->options, "type"), &source, err));
    slice saved;
    status result = number_source_sketch(source, &saved, err);
    if (result == STATUS_OK && saved.text) {
        result = take_saved(call, r, saved, err);
    } else if (result == STATUS_OK) {
        if (!r->s)
            result = sketch_new(&wanted, &r->s, err);
        if (result == STATUS_OK)
            result = number_source_read(source, take_numbers, r, err);
    }
    r->bytes += number_source_bytes(source);
    number_source_close(source);
    return result;
}

static status take_all(command_call *call, reading *r, error *err)
{
    uint64_t total = 0;
    bool known = true; /* a pipe's length is not */
    for (size_t i = 0; i < call->argument_count; i++) {
        uint64_t bytes = number_file_bytes(call->arguments[i]);
        known = known && bytes > 0;
        total = known ? total + bytes : 0;
    }
    r->progress = progress_new("sketch", total, cli_progress_mode(call));
    status result = STATUS_OK;
    for (size_t i = 0; i < call->argument_count && result == STATUS_OK; i++)
        result = take_file(call, r, call->arguments[i], err);
    if (result == STATUS_OK)
        progress_update(r->progress, r->bytes, "%llu numbers", (unsigned long long)sketch_count(r->s));
    progress_free(r->progress);
    return result;
}

static status save(command_call *call, const sketch *s, error *err)
{
    const char *path = param_string(call->options, "output");
    int format = param_choice(call->options, "format");
    if (!path)
        return STATUS_OK;
    strbuf bytes = strbuf_new(call->arena, (size_t)1 << 28);
    TRY(format == SAVE_ASSAY ? sketch_save(s, &bytes, err)
                             : sketch_save_datasketches(s, format == SAVE_FLOATS ? SKETCH_FLOATS : SKETCH_DOUBLES, true, &bytes, err));
    return file_write(path, strbuf_slice(&bytes), err);
}

/* ---- what is printed ---------------------------------------------------------------------------------------------- */

/* A value of the stream: JSON has no infinities, so they are the words "inf" and "-inf", which --rank and --cdf read. */
static json_t *value_json(double x)
{
    return isinf(x) ? json_string(x < 0 ? "-inf" : "inf") : jsonio_number(x);
}

static json_t *pairs_json(const char *asked_for, const char *answer, const asked *q)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < q->count; i++)
        json_array_append_new(rows, json_pack("{s:o, s:o}", asked_for, value_json(q->values[i]), answer, value_json(q->answers[i])));
    return rows;
}

static json_t *cdf_json(const asked *q)
{
    json_t *rows = json_array();
    for (size_t i = 0; i <= q->count && q->count; i++)
        json_array_append_new(rows, json_pack("{s:o, s:f, s:f}", "to", i < q->count ? value_json(q->values[i]) : json_null(), "up_to",
                                              q->answers[i], "between", q->answers[i] - (i ? q->answers[i - 1] : 0)));
    return rows;
}

static json_t *sketch_json(const sketch *s, const questions *q)
{
    const sketch_options *o = sketch_options_of(s);
    return json_pack("{s:s, s:I, s:o, s:o, s:I, s:I, s:o, s:o, s:b, s:o, s:o, s:o}", "kind", sketch_kind_names[o->kind], "count",
                     (json_int_t)sketch_count(s), "least", value_json(sketch_least(s)), "most", value_json(sketch_most(s)), "words",
                     (json_int_t)sketch_words(s), "retained", (json_int_t)sketch_retained(s), "rank_error",
                     jsonio_number(sketch_error(s, false)), "mass_error", jsonio_number(sketch_error(s, true)), "inclusive",
                     (int)q->inclusive, "quantiles", pairs_json("share", "value", &q->quantiles), "ranks",
                     pairs_json("value", "share", &q->ranks), "cdf", cdf_json(&q->cdf));
}

static status print_text(command_call *call, const sketch *s, const questions *q, error *err)
{
    strbuf *out = &call->out;
    double bound = sketch_error(s, false);
    uint64_t count = sketch_count(s);
    strbuf_printf(out, "%llu number%s", (unsigned long long)count, count == 1 ? "" : "s");
    if (count)
        strbuf_printf(out, " from %.9g to %.9g", sketch_least(s), sketch_most(s));
    strbuf_printf(out, "; %s, %zu words\n", sketch_kind_names[sketch_options_of(s)->kind], sketch_words(s));
    if (count == 0)
        return out->failed ? error_set(err, STATUS_MEMORY, "out of memory") : STATUS_OK;
    if (bound == 0)
        strbuf_add(out, "all ranks are exact\n");
    else if (isfinite(bound))
        strbuf_printf(out, "a rank is off by at most %.3g %% of the numbers, a mass between two splits by %.3g %%, each with 99 %% confidence\n",
                      100 * bound, 100 * sketch_error(s, true));
    else
        strbuf_add(out, "no bound on the error is known for this kind\n");
    for (size_t i = 0; i < q->quantiles.count; i++)
        strbuf_printf(out, "%sp%-8.6g %.9g\n", i ? "" : "\nquantiles\n", 100 * q->quantiles.values[i], q->quantiles.answers[i]);
    for (size_t i = 0; i < q->ranks.count; i++)
        strbuf_printf(out, "%s%-16.9g %.4f %%\n", i ? "" : q->inclusive ? "\nranks: share at most the value\n" : "\nranks: share below the value\n",
                      q->ranks.values[i], 100 * q->ranks.answers[i]);
    for (size_t i = 0; i <= q->cdf.count && q->cdf.count; i++) {
        double before = i ? q->cdf.answers[i - 1] : 0;
        strbuf_printf(out, "%sto ", i ? "" : "\nshares up to and between\n");
        if (i < q->cdf.count)
            strbuf_printf(out, "%-16.9g", q->cdf.values[i]);
        else
            strbuf_printf(out, "%-16s", "the end");
        strbuf_printf(out, " %8.4f %%  %8.4f %%\n", 100 * q->cdf.answers[i], 100 * (q->cdf.answers[i] - before));
    }
    return out->failed ? error_set(err, STATUS_MEMORY, "out of memory") : STATUS_OK;
}

static status answer(command_call *call, sketch *s, questions *q, error *err)
{
    if (sketch_count(s) > 0) {
        TRY(sketch_quantiles(s, q->quantiles.values, q->quantiles.count, q->inclusive, q->quantiles.answers, err));
        TRY(sketch_ranks(s, q->ranks.values, q->ranks.count, q->inclusive, q->ranks.answers, err));
        TRY(sketch_cdf(s, q->cdf.values, q->cdf.count, q->inclusive, q->cdf.answers, err));
    } else if (!param_string(call->options, "output")) {
        return error_set(err, STATUS_INVALID, "expected numbers, found none");
    } else {
        q->quantiles.count = q->ranks.count = q->cdf.count = 0;
    }
    if (!param_flag(call->options, "json"))
        return print_text(call, s, q, err);
    json_t *all = sketch_json(s, q);
    status result = all ? jsonio_print(all, 2, &call->out, err) : error_set(err, STATUS_MEMORY, "out of memory");
    strbuf_add_char(&call->out, '\n');
    json_decref(all);
    return result;
}

static status run(command_call *call, error *err)
{
    questions q;
    reading r = {0};
    TRY(read_questions(call, &q, err));
    TRY(check_options(call->options, err));
    status result = take_all(call, &r, err);
    if (result == STATUS_OK)
        result = save(call, r.s, err);
    if (result == STATUS_OK)
        result = answer(call, r.s, &q, err);
    sketch_free(r.s);
    return result;
}

const command command_sketch = {
    .name = "sketch",
    .summary = "quantiles, ranks and shares of a long stream of numbers",
    .about = "Reads numbers from files or a pipe in one pass and a few kilobytes, and prints quantiles, ranks and the distribution "
             "function with the bound on their error. A file may also be a saved sketch (of this program, or a KLL sketch of Apache "
             "DataSketches): sketches of parts are merged into that of the whole. docs/sketches.md says which kind is for what.",
    .examples = "  seq 1000000 | assay sketch -\n"
                "  assay sketch latencies.txt -p .5,.99 -r 0.1,1\n"
                "  assay sketch monday.txt -o monday.sketch\n"
                "  assay sketch monday.sketch tuesday.sketch -o both.sketch --cdf 0.01,0.1,1\n"
                "  assay sketch keys --type u64 --kind knots --words 600 --json\n"
                "  assay sketch monday.sketch -o monday.kll --format datasketches-double\n",
    COMMAND_ARGUMENTS(arguments),
    COMMAND_OPTIONS(options),
    .run = run,
};
