/* test_gaussian.c - Gaussian data, for which everything is known in closed form.
 *
 * x ~ N(m, s^2) for each pixel, z_t = (1 - t) x + t e.  With var_t = (1 - t)^2 s^2 + t^2 and
 * c_t = cov(e - x, z_t) = t - (1 - t) s^2:
 *
 *     v(z, t)      = -m + c_t / var_t (z - (1 - t) m)          the exact velocity
 *     floor(t)     = s^2 + 1 - c_t^2 / var_t                   of the flow matching loss
 *     z_r          = (1 - r) m + sqrt(var_r / var_t) (z_t - (1 - t) m)     the ODE's solution
 *     u(z_t, r, t) = (z_t - z_r) / (t - r)                     the exact average velocity
 *     e - u(e, 0, 1) = m + s e                                 the one-step map
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/stage1.h"
#include "method/dmd.h"
#include "method/flow.h"
#include "method/sampler.h"
#include "train/teacher.h"
#include "train/workers.h"
#include "suite.h"

#define M 0.3
#define S 0.5

static const hidi_backend *backend; /* set by main */

static double variance(double t) { return (1 - t) * (1 - t) * S * S + t * t; }
static double covariance(double t) { return t - (1 - t) * S * S; }

/* The mean of floor(t) over t uniform on (0, 1), by Simpson's rule. */
static double loss_floor(void)
{
    enum { N = 2000 };
    double sum = 0;
    for (int i = 0; i <= N; i++) {
        const double t = (double)i / N, c = covariance(t);
        sum += (i == 0 || i == N ? 1 : i % 2 ? 4 : 2) * (S * S + 1 - c * c / variance(t));
    }
    return sum / (3 * N);
}

/* The data set: 4 x 4 grey images of one class. */
static void get(const hidi_dataset *data, hidi_split split, uint64_t index, hidi_real *image,
                int32_t *label)
{
    const size_t n = data->channels * data->height * data->width;
    hidi_normal((hidi_random){split == HIDI_TRAIN ? 11 : 12, HIDI_STREAM_TEST, index}, 0, image, n);
    for (size_t i = 0; i < n; i++)
        image[i] = (hidi_real)(M + S * (double)image[i]);
    *label = 0;
}

static hidi_dataset data = {.name = "gaussian",
                            .channels = 1,
                            .height = 4,
                            .width = 4,
                            .n_classes = 1,
                            .get = get};

/* --- on the tape, with the exact functions instead of a network ------------------------------- */

/* a(t) as a var with its tangent: value f(t_i), tangent f'(t_i) by a central difference whose error
 * is far below the test's tolerance. */
static hidi_var *function_of_time(hidi_tape *tape, const hidi_real *t, size_t n,
                                  double (*f)(double))
{
    const double h = 1e-5;
    hidi_real *value = malloc(n * sizeof *value), *slope = malloc(n * sizeof *slope);
    for (size_t i = 0; i < n; i++) {
        const double x = (double)t[i];
        value[i] = (hidi_real)f(x);
        slope[i] = (hidi_real)((8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) /
                               (12 * h));
    }
    hidi_var *x = hidi_constant(tape, hidi_shape1(n), value);
    hidi_var *y = hidi_dual(tape, x, hidi_constant(tape, hidi_shape1(n), slope));
    free(value);
    free(slope);
    return y;
}

static double inverse_deviation(double t) { return 1 / sqrt(variance(t)); }
static double slope_of_velocity(double t) { return covariance(t) / variance(t); }
static double one_minus(double t) { return 1 - t; }

/* z - (1 - t) m */
static hidi_var *centred(hidi_tape *tape, hidi_var *z, hidi_var *one_minus_t)
{
    hidi_var *means = hidi_filled(tape, z->shape, (hidi_real)M);
    return hidi_sub(tape, z, hidi_scale_samples(tape, means, one_minus_t));
}

/* u = v - (t - r) du/dt must hold for the exact u, with du/dt from the tape. */
START_TEST(meanflow_identity)
{
    enum { B = 6, PIXELS = 5 };
    const hidi_real t[B] = {1, 0.9f, 0.6f, 0.5f, 0.31f, 0.8f};
    const hidi_real r[B] = {0, 0.3f, 0.2f, 0.1f, 0.3f, 0.1f};
    hidi_real noise[B * PIXELS], u_host[B * PIXELS], target_host[B * PIXELS], h[B], deviation_r[B],
        mean_r[B];
    hidi_tape *tape = hidi_tape_create(backend);
    const hidi_shape shape = hidi_shape2(B, PIXELS);
    hidi_normal((hidi_random){3, HIDI_STREAM_TEST, 0}, 0, noise, B * PIXELS);
    for (int i = 0; i < B; i++) {
        h[i] = (hidi_real)(1 / ((double)t[i] - (double)r[i]));
        deviation_r[i] = (hidi_real)sqrt(variance((double)r[i]));
        mean_r[i] = (hidi_real)((1 - (double)r[i]) * M);
    }

    /* v(z, t) */
    hidi_var *z = hidi_constant(tape, shape, noise);
    hidi_var *omt = function_of_time(tape, t, B, one_minus);
    hidi_var *slope = function_of_time(tape, t, B, slope_of_velocity);
    hidi_var *v = hidi_scale_samples(tape, centred(tape, z, hidi_primal(tape, omt)),
                                     hidi_primal(tape, slope));
    v = hidi_affine(tape, v, 1, (hidi_real)-M);

    /* u(z, r, t), with the tangent (v, 1) */
    hidi_var *z_dual = hidi_dual(tape, z, v);
    hidi_var *z_r = hidi_scale_samples(tape, centred(tape, z_dual, omt),
                                       function_of_time(tape, t, B, inverse_deviation));
    z_r = hidi_scale_samples(tape, z_r, hidi_constant(tape, hidi_shape1(B), deviation_r));
    hidi_var *ones = hidi_filled(tape, shape, 1);
    z_r = hidi_add(tape, z_r,
                   hidi_scale_samples(tape, ones, hidi_constant(tape, hidi_shape1(B), mean_r)));
    /* 1 / (t - r) moves with t: its derivative is -1 / (t - r)^2 */
    hidi_var *inverse = hidi_constant(tape, hidi_shape1(B), h);
    inverse = hidi_dual(tape, inverse, hidi_scale(tape, hidi_square(tape, inverse), -1));
    hidi_var *u = hidi_scale_samples(tape, hidi_sub(tape, z_dual, z_r), inverse);

    hidi_var *interval = hidi_power(tape, hidi_primal(tape, inverse), 0, -1);
    hidi_var *target =
        hidi_sub(tape, v, hidi_scale_samples(tape, hidi_tangent(tape, u), interval));
    ck_assert_msg(hidi_tape_status(tape) == HIDI_OK, "%s", hidi_error_message());
    ck_assert_int_eq(hidi_read(tape, u, u_host), HIDI_OK);
    ck_assert_int_eq(hidi_read(tape, target, target_host), HIDI_OK);
    for (int i = 0; i < B * PIXELS; i++) {
        /* Rounding in u is magnified by 1 / (t - r), up to 100 here, once more in the tangent. */
        const double magnified = (double)(h[i / PIXELS] * h[i / PIXELS]);
        const double allowed = 40 * (magnified + 10) * HIDI_REAL_EPSILON + 1e-9;
        ck_assert_msg(fabs((double)u_host[i] - (double)target_host[i]) < allowed,
                      "element %d: u = %.17g, v - (t - r) du/dt = %.17g", i, (double)u_host[i],
                      (double)target_host[i]);
    }
    hidi_tape_destroy(tape);
}
END_TEST

/* With the exact velocity, the flow matching loss is its floor, up to the draw's standard error. */
START_TEST(floor_of_flow_matching)
{
    enum { B = 20000 };
    hidi_real *x = malloc(B * sizeof *x), *e = malloc(B * sizeof *e);
    hidi_real *z_host = malloc(B * sizeof *z_host);
    double *u = malloc(B * sizeof *u), sum = 0, square = 0;
    hidi_real *t = malloc(B * sizeof *t);
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_normal((hidi_random){5, HIDI_STREAM_TEST, 0}, 0, x, B);
    hidi_normal((hidi_random){5, HIDI_STREAM_TEST, 1}, 0, e, B);
    hidi_uniform((hidi_random){5, HIDI_STREAM_TEST, 2}, 0, u, B);
    for (int i = 0; i < B; i++) {
        x[i] = (hidi_real)(M + S * (double)x[i]);
        t[i] = (hidi_real)u[i];
    }
    const hidi_shape shape = hidi_shape2(B, 1);
    hidi_var *z = hidi_noised(tape, hidi_constant(tape, shape, x), hidi_constant(tape, shape, e),
                              hidi_constant(tape, hidi_shape1(B), t));
    ck_assert_int_eq(hidi_read(tape, z, z_host), HIDI_OK);
    for (int i = 0; i < B; i++) {
        const double T = u[i];
        const double v = -M + slope_of_velocity(T) * ((double)z_host[i] - (1 - T) * M);
        const double d = pow((double)e[i] - (double)x[i] - v, 2);
        sum += d / B;
        square += d * d / B;
    }
    const double error = sqrt((square - sum * sum) / B);
    ck_assert_msg(fabs(sum - loss_floor()) < 4 * error,
                  "loss %.5f, floor %.5f, standard error %.5f", sum, loss_floor(), error);
    hidi_tape_destroy(tape);
    free(x), free(e), free(z_host), free(u), free(t);
}
END_TEST

/* --- with networks: both trainings reach what theory says ------------------------------------- */

static const hidi_adamw adamw = {0.9, 0.99, 1e-8, 0, 1};

static hidi_dit *train_teacher(double *loss)
{
    enum { STEPS = 600, LAST = 200 };
    const hidi_dit_config config = {.image_size = 4, .channels = 1, .out_channels = 1, .patch = 2,
                                    .width = 32, .depth = 2, .heads = 2, .mlp_width = 64,
                                    .n_classes = 1, .time_scale = 10};
    const hidi_teacher_options options = {.batch = 64, .micro_batch = 64, .seed = 1, .label_dropout = 0.1, .ema = 0.98,
                                          .time = {HIDI_TIME_UNIFORM, 0, 1, 0, 0}, .adamw = adamw,
                                          .schedule = {4e-3, 20, HIDI_DECAY_COSINE, 0.05, STEPS}};
    hidi_dit *net;
    hidi_teacher *s;
    double values[8];
    ck_assert_int_eq(hidi_dit_create(&net, backend, &config), HIDI_OK);
    ck_assert_int_eq(hidi_dit_initialise(net, 1), HIDI_OK);
    ck_assert_int_eq(hidi_teacher_create(&s, net, &data, &options, ""), HIDI_OK);
    hidi_workers *workers;
    ck_assert_int_eq(hidi_workers_create(&workers, hidi_teacher_task(s)), HIDI_OK);
    *loss = 0;
    for (long step = 0; step < STEPS; step++) {
        const hidi_status status = hidi_workers_step(workers, step, values);
        ck_assert_msg(status == HIDI_OK, "%s", hidi_error_message());
        *loss += step >= STEPS - LAST ? values[0] / LAST : 0;
    }
    hidi_workers_destroy(workers);
    net = hidi_teacher_take_result(s);
    hidi_teacher_destroy(s);
    return net;
}

/* Root mean square of (samples - (m + s e)), over 256 images. */
static double error_of_map(const hidi_dit *net, const hidi_sampler *sampler)
{
    enum { N = 256, PIXELS = 16 };
    hidi_real e[N * PIXELS], x[N * PIXELS];
    int32_t y[N];
    double sum = 0;
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_sample_inputs(7, &net->config, 0, N, e, y);
    memcpy(x, e, sizeof x);
    const hidi_status status = hidi_sample(sampler, net, tape, x, HIDI_CLASSES(y), N, NULL);
    ck_assert_msg(status == HIDI_OK, "%s", hidi_error_message());
    for (int i = 0; i < N * PIXELS; i++)
        sum += pow((double)x[i] - (M + S * (double)e[i]), 2) / (N * PIXELS);
    hidi_tape_destroy(tape);
    return sqrt(sum);
}

START_TEST(trained_networks)
{
    enum { STEPS = 600 };
    double loss, values[16];
    hidi_dit *teacher = train_teacher(&loss);
    /* 200 steps of 64 x 16 squared errors, each at most about chi^2 distributed: the mean's
     * standard error is floor sqrt(2 / 204800) = 0.3 %.  The network may be a little above the
     * floor, and cannot be below it. */
    ck_assert_msg(loss > loss_floor() * (1 - 4 * 0.0032), "loss %g is below the floor %g", loss,
                  loss_floor());
    ck_assert_msg(loss < loss_floor() * 1.05, "loss %g, floor %g", loss, loss_floor());

#define SAMPLER(s, n) {.solver = HIDI_##s, .steps = n, .guidance = 1, .batch = 256}
    const hidi_sampler heun = SAMPLER(HEUN, 20), euler = SAMPLER(EULER, 1),
                       one = SAMPLER(AVERAGE, 1), four = SAMPLER(AVERAGE, 4);
    const double teacher_error = error_of_map(teacher, &heun);
    const double euler_error = error_of_map(teacher, &euler);
    ck_assert_msg(teacher_error < 0.08, "20 Heun steps are off by %g", teacher_error);
    /* One Euler step lands on the mean: off by s e. */
    ck_assert_msg(fabs(euler_error - S) < 0.1, "one Euler step is off by %g", euler_error);

    const hidi_stage1_options options = {.batch = 64, .micro_batch = 64, .seed = 2, .ema = 0.98,
                                     .interval = {HIDI_INTERVAL_COVER, 0.25, 0.6, 0, 0},
                                     .meanflow = {1, 0.5, 1, 0, 0}, .adamw = adamw,
                                     .schedule = {1e-3, 50, HIDI_DECAY_COSINE, 0.05, STEPS}};
    hidi_stage1 *s;
    ck_assert_int_eq(hidi_stage1_create(&s, teacher, &data, &options, ""), HIDI_OK);
    hidi_workers *workers;
    ck_assert_int_eq(hidi_workers_create(&workers, hidi_stage1_task(s)), HIDI_OK);
    for (long step = 0; step < STEPS; step++) {
        const hidi_status status = hidi_workers_step(workers, step, values);
        ck_assert_msg(status == HIDI_OK, "%s", hidi_error_message());
    }
    hidi_workers_destroy(workers);
    const double one_step = error_of_map(hidi_stage1_result(s), &one);
    const double four_steps = error_of_map(hidi_stage1_result(s), &four);
    ck_assert_msg(one_step < 0.12, "the one-step map is off by %g", one_step);
    ck_assert_msg(four_steps < 0.12, "the four-step map is off by %g", four_steps);
    if (getenv("HIDI_TEST_VERBOSE"))
        printf("loss %.4f floor %.4f; off by: Heun %.4f, Euler %.4f, one step %.4f, four %.4f\n",
               loss, loss_floor(), teacher_error, euler_error, one_step, four_steps);
    hidi_stage1_destroy(s);
    hidi_dit_destroy(teacher);
}
END_TEST

int main(void)
{
    if (hidi_backend_open("cpu", &backend) != HIDI_OK)
        return EXIT_FAILURE;
    Suite *suite = begin_suite("gaussian");
    TCase *tcase = tcase_create("closed form");
    tcase_add_test(tcase, meanflow_identity);
    tcase_add_test(tcase, floor_of_flow_matching);
    tcase_add_test(tcase, trained_networks);
    suite_add_tcase(suite, tcase);
    return run_suite_in_process(suite);
}
