#include "run/expected.h"

#include "core/progress.h"
#include "subject/local.h"

#include <math.h>

enum { MOST_REQUESTS = 16, WORDS = 48, WRITTEN = 16 };

typedef struct timing {
    double seconds, read, written; /* tokens */
} timing;

/* Questions that share nothing, so that every token is read. */
static const char *made_up(arena *a, size_t number)
{
    strbuf b = strbuf_new(a, 4096);
    strbuf_printf(&b, "%zu", number * 7919 % 1000);
    for (size_t i = 0; i < WORDS; i++)
        strbuf_printf(&b, " %s", (i * (number + 3)) % 5 < 2 ? "the" : "town");
    return b.failed ? NULL : b.text;
}

static bool time_it(subject *who, arena *a, size_t count, size_t first, int tokens, timing *out)
{
    message messages[MOST_REQUESTS];
    generate_request requests[MOST_REQUESTS];
    const generate_request *list[MOST_REQUESTS];
    generate_reply replies[MOST_REQUESTS] = {0};
    for (size_t i = 0; i < count; i++) {
        const char *text = made_up(a, first + i);
        if (!text)
            return false;
        messages[i] = message_text(a, MESSAGE_USER, text);
        requests[i] = (generate_request){.messages = &messages[i], .count = 1, .max_tokens = tokens, .temperature = 1, .top_p = 1,
                                         .address = {.study = "expected", .sample = first + i}, .position = -1};
        list[i] = &requests[i];
    }
    double start = clock_seconds();
    if (who->class->generate(who, a, list, replies, count, NULL) != STATUS_OK)
        return false;
    *out = (timing){.seconds = clock_seconds() - start};
    for (size_t i = 0; i < count; i++) {
        if (replies[i].code != STATUS_OK)
            return false;
        out->read += replies[i].prompt_tokens;
        out->written += replies[i].completion_tokens;
    }
    return out->read > 0;
}

double expected_seconds(subject *who, const study_plan *plan)
{
    local_parts parts;
    double tokens = (double)(plan->prompt_tokens + plan->completion_tokens);
    size_t count = who->batch < MOST_REQUESTS ? who->batch : MOST_REQUESTS;
    timing warm, reading, writing;
    if (tokens == 0 || (plan->prompt_tokens == 0 && plan->completion_tokens > 0) || count == 0 || !(who->abilities & SUBJECT_GENERATES) || !subject_local_parts(who, &parts))
        return NAN;
    arena *a = arena_new(NULL);
    bool good = a && time_it(who, a, count, 0, 1, &warm) && time_it(who, a, count, 100, 1, &reading) && time_it(who, a, count, 200, WRITTEN, &writing);
    arena_free(a);
    if (!good)
        return NAN;
    double each_read = reading.seconds / reading.read, more = writing.written - (double)count;
    double each_written = more > 0 ? fmax(0, writing.seconds - reading.seconds) / more : each_read; /* who stops at once writes no more */
    return each_read * (double)plan->prompt_tokens + each_written * (double)plan->completion_tokens;
}
