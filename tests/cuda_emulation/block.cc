/* block.cc - grids, blocks, and where threads meet.
 *
 * Blocks run one after the other.  A block's threads are contexts: one runs until it must wait for
 * others, at __syncthreads, __syncwarp or a shuffle, or ends.  The last one to come to a meeting
 * lets all of them go on.  When none can run and not all have ended, the block diverged: some
 * threads wait for others that will never come.
 *
 * Stricter than a device: a thread that has ended is missed at the block's next __syncthreads, and
 * by a warp whose mask names it; all threads meet at the same line; and a shuffle may not read a
 * lane that its mask does not name.
 */
#include <cstdlib>

#include "control.h"
#include "emulation.h"

namespace cuda_emulation {

indices here;
running_kernel now;

namespace {

struct lane_value {
    unsigned char byte[8];
};

struct thread_state {
    bool ended;
    meeting waits_at;
    const char *file;
    int line;
    unsigned mask, source; /* of a shuffle */
    size_t bytes;
    lane_value value; /* what it gives; after the meeting, what it gets */
    meetings met;
};

thread_state threads[MAX_THREADS];
int n_threads;
int n_ended, n_at_barrier;
void (*kernel_call)(const void *);
const void *kernel_closure;

cuda_emulation_order order = CUDA_EMULATION_FORWARD;
uint32_t random_state = 1;
size_t launches;

thread_state *self()
{
    return &threads[now.thread];
}

/* --- order of turns --------------------------------------------------------------------------- */

uint32_t random_number() /* xorshift: Marsaglia, 2003 */
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

/* 0, ..., n - 1 in the order of turns. */
void set_turns(int *turn, int n)
{
    for (int i = 0; i < n; i++)
        turn[i] = order == CUDA_EMULATION_BACKWARD ? n - 1 - i : i;
    for (int i = n - 1; i > 0 && order == CUDA_EMULATION_SHUFFLED; i--)
        std::swap(turn[i], turn[random_number() % static_cast<uint32_t>(i + 1)]);
}

/* Blocks: all of them once.  In shuffled order, in strides that visit each. */
uint32_t block_of_turn(uint32_t turn, uint32_t blocks)
{
    if (order == CUDA_EMULATION_BACKWARD)
        return blocks - 1 - turn;
    if (order == CUDA_EMULATION_SHUFFLED) {
        const uint64_t prime =
            2654435761u; /* no common divisor with any 32-bit number but its multiples */
        return static_cast<uint32_t>(turn * prime % blocks);
    }
    return turn;
}

/* --- one thread ------------------------------------------------------------------------------- */

void set_indices(int thread)
{
    const unsigned t = static_cast<unsigned>(thread), x = here.block_size.x, y = here.block_size.y;
    now.thread = thread;
    here.thread = {t % x, t / x % y, t / x / y};
}

void wait(meeting at, const char *file, int line)
{
    thread_state *t = self();
    t->waits_at = at;
    t->file = file;
    t->line = line;
}

void pause_until_met()
{
    while (self()->waits_at != meeting::none)
        fiber_pause();
}

void body(int)
{
    kernel_call(kernel_closure);
    self()->ended = true;
    n_ended++;
}

/* --- the block -------------------------------------------------------------------------------- */

[[noreturn]] void report_divergence()
{
    int waiting = 0;
    while (threads[waiting].waits_at == meeting::none)
        waiting++;
    const thread_state *t = &threads[waiting];
    int other = 0; /* somebody who is not where t waits */
    while (other < n_threads && !threads[other].ended &&
           threads[other].waits_at == t->waits_at && threads[other].line == t->line)
        other++;
    now.thread = waiting;
    const char *what = t->waits_at == meeting::barrier ? "__syncthreads" : "its warp";
    if (other == n_threads) /* a mask that names lanes which the block does not have */
        fault(cudaErrorLaunchFailure, "waits for %s at %s:%d, which not all come to", what, t->file,
              t->line);
    if (threads[other].ended)
        fault(cudaErrorLaunchFailure,
              "divergence: waits for %s at %s:%d, and thread %d has ended (%d of %d have)", what,
              t->file, t->line, other, n_ended, n_threads);
    fault(cudaErrorLaunchFailure, "divergence: waits for %s at %s:%d, and thread %d at %s:%d", what,
          t->file, t->line, other, threads[other].file, threads[other].line);
}

/* For a fault that is no thread's doing alone, in the context of the one that reports it. */
void body_of_report(int)
{
    report_divergence();
}

/* False if a fault has ended the launch. */
bool run_block(uint32_t block)
{
    static int turn[MAX_THREADS];
    now.block = block;
    here.block = {block % here.grid_size.x, block / here.grid_size.x % here.grid_size.y,
                  block / here.grid_size.x / here.grid_size.y};
    for (int i = 0; i < n_threads; i++)
        threads[i] = thread_state();
    n_ended = n_at_barrier = 0;
    set_turns(turn, n_threads);
    while (n_ended < n_threads) {
        bool any = false;
        for (int i = 0; i < n_threads; i++) {
            const thread_state *t = &threads[turn[i]];
            if (t->ended || t->waits_at != meeting::none)
                continue;
            any = true;
            set_indices(turn[i]);
            fiber_run(turn[i], body);
            if (faulted() != cudaSuccess)
                return false;
        }
        if (!any) {
            fiber_abandon_all();
            fiber_run(0, body_of_report);
            return false;
        }
    }
    return true;
}

/* --- the grid --------------------------------------------------------------------------------- */

struct launch_record {
    launch_site site;
    dim3 grid, block;
    size_t shared_bytes, closure_bytes;
    void (*call)(const void *);
};

/* data: a launch_record, then the closure */
void run_grid(void *data)
{
    const launch_record *record = static_cast<const launch_record *>(data);
    const uint32_t blocks = record->grid.x * record->grid.y * record->grid.z;
    if (faulted() != cudaSuccess)
        return;
    kernel_call = record->call;
    kernel_closure = record + 1;
    here.grid_size = record->grid;
    here.block_size = record->block;
    n_threads = static_cast<int>(record->block.x * record->block.y * record->block.z);
    now.site = &record->site;
    now.launch++;
    now.closure = reinterpret_cast<uintptr_t>(kernel_closure);
    now.closure_end = now.closure + record->closure_bytes;
    launches++;
    find_shared_arrays();
    set_dynamic_shared(record->shared_bytes);
    open_arena();
    uint32_t turn = 0;
    while (turn < blocks && run_block(block_of_turn(turn, blocks)))
        turn++;
    if (turn < blocks)
        fiber_abandon_all();
    close_arena();
    now.site = nullptr;
    now.thread = -1;
}

bool is_valid(dim3 grid, dim3 block)
{
    const uint64_t n = static_cast<uint64_t>(block.x) * block.y * block.z;
    const uint64_t blocks = static_cast<uint64_t>(grid.x) * grid.y * grid.z;
    return n >= 1 && n <= MAX_THREADS && block.x <= 1024 && block.y <= 1024 && block.z <= 64 &&
           grid.x >= 1 && grid.x <= 0x7fffffffu && grid.y >= 1 && grid.y <= 65535 && grid.z >= 1 &&
           grid.z <= 65535 && blocks <= 0xffffffffu;
}

} // namespace

void launch_closure(launch_site site, dim3 grid, dim3 block, size_t shared_bytes,
                    cudaStream_t stream, void (*call)(const void *), const void *closure,
                    size_t bytes)
{
    if (faulted() != cudaSuccess)
        return;
    if (!is_valid(grid, block)) {
        set_last_error(cudaErrorInvalidConfiguration);
        return;
    }
    if (shared_bytes > MAX_SHARED) {
        set_last_error(cudaErrorInvalidValue);
        return;
    }
    const launch_record record = {site, grid, block, shared_bytes, bytes, call};
    unsigned char data[sizeof record + 1024];
    if (bytes > 1024) { /* a device takes 4 KiB; no kernel here comes near */
        set_last_error(cudaErrorInvalidValue);
        return;
    }
    std::memcpy(data, &record, sizeof record);
    std::memcpy(data + sizeof record, closure, bytes);
    enqueue(stream, run_grid, data, sizeof record + bytes);
}

/* --- meetings --------------------------------------------------------------------------------- */

meetings meetings_of_thread()
{
    return self()->met;
}

void barrier(const char *file, int line)
{
    wait(meeting::barrier, file, line);
    if (++n_at_barrier == n_threads) {
        for (int i = 0; i < n_threads; i++)
            if (threads[i].line != line || std::strcmp(threads[i].file, file) != 0)
                report_divergence();
        for (int i = 0; i < n_threads; i++) {
            threads[i].waits_at = meeting::none;
            threads[i].met.block++;
        }
        n_at_barrier = 0;
    }
    pause_until_met();
}

unsigned lane()
{
    return static_cast<unsigned>(now.thread % warpSize);
}

unsigned shuffle_source(shuffle how, unsigned lane, unsigned by, unsigned width)
{
    const unsigned first = lane & ~(width - 1), last = first + width - 1;
    const unsigned from = how == shuffle::index  ? first + (by & (width - 1))
                          : how == shuffle::up   ? lane - by
                          : how == shuffle::down ? lane + by
                                                 : lane ^ by;
    const bool is_outside = how == shuffle::up ? lane < first + by : from > last;
    return is_outside ? lane : from; /* then it keeps its own */
}

void meet_warp(meeting kind, unsigned mask, void *value, size_t bytes, unsigned source,
               const char *file, int line)
{
    thread_state *t = self(), *warp = t - lane();
    const int lanes = n_threads - (now.thread - static_cast<int>(lane()));
    if ((mask >> lane() & 1) == 0)
        fault(cudaErrorLaunchFailure, "lane %u is not in the mask 0x%08x of the shuffle at %s:%d",
              lane(), mask, file, line);
    if (kind == meeting::shuffle && (mask >> source & 1) == 0)
        fault(cudaErrorLaunchFailure,
              "lane %u reads lane %u, which the mask 0x%08x does not name, at %s:%d", lane(),
              source, mask, file, line);
    if (bytes > sizeof t->value)
        fault(cudaErrorLaunchFailure, "a shuffle of %zu bytes at %s:%d", bytes, file, line);
    wait(kind, file, line);
    t->mask = mask;
    t->source = source;
    t->bytes = bytes;
    if (bytes > 0)
        std::memcpy(t->value.byte, value, bytes);

    bool all = true;
    for (int i = 0; i < warpSize; i++) {
        if ((mask >> i & 1) == 0)
            continue;
        if (i >= lanes || warp[i].ended)
            fault(cudaErrorLaunchFailure,
                  "the mask 0x%08x at %s:%d names lane %d, which %s", mask, file, line, i,
                  i >= lanes ? "the block does not have" : "has ended");
        if (warp[i].waits_at == meeting::none)
            all = false;
        else if (warp[i].waits_at != kind || warp[i].line != line || warp[i].mask != mask)
            report_divergence();
    }
    if (all) {
        lane_value got[warpSize];
        for (int i = 0; i < warpSize; i++)
            if (mask >> i & 1)
                got[i] = warp[warp[i].source].value;
        for (int i = 0; i < warpSize; i++) {
            if ((mask >> i & 1) == 0)
                continue;
            warp[i].value = got[i];
            warp[i].waits_at = meeting::none;
            if (kind == meeting::warp_barrier)
                warp[i].met.warp++;
        }
    }
    pause_until_met();
    if (bytes > 0)
        std::memcpy(value, self()->value.byte, bytes);
}

} // namespace cuda_emulation

void cuda_emulation_set_order(cuda_emulation_order how)
{
    cuda_emulation::order = how;
    cuda_emulation::random_state = 1;
}

size_t cuda_emulation_launches(void)
{
    return cuda_emulation::launches;
}
