#include "cli/command.h"

#include "core/file.h"

#include "studies/open.h"
#include "suite/suite.h"

/* What parsing knows so far. */
typedef struct parser {
    const command *command;
    arena *arena;
    param_values *options, *study_params;
    const study *study;
    suite *suite;
    const char **arguments;
    size_t argument_count;
    bool help;
} parser;

static status suggest(const char *word, const char *const *names, size_t count, error *err)
{
    int nearest = text_nearest(word, names, count);
    if (nearest >= 0)
        return error_hint(err, "did you mean '%s'?", names[nearest]);
    return err ? err->code : STATUS_USAGE;
}

/* What a plug-in declares must not hide behind an option of the command. */
static status check_params(const parser *p, error *err)
{
    for (size_t i = 0; i < p->study->param_count; i++)
        if (param_find(p->options, p->study->params[i].name) || strcmp(p->study->params[i].name, "help") == 0)
            return error_set(err, STATUS_INVALID, "the study %s declares a parameter '%s', which is an option of 'assay %s'",
                             p->study->name, p->study->params[i].name, p->command->name);
    return STATUS_OK;
}

/* "STUDY", or "STUDY:VALUE" of a study that has a parameter for that; "FILE.yaml" is "task:FILE.yaml". */
static status take_study(parser *p, const char *word, error *err)
{
    if (suite_named(word)) {
        TRY(suite_open(p->arena, word, &p->suite, err));
        TRY(cli_suite_face(p->arena, p->suite, &p->study, err));
        return param_values_new(p->arena, p->study->params, p->study->param_count, &p->study_params, err);
    }
    slice rest = slice_of(word), name;
    bool is_file = (slice_ends(rest, SLICE(".yaml")) || slice_ends(rest, SLICE(".yml"))) && file_exists(word);
    if (is_file) /* a file of tasks is meant as such */
        name = SLICE("task");
    else
        slice_cut(&rest, ':', &name);
    for (size_t i = 0; rest.text && i < study_catalogue_count; i++)
        if (slice_is(name, study_catalogue[i]->name))
            p->study = study_catalogue[i];
    if (p->study && !p->study->named_by)
        return error_set(err, STATUS_USAGE, "the study %s takes nothing behind a colon, found '%s'", p->study->name, word);
    if (!p->study) {
        TRY(study_open(p->arena, word, &p->study, err));
        TRY(check_params(p, err));
        rest.text = NULL;
    }
    TRY(param_values_new(p->arena, p->study->params, p->study->param_count, &p->study_params, err));
    return rest.text ? param_set(p->study_params, p->study->named_by, rest.text, err) : STATUS_OK;
}

/* Most often a subject without its -m. */
static status unexpected(const command *c, const char *word, error *err)
{
    error_set(err, STATUS_USAGE, "unexpected argument '%s'", word);
    for (size_t i = 0; i < c->option_count; i++)
        if (strcmp(c->options[i].name, "model") == 0)
            return error_hint(err, "a subject is named with -m: -m %s", word);
    return STATUS_USAGE;
}

static status take_argument(parser *p, const char *word, error *err)
{
    const command *c = p->command;
    size_t place = p->argument_count;
    if (place >= c->argument_count) {
        if (c->argument_count == 0 || !c->arguments[c->argument_count - 1].repeats)
            return unexpected(c, word, err);
        place = c->argument_count - 1;
    }
    const command_argument *argument = &c->arguments[place];
    if (argument->word == WORD_CHOICE) {
        size_t count = 0;
        bool found = false;
        for (; argument->choices[count]; count++)
            found = found || slice_is(slice_of(argument->choices[count]), word);
        if (!found) {
            error_set(err, STATUS_USAGE, "%s: '%s' is not one of the words it can be", argument->name, word);
            error_hint(err, "'assay %s --help' names them", c->name);
            return suggest(word, argument->choices, count, err);
        }
    }
    if (c->of_study && p->argument_count == 0)
        TRY(take_study(p, word, err));
    p->arguments[p->argument_count++] = word;
    return STATUS_OK;
}

/* The values that know the option, or NULL. */
static param_values *owner_of(const parser *p, const char *name)
{
    if (param_find(p->options, name))
        return p->options;
    return p->study_params && param_find(p->study_params, name) ? p->study_params : NULL;
}

static status unknown_option(const parser *p, const char *name, error *err)
{
    const command *c = p->command;
    size_t count = 0, most = c->option_count + (p->study ? p->study->param_count : 0) + 1;
    const char **names = ARENA_ARRAY(p->arena, const char *, most);
    if (!names)
        return error_set(err, STATUS_MEMORY, "out of memory");
    for (size_t i = 0; i < c->option_count; i++)
        names[count++] = c->options[i].name;
    for (size_t i = 0; p->study && i < p->study->param_count; i++)
        names[count++] = p->study->params[i].name;
    names[count++] = "help";
    error_set(err, STATUS_USAGE, "unknown option '--%s'", name);
    if (c->of_study && !p->study)
        error_hint(err, "options of a study come after its name; 'assay %s STUDY --help' names them", c->name);
    else
        error_hint(err, "'assay %s%s%s --help' names the options", c->name, p->study ? " " : "",
                   p->study ? p->study->name : "");
    int nearest = text_nearest(name, names, count);
    if (nearest >= 0)
        error_hint(err, "did you mean '--%s'?", names[nearest]);
    return STATUS_USAGE;
}

/* Sets option `name`; its value is `given` (after '=' or the letter), or the next word. */
static status take_option(parser *p, const char *name, const char *given, int count, char **words, int *at, error *err)
{
    if (slice_is(slice_of(name), "help")) {
        p->help = true;
        return STATUS_OK;
    }
    param_values *owner = owner_of(p, name);
    if (!owner)
        return unknown_option(p, name, err);
    const param_spec *spec = param_find(owner, name);
    if (!given && spec->type == PARAM_FLAG)
        given = "true";
    if (!given) {
        if (*at + 1 >= count)
            return error_set(err, STATUS_USAGE, "option '--%s' needs a value (%s)", name,
                             spec->value ? spec->value : "VALUE");
        given = words[++*at];
    }
    return param_set(owner, name, given, err);
}

static const char *name_of_letter(const parser *p, char letter)
{
    if (letter == 'h')
        return "help";
    for (size_t i = 0; i < p->command->option_count; i++)
        if (p->command->options[i].letter == letter)
            return p->command->options[i].name;
    for (size_t i = 0; p->study && i < p->study->param_count; i++)
        if (p->study->params[i].letter == letter)
            return p->study->params[i].name;
    return NULL;
}

/* "-m VALUE", "-mVALUE"; flags may stand together: "-qj". */
static status take_letters(parser *p, const char *letters, int count, char **words, int *at, error *err)
{
    for (; *letters; letters++) {
        const char *name = name_of_letter(p, *letters);
        if (!name) {
            error_set(err, STATUS_USAGE, "unknown option '-%c'", *letters);
            return error_hint(err, "'assay %s --help' names the options", p->command->name);
        }
        param_values *owner = owner_of(p, name);
        bool flag = !owner || param_find(owner, name)->type == PARAM_FLAG;
        const char *rest = flag || letters[1] == '\0' ? NULL : letters + 1;
        TRY(take_option(p, name, rest, count, words, at, err));
        if (rest)
            break;
    }
    return STATUS_OK;
}

static status take_long(parser *p, const char *word, int count, char **words, int *at, error *err)
{
    slice rest = slice_of(word), name;
    slice_cut(&rest, '=', &name);
    char *copy = slice_copy(p->arena, name);
    if (!copy)
        return error_set(err, STATUS_MEMORY, "out of memory");
    return take_option(p, copy, rest.text, count, words, at, err);
}

static status check_enough(const parser *p, error *err)
{
    const command *c = p->command;
    for (size_t i = p->argument_count; i < c->argument_count; i++) {
        if (c->arguments[i].optional)
            break;
        error_set(err, STATUS_USAGE, "%s is missing: %s", c->arguments[i].name, c->arguments[i].help);
        return error_hint(err, "'assay %s --help' says how it is used", c->name);
    }
    return STATUS_OK;
}

status command_parse(const command *c, arena *a, int count, char **words, command_call *call, bool *help, error *err)
{
    parser p = {.command = c, .arena = a, .arguments = ARENA_ARRAY(a, const char *, (size_t)count + 1)};
    if (!p.arguments)
        return error_set(err, STATUS_MEMORY, "out of memory");
    TRY(param_values_new(a, c->options, c->option_count, &p.options, err));
    bool options_end = false;
    for (int i = 0; i < count; i++) {
        const char *word = words[i];
        if (options_end || word[0] != '-' || word[1] == '\0')
            TRY(take_argument(&p, word, err));
        else if (word[1] != '-')
            TRY(take_letters(&p, word + 1, count, words, &i, err));
        else if (word[2] == '\0')
            options_end = true;
        else
            TRY(take_long(&p, word + 2, count, words, &i, err));
    }
    *help = p.help;
    if (!p.help)
        TRY(check_enough(&p, err));
    call->command = c;
    call->arena = a;
    call->options = p.options;
    call->arguments = p.arguments;
    call->argument_count = p.argument_count;
    call->study = p.study;
    call->suite = p.suite;
    call->study_params = p.study_params;
    return STATUS_OK;
}
