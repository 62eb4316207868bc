/* workers.c - a step: its micro-batches are shared out, their gradients summed, and the task
 * updates its parameters by the sum. */
#include "train/workers.h"

#include <math.h>
#include <stdlib.h>

#include "core/processes.h"
#include "train/gradient_sum.h"

struct hidi_workers {
    const hidi_task *task;
    const hidi_backend *backend;
    hidi_worker *worker; /* [n] */
    int n;
    size_t first, pieces; /* the micro-batches of a step that are this process's */
    hidi_gradient_sum *sum;
    long step; /* that is under way */
};

static hidi_status create(hidi_workers *w)
{
    const hidi_task *task = w->task;
    const size_t all = (task->batch + task->micro_batch - 1) / task->micro_batch;
    size_t end;
    hidi_processes_share(all, hidi_process(), &w->first, &end);
    w->pieces = end - w->first;
    HIDI_TRY(hidi_gradient_sum_create(&w->sum, task->trained, all));
    const int n = hidi_backend_members(w->backend, w->pieces > 0 ? w->pieces : 1);
    w->worker = calloc((size_t)n, sizeof *w->worker);
    for (; w->worker != NULL && w->n < n; w->n++) {
        hidi_worker *worker = &w->worker[w->n];
        const size_t most = task->batch < task->micro_batch ? task->batch : task->micro_batch;
        HIDI_TRY(hidi_batch_init(&worker->batch, task->data, task->seed, task->batch, most));
        worker->tape = hidi_tape_create(w->backend);
        if (worker->tape == NULL) {
            hidi_batch_free(&worker->batch);
            break;
        }
    }
    return w->n == n ? HIDI_OK : hidi_error(HIDI_NO_MEMORY, "no memory for %d workers", n);
}

hidi_status hidi_workers_create(hidi_workers **workers, const hidi_task *task)
{
    *workers = NULL;
    HIDI_TRY(hidi_task_check(task));
    hidi_workers *w = calloc(1, sizeof *w);
    if (w == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for workers");
    w->task = task;
    w->backend = task->trained[0]->backend;
    const hidi_status status = create(w);
    if (status == HIDI_OK)
        *workers = w;
    else
        hidi_workers_destroy(w);
    return status;
}

void hidi_workers_destroy(hidi_workers *w)
{
    if (w == NULL)
        return;
    for (int i = 0; i < w->n; i++) {
        hidi_tape_destroy(w->worker[i].tape);
        hidi_batch_free(&w->worker[i].batch);
    }
    free(w->worker);
    hidi_gradient_sum_destroy(w->sum);
    free(w);
}

/* --- a step ----------------------------------------------------------------------------------- */

/* The worker's tape adds to the part instead of to the models' own gradients (which are leaf 0's
 * part). */
static hidi_status divert(const hidi_workers *w, hidi_tape *tape, hidi_gradient_part *part,
                          bool *was_zero)
{
    for (int i = 0; i < HIDI_MAX_TRAINED && w->task->trained[i] != NULL; i++) {
        const hidi_params *params = w->task->trained[i];
        HIDI_TRY(hidi_tape_divert(tape, params->grad, part->grad[i], params->count,
                                  part->is_zero[i]));
        was_zero[i] = part->is_zero[i];
        part->is_zero[i] = false;
    }
    return HIDI_OK;
}

static hidi_status compute(hidi_workers *w, hidi_worker *worker, hidi_gradient_part *part)
{
    double terms[HIDI_MAX_LOG_COLUMNS];
    bool was_zero[HIDI_MAX_TRAINED] = {false};
    for (int i = 0; i < HIDI_MAX_LOG_COLUMNS; i++)
        terms[i] = NAN;
    hidi_tape_reset(worker->tape);
    HIDI_TRY(divert(w, worker->tape, part, was_zero));
    HIDI_TRY(w->task->accumulate(w->task->self, worker, terms));
    for (int i = 0; i < HIDI_MAX_TRAINED; i++) {
        part->is_reached[i] = hidi_tape_diverted(worker->tape, part->grad[i]);
        part->is_zero[i] = was_zero[i] && !part->is_reached[i];
    }
    for (int i = 0; i < HIDI_MAX_LOG_COLUMNS; i++)
        part->term[i] = hidi_worker_share(worker) * terms[i];
    return HIDI_OK;
}

static hidi_status micro_batch(void *context, int member, size_t piece)
{
    hidi_workers *w = context;
    hidi_worker *worker = &w->worker[member];
    hidi_gradient_part *part;
    piece += w->first;
    hidi_batch_part(&worker->batch, w->step, piece * w->task->micro_batch);
    HIDI_TRY(hidi_gradient_sum_take(w->sum, piece, &part));
    const hidi_status status = compute(w, worker, part);
    hidi_gradient_sum_give(w->sum, piece, part); /* in either case: it is the sum's */
    return status;
}

/* A batch in a single micro-batch is not shared out: then the kernels are, over all threads. */
static hidi_status own_micro_batches(hidi_workers *w)
{
    if (w->task->batch <= w->task->micro_batch && w->pieces == 1)
        return micro_batch(w, 0, 0);
    return hidi_backend_share_out(w->backend, w->pieces, micro_batch, w);
}

hidi_status hidi_workers_step(hidi_workers *w, long step, double *values)
{
    const int n = hidi_task_columns(w->task);
    w->step = step;
    hidi_gradient_sum_begin(w->sum);
    HIDI_TRY(hidi_processes_agree(own_micro_batches(w)));
    HIDI_TRY(hidi_gradient_sum_finish(w->sum));
    for (int i = 0; i < n; i++)
        values[i] = hidi_gradient_sum_terms(w->sum)[i];
    return w->task->update(w->task->self, step, values);
}

size_t hidi_workers_peak(const hidi_workers *w)
{
    size_t bytes = 0;
    for (int i = 0; i < w->n; i++)
        bytes += hidi_tape_peak(w->worker[i].tape);
    return bytes;
}

size_t hidi_workers_allocations(const hidi_workers *w)
{
    size_t calls = 0;
    for (int i = 0; i < w->n; i++)
        calls += hidi_tape_allocations(w->worker[i].tape);
    return calls;
}
