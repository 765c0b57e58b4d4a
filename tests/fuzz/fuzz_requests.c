/* Any body is either a request or refused with a 4xx, a message, and (what a client reads) valid JSON. */
#include "core/jsonio.h"
#include "serve/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static const request_kind kinds[] = {REQUEST_CHAT, REQUEST_COMPLETIONS, REQUEST_TOKENIZE, REQUEST_DETOKENIZE};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        arena *a = arena_new(NULL);
        request r;
        problem p = {0};
        if (!request_parse(a, kinds[i], (slice){(const char *)bytes, length}, &r, &p)) {
            strbuf text = strbuf_new(a, 1 << 20);
            json_t *again = NULL;
            problem_print(&p, &text);
            if (p.http < 400 || p.http > 499 || !p.message[0] || text.failed ||
                jsonio_parse(strbuf_slice(&text), "problem", &again, NULL) != STATUS_OK)
                BUG("refused badly: %d %s", p.http, p.message);
            json_decref(again);
        } else if ((r.kind == REQUEST_CHAT && r.message_count == 0) || (r.kind == REQUEST_COMPLETIONS && r.prompt_count == 0)) {
            BUG("taken without anything to do");
        }
        arena_free(a);
    }
    return 0;
}
