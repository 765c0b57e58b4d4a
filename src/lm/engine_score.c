/* Scoring: the log-probabilities of given continuations. One request computes the prefix, scores the first token of every
 * continuation by its last row, and goes on with the longest; for each other long one another request goes on from there. */
#include "lm/engine_internal.h"

#include <math.h>
#include <string.h>

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory while scoring");
}

/* The interventions of a scoring request as those of one text of it, `total` tokens long: what lies behind its end is for
 * an answer that is not written, so that it is checked and nothing more. *count: how many. */
static engine_intervention *interventions_of(arena *a, const engine_score_request *r, size_t total, size_t *count)
{
    engine_intervention *list = ARENA_ARRAY(a, engine_intervention, r->intervention_count + 1);
    *count = 0;
    for (size_t i = 0; list && i < r->intervention_count; i++) {
        engine_intervention v = r->interventions[i];
        engine_positions *at = &v.at;
        if (at->where == ENGINE_PROMPT)
            *at = (engine_positions){ENGINE_SPAN, 0, r->prefix_count};
        else if (at->where == ENGINE_ANSWER)
            *at = (engine_positions){ENGINE_SPAN, r->prefix_count, ENGINE_TO_END};
        else if (at->where == ENGINE_ALL)
            *at = (engine_positions){ENGINE_SPAN, 0, ENGINE_TO_END};
        if (at->to > total)
            at->to = ENGINE_TO_END;
        if (at->from >= total) {
            *at = (engine_positions){ENGINE_ANSWER, 0, 0};
            v.rows = v.rows > 0;
        } else if (v.rows > 1) {
            v.rows = (at->to < total ? at->to : total) - at->from;
        }
        list[(*count)++] = v;
    }
    return list;
}

/* Whether an intervention's positions and rows are there in the longest of the texts; the engine checks the rest. */
static void check_positions(arena *a, const engine_score_request *r, size_t longest, engine_score *score)
{
    for (size_t i = 0; i < r->intervention_count && score->code == STATUS_OK; i++) {
        const engine_intervention *v = &r->interventions[i];
        size_t total = r->prefix_count + longest, from = v->at.where == ENGINE_ANSWER ? r->prefix_count : 0, to = total;
        if (v->at.where == ENGINE_PROMPT)
            to = r->prefix_count;
        if (v->at.where == ENGINE_SPAN) {
            from = v->at.from;
            to = v->at.to == ENGINE_TO_END ? total : v->at.to;
        }
        if (v->at.where == ENGINE_SPAN && (from >= to || to > total))
            score->problem = arena_printf(a, "intervention %zu is for positions %zu to %zu (not included); expected some of 0 to %zu",
                                          i, from, to, total);
        else if (v->rows != 1 && v->rows != to - from)
            score->problem = arena_printf(a, "intervention %zu has %zu rows of values; expected 1, or %zu, one for each position", i,
                                          v->rows, to - from);
        else
            continue;
        score->code = STATUS_INVALID;
    }
}

/* Checks a request and makes room for its scores. */
static status check(const engine *e, arena *a, const engine_score_request *r, engine_score *score, error *err)
{
    size_t longest = 0;
    *score = (engine_score){.logprobs = ARENA_ARRAY(a, double, r->continuation_count + 1)};
    if (!score->logprobs)
        return no_memory(err);
    for (size_t i = 0; i < r->continuation_count; i++) {
        const token_list *c = &r->continuations[i];
        longest = c->count > longest ? c->count : longest;
        for (size_t k = 0; k < c->count; k++)
            if (c->ids[k] < 0 || c->ids[k] >= e->checkpoint->config.vocabulary) {
                score->code = STATUS_INVALID;
                score->problem = arena_printf(a, "token %zu of continuation %zu is %d; the vocabulary has %d entries", k, i,
                                              c->ids[k], e->checkpoint->config.vocabulary);
                return STATUS_OK;
            }
    }
    score->code = engine_check_prompt(e, a, r->prefix, r->prefix_count, longest, &score->problem);
    check_positions(a, r, longest, score);
    return STATUS_OK;
}

/* Requests of one scoring call: whose each is, and which continuation it scores (SIZE_MAX: the first tokens alone). */
typedef struct asked {
    engine_request *requests;
    size_t *owner, *continuation, count;
} asked;

/* Adds the request for the prefix and continuation `which` behind it (SIZE_MAX: the prefix alone). */
static engine_request *add(arena *a, asked *q, const engine_score_request *r, size_t owner, size_t which, error *err)
{
    token_list c = which == SIZE_MAX ? (token_list){0} : r->continuations[which];
    size_t total = r->prefix_count + c.count, patches;
    int32_t *ids = ARENA_ARRAY(a, int32_t, total);
    engine_intervention *list = interventions_of(a, r, total, &patches);
    if (!ids || !list) {
        no_memory(err);
        return NULL;
    }
    memcpy(ids, r->prefix, r->prefix_count * sizeof *ids);
    if (c.count)
        memcpy(ids + r->prefix_count, c.ids, c.count * sizeof *ids);
    q->owner[q->count] = owner;
    q->continuation[q->count] = which;
    q->requests[q->count] = (engine_request){.prompt = ids, .prompt_count = total, .prompt_logprobs = c.count > 1,
                                             .prompt_from = r->prefix_count + 1, .interventions = list, .intervention_count = patches};
    return &q->requests[q->count++];
}

/* One request gives the first tokens of all continuations, and goes on with the longest of them; each other one that is
 * longer than a token needs a request of its own. */
static status ask(arena *a, asked *q, const engine_score_request *r, size_t owner, error *err)
{
    int32_t *firsts = ARENA_ARRAY(a, int32_t, r->continuation_count + 1);
    size_t longest = SIZE_MAX;
    if (!firsts)
        return no_memory(err);
    for (size_t i = 0; i < r->continuation_count; i++) {
        const token_list *c = &r->continuations[i];
        firsts[i] = c->count ? c->ids[0] : 0;
        if (c->count > 1 && (longest == SIZE_MAX || c->count > r->continuations[longest].count))
            longest = i;
    }
    engine_request *first = add(a, q, r, owner, longest, err);
    if (!first)
        return STATUS_MEMORY;
    first->candidates = firsts;
    first->candidate_count = r->continuation_count;
    first->candidates_after = r->prefix_count;
    for (size_t i = 0; i < r->continuation_count; i++)
        if (i != longest && r->continuations[i].count > 1 && !add(a, q, r, owner, i, err))
            return STATUS_MEMORY;
    return STATUS_OK;
}

/* Sums in the order of the tokens; what failed is the whole request's. */
static void gather(const asked *q, const engine_result *results, const engine_score_request *requests, engine_score *scores)
{
    for (size_t i = 0; i < q->count; i++) {
        engine_score *score = &scores[q->owner[i]];
        const engine_score_request *r = &requests[q->owner[i]];
        if (results[i].code != STATUS_OK) {
            score->code = results[i].code;
            score->problem = results[i].problem;
            continue;
        }
        if (q->requests[i].candidate_count > 0) /* comes before the others */
            for (size_t k = 0; k < r->continuation_count; k++)
                score->logprobs[k] = r->continuations[k].count ? (double)results[i].candidate_logprobs[k] : 0;
        for (size_t k = r->prefix_count + 1; k < q->requests[i].prompt_count; k++)
            score->logprobs[q->continuation[i]] += (double)results[i].prompt_logprobs[k];
    }
}

status engine_score_all(engine *e, arena *a, const engine_score_request *requests, engine_score *scores, size_t count,
                        error *err)
{
    arena *scratch = arena_new(NULL);
    size_t most = count;
    for (size_t i = 0; i < count; i++)
        most += requests[i].continuation_count;
    asked q = {ARENA_ARRAY(scratch, engine_request, most + 1), ARENA_ARRAY(scratch, size_t, most + 1),
               ARENA_ARRAY(scratch, size_t, most + 1), 0};
    engine_result *results = ARENA_ARRAY(scratch, engine_result, most + 1);
    status result = q.requests && q.owner && q.continuation && results ? STATUS_OK : no_memory(err);
    for (size_t i = 0; result == STATUS_OK && i < count; i++) {
        result = check(e, a, &requests[i], &scores[i], err);
        if (result == STATUS_OK && scores[i].code == STATUS_OK)
            result = ask(scratch, &q, &requests[i], i, err);
    }
    if (result == STATUS_OK)
        result = engine_generate(e, scratch, q.requests, results, q.count, err);
    if (result == STATUS_OK)
        gather(&q, results, requests, scores);
    for (size_t i = 0; result == STATUS_OK && i < count; i++)
        if (scores[i].problem && !(scores[i].problem = arena_strdup(a, scores[i].problem)))
            result = no_memory(err);
    arena_free(scratch);
    return result;
}

status engine_choose(engine *e, arena *a, const engine_score_request *request, double temperature, double uniform,
                     engine_choice *out, error *err)
{
    engine_score score;
    size_t n = request->continuation_count, best = 0;
    *out = (engine_choice){.probabilities = ARENA_ARRAY(a, double, n + 1)};
    if (!out->probabilities)
        return no_memory(err);
    TRY(engine_score_all(e, a, request, &score, 1, err));
    out->code = score.code;
    out->problem = score.problem;
    if (score.code == STATUS_OK && n == 0) {
        out->code = STATUS_INVALID;
        out->problem = "there is nothing to choose from";
    }
    if (out->code != STATUS_OK)
        return STATUS_OK;
    double sum = 0, passed = 0;
    for (size_t i = 1; i < n; i++)
        best = score.logprobs[i] > score.logprobs[best] ? i : best;
    for (size_t i = 0; i < n; i++)
        sum += out->probabilities[i] = exp((score.logprobs[i] - score.logprobs[best]) / (temperature > 0 ? temperature : 1));
    out->picked = best;
    for (size_t i = 0; i < n; i++)
        out->probabilities[i] /= sum;
    for (size_t i = 0; temperature > 0 && i < n; i++)
        if ((passed += out->probabilities[i]) > uniform) {
            out->picked = i;
            break;
        }
    return STATUS_OK;
}
