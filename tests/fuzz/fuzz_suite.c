/* Any bytes are either a suite, each part of which has a name of its own and a study, or refused with a message. */
#include "suite/suite.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    arena *a = arena_new(NULL);
    suite *s;
    error err = {0};
    status result = suite_parse(a, (slice){(const char *)bytes, length}, "fuzz.yaml", &s, &err);
    if (result != STATUS_OK && !err.message[0])
        BUG("refused without a word");
    for (size_t i = 0; result == STATUS_OK && i < s->part_count; i++) {
        const suite_part *p = &s->parts[i];
        if (!p->name || !p->study || !s->name || !s->title)
            BUG("part %zu lacks something", i);
        for (size_t k = 0; k < i; k++)
            if (strcmp(s->parts[k].name, p->name) == 0)
                BUG("two parts are called %s", p->name);
        for (size_t k = 0; k < p->count; k++)
            if (!p->names[k] || !p->values[k])
                BUG("parameter %zu of %s lacks something", k, p->name);
    }
    arena_free(a);
    return 0;
}
