/* spawn.h - starts a program with pipes at its three standard streams (private to src/plugin).
 *
 * No shell lies between. The program gets a process group of its own (its children can be ended with it, and Ctrl-C at the
 * terminal reaches Assay alone), the default effect of every signal, and the environment of Assay without secrets:
 * variables are left out whose name holds one of the words KEY, KEYS, TOKEN, TOKENS, SECRET, SECRETS, PASSWORD, PASSWD, PASS,
 * CREDENTIAL or CREDENTIALS (a word ends at '_' or at an end of the name; upper and lower case are the same), such as
 * OPENAI_API_KEY or HF_TOKEN. PYTHONHASHSEED is set to 0, so that sets of Python have the same order in every process, and
 * ASSAY_PLUGIN to 1. */
#ifndef ASSAY_PLUGIN_SPAWN_H
#define ASSAY_PLUGIN_SPAWN_H

#include "core/arena.h"
#include "core/error.h"

#include <stdbool.h>
#include <sys/types.h>

typedef struct spawned {
    pid_t pid;
    int in, out, err; /* our ends of its streams: they do not block, and are closed in other programs */
} spawned;

/* Whether it is a file that may be executed. */
status spawn_check(const char *path, error *err);
status spawn_program(const char *path, spawned *s, error *err);
/* Whether a variable's name says that it holds a secret. */
bool spawn_is_secret(const char *name);
/* The environment for plug-ins, from `environment`; NULL when memory is out. */
char **spawn_environment(arena *a, char *const *environment);

#endif
