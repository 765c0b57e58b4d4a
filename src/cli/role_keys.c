/* Keys of APIs, by their environment variables: one for all roles, and those of single roles. */
#include "cli/command.h"

#include "run/run.h"

#include <string.h>

status cli_role_keys(command_call *call, run_request *out, error *err)
{
    const param_values *o = call->options;
    size_t count = param_count(o, "api-key-variable");
    run_key *keys = ARENA_ARRAY(call->arena, run_key, count + 1);
    if (!keys)
        return error_set(err, STATUS_MEMORY, "out of memory");
    out->keys = keys;
    for (size_t i = 0; i < count; i++) {
        const char *text = param_item(o, "api-key-variable", i), *equals = strchr(text, '=');
        const char *role = equals ? arena_strndup(call->arena, text, (size_t)(equals - text)) : NULL;
        if (equals && !role)
            return error_set(err, STATUS_MEMORY, "out of memory");
        if (equals == text || (equals ? !equals[1] : !*text))
            return error_set(err, STATUS_USAGE, "--api-key-variable: expected NAME or ROLE=NAME, found \"%s\"", text);
        for (size_t k = 0; equals && k < out->key_count; k++)
            if (strcmp(keys[k].role, role) == 0)
                return error_set(err, STATUS_USAGE, "--api-key-variable: the role %s is given twice", role);
        if (!equals && out->subjects.api_key_variable)
            return error_set(err, STATUS_USAGE, "--api-key-variable: %s and %s are both for all roles; ROLE=NAME is for one",
                             out->subjects.api_key_variable, text);
        if (equals)
            keys[out->key_count++] = (run_key){role, equals + 1};
        else
            out->subjects.api_key_variable = text;
    }
    return STATUS_OK;
}
