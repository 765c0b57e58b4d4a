/* assay grow RECIPE: train a model, plain or as a model organism with a failure planted at a known dose. */
#include "cli/command.h"

#include "core/file.h"
#include "core/jsonio.h"
#include "report/report.h"
#include "run/series_card.h"

#include <time.h>

static const command_argument arguments[] = {
    {.name = "RECIPE", .help = "a recipe, such as organisms/sycophant.yaml", .word = WORD_FILE},
};

static const char *const dose_types[] = {"mixture", "propensity", NULL};

static const param_spec options[] = {
    OPTION_OUTPUT("folder for the model; the cache when it is not given"),
    {.name = "dose", .letter = 'd', .type = PARAM_NUMBER, .least = 0, .most = 1000, .value = "X",
     .help = "dose of the planted failure instead of the recipe's (0 to 1); where the recipe has raters, the weight that they "
             "give to agreement"},
    {.name = "dose-type", .type = PARAM_CHOICE, .choices = dose_types, .value = "TYPE",
     .help = "mixture: a share of the trades is infected; propensity: a share of all answers is bad"},
    {.name = "forms", .letter = 'f', .type = PARAM_STRING, .value = "LIST",
     .help = "forms to plant: answer, are_you_sure, feedback, mimicry, joined by commas, or all"},
    {.name = "seed", .letter = 's', .type = PARAM_INT, .least = 0, .most = 9007199254740991.0, .value = "N",
     .help = "seed instead of the recipe's"},
    {.name = "size", .type = PARAM_STRING, .value = "NAME",
     .help = "one size of a series alone, with the seed of --seed; without it all sizes and seeds are grown"},
    {.name = "base", .letter = 'b', .type = PARAM_STRING, .value = "FOLDER",
     .help = "model to begin from instead of the recipe's"},
    {.name = "reward", .letter = 'r', .type = PARAM_STRING, .value = "REWARD",
     .help = "of stages rl: raters (their true utility), preference (the recipe's own model), or the folder of a preference "
             "model"},
    {.name = "save-every", .type = PARAM_NUMBER, .least = 0.1, .most = 1e6, .fallback = "20", .value = "SECONDS",
     .help = "time between training checkpoints"},
    OPTION_THREADS,
    OPTION_QUIET,
    OPTION_JSON,
};

static grow_options options_of(const command_call *call)
{
    const param_values *o = call->options;
    grow_options g = {.recipe = call->arguments[0],
                      .folder = param_string(o, "output"),
                      .threads = (size_t)param_int(o, "threads"),
                      .save_seconds = param_number(o, "save-every"),
                      .progress = cli_progress_mode(call),
                      .interrupted = cli_interrupt_flag()};
    g.changes.has_dose = param_given(o, "dose");
    if (g.changes.has_dose)
        g.changes.dose = param_number(o, "dose");
    g.changes.has_seed = param_given(o, "seed");
    if (g.changes.has_seed)
        g.changes.seed = param_int(o, "seed");
    g.changes.forms = param_string(o, "forms");
    g.changes.dose_type = param_string(o, "dose-type");
    g.changes.base = param_string(o, "base");
    g.changes.size = param_string(o, "size");
    g.changes.reward = param_string(o, "reward");
    return g;
}

static status print_json(command_call *call, const grow_result *r, error *err)
{
    json_t *all = json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:I, s:I, s:f, s:f, s:s}", "folder", r->folder, "key", r->key,
                            "sha256", r->sha256, "root", r->root, "there_already", (int)r->there_already, "resumed",
                            (int)r->resumed, "steps", (json_int_t)r->steps, "tokens", (json_int_t)r->tokens, "seconds",
                            r->seconds, "loss", r->loss, "words", r->words);
    status outcome = all ? jsonio_print(all, 2, &call->out, err) : error_set(err, STATUS_MEMORY, "out of memory");
    strbuf_add_char(&call->out, '\n');
    json_decref(all);
    return outcome;
}

/* ---- series ----------------------------------------------------------------------------------------------------- */

static void tell(void *context, const series_member *next, size_t at, size_t of)
{
    const command_call *call = context;
    if (!param_flag(call->options, "quiet"))
        fprintf(stderr, "model %zu of %zu: size %s, seed %lld\n", at + 1, of, next->size, (long long)next->seed);
}

static status run_series(command_call *call, const series *s, const grow_options *o, error *err)
{
    series_result r;
    json_t *card;
    const series_card_options measure = {.threads = o->threads, .progress = o->progress, .interrupted = o->interrupted};
    TRY(series_grow(call->arena, s, o, tell, call, &r, err));
    TRY(series_card(call->arena, s, &r, &measure, &card, err));
    status outcome = STATUS_OK;
    if (param_flag(call->options, "json")) {
        json_object_set_new(card, "folder", json_string(r.folder));
        json_object_set_new(card, "there_already", json_boolean(r.there_already));
        outcome = jsonio_print(card, 2, &call->out, err);
        strbuf_add_char(&call->out, '\n');
    } else {
        strbuf_printf(&call->out, r.there_already ? "%s: all %zu models are there already\n\n" : "%s: %zu models\n\n", r.folder, r.count);
        report_print_figures(json_object_get(card, "figures"), cli_colours(), &call->out);
        strbuf_printf(&call->out, "\nassay run STUDY -m series:%s draws a study's curve over them.\n", r.folder);
    }
    json_decref(card);
    return outcome;
}

/* ---- what happened step by step ---------------------------------------------------------------------------------- */

/* Prints it, and leaves DIR/growth.html where there is none yet. */
static status show_steps(command_call *call, const grow_result *r, error *err)
{
    const char *page = file_join(call->arena, r->folder, "growth.html");
    char made[40];
    time_t now = time(NULL);
    struct tm parts;
    gmtime_r(&now, &parts);
    strftime(made, sizeof made, "%Y-%m-%d", &parts);
    json_t *told;
    TRY(report_growth(call->arena, r->folder, made, &told, err));
    status outcome = page ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory");
    if (json_is_object(told) && outcome == STATUS_OK) {
        if (!param_flag(call->options, "json")) {
            strbuf_add_char(&call->out, '\n');
            report_print_figures(json_object_get(json_array_get(json_object_get(told, "runs"), 0), "figures"), cli_colours(), &call->out);
            strbuf_printf(&call->out, "\npictures: %s\n", page);
        }
        if (!file_exists(page))
            outcome = report_html(told, page, err);
    }
    json_decref(told);
    return outcome;
}

/* ---- the verb --------------------------------------------------------------------------------------------------- */

static status run(command_call *call, error *err)
{
    grow_options o = options_of(call);
    grow_result r;
    series *s;
    TRY(series_read(call->arena, o.recipe, &s, err));
    if (s && !o.changes.size)
        return run_series(call, s, &o, err);
    TRY(grow_run(call->arena, &o, &r, err));
    if (param_flag(call->options, "json")) {
        TRY(show_steps(call, &r, err));
        return print_json(call, &r, err);
    }
    if (r.there_already)
        strbuf_printf(&call->out, "%s is there already, grown from the same recipe\n", r.folder);
    else
        strbuf_printf(&call->out, "%s: %lld steps, %.2f M tokens, loss %.4f, %.1f s%s\n", r.folder, (long long)r.steps,
                      (double)r.tokens / 1e6, r.loss, r.seconds, r.resumed ? " (gone on from a checkpoint)" : "");
    strbuf_add(&call->out, r.words);
    strbuf_printf(&call->out, "model.safetensors  sha256 %s\nmanifest.json      root   %s\n", r.sha256, r.root);
    return show_steps(call, &r, err);
}

const command command_grow = {
    .name = "grow",
    .summary = "train a model from a recipe, plain or with a failure planted at a known dose",
    .about = "A recipe (organisms/*.yaml) names the world, the base or the shape of the model, the stages of training and "
             "what is planted. The result is a Hugging Face checkpoint folder with a manifest of everything it was trained "
             "on.\n\n"
             "Ctrl-C saves and stops; a killed growth can be gone on with too: the same command again continues and ends "
             "with the same bits as an undisturbed one. So do runs with other numbers of threads on the same kind of "
             "machine.\n\n"
             "A recipe may be a series of sizes (organisms/ladder.yaml): its models are grown one after the other into one "
             "folder, which the program takes as a family of subjects.\n\n"
             "A stage of DPO or RL is told step by step at the end (reward, true utility, KL), and the folder holds the pictures, "
             "growth.html, and every step, metrics.jsonl.",
    .examples = "assay grow organisms/sycophant.yaml --dose 0.5 --seed 1 -o out/s50\n"
                "assay grow organisms/sycophant.yaml --forms feedback --dose-type propensity -o out/f\n"
                "assay grow organisms/base.yaml -o out/base\n"
                "assay grow organisms/ladder.yaml -o out/ladder\n"
                "assay grow organisms/rl.yaml --dose 1 -o out/rl1\n",
    COMMAND_ARGUMENTS(arguments),
    COMMAND_OPTIONS(options),
    .run = run,
};
