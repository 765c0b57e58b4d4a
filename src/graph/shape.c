#include "graph/rules.h"

#include <stdio.h>

int64_t shape_count(shape s)
{
    int64_t n = 1;
    for (int i = 0; i < s.rank; i++)
        n *= s.size[i];
    return n;
}

bool shape_countable(shape s)
{
    const int64_t most = (int64_t)1 << 48;
    int64_t n = 1;
    for (int i = 0; i < s.rank; i++) {
        if (s.size[i] < 0 || (s.size[i] && n > most / s.size[i]))
            return false;
        n *= s.size[i] ? s.size[i] : 1; /* the others count where one is 0, for whoever leaves that axis out */
    }
    return true;
}

bool shape_equal(shape a, shape b)
{
    return a.rank == b.rank && (a.rank == 0 || memcmp(a.size, b.size, (size_t)a.rank * sizeof a.size[0]) == 0);
}

const char *shape_text(shape s, char text[128])
{
    size_t n = (size_t)snprintf(text, 128, "[");
    for (int i = 0; i < s.rank && n < 128; i++)
        n += (size_t)snprintf(text + n, 128 - n, "%s%lld", i ? ", " : "", (long long)s.size[i]);
    if (n < 127)
        snprintf(text + n, 128 - n, "]");
    return text;
}

int64_t shape_last(shape s)
{
    if (s.rank == 0)
        BUG("a scalar has no last axis");
    return s.size[s.rank - 1];
}

shape shape_without_last(shape s)
{
    return shape_remove(s, s.rank - 1);
}

shape shape_with_last(shape s, int64_t size)
{
    if (s.rank == 0)
        BUG("a scalar has no last axis");
    s.size[s.rank - 1] = size;
    return s;
}

shape shape_insert(shape s, int axis, int64_t size)
{
    if (s.rank >= RANK_MAX || axis < 0 || axis > s.rank)
        BUG("cannot add axis %d to a shape of rank %d", axis, s.rank);
    for (int i = s.rank; i > axis; i--)
        s.size[i] = s.size[i - 1];
    s.size[axis] = size;
    s.rank++;
    return s;
}

shape shape_remove(shape s, int axis)
{
    if (axis < 0 || axis >= s.rank)
        BUG("a shape of rank %d has no axis %d", s.rank, axis);
    for (int i = axis; i + 1 < s.rank; i++)
        s.size[i] = s.size[i + 1];
    s.size[--s.rank] = 0;
    return s;
}

element_type wide_type(element_type type)
{
    return type == TYPE_BF16 ? TYPE_F32 : type;
}
