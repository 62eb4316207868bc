/* embeddings.c - a file of embeddings is checked once, a caption at a time, and stays as it is. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "data/embeddings.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/stop.h"
#include "io/open_tensors.h"

void hidi_captions_embedding(const hidi_captions *list, size_t i, hidi_real *out)
{
    const size_t row = list->most * list->width, n = (size_t)list->length[i] * list->width;
    if (list->stored != NULL)
        hidi_file_tensor_part(list->stored, i * row, n, out);
    else
        memcpy(out, list->embedding + i * row, n * sizeof *out);
}

static hidi_status no_memory(const hidi_embeddings *e)
{
    return hidi_error(HIDI_NO_MEMORY, "%s: out of memory for captions", e->file.path);
}

static hidi_status expected(const hidi_embeddings *e, const hidi_file_tensor *found,
                            const char *what)
{
    char text[128];
    return hidi_error(HIDI_BAD_SHAPE, "%s: %s is %s, expected %s", e->file.path, found->name,
                      hidi_file_tensor_text(found, text, sizeof text), what);
}

static bool is_float(const hidi_file_tensor *tensor)
{
    return tensor->dtype <= HIDI_BF16;
}

/* --- shapes ----------------------------------------------------------------------------------- */

static hidi_status find_embeddings(hidi_embeddings *e)
{
    hidi_captions *c = &e->captions;
    const hidi_file_tensor *x;
    HIDI_TRY(hidi_tensor_file_need(&e->file, "embeddings", &x));
    if (x->rank != 3 || !is_float(x) || x->count == 0)
        return expected(e, x, "[n, L, D] of F32, F16, BF16 or F64");
    if (x->dim[0] > INT32_MAX)
        return hidi_error(HIDI_UNSUPPORTED, "%s: %zu captions, at most 2147483647", e->file.path,
                          x->dim[0]);
    if (x->dim[1] > HIDI_MOST_EMBEDDINGS)
        return hidi_error(HIDI_UNSUPPORTED, "%s: captions of %zu tokens, at most %d", e->file.path,
                          x->dim[1], HIDI_MOST_EMBEDDINGS);
    if (x->dim[2] > HIDI_MOST_EMBEDDING_WIDTH)
        return hidi_error(HIDI_UNSUPPORTED, "%s: embeddings of width %zu, at most %d",
                          e->file.path, x->dim[2], HIDI_MOST_EMBEDDING_WIDTH);
    c->n = x->dim[0];
    c->most = x->dim[1];
    c->width = x->dim[2];
    c->stored = x;
    return HIDI_OK;
}

static hidi_status find_mask(const hidi_embeddings *e, const hidi_file_tensor **mask)
{
    const hidi_captions *c = &e->captions;
    char shape[96];
    HIDI_TRY(hidi_tensor_file_need(&e->file, "mask", mask));
    if ((*mask)->rank == 2 && (*mask)->dim[0] == c->n && (*mask)->dim[1] == c->most &&
        !is_float(*mask))
        return HIDI_OK;
    snprintf(shape, sizeof shape, "[%zu, %zu] of integers, as embeddings is", c->n, c->most);
    return expected(e, *mask, shape);
}

/* --- values ----------------------------------------------------------------------------------- */

static hidi_status check_finite(const hidi_embeddings *e, const char *what, size_t row,
                                const hidi_real *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite((double)x[i]))
            return hidi_error(HIDI_NOT_FINITE, "%s: %s, row %zu: %g in token %zu", e->file.path,
                              what, row, (double)x[i], i / e->captions.width);
    return HIDI_OK;
}

static hidi_status read_null(hidi_embeddings *e)
{
    hidi_captions *c = &e->captions;
    const hidi_file_tensor *x = hidi_tensor_file_find(&e->file, "null");
    char shape[96];
    if (x == NULL)
        return HIDI_OK;
    snprintf(shape, sizeof shape, "[1 to %zu, %zu] of floats, as a row of embeddings is", c->most,
             c->width);
    if (x->rank != 2 || !is_float(x) || x->dim[0] < 1 || x->dim[0] > c->most ||
        x->dim[1] != c->width)
        return expected(e, x, shape);
    e->null = malloc(x->count * sizeof *e->null);
    if (e->null == NULL)
        return no_memory(e);
    hidi_file_tensor_real(x, e->null);
    c->null = e->null;
    c->null_length = x->dim[0];
    return check_finite(e, "null", 0, e->null, x->count);
}

/* How many tokens count: ones, and then zeros. */
static hidi_status read_mask(const hidi_embeddings *e, size_t row, const int32_t *mask,
                             int32_t *length)
{
    int32_t n = 0;
    for (size_t k = 0; k < e->captions.most; k++) {
        if (mask[k] != 0 && mask[k] != 1)
            return hidi_error(HIDI_BAD_FORMAT, "%s: mask, row %zu: it holds %ld, expected 0 or 1",
                              e->file.path, row, (long)mask[k]);
        if (mask[k] == 1 && (size_t)n != k)
            return hidi_error(HIDI_BAD_FORMAT, "%s: mask, row %zu: token %zu counts, and one "
                                               "before it does not: padding comes last",
                              e->file.path, row, k);
        n += mask[k];
    }
    *length = n;
    return HIDI_OK;
}

/* mask [L] and x [L, D_c]: room for one caption. */
static hidi_status check_rows(hidi_embeddings *e, const hidi_file_tensor *tensor, int32_t *mask,
                              hidi_real *x)
{
    const hidi_captions *c = &e->captions;
    hidi_file_tensor part = *tensor; /* a row of the mask */
    part.count = c->most;
    for (size_t i = 0; i < c->n; i++, part.data += c->most * hidi_dtype_bytes(part.dtype)) {
        HIDI_TRY(hidi_check_stop());
        HIDI_TRY(hidi_error_prefix(hidi_file_tensor_int(&part, mask), "%s: mask, row %zu",
                                   e->file.path, i));
        HIDI_TRY(read_mask(e, i, mask, &e->length[i]));
        hidi_captions_embedding(c, i, x);
        HIDI_TRY(check_finite(e, "embeddings", i, x, (size_t)e->length[i] * c->width));
    }
    return HIDI_OK;
}

static hidi_status read_rows(hidi_embeddings *e, const hidi_file_tensor *mask)
{
    hidi_captions *c = &e->captions;
    int32_t *ones = malloc(c->most * sizeof *ones);
    hidi_real *x = malloc(c->most * c->width * sizeof *x);
    hidi_status status = HIDI_OK;
    e->length = calloc(c->n, sizeof *e->length);
    c->length = e->length;
    if (ones == NULL || x == NULL || e->length == NULL)
        status = no_memory(e);
    if (status == HIDI_OK)
        status = check_rows(e, mask, ones, x);
    free(ones);
    free(x);
    return status;
}

hidi_status hidi_embeddings_open(hidi_embeddings *e, const char *path)
{
    const hidi_file_tensor *mask;
    memset(e, 0, sizeof *e);
    hidi_tensor_file_init(&e->file);
    HIDI_TRY(hidi_tensor_file_map(&e->file, path));
    HIDI_TRY(find_embeddings(e));
    HIDI_TRY(find_mask(e, &mask));
    HIDI_TRY(read_null(e));
    return read_rows(e, mask);
}

void hidi_embeddings_close(hidi_embeddings *e)
{
    hidi_tensor_file_free(&e->file);
    free(e->length);
    free(e->null);
    memset(e, 0, sizeof *e);
    hidi_tensor_file_init(&e->file);
}
