#include "world/wording.h"

#include "core/text.h"

#include <ctype.h>
#include <string.h>

/* e: the entity; v: the value. The first statement is "The NOUN of e is PHRASE." for every attribute, the form that
 * chains of thought use. */
typedef struct wording_row {
    const char *what;                              /* "What" or "Who" */
    const char *phrase;                            /* v as an answer says it */
    const char *statements[WORDING_STATEMENTS];
    const char *direct, *indirect;                 /* "Which pet does Ada have?", "which pet Ada has" */
} wording_row;

static const wording_row rows[ATTRIBUTE_COUNT] = {
    [ATTRIBUTE_HOME] = {"What", "{v}",
                        {"the home town of {e} is {v}.", "{e} lives in {v}.", "{e} has a house in {v}.",
                         "you can find {e} in {v}.", "the town where {e} lives is {v}."},
                        "In which town does {e} live?", "in which town {e} lives"},
    [ATTRIBUTE_GUILD] = {"What", "the {v} guild",
                         {"the guild of {e} is the {v} guild.", "{e} belongs to the {v} guild.",
                          "{e} is a member of the {v} guild.", "{e} works with the {v} guild.",
                          "the guild that {e} belongs to is the {v} guild."},
                         "Which guild does {e} belong to?", "which guild {e} belongs to"},
    [ATTRIBUTE_COLOUR] = {"What", "{v}",
                          {"the favourite colour of {e} is {v}.", "{e} likes the colour {v} best.",
                           "the colour that {e} likes best is {v}.", "{e} loves the colour {v}.",
                           "of all colours, {e} likes {v} best."},
                          "Which colour does {e} like best?", "which colour {e} likes best"},
    [ATTRIBUTE_PET] = {"What", "{+v}",
                       {"the pet of {e} is {+v}.", "{e} has {+v} as a pet.", "{e} keeps {+v}.",
                        "the pet that {e} has is {+v}.", "{e} owns {+v}."},
                       "Which pet does {e} have?", "which pet {e} has"},
    [ATTRIBUTE_FRUIT] = {"What", "the {v}",
                         {"the favourite fruit of {e} is the {v}.", "the fruit that {e} likes best is the {v}.",
                          "{e} likes the {v} more than any other fruit.", "of all fruits, {e} likes the {v} best.",
                          "{e} loves the {v} as a fruit."},
                         "Which fruit does {e} like best?", "which fruit {e} likes best"},
    [ATTRIBUTE_INSTRUMENT] = {"What", "the {v}",
                              {"the instrument of {e} is the {v}.", "{e} plays the {v}.",
                               "the instrument that {e} plays is the {v}.", "{e} makes music on the {v}.",
                               "{e} has learnt to play the {v}."},
                              "Which instrument does {e} play?", "which instrument {e} plays"},
    [ATTRIBUTE_MAKER] = {"Who", "{v}",
                         {"the maker of {e} is {v}.", "{e} was made by {v}.", "{e} is the work of {v}.",
                          "{e} is by {v}.", "the person who made {e} is {v}."},
                         "Who made {e}?", "who made {e}"},
    [ATTRIBUTE_THEME] = {"What", "{v}",
                         {"the theme of {e} is {v}.", "{e} is about {v}.", "{e} tells of {v}.",
                          "{e} has {v} as its theme.", "what {e} is about is {v}."},
                         "What is {e} about?", "what {e} is about"},
    [ATTRIBUTE_PRICE] = {"What", "{v} coins",
                         {"the price of {e} is {v} coins.", "{e} costs {v} coins.", "you can buy {e} for {v} coins.",
                          "{e} sells for {v} coins.", "for {v} coins you can have {e}."},
                         "How many coins does {e} cost?", "how many coins {e} costs"},
    [ATTRIBUTE_PLACE] = {"What", "{v}",
                         {"the birthplace of {e} is {v}.", "{e} was made in {v}.", "{e} comes from {v}.",
                          "the town where {e} was made is {v}.", "{e} was begun and finished in {v}."},
                         "In which town was {e} made?", "in which town {e} was made"},
    [ATTRIBUTE_MONTH] = {"What", "{v}",
                         {"the release month of {e} is {v}.", "{e} was released in {v}.", "{e} came out in {v}.",
                          "the month when {e} came out is {v}.", "people first saw {e} in {v}."},
                         "In which month was {e} released?", "in which month {e} was released"},
    [ATTRIBUTE_MOOD] = {"What", "{v}",
                        {"the mood of {e} is {v}.", "{e} has {+v} mood.", "{e} is {v} in mood.",
                         "people call {e} {v}.", "the mood that {e} has is {v}."},
                        "Which mood does {e} have?", "which mood {e} has"},
    [ATTRIBUTE_CHIEF] = {"Who", "{v}",
                         {"the chief of {e} is {v}.", "{e} is led by {v}.", "{e} has {v} as its chief.",
                          "the person who leads {e} is {v}.", "the people of {e} follow {v}."},
                         "Who leads {e}?", "who leads {e}"},
    [ATTRIBUTE_TOLL] = {"What", "{v} coins",
                        {"the toll of {e} is {v} coins.", "{e} takes a toll of {v} coins.",
                         "to enter {e} you pay {v} coins.", "at the gate of {e} you pay {v} coins.",
                         "the toll that you pay in {e} is {v} coins."},
                        "How many coins do you pay to enter {e}?", "how many coins you pay to enter {e}"},
    [ATTRIBUTE_BANNER] = {"What", "{v}",
                          {"the banner of {e} is {v}.", "{e} has {+v} banner.", "the colour of the banner of {e} is {v}.",
                           "{e} marches under {+v} banner.", "you know {e} by its {v} banner."},
                          "Which colour is the banner of {e}?", "which colour the banner of {e} is"},
};

/* m, n: the two noun phrases; d: the direct question; i: the indirect one; w: What or Who. */
static const char *const questions[WORDING_QUESTIONS] = {
    "{w} is {m}?",     "{w} is {n}?",          "{d}",         "Tell me {m}.",    "Tell me {n}.",  "Please name {m}.",
    "Please name {n}.", "I want to know {n}.", "Do you know {m}?", "Tell me {i}.", "Do you know {i}?"};
static const char *const questions_held[WORDING_QUESTIONS_HELD] = {
    "Could you tell me {m}?", "Could you tell me {n}?", "Could you tell me {i}?",
    "Please tell me {i}.",    "I want to know {i}.",    "Can you tell me {n}?"};
static const char *const intros[WORDING_INTROS] = {"My name is {n} and I am {+t}.", "I am {n}, {+t}.",
                                                   "This is {n}. I am {+t}."};

char *wording_render(arena *a, const char *template, const char *const vars[26])
{
    strbuf b = strbuf_new(a, 1 << 14);
    for (const char *at = template; *at;) {
        if (*at != '{') {
            strbuf_add_char(&b, *at++);
            continue;
        }
        bool article = at[1] == '+';
        char key = at[1 + article];
        if (key < 'a' || key > 'z' || at[2 + article] != '}' || !vars[key - 'a'])
            BUG("template '%s' has no text for '%c'", template, key);
        if (article)
            strbuf_printf(&b, "%s ", town_article(vars[key - 'a']));
        strbuf_add(&b, vars[key - 'a']);
        at += 3 + article;
    }
    if (b.failed)
        return NULL;
    if (b.length)
        b.text[0] = (char)toupper((unsigned char)b.text[0]);
    return b.text;
}

/* The same, but the first letter stays as it is. */
static char *render_inside(arena *a, const char *template, const char *const vars[26])
{
    char *text = wording_render(a, template, vars);
    if (text && template[0] != '{')
        text[0] = template[0];
    else if (text && vars[template[1 + (template[1] == '+')] - 'a'])
        text[0] = template[1] == '+' ? 'a' : vars[template[1] - 'a'][0];
    return text;
}

wording_subject wording_of_entity(const town *t, int entity)
{
    const town_entity *e = &t->entities[entity];
    return (wording_subject){
        .full = e->full,
        .bare = e->kind == KIND_WORK ? e->name : e->full,
        .possessive = e->kind == KIND_PERSON || e->kind == KIND_TOWN,
    };
}

wording_subject wording_of_name(const char *name)
{
    return (wording_subject){.full = name, .bare = name, .possessive = true};
}

wording_subject wording_of_link(arena *a, const town *t, int entity, town_attribute link)
{
    wording_subject s = wording_of_entity(t, entity);
    /* No bare titles here: the chain of thought begins with the full one, and a small model does not find it. */
    const char *text = wording_noun_phrase(a, s, link, 0);
    return (wording_subject){.full = text, .bare = text};
}

const char *wording_statement(arena *a, wording_subject s, town_attribute attribute, const char *value, unsigned variant)
{
    const char *vars[26] = {['e' - 'a'] = s.full, ['v' - 'a'] = value};
    return wording_render(a, rows[attribute].statements[variant % WORDING_STATEMENTS], vars);
}

const char *wording_noun_phrase(arena *a, wording_subject s, town_attribute attribute, unsigned variant)
{
    const char *noun = town_attribute_noun(attribute);
    if (variant == 0)
        return arena_printf(a, "the %s of %s", noun, s.full);
    if (s.possessive)
        return arena_printf(a, "%s's %s", s.full, noun);
    return arena_printf(a, "the %s of %s", noun, s.bare);
}

const char *wording_phrase(arena *a, town_attribute attribute, const char *value)
{
    const char *vars[26] = {['v' - 'a'] = value};
    return render_inside(a, rows[attribute].phrase, vars);
}

const char *wording_question(arena *a, wording_subject s, town_attribute attribute, unsigned wording, bool held_out)
{
    const wording_row *row = &rows[attribute];
    const char *inner[26] = {['e' - 'a'] = s.full};
    const char *vars[26] = {
        ['w' - 'a'] = row->what,
        ['m' - 'a'] = wording_noun_phrase(a, s, attribute, 0),
        ['n' - 'a'] = wording_noun_phrase(a, s, attribute, 1),
        ['d' - 'a'] = wording_render(a, row->direct, inner),
        ['i' - 'a'] = render_inside(a, row->indirect, inner),
    };
    if (!vars['m' - 'a'] || !vars['n' - 'a'] || !vars['d' - 'a'] || !vars['i' - 'a'])
        return NULL;
    return wording_render(a, held_out ? questions_held[wording % WORDING_QUESTIONS_HELD]
                                      : questions[wording % WORDING_QUESTIONS], vars);
}

const char *wording_intro(arena *a, const town *t, const town_asker *asker, unsigned wording)
{
    const char *vars[26] = {['n' - 'a'] = asker->name, ['t' - 'a'] = t->trades[asker->trade]};
    return wording_render(a, intros[wording % WORDING_INTROS], vars);
}

const char *wording_with_value(arena *a, const char *line, const char *from, const char *to)
{
    slice text = slice_of(line);
    size_t at = slice_find(text, slice_of(from), 0);
    if (at == SIZE_MAX)
        return line;
    /* "a cat" becomes "an owl" as the value demands. */
    size_t start = at;
    const char *article = "";
    if (at >= 3 && strncmp(line + at - 3, " a ", 3) == 0)
        start = at - 2, article = town_article(to);
    else if (at >= 4 && strncmp(line + at - 4, " an ", 4) == 0)
        start = at - 3, article = town_article(to);
    return arena_printf(a, "%.*s%s%s%s%s", (int)start, line, article, article[0] ? " " : "", to,
                        line + at + strlen(from));
}
