/* run_pictures.c - the same noise and class in the same place of every picture, so that what a
 * stage changes can be seen cell by cell. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/run_pictures.h"

#include <stdlib.h>
#include <string.h>

#include "lab/measuring.h"
#include "lab/path_picture.h"
#include "lab/pictures.h"
#include "lab/pipeline.h"

/* The rows of the comparison, from top to bottom. */
enum { REAL, TEACHER, EULER, STAGE1, STAGE2, ROWS };
static const struct {
    const char *file;
    int generator; /* -1: real images */
} rows[ROWS] = {[REAL] = {"real.png", -1},
                [TEACHER] = {"teacher.png", HIDI_GENERATOR_TEACHER},
                [EULER] = {"teacher-1-step.png", HIDI_GENERATOR_EULER},
                [STAGE1] = {"stage1.png", HIDI_GENERATOR_STAGE1},
                [STAGE2] = {"stage2.png", HIDI_GENERATOR_STAGE2}};

/* n real images of the split that is measured against, with the classes that the samples have;
 * white where a class has none. */
static hidi_status real_images(const hidi_run_pictures *p, size_t n, hidi_real **x)
{
    enum { MOST_TRIES = 100000 }; /* of an unlimited data set; others: each image once */
    const hidi_dataset *data = p->data;
    const size_t pixels = data->channels * data->height * data->width;
    const hidi_split split = hidi_settings_split(&p->session->settings);
    const uint64_t count = data->count[split], tries = count ? count : MOST_TRIES;
    uint64_t index = 0;
    *x = malloc(n * pixels * sizeof **x);
    if (*x == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for %zu images", n);
    for (size_t i = 0; i < n; i++) {
        hidi_real *image = *x + i * pixels;
        int32_t label = -1;
        if (data->captions != NULL) { /* sample number i is asked for what test picture i shows */
            const uint64_t n_test = data->count[HIDI_TEST]; /* 0: unlimited */
            data->get(data, HIDI_TEST, n_test > 0 ? i % n_test : i, image, &label);
            continue;
        }
        for (uint64_t k = 0; k < tries && (size_t)label != i % data->n_classes; k++) {
            data->get(data, split, index, image, &label);
            index = count ? (index + 1) % count : index + 1;
        }
        for (size_t k = 0; (size_t)label != i % data->n_classes && k < pixels; k++)
            image[k] = 1;
    }
    return HIDI_OK;
}

static hidi_status draw(const hidi_run_pictures *p, int row, size_t n, hidi_real **x)
{
    if (rows[row].generator < 0)
        return real_images(p, n, x);
    const hidi_generator *g = &p->generator[rows[row].generator];
    hidi_samples samples =
        hidi_settings_samples(&p->session->settings, g->net, &g->sampler, p->data->captions, n);
    samples.decoder = p->session->coder;
    return hidi_samples_draw(&samples, NULL, x, NULL);
}

static hidi_status picture(const hidi_run_pictures *p, const char *file, const hidi_real *x,
                           size_t n, size_t columns)
{
    char path[HIDI_PATH];
    const hidi_dit_config shape =
        hidi_pictured(p->session, &p->generator[HIDI_GENERATOR_TEACHER].net->config);
    return hidi_write_grid(hidi_path(path, sizeof path, p->dir, file), x, n, &shape, columns,
                           (size_t)p->session->settings.eval.zoom);
}

/* The first `columns` images of each row. */
static hidi_status write_comparison(const hidi_run_pictures *p, hidi_real *const *x,
                                    size_t columns)
{
    const size_t pixels = p->data->channels * p->data->height * p->data->width;
    const size_t row = columns * pixels;
    hidi_real *all = malloc(ROWS * row * sizeof *all);
    if (all == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for a picture");
    for (size_t i = 0; i < ROWS; i++)
        memcpy(all + i * row, x[i], row * sizeof *all);
    hidi_status status = picture(p, "compare.png", all, ROWS * columns, columns);
    free(all);
    return status;
}

/* The token weights of stage 2's discriminator over real images and stage 2's samples. */
static hidi_status write_heat_maps(hidi_run_pictures *p, hidi_real *const *x, size_t n,
                                   size_t columns)
{
    char heads[HIDI_PATH], backbone[HIDI_PATH], path[HIDI_PATH];
    const hidi_settings *s = &p->session->settings;
    hidi_discriminator discriminator;
    hidi_stage2_options dm;
    HIDI_TRY(hidi_settings_stage2(s, &dm));
    if (!hidi_head_of(dm.adversary.heads.kind)->has_weights || dm.adversary.weight <= 0 ||
        p->session->coder != NULL)
        return HIDI_OK; /* of latents the weights are not drawn: pixels are not what it sees */
    int32_t *number = malloc(n * sizeof *number);
    if (number == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for a picture");
    for (size_t i = 0; i < n; i++)
        number[i] = hidi_dataset_asked(p->data, i);
    const hidi_condition y = {.number = number, .captions = p->data->captions};
    hidi_path(heads, sizeof heads, p->dir, HIDI_HEADS_FILE);
    hidi_path(backbone, sizeof backbone, p->dir,
              s->dm.backbone == HIDI_BACKBONE_TEACHER ? HIDI_TEACHER_FILE : HIDI_FAKE_FILE);
    hidi_status status =
        hidi_discriminator_load(&discriminator, p->session, heads, backbone);
    if (status == HIDI_OK) {
        hidi_heat heat = hidi_settings_heat(s, &discriminator, 1, columns);
        heat.with_images = true;
        heat.fullest = &p->fullest[0];
        status = hidi_write_heat(hidi_path(path, sizeof path, p->dir, "heat-real.png"), &heat,
                                 x[REAL], &y, n);
        heat.fullest = &p->fullest[1];
        if (status == HIDI_OK)
            status = hidi_write_heat(hidi_path(path, sizeof path, p->dir, "heat-stage2.png"),
                                     &heat, x[STAGE2], &y, n);
    }
    hidi_discriminator_free(&discriminator);
    free(number);
    return status;
}

size_t hidi_heat_images(const hidi_session *session, const hidi_dataset *data)
{
    const long drawn = session->settings.eval.grid_rows;
    return hidi_picture_columns(data->n_classes) * (size_t)(drawn < 2 ? drawn : 2);
}

hidi_status hidi_write_run_pictures(hidi_run_pictures *p)
{
    const size_t columns = hidi_picture_columns(p->data->n_classes);
    const size_t n = columns * (size_t)p->session->settings.eval.grid_rows;
    char path[HIDI_PATH];
    hidi_real *x[ROWS] = {NULL};
    hidi_status status = HIDI_OK;
    for (int i = 0; i < ROWS && status == HIDI_OK; i++)
        status = draw(p, i, n, &x[i]);
    for (int i = 0; i < ROWS && status == HIDI_OK; i++)
        status = picture(p, rows[i].file, x[i], n, columns);
    if (status == HIDI_OK)
        status = write_comparison(p, x, columns);
    if (status == HIDI_OK)
        status = hidi_write_path(p, hidi_path(path, sizeof path, p->dir, "path.png"));
    if (status == HIDI_OK)
        status = write_heat_maps(p, x, hidi_heat_images(p->session, p->data), columns);
    for (int i = 0; i < ROWS; i++)
        free(x[i]);
    return status;
}
