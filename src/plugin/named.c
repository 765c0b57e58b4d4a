#include "plugin/named.h"

#include "core/jsonio.h"

static slice without_prefix(const char *word)
{
    slice all = slice_of(word);
    return slice_starts(all, SLICE("plugin:")) ? slice_sub(all, 7, all.length) : all;
}

bool plugin_named_path(arena *a, const char *word, const char **path)
{
    slice all = without_prefix(word);
    *path = arena_strndup(a, all.text, strcspn(all.text, "?,"));
    return *path != NULL;
}

/* "strict=true&most=3" */
static status read_settings(arena *a, slice settings, const char *path, param_values *values, error *err)
{
    slice part;
    while (settings.length > 0 && slice_cut(&settings, '&', &part)) {
        slice value = part, name;
        slice_cut(&value, '=', &name);
        const char *key = slice_copy(a, name), *text = value.text ? slice_copy(a, value) : "true";
        if (!key || !text)
            return error_set(err, STATUS_MEMORY, "out of memory while starting the plug-in %s", path);
        if (param_set(values, key, text, err) != STATUS_OK)
            return error_context(err, "the plug-in %s", path);
    }
    return STATUS_OK;
}

static status check_ready(void *context, const json_t *answers, error *err)
{
    const plugin_host *h = context;
    if (json_is_true(json_object_get(json_array_get(answers, 0), "ready")))
        return STATUS_OK;
    return error_set(err, STATUS_INVALID, "the plug-in %s: expected \"ready\": true to \"prepare\"", plugin_host_path(h));
}

static status tell_settings(arena *a, slice settings, plugin_named *out, error *err)
{
    const plugin_declaration *d = plugin_host_declaration(out->host);
    const char *path = plugin_host_path(out->host);
    param_values *values;
    strbuf text = strbuf_new(a, 1 << 20);
    TRY(param_values_new(a, d->params, d->param_count, &values, err));
    TRY(read_settings(a, settings, path, values, err));
    json_t *params = param_json(values);
    status result = jsonio_canonical(params, &text, err);
    if (result == STATUS_OK && d->param_count > 0)
        result = plugin_host_prepare(out->host, json_pack("{s:s, s:O}", "do", "prepare", "params", params), check_ready, out->host, err);
    json_decref(params);
    TRY(result);
    out->identity = arena_printf(a, "plugin sha256:%s %s", plugin_host_sha256(out->host), text.text);
    return out->identity ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory while starting the plug-in %s", path);
}

status plugin_named_open(arena *a, const char *word, const plugin_host_options *options, plugin_named *out, error *err)
{
    slice all = without_prefix(word), head;
    const char *path, *comma = strchr(all.text, ',');
    *out = (plugin_named){0};
    slice rest = {all.text, comma ? (size_t)(comma - all.text) : all.length};
    slice_cut(&rest, '?', &head);
    if (!plugin_named_path(a, word, &path) || (comma && !(out->beneath = arena_strdup(a, comma + 1))))
        return error_set(err, STATUS_MEMORY, "out of memory while starting the plug-in %s", word);
    TRY(plugin_host_open(a, path, options, &out->host, err));
    if (plugin_host_declaration(out->host)->kind == PLUGIN_STUDY) { /* it has other parameters; nobody wants it here */
        out->identity = plugin_host_sha256(out->host);
        return STATUS_OK;
    }
    return tell_settings(a, rest.text ? rest : (slice){NULL, 0}, out, err);
}
