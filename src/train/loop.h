/* loop.h - the loop that all kinds of training share: progress, log, checkpoints, resuming,
 * interruption. */
#ifndef HIDI_TRAIN_LOOP_H
#define HIDI_TRAIN_LOOP_H

#include <stdio.h>

#include "task.h"

typedef struct hidi_training {
    long steps;                         /* in all                                               */
    long save_every;                    /* steps between checkpoints; 0: only when stopped      */
    long log_every;                     /* rows of the log: step 0, log_every, ... and the last   */
    const char *checkpoint;             /* path; resumed from if it is there; the caller removes it
                                         * when the result is safe                              */
    const char *log;                    /* path of a CSV file; NULL: none                         */
    FILE *progress;                     /* NULL: silent                                           */
    FILE *notes;                        /* a line here says what was found wrong with the log and
                                         * does not end the training; NULL: nowhere             */
    long snapshot_every;                /* > 0: snapshot() after this many steps and its multiples,
                                         * the last step excepted                               */
    hidi_status (*snapshot)(void *context, long steps); /* looks at the result so far           */
    void *context;
    double *seconds;                    /* output: of training, earlier runs included; or NULL  */
    long stop_after;                    /* > 0: as if interrupted after that many steps (tests)   */
} hidi_training;

/* steps, log_every >= 1; save_every, snapshot_every, stop_after >= 0; a snapshot function if it is
 * to be called (train/options.h). */
hidi_status hidi_training_check(const hidi_training *training);

/* Runs the task's remaining steps.  Asked to stop (core/stop.h), it finishes the step, saves and
 * returns.  A log that cannot be continued (its rows or columns are not this training's) is set
 * aside as LOG.damaged, and a new one begun; one that lacks rows before the checkpoint's step is
 * continued: training->notes has a line about either.
 * HIDI_BAD_ARGUMENT: what hidi_training_check or hidi_task_check refuses.
 * HIDI_INTERRUPTED: stopped on request with a checkpoint written (the message says how to go on).
 * HIDI_NOT_FINITE: the message names step, loss term or tensor; the last good checkpoint is
 * kept. */
hidi_status hidi_train(const hidi_task *task, const hidi_training *training);

#endif
