/* machine.h - the memory that this process has, and that it may still take.
 *
 *     if (bytes > machine_memory_left())
 *         return error_set(err, STATUS_MEMORY, "%zu bytes are needed, %zu are left", bytes, machine_memory_left());
 *
 * Read anew at each call from /proc and /sys (some 50 microseconds); where the system does not say, there is no bound.
 */
#ifndef ASSAY_CORE_MACHINE_H
#define ASSAY_CORE_MACHINE_H

#include <stddef.h>

/* Bytes that can still be taken without anybody being killed: the least of what the machine has free or can free (swap
 * too), of what the control group leaves (memory.max of it and those above it, less what is in use and cannot be dropped), and of the
 * limits on this process (RLIMIT_AS, RLIMIT_DATA). SIZE_MAX: unknown. */
size_t machine_memory_left(void);
/* Bytes of this process in memory, now and at most since it started; 0: unknown. */
size_t machine_process_memory(void);
size_t machine_process_peak(void);

#endif
