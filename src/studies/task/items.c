/* From rows to items: templates filled in, choices and answers found. */
#include "studies/task/task.h"

#include "core/file.h"
#include "core/hash.h"

#include <stdlib.h>

enum { FILE_LIMIT = 1 << 30, MOST_ITEMS = 50000000 };

typedef struct building {
    task_make *make;
    const task *task;
    const task_spec *spec;
    const task_data *data;
    const char *path;    /* of the file that is being read */
    const char *stem;    /* its name, for ids */
    arena *scratch;      /* of a row */
    jinja_dict *columns; /* of a row */
    const json_t *row;
    size_t line;
    task_items *out;
    const char *const *fixed_choices; /* where no choice depends on the row */
    uint32_t number;
    bool is_text;
} building;

static status no_memory(const building *b, error *err)
{
    return error_set(err, STATUS_MEMORY, "%s: out of memory", b->path);
}

static status row_error(const building *b, error *err, const char *format, ...) __attribute__((format(printf, 3, 4)));
static status row_error(const building *b, error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    error_setv(err, STATUS_INVALID, format, args);
    va_end(args);
    return error_context(err, "%s:%zu", b->path, b->line);
}

/* ---- values of a row -------------------------------------------------------------------------------------------- */

static status no_column(const building *b, const yaml_node *at, slice name, error *err)
{
    const char *names[256];
    size_t count = 0;
    char list[300] = "";
    size_t used = 0;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)b->row, key, value)
    {
        if (count < COUNT_OF(names))
            names[count++] = key;
        if (used < sizeof list)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", key);
    }
    char word[128];
    snprintf(word, sizeof word, SLICE_FORMAT, SLICE_ARGS(name));
    int nearest = text_nearest(word, names, count);
    yaml_error(at, err, "there is no column '%s' in %s:%zu", word, b->path, b->line);
    return nearest >= 0 ? error_hint(err, "did you mean '%s'? The columns are %s", names[nearest], list)
                        : error_hint(err, "the columns are %s; one whose name is no word is {{ row['its name'] }}", list);
}

static status check_names(const building *b, const task_template *t, const char *extra, error *err)
{
    for (size_t i = 0;; i++) {
        slice name = jinja_variable(t->program, i);
        char word[256];
        if (name.length == 0)
            return STATUS_OK;
        snprintf(word, sizeof word, SLICE_FORMAT, SLICE_ARGS(name));
        if (!slice_is(name, "row") && !(extra && slice_is(name, extra)) && !json_object_get(b->row, word))
            return no_column(b, t->at, name, err);
    }
}

/* The text of a template, in `a`. `extra`: one more name that it may use. */
static status render(const building *b, arena *a, const task_template *t, const char *extra, const char **out, error *err)
{
    *out = t->text;
    if (t->fixed)
        return STATUS_OK;
    TRY(check_names(b, t, extra, err));
    jinja_output text;
    status result = jinja_render(t->program, b->scratch, b->columns, NULL, &text, err);
    if (result != STATUS_OK)
        return error_context(err, "%s:%zu", b->path, b->line);
    if (memchr(text.text.text ? text.text.text : "", '\0', text.text.length))
        return row_error(b, err, "expected text, found a NUL character");
    *out = slice_copy(a, text.text);
    return *out ? STATUS_OK : no_memory(b, err);
}

static status text_of(const building *b, arena *a, const json_t *value, const char *what, const char **out, error *err)
{
    if (json_is_string(value))
        *out = arena_strdup(a, json_string_value(value));
    else if (json_is_integer(value))
        *out = arena_printf(a, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        *out = arena_printf(a, "%.17g", json_real_value(value));
    else if (json_is_boolean(value))
        *out = json_is_true(value) ? "true" : "false";
    else
        return row_error(b, err, "expected a text or a number at '%s', found %s", what,
                         json_is_null(value) ? "null" : json_is_array(value) ? "a list" : "an object");
    return *out ? STATUS_OK : no_memory(b, err);
}

static status column_of(const building *b, const yaml_node *at, const char *column, const json_t **out, error *err)
{
    *out = json_object_get(b->row, column);
    return *out ? STATUS_OK : no_column(b, at, slice_of(column), err);
}

static status value_of(const building *b, arena *a, const task_value *v, const char **out, error *err)
{
    const json_t *value;
    *out = NULL;
    if (!task_value_given(v))
        return STATUS_OK;
    if (!v->column)
        return render(b, a, &v->template, NULL, out, err);
    TRY(column_of(b, v->template.at, v->column, &value, err));
    return text_of(b, a, value, v->column, out, err);
}

/* ---- choices ---------------------------------------------------------------------------------------------------- */

static const char *stripped(const building *b, const char *choice)
{
    while (b->make->strip && choice && *choice == ' ')
        choice++;
    return choice;
}

static status choices_of_column(const building *b, task_item *item, error *err)
{
    const task_spec *s = b->spec;
    const json_t *value;
    TRY(column_of(b, s->data.at, s->choice_column, &value, err));
    json_t *list = task_list_of(value);
    size_t count = json_array_size(list);
    const char **texts = ARENA_ARRAY(b->make->arena, const char *, count + 1);
    status result = texts ? STATUS_OK : no_memory(b, err);
    if (result == STATUS_OK && count < 2)
        result = row_error(b, err, "expected a list of at least two choices at '%s', found %s", s->choice_column,
                           list ? "fewer" : "no list");
    for (size_t i = 0; result == STATUS_OK && i < count; i++) {
        result = text_of(b, b->make->arena, json_array_get(list, i), s->choice_column, &texts[i], err);
        if (result == STATUS_OK && task_template_given(&s->choice_template)) {
            jinja_dict_put(b->columns, "choice", jinja_text(b->scratch, slice_of(texts[i]), JINJA_DATA));
            result = render(b, b->make->arena, &s->choice_template, "choice", &texts[i], err);
        }
    }
    json_decref(list);
    item->choices = texts;
    item->choice_count = (int)count;
    return result;
}

static status choices_of_lines(const building *b, task_item *item, error *err)
{
    const char *text;
    slice line;
    size_t count = 0;
    TRY(render(b, b->scratch, &b->spec->choice_lines, NULL, &text, err));
    for (slice rest = slice_of(text); slice_cut(&rest, '\n', &line);)
        count += slice_trim(line).length > 0;
    if (count < 2)
        return row_error(b, err, "expected at least two choices, one a line, found %zu", count);
    const char **texts = ARENA_ARRAY(b->make->arena, const char *, count + 1);
    for (slice rest = slice_of(text); texts && slice_cut(&rest, '\n', &line);)
        if (slice_trim(line).length && !(texts[item->choice_count++] = slice_copy(b->make->arena, line)))
            return no_memory(b, err);
    item->choices = texts;
    return texts ? STATUS_OK : no_memory(b, err);
}

static status choices_of_templates(building *b, task_item *item, error *err)
{
    const task_spec *s = b->spec;
    bool fixed = true;
    item->choice_count = (int)s->choice_count;
    item->choices = b->fixed_choices;
    if (b->fixed_choices)
        return STATUS_OK;
    const char **texts = ARENA_ARRAY(b->make->arena, const char *, s->choice_count + 1);
    if (!texts)
        return no_memory(b, err);
    for (size_t i = 0; i < s->choice_count; i++) {
        TRY(render(b, b->make->arena, &s->choices[i], NULL, &texts[i], err));
        fixed = fixed && s->choices[i].fixed;
        texts[i] = stripped(b, texts[i]);
    }
    item->choices = texts;
    b->fixed_choices = fixed ? texts : NULL;
    return STATUS_OK;
}

/* What matches the behaviour first, then what does not: one text, or a list of them. */
static status choices_of_behaviour(const building *b, task_item *item, error *err)
{
    const task_spec *s = b->spec;
    const json_t *value = s->other.column ? json_object_get(b->row, s->other.column) : NULL;
    json_t *list = json_is_array(value) ? task_list_of(value) : NULL;
    size_t count = list ? json_array_size(list) : 1;
    const char **texts = ARENA_ARRAY(b->make->arena, const char *, count + 2);
    status result = texts ? value_of(b, b->make->arena, &s->matching, &texts[0], err) : no_memory(b, err);
    if (result == STATUS_OK && count == 0)
        result = row_error(b, err, "expected at least one answer at '%s', found an empty list", s->other.column);
    for (size_t i = 0; result == STATUS_OK && i < count; i++)
        result = list ? text_of(b, b->make->arena, json_array_get(list, i), s->other.column, &texts[i + 1], err)
                      : value_of(b, b->make->arena, &s->other, &texts[i + 1], err);
    json_decref(list);
    item->choices = texts;
    item->choice_count = (int)count + 1;
    item->answer = 0;
    return result;
}

static status check_choices(const building *b, task_item *item, error *err)
{
    if ((b->spec->metric->needs & NEEDS_TWO) && item->choice_count != 2)
        return row_error(b, err, "the metric '%s' compares two choices, found %d", b->spec->metric->name, item->choice_count);
    const char **texts = (const char **)(uintptr_t)item->choices;
    for (int i = 0; i < item->choice_count; i++) {
        if (!b->fixed_choices)
            texts[i] = stripped(b, texts[i]);
        if (!texts[i][0])
            return row_error(b, err, "choice %d is empty", i + 1);
    }
    return STATUS_OK;
}

static bool same_text(const char *a, const char *b)
{
    return slice_equal(slice_trim(slice_of(a)), slice_trim(slice_of(b)));
}

/* The one choice that a list or map of marks holds as true. */
static status find_marked(const building *b, task_item *item, error *err)
{
    const json_t *marks, *each;
    int right = 0, at = 0;
    TRY(column_of(b, b->spec->answer.template.at, b->spec->answer.column, &marks, err));
    void *iter = json_is_object(marks) ? json_object_iter((json_t *)(uintptr_t)marks) : NULL;
    size_t count = json_is_object(marks) ? json_object_size(marks) : json_array_size(marks);
    for (; (size_t)at < count; at++) {
        each = iter ? json_object_iter_value(iter) : json_array_get(marks, (size_t)at);
        if (json_is_true(each) || (json_is_number(each) && json_number_value(each) > 0)) {
            item->answer = at;
            right++;
        }
        iter = iter ? json_object_iter_next((json_t *)(uintptr_t)marks, iter) : NULL;
    }
    if (right != 1 || at != item->choice_count)
        return row_error(b, err, "expected a mark for each of the %d choices at '%s', and one that is true; found %d, and %d of them true",
                         item->choice_count, b->spec->answer.column, at, right);
    return STATUS_OK;
}

/* Which choice the row says is right. */
static status find_answer(const building *b, task_item *item, error *err)
{
    const char *text;
    int64_t number = -1;
    if (b->spec->answer_kind == ANSWER_MARKED)
        return find_marked(b, item, err);
    TRY(value_of(b, b->scratch, &b->spec->answer, &text, err));
    slice trimmed = slice_trim(slice_of(text));
    if (b->spec->answer_kind == ANSWER_LETTER) {
        if (trimmed.length == 3 && trimmed.text[0] == '(' && trimmed.text[2] == ')')
            trimmed = slice_sub(trimmed, 1, 2);
        if (trimmed.length == 1)
            number = trimmed.text[0] >= 'a' ? trimmed.text[0] - 'a' : trimmed.text[0] - 'A';
    } else if (b->spec->answer_kind == ANSWER_TEXT) {
        for (int i = item->choice_count; i-- > 0;)
            number = same_text(item->choices[i], text) ? i : number;
    } else if (slice_to_int(trimmed, &number)) {
        number -= b->spec->answer_kind == ANSWER_NUMBER;
    }
    if (number < 0 || number >= item->choice_count)
        return row_error(b, err, "expected the answer to name one of the %d choices, found '%.80s'", item->choice_count, text);
    item->answer = (int)number;
    return STATUS_OK;
}

/* ---- one item --------------------------------------------------------------------------------------------------- */

static status fill_texts(const building *b, task_item *item, error *err)
{
    const task_spec *s = b->spec;
    arena *a = b->make->arena;
    bool own = b->is_text && task_template_given(&s->text_prompt);
    size_t count = own || b->is_text ? 1 : s->turn_count;
    const char **texts = ARENA_ARRAY(a, const char *, count + 2);
    if (!texts)
        return no_memory(b, err);
    item->texts = texts;
    if (task_template_given(&s->prefill))
        TRY(render(b, a, &s->prefill, NULL, &texts[count], err));
    if (own)
        TRY(render(b, a, &s->text_prompt, NULL, &texts[0], err));
    else if (b->is_text)
        TRY(render(b, a, &s->turns[s->turn_count - 1].text, NULL, &texts[0], err));
    for (size_t i = 0; !b->is_text && i < s->turn_count; i++)
        TRY(render(b, a, &s->turns[i].text, NULL, &texts[i], err));
    if (task_template_given(&s->other_prompt))
        TRY(render(b, a, &s->other_prompt, NULL, &item->other, err));
    if (task_template_given(&s->shots.answer))
        TRY(render(b, a, &s->shots.answer, NULL, &item->example, err));
    return STATUS_OK;
}

static status fill_answers(building *b, task_item *item, error *err)
{
    const task_spec *s = b->spec;
    if (s->choices)
        TRY(choices_of_templates(b, item, err));
    else if (s->choice_column)
        TRY(choices_of_column(b, item, err));
    else if (task_template_given(&s->choice_lines))
        TRY(choices_of_lines(b, item, err));
    else if (s->metric->needs & NEEDS_MATCHING)
        TRY(choices_of_behaviour(b, item, err));
    if (item->choices)
        TRY(check_choices(b, item, err));
    if (s->metric->needs & NEEDS_ANSWER)
        return find_answer(b, item, err);
    return s->metric->needs & NEEDS_MATCHING ? STATUS_OK : value_of(b, b->make->arena, &s->answer, &item->target, err);
}

static task_item *add(building *b)
{
    task_items *list = b->out;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 1024;
        task_item *grown = list->count < MOST_ITEMS ? arena_regrow(b->make->arena, list->items, list->count, capacity, sizeof *grown) : NULL;
        if (!grown)
            return NULL;
        list->items = grown;
        list->capacity = capacity;
    }
    return &list->items[list->count++];
}

static status add_row(void *context, const json_t *row, size_t line, error *err)
{
    building *b = context;
    arena *a = b->make->arena;
    const task_spec *s = b->spec;
    b->row = row;
    b->line = line;
    task_item *item = add(b);
    jinja_value columns = jinja_from_json(b->scratch, row, JINJA_DATA);
    b->columns = jinja_dict_new(b->scratch);
    if (!item || columns.kind != JINJA_DICT || !b->columns)
        return no_memory(b, err);
    jinja_dict_merge(b->columns, columns.dict);
    jinja_dict_put(b->columns, "row", columns);
    *item = (task_item){.answer = -1, .task = b->number};
    const char *id;
    status result = value_of(b, b->scratch, &s->id, &id, err);
    if (result == STATUS_OK && !(item->id = id ? arena_printf(a, "%s:%s", b->stem, id) : arena_printf(a, "%s:%zu", b->stem, line)))
        result = no_memory(b, err);
    if (result == STATUS_OK)
        result = fill_texts(b, item, err);
    if (result == STATUS_OK)
        result = fill_answers(b, item, err);
    if (result == STATUS_OK)
        result = value_of(b, a, &s->group, &item->group, err);
    if (result == STATUS_OK)
        result = value_of(b, a, &s->cluster, &item->cluster, err);
    arena_reset(b->scratch);
    return result;
}

/* ---- all of them ------------------------------------------------------------------------------------------------ */

static const char *stem_of(arena *a, const char *path)
{
    const char *slash = strrchr(path, '/');
    char *name = arena_strdup(a, slash ? slash + 1 : path);
    char *dot = name ? strchr(name, '.') : NULL;
    if (dot && dot != name)
        *dot = '\0';
    return name;
}

typedef struct ranked {
    uint64_t order;
    size_t place;
} ranked;

static int by_order(const void *x, const void *y)
{
    const ranked *a = x, *b = y;
    if (a->order != b->order)
        return a->order < b->order ? -1 : 1;
    return (a->place > b->place) - (a->place < b->place);
}

static int by_place(const void *x, const void *y)
{
    const ranked *a = x, *b = y;
    return (a->place > b->place) - (a->place < b->place);
}

/* The seed decides which items are asked, by their names; they stay in the order of their file. */
static status choose(task_make *m, task_items *list, size_t from, error *err)
{
    size_t count = list->count - from;
    if (m->most == 0 || count <= m->most)
        return STATUS_OK;
    ranked *all = memory_alloc(count * sizeof *all);
    if (!all)
        return error_set(err, STATUS_MEMORY, "out of memory for %zu items", count);
    for (size_t i = 0; i < count; i++) {
        const char *id = list->items[from + i].id;
        all[i] = (ranked){hash64(id, strlen(id), m->seed), i};
    }
    qsort(all, count, sizeof *all, by_order);
    qsort(all, m->most, sizeof *all, by_place);
    for (size_t i = 0; i < m->most; i++)
        list->items[from + i] = list->items[from + all[i].place];
    list->count = from + m->most;
    m->left_out = count - m->most;
    memory_free(all);
    return STATUS_OK;
}

/* The place of each item in the hash order of their names, for routers and oracles: a share of them is exactly that share. */
static status place(task_items *list, size_t from, error *err)
{
    size_t count = list->count - from;
    ranked *all = memory_alloc((count + 1) * sizeof *all);
    if (!all)
        return error_set(err, STATUS_MEMORY, "out of memory for %zu items", count);
    for (size_t i = 0; i < count; i++) {
        const char *id = list->items[from + i].id;
        all[i] = (ranked){hash64(id, strlen(id), 0), i};
    }
    qsort(all, count, sizeof *all, by_order);
    for (size_t i = 0; i < count; i++)
        list->items[from + all[i].place].position = (double)i / (double)count;
    memory_free(all);
    return STATUS_OK;
}

static status read_file(building *b, const char *path, error *err)
{
    arena *text_arena = arena_new(NULL);
    slice text;
    b->path = path;
    b->stem = stem_of(b->make->arena, path);
    status result = text_arena && b->stem ? file_read_gz(text_arena, path, FILE_LIMIT, &text, err) : no_memory(b, err);
    if (result == STATUS_OK && b->make->content)
        b->make->content(b->make->context, text);
    if (result == STATUS_OK)
        result = task_data_each(b->data, path, text, add_row, b, &b->make->replaced, err);
    arena_free(text_arena);
    return result;
}

status task_items_make(task_make *m, const task *t, const task_data *d, const char *const *files, size_t file_count,
                       uint32_t number, task_items *out, error *err)
{
    building b = {.make = m, .task = t, .spec = t->spec, .data = d, .scratch = arena_new(NULL), .out = out, .number = number,
                  .is_text = task_is_text(t->spec, m->form)};
    size_t from = out->count;
    status result = b.scratch ? STATUS_OK : error_set(err, STATUS_MEMORY, "%s: out of memory", t->name);
    for (size_t i = 0; result == STATUS_OK && i < file_count; i++)
        result = read_file(&b, files[i], err);
    arena_free(b.scratch);
    m->left_out = 0;
    if (result == STATUS_OK && out->count == from)
        result = error_set(err, STATUS_INVALID, "%s: no row of its data fits 'where'", t->name);
    if (result == STATUS_OK)
        result = choose(m, out, from, err);
    return result == STATUS_OK ? place(out, from, err) : result;
}
