/* Answers that must have a form: they always do, and what cannot be built is refused by name. */
#include "lm/engine_fixture.h"

#include "core/jsonio.h"

static json_t *parsed(const char *text)
{
    json_t *v;
    error err = {0};
    if (jsonio_parse(slice_of(text), "test", &v, &err) != STATUS_OK)
        fail_msg("%s: %s", text, err.message);
    return v;
}

/* ---- a checker of its own: whether a value fits a schema ---- */

static bool fits(const json_t *root, const json_t *schema, const json_t *v);

static size_t characters(const char *text)
{
    size_t n = 0;
    for (slice s = slice_of(text), *p = &s; p;) {
        size_t at = 0;
        while (at < s.length) {
            utf8_next(s, &at);
            n++;
        }
        p = NULL;
    }
    return n;
}

static bool in_bounds(const json_t *schema, const char *least, const char *most, size_t n)
{
    const json_t *low = json_object_get(schema, least), *high = json_object_get(schema, most);
    return (!low || n >= (size_t)json_integer_value(low)) && (!high || n <= (size_t)json_integer_value(high));
}

static bool fits_object(const json_t *root, const json_t *schema, const json_t *v)
{
    const char *key;
    json_t *member;
    size_t i;
    json_array_foreach(json_object_get(schema, "required"), i, member)
        if (!json_object_get(v, json_string_value(member)))
            return false;
    json_object_foreach((json_t *)(uintptr_t)v, key, member) {
        const json_t *p = json_object_get(json_object_get(schema, "properties"), key);
        if (!p || !fits(root, p, member))
            return false;
    }
    return true;
}

static bool fits_type(const json_t *root, const json_t *schema, const char *type, const json_t *v)
{
    size_t i;
    json_t *item;
    if (strcmp(type, "object") == 0)
        return json_is_object(v) && fits_object(root, schema, v);
    if (strcmp(type, "array") == 0) {
        json_array_foreach((json_t *)(uintptr_t)v, i, item)
            if (!fits(root, json_object_get(schema, "items"), item))
                return false;
        return json_is_array(v) && in_bounds(schema, "minItems", "maxItems", json_array_size(v));
    }
    if (strcmp(type, "string") == 0)
        return json_is_string(v) && in_bounds(schema, "minLength", "maxLength", characters(json_string_value(v)));
    return strcmp(type, "number") == 0    ? json_is_number(v)
           : strcmp(type, "integer") == 0 ? json_is_integer(v)
           : strcmp(type, "boolean") == 0 ? json_is_boolean(v)
                                          : json_is_null(v);
}

static bool fits(const json_t *root, const json_t *schema, const json_t *v)
{
    size_t i;
    json_t *each;
    bool some = false;
    const char *reference = json_string_value(json_object_get(schema, "$ref"));
    if (reference && strcmp(reference, "#") == 0)
        return fits(root, root, v);
    if (reference)
        return fits(root, json_object_get(json_object_get(root, "$defs"), reference + strlen("#/$defs/")), v);
    if (json_object_get(schema, "const") && !json_equal(json_object_get(schema, "const"), v))
        return false;
    json_array_foreach(json_object_get(schema, "enum"), i, each)
        some = some || json_equal(each, v);
    json_array_foreach(json_object_get(schema, "anyOf"), i, each)
        some = some || fits(root, each, v);
    if ((json_object_get(schema, "enum") || json_object_get(schema, "anyOf")) && !some)
        return false;
    const json_t *type = json_object_get(schema, "type");
    if (json_is_string(type))
        return fits_type(root, schema, json_string_value(type), v);
    bool any = !type;
    json_array_foreach(type, i, each)
        any = any || fits_type(root, schema, json_string_value(each), v);
    return any;
}

#define TREE                                                                                                       \
    "{\"$ref\":\"#/$defs/t\",\"$defs\":{\"t\":{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"},"                  \
    "\"l\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/t\"}},\"next\":{\"anyOf\":[{\"type\":\"null\"},{\"$ref\":\"#/$defs/t\"}]}}," \
    "\"required\":[\"n\"]}}}"

static const char *const schemas[] = {
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"maxLength\":8},\"age\":{\"type\":\"integer\"},"
    "\"well\":{\"type\":\"boolean\"}},\"required\":[\"name\",\"well\"],\"additionalProperties\":false}",
    "{\"type\":\"array\",\"items\":{\"type\":\"number\"},\"minItems\":2,\"maxItems\":3}",
    "{\"type\":\"array\",\"items\":{\"enum\":[\"a\\\"b\",\"\\u00e9\",1.5,null,[1,{\"x\":2}]]},\"maxItems\":4,\"minItems\":1}",
    "{\"anyOf\":[{\"type\":\"null\"},{\"const\":\"yes\"},{\"type\":\"string\",\"minLength\":3,\"maxLength\":5}],\"title\":\"t\"}",
    "{\"type\":[\"integer\",\"boolean\"]}",
    "{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#/$defs/p\"},\"b\":{\"$ref\":\"#/$defs/p\"}},\"required\":[\"b\"],"
    "\"$defs\":{\"p\":{\"type\":\"object\",\"properties\":{\"x\":{\"type\":\"integer\"},\"y\":{\"type\":\"null\"}}}}}",
    "{\"type\":\"object\"}",
    "{\"type\":\"string\"}",
    "{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":{\"type\":\"boolean\"}}}",
    TREE,
    "{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"array\",\"items\":{\"$ref\":\"#\"},\"minItems\":1,\"maxItems\":3}]}",
    "{\"type\":\"array\",\"items\":{\"type\":\"null\"},\"minItems\":3}",
};

static const constraint_vocabulary *words_of(engine *e)
{
    const constraint_vocabulary *v;
    assert_int_equal(engine_vocabulary(e, &v, NULL), STATUS_OK);
    return v;
}

static constraint *form_of(engine *e, const json_t *schema)
{
    constraint *c;
    error err = {0};
    if (constraint_json(memory, words_of(e), schema, &c, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return c;
}

/* Many draws at many lengths, down to the shortest that there can be. */
static void every_answer_fits_its_schema(void **state)
{
    (void)state;
    enum { DRAWS = 24 };
    engine *e = make_engine(NULL, two);
    engine_request *base = make_requests();
    for (size_t i = 0; i < COUNT_OF(schemas); i++) {
        json_t *schema = parsed(schemas[i]);
        constraint *c = form_of(e, schema);
        int shortest = (int)constraint_shortest(c, CONSTRAINT_START);
        engine_request asks[DRAWS];
        engine_result results[DRAWS], alone;
        for (size_t k = 0; k < DRAWS; k++) {
            asks[k] = base[k + 1];
            asks[k].constraint = c;
            asks[k].prompt_count = asks[k].prompt_count < 20 ? asks[k].prompt_count : 20;
            asks[k].max_tokens = shortest + (int)(k % 4) * (int)k;
            asks[k].rule = (sampler_rule){k % 5 ? 0.3 * (double)(k % 7) : 0, k % 3 ? 1 : 0.9, 0};
        }
        generate(e, asks, results, DRAWS);
        for (size_t k = 0; k < DRAWS; k++) {
            if (results[k].code != STATUS_OK)
                fail_msg("%s", results[k].problem);
            json_t *v = parsed(results[k].text);
            if (!fits(schema, schema, v))
                fail_msg("%s does not fit %s", results[k].text, schemas[i]);
            assert_int_equal(results[k].reason, ENGINE_STOP_END);
            json_decref(v);
        }
        generate(e, &asks[DRAWS - 1], &alone, 1);
        same_bits(&alone, &results[DRAWS - 1]);
        asks[0].max_tokens = shortest - 1;
        generate(e, asks, &alone, 1);
        assert_int_equal(alone.code, STATUS_INVALID);
        json_decref(schema);
    }
    engine_free(e);
}

static void choices_are_kept_to(void **state)
{
    (void)state;
    engine *e = make_engine(NULL, NULL);
    engine_request *base = make_requests();
    const slice choices[] = {SLICE("Ada"), SLICE("Adam"), SLICE("bread and \xc3\xa9"), SLICE("12")};
    constraint *c;
    size_t seen[COUNT_OF(choices)] = {0};
    assert_int_equal(constraint_choice(memory, words_of(e), choices, COUNT_OF(choices), &c, NULL), STATUS_OK);
    engine_result results[REQUESTS];
    for (size_t i = 0; i < REQUESTS; i++) {
        base[i].constraint = c;
        base[i].max_tokens = 20;
        base[i].rule = (sampler_rule){i % 8 ? 2 : 0, 1, 0};
    }
    generate(e, base, results, REQUESTS);
    for (size_t i = 0; i < REQUESTS; i++) {
        size_t k = 0;
        while (k < COUNT_OF(choices) && !slice_is(choices[k], results[i].text))
            k++;
        if (k == COUNT_OF(choices))
            fail_msg("%s is no choice", results[i].text);
        assert_int_equal(results[i].reason, ENGINE_STOP_END);
        seen[k]++;
    }
    assert_true(seen[0] + seen[1] > 0 && seen[2] > 0 && seen[3] > 0);
    error err = {0};
    assert_int_equal(constraint_choice(memory, words_of(e), &(slice){"", 0}, 1, &c, &err), STATUS_INVALID);
    assert_int_equal(constraint_choice(memory, words_of(e), NULL, 0, &c, &err), STATUS_INVALID);
    engine_free(e);
}

/* The sets of tokens hold what walking token by token finds, along random answers. */
static void sets_of_tokens_are_those_found_one_by_one(void **state)
{
    (void)state;
    engine *e = make_engine(NULL, NULL);
    random_stream r = random_stream_at(3, "test/masks", 0, 0, 0, 0);
    size_t vocabulary = (size_t)model->config.vocabulary, checked = 0;
    for (size_t i = 0; i < COUNT_OF(schemas); i++) {
        json_t *schema = parsed(schemas[i]);
        constraint *c = form_of(e, schema);
        uint64_t *scratch = ARENA_ARRAY(memory, uint64_t, constraint_mask_words(c));
        int32_t at = CONSTRAINT_START;
        for (size_t left = 40; left > 0 && !constraint_is_over(c, at); left--) {
            size_t some = 0, picked = 0;
            const uint64_t *mask = constraint_mask(c, at, left, scratch);
            assert_non_null(mask);
            for (size_t t = 0; t < vocabulary; t++) {
                bool end = t == (size_t)model->config.eos[0] && model->config.eos_count > 0;
                bool special = tokenizer_is_special(model->tokenizer, (int32_t)t);
                int32_t next = constraint_next(c, at, (int32_t)t);
                bool may = end ? constraint_complete(c, at)
                               : !special && next != CONSTRAINT_DEAD && constraint_shortest(c, next) < left;
                assert_int_equal(mask[t / 64] >> t % 64 & 1, may);
                if (may && !end && random_below(&r, ++some) == 0)
                    picked = t;
            }
            checked++;
            if (some == 0)
                break;
            at = constraint_next(c, at, (int32_t)picked);
        }
        json_decref(schema);
    }
    assert_true(checked > 60);
    engine_free(e);
}

static void what_is_not_built_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *schema, *word;
        status code;
    } cases[] = {
        {"{\"type\":\"string\",\"pattern\":\"a\"}", "\"pattern\"", STATUS_UNSUPPORTED},
        {"{\"type\":\"integer\",\"minimum\":3}", "\"minimum\"", STATUS_UNSUPPORTED},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"oneOf\":[]}}}", "/properties/a: the key \"oneOf\"", STATUS_UNSUPPORTED},
        {"{\"type\":\"object\",\"additionalProperties\":{\"type\":\"null\"}}", "additionalProperties", STATUS_UNSUPPORTED},
        {"{\"type\":\"object\",\"required\":[\"z\"]}", "\"z\"", STATUS_UNSUPPORTED},
        {"{\"type\":\"array\"}", "items", STATUS_UNSUPPORTED},
        {"{\"type\":\"text\"}", "\"text\"", STATUS_INVALID},
        {"{}", "expected \"type\"", STATUS_UNSUPPORTED},
        {"[]", "expected an object", STATUS_INVALID},
        {"{\"type\":\"string\",\"maxLength\":-1}", "maxLength", STATUS_INVALID},
        {"{\"type\":\"string\",\"minLength\":5,\"maxLength\":4}", "minLength is above maxLength", STATUS_INVALID},
        {"{\"type\":\"string\",\"maxLength\":1000000000}", "states", STATUS_LIMIT},
        {"{\"anyOf\":[]}", "anyOf", STATUS_INVALID},
        {"{\"enum\":[]}", "no value", STATUS_INVALID},
        {"{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"anyOf\":[{\"$ref\":\"#/$defs/a\"},{\"type\":\"null\"}]}}}", "leads to itself",
         STATUS_UNSUPPORTED},
        {"{\"$ref\":\"other.json\"}", "leads nowhere", STATUS_UNSUPPORTED},
        {"{\"anyOf\":[{\"type\":\"null\"}],\"type\":\"null\"}", "beside", STATUS_UNSUPPORTED},
    };
    engine *e = make_engine(NULL, NULL);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        json_t *schema = parsed(cases[i].schema);
        constraint *c;
        error err = {0};
        assert_int_equal(constraint_json(memory, words_of(e), schema, &c, &err), cases[i].code);
        if (!strstr(err.message, cases[i].word))
            fail_msg("\"%s\" does not hold %s", err.message, cases[i].word);
        json_decref(schema);
    }
    engine_free(e);
}

/* Whether the text has the form; byte by byte where the vocabulary has no longer tokens for it. */
static bool accepts(constraint *c, const char *text)
{
    token_list ids = {.arena = memory};
    int32_t at = CONSTRAINT_START;
    assert_int_equal(tokenizer_encode(model->tokenizer, slice_of(text), 0, &ids, NULL), STATUS_OK);
    for (size_t i = 0; i < ids.count && at != CONSTRAINT_DEAD; i++)
        at = constraint_next(c, at, ids.ids[i]);
    return at != CONSTRAINT_DEAD && constraint_complete(c, at);
}

/* `before` and `behind` around the middle, so many times. */
static const char *nested(const char *before, const char *middle, const char *behind, int times)
{
    strbuf b = strbuf_new(memory, 1 << 16);
    for (int i = 0; i < times; i++)
        strbuf_add(&b, before);
    strbuf_add(&b, middle);
    for (int i = 0; i < times; i++)
        strbuf_add(&b, behind);
    return b.text;
}

static void a_form_may_hold_itself(void **state)
{
    (void)state;
    engine *e = make_engine(NULL, NULL);
    json_t *schema = parsed(TREE), *endless = parsed("{\"type\":\"object\",\"properties\":{\"x\":{\"$ref\":\"#\"}},\"required\":[\"x\"]}");
    constraint *c = form_of(e, schema);
    error err = {0};
    assert_true(accepts(c, "{\"n\":1,\"l\":[{\"n\":2},{\"n\":3, \"l\":[]}],\"next\":{\"n\":4,\"next\":null}}"));
    assert_false(accepts(c, "{\"n\":1,\"l\":[{}]}"));
    assert_false(accepts(c, "{\"n\":1,\"l\":[,]}"));
    assert_true(accepts(c, nested("{\"n\":0,\"next\":", "null", "}", 5)));
    assert_false(accepts(c, nested("{\"n\":0,\"next\":", "null", "}", 10)));
    assert_int_equal(constraint_shortest(c, CONSTRAINT_START), strlen("{\"n\":0}"));
    assert_int_equal(constraint_json(memory, words_of(e), endless, &c, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "without an end"));
    json_decref(schema);
    json_decref(endless);
    engine_free(e);
}

/* Twelve references to two others each, and at the end one that is never written: refused in time. */
static void many_ways_to_nothing_are_refused(void **state)
{
    (void)state;
    engine *e = make_engine(NULL, NULL);
    strbuf b = strbuf_new(memory, 1 << 16);
    constraint *c;
    strbuf_add(&b, "{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"type\":\"object\",\"properties\":{\"x\":{\"$ref\":\"#/$defs/b0\"}}}");
    for (int i = 0; i < 12; i++)
        strbuf_printf(&b, ",\"b%d\":{\"anyOf\":[{\"$ref\":\"#/$defs/b%d\"},{\"$ref\":\"#/$defs/b%d\"}]}", i, i + 1, i + 1);
    strbuf_add(&b, ",\"b12\":{\"$ref\":\"#/$defs/a\"}}}");
    json_t *schema = parsed(b.text);
    error err = {0};
    if (constraint_json(memory, words_of(e), schema, &c, &err) != STATUS_LIMIT)
        fail_msg("%s", err.message);
    json_decref(schema);
    engine_free(e);
}

static void any_object_is_json(void **state)
{
    (void)state;
    enum { DRAWS = 32 };
    engine *e = make_engine(NULL, two);
    engine_request *asks = make_requests();
    engine_result results[DRAWS];
    constraint *c;
    size_t members = 0;
    assert_int_equal(constraint_json_object(memory, words_of(e), &c, NULL), STATUS_OK);
    for (size_t k = 0; k < DRAWS; k++) {
        asks[k].constraint = c;
        asks[k].max_tokens = 2 + (int)(4 * k);
        asks[k].rule = (sampler_rule){k % 5 ? 0.3 * (double)(k % 7) : 0, 1, 0};
        asks[k].prompt_count = asks[k].prompt_count < 20 ? asks[k].prompt_count : 20;
    }
    generate(e, asks, results, DRAWS);
    for (size_t k = 0; k < DRAWS; k++) {
        if (results[k].code != STATUS_OK)
            fail_msg("%s", results[k].problem);
        json_error_t why;
        json_t *v = json_loads(results[k].text, JSON_ALLOW_NUL, &why); /* a name may come twice */
        if (!json_is_object(v))
            fail_msg("%s: %s", results[k].text, why.text);
        assert_int_equal(results[k].reason, ENGINE_STOP_END);
        members += json_object_size(v);
        json_decref(v);
    }
    assert_true(members > 0);
    static const char *const good[] = {"{}", "{\"a\":-1.5e3, \"a\":[true,{\"b\":null},[[]],\"\\n\xc3\xa9\"],\"\":{}}", "{\"x\": 0}"};
    static const char *const bad[] = {"[]", "1", "{\"a\"}", "{\"a\":1,}", "{,}", "{\"a\":[1,]}", "{\"a\":01}", "{}{}", "{\"a\":[}", "{\"a\":{]}"};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(accepts(c, good[i]));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (accepts(c, bad[i]))
            fail_msg("%s", bad[i]);
    assert_true(accepts(c, nested("{\"a\":", "1", "}", 8)));
    assert_true(accepts(c, nested("{\"a\":[", "1", "]}", 4)));
    assert_false(accepts(c, nested("{\"a\":", "1", "}", 10)));
    engine_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answer_fits_its_schema),
        cmocka_unit_test(choices_are_kept_to),
        cmocka_unit_test(sets_of_tokens_are_those_found_one_by_one),
        cmocka_unit_test(what_is_not_built_is_refused_by_name),
        cmocka_unit_test(a_form_may_hold_itself),
        cmocka_unit_test(many_ways_to_nothing_are_refused),
        cmocka_unit_test(any_object_is_json),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
