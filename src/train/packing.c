#include "train/packing.h"

#include <string.h>

status packing_order_new(arena *a, const unsigned char seed[SHA256_BYTES], size_t count, packing_order *out, error *err)
{
    *out = (packing_order){.stream = order_stream_at(seed, "perm"), .count = count};
    out->indices = ARENA_ARRAY(a, uint32_t, count + 1);
    if (!out->indices)
        return error_set(err, STATUS_MEMORY, "no memory for the order of %zu documents", count);
    return STATUS_OK;
}

size_t packing_order_at(packing_order *o, uint64_t place)
{
    uint64_t epoch = place / o->count;
    if (o->made)
        return place % o->count;
    if (o->begun && epoch < o->epoch) { /* only a resumed growth goes back: begin anew */
        unsigned char seed[SHA256_BYTES];
        memcpy(seed, o->stream.seed, sizeof seed);
        o->stream = order_stream_at(seed, "perm");
        o->begun = false;
    }
    while (!o->begun || o->epoch < epoch) {
        order_permute(&o->stream, o->indices, o->count);
        o->epoch = o->begun ? o->epoch + 1 : 0;
        o->begun = true;
    }
    return o->indices[place % o->count];
}

status packed_batch_new(arena *a, size_t tokens, packed_batch *out, error *err)
{
    *out = (packed_batch){.tokens = ARENA_ARRAY(a, int32_t, tokens),    .targets = ARENA_ARRAY(a, int32_t, tokens),
                          .positions = ARENA_ARRAY(a, int32_t, tokens), .starts = ARENA_ARRAY(a, int32_t, tokens),
                          .weights = ARENA_ARRAY(a, float, tokens)};
    if (!out->tokens || !out->targets || !out->positions || !out->starts || !out->weights)
        return error_set(err, STATUS_MEMORY, "no memory for a batch of %zu tokens", tokens);
    return STATUS_OK;
}

static void put_document(const token_document *d, size_t at, packed_batch *b)
{
    for (size_t i = 0; i < d->count; i++) {
        bool last = i + 1 == d->count, counted = !last && d->counted[i + 1];
        b->tokens[at + i] = d->tokens[i];
        b->targets[at + i] = last ? d->tokens[i] : d->tokens[i + 1];
        b->positions[at + i] = (int32_t)i;
        b->starts[at + i] = (int32_t)at;
        b->weights[at + i] = counted ? 1 : 0;
        b->targets_counted += counted;
    }
    b->tokens_used += d->count;
}

static void put_padding(int32_t pad, size_t from, size_t to, packed_batch *b)
{
    for (size_t i = from; i < to; i++) {
        b->tokens[i] = b->targets[i] = pad;
        b->positions[i] = 0;
        b->starts[i] = (int32_t)i;
        b->weights[i] = 0;
    }
}

status packing_next(const packing *p, packing_order *order, uint64_t *place, packed_batch *batch, error *err)
{
    batch->first = *place;
    batch->tokens_used = batch->targets_counted = 0;
    for (;;) {
        size_t index = packing_order_at(order, *place);
        const token_document *d = &p->documents[index];
        if (d->count < 2 || d->count > p->longest || d->count > p->tokens)
            return error_set(err, STATUS_INVALID, "expected documents of 2 to %zu tokens, found one of %u (document %zu)",
                             p->longest < p->tokens ? p->longest : p->tokens, (unsigned)d->count, index);
        if (batch->tokens_used + d->count > p->tokens)
            break;
        put_document(d, batch->tokens_used, batch);
        ++*place;
    }
    put_padding(p->pad, batch->tokens_used, p->tokens, batch);
    batch->end = *place;
    if (batch->targets_counted == 0)
        return error_set(err, STATUS_INVALID, "documents %llu to %llu of the order have nothing whose loss would count",
                         (unsigned long long)batch->first, (unsigned long long)batch->end);
    float share = (float)(1.0 / (double)batch->targets_counted);
    for (size_t i = 0; i < p->tokens; i++)
        if (batch->weights[i] > 0)
            batch->weights[i] = share;
    return STATUS_OK;
}

size_t packing_room(const packing *p, size_t pieces)
{
    size_t longest = 1, share = (p->tokens + pieces - 1) / pieces;
    for (size_t i = 0; i < p->count; i++)
        longest = p->documents[i].count > longest ? p->documents[i].count : longest;
    return share + longest - 1 < p->tokens ? share + longest - 1 : p->tokens;
}

/* The first document that begins at `from` or later, or the end of the documents. */
static size_t next_document(const packed_batch *b, size_t from)
{
    while (from < b->tokens_used && b->positions[from] != 0)
        from++;
    return from < b->tokens_used ? from : (size_t)b->tokens_used;
}

bool packing_piece(const packed_batch *whole, size_t tokens, size_t pieces, size_t k, int32_t pad, size_t room, packed_batch *piece)
{
    size_t begin = next_document(whole, k * tokens / pieces), end = next_document(whole, (k + 1) * tokens / pieces), n = end - begin;
    if (n > room)
        BUG("a piece of %zu tokens where %zu have room", n, room);
    memcpy(piece->tokens, whole->tokens + begin, n * sizeof *piece->tokens);
    memcpy(piece->targets, whole->targets + begin, n * sizeof *piece->targets);
    memcpy(piece->positions, whole->positions + begin, n * sizeof *piece->positions);
    memcpy(piece->weights, whole->weights + begin, n * sizeof *piece->weights);
    for (size_t i = 0; i < n; i++)
        piece->starts[i] = whole->starts[begin + i] - (int32_t)begin;
    piece->tokens_used = n;
    put_padding(pad, n, room, piece);
    return n > 0;
}
