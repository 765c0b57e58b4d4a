/* Attention against the reference in f64; the same bits alone, packed among others, over the cache in any company, on any
 * number of threads and every instruction set. */
#include "compare.h"
#include "pool.h"

typedef struct problem {
    kernel_attention a;
    char *q, *k, *v, *dout;
    int32_t *start;
    size_t q_count, k_count;
} problem;

/* Sequences of the given lengths, packed one after another; the numbers depend on (sequence, position) alone. */
static problem packed(arena *a, kernel_type type, size_t heads, size_t key_heads, size_t d, const size_t *lengths,
                      const uint64_t *names, size_t sequences)
{
    size_t tokens = 0, size = kernel_type_size(type), done = 0;
    for (size_t i = 0; i < sequences; i++)
        tokens += lengths[i];
    problem p = {.a = {.type = type, .tokens = tokens, .query_heads = heads, .key_heads = key_heads, .head_size = d,
                       .scores = {.scale = 1 / sqrt((double)d)}, .q_stride = heads * d, .k_stride = key_heads * d,
                       .v_stride = key_heads * d, .out_stride = heads * d}};
    p.q_count = tokens * heads * d;
    p.k_count = tokens * key_heads * d;
    p.q = arena_alloc(a, p.q_count * size + 8);
    p.dout = arena_alloc(a, p.q_count * size + 8);
    p.k = arena_alloc(a, p.k_count * size + 8);
    p.v = arena_alloc(a, p.k_count * size + 8);
    p.start = arena_alloc(a, tokens * 4 + 4);
    for (size_t i = 0; i < sequences; done += lengths[i++]) {
        size_t nq = lengths[i] * heads * d, nk = lengths[i] * key_heads * d;
        memcpy(p.q + done * heads * d * size, filled(a, type, nq, names[i] * 4), nq * size);
        memcpy(p.dout + done * heads * d * size, filled(a, type, nq, names[i] * 4 + 1), nq * size);
        memcpy(p.k + done * key_heads * d * size, filled(a, type, nk, names[i] * 4 + 2), nk * size);
        memcpy(p.v + done * key_heads * d * size, filled(a, type, nk, names[i] * 4 + 3), nk * size);
        for (size_t t = 0; t < lengths[i]; t++)
            p.start[done + t] = (int32_t)done;
    }
    p.a.start = p.start;
    return p;
}

/* Windows within a block, across several, longer than everything; with a cap and without. */
static const kernel_scores kinds[] = {{.scale = 0}, {.window = 50}, {.window = 2, .cap = 0.5}, {.cap = 0.7}, {.window = 70, .cap = 2},
                                      {.both_ways = true}, {.window = 5, .both_ways = true}, {.window = 90, .cap = 2, .both_ways = true}};

static void set_kind(problem *p, kernel_scores kind)
{
    p->a.scores.window = kind.window;
    p->a.scores.cap = kind.cap;
    p->a.scores.both_ways = kind.both_ways;
}

static void forward(arena *a, const problem *p, thread_pool *use, void *out, void *lse)
{
    kernel_attention_forward(&p->a, use, p->q, p->k, p->v, out, lse,
                             arena_alloc(a, kernel_attention_scratch_bytes(&p->a, 2)));
}

static void check(size_t heads, size_t key_heads, size_t d, const size_t *lengths, size_t sequences, kernel_type type,
                  kernel_scores kind)
{
    arena *a = arena_new(NULL);
    const uint64_t names[] = {1, 2, 3, 4, 5, 6};
    problem p = packed(a, type, heads, key_heads, d, lengths, names, sequences);
    set_kind(&p, kind);
    size_t size = kernel_type_size(type), rows = p.a.tokens * heads, wide = type == KERNEL_F64 ? 8 : 4;
    kernel_type wide_type = type == KERNEL_F64 ? KERNEL_F64 : KERNEL_F32;
    char *out = arena_alloc(a, p.q_count * size + 8), *lse = arena_alloc(a, rows * wide + 8);
    char *dq = arena_alloc(a, p.q_count * size + 8), *dk = arena_alloc(a, p.k_count * size + 8);
    char *dv = arena_alloc(a, p.k_count * size + 8);
    forward(a, &p, pool, out, lse);
    kernel_attention b = p.a;
    b.type = KERNEL_F64;
    double *q64 = widened(a, type, p.q_count, p.q), *k64 = widened(a, type, p.k_count, p.k);
    double *v64 = widened(a, type, p.k_count, p.v), *dout64 = widened(a, type, p.q_count, p.dout);
    double *out64 = arena_alloc(a, p.q_count * 8 + 8), *lse64 = arena_alloc(a, rows * 8 + 8);
    double *dq64 = arena_alloc(a, p.q_count * 8 + 8), *dk64 = arena_alloc(a, p.k_count * 8 + 8);
    double *dv64 = arena_alloc(a, p.k_count * 8 + 8);
    reference_attention_forward(&b, q64, k64, v64, out64, lse64);
    reference_attention_backward(&b, q64, k64, v64, out64, lse64, dout64, dq64, dk64, dv64);
    assert_near("attention", type, p.q_count, out, KERNEL_F64, out64, tolerance_of(type));
    assert_near("attention lse", wide_type, rows, lse, KERNEL_F64, lse64, tolerance_of(wide_type));
    kernel_attention_backward(&p.a, pool, p.q, p.k, p.v, out, lse, p.dout, dq, dk, dv,
                              arena_alloc(a, kernel_attention_backward_scratch_bytes(&p.a, 2)));
    double tolerance = type == KERNEL_BF16 ? 1.5e-2 : 2 * tolerance_of(type);
    assert_near("attention dq", type, p.q_count, dq, KERNEL_F64, dq64, tolerance);
    assert_near("attention dk", type, p.k_count, dk, KERNEL_F64, dk64, tolerance);
    assert_near("attention dv", type, p.k_count, dv, KERNEL_F64, dv64, tolerance);
    arena_free(a);
}

static void attention_matches_the_reference(void **state)
{
    (void)state;
    static const size_t heads[][3] = {{1, 1, 1}, {4, 2, 16}, {2, 2, 20}, {6, 2, 32}, {2, 1, 64}, {1, 1, 112}};
    static const size_t lengths[][4] = {{1, 0, 0, 0}, {5, 1, 63, 2}, {64, 65, 1, 1}, {130, 7, 0, 20}, {0, 0, 0, 0}};
    for (size_t i = 0; i < COUNT_OF(heads); i++)
        for (size_t j = 0; j < COUNT_OF(lengths); j++)
            for (size_t t = 0; t < COUNT_OF(float_types); t++)
                for (size_t k = 0; k < COUNT_OF(kinds); k++)
                    check(heads[i][0], heads[i][1], heads[i][2], lengths[j], 4, float_types[t], kinds[k]);
}

static void same_bits_everywhere(kernel_scores kind)
{
    arena *a = arena_new(NULL);
    problem p = packed(a, KERNEL_F32, 4, 2, 40, (size_t[]){150, 70}, (uint64_t[]){1, 2}, 2);
    set_kind(&p, kind);
    size_t bytes = p.q_count * 4, k_bytes = p.k_count * 4;
    char *first = NULL;
    for (int isa = KERNEL_PORTABLE; isa <= KERNEL_AVX512; isa++)
        for (int threads = 1; threads <= 2; threads++) {
            kernel_isa_limit((kernel_isa)isa);
            char *all = arena_alloc(a, 2 * bytes + 2 * k_bytes + p.a.tokens * 16);
            char *out = all, *dq = all + bytes, *dk = dq + bytes, *dv = dk + k_bytes, *lse = dv + k_bytes;
            forward(a, &p, threads == 2 ? pool : NULL, out, lse);
            kernel_attention_backward(&p.a, threads == 2 ? pool : NULL, p.q, p.k, p.v, out, lse, p.dout, dq, dk, dv,
                                      arena_alloc(a, kernel_attention_backward_scratch_bytes(&p.a, 2)));
            if (!first)
                first = all;
            assert_memory_equal(first, all, 2 * bytes + 2 * k_bytes + p.a.tokens * 16);
        }
    kernel_isa_limit(KERNEL_AVX512);
    arena_free(a);
}

static void instruction_sets_and_threads_give_the_same_bits(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT_OF(kinds); k++)
        same_bits_everywhere(kinds[k]);
}

/* Sequence 3 (150 tokens) alone, after others, and between others. */
static void place_in_the_batch_does_not_change_bits(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * COUNT_OF(kinds); i++) {
        arena *a = arena_new(NULL);
        kernel_type type = i % 2 ? KERNEL_F32 : KERNEL_BF16;
        size_t row = 4 * 32 * kernel_type_size(type);
        problem alone = packed(a, type, 4, 2, 32, (size_t[]){150}, (uint64_t[]){3}, 1);
        problem among = packed(a, type, 4, 2, 32, (size_t[]){33, 150, 90}, (uint64_t[]){1, 3, 2}, 3);
        set_kind(&alone, kinds[i / 2]);
        set_kind(&among, kinds[i / 2]);
        char *x = arena_alloc(a, 150 * row), *y = arena_alloc(a, 273 * row);
        forward(a, &alone, NULL, x, NULL);
        forward(a, &among, pool, y, NULL);
        assert_memory_equal(x, y + 33 * row, 150 * row);
        arena_free(a);
    }
}


static kernel_cache new_cache(arena *a, kernel_type type, size_t d, const int32_t *pages)
{
    enum { SLOTS = 3, CAPACITY = 192 };
    size_t bytes = SLOTS * CAPACITY * 2 * d * kernel_type_size(type);
    kernel_cache c = {type, SLOTS, CAPACITY, 2, d, pages, arena_alloc(a, bytes), arena_alloc(a, bytes)};
    memset(c.k, 0xff, bytes); /* NaN wherever nothing was appended */
    memset(c.v, 0xff, bytes);
    return c;
}

/* Appends and attends tokens from .. to - 1 of the problem in slot 1, with rows of another sequence beside them. */
static void feed(arena *a, const problem *p, const kernel_cache *c, size_t from, size_t to, size_t beside, char *out)
{
    size_t d = p->a.head_size, size = kernel_type_size(p->a.type), q_row = 4 * d, k_row = 2 * d, n = to - from, rows = n + beside;
    int32_t *slot = arena_alloc(a, rows * 4), *position = arena_alloc(a, rows * 4);
    char *q = filled(a, p->a.type, rows * q_row, 77), *k = filled(a, p->a.type, rows * k_row, 78), *v = filled(a, p->a.type, rows * k_row, 79);
    char *all = arena_alloc(a, rows * q_row * size);
    for (size_t r = 0; r < rows; r++) {
        slot[r] = r < beside ? (r % 3 == 2 ? -1 : 2) : 1;
        position[r] = (int32_t)(r < beside ? r : from + r - beside);
    }
    memcpy(q + beside * q_row * size, p->q + from * q_row * size, n * q_row * size);
    memcpy(k + beside * k_row * size, p->k + from * k_row * size, n * k_row * size);
    memcpy(v + beside * k_row * size, p->v + from * k_row * size, n * k_row * size);
    kernel_cache_append(c, pool, rows, slot, position, k, k_row, v, k_row);
    kernel_cache_attention(c, beside ? pool : NULL, rows, 4, p->a.scores, slot, position, q, q_row, all, q_row,
                           arena_alloc(a, kernel_cache_attention_scratch_bytes(c, rows, 4, 2)));
    memcpy(out + from * q_row * size, all + beside * q_row * size, n * q_row * size);
    for (size_t r = 2; r < beside; r += 3)
        for (size_t i = 0; i < q_row; i++)
            assert_true(reference_get(p->a.type, all, r * q_row + i) == 0);
}

static void the_cache_gives_the_bits_of_packed_attention(void **state)
{
    (void)state;
    static const int32_t pages[] = {8, 7, 6, 2, 0, 1, 5, 3, 4};
    for (size_t t = 0; t < COUNT_OF(float_types) * COUNT_OF(kinds); t++)
        for (size_t d = 20; d <= 32; d += 12)
            for (int paged = 0; paged < 2 && !kinds[t / COUNT_OF(float_types)].both_ways; paged++) {
                arena *a = arena_new(NULL);
                kernel_type type = float_types[t % COUNT_OF(float_types)];
                size_t bytes = 150 * 4 * d * kernel_type_size(type);
                problem p = packed(a, type, 4, 2, d, (size_t[]){150}, (uint64_t[]){3}, 1);
                set_kind(&p, kinds[t / COUNT_OF(float_types)]);
                kernel_cache c = new_cache(a, type, d, paged ? pages : NULL);
                char *x = arena_alloc(a, bytes), *y = arena_alloc(a, bytes);
                forward(a, &p, NULL, x, NULL);
                feed(a, &p, &c, 0, 70, 0, y);  /* prefill */
                feed(a, &p, &c, 70, 71, 5, y); /* one by one, in changing company */
                feed(a, &p, &c, 71, 72, 0, y);
                feed(a, &p, &c, 72, 140, 9, y);
                for (size_t i = 140; i < 150; i++)
                    feed(a, &p, &c, i, i + 1, i % 4, y);
                if (type == KERNEL_F64)
                    assert_near("cache", type, bytes / 8, y, type, x, 1e-12);
                else
                    assert_memory_equal(x, y, bytes);
                for (size_t i = 0; i < 3; i++) /* a shared prefix goes on in another slot */
                    kernel_cache_copy(&c, paged ? (size_t)pages[3 + i] : 3 + i, paged ? (size_t)pages[i] : i);
                int32_t slot = 0, position = 149;
                for (int32_t i = 140; i < 150; i++)
                    kernel_cache_append(&c, NULL, 1, &slot, &i, p.k + (size_t)i * 2 * d * kernel_type_size(type), 0,
                                        p.v + (size_t)i * 2 * d * kernel_type_size(type), 0);
                kernel_cache_attention(&c, NULL, 1, 4, p.a.scores, &slot, &position, p.q + 149 * 4 * d * kernel_type_size(type),
                                       0, y, 0, arena_alloc(a, kernel_cache_attention_scratch_bytes(&c, 1, 4, 1)));
                if (type != KERNEL_F64)
                    assert_memory_equal(x + 149 * 4 * d * kernel_type_size(type), y, 4 * d * kernel_type_size(type));
                arena_free(a);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attention_matches_the_reference),
        cmocka_unit_test(instruction_sets_and_threads_give_the_same_bits),
        cmocka_unit_test(place_in_the_batch_does_not_change_bits),
        cmocka_unit_test(the_cache_gives_the_bits_of_packed_attention),
    };
    return cmocka_run_group_tests(tests, pool_set_up, pool_tear_down);
}
