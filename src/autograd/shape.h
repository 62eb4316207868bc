/* shape.h - the extents of a dense, row-major tensor of rank 0 to 4. */
#ifndef HIDI_AUTOGRAD_SHAPE_H
#define HIDI_AUTOGRAD_SHAPE_H

#include <stdbool.h>
#include <stddef.h>

#define HIDI_MAX_RANK 4

typedef struct hidi_shape {
    int rank;
    size_t dim[HIDI_MAX_RANK]; /* dim[rank - 1] varies fastest; unused ones are 1 */
} hidi_shape;

hidi_shape hidi_shape0(void); /* a scalar */
hidi_shape hidi_shape1(size_t a);
hidi_shape hidi_shape2(size_t a, size_t b);
hidi_shape hidi_shape3(size_t a, size_t b, size_t c);
hidi_shape hidi_shape4(size_t a, size_t b, size_t c, size_t d);

size_t hidi_count(hidi_shape shape);             /* number of elements                   */
size_t hidi_rows(hidi_shape shape);              /* elements / last extent               */
size_t hidi_columns(hidi_shape shape);           /* last extent; 1 for a scalar          */
bool hidi_same_shape(hidi_shape a, hidi_shape b);

/* "[64, 16, 128]" into one of eight buffers of the calling thread, used in turn: for messages. */
const char *hidi_shape_text(hidi_shape shape);

#endif
