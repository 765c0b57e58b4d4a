/* docs/studies.md: the page of studies and their parameters, from the declarations. */
#include "cli/command.h"

/* Text in a cell of a Markdown table. */
static void add_cell(strbuf *out, const char *text)
{
    for (; text && *text; text++) {
        if (*text == '|')
            strbuf_add_char(out, '\\');
        strbuf_add_char(out, *text == '\n' ? ' ' : *text);
    }
}

static void add_parameters(strbuf *out, const study *s)
{
    if (s->param_count == 0)
        return;
    strbuf_add(out, "\n| parameter | what | values |\n| --- | --- | --- |\n");
    for (size_t i = 0; i < s->param_count; i++) {
        strbuf words = strbuf_new(out->arena, 1 << 12), range = strbuf_new(out->arena, 1 << 12);
        help_option_words(&words, &s->params[i]);
        help_option_range(&range, &s->params[i]);
        strbuf_add(out, "| `");
        add_cell(out, words.text);
        strbuf_add(out, "` | ");
        add_cell(out, s->params[i].help);
        strbuf_add(out, " | ");
        add_cell(out, range.text);
        strbuf_add(out, " |\n");
    }
}

void studies_page(strbuf *out)
{
    strbuf_add(out, "# Studies\n\nWritten by `scripts/docs` from the declarations of the program: `assay run STUDY --help` "
                    "says the same.\n");
    for (size_t i = 0; i < study_catalogue_count; i++) {
        const study *s = study_catalogue[i];
        strbuf_printf(out, "\n## %s: %s\n", s->name, s->title);
        if (s->about)
            strbuf_printf(out, "%s\n", s->about);
        if (s->paper)
            strbuf_printf(out, "\nAfter %s.\n", s->paper);
        strbuf_add(out, s->role_count ? "\n| role | what |\n| --- | --- |\n" : "\nIt has no subject: `assay run` without `-m`.\n");
        for (size_t j = 0; j < s->role_count; j++) {
            strbuf_printf(out, "| `%s`%s | ", s->roles[j].name, s->roles[j].optional ? " (optional)" : "");
            add_cell(out, s->roles[j].help);
            strbuf_add(out, " |\n");
        }
        add_parameters(out, s);
    }
}
