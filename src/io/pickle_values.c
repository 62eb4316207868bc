/* pickle_values.c - the values that the stack machine of pickles makes, and their memory. */
#include <stdlib.h>
#include <string.h>

#include "io/pickle_machine.h"

void *hidi_machine_take(hidi_machine *m, size_t bytes, hidi_status *status)
{
    void *memory = NULL;

    if (bytes > m->most - m->taken)
        *status = hidi_error(HIDI_UNSUPPORTED, "%s: the pickle has too many values", m->what);
    else if ((memory = hidi_arena_take(m->arena, bytes)) == NULL)
        *status = hidi_error(HIDI_NO_MEMORY, "%s: out of memory", m->what);
    else
        m->taken += (bytes + 63) / 64 * 64;
    if (m->taken > m->most)
        m->taken = m->most;
    return memory;
}

hidi_status hidi_machine_value(hidi_machine *m, hidi_value_kind kind, hidi_value **value)
{
    hidi_status status = HIDI_OK;

    *value = hidi_machine_take(m, sizeof **value, &status);
    if (*value == NULL)
        return status;
    memset(*value, 0, sizeof **value);
    (*value)->kind = kind;
    return HIDI_OK;
}

hidi_status hidi_machine_text(hidi_machine *m, hidi_value_kind kind, const void *text, size_t n,
                              hidi_value **value)
{
    hidi_status status = HIDI_OK;

    HIDI_TRY(hidi_machine_value(m, kind, value));
    char *copy = hidi_machine_take(m, n + 1, &status);
    if (copy == NULL)
        return status;
    memcpy(copy, text, n);
    copy[n] = '\0';
    (*value)->text = copy;
    (*value)->n = n;
    return HIDI_OK;
}

hidi_status hidi_machine_opaque(hidi_machine *m, const char *name, hidi_value **value)
{
    return hidi_machine_text(m, HIDI_VALUE_OPAQUE, name, strlen(name), value);
}

hidi_status hidi_machine_append(hidi_machine *m, hidi_value *list, hidi_value *item)
{
    hidi_status status = HIDI_OK;

    /* There is room for 8, 16, 32, ... */
    if (list->n == 0 || (list->n >= 8 && (list->n & (list->n - 1)) == 0)) {
        const size_t capacity = list->n == 0 ? 8 : 2 * list->n;
        hidi_value **larger = hidi_machine_take(m, capacity * sizeof *larger, &status);

        if (larger == NULL)
            return status;
        if (list->n > 0)
            memcpy(larger, list->item, list->n * sizeof *larger);
        list->item = larger;
    }
    list->item[list->n++] = item;
    return HIDI_OK;
}
