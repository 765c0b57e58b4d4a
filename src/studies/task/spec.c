/* A task's YAML file, with every key checked. */
#include "studies/task/pattern.h"
#include "studies/task/task.h"

static const char *const keys[] = {
    "task", "title", "paper", "about", "data", "system", "messages", "prompt", "text_prompt", "other_prompt", "prefill",
    "form", "choices", "matching", "other", "answer", "metric", "invert", "pattern", "tolerance", "rubric", "grades", "scorer",
    "max_tokens", "temperature", "stop", "samples", "shots", "group", "cluster", "id", "tasks",
};

static status no_memory(const yaml_node *at, error *err)
{
    return error_set(err, STATUS_MEMORY, "%s: out of memory", at->file);
}

static status missing(const yaml_node *at, const task_metric *m, const char *key, const char *what, error *err)
{
    yaml_error(at, err, "the metric '%s' needs '%s', which is not there", m->name, key);
    return error_hint(err, "%s: %s; docs/tasks.md has an example", key, what);
}

/* One text or a list of them. */
static status read_texts(arena *a, const yaml_node *map, const char *key, const char *const **out, size_t *count, error *err)
{
    const yaml_node *node = yaml_get(map, key);
    *out = NULL;
    *count = 0;
    if (!node)
        return STATUS_OK;
    if (node->kind == YAML_MAP)
        return yaml_error(node, err, "expected a text or a list of texts at '%s', found a group of keys", key);
    size_t n = node->kind == YAML_LIST ? node->count : 1;
    const char **texts = ARENA_ARRAY(a, const char *, n + 1);
    if (!texts)
        return no_memory(map, err);
    for (size_t i = 0; i < n; i++) {
        const yaml_node *one = node->kind == YAML_LIST ? node->items[i] : node;
        if (one->kind != YAML_SCALAR)
            return yaml_error(one, err, "expected a text at '%s'", key);
        texts[i] = one->text;
    }
    *out = texts;
    *count = n;
    return STATUS_OK;
}

/* ---- data ------------------------------------------------------------------------------------------------------- */

static status read_where(arena *a, const yaml_node *map, task_data *out, error *err)
{
    const yaml_node *node = yaml_get(map, "where");
    if (!node)
        return STATUS_OK;
    if (node->kind != YAML_MAP)
        return yaml_error(node, err, "expected columns with the values that rows must have at 'where', such as {label: safe}");
    out->where = ARENA_ARRAY(a, task_condition, node->count + 1);
    if (!out->where)
        return no_memory(map, err);
    for (size_t i = 0; i < node->count; i++) {
        task_condition *c = &out->where[out->where_count++];
        c->column = node->keys[i];
        TRY(read_texts(a, node, node->keys[i], &c->values, &c->count, err));
    }
    return STATUS_OK;
}

static status read_data(arena *a, const yaml_node *map, task_data *out, error *err)
{
    static const char *const data_keys[] = {"set", "files", "path", "format", "records", "columns", "header", "lines", "where"};
    static const char *const formats[] = {"auto", "jsonl", "json", "csv", "tsv", "text"};
    const yaml_node *node = yaml_get(map, "data");
    int format = FORMAT_AUTO;
    *out = (task_data){.at = node, .lines = 1};
    if (!node)
        return STATUS_OK;
    TRY(yaml_check_keys(node, data_keys, COUNT_OF(data_keys), err));
    TRY(yaml_get_string(node, "set", &out->set, err));
    TRY(yaml_get_string(node, "path", &out->path, err));
    TRY(read_texts(a, node, "files", &out->patterns, &out->pattern_count, err));
    TRY(yaml_get_choice(node, "format", formats, COUNT_OF(formats), &format, err));
    TRY(yaml_get_string(node, "records", &out->records, err));
    TRY(read_texts(a, node, "columns", &out->columns, &out->column_count, err));
    out->header = !out->columns;
    TRY(yaml_get_bool(node, "header", &out->header, err));
    TRY(yaml_get_int(node, "lines", 1, 1000, &out->lines, err));
    TRY(read_where(a, node, out, err));
    out->format = (task_format)format;
    if (!out->set == !out->path || !out->set != !out->patterns) {
        yaml_error(node, err, "expected the data as a 'set' with its 'files', or as a 'path'");
        return error_hint(err, "{set: gsm8k, files: test.jsonl} is a public set (`assay list datasets`), {path: mine.csv} a file beside "
                               "this one");
    }
    if (!out->header && !out->columns && out->format != FORMAT_JSON && out->format != FORMAT_JSONL && out->format != FORMAT_AUTO)
        return yaml_error(node, err, "a table without a header needs 'columns'");
    return STATUS_OK;
}

/* ---- the conversation ------------------------------------------------------------------------------------------- */

static status read_message(arena *a, const yaml_node *node, task_turn *out, error *err)
{
    static const char *const roles[] = {"system", "user", "assistant"};
    TRY(yaml_check_keys(node, roles, COUNT_OF(roles), err));
    if (node->count != 1 || node->items[0]->kind != YAML_SCALAR)
        return yaml_error(node, err, "expected one message with one role, such as `- user: text`");
    out->role = MESSAGE_SYSTEM;
    for (size_t i = 0; i < COUNT_OF(roles); i++)
        if (strcmp(node->keys[0], roles[i]) == 0)
            out->role = i == 0 ? MESSAGE_SYSTEM : i == 1 ? MESSAGE_USER : MESSAGE_ASSISTANT;
    return task_template_make(a, node->items[0], node->items[0]->text, &out->text, err);
}

static status read_turns(arena *a, const yaml_node *map, task_spec *s, error *err)
{
    static const char *const forms[] = {"chat", "text"};
    const yaml_node *messages = NULL, *prompt = yaml_get(map, "prompt"), *system = yaml_get(map, "system");
    int form = 0;
    TRY(yaml_get_choice(map, "form", forms, COUNT_OF(forms), &form, err));
    s->as_text = form == 1;
    TRY(yaml_get_list(map, "messages", &messages, err));
    if (!prompt == !messages)
        return yaml_error(map, err, prompt ? "'prompt' and 'messages' say the same thing; expected one of them"
                                           : "expected 'prompt' (a template), or 'messages' (a list of them)");
    s->turns = ARENA_ARRAY(a, task_turn, (messages ? messages->count : 1) + 1);
    if (!s->turns)
        return no_memory(map, err);
    if (system) {
        s->turns[s->turn_count].role = MESSAGE_SYSTEM;
        TRY(task_template_read(a, map, "system", &s->turns[s->turn_count++].text, err));
    }
    for (size_t i = 0; messages && i < messages->count; i++)
        TRY(read_message(a, messages->items[i], &s->turns[s->turn_count++], err));
    if (prompt) {
        s->turns[s->turn_count].role = MESSAGE_USER;
        TRY(task_template_read(a, map, "prompt", &s->turns[s->turn_count++].text, err));
    }
    if (s->turn_count == 0 || s->turns[s->turn_count - 1].role != MESSAGE_USER)
        return yaml_error(messages ? messages : map, err, "expected the user's message last");
    TRY(task_template_read(a, map, "text_prompt", &s->text_prompt, err));
    TRY(task_template_read(a, map, "other_prompt", &s->other_prompt, err));
    return task_template_read(a, map, "prefill", &s->prefill, err);
}

/* ---- choices and answers ---------------------------------------------------------------------------------------- */

static status read_choices(arena *a, const yaml_node *map, task_spec *s, error *err)
{
    static const char *const choice_keys[] = {"column", "template", "lines"};
    const yaml_node *node = yaml_get(map, "choices");
    TRY(task_value_read(a, map, "matching", &s->matching, err));
    TRY(task_value_read(a, map, "other", &s->other, err));
    if (!node)
        return STATUS_OK;
    if (node->kind == YAML_MAP) {
        TRY(yaml_check_keys(node, choice_keys, COUNT_OF(choice_keys), err));
        TRY(yaml_get_string(node, "column", &s->choice_column, err));
        TRY(task_template_read(a, node, "lines", &s->choice_lines, err));
        if (!s->choice_column == !task_template_given(&s->choice_lines))
            return yaml_error(node, err, "expected the 'column' that holds each row's list of choices, or 'lines', a template that writes "
                                         "one choice a line");
        return task_template_read(a, node, "template", &s->choice_template, err);
    }
    if (node->kind != YAML_LIST) {
        yaml_error(node, err, "expected a list of choices at 'choices', or a column that holds one, found '%s'", node->text);
        return error_hint(err, "choices: [\" Yes\", \" No\"], or choices: {column: options}");
    }
    if (node->count < 2) {
        yaml_error(node, err, "expected at least two choices, found %zu", node->count);
        return error_hint(err, "a rate needs something to choose from; for the probability of one text there is the metric "
                               "sequence_prob");
    }
    s->choices = ARENA_ARRAY(a, task_template, node->count + 1);
    if (!s->choices)
        return no_memory(map, err);
    for (size_t i = 0; i < node->count; i++) {
        if (node->items[i]->kind != YAML_SCALAR)
            return yaml_error(node->items[i], err, "expected a text as a choice");
        for (size_t k = 0; k < i; k++)
            if (strcmp(node->items[i]->text, node->items[k]->text) == 0)
                return yaml_error(node->items[i], err, "the choice '%s' stands twice", node->items[i]->text);
        TRY(task_template_make(a, node->items[i], node->items[i]->text, &s->choices[s->choice_count++], err));
    }
    return STATUS_OK;
}

static status read_answer(arena *a, const yaml_node *map, task_spec *s, error *err)
{
    static const char *const answer_keys[] = {"column", "template", "as"};
    static const char *const kinds[] = {"text", "index", "number", "letter", "marked"};
    const yaml_node *node = yaml_get(map, "answer");
    int kind = ANSWER_TEXT;
    if (!node || node->kind == YAML_SCALAR)
        return task_value_read(a, map, "answer", &s->answer, err);
    TRY(yaml_check_keys(node, answer_keys, COUNT_OF(answer_keys), err));
    TRY(yaml_get_string(node, "column", &s->answer.column, err));
    TRY(task_template_read(a, node, "template", &s->answer.template, err));
    TRY(yaml_get_choice(node, "as", kinds, COUNT_OF(kinds), &kind, err));
    s->answer_kind = (task_answer_kind)kind;
    if (!s->answer.column == !task_template_given(&s->answer.template))
        return yaml_error(node, err, "expected the answer's 'column', or a 'template' that writes it");
    if (s->answer.column)
        s->answer.template.at = node;
    return STATUS_OK;
}

static status read_grades(arena *a, const yaml_node *map, task_spec *s, error *err)
{
    const yaml_node *node = yaml_get(map, "grades");
    TRY(task_template_read(a, map, "rubric", &s->rubric, err));
    if (!node)
        return STATUS_OK;
    if (node->kind != YAML_MAP || node->count < 2)
        return yaml_error(node, err, "expected at least two grades and what they count, such as {A: 1, B: 0}");
    s->grades = ARENA_ARRAY(a, task_grade, node->count + 1);
    if (!s->grades)
        return no_memory(map, err);
    for (size_t i = 0; i < node->count; i++) {
        task_grade *g = &s->grades[s->grade_count++];
        g->letter = node->keys[i];
        TRY(yaml_get_double(node, g->letter, 0, 1, &g->value, err));
    }
    return STATUS_OK;
}

static status read_shots(arena *a, const yaml_node *map, task_spec *s, error *err)
{
    static const char *const shot_keys[] = {"count", "orders", "form", "separator", "answer", "data"};
    static const char *const forms[] = {"text", "turns"};
    const yaml_node *node = yaml_get(map, "shots");
    int form = 0;
    s->shots = (task_shots){.orders = 1, .separator = "\n\n"};
    if (!node)
        return STATUS_OK;
    TRY(yaml_check_keys(node, shot_keys, COUNT_OF(shot_keys), err));
    TRY(yaml_get_int(node, "count", 0, 1000, &s->shots.count, err));
    TRY(yaml_get_int(node, "orders", 1, 100, &s->shots.orders, err));
    TRY(yaml_get_choice(node, "form", forms, COUNT_OF(forms), &form, err));
    TRY(yaml_get_string(node, "separator", &s->shots.separator, err));
    TRY(task_template_read(a, node, "answer", &s->shots.answer, err));
    TRY(read_data(a, node, &s->shots.data, err));
    s->shots.as_turns = form == 1;
    if (s->shots.as_turns && s->turn_count > 2)
        return yaml_error(node, err, "examples as turns stand before one question; expected 'prompt', found several 'messages'");
    return STATUS_OK;
}

/* ---- the metric ------------------------------------------------------------------------------------------------- */

static status read_metric(const yaml_node *map, task_spec *s, error *err)
{
    const char *name = NULL, *names[64];
    const yaml_node *node = yaml_get(map, "metric");
    TRY(yaml_get_string(map, "metric", &name, err));
    if (!name)
        return yaml_error(map, err, "the key 'metric' is missing");
    for (size_t i = 0; i < task_metric_count && i < COUNT_OF(names); i++)
        names[i] = task_metrics[i].name;
    s->metric = task_metric_find(name);
    if (!s->metric) {
        int nearest = text_nearest(name, names, task_metric_count);
        char list[320] = "";
        for (size_t i = 0, used = 0; i < task_metric_count && used < sizeof list; i++)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names[i]);
        yaml_error(node, err, "there is no metric '%s'", name);
        return nearest >= 0 ? error_hint(err, "did you mean '%s'?", names[nearest]) : error_hint(err, "the metrics are %s", list);
    }
    TRY(yaml_get_bool(map, "invert", &s->invert, err));
    if (s->invert && !s->metric->invert)
        return yaml_error(yaml_get(map, "invert"), err, "the metric '%s' cannot be inverted", name);
    return STATUS_OK;
}

static status check_metric(const yaml_node *map, const task_spec *s, error *err)
{
    const task_metric *m = s->metric;
    const yaml_node *at = yaml_get(map, "metric");
    bool choices = s->choices || s->choice_column || task_template_given(&s->choice_lines);
    const struct {
        unsigned need;
        bool there;
        const char *key, *what;
    } needs[] = {
        {NEEDS_CHOICES, choices, "choices", "the answers to choose from"},
        {NEEDS_ANSWER, task_value_given(&s->answer), "answer", "the column that names the right choice"},
        {NEEDS_TARGET, task_value_given(&s->answer), "answer", "the column with the right answer"},
        {NEEDS_MATCHING, task_value_given(&s->matching), "matching", "the column with the answer that matches the behaviour"},
        {NEEDS_MATCHING, task_value_given(&s->other), "other", "the column with the answer, or the list of those, that do not match"},
        {NEEDS_OTHER, task_template_given(&s->other_prompt), "other_prompt", "the same question with the biasing words in front"},
        {NEEDS_PATTERN, s->pattern != NULL, "pattern", "a regular expression (PCRE2)"},
        {NEEDS_RUBRIC, task_template_given(&s->rubric), "rubric", "what the judge is asked; {{ reply }} is the reply"},
        {NEEDS_SCORER, s->scorer != NULL, "scorer", "the path of a plug-in that judges replies"},
        {NEEDS_RUBRIC, s->grade_count > 0, "grades", "what each of the judge's letters counts"},
    };
    for (size_t i = 0; i < COUNT_OF(needs); i++)
        if ((m->needs & needs[i].need) && !needs[i].there)
            return missing(at, m, needs[i].key, needs[i].what, err);
    if ((m->needs & NEEDS_TWO) && s->choices && s->choice_count != 2)
        return yaml_error(yaml_get(map, "choices"), err, "the metric '%s' compares two choices, found %zu", m->name, s->choice_count);
    if (choices && !(m->needs & NEEDS_CHOICES))
        return yaml_error(yaml_get(map, "choices"), err, "the metric '%s' has no use for choices", m->name);
    bool asks_choice = m->asks == ASKS_CHOICE || m->asks == ASKS_PAIR;
    if (s->answer_kind != ANSWER_TEXT && !asks_choice)
        return yaml_error(yaml_get(map, "answer"), err, "the metric '%s' takes the answer as a text", m->name);
    if (s->answer_kind == ANSWER_MARKED && (!s->choice_column || !s->answer.column))
        return yaml_error(yaml_get(map, "answer"), err, "'as: marked' needs choices from a column and the answer from a column");
    return STATUS_OK;
}

static status read_rest(arena *a, const yaml_node *map, task_spec *s, error *err)
{
    bool few = s->metric->asks == ASKS_SAMPLES;
    s->max_tokens = few ? 7 : 512;
    s->temperature = few ? .5 : 0;
    s->samples = few ? 10 : 1;
    TRY(yaml_get_string(map, "pattern", &s->pattern, err));
    TRY(yaml_get_string(map, "scorer", &s->scorer, err));
    TRY(yaml_get_double(map, "tolerance", 0, 1e300, &s->tolerance, err));
    TRY(yaml_get_int(map, "max_tokens", 1, 1 << 20, &s->max_tokens, err));
    TRY(yaml_get_int(map, "samples", 1, 10000, &s->samples, err));
    TRY(yaml_get_double(map, "temperature", 0, 4, &s->temperature, err));
    TRY(read_texts(a, map, "stop", &s->stops, &s->stop_count, err));
    TRY(task_value_read(a, map, "group", &s->group, err));
    TRY(task_value_read(a, map, "cluster", &s->cluster, err));
    TRY(task_value_read(a, map, "id", &s->id, err));
    if (few && !s->stops) {
        static const char *const line[] = {"\n"};
        s->stops = line;
        s->stop_count = 1;
    }
    return s->pattern ? task_pattern_compile(a, yaml_get(map, "pattern"), s->pattern, &s->regex, err) : STATUS_OK;
}

static status read_one(arena *a, const yaml_node *map, task_spec *s, error *err)
{
    TRY(yaml_check_keys(map, keys, COUNT_OF(keys), err));
    TRY(yaml_get_string(map, "task", &s->name, err));
    if (!s->name || !s->name[0])
        return yaml_error(map, err, "the key 'task' (its name) is missing");
    TRY(yaml_get_string(map, "title", &s->title, err));
    TRY(yaml_get_string(map, "paper", &s->paper, err));
    TRY(yaml_get_string(map, "about", &s->about, err));
    if (!s->title)
        s->title = s->name;
    TRY(read_data(a, map, &s->data, err));
    if (!s->data.at)
        return yaml_error(map, err, "the key 'data' is missing");
    TRY(read_turns(a, map, s, err));
    TRY(read_choices(a, map, s, err));
    TRY(read_answer(a, map, s, err));
    TRY(read_grades(a, map, s, err));
    TRY(read_metric(map, s, err));
    TRY(read_rest(a, map, s, err));
    TRY(read_shots(a, map, s, err));
    return check_metric(map, s, err);
}

/* What one task of a list says, and then what the file says for all. */
static status merge(arena *a, const yaml_node *root, const yaml_node *own, const yaml_node **out, error *err)
{
    if (own->kind != YAML_MAP)
        return yaml_error(own, err, "expected the keys of a task");
    yaml_node *both = ARENA_NEW(a, yaml_node);
    const char **names = ARENA_ARRAY(a, const char *, own->count + root->count + 1);
    const yaml_node **items = ARENA_ARRAY(a, const yaml_node *, own->count + root->count + 1);
    if (!both || !names || !items)
        return no_memory(root, err);
    *both = *own;
    both->keys = names;
    both->items = items;
    both->count = 0;
    for (size_t from = 0; from < 2; from++) {
        const yaml_node *map = from ? root : own;
        for (size_t i = 0; i < map->count; i++) {
            if (from && (strcmp(map->keys[i], "tasks") == 0 || yaml_get(own, map->keys[i])))
                continue;
            names[both->count] = map->keys[i];
            items[both->count++] = map->items[i];
        }
    }
    *out = both;
    return STATUS_OK;
}

status task_specs_read(arena *a, slice source, const char *path, task_spec **out, size_t *count, error *err)
{
    const yaml_node *root, *list = NULL;
    TRY(yaml_parse(a, source, path, &root, err));
    TRY(yaml_check_keys(root, keys, COUNT_OF(keys), err));
    TRY(yaml_get_list(root, "tasks", &list, err));
    size_t n = list ? list->count : 1;
    *out = ARENA_ARRAY(a, task_spec, n + 1);
    *count = n;
    if (!*out)
        return no_memory(root, err);
    for (size_t i = 0; i < n; i++) {
        const yaml_node *map = root;
        if (list)
            TRY(merge(a, root, list->items[i], &map, err));
        (*out)[i] = (task_spec){.file = path, .source = source};
        TRY(read_one(a, map, &(*out)[i], err));
    }
    return STATUS_OK;
}
