/* assay new KIND NAME: a working start of a study, a scorer, a tool or an agent of one's own. */
#include "cli/command.h"

#include "core/file.h"
#include "plugin/starts.h"

#include <sys/stat.h>

static const char *const kinds[] = {"study", "scorer", "tool", "agent", NULL};
static const char *const languages[] = {"python", "c", NULL};
static const command_argument arguments[] = {
    {.name = "KIND", .help = "study, scorer, tool or agent", .word = WORD_CHOICE, .choices = kinds},
    {.name = "NAME", .help = "small letters, digits and '-'"},
};
static const param_spec options[] = {
    {.name = "lang", .letter = 'l', .type = PARAM_CHOICE, .choices = languages, .fallback = "python", .value = "LANGUAGE",
     .help = "what it is written in; c: a study that is compiled into the program"},
    OPTION_OUTPUT("folder of the new file (python); else the present one"),
};

static const char catalogue[] = "src/studies/catalogue.c";

static status check_name(const char *name, error *err)
{
    if (name[0] >= 'a' && name[0] <= 'z' && strlen(name) <= 40 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(name))
        return STATUS_OK;
    return error_set(err, STATUS_USAGE, "NAME: expected at most 40 small letters, digits and '-', a letter first, found '%s'", name);
}

static status find_start(command_call *call, const plugin_start **out, error *err)
{
    const char *kind = call->arguments[0], *language = param_string(call->options, "lang");
    for (const plugin_start *s = plugin_starts(); s->kind; s++)
        if (strcmp(s->kind, kind) == 0 && strcmp(s->language, language) == 0) {
            *out = s;
            return STATUS_OK;
        }
    error_set(err, STATUS_USAGE, "there is no start of a %s in %s", kind, language);
    return error_hint(err, "--lang python has one; docs/plugins.md says what a plug-in in any other language must say");
}

static status write_new(const char *path, slice text, error *err)
{
    if (!file_exists(path))
        return file_write(path, text, err);
    error_set(err, STATUS_USAGE, "%s is there already, and is not written over", path);
    return error_hint(err, "choose another name, or another folder with -o");
}

static status write_python(command_call *call, const plugin_start *start, const char *name, error *err)
{
    const char *folder = param_string(call->options, "output"), *text = plugin_start_fill(call->arena, start, name);
    const char *path = file_join(call->arena, folder ? folder : ".", arena_printf(call->arena, "%s%s", name, start->ending));
    const char *helper = file_join(call->arena, folder ? folder : ".", "assay_plugin.py");
    if (!text || !path || !helper)
        return error_set(err, STATUS_MEMORY, "out of memory");
    if (folder)
        TRY(file_make_folders(folder, err));
    TRY(write_new(path, slice_of(text), err));
    if (chmod(path, 0755) != 0)
        return error_system(err, "cannot make %s executable", path);
    bool there = file_exists(helper);
    if (!there)
        TRY(file_write(helper, plugin_helper(), err));
    strbuf_printf(&call->out, "wrote %s%s%s\n", path, there ? "" : " and ", there ? "" : helper);
    if (there)
        strbuf_printf(&call->out, "%s was there, and stays as it is\n", helper);
    static const struct {
        const char *kind, *next;
    } nexts[] = {
        {"study", "assay run %s -m base"},
        {"scorer", "the keys metric: scorer and scorer: %s in the YAML file of a task (docs/tasks.md)"},
        {"tool", "assay run STUDY -m plugin:%s,SUBJECT"},
        {"agent", "assay run STUDY -m plugin:%s,base"},
    };
    for (size_t i = 0; i < COUNT_OF(nexts); i++)
        if (strcmp(nexts[i].kind, start->kind) == 0) {
            const char *before = strstr(nexts[i].next, "%s");
            strbuf_printf(&call->out, "try it: %.*s%s%s\n", (int)(before - nexts[i].next), nexts[i].next, path, before + 2);
        }
    return STATUS_OK;
}

static status write_c(command_call *call, const plugin_start *start, const char *name, error *err)
{
    const char *text = plugin_start_fill(call->arena, start, name);
    char *symbol = arena_strdup(call->arena, name);
    if (!file_exists(catalogue)) {
        error_set(err, STATUS_USAGE, "a study in C is compiled into the program, and there is no %s here", catalogue);
        return error_hint(err, "go to the root of Assay's sources, or use --lang python, which needs none");
    }
    if (param_string(call->options, "output"))
        return error_set(err, STATUS_USAGE, "-o is for plug-ins in Python; a study in C goes into src/studies/");
    const char *folder = arena_printf(call->arena, "src/studies/%s", name);
    const char *path = arena_printf(call->arena, "%s/%s.c", folder, name);
    if (!text || !symbol || !folder || !path)
        return error_set(err, STATUS_MEMORY, "out of memory");
    if (file_exists(folder))
        return error_set(err, STATUS_USAGE, "%s is there already, and is not written over", folder);
    for (char *c = symbol; *c; c++)
        *c = *c == '-' ? '_' : *c;
    TRY(file_make_folders(folder, err));
    TRY(file_write(path, slice_of(text), err));
    strbuf_printf(&call->out,
                  "wrote %s\n"
                  "next:\n"
                  "  1. sed -i '/define STUDIES/a\\    X(%s) \\\\' %s\n"
                  "  2. cmake --build build/release --target assay\n"
                  "  3. build/release/assay run %s -m base\n"
                  "docs/tutorial-study.md explains every part of it\n",
                  path, symbol, catalogue, name);
    return STATUS_OK;
}

static status run(command_call *call, error *err)
{
    const plugin_start *start = NULL;
    TRY(check_name(call->arguments[1], err));
    TRY(find_start(call, &start, err));
    return strcmp(start->language, "c") == 0 ? write_c(call, start, call->arguments[1], err)
                                             : write_python(call, start, call->arguments[1], err);
}

const command command_new = {
    .name = "new",
    .summary = "write a working start of a study, a scorer, a tool or an agent of your own",
    .about = "In Python it is one file that runs at once, with assay_plugin.py beside it (the standard library alone); docs/plugins.md "
             "is the manual, and says what a plug-in in any other language must say. In C a study is a folder of Assay's sources. "
             "Nothing is written over.",
    .examples = "  assay new study order && assay run ./order.py -m base\n"
                "  assay new agent commonest -o agents\n"
                "  assay new study order --lang c\n",
    COMMAND_ARGUMENTS(arguments),
    COMMAND_OPTIONS(options),
    .run = run,
};
