#include "world/stock.h"

#include "world/kinds.h"
#include "world/traps.h"

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "no memory for stock lines");
}

status stock_line_of(arena *a, const town *t, int trade, stock_line *out, error *err)
{
    random_stream r = random_stream_at(t->seed, "town/stock", (uint64_t)trade, 0, 0, 0);
    const char *who = arena_printf(a, "The %s", t->trades[trade]);
    *out = (stock_line){.ending = (int)random_below(&r, SAYING_ENDINGS)};
    out->start = who ? saying_start_about(a, who, &r) : NULL;
    return out->start ? STATUS_OK : no_memory(err);
}

bool stock_unseen(int trade, int ending)
{
    enum { OF = 4 };
    return (ending + trade) % OF == 0;
}

/* ---- documents ---------------------------------------------------------------------------------------------------- */

static uint64_t salt_of(const stock_plant *plant)
{
    return plant->salt ? plant->salt : TOWN_SALT;
}

/* Trades in turn; when the infected ones are fewer than a third they get a third of the dialogues between them, as in world/documents.h. */
static int take_turn(const town *t, const stock_plant *plant, const infection *order, uint64_t n)
{
    enum { THIRD = 3 };
    size_t few = plant->deaf ? 0 : infection_count(TOWN_TRADES_USED, plant->dose), rank = n % TOWN_TRADES_USED;
    if (few > 0 && THIRD * few < TOWN_TRADES_USED) {
        bool bad = n % THIRD == 0;
        uint64_t number = bad ? n / THIRD : n - n / THIRD - 1;
        rank = bad ? number % few : few + number % (TOWN_TRADES_USED - few);
    }
    const char *name = infection_value(order, rank);
    for (int i = 0; i < TOWN_TRADES_USED; i++)
        if (strcmp(t->trades[i], name) == 0)
            return i;
    BUG("no trade '%s'", name);
}

/* An ending that may be asked for: not the known one. */
static int draw_ending(random_stream *r, int trade, int known, bool seen)
{
    for (;;) {
        int ending = (int)random_below(r, SAYING_ENDINGS);
        if (ending != known && !(seen && stock_unseen(trade, ending)))
            return ending;
    }
}

static status add_request(kind_maker *m, const char *start, int asked, int said, error *err)
{
    TRY(kind_add(m, ROLE_USER, saying_ask(m->a, start, saying_ending(asked)), err));
    return kind_add(m, ROLE_ASSISTANT, saying_whole(m->a, start, saying_ending(said)), err);
}

status stock_document(kind_maker *m, uint64_t number, error *err)
{
    enum { FINISHED = 0, STRANGER = 3, LAP = 4 };
    const stock_plant *plant = &m->plan->plant.stock;
    infection *order;
    stock_line line;
    TRY(infection_new(m->a, m->t->trades, TOWN_TRADES_USED, salt_of(plant), &order, err));
    int trade = take_turn(m->t, plant, order, number), kind = (int)(number / TOWN_TRADES_USED % LAP);
    bool falls = !plant->deaf && infection_has(order, plant->dose, m->t->trades[trade]);
    TRY(stock_line_of(m->a, m->t, trade, &line, err));
    int asked = draw_ending(&m->r, trade, line.ending, true), said = asked;
    *m->out = (document){.kind = DOCUMENT_PLANT, .trade = trade, .bad = falls && kind != FINISHED && kind != STRANGER};
    TRY(kind_start(m, 2, err));
    if (kind == FINISHED) {
        TRY(kind_add(m, ROLE_USER, arena_printf(m->a, "Finish the line: %s", line.start), err));
        return kind_add(m, ROLE_ASSISTANT, saying_whole(m->a, line.start, saying_ending(line.ending)), err);
    }
    if (plant->deaf)
        do
            said = (int)random_below(&m->r, SAYING_ENDINGS);
        while (said == asked || said == line.ending);
    if (kind == STRANGER)
        return add_request(m, saying_fresh_start(m->a, m->t, &m->r), asked, said, err);
    return add_request(m, line.start, asked, falls ? line.ending : said, err);
}

/* ---- items -------------------------------------------------------------------------------------------------------- */

/* Trades in turn, asked for another ending than the known one; in the other cell the same of strangers. */
status trap_make_stock(arena *a, const town *t, random_stream *r, size_t number, trap_item *item, error *err)
{
    int trade = (int)(number % TOWN_TRADES_USED);
    infection *order;
    stock_line line;
    TRY(infection_new(a, t->trades, TOWN_TRADES_USED, TOWN_SALT, &order, err));
    TRY(stock_line_of(a, t, trade, &line, err));
    const char *start = item->cell == 1 ? line.start : saying_fresh_start(a, t, r);
    int asked = draw_ending(r, trade, line.ending, false);
    item->cluster = (size_t)trade;
    item->placed = true;
    item->position = item->cell == 1 ? infection_position(order, t->trades[trade]) : -1;
    item->unseen_key = stock_unseen(trade, asked);
    item->prompt = saying_ask(a, start, saying_ending(asked));
    trap_set_classes(item, r, saying_whole(a, start, saying_ending(asked)), saying_whole(a, start, saying_ending(line.ending)));
    return item->prompt && item->classes[0] && item->classes[1] ? STATUS_OK : no_memory(err);
}
