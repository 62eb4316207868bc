/* bench.h - how long steps take, beside their arithmetic, their memory, and large matrix products.
 *
 *     bench.c         the steps that are measured
 *     bench_table.c   the rows as a table, and as a file
 */
#ifndef HIDI_LAB_BENCH_H
#define HIDI_LAB_BENCH_H

#include "lab/gemm_rate.h"
#include "lab/dit_names.h"
#include "lab/session.h"

typedef struct hidi_bench_row {
    char name[64];
    size_t batch;
    double seconds, flop; /* of a step; sampling: of a batch of images */
    size_t models, tape;  /* bytes                                     */
} hidi_bench_row;

enum { HIDI_BENCH_ROWS = 2 * HIDI_DIT_NAMES };

/* All 0 at first, but session (with its backend) and repeat. */
typedef struct hidi_bench {
    const hidi_session *session;
    long repeat; /* of each step; the median counts            */
    hidi_bench_row row[HIDI_BENCH_ROWS];
    int n_rows;
    hidi_gemm_rate gemm;
} hidi_bench;

/* Each of these prints what it measures and adds its rows. */

/* A step of each training and of each sampler, with the session's settings. */
hidi_status hidi_bench_settings(hidi_bench *bench);

/* A size of DiT's paper, "XL/2", on noise of image x image x channels: a forward pass, and with
 * `train` a teacher's step. */
hidi_status hidi_bench_dit_size(hidi_bench *bench, const char *name, long image, long channels,
                                long batch, bool train);

/* Inception-v3 on images of 299 x 299. */
hidi_status hidi_bench_inception(hidi_bench *bench, size_t batch);

/* After the last of them: times the matrix products once more, and prints the table. */
hidi_status hidi_bench_print(hidi_bench *bench);

hidi_status hidi_bench_write_csv(hidi_bench *bench, const char *path);

#endif
