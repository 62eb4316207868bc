/* inception_weights.c - the tensors of Inception-v3: their names and shapes, reading, folding, and
 * a random set. */
#include "eval/inception_weights.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/shape.h"

static const double bn_epsilon = 1e-3;

/* --- the list of tensors ---------------------------------------------------------------------- */

/* What each convolution has, in the order of the state dict. */
enum { WEIGHT, GAMMA, BETA, MEAN, VARIANCE, PARTS };
static const char *const part_name[PARTS] = {"conv.weight", "bn.weight", "bn.bias",
                                             "bn.running_mean", "bn.running_var"};

typedef struct entry {
    char name[72];
    hidi_shape shape;
} entry;

static entry conv_entry(const hidi_inception_step *s, int part)
{
    entry e = {.shape = part == WEIGHT ? hidi_shape4(s->out, s->in, s->kernel_h, s->kernel_w)
                                       : hidi_shape1(s->out)};
    snprintf(e.name, sizeof e.name, "%s.%s", s->name, part_name[part]);
    return e;
}

static entry fc_weight(void)
{
    return (entry){"fc.weight", hidi_shape2(HIDI_INCEPTION_CLASSES, HIDI_INCEPTION_FEATURES)};
}

static bool is_part(const char *name, const hidi_inception_step *s)
{
    const size_t length = strlen(s->name);
    if (s->kind != HIDI_INCEPTION_CONV || strncmp(name, s->name, length) != 0 ||
        name[length] != '.')
        return false;
    name += length + 1;
    for (int i = 0; i < PARTS; i++)
        if (strcmp(name, part_name[i]) == 0)
            return true;
    return strcmp(name, "bn.num_batches_tracked") == 0;
}

hidi_status hidi_inception_check_names(const hidi_inception_plan *plan,
                                       const hidi_tensor_file *weights)
{
    for (size_t i = 0; i < weights->n_tensors; i++) {
        const char *name = weights->tensor[i].name;
        bool known = strcmp(name, "fc.weight") == 0 || strcmp(name, "fc.bias") == 0;
        for (size_t k = 0; k < plan->n_steps && !known; k++)
            known = is_part(name, &plan->step[k]);
        if (!known)
            return hidi_error(HIDI_BAD_FORMAT, "%s: %s is not a tensor of the FID's Inception-v3",
                              weights->path, name);
    }
    return HIDI_OK;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* The elements of e, which must all be finite, into out. */
static hidi_status read_entry(const hidi_tensor_file *weights, const entry *e, double *out)
{
    const hidi_file_tensor *tensor;
    char text[96];
    HIDI_TRY(hidi_tensor_file_need(weights, e->name, &tensor));
    if (tensor->rank != e->shape.rank ||
        memcmp(tensor->dim, e->shape.dim, (size_t)tensor->rank * sizeof tensor->dim[0]) != 0)
        return hidi_error(HIDI_BAD_FORMAT, "%s: %s is %s, expected %s: not the FID's Inception-v3",
                          weights->path, e->name, hidi_file_tensor_text(tensor, text, sizeof text),
                          hidi_shape_text(e->shape));
    hidi_file_tensor_double(tensor, out);
    for (size_t k = 0; k < tensor->count; k++)
        if (!isfinite(out[k]))
            return hidi_error(HIDI_BAD_FORMAT, "%s: %s holds %g at element %zu", weights->path,
                              e->name, out[k], k);
    return HIDI_OK;
}

/* work: [(weights of one output channel + 1) * out + 4 out]. */
static hidi_status read_conv(const hidi_inception_step *s, const hidi_tensor_file *weights,
                             double *work, hidi_real *out)
{
    const size_t fan_in = s->in * s->kernel_h * s->kernel_w;
    double *value[PARTS] = {work};
    for (int i = GAMMA; i < PARTS; i++)
        value[i] = work + s->out * (fan_in + (size_t)i);
    for (int i = 0; i < PARTS; i++) {
        const entry e = conv_entry(s, i);
        HIDI_TRY(read_entry(weights, &e, value[i]));
    }
    for (size_t o = 0; o < s->out; o++) {
        if (value[VARIANCE][o] < 0)
            return hidi_error(HIDI_BAD_FORMAT, "%s: %s.%s is %g at element %zu, below 0",
                              weights->path, s->name, part_name[VARIANCE], value[VARIANCE][o], o);
        const double scale = value[GAMMA][o] / sqrt(value[VARIANCE][o] + bn_epsilon);
        for (size_t k = 0; k < fan_in; k++)
            out[s->weight + o * fan_in + k] = (hidi_real)(scale * value[WEIGHT][o * fan_in + k]);
        out[s->bias + o] = (hidi_real)(value[BETA][o] - scale * value[MEAN][o]);
    }
    return HIDI_OK;
}

hidi_status hidi_inception_read_folded(const hidi_inception_plan *plan,
                                       const hidi_tensor_file *weights, hidi_real *out)
{
    size_t most = 0;
    for (size_t i = 0; i < plan->n_steps; i++) {
        const hidi_inception_step *s = &plan->step[i];
        const size_t need = s->out * (s->in * s->kernel_h * s->kernel_w + PARTS);
        most = need > most ? need : most;
    }
    double *work = malloc(most * sizeof *work);
    if (work == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory", weights->path);
    hidi_status status = HIDI_OK;
    for (size_t i = 0; i < plan->n_steps && status == HIDI_OK; i++)
        if (plan->step[i].kind == HIDI_INCEPTION_CONV)
            status = read_conv(&plan->step[i], weights, work, out);
    free(work);
    return status;
}

hidi_status hidi_inception_read_fc(const hidi_inception_plan *plan,
                                   const hidi_tensor_file *weights, hidi_real *out)
{
    const entry e = fc_weight();
    const size_t count = hidi_count(e.shape);
    double *work = malloc(count * sizeof *work);
    (void)plan;
    if (work == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory", weights->path);
    hidi_status status = read_entry(weights, &e, work);
    for (size_t k = 0; k < count && status == HIDI_OK; k++)
        out[k] = (hidi_real)work[k];
    free(work);
    return status;
}

/* --- random weights --------------------------------------------------------------------------- */

typedef struct generator {
    uint64_t seed;
    uint64_t tensor; /* number of the next one */
} generator;

static double uniform(uint64_t seed, uint64_t tensor, uint64_t k)
{
    uint64_t z = seed + ((tensor << 32) + k + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return (double)(z >> 40) / 16777216;
}

/* Adds a tensor of scale u + shift. */
static hidi_status add_random(hidi_tensor_file *file, generator *g, const entry *e, double scale,
                              double shift)
{
    const size_t count = hidi_count(e->shape);
    float *value = malloc(count * sizeof *value);
    if (value == NULL)
        return hidi_error(HIDI_NO_MEMORY, "random weights: out of memory");
    for (size_t k = 0; k < count; k++)
        value[k] = (float)(scale * uniform(g->seed, g->tensor, k) + shift);
    g->tensor++;
    hidi_status status = hidi_tensor_file_add(file, e->name, HIDI_F32, e->shape.rank, e->shape.dim,
                                              value);
    free(value);
    return status;
}

static hidi_status add_random_conv(hidi_tensor_file *file, generator *g,
                                   const hidi_inception_step *s)
{
    static const struct {
        double scale, shift;
    } range[PARTS] = {{0, 0}, {1, 0.5}, {0.5, -0.25}, {0.5, -0.25}, {1, 0.5}};
    const double bound = sqrt(6 / (double)(s->in * s->kernel_h * s->kernel_w));
    for (int i = 0; i < PARTS; i++) {
        const entry e = conv_entry(s, i);
        HIDI_TRY(add_random(file, g, &e, i == WEIGHT ? 2 * bound : range[i].scale,
                            i == WEIGHT ? -bound : range[i].shift));
    }
    return HIDI_OK;
}

hidi_status hidi_inception_random(hidi_tensor_file *file, uint64_t seed)
{
    const entry weight = fc_weight(), bias = {"fc.bias", hidi_shape1(HIDI_INCEPTION_CLASSES)};
    generator g = {seed, 0};
    hidi_inception_plan plan;
    hidi_inception_make_plan(&plan);
    hidi_tensor_file_init(file);
    HIDI_TRY(hidi_tensor_file_set_path(file, "random weights"));
    for (size_t i = 0; i < plan.n_steps; i++)
        if (plan.step[i].kind == HIDI_INCEPTION_CONV)
            HIDI_TRY(add_random_conv(file, &g, &plan.step[i]));
    HIDI_TRY(add_random(file, &g, &weight, 0.0625, -0.03125));
    return add_random(file, &g, &bias, 1, 0);
}
