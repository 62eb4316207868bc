/* json_file.c - JSON is read by jansson; what is not as expected is an error or not there. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "io/json_file.h"

#include <jansson.h>
#include <stdlib.h>
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

bool hidi_json_file_number(const char *path, const char *key, long *value)
{
    json_t *json;

    if (access(path, R_OK) != 0 || load(path, &json) != HIDI_OK)
        return false;
    const json_t *number = json_object_get(json, key);
    const bool is_there = json_is_integer(number) && json_integer_value(number) > 0;
    if (is_there)
        *value = (long)json_integer_value(number);
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
