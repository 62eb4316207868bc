/* json_file.h - single values out of the JSON files that lie beside other people's weights. */
#ifndef HIDI_IO_JSON_FILE_H
#define HIDI_IO_JSON_FILE_H

#include <stdbool.h>

#include "core/status.h"

/* The whole number, above 0, of a key at the top of the file; false: there is no such file or
 * number. */
bool hidi_json_file_number(const char *path, const char *key, long *value);

/* The same, whole or not. */
bool hidi_json_file_real(const char *path, const char *key, double *value);

/* Called for each of an object's texts. */
typedef hidi_status hidi_json_file_taker(void *context, const char *key, const char *text);

/* The texts of the object that is called `key` at the top of the file, in order.  HIDI_BAD_FORMAT
 * if it is not JSON, or has no such object of texts. */
hidi_status hidi_json_file_texts(const char *path, const char *key, hidi_json_file_taker *take,
                                 void *context);

/* The same for a file of a JSON object a line (.jsonl), each with two texts: take(context, the
 * value of `name`, that of `text`).  Empty lines are skipped; what else is not so is an error with
 * its line. */
hidi_status hidi_json_lines_texts(const char *path, const char *name, const char *text,
                                  hidi_json_file_taker *take, void *context);

#endif
