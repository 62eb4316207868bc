/* against_reference.h - comparison of the cpu backend's slots with the reference backend's.
 *
 * The reference sums in double, so a difference is the cpu backend's rounding.  Each element is
 * allowed a number of roundings of its magnitude: the same slot applied to absolute values, such as
 * sum |a||b| for an inner product.  Rounding of a sum of k terms grows about as sqrt(k).
 */
#ifndef HIDI_TESTS_AGAINST_REFERENCE_H
#define HIDI_TESTS_AGAINST_REFERENCE_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "backend/cpu.h"
#include "core/random.h"

enum { BETAS = 3, THREADS = 3, LOOPS = THREADS + 1, GUARD = 16 };

static const hidi_real betas[BETAS] = { 0, 1, (hidi_real)0.5 };
static const hidi_real sentinel = (hidi_real)-77.25;

static const hidi_backend *cpu;
static const hidi_backend *ref;

/* --- arrays ---------------------------------------------------------------------------------- */

/* All arrays of one comparison; freed together. */
static hidi_real *arrays[32];
static int used;

static inline void normal(hidi_real *x, size_t n, uint64_t which)
{
    hidi_random random = { 1, HIDI_STREAM_TEST, which };

    hidi_normal(random, 0, x, n);
}

/* n elements ~ N(0, 1), and a guard that nothing may write to */
static inline hidi_real *random_array(size_t n)
{
    hidi_real *x = cpu->allocate((n + GUARD) * sizeof *x);

    ck_assert_ptr_nonnull(x);
    ck_assert_int_lt(used, 32);
    normal(x, n, (uint64_t)used);
    for (size_t i = n; i < n + GUARD; i++)
        x[i] = sentinel;
    arrays[used++] = x;
    return x;
}

static inline hidi_real *absolute(const hidi_real *x, size_t n)
{
    hidi_real *y = random_array(n);

    for (size_t i = 0; i < n; i++)
        y[i] = (hidi_real)fabs((double)x[i]);
    return y;
}

static inline void free_arrays(void)
{
    while (used > 0)
        cpu->release(arrays[--used]);
}

/* An output: what cpu and ref write to, with the same contents, and the expected magnitude. */
typedef struct output {
    hidi_real *found, *expected, *magnitude;
    size_t n;
} output;

static inline output new_output(size_t n, hidi_real beta)
{
    output out = { random_array(n), random_array(n), NULL, n };

    for (size_t i = 0; i < n; i++) {
        out.expected[i] = out.found[i] = beta == 0 ? (hidi_real)NAN : out.found[i];
    }
    out.magnitude = absolute(out.found, n);
    return out;
}

/* found = expected to within `roundings` of the magnitude; the guard is untouched */
static inline void compare(const char *what, const output *out, double roundings)
{
    for (size_t i = 0; i < out->n; i++) {
        double f = out->found[i], e = out->expected[i];
        double allowed = roundings * HIDI_REAL_EPSILON * fabs((double)out->magnitude[i]);

        if (roundings == 0) /* the magnitude may be NaN */
            allowed = 0;
        if (!(fabs(f - e) <= allowed))
            ck_abort_msg("%s: element %lu of %lu is %.9g, expected %.9g (allowed %.3g)", what,
                         (unsigned long)i, (unsigned long)out->n, f, e, allowed);
    }
    for (size_t i = out->n; i < out->n + GUARD; i++)
        ck_assert_msg(out->found[i] == sentinel, "%s: wrote past its %lu elements", what,
                      (unsigned long)out->n);
}

static inline const char *label(const char *slot, size_t a, size_t b, size_t c, hidi_real beta)
{
    static char text[128];

    snprintf(text, sizeof text, "%s (%lu, %lu, %lu), beta %g, %d threads, %s", slot,
             (unsigned long)a, (unsigned long)b, (unsigned long)c, (double)beta, cpu->threads(),
             hidi_kernels->name);
    return text;
}

/* The three calls: `call` with the names k (the table), o (the output) and the inputs of each. */
#define RUN(out, table, field, call)                                                               \
    do {                                                                                           \
        const hidi_backend *k = (table);                                                           \
        hidi_real *o = (out).field;                                                                \
        k->call;                                                                                   \
    } while (0)

/* One to three threads with this machine's kernels; two with the kernels that run on all. */
static inline void setup(int i)
{
    static const hidi_cpu_kernels *best;

    ck_assert_int_eq(hidi_backend_open("reference", &ref), HIDI_OK);
    ck_assert_int_eq(hidi_backend_open("cpu", &cpu), HIDI_OK);
    if (!best)
        best = hidi_kernels;
    hidi_kernels = i < THREADS ? best : &hidi_cpu_kernels_baseline;
    cpu->set_threads(i < THREADS ? i + 1 : 2);
}

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define FOR(index, array) for (size_t index = 0; index < COUNT(array); index++)

#endif
