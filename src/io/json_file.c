/* json_file.c - JSON is read by jansson; what is not as expected is an error or not there. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "io/json_file.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/atomic_file.h"

static hidi_status load(const char *path, json_t **json)
{
    unsigned char *text;
    json_error_t reason;
    size_t bytes;

    HIDI_TRY(hidi_read_file(path, &text, &bytes));
    *json = json_loadb((const char *)text, bytes, 0, &reason);
    free(text);
    return *json != NULL ? HIDI_OK
                         : hidi_error(HIDI_BAD_FORMAT, "%s: line %d: %s", path, reason.line,
                                      reason.text);
}

/* The file, which the caller lets go, and the value of a key at its top (NULL: it has none); NULL:
 * no file that can be read. */
static json_t *load_with(const char *path, const char *key, const json_t **value)
{
    json_t *json = NULL;

    if (access(path, R_OK) != 0 || load(path, &json) != HIDI_OK)
        return NULL;
    *value = json_object_get(json, key);
    return json;
}

bool hidi_json_file_number(const char *path, const char *key, long *value)
{
    const json_t *number = NULL;
    json_t *json = load_with(path, key, &number);
    const bool is_there = json_is_integer(number) && json_integer_value(number) > 0;

    if (is_there)
        *value = (long)json_integer_value(number);
    json_decref(json);
    return is_there;
}

bool hidi_json_file_real(const char *path, const char *key, double *value)
{
    const json_t *number = NULL;
    json_t *json = load_with(path, key, &number);
    const bool is_there = json_is_number(number) && json_number_value(number) > 0;

    if (is_there)
        *value = json_number_value(number);
    json_decref(json);
    return is_there;
}

static hidi_status take_all(json_t *object, const char *path, const char *key,
                            hidi_json_file_taker *take, void *context)
{
    const char *name;
    json_t *text;

    if (!json_is_object(object))
        return hidi_error(HIDI_BAD_FORMAT, "%s: no object \"%s\"", path, key);
    json_object_foreach(object, name, text) {
        if (!json_is_string(text))
            return hidi_error(HIDI_BAD_FORMAT, "%s: %s: \"%s\" is not text", path, key, name);
        HIDI_TRY(take(context, name, json_string_value(text)));
    }
    return HIDI_OK;
}

hidi_status hidi_json_file_texts(const char *path, const char *key, hidi_json_file_taker *take,
                                 void *context)
{
    json_t *json;

    HIDI_TRY(load(path, &json));
    const hidi_status status = take_all(json_object_get(json, key), path, key, take, context);
    json_decref(json);
    return status;
}

static hidi_status take_line(const char *line, size_t bytes, const char *const keys[2],
                             hidi_json_file_taker *take, void *context)
{
    json_error_t reason;
    json_t *json = json_loadb(line, bytes, 0, &reason);
    if (json == NULL)
        return hidi_error(HIDI_BAD_FORMAT, "%s", reason.text);
    const char *value[2];
    hidi_status status = HIDI_OK;
    for (int i = 0; i < 2 && status == HIDI_OK; i++) {
        value[i] = json_string_value(json_object_get(json, keys[i]));
        if (value[i] == NULL)
            status = hidi_error(HIDI_BAD_FORMAT, "no text \"%s\"", keys[i]);
    }
    if (status == HIDI_OK)
        status = take(context, value[0], value[1]);
    json_decref(json);
    return status;
}

hidi_status hidi_json_lines_texts(const char *path, const char *name, const char *text,
                                  hidi_json_file_taker *take, void *context)
{
    const char *const keys[2] = {name, text};
    unsigned char *all;
    size_t bytes;
    long line = 1;
    HIDI_TRY(hidi_read_file(path, &all, &bytes));
    hidi_status status = HIDI_OK;
    for (size_t at = 0, n; at < bytes && status == HIDI_OK; at += n + 1, line++) {
        const unsigned char *end = memchr(all + at, '\n', bytes - at);
        n = end != NULL ? (size_t)(end - (all + at)) : bytes - at;
        if (n > 0 && !(n == 1 && all[at] == '\r'))
            status = hidi_error_prefix(take_line((const char *)all + at, n, keys, take, context),
                                       "%s: line %ld", path, line);
    }
    free(all);
    return status;
}
