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

/* x [N, C, H, W]: noise on the way in, images on the way out. */
static hidi_status sample(const hidi_backend *backend, const hidi_dit *net, hidi_real *x)
{
    const hidi_sampler sampler = sampler_for(net);
    int32_t y[N]; /* classes 0, 1, ..., n_classes - 1, 0, ... */
    hidi_progress progress;
    hidi_tape *tape = hidi_tape_create(backend);
    if (tape == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory");
    hidi_sample_inputs(1, &net->config, 0, N, x, y);
    hidi_progress_begin(&progress, stderr, "samples", 0, N);
    hidi_status status = hidi_sample(&sampler, net, tape, x, y, N, &progress);
    if (status == HIDI_OK)
        hidi_progress_end(&progress, NULL);
    hidi_tape_destroy(tape);
    return status;
}

static hidi_status draw(const hidi_backend *backend, const hidi_dit *net, const char *path)
{
    const size_t C = net->config.channels, side = net->config.image_size;
    hidi_image picture;
    hidi_real *x = malloc(N * C * side * side * sizeof *x);
    if (x == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory");
    hidi_status status = sample(backend, net, x);
    if (status == HIDI_OK)
        status = hidi_image_grid(&picture, x, N, C, side, side, COLUMNS, ZOOM);
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
        status = draw(backend, net, argv[2]);
    hidi_dit_destroy(net);
    if (status != HIDI_OK) { /* one line, which names the file and what is wrong with it */
        fprintf(stderr, "draw: %s\n", hidi_error_message());
        return 1;
    }
    return 0;
}
