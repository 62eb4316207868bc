/* fuzz_npy.c - the header of an array, which an archive's checksum keeps the fuzzer from */
#include "fuzz.h"

#include "io/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hidi_npy npy;
    size_t length, count;

    if (size >= HIDI_NPY_PREFIX && hidi_npy_length(data, "in", &length) == HIDI_OK &&
        length >= HIDI_NPY_PREFIX && length <= size) {
        uint8_t *header = malloc(length); /* so that nothing beyond is touched unseen */

        memcpy(header, data, length);
        if (hidi_npy_parse(&npy, header, length, "in") == HIDI_OK && npy.readable)
            (void)hidi_count_elements("in", npy.dtype, npy.rank, npy.dim, &count);
        free(header);
    }
    return 0;
}
