/* report.h - the page that shows what a run did: table, the way of one sample, the stages as they
 * learn, spectra, pictures, curves, times.  One file that loads nothing from anywhere: pictures are
 * embedded.  It links to the CSV files beside it. */
#ifndef HIDI_LAB_REPORT_H
#define HIDI_LAB_REPORT_H

#include "lab/request_table.h"
#include "lab/run_pictures.h"
#include "eval/measure.h"

#define HIDI_REPORT_FILE "report.html"
#define HIDI_RESULTS_FILE "results.csv"

typedef struct hidi_report {
    const char *dir;      /* holds the pictures and logs, and receives the report */
    const hidi_session *session; /* preset, settings and backend                        */
    const hidi_dataset *data;
    const hidi_run_pictures *pictures; /* as they were drawn                            */
    const hidi_dit *teacher;
    const hidi_measuring *how;   /* its chosen metrics are the columns of the table     */
    const hidi_measured *measured; /* [n_measured]                                      */
    size_t n_measured;
    const hidi_request_table *requests; /* without rows: not of this data set           */
} hidi_report;

/* Writes dir/report.html, and the plots of the logs (features.svg, teacher.svg, stage1.svg,
 * stage2.svg, spectrum.svg, where there is a log).  A picture that is not there is left out. */
hidi_status hidi_write_report(const hidi_report *report);

#endif
