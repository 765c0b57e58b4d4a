/* From records to numbers. */
#include "core/jsonio.h"
#include "stats/similarity.h"
#include "studies/global_opinions/opinions.h"

#include <math.h>

static void read_one(const opinion_question *q, const json_t *from, opinion_reading *out)
{
    const json_t *shares = json_object_get(from, "shares");
    *out = (opinion_reading){.mass = jsonio_number_at(from, "mass"),
                             .draws = (size_t)json_integer_value(json_object_get(from, "draws")),
                             .read = (size_t)json_integer_value(json_object_get(from, "read"))};
    if (json_array_size(shares) != q->option_count)
        return;
    for (size_t k = 0; k < q->option_count; k++)
        out->shares[k] = json_number_value(json_array_get(shares, k));
    out->there = shares_normalise(out->shares, q->option_count);
}

status opinions_readings(arena *a, const opinion_data *data, const json_t *records, opinion_reading **out, error *err)
{
    opinion_reading *readings = ARENA_ARRAY(a, opinion_reading, data->count * data->condition_count + 1);
    if (!readings)
        return error_set(err, STATUS_MEMORY, "out of memory for %zu questions", data->count);
    for (size_t q = 0; q < data->count; q++) {
        const json_t *conditions = json_object_get(json_array_get(records, q), "conditions");
        for (size_t c = 0; c < data->condition_count; c++)
            read_one(&data->questions[q], json_object_get(conditions, data->conditions[c].name), &readings[q * data->condition_count + c]);
    }
    *out = readings;
    return STATUS_OK;
}
