/* path_picture.h - one sample on its way from noise to image, the long way and the short ones. */
#ifndef HIDI_LAB_PATH_PICTURE_H
#define HIDI_LAB_PATH_PICTURE_H

#include "lab/run_pictures.h"

/* The picture's rows, from top to bottom. */
enum {
    HIDI_PATH_Z,      /* the teacher's z_t                                              */
    HIDI_PATH_X,      /* the image that its velocity at z_t points to: x = z_t - t v    */
    HIDI_PATH_STAGE1, /* e in the first column, G(e) in the last; nothing between them  */
    HIDI_PATH_STAGE2,
    HIDI_PATH_ROWS
};

enum { HIDI_PATH_COLUMNS = 9 }; /* at most; fewer where the teacher takes fewer steps */

/* Columns for a teacher of so many steps, and the step k (t = k / steps) that a column shows. */
int hidi_path_columns(long steps);
long hidi_path_step(long steps, int column);

/* Writes the picture of the first sample to `path`, enlarged as the run's others. */
hidi_status hidi_write_path(const hidi_run_pictures *pictures, const char *path);

#endif
