/* Any bytes either are a template that renders within its limits to UTF-8, or are refused with a message. */
#include "jinja/jinja.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static jinja_dict *variables(arena *a)
{
    json_error_t unused;
    static const char text[] =
        "{\"messages\": [{\"role\": \"system\", \"content\": \"Be brief.\"}, {\"role\": \"user\", \"content\": \"caf\\u00e9 <|end|>\"},"
        " {\"role\": \"assistant\", \"content\": null, \"tool_calls\": [{\"id\": \"a\", \"function\": {\"name\": \"f\", \"arguments\": {\"x\": 1.5}}}]}],"
        " \"tools\": [{\"function\": {\"name\": \"f\", \"parameters\": {\"type\": \"object\", \"properties\": {\"x\": {\"type\": \"number\"}}}}}],"
        " \"l\": [3, 1, 2], \"s\": \"a b\", \"add_generation_prompt\": true}";
    json_t *root = json_loads(text, 0, &unused);
    const char *key;
    json_t *value;
    jinja_dict *out = jinja_dict_new(a);
    json_object_foreach(root, key, value)
        jinja_dict_put(out, key, jinja_from_json(a, value, JINJA_DATA));
    json_decref(root);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    arena *a = arena_new(NULL);
    jinja_template *t;
    jinja_output out;
    error err = {0};
    struct tm now = {.tm_year = 126, .tm_mon = 2, .tm_mday = 7};
    jinja_settings settings = {.now = &now, .steps = 200000, .memory = 1 << 24, .output = 1 << 18};
    status result = jinja_parse(a, (slice){(const char *)bytes, length}, "fuzz", &t, &err);
    if (result == STATUS_OK)
        result = jinja_render(t, a, variables(a), &settings, &out, &err);
    if (result == STATUS_OK && !utf8_valid(out.text))
        BUG("the text is not UTF-8");
    if (result != STATUS_OK && !err.message[0])
        BUG("refused without a word");
    arena_free(a);
    return 0;
}
