/* choice.c - a word's number among the words is the value that it names. */
#include "io/choice.h"

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
