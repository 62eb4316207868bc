/* one_line.c - samples of a model, their features, and how far two folders are from each other.
 *
 *     ./one_line ../run-shapes/stage2.safetensors ../data/shapes-features.safetensors pictures others
 *
 * The last three arguments may be left out; with pytorch-fid's weights in the second place the distance
 * is the FID.
 */
#include <hidi/hidi.h>

#include <stdio.h>
#include <stdlib.h>

static hidi_status samples(const char *model)
{
    hidi_dit_config config;
    hidi_real *x;
    HIDI_TRY(hidi_samples_of(model, NULL, 1, 8, &x, &config));
    printf("8 samples of %zux%zux%zu, the first pixel of the first is %.3f\n", config.channels,
           config.image_size, config.image_size, (double)x[0]);
    free(x);
    return HIDI_OK;
}

static hidi_status compare(const char *weights, const char *pictures, const char *others)
{
    double *features, distance;
    size_t n, dim;
    HIDI_TRY(hidi_features_of(pictures, weights, &features, &n, &dim));
    printf("%s: %zu images of %zu features\n", pictures, n, dim);
    free(features);
    HIDI_TRY(hidi_distance_of(pictures, others, weights, &distance));
    printf("Frechet distance: %.4f\n", distance);
    return HIDI_OK;
}

int main(int argc, char **argv)
{
    if (argc != 2 && argc != 5) {
        fprintf(stderr, "usage: one_line MODEL [WEIGHTS PICTURES OTHERS]\n");
        return 2;
    }
    hidi_status status = samples(argv[1]);
    if (status == HIDI_OK && argc == 5)
        status = compare(argv[2], argv[3], argv[4]);
    if (status != HIDI_OK)
        fprintf(stderr, "one_line: %s\n", hidi_error_message());
    return status == HIDI_OK ? 0 : 1;
}
