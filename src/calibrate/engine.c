#include "calibrate/engine.h"

#include "core/file.h"
#include "core/jsonio.h"
#include "lm/checkpoint.h"
#include "train/grow.h"
#include "train/growth.h"

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory for a calibration");
}

/* Where a grown model of this key lies or would lie. */
static const char *cached_folder(arena *a, const char *key)
{
    const char *cache;
    return growth_cache(a, &cache, NULL) == STATUS_OK ? file_join(a, cache, key) : NULL;
}

static bool folder_has(arena *a, const char *folder, const char *key)
{
    const char *found = folder ? growth_key_of(a, folder) : NULL;
    return found && strcmp(found, key) == 0;
}

/* The key of the base model of a seed: it is grown from nothing, so no other identity goes in. */
static status base_key(const calibrate_house *h, arena *a, int64_t seed, char key[SHA256_HEX], error *err)
{
    recipe *r;
    recipe_changes changes = {.has_seed = true, .seed = seed};
    TRY(recipe_read(a, h->base_recipe, &changes, &r, err));
    return recipe_key(r, "", key, err);
}

/* The folder of a base model, or NULL in *out for the one inside this program; grows it where it is missing. */
static status base_folder(const calibrate_house *h, arena *a, int64_t seed, const char **out, error *err)
{
    *out = h->embedded;
    if (seed == 0)
        return STATUS_OK;
    grow_options o = {.recipe = h->base_recipe, .changes = {.has_seed = true, .seed = seed}, .threads = h->threads,
                      .progress = h->progress, .interrupted = h->interrupted};
    grow_result r;
    TRY(grow_run(a, &o, &r, err));
    *out = r.folder;
    return STATUS_OK;
}

/* Hash of the base's weights, or NULL where the base is not grown yet. */
static const char *base_identity(calibrate_house *h, arena *a, int64_t seed)
{
    if (seed < 0 || seed >= HOUSE_BASES)
        return NULL;
    char *known = h->identities[seed], key[SHA256_HEX];
    checkpoint *c;
    status opened;
    if (known[0])
        return known;
    if (seed == 0 && !h->embedded) {
        opened = checkpoint_open_base(a, &c, NULL);
    } else {
        const char *folder = h->embedded;
        if (seed > 0) {
            if (base_key(h, a, seed, key, NULL) != STATUS_OK)
                return NULL;
            folder = cached_folder(a, key);
            if (!folder_has(a, folder, key))
                return NULL;
        }
        opened = checkpoint_open(a, folder, &c, NULL);
    }
    if (opened != STATUS_OK || checkpoint_identity(c, known, NULL) != STATUS_OK) {
        known[0] = '\0';
        return NULL;
    }
    return known;
}

static recipe_changes changes_of(const protocol_job *job, const char *base)
{
    bool planted = !job->decoy && job->step->purpose != FOR_SHAM;
    return (recipe_changes){.has_seed = true,
                            .seed = job->train_seed,
                            .has_dose = planted,
                            .dose = job->dose,
                            .forms = planted && strcmp(job->forms, "all") != 0 ? job->forms : NULL,
                            .base = base};
}

static const char *key_of(void *context, arena *a, const char *path, const protocol_job *job, bool *there)
{
    calibrate_house *h = context;
    const char *identity = base_identity(h, a, job->base_seed);
    char *key = ARENA_ARRAY(a, char, SHA256_HEX);
    recipe *r;
    *there = false;
    if (!identity || !key)
        return NULL;
    /* The base's folder is no part of the key: its weights are. Raised organisms have none. */
    recipe_changes changes = changes_of(job, NULL);
    if (recipe_read(a, path, &changes, &r, NULL) != STATUS_OK || recipe_key(r, r->base ? identity : "", key, NULL) != STATUS_OK)
        return NULL;
    *there = folder_has(a, cached_folder(a, key), key);
    return key;
}

static status grow(void *context, arena *a, const char *path, const protocol_job *job, const char **folder, error *err)
{
    calibrate_house *h = context;
    const char *base;
    grow_result r;
    TRY(base_folder(h, a, job->base_seed, &base, err));
    grow_options o = {.recipe = path, .changes = changes_of(job, base), .threads = h->threads, .progress = h->progress,
                      .interrupted = h->interrupted};
    TRY(grow_run(a, &o, &r, err));
    *folder = r.folder;
    return STATUS_OK;
}

static const study *find_study(const char *name)
{
    for (size_t i = 0; i < study_catalogue_count; i++)
        if (strcmp(study_catalogue[i]->name, name) == 0)
            return study_catalogue[i];
    return NULL;
}

static status take_record(void *context, const store_sample *sample, error *err)
{
    json_t *record;
    if (sample->code != STATUS_OK)
        return STATUS_OK;
    TRY(jsonio_parse(slice_of(sample->record), "stored record", &record, err));
    return json_array_append_new(context, record) == 0 ? STATUS_OK : no_memory(err);
}

static status measure(void *context, arena *a, const char *study_name, const char *who, const char *const *settings,
                      uint64_t seed, json_t **summary, json_t **records, error *err)
{
    calibrate_house *h = context;
    const study *st = find_study(study_name);
    param_values *params;
    if (!st)
        return error_set(err, STATUS_USAGE, "there is no study '%s'", study_name);
    TRY(param_values_new(a, st->params, st->param_count, &params, err));
    for (size_t i = 0; settings[i]; i += 2)
        TRY(param_set(params, settings[i], settings[i + 1], err));
    run_role role = {.name = "subject", .specification = who};
    run_request request = {.study = st, .params = params, .seed = seed, .roles = &role, .role_count = 1,
                           .store = h->store, .subjects = {.threads = h->threads}, .interrupt = h->interrupted};
    run_outcome outcome = {0};
    TRY(run_study(a, &request, &outcome, err));
    *summary = json_incref(outcome.summary);
    *records = json_array();
    int64_t id = outcome.id;
    run_outcome_clear(&outcome);
    status result = *records ? store_sample_each(h->store, id, false, take_record, *records, err) : no_memory(err);
    if (result != STATUS_OK) {
        json_decref(*summary);
        json_decref(*records);
    }
    return result;
}

calibrate_engine calibrate_engine_of(calibrate_house *house)
{
    return (calibrate_engine){.context = house, .grow = grow, .key = key_of, .measure = measure};
}
