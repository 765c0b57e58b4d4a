/* WFDB records: what small files say, every format, every way of breaking one; and real records where they are beside the project. */
#include "nn/wfdb.h"

#include "folder.h"
#include "near.h"
#include "shared.h"

#include <string.h>

static slice bytes_of(const void *bytes, size_t length)
{
    return (slice){bytes, length};
}

static void a_header_says_how_signals_lie(void **state)
{
    (void)state;
    static const char text[] = "# a comment\n"
                               "r1 4 360/360(0) 6 12:00:00 1/1/1999\r\n"
                               "\n"
                               "a.dat 212x4:2+24 200.5(-3)/mmHg 11 1024 995 -22131 0 lead  II \n"
                               "a.dat 212 0 12 7\n"
                               "a.dat 212 10/\n"
                               "b.dat 16\n"
                               "#<age>: 69\n";
    arena *a = arena_new(NULL);
    wfdb_record r;
    error err = {0};
    if (wfdb_header_parse(a, bytes_of(text, sizeof text - 1), "r1.hea", &r, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_string_equal(r.name, "r1");
    NEAR(r.frequency, 360, 0);
    assert_int_equal(r.frames, 6);
    assert_int_equal(r.count, 4);
    assert_int_equal(r.comment_count, 2);
    assert_true(slice_is(r.comments[1], "<age>: 69"));
    const wfdb_signal *s = &r.signals[0];
    assert_string_equal(s->file, "a.dat");
    assert_string_equal(s->units, "mmHg");
    assert_string_equal(s->description, "lead  II");
    assert_ptr_equal(wfdb_find(&r, "lead  II"), s);
    assert_null(wfdb_find(&r, "V5"));
    assert_int_equal(s->format, 212);
    assert_int_equal(s->per_frame, 4);
    assert_int_equal(s->skew, 2);
    assert_int_equal(s->offset, 24);
    NEAR(s->gain, 200.5, 0);
    NEAR(s->baseline, -3, 0);
    assert_int_equal(s->resolution, 11);
    assert_int_equal(s->zero, 1024);
    assert_int_equal(s->first, 995);
    assert_true(s->has_checksum);
    assert_int_equal(s->checksum, -22131);
    s = &r.signals[1]; /* a gain of 0 is an unknown one; baseline and first value are the converter's zero */
    NEAR(s->gain, 200, 0);
    NEAR(s->baseline, 7, 0);
    assert_int_equal(s->first, 7);
    assert_false(s->has_checksum);
    assert_string_equal(r.signals[2].units, "mV");
    s = &r.signals[3];
    NEAR(s->gain, 200, 0);
    assert_int_equal(s->per_frame, 1);
    assert_int_equal(s->resolution, 12);
    assert_string_equal(s->description, "");
    arena_free(a);
}

static void broken_headers_are_refused_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        status code;
        const char *word;
    } cases[] = {
        {"", STATUS_INVALID, "is no header"},
        {"# only a comment\n", STATUS_INVALID, "is no header"},
        {"r\n", STATUS_INVALID, "number of signals"},
        {"r 0\n", STATUS_INVALID, "number of signals"},
        {"r 99999999999999999999\n", STATUS_INVALID, "number of signals"},
        {"r/3 1\na 16\n", STATUS_UNSUPPORTED, "several segments"},
        {"r 1 fast\na 16\n", STATUS_INVALID, "sampling frequency"},
        {"r 1 -1\na 16\n", STATUS_INVALID, "above 0"},
        {"r 1 inf\na 16\n", STATUS_INVALID, "sampling frequency"},
        {"r 1 360 -4\na 16\n", STATUS_INVALID, "number of samples"},
        {"r 2\na 16\n", STATUS_INVALID, "describes 1 signals: its first line says 2"},
        {"r 1\na 16\nb 16\n", STATUS_INVALID, "line 3: a line too many"},
        {"r 1\na\n", STATUS_INVALID, "a format"},
        {"r 1\na 16x0\n", STATUS_INVALID, "samples in a frame"},
        {"r 1\na 16:-1\n", STATUS_INVALID, "a skew"},
        {"r 1\na 16+x\n", STATUS_INVALID, "an offset"},
        {"r 1\na 16 nan\n", STATUS_INVALID, "a gain"},
        {"r 1\na 16 200(1\n", STATUS_INVALID, "a ) behind the baseline"},
        {"r 1\na 16 200(1)x\n", STATUS_INVALID, "(baseline) and /units"},
        {"r 1\na 16 200 11 0 0 70000\n", STATUS_INVALID, "a checksum"},
        {"r 1\n../a 16\n", STATUS_INVALID, "beside the header"},
        {"r 1\n- 16\n", STATUS_INVALID, "beside the header"},
        {"r 3\na 16\nb 16\na 16\n", STATUS_INVALID, "stand between those of a"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        arena *a = arena_new(NULL);
        wfdb_record r;
        error err = {0};
        assert_int_equal(wfdb_header_parse(a, slice_of(cases[i].text), "r.hea", &r, &err), cases[i].code);
        if (!strstr(err.message, cases[i].word))
            fail_msg("case %zu: expected '%s' in: %s", i, cases[i].word, err.message);
        arena_free(a);
    }
}

/* The samples of the first file of a header. */
static status samples_of(arena *a, const char *header, slice bytes, wfdb_record *r, error *err)
{
    size_t next;
    TRY(wfdb_header_parse(a, slice_of(header), "r", r, err));
    return wfdb_samples_parse(a, r, 0, bytes, &next, err);
}

static void every_format_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        unsigned char bytes[16];
        size_t length;
        int32_t expected[4];
    } cases[] = {
        {"r 1 1 3\na 16", {0x01, 0x00, 0xff, 0xff, 0x00, 0x80}, 6, {1, -1, WFDB_MISSING}},
        {"r 1 1 3\na 61", {0x00, 0x01, 0xff, 0xfe, 0x80, 0x00}, 6, {1, -2, WFDB_MISSING}},
        {"r 1 1 3\na 80", {129, 0, 127}, 3, {1, WFDB_MISSING, -1}},
        {"r 1 1 3\na 160", {0x01, 0x80, 0x00, 0x00, 0xff, 0x7f}, 6, {1, WFDB_MISSING, -1}},
        {"r 1 1 2\na 24", {0xff, 0xff, 0x7f, 0x00, 0x00, 0x80}, 6, {8388607, WFDB_MISSING}},
        {"r 1 1 2\na 32", {0xff, 0xff, 0xff, 0x7f, 0xfe, 0xff, 0xff, 0xff}, 8, {INT32_MAX, -2}},
        /* 0x123, 0xfff, then half a pair: 0x800 */
        {"r 1 1 3\na 212", {0x23, 0xf1, 0xff, 0x00, 0x08}, 5, {0x123, -1, WFDB_MISSING}},
        {"r 1 1 2\na 16+3", {9, 9, 9, 0x34, 0x12, 0xcc, 0xed}, 7, {0x1234, -0x1234}},
        {"r 1\na 16", {5, 0, 6, 0, 7}, 5, {5, 6}}, /* as many as there are */
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        arena *a = arena_new(NULL);
        wfdb_record r;
        error err = {0};
        if (samples_of(a, cases[i].header, bytes_of(cases[i].bytes, cases[i].length), &r, &err) != STATUS_OK)
            fail_msg("%s", err.message);
        assert_int_equal(r.signals[0].count, r.frames);
        for (size_t k = 0; k < r.frames; k++)
            if (r.signals[0].samples[k] != cases[i].expected[k])
                fail_msg("%s: sample %zu is %d, expected %d", cases[i].header, k, r.signals[0].samples[k], cases[i].expected[k]);
        arena_free(a);
    }
}

/* Frames of two samples of x and one of y, which lies one frame late. */
static void frames_hold_several_samples_and_skews_are_undone(void **state)
{
    (void)state;
    static const unsigned char bytes[] = {138, 139, 120, 140, 141, 121, 142, 143, 122};
    arena *a = arena_new(NULL);
    wfdb_record r;
    error err = {0};
    if (samples_of(a, "r 2 100 3\nf 80x2 2(4)/mV 8 0 10 75 0 x\nf 80:1 1 8 0 -8 -21 0 y", bytes_of(bytes, sizeof bytes), &r, &err) !=
        STATUS_OK)
        fail_msg("%s", err.message);
    const wfdb_signal *x = wfdb_find(&r, "x"), *y = wfdb_find(&r, "y");
    assert_int_equal(x->count, 6);
    for (int i = 0; i < 6; i++)
        NEAR(wfdb_value(x, (size_t)i), (10 + i - 4) / 2.0, 0);
    assert_int_equal(y->count, 3);
    assert_int_equal(y->samples[0], -7);
    assert_int_equal(y->samples[1], -6);
    assert_int_equal(y->samples[2], WFDB_MISSING);
    assert_true(isnan(wfdb_value(y, 2)));
    arena_free(a);
}

static void samples_that_do_not_fit_are_refused_with_the_reason(void **state)
{
    (void)state;
    static const unsigned char bytes[] = {1, 0, 2, 0, 3, 0, 4, 0};
    static const struct {
        const char *header;
        status code;
        const char *word;
    } cases[] = {
        {"r 1 1 5\na 16", STATUS_INVALID, "holds 4 frames of 1 samples: the header of r says 5"},
        {"r 2 1 3\na 16\na 16", STATUS_INVALID, "holds 2 frames of 2 samples"},
        {"r 1 1 1099511627776\na 16x65536", STATUS_INVALID, "holds 0 frames"},
        {"r 1\na 16x5", STATUS_INVALID, "holds 0 frames"},
        {"r 1 1 1\na 16+9", STATUS_INVALID, "its samples begin at 9"},
        {"r 1 1 1\na 8", STATUS_UNSUPPORTED, "is of format 8"},
        {"r 2 1 1\na 16\na 80", STATUS_INVALID, "differ in format"},
        {"r 2 1 1\na 16\na 16+2", STATUS_INVALID, "differ in format or offset"},
        {"r 2 1 2\na 16 1 16 0 1 4 0 I\na 16 1 16 0 2 7 0 aVR", STATUS_INVALID, "signal 2 (aVR) in a have checksum 6: its header says 7"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        arena *a = arena_new(NULL);
        wfdb_record r;
        error err = {0};
        assert_int_equal(samples_of(a, cases[i].header, bytes_of(bytes, sizeof bytes), &r, &err), cases[i].code);
        if (!strstr(err.message, cases[i].word))
            fail_msg("case %zu: expected '%s' in: %s", i, cases[i].word, err.message);
        arena_free(a);
    }
}

/* ---- annotations ---- */
static const unsigned char marks[] = {
    0x12, 0x70,                                     /* code 28 (+) at 18 */
    0x03, 0xfc, '(', 'N', 0, 0,                     /* its text, of three bytes, filled up */
    0x09, 0x00,                                     /* nothing for 9 */
    0x32, 0x04,                                     /* code 1 (N) 50 later: 77 */
    0x01, 0xf8, 0x02, 0xf4,                         /* channel 1, subtype 2 */
    0x00, 0xec, 0x01, 0x00, 0x02, 0x00, 0x01, 0x20, /* skip 0x10002, then code 8 (A) 1 later */
    0x07, 0xf0,                                     /* number 7 */
    0x00, 0xec, 0xff, 0xff, 0xff, 0xff, 0x00, 0x14, /* skip -1, then code 5 (V) */
    0, 0,
};

static void annotations_carry_times_and_what_is_said_of_them(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    wfdb_annotations x;
    error err = {0};
    if (wfdb_annotations_parse(a, bytes_of(marks, sizeof marks), "marks", &x, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    static const struct {
        int64_t frame;
        const char *symbol;
        int subtype, channel, number;
    } expected[] = {{18, "+", 0, 0, 0}, {77, "N", 2, 1, 0}, {77 + 0x10003, "A", 0, 1, 7}, {76 + 0x10003, "V", 0, 1, 7}};
    assert_int_equal(x.count, COUNT_OF(expected));
    for (size_t i = 0; i < x.count; i++) {
        assert_int_equal(x.items[i].frame, expected[i].frame);
        assert_string_equal(wfdb_symbol(x.items[i].code), expected[i].symbol);
        assert_int_equal(x.items[i].subtype, expected[i].subtype);
        assert_int_equal(x.items[i].channel, expected[i].channel);
        assert_int_equal(x.items[i].number, expected[i].number);
        assert_int_equal(wfdb_is_beat(x.items[i].code), i > 0);
    }
    assert_true(slice_equal(x.items[0].text, (slice){"(N\0", 3}));
    assert_string_equal(wfdb_symbol(255), "?");
    assert_false(wfdb_is_beat(255));
    arena_free(a);
}

static void broken_annotations_are_refused_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        unsigned char bytes[6];
        size_t length;
        const char *word;
    } cases[] = {
        {{0}, 0, "ends within its annotations"},           {{0x12, 0x70}, 2, "ends within"},
        {{0x12, 0x70, 0}, 3, "ends within"},               {{0x12, 0x70, 0xff, 0xff, 0, 0}, 6, "ends within"},
        {{0x00, 0xec, 1, 0}, 4, "ends within"},            {{0x01, 0xf8, 0, 0}, 4, "before the first"},
        {{0x00, 0xe8, 0, 0}, 4, "byte 0 holds code 58"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        arena *a = arena_new(NULL);
        wfdb_annotations x;
        error err = {0};
        assert_int_equal(wfdb_annotations_parse(a, bytes_of(cases[i].bytes, cases[i].length), "m", &x, &err), STATUS_INVALID);
        if (!strstr(err.message, cases[i].word))
            fail_msg("case %zu: expected '%s' in: %s", i, cases[i].word, err.message);
        arena_free(a);
    }
}

/* Every bit of a header and of annotations turned, and every length: all is read or refused with a word. */
static void no_broken_bit_goes_without_a_word(void **state)
{
    (void)state;
    static const char header[] = "r 2 360 3\na 212x2:1+2 200(1)/mV 11 0 5 -9 0 I\na 212 1 2 3 4 5 6 V\n#x\n";
    char text[sizeof header];
    unsigned char bytes[sizeof marks], samples[40] = {1, 2, 3};
    for (size_t i = 0; i < 8 * sizeof header - 8; i++) {
        arena *a = arena_new(NULL);
        wfdb_record r;
        error err = {0};
        memcpy(text, header, sizeof header);
        text[i / 8] = (char)(text[i / 8] ^ 1 << i % 8);
        status s = wfdb_header_parse(a, bytes_of(text, i % 8 == 7 ? i / 8 : sizeof header - 1), "r", &r, &err);
        for (size_t k = 0; s == STATUS_OK && k < r.count;)
            s = wfdb_samples_parse(a, &r, k, bytes_of(samples, sizeof samples), &k, &err);
        assert_true(s == STATUS_OK || err.message[0]);
        arena_free(a);
    }
    for (size_t i = 0; i < 8 * sizeof marks; i++) {
        arena *a = arena_new(NULL);
        wfdb_annotations x;
        error err = {0};
        memcpy(bytes, marks, sizeof marks);
        bytes[i / 8] = (unsigned char)(bytes[i / 8] ^ 1 << i % 8);
        status s = wfdb_annotations_parse(a, bytes_of(bytes, i % 8 == 7 ? i / 8 : sizeof marks), "m", &x, &err);
        assert_true(s == STATUS_OK || err.message[0]);
        arena_free(a);
    }
}

/* ---- files ---- */
static void put(const char *path, const void *bytes, size_t length)
{
    assert_int_equal(file_write(path, bytes_of(bytes, length), NULL), STATUS_OK);
}

static void a_record_of_two_files_is_read_from_its_folder(void **state)
{
    (void)state;
    static const unsigned char one[] = {0x23, 0xf1, 0xff, 0x01, 0x00, 0x02}, two[] = {3, 0, 4, 0};
    static const char header[] = "two 3 250 2\none.dat 212 1 12 0 291 292 0 I\none.dat 212 1 12 0 -1 1 0 II\ntwo.dat 16 1 16 0 3 7 0 V\n";
    arena *a = arena_new(NULL);
    const char *hea = file_join(a, test_folder(), "two.hea"), *dat = file_join(a, test_folder(), "one.dat");
    wfdb_record r;
    error err = {0};
    put(hea, header, sizeof header - 1);
    put(dat, one, sizeof one);
    assert_int_equal(wfdb_read(a, hea, &r, &err), STATUS_NOT_FOUND);
    assert_non_null(strstr(err.message, "two.dat"));
    put(file_join(a, test_folder(), "two.dat"), two, sizeof two);
    if (wfdb_read(a, hea, &r, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    static const int32_t expected[3][2] = {{0x123, 1}, {-1, 2}, {3, 4}};
    for (int s = 0; s < 3; s++)
        for (int i = 0; i < 2; i++)
            assert_int_equal(r.signals[s].samples[i], expected[s][i]);
    unsigned char flipped[sizeof one];
    for (size_t i = 0; i < sizeof one; i++) { /* any byte changed: the checksum of a lead in that file says so */
        memcpy(flipped, one, sizeof one);
        flipped[i] ^= 0x10;
        put(dat, flipped, sizeof flipped);
        assert_int_equal(wfdb_read(a, hea, &r, &err), STATUS_INVALID);
        assert_non_null(strstr(err.message, "checksum"));
        assert_non_null(strstr(err.message, "(I"));
    }
    arena_free(a);
}

/* The record and the marks that lie in the folder. */
static status read_both(const char *hea, const char *atr, error *err)
{
    wfdb_record r;
    wfdb_annotations x;
    arena *a = arena_new(NULL);
    status s = wfdb_read(a, hea, &r, err);
    if (s == STATUS_OK)
        s = wfdb_annotations_read(a, atr, &x, err);
    arena_free(a);
    return s;
}

static void every_failed_allocation_is_an_error(void **state)
{
    (void)state;
    static const char header[] = "# c\nm 2 250 2\nm.dat 16 1/uV 12 0 1 3 0 I\nm.dat 16\n";
    static const unsigned char samples[] = {1, 0, 9, 0, 2, 0, 9, 0};
    arena *a = arena_new(NULL);
    const char *hea = file_join(a, test_folder(), "m.hea"), *atr = file_join(a, test_folder(), "m.atr");
    put(hea, header, sizeof header - 1);
    put(file_join(a, test_folder(), "m.dat"), samples, sizeof samples);
    put(atr, marks, sizeof marks);
    bool succeeded = false;
    for (unsigned long n = 1; n < 1000 && !succeeded; n++) {
        error err = {0};
        memory_fail_at(n);
        status s = read_both(hea, atr, &err);
        succeeded = memory_count() < n;
        memory_fail_at(0);
        if (s != (succeeded ? STATUS_OK : STATUS_MEMORY))
            fail_msg("allocation %lu failed and the status is '%s': %s", n, status_word(s), err.message);
    }
    assert_true(succeeded);
    arena_free(a);
}

/* MIT-BIH record 100: 650,000 samples a lead, checksums and first values of its header, the beats as its experts marked them. */
static void record_100_is_read_whole(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const char *hea = shared_data(a, "ecg-wfdb-samples/100.hea"), *atr = shared_data(a, "ecg-wfdb-samples/100.atr");
    if (!hea || !atr) {
        arena_free(a);
        skip();
    }
    wfdb_record r;
    wfdb_annotations x;
    error err = {0};
    if (wfdb_read(a, hea, &r, &err) != STATUS_OK || wfdb_annotations_read(a, atr, &x, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_int_equal(r.count, 2);
    assert_int_equal(r.frames, 650000);
    assert_int_equal(r.signals[0].samples[0], 995);
    assert_int_equal(r.signals[1].samples[0], 1011);
    assert_int_equal(r.signals[0].checksum, -22131);
    assert_int_equal(r.signals[1].checksum, 20052);
    NEAR(wfdb_value(wfdb_find(&r, "MLII"), 0), -0.145, 1e-12);
    size_t beats = 0, normal = 0, atrial = 0, ventricular = 0;
    for (size_t i = 0; i < x.count; i++) {
        const char *symbol = wfdb_symbol(x.items[i].code);
        beats += wfdb_is_beat(x.items[i].code);
        normal += strcmp(symbol, "N") == 0;
        atrial += strcmp(symbol, "A") == 0;
        ventricular += strcmp(symbol, "V") == 0;
        assert_true(x.items[i].frame >= 0 && x.items[i].frame < 650000);
    }
    assert_int_equal(beats, 2273);
    assert_int_equal(normal, 2239);
    assert_int_equal(atrial, 33);
    assert_int_equal(ventricular, 1);
    arena_free(a);
}

/* All records that are there: their checksums are compared as they are read; the first values are the header's. */
static void every_real_record_is_as_its_header_says(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const char *folder = shared_data(a, "ecg-wfdb-samples");
    if (!folder) {
        arena_free(a);
        skip();
    }
    char **names;
    size_t count, read = 0;
    assert_int_equal(file_list(a, folder, &names, &count, NULL), STATUS_OK);
    for (size_t i = 0; i < count; i++) {
        if (!slice_ends(slice_of(names[i]), SLICE(".hea")))
            continue;
        wfdb_record r;
        error err = {0};
        status s = wfdb_read(a, file_join(a, folder, names[i]), &r, &err);
        if (s == STATUS_NOT_FOUND) { /* some headers lie there without their samples */
            print_message("%s\n", err.message);
            continue;
        }
        if (s != STATUS_OK)
            fail_msg("%s", err.message);
        read++;
        for (size_t k = 0; k < r.count; k++) {
            assert_true(r.signals[k].has_checksum);
            if (!r.signals[k].skew)
                assert_int_equal(r.signals[k].samples[0], r.signals[k].first);
        }
    }
    assert_true(read > 0);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_says_how_signals_lie),
        cmocka_unit_test(broken_headers_are_refused_with_the_reason),
        cmocka_unit_test(every_format_is_read),
        cmocka_unit_test(frames_hold_several_samples_and_skews_are_undone),
        cmocka_unit_test(samples_that_do_not_fit_are_refused_with_the_reason),
        cmocka_unit_test(annotations_carry_times_and_what_is_said_of_them),
        cmocka_unit_test(broken_annotations_are_refused_with_the_reason),
        cmocka_unit_test(no_broken_bit_goes_without_a_word),
        cmocka_unit_test(a_record_of_two_files_is_read_from_its_folder),
        cmocka_unit_test(every_failed_allocation_is_an_error),
        cmocka_unit_test(record_100_is_read_whole),
        cmocka_unit_test(every_real_record_is_as_its_header_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
