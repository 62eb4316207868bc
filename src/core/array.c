/* array.c - capacities are 1, 2, 4, 8, ...: an array that only grows is full whenever it holds a
 * power of two, and n appended elements are copied fewer than n times in all. */
#include "core/array.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

bool hidi_array_room(void *array, size_t n, size_t *capacity, size_t element)
{
    const bool full = capacity != NULL ? n >= *capacity : (n & (n - 1)) == 0;
    const size_t more = n == 0 ? 1 : 2 * n;
    void *elements;

    if (!full)
        return true;
    if (n > SIZE_MAX / 2 / element)
        return false;
    memcpy(&elements, array, sizeof elements); /* a pointer of any type, as one to void */
    elements = realloc(elements, more * element);
    if (elements == NULL)
        return false;
    memcpy(array, &elements, sizeof elements);
    if (capacity != NULL)
        *capacity = more;
    return true;
}
