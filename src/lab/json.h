/* json.h - values for jansson, and printing them. */
#ifndef HIDI_LAB_JSON_H
#define HIDI_LAB_JSON_H

#include <jansson.h>
#include <stdio.h>

#include "core/status.h"

/* A text; bytes that are not UTF-8 become '?'. */
json_t *hidi_json_text(const char *text);

/* A number; null if it is not finite, which JSON cannot express. */
json_t *hidi_json_number(double x);

/* Prints the value, with so many digits of each number, and a line's end; takes it over. */
hidi_status hidi_json_print(FILE *out, json_t *value, size_t digits);

#endif
