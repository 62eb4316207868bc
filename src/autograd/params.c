/* params.c - the named parameters of one model: theta, a single vector, and its gradient beside it.
 * A parameter is a name, a shape and the place where its elements begin. */
#include "autograd/params.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/array.h"

enum { PIECE = 16384 }; /* elements in bf16 that go to the host, or come from there, at a time */

void hidi_params_init(hidi_params *params, const hidi_backend *backend)
{
    *params = (hidi_params){.backend = backend};
}

void hidi_params_free(hidi_params *params)
{
    if (params->backend != NULL) {
        params->backend->release(params->value);
        params->backend->release(params->grad);
        params->backend->release(params->bf16);
    }
    free(params->param);
    *params = (hidi_params){.backend = params->backend};
}

static hidi_status declare(hidi_params *params, hidi_shape shape, bool in_bf16,
                           const char *name_format, va_list arguments)
{
    size_t *count = in_bf16 ? &params->bf16_count : &params->count;
    hidi_param param = {.shape = shape, .offset = *count, .in_bf16 = in_bf16};
    const int length = vsnprintf(param.name, sizeof param.name, name_format, arguments);
    if (length <= 0 || (size_t)length >= sizeof param.name)
        return hidi_error(HIDI_BAD_ARGUMENT, "parameter %s: name empty or longer than %zu bytes",
                          param.name, sizeof param.name - 1);
    if (hidi_params_find(params, param.name) >= 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "parameter %s: declared twice", param.name);
    if (params->value != NULL)
        return hidi_error(HIDI_BAD_ARGUMENT, "parameter %s: declared after the allocation",
                          param.name);
    if (!hidi_array_room(&params->param, (size_t)params->n_params, NULL, sizeof *params->param))
        return hidi_error(HIDI_NO_MEMORY, "parameter %s: out of memory", param.name);
    params->param[params->n_params++] = param;
    *count += hidi_count(shape);
    return HIDI_OK;
}

hidi_status hidi_params_declare(hidi_params *params, hidi_shape shape, const char *name_format, ...)
{
    va_list arguments;
    va_start(arguments, name_format);
    const hidi_status status = declare(params, shape, false, name_format, arguments);
    va_end(arguments);
    return status;
}

hidi_status hidi_params_declare_matrix(hidi_params *params, size_t out, size_t in,
                                       const char *name_format, ...)
{
    va_list arguments;
    va_start(arguments, name_format);
    const hidi_status status = declare(params, hidi_shape2(out, in), params->frozen_bf16,
                                       name_format, arguments);
    va_end(arguments);
    return status;
}

size_t hidi_params_elements(const hidi_params *params)
{
    return params->count + params->bf16_count;
}

/* n zeros in the backend's memory. */
static hidi_status allocate_zeros(const hidi_params *params, hidi_real **array, size_t n)
{
    *array = params->backend->allocate(n * sizeof **array);
    if (*array == NULL)
        return hidi_error(HIDI_NO_MEMORY, "parameters: no memory for %zu numbers", n);
    params->backend->fill(*array, 0, n);
    return HIDI_OK;
}

/* Zeros, which are 0 bits, uploaded a piece at a time. */
static hidi_status allocate_bf16(hidi_params *params)
{
    static const hidi_bf16 zeros[PIECE];
    const size_t n = params->bf16_count;
    params->bf16 = params->backend->allocate((n + 1) * sizeof *params->bf16);
    if (params->bf16 == NULL)
        return hidi_error(HIDI_NO_MEMORY, "parameters: no memory for %zu numbers in bf16", n);
    for (size_t first = 0; first < n; first += PIECE)
        params->backend->upload(params->bf16 + first, zeros,
                                (n - first < PIECE ? n - first : PIECE) * sizeof zeros[0]);
    return HIDI_OK;
}

/* One element more than declared is allocated: without parameters there is an array too, and
 * hidi_params_grad_norm has a place for its sum. */
hidi_status hidi_params_allocate(hidi_params *params)
{
    if (params->value != NULL)
        return hidi_error(HIDI_BAD_ARGUMENT, "parameters: allocated twice");
    HIDI_TRY(allocate_zeros(params, &params->value, params->count + 1));
    return params->frozen_bf16 ? allocate_bf16(params) : HIDI_OK;
}

hidi_status hidi_params_train(hidi_params *params)
{
    if (params->grad != NULL)
        return HIDI_OK;
    if (params->value == NULL)
        return hidi_error(HIDI_BAD_ARGUMENT, "parameters: gradients wanted before the allocation");
    if (params->frozen_bf16)
        return hidi_error(HIDI_UNSUPPORTED, "parameters: in bf16 they are frozen: no gradients");
    return allocate_zeros(params, &params->grad, params->count + 1);
}

void hidi_params_zero_grad(hidi_params *params)
{
    if (params->grad != NULL)
        params->backend->fill(params->grad, 0, params->count);
}

int hidi_params_find(const hidi_params *params, const char *name)
{
    for (int i = 0; i < params->n_params; i++)
        if (strcmp(params->param[i].name, name) == 0)
            return i;
    return -1;
}

hidi_var *hidi_param_var(hidi_tape *tape, const hidi_params *params, int i, bool frozen)
{
    if (i < 0 || i >= params->n_params)
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_ARGUMENT, "parameter %d: there are %d", i,
                                               params->n_params));
    const hidi_param *param = &params->param[i];
    if (params->value == NULL)
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_ARGUMENT, "parameter %s: not allocated",
                                               param->name));
    if (param->in_bf16)
        return hidi_bf16_parameter(tape, param->shape, params->bf16 + param->offset);
    return hidi_parameter(tape, param->shape, params->value + param->offset,
                          frozen || params->grad == NULL ? NULL : params->grad + param->offset);
}

/* --- to and from the host --------------------------------------------------------------------- */

void hidi_params_read(const hidi_params *params, int i, hidi_real *host)
{
    const hidi_param *param = &params->param[i];
    const size_t n = hidi_count(param->shape);
    hidi_bf16 piece[PIECE];
    if (!param->in_bf16)
        params->backend->download(host, params->value + param->offset, n * sizeof *host);
    for (size_t first = 0; param->in_bf16 && first < n; first += PIECE) {
        const size_t m = n - first < PIECE ? n - first : PIECE;
        params->backend->download(piece, params->bf16 + param->offset + first, m * sizeof *piece);
        for (size_t k = 0; k < m; k++)
            host[first + k] = hidi_from_bf16(piece[k]);
    }
}

void hidi_params_read_grad(const hidi_params *params, int i, hidi_real *host)
{
    const hidi_param *param = &params->param[i];
    const size_t n = hidi_count(param->shape);
    if (params->grad != NULL)
        params->backend->download(host, params->grad + param->offset, n * sizeof *host);
    else
        for (size_t j = 0; j < n; j++)
            host[j] = 0;
}

void hidi_params_write(const hidi_params *params, int i, const hidi_real *host)
{
    const hidi_param *param = &params->param[i];
    const size_t n = hidi_count(param->shape);
    hidi_bf16 piece[PIECE];
    if (!param->in_bf16)
        params->backend->upload(params->value + param->offset, host, n * sizeof *host);
    for (size_t first = 0; param->in_bf16 && first < n; first += PIECE) {
        const size_t m = n - first < PIECE ? n - first : PIECE;
        for (size_t k = 0; k < m; k++)
            piece[k] = hidi_to_bf16(host[first + k]);
        params->backend->upload(params->bf16 + param->offset + first, piece, m * sizeof *piece);
    }
}

/* --- whole models ----------------------------------------------------------------------------- */

hidi_status hidi_params_copy_one(hidi_params *to, int i, const hidi_params *from, int j)
{
    const hidi_param *target = &to->param[i], *source = &from->param[j];
    const size_t n = hidi_count(target->shape);
    if (!target->in_bf16 && !source->in_bf16) {
        to->backend->copy(to->value + target->offset, from->value + source->offset, n);
        return HIDI_OK;
    }
    hidi_real *host = malloc((n ? n : 1) * sizeof *host);
    if (host == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory for %s", target->name);
    hidi_params_read(from, j, host);
    hidi_params_write(to, i, host);
    free(host);
    return HIDI_OK;
}

hidi_status hidi_params_copy(hidi_params *to, const hidi_params *from)
{
    if (to->backend != from->backend)
        return hidi_error(HIDI_UNSUPPORTED, "parameters: copy from backend %s to %s",
                          from->backend->name, to->backend->name);
    if (to->value == NULL || from->value == NULL)
        return hidi_error(HIDI_BAD_ARGUMENT, "parameters: copied before the allocation");
    for (int i = 0; i < to->n_params; i++) { /* all is checked before anything is copied */
        const int j = hidi_params_find(from, to->param[i].name);
        if (j >= 0 && !hidi_same_shape(to->param[i].shape, from->param[j].shape))
            return hidi_error(HIDI_BAD_SHAPE, "parameter %s: %s here, %s in the copied model",
                              to->param[i].name, hidi_shape_text(to->param[i].shape),
                              hidi_shape_text(from->param[j].shape));
    }
    for (int i = 0; i < to->n_params; i++) {
        const int j = hidi_params_find(from, to->param[i].name);
        if (j >= 0)
            HIDI_TRY(hidi_params_copy_one(to, i, from, j));
    }
    return HIDI_OK;
}

double hidi_params_grad_norm(const hidi_params *params)
{
    if (params->grad == NULL)
        return 0;
    hidi_real *sum = params->grad + params->count; /* the extra element */
    hidi_real squares;
    params->backend->dot(sum, 0, 1, params->grad, params->grad, params->count);
    params->backend->download(&squares, sum, sizeof squares);
    return sqrt((double)squares);
}

static bool is_finite(const hidi_params *params, const hidi_real *array, size_t n)
{
    hidi_real part[1024]; /* a piece at a time: looking must not need memory */
    const size_t most = sizeof part / sizeof part[0];
    for (size_t first = 0; first < n; first += most) {
        const size_t m = n - first < most ? n - first : most;
        params->backend->download(part, array + first, m * sizeof part[0]);
        for (size_t i = 0; i < m; i++)
            if (!isfinite(part[i]))
                return false;
    }
    return true;
}

static bool is_finite_bf16(const hidi_params *params, const hidi_bf16 *array, size_t n)
{
    hidi_bf16 piece[PIECE];
    for (size_t first = 0; first < n; first += PIECE) {
        const size_t m = n - first < PIECE ? n - first : PIECE;
        params->backend->download(piece, array + first, m * sizeof *piece);
        for (size_t i = 0; i < m; i++)
            if (!isfinite(hidi_from_bf16(piece[i])))
                return false;
    }
    return true;
}

const char *hidi_params_not_finite(const hidi_params *params, bool of_value)
{
    const hidi_real *array = of_value ? params->value : params->grad;
    for (int i = 0; array != NULL && i < params->n_params; i++) {
        const hidi_param *param = &params->param[i];
        const size_t n = hidi_count(param->shape);
        if (param->in_bf16 ? !is_finite_bf16(params, params->bf16 + param->offset, n)
                           : !is_finite(params, array + param->offset, n))
            return param->name;
    }
    return NULL;
}
