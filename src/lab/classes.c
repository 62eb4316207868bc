/* classes.c - class number i is line i of a model's metadata "hidi.classes".  A name that has a
 * line break in it (a folder's may) would shift the others: then none are written. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/classes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/number.h"

#define KEY "hidi.classes"

hidi_status hidi_classes_to_file(const hidi_dataset *data, hidi_tensor_file *file)
{
    const size_t longest = sizeof data->class_name[0];
    if (data->class_name == NULL || data->n_classes < 1)
        return HIDI_OK;
    for (size_t i = 0; i < data->n_classes; i++)
        if (strpbrk(data->class_name[i], "\r\n") != NULL)
            return HIDI_OK;
    char *text = malloc(data->n_classes * (longest + 1)), *end = text;
    if (text == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < data->n_classes; i++) {
        const size_t length = strlen(data->class_name[i]);
        memcpy(end, data->class_name[i], length);
        end[length] = '\n';
        end += length + 1;
    }
    end[-1] = '\0';
    const hidi_status status = hidi_tensor_file_add_meta(file, KEY, text);
    free(text);
    return status;
}

hidi_status hidi_class_find(const hidi_tensor_file *file, size_t n_classes, const char *text,
                            int32_t *label)
{
    char list[256] = "";
    long number;
    const char *names = hidi_tensor_file_meta(file, KEY);
    if (hidi_parse_long(text, &number) && number >= 0 && (size_t)number < n_classes) {
        *label = (int32_t)number;
        return HIDI_OK;
    }
    *label = 0;
    for (const char *name = names; name != NULL; ++*label) {
        const size_t length = strcspn(name, "\n"), used = strlen(list);
        if (strlen(text) == length && memcmp(name, text, length) == 0 &&
            (size_t)*label < n_classes)
            return HIDI_OK;
        if (used + length + 8 < sizeof list)
            snprintf(list + used, sizeof list - used, "%s%.*s", used ? ", " : "", (int)length, name);
        else if (used + 4 < sizeof list && strcmp(list + used - 3, "...") != 0)
            strcat(list, ",...");
        name = name[length] == '\n' ? name + length + 1 : NULL;
    }
    if (names != NULL)
        return hidi_error(HIDI_BAD_ARGUMENT, "the classes are 0 to %zu: %s", n_classes - 1, list);
    return hidi_error(HIDI_BAD_ARGUMENT, "the classes are 0 to %zu; the file has no names for them",
                      n_classes - 1);
}
