/* Any bytes as a table or a list of survey answers (shares that sum to 1), or as a table of checked translations (no question twice in a
 * language), or refused with a message. */
#include "studies/global_opinions/opinions.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void read_translations(arena *a, slice text)
{
    opinion_checked *list;
    size_t count;
    error err = {0};
    status result = opinions_read_checked(a, text, "fuzz", &list, &count, &err);
    if (result != STATUS_OK && !err.message[0])
        BUG("refused without a word");
    for (size_t i = 0; result == STATUS_OK && i < count; i++) {
        if (list[i].option_count > OPINION_OPTIONS + 1 || list[i].verdict >= VERDICT_COUNT || !list[i].id[0] || !list[i].language[0])
            BUG("a translation that is none");
        if (i && strcmp(list[i - 1].id, list[i].id) == 0 && strcmp(list[i - 1].language, list[i].language) == 0)
            BUG("a question that comes twice");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    arena *a = length ? arena_new(NULL) : NULL;
    opinion_data d = {0};
    error err = {0};
    if (!a)
        return 0;
    if (bytes[0] & 4) {
        read_translations(a, (slice){(const char *)bytes + 1, length - 1});
        arena_free(a);
        return 0;
    }
    status result = opinions_read(a, (slice){(const char *)bytes + 1, length - 1}, "fuzz", bytes[0] & 1, bytes[0] & 2, &d, &err);
    if (result != STATUS_OK && !err.message[0])
        BUG("refused without a word");
    for (size_t q = 0; result == STATUS_OK && q < d.count; q++) {
        const opinion_question *question = &d.questions[q];
        if (question->option_count < 2 || question->option_count > OPINION_OPTIONS || question->answer_count == 0)
            BUG("a question without answers or options");
        for (size_t i = 0; i < question->answer_count; i++) {
            double sum = 0;
            for (size_t k = 0; k < question->option_count; k++)
                sum += question->answers[i].shares[k];
            if (!(fabs(sum - 1) < 1e-9) || question->answers[i].place >= d.place_count)
                BUG("shares that do not sum to 1, or of nobody");
        }
    }
    arena_free(a);
    return 0;
}
