/* emulation.h - what the parts of the emulation know of each other. */
#ifndef HIDI_TESTS_CUDA_EMULATION_EMULATION_H
#define HIDI_TESTS_CUDA_EMULATION_EMULATION_H

#include <cstddef>
#include <cstdint>

#include "cuda_emulation.h"

namespace cuda_emulation {

/* --- fault.cc: what goes wrong ---------------------------------------------------------------- */

/* In a kernel: keeps the message (behind the kernel's name, block and thread), and ends the launch.
 * Does not return. */
[[noreturn]] void fault(cudaError_t error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same for work without threads: a copy, a product.  Returns. */
void fault_of(const char *work, cudaError_t error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* cudaSuccess, or that of the fault: every call of the runtime gives it back. */
cudaError_t faulted();
void forget_fault();

/* --- symbols.cc: names of what is in the program ---------------------------------------------- */

struct shared_array {
    uintptr_t begin, end;
    char name[160]; /* "part of all<float>(float)" */
};
extern shared_array shared_arrays[]; /* by address */
extern int n_shared_arrays;
void find_shared_arrays(); /* once */

/* "rows.cu:31", or "" where no addr2line is installed, into text[size]. */
const char *source_line(const void *code, char *text, size_t size);

/* --- fiber.cc: contexts ----------------------------------------------------------------------- */

/* Runs body(i) on the stack of fiber i until it calls fiber_pause, or to its end; if that was
 * paused, goes on with it. */
void fiber_run(int i, void (*body)(int));
void fiber_pause();
void fiber_abandon_all(); /* outside a fiber: forgets what was paused */
bool is_on_stack(int i, uintptr_t at);
enum { MAX_THREADS = 1024 };

/* --- block.cc: grids and blocks --------------------------------------------------------------- */

struct running_kernel {
    const launch_site *site; /* NULL: no kernel is running */
    uint32_t launch;         /* its number, from 1         */
    uint32_t block;
    int thread;              /* -1: between threads        */
    uintptr_t closure, closure_end;
};
extern running_kernel now;

/* How often the thread that runs has met all others of its block, and those of its warp. */
struct meetings {
    uint16_t block, warp;
};
meetings meetings_of_thread();

/* --- memory.cc: the device's memory ----------------------------------------------------------- */

/* The device's addresses; nothing else is ever there. */
extern uintptr_t arena_begin, arena_end;

struct allocation {
    uintptr_t begin, end;
};
const allocation *allocation_of(uintptr_t at); /* NULL: not in one */

/* The host's code may touch the arena, or not (then it ends with a message).  Nests. */
void open_arena();
void close_arena();

/* Large pages, where the system has them: opening and closing goes page by page. */
void use_huge_pages(void *memory, size_t bytes);

bool is_registered(uintptr_t at, size_t bytes); /* ... host memory, or pinned */
bool is_pinned(uintptr_t at, size_t bytes);
inline bool is_device(const void *at)
{
    const uintptr_t a = reinterpret_cast<uintptr_t>(at);
    return a >= arena_begin && a < arena_end;
}

/* Is [at, at + bytes) inside one allocation (or registered), and was it written if it is read?
 * If not: fault_of(work, ...) about `what` and false. */
bool check_range(const char *work, const char *what, const void *at, size_t bytes, bool read);
void mark_written(const void *at, size_t bytes);

/* --- access.cc -------------------------------------------------------------------------------- */

/* Which 4-byte pieces of the arena were ever written. */
bool is_written(uintptr_t at, size_t bytes);
void set_written(uintptr_t at, size_t bytes, bool written);

/* The dynamic shared memory of the launch that begins. */
void set_dynamic_shared(size_t bytes);

/* --- runtime.cc ------------------------------------------------------------------------------- */

/* Puts work on a stream: call(data) with a copy of data[bytes). */
void enqueue(cudaStream_t stream, void (*call)(void *data), const void *data, size_t bytes);
template <typename T> void enqueue(cudaStream_t stream, void (*call)(void *data), const T &data)
{
    enqueue(stream, call, &data, sizeof data);
}
void set_last_error(cudaError_t error);

/* An error of `call` if the arguments do not fit, or a fault came before: for the runtime's calls.
 */
cudaError_t result(cudaError_t error);

constexpr size_t MAX_SHARED = 48 * 1024;

} // namespace cuda_emulation

#endif
