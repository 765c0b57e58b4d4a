/* All commands, in the order of help. A new one is a file of its own and two lines here. */
#include "cli/command.h"

extern const command command_run, command_grow, command_calibrate, command_spike, command_list, command_show, command_compare, command_new,
    command_export, command_import, command_pull, command_convert, command_replay, command_sketch,
    command_serve, command_chat, command_tokenize, command_doctor, command_completion, command_help;

const command *const command_table[] = {
    &command_run,
    &command_grow,
    &command_calibrate,
    &command_spike,
    &command_list,
    &command_show,
    &command_compare,
    &command_export,
    &command_import,
    &command_pull,
    &command_replay,
    &command_new,
    &command_serve,
    &command_chat,
    &command_convert,
    &command_sketch,
    &command_tokenize,
    &command_doctor,
    &command_completion,
    &command_help,
};
const size_t command_table_count = COUNT_OF(command_table);
