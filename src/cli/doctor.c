/* assay doctor: what this machine and this build can do, and what is wrong with them. */
#include "cli/command.h"

#include "core/file.h"
#include "core/jsonio.h"
#include "core/threads.h"
#include "kernels/kernels.h"
#include "solve/dense.h"
#include "train/workload.h"

#include <curl/curl.h>
#include <libfyaml.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>

static const char *const types[] = {"bf16", "f32", NULL}, *const tables[] = {"step", "operation", NULL};

static const param_spec options[] = {
    {.name = "graph", .type = PARAM_FLAG, .help = "print what a plan of a model consists of and where its time goes, instead"},
    {.name = "model", .letter = 'm', .type = PARAM_STRING, .fallback = "base", .value = "MODEL",
     .help = "with --graph: base, a checkpoint folder or a GGUF file"},
    {.name = "what", .letter = 'w', .type = PARAM_CHOICE, .choices = workload_names, .fallback = "train", .value = "WORK",
     .help = "with --graph: what the model is run for"},
    {.name = "tokens", .type = PARAM_INT, .least = 0, .most = 16777216, .fallback = "0", .value = "N",
     .help = "with --graph: tokens of the batch, or of each prompt; 0: 1024 for training, 128 before decoding, 256 of a prompt"},
    {.name = "row", .type = PARAM_INT, .least = 0, .most = 16777216, .fallback = "0", .value = "N",
     .help = "with --graph and train: tokens of each document of a batch; 0: the model's context"},
    {.name = "sequences", .type = PARAM_INT, .least = 1, .most = 256, .fallback = "1", .value = "N",
     .help = "with --graph and decode: sequences that are decoded at once"},
    {.name = "type", .type = PARAM_CHOICE, .choices = types, .fallback = "bf16", .value = "TYPE",
     .help = "with --graph: what products are computed in"},
    {.name = "runs", .type = PARAM_INT, .least = 1, .most = 100000, .fallback = "10", .value = "N",
     .help = "with --graph: runs that are measured"},
    {.name = "by", .type = PARAM_CHOICE, .choices = tables, .fallback = "step", .value = "ROW",
     .help = "with --graph: a row for each step, or for each operation"},
    {.name = "top", .type = PARAM_INT, .least = 0, .most = 1000000, .fallback = "20", .value = "N",
     .help = "with --graph: the longest steps that are printed, the others in one row; 0: all"},
    OPTION_THREADS,
    OPTION_STORE,
    OPTION_JSON,
};

/* Options that say nothing without --graph; `of`: the one kind of work that they are for. */
static const struct of_graph {
    const char *option, *of;
} of_graph[] = {
    {"model", NULL}, {"what", NULL}, {"tokens", NULL}, {"row", "train"}, {"sequences", "decode"},
    {"type", NULL},  {"runs", NULL}, {"by", NULL},     {"top", NULL},    {"threads", NULL},
};

static status check_options(const param_values *o, error *err)
{
    for (size_t i = 0; i < COUNT_OF(of_graph); i++) {
        const struct of_graph *x = &of_graph[i];
        if (!param_given(o, x->option))
            continue;
        if (!param_flag(o, "graph"))
            return error_set(err, STATUS_USAGE, "--%s goes with --graph", x->option);
        if (x->of && strcmp(x->of, param_string(o, "what")) != 0)
            return error_set(err, STATUS_USAGE, "--%s goes with --what %s, found %s", x->option, x->of, param_string(o, "what"));
    }
    return STATUS_OK;
}

/* A plan of a model, taken apart. */
static status show_graph(command_call *call, error *err)
{
    const param_values *o = call->options;
    checkpoint *model;
    thread_pool *pool;
    workload w;
    workload_options how = {.what = param_string(o, "what"), .tokens = (size_t)param_int(o, "tokens"), .row = (size_t)param_int(o, "row"),
                            .sequences = (size_t)param_int(o, "sequences"), .runs = (size_t)param_int(o, "runs"),
                            .compute = strcmp(param_string(o, "type"), "f32") == 0 ? TYPE_F32 : TYPE_BF16};
    const char *name = param_string(o, "model");
    bool base = strcmp(name, CHECKPOINT_BASE) == 0 && !file_exists(name);
    TRY(base ? checkpoint_open_base(call->arena, &model, err) : checkpoint_open(call->arena, name, &model, err));
    TRY(thread_pool_new((size_t)param_int(o, "threads"), &pool, err));
    status result = workload_measure(call->arena, model, &how, pool, &w, err);
    thread_pool_free(pool);
    if (result != STATUS_OK)
        return result;
    if (param_flag(o, "json")) {
        json_t *all = plan_account_json(&w.account);
        json_object_set_new(all, "title", json_string(w.title));
        json_object_set_new(all, "kernels", json_string(kernel_description()));
        result = all ? jsonio_print(all, 2, &call->out, err) : error_set(err, STATUS_MEMORY, "out of memory");
        strbuf_add_char(&call->out, '\n');
        json_decref(all);
        return result;
    }
    strbuf_printf(&call->out, "%s; %s\n", w.title, kernel_description());
    if (strcmp(param_string(o, "by"), "operation") == 0)
        plan_account_kinds_text(call->arena, &w.account, &call->out);
    else
        plan_account_text(&w.account, (size_t)param_int(o, "top"), &call->out);
    return STATUS_OK;
}

static json_t *cpu_features(void)
{
    json_t *list = json_array();
#if defined(__x86_64__)
    __builtin_cpu_init();
#define FEATURE(name)                                                                                                  \
    if (__builtin_cpu_supports(name))                                                                                  \
    json_array_append_new(list, json_string(name))
    FEATURE("avx2");
    FEATURE("fma");
    FEATURE("avx512f");
    FEATURE("avx512bw");
    FEATURE("avx512vnni");
#undef FEATURE
#elif defined(__aarch64__)
    json_array_append_new(list, json_string("neon"));
#endif
    return list;
}

/* The line of /proc/cpuinfo that names the processor, or "unknown". */
static const char *cpu_name(arena *a)
{
    FILE *file = fopen("/proc/cpuinfo", "r");
    char line[512];
    const char *name = "unknown";
    while (file && fgets(line, sizeof line, file)) {
        slice rest = slice_of(line), key;
        slice_cut(&rest, ':', &key);
        if (slice_is(slice_trim(key), "model name") && rest.text) {
            name = slice_copy(a, slice_trim(rest));
            break;
        }
    }
    if (file)
        fclose(file);
    return name ? name : "unknown";
}

/* The implementation that oneDNN picks for products of this type; an error where it has none but its reference. */
static status product(arena *a, kernel_type type, const char **name, error *err)
{
    kernel_matmul *m = NULL;
    TRY(kernel_matmul_new(a, &(kernel_matmul_spec){.type = type, .out = KERNEL_F32, .k = 256, .n = 256}, 1, &m, err));
    *name = kernel_matmul_implementation(m);
    return STATUS_OK;
}

/* What SQLite's own check says of the store: "ok", "not there yet", or the first complaint. */
static const char *check_store(arena *a, const char *path)
{
    if (!file_exists(path))
        return "not there yet";
    sqlite3 *db = NULL;
    sqlite3_stmt *query = NULL;
    const char *verdict = NULL;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK && sqlite3_busy_timeout(db, 2000) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &query, NULL) == SQLITE_OK &&
        sqlite3_step(query) == SQLITE_ROW)
        verdict = arena_strdup(a, (const char *)sqlite3_column_text(query, 0));
    else
        verdict = arena_strdup(a, db ? sqlite3_errmsg(db) : "out of memory");
    sqlite3_finalize(query);
    sqlite3_close(db);
    return verdict ? verdict : "out of memory";
}

static json_t *gather(command_call *call, const char *f32, const char *half)
{
    struct utsname host = {0};
    uname(&host);
    const char *store = param_string(call->options, "store");
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    return json_pack("{s:s, s:s, s:s, s:o, s:i, s:f, s:{s:s, s:s, s:s}, s:{s:s, s:s, s:s, s:s, s:s}, s:{s:s, s:s}}", "assay",
                     ASSAY_VERSION, "system", host.machine, "processor", cpu_name(call->arena), "features",
                     cpu_features(), "threads", (int)thread_processors(), "memory_gib",
                     (double)pages * (double)page / 1073741824.0, "arithmetic", "kernels", kernel_description(),
                     "product_f32", f32, "product_bf16", half, "libraries", "sqlite", sqlite3_libversion(), "curl",
                     curl_version_info(CURLVERSION_NOW)->version, "jansson", jansson_version_str(), "libfyaml",
                     fy_library_version(), "lapack", dense_library(), "store", "path", store, "check", check_store(call->arena, store));
}

static void add_rows(strbuf *out, const char *prefix, const json_t *facts)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)facts, key, value)
    {
        char name[64];
        snprintf(name, sizeof name, "%s%s", prefix, key);
        if (json_is_object(value)) {
            strbuf_printf(out, "%s\n", name);
            add_rows(out, "  ", value);
            continue;
        }
        strbuf_printf(out, "%-18s ", name);
        if (json_is_integer(value))
            strbuf_printf(out, "%lld", (long long)json_integer_value(value));
        else if (json_is_real(value))
            strbuf_printf(out, "%.1f", json_real_value(value));
        else if (json_is_array(value))
            for (size_t i = 0; i < json_array_size(value); i++)
                strbuf_printf(out, "%s%s", i ? " " : "", json_string_value(json_array_get(value, i)));
        else
            strbuf_add(out, json_is_string(value) ? json_string_value(value) : "none");
        strbuf_add_char(out, '\n');
    }
}

static status run(command_call *call, error *err)
{
    const char *f32 = NULL, *half = NULL;
    TRY(check_options(call->options, err));
    if (param_flag(call->options, "graph"))
        return show_graph(call, err);
    TRY(product(call->arena, KERNEL_F32, &f32, err));
    TRY(product(call->arena, KERNEL_BF16, &half, err));
    json_t *facts = gather(call, f32, half);
    if (!facts)
        return error_set(err, STATUS_MEMORY, "out of memory");
    const json_t *store = json_object_get(facts, "store");
    const char *check = json_string_value(json_object_get(store, "check"));
    status outcome = STATUS_OK;
    if (strcmp(check, "ok") != 0 && strcmp(check, "not there yet") != 0) {
        error_set(err, STATUS_INVALID, "the store %s is damaged, or no store: %s",
                  json_string_value(json_object_get(store, "path")), check);
        outcome = error_hint(err, "name another with --store, or restore a copy");
    } else if (param_flag(call->options, "json")) {
        outcome = jsonio_print(facts, 2, &call->out, err);
        strbuf_add_char(&call->out, '\n');
    } else {
        add_rows(&call->out, "", facts);
    }
    json_decref(facts);
    return outcome;
}

const command command_doctor = {
    .name = "doctor",
    .summary = "what this machine and this build can do, and whether the store is sound",
    .about = "Prints the processor's features, the libraries and the implementation that they choose for matrix products, "
             "and checks the store. Fails when something would keep assay from working.\n\n"
             "With --graph it runs a model as it is run for training, decoding, reading or scoring a prompt, and prints the plan: "
             "what became of the graph's nodes, memory, and for each step the time, who computes it (the implementation that was "
             "chosen), bytes and operations, and the share of a limit that is measured in the same run: a product by itself in a plan "
             "of its own, attention's operations at the best product's rate, and for all else a plain copy of as many bytes. "
             "GFLOP/s, GB/s and shares are of the fastest run of each step, times are means.",
    .examples = "  assay doctor\n"
                "  assay doctor --graph\n"
                "  assay doctor --graph --what train --tokens 4096 --row 256 --top 40\n"
                "  assay doctor --graph --what decode --sequences 16 --tokens 200 --by operation\n"
                "  assay doctor --graph -m out/s50 --what score --tokens 400 --json\n",
    COMMAND_OPTIONS(options),
    .run = run,
};
