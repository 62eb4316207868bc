/* strided.h - arrays that are not in row-major order, brought into it.  Private to io/. */
#ifndef HIDI_IO_STRIDED_H
#define HIDI_IO_STRIDED_H

#include <stddef.h>

/* out[i, j, ...] (row-major) = in[i stride[0] + j stride[1] + ...]; elements of `width` bytes, dims
 * and strides in elements.  `out` and `in` do not overlap. */
void hidi_strided_copy(unsigned char *out, const unsigned char *in, size_t width, int rank,
                       const size_t *dim, const size_t *stride);

#endif
