/* study_results.c - the rows of all measurements in one table; mean and deviation over seeds,
 *
 *     m = 1/n sum x_i,   s^2 = 1/(n - 1) sum (x_i - m)^2.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/study_results.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/atomic_file.h"
#include "io/csv.h"

/* --- all rows --------------------------------------------------------------------------------- */

/* Appends a file's rows; its header too if it is the first. */
static hidi_status append_rows(const char *path, FILE *out, char **header)
{
    unsigned char *data;
    HIDI_TRY(hidi_read_file(path, &data, NULL));
    char *text = (char *)data, *rows = text + strcspn(text, "\n");
    rows += *rows != '\0';
    const size_t length = (size_t)(rows - text);
    hidi_status status = HIDI_OK;
    if (*header == NULL) {
        *header = calloc(length + 1, 1);
        if (*header == NULL)
            status = hidi_error(HIDI_NO_MEMORY, "out of memory");
        else
            fputs(memcpy(*header, text, length), out);
    }
    if (status == HIDI_OK && (strlen(*header) != length || strncmp(*header, text, length) != 0))
        status = hidi_error(HIDI_BAD_FORMAT, "%s: its columns differ from the study's", path);
    if (status == HIDI_OK)
        fputs(rows, out);
    free(data);
    return status;
}

/* One file from those of the measurements with this ending; nothing if there are none. */
static hidi_status collect(const hidi_plan *plan, const char *ending, const char *name)
{
    char path[HIDI_PATH], *header = NULL;
    hidi_atomic_file file;
    HIDI_TRY(hidi_atomic_open(&file, hidi_path(path, sizeof path, plan->out, name)));
    hidi_status status = HIDI_OK;
    for (int i = 0; i < plan->n && status == HIDI_OK; i++) {
        if (plan->task[i].kind != HIDI_DO_MEASURE || plan->task[i].state != HIDI_DONE)
            continue;
        hidi_task_file(path, sizeof path, &plan->task[i], ending);
        if (access(path, F_OK) == 0)
            status = append_rows(path, file.out, &header);
    }
    const bool any = header != NULL;
    free(header);
    if (status == HIDI_OK && any)
        return hidi_atomic_commit(&file);
    hidi_atomic_abandon(&file);
    return status;
}

hidi_status hidi_study_collect(const hidi_plan *plan)
{
    HIDI_TRY(collect(plan, ".csv", "results.csv"));
    return collect(plan, "-defects.csv", "defects.csv");
}

/* --- means over seeds ------------------------------------------------------------------------- */

static hidi_seed_mean mean_of(const double *x, int n)
{
    hidi_seed_mean m = {0, 0, 0};
    for (int i = 0; i < n; i++)
        if (isfinite(x[i])) {
            m.mean += x[i];
            m.n++;
        }
    m.mean = m.n > 0 ? m.mean / m.n : (double)NAN;
    for (int i = 0; i < n; i++)
        if (isfinite(x[i]))
            m.deviation += (x[i] - m.mean) * (x[i] - m.mean);
    m.deviation = m.n > 1 ? sqrt(m.deviation / (m.n - 1)) : (double)NAN;
    return m;
}

void hidi_seed_column_free(hidi_seed_column *c)
{
    for (int s = 0; s < c->n; s++)
        free(c->value[s]);
}

hidi_status hidi_seed_column_read(hidi_seed_column *c, const hidi_plan *plan, const hidi_variant *v,
                                  const char *ending, const char *name)
{
    char path[HIDI_PATH];
    c->n = 0;
    for (int i = 0; i < plan->n; i++) {
        const hidi_study_task *task = &plan->task[i];
        if (task->kind != HIDI_DO_MEASURE || task->variant != v)
            continue;
        hidi_task_file(path, sizeof path, task, ending);
        if (access(path, F_OK) != 0)
            continue;
        c->value[c->n] = NULL;
        c->n++;
        hidi_status status = hidi_csv_read(path, name, &c->value[c->n - 1], &c->rows[c->n - 1]);
        if (status != HIDI_OK) {
            hidi_seed_column_free(c);
            return status;
        }
    }
    return HIDI_OK;
}

hidi_seed_mean hidi_seed_column_mean(const hidi_seed_column *c, size_t row, bool from_end)
{
    double x[HIDI_STUDY_SEEDS] = {0};
    for (int s = 0; s < c->n; s++)
        x[s] = row < c->rows[s] ? c->value[s][from_end ? c->rows[s] - 1 - row : row] : (double)NAN;
    return mean_of(x, c->n);
}
