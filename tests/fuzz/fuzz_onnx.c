/* Any bytes are a network that can be built for an input of its shape, or are refused with a message. */
#include "nn/onnx.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    arena *a = arena_new(NULL);
    onnx_model *m;
    error err = {0};
    node *y;
    status s = onnx_parse(a, (slice){(const char *)bytes, length}, "fuzz.onnx", &m, &err);
    if (s == STATUS_OK) {
        shape given = m->input_shape;
        for (int i = 0; i < given.rank; i++)
            given.size[i] = given.size[i] < 1 || given.size[i] > 64 ? 2 : given.size[i];
        s = onnx_build(m, graph_input(graph_new(a), "x", TYPE_F32, given), &y, &err);
    }
    if (s != STATUS_OK && !err.message[0])
        BUG("refused without a word");
    arena_free(a);
    return 0;
}
