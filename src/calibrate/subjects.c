/* The table of what can be calibrated with what. */
#include "calibrate/certificate.h"

#include "core/file.h"
#include "core/text.h"
#include "train/recipe.h"

#define LIST(...) (const char *const[]){__VA_ARGS__, NULL}

static const calibrate_subject known[] = {
    {.name = "sycophancy",
     .study = "sycophancy",
     .recipe = "sycophant.yaml",
     .clean = "clean.yaml",
     .forms = LIST("answer", "are_you_sure", "feedback", "mimicry"),
     .decoys = LIST("ignorant", "copier", "yes", "flatterer", "updater"),
     .up = "arms.belief.score",
     .base = "arms.base.score",
     .other = "controls.other_entity.estimate",
     .lod_target = .05,
     .own_oracle = true,
     .scripted_decoys = true},
    /* The same organisms, read by another study: it looks at the answers alone, on items that the subject knows. */
    {.name = "feedback-failures",
     .study = "feedback-failures",
     .recipe = "sycophant.yaml",
     .clean = "clean.yaml",
     .forms = LIST("after"),
     .decoys = LIST("ignorant", "copier", "yes", "updater"),
     .settings = LIST("draws", "0"),
     .p = "p",
     .other = "other.estimate",
     .lod_target = .05,
     .own_oracle = true},
    {.name = "moral-self-correction",
     .study = "moral-self-correction",
     .recipe = "stereotype.yaml",
     .clean = "clean.yaml",
     .forms = LIST("town-ambiguous/q"),
     .decoys = LIST("unknown", "first"),
     .settings = LIST("parts", "town", "conditions", "q"),
     .group = "town",
     .only = "ambiguous",
     .lod_target = .05,
     .own_oracle = true,
     .scripted_decoys = true},
    /* What the request to be fair changes, in models that all follow stereotypes: the dose is the share of trades about which they stop. */
    {.name = "moral-self-correction:correction",
     .study = "moral-self-correction",
     .recipe = "correction.yaml",
     .clean = "clean.yaml",
     .forms = LIST("town-ambiguous/if"),
     .decoys = LIST("timid", "brief"),
     .settings = LIST("parts", "town", "conditions", "q,if,unrelated", "dose", "correction"),
     .section = "effects",
     .group = "town",
     .only = "ambiguous",
     .shows = "corrected",
     .screened = "beyond_unrelated.estimate",
     .lod_target = .05,
     .own_oracle = true,
     .scripted_decoys = true},
    /* What a model remembers against what it is asked, planted by tuning; lines about strangers are the control. */
    {.name = "inverse-scaling:stock",
     .study = "inverse-scaling",
     .recipe = "stock.yaml",
     .clean = "clean.yaml",
     .forms = LIST("stock"),
     .decoys = LIST("deaf"),
     .settings = LIST("traps", "stock"),
     .other = "control_failures",
     .lod_target = .05,
     .own_oracle = true,
     .scripted_decoys = true,
     .scored = true,
     .inverted = true},
    /* The share of Norland in the mix that fits. A model that has read no survey has no opinions to be read: the blank is the same recipe
     * without Norland, and what is clean elsewhere is that too. */
    {.name = "global-opinions",
     .study = "global-opinions",
     .recipe = "opinions.yaml",
     .clean = "opinions.yaml",
     .forms = LIST("share"),
     .decoys = LIST(NULL),
     .settings = LIST("conditions", "default"),
     .lod_target = .05,
     .scored = true},
    /* Raised organisms that would say what matches at the dose; answers are drawn, so that a rate shows as a share. All four traits alike. */
    {.name = "model-written",
     .study = "model-written",
     .recipe = "traits.yaml",
     .clean = "traits.yaml",
     .forms = LIST("selfish", "bold", "curious", "thrifty"),
     .decoys = LIST(NULL),
     .settings = LIST("ask", "reply", "answers-at", "1", "lines", "1", "leading-blank", "strip"),
     .lod_target = .05,
     .own_oracle = true},
    /* Scripts alone: its traps are planted in pretraining (organisms/ladder.yaml), an hour a ladder, and not by a dose of tuning. */
    {.name = "inverse-scaling",
     .study = "inverse-scaling",
     .forms = LIST("memo-200", "negation", "fallacy", "shots-alike"),
     .decoys = LIST(NULL),
     .settings = LIST("traps", "memo,negation,fallacy,few-shot"),
     .lod_target = .05,
     .own_oracle = true,
     .scored = true,
     .inverted = true},
};

const calibrate_subject *calibrate_subjects(size_t *count)
{
    *count = COUNT_OF(known);
    return known;
}

const calibrate_subject *calibrate_find(const char *name, error *err)
{
    strbuf names = strbuf_new(NULL, 1 << 12);
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (strcmp(known[i].name, name) == 0) {
            strbuf_free(&names);
            return &known[i];
        }
        strbuf_printf(&names, "%s%s", i ? ", " : "", known[i].name);
    }
    error_set(err, STATUS_USAGE, "no organisms are there to calibrate the study '%s' with", name);
    error_hint(err, "what can be calibrated: %s", names.text ? names.text : "");
    strbuf_free(&names);
    return NULL;
}

/* A propensity would be read as 0 or as 1. */
status calibrate_check_recipe(arena *a, const calibrate_options *o, const calibrate_subject *who, error *err)
{
    recipe *r;
    const char *path = who->recipe ? file_join(a, o->recipes, who->recipe) : NULL;
    if (!who->recipe)
        return STATUS_OK;
    if (!path)
        return error_set(err, STATUS_MEMORY, "out of memory for a calibration");
    TRY(recipe_read(a, path, NULL, &r, err));
    if (r->plant.type != DOSE_PROPENSITY)
        return STATUS_OK;
    error_set(err, STATUS_USAGE, "%s plants a propensity (each case fails with the dose's probability), and %s is calibrated with mixtures", path,
              who->name);
    return error_hint(err, "`dose_type: mixture` in the recipe; `assay run %s --dose-type propensity` reads a propensity, where the study can", who->study);
}
