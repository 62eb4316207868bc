/* memory.cu - device memory, and copies to, from and inside it.
 *
 * Allocation keeps what is released for the next one of about that size, as cudaMalloc and cudaFree
 * wait for the device.  That is safe at once, without waiting: all work is in one stream, so that
 * whatever still uses the old contents comes before whatever writes the new ones.
 */
#include "backend/cuda/cuda.h"

#include <stdlib.h>
#include <string.h>

/* --- allocation ------------------------------------------------------------------------------ */

typedef struct block {
    void *memory;
    size_t bytes;
    bool in_use;
    struct block *next;
} block;

static block *blocks; /* all there are */

static const size_t GRANULE = 512; /* sizes are rounded up to multiples of it */

/* The smallest free block of at least `bytes`, if not more than an eighth of it would be wasted. */
static block *find_free(size_t bytes)
{
    block *best = NULL;

    for (block *b = blocks; b != NULL; b = b->next)
        if (!b->in_use && b->bytes >= bytes && b->bytes - bytes <= b->bytes / 8 &&
            (best == NULL || b->bytes < best->bytes))
            best = b;
    return best;
}

/* Gives all free blocks back to the device, when nothing uses them any more. */
static void trim(void)
{
    block **at = &blocks;

    hidi_cuda_ok("cudaStreamSynchronize", cudaStreamSynchronize(hidi_cuda_stream));
    while (*at != NULL) {
        block *b = *at;
        if (b->in_use) {
            at = &b->next;
            continue;
        }
        hidi_cuda_ok("cudaFree", cudaFree(b->memory));
        *at = b->next;
        free(b);
    }
}

/* Running out of memory is not an error of the backend's: the caller sees it. */
static cudaError_t allocate_block(block *b)
{
    cudaError_t error = cudaMalloc(&b->memory, b->bytes);

    if (error == cudaErrorMemoryAllocation)
        cudaGetLastError(); /* CUDA remembers it: it is not to be an error of the next launch */
    else
        hidi_cuda_ok("cudaMalloc", error);
    return error;
}

static void *allocate(size_t bytes)
{
    cudaError_t error;
    block *b;

    if (bytes > SIZE_MAX - GRANULE)
        return NULL;
    bytes = bytes > 0 ? (bytes + GRANULE - 1) / GRANULE * GRANULE : GRANULE;
    b = find_free(bytes);
    if (b != NULL) {
        b->in_use = true;
        return b->memory;
    }
    b = (block *)malloc(sizeof *b);
    if (b == NULL)
        return NULL;
    b->bytes = bytes;
    b->in_use = true;
    error = allocate_block(b);
    if (error == cudaErrorMemoryAllocation) {
        trim();
        error = allocate_block(b);
    }
    if (error != cudaSuccess) {
        free(b);
        return NULL;
    }
    b->next = blocks;
    blocks = b;
    return b->memory;
}

static void release(void *memory)
{
    for (block *b = blocks; b != NULL && memory != NULL; b = b->next)
        if (b->memory == memory)
            b->in_use = false;
}

/* More than most slots ever ask for, so that it hardly grows; and what overlapping copies take. */
static const size_t WORKSPACE = (size_t)4 << 20;

void *hidi_cuda_workspace(size_t bytes)
{
    static void *memory;
    static size_t size;

    if (bytes > size) {
        size_t wanted = bytes > WORKSPACE ? bytes : WORKSPACE;
        release(memory);
        memory = allocate(wanted);
        size = memory != NULL ? wanted : 0;
    }
    if (memory == NULL)
        hidi_cuda_fail("workspace", "out of device memory");
    return memory;
}

/* --- host to device -------------------------------------------------------------------------- */

/* An upload goes through a ring of pinned pieces, so that the caller's array is free as soon as
 * upload() returns, while the copy runs beside the host. */
enum { PIECES = 4 };

static const size_t PIECE = (size_t)1 << 20; /* bytes */

static char *pinned[PIECES];
static cudaEvent_t copied[PIECES]; /* piece i may be written again */

void hidi_cuda_open_memory(void)
{
    bool ok = true;

    for (int i = 0; ok && i < PIECES; i++) {
        void *piece = NULL;
        ok = hidi_cuda_ok("cudaMallocHost", cudaMallocHost(&piece, PIECE)) &&
             hidi_cuda_ok("cudaEventCreateWithFlags",
                          cudaEventCreateWithFlags(&copied[i], cudaEventDisableTiming));
        pinned[i] = (char *)piece;
    }
    hidi_cuda_workspace(WORKSPACE);
}

static void upload(void *device, const void *host, size_t bytes)
{
    static unsigned next;
    size_t n;

    for (size_t done = 0; done < bytes; done += n, next = (next + 1) % PIECES) {
        n = bytes - done < PIECE ? bytes - done : PIECE;
        if (!hidi_cuda_ok("cudaEventSynchronize", cudaEventSynchronize(copied[next])))
            return;
        memcpy(pinned[next], (const char *)host + done, n);
        hidi_cuda_ok("cudaMemcpyAsync", cudaMemcpyAsync((char *)device + done, pinned[next], n,
                                                        cudaMemcpyHostToDevice, hidi_cuda_stream));
        hidi_cuda_ok("cudaEventRecord", cudaEventRecord(copied[next], hidi_cuda_stream));
    }
}

/* Waits.  After an error the host gets zeros rather than whatever was there. */
static void download(void *host, const void *device, size_t bytes)
{
    if (bytes == 0)
        return;
    if (!hidi_cuda_ok("cudaMemcpyAsync",
                      cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost,
                                      hidi_cuda_stream)) ||
        !hidi_cuda_ok("cudaStreamSynchronize", cudaStreamSynchronize(hidi_cuda_stream)))
        memset(host, 0, bytes);
}

/* --- inside the device ----------------------------------------------------------------------- */

static void copy_bytes(char *to, const char *from, size_t bytes)
{
    hidi_cuda_ok("cudaMemcpyAsync",
                 cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, hidi_cuda_stream));
}

/* memmove: pieces are copied in the order that reads every byte before it is overwritten.  Two that
 * are `distance` bytes apart do not overlap in pieces of that size; where those would be too small,
 * larger ones go through the workspace. */
static void move_bytes(char *to, const char *from, size_t bytes)
{
    bool down = to < from;
    size_t distance = down ? (size_t)(from - to) : (size_t)(to - from);
    size_t piece = distance > WORKSPACE ? distance : WORKSPACE, n;
    bool overlap = distance < piece && distance < bytes; /* of pieces */
    char *between = overlap ? (char *)hidi_cuda_workspace(WORKSPACE) : NULL;

    if (distance == 0 || (overlap && between == NULL))
        return;
    for (size_t done = 0; done < bytes; done += n) {
        n = bytes - done < piece ? bytes - done : piece;
        size_t at = down ? done : bytes - done - n;

        if (between == NULL) {
            copy_bytes(to + at, from + at, n);
        } else {
            copy_bytes(between, from + at, n);
            copy_bytes(to + at, between, n);
        }
    }
}

static void copy(hidi_real *y, const hidi_real *x, size_t n)
{
    move_bytes((char *)y, (const char *)x, n * sizeof *y);
}

void hidi_cuda_memory_slots(hidi_backend *table)
{
    table->allocate = allocate;
    table->release = release;
    table->upload = upload;
    table->download = download;
    table->copy = copy;
}
