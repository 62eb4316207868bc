/* report.h - the page that shows what a run did: pictures, table, curves, times.  One file, nothing
 * beside it: pictures are embedded. */
#ifndef HIDI_LAB_REPORT_H
#define HIDI_LAB_REPORT_H

#include "lab/session.h"
#include "eval/measure.h"

#define HIDI_REPORT_FILE "report.html"
#define HIDI_RESULTS_FILE "results.csv"

typedef struct hidi_report {
    const char *dir;      /* holds the pictures and logs, and receives the report */
    const hidi_session *session; /* preset, settings and backend                        */
    const hidi_dataset *data;
    const hidi_dit *teacher;
    const hidi_measuring *how;   /* its chosen metrics are the columns of the table     */
    const hidi_measured *measured; /* [n_measured]                                      */
    size_t n_measured;
} hidi_report;

/* Writes dir/report.html, and the plots of the logs (features.svg, teacher.svg, stage1.svg,
 * stage2.svg, where there is a log).  A picture that is not there is left out. */
hidi_status hidi_write_report(const hidi_report *report);

#endif
