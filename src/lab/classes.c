/* classes.c - class number i is line i of a model's metadata "hidi.classes".  A name that has a
 * line break in it (a folder's may) would shift the others: then none are written. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/classes.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "io/atomic_file.h"
#include "io/number.h"

#define KEY "hidi.classes"

hidi_status hidi_classes_to_file(const hidi_dataset *data, hidi_tensor_file *file)
{
    const size_t longest = sizeof data->class_name[0];
    if (data->captions != NULL)
        return data->captions->words == NULL
                   ? HIDI_OK
                   : hidi_tensor_file_add_meta(file, "hidi.words", data->captions->words);
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

/* --- a list of names -------------------------------------------------------------------------- */

/* What comes before the name in line number i: "207: ", "207 ", "n02099601 " and the like. */
static size_t number_length(const char *line, size_t i)
{
    char *end;
    size_t n = line[0] == 'n' ? 1 : 0;
    const size_t digits = strspn(line + n, "0123456789");
    if (n == 1 && digits != 8)
        return 0;
    if (n == 0 && (digits == 0 || strtoul(line, &end, 10) != i))
        return 0;
    n += digits;
    if (line[n] != ':' && line[n] != ',' && line[n] != ' ' && line[n] != '\t')
        return 0;
    return n + strspn(line + n, ":, \t");
}

/* The lines of `text`, cleaned, joined by line breaks at its beginning; how many there are. */
static size_t clean(char *text)
{
    size_t n = 0;
    char *to = text;
    for (char *line = text; line != NULL && *line != '\0'; n++) {
        char *next = strchr(line, '\n');
        size_t length = next != NULL ? (size_t)(next - line) : strlen(line);
        const size_t skip = number_length(line, n);
        line += skip;
        length -= skip;
        while (length > 0 && isspace((unsigned char)line[length - 1]))
            length--;
        if (n > 0)
            *to++ = '\n';
        memmove(to, line, length);
        to += length;
        line = next != NULL ? next + 1 : NULL;
    }
    *to = '\0';
    return n;
}

hidi_status hidi_classes_read(const char *path, size_t n_classes, hidi_tensor_file *file)
{
    unsigned char *text;
    HIDI_TRY(hidi_read_file(path, &text, NULL));
    const size_t n = clean((char *)text);
    hidi_status status = HIDI_OK;
    if (n != n_classes)
        status = hidi_error(HIDI_BAD_FORMAT, "%s: names of %zu classes, one a line; the network "
                                             "has %zu",
                            path, n, n_classes);
    if (status == HIDI_OK)
        status = hidi_tensor_file_set_meta(file, KEY, (const char *)text);
    free(text);
    return status;
}

/* --- one of them ------------------------------------------------------------------------------ */

/* Is `text` this name, or one of those that commas separate in it? */
static bool is_named(const char *name, size_t length, const char *text)
{
    const size_t wanted = strlen(text);
    if (length == wanted && strncasecmp(name, text, length) == 0)
        return true;
    for (size_t at = 0; at < length;) {
        at += strspn(name + at, ", ");
        const char *comma = at < length ? memchr(name + at, ',', length - at) : NULL;
        const size_t end = comma != NULL ? (size_t)(comma - name) : length;
        if (end >= at && end - at == wanted && strncasecmp(name + at, text, wanted) == 0)
            return true;
        at = end + 1;
    }
    return false;
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
        if (is_named(name, length, text) && (size_t)*label < n_classes)
            return HIDI_OK;
        if (used + length + 8 < sizeof list)
            snprintf(list + used, sizeof list - used, "%s%.*s", used ? ", " : "", (int)length, name);
        else if (used + 4 < sizeof list && strcmp(list + used - 3, "...") != 0)
            strcat(list, ",...");
        name = name[length] == '\n' ? name + length + 1 : NULL;
    }
    if (names != NULL)
        return hidi_error(HIDI_BAD_ARGUMENT, "the classes are 0 to %zu: %s", n_classes - 1, list);
    return hidi_error(HIDI_BAD_ARGUMENT, "the classes are 0 to %zu; the file has no names for them "
                                         "(--classes FILE gives a list)",
                      n_classes - 1);
}
