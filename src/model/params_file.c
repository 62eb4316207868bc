/* params_file.c - parameters to and from named tensors; what a file holds is believed only when its
 * names, shapes and values have been checked. */
#include "model/params_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void full_name(char *full, size_t size, const char *prefix, const hidi_param *param)
{
    snprintf(full, size, "%s%s", prefix, param->name);
}

hidi_status hidi_params_to_file(const hidi_params *params, const hidi_real *array,
                                const char *prefix, hidi_tensor_file *file)
{
    hidi_status status = HIDI_OK;
    for (int i = 0; i < params->n_params && status == HIDI_OK; i++) {
        const hidi_param *param = &params->param[i];
        const size_t n = hidi_count(param->shape);
        char name[160];
        full_name(name, sizeof name, prefix, param);
        if (!param->in_bf16 && hidi_backend_in_host_memory(params->backend)) {
            status = hidi_tensor_file_lend_real(file, name, param->shape.rank, param->shape.dim,
                                                array + param->offset);
            continue;
        }
        hidi_real *host = malloc((n ? n : 1) * sizeof *host);
        if (host == NULL)
            return hidi_error(HIDI_NO_MEMORY, "out of memory for %s", param->name);
        if (param->in_bf16)
            hidi_params_read(params, i, host);
        else
            params->backend->download(host, array + param->offset, n * sizeof *host);
        status = params->backend->check();
        if (status == HIDI_OK)
            status = hidi_tensor_file_add_real(file, name, param->shape.rank, param->shape.dim,
                                               host);
        free(host);
    }
    return status;
}

/* The tensor of a parameter, which must have its shape. */
static hidi_status find_param(const hidi_param *param, const char *prefix,
                              const hidi_tensor_file *file, const hidi_file_tensor **found)
{
    char name[160], text[96];
    full_name(name, sizeof name, prefix, param);
    HIDI_TRY(hidi_tensor_file_need(file, name, found));
    const hidi_file_tensor *tensor = *found;
    if (tensor->rank == param->shape.rank &&
        memcmp(tensor->dim, param->shape.dim, (size_t)tensor->rank * sizeof tensor->dim[0]) == 0)
        return HIDI_OK;
    return hidi_error(HIDI_BAD_FORMAT, "%s: %s is %s, expected %s", file->path, name,
                      hidi_file_tensor_text(tensor, text, sizeof text),
                      hidi_shape_text(param->shape));
}

hidi_status hidi_params_check_shapes(const hidi_params *params, const char *prefix,
                                     const hidi_tensor_file *file)
{
    const hidi_file_tensor *tensor;
    for (int i = 0; i < params->n_params; i++)
        HIDI_TRY(find_param(&params->param[i], prefix, file, &tensor));
    return HIDI_OK;
}

/* Parameter i. */
static hidi_status read_param(const hidi_params *params, hidi_real *array, int i,
                              const char *prefix, const hidi_tensor_file *file)
{
    const hidi_param *param = &params->param[i];
    const hidi_file_tensor *tensor;
    const size_t n = hidi_count(param->shape);
    HIDI_TRY(find_param(param, prefix, file, &tensor));
    hidi_real *host = malloc((n ? n : 1) * sizeof *host);
    if (host == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory for %s", tensor->name);
    hidi_file_tensor_real(tensor, host);
    hidi_status status = HIDI_OK;
    for (size_t k = 0; k < n && status == HIDI_OK; k++)
        if (!isfinite(param->in_bf16 ? hidi_from_bf16(hidi_to_bf16(host[k])) : host[k]))
            status = hidi_error(HIDI_BAD_FORMAT, "%s: %s holds %g at element %zu", file->path,
                                tensor->name, (double)host[k], k);
    if (status == HIDI_OK && param->in_bf16)
        hidi_params_write(params, i, host);
    else if (status == HIDI_OK)
        params->backend->upload(array + param->offset, host, n * sizeof *host);
    free(host);
    return status;
}

hidi_status hidi_params_from_file(const hidi_params *params, hidi_real *array, const char *prefix,
                                  const hidi_tensor_file *file)
{
    for (int i = 0; i < params->n_params; i++)
        HIDI_TRY(read_param(params, array, i, prefix, file));
    return HIDI_OK;
}

/* Something of a network's that could not be read would be missing silently: not so objects
 * beside it, whose names have no dot. */
static hidi_status check_unread(const char *prefix, const char *besides,
                                const hidi_tensor_file *file)
{
    const size_t skip = strlen(prefix);
    for (size_t i = 0; i < file->n_unread; i++) {
        const char *name = file->unread[i];
        if (strncmp(name, prefix, skip) != 0)
            continue;
        const size_t length = strcspn(name + skip, ":.");
        const bool is_besides = besides != NULL && strlen(besides) == length &&
                                strncmp(name + skip, besides, length) == 0;
        if (name[skip + length] == '.' || is_besides)
            return hidi_error(HIDI_UNSUPPORTED, "%s: cannot be read: %s", file->path, name);
    }
    return HIDI_OK;
}

hidi_status hidi_params_check_superfluous(const hidi_params *params, const char *prefix,
                                          const char *besides, const hidi_tensor_file *file)
{
    const size_t skip = strlen(prefix);
    HIDI_TRY(check_unread(prefix, besides, file));
    for (size_t i = 0; i < file->n_tensors; i++) {
        const char *name = file->tensor[i].name;
        if (strncmp(name, prefix, skip) != 0)
            continue;
        if (hidi_params_find(params, name + skip) < 0 &&
            (besides == NULL || strcmp(name + skip, besides) != 0))
            return hidi_error(HIDI_BAD_FORMAT, "%s: unexpected tensor %s", file->path, name);
    }
    return HIDI_OK;
}
