/* fetch.h - one file over HTTP: resumed where it was cut off, checked, under its final name only when it is right.
 *
 *     fetch_request r = {.url = "https://huggingface.co/o/n/resolve/main/config.json", .path = "cache/config.json", .size = -1};
 *     TRY(fetch_file(&r, err));
 *
 * What has come lies in PATH.part, and the ETag that it belongs to in PATH.part.etag; a later call asks for the rest with
 * Range and If-Range, and begins anew where the server sends the whole, or the file was changed. Broken connections,
 * 408, 429 and 5xx are tried again, up to 6 times in a row without a byte of progress. A redirect is followed at most 8
 * times, never from https to http; the token goes to the host of `url` alone.
 */
#ifndef ASSAY_HUB_FETCH_H
#define ASSAY_HUB_FETCH_H

#include "core/error.h"
#include "core/text.h"

#include <stdatomic.h>

typedef struct fetch_request {
    const char *url;
    const char *path;
    const char *token;     /* NULL: none */
    const char *sha256;    /* 64 hexadecimal digits that the content must have; NULL: not known */
    const char *git_sha1;  /* the id of the content as a git blob; NULL: not known */
    int64_t size;          /* that it must have; -1: not known */
    double retry_seconds;  /* first wait, doubled each time; 0: 0.5 */
    void (*on_progress)(void *context, uint64_t done, uint64_t total); /* total 0: not known; may be NULL */
    void *context;
    const atomic_bool *interrupt; /* may be NULL */
} fetch_request;

/* STATUS_NOT_FOUND (404), _REFUSED (401, 403), _NETWORK, _INVALID (a wrong hash or size: what came is removed),
 * _INTERRUPTED (what came stays). */
status fetch_file(const fetch_request *r, error *err);
/* A small answer into memory; *next gets the URL of the next page (Link: rel="next") in the buffer's arena, or NULL. */
status fetch_text(const fetch_request *r, size_t limit, strbuf *out, arena *a, const char **next, error *err);

#endif
