/* task.c - what all kinds of training have in common.
 *
 * All losses here are means over samples of terms that depend on one sample alone.  So the mean
 * over a batch of B is the sum over its parts of size / B times the part's own mean, and so is its
 * gradient: exactly what one large batch has, but for the order of rounding. */
#include "train/task.h"

#include "train/options.h"

double hidi_worker_share(const hidi_worker *worker)
{
    return (double)worker->batch.size / (double)worker->batch.total;
}

hidi_status hidi_worker_backward(hidi_worker *worker, hidi_var *loss)
{
    const hidi_real share = (hidi_real)hidi_worker_share(worker);
    return hidi_tape_backward(worker->tape, loss, &share);
}

int hidi_task_columns(const hidi_task *task)
{
    int n = 0;
    while (n <= HIDI_MAX_LOG_COLUMNS && task->columns[n] != NULL)
        n++;
    return n;
}

hidi_status hidi_task_check(const hidi_task *task)
{
    const char *missing = !task->label        ? "label"
                          : !task->columns    ? "columns"
                          : !task->settings   ? "settings"
                          : !task->data       ? "data"
                          : !task->trained[0] ? "parameters"
                          : !task->accumulate ? "accumulate()"
                          : !task->update     ? "update()"
                          : !task->to_file    ? "to_file()"
                          : !task->from_file  ? "from_file()"
                                              : NULL;
    if (missing != NULL)
        return hidi_error(HIDI_BAD_ARGUMENT, "a task without %s", missing);
    HIDI_TRY(hidi_batch_sizes_check(task->batch, task->micro_batch));
    const int n = hidi_task_columns(task);
    return hidi_require(n >= 1 && n <= HIDI_MAX_LOG_COLUMNS, "the number of columns", n, "1 to 16");
}
