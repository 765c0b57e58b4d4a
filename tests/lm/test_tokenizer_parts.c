/* The parts of tokenizer.json, one by one, on cases worked out by hand. Comparison on much text: bench/peers/tokenizers_all.py. */
#include "memory.h"

#include "core/jsonio.h"
#include "lm/tokenizer.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* `parts` are members of the file beside the model, with a comma behind each. */
static status parse(const char *parts, const char *model, tokenizer **out, error *err)
{
    const char *text = arena_printf(memory, "{%s \"model\": %s}", parts, model);
    return tokenizer_parse(memory, slice_of(text), "tokenizer.json", out, err);
}

static tokenizer *make(const char *parts, const char *model)
{
    tokenizer *t = NULL;
    error err = {0};
    if (parse(parts, model, &t, &err) != STATUS_OK)
        fail_msg("%s\n%s\n%s", err.message, parts, model);
    return t;
}

static const char *quoted(const char *text)
{
    json_t *value = json_string(text);
    char *json = json_dumps(value, JSON_ENCODE_ANY);
    const char *kept = arena_strdup(memory, json);
    json_decref(value);
    free(json);
    return kept;
}

/* A model whose tokens are the words, each a whole piece: the ids are their places from 1 on. */
static const char *words_model(const char *const *words, size_t count)
{
    strbuf text = strbuf_new(memory, 1 << 16);
    strbuf_add(&text, "{\"type\": \"WordLevel\", \"unk_token\": \"[UNK]\", \"vocab\": {\"[UNK]\": 0");
    for (size_t i = 0; i < count; i++) {
        bool again = false;
        for (size_t k = 0; k < i; k++)
            again = again || strcmp(words[i], words[k]) == 0;
        if (!again)
            strbuf_printf(&text, ", %s: %zu", quoted(words[i]), i + 1);
    }
    strbuf_add(&text, "}}");
    return text.text;
}

static const char *encoded(const tokenizer *t, const char *text, unsigned flags)
{
    token_list ids = {.arena = memory};
    error err = {0};
    if (tokenizer_encode(t, slice_of(text), flags, &ids, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    strbuf out = strbuf_new(memory, 1 << 16);
    for (size_t i = 0; i < ids.count; i++)
        strbuf_printf(&out, "%s%d", i ? " " : "", ids.ids[i]);
    return out.text ? out.text : "";
}

/* Whole and token by token. */
static const char *decoded(const tokenizer *t, const int32_t *ids, size_t count, bool same_in_stream)
{
    strbuf whole = strbuf_new(memory, 1 << 16), streamed = strbuf_new(memory, 1 << 16);
    token_stream s = {0};
    assert_int_equal(tokenizer_decode(t, ids, count, &whole, NULL), STATUS_OK);
    for (size_t i = 0; i < count; i++) {
        token_stream_add(&s, t, ids[i], &streamed);
        assert_true(utf8_valid(strbuf_slice(&streamed)));
    }
    token_stream_end(&s, &streamed);
    if (same_in_stream)
        assert_string_equal(streamed.text ? streamed.text : "", whole.text ? whole.text : "");
    return whole.text ? whole.text : "";
}

#define MOST 8

/* What each pre-tokenizer cuts a text into. */
static void texts_are_cut_as_each_pre_tokenizer_says(void **state)
{
    (void)state;
    static const struct {
        const char *part, *text, *pieces[MOST];
    } cases[] = {
        {"{\"type\": \"Whitespace\"}", "Hey, you_2!", {"Hey", ",", "you_2", "!"}},
        {"{\"type\": \"WhitespaceSplit\"}", " a  b,c\t", {"a", "b,c"}},
        {"{\"type\": \"BertPreTokenizer\"}", "don't go.", {"don", "'", "t", "go", "."}},
        {"{\"type\": \"Punctuation\"}", "a,b!?", {"a", ",", "b", "!", "?"}},
        {"{\"type\": \"Punctuation\", \"behavior\": \"Contiguous\"}", "a,b!?", {"a", ",", "b", "!?"}},
        {"{\"type\": \"Digits\", \"individual_digits\": true}", "a12\xc2\xbd" "b", {"a", "1", "2", "\xc2\xbd", "b"}},
        {"{\"type\": \"Digits\", \"individual_digits\": false}", "a12b", {"a", "12", "b"}},
        {"{\"type\": \"CharDelimiterSplit\", \"delimiter\": \"-\"}", "a-b--c", {"a", "b", "c"}},
        {"{\"type\": \"FixedLength\", \"length\": 2}", "\xc3\xa9" "bcde", {"\xc3\xa9" "b", "cd", "e"}},
        {"{\"type\": \"Metaspace\", \"replacement\": \"_\"}", "a b", {"_a", "_b"}},
        {"{\"type\": \"Metaspace\", \"replacement\": \"_\", \"prepend_scheme\": \"never\"}", "a  b", {"a", "_", "_b"}},
        {"{\"type\": \"Metaspace\", \"replacement\": \"_\", \"add_prefix_space\": false}", "a b", {"a", "_b"}},
        {"{\"type\": \"Metaspace\", \"replacement\": \"_\", \"split\": false}", " a b", {"_a_b"}},
        {"{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"WhitespaceSplit\"}, {\"type\": \"Metaspace\", \"replacement\": "
         "\"_\", \"prepend_scheme\": \"first\"}]}", "a b", {"_a", "b"}},
        {"{\"type\": \"Split\", \"pattern\": {\"String\": \"-\"}, \"behavior\": \"Removed\"}", "the-final--countdown",
         {"the", "final", "countdown"}},
        {"{\"type\": \"Split\", \"pattern\": {\"String\": \"-\"}, \"behavior\": \"Isolated\"}", "the-final--countdown",
         {"the", "-", "final", "-", "-", "countdown"}},
        {"{\"type\": \"Split\", \"pattern\": {\"String\": \"-\"}, \"behavior\": \"MergedWithPrevious\"}", "the-final--countdown",
         {"the-", "final-", "-", "countdown"}},
        {"{\"type\": \"Split\", \"pattern\": {\"String\": \"-\"}, \"behavior\": \"MergedWithNext\"}", "the-final--countdown",
         {"the", "-final", "-", "-countdown"}},
        {"{\"type\": \"Split\", \"pattern\": {\"String\": \"-\"}, \"behavior\": \"Contiguous\"}", "the-final--countdown",
         {"the", "-", "final", "--", "countdown"}},
        {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"\\\\d+\"}, \"behavior\": \"Removed\", \"invert\": true}", "a12b3",
         {"12", "3"}},
        {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"\\\\w\\\\b\"}, \"behavior\": \"Isolated\"}", "ab", {"a", "b"}},
        {"{\"type\": \"ByteLevel\", \"add_prefix_space\": true}", "a \xc3\xa9's", {"\xc4\xa0" "a", "\xc4\xa0\xc3\x83\xc2\xa9", "'s"}},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t count = 0;
        strbuf wanted = strbuf_new(memory, 1 << 10);
        for (; count < MOST && cases[i].pieces[count]; count++) {
            size_t place = 0;
            while (strcmp(cases[i].pieces[place], cases[i].pieces[count]) != 0)
                place++;
            strbuf_printf(&wanted, "%s%zu", count ? " " : "", place + 1);
        }
        tokenizer *t = make(arena_printf(memory, "\"pre_tokenizer\": %s,", cases[i].part), words_model(cases[i].pieces, count));
        if (strcmp(encoded(t, cases[i].text, 0), wanted.text) != 0)
            fail_msg("case %zu: %s: %s, not %s", i, cases[i].part, encoded(t, cases[i].text, 0), wanted.text);
    }
}

/* A trie of one key: "A" becomes "a" (see tokenizer_charsmap.c for the units). */
static const char *small_map(void)
{
    unsigned char bytes[4 + 4 * 0x43 + 2] = {[0] = (4 * 0x43) & 0xff, [1] = (4 * 0x43) >> 8};
    const struct {
        size_t unit;
        uint32_t value;
    } units[] = {{0, 1u << 10}, {0x40, 'A' | 1u << 8 | 2u << 10}, {0x42, 0x80000000u}};
    for (size_t i = 0; i < COUNT_OF(units); i++)
        for (size_t b = 0; b < 4; b++)
            bytes[4 + 4 * units[i].unit + b] = (unsigned char)(units[i].value >> (8 * b));
    bytes[4 + 4 * 0x43] = 'a';
    char *text = arena_alloc(memory, 1024);
    sodium_bin2base64(text, 1024, bytes, sizeof bytes, sodium_base64_VARIANT_ORIGINAL);
    return arena_printf(memory, "{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"%s\"}", text);
}

static void texts_are_normalized_as_each_normalizer_says(void **state)
{
    (void)state;
    const struct {
        const char *part, *text, *becomes;
    } cases[] = {
        {"{\"type\": \"NFC\"}", "e\xcc\x81", "\xc3\xa9"},
        {"{\"type\": \"NFD\"}", "\xc3\xa9", "e\xcc\x81"},
        {"{\"type\": \"NFD\"}", "a\xcc\x81\xcc\xa3", "a\xcc\xa3\xcc\x81"}, /* the mark below comes first */
        {"{\"type\": \"NFC\"}", "\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8", "\xea\xb0\x81"}, /* Hangul */
        {"{\"type\": \"NFKC\"}", "\xef\xac\x81\xe2\x91\xa0", "fi1"},
        {"{\"type\": \"NFKD\"}", "\xef\xbc\xa1\xcc\x8a", "A\xcc\x8a"},
        {"{\"type\": \"Lowercase\"}", "\xc3\x80\xc4\xb0\xce\xa3", "\xc3\xa0i\xcc\x87\xcf\x83"},
        {"{\"type\": \"Strip\", \"strip_left\": true, \"strip_right\": true}", " \xe3\x80\x80" "a b\xc3\xa9 ", "a b\xc3\xa9"},
        {"{\"type\": \"Strip\", \"strip_left\": false, \"strip_right\": true}", " a ", " a"},
        {"{\"type\": \"StripAccents\"}", "e\xcc\x81", "e"},
        {"{\"type\": \"Replace\", \"pattern\": {\"String\": \"X\"}, \"content\": \"-\"}", "aXbX", "a-b-"},
        {"{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"a+\"}, \"content\": \"-\"}", "baad", "b-d"},
        {"{\"type\": \"Prepend\", \"prepend\": \"_\"}", "x", "_x"},
        {"{\"type\": \"BertNormalizer\", \"clean_text\": true, \"handle_chinese_chars\": true, \"strip_accents\": null, "
         "\"lowercase\": true}", "\xc3\x84\xe4\xb8\xad\x01\tb", "a \xe4\xb8\xad  b"},
        {"{\"type\": \"BertNormalizer\", \"clean_text\": false, \"handle_chinese_chars\": false, \"strip_accents\": null, "
         "\"lowercase\": false}", "\xc3\x84", "\xc3\x84"},
        {"{\"type\": \"Nmt\"}", "a\xe2\x80\x8b" "b\x01", "a b"},
        {"{\"type\": \"ByteLevel\"}", "\xc3\xa9 ", "\xc3\x83\xc2\xa9\xc4\xa0"},
        {small_map(), "AbA", "aba"},
        {"{\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Lowercase\"}, {\"type\": \"Replace\", \"pattern\": {\"String\": "
         "\"a\"}, \"content\": \"bb\"}]}", "AxA", "bbxbb"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        tokenizer *t = make(arena_printf(memory, "\"normalizer\": %s,", cases[i].part), words_model(&cases[i].becomes, 1));
        if (strcmp(encoded(t, cases[i].text, 0), "1") != 0)
            fail_msg("case %zu: %s: not %s", i, cases[i].part, cases[i].becomes);
    }
}

/* Marks without end are ordered in time. */
static void many_marks_are_ordered_in_time(void **state)
{
    (void)state;
    tokenizer *t = make("\"normalizer\": {\"type\": \"NFC\"},", words_model((const char *const[]){"a"}, 1));
    strbuf text = strbuf_new(memory, 1 << 22);
    for (int i = 0; i < 300000; i++)
        strbuf_add(&text, i % 2 ? "\xcc\xa3" : "\xcc\x81");
    token_list ids = {.arena = memory};
    assert_int_equal(tokenizer_encode(t, strbuf_slice(&text), 0, &ids, NULL), STATUS_OK);
    assert_int_equal(ids.count, 1);
}

static void models_find_the_tokens_of_a_piece(void **state)
{
    (void)state;
#define BPE "{\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \"c\": 2, \"ab\": 3, \"abc\": 4, \"bc\": 5, \"<u>\": 6}, "               \
            "\"merges\": [\"a b\", [\"ab\", \"c\"], \"b c\"], "
#define UNIGRAM "{\"type\": \"Unigram\", \"unk_id\": 0, \"vocab\": [[\"<unk>\", 0], [\"a\", 0], [\"b\", 0], [\"c\", 0], [\"d\", 0], "      \
                "[\"cd\", 1], [\"ab\", 2], [\"abc\", 5], [\"abcd\", 10], [\"<0x78>\", 0]]"
#define PIECES "{\"type\": \"WordPiece\", \"unk_token\": \"?\", \"max_input_chars_per_word\": 9, \"vocab\": {\"?\": 0, \"un\": 1, "         \
               "\"##aff\": 2, \"##able\": 3, \"##a\": 4, \"u\": 5}}"
    static const struct {
        const char *model, *text, *ids;
    } cases[] = {
        {BPE "\"unk_token\": null}", "abcab", "4 3"},
        {BPE "\"unk_token\": null}", "bcb", "5 1"},
        {BPE "\"unk_token\": null}", "axxb", "3"}, /* what is unknown falls out before pairs are joined */
        {BPE "\"unk_token\": \"<u>\"}", "axxb", "0 6 6 1"},
        {BPE "\"unk_token\": \"<u>\", \"fuse_unk\": true}", "axxb", "0 6 1"},
        {"{\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \"ab\": 2}, \"merges\": [], \"ignore_merges\": true}", "ab", "2"},
        {"{\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \"ab\": 2}, \"merges\": [], \"ignore_merges\": false}", "ab", "0 1"},
        {"{\"type\": \"BPE\", \"byte_fallback\": true, \"vocab\": {\"a\": 0, \"<0xC3>\": 1, \"<0xA9>\": 2}, \"merges\": []}",
         "a\xc3\xa9", "0 1 2"},
        {"{\"type\": \"BPE\", \"end_of_word_suffix\": \"$\", \"vocab\": {\"a\": 0, \"a$\": 1, \"aa$\": 2}, \"merges\": [\"a a$\"]}",
         "aaa", "0 2"},
        {"{\"type\": \"BPE\", \"continuing_subword_prefix\": \"#\", \"vocab\": {\"a\": 0, \"#a\": 1, \"aa\": 2}, \"merges\": [\"a "
         "#a\"]}", "aaa", "2 1"},
        {UNIGRAM "}", "abcdacdxx", "8 1 5 0"}, /* unknown characters in a row are one token */
        {UNIGRAM ", \"byte_fallback\": true}", "axx", "1 9 9"},
        {PIECES, "unaffable", "1 2 3"},
        {PIECES, "unaffablex", "0"}, /* longer than nine characters */
        {PIECES, "unaffx", "0"},     /* one part unknown: all is */
        {PIECES, "ua", "5 4"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        tokenizer *t = make("", cases[i].model);
        if (strcmp(encoded(t, cases[i].text, 0), cases[i].ids) != 0)
            fail_msg("case %zu: %s gives %s, not %s", i, cases[i].text, encoded(t, cases[i].text, 0), cases[i].ids);
    }
}

/* Flags of added tokens, matched before normalization or behind it. */
static void added_tokens_keep_their_flags(void **state)
{
    (void)state;
#define ADDED(id, text, flags)                                                                                     \
    "{\"id\": " #id ", \"content\": \"" text "\", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false, "  \
    "\"special\": false" flags "}"
    static const char *const words[] = {"a", "b", " ", "ony", "anth"};
    static const struct {
        const char *added, *text, *ids;
        unsigned flags;
    } cases[] = {
        {"{\"id\": 6, \"content\": \"X\", \"special\": true}", "aXb", "1 6 2", TOKENIZER_SPECIALS},
        {"{\"id\": 6, \"content\": \"X\", \"special\": true}", "aXb", "0", 0},
        {"{\"id\": 6, \"content\": \"X\"}", "aXb", "1 6 2", 0}, /* not special: always */
        {"{\"id\": 6, \"content\": \"X\", \"lstrip\": true}", "a  X b", "1 6 0", 0},
        {"{\"id\": 6, \"content\": \"X\", \"rstrip\": true}", "a X  b", "0 6 2", 0},
        {"{\"id\": 6, \"content\": \"X\", \"normalized\": true}", "axb", "1 6 2", 0}, /* as x, which text is too by then */
        {"{\"id\": 6, \"content\": \"X\", \"normalized\": false}", "axb", "0", 0},
        {"{\"id\": 6, \"content\": \"ony\", \"single_word\": true}", "anthony", "0", 0},
        {"{\"id\": 6, \"content\": \"XX\"}, {\"id\": 7, \"content\": \"X\"}", "aXXX", "1 6 7", 0}, /* the longest first */
        {"{\"id\": 6, \"content\": \"XX\", \"special\": true}, {\"id\": 7, \"content\": \"X\"}", "aXXX", "0 7", 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *parts = arena_printf(memory, "\"normalizer\": {\"type\": \"Lowercase\"}, \"added_tokens\": [%s],", cases[i].added);
        tokenizer *t = make(parts, words_model(words, COUNT_OF(words)));
        if (strcmp(encoded(t, cases[i].text, cases[i].flags), cases[i].ids) != 0)
            fail_msg("case %zu: %s gives %s, not %s", i, cases[i].text, encoded(t, cases[i].text, cases[i].flags), cases[i].ids);
    }
}

/* Where a piece begins the text, and only there, Metaspace's "first" puts its mark. */
static void the_first_piece_is_known_behind_added_tokens(void **state)
{
    (void)state;
    static const char *const words[] = {"_a", "a", "_b"};
    tokenizer *t = make("\"added_tokens\": [{\"id\": 4, \"content\": \"X\"}], \"normalizer\": {\"type\": \"Strip\", \"strip_left\": "
                        "true, \"strip_right\": true}, \"pre_tokenizer\": {\"type\": \"Metaspace\", \"replacement\": \"_\", "
                        "\"prepend_scheme\": \"first\"},", words_model(words, 3));
    assert_string_equal(encoded(t, "a bXa", 0), "1 3 4 2");
    assert_string_equal(encoded(t, " a", 0), "2"); /* what was stripped was the beginning */
}

static void post_processors_put_ids_around(void **state)
{
    (void)state;
    static const char *const words[] = {"a", "<s>", "</s>"};
    static const struct {
        const char *part, *ids;
    } cases[] = {
        {"null", "1"},
        {"{\"type\": \"ByteLevel\"}", "1"},
        {"{\"type\": \"BertProcessing\", \"sep\": [\"</s>\", 3], \"cls\": [\"<s>\", 2]}", "2 1 3"},
        {"{\"type\": \"RobertaProcessing\", \"sep\": [\"</s>\", 3], \"cls\": [\"<s>\", 2]}", "2 1 3"},
        {"{\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"B\", \"type_id\": 0}}, {\"Sequence\": {\"id\": "
         "\"A\", \"type_id\": 0}}, {\"SpecialToken\": {\"id\": \"E\", \"type_id\": 0}}], \"pair\": [], \"special_tokens\": {\"B\": {\"id\": "
         "\"B\", \"ids\": [2, 3]}, \"E\": {\"id\": \"E\", \"ids\": [3]}}}", "2 3 1 3"},
        {"{\"type\": \"Sequence\", \"processors\": [{\"type\": \"ByteLevel\"}, {\"type\": \"BertProcessing\", \"sep\": "
         "[\"</s>\", 3], \"cls\": [\"<s>\", 2]}]}", "2 1 3"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        tokenizer *t = make(arena_printf(memory, "\"post_processor\": %s,", cases[i].part), words_model(words, 3));
        assert_string_equal(encoded(t, "a", TOKENIZER_TEMPLATE), cases[i].ids);
        assert_string_equal(encoded(t, "a", 0), "1");
    }
}

static void decoders_make_text_of_tokens(void **state)
{
    (void)state;
    static const struct {
        const char *part, *tokens[MOST], *text;
    } cases[] = {
        {"null", {"a", "b"}, "a b"},
        {"{\"type\": \"Fuse\"}", {"a", "b"}, "ab"},
        {"{\"type\": \"Metaspace\", \"replacement\": \"_\"}", {"_a_b", "_c"}, "ab c"}, /* the whole first token, as there */
        {"{\"type\": \"Metaspace\", \"replacement\": \"_\", \"prepend_scheme\": \"never\"}", {"_a", "_c"}, " a c"},
        {"{\"type\": \"BPEDecoder\", \"suffix\": \"</w>\"}", {"a</w>b</w>", "c</w>"}, "a b c"},
        {"{\"type\": \"WordPiece\", \"prefix\": \"##\", \"cleanup\": false}", {"##uelo", "Ara", "##uj", "."}, "##uelo Arauj ."},
        {"{\"type\": \"WordPiece\", \"prefix\": \"##\", \"cleanup\": true}", {"do", "##n", "'", "t", "."}, "don ' t."},
        {"{\"type\": \"ByteFallback\"}", {"<0xE2>", "<0x82>", "a", "<0xAC>"}, "\xef\xbf\xbd\xef\xbf\xbd" "a\xef\xbf\xbd"},
        {"{\"type\": \"ByteFallback\"}", {"a", "<0xE2>", "<0x82>", "<0xAC>", "b"}, "a\xe2\x82\xac" "b"},
        {"{\"type\": \"Strip\", \"content\": \"H\", \"start\": 1, \"stop\": 0}", {"Hey", "HHH", "x"}, "eyHHx"},
        {"{\"type\": \"Replace\", \"pattern\": {\"String\": \"_\"}, \"content\": \" \"}", {"_a", "_b_"}, " a b "},
        {"{\"type\": \"ByteLevel\"}", {"\xc4\xa0" "a", "\xc3\x83", "\xc2\xa9", "\xc3\x83"}, " a\xc3\xa9\xef\xbf\xbd"},
        {"{\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Replace\", \"pattern\": {\"String\": \"_\"}, \"content\": \" \"}, {\"type\": "
         "\"ByteFallback\"}, {\"type\": \"Fuse\"}, {\"type\": \"Strip\", \"content\": \" \", \"start\": 1, \"stop\": 1}]}",
         {"_", "_a", "<0xC3>", "<0xA9>", "_", "_b_"}, " a\xc3\xa9  b"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int32_t ids[MOST];
        size_t count = 0;
        for (; count < MOST && cases[i].tokens[count]; count++) {
            ids[count] = 1;
            while (strcmp(cases[i].tokens[ids[count] - 1], cases[i].tokens[count]) != 0)
                ids[count]++;
        }
        tokenizer *t = make(arena_printf(memory, "\"decoder\": %s,", cases[i].part), words_model(cases[i].tokens, count));
        const char *text = decoded(t, ids, count, true);
        if (strcmp(text, cases[i].text) != 0)
            fail_msg("case %zu: %s gives \"%s\", not \"%s\"", i, cases[i].part, text, cases[i].text);
    }
}

static void special_tokens_are_left_out_and_have_no_first_place(void **state)
{
    (void)state;
    static const char *const words[] = {"_a", "<s>"};
    tokenizer *t = make("\"added_tokens\": [{\"id\": 2, \"content\": \"<s>\", \"special\": true}], \"decoder\": {\"type\": \"Metaspace\", "
                        "\"replacement\": \"_\"},", words_model(words, 2));
    assert_string_equal(decoded(t, (int32_t[]){2, 1, 2, 1}, 4, true), "a a");
    assert_true(slice_is(tokenizer_bytes(t, 1), " a"));
    assert_true(slice_is(tokenizer_bytes(t, 2), "<s>"));
    assert_int_equal(tokenizer_find(t, SLICE("<s>")), 2);
}

/* An added token that is sought in normalized text is shown as it is there. */
static void normalized_added_tokens_are_shown_normalized(void **state)
{
    (void)state;
    tokenizer *t = make("\"normalizer\": {\"type\": \"Lowercase\"}, \"added_tokens\": [{\"id\": 2, \"content\": \"Foo\", "
                        "\"normalized\": true}, {\"id\": 3, \"content\": \"Bar\", \"normalized\": false}],",
                        words_model((const char *const[]){"a"}, 1));
    assert_string_equal(decoded(t, (int32_t[]){1, 2, 3}, 3, true), "a foo Bar");
}

/* A model that could make a special token of plain letters does not. */
static void nobody_forges_a_special_token(void **state)
{
    (void)state;
    tokenizer *t = make("\"added_tokens\": [{\"id\": 1, \"content\": \"</s>\", \"special\": true}],",
                        "{\"type\": \"Unigram\", \"unk_id\": 0, \"vocab\": [[\"?\", 0], [\"</s>\", 0], [\"<\", -1], [\"/\", -1], [\"s\", "
                        "-1], [\">\", -1]]}");
    assert_string_equal(encoded(t, "s</s>", TOKENIZER_SPECIALS), "4 1");
    assert_string_equal(encoded(t, "s</s>", 0), "4 2 3 4 5");
}

static void what_cannot_be_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *parts, *words;
        status code;
    } cases[] = {
        {"\"normalizer\": {\"type\": \"Upper\"},", "normalizer is Upper", STATUS_UNSUPPORTED},
        {"\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"Regex\": \"(\"}, \"content\": \"\"},", "the pattern (", STATUS_INVALID},
        {"\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"Regex\": \"[a[b]]\"}, \"content\": \"\"},", "[ inside of []", STATUS_UNSUPPORTED},
        {"\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"Regex\": \"a{2}+\"}, \"content\": \"\"},", "}+", STATUS_UNSUPPORTED},
        {"\"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"////\"},", "character map", STATUS_INVALID},
        {"\"pre_tokenizer\": {\"type\": \"UnicodeScripts\"},", "UnicodeScripts", STATUS_UNSUPPORTED},
        {"\"pre_tokenizer\": {\"type\": \"Metaspace\", \"replacement\": \"_\", \"prepend_scheme\": \"last\"},", "last", STATUS_UNSUPPORTED},
        {"\"decoder\": {\"type\": \"CTC\"},", "decoder is CTC", STATUS_UNSUPPORTED},
        {"\"decoder\": {\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Fuse\"}, {\"type\": \"Replace\", \"pattern\": {\"String\": \"a\"}, "
         "\"content\": \"b\"}]},", "the decoder Replace stands behind", STATUS_UNSUPPORTED},
        {"\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": []},", "without the text", STATUS_UNSUPPORTED},
        {"\"post_processor\": {\"type\": \"BertProcessing\", \"sep\": [\"x\", 9], \"cls\": [\"x\", 9]},", "adds the id 9", STATUS_INVALID},
        {"\"post_processor\": {\"type\": \"Sequence\", \"processors\": [{\"type\": \"BertProcessing\", \"sep\": [\"a\", 1], \"cls\": "
         "[\"a\", 1]}, {\"type\": \"BertProcessing\", \"sep\": [\"a\", 1], \"cls\": [\"a\", 1]}]},", "two that add tokens", STATUS_UNSUPPORTED},
        {"\"added_tokens\": [{\"id\": 5, \"content\": \"x\"}],", "the next is 2", STATUS_UNSUPPORTED},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        tokenizer *t;
        error err = {0};
        status code = parse(cases[i].parts, words_model((const char *const[]){"a"}, 1), &t, &err);
        if (code != cases[i].code || !strstr(err.message, cases[i].words))
            fail_msg("case %zu: %s, \"%s\"", i, status_word(code), err.message);
    }
}

/* A file that names an unknown token it does not have says so when one is needed, and not before. */
static void a_missing_unknown_token_is_told_when_it_is_needed(void **state)
{
    (void)state;
    tokenizer *t = make("", "{\"type\": \"BPE\", \"unk_token\": \"<u>\", \"vocab\": {\"a\": 0}, \"merges\": []}");
    assert_string_equal(encoded(t, "aa", 0), "0 0");
    token_list ids = {.arena = memory};
    error err = {0};
    assert_int_equal(tokenizer_encode(t, SLICE("ab"), 0, &ids, &err), STATUS_UNSUPPORTED);
    assert_non_null(strstr(err.message, "\"b\" is not in the vocabulary"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_cut_as_each_pre_tokenizer_says),
        cmocka_unit_test(texts_are_normalized_as_each_normalizer_says),
        cmocka_unit_test(many_marks_are_ordered_in_time),
        cmocka_unit_test(models_find_the_tokens_of_a_piece),
        cmocka_unit_test(added_tokens_keep_their_flags),
        cmocka_unit_test(the_first_piece_is_known_behind_added_tokens),
        cmocka_unit_test(post_processors_put_ids_around),
        cmocka_unit_test(decoders_make_text_of_tokens),
        cmocka_unit_test(special_tokens_are_left_out_and_have_no_first_place),
        cmocka_unit_test(normalized_added_tokens_are_shown_normalized),
        cmocka_unit_test(nobody_forges_a_special_token),
        cmocka_unit_test(what_cannot_be_is_refused_by_name),
        cmocka_unit_test(a_missing_unknown_token_is_told_when_it_is_needed),
    };
    return cmocka_run_group_tests(tests, memory_set_up, memory_tear_down);
}
