/* computations.c - a network's pass with its tangent and gradient, MeanFlow's loss, and training
 * steps of all kinds, on the backend under test and on the reference.
 *
 * What comes out is a vector, and its error is one of norms: |found - expected| / |expected|.  The
 * roundings of an op point in no common direction: its result is off by about one rounding of its
 * norm, and n ops one after the other by sqrt(n) of them.  A pass here is about 100 ops, its
 * tangent or gradient two to three times that, of terms that partly cancel.  A training's vector is
 * the change of the weights, which have roundings of their own, of the weights' size, in every
 * step.
 */
#include "lab/selftest/selftest.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "backend/tables.h"
#include "autograd/ops.h"
#include "core/random.h"
#include "train/stage2.h"
#include "train/stage1.h"
#include "method/meanflow.h"
#include "train/teacher.h"
#include "train/workers.h"

enum { BATCH = 5, STEPS = 4 };

/* What a computation gives. */
typedef struct vector {
    hidi_real *x;
    size_t n;
    double floor; /* of its error, from the size of what it was subtracted from */
} vector;

/* Takes n more elements; NULL when out of memory. */
static hidi_real *extend(vector *v, size_t n)
{
    hidi_real *grown = realloc(v->x, (v->n + n) * sizeof *grown);

    if (grown == NULL) {
        hidi_error(HIDI_NO_MEMORY, "no memory for %zu elements", v->n + n);
        return NULL;
    }
    v->x = grown;
    v->n += n;
    return grown + v->n - n;
}

/* --- the backend under test, counting --------------------------------------------------------- */

static hidi_backend counting;
static const hidi_backend *counted;
static long allocations;

static void *count_allocate(size_t bytes)
{
    allocations++;
    return counted->allocate(bytes);
}

static const hidi_backend *counting_backend(const hidi_backend *backend)
{
    counted = backend;
    counting = *backend;
    counting.allocate = count_allocate;
    return &counting;
}

/* --- a small network -------------------------------------------------------------------------- */

/* Nothing in it is zero, as most of a new network is. */
static hidi_status new_dit(hidi_dit **dit, const hidi_backend *backend, const hidi_dataset *data)
{
    const hidi_dit_config config = { .image_size = data->height, .channels = data->channels,
                                     .out_channels = data->channels, .patch = 2, .width = 24,
                                     .depth = 2, .heads = 2, .mlp_width = 96,
                                     .n_classes = data->n_classes, .time_scale = 30,
                                     .has_interval = true };

    HIDI_TRY(hidi_dit_create(dit, backend, &config));
    HIDI_TRY(hidi_dit_initialise(*dit, 1));
    const hidi_params *p = &(*dit)->params;
    hidi_real *value = malloc(p->count * sizeof *value), *noise = malloc(p->count * sizeof *noise);
    if (value && noise) {
        hidi_normal((hidi_random){ 1, HIDI_STREAM_TEST, 7 }, 0, noise, p->count);
        backend->download(value, p->value, p->count * sizeof *value);
        for (size_t i = 0; i < p->count; i++)
            value[i] += (hidi_real)0.05 * noise[i];
        backend->upload(p->value, value, p->count * sizeof *value);
    }
    const bool is_done = value && noise;
    free(value);
    free(noise);
    return is_done ? HIDI_OK : hidi_error(HIDI_NO_MEMORY, "no memory for a network's weights");
}

/* A batch of noise: images x and e, times r <= t, classes. */
typedef struct batch {
    hidi_shape shape, times;
    hidi_real x[BATCH * 3 * 8 * 8], e[BATCH * 3 * 8 * 8], t[BATCH], r[BATCH];
    int32_t y[BATCH];
} batch;

static void draw_batch(batch *b, const hidi_dataset *data)
{
    const size_t n = BATCH * data->channels * data->height * data->width;

    b->shape = hidi_shape4(BATCH, data->channels, data->height, data->width);
    b->times = hidi_shape1(BATCH);
    hidi_normal((hidi_random){ 1, HIDI_STREAM_TEST, 8 }, 0, b->x, n);
    hidi_normal((hidi_random){ 1, HIDI_STREAM_TEST, 9 }, 0, b->e, n);
    for (int i = 0; i < BATCH; i++) {
        b->t[i] = (hidi_real)(0.3 + 0.1 * i);
        b->r[i] = i == 0 ? b->t[i] : (hidi_real)(0.05 * i);
        b->y[i] = (int32_t)((size_t)i % (data->n_classes + 1));
    }
}

/* --- passes ----------------------------------------------------------------------------------- */

typedef enum part { OUTPUT, TANGENT, GRADIENT } part;

static hidi_status read_gradients(const hidi_dit *dit, vector *v)
{
    hidi_real *to = extend(v, dit->params.count);

    if (to == NULL)
        return HIDI_NO_MEMORY;
    dit->params.backend->download(to, dit->params.grad, dit->params.count * sizeof *to);
    return dit->params.backend->check();
}

/* u(z, r, t, y), du along (e, 1), and the gradient of <u, e> */
static hidi_status pass(const hidi_dit *dit, hidi_tape *tape, const batch *b, part what, vector *v)
{
    hidi_var *z = hidi_input(tape, b->shape, b->x, true), *e = hidi_constant(tape, b->shape, b->e);
    hidi_var *t = hidi_constant(tape, b->times, b->t), *r = hidi_constant(tape, b->times, b->r);

    if (what == TANGENT) {
        z = hidi_dual(tape, z, e);
        t = hidi_dual(tape, t, hidi_filled(tape, b->times, 1));
    }
    hidi_var *u = hidi_dit_forward(tape, dit, false, z, t, r, HIDI_CLASSES(b->y), NULL);
    HIDI_TRY(hidi_tape_status(tape));
    if (what == GRADIENT) {
        HIDI_TRY(hidi_tape_backward(tape, u, b->e));
        HIDI_TRY(read_gradients(dit, v));
    }
    const size_t n = hidi_count(u->shape);
    hidi_real *to = extend(v, n);
    if (to == NULL)
        return HIDI_NO_MEMORY;
    return what == OUTPUT    ? hidi_read(tape, u, to)
           : what == TANGENT ? hidi_read_tangent(tape, u, to)
                             : hidi_read_grad(tape, z, to);
}

/* The gradient of MeanFlow's loss, with the network as its own teacher. */
static hidi_status meanflow(const hidi_dit *dit, hidi_tape *tape, const batch *b, vector *v)
{
    const hidi_meanflow_options options = { .guidance = 1.5, .p = 0.5, .c = 1 };
    hidi_meanflow_terms terms;
    hidi_var *x = hidi_constant(tape, b->shape, b->x), *e = hidi_constant(tape, b->shape, b->e);
    hidi_var *t = hidi_constant(tape, b->times, b->t), *r = hidi_constant(tape, b->times, b->r);
    hidi_var *loss = hidi_meanflow_loss(tape, dit, dit, x, e, t, r, HIDI_CLASSES(b->y), &options,
                                        NULL, &terms);

    HIDI_TRY(hidi_tape_backward(tape, loss, NULL));
    return read_gradients(dit, v);
}

static hidi_status run_pass(const hidi_backend *backend, const hidi_dataset *data, int what,
                            vector *v)
{
    static batch b;
    hidi_dit *dit = NULL;
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_status status = tape ? new_dit(&dit, backend, data)
                              : hidi_error(HIDI_NO_MEMORY, "no memory for a tape");

    draw_batch(&b, data);
    if (status == HIDI_OK)
        status = hidi_params_train(&dit->params);
    if (status == HIDI_OK)
        status = what <= GRADIENT ? pass(dit, tape, &b, (part)what, v) : meanflow(dit, tape, &b, v);
    hidi_tape_destroy(tape);
    hidi_dit_destroy(dit);
    return status;
}

/* --- training --------------------------------------------------------------------------------- */

/* A large epsilon, so that an update is smooth in the gradient: without it, Adam gives the sign of
 * gradients that are nothing but rounding. */
static const hidi_adamw adamw = { 0.9, 0.99, 0.1, 0.01, 1 };
static const hidi_schedule schedule = { 1e-2, 0, HIDI_DECAY_NONE, 1, 10 };
static const hidi_time_options times = { .density = HIDI_TIME_UNIFORM, .least = 0.1, .most = 0.9 };
static const hidi_interval_options interval = { .sampler = 0, .same = 0.25, .from_zero = 0.5 };

/* The steps; those after the first two of each kind must not ask for memory.  v: by how much they
 * have changed the weights. */
static hidi_status take_steps(const hidi_task *task, const hidi_params *weights, vector *v)
{
    const hidi_backend *backend = weights->backend;
    const size_t bytes = weights->count * sizeof(hidi_real);
    double values[HIDI_MAX_LOG_COLUMNS], size = 0, change = 0;
    hidi_real *before = malloc(bytes), *to = extend(v, weights->count);
    hidi_workers *workers = NULL;
    hidi_status status =
        before && to ? HIDI_OK : hidi_error(HIDI_NO_MEMORY, "no memory for weights");

    if (status == HIDI_OK)
        status = hidi_workers_create(&workers, task);
    if (status == HIDI_OK)
        backend->download(before, weights->value, bytes);
    for (long i = 0; i < STEPS && status == HIDI_OK; i++) {
        const long allocations_before = allocations;
        status = hidi_workers_step(workers, i, values);
        if (status == HIDI_OK && i >= 2 && allocations != allocations_before)
            status = hidi_error(HIDI_BAD_BACKEND, "step %ld allocates memory", i);
    }
    if (status == HIDI_OK) {
        backend->download(to, weights->value, bytes);
        status = backend->check();
    }
    for (size_t i = 0; i < weights->count && status == HIDI_OK; i++) {
        size += (double)to[i] * to[i];
        to[i] -= before[i];
        change += (double)to[i] * to[i];
    }
    hidi_workers_destroy(workers);
    v->floor = change > 0 ? STEPS * HIDI_REAL_EPSILON * sqrt(size / change) : 0;
    free(before);
    return status;
}

static hidi_status train_teacher(hidi_dit *net, const hidi_dataset *data, vector *v)
{
    const hidi_teacher_options options = { BATCH, BATCH, 1, 0.1, 0.99, times, adamw, schedule };
    hidi_teacher *training;
    hidi_dit *copy;

    HIDI_TRY(hidi_dit_copy(&copy, net));
    HIDI_TRY(hidi_teacher_create(&training, copy, data, &options, ""));
    hidi_status status = take_steps(hidi_teacher_task(training),
                                    &hidi_teacher_net(training)->params, v);
    hidi_teacher_destroy(training);
    return status;
}

static hidi_status train_stage1(hidi_dit *net, const hidi_dataset *data, vector *v)
{
    const hidi_stage1_options options = { .batch = BATCH, .micro_batch = BATCH, .seed = 1,
                                          .ema = 0.99, .interval = interval,
                                          .meanflow = { .guidance = 1.5, .p = 0.5, .c = 1 },
                                          .adamw = adamw, .schedule = schedule };
    hidi_stage1 *training;

    HIDI_TRY(hidi_stage1_create(&training, net, data, &options, ""));
    hidi_status status = take_steps(hidi_stage1_task(training),
                                    &hidi_stage1_student(training)->params, v);
    hidi_stage1_destroy(training);
    return status;
}

static hidi_status train_stage2(hidi_dit *net, const hidi_dataset *data, vector *v)
{
    const hidi_stage2_options options = { .batch = BATCH, .micro_batch = BATCH, .seed = 1,
                                      .ema = 0.99, .guidance = 1.5,
                                      .generator_every = 2, .time = times,
                                      .adversary = { .weight = 0.1, .time = times,
                                                     .head_rate = 1,
                                                     .heads = { .kind = HIDI_HEAD_AWD, .n = 2,
                                                                .block = { 0, 1 },
                                                                .key_width = 8 } },
                                      .discriminator_weight = 1,
                                      .backbone = HIDI_BACKBONE_TEACHER,
                                      .interval = interval,
                                      .meanflow = { .guidance = 1.5, .p = 0.5, .c = 1 },
                                      .adamw = adamw, .schedule = schedule, .fake_rate = 1 };
    hidi_stage2 *training;
    hidi_dit *student;

    HIDI_TRY(hidi_dit_student(&student, net, 2));
    hidi_status status = hidi_stage2_create(&training, student, net, data, &options, "");
    if (status == HIDI_OK)
        status = take_steps(hidi_stage2_task(training), &hidi_stage2_student(training)->params, v);
    hidi_stage2_destroy(training);
    hidi_dit_destroy(student);
    return status;
}

static hidi_status run_training(const hidi_backend *backend, const hidi_dataset *data, int stage,
                                vector *v)
{
    hidi_dit *net, *teacher = NULL;
    hidi_status status = new_dit(&net, backend, data);

    if (status == HIDI_OK) { /* the same weights, but for those of the interval */
        hidi_dit_config config = net->config;
        config.has_interval = false;
        status = hidi_dit_create(&teacher, backend, &config);
    }
    if (status == HIDI_OK)
        status = hidi_params_copy(&teacher->params, &net->params);
    if (status == HIDI_OK)
        status = stage == 0   ? train_teacher(teacher, data, v)
                 : stage == 1 ? train_stage1(teacher, data, v)
                              : train_stage2(teacher, data, v);
    hidi_dit_destroy(net);
    hidi_dit_destroy(teacher);
    return status;
}

/* --- the list --------------------------------------------------------------------------------- */

typedef struct computation {
    const char *name;
    hidi_status (*run)(const hidi_backend *backend, const hidi_dataset *data, int what, vector *v);
    int what;
    double roundings;
} computation;

static const computation list[] = {
    { "DiT, output", run_pass, OUTPUT, 10 },
    { "DiT, tangent", run_pass, TANGENT, 20 },
    { "DiT, gradient", run_pass, GRADIENT, 20 },
    { "MeanFlow, gradient", run_pass, 3, 60 },
    { "teacher, 4 steps", run_training, 0, 60 },
    { "stage 1, 4 steps", run_training, 1, 200 },
    { "stage 2, 4 steps", run_training, 2, 200 },
};

size_t hidi_selftest_computations(void)
{
    return sizeof list / sizeof *list;
}

static void compare(const computation *c, const vector *found, const vector *expected,
                    hidi_selftest_result *result)
{
    double difference = 0, size = 0;

    for (size_t i = 0; i < expected->n; i++) {
        difference += pow((double)found->x[i] - (double)expected->x[i], 2);
        size += pow((double)expected->x[i], 2);
    }
    result->error = sqrt(difference / size);
    result->bound = c->roundings * HIDI_REAL_EPSILON + expected->floor;
    if (!(result->error <= result->bound))
        snprintf(result->failure, sizeof result->failure,
                 "%zu elements are off by %.3g of their norm %.3g, allowed %.3g", expected->n,
                 result->error, sqrt(size), result->bound);
}

hidi_status hidi_selftest_computation(size_t i, const hidi_backend *tested,
                                      hidi_selftest_result *result)
{
    const computation *c = &list[i];
    vector found = { NULL, 0, 0 }, expected = { NULL, 0, 0 };
    hidi_dataset *data;

    *result = (hidi_selftest_result){ .name = c->name, .cases = 1 };
    HIDI_TRY(hidi_dataset_open(&data, "shapes", NULL, 8, 1));
    hidi_status status = c->run(hidi_reference_backend(), data, c->what, &expected);
    if (status == HIDI_OK && c->run(counting_backend(tested), data, c->what, &found) != HIDI_OK)
        snprintf(result->failure, sizeof result->failure, "%s", hidi_error_message());
    else if (status == HIDI_OK)
        compare(c, &found, &expected, result);
    hidi_dataset_close(data);
    free(found.x);
    free(expected.x);
    return status;
}
