#include "subject/local_prompt.h"

#include <string.h>

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory for a prompt");
}

static size_t blocks_of(const message *m, block_kind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < m->count; i++)
        n += m->blocks[i].kind == kind;
    return n;
}

static status check_blocks(const message *m, bool last, bool plain, error *err)
{
    for (size_t i = 0; i < m->count; i++) {
        block_kind kind = m->blocks[i].kind;
        if (kind == BLOCK_IMAGE || (plain && (kind == BLOCK_TOOL_CALL || kind == BLOCK_TOOL_RESULT)))
            return error_set(err, STATUS_UNSUPPORTED, "this model reads text alone; a message has a block of kind %s",
                             block_kind_name(kind));
        if (kind == BLOCK_PREFILL && (!last || m->role != MESSAGE_ASSISTANT))
            return error_set(err, STATUS_INVALID, "the start of an answer may only be given in the last message, the assistant's");
        if (kind == BLOCK_TOOL_CALL && (m->role != MESSAGE_ASSISTANT || blocks_of(m, BLOCK_PREFILL)))
            return error_set(err, STATUS_INVALID, "a tool may only be called in an assistant's message, and not together with "
                                                  "the start of an answer");
    }
    return STATUS_OK;
}

/* The texts of one or two kinds of block, joined; NULL when memory is out. */
static slice words_of(arena *a, const message *m, block_kind kind, block_kind other)
{
    strbuf text = strbuf_new(a, (size_t)1 << 30);
    for (size_t i = 0; i < m->count; i++)
        if (m->blocks[i].kind == kind || m->blocks[i].kind == other)
            strbuf_add(&text, m->blocks[i].text);
    return text.failed ? (slice){NULL, 0} : text.text ? strbuf_slice(&text) : (slice){"", 0};
}

static slice optional(const char *text)
{
    return text ? slice_of(text) : (slice){NULL, 0};
}

static status add_calls(arena *a, const message *m, chat_turn *turn, error *err)
{
    size_t count = blocks_of(m, BLOCK_TOOL_CALL);
    chat_call *calls = ARENA_ARRAY(a, chat_call, count + 1);
    if (!calls)
        return no_memory(err);
    for (size_t i = 0; i < m->count; i++)
        if (m->blocks[i].kind == BLOCK_TOOL_CALL)
            calls[turn->call_count++] = (chat_call){slice_of(m->blocks[i].id), slice_of(m->blocks[i].name),
                                                    slice_of(m->blocks[i].text)};
    turn->calls = calls;
    return STATUS_OK;
}

/* Results of tools are turns of their own; what is said beside them follows. */
static status add_turns(arena *a, const message *m, chat_turn *turns, size_t *count, error *err)
{
    size_t results = blocks_of(m, BLOCK_TOOL_RESULT);
    for (size_t i = 0; i < m->count; i++)
        if (m->blocks[i].kind == BLOCK_TOOL_RESULT)
            turns[(*count)++] = (chat_turn){.role = "tool", .text = slice_of(m->blocks[i].text),
                                            .call_id = optional(m->blocks[i].id), .name = optional(m->blocks[i].name)};
    chat_turn turn = {.role = message_role_name(m->role), .text = words_of(a, m, BLOCK_TEXT, BLOCK_PREFILL)};
    if (blocks_of(m, BLOCK_REASONING))
        turn.reasoning = words_of(a, m, BLOCK_REASONING, BLOCK_REASONING);
    if (!turn.text.text || (blocks_of(m, BLOCK_REASONING) && !turn.reasoning.text))
        return no_memory(err);
    if (blocks_of(m, BLOCK_TOOL_CALL))
        TRY(add_calls(a, m, &turn, err));
    if (!results || turn.text.length)
        turns[(*count)++] = turn;
    return STATUS_OK;
}

/* [{"type": "function", "function": ...}]; NULL when memory is out. */
static json_t *shown_tools(const json_t *tools)
{
    json_t *list = json_array(), *each;
    size_t i;
    bool failed = !list;
    json_array_foreach((json_t *)(uintptr_t)tools, i, each)
        failed |= json_array_append_new(list, json_pack("{s:s, s:O}", "type", "function", "function", each)) != 0;
    if (failed)
        json_decref(list);
    return failed ? NULL : list;
}

static status render(const local_style *style, arena *a, unsigned flags, const json_t *tools, local_prompt *out, error *err)
{
    json_t *shown = tools ? shown_tools(tools) : NULL;
    if (tools && !shown)
        return no_memory(err);
    status result = chat_render(style->format, a, out->turns, out->count, flags, shown, &out->rendered, err);
    json_decref(shown);
    return result;
}

status local_prompt_make(const local_style *style, arena *a, const message *messages, size_t count, const json_t *tools,
                         local_prompt *out, error *err)
{
    size_t most = count;
    *out = (local_prompt){.prefill = {"", 0}};
    for (size_t i = 0; i < count; i++)
        most += messages[i].count;
    out->turns = ARENA_ARRAY(a, chat_turn, most + 1);
    if (!out->turns)
        return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        TRY(check_blocks(&messages[i], i + 1 == count, !style->format, err));
        TRY(add_turns(a, &messages[i], out->turns, &out->count, err));
    }
    bool start = count > 0 && blocks_of(&messages[count - 1], BLOCK_PREFILL);
    if (start && (!style->format || out->turns[out->count - 1].text.length == 0)) {
        out->prefill = out->turns[--out->count].text; /* an empty start is the beginning of an answer */
        start = false;
    }
    if (!style->format)
        return STATUS_OK;
    return render(style, a, start ? CHAT_CONTINUE : CHAT_ANSWER, tools, out, err);
}

status local_prompt_make_whole(const local_style *style, arena *a, const message *messages, size_t count, const char *reply,
                               local_prompt *out, error *err)
{
    message *all = ARENA_ARRAY(a, message, count + 1);
    *out = (local_prompt){.prefill = {"", 0}};
    if (!style->format)
        return error_set(err, STATUS_UNSUPPORTED, "a preference model reads conversations, not plain texts");
    size_t most = count + 1;
    for (size_t i = 0; i < count; i++)
        most += messages[i].count;
    out->turns = ARENA_ARRAY(a, chat_turn, most + 1);
    if (!all || !out->turns)
        return no_memory(err);
    memcpy(all, messages, count * sizeof *all);
    all[count] = message_text(a, MESSAGE_ASSISTANT, reply);
    for (size_t i = 0; i <= count; i++) {
        TRY(check_blocks(&all[i], false, false, err));
        TRY(add_turns(a, &all[i], out->turns, &out->count, err));
    }
    return render(style, a, 0, NULL, out, err);
}

status local_prompt_tokens(const local_style *style, const local_prompt *prompt, slice behind, token_list *out, error *err)
{
    if (style->format)
        return chat_tokens(style->format, &prompt->rendered, behind, out, err);
    strbuf start = strbuf_new(NULL, (size_t)1 << 30);
    strbuf_add_slice(&start, prompt->prefill);
    strbuf_add_slice(&start, behind);
    status result = start.failed ? no_memory(err)
                                 : chat_encode_plain(style->tokenizer, prompt->turns, prompt->count, style->bos,
                                                     strbuf_slice(&start), out, err);
    strbuf_free(&start);
    return result;
}
