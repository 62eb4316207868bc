/* curves.h - plots of training logs. */
#ifndef HIDI_CLI_CURVES_H
#define HIDI_CLI_CURVES_H

#include "core/status.h"

/* Plots dir/NAME.csv, name one of "features", "teacher", "stage1", "stage2", as dir/NAME.svg.  Does
 * nothing if there is no such log (a ready-made part). */
hidi_status hidi_plot_log(const char *dir, const char *name);

#endif
