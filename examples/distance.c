/* distance.c - how far are a model's samples from test images of the data set shapes?
 *
 *     ./distance ../data/shapes-features.safetensors ../run-shapes/stage2.safetensors 1024
 *
 * Another reference, or pictures instead of samples, is another source of images:
 * hidi_image_source_open reads a folder or an npz.
 */
#include <hidi/hidi.h>

#include <stdio.h>
#include <stdlib.h>

/* A student needs one step; a teacher is integrated. */
static hidi_samples samples_of(const hidi_dit *net, size_t n)
{
    hidi_samples samples = {.net = net, .seed = 1000, .count = n};
    if (net->config.has_interval)
        samples.sampler = (hidi_sampler){.solver = HIDI_AVERAGE, .steps = 1, .batch = 64};
    else
        samples.sampler =
            (hidi_sampler){.solver = HIDI_HEUN, .steps = 10, .guidance = 1.5, .batch = 64};
    return samples;
}

/* The images that others are to be measured against: n of the test split, of the net's size. */
static hidi_status gather_reference(hidi_image_set *reference, const hidi_measuring *how, size_t n)
{
    hidi_dataset *data;
    hidi_image_source source;
    const hidi_extractor *net = how->extractor;
    HIDI_TRY(hidi_dataset_open(&data, "shapes", NULL, net->image_size, 1));
    hidi_status status =
        hidi_image_source_dataset(&source, data, HIDI_TEST, n, net->channels, false);
    if (status == HIDI_OK)
        status = hidi_measure_reference(reference, how, &source, "test images");
    hidi_image_source_close(&source);
    hidi_dataset_close(data);
    return status;
}

static hidi_status measure(const hidi_dit *net, hidi_extractor *extractor, size_t n)
{
    hidi_measuring how = {.extractor = extractor,
                          .options = hidi_metric_defaults(),
                          .progress = stderr};
    const hidi_samples samples = samples_of(net, n);
    hidi_image_set reference = {.n = 0};
    hidi_image_source source;
    hidi_measured m;
    HIDI_TRY(hidi_metrics_choose(&how.choice, "distance,pr", false));
    HIDI_TRY(hidi_image_source_samples(&source, &samples));
    hidi_status status = gather_reference(&reference, &how, n);
    how.reference = &reference;
    if (status == HIDI_OK)
        status = hidi_measure(&m, &how, &source, "samples");
    if (status == HIDI_OK)
        printf("distance %.2f (not FID), precision %.3f, recall %.3f, %.2f ms per image\n",
               m.value[HIDI_VALUE_DISTANCE], m.value[HIDI_VALUE_PRECISION],
               m.value[HIDI_VALUE_RECALL], 1000 * m.seconds);
    hidi_image_source_close(&source);
    hidi_image_set_free(&reference);
    return status;
}

static hidi_status open_net(hidi_extractor *extractor, const hidi_backend *backend,
                            const char *path)
{
    hidi_tensor_file file;
    hidi_feature_net *net;
    HIDI_TRY(hidi_tensor_file_open(&file, path, NULL));
    hidi_status status = hidi_feature_net_from_file(&net, backend, &file);
    hidi_tensor_file_free(&file);
    return status == HIDI_OK ? hidi_feature_net_extractor(extractor, net, path) : status;
}

int main(int argc, char **argv)
{
    const hidi_backend *backend;
    hidi_extractor extractor = {.state = NULL};
    hidi_dit *net = NULL;
    if (argc != 4) {
        fprintf(stderr, "usage: distance FEATURES.safetensors MODEL.safetensors IMAGES\n");
        return 2;
    }
    hidi_status status = hidi_backend_open("cpu", &backend);
    if (status == HIDI_OK)
        status = open_net(&extractor, backend, argv[1]);
    if (status == HIDI_OK)
        status = hidi_dit_load(&net, backend, argv[2]);
    if (status == HIDI_OK)
        status = measure(net, &extractor, strtoul(argv[3], NULL, 10));
    hidi_dit_destroy(net);
    hidi_extractor_close(&extractor);
    if (status != HIDI_OK) {
        fprintf(stderr, "distance: %s\n", hidi_error_message());
        return 1;
    }
    return 0;
}
