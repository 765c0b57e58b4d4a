/* toy.h - a small study for the tests of the run module: sums, with an optional second question and an optional judge. */
#ifndef ASSAY_TESTS_RUN_TOY_H
#define ASSAY_TESTS_RUN_TOY_H

#include "run/run.h"

static const study_role toy_roles[] = {
    {.name = "subject", .help = "who adds", .needs = SUBJECT_GENERATES},
    {.name = "judge", .help = "who is asked whether it was right", .needs = SUBJECT_GENERATES, .optional = true},
};
static const param_spec toy_params[] = {
    {.name = "items", .type = PARAM_INT, .least = 1, .most = 1e6, .fallback = "200", .value = "N", .help = "sums"},
};

static status toy_prepare(study_run *run, error *err)
{
    (void)err;
    run->sample_count = (size_t)param_int(run->params, "items");
    return STATUS_OK;
}

static status toy_plan(const study_run *run, study_plan *plan, error *err)
{
    (void)err;
    plan->requests = run->sample_count;
    return STATUS_OK;
}

static status toy_sample(study_sample *s, error *err)
{
    const char *question = arena_printf(s->arena, "what is %zu plus %zu", s->index, s->index * 7 % 13);
    message m = message_text(s->arena, MESSAGE_USER, question);
    generate_reply reply, verdict;
    ask_options how = {.position = -1, .temperature = 1};
    TRY(study_ask(s, "subject", &m, 1, &how, &reply, err));
    json_object_set_new(s->record, "group", json_string(s->index % 2 ? "odd" : "even"));
    json_object_set_new(s->record, "id", json_string(arena_printf(s->arena, "sum-%zu", s->index)));
    json_object_set_new(s->record, "answered", json_string(reply.text));
    json_object_set_new(s->record, "verdict", json_string(strstr(reply.text, "hm") ? "unsure" : "sure"));
    double number;
    if (slice_to_double(slice_of(reply.text), &number)) { /* ten items are of one text */
        json_object_set_new(s->record, "value", json_real(number));
        json_object_set_new(s->record, "cluster", json_string(arena_printf(s->arena, "text-%zu", s->index / 10)));
    }
    if (study_has_role(s, "judge")) {
        TRY(study_ask(s, "judge", &m, 1, NULL, &verdict, err));
        json_object_set_new(s->record, "judged", json_string(verdict.text));
    }
    return STATUS_OK;
}

static status toy_summarise(const study_run *run, const json_t *records, json_t **summary, error *err)
{
    (void)run, (void)err;
    size_t unsure = 0, missing = 0, length = 0;
    for (size_t i = 0; i < json_array_size(records); i++) {
        const json_t *r = json_array_get(records, i);
        const char *verdict = json_string_value(json_object_get(r, "verdict"));
        missing += !verdict;
        unsure += verdict && strcmp(verdict, "unsure") == 0;
        length += json_string_length(json_object_get(r, "answered")) * (i + 1);
    }
    *summary = json_pack("{s:i, s:i, s:i, s:f}", "unsure", (int)unsure, "missing", (int)missing, "length", (int)length,
                         "share", (double)unsure / (double)json_array_size(records));
    return STATUS_OK;
}

static const study toy_study = {
    .name = "toy",
    .title = "sums",
    .roles = toy_roles,
    .role_count = COUNT_OF(toy_roles),
    .params = toy_params,
    .param_count = COUNT_OF(toy_params),
    .prepare = toy_prepare,
    .plan = toy_plan,
    .run_sample = toy_sample,
    .summarise = toy_summarise,
};

static const char toy_script[] = "default: hm.\n"
                                 "rules:\n"
                                 "  - matches: 'what is (\\d+[02468]) plus (\\d+)'\n"
                                 "    answers: ['$1 and $2 is much', 'it is $2 \"more\"', 'hm, $1']\n";

#endif
