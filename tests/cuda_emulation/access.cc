/* access.cc - the checks of every access to memory.
 *
 * The kernels are compiled with -fsanitize=thread, with which compilers put a call in front of
 * every access that another thread could see.  The calls are usually answered by a library that
 * finds races between threads of the processor; here they are answered below, by what a device's
 * threads may do:
 *
 *   - A kernel may touch device memory inside an allocation, shared memory inside an array,
 * its own stack, and constants.  Everything else is out of bounds, host memory above all.
 *   - What it reads was written before: device memory ever, shared memory by the same block.
 *   - Two threads of one launch that touch the same place, and at least one of them writes, have
 * met in between: at __syncthreads, or within a warp at __syncwarp.  Threads of two blocks never
 * meet. This depends on no order of turns: a race is found where a run happens to give the right
 * result.
 *
 * For the last point every 4 bytes have a record of who wrote them last, and who read them last.
 */
#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>

#include "control.h"
#include "emulation.h"

namespace cuda_emulation {

namespace {

enum { PIECE = 4 }; /* bytes that have one record */

/* Who touched it last, of the latest launch that did. */
struct record {
    uint32_t launch, block;
    int16_t thread;
    uint16_t block_meetings, warp_meetings;
};
const int16_t SEVERAL = -1, ATOMICALLY = -2; /* instead of a thread */
const uint32_t SEVERAL_BLOCKS = 0xffffffffu;

struct history {
    record write, read;
};

/* The histories of [begin, end): address space that is only used where it is touched. */
struct shadow {
    uintptr_t begin, end;
    history *of;
    unsigned char *written; /* arena only: a byte for each piece */
};
shadow arena_shadow, shared_shadow, dynamic_shadow;

alignas(256) unsigned char dynamic[MAX_SHARED];
size_t dynamic_bytes;
size_t accesses;

void *reserve(size_t bytes)
{
    void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        perror("cuda emulation: records of accesses");
        abort();
    }
    use_huge_pages(memory, bytes);
    return memory;
}

void set_up(shadow *s, uintptr_t begin, uintptr_t end)
{
    const size_t pieces = (end - begin + PIECE - 1) / PIECE;
    s->begin = begin;
    s->end = end;
    s->of = static_cast<history *>(reserve(pieces * sizeof *s->of));
    s->written = static_cast<unsigned char *>(reserve(pieces));
}

/* The shadow that `at` lies in, or NULL. */
shadow *shadow_of(uintptr_t at)
{
    if (at >= arena_begin && at < arena_end) {
        if (arena_shadow.of == nullptr)
            set_up(&arena_shadow, arena_begin, arena_end);
        return &arena_shadow;
    }
    const uintptr_t first = reinterpret_cast<uintptr_t>(dynamic);
    if (at >= first && at < first + sizeof dynamic) {
        if (dynamic_shadow.of == nullptr)
            set_up(&dynamic_shadow, first, first + sizeof dynamic);
        return &dynamic_shadow;
    }
    if (n_shared_arrays > 0) {
        if (shared_shadow.of == nullptr)
            set_up(&shared_shadow, shared_arrays[0].begin,
                   shared_arrays[n_shared_arrays - 1].end + 64 * PIECE);
        if (at >= shared_shadow.begin && at < shared_shadow.end)
            return &shared_shadow;
    }
    return nullptr;
}

/* --- where ------------------------------------------------------------------------------------ */

const shared_array *array_of(uintptr_t at)
{
    static const shared_array *latest = shared_arrays;
    if (at >= latest->begin && at < latest->end)
        return latest;
    for (int i = 0; i < n_shared_arrays && shared_arrays[i].begin <= at; i++)
        if (at < shared_arrays[i].end)
            return latest = &shared_arrays[i];
    return nullptr;
}

struct access {
    uintptr_t at;
    size_t bytes;
    bool writes, atomic;
    const void *code;
};

const char *verb(const access &a)
{
    return a.atomic ? "updates" : a.writes ? "writes" : "reads";
}

[[noreturn]] void complain(cudaError_t error, const access &a, const char *what)
{
    char text[128];
    const char *line = source_line(a.code, text, sizeof text);
    fault(error, "%s %s%s%s", verb(a), what, *line ? ", at " : "", line);
}

[[noreturn]] void complain_of_bounds(const access &a)
{
    char text[256];
    const shared_array *before = nullptr;
    for (int i = 0; i < n_shared_arrays && shared_arrays[i].begin <= a.at; i++)
        before = &shared_arrays[i];
    const uintptr_t first = reinterpret_cast<uintptr_t>(dynamic);
    if (is_device(reinterpret_cast<const void *>(a.at)))
        snprintf(text, sizeof text, "out of bounds: device memory in no allocation");
    else if (a.at >= first && a.at < first + sizeof dynamic)
        snprintf(text, sizeof text, "out of bounds: byte %zu of %zu of dynamic shared memory",
                 static_cast<size_t>(a.at - first), dynamic_bytes);
    else if (before)
        snprintf(text, sizeof text, "out of bounds: byte %zu of %zu of shared memory, %s",
                 static_cast<size_t>(a.at - before->begin),
                 static_cast<size_t>(before->end - before->begin), before->name);
    else
        snprintf(text, sizeof text, "out of bounds");
    complain(cudaErrorIllegalAddress, a, text);
}

bool is_in_bounds(const shadow *s, const access &a)
{
    if (s == &arena_shadow) {
        const allocation *in = allocation_of(a.at);
        return in && a.at + a.bytes <= in->end;
    }
    if (s == &shared_shadow) {
        const shared_array *in = array_of(a.at);
        return in && a.at + a.bytes <= in->end;
    }
    return a.at + a.bytes <= s->begin + dynamic_bytes;
}

extern "C" char __executable_start, __data_start;

/* Not device memory: the stack, the kernel's arguments, its indices, constants of the program. */
bool is_private(uintptr_t at, size_t bytes, bool writes)
{
    const uintptr_t indices_at = reinterpret_cast<uintptr_t>(&here);
    if (is_on_stack(now.thread, at))
        return true;
    if (writes)
        return is_registered(at, bytes);
    return (at >= now.closure && at < now.closure_end) ||
           (at >= indices_at && at < indices_at + sizeof here) ||
           (at >= reinterpret_cast<uintptr_t>(&__executable_start) &&
            at < reinterpret_cast<uintptr_t>(&__data_start)) ||
           is_registered(at, bytes);
}

/* --- who -------------------------------------------------------------------------------------- */

record my_record(const access &a)
{
    const meetings met = meetings_of_thread();
    return {now.launch, now.block, a.atomic ? ATOMICALLY : static_cast<int16_t>(now.thread),
            met.block, met.warp};
}

/* Has what the record tells happened before this thread's access, as seen by every thread? */
bool is_before(const record &r, const record &mine, const access &a)
{
    if (r.launch != mine.launch)
        return true;
    if (r.thread == ATOMICALLY && a.atomic)
        return true;
    if (r.block != mine.block)
        return false;
    if (r.thread == now.thread || r.block_meetings < mine.block_meetings)
        return true;
    return r.thread >= 0 && r.thread / warpSize == now.thread / warpSize &&
           r.warp_meetings < mine.warp_meetings;
}

[[noreturn]] void complain_of_race(const access &a, const record &other, bool other_writes)
{
    char text[256], who[64];
    if (other.block != now.block)
        snprintf(who, sizeof who, "block %u", other.block);
    else
        snprintf(who, sizeof who, "thread %d", other.thread);
    if (other.block == SEVERAL_BLOCKS)
        snprintf(who, sizeof who, "other blocks");
    else if (other.thread < 0)
        snprintf(who, sizeof who, "%s", "other threads");
    snprintf(text, sizeof text, "what %s %s in the same launch, without a barrier between (race)",
             who, other_writes ? "wrote" : "read");
    complain(cudaErrorLaunchFailure, a, text);
}

/* The reads of a place that a later write must come after. */
void add_read(record *r, const record &mine)
{
    if (r->launch == mine.launch && r->block != mine.block)
        r->block = SEVERAL_BLOCKS;
    else if (r->launch == mine.launch && r->block_meetings == mine.block_meetings &&
             r->thread != mine.thread &&
             !(r->thread >= 0 && mine.thread >= 0 &&
               r->thread / warpSize == mine.thread / warpSize &&
               r->warp_meetings < mine.warp_meetings))
        r->thread = SEVERAL;
    else
        *r = mine;
}

void check_piece(shadow *s, size_t piece, const access &a)
{
    history *h = &s->of[piece];
    const record mine = my_record(a);
    const bool is_shared = s != &arena_shadow;
    if (!a.writes || a.atomic) {
        if (is_shared ? h->write.launch != mine.launch || h->write.block != mine.block
                      : !s->written[piece])
            complain(cudaErrorLaunchFailure, a,
                     is_shared ? "shared memory that this block has not written (uninitialised)"
                               : "device memory that was never written (uninitialised)");
    }
    /* shared memory of another block: a new array */
    const bool new_write = is_shared && h->write.block != mine.block;
    const bool new_read = is_shared && h->read.block != mine.block;
    if (!new_write && !is_before(h->write, mine, a))
        complain_of_race(a, h->write, true);
    if (!a.writes) {
        if (new_read)
            h->read = mine;
        else
            add_read(&h->read, mine);
        return;
    }
    if (!new_read && !is_before(h->read, mine, a))
        complain_of_race(a, h->read, false);
    h->write = mine;
    s->written[piece] = 1;
}

void check(const access &a)
{
    if (now.site == nullptr) {
        if (is_device(reinterpret_cast<const void *>(a.at))) {
            fprintf(stderr, "cuda emulation: host code %s device memory\n", verb(a));
            abort();
        }
        return;
    }
    accesses++;
    shadow *s = shadow_of(a.at);
    if (s == nullptr) {
        if (!is_private(a.at, a.bytes, a.writes))
            complain(cudaErrorIllegalAddress, a, "out of bounds: host memory");
        return;
    }
    if (!is_in_bounds(s, a)) { /* other variables may lie between the arrays */
        if (is_registered(a.at, a.bytes))
            return;
        complain_of_bounds(a);
    }
    const size_t last = (a.at + a.bytes - 1 - s->begin) / PIECE;
    for (size_t piece = (a.at - s->begin) / PIECE; piece <= last; piece++)
        check_piece(s, piece, a);
}

} // namespace

bool is_written(uintptr_t at, size_t bytes)
{
    const shadow *s = shadow_of(at);
    for (size_t i = (at - s->begin) / PIECE; bytes > 0 && i <= (at + bytes - 1 - s->begin) / PIECE;
         i++)
        if (!s->written[i])
            return false;
    return true;
}

void set_written(uintptr_t at, size_t bytes, bool written)
{
    const shadow *s = shadow_of(at);
    if (bytes > 0)
        std::memset(s->written + (at - s->begin) / PIECE, written,
                    (at + bytes - 1 - s->begin) / PIECE - (at - s->begin) / PIECE + 1);
}

void set_dynamic_shared(size_t bytes)
{
    dynamic_bytes = bytes;
    std::memset(dynamic, 0xff, sizeof dynamic);
}

void *dynamic_shared()
{
    return dynamic;
}

} // namespace cuda_emulation

size_t cuda_emulation_accesses(void)
{
    return cuda_emulation::accesses;
}

/* --- atomics ---------------------------------------------------------------------------------- */

#define ATOMIC_ADD(T)                                                                              \
    T atomicAdd(T *at, T value)                                                                    \
    {                                                                                              \
        cuda_emulation::check({reinterpret_cast<uintptr_t>(at), sizeof *at, true, true,            \
                               __builtin_return_address(0)});                                      \
        const T before = *at;                                                                      \
        *at = before + value;                                                                      \
        return before;                                                                             \
    }

ATOMIC_ADD(int)
ATOMIC_ADD(unsigned)
ATOMIC_ADD(unsigned long long)
ATOMIC_ADD(float)
ATOMIC_ADD(double)

/* --- what the compiler calls ------------------------------------------------------------------ */

extern "C" {

#define CHECK(bytes, is_write)                                                                     \
    cuda_emulation::check({reinterpret_cast<uintptr_t>(at), bytes, is_write, false,                \
                           __builtin_return_address(0)})
#define ACCESS(bytes)                                                                              \
    void __tsan_read##bytes(void *at) { CHECK(bytes, false); }                                     \
    void __tsan_write##bytes(void *at) { CHECK(bytes, true); }
#define UNALIGNED(bytes)                                                                           \
    void __tsan_unaligned_read##bytes(void *at) { CHECK(bytes, false); }                           \
    void __tsan_unaligned_write##bytes(void *at) { CHECK(bytes, true); }

ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)
UNALIGNED(2)
UNALIGNED(4)
UNALIGNED(8)
UNALIGNED(16)

void __tsan_read_range(void *at, size_t bytes)
{
    if (bytes > 0)
        CHECK(bytes, false);
}

void __tsan_write_range(void *at, size_t bytes)
{
    if (bytes > 0)
        CHECK(bytes, true);
}

void *__tsan_memcpy(void *to, const void *from, size_t bytes)
{
    __tsan_read_range(const_cast<void *>(from), bytes);
    __tsan_write_range(to, bytes);
    return std::memcpy(to, from, bytes);
}

void *__tsan_memmove(void *to, const void *from, size_t bytes)
{
    __tsan_read_range(const_cast<void *>(from), bytes);
    __tsan_write_range(to, bytes);
    return std::memmove(to, from, bytes);
}

void *__tsan_memset(void *to, int value, size_t bytes)
{
    __tsan_write_range(to, bytes);
    return std::memset(to, value, bytes);
}

void __tsan_vptr_read(void **) {}
void __tsan_vptr_update(void **, void *) {}
void __tsan_func_entry(void *) {}
void __tsan_func_exit(void) {}
void __tsan_init(void) {}

} /* extern "C" */
