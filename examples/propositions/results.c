/* results.c - what the programs of this folder share: opening files, one fit, one comparison. */
#include "results.h"

#include <math.h>
#include <stdio.h>

hidi_status open_table(hidi_csv *csv, const char *dir, const char *name, const char *header)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    HIDI_TRY(hidi_make_folder(dir));
    HIDI_TRY(hidi_csv_create(csv, path));
    hidi_csv_names(csv, header);
    hidi_csv_end_row(csv);
    return HIDI_OK;
}

hidi_status write_plot(const hidi_plot *plot, const char *dir, const char *name)
{
    hidi_atomic_file file;
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    HIDI_TRY(hidi_atomic_open(&file, path));
    const hidi_status status = hidi_plot_svg(plot, file.out);
    if (status == HIDI_OK)
        return hidi_atomic_commit(&file);
    hidi_atomic_abandon(&file);
    return status;
}

double log_slope(const double *x, const double *y, int n)
{
    double sx = 0, sy = 0, sxx = 0, sxy = 0;
    for (int i = 0; i < n; i++) {
        const double a = log(x[i]), b = log(y[i]);
        sx += a, sy += b, sxx += a * a, sxy += a * b;
    }
    return (n * sxy - sx * sy) / (n * sxx - sx * sx);
}

hidi_status expect(const char *what, double error, double most)
{
    if (error < most)
        return HIDI_OK;
    return hidi_error(HIDI_BAD_FORMAT, "%s: off by %.3g, expected less than %.3g", what, error,
                      most);
}

int finish(const char *program, hidi_status status)
{
    if (status == HIDI_OK)
        return 0;
    fprintf(stderr, "%s: %s\n", program, hidi_error_message());
    return 1;
}
