/* differences.h - settings as text, a line "key = value" for each: which of them differ. */
#ifndef HIDI_IO_DIFFERENCES_H
#define HIDI_IO_DIFFERENCES_H

#include <stdbool.h>
#include <stddef.h>

/* "teacher.batch 64, now 32; dm.head awd, now none" into text[size] (cut after some, with their
 * number); returns how many differ. */
size_t hidi_text_differences(char *text, size_t size, const char *before, const char *now);

/* Is a key ending in this the only one that differs?  Then its values are in before[size] and
 * now_is[size]. */
bool hidi_only_difference(const char *before, const char *now, const char *ending, char *before_is,
                          char *now_is, size_t size);

/* The value of the only key that ends in this, in value[size]; "" if there is none. */
char *hidi_text_value(char *value, size_t size, const char *text, const char *ending);

#endif
