/* Any bytes, as a task's file and, behind a NUL, rows of data for it: either items that can be asked, or refused with a
 * message. */
#include "studies/task/task.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static status ignore(void *context, const json_t *row, size_t line, error *err)
{
    (void)line, (void)err;
    if (!json_is_object(row))
        BUG("a row that is no object");
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)row, key, value)
    {
        json_t *list = task_list_of(value);
        ++*(size_t *)context;
        json_decref(list);
    }
    return STATUS_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static const char *const names[] = {"d.jsonl", "d.json", "d.csv", "d.tsv", "d.txt"};
    arena *a = arena_new(NULL);
    const uint8_t *cut = length ? memchr(bytes, 0, length) : NULL;
    size_t head = cut ? (size_t)(cut - bytes) : length, columns = 0;
    task_spec *specs;
    size_t count;
    error err = {0};
    status result = task_specs_read(a, (slice){(const char *)bytes, head}, "fuzz.yaml", &specs, &count, &err);
    for (size_t i = 0; result == STATUS_OK && cut && i < count && i < 4; i++)
        result = task_data_each(&specs[i].data, names[head % 5], (slice){(const char *)cut + 1, length - head - 1}, ignore, &columns, NULL,
                                &err);
    if (result != STATUS_OK && !err.message[0])
        BUG("refused without a word");
    arena_free(a);
    return 0;
}
