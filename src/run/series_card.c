#include "run/figure.h"
#include "run/series_card.h"

#include "core/file.h"
#include "core/jsonio.h"
#include "run/perplexity.h"
#include "run/several.h"
#include "run/size.h"
#include "stats/bootstrap.h"

#include <math.h>

enum { TOKENS = 50000, CARD_LIMIT = 1 << 26, CARD_VERSION = 1 };

/* What one card is made with. */
typedef struct card_work {
    arena *arena;
    const series *series;
    const series_result *grown;
    const series_card_options *options;
    perplexity_texts texts;
    double **losses;    /* of each member: [texts.count], the sum of each document */
    json_t **sizes;     /* run_size_of, of each member */
    int64_t *runs;      /* of competence, of each member */
    json_t *summaries, *figures;
} card_work;

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory for the card of a series");
}

/* ---- held-out loss ---------------------------------------------------------------------------------------------- */

static status check_tokenizers(const card_work *w, error *err)
{
    const json_t *first = json_object_get(w->sizes[0], "tokenizer");
    for (size_t i = 0; i < w->grown->count; i++)
        if (!first || !json_equal(first, json_object_get(w->sizes[i], "tokenizer")))
            return error_set(err, STATUS_INVALID, "%s: expected the tokenizer of %s, found another: losses over different tokenizers are not compared",
                             w->grown->members[i].folder, w->grown->members[0].folder);
    return STATUS_OK;
}

static status measure_member(card_work *w, thread_pool *pool, size_t i, error *err)
{
    const series_member *m = &w->grown->members[i];
    arena *a = arena_new(NULL);
    checkpoint *c;
    recipe *r;
    status result = a ? checkpoint_open(a, m->folder, &c, err) : no_memory(err);
    if (result == STATUS_OK && i == 0)
        result = recipe_read(a, w->series->path, &(recipe_changes){.size = m->size}, &r, err);
    if (result == STATUS_OK && i == 0)
        result = perplexity_documents(w->arena, c, (uint64_t)r->world_seed, recipe_document_plan(r, 0),
                                      w->options->tokens ? w->options->tokens : TOKENS, &w->texts, err);
    if (result == STATUS_OK && !(w->losses[i] = ARENA_ARRAY(w->arena, double, w->texts.count + 1)))
        result = no_memory(err);
    if (result == STATUS_OK)
        result = perplexity_losses(c, pool, &w->texts, w->options->interrupted, w->losses[i], err);
    arena_free(a);
    return result;
}

static status measure_losses(card_work *w, error *err)
{
    thread_pool *pool;
    TRY(thread_pool_new(w->options->threads, &pool, err));
    progress *p = progress_new("held-out loss", w->grown->count, w->options->progress);
    status result = STATUS_OK;
    for (size_t i = 0; i < w->grown->count && result == STATUS_OK; i++) {
        result = measure_member(w, pool, i, err);
        progress_update(p, i + 1, "size %s, seed %lld", w->grown->members[i].size, (long long)w->grown->members[i].seed);
    }
    progress_free(p);
    thread_pool_free(pool);
    return result;
}

/* Nats a token of the members [first, end), less those of the members [first2, end2) where there are any; over picked documents. */
typedef struct loss_step {
    const card_work *w;
    size_t first, end, first2, end2;
} loss_step;

static double picked_loss(const card_work *w, size_t first, size_t end, const size_t *picks, size_t count)
{
    double sum = 0, tokens = 0;
    for (size_t i = 0; i < count; i++) {
        tokens += (double)(w->texts.lists[picks[i]].count - 1);
        for (size_t m = first; m < end; m++)
            sum += w->losses[m][picks[i]] / (double)(end - first);
    }
    return sum / tokens;
}

static double step_of(const void *context, const size_t *picks, size_t count)
{
    const loss_step *s = context;
    double before = s->first2 < s->end2 ? picked_loss(s->w, s->first2, s->end2, picks, count) : 0;
    return picked_loss(s->w, s->first, s->end, picks, count) - before;
}

static status loss_json(const loss_step *s, json_t **out, error *err)
{
    const card_work *w = s->w;
    arena *a = arena_new(NULL);
    size_t *all = ARENA_ARRAY(a, size_t, w->texts.count + 1);
    bootstrap b = {.items = w->texts.count, .seed = 1, .purpose = "series/loss"};
    interval limits;
    *out = NULL;
    status result = all ? bootstrap_interval(&b, step_of, s, &limits, err) : no_memory(err);
    for (size_t i = 0; result == STATUS_OK && i < w->texts.count; i++)
        all[i] = i;
    if (result == STATUS_OK)
        *out = json_pack("{s:f, s:f, s:f}", "estimate", step_of(s, all, w->texts.count), "low", limits.low, "high", limits.high);
    arena_free(a);
    return result;
}

/* ---- accuracy --------------------------------------------------------------------------------------------------- */

static const study *find_study(const char *name)
{
    for (size_t i = 0; i < study_catalogue_count; i++)
        if (strcmp(study_catalogue[i]->name, name) == 0)
            return study_catalogue[i];
    BUG("there is no study %s", name);
}

static status measure_accuracy(card_work *w, error *err)
{
    const series_card_options *o = w->options;
    family *f = ARENA_NEW(w->arena, family);
    run_role role = {.name = "subject"};
    run_request request = {.study = find_study("competence"), .seed = 1, .roles = &role, .role_count = 1, .subjects = {.threads = o->threads},
                           .interrupt = o->interrupted};
    param_values *params;
    several_outcome outcome;
    const char *store_path = file_join(w->arena, w->grown->folder, "runs.db"), *name = arena_printf(w->arena, "series:%s", w->grown->folder);
    if (!f || !store_path || !name)
        return no_memory(err);
    TRY(param_values_new(w->arena, request.study->params, request.study->param_count, &params, err));
    if (o->items)
        TRY(param_set(params, "items", arena_printf(w->arena, "%lld", (long long)o->items), err));
    request.params = params;
    TRY(family_read_series(w->arena, name, f, err));
    if (f->count != w->grown->count)
        BUG("families.yaml of a series names %zu members of %zu", f->count, w->grown->count);
    TRY(store_open(store_path, STORE_WRITE, &request.store, err));
    status result = run_several(w->arena, f, &request, &role, NULL, &outcome, err);
    status closed = store_close(request.store, result == STATUS_OK ? err : NULL);
    if (result != STATUS_OK)
        return result;
    w->runs = outcome.ids;
    w->summaries = json_incref(outcome.summaries);
    w->figures = json_incref(outcome.figures);
    several_clear(&outcome);
    return closed;
}

/* Mean over members [first, end) of the rate of a split. */
static json_t *mean_rate(const card_work *w, size_t first, size_t end, const char *split)
{
    double sum = 0, count = 0;
    for (size_t i = first; i < end; i++) {
        const json_t *rate = json_object_get(json_object_get(json_object_get(json_array_get(w->summaries, i), "forms"), split), "estimate");
        sum += json_number_value(rate);
        count += json_is_number(rate);
    }
    return count > 0 ? json_real(sum / count) : json_null();
}

static json_t *accuracy_json(const card_work *w, size_t first, size_t end)
{
    json_t *out = json_object(), *form;
    const char *split;
    json_object_foreach(json_object_get(json_array_get(w->summaries, 0), "forms"), split, form)
        json_object_set_new(out, split, mean_rate(w, first, end, split));
    return out;
}

/* ---- the card --------------------------------------------------------------------------------------------------- */

static status members_json(const card_work *w, json_t *list, error *err)
{
    for (size_t i = 0; i < w->grown->count; i++) {
        const series_member *m = &w->grown->members[i];
        json_t *loss;
        TRY(loss_json(&(loss_step){.w = w, .first = i, .end = i + 1}, &loss, err));
        json_t *one = json_pack("{s:s, s:I, s:s, s:s, s:I, s:f, s:o, s:I, s:o}", "size", m->size, "seed", (json_int_t)m->seed, "sha256",
                                m->result.sha256, "root", m->result.root, "tokens", (json_int_t)m->result.tokens, "training_loss",
                                m->result.loss, "loss", loss, "run", (json_int_t)w->runs[i], "accuracy", accuracy_json(w, i, i + 1));
        json_object_update_missing(one, w->sizes[i]);
        json_array_append_new(list, one);
    }
    return STATUS_OK;
}

/* By size, in the order of the recipe; *falls is whether each mean loss is below the one before. */
static status sizes_json(const card_work *w, json_t *list, bool *falls, error *err)
{
    double before = INFINITY;
    size_t last_first = 0, last_end = 0;
    *falls = true;
    for (size_t first = 0, k = 0; k < w->series->count; k++) {
        size_t end = first + w->series->sizes[k].seed_count;
        json_t *loss, *step = NULL;
        TRY(loss_json(&(loss_step){.w = w, .first = first, .end = end}, &loss, err));
        if (k > 0)
            TRY(loss_json(&(loss_step){.w = w, .first = first, .end = end, .first2 = last_first, .end2 = last_end}, &step, err));
        double now = json_number_value(json_object_get(loss, "estimate"));
        *falls = *falls && now < before;
        before = now;
        json_array_append_new(list, json_pack("{s:s, s:O, s:I, s:o, s:o?, s:o}", "size", w->series->sizes[k].name, "parameters",
                                              json_object_get(w->sizes[first], "parameters"), "seeds", (json_int_t)(end - first), "loss", loss,
                                              "step", step, "accuracy", accuracy_json(w, first, end)));
        last_first = first;
        last_end = first = end;
    }
    return STATUS_OK;
}

static json_t *table_json(const json_t *sizes)
{
    json_t *columns = json_array(), *rows = json_array(), *value;
    const char *split;
    json_array_append_new(columns, figure_column("size", "size", "text"));
    json_array_append_new(columns, figure_column("parameters", "parameters", "count"));
    json_array_append_new(columns, figure_column("seeds", "seeds", "count"));
    json_array_append_new(columns, figure_column("loss", "held-out loss", "number"));
    json_array_append_new(columns, figure_column("step", "step from the size before", "text"));
    json_object_foreach(json_object_get(json_array_get(sizes, 0), "accuracy"), split, value)
        json_array_append_new(columns, figure_column(split, split, "share"));
    for (size_t i = 0; i < json_array_size(sizes); i++) {
        const json_t *s = json_array_get(sizes, i), *step = json_object_get(s, "step");
        json_t *row = json_pack("{s:O, s:O, s:O, s:O}", "size", json_object_get(s, "size"), "parameters", json_object_get(s, "parameters"),
                                "seeds", json_object_get(s, "seeds"), "loss", json_object_get(json_object_get(s, "loss"), "estimate"));
        if (json_is_object(step))
            json_object_set_new(row, "step", json_sprintf("%+.4f [%+.4f, %+.4f]", json_number_value(json_object_get(step, "estimate")),
                                                          json_number_value(json_object_get(step, "low")),
                                                          json_number_value(json_object_get(step, "high"))));
        json_object_update(row, json_object_get(s, "accuracy"));
        json_array_append_new(rows, row);
    }
    return json_pack("{s:s, s:s, s:o, s:o}", "title", "Sizes", "note",
                     "Loss: nats a token over documents drawn apart, the same for all; means over seeds. Accuracy: the study competence.",
                     "columns", columns, "rows", rows);
}

static json_t *finding(const json_t *sizes, bool falls)
{
    size_t sure = 0, steps = json_array_size(sizes) - 1;
    for (size_t i = 1; i <= steps; i++)
        sure += json_number_value(json_object_get(json_object_get(json_array_get(sizes, i), "step"), "high")) < 0;
    if (!falls)
        return json_string("HELD-OUT LOSS DOES NOT FALL STRICTLY WITH SIZE: this series is not fit for trends over size.");
    return json_sprintf("Held-out loss falls strictly with size; %zu of %zu steps are below 0 with all of their 95 %% interval.", sure, steps);
}

static status write_card(const card_work *w, const char *path, json_t **out, error *err)
{
    json_t *members = json_array(), *sizes = json_array(), *findings = json_array();
    bool falls = false;
    status result = members_json(w, members, err);
    if (result == STATUS_OK)
        result = sizes_json(w, sizes, &falls, err);
    if (result == STATUS_OK) {
        json_array_append_new(findings, finding(sizes, falls));
        json_array_extend(findings, json_object_get(w->figures, "findings"));
        *out = json_pack("{s:i, s:s, s:O, s:O, s:b, s:I, s:{s:O, s:[o]}, s:O?}", "version", CARD_VERSION, "name", w->series->name, "members",
                         members, "sizes", sizes, "falls_strictly", (int)falls, "held_out_tokens", (json_int_t)w->texts.tokens, "figures",
                         "findings", findings, "tables", table_json(sizes), "trends", json_object_get(w->figures, "trends"));
        result = *out ? jsonio_write(path, *out, 1, err) : no_memory(err);
    }
    json_decref(members);
    json_decref(sizes);
    json_decref(findings);
    return result;
}

/* The card that is there, when it is of these very models; else NULL. */
static json_t *old_card(const char *path, const series_result *grown)
{
    json_t *card;
    if (!file_exists(path) || jsonio_read(path, CARD_LIMIT, &card, NULL) != STATUS_OK)
        return NULL;
    const json_t *members = json_object_get(card, "members");
    bool same = json_integer_value(json_object_get(card, "version")) == CARD_VERSION && json_array_size(members) == grown->count;
    for (size_t i = 0; same && i < grown->count; i++) {
        const char *sha = json_string_value(json_object_get(json_array_get(members, i), "sha256"));
        same = sha && strcmp(sha, grown->members[i].result.sha256) == 0;
    }
    if (same)
        return card;
    json_decref(card);
    return NULL;
}

status series_card(arena *a, const series *s, const series_result *grown, const series_card_options *options, json_t **out, error *err)
{
    card_work w = {.arena = a, .series = s, .grown = grown, .options = options};
    const char *path = file_join(a, grown->folder, "series.json");
    w.losses = ARENA_ARRAY(a, double *, grown->count + 1);
    w.sizes = ARENA_ARRAY(a, json_t *, grown->count + 1);
    if (!path || !w.losses || !w.sizes)
        return no_memory(err);
    if ((*out = old_card(path, grown)) != NULL)
        return STATUS_OK;
    status result = STATUS_OK;
    for (size_t i = 0; i < grown->count && result == STATUS_OK; i++)
        if (!(w.sizes[i] = run_size_of(grown->members[i].folder)))
            result = no_memory(err);
    if (result == STATUS_OK)
        result = check_tokenizers(&w, err);
    if (result == STATUS_OK)
        result = measure_losses(&w, err);
    if (result == STATUS_OK)
        result = measure_accuracy(&w, err);
    if (result == STATUS_OK)
        result = write_card(&w, path, out, err);
    for (size_t i = 0; i < grown->count; i++)
        json_decref(w.sizes[i]);
    json_decref(w.summaries);
    json_decref(w.figures);
    return result;
}
