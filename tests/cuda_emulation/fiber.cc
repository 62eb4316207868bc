/* fiber.cc - contexts: many stacks, one processor.
 *
 * A context starts on a stack of its own by makecontext.  From then on switching only needs the
 * stack pointer, the frame pointer and an address, which the compiler's own setjmp keeps; that
 * takes nanoseconds where swapcontext asks the kernel for the signal mask.  Where the compiler has
 * none, swapcontext does it.
 */
#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>
#include <ucontext.h>

#include "emulation.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(CUDA_EMULATION_PLAIN_CONTEXTS)
#define HAVE_FAST_SWITCH 1
#else
#define HAVE_FAST_SWITCH 0
#endif

namespace cuda_emulation {

namespace {

enum { STACK = 256 * 1024, GUARD = 4096 };

struct context {
    ucontext_t full;
    void *jump[5];
    bool started;
    void (*body)(int);
};

context fibers[MAX_THREADS], scheduler;
char *stacks; /* MAX_THREADS times STACK, the lowest page of each without access */
int current = -1;

#if HAVE_FAST_SWITCH
__attribute__((noinline, noreturn)) void jump_to(context *to)
{
    __builtin_longjmp(to->jump, 1);
}

__attribute__((noinline)) void switch_to(context *from, context *to)
{
    if (__builtin_setjmp(from->jump) != 0)
        return;
    if (to->started)
        jump_to(to);
    to->started = true;
    setcontext(&to->full);
    abort();
}
#else
void switch_to(context *from, context *to)
{
    to->started = true;
    swapcontext(&from->full, &to->full);
}
#endif

/* A fiber that has ended waits for its next body. */
void loop()
{
    for (;;) {
        fibers[current].body(current);
        fibers[current].body = nullptr;
        switch_to(&fibers[current], &scheduler);
    }
}

void allocate_stacks()
{
    const size_t bytes = static_cast<size_t>(MAX_THREADS) * STACK;
    void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        perror("cuda emulation: stacks");
        abort();
    }
    stacks = static_cast<char *>(memory);
    for (size_t i = 0; i < MAX_THREADS; i++)
        mprotect(stacks + i * STACK, GUARD, PROT_NONE);
}

void start(int i)
{
    context *c = &fibers[i];
    if (stacks == nullptr)
        allocate_stacks();
    getcontext(&c->full);
    c->full.uc_stack.ss_sp = stacks + static_cast<size_t>(i) * STACK + GUARD;
    c->full.uc_stack.ss_size = STACK - GUARD;
    c->full.uc_link = nullptr;
    makecontext(&c->full, loop, 0);
    c->started = !HAVE_FAST_SWITCH;
}

bool is_made[MAX_THREADS];

} // namespace

void fiber_run(int i, void (*body)(int))
{
    context *c = &fibers[i];
    if (!is_made[i])
        start(i);
    is_made[i] = true;
    if (c->body == nullptr)
        c->body = body;
    scheduler.started = true;
    current = i;
    switch_to(&scheduler, c);
    current = -1;
}

void fiber_pause()
{
    switch_to(&fibers[current], &scheduler);
}

void fiber_abandon_all()
{
    for (int i = 0; i < MAX_THREADS; i++) {
        is_made[i] = false;
        fibers[i].body = nullptr;
    }
}

bool is_on_stack(int i, uintptr_t at)
{
    const uintptr_t bottom = reinterpret_cast<uintptr_t>(stacks) + static_cast<size_t>(i) * STACK;
    return at >= bottom && at < bottom + STACK;
}

} // namespace cuda_emulation
