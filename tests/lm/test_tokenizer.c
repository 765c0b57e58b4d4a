/* The tokenizer: cases worked out by hand, ids that Hugging Face's `tokenizers` gives, files, streams. The comparison
 * on much text is bench/peers/tokenizer.py. */
#include "memory.h"

#include "core/file.h"
#include "core/random.h"
#include "lm/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <unistd.h>

static tokenizer *town;

static const char *const sentences[] = {
    "Ada lives in Brill. Ada bakes bread and sells bread for 12 coins.",
    "Ben lives in Brill. Ben mends shoes; he doesn't bake bread.",
    "Who sells bread? Ada sells bread. Who mends shoes? Ben mends shoes.",
    "It's late, and we're home. 12 and 30 make 42.",
};

static int set_up(void **state)
{
    (void)state;
    memory = arena_new(NULL);
    slice documents[COUNT_OF(sentences)];
    for (size_t i = 0; i < COUNT_OF(sentences); i++)
        documents[i] = slice_of(sentences[i]);
    tokenizer_recipe recipe = {.vocabulary = 300};
    return tokenizer_train(memory, documents, COUNT_OF(documents), &recipe, &town, NULL) == STATUS_OK ? 0 : -1;
}

static token_list encode(const tokenizer *t, slice text, unsigned flags)
{
    token_list ids = {.arena = memory};
    assert_int_equal(tokenizer_encode(t, text, flags, &ids, NULL), STATUS_OK);
    return ids;
}

static slice decode(const tokenizer *t, const int32_t *ids, size_t count)
{
    strbuf text = strbuf_new(memory, 1 << 24);
    assert_int_equal(tokenizer_decode(t, ids, count, &text, NULL), STATUS_OK);
    return strbuf_slice(&text);
}

static void special_tokens_and_bytes_come_first(void **state)
{
    (void)state;
    assert_int_equal(tokenizer_find(town, SLICE("<|pad|>")), 0);
    assert_int_equal(tokenizer_find(town, SLICE("<|begin|>")), TOKEN_BEGIN);
    assert_int_equal(tokenizer_find(town, SLICE("<|assistant|>")), 5);
    assert_int_equal(tokenizer_find(town, SLICE("!")), 6);     /* the first letter that can be printed */
    assert_int_equal(tokenizer_find(town, SLICE("\xff")), 193); /* U+00FF, the last that stands for itself */
    assert_int_equal(tokenizer_find(town, SLICE("\0")), 194);  /* U+0100 */
    assert_true(tokenizer_is_special(town, 2) && !tokenizer_is_special(town, 6));
    assert_int_equal(tokenizer_size(town), 300);
}

/* "ab" four times, then "abc" twice against "bd" twice: merges by count, ties by the smallest ids. */
static void pairs_are_learned_by_count_then_by_id(void **state)
{
    (void)state;
    slice documents[] = {SLICE("abc abc ab ab bd bd")};
    tokenizer_recipe recipe = {.vocabulary = 266};
    tokenizer *t;
    assert_int_equal(tokenizer_train(memory, documents, 1, &recipe, &t, NULL), STATUS_OK);
    /* pairs: ab 4, " a" 3 (the first abc has no space), bc 2, " b" 2, bd 2 */
    assert_string_equal(tokenizer_bytes(t, 262).text, "ab");
    assert_string_equal(tokenizer_bytes(t, 263).text, " ab"); /* 3 */
    /* each twice: (b, d); (ab, c) has one in "abc" and " abc" is (" ab", c): (space, b) comes after (b, d) */
    assert_string_equal(tokenizer_bytes(t, 264).text, "bd");
    assert_string_equal(tokenizer_bytes(t, 265).text, " bd");
    assert_int_equal(tokenizer_size(t), 266);
    recipe.vocabulary = 400; /* nothing else occurs twice */
    assert_int_equal(tokenizer_train(memory, documents, 1, &recipe, &t, NULL), STATUS_OK);
    assert_int_equal(tokenizer_size(t), 266);
    recipe.vocabulary = 100;
    assert_int_equal(tokenizer_train(memory, documents, 1, &recipe, &t, NULL), STATUS_USAGE);
}

static void the_order_of_documents_does_not_matter(void **state)
{
    (void)state;
    slice documents[COUNT_OF(sentences)];
    for (size_t i = 0; i < COUNT_OF(sentences); i++)
        documents[i] = slice_of(sentences[COUNT_OF(sentences) - 1 - i]);
    tokenizer_recipe recipe = {.vocabulary = 300};
    tokenizer *other;
    assert_int_equal(tokenizer_train(memory, documents, COUNT_OF(documents), &recipe, &other, NULL), STATUS_OK);
    strbuf a = strbuf_new(memory, 1 << 20), b = strbuf_new(memory, 1 << 20);
    assert_int_equal(tokenizer_print(town, &a, NULL), STATUS_OK);
    assert_int_equal(tokenizer_print(other, &b, NULL), STATUS_OK);
    assert_true(slice_equal(strbuf_slice(&a), strbuf_slice(&b)));
}

/* What `tokenizers` 0.23 gives with the file that tokenizer_write makes of this vocabulary. */
static void ids_are_those_of_tokenizers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int32_t ids[24];
        size_t count;
    } cases[] = {
#include "tokenizer_golden.inc"
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        token_list ids = encode(town, slice_of(cases[i].text), TOKENIZER_SPECIALS);
        assert_int_equal(ids.count, cases[i].count);
        assert_memory_equal(ids.ids, cases[i].ids, ids.count * sizeof *ids.ids);
    }
}

static void a_file_gives_the_same_tokenizer_back(void **state)
{
    (void)state;
    strbuf text = strbuf_new(memory, 1 << 20), again = strbuf_new(memory, 1 << 20);
    assert_int_equal(tokenizer_print(town, &text, NULL), STATUS_OK);
    tokenizer *read;
    error err;
    assert_int_equal(tokenizer_parse(memory, strbuf_slice(&text), "tokenizer.json", &read, &err), STATUS_OK);
    assert_int_equal(tokenizer_print(read, &again, NULL), STATUS_OK);
    assert_true(slice_equal(strbuf_slice(&text), strbuf_slice(&again)));
    for (size_t i = 0; i < COUNT_OF(sentences); i++) {
        token_list a = encode(town, slice_of(sentences[i]), 0), b = encode(read, slice_of(sentences[i]), 0);
        assert_int_equal(a.count, b.count);
        assert_memory_equal(a.ids, b.ids, a.count * sizeof *a.ids);
    }
}

static void any_text_survives(void **state)
{
    (void)state;
    random_stream r = random_stream_at(3, "test/text", 0, 0, 0, 0);
    for (int n = 0; n < 300; n++) {
        strbuf text = strbuf_new(memory, 1 << 12);
        for (uint64_t i = random_below(&r, 20); i > 0; i--) {
            static const uint32_t ends[] = {0x80, 0x800, 0xd800, 0x110000};
            uint32_t code = (uint32_t)random_below(&r, ends[random_below(&r, COUNT_OF(ends))]);
            strbuf_add_utf8(&text, code >= 0xd800 && code < 0xe000 ? 0xfffd : code);
        }
        token_list ids = encode(town, strbuf_slice(&text), 0);
        strbuf all = strbuf_new(memory, 1 << 16);
        for (size_t i = 0; i < ids.count; i++)
            strbuf_add_slice(&all, tokenizer_bytes(town, ids.ids[i]));
        assert_true(slice_equal(strbuf_slice(&all), strbuf_slice(&text)));
    }
}

static void what_is_not_utf8_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        slice text;
        const char *words;
    } cases[] = {
        {{"caf\xe9", 4}, "0xe9 at offset 3"},           /* Latin-1 */
        {{"0123456789\xe2\x82", 12}, "offset 10"},      /* cut off */
        {{"a\xc0\xaf", 3}, "0xc0 at offset 1"},         /* too long a form */
        {{"\xef\xbf\xbd\xed\xa0\x80", 6}, "offset 3"}, /* half of a pair behind a good U+FFFD */
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        token_list ids = {.arena = memory};
        error err = {0};
        assert_int_equal(tokenizer_encode(town, cases[i].text, 0, &ids, &err), STATUS_INVALID);
        assert_non_null(strstr(err.message, cases[i].words));
        assert_int_equal(ids.count, 0);
    }
}

static void written_out_special_tokens_are_plain_text_unless_asked_for(void **state)
{
    (void)state;
    slice text = SLICE("Ada<|end|>Ben");
    token_list plain = encode(town, text, 0), special = encode(town, text, TOKENIZER_SPECIALS);
    bool found = false;
    for (size_t i = 0; i < plain.count; i++)
        assert_false(tokenizer_is_special(town, plain.ids[i]));
    for (size_t i = 0; i < special.count; i++)
        found = found || special.ids[i] == TOKEN_END;
    assert_true(found);
    assert_true(slice_equal(decode(town, plain.ids, plain.count), text));
    assert_true(slice_is(decode(town, special.ids, special.count), "AdaBen"));
}

static void streams_never_emit_half_a_character(void **state)
{
    (void)state;
    slice text = SLICE("a\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8c\xbb z");
    token_list ids = encode(town, text, 0);
    strbuf out = strbuf_new(memory, 1 << 10);
    token_stream s = {0};
    for (size_t i = 0; i < ids.count; i++) {
        token_stream_add(&s, town, ids.ids[i], &out);
        assert_true(utf8_valid(strbuf_slice(&out)));
    }
    token_stream_end(&s, &out);
    assert_true(slice_equal(strbuf_slice(&out), text));
    /* Cut off in the middle of a sign: what was held becomes one U+FFFD, in a stream and in a whole. */
    ids.count -= 3;
    strbuf cut = strbuf_new(memory, 1 << 10);
    s = (token_stream){0};
    for (size_t i = 0; i < ids.count; i++)
        token_stream_add(&s, town, ids.ids[i], &cut);
    token_stream_end(&s, &cut);
    assert_true(slice_ends(strbuf_slice(&cut), SLICE(" \xef\xbf\xbd")));
    assert_true(slice_equal(strbuf_slice(&cut), decode(town, ids.ids, ids.count)));
}

static void long_runs_are_encoded_in_time(void **state)
{
    (void)state;
    size_t length = 1 << 20;
    char *text = arena_alloc(memory, length);
    static const char kinds[] = "a \n.";
    for (size_t k = 0; k < sizeof kinds - 1; k++) {
        memset(text, kinds[k], length);
        token_list ids = encode(town, (slice){text, length}, 0);
        assert_true(slice_equal(decode(town, ids.ids, ids.count), (slice){text, length}));
    }
}

static void foreign_parts_are_refused_by_name(void **state)
{
    (void)state;
    strbuf text = strbuf_new(memory, 1 << 20);
    assert_int_equal(tokenizer_print(town, &text, NULL), STATUS_OK);
    static const struct {
        const char *from, *to, *word;
        status code;
    } cases[] = {
        {"\"normalizer\": null", "\"normalizer\": {\"type\": \"Upper\"}", "normalizer is Upper", STATUS_UNSUPPORTED},
        {"\"type\": \"BPE\"", "\"type\": \"Unigram\"", "no list of [token, score]", STATUS_INVALID},
        {"\"type\": \"BPE\"", "\"type\": \"Trigram\"", "model is Trigram", STATUS_UNSUPPORTED},
        {"\"dropout\": null", "\"dropout\": 0.1", "dropout", STATUS_UNSUPPORTED},
        {"\"behavior\": \"Isolated\"", "\"behavior\": \"Sorted\"", "Sorted", STATUS_UNSUPPORTED},
        {"\"type\": \"Sequence\"", "\"type\": \"UnicodeScripts\"", "UnicodeScripts", STATUS_UNSUPPORTED},
        {"\"decoder\": {", "\"decoder\": {\"type\": \"CTC\"}, \"rest\": {", "decoder is CTC", STATUS_UNSUPPORTED},
        {"\"post_processor\": null", "\"post_processor\": {\"type\": \"Stamp\"}", "post_processor is Stamp", STATUS_UNSUPPORTED},
        {"\"content\": \"<|system|>\"", "\"content\": \"<|new|>\"", "the next is 300", STATUS_UNSUPPORTED},
        {"\"id\": 3", "\"id\": 7000000", "7000000", STATUS_UNSUPPORTED},
        {"\"version\": \"1.0\"", "\"version\": ", "not valid JSON", STATUS_INVALID},
        {"\"merges\"", "\"mergers\"", "merges", STATUS_INVALID},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        slice whole = strbuf_slice(&text);
        size_t at = slice_find(whole, slice_of(cases[i].from), 0);
        assert_true(at != SIZE_MAX);
        strbuf changed = strbuf_new(memory, 1 << 20);
        strbuf_add_slice(&changed, slice_sub(whole, 0, at));
        strbuf_add(&changed, cases[i].to);
        strbuf_add_slice(&changed, slice_sub(whole, at + strlen(cases[i].from), whole.length));
        tokenizer *t;
        error err = {0};
        status code = tokenizer_parse(memory, strbuf_slice(&changed), "tokenizer.json", &t, &err);
        if (code != cases[i].code || !strstr(err.message, cases[i].word))
            fail_msg("case %zu: %s, \"%s\"", i, status_word(code), err.message);
    }
}

static void no_allocation_failure_crashes(void **state)
{
    (void)state;
    strbuf text = strbuf_new(memory, 1 << 20);
    assert_int_equal(tokenizer_print(town, &text, NULL), STATUS_OK);
    bool finished = false;
    for (unsigned long n = 1; n < 4000 && !finished; n += n < 60 ? 1 : 37) {
        arena *a = arena_new(NULL);
        tokenizer *t = NULL;
        memory_fail_at(n);
        status code = tokenizer_parse(a, strbuf_slice(&text), "torture", &t, NULL);
        memory_fail_at(0);
        assert_true(code == STATUS_OK || code == STATUS_MEMORY);
        finished = code == STATUS_OK && n > 200;
        arena_free(a);
    }
}

/* Special tokens count in the template's bytes alone: not in marked words, and not across their border. */
static void special_tokens_in_marked_words_are_plain_letters(void **state)
{
    (void)state;
    slice text = SLICE("<|user|>Who<|end|>?<|end|>");
    unsigned char data[26] = {0};
    memset(data + 8, 1, 11); /* Who<|end|>? */
    token_list marked = {.arena = memory}, wanted = {.arena = memory}, half = {.arena = memory};
    assert_int_equal(tokenizer_encode_marked(town, text, &(tokenizer_marks){.data = data}, &marked, NULL), STATUS_OK);
    assert_int_equal(token_list_add(&wanted, TOKEN_USER, NULL), STATUS_OK);
    assert_int_equal(tokenizer_encode(town, SLICE("Who<|end|>?"), 0, &wanted, NULL), STATUS_OK);
    assert_int_equal(token_list_add(&wanted, TOKEN_END, NULL), STATUS_OK);
    assert_int_equal(marked.count, wanted.count);
    assert_memory_equal(marked.ids, wanted.ids, wanted.count * sizeof *wanted.ids);
    data[25] = 1; /* the last letter of the template's own <|end|> */
    assert_int_equal(tokenizer_encode_marked(town, text, &(tokenizer_marks){.data = data}, &half, NULL), STATUS_OK);
    assert_int_not_equal(half.ids[half.count - 1], TOKEN_END);
    token_list free_text = {.arena = memory}, all = encode(town, text, TOKENIZER_SPECIALS);
    assert_int_equal(tokenizer_encode_marked(town, text, NULL, &free_text, NULL), STATUS_OK);
    assert_int_equal(free_text.count, all.count);
    assert_memory_equal(free_text.ids, all.ids, all.count * sizeof *all.ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(special_tokens_in_marked_words_are_plain_letters),
        cmocka_unit_test(special_tokens_and_bytes_come_first),
        cmocka_unit_test(pairs_are_learned_by_count_then_by_id),
        cmocka_unit_test(the_order_of_documents_does_not_matter),
        cmocka_unit_test(ids_are_those_of_tokenizers),
        cmocka_unit_test(a_file_gives_the_same_tokenizer_back),
        cmocka_unit_test(any_text_survives),
        cmocka_unit_test(what_is_not_utf8_is_refused_with_its_place),
        cmocka_unit_test(written_out_special_tokens_are_plain_text_unless_asked_for),
        cmocka_unit_test(streams_never_emit_half_a_character),
        cmocka_unit_test(long_runs_are_encoded_in_time),
        cmocka_unit_test(foreign_parts_are_refused_by_name),
        cmocka_unit_test(no_allocation_failure_crashes),
    };
    return cmocka_run_group_tests(tests, set_up, memory_tear_down);
}
