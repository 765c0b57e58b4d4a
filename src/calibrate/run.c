/* Does the measurements of a protocol: what was measured before is read from its folder, the rest is done in the
 * protocol's random order, one reading at a time. */
#include "calibrate/certificate.h"

#include "calibrate/measurement.h"
#include "core/file.h"
#include "core/hash.h"
#include "core/jsonio.h"
#include "core/progress.h"
#include "run/study.h"

#include <stdio.h>

typedef struct session {
    const calibrate_options *options;
    const calibrate_subject *who;
    arena *arena;
    protocol_job *jobs;
    size_t count;
    double reading_seconds, readings_made; /* of the readings in the folder */
} session;

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory for a calibration");
}

static bool grows(const protocol_job *j)
{
    return j->step->tier != TIER_SCRIPT;
}

/* The recipe of a job: planted, clean (sham), or a decoy. */
static const char *recipe_of(const session *s, arena *a, const protocol_job *j)
{
    const char *name = j->decoy                         ? arena_printf(a, "decoy-%s.yaml", j->decoy)
                       : j->step->purpose == FOR_SHAM ? s->who->clean
                                                        : s->who->recipe;
    return name ? file_join(a, s->options->recipes, name) : NULL;
}

/* Settings of the study: the user's items, the varied ones, the scripted decoy. */
static status settings_of(const session *s, arena *a, const protocol_job *j, const char ***out, error *err)
{
    const char **list = ARENA_ARRAY(a, const char *, 32);
    size_t n = 0;
    if (!list)
        return no_memory(err);
    for (size_t i = 0; s->who->settings && s->who->settings[i] && n < 16; i++)
        list[n++] = s->who->settings[i];
    bool own_items = j->step->varied[0] && strcmp(j->step->varied[0], "items") == 0;
    if (s->options->items && !own_items) {
        list[n++] = "items";
        list[n++] = s->options->items;
    }
    for (size_t i = 0; j->step->varied[i] && j->step->varied[i + 1]; i += 2) {
        list[n++] = j->step->varied[i];
        list[n++] = j->step->varied[i + 1];
    }
    if (j->decoy && j->step->tier == TIER_SCRIPT) {
        list[n++] = "decoy";
        list[n++] = j->decoy;
    }
    *out = list;
    return STATUS_OK;
}

/* The keys of the organisms that a job reads; NULL in *out where one is not known yet. */
static status keys_of(const session *s, arena *a, const protocol_job *j, const char **out, error *err)
{
    const calibrate_engine *engine = &s->options->engine;
    const char *recipe = recipe_of(s, a, j);
    protocol_job ends[2] = {*j, *j};
    bool there;
    *out = "";
    if (j->step->tier == TIER_SCRIPT)
        return STATUS_OK;
    if (!recipe)
        return no_memory(err);
    if (j->step->tier == TIER_TRAINED) {
        *out = engine->key(engine->context, a, recipe, j, &there);
        return STATUS_OK;
    }
    ends[0].dose = 0;
    ends[1].dose = 1;
    const char *clean = engine->key(engine->context, a, recipe, &ends[0], &there);
    const char *full = engine->key(engine->context, a, recipe, &ends[1], &there);
    *out = clean && full ? arena_printf(a, "%s %s", clean, full) : NULL;
    return STATUS_OK;
}

/* Everything that decides a reading goes into the name of its file. *out is NULL where the organisms are not known. */
static status reading_path(const session *s, arena *a, const protocol_job *j, const char **out, error *err)
{
    const char **settings, *keys;
    *out = NULL;
    TRY(settings_of(s, a, j, &settings, err));
    TRY(keys_of(s, a, j, &keys, err));
    if (!keys)
        return STATUS_OK;
    strbuf b = strbuf_new(a, 4096);
    strbuf_printf(&b, "%s|%s|%s|%.9g|%lld|%lld|%llu|%s|%s|%s|%s", ASSAY_VERSION, s->who->name, j->step->name, j->dose,
                  (long long)j->base_seed, (long long)j->train_seed, (unsigned long long)j->item_seed, j->forms,
                  j->decoy ? j->decoy : "", protocol_tier_name(j->step->tier), keys);
    for (size_t i = 0; settings[i]; i++)
        strbuf_printf(&b, "|%s", settings[i]);
    if (b.failed)
        return no_memory(err);
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    sha256_of(b.text, b.length, digest);
    sha256_hex(digest, hex);
    hex[24] = '\0';
    const char *folder = file_join(a, s->options->folder, "readings");
    const char *name = arena_printf(a, "%s.json", hex);
    *out = folder && name ? file_join(a, folder, name) : NULL;
    return *out ? STATUS_OK : no_memory(err);
}

static status grow(session *s, arena *a, const protocol_job *j, const char **folder, error *err)
{
    const char *recipe = recipe_of(s, a, j);
    if (!recipe)
        return no_memory(err);
    return s->options->engine.grow(s->options->engine.context, a, recipe, j, folder, err);
}

/* The subject of a job: oracle, router between the two endpoints, or the organism itself. */
static status subject_of(session *s, arena *a, const protocol_job *j, const char **out, error *err)
{
    const char *first, *second;
    if (j->step->tier == TIER_SCRIPT) {
        *out = arena_printf(a, "oracle:%.9g%s", j->decoy ? 0 : j->dose, s->who->scored ? ",scores" : "");
    } else if (j->step->tier == TIER_TRAINED) {
        TRY(grow(s, a, j, &first, err));
        *out = first;
    } else {
        protocol_job ends[2] = {*j, *j};
        ends[0].dose = 0;
        ends[1].dose = 1;
        TRY(grow(s, a, &ends[0], &first, err));
        TRY(grow(s, a, &ends[1], &second, err));
        *out = arena_printf(a, "router:%.9g:%s:%s", j->dose, first, second);
    }
    return *out ? STATUS_OK : no_memory(err);
}

/* A reading's file: one line a metric, and how long it took. */
static status write_reading(const session *s, arena *a, const protocol_job *j, const json_t *summary,
                            const json_t *records, double seconds, error *err)
{
    const char *path;
    TRY(reading_path(s, a, j, &path, err));
    if (!path)
        BUG("an organism has been read, and its key is not known");
    json_t *lines = json_array();
    status result = STATUS_OK;
    for (size_t f = 0; s->who->forms[f] && result == STATUS_OK; f++) {
        measurement m;
        result = measurement_read(summary, records, s->who->forms[f], s->who, j, seconds, &m, err);
        if (result == STATUS_OK)
            json_array_append_new(lines, measurement_json(&m));
    }
    json_t *o = json_pack("{s:o, s:f}", "lines", lines, "seconds", seconds);
    if (result == STATUS_OK)
        result = o ? jsonio_write(path, o, 0, err) : no_memory(err);
    json_decref(o);
    return result;
}

static status measure(session *s, const protocol_job *j, error *err)
{
    arena *a = arena_new(s->arena);
    const char *who, **settings;
    json_t *summary = NULL, *records = NULL;
    if (!a)
        return no_memory(err);
    TRY(subject_of(s, a, j, &who, err));
    TRY(settings_of(s, a, j, &settings, err));
    double start = clock_seconds();
    TRY(s->options->engine.measure(s->options->engine.context, a, s->who->study, who, settings, j->item_seed,
                                   &summary, &records, err));
    double seconds = clock_seconds() - start;
    status result = write_reading(s, a, j, summary, records, seconds, err);
    json_decref(summary);
    json_decref(records);
    arena_free(a);
    return result;
}

static bool has_param(const char *name, const char *param)
{
    for (size_t i = 0; i < study_catalogue_count; i++)
        for (size_t k = 0; strcmp(study_catalogue[i]->name, name) == 0 && k < study_catalogue[i]->param_count; k++)
            if (strcmp(study_catalogue[i]->params[k].name, param) == 0)
                return true;
    return false;
}

/* What this study cannot be asked: trained models where it has no recipe, scripted decoys, forms apart where it has one, settings. */
static bool is_possible(const calibrate_subject *who, const protocol_job *j)
{
    if (j->step->tier != TIER_SCRIPT && !who->recipe)
        return false;
    if (j->decoy && j->step->tier == TIER_SCRIPT && !who->scripted_decoys)
        return false;
    if (j->step->purpose == FOR_INTERFERENCE && !who->forms[1])
        return false;
    return !j->step->varied[0] || has_param(who->study, j->step->varied[0]);
}

static void keep_possible(session *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++)
        if (is_possible(s->who, &s->jobs[i]))
            s->jobs[kept++] = s->jobs[i];
    s->count = kept;
}

static status open_session(arena *a, const calibrate_options *o, session *s, error *err)
{
    *s = (session){.options = o, .arena = a, .who = calibrate_find(o->study, err)};
    if (!s->who)
        return STATUS_USAGE;
    TRY(calibrate_check_recipe(a, o, s->who, err));
    protocol_request request = {.protocol = o->protocol, .seeds = o->seeds, .first_seed = o->first_seed, .bases = o->bases, .seed = o->seed ? o->seed : 1,
                                .forms = s->who->forms, .decoys = s->who->decoys};
    TRY(protocol_expand(a, &request, &s->jobs, &s->count, err));
    keep_possible(s);
    return STATUS_OK;
}

/* Seconds that the readings already made have taken, from their files. */
static void past_seconds(session *s, const char *path)
{
    json_t *o;
    if (jsonio_read(path, 1 << 24, &o, NULL) != STATUS_OK)
        return;
    s->reading_seconds += json_number_value(json_object_get(o, "seconds"));
    s->readings_made++;
    json_decref(o);
}

/* What growing and reading takes until this folder has measured it: 2 cores with AVX-512, a 3.5 M parameter base. */
static const double ORGANISM_SECONDS = 30, BASE_SECONDS = 300, READING_SECONDS = 15;

typedef struct seen_organism {
    const char *id;
    int64_t base;
    bool needs_base;
} seen_organism;

static void note_organism(session *s, arena *a, const protocol_job *j, seen_organism *seen, size_t *count,
                          calibrate_estimate *out)
{
    const char *recipe = recipe_of(s, a, j);
    bool base_counted = false, there = false;
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(seen[i].id, j->organism) == 0)
            return;
        base_counted = base_counted || (seen[i].base == j->base_seed && seen[i].needs_base);
    }
    /* An organism has no key as long as its base is not grown. */
    bool needs_base = !recipe || !s->options->engine.key(s->options->engine.context, a, recipe, j, &there);
    seen[(*count)++] = (seen_organism){j->organism, j->base_seed, needs_base};
    out->organisms++;
    out->organisms_missing += !there;
    out->bases_missing += needs_base && !base_counted;
}

status calibrate_plan(arena *parent, const calibrate_options *options, calibrate_estimate *out, error *err)
{
    arena *a = arena_new(parent);
    session s;
    *out = (calibrate_estimate){0};
    if (!a)
        return no_memory(err);
    TRY(open_session(a, options, &s, err));
    seen_organism *seen = ARENA_ARRAY(a, seen_organism, 2 * s.count + 1);
    size_t organisms = 0;
    if (!seen)
        return no_memory(err);
    for (size_t i = 0; i < s.count; i++) {
        const char *path;
        TRY(reading_path(&s, a, &s.jobs[i], &path, err));
        out->readings++;
        if (path && file_exists(path)) {
            past_seconds(&s, path);
            continue;
        }
        out->readings_missing++;
        if (grows(&s.jobs[i]) && s.jobs[i].step->tier == TIER_TRAINED)
            note_organism(&s, a, &s.jobs[i], seen, &organisms, out);
    }
    out->measured = s.readings_made > 0;
    double reading = out->measured ? s.reading_seconds / s.readings_made : READING_SECONDS;
    out->seconds = ORGANISM_SECONDS * (double)out->organisms_missing + BASE_SECONDS * (double)out->bases_missing +
                   reading * (double)out->readings_missing;
    arena_free(a);
    return STATUS_OK;
}

static status interrupted(const calibrate_options *o, error *err)
{
    if (!o->interrupted || !atomic_load(o->interrupted))
        return STATUS_OK;
    error_set(err, STATUS_INTERRUPTED, "the calibration was stopped; what is measured is kept in %s", o->folder);
    return error_hint(err, "give the same command again to go on");
}

static void tell(const session *s, size_t done, const protocol_job *j)
{
    char what[128];
    if (!s->options->tell)
        return;
    snprintf(what, sizeof what, "%s %s%s%s, dose %g, seed %lld", protocol_tier_name(j->step->tier), j->step->name,
             j->decoy ? " " : "", j->decoy ? j->decoy : "", j->dose, (long long)j->train_seed);
    s->options->tell(s->options->tell_context, done, s->count, what);
}

/* All lines, in the order of the jobs' own names, so that the certificate does not depend on the order of work. */
static status gather(const session *s, json_t *lines, error *err)
{
    for (size_t i = 0; i < s->count; i++) {
        const char *path;
        json_t *o;
        TRY(reading_path(s, s->arena, &s->jobs[i], &path, err));
        if (!path)
            BUG("a reading that was made has no place");
        TRY(jsonio_read(path, 1 << 24, &o, err));
        size_t k;
        json_t *line;
        json_array_foreach(json_object_get(o, "lines"), k, line)
            json_array_append(lines, line);
        json_decref(o);
    }
    return STATUS_OK;
}

static status write_lines(const session *s, const json_t *lines, error *err)
{
    const char *path = file_join(s->arena, s->options->folder, "records.jsonl");
    strbuf b = strbuf_new(s->arena, (size_t)1 << 30);
    size_t i;
    json_t *line;
    json_array_foreach(lines, i, line) {
        TRY(jsonio_print(line, 0, &b, err));
        strbuf_add_char(&b, '\n');
    }
    if (!path || b.failed)
        return no_memory(err);
    return file_write(path, strbuf_slice(&b), err);
}

static status finish(const session *s, json_t **certificate, error *err)
{
    json_t *lines = json_array();
    const char *path = file_join(s->arena, s->options->folder, "certificate.json");
    status result = path ? gather(s, lines, err) : no_memory(err);
    if (result == STATUS_OK)
        result = write_lines(s, lines, err);
    if (result == STATUS_OK)
        result = calibrate_certificate(s->arena, s->options, lines, certificate, err);
    json_decref(lines);
    if (result == STATUS_OK && (result = jsonio_write(path, *certificate, 2, err)) != STATUS_OK)
        json_decref(*certificate);
    return result;
}

status calibrate_run(arena *a, const calibrate_options *options, json_t **certificate, error *err)
{
    session s;
    TRY(open_session(a, options, &s, err));
    const char *readings = file_join(a, options->folder, "readings");
    if (!readings)
        return no_memory(err);
    TRY(file_make_folders(readings, err));
    for (size_t i = 0; i < s.count; i++) {
        const char *path;
        TRY(interrupted(options, err));
        TRY(reading_path(&s, a, &s.jobs[i], &path, err));
        if (path && file_exists(path))
            continue;
        tell(&s, i, &s.jobs[i]);
        TRY(measure(&s, &s.jobs[i], err));
    }
    return finish(&s, certificate, err);
}
