/* growth.c - picture k of n is drawn after steps (k / (n - 1))^2: most of what there is to see
 * happens early. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/growth.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/processes.h"
#include "core/stop.h"
#include "lab/measuring.h"
#include "lab/pictures.h"
#include "lab/pipeline.h"
#include "io/atomic_file.h"
#include "io/csv.h"
#include "io/safetensors.h"

long hidi_growth_step(long steps, int picture)
{
    const double share = (double)picture / (HIDI_GROWTH_PICTURES - 1);
    return (long)((double)steps * share * share);
}

char *hidi_growth_path(char *path, size_t size, const char *dir, int number, long step)
{
    snprintf(path, size, "%s/growth/stage%d-%06ld.png", dir, number, step);
    return path;
}

static bool has_picture(long steps, long step)
{
    for (int i = 0; i < HIDI_GROWTH_PICTURES; i++)
        if (hidi_growth_step(steps, i) == step)
            return true;
    return false;
}

static hidi_samples one_step(const hidi_growth *g, const hidi_dit *net, size_t n)
{
    const hidi_settings *s = &g->session->settings;
    const hidi_sampler sampler = {.solver = HIDI_AVERAGE,
                                  .steps = 1,
                                  .guidance = 1,
                                  .batch = (size_t)s->sample.batch};
    hidi_samples samples = hidi_settings_samples(s, net, &sampler, g->data->captions, n);
    samples.decoder = g->session->coder;
    return samples;
}

size_t hidi_growth_samples(const hidi_dit *net)
{
    return hidi_picture_columns(net->config.n_classes);
}

static hidi_status draw(const hidi_growth *g, const hidi_dit *net, long step)
{
    const hidi_dit_config c = hidi_pictured(g->session, &net->config);
    const size_t n = hidi_growth_samples(net);
    const hidi_samples samples = one_step(g, net, n);
    char path[HIDI_PATH];
    hidi_real *x;
    HIDI_TRY(hidi_samples_draw(&samples, NULL, &x, NULL));
    hidi_status status = HIDI_OK;
    if (hidi_process_is_first())
        status = hidi_make_folder(hidi_path(path, sizeof path, g->dir, "growth"));
    if (status == HIDI_OK)
        status = hidi_write_grid(hidi_growth_path(path, sizeof path, g->dir, g->number, step), x, n,
                                 &c, (n + 1) / 2, (size_t)g->session->settings.eval.zoom);
    free(x);
    return status;
}

/* The images that samples are like. */
static const hidi_dataset *images_of(const hidi_growth *g)
{
    return g->session->pixels != NULL ? g->session->pixels : g->data;
}

/* --- distances -------------------------------------------------------------------------------- */

/* The settings, for as many images as are measured here. */
static hidi_settings for_few_images(const hidi_growth *g)
{
    hidi_settings few = g->session->settings;
    if (few.eval.images > HIDI_GROWTH_IMAGES)
        few.eval.images = HIDI_GROWTH_IMAGES;
    return few;
}

/* The feature net of the folder, and real images.  Without either (a stage alone, in a folder of
 * its own or of other images), nothing is measured. */
static hidi_status open_measuring(hidi_growth *g)
{
    char path[HIDI_PATH];
    hidi_feature_net *net;
    hidi_tensor_file file;
    const hidi_settings few = for_few_images(g);
    const hidi_dataset *data = images_of(g);
    g->is_open = true;
    hidi_processes_wait(); /* the first may be about to write that net */
    if (access(hidi_path(path, sizeof path, g->dir, HIDI_FEATURES_FILE), F_OK) != 0 ||
        hidi_check_measurable(&few, data) != HIDI_OK)
        return HIDI_OK;
    HIDI_TRY(hidi_safetensors_read(&file, path));
    hidi_status status = hidi_feature_net_from_file(&net, g->session->backend, &file);
    hidi_tensor_file_free(&file);
    HIDI_TRY(status);
    if (net->image_size != data->height || net->channels != data->channels) {
        hidi_feature_net_destroy(net);
        return HIDI_OK;
    }
    HIDI_TRY(hidi_small_extractor(&g->extractor, net, data));
    HIDI_TRY(hidi_settings_measuring(&few, &g->extractor, &g->how));
    HIDI_TRY(hidi_metrics_choose(&g->how.choice, "distance,spectrum", false));
    return hidi_gather_real(&g->real, &g->how, &few, data);
}

static hidi_status add_row(const hidi_growth *g, long step, const hidi_measured *m)
{
    static const char *const columns[] = {"step", "images", "distance", "high_frequency", NULL};
    const double row[] = {(double)step, (double)m->images, m->value[HIDI_VALUE_DISTANCE],
                          m->value[HIDI_VALUE_HIGH]};
    char path[HIDI_PATH];
    hidi_csv csv;
    if (!hidi_process_is_first())
        return HIDI_OK;
    snprintf(path, sizeof path, "%s/growth/stage%d.csv", g->dir, g->number);
    hidi_status status = hidi_csv_open(&csv, path, columns, step);
    if (status == HIDI_BAD_FORMAT) /* damaged: what it lacks is not worth a training */
        status = hidi_csv_open(&csv, path, columns, 0);
    if (status == HIDI_OK)
        status = hidi_csv_row(&csv, row);
    const hidi_status closed = hidi_csv_close(&csv);
    return status == HIDI_OK ? closed : status;
}

static hidi_status measure(hidi_growth *g, const hidi_dit *net, long step)
{
    hidi_measured measured;
    hidi_image_source source;
    if (!g->is_open)
        HIDI_TRY(open_measuring(g));
    if (g->how.extractor == NULL)
        return HIDI_OK;
    const hidi_samples samples = one_step(g, net, g->real.n);
    HIDI_TRY(hidi_image_source_samples(&source, &samples));
    hidi_status status = hidi_measure(&measured, &g->how, &source, "samples");
    hidi_image_source_close(&source);
    return status == HIDI_OK ? add_row(g, step, &measured) : status;
}

/* --- a look ----------------------------------------------------------------------------------- */

hidi_status hidi_growth_look(hidi_growth *g, const hidi_dit *net, long step)
{
    const size_t channels = hidi_pictured(g->session, &net->config).channels;
    if (!has_picture(g->steps, step) || (channels != 1 && channels != 3))
        return HIDI_OK;
    hidi_stop_on(NULL); /* a picture left out is not made up for when the training goes on */
    hidi_status status = draw(g, net, step);
    if (status == HIDI_OK)
        status = measure(g, net, step);
    hidi_stop_flag();
    return status == HIDI_NOT_FINITE ? HIDI_OK : status; /* the training will say so itself */
}

void hidi_growth_free(hidi_growth *g)
{
    hidi_image_set_free(&g->real);
    hidi_extractor_close(&g->extractor);
}
