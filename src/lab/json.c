/* json.c - what JSON cannot hold, text that is not UTF-8 and numbers that are not finite, in a form
 * that it can. */
#include "lab/json.h"

#include <math.h>

json_t *hidi_json_text(const char *text)
{
    json_t *value = json_string(text);
    char copy[1024];
    if (value != NULL)
        return value;
    snprintf(copy, sizeof copy, "%s", text);
    for (char *c = copy; *c != '\0'; c++)
        if ((unsigned char)*c > 127)
            *c = '?';
    return json_string(copy);
}

json_t *hidi_json_number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

hidi_status hidi_json_print(FILE *out, json_t *value, size_t digits)
{
    const int code = json_dumpf(value, out, JSON_INDENT(2) | JSON_REAL_PRECISION(digits));
    json_decref(value);
    fputc('\n', out);
    return code == 0 ? HIDI_OK : hidi_error(HIDI_BAD_FILE, "cannot write JSON");
}
