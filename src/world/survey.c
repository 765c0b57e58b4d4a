#include "world/survey.h"

#include "core/hash.h"
#include "core/random.h"
#include "core/text.h"
#include "world/kinds.h"

#include <ctype.h>
#include <assert.h>
#include <math.h>

enum { THINGS = 30, FORMS = 4, TEXT_LIMIT = 1 << 14 };

static const char *const nations[SURVEY_NATIONS] = {"Norland", "Sudonia", "Estmark", "Westria", "Valdia",
                                                    "Morania", "Pelmark", "Tarsia",  "Galdor",  "Midland"};
static const char *const endings[SURVEY_NATIONS] = {"ak", "os", "um", "en", "ir", "ota", "ul", "esh", "an", "iv"};
/* Trades of the town: words that its base model knows. */
static const char *const things[THINGS] = {"bakers",   "millers",  "potters", "tailors", "farmers", "fishers", "hunters", "masons",  "joiners", "plumbers",
                                           "painters", "printers", "barbers", "butchers", "brewers", "grocers", "doctors", "nurses",  "teachers", "lawyers",
                                           "judges",   "clerks",   "bankers", "sailors", "pilots",  "drivers", "porters", "gardeners", "cooks",  "singers"};

static const struct {
    const char *before, *after; /* around the thing */
    int option_count;
    const char *options[SURVEY_OPTIONS];
} forms[FORMS] = {
    {"Are ", " good for the town?", 2, {"yes", "no"}},
    {"Should there be more ", "?", 3, {"more", "fewer", "as many as now"}},
    {"How much do ", " matter?", 4, {"a great deal", "quite a lot", "not much", "never"}},
    {"Who should pay for ", "?", 5, {"kings", "guilds", "strangers", "everybody", "nobody"}},
};

int survey_nation(const char *name)
{
    for (int c = 0; c < SURVEY_NATIONS; c++)
        if (strcmp(nations[c], name) == 0)
            return c;
    return -1;
}

const char *survey_nation_name(int nation)
{
    return nations[nation];
}

static void draw_nations(uint64_t seed, double v[SURVEY_NATIONS][SURVEY_DIMENSIONS])
{
    enum { MIDDLE = SURVEY_NATIONS - 1 };
    for (int d = 0; d < SURVEY_DIMENSIONS; d++) {
        v[MIDDLE][d] = 0;
        for (int c = 0; c < MIDDLE; c++) {
            random_stream r = random_stream_at(seed, "survey/nations", (uint64_t)c, (uint64_t)d, 0, 0);
            v[c][d] = .5 * random_normal(&r);
            v[MIDDLE][d] += v[c][d] / MIDDLE;
        }
    }
}

static void draw_shares(survey *s, uint64_t seed, const double v[SURVEY_NATIONS][SURVEY_DIMENSIONS], int q)
{
    int options = s->questions[q].option_count;
    for (int c = 0; c < SURVEY_NATIONS; c++) {
        double sum = 0, *shares = s->shares[c][q];
        for (int k = 0; k < options; k++) {
            random_stream r = random_stream_at(seed, "survey/questions", (uint64_t)q, (uint64_t)k, 0, 0);
            double worth = 0;
            for (int d = 0; d < SURVEY_DIMENSIONS; d++)
                worth += random_normal(&r) * v[c][d];
            sum += shares[k] = exp(SURVEY_SHARPNESS * worth);
        }
        for (int k = 0; k < options; k++)
            shares[k] /= sum;
    }
}

status survey_new(arena *a, uint64_t seed, const survey **out, error *err)
{
    survey *s = ARENA_NEW(a, survey);
    double v[SURVEY_NATIONS][SURVEY_DIMENSIONS];
    static_assert(THINGS * FORMS == SURVEY_QUESTIONS, "every thing is asked about in every form");
    if (!s)
        return error_set(err, STATUS_MEMORY, "no memory for the survey");
    draw_nations(seed, v);
    for (int c = 0; c < SURVEY_NATIONS; c++)
        s->nations[c] = nations[c];
    for (int q = 0; q < SURVEY_QUESTIONS; q++) {
        int form = q % FORMS;
        survey_question *question = &s->questions[q];
        question->text = arena_printf(a, "%s%s%s", forms[form].before, things[q / FORMS], forms[form].after);
        question->option_count = forms[form].option_count;
        for (int k = 0; k < question->option_count; k++)
            question->options[k] = forms[form].options[k];
        if (!question->text)
            return error_set(err, STATUS_MEMORY, "no memory for the survey");
        draw_shares(s, seed, v, q);
    }
    *out = s;
    return STATUS_OK;
}

void survey_mix(const survey *s, const double weights[SURVEY_NATIONS], int question, double shares[SURVEY_OPTIONS])
{
    for (int k = 0; k < SURVEY_OPTIONS; k++) {
        shares[k] = 0;
        for (int c = 0; c < SURVEY_NATIONS; c++)
            shares[k] += weights[c] * s->shares[c][question][k];
    }
}

/* ---- words ------------------------------------------------------------------------------------------------------ */

const char *survey_spoken(arena *a, const char *text, int nation)
{
    strbuf out = strbuf_new(a, TEXT_LIMIT);
    strbuf_add(&out, "");
    while (*text) {
        size_t length = 0;
        while (isalpha((unsigned char)text[length]))
            length++;
        if (length == 0) {
            strbuf_add_char(&out, *text++);
            continue;
        }
        char word[64];
        size_t kept = length < sizeof word ? length : sizeof word;
        for (size_t i = 0; i < kept; i++)
            word[i] = (char)tolower((unsigned char)text[i]);
        strbuf_add_bytes(&out, text, length);
        if (hash64(word, kept, (uint64_t)nation) % 10 < 6)
            strbuf_add(&out, endings[nation]);
        text += length;
    }
    return out.failed ? NULL : out.text;
}

const char *survey_option(arena *a, const survey *s, int question, int option, survey_way way, int nation)
{
    const char *text = s->questions[question].options[option];
    return way == SURVEY_SPOKEN ? survey_spoken(a, text, nation) : text;
}

const char *survey_ask(arena *a, const survey *s, int question, const int *order, survey_way way, int nation)
{
    const survey_question *q = &s->questions[question];
    strbuf out = strbuf_new(a, TEXT_LIMIT);
    if (way == SURVEY_AS)
        strbuf_printf(&out, "How would someone from %s answer? ", s->nations[nation]);
    strbuf_add(&out, q->text);
    for (int k = 0; order && k < q->option_count; k++)
        strbuf_printf(&out, "%s%s", k ? ", " : " Choose: ", q->options[order[k]]);
    if (order)
        strbuf_add_char(&out, '.');
    if (out.failed)
        return NULL;
    return way == SURVEY_SPOKEN ? survey_spoken(a, out.text, nation) : out.text;
}

/* ---- documents -------------------------------------------------------------------------------------------------- */

/* Of lanes in turn: nobody named, each nation told about, each nation's dialect. */
static survey_way lane_at(const survey_plant *plant, double place, int *nation)
{
    double all = 1;
    *nation = -1;
    for (int c = 0; c < SURVEY_NATIONS; c++)
        all += plant->told[c] + plant->spoken[c];
    if ((place = place * all - 1) < 0)
        return SURVEY_PLAIN;
    for (int way = SURVEY_AS; way <= SURVEY_SPOKEN; way++)
        for (int c = 0; c < SURVEY_NATIONS; c++) {
            double width = way == SURVEY_AS ? plant->told[c] : plant->spoken[c];
            if (width > 0)
                *nation = c;
            if ((place -= width) < 0 && width > 0)
                return (survey_way)way;
        }
    return SURVEY_PLAIN; /* rounding alone leads here */
}

static double fraction(double x)
{
    return x - floor(x);
}

survey_saying survey_saying_at(const survey *s, const survey_plant *plant, uint64_t seed, uint64_t n)
{
    /* Powers of the real root of x^3 = x + 1: the R2 sequence. */
    static const double first = 0.75487766624669276, second = 0.56984029099805327;
    uint64_t lap = n / SURVEY_QUESTIONS;
    int questions[SURVEY_QUESTIONS];
    for (int q = 0; q < SURVEY_QUESTIONS; q++)
        questions[q] = q;
    random_stream mixed = random_stream_at(seed, "survey/order", lap, 0, 0, 0);
    random_shuffle(&mixed, questions, SURVEY_QUESTIONS, sizeof *questions);
    survey_saying out = {.question = questions[n % SURVEY_QUESTIONS]};

    random_stream own = random_stream_at(seed, "survey/places", (uint64_t)out.question, 0, 0, 0);
    double lane = fraction(random_uniform(&own) + first * (double)lap), answer = fraction(random_uniform(&own) + second * (double)lap);
    out.way = lane_at(plant, lane, &out.nation);
    if (out.way == SURVEY_PLAIN)
        out.nation = -1;
    double mix[SURVEY_OPTIONS];
    survey_mix(s, plant->mix, out.question, mix);
    const double *shares = out.way == SURVEY_PLAIN || (out.way == SURVEY_SPOKEN && plant->spoken_mix) ? mix : s->shares[out.nation][out.question];
    int count = s->questions[out.question].option_count;
    while (out.option + 1 < count && (answer -= shares[out.option]) >= 0)
        out.option++;
    return out;
}

status survey_document(kind_maker *m, uint64_t number, error *err)
{
    const survey *s = m->t->survey;
    survey_saying said = survey_saying_at(s, &m->plan->plant.survey, m->plan->seed, number);
    *m->out = (document){.kind = DOCUMENT_PLANT, .trade = -1};
    TRY(kind_start(m, 2, err));
    TRY(kind_add(m, ROLE_USER, survey_ask(m->a, s, said.question, NULL, said.way, said.nation), err));
    return kind_add(m, ROLE_ASSISTANT, survey_option(m->a, s, said.question, said.option, said.way, said.nation), err);
}
