/* written.h - what the tests of model-written share. Include after the bench of studies. */
#ifndef ASSAY_TESTS_STUDIES_WRITTEN_H
#define ASSAY_TESTS_STUDIES_WRITTEN_H

/* A filter or subject that finds Yes the likelier answer. */
static inline void likes_yes(const message *messages, const char *const *continuations, size_t n, double *logprobs, void *context)
{
    (void)messages, (void)context;
    for (size_t i = 0; i < n; i++)
        logprobs[i] = strstr(continuations[i], "Yes") ? -.1 : -3;
}

/* The whole number at a path of the summary: "a.b.c". */
static inline int64_t count_at(const bench *b, const char *path)
{
    const json_t *at = b->summary;
    slice rest = slice_of(path), part;
    while (slice_cut(&rest, '.', &part)) {
        char key[64];
        snprintf(key, sizeof key, SLICE_FORMAT, SLICE_ARGS(part));
        at = json_object_get(at, key);
    }
    return json_integer_value(at);
}

#endif
