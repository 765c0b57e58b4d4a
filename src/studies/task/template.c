/* Templates and columns as a task's file names them. */
#include "studies/task/task.h"

bool task_template_given(const task_template *t)
{
    return t->at != NULL;
}

bool task_value_given(const task_value *v)
{
    return v->column || task_template_given(&v->template);
}

status task_template_make(arena *a, const yaml_node *at, const char *text, task_template *out, error *err)
{
    jinja_template *program = NULL;
    *out = (task_template){.at = at, .text = text};
    char *name = arena_printf(a, "%s:%d", at->file, at->line);
    if (!name)
        return error_set(err, STATUS_MEMORY, "%s: out of memory", at->file);
    if (!strchr(text, '{')) {
        out->fixed = true;
        return STATUS_OK;
    }
    status result = jinja_parse(a, slice_of(text), name, &program, err);
    if (result != STATUS_OK)
        return error_hint(err, "a template is text with columns as {{ name }}; the number behind the second colon is the line "
                               "of the template itself");
    out->program = program;
    return STATUS_OK;
}

status task_template_read(arena *a, const yaml_node *map, const char *key, task_template *out, error *err)
{
    const char *text = NULL;
    *out = (task_template){0};
    TRY(yaml_get_string(map, key, &text, err));
    return text ? task_template_make(a, yaml_get(map, key), text, out, err) : STATUS_OK;
}

status task_value_read(arena *a, const yaml_node *map, const char *key, task_value *out, error *err)
{
    const char *text = NULL;
    *out = (task_value){0};
    TRY(yaml_get_string(map, key, &text, err));
    if (!text)
        return STATUS_OK;
    if (!strstr(text, "{{") && !strstr(text, "{%")) {
        out->column = text;
        out->template.at = yaml_get(map, key);
        return STATUS_OK;
    }
    return task_template_make(a, yaml_get(map, key), text, &out->template, err);
}

bool task_is_text(const task_spec *s, int form)
{
    return form == TASK_FORM_FILE ? s->as_text : form == TASK_FORM_TEXT;
}
