/* fuzz_csv.c - hidi_csv_read */
#include "fuzz.h"

#include "io/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file("in.csv", data, size);
    double *values;
    size_t n;

    if (hidi_csv_read(path, "loss", &values, &n) == HIDI_OK)
        free(values);
    return 0;
}
