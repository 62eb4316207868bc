/* log_plot.h - plots of training logs. */
#ifndef HIDI_LAB_LOG_PLOT_H
#define HIDI_LAB_LOG_PLOT_H

#include "io/plot.h"

/* Plots dir/NAME.csv, name one of "features", "teacher", "stage1", "stage2", "spectrum", as
 * dir/NAME.svg; of dir/growth/stage1.csv (lab/growth.h) "growth/stage1-distance" and
 * "growth/stage1-detail", and of stage 2's likewise.  Does nothing if there is no such log (a
 * ready-made part). */
hidi_status hidi_plot_log(const char *dir, const char *name);

/* The log, without .csv, that the plot of this name shows. */
const char *hidi_plotted_log(const char *name);

/* A plot as an SVG file. */
hidi_status hidi_write_plot(const hidi_plot *plot, const char *path);

#endif
