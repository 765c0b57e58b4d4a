#include "plugin/scorer.h"

#include "plugin/named.h"

#include <math.h>

struct plugin_scorer {
    plugin_named named;
};

bool plugin_verdict_known(const char *word)
{
    static const char *const words[] = {"good", "bad", "unreadable", "refused", "excluded"};
    for (size_t i = 0; word && i < COUNT_OF(words); i++)
        if (strcmp(words[i], word) == 0)
            return true;
    return false;
}

status plugin_scorer_open(arena *a, const char *word, double timeout_seconds, plugin_scorer **out, error *err)
{
    const plugin_host_options options = {.timeout_seconds = timeout_seconds};
    plugin_scorer *s = ARENA_NEW(a, plugin_scorer);
    *out = NULL;
    if (!s)
        return error_set(err, STATUS_MEMORY, "out of memory while starting the scorer %s", word);
    TRY(plugin_named_open(a, word, &options, &s->named, err));
    TRY(plugin_host_require(s->named.host, PLUGIN_SCORER, "a scorer", err));
    if (s->named.beneath)
        return error_set(err, STATUS_USAGE, "%s: a scorer asks nobody; nothing can stand behind its comma", word);
    *out = s;
    return STATUS_OK;
}

const char *plugin_scorer_identity(const plugin_scorer *s)
{
    return s->named.identity;
}

const plugin_declaration *plugin_scorer_declaration(const plugin_scorer *s)
{
    return plugin_host_declaration(s->named.host);
}

void plugin_scorer_interrupt(plugin_scorer *s, bool on)
{
    plugin_host_interrupt(s->named.host, on);
}

static status read_verdict(const plugin_scorer *s, arena *a, const json_t *answer, plugin_verdict *out, error *err)
{
    const json_t *verdict = json_object_get(answer, "verdict"), *value = json_object_get(answer, "value"),
                 *scored = json_object_get(answer, "scored");
    const char *path = plugin_host_path(s->named.host), *word = json_is_null(verdict) && value ? "good" : json_string_value(verdict);
    if (!plugin_verdict_known(word))
        return error_set(err, STATUS_INVALID, "the scorer %s: expected good, bad, unreadable, refused or excluded at \"verdict\"", path);
    if (value && !json_is_null(value) && !json_is_number(value))
        return error_set(err, STATUS_INVALID, "the scorer %s: expected a number at \"value\"", path);
    if (scored && !json_is_null(scored) && !json_is_string(scored))
        return error_set(err, STATUS_INVALID, "the scorer %s: expected a text at \"scored\"", path);
    *out = (plugin_verdict){.verdict = arena_strdup(a, word), .value = json_is_number(value) ? json_number_value(value) : NAN,
                            .scored = arena_strdup(a, json_string_value(scored))};
    return out->verdict ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory while reading a verdict");
}

status plugin_scorer_judge(plugin_scorer *s, arena *a, const plugin_scored *in, plugin_verdict *out, error *err)
{
    json_t *answer, *first = json_pack("{s:s, s:s?, s:s?, s:s?, s:O?}", "do", "judge", "asked", in->asked, "answered", in->answered,
                                       "expected", in->expected, "item", (json_t *)(uintptr_t)in->item);
    const plugin_call call = {.first = first, .want = "verdict"};
    *out = (plugin_verdict){.value = NAN};
    if (!first)
        return error_set(err, STATUS_INVALID, "what is to be judged is not UTF-8, or memory is out");
    status result = plugin_host_talk(s->named.host, &call, &answer, err);
    json_decref(first);
    if (result == STATUS_OK)
        result = read_verdict(s, a, answer, out, err);
    json_decref(answer);
    return result;
}
