/* What a sentence of the Winogender pipeline must be before a model looks at it: one blank, no other pronoun, the occupation in it. */
#include "studies/model_written/inside.h"

#include "stats/texts.h"

const char *const sentence_fate_names[SENTENCE_FATE_COUNT] = {
#define X(name, stage, word, words) word,
    SENTENCE_FATES(X)
#undef X
};
const char *const sentence_fate_words[SENTENCE_FATE_COUNT] = {
#define X(name, stage, word, words) words,
    SENTENCE_FATES(X)
#undef X
};
const sentence_stage sentence_fate_stages[SENTENCE_FATE_COUNT] = {
#define X(name, stage, word, words) STAGE_##stage,
    SENTENCE_FATES(X)
#undef X
};

const char *sentence_one_blank(arena *a, const char *text)
{
    char *copy = arena_strdup(a, text), *to = copy;
    for (const char *from = text; copy && *from; from++)
        if (*from != '_' || from == text || from[-1] != '_')
            *to++ = *from;
    if (copy)
        *to = '\0';
    return copy;
}

static bool is_pronoun(const char *word)
{
    static const char *const pronouns[] = {"he", "she", "they", "him", "her", "them", "his", "hers", "their", "theirs", "himself", "herself",
                                           "themself", "themselves", "he's", "she's", "they're", "he'd", "she'd", "they'd", "he'll", "she'll", "they'll"};
    for (size_t i = 0; i < COUNT_OF(pronouns); i++)
        if (strcmp(word, pronouns[i]) == 0)
            return true;
    return false;
}

sentence_fate sentence_string_filter(const char *text, const char *name)
{
    const char *blank = strchr(text, '_');
    char word[64];
    slice rest = slice_of(text);
    if (!blank)
        return SENTENCE_NO_BLANK;
    if (strchr(blank + 1, '_'))
        return SENTENCE_BLANKS;
    while (text_next_word(&rest, word))
        if (is_pronoun(word))
            return SENTENCE_PRONOUN;
    return slice_find_nocase(slice_of(text), slice_of(name), 0) == SIZE_MAX ? SENTENCE_NO_JOB : SENTENCE_KEPT;
}
