/* Any bytes are either a log of Inspect, whose samples become transcripts and records, or refused with a message; and what
 * jansson takes for JSON the stream reads as the same value. */
#include "inspect/import_log.h"

#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static status each(void *context, const json_t *sample, bool cut, error *err)
{
    strbuf transcript = {0};
    (void)context;
    status result = import_transcript(sample, &transcript, &cut, err);
    json_t *record = import_record(sample, "match", cut);
    if (!record)
        BUG("a sample without a record");
    json_decref(record);
    strbuf_free(&transcript);
    return result;
}

typedef struct text_source {
    slice text;
    size_t step;
} text_source;

static status give(void *context, char *to, size_t room, size_t *got, error *err)
{
    text_source *s = context;
    (void)err;
    *got = s->text.length < s->step ? s->text.length : s->step;
    *got = *got < room ? *got : room;
    if (*got)
        memcpy(to, s->text.text, *got);
    s->text = slice_sub(s->text, *got, s->text.length);
    return STATUS_OK;
}

static void compare(slice text)
{
    json_t *whole = NULL, *streamed = NULL;
    if (memchr(text.text, 0, text.length) || slice_starts(text, SLICE("\xEF\xBB\xBF")) ||
        jsonio_parse(text, "fuzz", &whole, NULL) != STATUS_OK)
        return;
    error err = {0};
    text_source source = {text, 3};
    jsonstream *s = jsonstream_new(give, &source, "fuzz", &err);
    if (jsonstream_value(s, 1 << 20, &streamed, &err) == STATUS_OK && jsonstream_end(s, &err) == STATUS_OK) {
        if (!json_equal(whole, streamed))
            BUG("the stream reads another value");
    } else if (!strstr(err.message, "500 deep")) {
        BUG("the stream refuses what is JSON: %s", err.message);
    }
    jsonstream_free(s);
    json_decref(whole);
    json_decref(streamed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char path[64];
    error err = {0};
    int file = memfd_create("log", MFD_CLOEXEC);
    if (file < 0 || write(file, bytes, length) != (ssize_t)length)
        BUG("no memory file");
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    import_walk w = {.path = path, .each = each};
    if (import_walk_log(&w, &err) != STATUS_OK && !err.message[0])
        BUG("refused without a word");
    json_decref(w.header);
    close(file);
    if (length > 0)
        compare((slice){(const char *)bytes, length});
    return 0;
}
