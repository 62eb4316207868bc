/* listing.c - what opendir finds, without hidden names, sorted by their bytes: the same in every
 * locale and file system. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "data/listing.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/array.h"
#include "data/readers.h"
#include "io/image.h"

void hidi_name_list_free(hidi_name_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->name[i]);
    free(list->name);
    memset(list, 0, sizeof *list);
}

bool hidi_name_list_append(hidi_name_list *list, const char *name)
{
    if (!hidi_array_room(&list->name, list->n, NULL, sizeof *list->name))
        return false;
    char *copy = strdup(name);
    if (copy == NULL)
        return false;
    list->name[list->n++] = copy;
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void hidi_name_list_sort(hidi_name_list *list)
{
    if (list->n > 1)
        qsort(list->name, list->n, sizeof *list->name, by_name);
}

bool hidi_is_folder(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

bool hidi_has_folder(const char *path, const char *name)
{
    char *joined = hidi_path_join(path, name);
    const bool has = joined != NULL && hidi_is_folder(joined);
    free(joined);
    return has;
}

static bool is_listed(const char *path, const char *name, hidi_listed what)
{
    if (name[0] == '.')
        return false;
    if (what == HIDI_LIST_TEXTS) {
        const size_t length = strlen(name);
        return length > 4 && strcmp(name + length - 4, ".txt") == 0;
    }
    return what == HIDI_LIST_FOLDERS ? hidi_has_folder(path, name) : hidi_image_named(name);
}

hidi_status hidi_list_folder(hidi_name_list *list, const char *path, hidi_listed what)
{
    memset(list, 0, sizeof *list);
    DIR *folder = opendir(path);
    if (folder == NULL)
        return hidi_error(HIDI_BAD_FILE, "%s: %s", path, strerror(errno));
    hidi_status status = HIDI_OK;
    const struct dirent *entry;
    while (status == HIDI_OK && (errno = 0, entry = readdir(folder)) != NULL)
        if (is_listed(path, entry->d_name, what) && !hidi_name_list_append(list, entry->d_name))
            status = hidi_error(HIDI_NO_MEMORY, "%s: out of memory", path);
    if (status == HIDI_OK && errno != 0)
        status = hidi_error(HIDI_BAD_FILE, "%s: %s", path, strerror(errno));
    closedir(folder);
    hidi_name_list_sort(list);
    for (size_t i = 0; status == HIDI_OK && what == HIDI_LIST_PICTURES && i < list->n; i++) {
        char *joined = hidi_path_join(path, list->name[i]);
        status = joined == NULL ? hidi_error(HIDI_NO_MEMORY, "%s: out of memory", path)
                                : hidi_image_readable(joined);
        free(joined);
    }
    return status;
}
