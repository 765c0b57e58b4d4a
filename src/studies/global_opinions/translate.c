/* A question and its options in another language, by a subject of its own: asked for with number and order kept, and then back. */
#include "core/hash.h"
#include "studies/global_opinions/opinions.h"

#include <assert.h>
#include <ctype.h>

enum { TEXT_LIMIT = 1 << 20, TOKENS = 1024 };

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory while translating a question");
}

/* White space of any length is one space: a line holds one thing. */
static void add_line(strbuf *b, const char *text)
{
    slice s = slice_trim(slice_of(text));
    bool space = false;
    for (size_t i = 0; i < s.length; i++) {
        bool is = isspace((unsigned char)s.text[i]) != 0;
        if (is && !space)
            strbuf_add_char(b, ' ');
        else if (!is)
            strbuf_add_char(b, s.text[i]);
        space = is;
    }
    strbuf_add_char(b, '\n');
}

static const char *listed(arena *a, const char *demand, const char *text, const char *const *options, size_t count)
{
    strbuf b = strbuf_new(a, TEXT_LIMIT);
    strbuf_printf(&b, "%s Keep the number and the order of the options. Write the question behind \"Q:\" and each option on a line of its own "
                      "behind its number, and nothing else.\n\nQ: ",
                  demand);
    add_line(&b, text);
    for (size_t k = 0; k < count; k++) {
        strbuf_printf(&b, "%zu. ", k + 1);
        add_line(&b, options[k]);
    }
    return b.failed ? NULL : b.text;
}

/* Where line `number.` begins, at the start of a line; SIZE_MAX. *behind: behind the number. */
static size_t find_number(slice text, size_t from, size_t number, size_t *behind)
{
    for (size_t at = from; at < text.length; at++) {
        size_t end = at, value = 0;
        if (at > 0 && text.text[at - 1] != '\n')
            continue;
        while (end < text.length && end - at < 4 && isdigit((unsigned char)text.text[end]))
            value = 10 * value + (size_t)(text.text[end++] - '0');
        if (end > at && value == number && end < text.length && (text.text[end] == '.' || text.text[end] == ')')) {
            *behind = end + 1;
            return at;
        }
    }
    return SIZE_MAX;
}

/* What can be wrong with a reply. */
typedef struct wrongs {
    const char *refused, *cut, *empty, *no_question, *no_options, *few, *many, *empty_option, *empty_question;
} wrongs;

static const wrongs forth = {"the translator refused", "the translation was cut off", "the translation is empty",
                             "the translation has no question behind \"Q:\"", "the translation has no numbered options",
                             "the translation has too few options", "the translation has too many options",
                             "an option of the translation is empty", "the question of the translation is empty"};
static const wrongs back_again = {"the translator refused to translate back", "what came back was cut off", "nothing came back",
                                  "what came back has no question behind \"Q:\"", "what came back has no numbered options",
                                  "what came back has too few options", "what came back has too many options",
                                  "an option that came back is empty", "the question that came back is empty"};

/* Takes a reply apart; NULL where it has the question and exactly `count` options, else what is wrong with it. */
static const char *take_apart(arena *a, const char *reply, size_t count, const wrongs *w, const char **text, const char **options)
{
    slice s = slice_of(reply);
    size_t question = slice_find(s, SLICE("Q:"), 0), behind = 0, next_behind;
    if (slice_trim(s).length == 0)
        return w->empty;
    if (question == SIZE_MAX)
        return w->no_question;
    size_t first = find_number(s, question, 1, &behind);
    if (first == SIZE_MAX)
        return w->no_options;
    slice words = slice_trim(slice_sub(s, question + 2, first));
    for (size_t k = 0; k < count; k++) {
        size_t next = find_number(s, behind, k + 2, &next_behind);
        if ((next == SIZE_MAX) != (k + 1 == count))
            return next == SIZE_MAX ? w->few : w->many;
        slice option = slice_trim(slice_sub(s, behind, next == SIZE_MAX ? s.length : next));
        if (option.length == 0)
            return w->empty_option;
        options[k] = slice_copy(a, option);
        behind = next_behind;
    }
    *text = slice_copy(a, words);
    return words.length ? NULL : w->empty_question;
}

static status read_reply(arena *a, const generate_reply *reply, size_t count, const wrongs *w, const char **text, const char **options,
                         const char **problem, error *err)
{
    *problem = reply->reason == STOP_REFUSED ? w->refused
               : reply->reason == STOP_LENGTH ? w->cut
                                              : take_apart(a, reply->text ? reply->text : "", count, w, text, options);
    for (size_t k = 0; !*problem && k < count; k++)
        if (!options[k])
            return no_memory(err);
    return *problem || *text ? STATUS_OK : no_memory(err);
}

void opinions_hash(const char *text, const char *const *options, size_t count, char hex[65])
{
    unsigned char digest[SHA256_BYTES];
    sha256 state;
    static_assert(SHA256_HEX == 65, "a digest in hexadecimal");
    sha256_start(&state);
    sha256_add(&state, text, strlen(text));
    for (size_t k = 0; k < count; k++) {
        sha256_add(&state, "\n", 1);
        sha256_add(&state, options[k], strlen(options[k]));
    }
    sha256_end(&state, digest);
    sha256_hex(digest, hex);
}

static status ask(study_sample *s, const char *words, generate_reply *reply, error *err)
{
    message m = message_text(s->arena, MESSAGE_USER, words ? words : "");
    ask_options options = {.max_tokens = TOKENS, .position = -1};
    if (!words || m.count == 0)
        return no_memory(err);
    return study_ask(s, "translator", &m, 1, &options, reply, err);
}

status opinions_translate(study_sample *s, const opinion_question *q, const char *language, opinion_translation *out, error *err)
{
    generate_reply reply, back;
    arena *a = s->arena;
    *out = (opinion_translation){.options = ARENA_ARRAY(a, const char *, q->option_count + 1),
                                 .back_options = ARENA_ARRAY(a, const char *, q->option_count + 1)};
    const char *demand = arena_printf(a, "Translate this survey question and its options into %s.", language);
    if (!out->options || !out->back_options || !demand)
        return no_memory(err);
    if (!study_has_role(s, "translator"))
        return error_set(err, STATUS_USAGE, "the condition language needs a translator: --role translator=SUBJECT");
    TRY(ask(s, listed(a, demand, q->text, q->options, q->option_count), &reply, err));
    TRY(read_reply(a, &reply, q->option_count, &forth, &out->text, out->options, &out->problem, err));
    if (out->problem)
        return STATUS_OK;
    out->option_count = q->option_count;
    opinions_hash(out->text, out->options, q->option_count, out->sha256);
    if (slice_equal(slice_trim(slice_of(q->text)), slice_of(out->text))) {
        out->problem = "the translation is the original";
        return STATUS_OK;
    }
    TRY(ask(s, listed(a, "Translate this survey question and its options into English.", out->text, out->options, q->option_count), &back, err));
    TRY(read_reply(a, &back, q->option_count, &back_again, &out->back, out->back_options, &out->problem, err));
    if (out->problem) {
        out->back = back.text ? back.text : ""; /* as it is: people are to see it */
        return STATUS_OK;
    }
    out->back_count = q->option_count;
    return STATUS_OK;
}
