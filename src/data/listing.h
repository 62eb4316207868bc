/* listing.h - the names in a folder, for the readers of this room. */
#ifndef HIDI_DATA_LISTING_H
#define HIDI_DATA_LISTING_H

#include <stdbool.h>
#include <stddef.h>

#include "core/status.h"

typedef struct hidi_name_list {
    char **name; /* owned */
    size_t n;
} hidi_name_list;

typedef enum hidi_listed {
    HIDI_LIST_FOLDERS,
    HIDI_LIST_TEXTS, /* NAME.txt */
    HIDI_LIST_PICTURES /* names of pictures, of kinds that are not read, too (io/image.h) */
} hidi_listed;

/* The visible names of that kind in a folder, in order (strcmp).  A picture of a kind that this
 * build does not read is an error: a set with some of them left out is another set.  The caller
 * frees the list, also after an error. */
hidi_status hidi_list_folder(hidi_name_list *list, const char *path, hidi_listed what);
void hidi_name_list_free(hidi_name_list *list);

/* Appends a copy; false when out of memory. */
bool hidi_name_list_append(hidi_name_list *list, const char *name);
void hidi_name_list_sort(hidi_name_list *list);

bool hidi_is_folder(const char *path);
bool hidi_has_folder(const char *path, const char *name);

#endif
