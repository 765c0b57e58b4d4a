/* ONNX operations that move elements, and those that compute with shapes. */
#include "nn/onnx_build.h"

#include <string.h>

static status give_numbers(const onnx_builder *b, const int64_t *list, size_t count, bool single, onnx_value *out)
{
    int64_t *copy = onnx_numbers(b, count);
    if (!copy)
        return b->err->code;
    if (count)
        memcpy(copy, list, count * sizeof *copy);
    *out = (onnx_value){.numbers = copy, .count = count, .single = single};
    return STATUS_OK;
}

/* One attribute says what it is: a tensor, or numbers of a type. */
status onnx_constant(onnx_builder *b, const onnx_value *in, size_t count, onnx_value *out)
{
    (void)in, (void)count;
    const onnx_attribute *a;
    if ((a = onnx_attribute_of(b, "value")) && a->tensor.type) {
        const onnx_tensor *t = &a->tensor;
        if (t->type != ONNX_FLOAT)
            return t->shape.rank > 1 ? onnx_refuse(b, NULL, "integers along one axis")
                                     : give_numbers(b, t->integers, (size_t)shape_count(t->shape), t->shape.rank == 0, out);
        out->node = graph_constant(b->graph, TYPE_F32, t->shape, t->floats);
    } else if ((a = onnx_attribute_of(b, "value_float"))) {
        out->node = graph_scalar(b->graph, TYPE_F32, (double)a->number);
    } else if ((a = onnx_attribute_of(b, "value_floats"))) {
        out->node = graph_constant(b->graph, TYPE_F32, SHAPE((int64_t)a->float_count), a->floats);
    } else if ((a = onnx_attribute_of(b, "value_int"))) {
        return give_numbers(b, &a->integer, 1, true, out);
    } else if ((a = onnx_attribute_of(b, "value_ints"))) {
        return give_numbers(b, a->integers, a->count, false, out);
    } else {
        return onnx_refuse(b, NULL, "a dense tensor, or numbers");
    }
    return STATUS_OK;
}

status onnx_shape_of(onnx_builder *b, const onnx_value *in, size_t count, onnx_value *out)
{
    (void)count;
    int64_t sizes = (int64_t)in[0].count;
    const shape *s = in[0].node ? &in[0].node->shape : NULL;
    int64_t rank = s ? s->rank : !in[0].single, from = onnx_whole(b, "start", 0), to = onnx_whole(b, "end", rank);
    from += from < 0 ? rank : 0, to += to < 0 ? rank : 0;
    from = from < 0 ? 0 : from > rank ? rank : from, to = to < from ? from : to > rank ? rank : to;
    return give_numbers(b, (s ? s->size : &sizes) + from, (size_t)(to - from), false, out);
}

status onnx_reshape(onnx_builder *b, const onnx_value *in, size_t count, onnx_value *out)
{
    (void)count;
    node *x = in[0].node;
    if (!in[1].numbers || in[1].single || in[1].count > RANK_MAX)
        return onnx_refuse(b, x, "a new shape that is known beforehand");
    shape s = {.rank = (int)in[1].count};
    int64_t known = 1, elements = shape_count(x->shape);
    int open = -1;
    bool zeros = onnx_whole(b, "allowzero", 0) != 0;
    for (int i = 0; i < s.rank; i++) {
        s.size[i] = in[1].numbers[i] == 0 && !zeros && i < x->shape.rank ? x->shape.size[i] : in[1].numbers[i];
        if (s.size[i] == -1 && open < 0)
            open = i;
        else if (s.size[i] < 1 || known > elements / s.size[i])
            return onnx_refuse(b, x, "a new shape of as many elements");
        else
            known *= s.size[i];
    }
    if (open >= 0)
        s.size[open] = elements / known;
    if ((open >= 0 ? known * s.size[open] : known) != elements)
        return onnx_refuse(b, x, "a new shape of as many elements");
    out->node = op_reshape(x, s);
    return STATUS_OK;
}

status onnx_flatten(onnx_builder *b, const onnx_value *in, size_t count, onnx_value *out)
{
    (void)count;
    node *x = in[0].node;
    int64_t axis = onnx_whole(b, "axis", 1), before = 1, elements = shape_count(x->shape);
    axis += axis < 0 ? x->shape.rank : 0;
    if (axis < 0 || axis > x->shape.rank || elements == 0)
        return onnx_refuse(b, x, "an axis of it to cut at");
    for (int i = 0; i < axis; i++)
        before *= x->shape.size[i];
    out->node = op_reshape(x, SHAPE(before, elements / before));
    return STATUS_OK;
}

status onnx_squeeze(onnx_builder *b, const onnx_value *in, size_t count, onnx_value *out)
{
    const int64_t *list;
    size_t length;
    TRY(onnx_list(b, in, count, 1, "axes", &list, &length));
    if (in[0].numbers) {
        if (in[0].count != 1)
            return onnx_refuse(b, NULL, "one number");
        return give_numbers(b, in[0].numbers, 1, true, out);
    }
    node *x = in[0].node;
    bool gone[RANK_MAX] = {false};
    for (int i = 0; i < x->shape.rank && !list; i++)
        gone[i] = x->shape.size[i] == 1;
    for (size_t i = 0; i < length; i++) {
        int axis;
        if (!onnx_axis(list[i], x->shape.rank, &axis) || x->shape.size[axis] != 1)
            return onnx_refuse(b, x, "axes of it of size 1");
        gone[axis] = true;
    }
    shape s = {.rank = 0};
    for (int i = 0; i < x->shape.rank; i++)
        if (!gone[i])
            s.size[s.rank++] = x->shape.size[i];
    out->node = op_reshape(x, s);
    return STATUS_OK;
}

status onnx_unsqueeze(onnx_builder *b, const onnx_value *in, size_t count, onnx_value *out)
{
    const int64_t *list;
    size_t length;
    TRY(onnx_list(b, in, count, 1, "axes", &list, &length));
    if (in[0].numbers) {
        if (!in[0].single || length != 1 || (list[0] != 0 && list[0] != -1))
            return onnx_refuse(b, NULL, "one number, and one axis for it");
        return give_numbers(b, in[0].numbers, 1, false, out);
    }
    node *x = in[0].node;
    bool fresh[RANK_MAX] = {false};
    shape s = {.rank = x->shape.rank + (int)(length < RANK_MAX ? length : RANK_MAX)};
    for (size_t i = 0; i < length; i++) {
        int axis;
        if (s.rank > RANK_MAX || !onnx_axis(list[i], s.rank, &axis) || fresh[axis])
            return onnx_refuse(b, x, "new axes, each once, among at most eight");
        fresh[axis] = true;
    }
    for (int i = 0, from = 0; i < s.rank; i++)
        s.size[i] = fresh[i] ? 1 : x->shape.size[from++];
    out->node = op_reshape(x, s);
    return STATUS_OK;
}

status onnx_transpose(onnx_builder *b, const onnx_value *in, size_t count, onnx_value *out)
{
    (void)count;
    node *x = in[0].node;
    const onnx_attribute *a = onnx_attribute_of(b, "perm");
    axes order = {.count = x->shape.rank};
    bool used[RANK_MAX] = {false};
    for (int i = 0; i < order.count; i++) {
        int64_t axis = a && a->count == (size_t)order.count ? a->integers[i] : order.count - 1 - i;
        if ((a && a->count != (size_t)order.count) || axis < 0 || axis >= order.count || used[axis])
            return onnx_refuse(b, x, "an order of all its axes");
        used[axis] = true;
        order.axis[i] = (int)axis;
    }
    out->node = op_transpose(x, order);
    return STATUS_OK;
}

static status join_numbers(onnx_builder *b, const onnx_value *in, size_t count, onnx_value *out)
{
    size_t total = 0, at = 0;
    for (size_t i = 0; i < count; i++) {
        if (!in[i].numbers || in[i].single)
            return onnx_refuse(b, in[i].node, "lists of integers");
        total += in[i].count;
    }
    int64_t *list = onnx_numbers(b, total);
    if (!list)
        return b->err->code;
    for (size_t i = 0; i < count; at += in[i].count, i++)
        if (in[i].count)
            memcpy(list + at, in[i].numbers, in[i].count * sizeof *list);
    *out = (onnx_value){.numbers = list, .count = total};
    return STATUS_OK;
}

status onnx_concat(onnx_builder *b, const onnx_value *in, size_t count, onnx_value *out)
{
    node *parts[ONNX_INPUTS];
    int axis;
    if (in[0].numbers)
        return join_numbers(b, in, count, out);
    const shape *first = &in[0].node->shape;
    if (!onnx_axis(onnx_whole(b, "axis", 1), first->rank, &axis))
        return onnx_refuse(b, in[0].node, "an axis of it");
    for (size_t i = 0; i < count; i++) {
        parts[i] = in[i].node;
        bool fits = parts[i] && parts[i]->shape.rank == first->rank;
        for (int k = 0; fits && k < first->rank; k++)
            fits = k == axis || parts[i]->shape.size[k] == first->size[k];
        if (!fits)
            return onnx_refuse(b, in[0].node, "values that differ along the axis alone");
    }
    out->node = op_concat(parts, count, axis);
    return STATUS_OK;
}

/* Places that are known beforehand: one, which loses the axis, or a list. */
status onnx_gather(onnx_builder *b, const onnx_value *in, size_t count, onnx_value *out)
{
    (void)count;
    const int64_t *at = in[1].numbers;
    int axis = 0, rank = in[0].node ? in[0].node->shape.rank : 1;
    if (!at || in[1].count > ONNX_INPUTS || !in[1].count || (in[0].numbers && in[0].single) || !onnx_axis(onnx_whole(b, "axis", 0), rank, &axis))
        return onnx_refuse(b, in[0].node, "places along an axis that are known beforehand");
    int64_t size = in[0].node ? in[0].node->shape.size[axis] : (int64_t)in[0].count, list[ONNX_INPUTS];
    node *parts[ONNX_INPUTS];
    for (size_t i = 0; i < in[1].count; i++) {
        int64_t place = at[i] < 0 ? at[i] + size : at[i];
        if (place < 0 || place >= size)
            return onnx_refuse(b, in[0].node, "places that are there");
        if (in[0].node)
            parts[i] = op_slice(in[0].node, axis, place, place + 1);
        else
            list[i] = in[0].numbers[place];
    }
    if (!in[0].node)
        return give_numbers(b, list, in[1].count, in[1].single, out);
    out->node = op_concat(parts, in[1].count, axis);
    if (!in[1].single)
        return STATUS_OK;
    shape s = {.rank = 0};
    for (int i = 0; i < rank; i++)
        if (i != axis)
            s.size[s.rank++] = in[0].node->shape.size[i];
    out->node = op_reshape(out->node, s);
    return STATUS_OK;
}

static int64_t within(int64_t at, int64_t size)
{
    at += at < 0 ? size : 0;
    return at < 0 ? 0 : at > size ? size : at;
}

status onnx_slice(onnx_builder *b, const onnx_value *in, size_t count, onnx_value *out)
{
    static const char *const names[4] = {"starts", "ends", "axes", "steps"};
    const int64_t *lists[4];
    size_t lengths[4];
    for (size_t i = 0; i < 4; i++)
        TRY(onnx_list(b, in, count, 1 + i, names[i], &lists[i], &lengths[i]));
    node *x = in[0].node;
    int rank = x ? x->shape.rank : 1;
    bool fits = lists[0] && lists[1] && lengths[0] == lengths[1] && !(in[0].numbers && (in[0].single || lengths[0] != 1));
    for (size_t i = 2; i < 4; i++)
        fits = fits && (!lists[i] || lengths[i] == lengths[0]);
    for (size_t i = 0; fits && i < lengths[0]; i++) {
        int axis;
        if ((lists[3] && lists[3][i] != 1) || !onnx_axis(lists[2] ? lists[2][i] : (int64_t)i, rank, &axis))
            return onnx_refuse(b, x, "axes of it, and steps of 1");
        int64_t size = x ? x->shape.size[axis] : (int64_t)in[0].count, from = within(lists[0][i], size), to = within(lists[1][i], size);
        if (from >= to)
            return onnx_refuse(b, x, "a part that holds something");
        if (!x)
            return give_numbers(b, in[0].numbers + from, (size_t)(to - from), false, out);
        x = op_slice(x, axis, from, to);
        if (!x)
            break;
    }
    if (!fits)
        return onnx_refuse(b, in[0].node, "as many starts as ends, axes and steps, known beforehand");
    out->node = x;
    return STATUS_OK;
}

/* Into parts of given lengths, or as many equal ones as there are outputs; with num_outputs the last may be shorter. */
status onnx_split(onnx_builder *b, const onnx_value *in, size_t count, onnx_value *out)
{
    node *x = in[0].node;
    const int64_t *list;
    size_t length, parts = b->at->output_count;
    int axis;
    TRY(onnx_list(b, in, count, 1, "split", &list, &length));
    if (!onnx_axis(onnx_whole(b, "axis", 0), x->shape.rank, &axis))
        return onnx_refuse(b, x, "an axis of it");
    int64_t size = x->shape.size[axis], equal = (size + (int64_t)parts - 1) / (int64_t)parts, from = 0;
    if ((list && length != parts) || (!list && size % (int64_t)parts != 0 && !onnx_attribute_of(b, "num_outputs")))
        return onnx_refuse(b, x, "a length for each output, or parts of one length");
    for (size_t i = 0; i < parts; i++) {
        int64_t part = list ? list[i] : equal < size - from ? equal : size - from;
        if (part < 1 || part > size - from || (i + 1 == parts && part != size - from))
            return onnx_refuse(b, x, "lengths of at least 1 that sum to the axis's");
        out[i].node = op_slice(x, axis, from, from + part);
        from += part;
    }
    return STATUS_OK;
}
