/* strided.c - a copy of in[i stride[0] + j stride[1] + ...], row by row, without multiplying: the
 * indices count up like digits. */
#include "io/strided.h"

#include <string.h>

#include "io/tensor_file.h"

void hidi_strided_copy(unsigned char *out, const unsigned char *in, size_t width, int rank,
                       const size_t *dim, const size_t *stride)
{
    size_t index[HIDI_FILE_MAX_RANK] = { 0 };
    const int last = rank - 1;

    for (int k = 0; k < rank; k++)
        if (dim[k] == 0)
            return;
    if (rank == 0) {
        memcpy(out, in, width);
        return;
    }
    for (;;) {
        if (stride[last] == 1)
            memcpy(out, in, dim[last] * width);
        else
            for (size_t i = 0; i < dim[last]; i++)
                memcpy(out + i * width, in + i * stride[last] * width, width);
        out += dim[last] * width;

        int k = last - 1; /* the next row: the dims before the last count up like digits */
        for (; k >= 0 && ++index[k] == dim[k]; k--) {
            in -= (dim[k] - 1) * stride[k] * width;
            index[k] = 0;
        }
        if (k < 0)
            return;
        in += stride[k] * width;
    }
}
