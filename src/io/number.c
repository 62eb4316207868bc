/* number.c - strtod and printf take the decimal point from the locale: it is put in before one, and
 * taken out after the other. */
#include "io/number.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST 255 /* characters of a number that is read */

bool hidi_parse_long(const char *text, long *value)
{
    char *end;
    size_t length = strspn(text, "+-0123456789");

    if (length == 0 || text[length] != '\0')
        return false;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (*end != '\0' || end == text || errno == ERANGE)
        return false;
    *value = number;
    return true;
}

bool hidi_parse_longs(const char *text, long least, long most, int room, long *values, int *n)
{
    const char *at = text;
    *n = 0;
    do {
        const size_t length = strcspn(at, ",");
        char number[HIDI_NUMBER_TEXT];
        snprintf(number, sizeof number, "%.*s", length < sizeof number ? (int)length : 0, at);
        if (*n == room || !hidi_parse_long(number, &values[*n]) || values[*n] < least ||
            values[*n] > most)
            return false;
        ++*n;
        at += length + (at[length] == ',');
    } while (*at != '\0');
    return true;
}

/* strtod wants the decimal point of the program's locale, which is not ours to change. */
bool hidi_parse_double(const char *text, double *value)
{
    const char *point = localeconv()->decimal_point;
    size_t point_bytes = strlen(point), length = strlen(text), n = 0;
    char local[LONGEST + 16], *end;

    if (length == 0 || length > LONGEST || point_bytes > 15)
        return false;
    if (strspn(text, "+-0123456789.eE") != length)
        return false;
    bool seen_point = false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] != '.') {
            local[n++] = text[i];
            continue;
        }
        if (seen_point)
            return false;
        seen_point = true;
        memcpy(local + n, point, point_bytes);
        n += point_bytes;
    }
    local[n] = '\0';
    double number = strtod(local, &end);
    if (*end != '\0' || end == local || !isfinite(number))
        return false;
    *value = number;
    return true;
}

static void point_from_locale(char *text)
{
    const char *point = localeconv()->decimal_point;
    char *found = strstr(text, point);
    size_t bytes = strlen(point);

    if (bytes == 0 || found == NULL)
        return;
    *found = '.';
    memmove(found + 1, found + bytes, strlen(found + bytes) + 1);
}

char *hidi_print_double(char *text, size_t size, const char *format, double value)
{
    snprintf(text, size, format, value);
    point_from_locale(text);
    return text;
}

char *hidi_format_double(char *text, double value)
{
    if (isnan(value))
        return strcpy(text, "nan");
    if (isinf(value))
        return strcpy(text, value < 0 ? "-inf" : "inf");
    for (int digits = 15; digits <= 17; digits++) {
        double back;

        snprintf(text, HIDI_NUMBER_TEXT, "%.*g", digits, value);
        point_from_locale(text);
        if (hidi_parse_double(text, &back) && !(back < value) && !(back > value))
            break;
    }
    return text;
}
