/* The scripted responder of calibration tier T0: bad on exactly the items whose position lies below the dose. */
#include "subject/classes.h"

#include <math.h>

static const double NOTHING = -700; /* the logarithm of a share of 0, near enough */

static bool is_bad(const subject *self, double position)
{
    return position >= 0 && position < *(const double *)self->state;
}

static status oracle_generate(subject *self, arena *a, const generate_request *const *requests, generate_reply *replies,
                              size_t count, error *err)
{
    for (size_t i = 0; i < count; i++) {
        const generate_request *q = requests[i];
        bool bad = is_bad(self, q->position);
        const char *answer = bad ? q->reference_bad : q->reference_good;
        replies[i].prompt_tokens = subject_prompt_words(q);
        replies[i].logprob = NAN;
        if (!answer) {
            replies[i].code = STATUS_UNSUPPORTED;
            replies[i].problem = bad ? "the oracle answers from references, and the study gives no bad one here"
                                     : "the oracle answers from references, and the study gives no good one here";
        } else if (subject_finish_text(a, answer, q, &replies[i]) != STATUS_OK) {
            return error_set(err, STATUS_MEMORY, "out of memory while answering from references");
        }
    }
    return STATUS_OK;
}

/* The mix of the two references in which the bad one has the dose as its share. */
static void mix_shares(const score_request *q, double dose, score_reply *reply)
{
    for (size_t k = 0; k < q->continuation_count; k++) {
        double share = dose * q->bad_shares[k] + (1 - dose) * q->good_shares[k];
        reply->logprobs[k] = share > 0 ? log(share) : NOTHING;
        reply->token_counts[k] = 1;
    }
}

/* Nearly all of the probability is that of the continuation named: no figure is infinite. */
static status oracle_score(subject *self, arena *a, const score_request *const *requests, score_reply *replies, size_t count, error *err)
{
    static const double rest = 1e-9;
    for (size_t i = 0; i < count; i++) {
        const score_request *q = requests[i];
        size_t n = q->continuation_count, chosen = is_bad(self, q->position) ? q->bad : q->good;
        replies[i] = (score_reply){.logprobs = ARENA_ARRAY(a, double, n + 1), .token_counts = ARENA_ARRAY(a, int, n + 1)};
        if (!replies[i].logprobs || !replies[i].token_counts)
            return error_set(err, STATUS_MEMORY, "out of memory while scoring by references");
        if (q->good_shares && q->bad_shares) {
            mix_shares(q, *(const double *)self->state, &replies[i]);
            continue;
        }
        if (chosen == 0 || chosen > n) {
            replies[i].code = STATUS_UNSUPPORTED;
            replies[i].problem = "the oracle scores by references, and the study gives none here";
        }
        for (size_t k = 0; k < n; k++) {
            replies[i].logprobs[k] = k + 1 == chosen ? log1p(-rest * (double)(n - 1)) : log(rest);
            replies[i].token_counts[k] = 1;
        }
    }
    return STATUS_OK;
}

status subject_open_oracle(arena *a, const char *specification, const char *rest, const subject_options *options,
                           subject **out, error *err)
{
    static const subject_class class = {.name = "oracle", .generate = oracle_generate, .score = oracle_score};
    slice left = slice_of(rest), number;
    slice_cut(&left, ',', &number);
    bool scores = left.text && slice_is(left, "scores");
    (void)options;
    double *dose = ARENA_NEW(a, double);
    subject *s = ARENA_NEW(a, subject);
    char *name = arena_strdup(a, specification);
    if (!dose || !s || !name)
        return error_set(err, STATUS_MEMORY, "out of memory while opening %s", specification);
    if (!slice_to_double(number, dose) || !(*dose >= 0 && *dose <= 1) || (left.text && !scores))
        return error_set(err, STATUS_USAGE, "%s: expected a dose between 0 and 1, and at most \",scores\", behind \"oracle:\", found \"%s\"",
                         specification, rest);
    *s = (subject){.class = &class,
                   .specification = name,
                   .identity = arena_printf(a, "oracle %.17g%s", *dose, scores ? " scores" : ""),
                   .abilities = SUBJECT_GENERATES | SUBJECT_SEEDS | (scores ? SUBJECT_SCORES : 0u),
                   .batch = 1024,
                   .concurrent = true,
                   .instant = true,
                   .state = dose};
    if (!s->identity)
        return error_set(err, STATUS_MEMORY, "out of memory while opening %s", specification);
    *out = s;
    return STATUS_OK;
}
