/* Cutters: a piece of text to smaller pieces. */
#include "lm/tokenizer_internal.h"

#include <string.h>

/* Takes matches and what lies between them, in order, and hands on pieces by the behaviour. */
typedef struct splitter {
    const step *s;
    cutting *c;
    size_t next;
    slice whole, pending;
    bool first, waits, was_match;
} splitter;

static status hand_on(splitter *p, slice piece, error *err)
{
    return tokenizer_cut_on(p->c, p->next, piece, p->first && piece.text == p->whole.text, err);
}

static status put_pending(splitter *p, error *err)
{
    if (!p->waits)
        return STATUS_OK;
    p->waits = false;
    return hand_on(p, p->pending, err);
}

static status wait_with(splitter *p, slice part, error *err)
{
    TRY(put_pending(p, err));
    p->pending = part;
    p->waits = true;
    return STATUS_OK;
}

static status put_part(splitter *p, slice part, bool match, error *err)
{
    bool was = p->was_match;
    if (p->s->flags & CUT_INVERT)
        match = !match;
    p->was_match = match;
    switch (p->s->behavior) {
    case SPLIT_REMOVED:
        return match ? STATUS_OK : hand_on(p, part, err);
    case SPLIT_ISOLATED:
        return hand_on(p, part, err);
    case SPLIT_CONTIGUOUS:
    case SPLIT_PREVIOUS:
        if (p->waits && (p->s->behavior == SPLIT_PREVIOUS ? match && !was : match == was)) {
            p->pending.length += part.length;
            return STATUS_OK;
        }
        return wait_with(p, part, err);
    case SPLIT_NEXT: /* only a match waits */
        if (match)
            return wait_with(p, part, err);
        if (p->waits) {
            p->waits = false;
            return hand_on(p, (slice){p->pending.text, p->pending.length + part.length}, err);
        }
        return hand_on(p, part, err);
    }
    BUG("split behaviour %d", (int)p->s->behavior);
}

static status split_pattern(splitter *p, error *err)
{
    size_t at = 0, done = 0, last = SIZE_MAX, span[2];
    for (bool found = true;;) {
        TRY(tokenizer_match(p->s->code, p->c->match, p->whole, &at, last, span, &found, err));
        if (!found)
            break;
        if (span[0] != done)
            TRY(put_part(p, slice_sub(p->whole, done, span[0]), false, err));
        TRY(put_part(p, slice_sub(p->whole, span[0], span[1]), true, err));
        done = last = span[1];
    }
    return done < p->whole.length ? put_part(p, slice_sub(p->whole, done, p->whole.length), false, err) : STATUS_OK;
}

static status split_text(splitter *p, slice text, error *err)
{
    size_t done = 0;
    while (text.length) {
        size_t found = slice_find(p->whole, text, done);
        if (found == SIZE_MAX)
            break;
        if (found > done)
            TRY(put_part(p, slice_sub(p->whole, done, found), false, err));
        done = found + text.length;
        TRY(put_part(p, slice_sub(p->whole, found, done), true, err));
    }
    return done < p->whole.length ? put_part(p, slice_sub(p->whole, done, p->whole.length), false, err) : STATUS_OK;
}

/* The usual case, every match and what lies between going straight to the model. */
static status split_to_model(const step *s, cutting *c, slice text, error *err)
{
    size_t at = 0, done = 0, last = SIZE_MAX, span[2];
    for (bool found = true;;) {
        TRY(tokenizer_match(s->code, c->match, text, &at, last, span, &found, err));
        if (!found)
            break;
        if (span[0] > done)
            TRY(tokenizer_encode_piece(c, slice_sub(text, done, span[0]), err));
        if (span[1] > span[0])
            TRY(tokenizer_encode_piece(c, slice_sub(text, span[0], span[1]), err));
        done = last = span[1];
    }
    return done < text.length ? tokenizer_encode_piece(c, slice_sub(text, done, text.length), err) : STATUS_OK;
}

status cut_split(const step *s, cutting *c, size_t next, slice piece, bool first, error *err)
{
    if (s->code && s->behavior == SPLIT_ISOLATED && next == c->t->cutters.count)
        return split_to_model(s, c, piece, err);
    splitter p = {.s = s, .c = c, .next = next, .whole = piece, .first = first};
    TRY(s->code ? split_pattern(&p, err) : split_text(&p, s->text, err));
    return put_pending(&p, err);
}

status cut_letters(const step *s, cutting *c, size_t next, slice piece, bool first, error *err)
{
    splitter p = {.s = s, .c = c, .next = next, .whole = piece, .first = first};
    size_t done = 0;
    for (size_t at = 0; at < piece.length;) {
        size_t start = at;
        if (!s->letter(utf8_next(piece, &at)))
            continue;
        if (start > done)
            TRY(put_part(&p, slice_sub(piece, done, start), false, err));
        TRY(put_part(&p, slice_sub(piece, start, at), true, err));
        done = at;
    }
    if (done < piece.length)
        TRY(put_part(&p, slice_sub(piece, done, piece.length), false, err));
    return put_pending(&p, err);
}

/* Words and runs of what is neither word nor space. */
status cut_words(const step *s, cutting *c, size_t next, slice piece, bool first, error *err)
{
    enum { SPACE, WORD, OTHER } kind = SPACE, now;
    size_t start = 0;
    (void)s;
    for (size_t at = 0; at < piece.length;) {
        size_t here = at;
        uint32_t code = utf8_next(piece, &at);
        now = letter_word(code) ? WORD : letter_space(code) ? SPACE : OTHER;
        if (now == kind)
            continue;
        if (kind != SPACE)
            TRY(tokenizer_cut_on(c, next, slice_sub(piece, start, here), first && start == 0, err));
        start = here;
        kind = now;
    }
    return kind == SPACE ? STATUS_OK : tokenizer_cut_on(c, next, slice_sub(piece, start, piece.length), first && start == 0, err);
}

status cut_fixed(const step *s, cutting *c, size_t next, slice piece, bool first, error *err)
{
    size_t start = 0, count = 0;
    for (size_t at = 0; at < piece.length;) {
        utf8_next(piece, &at);
        if (++count < s->start && at < piece.length)
            continue;
        TRY(tokenizer_cut_on(c, next, slice_sub(piece, start, at), first && start == 0, err));
        start = at;
        count = 0;
    }
    return STATUS_OK;
}

/* What was written for a cut goes on, and is released. */
static status made_piece(strbuf *text, cutting *c, size_t next, const step *split, bool first, error *err)
{
    status result = text->failed ? error_set(err, STATUS_MEMORY, "out of memory while cutting a text into pieces")
                    : split ? split->cut(split, c, next, strbuf_slice(text), first, err)
                            : tokenizer_cut_on(c, next, strbuf_slice(text), first, err);
    strbuf_free(text);
    return result;
}

status cut_metaspace(const step *s, cutting *c, size_t next, slice piece, bool first, error *err)
{
    strbuf text = strbuf_new(NULL, 8 * piece.length + 64);
    bool marked = slice_starts(piece, s->content) || piece.text[0] == ' ';
    if (!marked && (s->prepend == PREPEND_ALWAYS || (s->prepend == PREPEND_FIRST && first)))
        strbuf_add_slice(&text, s->content);
    for (size_t i = 0; i < piece.length; i++) {
        if (piece.text[i] == ' ')
            strbuf_add_slice(&text, s->content);
        else
            strbuf_add_char(&text, piece.text[i]);
    }
    step split = {.text = s->content, .behavior = SPLIT_NEXT, .cut = cut_split};
    return made_piece(&text, c, next, s->flags & CUT_SPLIT ? &split : NULL, first, err);
}

/* Byte-level cutters that add a space to a piece without one, and that write bytes as letters. */
status cut_prefix_space(const step *s, cutting *c, size_t next, slice piece, bool first, error *err)
{
    (void)s;
    if (piece.text[0] == ' ')
        return tokenizer_cut_on(c, next, piece, first, err);
    strbuf text = strbuf_new(NULL, piece.length + 64);
    strbuf_add_char(&text, ' ');
    strbuf_add_slice(&text, piece);
    return made_piece(&text, c, next, NULL, first, err);
}

status cut_to_letters(const step *s, cutting *c, size_t next, slice piece, bool first, error *err)
{
    (void)s;
    strbuf text = strbuf_new(NULL, 2 * piece.length + 64);
    tokenizer_bytes_to_letters(piece, &text);
    return made_piece(&text, c, next, NULL, first, err);
}
