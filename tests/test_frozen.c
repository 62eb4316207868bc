/* test_frozen.c - networks that are not trained, with their matrices in bfloat16: how numbers are
 * rounded, and that what is computed with such a network is what one computes whose matrices were
 * rounded by hand, bit for bit. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/tables.h"
#include "core/random.h"
#include "core/threads.h"
#include "each_backend.h"
#include "io/safetensors.h"
#include "random_weights.h"
#include "scratch.h"
#include "train/stage1.h"
#include "train/stage2.h"
#include "take_steps.h"

static const hidi_backend *backend; /* set by main */

#define OK(call) ck_assert_msg((call) == HIDI_OK, "%s", hidi_error_message())

/* --- the type --------------------------------------------------------------------------------- */

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Halves, to even; just below and above them; carries into the exponent; both ends of the range. */
START_TEST(rounds_to_nearest_even)
{
    static const struct {
        uint32_t from;
        hidi_bf16 to;
    } known[] = {{0x3f800000, 0x3f80}, {0x3f808000, 0x3f80}, {0x3f818000, 0x3f82},
                 {0x3f807fff, 0x3f80}, {0x3f808001, 0x3f81}, {0x3f817fff, 0x3f81},
                 {0x3f818001, 0x3f82}, {0xbf808000, 0xbf80}, {0xbf818000, 0xbf82},
                 {0x3fffffff, 0x4000}, {0x3fff8000, 0x4000}, {0x00000000, 0x0000},
                 {0x80000000, 0x8000}, {0x00008000, 0x0000}, {0x00008001, 0x0001},
                 {0x00018000, 0x0002}, {0x007fffff, 0x0080}, {0x7f7f7fff, 0x7f7f},
                 {0x7f7f8000, 0x7f80}, {0xff7fffff, 0xff80}, {0x7f800000, 0x7f80},
                 {0xff800000, 0xff80}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        const hidi_bf16 found = hidi_to_bf16(float_of(known[i].from));
        ck_assert_msg(found == known[i].to, "%08lx becomes %04x, expected %04x",
                      (unsigned long)known[i].from, (unsigned)found, (unsigned)known[i].to);
    }
}
END_TEST

START_TEST(not_a_number_stays_one)
{
    static const uint32_t nan[] = {0x7fc00000, 0x7f800001, 0x7fffffff, 0xff80ffff, 0xffffffff};
    for (size_t i = 0; i < sizeof nan / sizeof nan[0]; i++)
        ck_assert(isnan(hidi_from_bf16(hidi_to_bf16(float_of(nan[i])))));
    ck_assert(isinf(hidi_from_bf16(0x7f80)) && hidi_from_bf16(0xff80) < 0);
}
END_TEST

/* Each of the 65,536 comes back, and no number is nearer to x than what x becomes. */
START_TEST(all_come_back)
{
    for (uint32_t i = 0; i <= 0xffff; i++) {
        const hidi_real x = hidi_from_bf16((hidi_bf16)i);
        if (!isnan(x))
            ck_assert_uint_eq(hidi_to_bf16(x), i);
    }
    hidi_real x[512];
    hidi_normal((hidi_random){1, HIDI_STREAM_TEST, 0}, 0, x, 512);
    for (int i = 0; i < 512; i++) {
        const float single = (float)x[i]; /* what is rounded */
        const hidi_bf16 y = hidi_to_bf16(x[i]);
        const double error = fabs((double)hidi_from_bf16(y) - single);
        ck_assert(error <= fabs((double)hidi_from_bf16((hidi_bf16)(y + 1)) - single));
        ck_assert(error <= fabs((double)hidi_from_bf16((hidi_bf16)(y - 1)) - single));
    }
}
END_TEST

/* --- a product -------------------------------------------------------------------------------- */

static hidi_real *numbers(size_t n, uint64_t which)
{
    hidi_real *x = malloc(n * sizeof *x);
    ck_assert_ptr_nonnull(x);
    hidi_normal((hidi_random){2, HIDI_STREAM_TEST, which}, 0, x, n);
    return x;
}

/* [out, in] in the backend's memory: in bfloat16, and the same numbers in full. */
typedef struct matrix {
    hidi_shape shape;
    hidi_bf16 *bf16;
    hidi_real *full;
} matrix;

static matrix new_matrix(size_t out, size_t in)
{
    const size_t n = out * in;
    matrix m = {.shape = hidi_shape2(out, in),
                .bf16 = backend->allocate(n * sizeof *m.bf16),
                .full = backend->allocate(n * sizeof *m.full)};
    hidi_real *host = numbers(n, 1);
    hidi_bf16 *rounded = malloc(n * sizeof *rounded);
    ck_assert(m.bf16 != NULL && m.full != NULL && rounded != NULL);
    for (size_t i = 0; i < n; i++) {
        rounded[i] = hidi_to_bf16(host[i]);
        host[i] = hidi_from_bf16(rounded[i]);
    }
    backend->upload(m.bf16, rounded, n * sizeof *rounded);
    backend->upload(m.full, host, n * sizeof *host);
    free(rounded);
    free(host);
    return m;
}

/* y, dy, and the gradients of x and b, one after the other. */
static hidi_real *product(const matrix *m, bool in_bf16, size_t rows, bool has_bias)
{
    const size_t out = m->shape.dim[0], in = m->shape.dim[1];
    hidi_real *x = numbers(rows * in, 2), *dx = numbers(rows * in, 3), *b = numbers(out, 4);
    hidi_real *seed = numbers(rows * out, 5);
    hidi_real *found = calloc(2 * rows * out + rows * in + out, sizeof *found);
    hidi_tape *tape = hidi_tape_create(backend);
    ck_assert(found != NULL && tape != NULL);
    hidi_var *x_var = hidi_input(tape, hidi_shape2(rows, in), x, true);
    hidi_var *b_var = has_bias ? hidi_input(tape, hidi_shape1(out), b, true) : NULL;
    hidi_var *w = in_bf16 ? hidi_bf16_parameter(tape, m->shape, m->bf16)
                          : hidi_parameter(tape, m->shape, m->full, NULL);
    hidi_var *dual = hidi_dual(tape, x_var, hidi_constant(tape, hidi_shape2(rows, in), dx));
    hidi_var *y = hidi_linear(tape, dual, w, b_var);
    OK(hidi_tape_status(tape));
    OK(hidi_read(tape, y, found));
    OK(hidi_read_tangent(tape, y, found + rows * out));
    OK(hidi_tape_backward(tape, y, seed));
    OK(hidi_read_grad(tape, x_var, found + 2 * rows * out));
    if (has_bias)
        OK(hidi_read_grad(tape, b_var, found + 2 * rows * out + rows * in));
    hidi_tape_destroy(tape);
    free(x);
    free(dx);
    free(b);
    free(seed);
    return found;
}

/* Matrices of a single panel: the same calls of the backend follow.  Larger ones are cut (of these,
 * on a thread that computes alone): BLAS may add up in another order, and the reference rounds once
 * more where there is a bias. */
START_TEST(products_are_those_of_rounded_matrices)
{
    static const size_t sizes[][3] = {{5, 7, 3}, {1, 1, 1}, {64, 96, 40}, {3, 300, 2000},
                                      {2, 2100, 290}, {1, 20000, 33}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const size_t rows = sizes[i][0], out = sizes[i][1], in = sizes[i][2];
        const size_t n = 2 * rows * out + rows * in + out;
        const bool is_reference = backend == hidi_reference_backend();
        const matrix m = new_matrix(out, in);
        for (int k = 0; k < 4; k++) {
            const bool has_bias = k % 2 == 1, alone = k >= 2;
            const int before = alone ? hidi_serial_begin() : 0;
            hidi_real *found = product(&m, true, rows, has_bias);
            hidi_real *expected = product(&m, false, rows, has_bias);
            if (alone)
                hidi_serial_end(before);
            const double terms = sqrt((double)(in > out ? in : out));
            if (in * out <= 1 << 18 || !alone || (is_reference && !has_bias))
                ck_assert_mem_eq(found, expected, n * sizeof *found);
            for (size_t e = 0; e < n; e++)
                if (!(fabs(found[e] - expected[e]) <= 64 * HIDI_REAL_EPSILON * terms))
                    ck_abort_msg("[%zu, %zu] element %zu is %.9g, expected %.9g", out, in, e,
                                 (double)found[e], (double)expected[e]);
            free(found);
            free(expected);
        }
        backend->release(m.bf16);
        backend->release(m.full);
    }
}
END_TEST

START_TEST(only_products_take_it)
{
    hidi_tape *tape = hidi_tape_create(backend);
    const matrix m = new_matrix(4, 4);
    hidi_real x[16] = {0};
    for (int i = 0; i < 6; i++) {
        hidi_tape_reset(tape);
        hidi_var *w = hidi_bf16_parameter(tape, m.shape, m.bf16);
        hidi_var *full = hidi_constant(tape, m.shape, x);
        hidi_var *y = i == 0   ? hidi_add(tape, full, w)
                      : i == 1 ? hidi_linear(tape, w, full, NULL)
                      : i == 2 ? hidi_reshape(tape, w, hidi_shape1(16))
                      : i == 3 ? hidi_stop_gradient(tape, w)
                      : i == 4 ? hidi_linear(tape, full, w, w)
                               : hidi_columns_of(tape, w, 0, 2);
        ck_assert_ptr_null(y);
        ck_assert_int_eq(hidi_tape_status(tape), HIDI_UNSUPPORTED);
        ck_assert_ptr_nonnull(strstr(hidi_error_message(), "bf16"));
    }
    hidi_tape_reset(tape);
    ck_assert_ptr_null(hidi_bf16_parameter(tape, m.shape, NULL));
    hidi_tape_destroy(tape);
    backend->release(m.bf16);
    backend->release(m.full);
}
END_TEST

/* --- a network -------------------------------------------------------------------------------- */

enum { SIDE = 8, CHANNELS = 3, BATCH = 5, PIXELS = BATCH * CHANNELS * SIDE * SIDE };

static hidi_dit_config config_of(bool diffusers)
{
    return (hidi_dit_config){.image_size = SIDE, .channels = CHANNELS, .out_channels = CHANNELS,
                             .patch = 2, .width = 24, .depth = 3, .heads = 2, .mlp_width = 96,
                             .n_classes = 10, .time_scale = 30,
                             .code = diffusers ? HIDI_CODE_DIFFUSERS : HIDI_CODE_DIT};
}

static hidi_dit *new_net(bool diffusers)
{
    const hidi_dit_config config = config_of(diffusers);
    hidi_dit *net;
    OK(hidi_dit_create(&net, backend, &config));
    random_weights(net, 1);
    return net;
}

/* Which of a DiT's parameters are matrices. */
static bool is_rounded(const char *name)
{
    static const char *const ends[] = {"qkv.weight", "proj.weight", "fc1.weight", "fc2.weight",
                                       "mlp.2.weight", "adaLN_modulation.1.weight",
                                       "final_layer.linear.weight"};
    if (strcmp(name, "x_embedder.proj.weight") == 0)
        return false;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        const size_t length = strlen(name), end = strlen(ends[i]);
        if (length >= end && strcmp(name + length - end, ends[i]) == 0)
            return true;
    }
    return false;
}

/* Rounds the matrices and leaves them in full. */
static void round_by_hand(hidi_dit *net)
{
    for (int i = 0; i < net->params.n_params; i++) {
        const hidi_param *param = &net->params.param[i];
        const size_t n = hidi_count(param->shape);
        hidi_real *host = malloc(n * sizeof *host);
        ck_assert_ptr_nonnull(host);
        hidi_params_read(&net->params, i, host);
        for (size_t k = 0; k < n && is_rounded(param->name); k++)
            host[k] = hidi_from_bf16(hidi_to_bf16(host[k]));
        hidi_params_write(&net->params, i, host);
        free(host);
    }
}

static void assert_same_values(const hidi_dit *a, const hidi_dit *b)
{
    ck_assert_int_eq(a->params.n_params, b->params.n_params);
    for (int i = 0; i < a->params.n_params; i++) {
        const size_t n = hidi_count(a->params.param[i].shape);
        hidi_real *x = malloc(n * sizeof *x), *y = malloc(n * sizeof *y);
        ck_assert(x != NULL && y != NULL);
        hidi_params_read(&a->params, i, x);
        hidi_params_read(&b->params, i, y);
        ck_assert_mem_eq(x, y, n * sizeof *x);
        free(x);
        free(y);
    }
}

/* v, its tangent, and the gradient of z. */
static void velocity(const hidi_dit *net, hidi_real *v)
{
    const hidi_real t[BATCH] = {0, 0.25, 0.5, 0.875, 1};
    hidi_real *z = numbers(PIXELS, 6), *dz = numbers(PIXELS, 7);
    const int32_t y[BATCH] = {0, 3, 10, 9, 5};
    hidi_tape *tape = hidi_tape_create(backend);
    const hidi_shape shape = hidi_shape4(BATCH, CHANNELS, SIDE, SIDE);
    hidi_var *z_var = hidi_input(tape, shape, z, true);
    hidi_var *z_t = hidi_dual(tape, z_var, hidi_constant(tape, shape, dz));
    hidi_var *out = hidi_dit_velocity(tape, net, true, z_t,
                                      hidi_constant(tape, hidi_shape1(BATCH), t), NULL,
                                      HIDI_CLASSES(y));
    OK(hidi_tape_status(tape));
    OK(hidi_read(tape, out, v));
    OK(hidi_read_tangent(tape, out, v + PIXELS));
    OK(hidi_tape_backward(tape, out, dz));
    OK(hidi_read_grad(tape, z_var, v + 2 * PIXELS));
    hidi_tape_destroy(tape);
    free(z);
    free(dz);
}

START_TEST(velocity_is_that_of_rounded_matrices)
{
    static hidi_real found[3 * PIXELS], expected[3 * PIXELS], in_full[3 * PIXELS];
    hidi_dit *net = new_net(_i == 1), *held;
    const size_t elements = net->params.count;
    velocity(net, in_full);
    OK(hidi_dit_copy(&held, net));
    OK(hidi_dit_hold_bf16(&held));
    OK(hidi_dit_hold_bf16(&held));
    round_by_hand(net);
    velocity(net, expected);
    velocity(held, found);
    ck_assert_mem_eq(found, expected, sizeof found);
    ck_assert_mem_ne(found, in_full, sizeof found);
    assert_same_values(held, net);
    ck_assert(held->config.bf16 && held->params.bf16_count > elements / 2);
    ck_assert_uint_eq(hidi_params_elements(&held->params), elements);
    hidi_dit_destroy(held);
    hidi_dit_destroy(net);
}
END_TEST

/* From a file, in half of the memory, and into one. */
START_TEST(files)
{
    const hidi_dit_given given = {.bf16 = true};
    hidi_tensor_file file;
    hidi_dit *net = new_net(false), *held, *again;
    OK(hidi_dit_save(net, scratch("net.safetensors")));
    OK(hidi_safetensors_read(&file, scratch("net.safetensors")));
    OK(hidi_dit_read(&held, backend, &file, "", &given));
    round_by_hand(net);
    assert_same_values(held, net);
    OK(hidi_dit_save(held, scratch("held.safetensors")));
    OK(hidi_dit_load(&again, backend, scratch("held.safetensors")));
    ck_assert(!again->config.bf16 && again->params.bf16_count == 0);
    assert_same_values(again, net);
    hidi_dit_destroy(again);
    hidi_dit_destroy(held);
    hidi_dit_destroy(net);
    hidi_tensor_file_free(&file);
}
END_TEST

/* What is finite in a file and is not in bfloat16. */
START_TEST(files_with_what_it_does_not_hold)
{
    const hidi_dit_given given = {.bf16 = true};
    hidi_tensor_file file;
    hidi_dit *net = new_net(false), *held;
    const int i = hidi_params_find(&net->params, "blocks.1.attn.proj.weight");
    hidi_real *host = numbers(24 * 24, 1);
    host[5] = (hidi_real)FLT_MAX;
    hidi_params_write(&net->params, i, host);
    OK(hidi_dit_save(net, scratch("large.safetensors")));
    OK(hidi_safetensors_read(&file, scratch("large.safetensors")));
    ck_assert_int_eq(hidi_dit_read(&held, backend, &file, "", &given), HIDI_BAD_FORMAT);
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "blocks.1.attn.proj.weight"));
    hidi_tensor_file_free(&file);
    OK(hidi_dit_hold_bf16(&net));
    ck_assert_str_eq(hidi_params_not_finite(&net->params, true), "blocks.1.attn.proj.weight");
    free(host);
    hidi_dit_destroy(net);
}
END_TEST

START_TEST(what_is_trained_is_in_full)
{
    hidi_dit *net = new_net(false), *copy, *student, *deep;
    OK(hidi_dit_hold_bf16(&net));
    ck_assert_int_eq(hidi_params_train(&net->params), HIDI_UNSUPPORTED);
    OK(hidi_dit_copy(&copy, net));
    OK(hidi_dit_student(&student, net, 1));
    OK(hidi_dit_student_of_depth(&deep, net, 5, 1));
    ck_assert(!copy->config.bf16 && !student->config.bf16 && !deep->config.bf16);
    assert_same_values(copy, net);
    OK(hidi_params_train(&copy->params));
    OK(hidi_params_train(&student->params));
    hidi_dit_destroy(deep);
    OK(hidi_dit_student_of_depth(&deep, net, 2, 1));
    hidi_dit_destroy(deep);
    hidi_dit_destroy(student);
    hidi_dit_destroy(copy);
    hidi_dit_destroy(net);
}
END_TEST

/* A network that is read so needs half of the memory, but for what is no matrix. */
START_TEST(memory)
{
    const hidi_backend *dry = hidi_dry_backend(backend);
    hidi_dit_config config = config_of(false);
    hidi_dit *net;
    OK(hidi_dit_create(&net, dry, &config));
    const size_t full = hidi_dry_bytes(), count = net->params.count;
    hidi_dit_destroy(net);
    config.bf16 = true;
    OK(hidi_dit_create(&net, dry, &config));
    const size_t saved = net->params.bf16_count * (sizeof(hidi_real) - sizeof(hidi_bf16));
    ck_assert_uint_eq(hidi_dry_bytes(), full - saved + sizeof(hidi_bf16));
    ck_assert_uint_eq(net->params.count + net->params.bf16_count, count);
    hidi_dit_destroy(net);
}
END_TEST

/* --- trainings -------------------------------------------------------------------------------- */

enum { STEPS = STEPS_TAKEN };
static hidi_dataset *data;
static const hidi_schedule schedule = {1e-3, 0, HIDI_DECAY_NONE, 1, STEPS};

static void train_stage1(outcome *o, const hidi_dit *teacher, bool by_jvp)
{
    hidi_stage1_options options = hidi_stage1_defaults();
    hidi_stage1 *training;
    options.batch = 6;
    options.micro_batch = 4;
    options.schedule = schedule;
    options.meanflow.difference = by_jvp ? 0 : options.meanflow.difference;
    OK(hidi_stage1_create(&training, teacher, data, &options, ""));
    take_steps(o, hidi_stage1_task(training));
    hidi_stage1_destroy(training);
}

static void train_stage2(outcome *o, const hidi_dit *teacher)
{
    hidi_stage2_options options = hidi_stage2_defaults();
    hidi_stage2 *training;
    hidi_dit *student;
    options.batch = 6;
    options.micro_batch = 4;
    options.schedule = schedule;
    options.adversary.heads.n = 1;
    options.adversary.heads.key_width = 8;
    OK(hidi_dit_student(&student, teacher, 1));
    OK(hidi_stage2_create(&training, student, teacher, data, &options, ""));
    take_steps(o, hidi_stage2_task(training));
    hidi_stage2_destroy(training);
    hidi_dit_destroy(student);
}

static void train(outcome *o, const hidi_dit *teacher, int kind)
{
    if (kind < 2)
        train_stage1(o, teacher, kind == 1);
    else
        train_stage2(o, teacher);
}

START_TEST(stages_train_as_with_rounded_matrices)
{
    outcome found, expected;
    hidi_dit *held = new_net(false), *net;
    OK(hidi_dataset_open(&data, "shapes", NULL, SIDE, 1));
    OK(hidi_dit_copy(&net, held));
    OK(hidi_dit_hold_bf16(&held));
    round_by_hand(net);
    train(&found, held, _i);
    train(&expected, net, _i);
    ck_assert_mem_eq(found.values, expected.values, sizeof found.values);
    ck_assert_uint_eq(found.n, expected.n);
    ck_assert_mem_eq(found.weights, expected.weights, found.n * sizeof *found.weights);
    ck_assert(isfinite(found.values[0][0]) && found.values[0][0] != found.values[STEPS - 1][0]);
    free(found.weights);
    free(expected.weights);
    hidi_dataset_close(data);
    hidi_dit_destroy(held);
    hidi_dit_destroy(net);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_test(tcase, rounds_to_nearest_even);
    tcase_add_test(tcase, not_a_number_stays_one);
    tcase_add_test(tcase, all_come_back);
    tcase_add_test(tcase, products_are_those_of_rounded_matrices);
    tcase_add_test(tcase, only_products_take_it);
    tcase_add_loop_test(tcase, velocity_is_that_of_rounded_matrices, 0, 2);
    tcase_add_test(tcase, files);
    tcase_add_test(tcase, files_with_what_it_does_not_hold);
    tcase_add_test(tcase, what_is_trained_is_in_full);
    tcase_add_test(tcase, memory);
    tcase_add_loop_test(tcase, stages_train_as_with_rounded_matrices, 0, 3);
}

int main(void)
{
    scratch_begin();
    return run_on_each_backend("frozen", &backend, add);
}
