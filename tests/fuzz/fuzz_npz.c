/* fuzz_npz.c - hidi_npz_read, and reading by rows */
#include "fuzz.h"

#include "io/npz.h"

/* All of an array at once, if it is small. */
static void read_doubles(hidi_npz *npz, const hidi_file_tensor *array)
{
    double *values;

    if (array->count < 1 << 20 && hidi_npz_doubles(npz, array->name, &values) == HIDI_OK)
        free(values);
}

static void read_rows(hidi_npz *npz, const hidi_file_tensor *array)
{
    unsigned char bytes[4096];
    const size_t rows = array->rank == 0 ? 1 : array->dim[0];
    const size_t row = rows == 0 ? 0 : array->count / rows * hidi_dtype_bytes(array->dtype);

    if (row > sizeof bytes || hidi_npz_start(npz, array->name, NULL) != HIDI_OK)
        return;
    for (size_t i = 0; i < rows && i < 1000; i++)
        if (hidi_npz_rows(npz, 1, bytes) != HIDI_OK)
            return;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file("in", data, size);
    hidi_tensor_file file;
    hidi_npz *npz;

    if (!fuzz_refused(hidi_npz_read(&file, path), &file))
        fuzz_use(&file);
    if (hidi_npz_open(&npz, path) == HIDI_OK)
        for (size_t i = 0; i < hidi_npz_arrays(npz)->n_tensors; i++) {
            read_doubles(npz, &hidi_npz_arrays(npz)->tensor[i]);
            read_rows(npz, &hidi_npz_arrays(npz)->tensor[i]);
        }
    hidi_npz_close(npz);
    return 0;
}
