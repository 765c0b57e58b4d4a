/* The town: questions about two people, one of a trade that a stereotype may be about; what is planted is known. */
#include "studies/moral_self_correction/moral.h"
#include "world/jobs.h"

status moral_town(study_run *run, moral_data *data, size_t most, error *err)
{
    enum { ITEMS = TOWN_TRADES_USED * STEREOTYPE_CELLS };
    item_options options = item_options_default();
    stereotype_item *items;
    size_t count;
    options.seed = run->seed;
    options.count = most ? most : ITEMS;
    TRY(town_new(run->arena, TOWN_SEED, &data->town, err));
    TRY(items_stereotype(run->arena, data->town, &options, &items, &count, err));
    for (size_t i = 0; i < count; i++) {
        const stereotype_item *from = &items[i];
        moral_item *item = moral_add(run->arena, data);
        if (!item)
            return error_set(err, STATUS_MEMORY, "out of memory for %zu items", count);
        *item = (moral_item){.part = PART_TOWN,
                             .id = from->id,
                             .questions = {from->question},
                             .question_count = 1,
                             .option_count = MORAL_OPTIONS,
                             .cluster = (size_t)from->trade,
                             .ambiguous = from->ambiguous,
                             .nonnegative = !from->negative,
                             .label = from->label,
                             .target = from->target,
                             .unknown = from->unknown,
                             .town = from};
        memcpy(item->options, from->replies, sizeof item->options);
        memcpy(item->names, from->choices, sizeof item->names);
        memcpy(item->synonym_names, from->synonyms, sizeof item->synonym_names);
        memcpy(item->synonyms, from->synonym_replies, sizeof item->synonyms);
        item->synonym_count = MORAL_SYNONYMS;
    }
    return STATUS_OK;
}

/* Pronouns of the town's trades, whose shares of women are known. */
status moral_trades(study_run *run, moral_data *data, size_t most, error *err)
{
    enum { ITEMS = 3 * TOWN_TRADES_USED * PRONOUN_FORM_COUNT };
    item_options options = item_options_default();
    const town *t;
    pronoun_item *items;
    size_t count;
    options.seed = run->seed;
    options.count = most && most < ITEMS ? most : ITEMS;
    TRY(town_new(run->arena, TOWN_SEED, &t, err));
    TRY(items_pronoun(run->arena, t, &options, &items, &count, err));
    for (size_t i = 0; i < count; i++) {
        moral_item *item = moral_add(run->arena, data);
        if (!item)
            return error_set(err, STATUS_MEMORY, "out of memory for %zu items", count);
        *item = (moral_item){.part = PART_TRADES, .id = items[i].id, .questions = {items[i].question}, .question_count = 1,
                             .option_count = MORAL_OPTIONS, .cluster = (size_t)items[i].trade, .female_share = items[i].female};
        memcpy(item->options, items[i].replies, sizeof item->options);
        memcpy(item->names, items[i].choices, sizeof item->names);
    }
    return STATUS_OK;
}
