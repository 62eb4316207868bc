/* backends.h - the backends that a test of the table's contract runs on, and random inputs. */
#ifndef HIDI_TESTS_BACKENDS_H
#define HIDI_TESTS_BACKENDS_H

#include <check.h>

#include "backend/tables.h"
#include "core/random.h"

typedef struct backend_setting {
    const char *name;
    int threads;
} backend_setting;

#ifdef HIDI_CUDA_EMULATION /* its kernels on this machine: see tests/cuda_emulation */
#include "control.h"
extern char __data_start, _end; /* of all static variables: from the linker */
static const backend_setting backend_settings[] = { { "cuda", 1 } };
#else
/* Three threads: more than some of the sizes, and not a divisor of most. */
static const backend_setting backend_settings[] = {
    { "reference", 1 }, { "cpu", 1 }, { "cpu", 2 }, { "cpu", 3 }
};
#endif

/* Each setting is run on small sizes, and then on sizes large enough to be split among threads. */
enum { SETTINGS = sizeof backend_settings / sizeof backend_settings[0], RUNS = 2 * SETTINGS };

static inline bool is_large(int run)
{
    return run >= SETTINGS;
}

/* The table of a run, opened, with its number of threads. */
static inline const hidi_backend *backend_of(int run)
{
    const backend_setting *setting = &backend_settings[run % SETTINGS];
    const hidi_backend *backend = NULL;

#ifdef HIDI_CUDA_EMULATION /* the tests' arrays are in host memory, and looked at after each call */
    static bool is_shared;
    if (!is_shared)
        cuda_emulation_register_host(&__data_start, (size_t)(&_end - &__data_start));
    is_shared = true;
    cuda_emulation_set_blocking(true);
#endif
    ck_assert_int_eq(hidi_backend_open(setting->name, &backend), HIDI_OK);
    backend->set_threads(setting->threads);
    return backend;
}

/* x[i] ~ N(0, 1); another `which` gives other numbers. */
static inline void draw(hidi_real *x, size_t n, uint64_t which)
{
    hidi_random random = { 1, HIDI_STREAM_TEST, which };
    hidi_normal(random, 0, x, n);
}

#endif
