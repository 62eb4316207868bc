/* arena.c - a list of chunks that is filled from the front and never shrinks. */
#include "core/arena.h"

#include <stdint.h>
#include <stdlib.h>

#include "core/array.h"

#define ALIGNMENT ((size_t)64) /* a cache line, and the widest vector register */

typedef struct chunk {
    void *memory;    /* as allocated                                                */
    char *base;      /* the first aligned byte of it                                */
    size_t capacity; /* bytes from base on                                          */
    size_t before;   /* bytes in use in earlier chunks when this one was entered    */
} chunk;

struct hidi_arena {
    hidi_allocate_function *allocate;
    hidi_release_function *release;
    size_t chunk_bytes;
    chunk *chunks;
    size_t count;         /* of chunks                     */
    hidi_arena_mark here; /* here.chunk < count, if any    */
    size_t reserved;
    size_t peak;
    size_t allocations;
};

static size_t round_up(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

hidi_arena *hidi_arena_create(hidi_allocate_function *allocate, hidi_release_function *release,
                              size_t chunk_bytes)
{
    hidi_arena *arena = calloc(1, sizeof *arena);

    if (!arena)
        return NULL;
    arena->allocate = allocate;
    arena->release = release;
    arena->chunk_bytes = chunk_bytes;
    return arena;
}

void hidi_arena_destroy(hidi_arena *arena)
{
    if (!arena)
        return;
    for (size_t i = 0; i < arena->count; i++)
        arena->release(arena->chunks[i].memory);
    free(arena->chunks);
    free(arena);
}

/* Appends a chunk that has room for `bytes`, a multiple of ALIGNMENT; 0 when out of memory. */
static int append_chunk(hidi_arena *arena, size_t bytes)
{
    size_t capacity = bytes > arena->chunk_bytes ? bytes : arena->chunk_bytes;
    chunk *added;
    size_t misaligned;

    if (capacity > SIZE_MAX - ALIGNMENT)
        return 0;
    if (!hidi_array_room(&arena->chunks, arena->count, NULL, sizeof *arena->chunks))
        return 0;
    added = &arena->chunks[arena->count];
    added->memory = arena->allocate(capacity + ALIGNMENT);
    arena->allocations++;
    if (!added->memory)
        return 0;
    misaligned = (size_t)((uintptr_t)added->memory % ALIGNMENT);
    added->base = (char *)added->memory + (misaligned ? ALIGNMENT - misaligned : 0);
    added->capacity = capacity;
    added->before = 0;
    arena->reserved += capacity + ALIGNMENT;
    arena->count++;
    return 1;
}

static size_t in_use(const hidi_arena *arena)
{
    return arena->count ? arena->chunks[arena->here.chunk].before + arena->here.offset : 0;
}

/* Moves to the next chunk with room for `bytes`; chunks that are too small are passed over, so that
 * a repeated sequence of takes always finds the chunks of its first time.  Returns 0 if there is
 * none and none can be had. */
static int enter_chunk(hidi_arena *arena, size_t bytes)
{
    size_t used = in_use(arena);
    size_t next = arena->count ? arena->here.chunk + 1 : 0;

    while (next < arena->count && arena->chunks[next].capacity < bytes)
        next++;
    if (next == arena->count && !append_chunk(arena, bytes))
        return 0;
    arena->chunks[next].before = used;
    arena->here.chunk = next;
    arena->here.offset = 0;
    return 1;
}

void *hidi_arena_take(hidi_arena *arena, size_t bytes)
{
    char *taken;
    size_t used;

    if (bytes > SIZE_MAX - ALIGNMENT)
        return NULL;
    bytes = round_up(bytes ? bytes : 1);
    if (arena->count == 0 ||
        arena->chunks[arena->here.chunk].capacity - arena->here.offset < bytes) {
        if (!enter_chunk(arena, bytes))
            return NULL;
    }
    taken = arena->chunks[arena->here.chunk].base + arena->here.offset;
    arena->here.offset += bytes;
    used = in_use(arena);
    if (used > arena->peak)
        arena->peak = used;
    return taken;
}

hidi_arena_mark hidi_arena_here(const hidi_arena *arena)
{
    return arena->here;
}

void hidi_arena_rewind(hidi_arena *arena, hidi_arena_mark mark)
{
    arena->here = mark;
}

void hidi_arena_reset(hidi_arena *arena)
{
    arena->here.chunk = 0;
    arena->here.offset = 0;
}

size_t hidi_arena_reserved(const hidi_arena *arena)
{
    return arena->reserved;
}

size_t hidi_arena_peak(const hidi_arena *arena)
{
    return arena->peak;
}

size_t hidi_arena_allocations(const hidi_arena *arena)
{
    return arena->allocations;
}
