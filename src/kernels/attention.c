#include "kernels/cpu/fast.h"
#include "kernels/kernels.h"
#include "kernels/reference/reference.h"
#include "kernels/window.h"

#include <math.h>
#include <string.h>

/* Forward: a task is (a chunk of CHUNK query tokens of one sequence, a key head); it goes through the blocks of keys that
 * the chunk sees. Backward: a task is (a sequence, a key head), so that every sum over queries is one task's. */
enum { CHUNK = 64, PART = 16 /* query tokens at a time in the backward pass */, KEYS = KERNEL_KEY_BLOCK };

typedef struct chunk {
    size_t first, end, from, to; /* the sequence; tokens of the chunk */
} chunk;

/* Where the parts of a worker's scratch begin; `used` grows. */
typedef struct carver {
    char *at;
    size_t used;
} carver;

static void *carve(carver *c, size_t count, size_t size)
{
    void *piece = c->at ? c->at + c->used : NULL;
    c->used += (count * size + 63) / 64 * 64;
    return piece;
}

static size_t padded(size_t d)
{
    return (d + 15) / 16 * 16;
}

static bool narrow_float(kernel_type type)
{
    return type == KERNEL_F32 || type == KERNEL_BF16;
}

static const void *at(const void *x, kernel_type type, size_t i)
{
    return (const char *)x + i * kernel_type_size(type);
}

static void *to(void *x, kernel_type type, size_t i)
{
    return (char *)x + i * kernel_type_size(type);
}

/* Cuts the tokens into sequences, and those into chunks of `most` tokens. */
static size_t list_chunks(const kernel_attention *a, size_t most, chunk *chunks)
{
    size_t count = 0, end = 0;
    for (size_t t = 0; t < a->tokens;) {
        size_t first = (size_t)a->start[t];
        while (end <= t || (end < a->tokens && (size_t)a->start[end] == first))
            end++;
        size_t to = end - t < most ? end : t + most;
        chunks[count++] = (chunk){first, end, t, to};
        t = to;
    }
    return count;
}

typedef struct attention_job {
    const kernel_attention *a;
    const void *q, *k, *v, *dout, *o;
    const float *saved;
    void *out, *dq, *dk, *dv;
    float *lse;
    const chunk *chunks;
    char *scratch;
    size_t worker_bytes, longest;
} attention_job;

/* ---- forward ---- */

typedef struct forward_space {
    float *q, *acc, *m, *l, *kf, *kt, *vf;
    uint8_t *first, *seen;
    uint64_t *sees;
} forward_space;

static size_t forward_carve(const kernel_attention *a, char *at_, forward_space *s)
{
    size_t dp = padded(a->head_size), rows = CHUNK * (a->query_heads / a->key_heads);
    carver c = {at_, 0};
    s->q = carve(&c, rows * dp, sizeof(float));
    s->acc = carve(&c, rows * dp, sizeof(float));
    s->m = carve(&c, rows, sizeof(float));
    s->l = carve(&c, rows, sizeof(float));
    s->kf = carve(&c, KEYS * dp, sizeof(float));
    s->kt = carve(&c, KEYS * dp, sizeof(float));
    s->vf = carve(&c, KEYS * dp, sizeof(float));
    s->first = carve(&c, rows, 1);
    s->seen = carve(&c, rows, 1);
    s->sees = carve(&c, rows, sizeof(uint64_t));
    return c.used;
}

static size_t chunk_bytes(const kernel_attention *a)
{
    return ((a->tokens + 1) * sizeof(chunk) + 63) / 64 * 64;
}

size_t kernel_attention_scratch_bytes(const kernel_attention *a, size_t threads)
{
    forward_space s;
    return chunk_bytes(a) + threads * forward_carve(a, NULL, &s);
}

/* One block of keys and values in f32: kf [count][dp], kt transposed, and where v may be read. */
static const float *load_block(const attention_job *job, size_t key, size_t count, size_t head, float *kf, float *kt,
                               float *vf, size_t *v_stride)
{
    const kernel_attention *a = job->a;
    size_t d = a->head_size, dp = padded(d);
    fast()->scaled_rows(a->type, count, 1, d, dp, at(job->k, a->type, key * a->k_stride + head * d), a->k_stride, 1, kf);
    fast()->transposed_block(count, d, dp, kf, kt);
    *v_stride = a->v_stride;
    if (a->type == KERNEL_F32 && d == dp)
        return at(job->v, a->type, key * a->v_stride + head * d);
    *v_stride = dp;
    fast()->scaled_rows(a->type, count, 1, d, dp, at(job->v, a->type, key * a->v_stride + head * d), a->v_stride, 1, vf);
    return vf;
}

/* What the rows of tokens from .. from + rows / group - 1 see of the `count` keys of the block at `key`, each at least one. */
static void see(const kernel_attention *a, size_t from, size_t rows, size_t key, size_t count, uint8_t *first, uint8_t *seen)
{
    size_t group = a->query_heads / a->key_heads;
    for (size_t r = 0; r < rows; r++) {
        size_t t = from + r / group;
        seen[r] = (uint8_t)(window_last(a->scores, t, key + count) - key);
        first[r] = (uint8_t)(window_first(a->scores.window, key, t) - key);
    }
}

/* Bit j: whether byte j of `count` (at most KEYS) is not 0. */
static uint64_t bits_of(const uint8_t *bytes, size_t count)
{
    uint64_t bits = 0;
    for (size_t j = 0; j < count; j += 8) {
        uint64_t x = 0, low = UINT64_C(0x7f7f7f7f7f7f7f7f), one = UINT64_C(0x0101010101010101);
        memcpy(&x, bytes + j, count - j < 8 ? count - j : 8);
        x = ((((x & low) + low) | x) >> 7) & one;
        bits |= (x * UINT64_C(0x0102040810204080) >> 56) << j;
    }
    return bits;
}

/* The same rows under the mask: which keys of the block each sees. Returns whether any sees anything. */
static bool see_masked(const kernel_attention *a, size_t from, size_t rows, size_t key, size_t count, const uint8_t *first,
                       const uint8_t *seen, uint64_t *sees)
{
    size_t group = a->query_heads / a->key_heads;
    uint64_t any = 0;
    for (size_t r = 0; r < rows; r++) {
        size_t t = from + r / group, at_ = key - (size_t)a->start[t];
        if (r % group == 0) {
            size_t there = at_ < a->mask_width ? a->mask_width - at_ : 0;
            uint64_t bits = there ? bits_of(a->mask + t * a->mask_width + at_, there < count ? there : count) : 0;
            uint64_t to = seen[r] < KEYS ? (UINT64_C(1) << seen[r]) - 1 : UINT64_MAX;
            any |= bits & to & ~((UINT64_C(1) << first[r]) - 1);
            sees[r] = bits;
        } else
            sees[r] = sees[r - 1];
    }
    return any != 0;
}

/* Goes through the blocks of keys that the chunk sees. */
static void forward_blocks(const attention_job *job, chunk c, size_t head, forward_space *s)
{
    const kernel_attention *a = job->a;
    size_t group = a->query_heads / a->key_heads, d = a->head_size, dp = padded(d), window = a->scores.window;
    size_t end = window_last(a->scores, c.to - 1, c.end);
    for (size_t key = window_block(window, c.first, c.from); key < end; key += KEYS) {
        size_t count = end - key < KEYS ? end - key : KEYS, v_stride;
        size_t from = window_begin(a->scores, key, c.from), skip = (from - c.from) * group; /* rows that see nothing of it */
        size_t rows = (window_end(window, key, c.to) - from) * group;
        see(a, from, rows, key, count, s->first, s->seen);
        if (a->mask && !see_masked(a, from, rows, key, count, s->first, s->seen, s->sees))
            continue;
        const float *v = load_block(job, key, count, head, s->kf, s->kt, s->vf, &v_stride);
        fast()->attend(KERNEL_F32, rows, d, dp, s->q + skip * dp, s->kt, v, v_stride, (float)a->scores.cap,
                       window ? s->first : NULL, s->seen, a->mask ? s->sees : NULL, NULL, s->m + skip, s->l + skip, s->acc + skip * dp);
    }
}

static void forward_task(void *context, size_t task, size_t worker)
{
    const attention_job *job = context;
    const kernel_attention *a = job->a;
    chunk c = job->chunks[task / a->key_heads];
    size_t head = task % a->key_heads, group = a->query_heads / a->key_heads, d = a->head_size, dp = padded(d);
    size_t rows = (c.to - c.from) * group;
    forward_space s;
    forward_carve(a, job->scratch + worker * job->worker_bytes, &s);
    memset(s.acc, 0, rows * dp * sizeof(float));
    fast()->scaled_rows(a->type, c.to - c.from, group, d, dp, at(job->q, a->type, c.from * a->q_stride + head * group * d), a->q_stride,
                        (float)a->scores.scale, s.q);
    for (size_t r = 0; r < rows; r++) {
        s.m[r] = -INFINITY;
        s.l[r] = 0;
    }
    forward_blocks(job, c, head, &s);
    for (size_t r = 0; r < rows; r++) {
        size_t t = c.from + r / group, h = head * group + r % group;
        bool blind = a->mask && s.l[r] == 0;
        fast()->attend_end(a->type, d, dp, blind ? 0 : s.m[r], blind ? 1 : s.l[r], s.acc + r * dp,
                           to(job->out, a->type, t * a->out_stride + h * d),
                           job->lse ? job->lse + t * a->query_heads + h : NULL);
    }
}

void kernel_attention_forward(const kernel_attention *a, thread_pool *pool, const void *q, const void *k,
                              const void *v, void *out, void *lse, void *scratch)
{
    if (!narrow_float(a->type)) {
        reference_attention_forward(a, q, k, v, out, lse);
        return;
    }
    forward_space s;
    attention_job job = {.a = a, .q = q, .k = k, .v = v, .out = out, .lse = lse, .chunks = scratch,
                         .scratch = (char *)scratch + chunk_bytes(a), .worker_bytes = forward_carve(a, NULL, &s)};
    size_t chunks = list_chunks(a, CHUNK, scratch);
    thread_pool_run(pool, chunks * a->key_heads, forward_task, &job);
}

/* ---- backward ----
 * With P = exp(S - lse) and delta = sum(dO * O): dV = P^T dO, dP = dO V^T, dS = P (dP - delta), dQ = scale dS K,
 * dK = dS^T (scale Q), with dS times 1 - (S / cap)^2 where scores are capped (Dao et al. 2022, appendix B). Blocks of keys outside, parts of the queries inside. */

typedef struct backward_space {
    float *q, *dout, *dq, *lse, *delta; /* for all rows of the sequence */
    float *kf, *kt, *vf, *vt, *dk, *dv; /* for a block of keys */
    float *p, *ds;
    uint8_t *first, *seen;
    uint64_t *sees;
} backward_space;

static size_t backward_carve(const kernel_attention *a, size_t longest, char *at_, backward_space *s)
{
    size_t dp = padded(a->head_size), group = a->query_heads / a->key_heads, rows = longest * group, block = KEYS * dp;
    carver c = {at_, 0};
    s->q = carve(&c, rows * dp, sizeof(float));
    s->dout = carve(&c, rows * dp, sizeof(float));
    s->dq = carve(&c, rows * dp, sizeof(float));
    s->lse = carve(&c, rows, sizeof(float));
    s->delta = carve(&c, rows, sizeof(float));
    float **blocks[] = {&s->kf, &s->kt, &s->vf, &s->vt, &s->dk, &s->dv};
    for (size_t i = 0; i < COUNT_OF(blocks); i++)
        *blocks[i] = carve(&c, block, sizeof(float));
    s->p = carve(&c, PART * group * KEYS, sizeof(float));
    s->ds = carve(&c, PART * group * KEYS, sizeof(float));
    s->first = carve(&c, PART * group, 1);
    s->seen = carve(&c, PART * group, 1);
    s->sees = carve(&c, PART * group, sizeof(uint64_t));
    return c.used;
}

size_t kernel_attention_backward_scratch_bytes(const kernel_attention *a, size_t threads)
{
    backward_space s;
    return chunk_bytes(a) + threads * backward_carve(a, a->tokens, NULL, &s);
}

static void backward_prepare(const attention_job *job, chunk c, size_t head, backward_space *s)
{
    const kernel_attention *a = job->a;
    size_t d = a->head_size, dp = padded(d), group = a->query_heads / a->key_heads, rows = (c.to - c.from) * group;
    size_t first = c.from * a->out_stride + head * group * d;
    fast()->scaled_rows(a->type, c.to - c.from, group, d, dp, at(job->q, a->type, c.from * a->q_stride + head * group * d), a->q_stride,
                        (float)a->scores.scale, s->q);
    fast()->scaled_rows(a->type, c.to - c.from, group, d, dp, at(job->dout, a->type, first), a->out_stride, 1, s->dout);
    for (size_t r = 0; r < rows; r++) {
        size_t t = c.from + r / group, h = head * group + r % group;
        const void *dout = at(job->dout, a->type, t * a->out_stride + h * d);
        s->lse[r] = job->saved[t * a->query_heads + h];
        s->delta[r] = fast()->dot(a->type, d, dout, at(job->o, a->type, t * a->out_stride + h * d));
    }
    memset(s->dq, 0, rows * dp * sizeof(float));
}

static void backward_block(const attention_job *job, chunk c, size_t key, size_t head, backward_space *s)
{
    const kernel_attention *a = job->a;
    size_t d = a->head_size, dp = padded(d), group = a->query_heads / a->key_heads;
    size_t count = c.to - key < KEYS ? c.to - key : KEYS;
    fast()->scaled_rows(a->type, count, 1, d, dp, at(job->k, a->type, key * a->k_stride + head * d), a->k_stride, 1, s->kf);
    fast()->scaled_rows(a->type, count, 1, d, dp, at(job->v, a->type, key * a->v_stride + head * d), a->v_stride, 1, s->vf);
    fast()->transposed_block(count, d, dp, s->kf, s->kt);
    fast()->transposed_block(count, d, dp, s->vf, s->vt);
    memset(s->dk, 0, KEYS * dp * sizeof(float));
    memset(s->dv, 0, KEYS * dp * sizeof(float));
    for (size_t t = window_begin(a->scores, key, c.from), end = window_end(a->scores.window, key, c.to); t < end; t += PART) {
        size_t rows = (end - t < PART ? end - t : PART) * group, row = (t - c.from) * group;
        see(a, t, rows, key, count, s->first, s->seen);
        if (a->mask && !see_masked(a, t, rows, key, count, s->first, s->seen, s->sees))
            continue;
        fast()->attend_backward(rows, d, dp, s->seen[rows - 1], s->q + row * dp, s->dout + row * dp, s->kt, s->vt, s->kf,
                                (float)a->scores.cap, a->scores.window ? s->first : NULL, s->seen, a->mask ? s->sees : NULL,
                                s->lse + row, s->delta + row, s->p, s->ds, s->dq + row * dp, s->dk, s->dv);
    }
    fast()->put_rows(a->type, count, 1, d, dp, s->dk, 1, to(job->dk, a->type, key * a->k_stride + head * d), a->k_stride);
    fast()->put_rows(a->type, count, 1, d, dp, s->dv, 1, to(job->dv, a->type, key * a->v_stride + head * d), a->v_stride);
}

static void backward_task(void *context, size_t task, size_t worker)
{
    const attention_job *job = context;
    const kernel_attention *a = job->a;
    chunk c = job->chunks[task / a->key_heads];
    size_t head = task % a->key_heads, group = a->query_heads / a->key_heads, d = a->head_size, dp = padded(d);
    backward_space s;
    backward_carve(a, job->longest, job->scratch + worker * job->worker_bytes, &s);
    backward_prepare(job, c, head, &s);
    for (size_t key = c.from; key < c.to; key += KEYS)
        backward_block(job, c, key, head, &s);
    fast()->put_rows(a->type, c.to - c.from, group, d, dp, s.dq, (float)a->scores.scale,
                     to(job->dq, a->type, c.from * a->q_stride + head * group * d), a->q_stride);
}

void kernel_attention_backward(const kernel_attention *a, thread_pool *pool, const void *q, const void *k,
                               const void *v, const void *out, const void *lse, const void *dout, void *dq, void *dk,
                               void *dv, void *scratch)
{
    if (!narrow_float(a->type)) {
        reference_attention_backward(a, q, k, v, out, lse, dout, dq, dk, dv);
        return;
    }
    chunk *chunks = scratch;
    size_t count = list_chunks(a, a->tokens, chunks), longest = 0;
    for (size_t i = 0; i < count; i++)
        longest = chunks[i].to - chunks[i].from > longest ? chunks[i].to - chunks[i].from : longest;
    backward_space s;
    attention_job job = {.a = a, .q = q, .k = k, .v = v, .dout = dout, .o = out, .saved = lse, .dq = dq, .dk = dk,
                         .dv = dv, .chunks = chunks, .scratch = (char *)scratch + chunk_bytes(a), .longest = longest,
                         .worker_bytes = backward_carve(a, longest, NULL, &s)};
    thread_pool_run(pool, count * a->key_heads, backward_task, &job);
}
