/* Any reply becomes items with a form, texts that are UTF-8 and no longer than may be; any table is ratings or refused with a
 * message. The first byte chooses. */
#include "studies/model_written/inside.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void read_reply(arena *a, const char *text, int how)
{
    static const written_behaviour b = {.name = "x", .who = "does it", .trait = TRAIT_NONE};
    written_wanted w = {.behaviour = &b, .kind = how & 1 ? WRITTEN_CHOICE : WRITTEN_STATEMENT, .count = 1 + (how >> 2) % 8};
    written_batch out;
    if (!utf8_valid(slice_of(text)))
        return; /* study_ask hands on none such */
    written_read(a, &w, text, how & 2, &out);
    if (!out.items || out.count > WRITTEN_MOST_ITEMS)
        BUG("no items, or too many");
    for (size_t i = 0; i < out.count; i++) {
        const written_item *item = &out.items[i];
        if (!item->text || item->form >= WRITTEN_FORM_COUNT || !utf8_valid(slice_of(item->text)))
            BUG("an item without a text that is UTF-8");
        if (item->form == FORM_GOOD && (!item->text[0] || strlen(item->text) > WRITTEN_MOST_LETTERS))
            BUG("a good item that is empty or too long");
        if (!sentence_one_blank(a, item->text) || sentence_string_filter(item->text, "x") >= SENTENCE_FATE_COUNT)
            BUG("a sentence without a fate");
    }
    trait_read(text);
    trait_read_choice(text);
    job_read(text, "lamp maker", "guest");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    arena *a = length ? arena_new(NULL) : NULL;
    error err = {0};
    people_ratings all;
    if (!a)
        return 0;
    const char *text = arena_strndup(a, (const char *)bytes + 1, length - 1);
    if (bytes[0] & 128) {
        if (people_ratings_read(a, (slice){(const char *)bytes + 1, length - 1}, "fuzz", &all, &err) != STATUS_OK && !err.message[0])
            BUG("refused without a word");
    } else {
        read_reply(a, text, bytes[0]);
    }
    arena_free(a);
    return 0;
}
