/* Our own template, and texts without one. */
#include "lm/chat.h"

#include <string.h>

const char chat_template[] =
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{% if message['role'] not in ['system', 'user', 'assistant'] %}"
    "{{ raise_exception('unknown role: ' + message['role']) }}"
    "{% endif %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}";

status chat_encode_document(const tokenizer *t, slice text, token_list *out, error *err)
{
    TRY(token_list_add(out, TOKEN_BEGIN, err));
    TRY(tokenizer_encode(t, text, 0, out, err));
    return token_list_add(out, TOKEN_END, err);
}

status chat_encode_plain(const tokenizer *t, const chat_turn *turns, size_t count, int32_t bos, slice prefill,
                         token_list *out, error *err)
{
    if (bos >= 0)
        TRY(token_list_add(out, bos, err));
    strbuf text = strbuf_new(NULL, (size_t)1 << 30);
    for (size_t i = 0; i < count; i++) {
        strbuf_add_slice(&text, turns[i].text);
        strbuf_add_char(&text, '\n');
    }
    strbuf_add_slice(&text, prefill);
    status result = text.failed ? error_set(err, STATUS_MEMORY, "out of memory for a prompt")
                                : tokenizer_encode(t, strbuf_slice(&text), 0, out, err);
    strbuf_free(&text);
    return result;
}

bool chat_tokenizer_fits(const tokenizer *t)
{
    static const char *const texts[] = {
#define X(name, text) text,
        TOKEN_TABLE(X)
#undef X
    };
    for (int32_t i = 0; i < TOKEN_SPECIAL_COUNT; i++)
        if (!slice_is(tokenizer_bytes(t, i), texts[i]) || !tokenizer_is_special(t, i))
            return false;
    return true;
}
