/* cuda_launch.h - what the tests of the emulation share: device memory, launches, faults that are
 * found.
 */
#ifndef HIDI_TESTS_CUDA_LAUNCH_H
#define HIDI_TESTS_CUDA_LAUNCH_H

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <check.h>

#include "cuda_emulation/control.h"
#include "cuda_emulation/cuda_emulation.h"

#define LAUNCH(kernel, grid, block, shared, ...)                                                   \
    ::cuda_emulation::launch({#kernel, __FILE__, __LINE__}, grid, block, shared, nullptr, kernel,  \
                             __VA_ARGS__)

#define OK(call) ck_assert_int_eq(call, cudaSuccess)

enum { WARP = 32, ORDERS = 3 };

/* --- device memory ---------------------------------------------------------------------------- */

/* n elements on the device: those of x, or never written. */
template <typename T> T *on_device(const T *x, size_t n)
{
    T *memory = nullptr;
    OK(cudaMalloc(&memory, n * sizeof *memory));
    if (x)
        OK(cudaMemcpy(memory, x, n * sizeof *x, cudaMemcpyHostToDevice));
    return memory;
}

template <typename T> void from_device(T *x, const T *memory, size_t n)
{
    OK(cudaMemcpy(x, memory, n * sizeof *x, cudaMemcpyDeviceToHost));
}

static float numbers[4096]; /* 0, 1, 2, ... */

static inline void setup()
{
    cuda_emulation_reset();
    cuda_emulation_set_devices(1);
    cuda_emulation_set_memory(size_t(1) << 30);
    cuda_emulation_set_order(CUDA_EMULATION_FORWARD);
    cuda_emulation_set_blocking(false);
    for (size_t i = 0; i < 4096; i++)
        numbers[i] = static_cast<float>(i);
}

/* --- kernels ---------------------------------------------------------------------------------- */

/* Turns x [n] around, n threads in one block, by way of n elements of dynamic shared memory. */
static inline __global__ void reverse_dynamic(float *x, unsigned n)
{
    float *copy = static_cast<float *>(cuda_emulation::dynamic_shared());
    copy[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    x[threadIdx.x] = copy[n - 1 - threadIdx.x];
}

/* --- what was found --------------------------------------------------------------------------- */

/* The fault has `part` in its message. */
static inline void says(const char *part)
{
    ck_assert_msg(std::strstr(cuda_emulation_fault(), part) != nullptr,
                  "the fault is \"%s\", without \"%s\"", cuda_emulation_fault(), part);
}

static inline bool knows_lines()
{
    static const bool does = std::system("addr2line --version >/dev/null 2>&1") == 0;
    return does;
}

/* The waiting work ends with that error; the message has the kernel, the part, and the line (0:
 * some line or none). */
static inline void expect_at(const char *file, cudaError_t error, const char *kernel,
                             const char *part, int line)
{
    char text[96];
    file = std::strrchr(file, '/') ? std::strrchr(file, '/') + 1 : file;
    const cudaError_t found = cudaDeviceSynchronize();
    snprintf(text, sizeof text, "kernel %s (%s:", kernel, file);
    says(text);
    says(part);
    ck_assert_int_eq(found, error);
    ck_assert_str_eq(cudaGetErrorString(found), cuda_emulation_fault());
    snprintf(text, sizeof text, "%s:%d", file, line);
    if (line > 0 && knows_lines())
        says(text);
    void *memory;
    ck_assert_int_eq(cudaMalloc(&memory, 4), error); /* and all calls after it, as on a device */
    cuda_emulation_reset();
}

#define expect(error, kernel, part, line) expect_at(__FILE__, error, kernel, part, line)

static inline void expect_nothing()
{
    OK(cudaDeviceSynchronize());
    ck_assert_str_eq(cuda_emulation_fault(), "");
}

#endif
