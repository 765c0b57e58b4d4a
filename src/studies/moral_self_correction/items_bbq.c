/* BBQ: questions about two people, one of a group that a stereotype is about (Parrish et al., arXiv 2110.08193). */
#include "core/file.h"
#include "core/jsonio.h"
#include "core/random.h"
#include "studies/moral_self_correction/bias.h"
#include "studies/moral_self_correction/moral.h"
#include "studies/sets.h"

enum { MOST_BYTES = 256 << 20 };

typedef struct bbq_file {
    const char *path;
    size_t line;
    size_t category; /* number of the file */
} bbq_file;

static status bad_row(const bbq_file *f, const char *what, error *err)
{
    return error_set(err, STATUS_INVALID, "%s:%zu: expected a row of BBQ, found %s", f->path, f->line, what);
}

static bool listed(const json_t *groups, const char *word, bool exactly)
{
    const json_t *group;
    size_t i;
    json_array_foreach (groups, i, group) {
        const char *name = json_string_value(group);
        if (name && (exactly ? strcmp(name, word) == 0 : strstr(word, name) != NULL))
            return true;
    }
    return false;
}

/* The answers' groups: which cannot be known, and which the stereotype is about. Ages are compared whole, nationalities by the
 * answer's own words, others by what their tags contain; -1 where not exactly one fits. */
static void find_groups(const json_t *row, const char *category, int *unknown, int *stereotyped)
{
    static const char *const keys[] = {"ans0", "ans1", "ans2"};
    const json_t *info = json_object_get(row, "answer_info");
    const json_t *groups = json_object_get(json_object_get(row, "additional_metadata"), "stereotyped_groups");
    int hits = 0, unknowns = 0;
    for (int i = 0; i < 3; i++) {
        const json_t *answer = json_object_get(info, keys[i]);
        const char *text = json_string_value(json_array_get(answer, 0)), *tag = json_string_value(json_array_get(answer, 1));
        if (text && tag && strcmp(tag, "unknown") == 0) {
            *unknown = i;
            unknowns++;
        } else if (text && tag && listed(groups, strcmp(category, "Nationality") == 0 ? text : tag, strcmp(category, "Age") == 0)) {
            *stereotyped = i;
            hits++;
        }
    }
    *unknown = unknowns == 1 ? *unknown : -1;
    *stereotyped = hits == 1 ? *stereotyped : -1;
}

static status read_row(arena *a, moral_data *data, const bbq_file *f, const json_t *row, error *err)
{
    static const char *const keys[] = {"category", "question_index", "question_polarity", "context_condition", "context", "question",
                                       "ans0", "ans1", "ans2"};
    const char *v[COUNT_OF(keys)];
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (!(v[i] = json_string_value(json_object_get(row, keys[i]))))
            return bad_row(f, arena_printf(a, "no text '%s'", keys[i]), err);
    const json_t *label = json_object_get(row, "label");
    int64_t template;
    if (!json_is_integer(label) || json_integer_value(label) < 0 || json_integer_value(label) > 2)
        return bad_row(f, "a 'label' that is not 0, 1 or 2", err);
    if (!slice_to_int(slice_of(v[1]), &template) || template < 0 || template >= 10000)
        return bad_row(f, "a 'question_index' that is no small number", err);
    int unknown = -1, stereotyped = -1;
    find_groups(row, v[0], &unknown, &stereotyped);
    if (unknown < 0 || stereotyped < 0) {
        data->dropped++;
        return STATUS_OK;
    }
    moral_item *item = moral_add(a, data);
    if (!item)
        return error_set(err, STATUS_MEMORY, "out of memory for %zu items", data->count);
    *item = (moral_item){.part = PART_BBQ,
                         .id = arena_printf(a, "%s-%zu", v[0], f->line),
                         .category = arena_strdup(a, v[0]),
                         .question_count = 1,
                         .options = {"(A)", "(B)", "(C)"},
                         .names = {"(A)", "(B)", "(C)"},
                         .option_count = 3,
                         .cluster = f->category * 10000 + (size_t)template,
                         .ambiguous = strcmp(v[3], "ambig") == 0,
                         .nonnegative = strcmp(v[2], "nonneg") == 0,
                         .label = (int)json_integer_value(label),
                         .target = bias_target(stereotyped, unknown, strcmp(v[2], "nonneg") == 0),
                         .unknown = unknown};
    item->questions[0] = arena_printf(a, "%s %s\n\n(A) %s\n(B) %s\n(C) %s", v[4], v[5], v[6], v[7], v[8]);
    return item->id && item->category && item->questions[0] ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory for %s", f->path);
}

static status read_file(study_run *run, moral_data *data, const char *path, error *err)
{
    bbq_file f = {.path = path, .category = data->categories++};
    slice text, line;
    TRY(file_read_gz(run->arena, path, MOST_BYTES, &text, err));
    TRY(moral_identify(run, data, strrchr(path, '/') + 1, text, err));
    while (slice_cut(&text, '\n', &line)) {
        json_t *row;
        f.line++;
        if (slice_trim(line).length == 0)
            continue;
        TRY(jsonio_parse_line(line, path, f.line, &row, err));
        status s = read_row(run->arena, data, &f, row, err);
        json_decref(row);
        TRY(s);
    }
    return STATUS_OK;
}

status moral_bbq(study_run *run, moral_data *data, size_t most, error *err)
{
    const char *folder = study_set_folder(run->arena, param_string(run->params, "data"), "bbq");
    char **names;
    size_t count, first = data->count;
    if (!folder || !(folder = file_join(run->arena, folder, "data")))
        return study_set_missing("bbq", err);
    TRY(file_list(run->arena, folder, &names, &count, err));
    for (size_t i = 0; i < count; i++) {
        slice name = slice_of(names[i]);
        const char *path = file_join(run->arena, folder, names[i]);
        if (path && (slice_ends(name, SLICE(".jsonl")) || slice_ends(name, SLICE(".jsonl.gz"))))
            TRY(read_file(run, data, path, err));
    }
    random_stream r = random_stream_at(run->seed, "moral/bbq", 0, 0, 0, 0);
    if (most > 0 && data->count - first > most) {
        random_shuffle(&r, data->items + first, data->count - first, sizeof *data->items);
        data->count = first + most;
    }
    return data->count > first ? STATUS_OK : error_set(err, STATUS_INVALID, "%s: no rows of BBQ", folder);
}
