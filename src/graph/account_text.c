/* An account in words, as tables, and as JSON. */
#include "graph/account.h"

#include "graph/ops.h"

static double share(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

static void add_bytes(strbuf *out, size_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    for (; value >= 1024 && unit + 1 < COUNT_OF(units); unit++)
        value /= 1024;
    strbuf_printf(out, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

static void add_counts(const plan_account *account, strbuf *out)
{
    const plan_counts *c = &account->counts;
    strbuf_printf(out, "nodes      %zu: %zu inputs and constants, %zu merged with equal ones, %zu views, %zu read in passing, %zu computed\n",
                  c->nodes, c->leaves, c->merged, c->views, c->absorbed, c->computed);
    strbuf_printf(out, "steps      %zu: %zu groups of %zu elementwise nodes and %zu reductions; %zu nodes are folded (computed once)\n", c->steps,
                  c->groups, c->grouped - c->reductions, c->reductions, c->once);
    strbuf_printf(out, "weights    %zu packed (%zu once, %zu shared with other plans), ", c->packs, c->packs_once, c->packs_shared);
    add_bytes(out, c->pack_bytes);
    strbuf_printf(out, "; %zu of %zu donated buffers are written in place\n", c->in_place, c->donations);
}

static void add_memory(const plan_account *account, strbuf *out)
{
    const plan_counts *c = &account->counts;
    strbuf_add(out, "memory     the plan ");
    add_bytes(out, account->peak_bytes);
    strbuf_add(out, " (values ");
    add_bytes(out, c->slab_bytes);
    strbuf_add(out, ", kept ");
    add_bytes(out, c->kept_bytes);
    strbuf_add(out, ", threads ");
    add_bytes(out, c->worker_bytes);
    strbuf_add(out, "), the process ");
    add_bytes(out, account->process_bytes);
    strbuf_add(out, ", at most ");
    add_bytes(out, account->process_peak);
    strbuf_add_char(out, '\n');
}

static void add_times(const plan_account *account, strbuf *out)
{
    strbuf_printf(out, "time       %.3f ms a run (mean of %llu; the fastest of each step: %.3f ms), %zu thread%s\n", 1e3 * account->seconds,
                  (unsigned long long)account->runs, 1e3 * account->least, account->threads, account->threads == 1 ? "" : "s");
    strbuf_printf(out, "limit      %.3f ms for the steps that have one and take %.3f ms: %.0f %%\n", 1e3 * account->limit_seconds,
                  1e3 * account->limited_seconds, 100 * share(account->limit_seconds, account->limited_seconds));
    if (account->product_flops > 0)
        strbuf_printf(out, "products   %.3f GFLOP: %.3f ms inside, %.3f ms alone (%.0f GFLOP/s); products alone are %.0f %% of the run\n",
                      account->product_flops / 1e9, 1e3 * account->product_seconds, 1e3 * account->product_alone,
                      share(account->product_flops, account->product_alone) / 1e9,
                      100 * share(account->product_alone, account->least));
}

static void add_figures(double seconds, double least, double whole, double limit_seconds, double flops, double bytes, strbuf *out)
{
    strbuf_printf(out, "%9.3f %5.1f ", 1e3 * seconds, 100 * share(seconds, whole));
    if (limit_seconds > 0)
        strbuf_printf(out, "%6.0f", 100 * share(limit_seconds, least));
    else
        strbuf_add(out, "     -");
    if (flops > 0)
        strbuf_printf(out, " %9.1f", share(flops, least) / 1e9);
    else
        strbuf_add(out, "         -");
    strbuf_printf(out, " %7.1f %9.3f ", share(bytes, least) / 1e9, bytes / 1e6);
}

#define FIGURES_HEAD "       ms     %  limit%   GFLOP/s    GB/s        MB "

static void add_row(const plan_account *account, const account_row *row, strbuf *out)
{
    char text[128];
    const plan_step_profile *s = &row->step;
    add_figures(row->seconds, row->least, account->seconds, row->limit_seconds, row->flops, row->bytes, out);
    strbuf_printf(out, "%-8s %-20s %-34s %-4s %-20s %s", row->limit_seconds > 0 ? account_limit_name(row->limit) : "-", s->name,
                  s->implementation, element_word(row->type), shape_text(row->shape, text), row->where);
    if (s->members)
        strbuf_printf(out, " {%s}", s->members);
    strbuf_add_char(out, '\n');
}

void plan_account_text(const plan_account *account, size_t top, strbuf *out)
{
    size_t shown = top && top < account->count ? top : account->count;
    add_counts(account, out);
    add_memory(account, out);
    add_times(account, out);
    strbuf_printf(out, "\n%s%-8s %-20s %-34s %-4s %-20s %s\n", FIGURES_HEAD, "limit", "step", "implementation", "type", "shape", "where");
    for (size_t i = 0; i < shown; i++)
        add_row(account, &account->rows[i], out);
    double seconds = 0, least = 0, limit = 0, flops = 0, bytes = 0;
    for (size_t i = shown; i < account->count; i++) {
        seconds += account->rows[i].seconds;
        least += account->rows[i].least;
        limit += account->rows[i].limit_seconds;
        flops += account->rows[i].flops;
        bytes += account->rows[i].bytes;
    }
    if (shown < account->count) {
        add_figures(seconds, least, account->seconds, limit, flops, bytes, out);
        strbuf_printf(out, "%-8s %zu more steps\n", "", account->count - shown);
    }
}

void plan_account_kinds_text(arena *a, const plan_account *account, strbuf *out)
{
    account_kind *kinds;
    size_t count = plan_account_kinds(a, account, &kinds);
    strbuf_printf(out, "%s%6s %6s %s\n", FIGURES_HEAD, "steps", "nodes", "operation");
    for (size_t i = 0; i < count; i++) {
        const account_kind *k = &kinds[i];
        add_figures(k->seconds, k->least, account->seconds, k->limit_seconds, k->flops, k->bytes, out);
        strbuf_printf(out, "%6zu %6zu %s\n", k->steps, k->nodes, k->name);
    }
}

const char *account_limit_name(account_limit limit)
{
    static const char *const names[] = {"", "product", "rate", "copy"};
    return names[limit];
}

/* ---- JSON ---- */

static json_t *counts_json(const plan_account *account)
{
    const plan_counts *c = &account->counts;
    const struct {
        const char *name;
        size_t value;
    } numbers[] = {
        {"nodes", c->nodes}, {"leaves", c->leaves}, {"merged", c->merged}, {"views", c->views}, {"absorbed", c->absorbed},
        {"computed", c->computed}, {"folded", c->once}, {"grouped", c->grouped}, {"groups", c->groups},
        {"grouped_reductions", c->reductions}, {"steps", c->steps},
        {"donations", c->donations}, {"in_place", c->in_place}, {"packs", c->packs}, {"packs_once", c->packs_once},
        {"packs_shared", c->packs_shared}, {"pack_bytes", c->pack_bytes}, {"convolutions", c->convolutions}, {"values_bytes", c->slab_bytes},
        {"kept_bytes", c->kept_bytes}, {"thread_bytes", c->worker_bytes}, {"peak_bytes", account->peak_bytes},
        {"process_bytes", account->process_bytes}, {"process_peak_bytes", account->process_peak},
        {"runs", (size_t)account->runs}, {"threads", account->threads},
    };
    json_t *object = json_object();
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        json_object_set_new(object, numbers[i].name, json_integer((json_int_t)numbers[i].value));
    return object;
}

static json_t *row_json(const account_row *row)
{
    char text[128];
    const plan_step_profile *s = &row->step;
    return json_pack("{s:i, s:s, s:s, s:s?, s:s, s:s, s:s, s:i, s:f, s:f, s:f, s:f, s:s?, s:f}", "number", (int)row->number, "step", s->name,
                     "implementation", s->implementation, "members", s->members, "type", element_word(row->type),
                     "shape", shape_text(row->shape, text), "where", row->where, "nodes", (int)s->nodes, "seconds", row->seconds,
                     "least_seconds", row->least, "flops", row->flops, "bytes", row->bytes, "limit",
                     row->limit_seconds > 0 ? account_limit_name(row->limit) : NULL, "limit_seconds", row->limit_seconds);
}

json_t *plan_account_json(const plan_account *account)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < account->count; i++)
        json_array_append_new(rows, row_json(&account->rows[i]));
    json_t *counts = counts_json(account), *all = json_object();
    double totals[] = {account->seconds, account->least, account->limit_seconds, account->limited_seconds, account->flops, account->bytes,
                       account->product_flops, account->product_seconds, account->product_alone, account->product_packed_alone};
    static const char *const names[] = {"seconds", "least_seconds", "limit_seconds", "limited_seconds", "flops", "bytes",
                                        "product_flops", "product_seconds", "products_alone_seconds", "products_packed_alone_seconds"};
    _Static_assert(COUNT_OF(totals) == COUNT_OF(names), "a name for each total");
    json_object_set_new(all, "plan", counts);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        json_object_set_new(all, names[i], json_real(totals[i]));
    json_object_set_new(all, "steps", rows);
    if (json_object_size(all) == COUNT_OF(names) + 2 && json_array_size(rows) == account->count)
        return all;
    json_decref(all);
    return NULL;
}
