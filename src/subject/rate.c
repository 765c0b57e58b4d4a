#include "subject/rate.h"

#include "core/error.h"

#include <curl/curl.h>
#include <math.h>

enum { LONGEST_RESET = 24 * 3600 }; /* what lies further away is no rate limit that one could wait for */

/* ---- reading ---------------------------------------------------------------------------------------------------- */

bool rate_span(slice text, double *seconds)
{
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"ms", 1e-3}, {"us", 1e-6}, {"ns", 1e-9}, {"h", 3600}, {"m", 60}, {"s", 1}, {"d", 86400}};
    double total = 0;
    text = slice_trim(text);
    if (text.length == 0 || text.length > 64)
        return false;
    if (slice_to_double(text, seconds))
        return isfinite(*seconds) && *seconds >= 0;
    for (size_t at = 0; at < text.length;) {
        size_t end = at, unit = 0;
        double value;
        while (end < text.length && ((text.text[end] >= '0' && text.text[end] <= '9') || text.text[end] == '.'))
            end++;
        if (!slice_to_double(slice_sub(text, at, end), &value))
            return false;
        slice rest = slice_sub(text, end, text.length);
        while (unit < COUNT_OF(units) && !slice_starts(rest, slice_of(units[unit].unit)))
            unit++;
        if (unit == COUNT_OF(units))
            return false;
        total += value * units[unit].seconds;
        at = end + strlen(units[unit].unit);
    }
    *seconds = total;
    return isfinite(total);
}

/* Digits only, so many of them. */
static bool digits(slice *s, size_t count, int *value)
{
    *value = 0;
    if (s->length < count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (s->text[i] < '0' || s->text[i] > '9')
            return false;
        *value = *value * 10 + (s->text[i] - '0');
    }
    *s = slice_sub(*s, count, s->length);
    return true;
}

static bool mark(slice *s, const char *any)
{
    if (s->length == 0 || !strchr(any, s->text[0]))
        return false;
    *s = slice_sub(*s, 1, s->length);
    return true;
}

static bool offset(slice s, int *seconds)
{
    int hours, minutes;
    *seconds = 0;
    if (s.length == 1 && (s.text[0] == 'Z' || s.text[0] == 'z'))
        return true;
    bool west = s.length > 0 && s.text[0] == '-';
    if (!mark(&s, "+-") || !digits(&s, 2, &hours) || !mark(&s, ":") || !digits(&s, 2, &minutes) || s.length > 0)
        return false;
    *seconds = (hours * 60 + minutes) * (west ? -60 : 60);
    return true;
}

bool rate_time(slice s, double *seconds)
{
    struct tm t = {0};
    int east;
    double fraction = 0, weight = .1;
    s = slice_trim(s);
    if (s.length > 64 || !digits(&s, 4, &t.tm_year) || !mark(&s, "-") || !digits(&s, 2, &t.tm_mon) || !mark(&s, "-") ||
        !digits(&s, 2, &t.tm_mday) || !mark(&s, "Tt ") || !digits(&s, 2, &t.tm_hour) || !mark(&s, ":") ||
        !digits(&s, 2, &t.tm_min) || !mark(&s, ":") || !digits(&s, 2, &t.tm_sec))
        return false;
    if (mark(&s, "."))
        for (; s.length > 0 && s.text[0] >= '0' && s.text[0] <= '9'; weight /= 10, s = slice_sub(s, 1, s.length))
            fraction += weight * (s.text[0] - '0');
    if (!offset(s, &east))
        return false;
    t.tm_year -= 1900;
    t.tm_mon -= 1;
    time_t whole = timegm(&t);
    *seconds = (double)whole + fraction - east;
    return true;
}

typedef enum sight_part { PART_LIMIT, PART_LEFT, PART_RESET } sight_part;

static void see(rate_sight *s, rate_kind kind, sight_part part, slice value, bool as_time)
{
    double x;
    bool time = as_time && part == PART_RESET && rate_time(value, &x);
    if (!time && !(part == PART_RESET ? rate_span(value, &x) : slice_to_double(slice_trim(value), &x)))
        return;
    if (!isfinite(x) || x < 0) /* some servers say -1 for "not counted" */
        return;
    switch (part) {
    case PART_LIMIT:
        s->seen[kind].has_limit = true;
        s->seen[kind].limit = x;
        break;
    case PART_LEFT:
        s->seen[kind].has_left = true;
        s->seen[kind].left = x;
        break;
    case PART_RESET:
        s->seen[kind].has_reset = true;
        s->seen[kind].wall = time;
        s->seen[kind].reset = x;
        break;
    }
}

static bool same_nocase(slice a, const char *b)
{
    return a.length == strlen(b) && slice_find_nocase(a, slice_of(b), 0) == 0;
}

void rate_sight_header(rate_sight *s, slice name, slice value)
{
    static const struct {
        const char *name;
        rate_kind kind;
        sight_part part;
        bool time;
    } rows[] = {
        {"x-ratelimit-limit-requests", RATE_REQUESTS, PART_LIMIT, false},
        {"x-ratelimit-remaining-requests", RATE_REQUESTS, PART_LEFT, false},
        {"x-ratelimit-reset-requests", RATE_REQUESTS, PART_RESET, true},
        {"x-ratelimit-limit-tokens", RATE_TOKENS, PART_LIMIT, false},
        {"x-ratelimit-remaining-tokens", RATE_TOKENS, PART_LEFT, false},
        {"x-ratelimit-reset-tokens", RATE_TOKENS, PART_RESET, true},
        {"anthropic-ratelimit-requests-limit", RATE_REQUESTS, PART_LIMIT, false},
        {"anthropic-ratelimit-requests-remaining", RATE_REQUESTS, PART_LEFT, false},
        {"anthropic-ratelimit-requests-reset", RATE_REQUESTS, PART_RESET, true},
        {"anthropic-ratelimit-tokens-limit", RATE_TOKENS, PART_LIMIT, false},
        {"anthropic-ratelimit-tokens-remaining", RATE_TOKENS, PART_LEFT, false},
        {"anthropic-ratelimit-tokens-reset", RATE_TOKENS, PART_RESET, true},
        {"anthropic-ratelimit-input-tokens-limit", RATE_INPUT, PART_LIMIT, false},
        {"anthropic-ratelimit-input-tokens-remaining", RATE_INPUT, PART_LEFT, false},
        {"anthropic-ratelimit-input-tokens-reset", RATE_INPUT, PART_RESET, true},
        {"anthropic-ratelimit-output-tokens-limit", RATE_OUTPUT, PART_LIMIT, false},
        {"anthropic-ratelimit-output-tokens-remaining", RATE_OUTPUT, PART_LEFT, false},
        {"anthropic-ratelimit-output-tokens-reset", RATE_OUTPUT, PART_RESET, true},
    };
    double x;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (same_nocase(name, rows[i].name))
            see(s, rows[i].kind, rows[i].part, value, rows[i].time);
    if (same_nocase(name, "retry-after-ms") && slice_to_double(slice_trim(value), &x) && isfinite(x) && x > 0)
        s->retry_after_ms = x;
    if (same_nocase(name, "date") && value.length < 64) {
        char text[64];
        memcpy(text, value.text, value.length);
        text[value.length] = '\0';
        time_t date = curl_getdate(text, NULL);
        s->date = date > 0 ? (double)date : 0;
    }
}

/* ---- keeping ---------------------------------------------------------------------------------------------------- */

/* A limit whose time has come is full again, for as long as it took the last time, until an answer says otherwise. */
static void refill(rate_limits *r, double now)
{
    for (size_t k = 0; k < RATE_KIND_COUNT; k++) {
        rate_limit *l = &r->limits[k];
        if (!l->known || now < l->reset)
            continue;
        l->known = l->limit > 0;
        l->floor = l->limit;
        l->moment = r->moment;
        l->reset = now + l->span;
    }
}

double rate_limits_wait(rate_limits *r, const rate_cost *cost, double now)
{
    double when = r->closed_until;
    refill(r, now);
    for (size_t k = 0; k < RATE_KIND_COUNT; k++) {
        const rate_limit *l = &r->limits[k];
        if (!l->known || cost->of[k] <= 0 || cost->of[k] <= l->floor - r->open.of[k])
            continue;
        bool never_fits = l->limit > 0 && cost->of[k] > l->limit;
        if (!(never_fits && r->open_count == 0))
            when = fmax(when, l->reset);
    }
    return when;
}

rate_ticket rate_limits_send(rate_limits *r, const rate_cost *cost)
{
    for (size_t k = 0; k < RATE_KIND_COUNT; k++)
        r->open.of[k] += cost->of[k];
    r->open_count++;
    return (rate_ticket){.moment = ++r->moment, .cost = *cost};
}

/* Whoever was sent after the floor was learnt was counted after it, and says more; others were under way together with
 * it, and the lower word holds. */
static void learn_one(rate_limit *l, double limit, double left, double span, const rate_limits *r, rate_ticket ticket, double now)
{
    bool newer = !l->known || ticket.moment > l->moment;
    if (newer || left < l->floor) {
        l->floor = left;
        l->moment = r->moment;
    }
    l->reset = newer ? now + span : fmax(l->reset, now + span);
    l->span = span;
    l->limit = limit;
    l->known = true;
}

void rate_limits_learn(rate_limits *r, const rate_sight *s, rate_ticket ticket, double now, double wall)
{
    refill(r, now);
    r->moment++;
    r->open_count--;
    for (size_t k = 0; k < RATE_KIND_COUNT; k++)
        r->open.of[k] = r->open_count ? r->open.of[k] - ticket.cost.of[k] : 0;
    double server = s->date > 0 ? s->date : wall;
    for (size_t k = 0; k < RATE_KIND_COUNT; k++) {
        if (!s->seen[k].has_left || !s->seen[k].has_reset)
            continue;
        double span = s->seen[k].wall ? s->seen[k].reset - server : s->seen[k].reset;
        if (span > 0 && span <= LONGEST_RESET)
            learn_one(&r->limits[k], s->seen[k].has_limit ? s->seen[k].limit : 0, s->seen[k].left, span, r, ticket, now);
        else if (ticket.moment > r->limits[k].moment)
            r->limits[k].known = false;
    }
}

void rate_limits_close(rate_limits *r, double until)
{
    r->closed_until = fmax(r->closed_until, until);
}
