/* The bytes of assets/. */
#include "plugin/starts.h"

#define EMBED(name, file)                                                                                              \
    __asm__(".section .rodata\n"                                                                                       \
            ".local plugin_" #name "_bytes, plugin_" #name "_bytes_end\n"                                              \
            "plugin_" #name "_bytes:\n"                                                                                \
            ".incbin \"" ASSAY_PLUGIN_ASSETS "/" file "\"\n"                                                           \
            "plugin_" #name "_bytes_end:\n"                                                                            \
            ".byte 0\n"                                                                                                \
            ".previous\n");                                                                                            \
    extern const char plugin_##name##_bytes[] __attribute__((visibility("hidden")));                                   \
    extern const char plugin_##name##_bytes_end[] __attribute__((visibility("hidden")));

EMBED(helper, "assay_plugin.py")
EMBED(study, "start_study.py")
EMBED(study_c, "start_study.c.txt")
EMBED(scorer, "start_scorer.py")
EMBED(tool, "start_tool.py")
EMBED(agent, "start_agent.py")

#define TEXT(name) {plugin_##name##_bytes, (size_t)(plugin_##name##_bytes_end - plugin_##name##_bytes)}

const plugin_start *plugin_starts(void)
{
    static plugin_start starts[6];
    const plugin_start all[] = {
        {"study", "python", ".py", TEXT(study)}, {"study", "c", ".c", TEXT(study_c)}, {"scorer", "python", ".py", TEXT(scorer)},
        {"tool", "python", ".py", TEXT(tool)},   {"agent", "python", ".py", TEXT(agent)}, {NULL, NULL, NULL, {NULL, 0}},
    };
    memcpy(starts, all, sizeof all);
    return starts;
}

slice plugin_helper(void)
{
    return (slice)TEXT(helper);
}

const char *plugin_start_fill(arena *a, const plugin_start *start, const char *name)
{
    strbuf out = strbuf_new(a, 1 << 20);
    slice rest = start->text;
    for (size_t at; (at = slice_find(rest, SLICE("@"), 0)) != SIZE_MAX;) {
        slice from = slice_sub(rest, at, rest.length);
        bool plain = slice_starts(from, SLICE("@NAME@")), symbol = slice_starts(from, SLICE("@SYMBOL@"));
        strbuf_add_slice(&out, slice_sub(rest, 0, at));
        for (const char *c = name; (plain || symbol) && *c; c++)
            strbuf_add_char(&out, symbol && *c == '-' ? '_' : *c);
        if (!plain && !symbol)
            strbuf_add_char(&out, '@');
        rest = slice_sub(from, plain ? strlen("@NAME@") : symbol ? strlen("@SYMBOL@") : 1, from.length);
    }
    strbuf_add_slice(&out, rest);
    return out.failed ? NULL : out.text;
}
