/* body_distribution.h - from logits to the weights of tokens and their sums, for sampling; included once for each instruction
 * set. */

/* y[i] = exp((x[i] - top) * factor); 0 for a NaN. */
static void weigh(size_t count, const float *x, float top, float factor, float *y)
{
    for (size_t i = 0; i < count; i += LANES) {
        v16 a = v_mul(v_sub(v_get_up_to(KERNEL_F32, x, i, count - i), v_set(top)), v_set(factor));
        a = v_select(v_equal(a, a), a, v_set(-200));
        v_put_up_to(KERNEL_F32, y, i, v_exp(a), count - i);
    }
}

/* Sums in f64 of blocks of KERNEL_SUM_BLOCK: element i into lane i mod 8, lanes added as a tree. The compiler's vectors serve
 * every instruction set. */
typedef float lanes8f __attribute__((vector_size(32)));
typedef double lanes8d __attribute__((vector_size(64)));

static void block_sums(size_t count, const float *x, double *sums)
{
    for (size_t from = 0; from < count; from += KERNEL_SUM_BLOCK, x += KERNEL_SUM_BLOCK) {
        float rest[KERNEL_SUM_BLOCK] = {0};
        const float *block = x;
        if (count - from < KERNEL_SUM_BLOCK) {
            memcpy(rest, x, (count - from) * sizeof *x);
            block = rest;
        }
        lanes8d sum = {0};
        for (size_t i = 0; i < KERNEL_SUM_BLOCK; i += 8) {
            lanes8f part;
            memcpy(&part, block + i, sizeof part);
            sum += __builtin_convertvector(part, lanes8d);
        }
        *sums++ = ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
    }
}

#define DISTRIBUTION_FIELDS .weigh = weigh, .block_sums = block_sums
