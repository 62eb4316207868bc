/* exchange_bench.c - the exchange as trainings do it, on gradients that nobody has computed.
 * Before each one all processes wait for each other, so that none is timed that only comes late. */
#include "lab/exchange_bench.h"

#include "core/processes.h"
#include "core/progress.h"
#include "io/csv.h"
#include "lab/timing.h"
#include "train/gradient_sum.h"

enum { SIZES = 8, LEAST = 1 << 12, MOST_REPEAT = 10000 };

typedef struct exchange {
    const hidi_backend *backend;
    long repeat;
    double bytes[SIZES], seconds[SIZES];
    double latency, rate; /* seconds; bytes in a second */
} exchange;

/* One exchange: leaf i of the tree is process i's. */
static hidi_status once(hidi_gradient_sum *sum, double *seconds)
{
    const size_t leaf = (size_t)hidi_process();
    hidi_gradient_part *part;
    hidi_gradient_sum_begin(sum);
    HIDI_TRY(hidi_gradient_sum_take(sum, leaf, &part));
    part->is_reached[0] = true;
    part->is_zero[0] = false;
    hidi_gradient_sum_give(sum, leaf, part);
    HIDI_TRY(hidi_processes_check_stop());
    const double start = hidi_seconds();
    HIDI_TRY(hidi_gradient_sum_finish(sum));
    *seconds = hidi_seconds() - start;
    return HIDI_OK;
}

static hidi_status time_all(const exchange *e, hidi_params *params, double *median)
{
    enum { WARM_UP = 2 };
    hidi_params *trained[HIDI_MAX_TRAINED] = {params};
    double times[MOST_REPEAT], ignored;
    hidi_gradient_sum *sum;
    HIDI_TRY(hidi_gradient_sum_create(&sum, trained, (size_t)hidi_processes()));
    hidi_status status = HIDI_OK;
    for (long i = -WARM_UP; i < e->repeat && status == HIDI_OK; i++)
        status = once(sum, i < 0 ? &ignored : &times[i]);
    hidi_gradient_sum_destroy(sum);
    if (status == HIDI_OK)
        *median = hidi_quantile(times, (int)e->repeat, 0.5);
    return status;
}

static hidi_status time_size(exchange *e, int i)
{
    const size_t n = (size_t)LEAST / sizeof(hidi_real) << 2 * i;
    hidi_params params;
    e->bytes[i] = (double)(n * sizeof(hidi_real));
    hidi_params_init(&params, e->backend);
    hidi_status status = hidi_params_declare(&params, hidi_shape1(n), "gradient");
    if (status == HIDI_OK)
        status = hidi_params_allocate(&params);
    if (status == HIDI_OK)
        status = hidi_params_train(&params);
    if (status == HIDI_OK)
        status = time_all(e, &params, &e->seconds[i]);
    hidi_params_free(&params);
    return status;
}

/* The line through the points, by least squares of relative errors: large gradients take a thousand
 * times as long as small ones, and both are to fit. */
static void fit(exchange *e)
{
    double s = 0, x = 0, xx = 0, xy = 0, y = 0;
    for (int i = 0; i < SIZES; i++) {
        const double weight = 1 / (e->seconds[i] * e->seconds[i]);
        s += weight;
        x += weight * e->bytes[i];
        xx += weight * e->bytes[i] * e->bytes[i];
        y += weight * e->seconds[i];
        xy += weight * e->bytes[i] * e->seconds[i];
    }
    const double slope = (s * xy - x * y) / (s * xx - x * x);
    e->rate = 1 / slope;
    e->latency = (y - slope * x) / s;
}

static double fitted(const exchange *e, int i)
{
    return e->latency + e->bytes[i] / e->rate;
}

static void print(const exchange *e, FILE *out)
{
    fprintf(out, "%12s %12s %12s %12s\n", "bytes", "ms", "fitted, ms", "MB/s");
    for (int i = 0; i < SIZES; i++)
        fprintf(out, "%12.0f %12.4g %12.4g %12.4g\n", e->bytes[i], 1e3 * e->seconds[i],
                1e3 * fitted(e, i), 1e-6 * e->bytes[i] / e->seconds[i]);
    fprintf(out, "exchange of gradients, %d processes: %.3g ms + bytes / (%.4g MB/s)\n",
            hidi_processes(), 1e3 * e->latency, 1e-6 * e->rate);
}

static hidi_status write_csv(const exchange *e, const char *path)
{
    hidi_csv csv;
    HIDI_TRY(hidi_csv_create(&csv, path));
    hidi_csv_names(&csv, "processes,bytes,seconds,fitted");
    hidi_csv_end_row(&csv);
    for (int i = 0; i < SIZES; i++) {
        hidi_csv_integer(&csv, hidi_processes());
        hidi_csv_number(&csv, "%.0f", e->bytes[i]);
        hidi_csv_number(&csv, "%.6g", e->seconds[i]);
        hidi_csv_number(&csv, "%.6g", fitted(e, i));
        hidi_csv_end_row(&csv);
    }
    return hidi_csv_finish(&csv, HIDI_OK);
}

hidi_status hidi_bench_exchange(const hidi_backend *backend, long repeat, FILE *out,
                                const char *csv)
{
    exchange e = {.backend = backend, .repeat = repeat};
    if (hidi_processes() < 2)
        return hidi_error(HIDI_BAD_ARGUMENT, "--exchange is between processes: mpirun -n 2 hidi "
                                             "bench --exchange");
    for (int i = 0; i < SIZES; i++)
        HIDI_TRY(time_size(&e, i));
    fit(&e);
    print(&e, out);
    return csv != NULL ? write_csv(&e, csv) : HIDI_OK;
}
