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
    HIDI_LIST_PNG,     /* files whose names end in .png, in letters of either case        */
    HIDI_LIST_PICTURES /* the same, and those of other kinds that tools read as pictures  */
} hidi_listed;

/* The visible names of that kind in a folder, in order (strcmp).  The caller frees the list, also
 * after an error. */
hidi_status hidi_list_folder(hidi_name_list *list, const char *path, hidi_listed what);
void hidi_name_list_free(hidi_name_list *list);

/* Appends a copy; false when out of memory. */
bool hidi_name_list_append(hidi_name_list *list, const char *name);
void hidi_name_list_sort(hidi_name_list *list);

bool hidi_is_folder(const char *path);
bool hidi_has_folder(const char *path, const char *name);
bool hidi_is_png_name(const char *name);

#endif
