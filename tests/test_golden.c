/* test_golden.c - golden values of what `hidi probe` does not show: AdamW and metrics.
 * tests/golden/README.md says where they come from. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"
#include "io/safetensors.h"
#include "eval/frechet.h"
#include "eval/inception_score.h"
#include "eval/kernel_distance.h"
#include "eval/numpy_random.h"
#include "eval/precision_recall.h"
#include "source.h"

static const hidi_backend *backend; /* set by main */
static hidi_tensor_file in, expected;

static void read_golden(hidi_tensor_file *file, const char *folder, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "tests/golden/%s/%s.safetensors", folder, name);
    if (hidi_safetensors_read(file, source_file(path)) != HIDI_OK)
        ck_abort_msg("%s", hidi_error_message());
}

static void read_case(const char *name)
{
    read_golden(&in, "in", name);
    read_golden(&expected, "expected", name);
}

static void end_case(void)
{
    hidi_tensor_file_free(&in);
    hidi_tensor_file_free(&expected);
}

/* The tensor's elements; *t, if not NULL, is the tensor.  The caller frees them. */
static double *values(const hidi_tensor_file *file, const char *name, const hidi_file_tensor **t)
{
    const hidi_file_tensor *tensor;
    if (hidi_tensor_file_need(file, name, &tensor) != HIDI_OK)
        ck_abort_msg("%s", hidi_error_message());
    double *out = malloc(tensor->count * sizeof *out);
    ck_assert_ptr_nonnull(out);
    hidi_file_tensor_double(tensor, out);
    if (t != NULL)
        *t = tensor;
    return out;
}

static double scalar(const hidi_tensor_file *file, const char *name)
{
    const hidi_file_tensor *tensor;
    double *value = values(file, name, &tensor);
    const double out = value[0];
    ck_assert_uint_eq(tensor->count, 1);
    free(value);
    return out;
}

/* n elements in the backend's memory, from host memory; NULL: zeros. */
static hidi_real *on_backend(const double *host, size_t n)
{
    hidi_real *array = backend->allocate(n * sizeof *array);
    hidi_real *rounded = calloc(n, sizeof *rounded);
    ck_assert_ptr_nonnull(array);
    ck_assert_ptr_nonnull(rounded);
    for (size_t i = 0; host != NULL && i < n; i++)
        rounded[i] = (hidi_real)host[i];
    backend->upload(array, rounded, n * sizeof *rounded);
    free(rounded);
    return array;
}

/* A step moves a parameter by about lr = 0.01 and rounds it once or twice: the parameters, of size
 * 1, are good to a few roundings per step. */
START_TEST(adamw_is_pytorchs)
{
    const hidi_file_tensor *shape;
    read_case("adamw");
    double *start = values(&in, "param", NULL), *g = values(&in, "grad", &shape);
    double *right = values(&expected, "param", NULL);
    const size_t steps = shape->dim[0], n = shape->dim[1];
    hidi_real *w = on_backend(start, n), *found = calloc(n, sizeof *found);
    hidi_real *m = on_backend(NULL, n), *v = on_backend(NULL, n);
    ck_assert_ptr_nonnull(found);

    for (size_t step = 0; step < steps; step++) {
        /* half of the gradient's double: `scale` is part of the slot's contract */
        for (size_t i = 0; i < n; i++)
            g[step * n + i] *= 2.0;
        hidi_real *gradient = on_backend(g + step * n, n);
        backend->adamw(w, gradient, m, v, n, (hidi_real)0.5, scalar(&in, "lr"),
                       scalar(&in, "beta1"), scalar(&in, "beta2"), scalar(&in, "eps"),
                       scalar(&in, "weight_decay"), (long)step + 1);
        backend->release(gradient);
        backend->download(found, w, n * sizeof *found);
        for (size_t i = 0; i < n; i++) {
            const double allowed = 4.0 * (double)(step + 1) * HIDI_REAL_EPSILON;
            const double error = fabs((double)found[i] - right[step * n + i]);
            if (!(error <= allowed))
                ck_abort_msg("%s, step %lu, parameter %lu: %.9g instead of %.9g", backend->name,
                             (unsigned long)step + 1, (unsigned long)i, (double)found[i],
                             right[step * n + i]);
        }
    }
    backend->release(w);
    backend->release(m);
    backend->release(v);
    free(found);
    free(start);
    free(g);
    free(right);
    end_case();
}
END_TEST

START_TEST(precision_and_recall)
{
    const hidi_file_tensor *a, *b;
    double precision, recall;
    read_case("precision-recall");
    double *real = values(&in, "real", &a), *fake = values(&in, "fake", &b);
    ck_assert_int_eq(hidi_precision_recall(real, a->dim[0], fake, b->dim[0], a->dim[1], 3,
                                           &precision, &recall), HIDI_OK);
    ck_assert_double_eq_tol(precision, scalar(&expected, "precision"), 1e-15);
    ck_assert_double_eq_tol(recall, scalar(&expected, "recall"), 1e-15);
    free(real);
    free(fake);
    end_case();
}
END_TEST

/* Relative, to 1e-12: sums of some hundred terms of one sign, or that nearly cancel: 1e-15/1e-3. */
static void expect(const char *name, double found)
{
    const double right = scalar(&expected, name);
    if (!(fabs(found - right) <= 1e-12 * fabs(right)))
        ck_abort_msg("%s: %.17g instead of %.17g", name, found, right);
}

static void moments_of(const char *name, hidi_moments *moments)
{
    const hidi_file_tensor *t;
    double *f = values(&in, name, &t);
    ck_assert_int_eq(hidi_moments_init(moments, t->dim[1]), HIDI_OK);
    hidi_moments_add(moments, f, t->dim[0]);
    ck_assert_int_eq(hidi_moments_finish(moments), HIDI_OK);
    free(f);
}

START_TEST(frechet_by_the_root_of_a_matrix)
{
    hidi_moments a, b;
    hidi_frechet d;
    read_case("frechet-sqrtm");
    moments_of("f1", &a);
    moments_of("f2", &b);
    ck_assert_int_eq(hidi_frechet_distance(&d, &a, &b), HIDI_OK);
    expect("distance", d.distance);
    hidi_moments_free(&a);
    hidi_moments_free(&b);
    end_case();
}
END_TEST

START_TEST(inception_score)
{
    static const hidi_score_order orders[] = {HIDI_ORDER_GIVEN, HIDI_ORDER_TORCH_FIDELITY};
    const hidi_file_tensor *t;
    read_case("inception-score");
    double *p = values(&in, "p", &t);
    for (int i = 0; i < 2; i++) {
        hidi_inception_score score;
        double mean, deviation;
        const size_t n = t->dim[0], classes = t->dim[1];
        ck_assert_int_eq(hidi_inception_score_init(&score, classes, n, 10, orders[i]), HIDI_OK);
        hidi_inception_score_add(&score, p, 20);
        hidi_inception_score_add(&score, p + 20 * classes, n - 20);
        ck_assert_int_eq(hidi_inception_score_finish(&score, &mean, &deviation), HIDI_OK);
        expect(i ? "shuffled_mean" : "mean", mean);
        expect(i ? "shuffled_deviation" : "deviation", deviation);
        hidi_inception_score_free(&score);
    }
    free(p);
    end_case();
}
END_TEST

START_TEST(kernel_distance)
{
    const hidi_file_tensor *a, *b;
    read_case("kernel-distance");
    double *x = values(&in, "x", &a), *y = values(&in, "y", &b);
    hidi_kernel_options options = {.subsets = 20, .subset_size = 30, .seed = 2020};
    hidi_kernel_distance d;
    ck_assert_int_eq(hidi_kernel_distance_between(&d, x, a->dim[0], y, b->dim[0], a->dim[1],
                                                  &options), HIDI_OK);
    expect("mean", d.mean);
    expect("deviation", d.deviation);
    expect("standard_error", d.standard_error);
    ck_assert_uint_eq(d.subset_size, 30);
    options.subset_size = 1000;
    ck_assert_int_eq(hidi_kernel_distance_between(&d, x, a->dim[0], y, b->dim[0], a->dim[1],
                                                  &options), HIDI_OK);
    expect("whole_mean", d.mean);
    ck_assert_uint_eq(d.subset_size, b->dim[0]);
    free(x);
    free(y);
    end_case();
}
END_TEST

START_TEST(numpys_permutation)
{
    const hidi_file_tensor *t;
    hidi_numpy_random random;
    read_case("kernel-distance");
    double *right = values(&expected, "permutation", &t);
    size_t *found = malloc(t->count * sizeof *found);
    ck_assert_ptr_nonnull(found);
    hidi_numpy_seed(&random, 2020);
    hidi_numpy_permutation(&random, found, t->count);
    for (size_t i = 0; i < t->count; i++)
        ck_assert_uint_eq(found[i], (size_t)right[i]);
    free(found);
    free(right);
    end_case();
}
END_TEST

static int run(const char *name, void (*add)(TCase *tcase))
{
    Suite *suite = suite_create("golden");
    TCase *tcase = tcase_create(name);
    SRunner *runner = srunner_create(suite);
    add(tcase);
    suite_add_tcase(suite, tcase);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}

static void add_adamw(TCase *tcase)
{
    tcase_add_test(tcase, adamw_is_pytorchs);
}

static void add_metrics(TCase *tcase)
{
    tcase_add_test(tcase, precision_and_recall);
    tcase_add_test(tcase, frechet_by_the_root_of_a_matrix);
    tcase_add_test(tcase, inception_score);
    tcase_add_test(tcase, kernel_distance);
    tcase_add_test(tcase, numpys_permutation);
}

int main(void)
{
    char names[64];
    int failed = run("metrics", add_metrics);
    strcpy(names, hidi_backend_names());
    for (char *name = strtok(names, " "); name != NULL; name = strtok(NULL, " ")) {
        if (hidi_backend_open(name, &backend) != HIDI_OK) {
            fprintf(stderr, "%s\n", hidi_error_message());
            return EXIT_FAILURE;
        }
        failed += run(name, add_adamw);
    }
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
