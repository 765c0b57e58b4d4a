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

static status keep(void *context, const budget_amount *covered, double seconds, error *err)
{
    spending *s = context;
    write_down(s, covered, seconds);
    return store_flush(s->store, err);
}

static void read_earlier(const spending *s, budget_options *options)
{
    arena *a = arena_new(NULL);
    const char *text;
    json_t *value = NULL;
    if (store_answer_find(s->store, a, s->key, &text) && jsonio_parse(slice_of(text), "spending", &value, NULL) == STATUS_OK) {
        options->earlier.tokens = json_integer_value(json_object_get(value, "tokens"));
        options->earlier.picodollars = json_integer_value(json_object_get(value, "picodollars"));
        options->earlier_seconds = json_number_value(json_object_get(value, "seconds"));
    }
    json_decref(value);
    arena_free(a);
}

status spending_open(spending *s, store *kept_in, const char *run_key, const budget_limits *limits, error *err)
{
    *s = (spending){.store = kept_in};
    snprintf(s->key, sizeof s->key, "spent %s", run_key);
    budget_options options = {.limits = *limits, .context = s};
    if (kept_in) {
        options.keep = keep;
        read_earlier(s, &options);
    }
    return budget_new(&options, &s->budget, err);
}

void spending_close(spending *s, bool over)
{
    static const budget_amount nothing;
    if (!s->store || !s->budget)
        return;
    budget_state now = budget_look(s->budget);
    write_down(s, over ? &nothing : &now.spent, over ? 0 : now.seconds);
}

void spending_free(spending *s)
{
    budget_free(s->budget);
    s->budget = NULL;
}
