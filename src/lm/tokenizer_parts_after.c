/* The parts of tokenizer.json behind the model: post-processors and decoders, each a table by the type's name. */
#include "lm/tokenizer_parts.h"

#include "core/jsonio.h"

#include <string.h>

/* ---- post-processors: ids around the text ---- */

static status put_around(tokenizer *t, bool behind, int64_t id, error *err)
{
    int32_t **list = behind ? &t->after : &t->before;
    size_t *count = behind ? &t->after_count : &t->before_count;
    if (id < 0 || id > INT32_MAX)
        return error_set(err, STATUS_INVALID, "%s: the post_processor names the id %lld", t->name, (long long)id);
    int32_t *more = arena_regrow(t->arena, *list, *count, *count + 1, sizeof *more);
    if (!more)
        return tokenizer_out_of_memory(t->name, err);
    if (behind) {
        more[*count] = (int32_t)id;
    } else if (*count) { /* a later processor stands outside of an earlier one */
        memmove(more + 1, more, *count * sizeof *more);
        more[0] = (int32_t)id;
    } else {
        more[0] = (int32_t)id;
    }
    *list = more;
    ++*count;
    return STATUS_OK;
}

/* The ids that a template's special token stands for, in reverse where they go to the front. */
static status put_special(tokenizer *t, const json_t *part, const json_t *piece, bool behind, error *err)
{
    const char *name = json_string_value(json_object_get(piece, "id"));
    const json_t *ids = json_object_get(json_object_get(json_object_get(part, "special_tokens"), name ? name : ""), "ids");
    if (!json_is_array(ids))
        return error_set(err, STATUS_INVALID, "%s: TemplateProcessing: \"%s\" is not among its special_tokens", t->name,
                         name ? name : "");
    for (size_t i = 0, n = json_array_size(ids); i < n; i++) {
        const json_t *id = json_array_get(ids, behind ? i : n - 1 - i);
        TRY(put_around(t, behind, json_is_integer(id) ? json_integer_value(id) : -1, err));
    }
    return STATUS_OK;
}

/* What the reference makes of two parts that add tokens follows no plain rule (the second sees a pair). */
static status only_one_adds(const tokenizer *t, error *err)
{
    return t->before_count || t->after_count
               ? tokenizer_unsupported(t->name, "post_processor", "a Sequence of two that add tokens", err)
               : STATUS_OK;
}

static status read_template(tokenizer *t, const json_t *part, int depth, error *err)
{
    const json_t *single;
    (void)depth;
    TRY(only_one_adds(t, err));
    TRY(jsonio_get_array(part, "single", t->name, &single, err));
    size_t count = json_array_size(single), text = count;
    for (size_t i = 0; i < count; i++)
        if (json_object_get(json_array_get(single, i), "Sequence")) {
            if (text != count)
                return tokenizer_unsupported(t->name, "post_processor TemplateProcessing", "one that repeats the text", err);
            text = i;
        }
    if (text == count)
        return tokenizer_unsupported(t->name, "post_processor TemplateProcessing", "one without the text", err);
    for (size_t i = text; i-- > 0;)
        TRY(put_special(t, part, json_object_get(json_array_get(single, i), "SpecialToken"), false, err));
    for (size_t i = text + 1; i < count; i++)
        TRY(put_special(t, part, json_object_get(json_array_get(single, i), "SpecialToken"), true, err));
    return STATUS_OK;
}

/* {"sep": ["[SEP]", 102], "cls": ["[CLS]", 101]} */
static status read_pair(tokenizer *t, const json_t *part, int depth, error *err)
{
    static const char *const keys[] = {"cls", "sep"};
    (void)depth;
    TRY(only_one_adds(t, err));
    for (size_t i = 0; i < 2; i++) {
        const json_t *id = json_array_get(json_object_get(part, keys[i]), 1);
        if (!json_is_integer(id))
            return error_set(err, STATUS_INVALID, "%s: %s: expected [token, id] at \"%s\"", t->name, tokenizer_type(part), keys[i]);
        TRY(put_around(t, i == 1, json_integer_value(id), err));
    }
    return STATUS_OK;
}

static status read_nothing(tokenizer *t, const json_t *part, int depth, error *err)
{
    (void)t, (void)part, (void)depth, (void)err; /* ByteLevel: changes offsets alone */
    return STATUS_OK;
}

static status read_processors(tokenizer *t, const json_t *part, int depth, error *err);

static const part_kind processor_kinds[] = {
    {"TemplateProcessing", read_template}, {"BertProcessing", read_pair},  {"RobertaProcessing", read_pair},
    {"ByteLevel", read_nothing},           {"Sequence", read_processors},
};

static status read_processors(tokenizer *t, const json_t *part, int depth, error *err)
{
    return part_list(t, part, "processors", processor_kinds, COUNT_OF(processor_kinds), "post_processor", depth, err);
}

status tokenizer_read_processor(tokenizer *t, const json_t *part, error *err)
{
    return part_read(t, part, processor_kinds, COUNT_OF(processor_kinds), "post_processor", 0, err);
}

/* ---- decoders ---- */

/* Behind a part that makes one text of all tokens only the ends of that text can be changed, and bytes are put together
 * last of what is done to single tokens: any other order has no stream, and no known file has one. */
static status add_shown(tokenizer *t, const json_t *part, step s, error *err)
{
    decoding *d = &t->decoder;
    if (d->run != RUN_NONE || d->bytes || !d->joined || d->suffix.length)
        return error_set(err, STATUS_UNSUPPORTED, "%s: the decoder %s stands behind one that makes a text of the tokens, which is "
                         "not supported", t->name, tokenizer_type(part));
    return tokenizer_add_step(t, &d->steps, s, err);
}

static status read_shown_replace(tokenizer *t, const json_t *part, int depth, error *err)
{
    step s = {.show = show_replace};
    (void)depth;
    TRY(part_pattern(t, part, &s, err));
    TRY(part_needed_text(t, part, "content", &s.content, err));
    return add_shown(t, part, s, err);
}

static status read_shown_metaspace(tokenizer *t, const json_t *part, int depth, error *err)
{
    step s = {.show = show_metaspace};
    (void)depth;
    TRY(part_metaspace(t, part, &s, err));
    t->decoder.first_differs = t->decoder.first_differs || s.prepend != PREPEND_NEVER;
    return add_shown(t, part, s, err);
}

static status read_shown_wordpiece(tokenizer *t, const json_t *part, int depth, error *err)
{
    step s = {.flags = part_flag(part, "cleanup", true), .show = show_wordpiece};
    (void)depth;
    TRY(part_needed_text(t, part, "prefix", &s.text, err));
    t->decoder.first_differs = true;
    return add_shown(t, part, s, err);
}

static status read_shown_strip(tokenizer *t, const json_t *part, int depth, error *err)
{
    step s = {.show = show_strip};
    decoding *d = &t->decoder;
    (void)depth;
    TRY(part_needed_text(t, part, "content", &s.content, err));
    TRY(part_number(t, part, "start", 0, &s.start, err));
    TRY(part_number(t, part, "stop", 0, &s.stop, err));
    if (s.content.length == 0)
        return error_set(err, STATUS_INVALID, "%s: Strip: expected one character at \"content\"", t->name);
    if (d->joined)
        return add_shown(t, part, s, err);
    if (d->ends)
        return tokenizer_unsupported(t->name, "the decoder", "one with two Strip parts behind Fuse", err);
    d->ends = ARENA_NEW(t->arena, step);
    if (!d->ends)
        return tokenizer_out_of_memory(t->name, err);
    *d->ends = s;
    return STATUS_OK;
}

/* `joined` here means: tokens are still apart (see read_decoder_list). */
static status read_fuse(tokenizer *t, const json_t *part, int depth, error *err)
{
    (void)part, (void)depth, (void)err;
    t->decoder.joined = false;
    return STATUS_OK;
}

static status read_fallback(tokenizer *t, const json_t *part, int depth, error *err)
{
    (void)part, (void)depth, (void)err;
    t->decoder.run = RUN_WHOLE;
    return STATUS_OK;
}

static status read_shown_bytes(tokenizer *t, const json_t *part, int depth, error *err)
{
    (void)depth;
    if (t->decoder.steps.count || t->decoder.run != RUN_NONE || !t->decoder.joined)
        return tokenizer_unsupported(t->name, "the decoder", "a ByteLevel behind another part", err);
    (void)part;
    t->decoder.bytes = true;
    t->decoder.joined = false;
    return STATUS_OK;
}

static status read_suffix(tokenizer *t, const json_t *part, int depth, error *err)
{
    (void)depth;
    if (t->decoder.run != RUN_NONE || !t->decoder.joined)
        return tokenizer_unsupported(t->name, "the decoder", "a BPEDecoder behind another part", err);
    return part_needed_text(t, part, "suffix", &t->decoder.suffix, err);
}

static status read_decoders(tokenizer *t, const json_t *part, int depth, error *err);

static const part_kind decoder_kinds[] = {
    {"ByteLevel", read_shown_bytes},   {"Metaspace", read_shown_metaspace}, {"WordPiece", read_shown_wordpiece},
    {"ByteFallback", read_fallback},   {"Fuse", read_fuse},                 {"Strip", read_shown_strip},
    {"Replace", read_shown_replace},   {"BPEDecoder", read_suffix},         {"Sequence", read_decoders},
};

static status read_decoders(tokenizer *t, const json_t *part, int depth, error *err)
{
    return part_list(t, part, "decoders", decoder_kinds, COUNT_OF(decoder_kinds), "decoder", depth, err);
}

status tokenizer_read_decoder(tokenizer *t, const json_t *part, error *err)
{
    t->decoder.joined = true; /* while parts are read: tokens are apart; without parts a space stands between them */
    TRY(part_read(t, part, decoder_kinds, COUNT_OF(decoder_kinds), "decoder", 0, err));
    if (!tokenizer_absent(part))
        t->decoder.joined = false;
    return STATUS_OK;
}
