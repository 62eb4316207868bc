/* choice.c - a word's number among the words is the value that it names; and how far a word is from
 * what somebody typed. */
#include "io/choice.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define BLANKS " \t\r\n"

const char *hidi_next_word(const char *words, size_t *length)
{
    words += strspn(words, BLANKS);
    *length = strcspn(words, BLANKS);
    return *length == 0 ? NULL : words;
}

bool hidi_choice_find(const char *words, const char *text, int *index)
{
    size_t length;
    const char *word = hidi_next_word(words, &length);

    for (int i = 0; word != NULL; word = hidi_next_word(word + length, &length), i++)
        if (strlen(text) == length && memcmp(word, text, length) == 0) {
            *index = i;
            return true;
        }
    return false;
}

char *hidi_choice_name(const char *words, int index, char *text, size_t size)
{
    size_t length;
    const char *word = hidi_next_word(words, &length);

    for (; index > 0 && word != NULL; index--)
        word = hidi_next_word(word + length, &length);
    snprintf(text, size, "%.*s", word == NULL ? 0 : (int)length, word == NULL ? "" : word);
    return text;
}

/* Row i of the table of distances, from the two before it: row[j] is that of a[0 .. i) to
 * b[0 .. j), row i - 1 is `one` and row i - 2 `two`. */
static void next_row(size_t *row, const size_t *one, const size_t *two, const char *a, size_t i,
                     const char *b, size_t n)
{
    row[0] = i;
    for (size_t j = 1; j <= n; j++) {
        row[j] = one[j - 1] + (a[i - 1] != b[j - 1]);
        if (one[j] + 1 < row[j])
            row[j] = one[j] + 1;
        if (row[j - 1] + 1 < row[j])
            row[j] = row[j - 1] + 1;
        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
            two[j - 2] + 1 < row[j])
            row[j] = two[j - 2] + 1;
    }
}

size_t hidi_edit_distance(const char *a, const char *b)
{
    size_t rows[3][128];
    const size_t n = strlen(b);
    if (n > 127)
        return SIZE_MAX;
    for (size_t j = 0; j <= n; j++)
        rows[0][j] = j;
    size_t i = 1;
    for (; a[i - 1] != '\0'; i++)
        next_row(rows[i % 3], rows[(i - 1) % 3], rows[(i + 1) % 3], a, i, b, n);
    return rows[(i - 1) % 3][n];
}

bool hidi_is_misspelt(const char *text, const char *word)
{
    const size_t distance = hidi_edit_distance(text, word), length = strlen(word);
    return distance <= (length < 6 ? 1 : length / 3);
}
