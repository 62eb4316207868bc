/* memory.cc - the device's memory: addresses that only kernels and copies can touch.
 *
 * An arena of addresses is reserved once.  Allocations follow each other in it with a gap between
 * them, and no address is ever given out twice, so that whoever goes past an end, or uses what was
 * freed, meets an address that belongs to nothing.  Outside of kernels and copies the arena has no
 * access rights at all: host code that follows a device pointer is stopped.
 *
 * New memory is filled with NaN.
 */
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <sys/mman.h>
#include <unistd.h>

#include "control.h"
#include "emulation.h"

namespace cuda_emulation {

uintptr_t arena_begin, arena_end;

namespace {

constexpr size_t ARENA = size_t(1) << 36, ALIGNMENT = 256, GAP = 1024, PAGE = 4096;

uintptr_t arena_used; /* end of the last allocation's last page */
int opened;
size_t limit = size_t(16) << 30, in_use, calls;

std::map<uintptr_t, allocation> allocations; /* by begin */
const allocation *latest;

struct host_range {
    uintptr_t begin, end;
    bool pinned;
};
host_range host_ranges[256];
int n_host_ranges;

void set_access(int rights)
{
    if (arena_used > arena_begin)
        mprotect(reinterpret_cast<void *>(arena_begin), arena_used - arena_begin, rights);
}

struct sigaction action_before;

/* Says why before the program ends as it would have without this. */
void on_segmentation_fault(int, siginfo_t *info, void *)
{
    static const char text[] = "cuda emulation: host code touches device memory\n";
    if (is_device(info->si_addr) && write(STDERR_FILENO, text, sizeof text - 1) < 0)
        _exit(1);
    sigaction(SIGSEGV, &action_before, nullptr);
}

bool reserve()
{
    if (arena_begin != 0)
        return true;
    void *memory =
        mmap(nullptr, ARENA, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    use_huge_pages(memory, ARENA);
    arena_begin = arena_used = reinterpret_cast<uintptr_t>(memory);
    arena_end = arena_begin + ARENA;
    struct sigaction action = {};
    action.sa_sigaction = on_segmentation_fault;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, &action_before);
    return true;
}

uintptr_t rounded(uintptr_t x, size_t to)
{
    return (x + to - 1) / to * to;
}

void add_host_range(const void *memory, size_t bytes, bool pinned)
{
    const uintptr_t at = reinterpret_cast<uintptr_t>(memory);
    if (n_host_ranges == 256) {
        fprintf(stderr, "cuda emulation: more than 256 pieces of host memory\n");
        abort();
    }
    host_ranges[n_host_ranges++] = {at, at + bytes, pinned};
}

const host_range *host_range_of(uintptr_t at, size_t bytes)
{
    for (int i = 0; i < n_host_ranges; i++)
        if (at >= host_ranges[i].begin && at + bytes <= host_ranges[i].end)
            return &host_ranges[i];
    return nullptr;
}

} // namespace

void open_arena()
{
    if (opened++ == 0)
        set_access(PROT_READ | PROT_WRITE);
}

void close_arena()
{
    if (--opened == 0)
        set_access(PROT_NONE);
}

const allocation *allocation_of(uintptr_t at)
{
    if (latest && at >= latest->begin && at < latest->end)
        return latest;
    auto after = allocations.upper_bound(at);
    if (after == allocations.begin())
        return nullptr;
    const allocation *a = &std::prev(after)->second;
    return at < a->end ? latest = a : nullptr;
}

void use_huge_pages(void *memory, size_t bytes)
{
#ifdef MADV_HUGEPAGE
    madvise(memory, bytes, MADV_HUGEPAGE);
#else
    (void)memory, (void)bytes;
#endif
}

bool is_registered(uintptr_t at, size_t bytes)
{
    return host_range_of(at, bytes) != nullptr;
}

bool is_pinned(uintptr_t at, size_t bytes)
{
    const host_range *range = host_range_of(at, bytes);
    return range && range->pinned;
}

bool check_range(const char *work, const char *what, const void *pointer, size_t bytes, bool read)
{
    const uintptr_t at = reinterpret_cast<uintptr_t>(pointer);
    if (bytes == 0 || is_registered(at, bytes))
        return true;
    const allocation *a = allocation_of(at);
    if (a == nullptr)
        fault_of(work, cudaErrorIllegalAddress, "%s: %p is %s", what, pointer,
                 is_device(pointer) ? "in no allocation" : "host memory");
    else if (at + bytes > a->end)
        fault_of(work, cudaErrorIllegalAddress,
                 "%s: %zu bytes, and the allocation has %zu from there", what, bytes,
                 static_cast<size_t>(a->end - at));
    else if (read && !is_written(at, bytes))
        fault_of(work, cudaErrorLaunchFailure, "%s: reads device memory that was never written",
                 what);
    return faulted() == cudaSuccess;
}

void mark_written(const void *at, size_t bytes)
{
    if (is_device(at))
        set_written(reinterpret_cast<uintptr_t>(at), bytes, true);
}

} // namespace cuda_emulation

using namespace cuda_emulation;

/* --- the runtime's calls ---------------------------------------------------------------------- */

cudaError_t cudaMalloc(void **memory, size_t bytes)
{
    *memory = nullptr;
    if (faulted() != cudaSuccess || bytes == 0)
        return result(cudaSuccess);
    calls++;
    if (!reserve() || bytes > limit || in_use > limit - bytes ||
        bytes > arena_end - arena_used - 2 * PAGE)
        return result(cudaErrorMemoryAllocation);
    const uintptr_t begin = rounded(arena_used + GAP, ALIGNMENT), end = begin + bytes;
    allocations[begin] = {begin, end};
    in_use += bytes;
    arena_used = rounded(end, PAGE);
    open_arena();
    set_access(PROT_READ | PROT_WRITE); /* it has grown */
    std::memset(reinterpret_cast<void *>(begin), 0xff, bytes);
    close_arena();
    *memory = reinterpret_cast<void *>(begin);
    return cudaSuccess;
}

cudaError_t cudaFree(void *memory)
{
    cudaDeviceSynchronize();
    const auto found = allocations.find(reinterpret_cast<uintptr_t>(memory));
    if (memory == nullptr)
        return result(cudaSuccess);
    if (found == allocations.end())
        return result(cudaErrorInvalidValue);
    const allocation a = found->second;
    const uintptr_t first = rounded(a.begin, PAGE), last = a.end / PAGE * PAGE;
    if (first < last)
        madvise(reinterpret_cast<void *>(first), last - first, MADV_DONTNEED);
    set_written(a.begin, a.end - a.begin, false);
    in_use -= a.end - a.begin;
    allocations.erase(found);
    latest = nullptr;
    return result(cudaSuccess);
}

cudaError_t cudaMallocHost(void **memory, size_t bytes)
{
    *memory = std::malloc(bytes > 0 ? bytes : 1);
    if (*memory == nullptr)
        return result(cudaErrorMemoryAllocation);
    add_host_range(*memory, bytes, true);
    return result(cudaSuccess);
}

cudaError_t cudaFreeHost(void *memory)
{
    cudaDeviceSynchronize();
    for (int i = 0; i < n_host_ranges; i++)
        if (host_ranges[i].pinned && host_ranges[i].begin == reinterpret_cast<uintptr_t>(memory)) {
            host_ranges[i] = host_ranges[--n_host_ranges];
            std::free(memory);
            return result(cudaSuccess);
        }
    return result(memory ? cudaErrorInvalidValue : cudaSuccess);
}

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total_bytes)
{
    *free_bytes = limit - in_use;
    *total_bytes = limit;
    return result(cudaSuccess);
}

void cuda_emulation_set_memory(size_t bytes)
{
    limit = bytes;
}

void cuda_emulation_register_host(void *memory, size_t bytes)
{
    add_host_range(memory, bytes, false);
}

size_t cuda_emulation_allocations(void)
{
    return calls;
}
