/* pickle_machine.h - the state of hidi_unpickle.  Private to pickle.c and pickle_calls.c. */
#ifndef HIDI_IO_PICKLE_MACHINE_H
#define HIDI_IO_PICKLE_MACHINE_H

#include "io/pickle.h"

typedef struct hidi_machine {
    const char *what;            /* begins the messages                              */
    const unsigned char *bytes;  /* of the pickle, and how far it is read            */
    size_t n, at;
    hidi_arena *arena;
    size_t taken, most;          /* bytes taken from the arena, and how many may be  */
    hidi_value **stack;
    size_t depth, stack_capacity;
    size_t *marks;               /* depths of the stack                              */
    size_t n_marks, marks_capacity;
    hidi_value **memo;
    size_t memo_size, memoized;  /* slots; how many a MEMOIZE has counted            */
    const hidi_stored **storages;
    size_t n_storages;
} hidi_machine;

/* Memory of the arena, or NULL after an error message in *status (within the limit, too). */
void *hidi_machine_take(hidi_machine *m, size_t bytes, hidi_status *status);

/* A new value of this kind. */
hidi_status hidi_machine_value(hidi_machine *m, hidi_value_kind kind, hidi_value **value);

/* A value with a copy of text[n]. */
hidi_status hidi_machine_text(hidi_machine *m, hidi_value_kind kind, const void *text, size_t n,
                              hidi_value **value);

/* Appends to a list, a tuple or a dict. */
hidi_status hidi_machine_append(hidi_machine *m, hidi_value *list, hidi_value *item);

/* An opaque value with this name. */
hidi_status hidi_machine_opaque(hidi_machine *m, const char *name, hidi_value **value);

/* function(*arguments), or class.__new__(class, *arguments). */
hidi_status hidi_machine_call(hidi_machine *m, const hidi_value *function, hidi_value *arguments,
                              hidi_value **result);

/* What a persistent id, a tuple, stands for: a storage. */
hidi_status hidi_machine_persistent(hidi_machine *m, const hidi_value *id, hidi_value **result);

#endif
