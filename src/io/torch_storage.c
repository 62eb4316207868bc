/* torch_storage.c - a tensor of a PyTorch file is a view of a storage (offset, sizes, strides);
 * storages are read one by one, and views that are not contiguous are copied out. */
#include "io/torch_storage.h"

#include <stdlib.h>
#include <string.h>

#include "io/bytes.h"
#include "io/strided.h"

/* A tensor on its way. */
typedef struct pending {
    const hidi_stored_view *view;
    size_t index; /* in the list */
    unsigned char *data;
    bool owned;
} pending;

static int by_storage(const void *left, const void *right)
{
    const pending *a = left, *b = right;
    const int order = strcmp(a->view->storage->key, b->view->storage->key);

    return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
}

static int by_index(const void *left, const void *right)
{
    const pending *a = left, *b = right;

    return (a->index > b->index) - (a->index < b->index);
}

static size_t bytes_of(const hidi_stored_view *view)
{
    return view->count * hidi_dtype_bytes(view->dtype);
}

static bool is_contiguous(const hidi_stored_view *view)
{
    size_t expected = 1;

    for (int i = view->rank - 1; i >= 0; i--) {
        if (view->dim[i] != 1 && view->stride[i] != expected)
            return false;
        expected *= view->dim[i];
    }
    return true;
}

static hidi_status check_budget(const hidi_tensor_file *file, const pending *tensors, size_t n,
                                size_t file_bytes)
{
    const size_t budget = hidi_file_budget(file_bytes);
    size_t bytes = 0;

    for (size_t i = 0; i < n; i++) {
        const size_t more = bytes_of(tensors[i].view);

        if (more > budget - bytes)
            return hidi_error(HIDI_UNSUPPORTED,
                              "%s: tensors that take more than %zu bytes, in a file of %zu: they "
                              "repeat its numbers too often",
                              file->path, budget, file_bytes);
        bytes += more;
    }
    return HIDI_OK;
}

/* A tensor that is one run of bytes in a storage which stays is used in place; one that is the
 * whole of a storage of its own takes it over; others are copied. */
static hidi_status materialise(pending *tensor, unsigned char **storage, bool *owned, bool alone,
                               bool big_endian, const char *path)
{
    const hidi_stored_view *view = tensor->view;
    const size_t width = hidi_dtype_bytes(view->dtype);
    unsigned char *first = view->count == 0 ? *storage : *storage + view->offset * width;
    const bool in_place = is_contiguous(view) && !(big_endian && width > 1);

    if (in_place && !*owned) {
        tensor->data = first;
        return HIDI_OK;
    }
    tensor->owned = true;
    if (in_place && alone && view->offset == 0 &&
        view->count * width == view->storage->count * hidi_dtype_bytes(view->storage->dtype)) {
        tensor->data = *storage;
        *storage = NULL;
        *owned = false;
        return HIDI_OK;
    }
    tensor->data = malloc(bytes_of(view) + 1);
    if (tensor->data == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory for %zu bytes", path, bytes_of(view));
    if (view->count > 0)
        hidi_strided_copy(tensor->data, first, width, view->rank, view->dim, view->stride);
    if (big_endian)
        hidi_swap_bytes(tensor->data, view->count, width);
    return HIDI_OK;
}

/* The tensors of one storage; *budget: bytes that storages may still have. */
static hidi_status materialise_group(pending *tensors, size_t n, const hidi_storage_source *source,
                                     size_t *budget, const char *path)
{
    const hidi_stored *storage = tensors[0].view->storage;
    const size_t bytes = storage->count * hidi_dtype_bytes(storage->dtype);
    hidi_status status = HIDI_OK;
    unsigned char *data = NULL;
    bool owned = false;

    for (size_t i = 1; i < n; i++)
        if (tensors[i].view->storage->count != storage->count ||
            strcmp(tensors[i].view->storage->type, storage->type) != 0)
            return hidi_error(HIDI_BAD_FORMAT, "%s: storage \"%s\" has two types or sizes", path,
                              storage->key);
    if (bytes > *budget)
        return hidi_error(HIDI_UNSUPPORTED,
                          "%s: storage \"%s\" of %zu bytes is too large for a file of %zu", path,
                          storage->key, bytes, source->file_bytes);
    *budget -= bytes;
    HIDI_TRY(source->load(source->context, storage, &data, &owned));
    for (size_t i = 0; i < n && status == HIDI_OK; i++)
        status = materialise(&tensors[i], &data, &owned, n == 1, source->big_endian, path);
    if (owned)
        free(data);
    return status;
}

static hidi_status hand_over(hidi_tensor_file *file, const hidi_torch_views *list, pending *tensor)
{
    const hidi_stored_view *view = tensor->view;
    const char *name = list->item[tensor->index].name;

    if (!tensor->owned)
        return hidi_tensor_file_refer(file, name, view->dtype, view->rank, view->dim, tensor->data);
    HIDI_TRY(hidi_tensor_file_take(file, name, view->dtype, view->rank, view->dim, tensor->data));
    tensor->owned = false;
    return HIDI_OK;
}

/* Names and shapes alone: data is NULL. */
static hidi_status list_only(hidi_tensor_file *file, const hidi_torch_views *list)
{
    for (size_t i = 0; i < list->n; i++) {
        const hidi_stored_view *view = list->item[i].view;

        HIDI_TRY(hidi_tensor_file_refer(file, list->item[i].name, view->dtype, view->rank,
                                        view->dim, NULL));
    }
    return HIDI_OK;
}

hidi_status hidi_torch_materialise(hidi_tensor_file *file, const hidi_torch_views *list,
                                   const hidi_storage_source *source)
{
    size_t budget = hidi_file_budget(source->file_bytes), end;

    if (source->load == NULL)
        return list_only(file, list);
    pending *tensors = calloc(list->n + 1, sizeof *tensors);
    if (tensors == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory", file->path);
    for (size_t i = 0; i < list->n; i++)
        tensors[i] = (pending){ list->item[i].view, i, NULL, false };
    hidi_status status = check_budget(file, tensors, list->n, source->file_bytes);
    qsort(tensors, list->n, sizeof *tensors, by_storage);
    for (size_t i = 0; i < list->n && status == HIDI_OK; i = end) {
        for (end = i + 1; end < list->n && strcmp(tensors[end].view->storage->key,
                                                  tensors[i].view->storage->key) == 0;)
            end++;
        status = materialise_group(tensors + i, end - i, source, &budget, file->path);
    }
    qsort(tensors, list->n, sizeof *tensors, by_index);
    for (size_t i = 0; i < list->n && status == HIDI_OK; i++)
        status = hand_over(file, list, &tensors[i]);
    for (size_t i = 0; i < list->n; i++)
        if (tensors[i].owned)
            free(tensors[i].data);
    free(tensors);
    return status;
}
