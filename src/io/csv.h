/* csv.h - the log of a training run: one header row, then one row of numbers a step. */
#ifndef HIDI_IO_CSV_H
#define HIDI_IO_CSV_H

#include <stddef.h>
#include <stdio.h>

#include "../core/status.h"

typedef struct hidi_csv {
    FILE *out;
    char *path;
    int n_columns;
} hidi_csv;

/* Opens a log for appending.  columns ends with NULL; the first is the step.  resume_step 0: a new
 * file.  > 0: an existing file must have the same header, and loses its rows whose step is
 * >= resume_step (written after the checkpoint that is resumed from); a missing one is begun. */
hidi_status hidi_csv_open(hidi_csv *csv, const char *path, const char *const *columns,
                          long resume_step);

/* One row, values[n_columns], flushed; NaN is an empty cell. */
hidi_status hidi_csv_row(hidi_csv *csv, const double *values);

hidi_status hidi_csv_close(hidi_csv *csv); /* also after an error */

/* One column of a log by name; empty cells are NaN.  The caller frees *values. */
hidi_status hidi_csv_read(const char *path, const char *column, double **values, size_t *n);

#endif
