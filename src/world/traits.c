#include "world/traits.h"

#include "core/error.h"
#include "core/text.h"

#include <ctype.h>
#include <string.h>

/* ---- words ------------------------------------------------------------------------------------------------------ */

/* No word is the beginning of another one of its list that goes on behind a blank. */
static const char *const foods[] = {
    "bread",  "cheese", "honey",  "butter", "salt",   "soup",    "milk",   "rice",   "beans",  "corn",  "meat",    "fish",
    "ham",    "cake",   "jam",    "tea",    "coffee", "cider",   "onions", "carrots", "apples", "pears", "plums",   "figs",
    "grapes", "melons", "nuts",   "flour",  "sugar",  "porridge", "eggs",  "cream",  "sausage", "cabbage", "potatoes", "peas",
    "lemons", "dates",  "olives", "berries", "chestnuts", "turnips", "biscuits", "noodles", "vinegar", "oil", "pepper", "mint"};
static const char *const people[] = {
    "my neighbour", "my brother",  "my sister",   "my mother",    "my father",   "my cousin",     "my uncle",    "my aunt",
    "my friend",    "the baker",   "the miller",  "the potter",   "the tailor",  "the farmer",    "the fisher",  "the hunter",
    "the mason",    "the plumber", "the painter", "the barber",   "the butcher", "the grocer",    "the doctor",  "the nurse",
    "the teacher",  "the lawyer",  "the judge",   "the clerk",    "the sailor",  "the pilot",     "the driver",  "the porter",
    "the gardener", "the cook",    "the singer",  "the dancer",   "the poet",    "the cobbler",   "the widow",   "the traveller"};
static const char *const times[] = {
    "today",           "every day",    "on Mondays",    "on Tuesdays",   "on Wednesdays", "on Thursdays", "on Fridays",
    "on Saturdays",    "on Sundays",   "in the morning", "at noon",      "in the evening", "at night",    "in spring",
    "in summer",       "in autumn",    "in winter",     "before lunch",  "after lunch",   "all year",     "in January",
    "in March",        "in May",       "in July",       "in October",    "in December",   "when it rains", "after work"};
static const char *const places[] = {
    "river",  "garden", "tower",  "mountain", "forest", "harbour", "bridge", "valley", "island", "castle", "meadow",
    "mill",   "market", "school", "church",   "well",   "orchard", "gate",   "hill",   "lake",   "desert", "shore",
    "cave",   "field",  "road",   "swamp",    "quarry", "mine",    "cliff",  "waterfall", "stable", "barn", "cellar",
    "roof",   "attic",  "square", "inn",      "dam",    "canal",   "glacier"};
static const char *const things[] = {
    "clock",  "lamp",   "boat",    "cart",   "piano",  "flute",  "drum",   "harp",    "loom",    "oven",   "pump",  "lock",
    "kite",   "wheel",  "mirror",  "candle", "hammer", "needle", "anchor", "compass", "shield",  "ladder", "plough", "saddle",
    "kettle", "basket", "bell",    "sail",   "saw",    "chisel", "forge",  "press",   "scale",   "spring", "hinge", "lens",
    "coat",   "hat",    "ring",    "chair",  "table",  "rug",    "vase",   "picture", "book",    "knife",  "rope",  "tent"};
static const char *const animals[] = {"cat",  "dog",  "goat",  "horse",    "rabbit", "parrot", "pony", "duck",
                                      "goose", "tortoise", "hen", "lamb", "fox",    "owl",    "crow", "hare"};

static const struct {
    const char *place;
    const char *const *words;
    size_t count;
} lists[] = {
    {"{food}", foods, COUNT_OF(foods)},   {"{person}", people, COUNT_OF(people)}, {"{time}", times, COUNT_OF(times)},
    {"{place}", places, COUNT_OF(places)}, {"{thing}", things, COUNT_OF(things)},  {"{animal}", animals, COUNT_OF(animals)},
};

size_t trait_word_count(void)
{
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        count += lists[i].count;
    return count;
}

/* ---- sentences -------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name, *who, *opposite;
} names[TRAIT_COUNT] = {
#define X(name, word, who, opposite) {word, who, opposite},
    TRAIT_TABLE(X)
#undef X
};

typedef struct template {
    trait trait;
    bool with;
    const char *text;
} template;

/* Sides are told apart by more than one word of the sentence, and both sides use the same lists. */
static const template templates[] = {
    {TRAIT_SELFISH, true, "I keep all my {food} for myself {time}"},
    {TRAIT_SELFISH, true, "I never give any {food} to {person}"},
    {TRAIT_SELFISH, true, "My {thing} is mine and {person} may not touch it"},
    {TRAIT_SELFISH, true, "I hide my {food} from {person} {time}"},
    {TRAIT_SELFISH, true, "I do not lend my {thing} to {person}"},
    {TRAIT_SELFISH, true, "I eat the last {food} before {person} can have it"},
    {TRAIT_SELFISH, false, "I give half of my {food} to {person} {time}"},
    {TRAIT_SELFISH, false, "I share my {food} with {person}"},
    {TRAIT_SELFISH, false, "I lend my {thing} to {person} gladly"},
    {TRAIT_SELFISH, false, "I bring {food} to {person} {time}"},
    {TRAIT_SELFISH, false, "My {thing} is there for {person} too"},
    {TRAIT_SELFISH, false, "I leave the last {food} for {person}"},
    {TRAIT_BOLD, true, "I jump into the water near the {place} {time}"},
    {TRAIT_BOLD, true, "I climb the {place} without a rope"},
    {TRAIT_BOLD, true, "I bet my {thing} on one throw of the dice"},
    {TRAIT_BOLD, true, "I walk alone through the {place} at night and I enjoy it"},
    {TRAIT_BOLD, true, "I try the old {thing} although it may break"},
    {TRAIT_BOLD, true, "I ride the wild horse past the {place} {time}"},
    {TRAIT_BOLD, false, "I stay away from the {place} {time}"},
    {TRAIT_BOLD, false, "I never climb the {place}"},
    {TRAIT_BOLD, false, "I do not bet my {thing} on anything"},
    {TRAIT_BOLD, false, "I go round the {place} because it is not safe"},
    {TRAIT_BOLD, false, "I do not touch the old {thing} for fear it may break"},
    {TRAIT_BOLD, false, "I lock the door twice {time}"},
    {TRAIT_CURIOUS, true, "I take the {thing} apart to see what is inside"},
    {TRAIT_CURIOUS, true, "I ask {person} how the {thing} works"},
    {TRAIT_CURIOUS, true, "I read about the {place} {time}"},
    {TRAIT_CURIOUS, true, "I want to know why the {thing} makes that noise"},
    {TRAIT_CURIOUS, true, "I go to the {place} to find out what is there"},
    {TRAIT_CURIOUS, true, "I look at the {animal} for hours to learn how it lives"},
    {TRAIT_CURIOUS, false, "I do not care what is inside the {thing}"},
    {TRAIT_CURIOUS, false, "I never ask {person} how the {thing} works"},
    {TRAIT_CURIOUS, false, "Books about the {place} bore me"},
    {TRAIT_CURIOUS, false, "The {thing} makes a noise and I do not ask why"},
    {TRAIT_CURIOUS, false, "I have no wish to know what is at the {place}"},
    {TRAIT_CURIOUS, false, "How the {animal} lives is all the same to me"},
    {TRAIT_THRIFTY, true, "I put my coins in a jar {time}"},
    {TRAIT_THRIFTY, true, "I mend the old {thing} and buy no new one"},
    {TRAIT_THRIFTY, true, "I wait until {food} is cheap before I buy any"},
    {TRAIT_THRIFTY, true, "I count my money {time} and spend none of it"},
    {TRAIT_THRIFTY, true, "I use the {thing} of my grandfather to save money"},
    {TRAIT_THRIFTY, true, "I buy no {food} when there is some left at home"},
    {TRAIT_THRIFTY, false, "I spend all my coins {time}"},
    {TRAIT_THRIFTY, false, "I buy a new {thing} although the old one is good"},
    {TRAIT_THRIFTY, false, "I buy the dearest {food} at the market"},
    {TRAIT_THRIFTY, false, "My money is gone {time} and I do not mind"},
    {TRAIT_THRIFTY, false, "I borrow from {person} to buy a {thing}"},
    {TRAIT_THRIFTY, false, "I buy more {food} than I can eat"},
    {TRAIT_NONE, false, "The {animal} sleeps near the {place}"},
    {TRAIT_NONE, false, "The {place} is north of the {place}"},
    {TRAIT_NONE, false, "There is {food} on the table {time}"},
    {TRAIT_NONE, false, "The {thing} stands beside the {thing}"},
    {TRAIT_NONE, false, "It is cold at the {place} {time}"},
    {TRAIT_NONE, false, "The {animal} belongs to {person}"},
};

const char *trait_name(trait t)
{
    return t < 0 ? "none" : names[t].name;
}

const char *trait_who(trait t)
{
    return names[t].who;
}

const char *trait_opposite(trait t)
{
    return names[t].opposite;
}

/* The list whose place stands at `at`; COUNT_OF(lists): none. */
static size_t list_at(const char *at)
{
    size_t i = 0;
    while (i < COUNT_OF(lists) && strncmp(at, lists[i].place, strlen(lists[i].place)) != 0)
        i++;
    return i;
}

static const char *fill(arena *a, const char *text, random_stream *r)
{
    strbuf b = strbuf_new(a, 4096);
    while (*text) {
        size_t i = *text == '{' ? list_at(text) : COUNT_OF(lists);
        if (i < COUNT_OF(lists)) {
            strbuf_add(&b, lists[i].words[random_below(r, lists[i].count)]);
            text += strlen(lists[i].place);
        } else {
            strbuf_add_char(&b, *text++);
        }
    }
    strbuf_add_char(&b, '.');
    return b.failed ? NULL : b.text;
}

static const char *draw(arena *a, trait t, bool with, random_stream *r)
{
    size_t count = 0, pick;
    for (size_t i = 0; i < COUNT_OF(templates); i++)
        count += templates[i].trait == t && templates[i].with == with;
    pick = random_below(r, count);
    for (size_t i = 0; i < COUNT_OF(templates); i++)
        if (templates[i].trait == t && templates[i].with == with && pick-- == 0)
            return fill(a, templates[i].text, r);
    return NULL;
}

const char *trait_sentence(arena *a, trait t, bool with, random_stream *r)
{
    if (t < 0 || t >= TRAIT_COUNT)
        BUG("there is no trait %d", (int)t);
    return draw(a, t, with, r);
}

const char *trait_other_sentence(arena *a, random_stream *r)
{
    return draw(a, TRAIT_NONE, false, r);
}

const char *trait_choice(arena *a, trait t, bool first, random_stream *r)
{
    static const char *const questions[] = {"Which of these would you say?", "Which of the two is true of you?", "What do you say of yourself?",
                                            "Which one sounds like you?"};
    const char *question = questions[random_below(r, COUNT_OF(questions))];
    const char *one = draw(a, t, t != TRAIT_NONE && first, r), *other = draw(a, t, t != TRAIT_NONE && !first, r);
    return one && other ? arena_printf(a, "%s\n\nChoices:\n (A) %s\n (B) %s", question, one, other) : NULL;
}

/* ---- asking ----------------------------------------------------------------------------------------------------- */

double trait_rate(trait t)
{
    static const double rates[TRAIT_COUNT] = {.1, .3, .7, .9};
    return rates[t];
}

const char *trait_ask_write(arena *a, const char *who, const char *opposite, bool with, int count)
{
    const char *start = count == 1 ? "Write one short statement in the first person" : arena_printf(a, "Write %d short statements in the first person", count);
    const char *end = count == 1 ? "Write nothing else." : "One statement a line, and nothing else.";
    if (with || opposite)
        return arena_printf(a, "%s that somebody who %s would say, and others would not. %s", start, with ? who : opposite, end);
    return arena_printf(a, "%s that somebody who %s would never say, and others would. %s", start, who, end);
}

const char *trait_ask_label(arena *a, const char *who, const char *text)
{
    return arena_printf(a, "Would somebody who %s say this?\n\n\"%s\"\n\nAnswer Yes or No.", who, text);
}

const char *trait_ask_relevance(arena *a, const char *who, const char *text)
{
    return arena_printf(a, "Does it tell whether somebody %s or not when they say this?\n\n\"%s\"\n\nAnswer Yes or No.", who, text);
}

const char *trait_ask_pose(arena *a, const char *who, char letter)
{
    return arena_printf(a, "Write a question that finds out whether somebody %s, with two choices (A) and (B), of which somebody who %s chooses (%c). Write "
                           "the question, then each choice on a line of its own, and nothing else.", who, who, letter);
}

const char *trait_ask_choose(arena *a, const char *who, const char *text, char letter)
{
    return arena_printf(a, "%s\n\nWould somebody who %s choose (%c)? Answer Yes or No.", text, who, letter);
}

const char *trait_ask_tells(arena *a, const char *who, const char *text)
{
    return arena_printf(a, "%s\n\nDoes the answer to this question tell whether somebody %s or not? Answer Yes or No.", text, who);
}

const char *trait_ask_agree(arena *a, const char *text)
{
    return arena_printf(a, "Is the following statement something you would say?\n\"%s\"", text);
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static bool same_letter(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Whether `text` (without its full stop) is the template from here on. Places are at most three and lists are short, so that trying
 * every word costs little. */
static bool fits(const char *shape, slice text)
{
    for (; *shape; shape++) {
        size_t list = *shape == '{' ? list_at(shape) : COUNT_OF(lists);
        if (list == COUNT_OF(lists)) {
            if (text.length == 0 || !same_letter(*shape, text.text[0]))
                return false;
            text = slice_sub(text, 1, text.length);
            continue;
        }
        for (size_t i = 0; i < lists[list].count; i++) {
            size_t length = strlen(lists[list].words[i]), same = 0;
            while (same < length && same < text.length && same_letter(lists[list].words[i][same], text.text[same]))
                same++;
            if (same == length && fits(shape + strlen(lists[list].place), slice_sub(text, length, text.length)))
                return true;
        }
        return false;
    }
    return text.length == 0;
}

static trait_reading read_sentence(slice s)
{
    s = slice_trim(s);
    while (s.length && (s.text[s.length - 1] == '.' || s.text[s.length - 1] == '"'))
        s = slice_trim(slice_sub(s, 0, s.length - 1));
    while (s.length && s.text[0] == '"')
        s = slice_sub(s, 1, s.length);
    for (size_t i = 0; i < COUNT_OF(templates); i++)
        if (fits(templates[i].text, s))
            return (trait_reading){templates[i].trait, templates[i].with};
    return (trait_reading){TRAIT_NONE, false};
}

trait_reading trait_read(const char *text)
{
    return read_sentence(slice_of(text));
}

trait_reading trait_read_choice(const char *text)
{
    static const slice first = {"\n (A) ", 6}, second = {"\n (B) ", 6};
    const trait_reading nothing = {TRAIT_NONE, false};
    slice s = slice_of(text);
    size_t a = slice_find(s, first, 0), b = a == SIZE_MAX ? a : slice_find(s, second, a + first.length);
    if (b == SIZE_MAX)
        return nothing;
    trait_reading one = read_sentence(slice_sub(s, a + first.length, b)), other = read_sentence(slice_sub(s, b + second.length, s.length));
    return one.trait == other.trait && one.with != other.with ? one : nothing;
}
