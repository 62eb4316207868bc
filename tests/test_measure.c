/* test_measure.c - images of any source against any reference; a network's samples as a source. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/feature_net.h"
#include "eval/measure.h"
#include "eval/samples.h"
#include "backbone.h"
#include "suite.h"

enum { SIZE = 8, C = 3, CLASSES = 10, PIXELS = C * SIZE * SIZE, N = 37 };

static const hidi_backend *backend; /* set by main */
static hidi_dataset *data;          /* shapes      */

static void ok(hidi_status status)
{
    ck_assert_msg(status == HIDI_OK, "%s", hidi_error_message());
}

static hidi_extractor small_net(uint64_t seed)
{
    hidi_extractor extractor;
    hidi_feature_net *net;
    ok(hidi_feature_net_create(&net, backend, C, SIZE, CLASSES));
    ok(hidi_feature_net_initialise(net, seed));
    ok(hidi_feature_net_extractor(&extractor, net, "a net"));
    return extractor;
}

/* --- samples ---------------------------------------------------------------------------------- */

/* Two Euler steps of a teacher with guidance: as many images at a time as `batch`. */
static hidi_samples samples_of(const hidi_dit *net, size_t batch)
{
    return (hidi_samples){.net = net,
                          .sampler = {HIDI_EULER, 2, 1.5, batch},
                          .seed = 4,
                          .count = N};
}

/* Whatever a reader asks for at a time, it gets what hidi_sample makes of all at once. */
START_TEST(samples_do_not_depend_on_the_reader)
{
    static const size_t most[] = {1, 3, 5, 7, 100};
    hidi_dit *net = random_backbone(backend, SIZE, C, 4, CLASSES);
    const hidi_samples samples = samples_of(net, 5);
    hidi_real *x = malloc(N * PIXELS * sizeof *x);
    int32_t y[N];
    hidi_image_source source;
    hidi_image_batch batch;
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_sample_inputs(samples.seed, &net->config, 0, N, x, y);
    ok(hidi_sample(&samples.sampler, net, tape, x, HIDI_CLASSES(y), N, NULL));
    for (size_t i = 0; i < sizeof most / sizeof most[0]; i++) {
        size_t n = 0;
        ok(hidi_image_source_samples(&source, &samples));
        ck_assert_str_eq(source.kind, "model");
        ck_assert_int_eq(source.evaluations, 4);
        do {
            ok(hidi_image_source_next(&source, most[i], &batch));
            ck_assert_uint_le(batch.n, most[i]);
            if (batch.n == 0)
                break;
            ck_assert_mem_eq(batch.images, x + n * PIXELS, batch.n * PIXELS * sizeof *x);
            ck_assert_mem_eq(batch.labels, y + n, batch.n * sizeof *y);
            n += batch.n;
        } while (true);
        ck_assert_uint_eq(n, N);
        ck_assert(source.seconds > 0);
        hidi_image_source_close(&source);
    }
    hidi_tape_destroy(tape);
    hidi_dit_destroy(net);
    free(x);
}
END_TEST

START_TEST(samples_of_one_class_in_grey)
{
    const int32_t three = 3, ten = 10;
    hidi_dit *net = random_backbone(backend, SIZE, 1, 4, CLASSES);
    hidi_samples samples = samples_of(net, 8);
    hidi_real *grey, *colour;
    int32_t *y;
    samples.label = &three;
    ok(hidi_samples_draw(&samples, NULL, &grey, &y));
    for (size_t i = 0; i < N; i++)
        ck_assert_int_eq(y[i], 3);
    free(y);
    samples.channels = 3;
    ok(hidi_samples_draw(&samples, NULL, &colour, NULL));
    for (size_t i = 0; i < N * 3 * SIZE * SIZE; i++) {
        const size_t image = i / (3 * SIZE * SIZE), pixel = i % (SIZE * SIZE);
        ck_assert(colour[i] == grey[image * SIZE * SIZE + pixel]);
    }
    free(grey);
    free(colour);
    samples.label = &ten;
    ck_assert_int_eq(hidi_samples_draw(&samples, NULL, &grey, &y), HIDI_BAD_ARGUMENT);
    ck_assert(grey == NULL && y == NULL);
    samples = samples_of(net, 0);
    ck_assert_int_eq(hidi_samples_draw(&samples, NULL, &grey, NULL), HIDI_BAD_ARGUMENT);
    hidi_dit_destroy(net);
    net = random_backbone(backend, SIZE, 2, 4, CLASSES);
    samples = samples_of(net, 8);
    samples.channels = 3;
    ck_assert_int_eq(hidi_samples_draw(&samples, NULL, &grey, NULL), HIDI_BAD_SHAPE);
    hidi_dit_destroy(net);
}
END_TEST

/* A network on latents: the images are what the decoder makes of its samples, each divided by the
 * scale. */
START_TEST(samples_of_latents_are_decoded)
{
    const hidi_autoencoder_config config = {.image_channels = 3, .latent_channels = C, .levels = 2,
                                            .width = {4, 4}, .blocks = 1, .groups = 2,
                                            .has_post_quant = true, .scale = 0.5};
    enum { IMAGE = 3 * 2 * SIZE * 2 * SIZE };
    hidi_dit *net = random_backbone(backend, SIZE, C, 4, CLASSES);
    hidi_samples samples = samples_of(net, 5);
    hidi_autoencoder *decoder;
    hidi_real *z, *x, one[IMAGE];
    int32_t *y, *y_z;
    hidi_tape *tape = hidi_tape_create(backend);
    ok(hidi_autoencoder_create(&decoder, backend, &config, HIDI_DECODER));
    ok(hidi_autoencoder_initialise(decoder, 2));
    ok(hidi_samples_draw(&samples, NULL, &z, &y_z));
    samples.decoder = decoder;
    ok(hidi_samples_draw(&samples, NULL, &x, &y));
    ck_assert_mem_eq(y, y_z, N * sizeof *y);
    for (size_t i = 0; i < N; i++) {
        hidi_tape_reset(tape);
        hidi_var *latent = hidi_constant(tape, hidi_shape4(1, C, SIZE, SIZE), z + i * PIXELS);
        hidi_var *image = hidi_decode(tape, decoder, true, hidi_scale(tape, latent, 2));
        ok(hidi_read(tape, image, one));
        for (size_t k = 0; k < IMAGE; k++)
            ck_assert(fabs((double)(one[k] - x[i * IMAGE + k])) <=
                      100 * HIDI_REAL_EPSILON * (1 + fabs((double)one[k])));
    }
    samples.channels = 1;
    free(x), free(y), free(z), free(y_z);
    ck_assert_int_eq(hidi_samples_draw(&samples, NULL, &x, NULL), HIDI_BAD_SHAPE);
    hidi_dit_destroy(net);
    net = random_backbone(backend, SIZE, C + 1, 4, CLASSES);
    samples = samples_of(net, 5);
    samples.decoder = decoder;
    ck_assert_int_eq(hidi_samples_draw(&samples, NULL, &x, NULL), HIDI_BAD_SHAPE);
    hidi_tape_destroy(tape);
    hidi_autoencoder_destroy(decoder);
    hidi_dit_destroy(net);
}
END_TEST

START_TEST(a_sample_that_is_not_finite)
{
    hidi_dit *net = random_backbone(backend, SIZE, C, 4, CLASSES);
    const hidi_samples samples = samples_of(net, 8);
    hidi_real *x, *host = malloc(hidi_count(net->params.param[0].shape) * sizeof *host);
    for (size_t i = 0; i < hidi_count(net->params.param[0].shape); i++)
        host[i] = (hidi_real)INFINITY;
    hidi_params_write(&net->params, 0, host);
    ck_assert_int_eq(hidi_samples_draw(&samples, NULL, &x, NULL), HIDI_NOT_FINITE);
    ck_assert_ptr_null(x);
    free(host);
    hidi_dit_destroy(net);
}
END_TEST

/* --- all images of a source ------------------------------------------------------------------- */

START_TEST(a_source_is_read_as_a_whole)
{
    hidi_image_source source;
    hidi_real *x, *again, image[PIXELS];
    int32_t *y, label;
    ok(hidi_image_source_dataset(&source, data, HIDI_TEST, N, C, false));
    ok(hidi_image_source_all(&source, NULL, &x, &y));
    hidi_image_source_close(&source);
    data->get(data, HIDI_TEST, N - 1, image, &label);
    ck_assert_mem_eq(x + (N - 1) * PIXELS, image, sizeof image);
    ck_assert_int_eq(y[N - 1], label);
    hidi_image_source_memory(&source, x, N, C, SIZE, SIZE);
    ok(hidi_image_source_all(&source, NULL, &again, NULL));
    ck_assert_mem_eq(again, x, N * PIXELS * sizeof *x);
    free(again);
    free(y);
    hidi_image_source_memory(&source, x, N, C, SIZE, SIZE);
    ck_assert_int_eq(hidi_image_source_all(&source, NULL, &again, &y), HIDI_UNSUPPORTED);
    ck_assert(again == NULL && y == NULL);
    hidi_image_source_memory(&source, x, N, C, 0, 0);
    ck_assert_int_eq(hidi_image_source_all(&source, NULL, &again, NULL), HIDI_BAD_SHAPE);
    free(x);
}
END_TEST

/* --- measuring -------------------------------------------------------------------------------- */

/* Test images as the reference, and what else is needed to measure. */
static hidi_measuring against_test(hidi_extractor *extractor, hidi_image_set *reference,
                                   const char *metrics)
{
    hidi_measuring how = {.extractor = extractor, .options = hidi_metric_defaults()};
    hidi_image_source source;
    ok(hidi_metrics_choose(&how.choice, metrics, false));
    ok(hidi_image_source_dataset(&source, data, HIDI_TEST, N, C, false));
    ok(hidi_measure_reference(reference, &how, &source, "test"));
    hidi_image_source_close(&source);
    how.reference = reference;
    return how;
}

/* Images in memory, which are the reference's. */
START_TEST(the_reference_against_itself)
{
    hidi_extractor extractor = small_net(1);
    hidi_image_set reference;
    hidi_image_source source;
    hidi_measured m;
    hidi_measuring how = against_test(&extractor, &reference, "distance,pr,spectrum,kernel");
    hidi_real *x = malloc(N * PIXELS * sizeof *x);
    int32_t y[N];
    how.options.kernel.subset_size = N;
    hidi_dataset_range(data, HIDI_TEST, 0, N, x, y);
    hidi_image_source_memory(&source, x, N, C, SIZE, SIZE);
    ok(hidi_measure(&m, &how, &source, "memory"));
    ck_assert_str_eq(m.label, "memory");
    ck_assert_str_eq(m.kind, "memory");
    ck_assert_int_eq(m.images, N);
    ck_assert_int_eq(m.evaluations, 0);
    ck_assert(isnan(m.seconds));
    ck_assert_double_le(m.value[HIDI_VALUE_DISTANCE], 1e-9);
    ck_assert(m.value[HIDI_VALUE_PRECISION] == 1 && m.value[HIDI_VALUE_RECALL] == 1);
    ck_assert(m.value[HIDI_VALUE_HIGH] == 1);
    ck_assert(isfinite(m.value[HIDI_VALUE_KERNEL]));
    ck_assert_uint_eq(m.subset, N);
    ck_assert(isnan(m.value[HIDI_VALUE_FID]) && isnan(m.value[HIDI_VALUE_ASKED]));
    hidi_image_set_free(&reference);
    hidi_extractor_close(&extractor);
    free(x);
}
END_TEST

/* Samples that are measured while they are drawn, and the same in memory. */
START_TEST(samples_are_measured_as_they_come)
{
    hidi_extractor extractor = small_net(1);
    hidi_image_set reference;
    hidi_image_source source;
    hidi_measured streamed, kept;
    hidi_dit *net = random_backbone(backend, SIZE, C, 4, CLASSES);
    const hidi_samples samples = samples_of(net, 8);
    const hidi_measuring how = against_test(&extractor, &reference, "distance,pr,spectrum");
    hidi_real *x;
    ok(hidi_image_source_samples(&source, &samples));
    ok(hidi_measure(&streamed, &how, &source, "samples"));
    hidi_image_source_close(&source);
    ok(hidi_samples_draw(&samples, NULL, &x, NULL));
    hidi_image_source_memory(&source, x, N, C, SIZE, SIZE);
    ok(hidi_measure(&kept, &how, &source, "samples"));
    ck_assert_int_eq(streamed.evaluations, 4);
    ck_assert(streamed.seconds > 0);
    for (int v = 0; v < HIDI_VALUES; v++)
        if (!isnan(kept.value[v]))
            ck_assert_double_eq_tol(streamed.value[v], kept.value[v],
                                    1e-9 * fabs(kept.value[v]) + 1e-12);
    ck_assert(streamed.value[HIDI_VALUE_DISTANCE] > 0);
    free(x);
    hidi_dit_destroy(net);
    hidi_image_set_free(&reference);
    hidi_extractor_close(&extractor);
}
END_TEST

/* A metric that cannot be had is an error by its name, and left out otherwise. */
START_TEST(what_cannot_be_had)
{
    hidi_extractor extractor = small_net(1);
    hidi_image_set reference, set;
    hidi_measured m;
    hidi_measuring how = against_test(&extractor, &reference, "distance");
    hidi_image_source source;
    const hidi_gathering what = {.moments = true, .label = "moments alone"};
    ok(hidi_image_source_dataset(&source, data, HIDI_TRAIN, N, C, false));
    ok(hidi_image_set_gather(&set, &extractor, &source, &what));
    hidi_image_source_close(&source);
    ok(hidi_metrics_choose(&how.choice, NULL, false)); /* distance, pr, spectrum */
    ok(hidi_measure_set(&m, &how, &set));
    ck_assert_str_eq(m.label, "moments alone");
    ck_assert(m.value[HIDI_VALUE_DISTANCE] > 0 && isnan(m.value[HIDI_VALUE_PRECISION]));
    ok(hidi_metrics_choose(&how.choice, "pr", false));
    ck_assert_int_eq(hidi_measure_set(&m, &how, &set), HIDI_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "pr cannot be had"));
    hidi_image_set_free(&set);
    hidi_image_set_free(&reference);
    hidi_extractor_close(&extractor);
}
END_TEST

/* --- classes ---------------------------------------------------------------------------------- */

START_TEST(classes_are_counted)
{
    static const double p[5 * 3] = {0.8, 0.1, 0.1, 0.1, 0.8, 0.1, 0.4, 0.4, 0.2,
                                    0.2, 0.5, 0.3, 0.9, 0.1, 0};
    static const int32_t label[5] = {0, 1, 0, 2, 2}, wrong[1] = {3}; /* found: 0 1 0 1 0 */
    hidi_class_counts counts;
    ok(hidi_class_counts_init(&counts, 3));
    ck_assert(isnan(hidi_class_counts_asked(&counts)) && isnan(hidi_class_counts_rarest(&counts)));
    ok(hidi_class_counts_add(&counts, p, label, 2));
    ok(hidi_class_counts_add(&counts, p + 6, label + 2, 3));
    ck_assert_double_eq_tol(hidi_class_counts_asked(&counts), 3. / 5, 1e-15);
    ck_assert_double_eq_tol(hidi_class_counts_variation(&counts), (1. + 1 + 2) / 2 / 5, 1e-15);
    ck_assert(hidi_class_counts_rarest(&counts) == 0);
    ck_assert_int_eq(hidi_class_counts_add(&counts, p, wrong, 1), HIDI_BAD_ARGUMENT);
    hidi_class_counts_free(&counts);
}
END_TEST

/* By the small net's own probabilities, of real images and of what has no classes. */
START_TEST(classes_of_images)
{
    hidi_extractor extractor = small_net(2);
    hidi_feature_net *net;
    hidi_image_set reference;
    hidi_image_source source;
    hidi_measured m;
    hidi_measuring how = against_test(&extractor, &reference, "distance");
    hidi_real *x;
    hidi_tape *tape = hidi_tape_create(backend);
    int32_t *y, found[N];
    double asked = 0;
    ok(hidi_feature_net_create(&net, backend, C, SIZE, CLASSES));
    ok(hidi_feature_net_initialise(net, 2));
    ok(hidi_image_source_dataset(&source, data, HIDI_TRAIN, N, C, false));
    ok(hidi_image_source_all(&source, NULL, &x, &y));
    hidi_image_source_close(&source);
    ok(hidi_feature_net_classify(net, tape, x, N, found));
    for (size_t i = 0; i < N; i++)
        asked += (found[i] == y[i]) / (double)N;
    how.choice.on[HIDI_METRIC_CLASSES] = true;
    ok(hidi_image_source_dataset(&source, data, HIDI_TRAIN, N, C, false));
    ok(hidi_measure(&m, &how, &source, "training"));
    hidi_image_source_close(&source);
    ck_assert_double_eq_tol(m.value[HIDI_VALUE_ASKED], asked, 1e-12);
    ck_assert(isfinite(m.value[HIDI_VALUE_VARIATION]) && isfinite(m.value[HIDI_VALUE_RAREST]));
    hidi_image_source_memory(&source, x, N, C, SIZE, SIZE);
    ck_assert_int_eq(hidi_measure(&m, &how, &source, "memory"), HIDI_UNSUPPORTED);
    how.choice.asked = false;
    hidi_image_source_memory(&source, x, N, C, SIZE, SIZE);
    ok(hidi_measure(&m, &how, &source, "memory"));
    ck_assert(isnan(m.value[HIDI_VALUE_ASKED]) && isfinite(m.value[HIDI_VALUE_DISTANCE]));
    free(x);
    free(y);
    hidi_tape_destroy(tape);
    hidi_feature_net_destroy(net);
    hidi_image_set_free(&reference);
    hidi_extractor_close(&extractor);
}
END_TEST

int main(void)
{
    if (hidi_backend_open("cpu", &backend) != HIDI_OK ||
        hidi_dataset_open(&data, "shapes", NULL, SIZE, 1) != HIDI_OK)
        return EXIT_FAILURE;
    Suite *suite = begin_suite("measure");
    TCase *tcase = tcase_create("measure");
    tcase_add_test(tcase, samples_do_not_depend_on_the_reader);
    tcase_add_test(tcase, samples_of_one_class_in_grey);
    tcase_add_test(tcase, samples_of_latents_are_decoded);
    tcase_add_test(tcase, a_sample_that_is_not_finite);
    tcase_add_test(tcase, a_source_is_read_as_a_whole);
    tcase_add_test(tcase, the_reference_against_itself);
    tcase_add_test(tcase, samples_are_measured_as_they_come);
    tcase_add_test(tcase, what_cannot_be_had);
    tcase_add_test(tcase, classes_are_counted);
    tcase_add_test(tcase, classes_of_images);
    suite_add_tcase(suite, tcase);
    const int result = run_suite(suite);
    hidi_dataset_close(data);
    return result;
}
