/* scorer.h - a plug-in that judges what was answered: a text or a whole record in, a verdict out.
 *
 *     plugin_scorer *s;
 *     TRY(plugin_scorer_open(arena, "plugin:./polite.py?strict=true", 0, &s, err));
 *     plugin_verdict v;
 *     TRY(plugin_scorer_judge(s, arena, &(plugin_scored){.asked = question, .answered = reply, .expected = key}, &v, err));
 *     ... v.verdict "good", v.value 1, v.scored "says please"
 *
 * Any number of threads may ask at once. What a run depends on (plugin_scorer_identity) belongs into its description. */
#ifndef ASSAY_PLUGIN_SCORER_H
#define ASSAY_PLUGIN_SCORER_H

#include "plugin/host.h"

typedef struct plugin_scorer plugin_scorer;

typedef struct plugin_scored {
    const char *asked, *answered, *expected; /* NULL: not known */
    const json_t *item;                      /* the row that the question was made of, or a record; NULL: none */
} plugin_scored;

typedef struct plugin_verdict {
    const char *verdict; /* "good", "bad", "unreadable", "refused" or "excluded" */
    double value;        /* NaN: none was given */
    const char *scored;  /* one sentence on why; NULL */
} plugin_verdict;

/* It ends with the arena. `timeout_seconds` 0: 120. */
status plugin_scorer_open(arena *a, const char *word, double timeout_seconds, plugin_scorer **out, error *err);
const char *plugin_scorer_identity(const plugin_scorer *s);
/* What it declares: name, title, what is counted. */
const plugin_declaration *plugin_scorer_declaration(const plugin_scorer *s);
/* Texts of *out lie in `a`, which is the calling thread's. An answer with a value alone has the verdict "good". */
status plugin_scorer_judge(plugin_scorer *s, arena *a, const plugin_scored *in, plugin_verdict *out, error *err);
/* Wakes all who wait with STATUS_INTERRUPTED, until it is called with false. */
void plugin_scorer_interrupt(plugin_scorer *s, bool on);

/* Whether a verdict is one of the five words that run/study.h knows. */
bool plugin_verdict_known(const char *word);

#endif
