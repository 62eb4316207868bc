/* test_counts.c - what a step asks of its backend, and how often threads are started, against a
 * table: tests/counts.txt.  Time cannot be tested on a machine where others work; calls, bytes and
 * parallel regions can, and what makes a step slower by accident mostly shows in them.
 *
 * Each number may be smaller than the table's, and none may be larger.  After a change that means
 * to change them,  make counts  writes the table anew, and its difference belongs to the commit.
 *
 * Bytes are those of the arrays that the slots are given, each counted once, in single precision.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "backend/tables.h"
#include "io/config.h"
#include "lab/session.h"
#include "lab/step.h"
#include "source.h"
#include "suite.h"

#define OK(call) ck_assert_msg((call) == HIDI_OK, "%s", hidi_error_message())

/* --- a backend that counts -------------------------------------------------------------------- */

static long calls, allocations;
static double numbers; /* read or written */

static void add(size_t n)
{
    calls++;
    numbers += (double)n;
}

#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wunused-parameter" /* C99 cannot leave a parameter unnamed */
#endif

/* A slot that only counts: its name, its parameters, how many numbers they are. */
#define SLOT(name, parameters, n) \
    static void count_##name parameters { add(n); }

typedef hidi_real *out;
typedef const hidi_real *in;

SLOT(upload, (void *to, const void *from, size_t bytes), bytes / sizeof(hidi_real))
SLOT(copy, (out y, in x, size_t n), 2 * n)
SLOT(fill, (out y, hidi_real a, size_t n), n)
SLOT(copy_block, (out y, size_t ldy, hidi_real beta, in x, size_t ldx, size_t rows, size_t n),
     2 * rows * n)
SLOT(axpby, (out y, hidi_real beta, hidi_real a, in x, size_t n), 2 * n)
SLOT(lerp, (out y, hidi_real a, in x, size_t n), 2 * n)
SLOT(multiply, (out y, hidi_real beta, hidi_real a, in u, in w, size_t n), 3 * n)
SLOT(unary, (hidi_unary f, out y, in x, size_t n, const hidi_real p[2]), 2 * n)
SLOT(unary_jacobian, (hidi_unary f, out o, hidi_real beta, in x, in d, size_t n,
                      const hidi_real p[2]), 3 * n)
SLOT(add_rows, (out y, hidi_real beta, in b, size_t period, size_t rows, size_t n),
     (rows + period) * n)
SLOT(sum_rows, (out o, hidi_real beta, in x, size_t period, size_t rows, size_t n),
     (rows + period) * n)
SLOT(scale_rows, (out y, hidi_real beta, hidi_real a, in s, in x, size_t rows, size_t n),
     2 * rows * n + rows)
SLOT(dot_rows, (out o, hidi_real beta, hidi_real a, in x, in w, size_t rows, size_t n),
     (w != NULL ? 2 : 1) * rows * n + rows)
SLOT(spread_rows, (out y, hidi_real beta, hidi_real a, in s, size_t rows, size_t n),
     rows * n + rows)
SLOT(dot, (out o, hidi_real beta, hidi_real a, in x, in w, size_t n), (w != NULL ? 2 : 1) * n + 1)
SLOT(gemm, (bool ta, bool tb, size_t m, size_t n, size_t k, hidi_real alpha, in a, size_t lda, in b,
            size_t ldb, hidi_real beta, out c, size_t ldc), m * k + k * n + m * n)
SLOT(gemm_batched, (bool ta, bool tb, size_t m, size_t n, size_t k, hidi_real alpha, in a,
                    size_t stride_a, in b, size_t stride_b, hidi_real beta, out c, size_t stride_c,
                    size_t batch), batch * (m * k + k * n + m * n))
SLOT(linear, (out y, hidi_real beta, in x, in w, in bias, size_t rows, size_t n_in, size_t n_out),
     rows * n_in + n_in * n_out + rows * n_out)
SLOT(attention, (out y, out probs, in qkv, size_t B, size_t T, size_t H, size_t Dh),
     B * H * T * (4 * Dh + T))
SLOT(attention_jvp, (out dy, in qkv, in dqkv, in probs, out scratch, size_t B, size_t T, size_t H,
                     size_t Dh), B * H * T * (7 * Dh + 2 * T))
SLOT(attention_vjp, (out gqkv, hidi_real beta, in qkv, in gy, in probs, out scratch, size_t B,
                     size_t T, size_t H, size_t Dh), B * H * T * (7 * Dh + 2 * T))
SLOT(softmax, (out y, in x, size_t rows, size_t n), 2 * rows * n)
SLOT(softmax_jacobian, (out o, hidi_real beta, in y, in d, size_t rows, size_t n), 3 * rows * n)
SLOT(layer_norm, (out y, out rstd, in x, size_t rows, size_t n, hidi_real eps), 2 * rows * n)
SLOT(layer_norm_jacobian, (out o, hidi_real beta, in y, in rstd, in d, size_t rows, size_t n),
     3 * rows * n)
SLOT(modulate, (out y, hidi_real beta, in x, hidi_real offset, in scale, in shift, size_t B,
                size_t T, size_t D), 2 * B * T * D)
SLOT(layer_norm_modulate, (out y, out normed, out rstd, in x, hidi_real eps, hidi_real offset,
                           in scale, in shift, size_t B, size_t T, size_t D), 3 * B * T * D)
SLOT(sum_tokens, (out o, hidi_real beta, in x, in w, size_t B, size_t T, size_t D),
     (w != NULL ? 2 : 1) * B * T * D)
SLOT(gated_residual, (out y, in x, in gate, in h, size_t B, size_t T, size_t D), 3 * B * T * D)
SLOT(embedding, (out y, in table, const int32_t *index, size_t rows, size_t n), 2 * rows * n)
SLOT(embedding_vjp, (out table, const int32_t *index, in gy, size_t rows, size_t n), 2 * rows * n)
SLOT(sincos, (out y, in t, hidi_real s, size_t rows, size_t n), rows * n)
SLOT(sincos_jvp, (out dy, hidi_real beta, in t, in dt, hidi_real s, size_t rows, size_t n),
     rows * n)
SLOT(patchify, (out tokens, hidi_real beta, in image, hidi_patch_order order, size_t B, size_t C,
                size_t H, size_t W, size_t p), 2 * B * C * H * W)
SLOT(unpatchify, (out image, hidi_real beta, in tokens, hidi_patch_order order, size_t B, size_t C,
                  size_t H, size_t W, size_t p), 2 * B * C * H * W)
SLOT(adamw, (out w, in g, out m, out v, size_t n, hidi_real scale, double lr, double b1, double b2,
             double eps, double decay, long step), 4 * n)

static hidi_backend counting;
static const hidi_backend *dry;

static void count_download(void *host, const void *device, size_t bytes)
{
    add(bytes / sizeof(hidi_real));
    dry->download(host, device, bytes);
}

static void *count_allocate(size_t bytes)
{
    allocations++;
    return dry->allocate(bytes);
}

/* Slots that are not here are not used by the steps below: they are NULL, and one that comes to be
 * used has to be added. */
static void make_backend(void)
{
    dry = hidi_dry_backend(hidi_reference_backend());
    counting = *dry;
    memset((char *)&counting + offsetof(hidi_backend, upload), 0,
           sizeof counting - offsetof(hidi_backend, upload));
    counting.allocate = count_allocate;
    counting.download = count_download;
#define USE(name) counting.name = count_##name
    USE(upload), USE(copy), USE(fill), USE(copy_block), USE(axpby), USE(lerp), USE(multiply);
    USE(unary), USE(unary_jacobian), USE(add_rows), USE(sum_rows), USE(scale_rows), USE(dot_rows);
    USE(spread_rows), USE(dot), USE(gemm), USE(gemm_batched), USE(linear), USE(attention);
    USE(attention_jvp), USE(attention_vjp), USE(softmax), USE(softmax_jacobian), USE(layer_norm);
    USE(layer_norm_jacobian), USE(modulate), USE(layer_norm_modulate), USE(sum_tokens);
    USE(gated_residual), USE(embedding), USE(embedding_vjp), USE(sincos), USE(sincos_jvp);
    USE(patchify), USE(unpatchify), USE(adamw);
}

/* --- parallel regions ------------------------------------------------------------------------- */

/* GCC's name for the beginning of one: this program's function is found before the library's. */
#if defined(_OPENMP) && defined(__GNUC__) && !defined(__clang__)
#include <dlfcn.h>
#include <omp.h>
#define COUNTS_REGIONS 1

typedef void begin_region(void (*body)(void *), void *data, unsigned threads, unsigned flags);
extern begin_region GOMP_parallel;
static long regions;

void GOMP_parallel(void (*body)(void *), void *data, unsigned threads, unsigned flags)
{
    static begin_region *begin;
    if (begin == NULL)
        *(void **)&begin = dlsym(RTLD_NEXT, "GOMP_parallel");
    if (!omp_in_parallel() && threads != 1)
        regions++;
    begin(body, data, threads, flags);
}
#else
#define COUNTS_REGIONS 0
static long regions;
#endif

/* --- the table -------------------------------------------------------------------------------- */

typedef struct row {
    const char *name;
    hidi_step_kind kind;
    long step; /* after two: stage 2's generator steps in every second */
    long count[4];
} row;

enum { CALLS, ALLOCATIONS, MIB, REGIONS };
static const char *const columns[] = {"backend calls", "allocations", "MiB moved",
                                      "parallel regions"};

static row rows[] = {{"teacher", HIDI_STEP_TEACHER, 2, {0}},
                     {"stage1", HIDI_STEP_STAGE1, 2, {0}},
                     {"stage2-generator", HIDI_STEP_STAGE2, 2, {0}},
                     {"stage2-other", HIDI_STEP_STAGE2, 3, {0}}};
enum { ROWS = sizeof rows / sizeof rows[0] };

/* Of the default settings, in four micro-batches. */
static void take_steps(row *r, const hidi_backend *backend, long micro_batch)
{
    static hidi_session session;
    hidi_dataset *data;
    hidi_step step;
    OK(hidi_config_defaults(hidi_settings_table, &session.settings));
    OK(hidi_session_data(&session, &data));
    hidi_settings *s = &session.settings;
    hidi_training_settings *all[] = {&s->teacher.train, &s->td.train, &s->dm.train};
    for (int i = 0; i < 3; i++) {
        all[i]->micro_batch = micro_batch;
        all[i]->batch = 4 * micro_batch;
    }
    const hidi_dit_config config = hidi_settings_dit(&session.settings, data);
    OK(hidi_step_begin(&step, r->kind, &session.settings, &config, data, backend, false));
    for (long i = 0; i <= r->step; i++) {
        calls = allocations = regions = 0;
        numbers = 0;
        OK(hidi_step_run(&step, i));
    }
    hidi_step_end(&step);
    hidi_dataset_close(data);
}

static void count(row *r)
{
    const hidi_backend *cpu;
    make_backend();
    take_steps(r, &counting, 16);
    r->count[CALLS] = calls;
    r->count[ALLOCATIONS] = allocations;
    r->count[MIB] = (long)(numbers * 4 / (1 << 20));
    if (!COUNTS_REGIONS)
        return;
    OK(hidi_backend_open("cpu", &cpu));
    cpu->set_threads(2);
    take_steps(r, cpu, 1); /* their number does not depend on that */
    r->count[REGIONS] = regions;
}

static void write_table(void)
{
    FILE *file = fopen(source_file("tests/counts.txt"), "w");
    ck_assert_ptr_nonnull(file);
    fprintf(file, "# Of one step each; written by `make counts`, compared by tests/test_counts.c.\n"
                  "# step, backend calls, allocations, MiB moved, parallel regions\n");
    for (int i = 0; i < ROWS; i++)
        fprintf(file, "%s %ld %ld %ld %ld\n", rows[i].name, rows[i].count[CALLS],
                rows[i].count[ALLOCATIONS], rows[i].count[MIB], rows[i].count[REGIONS]);
    ck_assert_int_eq(fclose(file), 0);
}

/* One line of the table; false: it is of something else. */
static bool compare(const char *line, const row *r)
{
    char name[64];
    long table[4];
    if (sscanf(line, "%63s %ld %ld %ld %ld", name, &table[0], &table[1], &table[2], &table[3]) !=
            5 || strcmp(name, r->name) != 0)
        return false;
    for (int k = 0; k < (COUNTS_REGIONS ? 4 : REGIONS); k++) {
        ck_assert_msg(r->count[k] <= table[k], "%s: %ld %s, where tests/counts.txt has %ld; if "
                                               "that is meant to be so: make counts",
                      r->name, r->count[k], columns[k], table[k]);
        if (r->count[k] < table[k])
            printf("%s: %ld %s, fewer than the %ld of tests/counts.txt (make counts)\n", r->name,
                   r->count[k], columns[k], table[k]);
    }
    return true;
}

START_TEST(a_step_asks_for_no_more_than_it_did)
{
    char line[256];
    int found = 0;
    for (int i = 0; i < ROWS; i++)
        count(&rows[i]);
    if (getenv("HIDI_WRITE_COUNTS") != NULL) {
        write_table();
        return;
    }
    FILE *file = fopen(source_file("tests/counts.txt"), "r");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file) != NULL)
        for (int i = 0; i < ROWS; i++)
            found += compare(line, &rows[i]);
    fclose(file);
    ck_assert_int_eq(found, ROWS);
}
END_TEST

int main(void)
{
    Suite *suite = begin_suite("counts");
    TCase *tcase = tcase_create("counts");
    tcase_add_test(tcase, a_step_asks_for_no_more_than_it_did);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
