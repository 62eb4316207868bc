/* csv.h - tables as text, for other programs: one header row, then rows of cells (RFC 4180).
 *
 *     hidi_csv csv;
 *     HIDI_TRY(hidi_csv_create(&csv, "found.csv"));
 *     hidi_csv_names(&csv, "image,steps,distance");
 *     hidi_csv_end_row(&csv);
 *     hidi_csv_text(&csv, name);
 *     hidi_csv_integer(&csv, steps);
 *     hidi_csv_number(&csv, "%.6g", distance);
 *     hidi_csv_end_row(&csv);
 *     return hidi_csv_finish(&csv, HIDI_OK);
 *
 * A log of a training is such a table, too, but grows row by row and can be resumed. */
#ifndef HIDI_IO_CSV_H
#define HIDI_IO_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "../core/status.h"
#include "atomic_file.h"

/* {.out = stream} writes cells to a stream of the caller's. */
typedef struct hidi_csv {
    FILE *out;             /* NULL: nothing is open             */
    bool in_row;           /* the row has a cell already        */
    hidi_atomic_file file; /* of hidi_csv_create                */
    char *path;            /* of hidi_csv_open, and its columns */
    int n_columns;
} hidi_csv;

/* --- a table ---------------------------------------------------------------------------------- */

/* Begins a file that appears whole, or not at all. */
hidi_status hidi_csv_create(hidi_csv *csv, const char *path);

/* Moves the file to its place if status is HIDI_OK, else drops it; returns the first error, which
 * may be that of an earlier cell.  If nothing is open, returns `status`. */
hidi_status hidi_csv_finish(hidi_csv *csv, hidi_status status);

/* Cells of the current row, in order.  Errors show in hidi_csv_finish, or in ferror(csv->out). */
void hidi_csv_names(hidi_csv *csv, const char *names); /* "a,b,c" is three cells  */
void hidi_csv_text(hidi_csv *csv, const char *text);   /* in quotes if it must be */
void hidi_csv_quoted(hidi_csv *csv, const char *text); /* in quotes               */
void hidi_csv_integer(hidi_csv *csv, long long value);
void hidi_csv_end_row(hidi_csv *csv);

/* format: printf's for one double, such as "%.6g"; the decimal point is '.' in every locale.  A
 * value that is not finite is an empty cell. */
void hidi_csv_number(hidi_csv *csv, const char *format, double value);
void hidi_csv_numbers(hidi_csv *csv, const char *format, size_t n, const double *values);

/* --- reading ---------------------------------------------------------------------------------- */

/* Rows and their cells, which may go over several lines, cut out of a text:
 *
 *     hidi_csv_reader r = hidi_csv_begin(text);
 *     while (hidi_csv_next_row(&r))
 *         while ((cell = hidi_csv_next_cell(&r)) != NULL)
 *             ...
 */
typedef struct hidi_csv_reader {
    char *rest;     /* what has not been read                                             */
    long line;      /* where the current row begins, from 1                               */
    long next_line;
    bool in_row;    /* the current row has more cells                                     */
    bool whole;     /* at the end of a row: it had a line break, so that its writer was
                     * not interrupted in it                                              */
    bool unclosed;  /* at the end of a row: the text ended within quotes                  */
} hidi_csv_reader;

hidi_csv_reader hidi_csv_begin(char *text); /* which is written into */

/* Goes to the next row, over blank lines; false: there is none. */
bool hidi_csv_next_row(hidi_csv_reader *reader);

/* The next cell of the current row, without its quotes, in the text; NULL: it has no more. */
char *hidi_csv_next_cell(hidi_csv_reader *reader);

/* All of a file as a text, which must hold no 0.  The caller frees *text. */
hidi_status hidi_csv_text_of(const char *path, char **text);

/* One column by its name; empty cells are NaN.  The caller frees *values.  A last row without a
 * newline was interrupted and is passed over. */
hidi_status hidi_csv_read(const char *path, const char *column, double **values, size_t *n);

/* --- a log ------------------------------------------------------------------------------------ */

/* Opens a log for appending.  columns ends with NULL; the first is the step.  resume_step 0: a new
 * file.  > 0: an existing file must have the same header, and loses its rows whose step is
 * >= resume_step (written after the checkpoint that is resumed from); a missing one is begun. */
hidi_status hidi_csv_open(hidi_csv *csv, const char *path, const char *const *columns,
                          long resume_step);

/* One row, values[n_columns], flushed; NaN is an empty cell, infinity is "inf" or "-inf". */
hidi_status hidi_csv_row(hidi_csv *csv, const double *values);

hidi_status hidi_csv_close(hidi_csv *csv); /* also after an error */

#endif
