/* take_steps.h - some steps of a training, and what it ends with, for tests that compare two. */
#ifndef HIDI_TESTS_TAKE_STEPS_H
#define HIDI_TESTS_TAKE_STEPS_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "train/workers.h"

enum { STEPS_TAKEN = 3 };

/* The values of all steps, and the weights of all that is trained, one after the other. */
typedef struct outcome {
    double values[STEPS_TAKEN][HIDI_MAX_LOG_COLUMNS];
    hidi_real *weights; /* [n]; the caller frees them */
    size_t n;
} outcome;

static inline void take_steps(outcome *o, const hidi_task *task)
{
    hidi_workers *workers;
    hidi_status status;
    memset(o, 0, sizeof *o);
    status = hidi_workers_create(&workers, task);
    for (long i = 0; i < STEPS_TAKEN && status == HIDI_OK; i++)
        status = hidi_workers_step(workers, i, o->values[i]);
    ck_assert_msg(status == HIDI_OK, "%s", hidi_error_message());
    hidi_workers_destroy(workers);
    for (int i = 0; i < HIDI_MAX_TRAINED && task->trained[i] != NULL; i++) {
        const hidi_params *params = task->trained[i];
        o->weights = realloc(o->weights, (o->n + params->count) * sizeof *o->weights);
        ck_assert_ptr_nonnull(o->weights);
        params->backend->download(o->weights + o->n, params->value,
                                  params->count * sizeof *o->weights);
        o->n += params->count;
    }
}

#endif
