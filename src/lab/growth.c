/* growth.c - picture k of n is drawn after steps (k / (n - 1))^2: most of what there is to see
 * happens early. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/growth.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/stop.h"
#include "lab/measuring.h"
#include "lab/pictures.h"
#include "io/atomic_file.h"

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

static hidi_status draw(const hidi_settings *settings, const hidi_dit *net, const char *dir,
                        int number, long step)
{
    const hidi_dit_config *c = &net->config;
    const size_t n = hidi_picture_columns(c->n_classes);
    const hidi_sampler sampler = {.solver = HIDI_AVERAGE,
                                  .steps = 1,
                                  .guidance = 1,
                                  .batch = (size_t)settings->sample.batch};
    const hidi_samples samples = hidi_settings_samples(settings, net, &sampler, n);
    char path[HIDI_PATH];
    hidi_real *x;
    HIDI_TRY(hidi_samples_draw(&samples, NULL, &x, NULL));
    hidi_status status = hidi_make_folder(hidi_path(path, sizeof path, dir, "growth"));
    if (status == HIDI_OK)
        status = hidi_write_grid(hidi_growth_path(path, sizeof path, dir, number, step), x, n, c,
                                 (n + 1) / 2, (size_t)settings->eval.zoom);
    free(x);
    return status;
}

hidi_status hidi_draw_growth(const hidi_settings *settings, const hidi_dit *net, const char *dir,
                             int number, long steps, long step)
{
    const size_t channels = net->config.channels;
    if (!has_picture(steps, step) || (channels != 1 && channels != 3))
        return HIDI_OK;
    hidi_stop_on(NULL); /* a picture left out is not made up for when the training goes on */
    const hidi_status status = draw(settings, net, dir, number, step);
    hidi_stop_flag();
    return status == HIDI_NOT_FINITE ? HIDI_OK : status; /* the training will say so itself */
}
