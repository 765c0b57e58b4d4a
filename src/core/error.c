#include "core/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *word;
    int exit_code;
} statuses[] = {
#define X(name, exit_code, word) {word, exit_code},
    STATUS_TABLE(X)
#undef X
};
_Static_assert(COUNT_OF(statuses) == STATUS_COUNT, "one row a status");

const char *status_word(status code)
{
    return (unsigned)code < STATUS_COUNT ? statuses[code].word : "unknown status";
}

int status_exit_code(status code)
{
    return (unsigned)code < STATUS_COUNT ? statuses[code].exit_code : 1;
}

status error_setv(error *err, status code, const char *format, va_list args)
{
    if (err) {
        err->code = code;
        err->hint[0] = '\0';
        vsnprintf(err->message, sizeof err->message, format, args);
    }
    return code;
}

status (error_set)(error *err, status code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    error_setv(err, code, format, args);
    va_end(args);
    return code;
}

status (error_hint)(error *err, const char *format, ...)
{
    if (!err)
        return STATUS_INVALID;
    va_list args;
    va_start(args, format);
    vsnprintf(err->hint, sizeof err->hint, format, args);
    va_end(args);
    return err->code;
}

status (error_context)(error *err, const char *format, ...)
{
    if (!err)
        return STATUS_INVALID;
    char tail[sizeof err->message];
    memcpy(tail, err->message, sizeof tail);
    va_list args;
    va_start(args, format);
    int used = vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    if (used >= 0 && (size_t)used < sizeof err->message)
        snprintf(err->message + used, sizeof err->message - (size_t)used, ": %s", tail);
    return err->code;
}

status (error_system)(error *err, const char *format, ...)
{
    int number = errno;
    status code = number == ENOENT ? STATUS_NOT_FOUND : number == ENOMEM ? STATUS_MEMORY : STATUS_IO;
    va_list args;
    va_start(args, format);
    error_setv(err, code, format, args);
    va_end(args);
    if (err) {
        size_t used = strlen(err->message);
        snprintf(err->message + used, sizeof err->message - used, ": %s", strerror(number));
    }
    return code;
}

_Noreturn void bug_report(const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "assay: BUG at %s:%d: ", file, line);
    vfprintf(stderr, format, args);
    fputs("\nThis is a mistake in assay itself; please report it.\n", stderr);
    va_end(args);
    abort();
}
