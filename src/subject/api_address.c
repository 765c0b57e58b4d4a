/* From what the user typed to an address, a form and a key. */
#include "subject/api.h"

static const api_form *const forms[] = {&openai_chat_form, &openai_completions_form, &anthropic_form};

/* openai:MODEL and anthropic:MODEL */
static const struct {
    const char *prefix, *variable, *address;
    const api_form *form;
    const char *version; /* added to an address that ends without it */
} makers[] = {
    {"openai:", "OPENAI_BASE_URL", "https://api.openai.com/v1", &openai_chat_form, ""},
    {"anthropic:", "ANTHROPIC_BASE_URL", "https://api.anthropic.com", &anthropic_form, "/v1"},
};

static status bad_address(const char *specification, error *err)
{
    error_set(err, STATUS_USAGE, "%s: expected an address and a model", specification);
    error_hint(err, "for example http://127.0.0.1:8000/v1#llama-3");
    return STATUS_USAGE;
}

/* ADDRESS without spaces, users, passwords and queries; the key is never part of it. */
static status check_address(const char *address, const char *specification, error *err)
{
    bool http = strncmp(address, "http://", 7) == 0 || strncmp(address, "https://", 8) == 0;
    const char *host = http ? strstr(address, "://") + 3 : "";
    if (!host[0] || host[0] == '/')
        return bad_address(specification, err);
    for (const char *p = host; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 127)
            return error_set(err, STATUS_USAGE, "the address of an API may hold no white space");
    if (strpbrk(host, "@?")) {
        error_set(err, STATUS_USAGE, "the address of an API may hold no user, password or query");
        error_hint(err, "keys come from an environment variable, which --api-key-variable names");
        return STATUS_USAGE;
    }
    return STATUS_OK;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static char *without_slashes(arena *a, const char *text, size_t length)
{
    while (length > 0 && text[length - 1] == '/')
        length--;
    return arena_strndup(a, text, length);
}

/* An address may name the endpoint itself, and with it the form: the longest one that fits. */
static void find_form(arena *a, const char *address, const api_form *fallback, api *s)
{
    s->form = fallback;
    s->base = address;
    size_t longest = 0;
    for (size_t i = 0; address && i < COUNT_OF(forms); i++) {
        size_t length = strlen(forms[i]->path);
        if (ends_with(address, forms[i]->path) && length > longest) {
            s->form = forms[i];
            s->base = arena_strndup(a, address, strlen(address) - length);
            longest = length;
        }
    }
    s->url = s->base ? arena_printf(a, "%s%s", s->base, s->form->path) : NULL;
}

static status split(arena *a, const char *specification, api *s, error *err)
{
    for (size_t i = 0; i < COUNT_OF(makers); i++) {
        size_t length = strlen(makers[i].prefix);
        if (strncmp(specification, makers[i].prefix, length) != 0)
            continue;
        const char *set = getenv(makers[i].variable), *address = set && set[0] ? set : makers[i].address;
        if (!specification[length])
            return error_set(err, STATUS_USAGE, "%s: expected a model behind the colon", specification);
        if (check_address(address, specification, err) != STATUS_OK)
            return error_context(err, "the environment variable %s", makers[i].variable);
        address = without_slashes(a, address, strlen(address));
        if (address && !ends_with(address, makers[i].version) && !ends_with(address, makers[i].form->path))
            address = arena_printf(a, "%s%s", address, makers[i].version);
        s->model = arena_strdup(a, specification + length);
        find_form(a, address, makers[i].form, s);
        return STATUS_OK;
    }
    const char *hash = strchr(specification, '#');
    if (!hash || !hash[1])
        return bad_address(specification, err);
    const char *address = without_slashes(a, specification, (size_t)(hash - specification));
    if (address)
        TRY(check_address(address, specification, err));
    s->model = arena_strdup(a, hash + 1);
    find_form(a, address, &openai_chat_form, s);
    return STATUS_OK;
}

/* A key with a line break would let text into the headers. */
static status read_key(arena *a, api *s, const subject_options *options, error *err)
{
    const char *named = options->api_key_variable;
    s->key_variable = arena_strdup(a, named ? named : s->form->key_variable);
    const char *key = s->key_variable ? getenv(s->key_variable) : NULL;
    if (!s->key_variable)
        return error_set(err, STATUS_MEMORY, "out of memory while opening an API");
    if (!key || !key[0]) {
        if (named)
            return error_set(err, STATUS_USAGE, "the environment variable %s, named as the one with the key, is not set",
                             s->key_variable);
        return STATUS_OK;
    }
    for (const char *p = key; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 127)
            return error_set(err, STATUS_USAGE, "the key in the environment variable %s contains white space",
                             s->key_variable);
    s->key = arena_strdup(a, key);
    return s->key ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory while opening an API");
}

status api_address(arena *a, const char *specification, const subject_options *options, api *s, error *err)
{
    TRY(split(a, specification, s, err));
    if (!s->url || !s->model)
        return error_set(err, STATUS_MEMORY, "out of memory while opening an API");
    return read_key(a, s, options, err);
}
