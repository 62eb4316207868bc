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

/* Insertions, deletions and substitutions of a character and exchanges of neighbours that lead from
 * a to b (optimal string alignment: none of them touches another); SIZE_MAX if b has more than 127
 * characters. */
size_t hidi_edit_distance(const char *a, const char *b);

/* Is `text` so near to `word` that it may be meant? */
bool hidi_is_misspelt(const char *text, const char *word);

#endif
