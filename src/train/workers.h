/* workers.h - take the steps of a training: each has a tape, and computes micro-batches.
 *
 * Which worker computes which micro-batch depends on who is free; the result does not: gradients
 * and logged terms are summed in one fixed tree over the micro-batches' numbers
 * (train/gradient_sum.h), and each is computed by one thread.  So the bits of a step are the same
 * for any number of threads.
 */
#ifndef HIDI_TRAIN_WORKERS_H
#define HIDI_TRAIN_WORKERS_H

#include "task.h"

typedef struct hidi_workers hidi_workers;

/* As many as the backend has threads, but not more than there are micro-batches in a step.  The
 * task must outlive them; the caller destroys them.  After an error *workers is NULL. */
hidi_status hidi_workers_create(hidi_workers **workers, const hidi_task *task);
void hidi_workers_destroy(hidi_workers *workers); /* NULL is allowed */

/* Step number `step` of the task: every micro-batch, then the update.  values[i] belongs to
 * columns[i]; NaN: nothing to log in this step.  After an error in a micro-batch nothing is
 * updated, and the gradients are what they happen to be. */
hidi_status hidi_workers_step(hidi_workers *workers, long step, double *values);

/* Of all tapes together: most bytes in use at one time, and calls of the backend's allocate. */
size_t hidi_workers_peak(const hidi_workers *workers);
size_t hidi_workers_allocations(const hidi_workers *workers);

#endif
