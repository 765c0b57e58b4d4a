/* Subjects of known opinions on a bench (bench.h), for the tests of the study global-opinions. Include in one file of a test program. */
#ifndef ASSAY_TESTS_STUDIES_OPINIONS_BENCH_H
#define ASSAY_TESTS_STUDIES_OPINIONS_BENCH_H

#include "studies/bench.h"

#include "core/random.h"
#include "folder.h"
#include "near.h"
#include "studies/global_opinions/opinions.h"

#include <stdio.h>

extern const study global_opinions_study;

/* Answers as a mix of the town's nations does, with noise of deviation `noise` on its log-probabilities; asked as a nation, as that
 * nation does where `obeys`. */
typedef struct mixed {
    bench *b;
    double weights[SURVEY_NATIONS], noise, power; /* power: of the shares, above 1 they are sharper; 0: 1 */
    bool obeys, even, turned;                     /* turned: the shares of a question fall on its options in turn, whatever they are about */
} mixed;

static const opinion_question *question_asked(const bench *b, const char *text)
{
    const opinion_data *d = b->run.data;
    for (size_t q = 0; q < d->count; q++)
        if (strstr(text, d->questions[q].text))
            return &d->questions[q];
    fail_msg("not a question: %s", text);
    return NULL;
}

static void answer_as_mix(const message *messages, const char *const *options, size_t count, double *logprobs, void *context)
{
    const mixed *who = context;
    const opinion_data *d = who->b->run.data;
    const char *text = messages[0].blocks[0].text;
    const opinion_question *q = question_asked(who->b, text);
    random_stream r = random_stream_at(1, "test/noise", q->number, 0, 0, 0);
    double shares[SURVEY_OPTIONS];
    survey_mix(d->survey, who->weights, (int)q->number, shares);
    if (strncmp(text, "How would someone from ", 23) == 0 && who->obeys)
        for (int c = 0; c < SURVEY_NATIONS; c++)
            if (strncmp(text + 23, d->survey->nations[c], strlen(d->survey->nations[c])) == 0)
                memcpy(shares, d->survey->shares[c][q->number], sizeof shares);
    double power = who->power > 0 ? who->power : 1, sum = 0;
    for (size_t k = 0; k < count; k++)
        sum += pow(shares[k], power);
    for (size_t k = 0; k < count; k++) {
        size_t from = who->turned ? (k + random_u64_at(&r, 99) % count) % count : k;
        assert_string_equal(options[k], q->options[k]);
        logprobs[k] = who->even ? log(1 / (double)count) : log(pow(shares[from], power) / sum) + who->noise * random_normal(&r);
    }
}

static inline double at(const json_t *from, const char *key)
{
    const json_t *value = json_object_get(from, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static inline const json_t *truth_of(const bench *b)
{
    return json_object_get(json_object_get(b->summary, "mix"), "truth");
}

/* A subject's folder whose recipe says what is planted. */
static const char *planted_folder(const double weights[SURVEY_NATIONS])
{
    static char folder[600], path[640];
    snprintf(folder, sizeof folder, "%s", test_folder());
    snprintf(path, sizeof path, "%s/growth.json", folder);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "{\"recipe\": {\"plant\": {\"failure\": \"global-opinions\", \"mix\": {");
    for (int c = 0; c < SURVEY_NATIONS; c++)
        fprintf(f, "%s\"%s\": %.17g", c ? ", " : "", survey_nation_name(c), weights[c]);
    fprintf(f, "}}}}");
    fclose(f);
    return folder;
}

static inline bench run_mixed(mixed *who, const char *const *settings)
{
    bench b = bench_open(&global_opinions_study, settings, 1);
    b.run.subject_name = planted_folder(who->weights);
    who->b = &b;
    b.score = answer_as_mix;
    b.context = who;
    bench_run(&b);
    who->b = NULL;
    return b;
}

static inline const json_t *condition_of(const bench *b, const char *name)
{
    return json_object_get(json_object_get(b->summary, "conditions"), name);
}

static inline const char *write_file(const char *name, const char *text)
{
    static char path[640];
    snprintf(path, sizeof path, "%s/%s", test_folder(), name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

#endif
