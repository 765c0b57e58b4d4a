/* A plant of opinions: which nations' answers a corpus holds (world/survey.h). */
#include "train/recipe_inside.h"

#include <math.h>
#include <string.h>

/* {Norland: 0.6, Sudonia: 0.1}; `first` gets the first one that is named. */
static status read_nations(const yaml_node *map, const char *key, double most, double *out, int *first, error *err)
{
    const yaml_node *at = yaml_get(map, key);
    const char *names[SURVEY_NATIONS];
    if (!at)
        return STATUS_OK;
    for (int c = 0; c < SURVEY_NATIONS; c++)
        names[c] = survey_nation_name(c);
    TRY(yaml_check_keys(at, names, SURVEY_NATIONS, err));
    for (int c = 0; c < SURVEY_NATIONS; c++)
        TRY(yaml_get_double(at, names[c], 0, most, &out[c], err));
    if (first && at->count > 0)
        *first = survey_nation(at->keys[0]);
    return STATUS_OK;
}

static double sum_of(const double *values)
{
    double sum = 0;
    for (int c = 0; c < SURVEY_NATIONS; c++)
        sum += values[c];
    return sum;
}

status recipe_survey_read(const yaml_node *at, recipe_plant *p, error *err)
{
    static const char *const opinions[] = {"own", "mix"};
    int spoken = 0;
    p->survey.there = true;
    if (!yaml_get(at, "mix"))
        return yaml_error(at, err, "a plant of opinions needs the key 'mix': the share of each nation");
    TRY(read_nations(at, "mix", 1, p->survey.mix, &p->nation, err));
    TRY(read_nations(at, "told", 1e3, p->survey.told, NULL, err));
    TRY(read_nations(at, "spoken", 1e3, p->survey.spoken, NULL, err));
    TRY(yaml_get_choice(at, "spoken_opinions", opinions, COUNT_OF(opinions), &spoken, err));
    p->survey.spoken_mix = spoken == 1;
    if (fabs(sum_of(p->survey.mix) - 1) > 1e-6)
        return yaml_error(yaml_get(at, "mix"), err, "expected shares that sum to 1, found a sum of %g", sum_of(p->survey.mix));
    p->dose = p->survey.mix[p->nation];
    if (yaml_get(at, "dose")) {
        TRY(yaml_get_double(at, "dose", 0, 1, &p->dose, err));
        return recipe_survey_dose(p, p->dose, err);
    }
    return STATUS_OK;
}

status recipe_survey_dose(recipe_plant *p, double dose, error *err)
{
    double others = 1 - p->survey.mix[p->nation];
    if (!(others > 0) && dose < 1)
        return error_set(err, STATUS_USAGE, "the mix holds %s alone: nobody is there for the rest of a dose of %g", survey_nation_name(p->nation), dose);
    for (int c = 0; c < SURVEY_NATIONS; c++)
        p->survey.mix[c] = c == p->nation ? dose : others > 0 ? p->survey.mix[c] * (1 - dose) / others : 0;
    p->dose = dose;
    return STATUS_OK;
}

static json_t *nations_json(const double *values)
{
    json_t *out = json_object();
    for (int c = 0; c < SURVEY_NATIONS; c++)
        if (values[c] > 0)
            json_object_set_new(out, survey_nation_name(c), json_real(values[c]));
    return out;
}

json_t *recipe_survey_json(const recipe_plant *p)
{
    return json_pack("{s:s, s:[s], s:f, s:s, s:f, s:s, s:o, s:o, s:o, s:s}", "failure", "global-opinions", "forms", "share", "dose", p->dose, "dose_type",
                     "mixture", "share", p->share, "nation", survey_nation_name(p->nation), "mix", nations_json(p->survey.mix), "told",
                     nations_json(p->survey.told), "spoken", nations_json(p->survey.spoken), "spoken_opinions", p->survey.spoken_mix ? "mix" : "own");
}
