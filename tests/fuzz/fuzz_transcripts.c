/* Any bytes are either pairs of transcripts, each a prompt with two different replies, or refused with a message. */
#include "train/transcripts.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check(const transcript_pair *p)
{
    if (p->prompt.count == 0 || p->prompt.turns[p->prompt.count - 1].role != ROLE_USER)
        BUG("a pair without a question");
    if (!p->chosen[0] || !p->rejected[0] || strcmp(p->chosen, p->rejected) == 0)
        BUG("a pair of nothing");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    arena *a = arena_new(NULL);
    transcript_list list;
    error err = {0};
    status result = transcripts_parse(a, (slice){(const char *)bytes, length}, "fuzz", 0, &list, &err);
    if (result == STATUS_OK)
        for (size_t i = 0; i < list.count; i++)
            check(&list.pairs[i]);
    else if (!err.message[0])
        BUG("refused without a word");
    arena_free(a);
    return 0;
}
