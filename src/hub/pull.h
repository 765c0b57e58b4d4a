/* pull.h - models and data sets by name, from the Hugging Face hub (or what plays it) or a URL, into a cache folder.
 *
 *     pull_request r = {.name = "HuggingFaceTB/SmolLM2-135M"};
 *     pull_done done;
 *     TRY(pull(arena, &r, &done, err));                 // done.folder: a checkpoint that subjects can be opened from
 *     pull_find(arena, "HuggingFaceTB/SmolLM2-135M")    // the same folder later, without network; NULL: not pulled
 *
 * A name is OWNER/NAME (a model), hf:datasets/OWNER/NAME, data:NAME (hub/datasets.h), or http(s)://...; "@REVISION" behind a name pins a branch, tag or
 * commit ("main" unless told). Of a model comes what a checkpoint needs: configuration, tokenizer, templates, safetensors
 * of its top folder, licence; `all` brings everything. Data sets come whole.
 *
 * The cache is $ASSAY_CACHE/hub, else $XDG_CACHE_HOME/assay/hub, else ~/.cache/assay/hub:
 *     models/OWNER/NAME/COMMIT/...       the files; pulled.json last: names, sizes, hashes
 *     models/OWNER/NAME/refs/REVISION    the commit that it was when it was pulled
 * Every file is checked against the hash that the hub lists (SHA-256 of large files, git's of small ones). Where a list of data
 * sets has none for a file, the one that it had when it was first pulled is recorded, and counts from then on. The hub is at
 * HF_ENDPOINT, or https://huggingface.co, raw files of GitHub at ASSAY_GITHUB_RAW; HF_TOKEN goes to it alone, and is written nowhere.
 */
#ifndef ASSAY_HUB_PULL_H
#define ASSAY_HUB_PULL_H

#include "core/arena.h"
#include "core/error.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct pull_request {
    const char *name;
    const char *folder;    /* where the files go instead of the cache; NULL */
    bool all;
    double retry_seconds;  /* hub/fetch.h */
    void (*on_file)(void *context, const char *path, size_t at, size_t count); /* before each file; may be NULL */
    void (*on_progress)(void *context, uint64_t done, uint64_t total);         /* of this file; may be NULL */
    void *context;
    const atomic_bool *interrupt;
} pull_request;

typedef struct pull_done {
    const char *folder; /* of a URL: the file */
    const char *commit; /* of a URL: the SHA-256 of what came */
    size_t files;
    uint64_t bytes;     /* of all files, those that were there too */
} pull_done;

status pull(arena *a, const pull_request *r, pull_done *out, error *err);
/* The folder of a model that was pulled whole, by OWNER/NAME[@REVISION], or of a data set, by data:NAME; NULL when there is
 * none. */
const char *pull_find(arena *a, const char *name);

#endif
