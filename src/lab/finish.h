/* finish.h - a training that is ended early: its result so far, as if it were at its end. */
#ifndef HIDI_LAB_FINISH_H
#define HIDI_LAB_FINISH_H

#include "core/status.h"

/* Writes the moving average in a checkpoint of a teacher or a student to `out`, as a model with the
 * settings of the training, so that `hidi run` takes it for finished, and with the metadata
 * hidi.steps: how many were taken. */
hidi_status hidi_finish(const char *checkpoint, const char *out);

#endif
