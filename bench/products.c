/* products.c - the time of the matrix products alone of one step of a model: what nothing that computes its rows can undercut.
 *
 *     bench_products FOLDER [THREADS [ROWS [LOGITS]]]
 *
 * ROWS rows (256), of which LOGITS (256) get logits; packed weights, best of several runs for each shape. Prints one JSON object.
 * bench/peers/tasks_speed.py works out from it how long the products of a whole run would take.
 */
#include "measure.h"

#include "lm/checkpoint.h"

enum { REPEATS = 60 };

static status run(arena *a, int count, char **words, error *err)
{
    checkpoint *c;
    thread_pool *pool;
    double seconds;
    if (count < 2)
        return error_set(err, STATUS_USAGE, "usage: bench_products FOLDER [THREADS [ROWS [LOGITS]]]");
    size_t rows = (size_t)measure_number(words, count, 3, 256), logits = (size_t)measure_number(words, count, 4, 256);
    TRY(checkpoint_open(a, words[1], &c, err));
    TRY(thread_pool_new((size_t)measure_number(words, count, 2, 0), &pool, err));
    status result = measure_products(&c->config, pool, rows, logits, REPEATS, &seconds, err);
    if (result == STATUS_OK)
        printf("{\"rows\": %zu, \"logits\": %zu, \"threads\": %zu, \"seconds\": %.9f}\n", rows, logits, thread_pool_size(pool), seconds);
    thread_pool_free(pool);
    return result;
}

int main(int count, char **words)
{
    error err = {0};
    arena *a = arena_new(NULL);
    status result = run(a, count, words, &err);
    if (result != STATUS_OK)
        fprintf(stderr, "bench_products: %s\n", err.message);
    arena_free(a);
    return status_exit_code(result);
}
