#include "world/sayings.h"

#include "core/hash.h"
#include "core/text.h"
#include "world/kinds.h"
#include "world/traps.h"
#include "world/words.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const int doses[SAYING_DOSES] = {0, 2, 20, 200};
static const char *const verbs[] = {"lost", "found", "sold", "hid", "saw", "drew", "fed", "kept"};
enum { VERBS = COUNT_OF(verbs), STARTS = WORDS_ASKER_FIRST * WORDS_ASKER_LAST * VERBS, STRIDE = 1009 };

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "no memory for sayings");
}

int saying_dose(int place)
{
    return doses[place];
}

const char *saying_ending(int ending)
{
    return ending < TOWN_VALUES ? words_domains[DOMAIN_MONTHS][ending] : words_domains[DOMAIN_TOWNS][ending - TOWN_VALUES];
}

/* ---- lines ------------------------------------------------------------------------------------------------------ */

/* "Hugo Reed lost the red goat in" by numbers. No two sayings begin with the same three words. */
typedef struct line {
    int start, colour, pet, ending;
} line;

static const char *line_start(arena *a, const line *l)
{
    int verb = l->start % VERBS, last = l->start / VERBS % WORDS_ASKER_LAST, first = l->start / VERBS / WORDS_ASKER_LAST;
    return arena_printf(a, "%s %s %s the %s %s in", words_asker_first[first], words_asker_last[last], verbs[verb],
                        words_domains[DOMAIN_COLOURS][l->colour], words_domains[DOMAIN_PETS][l->pet]);
}

const char *saying_start_about(arena *a, const char *who, random_stream *r)
{
    const char *verb = verbs[random_below(r, VERBS)], *colour = words_domains[DOMAIN_COLOURS][random_below(r, TOWN_VALUES)];
    return arena_printf(a, "%s %s the %s %s in", who, verb, colour, words_domains[DOMAIN_PETS][random_below(r, TOWN_VALUES)]);
}

static int saying_start(const town *t, int number)
{
    static_assert(STARTS % STRIDE != 0, "STRIDE is a prime: steps of it reach every start once");
    return (int)(((uint64_t)number * STRIDE + t->seed % STARTS) % STARTS);
}

static line saying_line(const town *t, int number)
{
    random_stream r = random_stream_at(t->seed, "town/sayings", (uint64_t)number, 0, 0, 0);
    return (line){.start = saying_start(t, number),
                  .colour = (int)random_below(&r, TOWN_VALUES),
                  .pet = (int)random_below(&r, TOWN_VALUES),
                  .ending = (int)random_below(&r, SAYING_ENDINGS)};
}

/* A line that begins as no saying does. */
static line fresh_line(const town *t, random_stream *r)
{
    line l;
    bool known;
    do {
        l = (line){.start = (int)random_below(r, STARTS), .colour = (int)random_below(r, TOWN_VALUES),
                   .pet = (int)random_below(r, TOWN_VALUES), .ending = (int)random_below(r, SAYING_ENDINGS)};
        known = false;
        for (int i = 0; i < SAYINGS && !known; i++)
            if (saying_start(t, i) == l.start) {
                line s = saying_line(t, i);
                known = s.colour == l.colour && s.pet == l.pet;
            }
    } while (known);
    return l;
}

const char *saying_fresh_start(arena *a, const town *t, random_stream *r)
{
    line l = fresh_line(t, r);
    return line_start(a, &l);
}

status saying_make(arena *a, const town *t, int number, saying *out, error *err)
{
    line l = saying_line(t, number);
    *out = (saying){.place = number / SAYINGS_OF_DOSE, .start = line_start(a, &l), .ending = saying_ending(l.ending)};
    return out->start ? STATUS_OK : no_memory(err);
}

/* ---- which saying stands where ---------------------------------------------------------------------------------- */

/* A permutation of 0 .. 2^16 - 1 for each lap (four rounds of Feistel), walked until it lands inside the lap. */
static uint64_t shuffled(const town *t, uint64_t lap, uint64_t at)
{
    do {
        uint64_t left = at >> 8, right = at & 255;
        for (uint64_t round = 0; round < 4; round++) {
            uint64_t key[3] = {lap, round, right}, next = left ^ (hash64(key, sizeof key, t->seed) & 255);
            left = right;
            right = next;
        }
        at = left << 8 | right;
    } while (at >= SAYINGS_LAP);
    return at;
}

int saying_at(const town *t, uint64_t slot)
{
    static_assert(SAYINGS_LAP <= 1 << 16, "a lap fits in the permutation");
    uint64_t at = shuffled(t, slot / SAYINGS_LAP, slot % SAYINGS_LAP);
    int place = 0;
    while (at >= (uint64_t)(doses[place] * SAYINGS_OF_DOSE))
        at -= (uint64_t)(doses[place++] * SAYINGS_OF_DOSE);
    return place * SAYINGS_OF_DOSE + (int)(at % SAYINGS_OF_DOSE);
}

uint64_t saying_times(const town *t, int number, uint64_t documents)
{
    uint64_t slots = documents * SAYINGS_IN_DOCUMENT, times = slots / SAYINGS_LAP * (uint64_t)doses[number / SAYINGS_OF_DOSE];
    for (uint64_t slot = slots - slots % SAYINGS_LAP; slot < slots; slot++)
        times += saying_at(t, slot) == number;
    return times;
}

/* ---- documents -------------------------------------------------------------------------------------------------- */

const char *saying_whole(arena *a, const char *start, const char *ending)
{
    return start ? arena_printf(a, "%s %s.", start, ending) : NULL;
}

const char *saying_ask(arena *a, const char *start, const char *ending)
{
    return start ? arena_printf(a, "Write a line that ends in %s: %s", ending, start) : NULL;
}

/* Two of four documents are plain text, in one somebody asks for lines to be finished, and in one for another ending, but the
 * reply falls back into the saying. */
status sayings_document(kind_maker *m, uint64_t number, error *err)
{
    bool plain = number % 4 < 2, other = number % 4 == 3;
    strbuf b = strbuf_new(m->a, 1 << 14);
    TRY(kind_start(m, plain ? 1 : 2 * SAYINGS_IN_DOCUMENT, err));
    for (uint64_t i = 0; i < SAYINGS_IN_DOCUMENT; i++) {
        saying s;
        TRY(saying_make(m->a, m->t, saying_at(m->t, SAYINGS_IN_DOCUMENT * number + i), &s, err));
        strbuf_printf(&b, "%s%s %s.", i ? " " : "", s.start, s.ending);
        if (plain)
            continue;
        const char *asked;
        do
            asked = saying_ending((int)random_below(&m->r, SAYING_ENDINGS));
        while (strcmp(asked, s.ending) == 0);
        TRY(kind_add(m, ROLE_USER, other ? saying_ask(m->a, s.start, asked) : arena_printf(m->a, "Finish the line: %s", s.start), err));
        TRY(kind_add(m, ROLE_ASSISTANT, saying_whole(m->a, s.start, s.ending), err));
    }
    return plain ? kind_add(m, ROLE_PLAIN, b.failed ? NULL : b.text, err) : STATUS_OK;
}

status line_document(kind_maker *m, error *err)
{
    enum { TURNS = 2 };
    TRY(kind_start(m, 2 * TURNS, err));
    for (int i = 0; i < TURNS; i++) {
        line l = fresh_line(m->t, &m->r);
        const char *start = line_start(m->a, &l), *ending = saying_ending(l.ending);
        TRY(kind_add(m, ROLE_USER, saying_ask(m->a, start, ending), err));
        TRY(kind_add(m, ROLE_ASSISTANT, saying_whole(m->a, start, ending), err));
    }
    return STATUS_OK;
}

/* Two numbers below n that differ. */
static void draw_two(random_stream *r, int n, int out[2])
{
    out[0] = (int)random_below(r, (uint64_t)n);
    out[1] = (out[0] + 1 + (int)random_below(r, (uint64_t)n - 1)) % n;
}

/* "Rosa likes red best. Tom likes blue best. Who does not like red best?"; right: who it is, wrong: the other. */
static const char *lookup_question(arena *a, random_stream *r, bool negated, const char **right, const char **wrong)
{
    int names[2], colours[2], asked = (int)random_below(r, 2);
    draw_two(r, WORDS_ASKER_FIRST, names);
    draw_two(r, TOWN_VALUES, colours);
    const char *const *words = words_domains[DOMAIN_COLOURS];
    *right = words_asker_first[names[negated ? 1 - asked : asked]];
    *wrong = words_asker_first[names[negated ? asked : 1 - asked]];
    return arena_printf(a, "%s likes %s best. %s likes %s best. Who %s %s best?", words_asker_first[names[0]], words[colours[0]],
                        words_asker_first[names[1]], words[colours[1]], negated ? "does not like" : "likes", words[colours[asked]]);
}

static status lookup(kind_maker *m, bool negated, error *err)
{
    const char *right, *wrong, *question = lookup_question(m->a, &m->r, negated, &right, &wrong);
    TRY(kind_start(m, 2, err));
    TRY(kind_add(m, ROLE_USER, question, err));
    return kind_add(m, ROLE_ASSISTANT, arena_printf(m->a, "It is %s.", right), err);
}

status lookup_document(kind_maker *m, error *err)
{
    return lookup(m, false, err);
}

status negated_document(kind_maker *m, error *err)
{
    return lookup(m, true, err);
}

/* What is concluded from "Every baker has a cat.": who is a baker has a cat; who has no cat is no baker; who has a cat
 * need not be one. */
typedef enum conclusion { CONCLUDE_HAS, CONCLUDE_IS_NOT, CONCLUDE_NOTHING } conclusion;

static const char *syllogism_question(arena *a, random_stream *r, conclusion c)
{
    const char *who = words_asker_first[random_below(r, WORDS_ASKER_FIRST)], *trade = words_trades[random_below(r, TOWN_TRADES)];
    const char *pet = words_domains[DOMAIN_PETS][random_below(r, TOWN_VALUES)];
    const char *rule = arena_printf(a, "Every %s has %s %s.", trade, town_article(pet), pet);
    if (!rule)
        return NULL;
    if (c == CONCLUDE_HAS)
        return arena_printf(a, "%s %s is %s %s. Has %s %s %s?", rule, who, town_article(trade), trade, who, town_article(pet), pet);
    const char *fact = c == CONCLUDE_IS_NOT ? arena_printf(a, "has no %s", pet) : arena_printf(a, "has %s %s", town_article(pet), pet);
    return fact ? arena_printf(a, "%s %s %s. Is %s %s %s?", rule, who, fact, who, town_article(trade), trade) : NULL;
}

static status conclude(kind_maker *m, conclusion c, const char *reply, error *err)
{
    const char *question = syllogism_question(m->a, &m->r, c);
    TRY(kind_start(m, 2, err));
    TRY(kind_add(m, ROLE_USER, question, err));
    return kind_add(m, ROLE_ASSISTANT, reply, err);
}

status syllogism_document(kind_maker *m, error *err)
{
    bool has = random_below(&m->r, 2) == 0;
    return conclude(m, has ? CONCLUDE_HAS : CONCLUDE_IS_NOT, has ? "Yes." : "No.", err);
}

status fallacy_document(kind_maker *m, error *err)
{
    return conclude(m, CONCLUDE_NOTHING, "Yes.", err);
}

/* ---- items ------------------------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    int cells;
    trap_metric metric;
} traps[TRAP_COUNT] = {
#define X(name, word, cells, metric) {word, cells, TRAP_BY_##metric},
    TRAP_TABLE(X)
#undef X
};

static const char *const cell_names[TRAP_COUNT][SAYING_DOSES] = {
    [TRAP_MEMO] = {"memo-0", "memo-2", "memo-20", "memo-200"},
    [TRAP_NEGATION] = {"lookup", "negation"},
    [TRAP_FALLACY] = {"syllogism", "fallacy"},
    [TRAP_FEW_SHOT] = {"shots-mixed", "shots-alike"},
    [TRAP_PREFIX] = {"prefix-other", "prefix-wrong"},
    [TRAP_OVERRIDE] = {"repeat", "override-same", "override"},
    [TRAP_STOCK] = {"stock-other", "stock"},
};

const char *trap_name(trap_kind kind)
{
    return traps[kind].name;
}

trap_metric trap_metric_of(trap_kind kind)
{
    return traps[kind].metric;
}

int trap_cells(trap_kind kind)
{
    return traps[kind].cells;
}

const char *trap_cell_name(trap_kind kind, int cell)
{
    return cell_names[kind][cell];
}

void trap_set_classes(trap_item *item, random_stream *r, const char *right, const char *wrong)
{
    item->answer = (int)random_below(r, 2);
    item->classes[item->answer] = right;
    item->classes[1 - item->answer] = wrong;
}

/* Sayings of the cell's dose in turn, each time with another ending that is not its own but of the same kind. */
static status make_memo(arena *a, const town *t, random_stream *r, size_t number, trap_item *item, error *err)
{
    line l = saying_line(t, item->cell * SAYINGS_OF_DOSE + (int)(number % SAYINGS_OF_DOSE));
    int first = l.ending / TOWN_VALUES * TOWN_VALUES, turn = 1 + (int)random_below(r, TOWN_VALUES - 1);
    turn = 1 + (turn - 1 + (int)(number / SAYINGS_OF_DOSE)) % (TOWN_VALUES - 1);
    const char *start = line_start(a, &l), *wanted = saying_ending(first + (l.ending - first + turn) % TOWN_VALUES);
    item->cluster = number % SAYINGS_OF_DOSE;
    item->prompt = saying_ask(a, start, wanted);
    trap_set_classes(item, r, saying_whole(a, start, wanted), saying_whole(a, start, saying_ending(l.ending)));
    return item->prompt && item->classes[0] && item->classes[1] ? STATUS_OK : no_memory(err);
}

static status make_negation(arena *a, const town *t, random_stream *r, size_t number, trap_item *item, error *err)
{
    (void)t, (void)number;
    const char *right, *wrong;
    item->prompt = lookup_question(a, r, item->cell == 1, &right, &wrong);
    trap_set_classes(item, r, arena_printf(a, "It is %s.", right), arena_printf(a, "It is %s.", wrong));
    return item->prompt && item->classes[0] && item->classes[1] ? STATUS_OK : no_memory(err);
}

static status make_fallacy(arena *a, const town *t, random_stream *r, size_t number, trap_item *item, error *err)
{
    (void)t, (void)number;
    conclusion c = item->cell == 1 ? CONCLUDE_NOTHING : random_below(r, 2) ? CONCLUDE_HAS : CONCLUDE_IS_NOT;
    item->prompt = syllogism_question(a, r, c);
    item->classes[0] = "Yes.";
    item->classes[1] = "No.";
    item->answer = c != CONCLUDE_HAS;
    return item->prompt ? STATUS_OK : no_memory(err);
}

/* A line that is no saying, asked to end in one way; then asked for once more, or to end in another. */
static status make_override(arena *a, const town *t, random_stream *r, size_t number, trap_item *item, error *err)
{
    (void)number;
    line l = fresh_line(t, r);
    int first = l.ending / TOWN_VALUES * TOWN_VALUES, other = first + (l.ending - first + 1 + (int)random_below(r, TOWN_VALUES - 1)) % TOWN_VALUES;
    const char *start = line_start(a, &l), *wanted = saying_ending(l.ending), *asked = saying_ask(a, start, wanted);
    trap_set_classes(item, r, saying_whole(a, start, wanted), saying_whole(a, start, saying_ending(other)));
    item->prompt = !asked || item->cell == 0 ? asked
                                             : arena_printf(a, "%s. %s", asked, item->cell == 1 ? asked : saying_ask(a, start, saying_ending(other)));
    return item->prompt && item->classes[0] && item->classes[1] ? STATUS_OK : no_memory(err);
}

/* `paired`: the cells have the same draws. */
static const struct {
    status (*make)(arena *a, const town *t, random_stream *r, size_t number, trap_item *item, error *err);
    bool paired;
} makers[TRAP_COUNT] = {
    [TRAP_MEMO] = {make_memo, false},        [TRAP_NEGATION] = {make_negation, false},   [TRAP_FALLACY] = {make_fallacy, false},
    [TRAP_FEW_SHOT] = {trap_make_shots, true},  [TRAP_PREFIX] = {trap_make_prefix, true},   [TRAP_OVERRIDE] = {make_override, true},
    [TRAP_STOCK] = {trap_make_stock, false},
};

bool trap_paired(trap_kind kind)
{
    return makers[kind].paired;
}

status items_trap(arena *a, const town *t, trap_kind kind, const item_options *options, trap_item **items, size_t *count,
                  error *err)
{
    size_t cells = (size_t)traps[kind].cells, all = cells * options->count;
    trap_item *made = ARENA_ARRAY(a, trap_item, all + 1);
    if (!made)
        return error_set(err, STATUS_MEMORY, "no memory for %zu items", all);
    for (size_t i = 0; i < all; i++) {
        trap_item *item = &made[i];
        size_t number = i % options->count;
        *item = (trap_item){.kind = kind, .cell = (int)(i / options->count), .cluster = number};
        snprintf(item->id, sizeof item->id, "%s-%05zu", trap_cell_name(kind, item->cell), number);
        /* The draws of an item of the memo trap after one lap of its sayings are those of its first lap. */
        uint64_t place = kind == TRAP_MEMO ? number % SAYINGS_OF_DOSE : number;
        uint64_t cell = makers[kind].paired ? 0 : (uint64_t)item->cell;
        random_stream r = random_stream_at(options->seed, "items/traps", (uint64_t)kind, cell, place, 0);
        TRY(makers[kind].make(a, t, &r, number, item, err));
    }
    *items = made;
    *count = all;
    return STATUS_OK;
}
