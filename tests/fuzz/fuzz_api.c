/* Whatever a server sends is refused in words, or read into text that is UTF-8, with counts and log-probabilities in
 * their ranges. The first byte chooses the wire form; or the headers of rate limits. */
#include "subject/api.h"

#include "core/jsonio.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check(const generate_reply *r)
{
    if (!r->text || !utf8_valid(slice_of(r->text)))
        BUG("an answer without a text, or not in UTF-8");
    if (r->prompt_tokens < 0 || r->completion_tokens < 0 || r->cached_tokens < 0 || r->reason >= STOP_REASON_COUNT)
        BUG("counts out of their range");
    if (!isnan(r->logprob) && !(r->logprob < 1e9))
        BUG("a log-probability of %g", r->logprob);
    for (size_t i = 0; i < r->block_count; i++)
        if (!r->blocks[i].text || !utf8_valid(slice_of(r->blocks[i].text)))
            BUG("a block without a text");
}

static void read_answer(arena *a, const api_form *form, slice text)
{
    json_t *answer;
    generate_reply reply = {.logprob = NAN};
    const generate_request q = {.logprobs = true};
    if (jsonio_parse(text, "answer", &answer, NULL) != STATUS_OK)
        return;
    const char *wrong = form->malformed(answer);
    if (!wrong) {
        if (form->read(a, answer, &q, &reply) != STATUS_OK)
            BUG("a good answer could not be read");
        check(&reply);
    } else if (!wrong[0]) {
        BUG("refused without a word");
    }
    openai_logprob(answer);
    openai_top_logprob(answer, "a");
    json_decref(answer);
}

static void read_headers(slice text)
{
    rate_sight sight = {0};
    rate_limits limits = {0};
    const rate_cost cost = {.of = {1, 10, 5, 5}};
    slice line, name;
    while (slice_cut(&text, '\n', &line))
        if (slice_cut(&line, ':', &name) && line.text)
            rate_sight_header(&sight, name, line);
    rate_ticket t = rate_limits_send(&limits, &cost);
    rate_limits_learn(&limits, &sight, t, 100, 1e9);
    double when = rate_limits_wait(&limits, &cost, 100);
    if (!(when <= 100 + 86400.0))
        BUG("to wait until %g", when);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static const api_form *const forms[] = {&openai_chat_form, &openai_completions_form, &anthropic_form};
    if (length == 0)
        return 0;
    arena *a = arena_new(NULL);
    slice rest = {(const char *)bytes + 1, length - 1};
    size_t which = bytes[0] % (COUNT_OF(forms) + 1);
    if (which < COUNT_OF(forms))
        read_answer(a, forms[which], rest);
    else
        read_headers(rest);
    arena_free(a);
    return 0;
}
