/* results.h - where the programs of this folder put what they find: CSV files and SVG plots. */
#ifndef PROPOSITIONS_RESULTS_H
#define PROPOSITIONS_RESULTS_H

#include <hidi/hidi.h>

/* Begins dir/name with a row of column names ("a,b,c"); to be ended by hidi_csv_finish.  dir is made
 * if need be. */
hidi_status open_table(hidi_csv *csv, const char *dir, const char *name, const char *header);

/* The plot as dir/name. */
hidi_status write_plot(const hidi_plot *plot, const char *dir, const char *name);

/* Slope of the line through (log x, log y), by least squares. */
double log_slope(const double *x, const double *y, int n);

/* An error if `error` is not below `most`: what is claimed does not hold. */
hidi_status expect(const char *what, double error, double most);

/* Prints "program: message" if status is an error; what main is to return. */
int finish(const char *program, hidi_status status);

#endif
