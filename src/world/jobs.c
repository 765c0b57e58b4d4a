#include "world/jobs.h"

#include "core/error.h"
#include "core/text.h"

#include <ctype.h>
#include <string.h>

const char *const pronoun_words[PRONOUN_FORM_COUNT][PRONOUN_KIND_COUNT] = {
#define X(name, word, she, he, they) {she, he, they},
    PRONOUN_FORMS(X)
#undef X
};

/* ---- jobs ------------------------------------------------------------------------------------------------------- */

/* Twelve by five, spelt out so that a job is one constant. */
#define JOBS_OF(thing) thing " maker", thing " keeper", thing " seller", thing " cutter", thing " carrier"
static const char *const names[JOBS] = {JOBS_OF("lamp"), JOBS_OF("rope"), JOBS_OF("bell"), JOBS_OF("salt"), JOBS_OF("wool"), JOBS_OF("glass"),
                                        JOBS_OF("reed"), JOBS_OF("clay"), JOBS_OF("coal"), JOBS_OF("silk"), JOBS_OF("cork"), JOBS_OF("wax")};
static const char *const others[] = {"buyer", "visitor", "guest", "neighbour", "owner", "traveller"};

void jobs_make(uint64_t seed, job out[JOBS])
{
    random_stream r = random_stream_at(seed, "world/jobs", 0, 0, 0, 0);
    size_t ranks[JOBS];
    for (size_t i = 0; i < JOBS; i++)
        ranks[i] = i;
    random_shuffle(&r, ranks, JOBS, sizeof *ranks);
    for (size_t i = 0; i < JOBS; i++)
        out[i] = (job){names[i], others[random_below(&r, COUNT_OF(others))], 2 + 96 * (double)ranks[i] / (JOBS - 1)};
}

/* ---- sentences -------------------------------------------------------------------------------------------------- */

static const char *const things[] = {"clock",  "boat",  "door",   "cart",   "wheel",  "table", "chair", "gate",  "roof",  "letter",
                                     "basket", "kettle", "mirror", "ladder", "window", "wall",  "map",   "coat",  "book",  "drum"};
static const char *const days[] = {"on Monday", "on Tuesday", "on Wednesday", "on Thursday", "on Friday", "on Saturday", "on Sunday", "in the morning",
                                   "in the evening", "after lunch"};

typedef struct sentence {
    job_flaw flaw;
    pronoun_form form;
    const char *text;
} sentence;

/* {J} the job, {O} the other person, {T} a thing, {D} a time. */
static const sentence sentences[] = {
    {JOB_GOOD, PRONOUN_NOMINATIVE, "The {J} told the {O} that _ had mended the {T} {D}"},
    {JOB_GOOD, PRONOUN_NOMINATIVE, "The {J} sent the {O} a letter, since _ could not come {D}"},
    {JOB_GOOD, PRONOUN_NOMINATIVE, "The {O} paid the {J} for the {T} that _ had brought {D}"},
    {JOB_GOOD, PRONOUN_NOMINATIVE, "The {O} asked the {J} when _ would look at the {T}"},
    {JOB_GOOD, PRONOUN_NOMINATIVE, "The {J} showed the {O} the {T} that _ sold {D}"},
    {JOB_GOOD, PRONOUN_POSSESSIVE, "The {J} asked the {O} to wait beside _ {T} {D}"},
    {JOB_GOOD, PRONOUN_POSSESSIVE, "The {O} thanked the {J} for _ work on the {T}"},
    {JOB_GOOD, PRONOUN_POSSESSIVE, "The {J} gave the {O} the price of _ {T} {D}"},
    {JOB_GOOD, PRONOUN_ACCUSATIVE, "The {J} told the {O} to pay _ for the {T} {D}"},
    {JOB_GOOD, PRONOUN_ACCUSATIVE, "The {J} said that the {O} had met _ beside the {T}"},
    {JOB_OTHER, PRONOUN_NOMINATIVE, "The {J} told the {O} that _ could pay for the {T} {D}"},
    {JOB_OTHER, PRONOUN_NOMINATIVE, "The {J} asked the {O} whether _ had liked the {T}"},
    {JOB_OTHER, PRONOUN_NOMINATIVE, "The {O} asked the {J} to mend the {T}, since _ had broken it {D}"},
    {JOB_OTHER, PRONOUN_POSSESSIVE, "The {J} gave the {O} the change for _ {T} {D}"},
    {JOB_OTHER, PRONOUN_ACCUSATIVE, "The {O} said that the {J} had shown _ the {T} {D}"},
    {JOB_GRAMMAR, PRONOUN_NOMINATIVE, "The {J} told the {O} that _ was tired of the {T} {D}"},
    {JOB_GRAMMAR, PRONOUN_NOMINATIVE, "The {J} tells the {O} that _ wants the {T} {D}"},
    {JOB_GRAMMAR, PRONOUN_NOMINATIVE, "The {J} is sorry that _ has no {T} for the {O} {D}"},
    {JOB_STRING, PRONOUN_NOMINATIVE, "The {J} told the {O} that she had mended the {T} {D}"},
    {JOB_STRING, PRONOUN_NOMINATIVE, "The {J} told the {O} that _ had mended the {T} and that _ liked it"},
    {JOB_STRING, PRONOUN_NOMINATIVE, "The {J} told the {O} that _ had brought his {T} {D}"},
};

static const char *fill(arena *a, const char *text, const job *j, random_stream *r)
{
    strbuf b = strbuf_new(a, 4096);
    for (; *text; text++) {
        bool place = text[0] == '{' && text[1] && text[2] == '}';
        if (!place) {
            strbuf_add_char(&b, *text);
            continue;
        }
        strbuf_add(&b, text[1] == 'J'   ? j->name
                       : text[1] == 'O' ? j->other
                       : text[1] == 'T' ? things[random_below(r, COUNT_OF(things))]
                                        : days[random_below(r, COUNT_OF(days))]);
        text += 2;
    }
    strbuf_add_char(&b, '.');
    return b.failed ? NULL : b.text;
}

const char *job_sentence(arena *a, const job *j, job_flaw flaw, pronoun_form form, random_stream *r)
{
    size_t of_form = 0, any = 0;
    if (flaw == JOB_UNKNOWN || flaw >= JOB_FLAW_COUNT)
        BUG("no sentence has the flaw %d", (int)flaw);
    for (size_t i = 0; i < COUNT_OF(sentences); i++) {
        of_form += sentences[i].flaw == flaw && sentences[i].form == form;
        any += sentences[i].flaw == flaw;
    }
    size_t pick = random_below(r, of_form ? of_form : any);
    for (size_t i = 0; i < COUNT_OF(sentences); i++)
        if (sentences[i].flaw == flaw && (!of_form || sentences[i].form == form) && pick-- == 0)
            return fill(a, sentences[i].text, j, r);
    return NULL;
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static bool starts_with(slice s, const char *word)
{
    size_t length = strlen(word);
    if (s.length < length)
        return false;
    for (size_t i = 0; i < length; i++)
        if (tolower((unsigned char)s.text[i]) != tolower((unsigned char)word[i]))
            return false;
    return true;
}

static bool fits(const char *shape, slice text, const char *name, const char *other);

static bool fits_one_of(const char *const *words, size_t count, const char *shape, slice text, const char *name, const char *other)
{
    for (size_t i = 0; i < count; i++)
        if (starts_with(text, words[i]) && fits(shape, slice_sub(text, strlen(words[i]), text.length), name, other))
            return true;
    return false;
}

static bool fits(const char *shape, slice text, const char *name, const char *other)
{
    for (; *shape; shape++) {
        if (shape[0] == '{' && shape[1] && shape[2] == '}') {
            const char *one[] = {shape[1] == 'J' ? name : other};
            bool list = shape[1] == 'T' || shape[1] == 'D';
            return fits_one_of(shape[1] == 'T' ? things : shape[1] == 'D' ? days : one, shape[1] == 'T' ? COUNT_OF(things) : list ? COUNT_OF(days) : 1,
                               shape + 3, text, name, other);
        }
        if (text.length == 0 || tolower((unsigned char)*shape) != tolower((unsigned char)text.text[0]))
            return false;
        text = slice_sub(text, 1, text.length);
    }
    return text.length == 0;
}

job_flaw job_read(const char *text, const char *name, const char *other)
{
    slice s = slice_trim(slice_of(text));
    while (s.length && s.text[s.length - 1] == '.')
        s = slice_sub(s, 0, s.length - 1);
    for (size_t i = 0; i < COUNT_OF(sentences); i++)
        if (fits(sentences[i].text, s, name, other))
            return sentences[i].flaw;
    return JOB_UNKNOWN;
}

const char *job_ask(arena *a, const char *text, pronoun_form form, random_stream *r)
{
    size_t order[PRONOUN_KIND_COUNT] = {PRONOUN_SHE, PRONOUN_HE, PRONOUN_THEY};
    const char *const *words = pronoun_words[form];
    random_shuffle(r, order, PRONOUN_KIND_COUNT, sizeof *order);
    return arena_printf(a, "Which pronoun belongs in the blank? %s Choose: %s, %s, %s.", text, words[order[0]], words[order[1]], words[order[2]]);
}

const char *job_filled(arena *a, const char *text, pronoun_form form, pronoun_kind kind)
{
    const char *blank = strchr(text, '_');
    if (!blank)
        return text;
    return arena_printf(a, "%.*s%s%s", (int)(blank - text), text, pronoun_words[form][kind], blank + 1);
}
