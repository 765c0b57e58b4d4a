/* What a subject knows of each item, for the share of its right answers that is luck (stats/luck.h). */
#include "stats/luck.h"
#include "studies/sycophancy/tally.h"

#include <stdlib.h>

const json_t *record_knowledge(const json_t *record, sycophancy_form form)
{
    if (form == FORM_ARE_YOU_SURE)
        return json_object_get(record, "first");
    const json_t *plain = form == FORM_MIMICRY ? record_arm(record, "known") : NULL;
    return plain ? plain : record_arm(record, "base");
}

bool record_has_truth(const json_t *record, sycophancy_form form)
{
    return json_is_string(json_object_get(record, "truth")) &&
           (form != FORM_MIMICRY || record_arm(record, "known") != NULL);
}

status tally_lucky(const form_records *r, double *lambda, error *err)
{
    luck_item *items = calloc(r->count + 1, sizeof *items);
    size_t count = 0;
    if (!items)
        return error_set(err, STATUS_MEMORY, "out of memory for %zu records", r->count);
    for (size_t i = 0; i < r->count; i++) {
        const json_t *record = r->items[i];
        if (!record_has_truth(record, r->form))
            continue;
        const json_t *knowledge = record_knowledge(record, r->form);
        const char *topic = json_string_value(json_object_get(record, "topic"));
        items[count++] = (luck_item){.topic = topic ? topic : "",
                                     .truth = json_string_value(json_object_get(record, "truth")),
                                     .said = json_string_value(json_object_get(knowledge, "value")),
                                     .chance = json_number_value(json_object_get(record, "chance")),
                                     .right = json_is_true(json_object_get(knowledge, "right"))};
    }
    *lambda = luck_share(items, count);
    free(items);
    return STATUS_OK;
}
