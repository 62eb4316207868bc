/* path_picture.c - the teacher follows dz/dt = v(z, t) from z_1 = e in many small steps.  At
 * every one the velocity already points to an image, x = z_t - t v(z_t, t): a blur at first, the
 * mean of all images that this noise could become.  A student leaps from e to the end at once. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/path_picture.h"

#include <stdlib.h>
#include <string.h>

#include "lab/measuring.h"
#include "lab/pictures.h"
#include "method/flow.h"

int hidi_path_columns(long steps)
{
    return steps + 1 < HIDI_PATH_COLUMNS ? (int)steps + 1 : HIDI_PATH_COLUMNS;
}

long hidi_path_step(long steps, int column)
{
    const int last = hidi_path_columns(steps) - 1;
    return steps - (steps * column + last / 2) / last;
}

/* What is drawn: [HIDI_PATH_ROWS, columns, pixels]. */
typedef struct path_cells {
    hidi_real *x;
    size_t columns, pixels;
} path_cells;

static hidi_real *cell(const path_cells *cells, int row, size_t column)
{
    return cells->x + ((size_t)row * cells->columns + column) * cells->pixels;
}

/* x = z_t - t v_w(z_t, t, y); at t = 0 that is z. */
static hidi_status predict(const hidi_generator *teacher, hidi_tape *tape, double t,
                           const hidi_real *z, const hidi_condition *y, hidi_real *x)
{
    const hidi_dit_config *c = &teacher->net->config;
    hidi_tape_reset(tape);
    hidi_var *t_1 = hidi_filled(tape, hidi_shape1(1), (hidi_real)t);
    const hidi_shape shape = hidi_shape4(1, c->channels, c->image_size, c->image_size);
    hidi_var *z_t = hidi_constant(tape, shape, z);
    hidi_var *v =
        hidi_guided_velocity(tape, teacher->net, z_t, t_1, y, teacher->sampler.guidance);
    hidi_var *image = hidi_denoised(tape, z_t, v, t_1);
    HIDI_TRY(hidi_tape_status(tape));
    return hidi_read(tape, image, x);
}

/* The first two rows; z: the noise on entry. */
static hidi_status follow(const path_cells *cells, const hidi_generator *teacher, hidi_tape *tape,
                          hidi_real *z, const hidi_condition *y)
{
    const long steps = teacher->sampler.steps;
    const size_t bytes = cells->pixels * sizeof *z;
    long k = steps;
    for (size_t column = 0; column < cells->columns; column++) {
        for (; k > hidi_path_step(steps, (int)column); k--)
            HIDI_TRY(hidi_sample_step(&teacher->sampler, teacher->net, tape, k, z, y, 1));
        memcpy(cell(cells, HIDI_PATH_Z, column), z, bytes);
        memcpy(cell(cells, HIDI_PATH_X, column), z, bytes);
        if (k > 0)
            HIDI_TRY(predict(teacher, tape, (double)k / (double)steps, z, y,
                             cell(cells, HIDI_PATH_X, column)));
    }
    return HIDI_OK;
}

static hidi_status jump(const path_cells *cells, int row, const hidi_dit *student, hidi_tape *tape,
                        const hidi_real *e, const hidi_condition *y)
{
    const hidi_sampler one_step = {.solver = HIDI_AVERAGE, .steps = 1, .guidance = 1, .batch = 1};
    hidi_real *end = cell(cells, row, cells->columns - 1);
    memcpy(cell(cells, row, 0), e, cells->pixels * sizeof *e);
    memcpy(end, e, cells->pixels * sizeof *e);
    return hidi_sample(&one_step, student, tape, end, y, 1, NULL);
}

static hidi_status fill(const path_cells *cells, const hidi_run_pictures *p, hidi_tape *tape,
                        hidi_real *e, hidi_real *z)
{
    const hidi_generator *teacher = &p->generator[HIDI_GENERATOR_TEACHER];
    int32_t number;
    const hidi_condition y = {.number = &number, .captions = p->data->captions};
    hidi_sample_inputs((uint64_t)p->session->settings.sample.seed, &teacher->net->config, 0, 1, e,
                       &number);
    number = hidi_dataset_asked(p->data, 0);
    memcpy(z, e, cells->pixels * sizeof *z);
    HIDI_TRY(follow(cells, teacher, tape, z, &y));
    HIDI_TRY(jump(cells, HIDI_PATH_STAGE1, p->generator[HIDI_GENERATOR_STAGE1].net, tape, e, &y));
    return jump(cells, HIDI_PATH_STAGE2, p->generator[HIDI_GENERATOR_STAGE2].net, tape, e, &y);
}

/* Cells that are latents, as images; a cell of all ones, which nobody drew, is left white. */
static hidi_status decode(path_cells *cells, size_t n, const hidi_autoencoder *coder,
                          hidi_tape *tape, size_t side)
{
    const size_t f = hidi_autoencoder_factor(&coder->config);
    const size_t pixels = coder->config.image_channels * f * side * f * side;
    hidi_real *image = malloc(n * pixels * sizeof *image);
    hidi_status status = HIDI_OK;
    if (image == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for a picture");
    for (size_t i = 0; i < n && status == HIDI_OK; i++) {
        const hidi_real *z = cells->x + i * cells->pixels;
        bool is_drawn = false;
        for (size_t k = 0; k < cells->pixels; k++)
            is_drawn = is_drawn || z[k] != 1;
        for (size_t k = 0; k < pixels; k++)
            image[i * pixels + k] = 1;
        if (is_drawn)
            status = hidi_autoencoder_images(coder, tape, z, 1, side, side, image + i * pixels);
    }
    free(cells->x);
    cells->x = image;
    return status;
}

hidi_status hidi_write_path(const hidi_run_pictures *p, const char *path)
{
    const hidi_generator *teacher = &p->generator[HIDI_GENERATOR_TEACHER];
    const hidi_dit_config *c = &teacher->net->config;
    const path_cells shape = {NULL, (size_t)hidi_path_columns(teacher->sampler.steps),
                              c->channels * c->image_size * c->image_size};
    const size_t n = HIDI_PATH_ROWS * shape.columns;
    path_cells cells = shape;
    hidi_tape *tape = hidi_tape_create(teacher->net->params.backend);
    hidi_real *inputs = malloc(2 * cells.pixels * sizeof *inputs);
    cells.x = malloc(n * cells.pixels * sizeof *cells.x);
    hidi_status status = HIDI_OK;
    if (tape == NULL || inputs == NULL || cells.x == NULL)
        status = hidi_error(HIDI_NO_MEMORY, "no memory for a picture");
    for (size_t i = 0; i < n * cells.pixels && status == HIDI_OK; i++)
        cells.x[i] = 1;
    if (status == HIDI_OK)
        status = fill(&cells, p, tape, inputs, inputs + cells.pixels);
    const hidi_autoencoder *coder = p->session->coder;
    const hidi_dit_config shown = hidi_pictured(p->session, c);
    if (status == HIDI_OK && coder != NULL)
        status = decode(&cells, n, coder, tape, c->image_size);
    if (status == HIDI_OK)
        status = hidi_write_grid(path, cells.x, n, &shown, cells.columns,
                                 (size_t)p->session->settings.eval.zoom);
    hidi_tape_destroy(tape);
    free(inputs);
    free(cells.x);
    return status;
}
