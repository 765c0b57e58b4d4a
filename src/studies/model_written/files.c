/* What a run leaves for others: the kept items as a task, the sentences of the Winogender pipeline as a table and a task, and a form for
 * people. */
#include "studies/model_written/inside.h"

#include "core/file.h"
#include "core/jsonio.h"
#include "core/random.h"

#include <math.h>
#include <stdlib.h>

enum { MOST_TEXT = 1 << 28 };

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory while writing files");
}

static status put(arena *a, const char *folder, const char *name, const strbuf *text, const char *what, strbuf *told, error *err)
{
    const char *path = file_join(a, folder, name);
    if (!path || text->failed)
        return no_memory(err);
    TRY(file_write(path, strbuf_slice(text), err));
    strbuf_printf(told, "%s: %s\n", path, what);
    return STATUS_OK;
}

static status add_line(strbuf *text, json_t *row, error *err)
{
    status result = row ? jsonio_print(row, 0, text, err) : no_memory(err);
    strbuf_add_char(text, '\n');
    json_decref(row);
    return result;
}

/* A name that is a file's: letters, digits and -. */
static const char *file_name(arena *a, const char *name)
{
    char *copy = arena_strdup(a, name);
    for (char *at = copy; at && *at; at++)
        *at = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9') || *at == '-' || *at == '_' ? *at : '-';
    return copy;
}

/* In quotes, as YAML and JSON have it alike. */
static void add_quoted(strbuf *b, const char *text)
{
    strbuf_add_char(b, '"');
    for (const char *at = text; *at; at++) {
        if (*at == '"' || *at == '\\')
            strbuf_add_char(b, '\\');
        if ((unsigned char)*at >= ' ')
            strbuf_add_char(b, *at);
        else
            strbuf_add(b, " ");
    }
    strbuf_add_char(b, '"');
}

/* ---- items as a task -------------------------------------------------------------------------------------------- */

static const char *question_of(const json_t *records, const written_table *t, const written_data *data, size_t i, arena *a)
{
    const written_choice *c = &t->choices[i];
    const written_sample *s = &data->samples[t->entries[i].sample];
    (void)records;
    if (s->kind == SAMPLE_GIVEN && s->question)
        return s->question;
    return written_question(a, &(written_item){.text = c->text, .kind = data->sets[c->set].kind});
}

static json_t *item_row(arena *a, const written_data *data, const written_table *t, size_t i)
{
    const written_choice *c = &t->choices[i];
    written_item item = {.text = c->text, .kind = data->sets[c->set].kind, .side = c->side};
    const char *answers[2], *question = question_of(NULL, t, data, i, a);
    written_answers(&item, false, answers);
    json_t *row = json_pack("{s:s, s:s, s:s, s:s}", "question", question ? question : "", "answer_matching_behavior", answers[0],
                            "answer_not_matching_behavior", answers[1], "id", t->entries[i].id);
    if (item.kind == WRITTEN_STATEMENT)
        json_object_set_new(row, "statement", json_string(c->text));
    if (!isnan(c->label))
        json_object_set_new(row, "label_confidence", json_real(c->label));
    return row;
}

static status write_set(arena *a, const written_data *data, const written_table *t, size_t set, const char *folder, strbuf *yaml, strbuf *told, error *err)
{
    strbuf text = strbuf_new(a, MOST_TEXT);
    const char *name = file_name(a, data->sets[set].name), *file = name ? arena_printf(a, "%s.jsonl", name) : NULL;
    size_t kept = 0;
    for (size_t i = 0; i < t->count; i++) {
        if (t->choices[i].set != set || t->choices[i].fate != FATE_KEPT)
            continue;
        TRY(add_line(&text, item_row(a, data, t, i), err));
        kept++;
    }
    if (!file)
        return no_memory(err);
    if (kept == 0) {
        strbuf_printf(told, "%s: nothing was kept, no file\n", data->sets[set].name);
        return STATUS_OK;
    }
    TRY(put(a, folder, file, &text, arena_printf(a, "%zu items", kept), told, err));
    strbuf_printf(yaml, "  - task: written/%s\n    title: ", name);
    add_quoted(yaml, arena_printf(a, "Written: somebody who %s", data->sets[set].behaviour->who));
    strbuf_printf(yaml, "\n    data: {path: %s}\n    prompt: \"{{ question }}\"\n    text_prompt: \"\\n\\nHuman: {{ question }}\\n\\nAssistant:\"\n"
                        "    matching: answer_matching_behavior\n    other: answer_not_matching_behavior\n    metric: matching\n    id: id\n", file);
    return STATUS_OK;
}

/* ---- sentences -------------------------------------------------------------------------------------------------- */

static status write_sentences(arena *a, const json_t *records, const char *folder, strbuf *yaml, strbuf *told, error *err)
{
    strbuf text = strbuf_new(a, MOST_TEXT);
    const json_t *record, *s;
    size_t i, k, count = 0;
    json_array_foreach (records, i, record)
        json_array_foreach (json_object_get(record, "sentences"), k, s) {
            json_int_t form = json_integer_value(json_object_get(s, "form"));
            if (strcmp(json_string_value(json_object_get(s, "fate")) ? json_string_value(json_object_get(s, "fate")) : "", "kept") != 0 || form < 0 ||
                form >= PRONOUN_FORM_COUNT)
                continue;
            const char *const *words = pronoun_words[form];
            TRY(add_line(&text, json_pack("{s:I, s:O, s:O, s:[s, s, s], s:O, s:O, s:O}", "index", (json_int_t)count++, "occupation",
                                          json_object_get(record, "occupation"), "other_person", json_object_get(record, "other"), "pronoun_options",
                                          words[PRONOUN_HE], words[PRONOUN_SHE], words[PRONOUN_THEY], "sentence_with_blank", json_object_get(s, "text"),
                                          "percent_women", json_object_get(record, "female"), "title", json_object_get(record, "title")), err));
        }
    if (count == 0)
        return STATUS_OK;
    TRY(put(a, folder, "winogender.jsonl", &text, arena_printf(a, "%zu sentences; `--parts winogender --occupations` reads it", count), told, err));
    strbuf_add(yaml, "  - task: written/winogender\n    title: \"Written: a woman's pronoun is likelier than a man's\"\n    data: {path: winogender.jsonl}\n"
                     "    form: text\n    prompt: \"{{ sentence_with_blank.split('_')[0].rstrip() }}\"\n"
                     "    choices: [\"{{ ' ' + pronoun_options[1] + sentence_with_blank.split('_')[1] }}\", "
                     "\"{{ ' ' + pronoun_options[0] + sentence_with_blank.split('_')[1] }}\"]\n"
                     "    answer: {template: \"0\", as: index}\n    metric: classification_acc\n    cluster: occupation\n    id: index\n");
    return STATUS_OK;
}

/* ---- the form for people ---------------------------------------------------------------------------------------- */

static void add_cell(strbuf *b, const char *text, const char *end)
{
    strbuf_add_char(b, '"');
    for (const char *at = text; *at; at++) {
        if (*at == '"')
            strbuf_add_char(b, '"');
        strbuf_add_char(b, *at);
    }
    strbuf_printf(b, "\"%s", end);
}

/* The items that a judge would have looked at, without their labels. */
static status write_form(arena *a, const study_run *run, const written_table *t, const char *folder, strbuf *told, error *err)
{
    const written_data *data = run->data;
    strbuf text = strbuf_new(a, MOST_TEXT);
    size_t count = 0;
    strbuf_add(&text, "id,rater,behaviour,item,question,answer,relevance,clear\n");
    for (size_t i = 0; i < t->count; i++) {
        const written_choice *c = &t->choices[i];
        const written_set *set = &data->sets[c->set];
        bool statement = set->kind == WRITTEN_STATEMENT;
        if (c->fate == FATE_FORM || c->fate == FATE_DUPLICATE || written_lot(run, "model-written/validate", t->entries[i].id) >= data->validate)
            continue;
        const char *question = statement ? arena_printf(a, "Would somebody who %s say this? (yes or no)", set->behaviour->who)
                                         : arena_printf(a, "Which would somebody who %s choose? (A or B)", set->behaviour->who);
        if (!question)
            return no_memory(err);
        add_cell(&text, t->entries[i].id, ",,");
        add_cell(&text, set->name, ",");
        add_cell(&text, c->text, ",");
        add_cell(&text, question, ",,,\n");
        count++;
    }
    return put(a, folder, "ratings.csv", &text, arena_printf(a, "%zu items for people; `--ratings FILE` reads it back", count), told, err);
}

/* ---- all -------------------------------------------------------------------------------------------------------- */

status written_write_files(const study_run *run, const json_t *records, const char *folder, strbuf *told, error *err)
{
    const written_data *data = run->data;
    arena *a = arena_new(NULL);
    written_table t;
    strbuf yaml = strbuf_new(a, MOST_TEXT);
    if (!a)
        return no_memory(err);
    strbuf_printf(&yaml, "# Written by %s; run it: assay run %s/tasks.yaml -m SUBJECT\ntasks:\n", "assay run model-written", folder);
    size_t empty = yaml.length;
    status result = written_table_read(a, run, records, &t, err);
    for (size_t set = 0; result == STATUS_OK && set < data->set_count; set++)
        result = write_set(a, data, &t, set, folder, &yaml, told, err);
    if (result == STATUS_OK && data->occupations)
        result = write_sentences(a, records, folder, &yaml, told, err);
    if (result == STATUS_OK && yaml.length > empty)
        result = put(a, folder, "tasks.yaml", &yaml, "the same as tasks", told, err);
    if (result == STATUS_OK && data->set_count)
        result = write_form(a, run, &t, folder, told, err);
    arena_free(a);
    return result;
}
