/* plot.h - line plots as SVG pictures, for the logs of training runs.
 *
 *     const hidi_series losses[] = { { "generator", step, g, n }, { "heads", step, d, n } };
 *     const hidi_plot plot = { "Stage 2", "iteration", "loss", true, 51, losses, 2, false };
 *     status = hidi_plot_svg(&plot, out);
 */
#ifndef HIDI_IO_PLOT_H
#define HIDI_IO_PLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "../core/status.h"

#define HIDI_PLOT_WIDTH 440
#define HIDI_PLOT_HEIGHT 300 /* more where the legend has more than two rows */

typedef struct hidi_series {
    const char *label;   /* in the legend; NULL: none                                      */
    const double *x, *y; /* [n]; a point with NaN (an empty cell of a log) is left out and
                          * its neighbours are joined; so are points beyond 1e100 and, if
                          * the axis is logarithmic, those <= 0                            */
    size_t n;
} hidi_series;

typedef struct hidi_plot {
    const char *title, *x_label, *y_label; /* UTF-8; NULL: none                            */
    bool log_y;
    size_t smooth;   /* > 1: a moving average over this many points, these faint behind it */
    const hidi_series *series;
    size_t n_series; /* colours repeat after 7                                             */
    bool log_x;
} hidi_plot;

/* Writes one <svg> element, which is a file of its own and can also stand in HTML.  Its letters are
 * 14 pixels high; its colours are those of a dark page where the reader prefers one. */
hidi_status hidi_plot_svg(const hidi_plot *plot, FILE *out);

#endif
