/* fuzz_model.h - what the fuzz targets of networks have in common: the input edits the tensors of a
 * whole network, so that each run gets past the format and to what the network believes. */
#ifndef HIDI_TESTS_FUZZ_FUZZ_MODEL_H
#define HIDI_TESTS_FUZZ_FUZZ_MODEL_H

#include "fuzz.h"

#include "backend/tables.h"

typedef struct fuzz_input {
    const uint8_t *at;
    size_t left;
} fuzz_input;

static inline unsigned fuzz_byte(fuzz_input *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->at++;
}

/* Small extents, and those at which products overflow. */
static inline size_t fuzz_extent(fuzz_input *in)
{
    static const size_t large[8] = {1024,          65536,          1048576,     (size_t)1 << 31,
                                    (size_t)1 << 32, (size_t)1 << 62, SIZE_MAX - 1, SIZE_MAX};
    const unsigned byte = fuzz_byte(in);
    return byte < 248 ? byte : large[byte - 248];
}

/* Other extents, and as many zeros as they stand for, if a reader would let them pass. */
static inline void fuzz_reshape(hidi_file_tensor *t, fuzz_input *in)
{
    size_t dim[HIDI_FILE_MAX_RANK], count;
    const int rank = (int)(fuzz_byte(in) % (HIDI_FILE_MAX_RANK + 1));
    const hidi_dtype dtype = (hidi_dtype)(fuzz_byte(in) % (HIDI_BOOL + 1));
    for (int i = 0; i < rank; i++)
        dim[i] = fuzz_extent(in);
    if (hidi_count_elements("x", dtype, rank, dim, &count) != HIDI_OK || count > 1 << 20)
        return;
    unsigned char *data = calloc(count + 1, hidi_dtype_bytes(dtype));
    if (data == NULL)
        abort();
    if (t->owned)
        free((void *)t->data);
    t->data = data;
    t->owned = true;
    t->dtype = dtype;
    t->rank = rank;
    memcpy(t->dim, dim, sizeof dim[0] * (size_t)rank);
    t->count = count;
}

/* Text of up to 24 characters. */
static inline char *fuzz_text(fuzz_input *in)
{
    size_t n = fuzz_byte(in) % 24;
    char *text = calloc(n + 1, 1);
    if (text == NULL)
        abort();
    for (size_t i = 0; i < n; i++)
        text[i] = (char)fuzz_byte(in);
    return text;
}

/* A copy of `sound`, which must have outlived it, edited. */
static inline void fuzz_edit(hidi_tensor_file *file, const hidi_tensor_file *sound,
                             const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    hidi_tensor_file_init(file);
    for (size_t i = 0; i < sound->n_tensors; i++) {
        const hidi_file_tensor *t = &sound->tensor[i];
        if (hidi_tensor_file_refer(file, t->name, t->dtype, t->rank, t->dim, t->data) != HIDI_OK)
            abort();
    }
    for (size_t i = 0; i < sound->n_keys; i++)
        if (hidi_tensor_file_add_meta(file, sound->key[i], sound->value[i]) != HIDI_OK)
            abort();
    while (in.left > 1) {
        const unsigned what = fuzz_byte(&in), which = fuzz_byte(&in);
        hidi_file_tensor *t = &file->tensor[which % file->n_tensors];
        if (what % 4 < 2) {
            fuzz_reshape(t, &in);
        } else if (what % 4 == 2) { /* another name: for the network it is not there */
            free(t->name);
            t->name = fuzz_text(&in);
        } else if (file->n_keys > 0) {
            char **value = &file->value[which % file->n_keys];
            free(*value);
            *value = fuzz_text(&in);
        }
    }
}

#endif
