/* Translations on a page of their own, to be accepted, edited or rejected. It needs no network; what is marked is saved as the table that
 * --translations reads. Texts come from a model: nothing of them may act as markup. */
#include "core/jsonio.h"
#include "studies/global_opinions/opinions.h"

static const char head[] =
    "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<title>Translations to check</title>\n<style>\n"
    ":root { color-scheme: light dark; --text: light-dark(#1b1f24, #e6e6e3); --soft: light-dark(#5b6470, #a5a9ae); --back: light-dark(#fbfbf9, #16181b);"
    " --line: light-dark(#d9d9d4, #383c42); --bad: light-dark(#a32020, #ff9a8f); }\n"
    "body { font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back); max-width: 75rem; margin: 0 auto; padding: 1rem; }\n"
    "article { border-top: 1px solid var(--line); padding: 1rem 0; display: grid; gap: .5rem 1.5rem; }\n"
    "@media (min-width: 50rem) { article { grid-template-columns: repeat(3, minmax(0, 1fr)); } }\n"
    "article > header, article > footer { grid-column: 1 / -1; color: var(--soft); }\n.problem { color: var(--bad); }\n"
    "article[hidden] { display: none; }\nh2 { font-size: 1rem; margin: 0 0 .25rem; color: var(--soft); font-weight: 600; }\np { margin: 0 0 .5rem; white-space: pre-wrap; overflow-wrap: anywhere; }\n"
    "textarea { width: 100%; box-sizing: border-box; font: inherit; color: inherit; background: transparent; border: 1px solid var(--line); border-radius: 4px;"
    " field-sizing: content; }\n"
    "#bar { position: sticky; top: 0; background: var(--back); padding: .5rem 0; display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; border-bottom: 1px solid var(--line); }\n"
    "input[type=text], select, button { font: inherit; color: inherit; background: transparent; border: 1px solid var(--line); border-radius: 4px; padding: .2rem .5rem; }\n"
    "select option { background: var(--back); }\nlabel { margin-right: 1rem; white-space: nowrap; }\n:focus-visible { outline: 2px solid #3b7dd8; }\n</style>\n";

/* Marks, filters, and saves: all that is needed stands in the elements. */
static const char script[] =
    "<script>\n\"use strict\";\n"
    "const rows = [...document.querySelectorAll('article')], $ = (id) => document.getElementById(id);\n"
    "const verdict = (row) => row.querySelector('input[type=radio]:checked')?.value ?? '';\n"
    "const field = (row, name) => row.querySelector(`[data-name=\"${name}\"]`)?.value ?? row.dataset[name] ?? '';\n"
    "const names = ['id', 'language', 'question', 'options', 'translation', 'translated_options', 'back', 'back_options', 'problem', 'sha256', 'verdict', 'checker'];\n"
    "function show() {\n"
    "  const language = $('language').value, which = $('which').value;\n"
    "  for (const row of rows)\n"
    "    row.hidden = (language && row.dataset.language !== language) || (which === 'open' && verdict(row)) || (which === 'problem' && !row.dataset.problem);\n"
    "  const count = { accept: 0, edit: 0, reject: 0, '': 0 };\n"
    "  for (const row of rows) count[verdict(row)]++;\n"
    "  $('counts').textContent = `${count.accept} accepted, ${count.edit} edited, ${count.reject} rejected, ${count['']} open`;\n"
    "}\n"
    "for (const row of rows) {\n"
    "  for (const area of row.querySelectorAll('textarea'))\n"
    "    area.addEventListener('input', () => { const edit = row.querySelector('input[value=edit]'); if (edit) edit.checked = true; show(); });\n"
    "  row.addEventListener('change', () => { row.dataset.checker = $('checker').value; show(); });\n"
    "}\n"
    "$('language').addEventListener('change', show);\n$('which').addEventListener('change', show);\n"
    "$('save').addEventListener('click', () => {\n"
    "  const cell = (text) => (/[\",\\r\\n]/.test(text) ? '\"' + text.replaceAll('\"', '\"\"') + '\"' : text);\n"
    "  const line = (row) => names.map((name) => cell(name === 'verdict' ? verdict(row) : field(row, name))).join(',');\n"
    "  const link = document.createElement('a');\n"
    "  link.href = URL.createObjectURL(new Blob([[names.join(','), ...rows.map(line)].join('\\n') + '\\n'], { type: 'text/csv' }));\n"
    "  link.download = 'translations.csv';\n  link.click();\n});\nshow();\n</script>\n</html>\n";

static void add_escaped(strbuf *b, const char *text)
{
    static const struct {
        char from;
        const char *to;
    } marks[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}};
    for (; *text; text++) {
        size_t i = 0;
        while (i < COUNT_OF(marks) && marks[i].from != *text)
            i++;
        if (i < COUNT_OF(marks))
            strbuf_add(b, marks[i].to);
        else
            strbuf_add_char(b, *text);
    }
}

static const char *text_at(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text ? text : "";
}

static void add_column(strbuf *b, const json_t *row, const char *title, const char *text, const char *options)
{
    strbuf_printf(b, "<section><h2>%s</h2><p>", title);
    add_escaped(b, text_at(row, text));
    strbuf_add(b, "</p><p>");
    add_escaped(b, text_at(row, options));
    strbuf_add(b, "</p></section>\n");
}

static void add_area(strbuf *b, const json_t *row, const char *name, const char *label, size_t lines)
{
    strbuf_printf(b, "<textarea data-name=\"%s\" aria-label=\"%s\" rows=\"%zu\">\n", name, label, lines);
    add_escaped(b, text_at(row, name));
    strbuf_add(b, "</textarea>\n");
}

static size_t lines_in(const char *text)
{
    size_t lines = 1;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

static void add_row(strbuf *b, const json_t *row, size_t number)
{
    static const char *const kept[] = {"id", "language", "question", "options", "back", "back_options", "problem", "sha256", "checker"};
    static const char *const verdicts[] = {"accept", "edit", "reject"};
    strbuf_add(b, "<article");
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        strbuf_printf(b, " data-%s=\"", kept[i]);
        add_escaped(b, text_at(row, kept[i]));
        strbuf_add_char(b, '"');
    }
    strbuf_printf(b, ">\n<header>%zu, ", number + 1);
    add_escaped(b, text_at(row, "language"));
    if (*text_at(row, "problem")) {
        strbuf_add(b, ": <span class=\"problem\">");
        add_escaped(b, text_at(row, "problem"));
        strbuf_add(b, "</span>");
    }
    strbuf_add(b, "</header>\n");
    add_column(b, row, "Original", "question", "options");
    strbuf_add(b, "<section><h2>Translation, an option a line</h2>\n");
    add_area(b, row, "translation", "translated question", 2);
    add_area(b, row, "translated_options", "translated options", lines_in(text_at(row, "options")));
    strbuf_add(b, "</section>\n");
    add_column(b, row, "Translated back", "back", "back_options");
    strbuf_add(b, "<footer>");
    for (size_t i = 0; i < COUNT_OF(verdicts); i++)
        strbuf_printf(b, "<label><input type=\"radio\" name=\"v%zu\" value=\"%s\"%s> %s</label>", number, verdicts[i],
                      strcmp(text_at(row, "verdict"), verdicts[i]) == 0 ? " checked" : "", verdicts[i]);
    strbuf_add(b, "</footer>\n</article>\n");
}

/* Languages as they come, each once. */
static void add_languages(strbuf *b, const json_t *rows)
{
    const char *last = "";
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const char *language = text_at(json_array_get(rows, i), "language");
        if (strcmp(language, last) != 0) {
            strbuf_add(b, "<option>");
            add_escaped(b, language);
            strbuf_add(b, "</option>");
        }
        last = language;
    }
}

status opinions_check_page(const json_t *rows, strbuf *out, error *err)
{
    size_t lost = 0, count = json_array_size(rows);
    for (size_t i = 0; i < count; i++)
        lost += *text_at(json_array_get(rows, i), "problem") != '\0';
    strbuf_add(out, head);
    strbuf_printf(out, "<h1>Translations to check</h1>\n<p>%zu translations; %zu of them could not be used, and say why. Compare the original with what came back; "
                       "accept, edit or reject. Save, and give the file to the run: <code>assay run global-opinions ... --translations translations.csv</code> "
                       "asks only what was accepted or edited.</p>\n", count, lost);
    strbuf_add(out, "<div id=\"bar\"><select id=\"language\" aria-label=\"language\"><option value=\"\">all languages</option>");
    add_languages(out, rows);
    strbuf_add(out, "</select><select id=\"which\" aria-label=\"which\"><option value=\"\">all</option><option value=\"open\">open ones</option>"
                    "<option value=\"problem\">those with a problem</option></select><input type=\"text\" id=\"checker\" placeholder=\"your name\" "
                    "aria-label=\"your name\"><button type=\"button\" id=\"save\">Save translations.csv</button><span id=\"counts\"></span></div>\n");
    for (size_t i = 0; i < count; i++)
        add_row(out, json_array_get(rows, i), i);
    strbuf_add(out, script);
    return out->failed ? error_set(err, STATUS_MEMORY, "out of memory for the page of translations") : STATUS_OK;
}
