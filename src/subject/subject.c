#include "subject/classes.h"

#include "core/file.h"
#include "hub/pull.h"
#include "lm/checkpoint.h"
#include "plugin/named.h"

#include <string.h>

static bool plausible_http(const char *specification)
{
    const char *host = strstr(specification, "://") + 3, *model = strchr(host, '#');
    return host[0] && host[0] != '#' && host[0] != '/' && model && model[1];
}

static bool plausible_rest(const char *specification)
{
    return strchr(specification, ':')[1] != '\0';
}

static bool plausible_script(const char *specification)
{
    return file_exists(specification + strlen("script:"));
}

static bool plausible_with(const char *specification)
{
    const char *comma = strchr(specification, ',');
    return comma && subject_plausible(comma + 1);
}

static bool plausible_plugin(const char *specification)
{
    arena *a = arena_new(NULL);
    const char *path;
    bool there = plugin_named_path(a, specification, &path) && file_exists(path);
    arena_free(a);
    return there;
}

/* The first row whose prefix fits opens the subject; a folder is what is left. */
static const struct {
    const char *prefix, *form;
    subject_opener *open;
    bool (*plausible)(const char *specification);
} kinds[] = {
    {"script:", "script:FILE.yaml", subject_open_script, plausible_script},
    {"router:", "router:SHARE:A:B", subject_open_router, plausible_rest},
    {"oracle:", "oracle:DOSE", subject_open_oracle, plausible_rest},
    {"with:", "with:PATCH.yaml,SUBJECT", subject_open_with, plausible_with},
    {"best-of:", "best-of:N,POLICY,PM", subject_open_best_of, plausible_rest},
    {"http://", "http://HOST[:PORT]/v1#MODEL", subject_open_api, plausible_http},
    {"https://", "https://HOST/v1#MODEL", subject_open_api, plausible_http},
    {"openai:", "openai:MODEL", subject_open_api, plausible_rest},
    {"anthropic:", "anthropic:MODEL", subject_open_api, plausible_rest},
    {"plugin:", "plugin:PATH[,SUBJECT]", subject_open_plugin, plausible_plugin},
};

bool subject_plausible(const char *specification)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (strncmp(specification, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
            return kinds[i].plausible(specification);
    arena *a = arena_new(NULL);
    bool pulled = pull_find(a, specification) != NULL;
    arena_free(a);
    return pulled || checkpoint_plausible(specification);
}

/* "scirpt:x" is a slip of the pen; "dir:with:colons" that exists is a folder. */
static status unknown_prefix(const char *specification, error *err)
{
    const char *colon = strchr(specification, ':');
    if (!colon || file_exists(specification))
        return STATUS_OK;
    const char *words[COUNT_OF(kinds)];
    char word[32];
    size_t length = (size_t)(colon - specification) + 1;
    if (length >= sizeof word)
        return STATUS_OK;
    memcpy(word, specification, length);
    word[length] = '\0';
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        words[i] = kinds[i].prefix;
    int nearest = text_nearest(word, words, COUNT_OF(words));
    error_set(err, STATUS_USAGE, "%s: neither a folder nor a kind of subject", specification);
    if (nearest >= 0)
        error_hint(err, "did you mean %s?", kinds[nearest].form);
    else
        error_hint(err, "a subject is base, a checkpoint folder or GGUF file, script:FILE.yaml, router:SHARE:A:B, oracle:DOSE, best-of:N,POLICY,PM, "
                        "http://HOST[:PORT]/v1#MODEL, openai:MODEL, anthropic:MODEL or plugin:PATH[,SUBJECT]");
    return STATUS_USAGE;
}

status subject_open(arena *a, const char *specification, const subject_options *options, subject **out, error *err)
{
    static const subject_options none;
    *out = NULL;
    if (!options)
        options = &none;
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (strncmp(specification, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
            return kinds[i].open(a, specification, specification + strlen(kinds[i].prefix), options, out, err);
    TRY(unknown_prefix(specification, err));
    const char *pulled = file_exists(specification) ? NULL : pull_find(a, specification);
    return subject_open_local(a, specification, pulled ? pulled : specification, options, out, err);
}

void subject_close(subject *s)
{
    if (s && s->class->close)
        s->class->close(s);
}

status subject_require(const subject *s, unsigned needs, const char *who, error *err)
{
    static const struct {
        unsigned ability;
        const char *words;
    } abilities[] = {
        {SUBJECT_GENERATES, "generate text"},
        {SUBJECT_SCORES, "score given continuations (log-probabilities)"},
        {SUBJECT_LOGPROBS, "give log-probabilities of what it generated"},
        {SUBJECT_PREFILL, "continue a prefilled answer"},
        {SUBJECT_SEEDS, "draw from a given seed"},
        {SUBJECT_ACTIVATIONS, "show its activations"},
        {SUBJECT_CHOOSES, "choose between given words by their log-probabilities"},
        {SUBJECT_TOOLS, "call tools"},
        {SUBJECT_REWARDS, "say what a reply is worth (a preference model)"},
    };
    for (size_t i = 0; i < COUNT_OF(abilities); i++)
        if ((needs & abilities[i].ability) && !(s->abilities & abilities[i].ability)) {
            error_set(err, STATUS_UNSUPPORTED, "%s needs a subject that can %s, and %s cannot", who,
                      abilities[i].words, s->specification);
            error_hint(err, "use a local checkpoint, or a study or setting without that need");
            return STATUS_UNSUPPORTED;
        }
    return STATUS_OK;
}

status subject_look(subject *s, arena *a, unsigned needs, const answer_cache *cache, subject_probe *out, error *err)
{
    *out = (subject_probe){0};
    return s->class->probe ? s->class->probe(s, a, needs, cache, out, err) : STATUS_OK;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Length of the first `most` words of the text (0: all), and how many words that is. */
static size_t words_within(const char *text, size_t length, int most, int *words)
{
    size_t at = 0;
    *words = 0;
    while (at < length) {
        size_t end = at;
        while (end < length && is_space(text[end]))
            end++;
        if (end == length)
            return length;
        if (most > 0 && *words == most)
            return at;
        while (end < length && !is_space(text[end]))
            end++;
        (*words)++;
        at = end;
    }
    return length;
}

status subject_finish_text(arena *a, const char *text, const generate_request *request, generate_reply *reply)
{
    size_t length = strlen(text);
    reply->reason = STOP_END;
    for (size_t i = 0; i < request->stop_count; i++) {
        size_t found = slice_find((slice){text, length}, slice_of(request->stops[i]), 0);
        if (found != SIZE_MAX) {
            length = found;
            reply->reason = STOP_STRING;
        }
    }
    size_t kept = words_within(text, length, request->max_tokens, &reply->completion_tokens);
    if (kept < length)
        reply->reason = STOP_LENGTH;
    reply->text = arena_strndup(a, text, kept);
    return reply->text ? STATUS_OK : STATUS_MEMORY;
}

int subject_prompt_words(const generate_request *request)
{
    int total = 0;
    for (size_t i = 0; i < request->count; i++)
        for (size_t j = 0; j < request->messages[i].count; j++) {
            const char *text = request->messages[i].blocks[j].text;
            int words = 0;
            if (text)
                words_within(text, strlen(text), 0, &words);
            total += words;
        }
    return total;
}

const char *subject_last_question(arena *a, const message *messages, size_t count)
{
    while (count > 0 && messages[count - 1].role != MESSAGE_USER)
        count--;
    return count ? message_plain(a, &messages[count - 1]) : "";
}
