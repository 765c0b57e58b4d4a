#include "graph/account.h"

#include "core/machine.h"
#include "core/progress.h"
#include "graph/account_internal.h"
#include "graph/plan_internal.h"

#include <stdlib.h>

static const void *kept_value(const plan *p, location at)
{
    if (at.place == NONE || p->places[at.place].kind == PLACE_SLAB || !p->base[at.place])
        return NULL; /* somebody else's by now */
    return p->base[at.place] + at.offset;
}

/* ---- attention: what the last run's starts and positions asked for ---- */

/* Of the `count` keys from i on, counted from the start of the sequence, those that a row of a mask [.., width] lets through. */
static double keys_let_through(const uint8_t *row, int64_t width, int64_t i, int64_t count)
{
    double seen = 0;
    for (int64_t k = i; k < i + count && k < width; k++)
        seen += row[k] != 0;
    return seen;
}

/* Pairs of a query and a key that it sees, over all tokens. mask: u8 [tokens, width], or NULL. */
static double pairs_seen(const node *n, const int32_t *start, const uint8_t *mask, int64_t width)
{
    int64_t tokens = n->sources[0]->shape.size[0], window = n->attributes->a[0], end = 0;
    bool both_ways = n->attributes->a[1];
    double pairs = 0;
    for (int64_t t = 0; t < tokens; t++) {
        if (t >= end)
            for (end = t + 1; end < tokens && start[end] == start[t];)
                end++;
        int64_t behind = t - start[t] + 1, ahead = both_ways ? end - 1 - t : 0;
        if (window) {
            behind = behind < window ? behind : window;
            ahead = ahead < window - 1 ? ahead : window - 1;
        }
        int64_t first = t - start[t] + 1 - behind;
        pairs += mask ? keys_let_through(mask + t * width, width, first, behind + ahead) : (double)(behind + ahead);
    }
    return pairs;
}

/* The same for rows of a cache; *keys: positions of all sequences that are read once or more. */
static double cache_pairs_seen(const node *n, const int32_t *slot, const int32_t *position, double *keys)
{
    int64_t rows = n->sources[0]->shape.size[0], window = n->attributes->a[0];
    double pairs = 0;
    *keys = 0;
    for (int64_t r = 0; r < rows; r++) {
        if (slot[r] < 0)
            continue;
        int64_t seen = (int64_t)position[r] + 1;
        seen = window && window < seen ? window : seen;
        pairs += (double)seen;
        if (r + 1 == rows || slot[r + 1] != slot[r]) /* rows of a sequence are neighbours that rise */
            *keys += (double)seen;
    }
    return pairs;
}

static void count_attention(const plan *p, const step *s, account_row *row)
{
    const node *n = s->node, *q = n->sources[0];
    double head = (double)(q->shape.size[1] * q->shape.size[2]);
    if (n->op == OP_CACHE_ATTENTION) {
        const int32_t *slot = kept_value(p, s->in[4]), *position = kept_value(p, s->in[5]);
        if (!slot || !position)
            return;
        double keys, pairs = cache_pairs_seen(n, slot, position, &keys);
        const node *cache = n->sources[1];
        row->flops = 4 * head * pairs;
        row->bytes = 2.0 * (double)node_bytes(q) +
                     2 * keys * (double)(cache->shape.size[2] * cache->shape.size[3]) * (double)element_size(node_type(cache));
        return;
    }
    bool forward = n->op == OP_ATTENTION || n->op == OP_MASKED_ATTENTION;
    bool masked = n->op == OP_MASKED_ATTENTION || n->op == OP_MASKED_ATTENTION_GRAD;
    int at = forward ? 4 : 7;
    const int32_t *start = kept_value(p, s->in[3]);
    const uint8_t *mask = masked ? kept_value(p, s->in[at]) : NULL;
    if (!start || (masked && !mask))
        return;
    /* products with keys and values; backwards the former again, and two gradients of each */
    row->flops = (forward ? 4 : 10) * head * pairs_seen(n, start, mask, masked ? shape_last(n->sources[at]->shape) : 0);
}

static bool is_attention(const node *n)
{
    return n->op == OP_ATTENTION || n->op == OP_ATTENTION_GRAD || n->op == OP_MASKED_ATTENTION || n->op == OP_MASKED_ATTENTION_GRAD ||
           n->op == OP_CACHE_ATTENTION;
}

/* ---- bytes ---- */

static bool over_itself(const plan *p, const step *s, int part)
{
    return s->out[part].place != NONE && p->base[s->out[part].place] == p->base[s->in[part].place];
}

/* Values are read and written whole, but for these. */
static void count_bytes(const plan *p, const step *s, account_row *row)
{
    double result = (double)row->step.written;
    row->bytes = (double)row->step.read + result;
    switch (s->node->op) {
    case OP_GATHER_ROWS:
    case OP_TAKE_LAST:
    case OP_GATHER_LAST:
        row->bytes = 2 * result + (double)s->in[1].bytes;
        break;
    case OP_SLICE:
        row->bytes = 2 * result;
        break;
    case OP_PUT_ROWS:
        if (over_itself(p, s, 0))
            row->bytes = 2 * (double)s->in[2].bytes + (double)s->in[1].bytes;
        break;
    case OP_CACHE_APPEND:
        if (over_itself(p, s, 0) && over_itself(p, s, 1))
            row->bytes = 2 * (double)(s->in[2].bytes + s->in[3].bytes);
        break;
    default:
        break;
    }
}

/* ---- names ---- */

/* The nearest named node that n is computed from, breadth first; n itself if it has a name. */
static const char *place_name(const node *n)
{
    enum { MOST = 64 };
    const node *queue[MOST] = {n};
    for (size_t at = 0, count = 1; at < count; at++) {
        if (queue[at]->site)
            return queue[at]->site;
        for (int i = 0; i < queue[at]->source_count && count < MOST; i++)
            queue[count++] = queue[at]->sources[i];
    }
    return "";
}

/* ---- the account ---- */

static account_row row_of(const plan *p, const plan_step_profile *profile, size_t number)
{
    const step *s = p->steps[number];
    double runs = (double)p->profiled;
    account_row row = {.step = *profile, .number = number, .seconds = profile->seconds / runs, .least = profile->least,
                       .flops = profile->flops, .type = node_type(profile->node), .shape = profile->node->shape};
    bool of_node = strcmp(profile->name, op_info_of(profile->node->op)->name) == 0;
    if (of_node) /* not one that packs or copies it */
        count_bytes(p, s, &row);
    else
        row.bytes = (double)(profile->read + profile->written);
    if (of_node && is_attention(profile->node))
        count_attention(p, s, &row);
    row.limit = profile->flops > 0 ? ACCOUNT_PRODUCT : row.flops > 0 ? ACCOUNT_RATE : ACCOUNT_COPY;
    return row;
}

/* Has the words lie in the arena: plans and graphs come and go. */
static bool own_words(arena *a, account_row *row)
{
    plan_step_profile *s = &row->step;
    bool grouped = s->members != NULL;
    row->where = arena_strdup(a, place_name(s->node));
    s->implementation = arena_strdup(a, s->implementation);
    s->members = grouped ? arena_strdup(a, s->members) : NULL;
    return row->where && s->implementation && (!grouped || s->members);
}

static int longer_first(const void *x, const void *y)
{
    const account_row *a = x, *b = y;
    if (a->seconds != b->seconds)
        return a->seconds < b->seconds ? 1 : -1;
    return (a->number > b->number) - (a->number < b->number);
}

static void add_up(plan_account *out)
{
    for (size_t i = 0; i < out->count; i++) {
        const account_row *row = &out->rows[i];
        out->seconds += row->seconds;
        out->least += row->least;
        out->flops += row->flops;
        out->bytes += row->bytes;
        out->limit_seconds += row->limit_seconds;
        out->limited_seconds += row->limit_seconds > 0 ? row->least : 0;
        if (row->limit != ACCOUNT_PRODUCT)
            continue;
        out->product_flops += row->flops;
        out->product_seconds += row->least;
    }
}

status plan_account_make(arena *a, const plan *p, thread_pool *pool, plan_account *out, error *err)
{
    *out = (plan_account){.runs = p->profiled, .threads = thread_pool_size(pool), .counts = plan_counts_of(p),
                          .peak_bytes = plan_peak_bytes(p), .process_bytes = machine_process_memory(),
                          .process_peak = machine_process_peak()};
    if (!p->profiled)
        return error_set(err, STATUS_USAGE, "a plan without times has no account: expected one that is profiled and has run");
    plan_step_profile *profile = ARENA_ARRAY(a, plan_step_profile, p->step_count + 1);
    out->rows = ARENA_ARRAY(a, account_row, p->step_count + 1);
    if (!profile || !out->rows)
        return error_set(err, STATUS_MEMORY, "no memory for an account of %zu steps", p->step_count);
    plan_profile(p, profile, p->step_count);
    for (size_t i = 0; i < p->step_count; i++) {
        if (profile[i].seconds <= 0)
            continue;
        account_row *row = &out->rows[out->count++];
        *row = row_of(p, &profile[i], i);
        if (!own_words(a, row))
            return error_set(err, STATUS_MEMORY, "no memory for an account of %zu steps", p->step_count);
    }
    qsort(out->rows, out->count, sizeof *out->rows, longer_first);
    TRY(account_measure(out, pool, err));
    add_up(out);
    return STATUS_OK;
}

static int longer_kind_first(const void *x, const void *y)
{
    const account_kind *a = x, *b = y;
    return (a->seconds < b->seconds) - (a->seconds > b->seconds);
}

size_t plan_account_kinds(arena *a, const plan_account *account, account_kind **out)
{
    account_kind *kinds = ARENA_ARRAY(a, account_kind, account->count + 1);
    size_t count = 0;
    *out = kinds;
    for (size_t i = 0; kinds && i < account->count; i++) {
        const account_row *row = &account->rows[i];
        size_t k = 0;
        while (k < count && strcmp(kinds[k].name, row->step.name) != 0)
            k++;
        count += k == count;
        kinds[k].name = row->step.name;
        kinds[k].steps++;
        kinds[k].nodes += row->step.nodes;
        kinds[k].seconds += row->seconds;
        kinds[k].least += row->least;
        kinds[k].limit_seconds += row->limit_seconds;
        kinds[k].flops += row->flops;
        kinds[k].bytes += row->bytes;
    }
    if (count)
        qsort(kinds, count, sizeof *kinds, longer_kind_first);
    return count;
}
