/* growth.h - how a student's samples change while it is trained: a picture of one-step samples, from
 * the same noise, at a few steps of the training.  Nothing of the training depends on it. */
#ifndef HIDI_LAB_GROWTH_H
#define HIDI_LAB_GROWTH_H

#include "lab/session.h"

enum { HIDI_GROWTH_PICTURES = 9 }; /* of a training, its beginning and its end included */

/* The number of steps after which a picture, 0 .. HIDI_GROWTH_PICTURES - 1, is drawn: 0, then ever
 * further apart, as changes are, to `steps`. */
long hidi_growth_step(long steps, int picture);

/* The picture of stage `number` (1 or 2) after `step` steps, in path[size]; returns path. */
char *hidi_growth_path(char *path, size_t size, const char *dir, int number, long step);

/* Draws the picture of this step, in two rows, into the folder dir, if the step has one.  Drawn
 * again, after an interruption, it is the same.  A net whose samples are not finite, or cannot be
 * drawn (channels other than 1 and 3), leaves none: the training goes on as if nobody had looked. */
hidi_status hidi_draw_growth(const hidi_settings *settings, const hidi_dit *net, const char *dir,
                             int number, long steps, long step);

#endif
