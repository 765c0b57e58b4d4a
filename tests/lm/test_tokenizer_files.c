/* Tokenizers of other files: small ones made here by hand, and real ones with known answers where they are (../shared/data). */
#include "nn/gguf_bytes.h"
#include "folder.h"
#include "memory.h"
#include "shared.h"

#include "core/file.h"
#include "lm/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static tokenizer *parsed(slice file, const char *name)
{
    tokenizer *t = NULL;
    error err = {0};
    if (tokenizer_parse_any(memory, file, name, &t, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return t;
}

static void refused(slice file, const char *words)
{
    tokenizer *t;
    error err = {0};
    status code = tokenizer_parse_any(memory, file, "test file", &t, &err);
    if (code == STATUS_OK || !strstr(err.message, words))
        fail_msg("%s: \"%s\", not \"%s\"", status_word(code), err.message, words);
}

static const char *encoded(const tokenizer *t, slice text, unsigned flags)
{
    token_list ids = {.arena = memory};
    error err = {0};
    if (tokenizer_encode(t, text, flags, &ids, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    strbuf out = strbuf_new(memory, 1 << 22);
    for (size_t i = 0; i < ids.count; i++)
        strbuf_printf(&out, "%s%d", i ? " " : "", ids.ids[i]);
    return out.text ? out.text : "";
}

static const char *decoded(const tokenizer *t, const int32_t *ids, size_t count)
{
    strbuf whole = strbuf_new(memory, 1 << 16), streamed = strbuf_new(memory, 1 << 16);
    token_stream s = {0};
    assert_int_equal(tokenizer_decode(t, ids, count, &whole, NULL), STATUS_OK);
    for (size_t i = 0; i < count; i++)
        token_stream_add(&s, t, ids[i], &streamed);
    token_stream_end(&s, &streamed);
    assert_string_equal(streamed.text ? streamed.text : "", whole.text ? whole.text : "");
    return whole.text ? whole.text : "";
}

/* ---- SentencePiece ---- */

enum { NORMAL = 1, UNKNOWN, CONTROL, USER, UNUSED, BYTE };

static void put_varint(strbuf *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        strbuf_add_char(out, (char)(0x80 | (value & 0x7f)));
    strbuf_add_char(out, (char)value);
}

static void put_field(strbuf *out, unsigned number, slice bytes)
{
    put_varint(out, number << 3 | 2);
    put_varint(out, bytes.length);
    strbuf_add_slice(out, bytes);
}

static void put_flag(strbuf *out, unsigned number, uint64_t value)
{
    put_varint(out, number << 3);
    put_varint(out, value);
}

static void put_piece(strbuf *out, const char *text, float score, int type)
{
    strbuf piece = strbuf_new(memory, 1 << 10);
    put_field(&piece, 1, slice_of(text));
    put_varint(&piece, 2 << 3 | 5);
    strbuf_add_bytes(&piece, &score, 4);
    put_flag(&piece, 3, (uint64_t)type);
    put_field(out, 1, strbuf_slice(&piece));
}

typedef struct rules {
    unsigned type, bytes, prefix, extra;
} rules;

static void put_rules(strbuf *out, rules r)
{
    strbuf trainer = strbuf_new(memory, 1 << 10), normal = strbuf_new(memory, 1 << 10);
    put_flag(&trainer, 3, r.type);
    put_flag(&trainer, 35, r.bytes);
    put_flag(&normal, 3, r.prefix);
    put_flag(&normal, 4, r.extra);
    put_field(out, 2, strbuf_slice(&trainer));
    put_field(out, 3, strbuf_slice(&normal));
}

#define SPACE "\xe2\x96\x81"

/* 0 to 3: unknown, begin, end, a user's symbol; then letters and what they join to, by score. */
static strbuf small_pieces(void)
{
    strbuf f = strbuf_new(memory, 1 << 16);
    static const struct {
        const char *text;
        float score;
        int type;
    } pieces[] = {{"<unk>", 0, UNKNOWN}, {"<s>", 0, CONTROL}, {"</s>", 0, CONTROL}, {"ab!", 0, USER}, {SPACE, -9, NORMAL},
                  {"a", -8, NORMAL}, {"b", -7, NORMAL}, {"c", -6, NORMAL}, {"bc", -2, NORMAL}, {"ab", -3, NORMAL},
                  {SPACE "a", -4, NORMAL}, {"abc", -5, UNUSED}};
    for (size_t i = 0; i < COUNT_OF(pieces); i++)
        put_piece(&f, pieces[i].text, pieces[i].score, pieces[i].type);
    return f;
}

static void pieces_are_joined_by_their_scores(void **state)
{
    (void)state;
    strbuf f = small_pieces();
    put_rules(&f, (rules){.type = 2, .prefix = 1, .extra = 1});
    tokenizer *t = parsed(strbuf_slice(&f), "small.model");
    static const struct {
        const char *text, *ids;
    } cases[] = {
        {"abc", "10 8"},       /* _a b c: bc first (-2), then _a (-4); abc is never made of _a and bc */
        {"cab", "4 7 9"},      /* ab before _c, which is no piece */
        {"  a   b  ", "10 4 6"}, /* spaces at the ends go, runs become one */
        {"xab!y", "4 0 3 0"},  /* the user's symbol stays whole; x and y unknown */
        {"xxy", "4 0"},        /* unknown ones in a row are one token */
        {"<s>", "4 0"},        /* plain letters */
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_string_equal(encoded(t, slice_of(cases[i].text), 0), cases[i].ids);
    assert_string_equal(encoded(t, SLICE("<s>a"), TOKENIZER_SPECIALS), "1 10");
    assert_string_equal(decoded(t, (int32_t[]){1, 10, 8, 4, 9, 2}, 6), "abc ab");
    assert_string_equal(decoded(t, (int32_t[]){4, 4, 6, 0, 6}, 5), "b \xe2\x81\x87 b"); /* extra spaces in front go too */
}

/* An unused piece takes part in joining and then falls back into what it was joined from. */
static void unused_pieces_fall_apart(void **state)
{
    (void)state;
    strbuf f = small_pieces();
    put_rules(&f, (rules){.type = 2, .prefix = 0, .extra = 0});
    tokenizer *t = parsed(strbuf_slice(&f), "small.model");
    assert_string_equal(encoded(t, SLICE("abc"), 0), "5 8"); /* bc, then abc of a and bc */
    assert_string_equal(encoded(t, SLICE(" a"), 0), "10");
    assert_string_equal(decoded(t, (int32_t[]){10}, 1), " a"); /* nothing was put in front, nothing is taken away */
}

/* The way with the best sum of scores. */
static void unigram_pieces_take_the_best_sum(void **state)
{
    (void)state;
    strbuf f = strbuf_new(memory, 1 << 16);
    put_piece(&f, "<unk>", 0, UNKNOWN);
    put_piece(&f, "a", -3, NORMAL);
    put_piece(&f, "b", -3, NORMAL);
    put_piece(&f, "ab", -4, NORMAL);
    put_piece(&f, "ba", -1, NORMAL);
    put_piece(&f, "aba", -6, UNUSED);
    put_piece(&f, "bb", -20, USER);
    put_rules(&f, (rules){.type = 1, .prefix = 0, .extra = 0});
    tokenizer *t = parsed(strbuf_slice(&f), "small.model");
    assert_string_equal(encoded(t, SLICE("ab"), 0), "3");
    assert_string_equal(encoded(t, SLICE("aba"), 0), "1 4");   /* -4 against -7; the unused one never */
    assert_string_equal(encoded(t, SLICE("bb"), 0), "6");      /* a user's symbol counts twice the best score, less 0.1 */
    assert_string_equal(encoded(t, SLICE("abba"), 0), "3 4");  /* -5 against -3 - 2.1 - 3 */
    assert_string_equal(encoded(t, SLICE("axxb"), 0), "1 0 2");
}

static void unknown_characters_become_bytes(void **state)
{
    (void)state;
    strbuf f = strbuf_new(memory, 1 << 16);
    put_piece(&f, "<unk>", 0, UNKNOWN);
    put_piece(&f, SPACE, -1, NORMAL);
    for (unsigned b = 0; b < 256; b++)
        put_piece(&f, arena_printf(memory, "<0x%02X>", b), 0, BYTE);
    strbuf short_one = strbuf_new(memory, 1 << 16);
    strbuf_add_slice(&short_one, strbuf_slice(&f));
    put_rules(&f, (rules){.type = 2, .bytes = 1, .prefix = 1, .extra = 0});
    tokenizer *t = parsed(strbuf_slice(&f), "bytes.model");
    assert_string_equal(encoded(t, SLICE("\xc3\xa9"), 0), "1 197 171"); /* 2 + 0xc3, 2 + 0xa9 */
    assert_string_equal(decoded(t, (int32_t[]){1, 197, 171, 1, 197}, 5), "\xc3\xa9 \xef\xbf\xbd");
    assert_string_equal(decoded(t, (int32_t[]){228, 132, 67}, 3), "\xef\xbf\xbd\xef\xbf\xbd" "A"); /* each bad byte by itself */
    assert_true(slice_is(tokenizer_bytes(t, 197), "\xc3"));
    short_one.length -= 20; /* half of the last piece is missing */
    refused(strbuf_slice(&short_one), "breaks off");
}

static void wrong_models_are_refused(void **state)
{
    (void)state;
    strbuf none = strbuf_new(memory, 1 << 10), twice = strbuf_new(memory, 1 << 10), words = small_pieces(), few = small_pieces();
    put_piece(&none, "a", 0, NORMAL);
    refused(strbuf_slice(&none), "no token stands for what is unknown");
    put_piece(&twice, "<unk>", 0, UNKNOWN), put_piece(&twice, "a", 0, NORMAL), put_piece(&twice, "a", 0, NORMAL);
    refused(strbuf_slice(&twice), "two tokens are \"a\"");
    put_rules(&words, (rules){.type = 3});
    refused(strbuf_slice(&words), "of words");
    put_rules(&few, (rules){.type = 2, .bytes = 1});
    refused(strbuf_slice(&few), "0 bytes of 256");
    refused(SLICE("\nsomething"), "breaks off");
    refused(SLICE("hello"), "no tokenizer of a known kind");
    refused(SLICE(""), "no tokenizer of a known kind");
}

/* ---- small formats ---- */

static const char *base64(const char *bytes, size_t length)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned b[3] = {0};
    for (size_t i = 0; i < length; i++)
        b[i] = (unsigned char)bytes[i];
    return arena_printf(memory, "%c%c%c%c", letters[b[0] >> 2], letters[(b[0] & 3) << 4 | b[1] >> 4],
                        length > 1 ? letters[(b[1] & 15) << 2 | b[2] >> 6] : '=', length > 2 ? letters[b[2] & 63] : '=');
}

static void ranks_say_what_is_joined_first(void **state)
{
    (void)state;
    strbuf f = strbuf_new(memory, 1 << 16);
    for (unsigned b = 0; b < 256; b++) {
        char byte = (char)b;
        strbuf_printf(&f, "%s %u\n", base64(&byte, 1), b);
    }
    strbuf_printf(&f, "%s 256\n%s 257\n%s 258\n", base64("ab", 2), base64("bc", 2), base64("abb", 3));
    tokenizer *t = parsed(strbuf_slice(&f), "ranks");
    assert_string_equal(encoded(t, SLICE("abc"), 0), "256 99");
    assert_string_equal(encoded(t, SLICE("bbc"), 0), "98 257");
    assert_string_equal(encoded(t, SLICE("abb"), 0), "258");
    assert_string_equal(encoded(t, SLICE("\xc3\xa9"), 0), "195 169");
    assert_string_equal(decoded(t, (int32_t[]){258, 195, 169}, 3), "abb\xc3\xa9");
    strbuf again = strbuf_new(memory, 1 << 16);
    strbuf_add(&again, "YQ== 0\nYg== 0\n");
    refused(strbuf_slice(&again), "twice");
    refused(SLICE("YQ== 0\n"), "no token is the byte 0x00");
    refused(SLICE("YQ== 0\n!! 1\n"), "no base64");
}

static void llama2_files_hold_score_length_text(void **state)
{
    (void)state;
    strbuf f = strbuf_new(memory, 1 << 16);
    put_number(&f, 27, 4);
    for (unsigned i = 0; i < 262; i++) {
        static const char *const words[] = {"<unk>", "\n<s>\n", "\n</s>\n"}, *const learned[] = {" ", "a", " a"};
        const char *text = i < 3 ? words[i] : i < 259 ? arena_printf(memory, "<0x%02X>", i - 3) : learned[i - 259];
        float score = i < 261 ? -10 : -1;
        strbuf_add_bytes(&f, &score, 4);
        put_number(&f, strlen(text), 4);
        strbuf_add(&f, text);
    }
    tokenizer *t = parsed(strbuf_slice(&f), "tokenizer.bin");
    assert_string_equal(encoded(t, SLICE("a ab"), 0), "261 261 101");
    assert_string_equal(encoded(t, SLICE("<s>a"), TOKENIZER_SPECIALS), "1 261");
    assert_string_equal(decoded(t, (int32_t[]){1, 261, 261, 101}, 4), "a ab");
    f.length--;
    refused(strbuf_slice(&f), "the tokens end at byte");
}

static void gpt2_folders_hold_vocabulary_and_merges(void **state)
{
    (void)state;
    const char *folder = file_join(memory, test_folder(), "gpt2");
    assert_int_equal(file_make_folders(folder, NULL), STATUS_OK);
    assert_int_equal(file_write(file_join(memory, folder, "vocab.json"),
                                SLICE("{\"a\": 0, \"b\": 1, \"\xc4\xa0\": 2, \"ab\": 3, \"\xc4\xa0" "ab\": 4, \"<|endoftext|>\": 5}"), NULL), STATUS_OK);
    assert_int_equal(file_write(file_join(memory, folder, "merges.txt"), SLICE("#version: 0.2\na b\n\xc4\xa0 ab\n"), NULL), STATUS_OK);
    tokenizer *t = NULL;
    error err = {0};
    if (tokenizer_open(memory, folder, &t, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_string_equal(encoded(t, SLICE("ab ab<|endoftext|>"), TOKENIZER_SPECIALS), "3 4 5");
    assert_string_equal(decoded(t, (int32_t[]){3, 4, 5}, 3), "ab ab");
    strbuf text = strbuf_new(memory, 1 << 16), print = strbuf_new(memory, 1 << 16);
    tokenizer_piece(t, 4, &text);
    assert_string_equal(text.text, "\xc4\xa0" "ab");
    assert_int_equal(tokenizer_print(t, &print, NULL), STATUS_UNSUPPORTED); /* it is no tokenizer.json */
    assert_int_equal(tokenizer_fingerprint(t, &print, NULL), STATUS_OK);
}

/* ---- GGUF ---- */

static slice small_gguf(const char *model, const char *pre)
{
    strbuf f = strbuf_new(memory, 1 << 16);
    static const char *const tokens[] = {"a", "b", "\xc4\xa0", "ab", "<|x|>", "1", "2"};
    put_head(&f, 3, 0, 5);
    put_text(&f, "tokenizer.ggml.model", model);
    put_text(&f, "tokenizer.ggml.pre", pre);
    put_array(&f, "tokenizer.ggml.tokens", GGUF_STRING, COUNT_OF(tokens));
    for (size_t i = 0; i < COUNT_OF(tokens); i++)
        put_string(&f, tokens[i]);
    put_array(&f, "tokenizer.ggml.token_type", GGUF_I32, COUNT_OF(tokens));
    for (size_t i = 0; i < COUNT_OF(tokens); i++)
        put_number(&f, i == 4 ? CONTROL : NORMAL, 4);
    put_array(&f, "tokenizer.ggml.merges", GGUF_STRING, 1);
    put_string(&f, "a b");
    return strbuf_slice(&f);
}

static void gguf_vocabularies_are_read(void **state)
{
    (void)state;
    tokenizer *t = parsed(small_gguf("gpt2", "gpt-2"), "small.gguf");
    assert_string_equal(encoded(t, SLICE("ab a<|x|>"), TOKENIZER_SPECIALS), "3 2 0 4");
    assert_string_equal(encoded(t, SLICE("12"), 0), "5 6");
    refused(small_gguf("gpt2", "gpt-9"), "\"gpt-9\"");
    refused(small_gguf("rwkv", "gpt-2"), "\"rwkv\"");
    refused(small_gguf("llama", "gpt-2"), "tokenizer.ggml.scores");
}

/* ---- real files ---- */

/* Texts in parts between lines "__ggml_vocab_test__", the ids of each on a line. */
static void check_vectors(const tokenizer *t, const char *stem)
{
    slice texts, answers, line, mark = SLICE("\n__ggml_vocab_test__\n");
    assert_int_equal(file_read(memory, arena_printf(memory, "%s.inp", stem), 1 << 20, &texts, NULL), STATUS_OK);
    assert_int_equal(file_read(memory, arena_printf(memory, "%s.out", stem), 1 << 20, &answers, NULL), STATUS_OK);
    size_t checked = 0;
    for (size_t at = 0; at <= texts.length && slice_cut(&answers, '\n', &line); checked++) {
        size_t end = slice_find(texts, mark, at);
        slice text = slice_sub(texts, at, end == SIZE_MAX ? texts.length : end);
        const char *ids = encoded(t, text, 0);
        if (!slice_is(slice_trim(line), ids))
            fail_msg("%s: \"" SLICE_FORMAT "\" gives %s, not " SLICE_FORMAT, stem, SLICE_ARGS(text), ids, SLICE_ARGS(line));
        at = end == SIZE_MAX ? texts.length + 1 : end + mark.length;
    }
    assert_true(checked > 30);
    print_message("%s: %zu texts\n", stem, checked);
}

static void vocabularies_with_known_answers_give_them(void **state)
{
    (void)state;
    char **names;
    size_t count;
    const char *folder = shared_data(memory, "gguf-vocab");
    if (!folder)
        skip();
    assert_int_equal(file_list(memory, folder, &names, &count, NULL), STATUS_OK);
    for (size_t i = 0; i < count; i++) {
        slice name = slice_of(names[i]), file;
        if (!slice_ends(name, SLICE(".gguf.gz")))
            continue;
        const char *path = file_join(memory, folder, names[i]);
        assert_int_equal(file_read_gz(memory, path, 64 << 20, &file, NULL), STATUS_OK);
        check_vectors(parsed(file, path), arena_strndup(memory, path, strlen(path) - 3));
    }
}

static void stories_begin_as_published(void **state)
{
    (void)state;
    const char *path = shared_data(memory, "lm-stories260k/tok512.bin");
    tokenizer *t;
    if (!path)
        skip();
    assert_int_equal(tokenizer_open(memory, path, &t, NULL), STATUS_OK);
    assert_string_equal(encoded(t, SLICE("Once upon a time"), 0), "403 407 261 378");
    assert_string_equal(decoded(t, (int32_t[]){1, 403, 407, 261, 378}, 5), "Once upon a time");
}

/* The same tokenizer in two forms gives the same ids. */
static void llama2_is_the_same_in_both_files(void **state)
{
    (void)state;
    const char *model = shared_data(memory, "lm-llama2-tokenizer/tokenizer.model"), *bin = shared_data(memory, "lm-llama2-tokenizer/tokenizer.bin");
    const char *german = shared_data(memory, "gpt2-bpe/german.txt");
    tokenizer *a, *b;
    slice text;
    if (!model || !bin || !german)
        skip();
    assert_int_equal(tokenizer_open(memory, model, &a, NULL), STATUS_OK);
    assert_int_equal(tokenizer_open(memory, bin, &b, NULL), STATUS_OK);
    assert_int_equal(tokenizer_size(a), 32000);
    assert_int_equal(tokenizer_size(b), 32000);
    assert_int_equal(file_read(memory, german, 1 << 20, &text, NULL), STATUS_OK);
    const char *ids = encoded(a, text, 0);
    assert_string_equal(ids, encoded(b, text, 0));
    assert_string_equal(encoded(a, SLICE("Hello world"), 0), "15043 3186"); /* what everybody knows of it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_joined_by_their_scores),
        cmocka_unit_test(unused_pieces_fall_apart),
        cmocka_unit_test(unigram_pieces_take_the_best_sum),
        cmocka_unit_test(unknown_characters_become_bytes),
        cmocka_unit_test(wrong_models_are_refused),
        cmocka_unit_test(ranks_say_what_is_joined_first),
        cmocka_unit_test(llama2_files_hold_score_length_text),
        cmocka_unit_test(gpt2_folders_hold_vocabulary_and_merges),
        cmocka_unit_test(gguf_vocabularies_are_read),
        cmocka_unit_test(vocabularies_with_known_answers_give_them),
        cmocka_unit_test(stories_begin_as_published),
        cmocka_unit_test(llama2_is_the_same_in_both_files),
    };
    return cmocka_run_group_tests(tests, memory_set_up, memory_tear_down);
}
