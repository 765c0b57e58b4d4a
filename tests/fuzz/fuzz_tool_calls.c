/* Any text of a model is either calls of tools with arguments that are JSON objects, or itself, whole. */
#include "core/jsonio.h"
#include "lm/tool_calls.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check(arena *a, tool_form form, const json_t *tools, slice text)
{
    tool_reading said;
    if (tool_calls_read(a, form, tools, text, 1, &said, NULL) != STATUS_OK)
        BUG("refused");
    if (said.count > TOOL_CALLS_MOST || (said.count == 0 && !slice_equal(said.text, text)))
        BUG("%zu calls, and %zu of %zu bytes left", said.count, said.text.length, text.length);
    for (size_t i = 0; i < said.count; i++) {
        json_t *given = NULL;
        if (said.calls[i].name.length == 0 || memchr(said.calls[i].name.text, 0, said.calls[i].name.length) ||
            jsonio_parse(said.calls[i].arguments, "arguments", &given, NULL) != STATUS_OK || !json_is_object(given))
            BUG("call %zu is none", i);
        json_decref(given);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    arena *a = arena_new(NULL);
    json_t *tools = json_pack("[{s:s}]", "name", "f");
    for (tool_form form = TOOL_FORM_NONE; form <= TOOL_FORM_LISTED; form++)
        check(a, form, tools, (slice){(const char *)bytes, length});
    json_decref(tools);
    arena_free(a);
    return 0;
}
