/* arena.h - memory that is taken piece by piece and given back all at once.
 *
 * All activations, tangents and gradients of one training step live in an arena; the next step
 * rewinds it and takes the same pieces again.  Chunks are kept, so that from the second step on
 * nothing is allocated.
 */
#ifndef HIDI_CORE_ARENA_H
#define HIDI_CORE_ARENA_H

#include <stddef.h>

typedef void *hidi_allocate_function(size_t bytes); /* NULL when out of memory           */
typedef void hidi_release_function(void *memory);   /* NULL is allowed and does nothing  */

typedef struct hidi_arena hidi_arena;

typedef struct hidi_arena_mark {
    size_t chunk;  /* index of the chunk in use      */
    size_t offset; /* first free byte in that chunk  */
} hidi_arena_mark;

/* A new arena that gets its chunks from `allocate` (a backend's, or malloc) in pieces of at least
 * `chunk_bytes`.  NULL when out of memory.  The caller frees it with hidi_arena_destroy. */
hidi_arena *hidi_arena_create(hidi_allocate_function *allocate, hidi_release_function *release,
                              size_t chunk_bytes);
void hidi_arena_destroy(hidi_arena *arena); /* NULL is allowed */

/* `bytes` of uninitialised memory, aligned to 64 bytes, valid until the arena is rewound past it.
 * NULL when out of memory; 0 bytes give a valid pointer. */
void *hidi_arena_take(hidi_arena *arena, size_t bytes);

/* A mark of where the arena stands, and back to it: everything taken since is free again. */
hidi_arena_mark hidi_arena_here(const hidi_arena *arena);
void hidi_arena_rewind(hidi_arena *arena, hidi_arena_mark mark);
void hidi_arena_reset(hidi_arena *arena); /* back to empty; keeps the chunks */

size_t hidi_arena_reserved(const hidi_arena *arena);    /* bytes in chunks                     */
size_t hidi_arena_peak(const hidi_arena *arena);        /* most bytes ever in use at one time  */
size_t hidi_arena_allocations(const hidi_arena *arena); /* calls of `allocate` so far          */

#endif
