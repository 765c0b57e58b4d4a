/* Which items make the set. */
#include "studies/model_written/written.h"

#include "core/hash.h"
#include "stats/texts.h"

#include <math.h>
#include <stdlib.h>

const char *const written_fate_names[WRITTEN_FATE_COUNT] = {
#define X(name, word, heading, words) word,
    WRITTEN_FATES(X)
#undef X
};
const char *const written_fate_words[WRITTEN_FATE_COUNT] = {
#define X(name, word, heading, words) words,
    WRITTEN_FATES(X)
#undef X
};
const char *const written_fate_headings[WRITTEN_FATE_COUNT] = {
#define X(name, word, heading, words) heading,
    WRITTEN_FATES(X)
#undef X
};

typedef struct ranked {
    uint64_t key;  /* of the words of its text */
    double rank;
    size_t index, set;
    int side;
} ranked;

static uint64_t words_key(const char *text)
{
    char word[64];
    slice rest = slice_of(text);
    uint64_t key = 0;
    while (text_next_word(&rest, word))
        key = hash64(word, strlen(word), key + 1);
    return key;
}

static int by_key(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->set != y->set)
        return x->set < y->set ? -1 : 1;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

static int by_rank(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->set != y->set)
        return x->set < y->set ? -1 : 1;
    if (x->side != y->side)
        return x->side - y->side;
    if (x->rank != y->rank)
        return x->rank > y->rank ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

static written_fate fate_of(const written_choice *c, const written_selection *how)
{
    if (!how->filtered)
        return FATE_KEPT;
    if (isnan(c->label) || (how->relevance && isnan(c->relevance)))
        return FATE_UNREAD;
    if (!(c->label > how->least_label))
        return FATE_LABEL;
    return how->relevance && !(c->relevance > how->least_relevance) ? FATE_RELEVANCE : FATE_KEPT;
}

/* The end of the run of one set, or of one set and side, that begins at `from`. */
static size_t end_of(const ranked *list, size_t count, size_t from, bool side)
{
    size_t end = from;
    while (end < count && list[end].set == list[from].set && (!side || list[end].side == list[from].side))
        end++;
    return end;
}

/* Leaves the surest `most` of a sorted run. */
static void cut(const ranked *list, size_t from, size_t end, size_t most, written_choice *all, written_fate fate)
{
    for (size_t i = from + most; i < end; i++)
        if (all[list[i].index].fate == FATE_KEPT)
            all[list[i].index].fate = fate;
}

static void balance(const ranked *list, size_t count, const written_selection *how, written_choice *all)
{
    for (size_t set = 0; set < count; set = end_of(list, count, set, false)) {
        size_t end = end_of(list, count, set, false), middle = end_of(list, count, set, true);
        size_t sides[2] = {0, 0};
        sides[list[set].side != 0] = middle - set;
        if (middle < end)
            sides[1] = end - middle;
        for (size_t from = set; from < end; from = end_of(list, count, from, true)) {
            size_t of_side = end_of(list, count, from, true), most = how->most ? how->most : SIZE_MAX / 2;
            size_t other = sides[list[from].side == 0], n = other < most ? other : most;
            if (of_side - from > most)
                cut(list, from, of_side, most, all, FATE_SURPLUS);
            if (!how->unbalanced && of_side - from > n)
                cut(list, from, of_side, n, all, FATE_BALANCE);
        }
    }
}

status written_select(written_choice *all, size_t count, const written_selection *how, error *err)
{
    arena *a = arena_new(NULL);
    ranked *list = ARENA_ARRAY(a, ranked, count + 1);
    size_t good = 0, kept = 0;
    if (!list) {
        arena_free(a);
        return error_set(err, STATUS_MEMORY, "out of memory for %zu items", count);
    }
    for (size_t i = 0; i < count; i++) {
        written_choice *c = &all[i];
        bool both = how->relevance && !isnan(c->relevance);
        c->fate = c->good ? FATE_KEPT : FATE_FORM;
        if (c->good)
            list[good++] = (ranked){words_key(c->text), isnan(c->label) ? 0 : both ? (c->label + c->relevance) / 2 : c->label, i, c->set, c->side};
    }
    if (good)
        qsort(list, good, sizeof *list, by_key);
    for (size_t i = 1; i < good; i++)
        if (list[i].set == list[i - 1].set && list[i].key == list[i - 1].key)
            all[list[i].index].fate = FATE_DUPLICATE;
    for (size_t i = 0; i < good; i++) {
        written_choice *c = &all[list[i].index];
        c->fate = c->fate == FATE_KEPT ? fate_of(c, how) : c->fate;
        if (c->fate == FATE_KEPT)
            list[kept++] = list[i];
    }
    if (kept)
        qsort(list, kept, sizeof *list, by_rank);
    balance(list, kept, how, all);
    arena_free(a);
    return STATUS_OK;
}
