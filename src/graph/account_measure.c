/* Limits, measured: products in plans of their own, copies of as many bytes. Equal shapes and sizes are measured once. */
#include "graph/account_internal.h"

#include "core/progress.h"
#include "graph/plan_internal.h"

#include <math.h>

/* A round of a measurement ends after TRIES runs, or after LONG_ENOUGH once there were FEW. */
enum { TRIES = 40, FEW = 5, COPY_MOST = 64 << 20, COPY_PIECE = 256 << 10 };
#define LONG_ENOUGH 0.02
#define WORTH_A_LIMIT 2e-6

typedef struct known_product {
    const node *n;
    double alone, packed;
    struct known_product *next;
} known_product;

typedef struct known_copy {
    double bytes, seconds;
    struct known_copy *next;
} known_copy;

typedef struct measuring {
    arena *arena;
    thread_pool *pool;
    known_product *products;
    known_copy *copies;
    char *from, *to; /* of copies */
    size_t room;
} measuring;

static bool more(int tries, double spent)
{
    return tries < FEW || (tries < TRIES && spent < LONG_ENOUGH);
}

/* ---- products ---- */

static bool same_work(const node *a, const node *b)
{
    bool same = a->op == b->op && a->type == b->type && shape_equal(a->shape, b->shape) && a->source_count == b->source_count &&
                memcmp(a->attributes, b->attributes, sizeof *a->attributes) == 0;
    for (int i = 0; same && i < a->source_count; i++)
        same = a->sources[i]->type == b->sources[i]->type && a->sources[i]->format == b->sources[i]->format &&
               shape_equal(a->sources[i]->shape, b->sources[i]->shape);
    return same;
}

/* The node of a graph of its own: its sources are inputs. */
static node *node_alone(graph *g, const node *n, node **inputs)
{
    for (int i = 0; i < n->source_count; i++) {
        const node *from = n->sources[i];
        inputs[i] = graph_input_stored(g, i ? "second" : "first", node_type(from), from->shape, (quant_format)from->format);
    }
    return node_new(g, (op_code)n->op, node_type(n), n->shape, inputs, n->source_count, n->attributes);
}

static status run_alone(plan *p, const node *n, thread_pool *pool, known_product *out, error *err)
{
    double spent = 0;
    out->packed = INFINITY;
    TRY(plan_run(p, pool, err));
    plan_profile_clear(p);
    for (int i = 0; more(i, spent); i++) {
        double begin = clock_seconds();
        TRY(plan_run(p, pool, err));
        double took = clock_seconds() - begin;
        spent += took;
        out->packed = took < out->packed ? took : out->packed;
    }
    out->alone = 0;
    for (size_t i = 0; i < p->step_count; i++)
        if (p->steps[i]->node == n && p->steps[i]->flops > 0)
            out->alone = p->steps[i]->least;
    return STATUS_OK;
}

static status measure_product(measuring *m, const node *n, const known_product **out, error *err)
{
    for (const known_product *k = m->products; k; k = k->next)
        if (same_work(k->n, n)) {
            *out = k;
            return STATUS_OK;
        }
    known_product *k = ARENA_NEW(m->arena, known_product);
    arena *a = arena_new(NULL);
    graph *g = graph_new(a);
    node *inputs[2] = {NULL}, *y = k && g && n->source_count <= 2 ? node_alone(g, n, inputs) : NULL;
    plan *p = NULL;
    status result = y ? STATUS_OK : error_set(err, STATUS_MEMORY, "no memory to measure a product");
    plan_options o = {.threads = thread_pool_size(m->pool), .profile = true};
    if (result == STATUS_OK)
        result = plan_new(g, &y, 1, &o, &p, err);
    for (int i = 0; result == STATUS_OK && i < n->source_count; i++) {
        void *elements = arena_alloc(a, node_bytes(inputs[i]) + ALIGNMENT); /* zeros: products take as long with them */
        if (elements)
            memset(elements, 0, node_bytes(inputs[i])); /* as make_room: pages of their own */
        else
            result = error_set(err, STATUS_MEMORY, "no memory to measure a product");
        plan_bind(p, inputs[i], elements);
    }
    if (result == STATUS_OK)
        result = run_alone(p, y, m->pool, k, err);
    plan_free(p);
    arena_free(a);
    if (result != STATUS_OK)
        return result;
    k->n = n;
    k->next = m->products;
    m->products = k;
    *out = k;
    return STATUS_OK;
}

/* ---- copies ---- */

typedef struct copy_job {
    const char *from;
    char *to;
    size_t bytes;
} copy_job;

static void copy_task(void *context, size_t task, size_t worker)
{
    const copy_job *job = context;
    size_t at = task * COPY_PIECE, rest = job->bytes - at;
    (void)worker;
    memcpy(job->to + at, job->from + at, rest < COPY_PIECE ? rest : COPY_PIECE);
}

static bool make_room(measuring *m, size_t bytes)
{
    if (bytes <= m->room)
        return true;
    m->from = arena_alloc(m->arena, bytes);
    m->to = arena_alloc(m->arena, bytes);
    m->room = m->from && m->to ? bytes : 0;
    if (m->room)
        memset(m->from, 1, bytes); /* pages of their own: fresh ones may all be one page of zeros */
    return m->room > 0;
}

/* Seconds of a copy that reads and writes `bytes` together. Sizes within a tenth of each other count as one. */
static status measure_copy(measuring *m, double bytes, double *seconds, error *err)
{
    for (const known_copy *k = m->copies; k; k = k->next)
        if (fabs(k->bytes - bytes) <= 0.1 * bytes) {
            *seconds = k->seconds * bytes / k->bytes;
            return STATUS_OK;
        }
    double some = bytes < 2.0 * COPY_MOST ? bytes : 2.0 * COPY_MOST; /* no cache holds more */
    size_t half = (size_t)(some / 2) + 1;
    known_copy *k = ARENA_NEW(m->arena, known_copy);
    if (!k || !make_room(m, half))
        return error_set(err, STATUS_MEMORY, "no memory to measure a copy");
    copy_job job = {m->from, m->to, half};
    double best = INFINITY, spent = 0;
    for (int i = 0; more(i, spent); i++) {
        double begin = clock_seconds();
        thread_pool_run(m->pool, (half + COPY_PIECE - 1) / COPY_PIECE, copy_task, &job);
        double took = clock_seconds() - begin;
        spent += took;
        best = took < best ? took : best;
    }
    *k = (known_copy){bytes, best * bytes / some, m->copies};
    m->copies = k;
    *seconds = k->seconds;
    return STATUS_OK;
}

/* ---- all rows ---- */

static status measure_products(measuring *m, plan_account *account, error *err)
{
    for (size_t i = 0; i < account->count; i++) {
        account_row *row = &account->rows[i];
        const known_product *k;
        if (row->limit != ACCOUNT_PRODUCT)
            continue;
        TRY(measure_product(m, row->step.node, &k, err));
        row->limit_seconds = k->alone;
        account->product_alone += k->alone;
        account->product_packed_alone += k->packed;
    }
    return STATUS_OK;
}

/* Operations a second of the best product whose sources have this type; 0: there is none. */
static double best_rate(const plan_account *account, element_type type)
{
    double best = 0;
    for (size_t i = 0; i < account->count; i++) {
        const account_row *row = &account->rows[i];
        if (row->limit == ACCOUNT_PRODUCT && row->limit_seconds > 0 && row->step.node->sources[0]->type == type &&
            row->flops / row->limit_seconds > best)
            best = row->flops / row->limit_seconds;
    }
    return best;
}

status account_measure(plan_account *account, thread_pool *pool, error *err)
{
    measuring m = {.arena = arena_new(NULL), .pool = pool};
    status result = m.arena ? measure_products(&m, account, err) : error_set(err, STATUS_MEMORY, "no memory to measure");
    for (size_t i = 0; result == STATUS_OK && i < account->count; i++) {
        account_row *row = &account->rows[i];
        if (row->limit == ACCOUNT_PRODUCT || row->least < WORTH_A_LIMIT)
            continue;
        result = measure_copy(&m, row->bytes, &row->limit_seconds, err);
        double rate = row->limit == ACCOUNT_RATE ? best_rate(account, node_type(row->step.node->sources[0])) : 0;
        if (rate > 0 && row->flops / rate > row->limit_seconds)
            row->limit_seconds = row->flops / rate;
        else
            row->limit = ACCOUNT_COPY;
    }
    arena_free(m.arena);
    return result;
}
