/* The options that say how a checkpoint is asked, for every verb that asks one. */
#include "cli/command.h"

const char *const cli_prompt_styles[] = {"chat", "plain", NULL};

status cli_prompt_options(command_call *call, subject_options *out, error *err)
{
    const param_values *o = call->options;
    size_t count = param_count(o, "template-arg");
    const char **arguments = ARENA_ARRAY(call->arena, const char *, count + 1);
    if (!arguments)
        return error_set(err, STATUS_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++)
        arguments[i] = param_item(o, "template-arg", i);
    out->prompt_style = param_string(o, "prompt-style");
    out->template_name = param_string(o, "template");
    out->template_arguments = arguments;
    out->template_argument_count = count;
    out->template_date = param_string(o, "template-date");
    return STATUS_OK;
}
