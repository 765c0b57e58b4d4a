/* window.h - which keys of a block a query sees under a sliding window: key j of query t counts iff j <= t and t - j < window
 * (0: no window), or, where queries look both ways, iff |t - j| < window. Used by attention over packed tokens and by
 * attention over the cache, which must agree. */
#ifndef ASSAY_KERNELS_WINDOW_H
#define ASSAY_KERNELS_WINDOW_H

#include "kernels/kernels.h"

/* The first key that token t sees in a sequence that begins at `first`. */
static inline size_t window_first(size_t window, size_t first, size_t t)
{
    return window && t + 1 > first + window ? t + 1 - window : first;
}

/* The start of its block; blocks are counted from `first`. */
static inline size_t window_block(size_t window, size_t first, size_t t)
{
    return first + (window_first(window, first, t) - first) / KERNEL_KEY_BLOCK * KERNEL_KEY_BLOCK;
}

/* Of the tokens up to `end`, those before this one see something of the block at `key`. */
static inline size_t window_end(size_t window, size_t key, size_t end)
{
    return window && key + KERNEL_KEY_BLOCK - 1 + window < end ? key + KERNEL_KEY_BLOCK - 1 + window : end;
}

/* Of the tokens from `from` on, the first that sees something of the block at `key`. */
static inline size_t window_begin(kernel_scores s, size_t key, size_t from)
{
    size_t least = !s.both_ways ? key : s.window && key + 1 > s.window ? key + 1 - s.window : 0;
    return least > from ? least : from;
}

/* Behind the last key that token t sees in a sequence that ends at `end`. */
static inline size_t window_last(kernel_scores s, size_t t, size_t end)
{
    size_t last = !s.both_ways ? t + 1 : s.window ? t + s.window : end;
    return last < end ? last : end;
}

#endif
