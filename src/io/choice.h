/* choice.h - names of an enum's values, in its order: one text of words separated by blanks, such
 * as "none cosine linear", that a header has beside the enum. */
#ifndef HIDI_IO_CHOICE_H
#define HIDI_IO_CHOICE_H

#include <stdbool.h>
#include <stddef.h>

/* The first word at `words` or after it, of *length characters; NULL: there are no more. */
const char *hidi_next_word(const char *words, size_t *length);

/* *index of the word that is `text`; false: there is none, and *index stays as it was. */
bool hidi_choice_find(const char *words, const char *text, int *index);

/* Word number `index` into text[size] (cut to what fits), "" if there is none; returns text. */
char *hidi_choice_name(const char *words, int index, char *text, size_t size);

#endif
