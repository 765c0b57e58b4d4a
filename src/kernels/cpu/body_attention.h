/* body_attention.h - attention of tiles of query rows to one block of keys; included once for each instruction set.
 *
 * A row is one head of one query token: q times scale in f32, padded with zeros to dp (a multiple of 16). Rows of a tile
 * share the key head. A row sees the keys first[r] .. seen[r] - 1 of the block, at least one; the others count nothing,
 * whatever memory holds from `seen` on. `first` NULL: all from 0. cap 0: scores are not capped. `sees` NULL: all of these; else bit j of
 * sees[r] says whether key j is among them, and a row may see nothing of a block.
 */

/* Lanes 0 .. n - 1 of x, `other` in the rest. */
SIMD_FN v16 v_first_of(v16 x, v16 other, size_t n)
{
    static const float places[LANES] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return v_select(v_less(v_load(places), v_set((float)n)), x, other);
}

SIMD_FN v16 capped(v16 x, float cap)
{
    return v_mul(v_tanh(v_mul(x, v_set(1 / cap))), v_set(cap));
}

SIMD_FN void cap_scores(size_t rows, size_t keys, float cap, float *s)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < keys; i += LANES)
            v_store(s + r * KEYS + i, capped(v_load(s + r * KEYS + i), cap));
}

/* `value` at the keys before `end` that a row does not see. */
SIMD_FN void put_unseen(float *s, uint64_t sees, size_t end, float value)
{
    for (uint64_t holes = ~sees; holes; holes &= holes - 1) {
        size_t j = (size_t)__builtin_ctzll(holes);
        if (j >= end)
            return;
        s[j] = value;
    }
}

/* The largest of the scores first .. seen - 1, which stand alone afterwards: the others become -inf. */
SIMD_FN float seen_highest(float *s, size_t first, size_t seen)
{
    v16 most = v_set(-INFINITY);
    for (size_t i = 0; i < seen; i += LANES) {
        v16 x = v_load(s + i);
        if (first > i) {
            x = v_first_of(v_set(-INFINITY), x, first - i);
            v_store(s + i, x);
        }
        if (seen < i + LANES) {
            x = v_first_of(x, v_set(-INFINITY), seen - i);
            v_store(s + i, x);
        }
        most = v_max(x, most);
    }
    return v_highest(most);
}

/* exp(s - level) over the `seen` scores; returns their sum. Groups of lanes without a key would add zeros. */
SIMD_FN float exp_seen(float *s, size_t seen, float level)
{
    v16 x[4] = {v_zero(), v_zero(), v_zero(), v_zero()};
    for (size_t i = 0; i < 4 && i * LANES < seen; i++) {
        x[i] = v_exp(v_sub(v_load(s + i * LANES), v_set(level)));
        v_store(s + i * LANES, x[i]);
    }
    return v_sum(v_add(v_add(x[0], x[1]), v_add(x[2], x[3])));
}

/* Scores become weights against the new running maxima m; what was summed before is rescaled to them. */
SIMD_FN void softmax_step(size_t rows, float *s, const uint8_t *first, const uint8_t *seen, const uint64_t *sees, float *m, float *l,
                          float *acc, size_t dp)
{
    float level[TILE_ROWS], factor[LANES] = {0};
    for (size_t r = 0; r < rows; r++) {
        if (sees)
            put_unseen(s + r * KEYS, sees[r], seen[r], -INFINITY);
        float highest = seen_highest(s + r * KEYS, first ? first[r] : 0, seen[r]);
        level[r] = m[r] > highest ? m[r] : highest;
        factor[r] = level[r] > -INFINITY ? m[r] - level[r] : 0;
    }
    v_store(factor, v_exp(v_load(factor)));
    for (size_t r = 0; r < rows; r++) {
        float now = exp_seen(s + r * KEYS, seen[r], level[r] > -INFINITY ? level[r] : 0);
        if (level[r] != m[r]) {
            for (size_t i = 0; i < dp; i += LANES)
                v_store(acc + r * dp + i, v_mul(v_load(acc + r * dp + i), v_set(factor[r])));
            l[r] *= factor[r];
            m[r] = level[r];
        }
        l[r] += now;
    }
}

/* One block for `rows` (at most TILE_ROWS) rows: kt [d][KEYS] and v [KEYS][v_stride], both of `type`. `seen` and `first`
 * do not fall from row to row. Each row takes its keys in order: those that not all rows see, before and after the others. */
SIMD_FN void attend_of(kernel_type type, size_t rows, size_t d, size_t dp, const float *q, const void *kt, const void *v,
                       size_t v_stride, float cap, const uint8_t *first, const uint8_t *seen, const uint64_t *sees,
                       const void *ahead, float *m, float *l, float *acc)
{
    float s[TILE_ROWS * KEYS];
    size_t from = first ? first[rows - 1] : 0, to = seen[0] > from ? seen[0] : from;
    dot_rows(type, rows, seen[rows - 1], d, q, dp, kt, s, KEYS, v);
    if (cap > 0)
        cap_scores(rows, seen[rows - 1], cap, s);
    softmax_step(rows, s, first, seen, sees, m, l, acc, dp);
    for (size_t r = 0; first && r < rows; r++)
        mix_rows(type, 1, dp, first[r], seen[r] < from ? seen[r] : from, s + r * KEYS, KEYS, 1, v, v_stride, acc + r * dp, dp,
                 NULL);
    mix_rows(type, rows, dp, from, to, s, KEYS, 1, v, v_stride, acc, dp, ahead);
    for (size_t r = 1; r < rows; r++)
        mix_rows(type, 1, dp, to, seen[r], s + r * KEYS, KEYS, 1, v, v_stride, acc + r * dp, dp, NULL);
}

static void attend(kernel_type type, size_t rows, size_t d, size_t dp, const float *q, const void *kt, const void *v,
                   size_t v_stride, float cap, const uint8_t *first, const uint8_t *seen, const uint64_t *sees, const void *ahead,
                   float *m, float *l, float *acc)
{
    for (size_t r = 0; r < rows; r += TILE_ROWS) {
        size_t n = rows - r < TILE_ROWS ? rows - r : TILE_ROWS;
        const uint8_t *from = first ? first + r : NULL;
        const uint64_t *holes = sees ? sees + r : NULL;
        if (type == KERNEL_BF16)
            attend_of(KERNEL_BF16, n, d, dp, q + r * dp, kt, v, v_stride, cap, from, seen + r, holes, ahead, m + r, l + r,
                      acc + r * dp);
        else
            attend_of(KERNEL_F32, n, d, dp, q + r * dp, kt, v, v_stride, cap, from, seen + r, holes, ahead, m + r, l + r,
                      acc + r * dp);
    }
}

/* out = acc / l, lse = m + log l. */
static void attend_end(kernel_type type, size_t d, size_t dp, float m, float l, const float *acc, void *out, float *lse)
{
    v16 scale = v_set(1 / l);
    for (size_t i = 0; i < d; i += LANES)
        v_put_up_to(type, out, i, v_mul(v_load(acc + i), scale), d - i);
    (void)dp;
    if (lse)
        *lse = m + log_of(l);
}

/* to [tokens][heads][dp] = rows [tokens][heads][d] times factor, zeros from d on; tokens are `stride` elements apart. */
SIMD_FN void scaled_rows_of(kernel_type type, size_t tokens, size_t heads, size_t d, size_t dp, const void *rows, size_t stride, float factor,
                            float *to)
{
    v16 by = v_set(factor);
    for (size_t t = 0; t < tokens; t++) {
        size_t at = t * stride;
        if (d == dp) { /* heads stand side by side on both sides */
            for (size_t i = 0; i < heads * d; i += LANES)
                v_store(to + i, v_mul(v_get(type, rows, at + i), by));
            to += heads * d;
            continue;
        }
        for (size_t h = 0; h < heads; h++, at += d, to += dp)
            for (size_t i = 0; i < dp; i += LANES)
                v_store(to + i, i < d ? v_mul(v_get_up_to(type, rows, at + i, d - i), by) : v_zero());
    }
}

static void scaled_rows(kernel_type type, size_t tokens, size_t heads, size_t d, size_t dp, const void *rows, size_t stride, float factor,
                        float *to)
{
    TYPED(type, scaled_rows_of, tokens, heads, d, dp, rows, stride, factor, to);
}

/* The way back: to [tokens][heads][d], rounded to the type. */
SIMD_FN void put_rows_of(kernel_type type, size_t tokens, size_t heads, size_t d, size_t dp, const float *rows, float factor, void *to,
                         size_t stride)
{
    v16 by = v_set(factor);
    for (size_t t = 0; t < tokens; t++)
        for (size_t h = 0; h < heads; h++, rows += dp)
            for (size_t i = 0; i < d; i += LANES)
                v_put_up_to(type, to, t * stride + h * d + i, v_mul(v_load(rows + i), by), d - i);
}

static void put_rows(kernel_type type, size_t tokens, size_t heads, size_t d, size_t dp, const float *rows, float factor, void *to,
                     size_t stride)
{
    TYPED(type, put_rows_of, tokens, heads, d, dp, rows, factor, to, stride);
}

/* The transposed copy [d][KEYS] of `count` rows in f32 [count][dp], zeros in the other lanes. */
static void transposed_block(size_t count, size_t d, size_t dp, const float *rows, float *to)
{
#if SIMD == 512
    for (size_t j = 0; j < KEYS; j += LANES)
        for (size_t i = 0; i < d; i += LANES) {
            v16 x[LANES];
            SIMD_UNROLL
            for (size_t r = 0; r < LANES; r++)
                x[r] = j + r < count ? v_load(rows + (j + r) * dp + i) : v_zero();
            v_transpose(x);
            SIMD_UNROLL
            for (size_t r = 0; r < LANES; r++)
                if (i + r < d)
                    v_store(to + (i + r) * KEYS + j, x[r]);
        }
    return;
#endif
    for (size_t i = 0; i < d; i++) {
        for (size_t j = 0; j < count; j++)
            to[i * KEYS + j] = rows[j * dp + i];
        for (size_t j = count; j < KEYS; j++)
            to[i * KEYS + j] = 0;
    }
}

/* Backward of `rows` rows against the first `keys` keys of a block, as many as any of them sees (attention.c says what
 * is what): p and ds [rows][KEYS] are made and used here. */
static void attend_backward(size_t rows, size_t d, size_t dp, size_t keys, const float *q, const float *dout,
                            const float *kt, const float *vt, const float *k, float cap, const uint8_t *first,
                            const uint8_t *seen, const uint64_t *sees, const float *lse, const float *delta, float *p,
                            float *ds, float *dq, float *dk, float *dv)
{
    dot_rows(KERNEL_F32, rows, keys, d, q, dp, kt, p, KEYS, NULL);
    dot_rows(KERNEL_F32, rows, keys, d, dout, dp, vt, ds, KEYS, NULL);
    for (size_t r = 0; r < rows; r++) {
        float *pr = p + r * KEYS, *dr = ds + r * KEYS;
        for (size_t i = 0; i < keys; i += LANES) {
            v16 x = cap > 0 ? capped(v_load(pr + i), cap) : v_load(pr + i), w = v_exp(v_sub(x, v_set(lse[r])));
            if (seen[r] < i + LANES)
                w = v_first_of(w, v_zero(), seen[r] > i ? seen[r] - i : 0);
            if (first && first[r] > i)
                w = v_first_of(v_zero(), w, first[r] - i);
            v_store(pr + i, w);
            v16 change = v_mul(w, v_sub(v_load(dr + i), v_set(delta[r])));
            if (cap > 0) { /* d cap tanh(x / cap) / dx = 1 - tanh^2 */
                v16 t = v_mul(x, v_set(1 / cap));
                change = v_mul(change, v_sub(v_set(1), v_mul(t, t)));
            }
            v_store(dr + i, change);
        }
        if (sees) {
            put_unseen(pr, sees[r], keys, 0);
            put_unseen(dr, sees[r], keys, 0);
        }
    }
    mix_rows(KERNEL_F32, rows, dp, 0, keys, ds, KEYS, 1, k, dp, dq, dp, NULL);
    mix_rows(KERNEL_F32, keys, dp, 0, rows, p, 1, KEYS, dout, dp, dv, dp, NULL);
    mix_rows(KERNEL_F32, keys, dp, 0, rows, ds, 1, KEYS, q, dp, dk, dp, NULL);
}

static float dot_row(kernel_type type, size_t count, const void *a, const void *b)
{
    if (type == KERNEL_BF16) {
        SUM_OVER(count, s = v_fma(v_get_up_to(KERNEL_BF16, a, i, n), v_get_up_to(KERNEL_BF16, b, i, n), s));
        return v_sum(s);
    }
    SUM_OVER(count, s = v_fma(v_get_up_to(KERNEL_F32, a, i, n), v_get_up_to(KERNEL_F32, b, i, n), s));
    return v_sum(s);
}

#define ATTENTION_FIELDS                                                                                           \
    .attend = attend, .attend_end = attend_end, .scaled_rows = scaled_rows, .put_rows = put_rows, .transposed_block = transposed_block,    \
    .attend_backward = attend_backward, .dot = dot_row, .product = product
