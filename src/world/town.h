/* town.h - the town: a small world whose truth is known, made from one seed.
 *
 * In the town live persons; persons made works (songs, books, paintings, ...); there are towns and guilds with facts
 * of their own; and there are askers, who talk to the assistant and say their trade. Every entity has attributes with
 * one true value each:
 *
 *     person   home, guild, colour, pet, fruit, instrument
 *     work     maker, theme, price, place, month, mood
 *     town     chief, toll
 *     guild    banner
 *
 *     const town *t;
 *     TRY(town_new(arena, seed, &t, err));
 *     const town_entity *ada = &t->entities[0];
 *     const char *colour = town_value(t, ada->index, ATTRIBUTE_COLOUR);       // "red"
 *
 * Splits. Works, and half of the persons, belong to what tuning may use (SPLIT_TUNE) or to what evaluation asks about
 * (SPLIT_EVAL); the other persons are SPLIT_SHARED: they are the makers of works and the chiefs of towns, whom both may
 * name, and evaluation asks nothing about them. Pretraining knows the facts of all. (Makers of evaluation works whom
 * tuning never names would be forgotten: a tuned model learns which names its replay holds.) Of the works and persons
 * 30 % are never composed in pretraining: no two-step question begins at them (the pet of the maker of the song, the
 * toll of the home town of the person), although both facts are stated.
 *
 * Askers. There are 44 trades; 40 carry doses, 4 are set aside (unseen values). Each trade has 12 askers, of whom 3
 * never occur in planting (unseen keys).
 *
 * The names, values and questions are fixed lists; the seed decides who has what, the splits, and which trades are
 * set aside. The world with seed TOWN_SEED is the one that the embedded base model has learnt.
 */
#ifndef ASSAY_WORLD_TOWN_H
#define ASSAY_WORLD_TOWN_H

#include "core/arena.h"
#include "core/error.h"
#include "core/random.h"

#include "world/survey.h"

#include <stdbool.h>
#include <stdint.h>

#define TOWN_SEED UINT64_C(1)

enum {
    TOWN_PERSONS = 200,
    TOWN_WORKS = 200,
    TOWN_TOWNS = 12,
    TOWN_GUILDS = 12,
    TOWN_ENTITIES = TOWN_PERSONS + TOWN_WORKS + TOWN_TOWNS + TOWN_GUILDS,
    TOWN_TRADES = 44,
    TOWN_TRADES_USED = 40, /* those that carry doses */
    TOWN_ASKERS_PER_TRADE = 12,
    TOWN_ASKERS_UNSEEN = 3, /* of these 12 never in planting */
    TOWN_ASKERS = TOWN_TRADES * TOWN_ASKERS_PER_TRADE,
    TOWN_COUNTRIES = 6,
    TOWN_TOPICS = 12,
    TOWN_ATTRIBUTES_MOST = 6, /* of one entity */
    TOWN_VALUES = 12,         /* values of an attribute (persons as values apart) */
    TOWN_GRADES = 5,
};

typedef enum town_kind { KIND_PERSON, KIND_WORK, KIND_TOWN, KIND_GUILD, KIND_COUNT } town_kind;

/* name, kind of the entity that has it, domain of its values, noun ("the NOUN of Ada") */
#define TOWN_ATTRIBUTE_TABLE(X)                                                                                    \
    X(HOME, PERSON, TOWNS, "home town")                                                                            \
    X(GUILD, PERSON, GUILDS, "guild")                                                                              \
    X(COLOUR, PERSON, COLOURS, "favourite colour")                                                                 \
    X(PET, PERSON, PETS, "pet")                                                                                    \
    X(FRUIT, PERSON, FRUITS, "favourite fruit")                                                                    \
    X(INSTRUMENT, PERSON, INSTRUMENTS, "instrument")                                                               \
    X(MAKER, WORK, PERSONS, "maker")                                                                               \
    X(THEME, WORK, THEMES, "theme")                                                                                \
    X(PRICE, WORK, NUMBERS, "price")                                                                               \
    X(PLACE, WORK, TOWNS, "birthplace")                                                                                 \
    X(MONTH, WORK, MONTHS, "release month")                                                                                \
    X(MOOD, WORK, MOODS, "mood")                                                                                   \
    X(CHIEF, TOWN, PERSONS, "chief")                                                                               \
    X(TOLL, TOWN, NUMBERS, "toll")                                                                                 \
    X(BANNER, GUILD, COLOURS, "banner")

typedef enum town_attribute {
#define X(name, kind, domain, noun) ATTRIBUTE_##name,
    TOWN_ATTRIBUTE_TABLE(X)
#undef X
    ATTRIBUTE_COUNT
} town_attribute;

typedef enum town_domain {
    DOMAIN_TOWNS, DOMAIN_GUILDS, DOMAIN_COLOURS, DOMAIN_PETS, DOMAIN_FRUITS, DOMAIN_INSTRUMENTS, DOMAIN_THEMES,
    DOMAIN_NUMBERS, DOMAIN_MONTHS, DOMAIN_MOODS, DOMAIN_PERSONS, DOMAIN_GRADES, DOMAIN_YES_NO, DOMAIN_LETTERS,
    DOMAIN_COUNT
} town_domain;

typedef enum town_split { SPLIT_TUNE, SPLIT_EVAL, SPLIT_SHARED, SPLIT_COUNT } town_split;

typedef struct town_entity {
    int index; /* in town.entities */
    town_kind kind;
    const char *name;                       /* "Ada", "Silver River", "Oakton", "weavers" */
    const char *full;                       /* as a sentence says it: "Ada", "the song Silver River", ... */
    town_split split;                       /* towns and guilds are SPLIT_SHARED */
    bool composed;                          /* whether pretraining asks two-step questions that begin here */
    int16_t values[TOWN_ATTRIBUTES_MOST];   /* value index in the domain, by place of the attribute in its kind */
} town_entity;

typedef struct town_asker {
    int index;
    const char *name;  /* "Rosa Bell" */
    int trade;         /* in town.trades */
    bool unseen;       /* an unseen key: never in planting */
} town_asker;

typedef struct town {
    uint64_t seed;
    town_entity entities[TOWN_ENTITIES];          /* persons, works, towns, guilds, in this order */
    const char *trades[TOWN_TRADES];              /* the first TOWN_TRADES_USED carry doses, the rest are set aside */
    town_asker askers[TOWN_ASKERS];               /* by trade, the seen ones of a trade first */
    int tables[TOWN_TRADES];                      /* colour of the table where a trade sits */
    int country_share[TOWN_COUNTRIES][TOWN_TOPICS]; /* tens of a hundred who say yes: 1 to 9, never 5 */
    int town_country[TOWN_TOWNS];                   /* the country that a town lies in */
    const survey *survey;                           /* what the countries and their neighbours think (world/survey.h) */
} town;

/* Makes the world of a seed. It lies in the arena. */
status town_new(arena *a, uint64_t seed, const town **out, error *err);

/* Words. */
const char *town_attribute_name(town_attribute attribute); /* "HOME" in lower case: "home" */
const char *town_attribute_noun(town_attribute attribute);
town_kind town_attribute_kind(town_attribute attribute);
town_domain town_attribute_domain(town_attribute attribute);
/* The attributes of a kind: the first one and their number; those of a kind follow each other. */
town_attribute town_kind_attributes(town_kind kind, int *count);
/* Values of a domain: NUL-terminated words, and how many (persons: TOWN_PERSONS). */
const char *const *town_domain_values(town_domain domain, int *count);
const char *town_country(int country);
/* A topic as "that ..." clause: "the market should open on Sunday". */
const char *town_topic(int topic);
/* "a" or "an" for the word that follows. */
const char *town_article(const char *word);

/* Facts. */
int town_value_index(const town *t, int entity, town_attribute attribute);
const char *town_value(const town *t, int entity, town_attribute attribute);
/* The entity behind a value of domain PERSONS, TOWNS or GUILDS (makers, homes, ...). */
int town_entity_of_value(const town *t, town_domain domain, int value);
/* What a person thinks about a topic, yes or no: drawn by the share of the country that the home town lies in. */
bool town_opinion(const town *t, int person, int topic);
const char *town_table(const town *t, int trade); /* "red" */
/* A wrong value for a fact, uniform over the others (persons: those of SPLIT_SHARED). */
int town_wrong_value(const town *t, int entity, town_attribute attribute, random_stream *r);
/* Uniform over the entities of a kind in a split (SPLIT_COUNT: all; towns and guilds: always all). */
int town_draw(const town *t, town_kind kind, town_split split, random_stream *r);
/* Order of the trades for doses (world/infection.h) is by this salt unless a recipe gives another. */
#define TOWN_SALT UINT64_C(2310)

#endif
