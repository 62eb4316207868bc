/* report_captions.h - what the pictures of a report were asked for, where that is text: each
 * caption under the pictures that answer it, so that neither a pointer nor a wide screen is needed
 * to read it. */
#ifndef HIDI_LAB_REPORT_CAPTIONS_H
#define HIDI_LAB_REPORT_CAPTIONS_H

#include <stdio.h>

#include "lab/report.h"

/* For each column of the run's grids (lab/run_pictures.h) a card, of a data set with captions: its
 * picture of each grid beside each other, and their caption below.  The first row of the grids,
 * and all others.  A grid that is not there is left out; HIDI_BAD_ARGUMENT for one that is smaller
 * than it should be. */
hidi_status hidi_print_compared(FILE *out, const hidi_report *report);
hidi_status hidi_print_others(FILE *out, const hidi_report *report);

/* The captions of samples number 0 .. n - 1 as a numbered list that can be folded up; of a data set
 * without captions, nothing. */
hidi_status hidi_print_asked(FILE *out, const hidi_dataset *data, size_t n);

/* The caption of sample number i. */
hidi_status hidi_print_caption(FILE *out, const hidi_dataset *data, size_t i);

#endif
