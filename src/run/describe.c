#include "run/describe.h"

#include "core/jsonio.h"
#include "train/manifest.h"

#include <sqlite3.h>
#include <unistd.h>

enum { MOST_TEXT = 64 << 20 };

const char *describe_take(arena *a, json_t *value)
{
    strbuf b = strbuf_new(a, MOST_TEXT);
    bool good = value && jsonio_print(value, 0, &b, NULL) == STATUS_OK && !b.failed;
    json_decref(value);
    return good ? b.text : NULL;
}

static const char *take_canonical(arena *a, json_t *value)
{
    strbuf b = strbuf_new(a, MOST_TEXT);
    bool good = value && jsonio_canonical(value, &b, NULL) == STATUS_OK && !b.failed;
    json_decref(value);
    return good ? b.text : NULL;
}

status describe_run(arena *a, const engine *e, const param_values *params, const char **text, char key[SHA256_HEX],
                    error *err)
{
    char seed[32];
    json_t *roles = json_object();
    for (size_t i = 0; i < e->role_count; i++)
        json_object_set_new(roles, e->roles[i].name,
                            json_pack("{s:s, s:s}", "specification", e->roles[i].subject->specification, "identity",
                                      e->roles[i].subject->identity));
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)e->run->seed);
    *text = take_canonical(a, json_pack("{s:s, s:o, s:s, s:o, s:I, s:s, s:s*}", "study", e->run->study->name, "parameters",
                                       param_json(params), "seed", seed, "roles", roles, "samples",
                                       (json_int_t)e->run->sample_count, "assay", ASSAY_VERSION, "identity", e->run->identity));
    if (!*text)
        return error_set(err, STATUS_MEMORY, "out of memory while describing the run");
    unsigned char digest[SHA256_BYTES];
    sha256_of(*text, strlen(*text), digest);
    sha256_hex(digest, key);
    return STATUS_OK;
}

const char *describe_machine(arena *a, size_t threads)
{
    char host[256] = "";
    json_t *machine = manifest_machine(threads);
    gethostname(host, sizeof host - 1);
    json_object_set_new(machine, "host", json_string(host));
    json_object_set_new(machine, "sqlite", json_string(sqlite3_libversion()));
    return describe_take(a, machine);
}

static status set_param(arena *a, param_values *out, const char *name, const json_t *value, error *err)
{
    size_t n = json_is_array(value) ? json_array_size(value) : 1;
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_is_array(value) ? json_array_get(value, i) : value;
        strbuf text = strbuf_new(a, 1 << 20);
        if (json_is_string(one))
            strbuf_add(&text, json_string_value(one));
        else
            TRY(jsonio_print(one, 0, &text, err));
        TRY(param_set(out, name, text.text ? text.text : "", err));
    }
    return STATUS_OK;
}

status describe_params(arena *a, const study *s, const json_t *description, param_values **out, error *err)
{
    const char *name;
    json_t *value;
    TRY(param_values_new(a, s->params, s->param_count, out, err));
    json_t *defaults = param_json(*out);
    status result = STATUS_OK;
    json_object_foreach((json_t *)json_object_get(description, "parameters"), name, value)
        /* Studies ask whether somebody gave a value: a default is none. */
        if (result == STATUS_OK && !json_is_null(value) && !json_equal(value, json_object_get(defaults, name)))
            result = set_param(a, *out, name, value, err);
    json_decref(defaults);
    return result;
}
