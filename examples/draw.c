/* draw.c - draws a grid of samples from a model file, teacher or student.
 *
 *     ./draw ../run-shapes/stage2.safetensors samples.png
 */
#include <hidi/hidi.h>

#include <stdio.h>
#include <stdlib.h>

enum { N = 40, COLUMNS = 10, ZOOM = 4, BATCH = 20 };

/* A student, which has an interval embedder, needs one step of its average velocity; a teacher is
 * integrated along its velocity, with guidance. */
static hidi_sampler sampler_for(const hidi_dit *net)
{
    if (net->config.has_interval)
        return (hidi_sampler){.solver = HIDI_AVERAGE, .steps = 1, .batch = BATCH};
    return (hidi_sampler){.solver = HIDI_HEUN, .steps = 10, .guidance = 1.5, .batch = BATCH};
}

static hidi_status draw(const hidi_dit *net, const char *path)
{
    const hidi_samples samples = {
        .net = net, .sampler = sampler_for(net), .seed = 1, .count = N}; /* classes go round */
    const size_t C = net->config.channels, side = net->config.image_size;
    hidi_image picture;
    hidi_progress progress;
    hidi_real *x; /* [N, C, side, side] */
    hidi_progress_begin(&progress, stderr, "samples", 0, N);
    HIDI_TRY(hidi_samples_draw(&samples, &progress, &x, NULL));
    hidi_progress_end(&progress, NULL);
    hidi_status status = hidi_image_grid(&picture, x, N, C, side, side, COLUMNS, ZOOM);
    if (status == HIDI_OK) {
        status = hidi_png_write(&picture, path);
        hidi_image_free(&picture);
    }
    free(x);
    return status;
}

int main(int argc, char **argv)
{
    const hidi_backend *backend;
    hidi_dit *net = NULL;
    if (argc != 3) {
        fprintf(stderr, "usage: draw MODEL.safetensors PICTURE.png\n");
        return 2;
    }
    hidi_status status = hidi_backend_open("cpu", &backend);
    if (status == HIDI_OK)
        status = hidi_dit_load(&net, backend, argv[1]);
    if (status == HIDI_OK)
        status = draw(net, argv[2]);
    hidi_dit_destroy(net);
    if (status != HIDI_OK) { /* one line, which names the file and what is wrong with it */
        fprintf(stderr, "draw: %s\n", hidi_error_message());
        return 1;
    }
    return 0;
}
