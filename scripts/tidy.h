/* For clang-tidy alone (scripts/tidy): its analyzer sees one file at a time, and so does not know that these never come
 * back with STATUS_OK. */
#include "core/error.h"

#define error_set(err, code, ...) (error_set((err), (code), __VA_ARGS__), (code))
#define error_hint(err, ...) (error_hint((err), __VA_ARGS__), STATUS_INVALID)
#define error_context(err, ...) (error_context((err), __VA_ARGS__), STATUS_INVALID)
#define error_system(err, ...) (error_system((err), __VA_ARGS__), STATUS_IO)
