/* The form that an answer must have: OpenAI's response_format, vLLM's structured_outputs and its older guided_... */
#include "serve/request.h"

#include <string.h>

static bool set_form(request_reader *r, request_form form)
{
    if (r->out->form != FORM_TEXT && form != FORM_TEXT)
        return problem_set(r->problem, 400, r->name, "%s: the form of the answer is given twice", r->name);
    if (form != FORM_TEXT)
        r->out->form = form;
    return true;
}

bool request_read_schema(request_reader *r, const json_t *v)
{
    if (!json_is_object(v))
        return request_expected(r, "a JSON schema (an object)", v);
    r->out->schema = v;
    return set_form(r, FORM_SCHEMA);
}

bool request_read_choices(request_reader *r, const json_t *v)
{
    size_t count = json_array_size(v);
    if (!json_is_array(v) || count == 0 || count > 10000)
        return request_expected(r, "a list of 1 to 10000 texts", v);
    r->out->choices = ARENA_ARRAY(r->arena, slice, count);
    if (!r->out->choices)
        return request_no_memory(r);
    for (size_t i = 0; i < count; i++) {
        const json_t *each = json_array_get(v, i);
        if (!json_is_string(each) || json_string_length(each) == 0)
            return request_expected(r, "texts that are not empty", each);
        r->out->choices[i] = (slice){json_string_value(each), json_string_length(each)};
    }
    r->out->choice_count = count;
    return set_form(r, FORM_CHOICE);
}

bool request_read_format(request_reader *r, const json_t *v)
{
    const char *type = json_string_value(json_object_get(v, "type"));
    if (type && strcmp(type, "text") == 0)
        return true;
    if (type && strcmp(type, "json_object") == 0)
        return set_form(r, FORM_JSON);
    if (!type || strcmp(type, "json_schema") != 0)
        return request_expected(r, "{\"type\": \"text\", \"json_object\" or \"json_schema\"}", v);
    const json_t *schema = json_object_get(json_object_get(v, "json_schema"), "schema");
    if (!json_is_object(schema))
        return request_expected(r, "json_schema: {\"schema\": object}", v);
    return request_read_schema(r, schema);
}

bool request_read_structured(request_reader *r, const json_t *v)
{
    const char *name;
    json_t *each;
    if (!json_is_object(v))
        return request_expected(r, "an object", v);
    json_object_foreach((json_t *)v, name, each) {
        bool good = true;
        if (json_is_null(each))
            continue;
        if (strcmp(name, "choice") == 0)
            good = request_read_choices(r, each);
        else if (strcmp(name, "json") == 0)
            good = request_read_schema(r, each);
        else if (strcmp(name, "json_object") == 0)
            good = !json_is_true(each) || set_form(r, FORM_JSON);
        else
            good = problem_set(r->problem, 400, r->name, "structured_outputs.%.60s is not supported", name);
        if (!good)
            return false;
    }
    return true;
}
