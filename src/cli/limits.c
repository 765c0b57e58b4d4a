/* What a command may spend, with the prices that limits of money need, and files that the user may have in a place of their own. */
#include "cli/command.h"

#include "core/file.h"
#include "run/run.h"

#include <stdlib.h>

const char *cli_user_file(command_call *call, const char *option, const char *variable, const char *name)
{
    const char *named = param_string(call->options, option), *set = getenv(variable);
    const char *folder = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME"), *own = NULL;
    if (named)
        return named;
    if (set && set[0])
        return set;
    if (folder && folder[0])
        own = arena_printf(call->arena, "%s/assay/%s", folder, name);
    else if (home)
        own = arena_printf(call->arena, "%s/.config/assay/%s", home, name);
    return own && file_exists(own) ? own : NULL;
}

status cli_limits(command_call *call, run_request *out, error *err)
{
    const param_values *o = call->options;
    const char *path = cli_user_file(call, "prices", "ASSAY_PRICES", "prices.yaml");
    out->limits = (budget_limits){.tokens = param_int(o, "max-tokens"), .dollars = param_number(o, "max-cost"), .seconds = param_number(o, "max-time")};
    if (!path)
        return STATUS_OK;
    price_list *prices = ARENA_NEW(call->arena, price_list);
    out->prices = prices;
    return prices ? prices_read(call->arena, path, prices, err) : error_set(err, STATUS_MEMORY, "out of memory");
}
