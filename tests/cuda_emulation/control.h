/* control.h - what a test asks of the emulation itself, in C: orders of turns, scarce memory, and
 * the faults that were found. */
#ifndef HIDI_TESTS_CUDA_EMULATION_CONTROL_H
#define HIDI_TESTS_CUDA_EMULATION_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The order in which blocks, and the threads of a block between two meetings, take their turns. */
typedef enum cuda_emulation_order {
    CUDA_EMULATION_FORWARD,
    CUDA_EMULATION_BACKWARD,
    CUDA_EMULATION_SHUFFLED /* a different order for every block */
} cuda_emulation_order;
void cuda_emulation_set_order(cuda_emulation_order order);

/* 0: a machine without a device. */
void cuda_emulation_set_devices(int count);

/* Calls of cudaMalloc fail from now on if more than this would be allocated. */
void cuda_emulation_set_memory(size_t bytes);

/* Work is done when it is launched (CUDA_LAUNCH_BLOCKING=1), instead of as late as it may. */
void cuda_emulation_set_blocking(bool blocking);

/* Lets kernels and copies touch host memory, as cudaHostRegister does; without checks of what was
 * written, and of races. */
void cuda_emulation_register_host(void *memory, size_t bytes);

/* What the checks found first, one line: "kernel sum (rows.cu:31), block 2, thread 7: ..."; ""
 * if nothing.  From then on every call of the runtime fails, as on a device. */
const char *cuda_emulation_fault(void);

/* A device as new: no fault, no work waiting.  Allocations stay. */
void cuda_emulation_reset(void);

/* Calls of cudaMalloc, kernels launched and kernels' accesses checked so far. */
size_t cuda_emulation_allocations(void);
size_t cuda_emulation_launches(void);
size_t cuda_emulation_accesses(void);

#ifdef __cplusplus
}
#endif

#endif
