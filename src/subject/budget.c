#include "subject/budget.h"

#include "core/progress.h"

#include <math.h>
#include <pthread.h>

enum { COVER_STEPS = 20, POLL_MILLISECONDS = 50 };

struct budget {
    budget_options options;
    double started;
    int64_t most_picodollars; /* INT64_MAX: no limit */
    int64_t most_tokens;
    pthread_mutex_t lock;
    pthread_cond_t freed;
    /* Under the lock. */
    budget_amount spent, lost, held, covered;
    double kept_seconds;
    size_t open;     /* claims that hold something */
    const char *out; /* what ran out; NULL: nothing yet */
};

static budget_amount plus(budget_amount a, budget_amount b)
{
    return (budget_amount){a.tokens + b.tokens, a.picodollars + b.picodollars};
}

static budget_amount minus(budget_amount a, budget_amount b)
{
    return (budget_amount){a.tokens - b.tokens, a.picodollars - b.picodollars};
}

static bool limited(const budget *b)
{
    return b->most_tokens < INT64_MAX || b->most_picodollars < INT64_MAX;
}

int64_t budget_price_of(const price *p, const budget_usage *u)
{
    if (!p)
        return 0;
    int64_t cached = u->cached < u->prompt ? u->cached : u->prompt;
    return (u->prompt - cached) * p->input + cached * p->cached + u->completion * p->output;
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

status budget_new(const budget_options *options, budget **out, error *err)
{
    *out = NULL;
    budget *b = memory_alloc(sizeof *b);
    if (!b)
        return error_set(err, STATUS_MEMORY, "out of memory while making a budget");
    *b = (budget){.options = *options, .started = clock_seconds(), .spent = options->earlier, .covered = options->earlier,
                  .kept_seconds = options->earlier_seconds};
    b->most_tokens = options->limits.tokens > 0 ? options->limits.tokens : INT64_MAX;
    b->most_picodollars =
        options->limits.dollars > 0 && options->limits.dollars < 9e6 ? (int64_t)floor(options->limits.dollars * PICODOLLARS) : INT64_MAX;
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->freed, NULL);
    *out = b;
    return STATUS_OK;
}

void budget_free(budget *b)
{
    if (!b)
        return;
    pthread_cond_destroy(&b->freed);
    pthread_mutex_destroy(&b->lock);
    memory_free(b);
}

static double seconds_of(const budget *b)
{
    return b->options.earlier_seconds + clock_seconds() - b->started;
}

static bool time_is_up(const budget *b)
{
    return b->options.limits.seconds > 0 && seconds_of(b) >= b->options.limits.seconds;
}

static status exhausted(const budget *b, error *err)
{
    const budget_limits *l = &b->options.limits;
    const char *out = b->out ? b->out : "", *whose = b->options.shared ? b->options.shared : "";
    if (strcmp(out, "time") == 0)
        error_set(err, STATUS_LIMIT, "the limit of %g seconds%s is reached", l->seconds, whose);
    else if (strcmp(out, "money") == 0)
        error_set(err, STATUS_LIMIT,
                  "the limit of %g dollars%s is reached: %.6g are spent, and the next request could take more than is left",
                  l->dollars, whose, (double)b->spent.picodollars / PICODOLLARS);
    else
        error_set(err, STATUS_LIMIT,
                  "the limit of %lld tokens%s is reached: %lld are spent, and the next request could take more than is left",
                  (long long)l->tokens, whose, (long long)b->spent.tokens);
    error_hint(err, "what is finished is kept; the same command with a higher --max-%s goes on",
               strcmp(out, "money") == 0 ? "cost" : strcmp(out, "time") == 0 ? "time" : "tokens");
    return STATUS_LIMIT;
}

status budget_exhausted(const budget *b, error *err)
{
    pthread_mutex_lock((pthread_mutex_t *)&b->lock);
    status result = exhausted(b, err);
    pthread_mutex_unlock((pthread_mutex_t *)&b->lock);
    return result;
}

budget_state budget_look(budget *b)
{
    pthread_mutex_lock(&b->lock);
    budget_state s = {.spent = b->spent, .lost = b->lost, .seconds = seconds_of(b), .closed = b->out != NULL};
    pthread_mutex_unlock(&b->lock);
    return s;
}

bool budget_time_is_up(budget *b)
{
    double limit = b->options.limits.seconds, step = fmax(1, limit / COVER_STEPS);
    bool up = time_is_up(b);
    pthread_mutex_lock(&b->lock);
    if (up && !b->out)
        b->out = "time";
    if (limit > 0 && b->options.keep && seconds_of(b) - b->kept_seconds >= step) {
        b->kept_seconds = seconds_of(b);
        b->options.keep(b->options.context, &b->covered, b->kept_seconds, NULL); /* a failing store shows elsewhere */
    }
    pthread_mutex_unlock(&b->lock);
    return up;
}

/* ---- claims ----------------------------------------------------------------------------------------------------- */

static const char *lacking(const budget *b, budget_amount more)
{
    budget_amount all = plus(plus(b->spent, b->held), more);
    if (all.tokens > b->most_tokens)
        return "tokens";
    return all.picodollars > b->most_picodollars ? "money" : NULL;
}

static int64_t step_up(int64_t wanted, int64_t limit)
{
    return limit == INT64_MAX ? wanted : wanted < limit - limit / COVER_STEPS ? wanted + limit / COVER_STEPS : limit;
}

/* What is set aside is written down first; the lock is held, as whoever comes next must wait for the same. */
static status cover(budget *b, budget_amount wanted, error *err)
{
    if (!b->options.keep || !limited(b) ||
        (wanted.tokens <= b->covered.tokens && wanted.picodollars <= b->covered.picodollars))
        return STATUS_OK;
    budget_amount more = {step_up(wanted.tokens, b->most_tokens), step_up(wanted.picodollars, b->most_picodollars)};
    TRY(b->options.keep(b->options.context, &more, seconds_of(b), err));
    b->kept_seconds = seconds_of(b);
    b->covered = more;
    return STATUS_OK;
}

static void wait_a_little(budget *b)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += POLL_MILLISECONDS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&b->freed, &b->lock, &until);
}

/* With the lock held. */
static status hold(budget *b, budget_claim *claim, const atomic_bool *stop, error *err)
{
    for (;;) {
        if (stop && atomic_load(stop))
            return error_set(err, STATUS_INTERRUPTED, "interrupted before the request was sent");
        const char *short_of = time_is_up(b) ? "time" : lacking(b, claim->bound);
        if (!b->out && !short_of)
            break;
        if (!b->out && (b->open == 0 || strcmp(short_of, "time") == 0))
            b->out = short_of;
        if (b->out)
            return exhausted(b, err);
        wait_a_little(b);
    }
    TRY(cover(b, plus(plus(b->spent, b->held), claim->bound), err));
    claim->held = claim->bound;
    b->held = plus(b->held, claim->held);
    b->open++;
    return STATUS_OK;
}

status budget_claim_open(budget *b, budget_claim *claim, const price *p, int64_t prompt_bound, int64_t completion_bound,
                         const atomic_bool *stop, error *err)
{
    *claim = (budget_claim){.budget = b, .price = p};
    claim->bound.tokens = prompt_bound + completion_bound;
    if (p) {
        int64_t dearest = p->input > p->cached ? p->input : p->cached;
        claim->bound.picodollars = prompt_bound * dearest + completion_bound * p->output;
    }
    pthread_mutex_lock(&b->lock);
    status result = hold(b, claim, stop, err);
    pthread_mutex_unlock(&b->lock);
    if (result != STATUS_OK)
        claim->budget = NULL;
    return result;
}

/* What was set aside for the last attempt counts as spent. */
static void lose(budget *b, budget_claim *claim)
{
    b->held = minus(b->held, claim->held);
    b->spent = plus(b->spent, claim->held);
    b->lost = plus(b->lost, claim->held);
    claim->lost = plus(claim->lost, claim->held);
    claim->held = (budget_amount){0, 0};
}

bool budget_claim_again(budget_claim *claim)
{
    if (!claim || !claim->budget)
        return true;
    budget *b = claim->budget;
    pthread_mutex_lock(&b->lock);
    lose(b, claim);
    bool fits = !b->out && !time_is_up(b) && !lacking(b, claim->bound) &&
                cover(b, plus(plus(b->spent, b->held), claim->bound), NULL) == STATUS_OK;
    if (fits) {
        claim->held = claim->bound;
        b->held = plus(b->held, claim->held);
    } else if (!b->out) {
        const char *short_of = lacking(b, claim->bound);
        b->out = time_is_up(b) ? "time" : short_of ? short_of : "tokens";
    }
    pthread_mutex_unlock(&b->lock);
    return fits;
}

void budget_claim_lose(budget_claim *claim)
{
    if (!claim || !claim->budget)
        return;
    pthread_mutex_lock(&claim->budget->lock);
    lose(claim->budget, claim);
    pthread_mutex_unlock(&claim->budget->lock);
}

void budget_claim_close(budget_claim *claim, const budget_usage *usage)
{
    budget *b = claim->budget;
    if (!b)
        return;
    budget_amount took = {0, 0};
    if (usage->answered && usage->uncounted)
        took = claim->bound;
    else if (usage->answered)
        took = (budget_amount){usage->prompt + usage->completion, budget_price_of(claim->price, usage)};
    pthread_mutex_lock(&b->lock);
    b->held = minus(b->held, claim->held);
    b->spent = plus(b->spent, took);
    b->open--;
    pthread_cond_broadcast(&b->freed);
    pthread_mutex_unlock(&b->lock);
    claim->budget = NULL;
}
