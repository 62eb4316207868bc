/* report_parts.h - what the report is put together from: embedded pictures, plots, text. */
#ifndef HIDI_LAB_REPORT_PARTS_H
#define HIDI_LAB_REPORT_PARTS_H

#include <stdio.h>

#include "io/image.h"
#include "lab/session.h"

/* The page's style sheet, for light and dark, wide and narrow; and what moves the sliders. */
extern const char hidi_report_style[], hidi_report_script[];

/* Both print nothing if there is no such file in the folder dir.  caption is HTML, and may be NULL;
 * alt is text. */
hidi_status hidi_print_picture(FILE *out, const char *dir, const char *file, const char *alt,
                               const char *caption);
/* Draws dir/NAME.svg anew from dir/NAME.csv (lab/log_plot.h), and embeds it with a link to the
 * latter. */
hidi_status hidi_print_log(FILE *out, const char *dir, const char *name, const char *caption);

/* An image as <img> with a PNG inside; class: a CSS class. */
hidi_status hidi_print_image(FILE *out, const hidi_image *image, const char *class,
                             const char *alt);

/* Samples over the training of stage `number` (lab/growth.h), of which a slider shows one picture at
 * a time: the last where there is no script. */
hidi_status hidi_print_growth(FILE *out, const char *dir, int number, long steps);

/* The command that makes this run. */
hidi_status hidi_print_command(FILE *out, const hidi_session *session, const char *dir);

/* The settings, folded: those that are not the defaults, then the others. */
hidi_status hidi_print_settings(FILE *out, const hidi_settings *settings, const char *sections);

#endif
