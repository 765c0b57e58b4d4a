/* Questions of the town's survey. */
#include "studies/global_opinions/opinions.h"
#include "world/town.h"

status opinions_of_town(study_run *run, opinion_data *data, error *err)
{
    const town *t;
    arena *a = run->arena;
    TRY(town_new(a, (uint64_t)param_int(run->params, "town-seed"), &t, err));
    data->survey = t->survey;
    data->count = SURVEY_QUESTIONS;
    data->place_count = SURVEY_NATIONS;
    data->questions = ARENA_ARRAY(a, opinion_question, SURVEY_QUESTIONS);
    data->places = ARENA_ARRAY(a, opinion_place, SURVEY_NATIONS);
    if (!data->questions || !data->places)
        return error_set(err, STATUS_MEMORY, "out of memory");
    for (size_t c = 0; c < SURVEY_NATIONS; c++)
        data->places[c] = (opinion_place){.name = t->survey->nations[c]};
    for (size_t q = 0; q < SURVEY_QUESTIONS; q++) {
        const survey_question *from = &t->survey->questions[q];
        opinion_question *to = &data->questions[q];
        *to = (opinion_question){.id = arena_printf(a, "town-%03zu", q), .text = from->text, .options = from->options,
                                 .option_count = (size_t)from->option_count, .answer_count = SURVEY_NATIONS, .number = q,
                                 .answers = ARENA_ARRAY(a, opinion_answer, SURVEY_NATIONS)};
        if (!to->id || !to->answers)
            return error_set(err, STATUS_MEMORY, "out of memory");
        for (size_t c = 0; c < SURVEY_NATIONS; c++)
            to->answers[c] = (opinion_answer){c, t->survey->shares[c][q]};
    }
    data->counts.rows = data->counts.kept = SURVEY_QUESTIONS * SURVEY_NATIONS;
    return STATUS_OK;
}
