/* cuda_emulation.h - what stands for CUDA's headers where the kernels are compiled for the host.
 *
 * The language first (what a kernel may say), then the part of the runtime and of cuBLAS that the
 * backend calls, with CUDA's names, types and error codes.  How each works is said where it is
 * done:
 *
 *   block.cc    a grid runs block after block, a block's threads are contexts of one processor, and
 *               __syncthreads and the shuffles are where they take turns
 *   access.cc   every access of a kernel to memory: is it inside an allocation, was it written
 *               before it is read, and does another thread of the same launch touch the same place
 *               without a barrier between?
 *   memory.cc   the device's memory, which the host's code cannot touch
 *   runtime.cc  streams, which do their work as late as they may
 *   cublas.cc   matrix products
 *
 * What a test asks of the emulation itself is in control.h.  docs/backends.md says what this proves
 * and what it cannot.
 */
#ifndef HIDI_TESTS_CUDA_EMULATION_H
#define HIDI_TESTS_CUDA_EMULATION_H

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <utility>

/* --- the language: functions, memory ---------------------------------------------------------- */

#define __global__
#define __device__
#define __host__
#define __constant__ static const
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)

/* An array in shared memory is a static one, as blocks run one after the other.  The alignment sets
 * these arrays apart from each other and from all other objects: symbols.cc finds them by it. */
#define CUDA_EMULATION_SHARED_ALIGNMENT 65536
#define __shared__ static __attribute__((aligned(CUDA_EMULATION_SHARED_ALIGNMENT)))

/* --- the language: indices -------------------------------------------------------------------- */

struct uint3 {
    unsigned x, y, z;
};

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

namespace cuda_emulation {

struct indices {
    uint3 thread, block;
    dim3 block_size, grid_size;
};
extern indices here; /* of the thread that runs */

} // namespace cuda_emulation

#define threadIdx (::cuda_emulation::here.thread)
#define blockIdx (::cuda_emulation::here.block)
#define blockDim (::cuda_emulation::here.block_size)
#define gridDim (::cuda_emulation::here.grid_size)

static constexpr int warpSize = 32;

/* --- the language: threads meet --------------------------------------------------------------- */

namespace cuda_emulation {

enum class meeting { none, barrier, warp_barrier, shuffle };

/* All threads of the block, at the same place of the source. */
void barrier(const char *file, int line);

/* The lanes of `mask`, at the same place.  Lane i of a shuffle gives value[0..bytes) and gets that
 * of lane source(i), which the caller of the lane has worked out. */
void meet_warp(meeting kind, unsigned mask, void *value, size_t bytes, unsigned source,
               const char *file, int line);

unsigned lane();

enum class shuffle { index, up, down, exclusive_or };

/* Which lane a shuffle reads: CUDA C++ Programming Guide, Warp Shuffle Functions. */
unsigned shuffle_source(shuffle how, unsigned lane, unsigned by, unsigned width);

template <typename T>
T shuffled(shuffle how, unsigned mask, T value, unsigned by, int width, const char *file, int line)
{
    meet_warp(meeting::shuffle, mask, &value, sizeof value,
              shuffle_source(how, lane(), by, static_cast<unsigned>(width)), file, line);
    return value;
}

template <typename T>
T shuffled(shuffle how, unsigned mask, T value, unsigned by, const char *file, int line)
{
    return shuffled(how, mask, value, by, warpSize, file, line);
}

} // namespace cuda_emulation

#define CUDA_EMULATION_SHUFFLE(how, mask, value, ...)                                              \
    ::cuda_emulation::shuffled(::cuda_emulation::shuffle::how, mask, value, __VA_ARGS__, __FILE__, \
                               __LINE__)

#define __syncthreads() ::cuda_emulation::barrier(__FILE__, __LINE__)
#define __syncwarp(...)                                                                            \
    ::cuda_emulation::meet_warp(::cuda_emulation::meeting::warp_barrier,                           \
                                ::cuda_emulation::full_mask(__VA_ARGS__), nullptr, 0, 0, __FILE__, \
                                __LINE__)
/* by: a lane, or a number of lanes; then perhaps the width */
#define __shfl_sync(mask, value, ...) CUDA_EMULATION_SHUFFLE(index, mask, value, __VA_ARGS__)
#define __shfl_up_sync(mask, value, ...) CUDA_EMULATION_SHUFFLE(up, mask, value, __VA_ARGS__)
#define __shfl_down_sync(mask, value, ...) CUDA_EMULATION_SHUFFLE(down, mask, value, __VA_ARGS__)
#define __shfl_xor_sync(mask, value, ...)                                                          \
    CUDA_EMULATION_SHUFFLE(exclusive_or, mask, value, __VA_ARGS__)

namespace cuda_emulation {
constexpr unsigned full_mask(unsigned mask = 0xffffffffu)
{
    return mask;
}

/* The shared memory that the launch asked for: extern __shared__. */
void *dynamic_shared();
} // namespace cuda_emulation

/* What a thread does between two meetings is atomic as it is; the checks are told. */
int atomicAdd(int *at, int value);
unsigned atomicAdd(unsigned *at, unsigned value);
unsigned long long atomicAdd(unsigned long long *at, unsigned long long value);
float atomicAdd(float *at, float value);
double atomicAdd(double *at, double value);

/* --- the language: arithmetic that the host's library does not have --------------------------- */

inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }
inline float rsqrt(float x) { return rsqrtf(x); }

/* As CUDA has them: in the global namespace, and for all kinds of numbers. */
template <typename T> constexpr T min(T a, T b) { return b < a ? b : a; }
template <typename T> constexpr T max(T a, T b) { return a < b ? b : a; }

/* --- launches --------------------------------------------------------------------------------- */

typedef struct CUstream_st *cudaStream_t;

namespace cuda_emulation {

struct launch_site {
    const char *kernel, *file;
    int line;
};

/* call(closure) runs the kernel for one thread; the closure has `bytes` and is copied. */
void launch_closure(launch_site site, dim3 grid, dim3 block, size_t shared_bytes,
                    cudaStream_t stream, void (*call)(const void *closure), const void *closure,
                    size_t bytes);

template <typename Closure> void call_closure(const void *closure)
{
    (*static_cast<const Closure *>(closure))();
}

/* Arguments are converted to what the kernel takes and copied when it is launched, as on a device.
 */
template <typename... P, typename... A>
void launch(launch_site site, dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
            void (*kernel)(P...), A... arguments)
{
    auto closure = [=] { kernel(arguments...); };
    launch_closure(site, grid, block, shared_bytes, stream, call_closure<decltype(closure)>,
                   &closure, sizeof closure);
}

} // namespace cuda_emulation

#define HIDI_LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                                \
    do {                                                                                           \
        ::cuda_emulation::launch({#kernel, __FILE__, __LINE__}, grid, block, shared_bytes, stream, \
                                 kernel, __VA_ARGS__);                                             \
        hidi_cuda_ok(#kernel, cudaGetLastError());                                                 \
    } while (0)

#include "cuda_emulation_runtime.h"

#endif
