/* number.h - numbers as text, the same in every locale: '.' is the decimal point. */
#ifndef HIDI_IO_NUMBER_H
#define HIDI_IO_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

#define HIDI_NUMBER_TEXT 32 /* bytes that hold any formatted number and its 0 */

/* All of `text` must be one decimal number; false if it is not, or does not fit the type.  No white
 * space, hexadecimal, "inf" or "nan". */
bool hidi_parse_long(const char *text, long *value);
bool hidi_parse_double(const char *text, double *value);

/* "1,3": numbers from least to most with commas between them, into values[room], and *n of them, 1
 * or more; false if it is not that, or there are more. */
bool hidi_parse_longs(const char *text, long least, long most, int room, long *values, int *n);

/* The shortest of %.15g, %.16g and %.17g that reads back as `value` (also "inf", "-inf", "nan")
 * into text[HIDI_NUMBER_TEXT]; returns text. */
char *hidi_format_double(char *text, double value);

/* What printf makes of a format for one double, such as "%.6g", into text[size]; returns text. */
char *hidi_print_double(char *text, size_t size, const char *format, double value);

#endif
