/* test_schedules.c - learning rates, moving averages, and draws of times and intervals against
 * values known by hand. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "method/times.h"
#include "train/optimizer.h"
#include "suite.h"

static const hidi_backend *backend; /* set by main */
static const hidi_time_options uniform = {HIDI_TIME_UNIFORM, 0.02, 0.98, 0, 1};

START_TEST(learning_rates)
{
    const hidi_schedule none = {0.8, 4, HIDI_DECAY_NONE, 0, 12};
    const hidi_schedule linear = {0.8, 4, HIDI_DECAY_LINEAR, 0.5, 12};
    const hidi_schedule cosine = {0.8, 4, HIDI_DECAY_COSINE, 0.5, 12};
    ck_assert_double_eq_tol(hidi_learning_rate(&none, 0), 0.2, 1e-15);
    ck_assert_double_eq_tol(hidi_learning_rate(&none, 3), 0.8, 1e-15);
    ck_assert_double_eq_tol(hidi_learning_rate(&none, 100), 0.8, 1e-15);
    ck_assert_double_eq_tol(hidi_learning_rate(&linear, 4), 0.8, 1e-15);
    ck_assert_double_eq_tol(hidi_learning_rate(&linear, 8), 0.6, 1e-15); /* half way to 0.4 */
    ck_assert_double_eq_tol(hidi_learning_rate(&linear, 12), 0.4, 1e-15);
    ck_assert_double_eq_tol(hidi_learning_rate(&cosine, 6), /* a quarter: cos(pi/4) */
                            0.4 + 0.4 * 0.5 * (1 + sqrt(0.5)), 1e-15);
    ck_assert_double_eq_tol(hidi_learning_rate(&cosine, 50), 0.4, 1e-15);
}
END_TEST

START_TEST(moving_average)
{
    hidi_params a, b;
    hidi_real value;
    hidi_params_init(&a, backend);
    hidi_params_init(&b, backend);
    ck_assert_int_eq(hidi_params_declare(&a, hidi_shape1(1), "w"), HIDI_OK);
    ck_assert_int_eq(hidi_params_declare(&b, hidi_shape1(1), "w"), HIDI_OK);
    ck_assert_int_eq(hidi_params_allocate(&a), HIDI_OK);
    ck_assert_int_eq(hidi_params_allocate(&b), HIDI_OK);
    value = 1;
    hidi_params_write(&b, 0, &value);
    hidi_ema_update(&a, &b, 0.75, 1000); /* 0.75 * 0 + 0.25 * 1 */
    hidi_params_read(&a, 0, &value);
    ck_assert_double_eq_tol((double)value, 0.25, 1e-7);
    hidi_ema_update(&a, &b, 0.75, 2); /* early: d = 3 / 12 */
    hidi_params_read(&a, 0, &value);
    ck_assert_double_eq_tol((double)value, 0.25 * 0.25 + 0.75, 1e-7);
    /* An average of what does not change does not change, whatever its decay. */
    const hidi_real third = (hidi_real)1 / 3;
    hidi_params_write(&a, 0, &third);
    hidi_params_write(&b, 0, &third);
    for (long i = 0; i < 1000; i++)
        hidi_ema_update(&a, &b, 0.999, i);
    hidi_params_read(&a, 0, &value);
    ck_assert(value == third);
    hidi_ema_update(&a, &b, 0, 1000); /* without memory: the weights themselves */
    hidi_params_read(&a, 0, &value);
    ck_assert(value == third);
    hidi_params_free(&a);
    hidi_params_free(&b);
}
END_TEST

START_TEST(intervals)
{
    enum { N = 40 };
    hidi_real t[N], r[N];
    for (int sampler = 0; sampler < 2; sampler++) {
        const hidi_interval_options options = {sampler, 0.25, 0.5, -0.4, 1};
        int same = 0, zero = 0;
        hidi_draw_intervals(&options, (hidi_random){1, HIDI_STREAM_TIME, 9}, N, 0, t, r, N);
        for (int i = 0; i < N; i++) {
            ck_assert(r[i] <= t[i] && r[i] >= 0 && t[i] <= 1);
            same += r[i] == t[i];
            zero += r[i] == 0;
        }
        ck_assert_int_eq(same, 10);
        ck_assert_int_eq(zero, sampler == HIDI_INTERVAL_COVER ? 15 : 0);
    }
}
END_TEST

START_TEST(grid_steps)
{
    enum { N = 4000, GRID = 4 };
    static hidi_real t[N], r[N];
    int seen[GRID] = {0};
    hidi_draw_grid_steps(GRID, (hidi_random){1, HIDI_STREAM_TIME, 3}, t, r, N);
    for (int i = 0; i < N; i++) {
        const int k = (int)(r[i] * GRID);
        ck_assert(r[i] * GRID == (hidi_real)k && t[i] * GRID == (hidi_real)(k + 1));
        ck_assert(k >= 0 && k < GRID);
        seen[k]++;
    }
    /* binomial: 4 standard deviations sqrt(N (1/4) (3/4)) = 27.4 */
    for (int k = 0; k < GRID; k++)
        ck_assert_int_lt(abs(seen[k] - N / GRID), 4 * 28);
}
END_TEST

START_TEST(times)
{
    enum { N = 20000 };
    hidi_real *t = malloc(N * sizeof *t);
    double mean = 0, square = 0;
    const hidi_time_options normal = {HIDI_TIME_LOGIT_NORMAL, 0, 0, -0.4, 0.5};
    hidi_draw_times(&normal, (hidi_random){1, HIDI_STREAM_TIME, 0}, 0, t, N);
    for (int i = 0; i < N; i++) {
        const double logit = log((double)t[i] / (1 - (double)t[i]));
        mean += logit / N;
        square += logit * logit / N;
    }
    /* 4 standard errors: 0.5 / sqrt(N), and 0.5 / sqrt(2 N) for the deviation */
    ck_assert_double_eq_tol(mean, -0.4, 4 * 0.5 / sqrt(N));
    ck_assert_double_eq_tol(sqrt(square - mean * mean), 0.5, 4 * 0.5 / sqrt(2.0 * N));
    hidi_draw_times(&uniform, (hidi_random){1, HIDI_STREAM_TIME, 0}, 0, t, N);
    for (int i = 0; i < N; i++)
        ck_assert(t[i] >= (hidi_real)0.02 && t[i] <= (hidi_real)0.98);
    free(t);
}
END_TEST

int main(void)
{
    if (hidi_backend_open("cpu", &backend) != HIDI_OK)
        return EXIT_FAILURE;
    Suite *suite = begin_suite("schedules");
    TCase *tcase = tcase_create("schedules");
    tcase_add_test(tcase, learning_rates);
    tcase_add_test(tcase, moving_average);
    tcase_add_test(tcase, intervals);
    tcase_add_test(tcase, grid_steps);
    tcase_add_test(tcase, times);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
