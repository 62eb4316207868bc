/* task.h - a kind of training: what it computes for some samples, and what it does with the sum.
 *
 * A step is a batch of samples in micro-batches.  Each micro-batch is computed on its own, by
 * whoever is free (train/workers.h); the sum of their gradients is what the step is updated by.
 */
#ifndef HIDI_TRAIN_TASK_H
#define HIDI_TRAIN_TASK_H

#include "../autograd/params.h"
#include "../io/tensor_file.h"
#include "batch.h"

#define HIDI_MAX_LOG_COLUMNS 16
#define HIDI_MAX_TRAINED 12

/* What a micro-batch is computed with: nobody else uses it meanwhile. */
typedef struct hidi_worker {
    hidi_tape *tape;  /* reset */
    hidi_batch batch; /* the samples, and of which step */
} hidi_worker;

/* The worker's samples, as a share of the batch. */
double hidi_worker_share(const hidi_worker *worker);

/* The backward pass from `loss`, a mean over the worker's samples, as their share of the mean over
 * the whole batch. */
hidi_status hidi_worker_backward(hidi_worker *worker, hidi_var *loss);

typedef struct hidi_task {
    const char *label;          /* "teacher": for progress and messages                        */
    const char *const *columns; /* names of the values that are logged; ends with NULL.  The
                                 * first is the loss that the progress line shows              */
    const char *settings;       /* all settings that decide the result, as text: a checkpoint
                                 * of other settings is refused, unless only the number of
                                 * steps ("KEY.steps = N") is another                          */
    const hidi_dataset *data;
    uint64_t seed;              /* of its draws                                                */
    size_t batch, micro_batch;  /* samples of a step; and of what is computed at one time, which
                                 * decides the last bits of the result                         */
    hidi_params *trained[HIDI_MAX_TRAINED]; /* whose gradients are summed; NULL: no more.  At
                                             * least one                                       */
    void *self;                 /* handed to the functions                                     */
    /* Puts the losses of the worker's samples on its tape, writes their means to the columns of
     * terms that they belong to (NaN: not part of this step), and goes backward from their sum
     * with hidi_worker_backward.  Called by several threads at a time: self is only read. */
    hidi_status (*accumulate)(void *self, hidi_worker *worker, double *terms);
    /* Updates the parameters by their gradients, and sets these to 0.  values: the terms' means
     * over the batch; the other columns are written here. */
    hidi_status (*update)(void *self, long step, double *values);
    /* Everything that the next step depends on, and back. */
    hidi_status (*to_file)(void *self, hidi_tensor_file *file);
    hidi_status (*from_file)(void *self, const hidi_tensor_file *file);
} hidi_task;

/* How many there are; HIDI_MAX_LOG_COLUMNS + 1: more than that. */
int hidi_task_columns(const hidi_task *task);

/* HIDI_BAD_ARGUMENT: a task without a label, columns (1 .. HIDI_MAX_LOG_COLUMNS), settings, data,
 * parameters or one of its functions, or with a batch or micro-batch out of range. */
hidi_status hidi_task_check(const hidi_task *task);

#endif
