/* differences.c - lines are looked up by their keys, so that settings which one version of hidi
 * knows and another does not are differences like any other: of "nothing". */
#include "io/differences.h"

#include <stdio.h>
#include <string.h>

/* A line "key = value". */
typedef struct setting {
    const char *key, *value;
    int key_length, value_length;
} setting;

/* Takes the next line from *text; false at its end. */
static bool next_setting(const char **text, setting *s)
{
    if (**text == '\0')
        return false;
    const int line = (int)strcspn(*text, "\n");
    const char *equals = strstr(*text, " = ");
    s->key = *text;
    if (equals == NULL || equals >= *text + line)
        equals = *text + line;
    s->key_length = (int)(equals - *text);
    s->value = equals + (equals < *text + line ? 3 : 0);
    s->value_length = (int)(*text + line - s->value);
    *text += line + ((*text)[line] == '\n');
    return true;
}

static bool find(const char *text, const setting *like, setting *found)
{
    while (next_setting(&text, found))
        if (found->key_length == like->key_length &&
            memcmp(found->key, like->key, (size_t)like->key_length) == 0)
            return true;
    *found = (setting){like->key, "nothing", like->key_length, 7};
    return false;
}

static bool same_value(const setting *a, const setting *b)
{
    return a->value_length == b->value_length &&
           memcmp(a->value, b->value, (size_t)a->value_length) == 0;
}

static void append(char *text, size_t size, size_t n, const setting *before, const setting *now)
{
    const size_t used = strlen(text);
    const char *value = now->value_length > 0 ? now->value : "\"\"";
    const char *old = before->value_length > 0 ? before->value : "\"\"";
    if (n > 8 || used + 128 > size)
        return;
    snprintf(text + used, size - used, "%s%.*s %.*s, now %.*s", n > 1 ? "; " : "",
             before->key_length, before->key, before->value_length > 0 ? before->value_length : 2,
             old, now->value_length > 0 ? now->value_length : 2, value);
}

size_t hidi_text_differences(char *text, size_t size, const char *before, const char *now)
{
    setting a, b;
    size_t n = 0;
    text[0] = '\0';
    for (const char *at = before; next_setting(&at, &a);) {
        find(now, &a, &b);
        if (!same_value(&a, &b))
            append(text, size, ++n, &a, &b);
    }
    for (const char *at = now; next_setting(&at, &b);)
        if (!find(before, &b, &a))
            append(text, size, ++n, &a, &b);
    const size_t used = strlen(text);
    if (n > 8 && used + 32 < size)
        snprintf(text + used, size - used, "; %zu in all", n);
    return n;
}

static bool ends_in(const setting *s, const char *ending)
{
    const int length = (int)strlen(ending);
    return s->key_length >= length &&
           memcmp(s->key + s->key_length - length, ending, (size_t)length) == 0;
}

bool hidi_only_difference(const char *before, const char *now, const char *ending, char *before_is,
                          char *now_is, size_t size)
{
    setting a, b;
    char all[256];
    if (hidi_text_differences(all, sizeof all, before, now) != 1)
        return false;
    for (const char *at = before; next_setting(&at, &a);)
        if (find(now, &a, &b) && !same_value(&a, &b)) {
            snprintf(before_is, size, "%.*s", a.value_length, a.value);
            snprintf(now_is, size, "%.*s", b.value_length, b.value);
            return ends_in(&a, ending);
        }
    return false;
}

char *hidi_text_value(char *value, size_t size, const char *text, const char *ending)
{
    setting s;
    value[0] = '\0';
    while (next_setting(&text, &s))
        if (ends_in(&s, ending))
            snprintf(value, size, "%.*s", s.value_length, s.value);
    return value;
}
