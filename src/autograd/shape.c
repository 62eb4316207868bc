/* shape.c - extents and their products. */
#include "autograd/shape.h"

#include <stdio.h>

#include "core/thread_local.h"

#define TEXT_BUFFERS 8
#define TEXT_BYTES (HIDI_MAX_RANK * 22 + 3) /* 20 digits and ", " each, and brackets */

static hidi_shape shape_of(int rank, size_t a, size_t b, size_t c, size_t d)
{
    hidi_shape shape;

    shape.rank = rank;
    shape.dim[0] = a;
    shape.dim[1] = b;
    shape.dim[2] = c;
    shape.dim[3] = d;
    return shape;
}

hidi_shape hidi_shape0(void)
{
    return shape_of(0, 1, 1, 1, 1);
}

hidi_shape hidi_shape1(size_t a)
{
    return shape_of(1, a, 1, 1, 1);
}

hidi_shape hidi_shape2(size_t a, size_t b)
{
    return shape_of(2, a, b, 1, 1);
}

hidi_shape hidi_shape3(size_t a, size_t b, size_t c)
{
    return shape_of(3, a, b, c, 1);
}

hidi_shape hidi_shape4(size_t a, size_t b, size_t c, size_t d)
{
    return shape_of(4, a, b, c, d);
}

size_t hidi_count(hidi_shape shape)
{
    return hidi_rows(shape) * hidi_columns(shape);
}

size_t hidi_rows(hidi_shape shape)
{
    size_t rows = 1;

    for (int i = 0; i + 1 < shape.rank; i++)
        rows *= shape.dim[i];
    return rows;
}

size_t hidi_columns(hidi_shape shape)
{
    return shape.rank > 0 ? shape.dim[shape.rank - 1] : 1;
}

bool hidi_same_shape(hidi_shape a, hidi_shape b)
{
    if (a.rank != b.rank)
        return false;
    for (int i = 0; i < a.rank; i++) {
        if (a.dim[i] != b.dim[i])
            return false;
    }
    return true;
}

const char *hidi_shape_text(hidi_shape shape)
{
    static HIDI_THREAD_LOCAL char texts[TEXT_BUFFERS][TEXT_BYTES];
    static HIDI_THREAD_LOCAL unsigned next;
    char *text = texts[next++ % TEXT_BUFFERS];
    int length = snprintf(text, TEXT_BYTES, "[");

    for (int i = 0; i < shape.rank; i++)
        length += snprintf(text + length, TEXT_BYTES - (size_t)length, "%s%zu", i ? ", " : "",
                           shape.dim[i]);
    snprintf(text + length, TEXT_BYTES - (size_t)length, "]");
    return text;
}
