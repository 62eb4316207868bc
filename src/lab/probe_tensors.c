/* probe_tensors.c - the inputs of `hidi probe` are checked by name, shape and value before anything
 * is computed; results are checked for NaN and infinity before they are written. */
#include "lab/probe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- inputs ----------------------------------------------------------------------------------- */

static const hidi_probe_input *find_input(const hidi_probe_kind *kind, const char *name)
{
    for (const hidi_probe_input *input = kind->input; input->type != HIDI_PROBE_NONE; input++)
        if (strcmp(input->name, name) == 0)
            return input;
    return NULL;
}

/* "z, t, y, perhaps r" into text[size] */
static char *list_inputs(const hidi_probe_kind *kind, char *text, size_t size)
{
    size_t used = 0;
    for (const hidi_probe_input *input = kind->input; input->type != HIDI_PROBE_NONE; input++)
        used += (size_t)snprintf(text + used, size - used, "%s%s%s", used ? ", " : "",
                                 input->optional ? "perhaps " : "", input->name);
    return text;
}

/* An input that captions take the place of. */
static bool is_replaced(const hidi_probe *probe, const hidi_probe_input *input)
{
    return input->type == HIDI_PROBE_LABELS && hidi_probe_takes_captions(probe);
}

static hidi_status check_names(const hidi_probe *probe)
{
    char list[128];
    for (size_t i = 0; i < probe->in.n_tensors; i++)
        if (find_input(probe->kind, probe->in.tensor[i].name) == NULL &&
            !hidi_probe_is_of_captions(probe, probe->in.tensor[i].name))
            return hidi_error(HIDI_BAD_FORMAT, "%s: unexpected tensor %s; %s takes %s",
                              probe->in.path, probe->in.tensor[i].name, probe->kind->name,
                              list_inputs(probe->kind, list, sizeof list));
    const hidi_probe_input *input = probe->kind->input;
    for (; input->type != HIDI_PROBE_NONE; input++)
        if (!input->optional && !is_replaced(probe, input) &&
            hidi_tensor_file_find(&probe->in, input->name) == NULL)
            return hidi_error(HIDI_BAD_FORMAT, "%s: no tensor %s; %s takes %s", probe->in.path,
                              input->name, probe->kind->name,
                              list_inputs(probe->kind, list, sizeof list));
    return HIDI_OK;
}

static bool has_shape(const hidi_file_tensor *tensor, hidi_shape shape)
{
    return tensor->rank == shape.rank &&
           memcmp(tensor->dim, shape.dim, (size_t)shape.rank * sizeof shape.dim[0]) == 0;
}

static hidi_status wrong_shape(const hidi_probe *probe, const hidi_file_tensor *tensor,
                               const char *letters, const char *expected)
{
    char text[256];
    return hidi_error(HIDI_BAD_SHAPE, "%s: %s is %s, expected %s%s%s", probe->in.path, tensor->name,
                      hidi_file_tensor_text(tensor, text, sizeof text), letters,
                      expected[0] ? " = " : "", expected);
}

/* [N, D]: two points have a covariance; D is the first tensor's. */
static hidi_status check_points(const hidi_probe *probe, const hidi_file_tensor *tensor)
{
    const hidi_file_tensor *first = hidi_tensor_file_find(&probe->in, probe->kind->input->name);
    if (tensor->rank != 2 || tensor->dim[0] < 2 || tensor->dim[1] < 1)
        return wrong_shape(probe, tensor, "[N, D] with N >= 2 and D >= 1", "");
    if (tensor->dim[1] == first->dim[1])
        return HIDI_OK;
    return wrong_shape(probe, tensor, "[N, D]",
                       hidi_shape_text(hidi_shape2(tensor->dim[0], first->dim[1])));
}

/* [K, B, C, H, W] */
static hidi_status check_noises(const hidi_probe *probe, const hidi_file_tensor *tensor)
{
    const size_t C = probe->channels, side = probe->image_size, B = probe->batch;
    const size_t dim[] = {(size_t)probe->set.steps, B, C, side, side};
    char text[128];
    if (tensor->rank == 5 && memcmp(tensor->dim, dim, sizeof dim) == 0)
        return HIDI_OK;
    snprintf(text, sizeof text, "[%zu, %zu, %zu, %zu, %zu] (K: sample.steps)", dim[0], B, C, side,
             side);
    return wrong_shape(probe, tensor, "[K, B, C, H, W]", text);
}

static hidi_status check_shape(const hidi_probe *probe, const hidi_probe_input *input,
                               const hidi_file_tensor *tensor)
{
    const size_t B = probe->batch, side = probe->image_size;
    hidi_shape shape = hidi_shape1(B);
    const char *letters = "[B]";
    char text[64];
    if (input->type == HIDI_PROBE_POINTS)
        return check_points(probe, tensor);
    const bool is_latent = input->type == HIDI_PROBE_LATENTS;
    if (input->type == HIDI_PROBE_ANY_IMAGES || is_latent) { /* passes say which sizes they take */
        const size_t C = is_latent ? probe->coder->config.latent_channels : probe->channels;
        if (tensor->rank == 4 && tensor->dim[0] == B && tensor->dim[1] == C)
            return HIDI_OK;
        snprintf(text, sizeof text, "[%zu, %zu, H, W]", B, C);
        return wrong_shape(probe, tensor, "[B, C, H, W]", text);
    }
    if (input->type == HIDI_PROBE_IMAGES) {
        shape = hidi_shape4(B, probe->channels, side, side);
        letters = "[B, C, H, W]";
    } else if (input->type == HIDI_PROBE_NOISES) {
        return check_noises(probe, tensor);
    } else if (input->type == HIDI_PROBE_OUTPUTS) {
        shape = hidi_shape4(B, probe->out_channels, side, side);
        letters = "[B, C_out, H, W]";
    }
    return has_shape(tensor, shape) ? HIDI_OK
                                    : wrong_shape(probe, tensor, letters, hidi_shape_text(shape));
}

/* All values are finite in the precision that they are used in, and times are in [0, 1]. */
static hidi_status check_values(const hidi_probe *probe, const hidi_probe_input *input,
                                const hidi_file_tensor *tensor)
{
    double *x = malloc(tensor->count * sizeof *x);
    if (x == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory for %s", probe->in.path, tensor->name);
    hidi_file_tensor_double(tensor, x);
    hidi_status status = HIDI_OK;
    for (size_t i = 0; i < tensor->count && status == HIDI_OK; i++) {
        const double used = input->type == HIDI_PROBE_POINTS ? x[i] : (double)(hidi_real)x[i];
        if (!isfinite(used))
            status = hidi_error(HIDI_NOT_FINITE, "%s: %s holds %g at element %zu", probe->in.path,
                                tensor->name, used, i);
        else if (input->type == HIDI_PROBE_TIMES && (x[i] < 0 || x[i] > 1))
            status = hidi_error(HIDI_BAD_ARGUMENT,
                                "%s: %s holds %g at element %zu, expected 0 to 1", probe->in.path,
                                tensor->name, x[i], i);
    }
    free(x);
    return status;
}

static hidi_status read_labels(hidi_probe *probe, const hidi_file_tensor *tensor)
{
    probe->label = malloc(tensor->count * sizeof *probe->label);
    if (probe->label == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory for labels", probe->in.path);
    HIDI_TRY(hidi_error_prefix(hidi_file_tensor_int(tensor, probe->label), "%s", probe->in.path));
    for (size_t i = 0; i < tensor->count; i++)
        if (probe->label[i] < 0 || (size_t)probe->label[i] > probe->n_classes)
            return hidi_error(HIDI_BAD_ARGUMENT, "%s: %s holds %ld at element %zu, expected 0 to "
                                                 "%zu (the last: no class)",
                              probe->in.path, tensor->name, (long)probe->label[i], i,
                              probe->n_classes);
    return HIDI_OK;
}

/* r: only for a network with an interval embedder, and r <= t. */
static hidi_status check_interval(const hidi_probe *probe)
{
    const hidi_file_tensor *t = hidi_tensor_file_find(&probe->in, "t");
    const hidi_file_tensor *r = hidi_tensor_file_find(&probe->in, "r");
    const hidi_file_tensor *dr = hidi_tensor_file_find(&probe->in, "dr");
    if (r == NULL && dr != NULL)
        return hidi_error(HIDI_BAD_FORMAT, "%s: dr without r", probe->in.path);
    if (r == NULL)
        return HIDI_OK;
    if (!probe->dit[HIDI_PROBE_MODEL]->config.has_interval)
        return hidi_error(HIDI_BAD_ARGUMENT, "%s: r, but %s has no interval embedder (h_embedder)",
                          probe->in.path, probe->path[HIDI_PROBE_MODEL]);
    double *times = malloc(2 * probe->batch * sizeof *times);
    if (times == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory for t and r", probe->in.path);
    hidi_file_tensor_double(t, times);
    hidi_file_tensor_double(r, times + probe->batch);
    hidi_status status = HIDI_OK;
    for (size_t i = 0; i < probe->batch && status == HIDI_OK; i++)
        if (times[probe->batch + i] > times[i])
            status = hidi_error(HIDI_BAD_ARGUMENT,
                                "%s: r holds %g at element %zu, more than t = %g", probe->in.path,
                                times[probe->batch + i], i, times[i]);
    free(times);
    return status;
}

hidi_status hidi_probe_check(hidi_probe *probe)
{
    const hidi_probe_input *input = probe->kind->input;
    HIDI_TRY(check_names(probe));
    const hidi_file_tensor *first = hidi_tensor_file_find(&probe->in, input->name);
    if (first->rank < 1 || first->dim[0] < 1)
        return wrong_shape(probe, first, "a batch of at least one", "");
    probe->batch = first->dim[0];
    for (; input->type != HIDI_PROBE_NONE; input++) {
        const hidi_file_tensor *tensor = hidi_tensor_file_find(&probe->in, input->name);
        if (is_replaced(probe, input) && tensor != NULL)
            return hidi_error(HIDI_BAD_FORMAT, "%s: y, but %s takes captions", probe->in.path,
                              probe->path[HIDI_PROBE_MODEL]);
        if (is_replaced(probe, input))
            HIDI_TRY(hidi_probe_read_captions(probe));
        if (tensor == NULL)
            continue;
        HIDI_TRY(check_shape(probe, input, tensor));
        if (input->type == HIDI_PROBE_LABELS)
            HIDI_TRY(read_labels(probe, tensor));
        else
            HIDI_TRY(check_values(probe, input, tensor));
    }
    if (probe->captions.n == 0)
        probe->y = (hidi_condition){.number = probe->label, .captions = NULL};
    return check_interval(probe);
}

hidi_var *hidi_probe_var(hidi_probe *probe, const char *name, bool wants_grad)
{
    const hidi_file_tensor *tensor = hidi_tensor_file_find(&probe->in, name);
    if (tensor == NULL)
        return NULL;
    hidi_shape shape = hidi_shape0();
    shape.rank = tensor->rank;
    memcpy(shape.dim, tensor->dim, (size_t)tensor->rank * sizeof shape.dim[0]);
    hidi_real *host = malloc(tensor->count * sizeof *host);
    if (host == NULL)
        return hidi_tape_fail(probe->tape,
                              hidi_error(HIDI_NO_MEMORY, "out of memory for %s", name));
    hidi_file_tensor_real(tensor, host);
    hidi_var *x = hidi_input(probe->tape, shape, host, wants_grad);
    free(host);
    return x;
}

/* --- results ---------------------------------------------------------------------------------- */

hidi_status hidi_probe_put_doubles(hidi_probe *probe, const char *name, hidi_shape shape,
                                   const double *values)
{
    for (size_t i = 0; i < hidi_count(shape); i++)
        if (!isfinite(values[i]))
            return hidi_error(HIDI_NOT_FINITE, "result %s: %g at element %zu", name, values[i], i);
    return hidi_tensor_file_add(&probe->out, name, HIDI_F64, shape.rank, shape.dim, values);
}

hidi_status hidi_probe_put_reals(hidi_probe *probe, const char *name, hidi_shape shape,
                                 const hidi_real *values)
{
    for (size_t i = 0; i < hidi_count(shape); i++)
        if (!isfinite(values[i]))
            return hidi_error(HIDI_NOT_FINITE, "result %s: %g at element %zu", name,
                              (double)values[i], i);
    return hidi_tensor_file_add_real(&probe->out, name, shape.rank, shape.dim, values);
}

/* x's value, or its gradient, as a result. */
static hidi_status put(hidi_probe *probe, const char *name, const hidi_var *x, bool gradient)
{
    HIDI_TRY(hidi_tape_status(probe->tape));
    hidi_real *host = malloc(hidi_count(x->shape) * sizeof *host);
    if (host == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory for result %s", name);
    hidi_status status = gradient ? hidi_read_grad(probe->tape, x, host)
                                  : hidi_read(probe->tape, x, host);
    if (status == HIDI_OK)
        status = hidi_probe_put_reals(probe, name, x->shape, host);
    free(host);
    return status;
}

hidi_status hidi_probe_put(hidi_probe *probe, const char *name, const hidi_var *x)
{
    return put(probe, name, x, false);
}

hidi_status hidi_probe_put_grad(hidi_probe *probe, const char *name, const hidi_var *x)
{
    return put(probe, name, x, true);
}

hidi_status hidi_probe_put_grads(hidi_probe *probe, const hidi_params *params)
{
    const char *culprit = hidi_params_not_finite(params, false);
    if (culprit != NULL)
        return hidi_error(HIDI_NOT_FINITE, "result grad.%s is not finite", culprit);
    return hidi_params_to_file(params, params->grad, "grad.", &probe->out);
}
