/* bench_table.c - the rows of a benchmark: a rate is arithmetic by formula over measured time, and
 * a share relates it to the matrix products'. */
#include "lab/bench.h"

#include <stdio.h>
#include <sys/resource.h>

#include "io/atomic_file.h"

static double giga(double x)
{
    return 1e-9 * x;
}

static void print_row(const hidi_bench_row *r, double gemm_rate)
{
    char models[32], tape[32];
    const double rate = r->flop / r->seconds;
    printf("%-38s %6zu %10.2f %9.3g %8.1f %5.0f%% %10.4g %9s %9s\n", r->name, r->batch,
           1e3 * r->seconds, giga(r->flop), giga(rate), 100 * rate / gemm_rate,
           (double)r->batch / r->seconds,
           hidi_bytes_text(models, sizeof models, (double)r->models),
           hidi_bytes_text(tape, sizeof tape, (double)r->tape));
}

hidi_status hidi_bench_print(hidi_bench *b)
{
    char peak[32];
    struct rusage usage;
    HIDI_TRY(hidi_gemm_rate_measure(&b->gemm, b->session->backend));
    const double rate = hidi_gemm_rate_at(&b->gemm, 0.5);
    printf("%s %zu x %zu: %.1f GFLOP/s (median of %d; quartiles %.1f and %.1f)\n\n",
           hidi_gemm_name(), b->gemm.n, b->gemm.n, giga(rate), b->gemm.count,
           giga(hidi_gemm_rate_at(&b->gemm, 0.75)), giga(hidi_gemm_rate_at(&b->gemm, 0.25)));
    printf("%-38s %6s %10s %9s %8s %6s %10s %9s %9s\n", "", "batch", "ms", "GFLOP", "GFLOP/s",
           hidi_gemm_name(), "images/s", "models", "tape");
    for (int i = 0; i < b->n_rows; i++)
        print_row(&b->row[i], rate);
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        printf("\npeak resident memory of this process: %s\n", /* ru_maxrss: KiB on Linux */
               hidi_bytes_text(peak, sizeof peak, 1024.0 * (double)usage.ru_maxrss));
    return HIDI_OK;
}

hidi_status hidi_bench_write_csv(hidi_bench *b, const char *path)
{
    hidi_atomic_file file;
    const double rate = hidi_gemm_rate_at(&b->gemm, 0.5);
    HIDI_TRY(hidi_atomic_open(&file, path));
    fprintf(file.out, "work,batch,seconds,gflop,gflop_per_second,%s_gflop_per_second,"
                      "images_per_second,model_bytes,tape_bytes\n",
            hidi_gemm_name());
    for (int i = 0; i < b->n_rows; i++) {
        const hidi_bench_row *r = &b->row[i];
        fprintf(file.out, "\"%s\",%zu,%.9g,%.9g,%.6g,%.6g,%.6g,%zu,%zu\n", r->name, r->batch,
                r->seconds, giga(r->flop), giga(r->flop) / r->seconds, giga(rate),
                (double)r->batch / r->seconds, r->models, r->tape);
    }
    return hidi_atomic_commit(&file);
}
