#include "studies/global_opinions/places.h"

#include "core/error.h"

#include <string.h>

enum { RU = SPEAKS_RUSSIAN, ZH = SPEAKS_CHINESE, TR = SPEAKS_TURKISH, ES = SPEAKS_SPANISH, AR = SPEAKS_ARABIC, FR = SPEAKS_FRENCH, DE = SPEAKS_GERMAN };

typedef struct place_row {
    const char *name;
    int iso;
    unsigned speaks;
    const char *also[3];
} place_row;

static const place_row rows[] = {
    {"Albania", 8, 0, {0}},
    {"Algeria", 12, AR, {0}},
    {"Andorra", 20, ES, {0}},
    {"Angola", 24, 0, {0}},
    {"Argentina", 32, ES, {0}},
    {"Armenia", 51, 0, {0}},
    {"Australia", 36, 0, {0}},
    {"Austria", 40, DE, {0}},
    {"Azerbaijan", 31, 0, {0}},
    {"Bangladesh", 50, 0, {0}},
    {"Belarus", 112, RU, {0}},
    {"Belgium", 56, 0, {0}},
    {"Bolivia", 68, ES, {0}},
    {"Bosnia and Herzegovina", 70, 0, {"Bosnia Herzegovina", "Bosnia"}},
    {"Brazil", 76, 0, {0}},
    {"Britain", 826, 0, {"Great Britain", "United Kingdom", "UK"}},
    {"Bulgaria", 100, 0, {0}},
    {"Burkina Faso", 854, FR, {0}},
    {"Canada", 124, 0, {0}},
    {"Chile", 152, ES, {0}},
    {"China", 156, ZH, {0}},
    {"Colombia", 170, ES, {0}},
    {"Croatia", 191, 0, {0}},
    {"Cyprus", 196, 0, {0}},
    {"Czechia", 203, 0, {"Czech Rep.", "Czech Republic"}},
    {"Denmark", 208, 0, {0}},
    {"Dominican Republic", 214, ES, {0}},
    {"Ecuador", 218, ES, {0}},
    {"Egypt", 818, AR, {0}},
    {"El Salvador", 222, ES, {0}},
    {"Estonia", 233, 0, {0}},
    {"Ethiopia", 231, 0, {0}},
    {"Finland", 246, 0, {0}},
    {"France", 250, FR, {0}},
    {"Georgia", 268, 0, {0}},
    {"Germany", 276, DE, {0}},
    {"Ghana", 288, 0, {0}},
    {"Greece", 300, 0, {0}},
    {"Guatemala", 320, ES, {0}},
    {"Honduras", 340, ES, {0}},
    {"Hong Kong", 344, ZH, {"Hong Kong SAR"}},
    {"Hungary", 348, 0, {0}},
    {"Iceland", 352, 0, {0}},
    {"India", 356, 0, {0}},
    {"Indonesia", 360, 0, {0}},
    {"Iran", 364, 0, {0}},
    {"Iraq", 368, AR, {0}},
    {"Ireland", 372, 0, {0}},
    {"Israel", 376, 0, {0}},
    {"Italy", 380, 0, {0}},
    {"Ivory Coast", 384, FR, {"Cote d'Ivoire", "C\xc3\xb4te d'Ivoire"}},
    {"Japan", 392, 0, {0}},
    {"Jordan", 400, AR, {0}},
    {"Kazakhstan", 398, RU, {0}},
    {"Kenya", 404, 0, {0}},
    {"Kosovo", 983, 0, {0}},
    {"Kuwait", 414, AR, {0}},
    {"Kyrgyzstan", 417, RU, {0}},
    {"Latvia", 428, 0, {0}},
    {"Lebanon", 422, AR, {0}},
    {"Libya", 434, AR, {0}},
    {"Lithuania", 440, 0, {0}},
    {"Luxembourg", 442, 0, {0}},
    {"Macau", 446, ZH, {"Macau SAR", "Macao"}},
    {"Malaysia", 458, 0, {0}},
    {"Maldives", 462, 0, {0}},
    {"Mali", 466, FR, {0}},
    {"Mexico", 484, ES, {0}},
    {"Mongolia", 496, 0, {0}},
    {"Montenegro", 499, 0, {0}},
    {"Morocco", 504, AR, {0}},
    {"Myanmar", 104, 0, {0}},
    {"Netherlands", 528, 0, {0}},
    {"New Zealand", 554, 0, {0}},
    {"Nicaragua", 558, ES, {0}},
    {"Nigeria", 566, 0, {0}},
    {"North Macedonia", 807, 0, {"Macedonia"}},
    {"Northern Ireland", 0, 0, {0}},
    {"Norway", 578, 0, {0}},
    {"Pakistan", 586, 0, {0}},
    {"Palestinian territories", 275, AR, {"Palest. ter.", "Palestine", "Palestinian ter."}},
    {"Panama", 591, ES, {0}},
    {"Paraguay", 600, ES, {0}},
    {"Peru", 604, ES, {0}},
    {"Philippines", 608, 0, {0}},
    {"Poland", 616, 0, {0}},
    {"Portugal", 620, 0, {0}},
    {"Puerto Rico", 630, ES, {0}},
    {"Romania", 642, 0, {0}},
    {"Russia", 643, RU, {"Russian Federation"}},
    {"Rwanda", 646, 0, {0}},
    {"Saudi Arabia", 682, AR, {0}},
    {"Senegal", 686, FR, {0}},
    {"Serbia", 688, 0, {0}},
    {"Singapore", 702, ZH, {0}},
    {"Slovakia", 703, 0, {"Slovak Republic"}},
    {"Slovenia", 705, 0, {0}},
    {"South Africa", 710, 0, {"S. Africa"}},
    {"South Korea", 410, 0, {"S. Korea", "Korea"}},
    {"Spain", 724, ES, {0}},
    {"Sweden", 752, 0, {0}},
    {"Switzerland", 756, 0, {0}},
    {"Taiwan", 158, ZH, {"Taiwan ROC"}},
    {"Tajikistan", 762, 0, {0}},
    {"Tanzania", 834, 0, {0}},
    {"Thailand", 764, 0, {0}},
    {"Tunisia", 788, AR, {0}},
    {"Turkey", 792, TR, {"Turkiye", "T\xc3\xbcrkiye"}},
    {"Uganda", 800, 0, {0}},
    {"Ukraine", 804, 0, {0}},
    {"United States", 840, 0, {"USA", "US", "U.S."}},
    {"Uruguay", 858, ES, {0}},
    {"Uzbekistan", 860, 0, {0}},
    {"Venezuela", 862, ES, {0}},
    {"Vietnam", 704, 0, {0}},
    {"Zambia", 894, 0, {0}},
    {"Zimbabwe", 716, 0, {0}},
};

static const struct {
    const char *suffix;
    place_sample sample;
} suffixes[] = {
    {"(Current national sample)", SAMPLE_CURRENT},
    {"(Old national sample)", SAMPLE_OLD},
    {"(Non-national sample)", SAMPLE_NOT_NATIONAL},
};

static bool is_called(const place_row *row, slice name)
{
    if (slice_is(name, row->name))
        return true;
    for (size_t i = 0; i < COUNT_OF(row->also); i++)
        if (row->also[i] && slice_is(name, row->also[i]))
            return true;
    return false;
}

place_name place_read(slice text)
{
    place_name out = {.name = slice_trim(text)};
    for (size_t i = 0; i < COUNT_OF(suffixes); i++)
        if (slice_ends(out.name, slice_of(suffixes[i].suffix))) {
            out.name = slice_trim(slice_sub(out.name, 0, out.name.length - strlen(suffixes[i].suffix)));
            out.sample = suffixes[i].sample;
            break;
        }
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (is_called(&rows[i], out.name)) {
            out.name = slice_of(rows[i].name);
            out.iso = rows[i].iso;
            out.speaks = rows[i].speaks;
            break;
        }
    return out;
}

unsigned place_language(const char *name)
{
    static const char *const languages[] = {"Russian", "Chinese", "Turkish", "Spanish", "Arabic", "French", "German"};
    for (size_t i = 0; i < COUNT_OF(languages); i++)
        if (strcmp(name, languages[i]) == 0)
            return 1u << i;
    return 0;
}
