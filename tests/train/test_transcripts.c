/* Pairs in the format of hh-rlhf: what is read, what is skipped, what is refused. */
#include "memory.h"
#include "shared.h"

#include "core/file.h"
#include "train/transcripts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

static transcript_list must_read(const char *text)
{
    transcript_list list;
    error err = {0};
    if (transcripts_parse(memory, slice_of(text), "pairs.jsonl", 0, &list, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return list;
}

static void must_refuse(const char *text, const char *words)
{
    transcript_list list;
    error err = {0};
    assert_int_equal(transcripts_parse(memory, slice_of(text), "pairs.jsonl", 0, &list, &err), STATUS_INVALID);
    if (!strstr(err.message, words))
        fail_msg("expected '%s' in: %s", words, err.message);
}

#define GOOD                                                                                                       \
    "{\"chosen\": \"\\n\\nHuman: Hi\\n\\nAssistant: Hello.\\n\\nHuman: And?\\n\\nAssistant: No.\", "                   \
    "\"rejected\": \"\\n\\nHuman: Hi\\n\\nAssistant: Hello.\\n\\nHuman: And?\\n\\nAssistant: Yes.\", \"other\": 1}\n"

static void turns_are_cut(void **state)
{
    (void)state;
    transcript_list list = must_read(GOOD "\n" GOOD);
    assert_int_equal(list.count, 2);
    const transcript_pair *p = &list.pairs[1];
    assert_int_equal(p->prompt.count, 3);
    assert_string_equal(p->prompt.turns[0].text, "Hi");
    assert_int_equal(p->prompt.turns[1].role, ROLE_ASSISTANT);
    assert_string_equal(p->prompt.turns[2].text, "And?");
    assert_string_equal(p->chosen, "No.");
    assert_string_equal(p->rejected, "Yes.");
}

static void what_is_no_pair_of_replies_is_counted(void **state)
{
    (void)state;
    transcript_list list = must_read(
        GOOD
        "{\"chosen\": \"\\n\\nHuman: Hi\\n\\nAssistant: A\", \"rejected\": \"\\n\\nHuman: Ho\\n\\nAssistant: B\"}\n"
        "{\"chosen\": \"\\n\\nHuman: Hi\\n\\nAssistant: A\", \"rejected\": \"\\n\\nHuman: Hi\\n\\nAssistant: A\"}\n"
        "{\"chosen\": \"\\n\\nHuman: Hi\\n\\nAssistant:\", \"rejected\": \"\\n\\nHuman: Hi\\n\\nAssistant: A\"}\n");
    assert_int_equal(list.count, 1);
    assert_int_equal(list.skipped, 3);
}

static void bad_files_are_named(void **state)
{
    (void)state;
    must_refuse(GOOD "{\"chosen\": \"\\n\\nHuman: Hi\\n\\nAssistant: A\"}", "pairs.jsonl:2: expected an object with the text \"rejected\"");
    must_refuse("[1]", "pairs.jsonl:1: expected an object");
    must_refuse("{\"chosen\": 3, \"rejected\": \"\"}", "another type");
    must_refuse("{\"chosen\": \"Hi\", \"rejected\": \"Hi\"}", "begins with");
    must_refuse("{\"chosen\": \"\\n\\nHuman: Hi\", \"rejected\": \"\\n\\nHuman: Hi\"}", "ends with the assistant's turn");
    must_refuse("\n\n", "found none");
    must_refuse(GOOD "{", "pairs.jsonl:2");
}

/* The published file, where it lies: 2,312 lines. */
static void the_published_file_is_read(void **state)
{
    (void)state;
    const char *path = shared_data(memory, "hh-rlhf/harmless-base-test.jsonl.gz");
    if (!path)
        skip();
    transcript_list list, few;
    error err = {0};
    if (transcripts_read(memory, path, 0, &list, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_int_equal(list.count + list.skipped, 2312);
    assert_true(list.skipped < 50);
    assert_int_equal(transcripts_read(memory, path, 100, &few, NULL), STATUS_OK);
    assert_int_equal(few.count, 100);
    assert_string_equal(few.pairs[99].chosen, list.pairs[99].chosen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_are_cut),
        cmocka_unit_test(what_is_no_pair_of_replies_is_counted),
        cmocka_unit_test(bad_files_are_named),
        cmocka_unit_test(the_published_file_is_read),
    };
    return cmocka_run_group_tests(tests, memory_set_up, memory_tear_down);
}
