/* peer.c - prints what Assay computes, so that scripts in bench/peers/ can compare it with other programs.
 *
 *     bench_peer train TEXTS VOCABULARY OUT    learn a tokenizer from a file of documents, one in each line
 *     bench_peer encode TOKENIZER TEXTS [HOW]  ids of each line (JSON strings), one JSON list a line; HOW: plain (no special
 *                                              tokens), special, or template (and what the file puts around a text)
 *     bench_peer decode TOKENIZER IDS          text of each line of ids, one JSON string a line
 *     bench_peer chat FOLDER CHATS             ids of each line (a list of [role, text]), answer wanted
 *     bench_peer logits FOLDER IDS OUT         f32 logits of every position of each line of ids, computed in f32
 *     bench_peer greedy FOLDER IDS COUNT       the engine's greedy continuation of each line of ids, computed in f32
 *     bench_peer score SUBJECT ITEMS           log-probabilities of continuations as answers, as runs score them; a line of ITEMS
 *                                              is {"messages": [[role, text], ...], "continuations": [...]}
 *     bench_peer make TOKENIZER SHAPE OUT      a checkpoint with random weights; SHAPE is base, tiny or untied
 */
#include "core/file.h"
#include "core/jsonio.h"
#include "core/progress.h"
#include "core/random.h"
#include "lm/chat.h"
#include "graph/plan.h"
#include "lm/checkpoint.h"
#include "lm/engine.h"
#include "lm/transformer.h"
#include "subject/subject.h"

static const size_t limit = (size_t)1 << 30;

static json_t *ids_json(const token_list *list)
{
    json_t *out = json_array();
    for (size_t i = 0; i < list->count; i++)
        json_array_append_new(out, json_integer(list->ids[i]));
    return out;
}

static void print_line(json_t *value)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    puts(text);
    free(text);
    json_decref(value);
}

/* The JSON values of the lines of a file. */
static status read_lines(arena *a, const char *path, json_t **out, error *err)
{
    slice text, line;
    TRY(file_read(a, path, limit, &text, err));
    *out = json_array();
    for (size_t number = 0; slice_cut(&text, '\n', &line); number++) {
        json_t *value;
        if (line.length == 0)
            continue;
        TRY(jsonio_parse_line(line, path, number, &value, err));
        json_array_append_new(*out, value);
    }
    return STATUS_OK;
}

static slice string_of(const json_t *value)
{
    return (slice){json_string_value(value), json_string_length(value)};
}

static status run_train(arena *a, char **words, error *err)
{
    json_t *lines;
    int64_t vocabulary;
    TRY(read_lines(a, words[0], &lines, err));
    if (!slice_to_int(slice_of(words[1]), &vocabulary) || vocabulary < 0)
        return error_set(err, STATUS_USAGE, "the size \"%s\" is not a number", words[1]);
    slice *documents = ARENA_ARRAY(a, slice, json_array_size(lines) + 1);
    for (size_t i = 0; i < json_array_size(lines); i++)
        documents[i] = string_of(json_array_get(lines, i));
    tokenizer_recipe recipe = {.vocabulary = (size_t)vocabulary};
    tokenizer *t;
    double start = clock_seconds();
    TRY(tokenizer_train(a, documents, json_array_size(lines), &recipe, &t, err));
    fprintf(stderr, "%zu entries in %.2f s\n", tokenizer_size(t), clock_seconds() - start);
    return tokenizer_write(t, words[2], err);
}

static status run_encode(arena *a, char **words, error *err)
{
    tokenizer *t;
    json_t *lines;
    TRY(tokenizer_open(a, words[0], &t, err));
    TRY(read_lines(a, words[1], &lines, err));
    unsigned flags = !words[2] || strcmp(words[2], "special") == 0 ? TOKENIZER_SPECIALS
                     : strcmp(words[2], "template") == 0           ? TOKENIZER_SPECIALS | TOKENIZER_TEMPLATE
                                                                   : 0;
    double seconds = 0;
    size_t bytes = 0;
    for (size_t i = 0; i < json_array_size(lines); i++) {
        token_list ids = {.arena = a};
        slice text = string_of(json_array_get(lines, i));
        double start = clock_seconds();
        TRY(tokenizer_encode(t, text, flags, &ids, err));
        seconds += clock_seconds() - start;
        bytes += text.length;
        print_line(ids_json(&ids));
    }
    fprintf(stderr, "%.1f MB/s\n", (double)bytes / seconds / 1e6);
    return STATUS_OK;
}

static status run_decode(arena *a, char **words, error *err)
{
    tokenizer *t;
    json_t *lines;
    TRY(tokenizer_open(a, words[0], &t, err));
    TRY(read_lines(a, words[1], &lines, err));
    for (size_t i = 0; i < json_array_size(lines); i++) {
        const json_t *line = json_array_get(lines, i);
        token_list ids = {.arena = a};
        for (size_t k = 0; k < json_array_size(line); k++)
            TRY(token_list_add(&ids, (int32_t)json_integer_value(json_array_get(line, k)), err));
        strbuf whole = strbuf_new(a, limit), streamed = strbuf_new(a, limit);
        TRY(tokenizer_decode(t, ids.ids, ids.count, &whole, err));
        token_stream s = {0};
        for (size_t k = 0; k < ids.count; k++) {
            token_stream_add(&s, t, ids.ids[k], &streamed);
            if (!utf8_valid(strbuf_slice(&streamed)))
                return error_set(err, STATUS_INVALID, "half a character was streamed");
        }
        token_stream_end(&s, &streamed);
        bool broken = slice_find(strbuf_slice(&whole), SLICE("\xef\xbf\xbd"), 0) != SIZE_MAX; /* see token_stream */
        if (!broken && !slice_equal(strbuf_slice(&whole), strbuf_slice(&streamed)))
            return error_set(err, STATUS_INVALID, "streamed text differs: \"%s\", \"%s\"", whole.text, streamed.text);
        print_line(json_stringn(whole.text ? whole.text : "", whole.length));
    }
    return STATUS_OK;
}

static status run_chat(arena *a, char **words, error *err)
{
    checkpoint *c;
    chat_format *format;
    json_t *lines;
    TRY(checkpoint_open(a, words[0], &c, err));
    TRY(chat_format_open(a, c->name, &c->chat, c->tokenizer, NULL, &format, err));
    TRY(read_lines(a, words[1], &lines, err));
    for (size_t i = 0; i < json_array_size(lines); i++) {
        const json_t *line = json_array_get(lines, i);
        token_list ids = {.arena = a};
        jinja_output prompt;
        chat_turn *turns = ARENA_ARRAY(a, chat_turn, json_array_size(line) + 1);
        for (size_t k = 0; k < json_array_size(line); k++) {
            const json_t *turn = json_array_get(line, k);
            turns[k] = (chat_turn){.role = json_string_value(json_array_get(turn, 0)),
                                   .text = string_of(json_array_get(turn, 1))};
        }
        TRY(chat_render(format, a, turns, json_array_size(line), CHAT_ANSWER, NULL, &prompt, err));
        TRY(chat_tokens(format, &prompt, (slice){"", 0}, &ids, err));
        print_line(ids_json(&ids));
    }
    return STATUS_OK;
}

static status logits_of(const checkpoint *c, const json_t *line, file_writer *out, error *err)
{
    arena *a = arena_new(NULL);
    size_t count = json_array_size(line), weights = lm_weight_count(&c->config);
    graph *g = graph_new(a);
    transformer t;
    plan *p = NULL;
    int32_t *ids = ARENA_ARRAY(a, int32_t, count), *positions = ARENA_ARRAY(a, int32_t, count);
    int32_t *starts = ARENA_ARRAY(a, int32_t, count);
    status result = transformer_build(a, g, &c->config, transformer_types_all(TYPE_F32), (int64_t)count, &t, err);
    node *logits = result == STATUS_OK ? transformer_logits(&t, t.hidden) : NULL;
    if (result == STATUS_OK)
        result = plan_new(g, &logits, 1, NULL, &p, err);
    for (size_t i = 0; result == STATUS_OK && i < weights; i++) {
        float *values = ARENA_ARRAY(a, float, (size_t)lm_tensor_elements(&c->weights[i]));
        result = lm_tensor_to_f32(&c->weights[i], values, err);
        plan_bind(p, t.weights[i], values);
    }
    for (size_t i = 0; i < count; i++) {
        ids[i] = (int32_t)json_integer_value(json_array_get(line, i));
        positions[i] = (int32_t)i;
    }
    if (result == STATUS_OK) {
        plan_bind(p, t.tokens, ids);
        plan_bind(p, t.positions, positions);
        plan_bind(p, t.starts, starts);
        result = plan_run(p, NULL, err);
    }
    if (result == STATUS_OK)
        file_writer_add(out, plan_output(p, 0), count * (size_t)c->config.vocabulary * sizeof(float));
    plan_free(p);
    arena_free(a);
    return result;
}

static status run_logits(arena *a, char **words, error *err)
{
    checkpoint *c;
    json_t *lines;
    file_writer out;
    TRY(checkpoint_open(a, words[0], &c, err));
    TRY(read_lines(a, words[1], &lines, err));
    TRY(file_writer_open(&out, words[2], err));
    for (size_t i = 0; i < json_array_size(lines); i++) {
        status result = logits_of(c, json_array_get(lines, i), &out, err);
        if (result != STATUS_OK) {
            file_writer_abandon(&out);
            return result;
        }
    }
    return file_writer_commit(&out, err);
}

static status run_greedy(arena *a, char **words, error *err)
{
    checkpoint *c;
    json_t *lines;
    engine *e;
    int64_t tokens;
    if (!slice_to_int(slice_of(words[2]), &tokens) || tokens < 1 || tokens > 1 << 20)
        return error_set(err, STATUS_USAGE, "the number of tokens \"%s\" is not one", words[2]);
    TRY(checkpoint_open(a, words[0], &c, err));
    TRY(read_lines(a, words[1], &lines, err));
    TRY(engine_new(c, &(engine_options){.sequences = 8, .compute = TYPE_F32}, NULL, &e, err));
    size_t count = json_array_size(lines);
    engine_request *requests = ARENA_ARRAY(a, engine_request, count + 1);
    engine_result *results = ARENA_ARRAY(a, engine_result, count + 1);
    for (size_t i = 0; i < count; i++) {
        const json_t *line = json_array_get(lines, i);
        int32_t *ids = ARENA_ARRAY(a, int32_t, json_array_size(line) + 1);
        for (size_t k = 0; k < json_array_size(line); k++)
            ids[k] = (int32_t)json_integer_value(json_array_get(line, k));
        requests[i] = (engine_request){.prompt = ids, .prompt_count = json_array_size(line), .max_tokens = (int)tokens};
    }
    status result = engine_generate(e, a, requests, results, count, err);
    for (size_t i = 0; i < count && result == STATUS_OK; i++) {
        if (results[i].code != STATUS_OK)
            result = error_set(err, results[i].code, "line %zu: %s", i + 1, results[i].problem);
        else
            print_line(ids_json(&(token_list){.ids = (int32_t *)(uintptr_t)results[i].ids, .count = results[i].count}));
    }
    engine_free(e);
    return result;
}

static status score_line(subject *s, arena *a, const json_t *line, error *err)
{
    const json_t *talk = json_object_get(line, "messages"), *list = json_object_get(line, "continuations");
    size_t count = json_array_size(talk), answers = json_array_size(list);
    message *messages = ARENA_ARRAY(a, message, count + 1);
    const char **continuations = ARENA_ARRAY(a, const char *, answers + 1);
    for (size_t i = 0; i < count; i++) {
        const json_t *turn = json_array_get(talk, i);
        bool user = strcmp(json_string_value(json_array_get(turn, 0)), "user") == 0;
        messages[i] = message_text(a, user ? MESSAGE_USER : MESSAGE_ASSISTANT, json_string_value(json_array_get(turn, 1)));
    }
    for (size_t i = 0; i < answers; i++)
        continuations[i] = json_string_value(json_array_get(list, i));
    score_request q = {.messages = messages, .count = count, .continuations = continuations, .continuation_count = answers, .position = -1};
    const score_request *one = &q;
    score_reply reply = {0};
    TRY(s->class->score(s, a, &one, &reply, 1, err));
    if (reply.code != STATUS_OK)
        return error_set(err, reply.code, "%s", reply.problem);
    json_t *out = json_array();
    for (size_t i = 0; i < answers; i++)
        json_array_append_new(out, json_real(reply.logprobs[i]));
    print_line(out);
    return STATUS_OK;
}

static status run_score(arena *a, char **words, error *err)
{
    subject *s;
    json_t *lines;
    TRY(read_lines(a, words[1], &lines, err));
    TRY(subject_open(a, words[0], &(subject_options){.threads = 2}, &s, err));
    status result = STATUS_OK;
    for (size_t i = 0; result == STATUS_OK && i < json_array_size(lines); i++)
        result = score_line(s, a, json_array_get(lines, i), err);
    subject_close(s);
    return result;
}

/* Weights larger than fresh ones, so that a comparison of logits sees every part of the model. */
static status run_make(arena *a, char **words, error *err)
{
    tokenizer *t;
    TRY(tokenizer_read(a, words[0], &t, err));
    lm_config c = lm_config_base((int)tokenizer_size(t));
    if (strcmp(words[1], "base") != 0) {
        c.hidden = 48, c.heads = 6, c.kv_heads = 2, c.head_size = 16, c.intermediate = 100, c.layers = 3, c.context = 256;
        c.rope_theta = 500000, c.type = TYPE_F32, c.tied = strcmp(words[1], "untied") != 0;
    }
    c.init_range = 0.08;
    float **values = ARENA_ARRAY(a, float *, lm_weight_count(&c));
    for (size_t i = 0; i < lm_weight_count(&c); i++) {
        lm_weight w = lm_weight_at(&c, i);
        values[i] = ARENA_ARRAY(a, float, (size_t)w.count);
        lm_weight_fresh(&c, i, 11, values[i]);
        random_stream r = random_stream_at(11, "bench/norm", i, 0, 0, 0);
        for (int64_t k = 0; w.role == LM_WEIGHT_NORM && k < w.count; k++)
            values[i][k] = 1 + 0.2f * (float)random_normal(&r);
    }
    return checkpoint_save(words[2], &c, t, (const float *const *)values, err);
}

static const struct {
    const char *name;
    int words;
    status (*run)(arena *a, char **words, error *err);
} verbs[] = {
    {"train", 3, run_train},
    {"encode", 2, run_encode},
    {"decode", 2, run_decode},
    {"chat", 2, run_chat},
    {"logits", 3, run_logits},
    {"greedy", 3, run_greedy},
    {"score", 2, run_score},
    {"make", 3, run_make},
};

int main(int count, char **words)
{
    error err = {0};
    arena *a = arena_new(NULL);
    status result = error_set(&err, STATUS_USAGE, "usage: see the head of bench/peer.c");
    for (size_t i = 0; i < COUNT_OF(verbs) && count > 1; i++)
        if (strcmp(verbs[i].name, words[1]) == 0 && count >= verbs[i].words + 2 && count <= verbs[i].words + 3)
            result = verbs[i].run(a, words + 2, &err);
    if (result != STATUS_OK)
        fprintf(stderr, "bench_peer: %s\n", err.message);
    arena_free(a);
    return status_exit_code(result);
}
