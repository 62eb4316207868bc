/* fuzz.h - what the fuzz targets have in common: their input as a file. */
#ifndef HIDI_TESTS_FUZZ_FUZZ_H
#define HIDI_TESTS_FUZZ_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/tensor_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The path of a file called `name` with these bytes, in a folder of this process's own below
 * $FUZZ_FOLDER. */
static inline const char *fuzz_file(const char *name, const uint8_t *data, size_t size)
{
    static char folder[512], path[600];
    const char *parent = getenv("FUZZ_FOLDER");

    if (folder[0] == '\0') {
        snprintf(folder, sizeof folder, "%s/%ld", parent ? parent : "/tmp", (long)getpid());
        mkdir(folder, 0777);
    }
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *out = fopen(path, "wb");
    if (out == NULL || fwrite(data, 1, size, out) != size || fclose(out) != 0)
        abort();
    return path;
}

/* Touches every number. */
static inline void fuzz_use(hidi_tensor_file *file)
{
    for (size_t i = 0; i < file->n_tensors; i++) {
        const hidi_file_tensor *tensor = &file->tensor[i];
        char text[256];
        double sum = 0;

        hidi_file_tensor_text(tensor, text, sizeof text);
        for (size_t b = 0; b < tensor->count * hidi_dtype_bytes(tensor->dtype); b += 1 + b / 64)
            sum += tensor->data[b];
        if (tensor->count > 0 && tensor->count < 4096) {
            double x[4096];
            hidi_file_tensor_double(tensor, x);
        }
        if (sum < 0)
            abort();
    }
    hidi_tensor_file_free(file);
}

/* A refusal has a message, and leaves nothing. */
static inline int fuzz_refused(hidi_status status, const hidi_tensor_file *file)
{
    if (status == HIDI_OK)
        return 0;
    if (hidi_error_message()[0] == '\0' || file->n_tensors + file->n_keys + file->n_unread != 0 ||
        file->buffer != NULL)
        abort();
    return 1;
}

#endif
