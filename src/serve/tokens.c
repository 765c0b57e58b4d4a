/* How tokens are shown, and the routes that turn texts into tokens and back. */
#include "serve/inside.h"

#include "core/jsonio.h"

#include <math.h>
#include <string.h>

/* JSON has no infinity; OpenAI writes -9999 for what cannot be. */
static json_t *number(double logprob)
{
    return isnan(logprob) ? json_null() : json_real(isinf(logprob) ? -9999.0 : logprob);
}

static json_t *bytes_list(slice bytes)
{
    json_t *list = json_array();
    for (size_t i = 0; i < bytes.length; i++)
        json_array_append_new(list, json_integer((unsigned char)bytes.text[i]));
    return list;
}

static json_t *entry(const tokenizer *t, int32_t id, double logprob)
{
    slice bytes = tokenizer_bytes(t, id);
    return json_pack("{s:o, s:o, s:o}", "token", json_text(bytes), "logprob", number(logprob), "bytes", bytes_list(bytes));
}

json_t *token_entry(const tokenizer *t, const shown_token *token)
{
    json_t *one = entry(t, token->id, token->logprob), *top = json_array();
    for (size_t i = 0; i < token->top_count && token->top[i].id >= 0; i++)
        json_array_append_new(top, entry(t, token->top[i].id, (double)token->top[i].logprob));
    json_object_set_new(one, "top_logprobs", top);
    return one;
}

/* As OpenAI's completions write tokens that are no text of their own: "bytes:\xe2\x80". Every token has another key. */
static void add_key(const tokenizer *t, int32_t id, strbuf *out)
{
    slice bytes = tokenizer_bytes(t, id);
    if (utf8_valid(bytes)) {
        strbuf_add_slice(out, bytes);
        return;
    }
    strbuf_add(out, "bytes:");
    for (size_t i = 0; i < bytes.length; i++)
        strbuf_printf(out, "\\x%02x", (unsigned char)bytes.text[i]);
}

static void set_key(const tokenizer *t, json_t *object, int32_t id, double logprob)
{
    strbuf key = strbuf_new(NULL, 1 << 16);
    add_key(t, id, &key);
    if (!key.failed && !memchr(key.text ? key.text : "", 0, key.length) && !json_object_get(object, key.text ? key.text : ""))
        json_object_set_new(object, key.text ? key.text : "", number(logprob));
    strbuf_free(&key);
}

static json_t *top_object(const tokenizer *t, const shown_token *token)
{
    if (isnan(token->logprob))
        return json_null();
    json_t *top = json_object();
    for (size_t i = 0; i < token->top_count && token->top[i].id >= 0; i++)
        set_key(t, top, token->top[i].id, (double)token->top[i].logprob);
    set_key(t, top, token->id, token->logprob);
    return top;
}

static size_t characters(slice bytes)
{
    size_t n = 0;
    for (size_t i = 0; i < bytes.length; i++)
        n += ((unsigned char)bytes.text[i] & 0xc0) != 0x80;
    return n;
}

bool token_append(const tokenizer *t, const shown_token *token, size_t *offset, json_t **lists)
{
    strbuf key = strbuf_new(NULL, 1 << 16);
    if (!*lists)
        *lists = json_pack("{s:[], s:[], s:[], s:[]}", "tokens", "token_logprobs", "top_logprobs", "text_offset");
    add_key(t, token->id, &key);
    int failed = json_array_append_new(json_object_get(*lists, "tokens"), json_stringn(key.text ? key.text : "", key.length));
    failed |= json_array_append_new(json_object_get(*lists, "token_logprobs"), number(token->logprob));
    failed |= json_array_append_new(json_object_get(*lists, "top_logprobs"), top_object(t, token));
    failed |= json_array_append_new(json_object_get(*lists, "text_offset"), json_integer((json_int_t)*offset));
    strbuf_free(&key);
    *offset += characters(tokenizer_bytes(t, token->id));
    return !failed;
}

static void add_ranked(const tokenizer *t, json_t *object, int32_t id, double logprob, size_t rank)
{
    char key[16];
    snprintf(key, sizeof key, "%d", id);
    if (json_object_get(object, key))
        return;
    json_t *one = json_pack("{s:o, s:o}", "logprob", number(logprob), "decoded_token", json_text(tokenizer_bytes(t, id)));
    if (rank > 0)
        json_object_set_new(one, "rank", json_integer((json_int_t)rank));
    json_object_set_new(object, key, one);
}

json_t *token_ranked(const tokenizer *t, const shown_token *token)
{
    if (isnan(token->logprob))
        return json_null();
    json_t *object = json_object();
    for (size_t i = 0; i < token->top_count && token->top[i].id >= 0; i++)
        add_ranked(t, object, token->top[i].id, (double)token->top[i].logprob, i + 1);
    add_ranked(t, object, token->id, token->logprob, 0);
    return object;
}

/* ---- routes ----------------------------------------------------------------------------------------------------- */

static bool encode(server *s, job *j, token_list *ids, problem *p)
{
    error err = {0};
    const request *q = &j->request;
    status code = q->message_count
                      ? subject_local_prompt(s->subject, j->arena, q->messages, q->message_count, q->tools, ids, &err)
                      : tokenizer_encode(s->local.checkpoint->tokenizer, q->prompts[0].text,
                                         TOKENIZER_SPECIALS | (q->plain ? 0u : TOKENIZER_TEMPLATE), ids, &err);
    return code == STATUS_OK || problem_from(p, code, err.message);
}

/* A list of texts (vLLM), or of {"id", "piece"} (llama.cpp; a piece that is no text is a list of bytes). */
static json_t *pieces(const server *s, const token_list *ids, bool llama)
{
    json_t *list = json_array();
    for (size_t i = 0; i < ids->count; i++) {
        slice bytes = tokenizer_bytes(s->local.checkpoint->tokenizer, ids->ids[i]);
        json_t *piece = llama && !utf8_valid(bytes) ? bytes_list(bytes) : json_text(bytes);
        json_array_append_new(list, llama ? json_pack("{s:i, s:o}", "id", ids->ids[i], "piece", piece) : piece);
    }
    return list;
}

static json_t *tokenized(server *s, job *j, problem *p)
{
    token_list ids = {.arena = j->arena};
    const request *q = &j->request;
    if (!encode(s, j, &ids, p))
        return NULL;
    json_t *list = json_array();
    for (size_t i = 0; i < ids.count; i++)
        json_array_append_new(list, json_integer(ids.ids[i]));
    if (q->llama_form && q->with_pieces) {
        json_decref(list);
        return json_pack("{s:o}", "tokens", pieces(s, &ids, true));
    }
    json_t *body = json_pack("{s:I, s:i, s:o}", "count", (json_int_t)ids.count, "max_model_len",
                             engine_context(s->local.engine), "tokens", list);
    if (q->with_pieces)
        json_object_set_new(body, "token_strs", pieces(s, &ids, false));
    return body;
}

/* With special tokens, so that what /tokenize gave comes back whole. */
static json_t *detokenized(server *s, job *j, problem *p)
{
    const tokenizer *t = s->local.checkpoint->tokenizer;
    const token_list *ids = &j->request.prompts[0].ids;
    token_stream stream = {0};
    strbuf text = strbuf_new(j->arena, (size_t)1 << 28);
    for (size_t i = 0; i < ids->count; i++) {
        if ((size_t)ids->ids[i] >= tokenizer_size(t)) {
            problem_set(p, 400, "tokens", "tokens: token %zu is %d; the vocabulary has %zu entries", i, ids->ids[i], tokenizer_size(t));
            return NULL;
        }
        if (tokenizer_is_special(t, ids->ids[i]))
            strbuf_add_slice(&text, tokenizer_bytes(t, ids->ids[i]));
        else
            token_stream_add(&stream, t, ids->ids[i], &text);
    }
    token_stream_end(&stream, &text);
    if (text.failed) {
        problem_set(p, 503, NULL, "out of memory for this request");
        return NULL;
    }
    return json_pack("{s:o, s:o}", "prompt", json_text(strbuf_slice(&text)), "content", json_text(strbuf_slice(&text)));
}

static void finish(job *j, json_t *body)
{
    strbuf text = job_text();
    if (!body || jsonio_print(body, 0, &text, NULL) != STATUS_OK)
        text.failed = true;
    strbuf_add_char(&text, '\n');
    job_finish(j, 200, "application/json", &text);
    json_decref(body);
}

static bool has_tokens(const server *s, problem *p)
{
    return s->local.engine || problem_set(p, 400, NULL, "%s shows no tokens; a checkpoint on this machine does", s->model);
}

/* The special tokens by their names, and the template that is in use. */
void tokens_describe(server *s, job *j)
{
    problem p = {0};
    if (!has_tokens(s, &p)) {
        job_fail(j, &p);
        return;
    }
    const chat_files *files = &s->local.checkpoint->chat;
    json_t *body = json_pack("{s:s}", "tokenizer_class", "PreTrainedTokenizerFast");
    for (size_t i = 0; i < files->special_count; i++)
        json_object_set_new(body, files->specials[i].name, json_text(slice_of(files->specials[i].text)));
    json_object_set_new(body, "model_max_length", json_integer(engine_context(s->local.engine)));
    json_object_set_new(body, "chat_template",
                        s->local.format ? json_text(slice_of(chat_format_text(s->local.format))) : json_null());
    finish(j, body);
}

void tokens_answer(server *s, job *j)
{
    problem p = {0};
    json_t *body = NULL;
    if (has_tokens(s, &p))
        body = j->request.kind == REQUEST_TOKENIZE ? tokenized(s, j, &p) : detokenized(s, j, &p);
    if (p.http != 0)
        answer_problem(j, &p);
    else
        finish(j, body);
    job_leave(j);
}
