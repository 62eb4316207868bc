/* array.h - arrays that grow by appending. */
#ifndef HIDI_CORE_ARRAY_H
#define HIDI_CORE_ARRAY_H

#include <stdbool.h>
#include <stddef.h>

/* Makes room for element number n of an array that holds n; false when out of memory, which leaves
 * the array as it was.
 *   array     where the pointer to the elements is, which is NULL for an empty array
 *   capacity  where the number of elements that there is room for is kept; NULL: it is not kept,
 *             but follows from n (for arrays that seldom shrink)
 *   element   bytes of one element
 *
 *     if (!hidi_array_room(&list->name, list->n, NULL, sizeof *list->name))
 *         return false;
 *     list->name[list->n++] = name;
 */
bool hidi_array_room(void *array, size_t n, size_t *capacity, size_t element);

#endif
