/* Tasks of a test's own, in a folder of their own; include behind bench.h. */
#ifndef ASSAY_TESTS_STUDIES_TASK_BENCH_H
#define ASSAY_TESTS_STUDIES_TASK_BENCH_H

#include "core/file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern const study task_study;

typedef struct place {
    char folder[64], yaml[96], data[96];
} place;

static inline void write_text(const char *path, const char *text, size_t length)
{
    error err = {0};
    if (file_write(path, (slice){text, length}, &err) != STATUS_OK)
        fail_msg("%s", err.message);
}

/* t.yaml and a data file beside it. */
static inline place place_new(const char *yaml, const char *name, const char *data)
{
    place p = {.folder = "/tmp/assay-task-XXXXXX"};
    assert_non_null(mkdtemp(p.folder));
    snprintf(p.yaml, sizeof p.yaml, "%s/t.yaml", p.folder);
    snprintf(p.data, sizeof p.data, "%s/%s", p.folder, name);
    write_text(p.yaml, yaml, strlen(yaml));
    if (data)
        write_text(p.data, data, strlen(data));
    return p;
}

static inline void place_free(const place *p)
{
    unlink(p->yaml);
    unlink(p->data);
    rmdir(p->folder);
}

/* Log-probabilities that stand in the prompt itself: "... [-1 -2.5]" gives the first choice -1 and the second -2.5. */
static inline void score_as_told(const message *messages, const char *const *continuations, size_t n, double *logprobs, void *context)
{
    (void)continuations, (void)context;
    const char *text = messages[0].blocks[0].text, *at = strrchr(text, '[') + 1;
    for (size_t i = 0; i < n; i++)
        logprobs[i] = strtod(at, (char **)&at);
}

/* The reply that stands in the prompt behind "say:". */
static inline const char *say_as_told(const message *messages, size_t count, void *context)
{
    (void)context;
    const char *at = strstr(messages[count - 1].blocks[0].text, "say:");
    return at ? at + 4 : "";
}

#endif
