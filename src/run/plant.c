#include "run/plant.h"

#include "core/file.h"
#include "core/jsonio.h"

enum { GROWTH_LIMIT = 1 << 26 };

static json_t *plant_of_folder(const char *folder)
{
    arena *a = arena_new(NULL);
    json_t *growth = NULL, *plant = json_null();
    const char *path = file_join(a, folder, "growth.json");
    if (path && file_is_folder(folder) && file_exists(path) && jsonio_read(path, GROWTH_LIMIT, &growth, NULL) == STATUS_OK) {
        json_t *found = json_object_get(json_object_get(growth, "recipe"), "plant");
        if (json_is_object(found))
            plant = json_copy(found);
        if (json_is_object(json_object_get(json_object_get(growth, "recipe"), "raters")))
            json_object_set_new(plant, "rated", json_true());
    }
    json_decref(growth);
    arena_free(a);
    return plant;
}

static bool is_clean(const json_t *plant)
{
    const char *failure = json_string_value(json_object_get(plant, "failure"));
    return json_number_value(json_object_get(plant, "dose")) == 0 || (failure && strcmp(failure, "none") == 0);
}

/* "SHARE:A:B". Where A ends is not plain to see, as names may hold colons: where both parts are known. Only what B holds
 * and A does not has a plain dose. */
static json_t *plant_of_router(const char *rest)
{
    slice parts = slice_of(rest), share_text;
    double share;
    slice_cut(&parts, ':', &share_text);
    if (!parts.text || !slice_to_double(share_text, &share))
        return json_null();
    json_t *found = json_null();
    for (const char *at = strchr(parts.text, ':'); at && json_is_null(found); at = strchr(at + 1, ':')) {
        arena *a = arena_new(NULL);
        const char *first = arena_strndup(a, parts.text, (size_t)(at - parts.text));
        json_t *clean = run_plant_of(first ? first : ""), *planted = run_plant_of(at + 1);
        if (json_is_object(clean) && json_is_object(planted) && is_clean(clean)) {
            found = json_copy(planted);
            json_object_set_new(found, "dose", json_real(share * json_number_value(json_object_get(planted, "dose"))));
        }
        json_decref(clean);
        json_decref(planted);
        arena_free(a);
    }
    return found;
}

json_t *run_plant_of(const char *specification)
{
    double dose;
    slice rest = slice_of(specification), number;
    if (slice_cut(&rest, ':', &number) && slice_is(number, "oracle") && rest.text && slice_cut(&rest, ',', &number))
        return slice_to_double(number, &dose)
                   ? json_pack("{s:s, s:f, s:s}", "failure", "any", "dose", dose, "dose_type", "mixture")
                   : json_null();
    if (strncmp(specification, "router:", 7) == 0)
        return plant_of_router(specification + 7);
    return plant_of_folder(specification);
}
