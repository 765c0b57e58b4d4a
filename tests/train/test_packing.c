/* Batches: every document once an epoch, in order, whole; positions, starts, weights; resuming at a place. */
#include "train/packing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

enum { DOCUMENTS = 50, TOKENS = 64 };

static int32_t tokens[DOCUMENTS][16];
static uint8_t counted[DOCUMENTS][16];
static token_document documents[DOCUMENTS];

/* Document i: 3 + i % 9 tokens, all of them 100 i + place; odd documents count the second half only. */
static void make_documents(void)
{
    for (int i = 0; i < DOCUMENTS; i++) {
        uint32_t n = 3 + (uint32_t)i % 9;
        for (uint32_t k = 0; k < n; k++) {
            tokens[i][k] = 100 * i + (int32_t)k;
            counted[i][k] = i % 2 == 0 || k >= n / 2;
        }
        documents[i] = (token_document){tokens[i], counted[i], n};
    }
}

static void start(arena *a, packing_order *order, packed_batch *batch)
{
    unsigned char seed[SHA256_BYTES] = {7};
    make_documents();
    assert_int_equal(packing_order_new(a, seed, DOCUMENTS, order, NULL), STATUS_OK);
    assert_int_equal(packed_batch_new(a, TOKENS, batch, NULL), STATUS_OK);
}

/* Checks a batch and counts the documents seen in it. */
static void check_batch(const packed_batch *b, int *seen)
{
    for (size_t i = 0; i < TOKENS;) {
        assert_int_equal(b->starts[i], i);
        if (b->tokens[i] == -1) { /* padding */
            assert_true(b->weights[i] == 0);
            i++;
            continue;
        }
        int d = b->tokens[i] / 100;
        size_t n = documents[d].count;
        for (size_t k = 0; k < n; k++) {
            assert_int_equal(b->tokens[i + k], 100 * d + (int)k);
            assert_int_equal(b->positions[i + k], k);
            assert_int_equal(b->starts[i + k], i);
            assert_int_equal(b->weights[i + k] > 0, k + 1 < n && counted[d][k + 1]);
            if (k + 1 < n)
                assert_int_equal(b->targets[i + k], 100 * d + (int)k + 1);
        }
        seen[d]++;
        i += n;
    }
}

static void all_documents_come_once_an_epoch(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    packing_order order;
    packed_batch batch;
    start(a, &order, &batch);
    packing p = {documents, DOCUMENTS, TOKENS, 16, -1};
    uint64_t place = 0;
    int seen[DOCUMENTS] = {0};
    while (place < DOCUMENTS) {
        uint64_t before = place;
        assert_int_equal(packing_next(&p, &order, &place, &batch, NULL), STATUS_OK);
        assert_int_equal(batch.first, before);
        assert_int_equal(batch.end, place);
        check_batch(&batch, seen);
        double sum = 0;
        for (int i = 0; i < TOKENS; i++)
            sum += (double)batch.weights[i];
        assert_true(fabs(sum - 1) < 1e-5);
    }
    for (; place > DOCUMENTS; place--) /* what the second epoch has seen so far */
        seen[packing_order_at(&order, place - 1)]--;
    for (int i = 0; i < DOCUMENTS; i++)
        assert_int_equal(seen[i], 1);
    arena_free(a);
}

static void a_batch_can_be_made_again_from_its_place(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    packing_order order, again;
    packed_batch batch, other;
    start(a, &order, &batch);
    start(a, &again, &other);
    packing p = {documents, DOCUMENTS, TOKENS, 16, -1};
    uint64_t place = 0;
    for (int i = 0; i < 12; i++)
        assert_int_equal(packing_next(&p, &order, &place, &batch, NULL), STATUS_OK);
    uint64_t from = batch.first;
    assert_true(from > DOCUMENTS);
    assert_int_equal(packing_next(&p, &again, &from, &other, NULL), STATUS_OK);
    assert_memory_equal(batch.tokens, other.tokens, TOKENS * sizeof *batch.tokens);
    from = 0;
    assert_int_equal(packing_next(&p, &order, &from, &batch, NULL), STATUS_OK); /* going back is allowed */
    from = 0;
    packing_order fresh;
    start(a, &fresh, &other);
    assert_int_equal(packing_next(&p, &fresh, &from, &other, NULL), STATUS_OK);
    assert_memory_equal(batch.tokens, other.tokens, TOKENS * sizeof *batch.tokens);
    arena_free(a);
}

static void documents_can_come_as_they_were_made(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    packing_order order;
    packed_batch batch;
    start(a, &order, &batch);
    order.made = true;
    packing p = {documents, DOCUMENTS, TOKENS, 16, -1};
    uint64_t place = 0;
    int seen[DOCUMENTS] = {0};
    assert_int_equal(packing_next(&p, &order, &place, &batch, NULL), STATUS_OK);
    check_batch(&batch, seen);
    for (uint64_t i = 0; i < DOCUMENTS; i++)
        assert_int_equal(seen[i], i < place);
    assert_int_equal(packing_order_at(&order, DOCUMENTS + 3), 3);
    assert_int_equal(packing_order_at(&order, 2), 2);
    arena_free(a);
}

static void refuses_documents_that_do_not_fit(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    packing_order order;
    packed_batch batch;
    start(a, &order, &batch);
    packing p = {documents, DOCUMENTS, TOKENS, 8, -1};
    uint64_t place = 0;
    error err = {0};
    status result = STATUS_OK;
    for (int i = 0; i < 20 && result == STATUS_OK; i++)
        result = packing_next(&p, &order, &place, &batch, &err);
    assert_int_equal(result, STATUS_INVALID);
    assert_non_null(strstr(err.message, "expected documents of 2 to 8 tokens"));
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_documents_come_once_an_epoch),
        cmocka_unit_test(a_batch_can_be_made_again_from_its_place),
        cmocka_unit_test(documents_can_come_as_they_were_made),
        cmocka_unit_test(refuses_documents_that_do_not_fit),
    };
    return cmocka_run_group_tests_name("train/packing", tests, NULL, NULL);
}
