/* Help on the terminal, from the declarations. */
#include "cli/command.h"

enum { WIDTH = 96, OPTION_COLUMN = 26, COMMAND_COLUMN = 14 };

static void add_paragraphs(strbuf *out, const char *text)
{
    slice all = slice_of(text);
    for (size_t start = 0; start < all.length;) {
        size_t end = slice_find(all, SLICE("\n\n"), start);
        slice paragraph = slice_sub(all, start, end == SIZE_MAX ? all.length : end);
        strbuf one = strbuf_new(NULL, 1 << 16);
        for (size_t i = 0; i < paragraph.length; i++)
            strbuf_add_char(&one, paragraph.text[i] == '\n' ? ' ' : paragraph.text[i]);
        strbuf_add_wrapped(out, one.text ? one.text : "", 0, 0, WIDTH);
        strbuf_add_char(out, '\n');
        strbuf_free(&one);
        start = end == SIZE_MAX ? all.length : end + 2;
    }
}

/* "  left        text that wraps", the text in the given column. */
static void add_row_at(strbuf *out, const char *left, const char *text, size_t column)
{
    size_t start = out->length;
    strbuf_printf(out, "  %s", left);
    size_t used = out->length - start;
    if (used + 2 > column)
        strbuf_printf(out, "\n%*s", (int)column, "");
    else
        strbuf_printf(out, "%*s", (int)(column - used), "");
    strbuf_add_wrapped(out, text, column, column, WIDTH);
}

static void add_row(strbuf *out, const char *left, const char *text)
{
    add_row_at(out, left, text, OPTION_COLUMN);
}

void help_option_words(strbuf *out, const param_spec *spec)
{
    if (spec->letter)
        strbuf_printf(out, "-%c, ", spec->letter);
    strbuf_printf(out, "--%s", spec->name);
    if (spec->type != PARAM_FLAG)
        strbuf_printf(out, " %s", spec->value ? spec->value : spec->type == PARAM_CHOICE ? "WORD" : "VALUE");
}

void help_option_range(strbuf *out, const param_spec *spec)
{
    if (spec->type == PARAM_CHOICE)
        for (size_t i = 0; spec->choices[i]; i++)
            strbuf_printf(out, "%s%s", i ? ", " : "one of ", spec->choices[i]);
    /* The limits of whole numbers that stand for "any" tell nobody anything. */
    if ((spec->least != 0 || spec->most != 0) && spec->most < 1e12)
        strbuf_printf(out, "%.10g to %.10g", spec->least, spec->most);
    if (spec->repeats)
        strbuf_add(out, "may be repeated");
    if (spec->fallback && spec->type != PARAM_FLAG)
        strbuf_printf(out, "%sdefault %s", out->length ? "; " : "", spec->fallback);
}

static void add_option(strbuf *out, const param_spec *spec)
{
    strbuf left = strbuf_new(NULL, 1 << 12), text = strbuf_new(NULL, 1 << 14), range = strbuf_new(NULL, 1 << 12);
    help_option_words(&left, spec);
    help_option_range(&range, spec);
    strbuf_add(&text, spec->help ? spec->help : "");
    if (range.length)
        strbuf_printf(&text, " (%s)", range.text);
    if (left.text && text.text)
        add_row(out, left.text, text.text);
    strbuf_free(&left);
    strbuf_free(&text);
    strbuf_free(&range);
}

void help_synopsis(strbuf *out, const command *c)
{
    strbuf_printf(out, "assay %s", c->name);
    for (size_t i = 0; i < c->argument_count; i++) {
        const command_argument *argument = &c->arguments[i];
        strbuf_printf(out, argument->optional ? " [%s%s]" : " %s%s", argument->name, argument->repeats ? "..." : "");
    }
    strbuf_add(out, c->option_count ? " [OPTIONS]" : "");
}

static void add_study(strbuf *out, const study *s)
{
    strbuf_printf(out, "Study %s: %s\n\n", s->name, s->title);
    if (s->about)
        add_paragraphs(out, s->about);
    if (s->paper) {
        strbuf_add(out, "After ");
        strbuf_add_wrapped(out, s->paper, 6, 0, WIDTH);
        strbuf_add_char(out, '\n');
    }
    strbuf_add(out, s->role_count ? "Roles:\n" : "It asks nobody: run it without -m.\n");
    for (size_t i = 0; i < s->role_count; i++)
        add_row(out, s->roles[i].name, s->roles[i].help);
    strbuf_add(out, "\nParameters of this study:\n");
    for (size_t i = 0; i < s->param_count; i++)
        add_option(out, &s->params[i]);
    strbuf_add_char(out, '\n');
}

static void add_studies(strbuf *out)
{
    strbuf_add(out, "Studies:\n");
    for (size_t i = 0; i < study_catalogue_count; i++)
        add_row(out, study_catalogue[i]->name, study_catalogue[i]->title);
    strbuf_add_char(out, '\n');
}

void help_command(strbuf *out, const command *c, const study *s)
{
    strbuf_printf(out, "assay %s - %s\n\nUsage: ", c->name, c->summary);
    help_synopsis(out, c);
    strbuf_add(out, "\n\n");
    if (c->about)
        add_paragraphs(out, c->about);
    if (c->argument_count) {
        strbuf_add(out, "Arguments:\n");
        for (size_t i = 0; i < c->argument_count; i++)
            add_row(out, c->arguments[i].name, c->arguments[i].help);
        strbuf_add_char(out, '\n');
    }
    if (s)
        add_study(out, s);
    else if (c->of_study)
        add_studies(out);
    strbuf_add(out, "Options:\n");
    for (size_t i = 0; i < c->option_count; i++)
        add_option(out, &c->options[i]);
    add_row(out, "-h, --help", "this text");
    if (c->of_study && !s)
        strbuf_printf(out, "\n'assay %s STUDY --help' adds the parameters of that study.\n", c->name);
    if (c->examples)
        strbuf_printf(out, "\nExamples:\n%s", c->examples);
}

void help_overview(strbuf *out)
{
    strbuf_printf(out, "assay %s - what a language model does when pressed, and how far a figure about it can be trusted\n\n",
                  ASSAY_VERSION);
    strbuf_add(out, "Usage: assay COMMAND [ARGUMENTS] [OPTIONS]\n\nCommands:\n");
    for (size_t i = 0; i < command_table_count; i++)
        add_row_at(out, command_table[i]->name, command_table[i]->summary, COMMAND_COLUMN);
    strbuf_add(out, "\n'assay help COMMAND' or 'assay COMMAND --help' explains one; 'assay --version' prints the version.\n"
                    "Results go to stdout, everything else to stderr. Exit codes: 0 good, 1 failed, 2 wrong use,\n"
                    "130 interrupted.\n");
}
