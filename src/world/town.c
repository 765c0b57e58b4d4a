#include "world/town.h"

#include "world/words.h"

#include <assert.h>
#include <string.h>

typedef struct attribute_row {
    const char *noun;
    town_kind kind;
    town_domain domain;
} attribute_row;

static const attribute_row attributes[ATTRIBUTE_COUNT] = {
#define X(name, kind, domain, noun) {noun, KIND_##kind, DOMAIN_##domain},
    TOWN_ATTRIBUTE_TABLE(X)
#undef X
};

static const char *const attribute_names[ATTRIBUTE_COUNT] = {
    "home",  "guild", "colour", "pet",  "fruit", "instrument", "maker", "theme",
    "price", "place", "month",  "mood", "chief", "toll",       "banner"};

static const town_attribute first_attribute[KIND_COUNT] = {ATTRIBUTE_HOME, ATTRIBUTE_MAKER, ATTRIBUTE_CHIEF,
                                                           ATTRIBUTE_BANNER};

const char *town_attribute_name(town_attribute attribute)
{
    return attribute_names[attribute];
}

const char *town_attribute_noun(town_attribute attribute)
{
    return attributes[attribute].noun;
}

town_kind town_attribute_kind(town_attribute attribute)
{
    return attributes[attribute].kind;
}

town_domain town_attribute_domain(town_attribute attribute)
{
    return attributes[attribute].domain;
}

town_attribute town_kind_attributes(town_kind kind, int *count)
{
    int n = 0;
    for (int i = 0; i < ATTRIBUTE_COUNT; i++)
        n += attributes[i].kind == kind;
    *count = n;
    return first_attribute[kind];
}

const char *const *town_domain_values(town_domain domain, int *count)
{
    const char *const *values = words_domains[domain];
    int n = 0;
    while (values[n])
        n++;
    *count = n;
    return values;
}

const char *town_country(int country)
{
    return words_countries[country];
}

const char *town_topic(int topic)
{
    return words_topics[topic];
}

const char *town_article(const char *word)
{
    return strchr("aeiouAEIOU", word[0]) ? "an" : "a";
}

static int kind_start(town_kind kind)
{
    static const int starts[KIND_COUNT] = {0, TOWN_PERSONS, TOWN_PERSONS + TOWN_WORKS,
                                           TOWN_PERSONS + TOWN_WORKS + TOWN_TOWNS};
    return starts[kind];
}

static int kind_size(town_kind kind)
{
    static const int sizes[KIND_COUNT] = {TOWN_PERSONS, TOWN_WORKS, TOWN_TOWNS, TOWN_GUILDS};
    return sizes[kind];
}

int town_value_index(const town *t, int entity, town_attribute attribute)
{
    const town_entity *e = &t->entities[entity];
    if (e->kind != attributes[attribute].kind)
        BUG("%s has no %s", e->name, attribute_names[attribute]);
    return e->values[attribute - first_attribute[e->kind]];
}

const char *town_value(const town *t, int entity, town_attribute attribute)
{
    return words_domains[attributes[attribute].domain][town_value_index(t, entity, attribute)];
}

int town_entity_of_value(const town *t, town_domain domain, int value)
{
    (void)t;
    switch (domain) {
    case DOMAIN_PERSONS:
        return kind_start(KIND_PERSON) + value;
    case DOMAIN_TOWNS:
        return kind_start(KIND_TOWN) + value;
    case DOMAIN_GUILDS:
        return kind_start(KIND_GUILD) + value;
    default:
        BUG("values of domain %d are no entities", (int)domain);
    }
}

const char *town_table(const town *t, int trade)
{
    return words_domains[DOMAIN_COLOURS][t->tables[trade]];
}

bool town_opinion(const town *t, int person, int topic)
{
    int country = t->town_country[town_value_index(t, person, ATTRIBUTE_HOME)];
    random_stream r = random_stream_at(t->seed, "town/opinion", (uint64_t)person, (uint64_t)topic, 0, 0);
    return random_below(&r, 10) < (uint64_t)t->country_share[country][topic];
}

int town_draw(const town *t, town_kind kind, town_split split, random_stream *r)
{
    for (;;) {
        int entity = kind_start(kind) + (int)random_below(r, (uint64_t)kind_size(kind));
        if (split == SPLIT_COUNT || t->entities[entity].split == split || kind == KIND_TOWN || kind == KIND_GUILD)
            return entity;
    }
}

int town_wrong_value(const town *t, int entity, town_attribute attribute, random_stream *r)
{
    int truth = town_value_index(t, entity, attribute), wrong;
    int count;
    town_domain domain = attributes[attribute].domain;
    town_domain_values(domain, &count);
    do {
        wrong = domain == DOMAIN_PERSONS ? town_draw(t, KIND_PERSON, SPLIT_SHARED, r)
                                         : (int)random_below(r, (uint64_t)count);
    } while (wrong == truth);
    return wrong;
}

/* Works: half each for tuning and evaluation; persons: a quarter each, the rest shared. Those that are never composed
 * are the first three tenths of another shuffle, so that all splits hold some. */
static void draw_splits(town *t)
{
    for (int kind = KIND_PERSON; kind <= KIND_WORK; kind++) {
        int order[TOWN_PERSONS > TOWN_WORKS ? TOWN_PERSONS : TOWN_WORKS];
        int start = kind_start((town_kind)kind), size = kind_size((town_kind)kind);
        for (int i = 0; i < size; i++)
            order[i] = i;
        random_stream r = random_stream_at(t->seed, "town/split", (uint64_t)kind, 0, 0, 0);
        random_shuffle(&r, order, (size_t)size, sizeof *order);
        int half = kind == KIND_PERSON ? size / 4 : size / 2;
        for (int i = 0; i < size; i++)
            t->entities[start + order[i]].split = i < half ? SPLIT_EVAL : i < 2 * half ? SPLIT_TUNE : SPLIT_SHARED;
        random_shuffle(&r, order, (size_t)size, sizeof *order);
        for (int i = 0; i < size; i++)
            t->entities[start + order[i]].composed = i >= size * 3 / 10;
    }
}

static status name_works(arena *a, town *t, error *err)
{
    int titles[WORDS_TITLE_FIRST * WORDS_TITLE_SECOND];
    for (int i = 0; i < (int)COUNT_OF(titles); i++)
        titles[i] = i;
    random_stream r = random_stream_at(t->seed, "town/titles", 0, 0, 0, 0);
    random_shuffle(&r, titles, COUNT_OF(titles), sizeof *titles);
    for (int i = 0; i < TOWN_WORKS; i++) {
        town_entity *work = &t->entities[kind_start(KIND_WORK) + i];
        work->name = arena_printf(a, "%s %s", words_title_first[titles[i] % WORDS_TITLE_FIRST],
                                  words_title_second[titles[i] / WORDS_TITLE_FIRST]);
        work->full = arena_printf(a, "the %s %s", words_work_kinds[random_below(&r, WORDS_WORK_KINDS)], work->name);
        if (!work->name || !work->full)
            return error_set(err, STATUS_MEMORY, "no memory for the names of the works");
    }
    return STATUS_OK;
}

static status name_entities(arena *a, town *t, error *err)
{
    for (int kind = 0; kind < KIND_COUNT; kind++)
        for (int i = 0; i < kind_size((town_kind)kind); i++) {
            town_entity *e = &t->entities[kind_start((town_kind)kind) + i];
            e->index = kind_start((town_kind)kind) + i;
            e->kind = (town_kind)kind;
            e->split = SPLIT_SHARED;
        }
    for (int i = 0; i < TOWN_PERSONS; i++)
        t->entities[i].name = t->entities[i].full = words_persons[i];
    for (int i = 0; i < TOWN_TOWNS; i++) {
        town_entity *e = &t->entities[kind_start(KIND_TOWN) + i];
        e->name = e->full = words_domains[DOMAIN_TOWNS][i];
        t->town_country[i] = i % TOWN_COUNTRIES;
    }
    for (int i = 0; i < TOWN_GUILDS; i++) {
        town_entity *e = &t->entities[kind_start(KIND_GUILD) + i];
        e->name = words_domains[DOMAIN_GUILDS][i];
        e->full = arena_printf(a, "the %s guild", e->name);
        if (!e->full)
            return error_set(err, STATUS_MEMORY, "no memory for the names of the guilds");
    }
    return name_works(a, t, err);
}

static void draw_facts(town *t)
{
    for (int i = 0; i < TOWN_ENTITIES; i++) {
        town_entity *e = &t->entities[i];
        int count;
        town_attribute first = town_kind_attributes(e->kind, &count);
        for (int k = 0; k < count; k++) {
            random_stream r = random_stream_at(t->seed, "town/fact", (uint64_t)i, (uint64_t)k, 0, 0);
            town_domain domain = attributes[first + (town_attribute)k].domain;
            int values;
            town_domain_values(domain, &values);
            e->values[k] = (int16_t)(domain == DOMAIN_PERSONS
                                         ? town_draw(t, KIND_PERSON, SPLIT_SHARED, &r)
                                         : (int)random_below(&r, (uint64_t)values));
        }
    }
    for (int c = 0; c < TOWN_COUNTRIES; c++)
        for (int topic = 0; topic < TOWN_TOPICS; topic++) {
            random_stream r = random_stream_at(t->seed, "town/country", (uint64_t)c, (uint64_t)topic, 0, 0);
            int share = 1 + (int)random_below(&r, 8);
            t->country_share[c][topic] = share >= 5 ? share + 1 : share;
        }
}

static status draw_askers(arena *a, town *t, error *err)
{
    memcpy(t->trades, words_trades, sizeof t->trades);
    random_stream r = random_stream_at(t->seed, "town/askers", 0, 0, 0, 0);
    random_shuffle(&r, t->trades, TOWN_TRADES, sizeof *t->trades);
    for (int i = 0; i < TOWN_TRADES; i++)
        t->tables[i] = (int)random_below(&r, TOWN_VALUES);
    static_assert(WORDS_ASKER_FIRST * WORDS_ASKER_LAST == TOWN_ASKERS, "one name for each asker");
    int names[TOWN_ASKERS];
    for (int i = 0; i < TOWN_ASKERS; i++)
        names[i] = i;
    random_shuffle(&r, names, TOWN_ASKERS, sizeof *names);
    for (int i = 0; i < TOWN_ASKERS; i++) {
        const char *name = arena_printf(a, "%s %s", words_asker_first[names[i] % WORDS_ASKER_FIRST],
                                        words_asker_last[names[i] / WORDS_ASKER_FIRST]);
        if (!name)
            return error_set(err, STATUS_MEMORY, "no memory for the names of the askers");
        t->askers[i] = (town_asker){.index = i,
                                    .name = name,
                                    .trade = i / TOWN_ASKERS_PER_TRADE,
                                    .unseen = i % TOWN_ASKERS_PER_TRADE >= TOWN_ASKERS_PER_TRADE - TOWN_ASKERS_UNSEEN};
    }
    return STATUS_OK;
}

status town_new(arena *a, uint64_t seed, const town **out, error *err)
{
    town *t = ARENA_NEW(a, town);
    if (!t)
        return error_set(err, STATUS_MEMORY, "no memory for the town");
    t->seed = seed;
    TRY(name_entities(a, t, err));
    draw_splits(t);
    draw_facts(t);
    TRY(draw_askers(a, t, err));
    TRY(survey_new(a, seed, &t->survey, err));
    *out = t;
    return STATUS_OK;
}
