#include "run/spending.h"

#include "core/jsonio.h"

static void write_down(const spending *s, const budget_amount *amount, double seconds)
{
    strbuf b = strbuf_new(NULL, 4096);
    json_t *value = json_pack("{s:I, s:I, s:f}", "tokens", (json_int_t)amount->tokens, "picodollars",
                              (json_int_t)amount->picodollars, "seconds", seconds);
    if (value && jsonio_print(value, 0, &b, NULL) == STATUS_OK && !b.failed)
        store_answer_keep(s->store, s->key, b.text);
    json_decref(value);
    strbuf_free(&b);
}

/* What a part has of an amount of its whole. */
static budget_amount share_of(const spending *part, const budget_amount *of_whole)
{
    const budget_amount *begun = &part->begun.spent;
    return (budget_amount){part->earlier.tokens + of_whole->tokens - begun->tokens,
                           part->earlier.picodollars + of_whole->picodollars - begun->picodollars};
}

static status keep(void *context, const budget_amount *covered, double seconds, error *err)
{
    spending *s = context;
    write_down(s, covered, seconds);
    if (s->part) {
        budget_amount own = share_of(s->part, covered);
        write_down(s->part, &own, s->part->earlier_seconds + seconds - s->part->begun.seconds);
    }
    return store_flush(s->store, err);
}

static void read_earlier(spending *s)
{
    arena *a = arena_new(NULL);
    const char *text;
    json_t *value = NULL;
    if (store_answer_find(s->store, a, s->key, &text) && jsonio_parse(slice_of(text), "spending", &value, NULL) == STATUS_OK) {
        s->earlier.tokens = json_integer_value(json_object_get(value, "tokens"));
        s->earlier.picodollars = json_integer_value(json_object_get(value, "picodollars"));
        s->earlier_seconds = json_number_value(json_object_get(value, "seconds"));
    }
    json_decref(value);
    arena_free(a);
}

static status open_budget(spending *s, const budget_limits *limits, error *err)
{
    budget_options options = {.limits = *limits, .shared = s->words, .earlier = s->earlier, .earlier_seconds = s->earlier_seconds,
                              .keep = s->store ? keep : NULL, .context = s};
    return budget_new(&options, &s->budget, err);
}

status spending_open(spending *s, store *kept_in, const char *run_key, const budget_limits *limits, spending *whole, error *err)
{
    *s = (spending){.store = kept_in, .whole = whole};
    snprintf(s->key, sizeof s->key, "spent %s", run_key);
    if (kept_in)
        read_earlier(s);
    if (!whole)
        return open_budget(s, limits, err);
    s->budget = whole->budget;
    s->begun = budget_look(s->budget);
    whole->part = s;
    return STATUS_OK;
}

status spending_open_call(spending *s, store *kept_in, json_t *what, const budget_limits *limits, size_t runs, error *err)
{
    strbuf text = strbuf_new(NULL, 1 << 26);
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    *s = (spending){.store = kept_in};
    status result = what ? jsonio_canonical(what, &text, err) : error_set(err, STATUS_MEMORY, "out of memory for the budget of several runs");
    json_decref(what);
    if (result == STATUS_OK) {
        sha256_of(text.text, text.length, digest);
        sha256_hex(digest, hex);
        snprintf(s->key, sizeof s->key, "spent %s", hex);
        snprintf(s->words, sizeof s->words, " for all %zu runs together", runs);
        if (kept_in)
            read_earlier(s);
        result = open_budget(s, limits, err);
    }
    strbuf_free(&text);
    return result;
}

budget_state spending_look(const spending *s)
{
    budget_state now = budget_look(s->budget);
    if (!s->whole)
        return now;
    now.spent = share_of(s, &now.spent);
    now.lost.tokens -= s->begun.lost.tokens;
    now.lost.picodollars -= s->begun.lost.picodollars;
    now.seconds += s->earlier_seconds - s->begun.seconds;
    return now;
}

void spending_close(spending *s, bool over)
{
    static const budget_amount nothing;
    if (!s->store || !s->budget)
        return;
    budget_state now = spending_look(s);
    write_down(s, over ? &nothing : &now.spent, over ? 0 : now.seconds);
}

void spending_free(spending *s)
{
    if (s->whole && s->whole->part == s)
        s->whole->part = NULL;
    if (!s->whole)
        budget_free(s->budget);
    s->budget = NULL;
}
