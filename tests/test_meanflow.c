/* test_meanflow.c - whose derivative du/dt is, and how much of it enters the target. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "method/meanflow.h"
#include "near.h"
#include "random_weights.h"
#include "suite.h"

enum { B = 3, SIZE = 8, PIXELS = 3 * SIZE * SIZE, ALL = B * PIXELS };

static const hidi_backend *backend; /* set by main */
static const hidi_real times[2][B] = {{0.9f, 0.5f, 1.0f}, {0.1f, 0.5f, 0.0f}}; /* t, r */
static const int32_t y[B] = {1, 0, 2};

static hidi_dit *network(bool has_interval, uint64_t seed)
{
    const hidi_dit_config config = {.image_size = SIZE, .channels = 3, .out_channels = 3,
                                    .patch = 4, .width = 16, .depth = 2, .heads = 2,
                                    .mlp_width = 32, .n_classes = 3, .time_scale = 10,
                                    .has_interval = has_interval};
    hidi_dit *dit;
    ck_assert_int_eq(hidi_dit_create(&dit, backend, &config), HIDI_OK);
    random_weights(dit, seed);
    ck_assert_int_eq(hidi_params_train(&dit->params), HIDI_OK);
    return dit;
}

typedef struct outcome {
    hidi_real v[ALL], dudt[ALL], target[ALL], loss;
    double grad_norm;
} outcome;

static hidi_real place; /* in the interval of options->window, of all samples */

static void run(outcome *o, hidi_dit *student, const hidi_dit *teacher,
                const hidi_meanflow_options *options, const hidi_meanflow_target *at)
{
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_meanflow_terms terms;
    hidi_real host[2][ALL];
    for (uint64_t i = 0; i < 2; i++)
        hidi_normal((hidi_random){1, HIDI_STREAM_TEST, i}, 0, host[i], ALL);
    const hidi_shape images = hidi_shape4(B, 3, SIZE, SIZE), samples = hidi_shape1(B);
    hidi_var *x = hidi_constant(tape, images, host[0]), *e = hidi_constant(tape, images, host[1]);
    hidi_var *t = hidi_constant(tape, samples, times[0]);
    hidi_var *r = hidi_constant(tape, samples, times[1]);
    hidi_meanflow_target target = {.share = 1};
    if (at != NULL)
        target = *at;
    target.place = hidi_filled(tape, samples, place);
    hidi_params_zero_grad(&student->params);
    hidi_var *loss = hidi_meanflow_loss(tape, student, teacher, x, e, t, r, HIDI_CLASSES(y),
                                        options, &target, &terms);
    ck_assert_msg(hidi_tape_status(tape) == HIDI_OK, "%s", hidi_error_message());
    ck_assert_int_eq(hidi_read(tape, terms.v, o->v), HIDI_OK);
    ck_assert_int_eq(hidi_read(tape, terms.dudt, o->dudt), HIDI_OK);
    ck_assert_int_eq(hidi_read(tape, terms.target, o->target), HIDI_OK);
    ck_assert_int_eq(hidi_read(tape, loss, &o->loss), HIDI_OK);
    ck_assert_int_eq(hidi_tape_backward(tape, loss, NULL), HIDI_OK);
    o->grad_norm = hidi_params_grad_norm(&student->params);
    hidi_tape_destroy(tape);
}

/* By a copy of the student's weights it is the student's own; by others' it is theirs. */
START_TEST(derivative_of_another_network)
{
    static outcome own, copied, other, others_own;
    hidi_meanflow_options options = {.guidance = 1.5, .p = 1, .c = 1,
                                     .difference = _i == 0 ? 0 : 0.05};
    hidi_dit *teacher = network(false, 1), *student = network(true, 2), *foreign = network(true, 3);
    hidi_dit *copy;
    ck_assert_int_eq(hidi_dit_copy(&copy, student), HIDI_OK);
    run(&own, student, teacher, &options, NULL);
    run(&copied, student, teacher, &options, &(hidi_meanflow_target){.net = copy, .share = 1});
    run(&other, student, teacher, &options, &(hidi_meanflow_target){.net = foreign, .share = 1});
    run(&others_own, foreign, teacher, &options, NULL);
    ck_assert_mem_eq(own.dudt, copied.dudt, sizeof own.dudt);
    ck_assert_mem_eq(own.target, copied.target, sizeof own.target);
    assert_close((double)copied.loss, (double)own.loss, (double)own.loss, 16);
    assert_close(copied.grad_norm, own.grad_norm, own.grad_norm, 2000);
    ck_assert_mem_eq(other.dudt, others_own.dudt, sizeof other.dudt);
    ck_assert(memcmp(other.dudt, own.dudt, sizeof own.dudt) != 0);
    ck_assert(other.loss != own.loss);
    hidi_dit_destroy(teacher);
    hidi_dit_destroy(student);
    hidi_dit_destroy(foreign);
    hidi_dit_destroy(copy);
}
END_TEST

/* du/dt's mean over all places of an interval is the quotient of u's differences between its ends:
 * by Gauss and Legendre's rule of five points, which is exact for du/dt of degree 9 in t. */
START_TEST(derivative_within_an_interval)
{
    static const double node[5] = {-0.9061798459386640, -0.5384693101056831, 0, 0.5384693101056831,
                                   0.9061798459386640};
    static const double weight[5] = {0.2369268850561891, 0.4786286704993665, 0.5688888888888889,
                                     0.4786286704993665, 0.2369268850561891};
    static outcome wide, at;
    static double mean[ALL];
    const hidi_meanflow_options by_difference = {.guidance = 1.5, .p = 1, .c = 1,
                                                 .difference = 1e-3};
    const hidi_meanflow_options within = {.guidance = 1.5, .p = 1, .c = 1, .window = 1e-3};
    hidi_dit *teacher = network(false, 1), *student = network(true, 2);
    double length = 0, spread = 0, error = 0;
    run(&wide, student, teacher, &by_difference, NULL);
    memset(mean, 0, sizeof mean);
    for (int i = 0; i < 5; i++) {
        place = (hidi_real)((1 + node[i]) / 2);
        run(&at, student, teacher, &within, &(hidi_meanflow_target){.share = 1});
        for (size_t k = 0; k < ALL; k++) {
            mean[k] += weight[i] / 2 * (double)at.dudt[k];
            spread += pow((double)at.dudt[k] - (double)wide.dudt[k], 2) / 5;
        }
    }
    for (size_t k = 0; k < ALL; k++) {
        length += pow((double)wide.dudt[k], 2);
        error += pow(mean[k] - (double)wide.dudt[k], 2);
    }
    /* u's rounding, some 100 epsilon, is divided by an interval of 1e-3 or 2e-3, and du/dt is some
     * 30 times as long as u; to the interval the quotient adds 1e-12 */
    const double allowed = 3.3e3 * (double)HIDI_REAL_EPSILON + 1e-9;
    ck_assert_msg(error < allowed * allowed * length && spread > 10 * error,
                  "error %g, spread %g, length %g", sqrt(error), sqrt(spread), sqrt(length));
    hidi_dit_destroy(teacher);
    hidi_dit_destroy(student);
}
END_TEST

/* A window without a place in it is refused. */
START_TEST(window_without_a_place)
{
    const hidi_meanflow_options options = {.guidance = 1, .p = 1, .c = 1, .window = 0.05};
    hidi_dit *teacher = network(false, 1), *student = network(true, 2);
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_meanflow_terms terms;
    static const hidi_real image[ALL];
    const hidi_shape images = hidi_shape4(B, 3, SIZE, SIZE), samples = hidi_shape1(B);
    hidi_var *x = hidi_constant(tape, images, image), *e = hidi_constant(tape, images, image);
    hidi_var *t = hidi_constant(tape, samples, times[0]);
    hidi_var *r = hidi_constant(tape, samples, times[1]);
    ck_assert_ptr_null(hidi_meanflow_loss(tape, student, teacher, x, e, t, r, HIDI_CLASSES(y),
                                          &options, NULL, &terms));
    ck_assert_int_eq(hidi_tape_status(tape), HIDI_BAD_ARGUMENT);
    hidi_tape_destroy(tape);
    hidi_dit_destroy(teacher);
    hidi_dit_destroy(student);
}
END_TEST

/* target = v - share (t - r) du/dt */
START_TEST(share_of_the_derivative)
{
    static outcome o;
    const hidi_meanflow_options options = {.guidance = 1.5, .p = 1, .c = 1, .tangent_warmup = 4};
    hidi_dit *teacher = network(false, 1), *student = network(true, 2);
    for (long step = 0; step < 6; step++) {
        const double share = hidi_tangent_share(&options, step);
        ck_assert(share == (step < 4 ? (double)(step + 1) / 4 : 1));
        run(&o, student, teacher, &options, &(hidi_meanflow_target){.share = share});
        for (size_t k = 0; k < ALL; k++) {
            const double h = (double)times[0][k / PIXELS] - (double)times[1][k / PIXELS];
            const double change = share * h * (double)o.dudt[k];
            assert_close((double)o.target[k], (double)o.v[k] - change,
                         fabs((double)o.v[k]) + fabs(change), 4);
        }
    }
    ck_assert(hidi_tangent_share(&(hidi_meanflow_options){.p = 1}, 0) == 1);
    hidi_dit_destroy(teacher);
    hidi_dit_destroy(student);
}
END_TEST

int main(void)
{
    if (hidi_backend_open("cpu", &backend) != HIDI_OK)
        return EXIT_FAILURE;
    Suite *suite = begin_suite("meanflow");
    TCase *tcase = tcase_create("meanflow");
    tcase_set_timeout(tcase, 600);
    tcase_add_loop_test(tcase, derivative_of_another_network, 0, 2);
    tcase_add_test(tcase, derivative_within_an_interval);
    tcase_add_test(tcase, window_without_a_place);
    tcase_add_test(tcase, share_of_the_derivative);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
