/* test_stop.c - every long piece of work ends with HIDI_INTERRUPTED when its thread is asked to
 * stop, and works when it is not. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <stdlib.h>

#include "backbone.h"
#include "core/stop.h"
#include "data/image_source.h"
#include "eval/defects.h"
#include "eval/dense.h"
#include "eval/feature_net.h"
#include "eval/image_set.h"
#include "eval/kernel_distance.h"
#include "eval/precision_recall.h"
#include "eval/samples.h"
#include "io/image.h"
#include "scratch.h"
#include "suite.h"

enum { SIZE = 8, C = 3, CLASSES = 10, N = 6, DIM = 4 };

static const hidi_backend *backend; /* set by main */
static hidi_dataset *data;          /* shapes      */
static hidi_dit *net;

static hidi_status sample(void)
{
    const hidi_sampler sampler = {.solver = HIDI_HEUN, .steps = 2, .guidance = 1.5, .batch = 4};
    hidi_real x[N * C * SIZE * SIZE];
    int32_t y[N];
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_sample_inputs(1, &net->config, 0, N, x, y);
    const hidi_status status = hidi_sample(&sampler, net, tape, x, HIDI_CLASSES(y), N, NULL);
    hidi_tape_destroy(tape);
    return status;
}

static hidi_status gather(void)
{
    hidi_extractor extractor;
    hidi_feature_net *features;
    hidi_image_source source;
    hidi_image_set set;
    const hidi_gathering what = {.moments = true, .splits = 1};
    HIDI_TRY(hidi_feature_net_create(&features, backend, C, SIZE, CLASSES));
    HIDI_TRY(hidi_feature_net_initialise(features, 1));
    HIDI_TRY(hidi_feature_net_extractor(&extractor, features, "a net"));
    HIDI_TRY(hidi_image_source_dataset(&source, data, HIDI_TEST, N, C, false));
    const hidi_status status = hidi_image_set_gather(&set, &extractor, &source, &what);
    hidi_image_set_free(&set);
    hidi_image_source_close(&source);
    hidi_extractor_close(&extractor);
    return status;
}

static hidi_status read_all(void)
{
    hidi_image_source source;
    hidi_real *images;
    HIDI_TRY(hidi_image_source_dataset(&source, data, HIDI_TEST, N, C, false));
    const hidi_status status = hidi_image_source_all(&source, NULL, &images, NULL);
    hidi_image_source_close(&source);
    free(images);
    return status;
}

static hidi_status find_defects(void)
{
    const hidi_heads_config config = {.kind = HIDI_HEAD_AWD, .n = 2, .block = {0, 1},
                                      .width = BACKBONE_WIDTH, .key_width = 4};
    hidi_heads *heads;
    hidi_found found[HIDI_FINDERS];
    HIDI_TRY(hidi_heads_create(&heads, backend, &config));
    const hidi_status status = hidi_find_defects(heads, net, data, HIDI_TEST, N, HIDI_DEFECT_BLUR,
                                                 0.1, 1, found);
    hidi_heads_destroy(heads);
    return status;
}

/* --- matrices and points ---------------------------------------------------------------------- */

static void fill(double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (double)(i * i % 17) + (i % (DIM + 1) == 0 ? 40 : 0);
    for (size_t i = 0; i < DIM; i++)
        for (size_t j = 0; j < i; j++)
            x[i * DIM + j] = x[j * DIM + i]; /* symmetric, as a matrix [DIM, DIM] */
}

static hidi_status eigenvalues(void)
{
    double a[DIM * DIM], w[DIM];
    fill(a, DIM * DIM);
    return hidi_symmetric_eigen(a, w, DIM);
}

static hidi_status eigenvalues_by_turns(void)
{
    double a[DIM * DIM], w[DIM];
    fill(a, DIM * DIM);
    return hidi_jacobi_eigen(a, w, DIM);
}

static hidi_status singular_values(void)
{
    double a[DIM * DIM], s[DIM];
    fill(a, DIM * DIM);
    return hidi_singular_values(a, DIM, DIM, s);
}

static hidi_status singular_values_by_turns(void)
{
    double a[DIM * DIM], s[DIM];
    fill(a, DIM * DIM);
    return hidi_jacobi_singular(a, DIM, DIM, s);
}

static hidi_status precision_and_recall(void)
{
    double x[N * DIM], precision, recall;
    fill(x, N * DIM);
    return hidi_precision_recall(x, N, x, N, DIM, 2, &precision, &recall);
}

static hidi_status kernel_distance(void)
{
    const hidi_kernel_options options = {.subsets = 3, .subset_size = N, .seed = 1};
    double x[N * DIM];
    hidi_kernel_distance distance;
    fill(x, N * DIM);
    return hidi_kernel_distance_between(&distance, x, N, x, N, DIM, &options);
}

/* --- pictures --------------------------------------------------------------------------------- */

static hidi_status encode(void)
{
    hidi_image image;
    HIDI_TRY(hidi_image_create(&image, 20, 30, 3, 7));
    const hidi_status status = hidi_png_write(&image, scratch("picture.png"));
    hidi_image_free(&image);
    return status;
}

static hidi_status read_folder(void)
{
    hidi_dataset *folder;
    const hidi_status status = hidi_dataset_open(&folder, "folder", scratch("classes"), 0, 1);
    if (status == HIDI_OK)
        hidi_dataset_close(folder);
    return status;
}

static hidi_status read_pictures(void)
{
    hidi_image_source source;
    hidi_image_batch batch;
    HIDI_TRY(hidi_image_source_open(&source, scratch("classes/a"), 3));
    const hidi_status status = hidi_image_source_next(&source, 10, &batch);
    hidi_image_source_close(&source);
    return status;
}

static void set_up(void)
{
    net = random_backbone(backend, SIZE, C, 4, CLASSES);
    enum { IMAGES = 20 }; /* of two classes in turn: of ten, one is a test image */
    hidi_image image;
    scratch_folder("classes");
    scratch_folder("classes/a");
    scratch_folder("classes/b");
    ck_assert_int_eq(hidi_image_create(&image, SIZE, SIZE, 3, 9), HIDI_OK);
    for (int i = 0; i < IMAGES; i++) {
        char name[64];
        snprintf(name, sizeof name, "classes/%c/%02d.png", i % 2 ? 'a' : 'b', i);
        ck_assert_int_eq(hidi_png_write(&image, scratch(name)), HIDI_OK);
    }
    hidi_image_free(&image);
}

/* --- all of them ------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    hidi_status (*work)(void);
} works[] = {{"sampling", sample},
             {"gathering a set", gather},
             {"reading images", read_all},
             {"planted defects", find_defects},
             {"eigenvalues", eigenvalues},
             {"eigenvalues by Jacobi", eigenvalues_by_turns},
             {"singular values", singular_values},
             {"singular values by Jacobi", singular_values_by_turns},
             {"precision and recall", precision_and_recall},
             {"kernel distance", kernel_distance},
             {"encoding a picture", encode},
             {"reading a folder", read_folder},
             {"reading pictures", read_pictures}};
enum { WORKS = sizeof works / sizeof works[0] };

START_TEST(work_ends_when_it_is_asked_to)
{
    static volatile sig_atomic_t flag;
    const int files = files_in_scratch();
    flag = 1;
    hidi_stop_on(&flag);
    ck_assert(hidi_stop_asked());
    hidi_status status = works[_i].work();
    ck_assert_msg(status == HIDI_INTERRUPTED, "%s: %s, %s", works[_i].name,
                  hidi_status_name(status), hidi_error_message());
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "interrupted"));
    ck_assert_int_eq(files_in_scratch(), files);
    flag = 0;
    status = works[_i].work();
    ck_assert_msg(status == HIDI_OK, "%s: %s", works[_i].name, hidi_error_message());
    flag = 1;
    hidi_stop_on(NULL);
    ck_assert_int_eq(works[_i].work(), HIDI_OK);
    remove(scratch("picture.png"));
}
END_TEST

int main(void)
{
    if (hidi_backend_open("cpu", &backend) != HIDI_OK ||
        hidi_dataset_open(&data, "shapes", NULL, SIZE, 1) != HIDI_OK)
        return EXIT_FAILURE;
    scratch_begin();
    Suite *suite = begin_suite("stop");
    TCase *tcase = tcase_create("stop");
    tcase_add_unchecked_fixture(tcase, set_up, NULL);
    tcase_add_loop_test(tcase, work_ends_when_it_is_asked_to, 0, WORKS);
    suite_add_tcase(suite, tcase);
    const int result = run_suite_in_process(suite);
    hidi_dit_destroy(net);
    hidi_dataset_close(data);
    return result;
}
