/* Prompts: a text, ids, or lists of them. */
#include "serve/request.h"

static bool read_text(request_reader *r, const json_t *v, request_prompt *out)
{
    (void)r;
    out->text = (slice){json_string_value(v), json_string_length(v)};
    return true;
}

static bool read_ids(request_reader *r, const json_t *v, request_prompt *out)
{
    size_t count = json_array_size(v);
    out->ids = (token_list){.arena = r->arena, .ids = ARENA_ARRAY(r->arena, int32_t, count + 1), .capacity = count + 1};
    if (!out->ids.ids)
        return request_no_memory(r);
    for (size_t i = 0; i < count; i++) {
        const json_t *id = json_array_get(v, i);
        if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) > INT32_MAX)
            return request_expected(r, "token ids (whole numbers from 0)", id);
        out->ids.ids[out->ids.count++] = (int32_t)json_integer_value(id);
    }
    return true;
}

static bool is_ids(const json_t *v)
{
    return json_is_array(v) && json_array_size(v) > 0 && json_is_number(json_array_get(v, 0));
}

static request_prompt *add_prompts(request_reader *r, size_t count)
{
    r->out->prompts = ARENA_ARRAY(r->arena, request_prompt, count);
    r->out->prompt_count = count;
    return r->out->prompts;
}

static bool read_one(request_reader *r, const json_t *v, request_prompt *out)
{
    if (json_is_string(v))
        return read_text(r, v, out);
    if (is_ids(v))
        return read_ids(r, v, out);
    return request_expected(r, "a text, token ids, or a list of them (none empty)", v);
}

bool request_read_prompt(request_reader *r, const json_t *v)
{
    bool many = json_is_array(v) && !is_ids(v);
    size_t count = many ? json_array_size(v) : 1;
    if (r->out->kind == REQUEST_TOKENIZE && !json_is_string(v))
        return request_expected(r, "a text", v);
    if (count == 0 || count > REQUEST_MOST_PROMPTS)
        return problem_set(r->problem, 400, r->name, "prompt: expected 1 to %d prompts, found %zu", REQUEST_MOST_PROMPTS, count);
    if (r->out->prompt_count)
        return problem_set(r->problem, 400, r->name, "give either prompt or content");
    request_prompt *prompts = add_prompts(r, count);
    if (!prompts)
        return request_no_memory(r);
    for (size_t i = 0; i < count; i++)
        if (!read_one(r, many ? json_array_get(v, i) : v, &prompts[i]))
            return false;
    return true;
}

/* llama.cpp's form of /tokenize: "content", and special tokens only when they are asked for. */
bool request_read_content(request_reader *r, const json_t *v)
{
    if (!request_read_prompt(r, v))
        return false;
    r->out->llama_form = true;
    r->out->plain = !json_is_true(json_object_get(r->body, "add_special"));
    return true;
}

bool request_read_tokens(request_reader *r, const json_t *v)
{
    if (!json_is_array(v))
        return request_expected(r, "a list of token ids", v);
    request_prompt *prompts = add_prompts(r, 1);
    return prompts ? read_ids(r, v, prompts) : request_no_memory(r);
}
