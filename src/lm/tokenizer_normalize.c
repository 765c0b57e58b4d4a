/* Normalizers: text to text. */
#include "lm/tokenizer_internal.h"

#include <string.h>
#include <utf8proc.h>

/* ---- normal forms ---- */

enum { SHORT_RUN = 32, LONGEST_DECOMPOSITION = 64 };

static bool is_ascii(slice s)
{
    unsigned char any = 0;
    for (size_t i = 0; i < s.length; i++)
        any |= (unsigned char)s.text[i];
    return any < 0x80;
}

static int combining_class(int32_t code)
{
    return utf8proc_get_property(code)->combining_class;
}

/* Marks on one letter in the order of their classes; equal ones stay in order. In linear time, so that a text of
 * nothing but marks is no burden. */
static status order_marks(int32_t *codes, size_t count, error *err)
{
    size_t starts[257] = {0};
    if (count <= SHORT_RUN) {
        for (size_t i = 1; i < count; i++) {
            int32_t code = codes[i];
            size_t k = i;
            for (; k > 0 && combining_class(codes[k - 1]) > combining_class(code); k--)
                codes[k] = codes[k - 1];
            codes[k] = code;
        }
        return STATUS_OK;
    }
    int32_t *sorted = memory_alloc(count * sizeof *sorted);
    if (!sorted)
        return error_set(err, STATUS_MEMORY, "out of memory for %zu marks", count);
    for (size_t i = 0; i < count; i++)
        starts[combining_class(codes[i]) + 1]++;
    for (size_t c = 1; c < 257; c++)
        starts[c] += starts[c - 1];
    for (size_t i = 0; i < count; i++)
        sorted[starts[combining_class(codes[i])]++] = codes[i];
    memcpy(codes, sorted, count * sizeof *sorted);
    memory_free(sorted);
    return STATUS_OK;
}

static status order_all(int32_t *codes, size_t count, error *err)
{
    for (size_t i = 0; i < count;) {
        size_t start = i;
        while (i < count && combining_class(codes[i]) != 0)
            i++;
        if (i - start > 1)
            TRY(order_marks(codes + start, i - start, err));
        i += i == start;
    }
    return STATUS_OK;
}

static void decompose(slice in, utf8proc_option_t options, strbuf *codes)
{
    for (size_t at = 0; at < in.length;) {
        int32_t parts[LONGEST_DECOMPOSITION];
        int bound = 0;
        utf8proc_ssize_t n =
            utf8proc_decompose_char((utf8proc_int32_t)utf8_next(in, &at), parts, LONGEST_DECOMPOSITION, options, &bound);
        if (n > 0 && n <= LONGEST_DECOMPOSITION)
            strbuf_add_bytes(codes, parts, (size_t)n * sizeof *parts);
    }
}

status normalize_form(const step *s, slice in, normal_text *out, error *err)
{
    if (is_ascii(in)) {
        strbuf_add_slice(&out->text, in);
        return STATUS_OK;
    }
    utf8proc_option_t options = UTF8PROC_STABLE | (s->flags & FORM_COMPOSE ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE);
    if (s->flags & FORM_COMPATIBLE)
        options |= UTF8PROC_COMPAT;
    strbuf codes = strbuf_new(NULL, (size_t)1 << 32);
    decompose(in, options, &codes);
    status result = codes.failed ? error_set(err, STATUS_MEMORY, "out of memory for a text of %zu bytes", in.length) : STATUS_OK;
    size_t count = codes.length / sizeof(int32_t);
    int32_t *list = (int32_t *)(void *)codes.text;
    if (result == STATUS_OK)
        result = order_all(list, count, err);
    if (result == STATUS_OK && count && (s->flags & FORM_COMPOSE)) {
        utf8proc_ssize_t left = utf8proc_normalize_utf32(list, (utf8proc_ssize_t)count, options);
        count = left < 0 ? 0 : (size_t)left;
    }
    for (size_t i = 0; result == STATUS_OK && i < count; i++)
        strbuf_add_utf8(&out->text, (uint32_t)list[i]);
    strbuf_free(&codes);
    return result;
}

/* ---- characters ---- */

static void add_lower(strbuf *out, uint32_t code)
{
    if (code < 0x80)
        strbuf_add_char(out, (char)(code >= 'A' && code <= 'Z' ? code + 32 : code));
    else if (code == 0x130) /* the one letter whose small form is two code points */
        strbuf_add(out, "i\xcc\x87");
    else
        strbuf_add_utf8(out, (uint32_t)utf8proc_tolower((utf8proc_int32_t)code));
}

status normalize_lowercase(const step *s, slice in, normal_text *out, error *err)
{
    (void)s, (void)err;
    for (size_t at = 0; at < in.length;)
        add_lower(&out->text, utf8_next(in, &at));
    return STATUS_OK;
}

/* Takes the characters of a kind out. */
static void take_out(slice in, bool (*kind)(uint32_t), normal_text *out)
{
    for (size_t at = 0; at < in.length;) {
        size_t start = at;
        uint32_t code = utf8_next(in, &at);
        if (!kind(code))
            strbuf_add_bytes(&out->text, in.text + start, at - start);
        else
            out->moved = out->moved || start == 0;
    }
}

status normalize_strip_accents(const step *s, slice in, normal_text *out, error *err)
{
    (void)s, (void)err;
    take_out(in, letter_mark, out);
    return STATUS_OK;
}

status normalize_strip(const step *s, slice in, normal_text *out, error *err)
{
    (void)err;
    size_t start = 0, end = in.length;
    for (size_t at = 0; s->start && at < in.length && letter_space(utf8_next(in, &at));)
        start = at;
    while (s->stop && end > start) {
        size_t last = end - 1, at;
        while (last > start && ((unsigned char)in.text[last] & 0xc0) == 0x80)
            last--;
        at = last;
        if (!letter_space(utf8_next(in, &at)))
            break;
        end = last;
    }
    out->moved = out->moved || start > 0;
    strbuf_add_slice(&out->text, slice_sub(in, start, end));
    return STATUS_OK;
}

status normalize_prepend(const step *s, slice in, normal_text *out, error *err)
{
    (void)err;
    if (in.length)
        strbuf_add_slice(&out->text, s->text);
    strbuf_add_slice(&out->text, in);
    return STATUS_OK;
}

static status replace_pattern(const step *s, slice in, normal_text *out, error *err)
{
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    if (!match)
        return error_set(err, STATUS_MEMORY, "out of memory");
    size_t at = 0, done = 0, last = SIZE_MAX, span[2];
    status result = STATUS_OK;
    for (bool found = true; result == STATUS_OK;) {
        result = tokenizer_match(s->code, match, in, &at, last, span, &found, err);
        if (result != STATUS_OK || !found)
            break;
        strbuf_add_slice(&out->text, slice_sub(in, done, span[0]));
        strbuf_add_slice(&out->text, s->content);
        out->moved = out->moved || (span[0] == 0 && span[1] > 0 && s->content.length == 0);
        done = last = span[1];
    }
    if (result == STATUS_OK)
        strbuf_add_slice(&out->text, slice_sub(in, done, in.length));
    pcre2_match_data_free(match);
    return result;
}

status normalize_replace(const step *s, slice in, normal_text *out, error *err)
{
    if (s->code)
        return replace_pattern(s, in, out, err);
    size_t done = 0;
    while (s->text.length) {
        size_t found = slice_find(in, s->text, done);
        if (found == SIZE_MAX)
            break;
        strbuf_add_slice(&out->text, slice_sub(in, done, found));
        strbuf_add_slice(&out->text, s->content);
        out->moved = out->moved || (found == 0 && s->content.length == 0);
        done = found + s->text.length;
    }
    strbuf_add_slice(&out->text, slice_sub(in, done, in.length));
    return STATUS_OK;
}

status normalize_byte_level(const step *s, slice in, normal_text *out, error *err)
{
    (void)s, (void)err;
    tokenizer_bytes_to_letters(in, &out->text);
    return STATUS_OK;
}

/* ---- BERT ---- */

static bool unwanted(uint32_t code)
{
    return code == 0 || code == 0xfffd || (letter_control(code) && code != '\t' && code != '\n' && code != '\r');
}

static void bert_clean(slice in, normal_text *out)
{
    for (size_t at = 0; at < in.length;) {
        size_t start = at;
        uint32_t code = utf8_next(in, &at);
        if (unwanted(code))
            out->moved = out->moved || start == 0;
        else if (letter_space(code))
            strbuf_add_char(&out->text, ' ');
        else
            strbuf_add_bytes(&out->text, in.text + start, at - start);
    }
}

static void bert_chinese(slice in, normal_text *out)
{
    for (size_t at = 0; at < in.length;) {
        size_t start = at;
        bool chinese = letter_chinese(utf8_next(in, &at));
        if (chinese)
            strbuf_add_char(&out->text, ' ');
        strbuf_add_bytes(&out->text, in.text + start, at - start);
        if (chinese)
            strbuf_add_char(&out->text, ' ');
    }
}

status normalize_bert(const step *s, slice in, normal_text *out, error *err)
{
    normal_text turn[2] = {{.text = strbuf_new(NULL, (size_t)1 << 32)}, {.text = strbuf_new(NULL, (size_t)1 << 32)}};
    slice now = in;
    status result = STATUS_OK;
    size_t next = 0;
    for (unsigned part = BERT_CLEAN; part <= BERT_LOWERCASE && result == STATUS_OK; part *= 2) {
        if (!(s->flags & part) || (part != BERT_CLEAN && part != BERT_LOWERCASE && is_ascii(now)))
            continue;
        normal_text *to = &turn[next];
        strbuf_clear(&to->text);
        if (part == BERT_CLEAN) {
            bert_clean(now, to);
        } else if (part == BERT_CHINESE) {
            bert_chinese(now, to);
        } else if (part == BERT_LOWERCASE) {
            result = normalize_lowercase(s, now, to, err);
        } else {
            normal_text apart = {.text = strbuf_new(NULL, (size_t)1 << 32)};
            result = normalize_form(&(step){.flags = 0}, now, &apart, err);
            take_out(strbuf_slice(&apart.text), letter_nonspacing, to);
            to->text.failed = to->text.failed || apart.text.failed;
            strbuf_free(&apart.text);
        }
        if (result == STATUS_OK && to->text.failed)
            result = error_set(err, STATUS_MEMORY, "out of memory for a text of %zu bytes", in.length);
        now = strbuf_slice(&to->text);
        next = 1 - next;
    }
    strbuf_add_slice(&out->text, now);
    out->moved = out->moved || turn[0].moved || turn[1].moved;
    strbuf_free(&turn[0].text);
    strbuf_free(&turn[1].text);
    return result;
}

/* ---- Nmt ---- */

static bool nmt_dropped(uint32_t c)
{
    return (c >= 1 && c <= 8) || c == 0xb || (c >= 0xe && c <= 0x1f) || c == 0x7f || c == 0x8f || c == 0x9f;
}

static bool nmt_space(uint32_t c)
{
    return c == 9 || c == 0xa || c == 0xc || c == 0xd || c == 0x1680 || (c >= 0x200b && c <= 0x200f) || c == 0x2028 ||
           c == 0x2029 || c == 0x2581 || c == 0xfeff || c == 0xfffd;
}

status normalize_nmt(const step *s, slice in, normal_text *out, error *err)
{
    (void)s, (void)err;
    for (size_t at = 0; at < in.length;) {
        size_t start = at;
        uint32_t code = utf8_next(in, &at);
        if (nmt_dropped(code))
            out->moved = out->moved || start == 0;
        else if (nmt_space(code))
            strbuf_add_char(&out->text, ' ');
        else
            strbuf_add_bytes(&out->text, in.text + start, at - start);
    }
    return STATUS_OK;
}
