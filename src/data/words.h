/* words.h - captions as numbers of words.
 *
 * A vocabulary is one text, its words separated by spaces; word k of it (from 0) has the number
 * k + 2.  0 is the null caption's token, 1 a word that is not in the vocabulary.  Words are what
 * stands between spaces and punctuation; ASCII capitals do not matter, and letters beyond ASCII are
 * taken as they are.
 */
#ifndef HIDI_DATA_WORDS_H
#define HIDI_DATA_WORDS_H

#include <stddef.h>
#include <stdint.h>

#include "../core/status.h"

enum { HIDI_NULL_WORD = 0, HIDI_UNKNOWN_WORD = 1, HIDI_FIRST_WORD = 2 };

/* Rows of a table for this vocabulary: its words, and two. */
size_t hidi_words_rows(const char *vocabulary);

/* What a caption has that is not in the vocabulary. */
typedef struct hidi_unknown_words {
    size_t n;
    char first[48];
} hidi_unknown_words;

/* The numbers of a caption's words into token [most], and how many into *length; unknown (NULL: not
 * wanted) is added to.  HIDI_BAD_FORMAT for text that is not UTF-8, for a caption without a word
 * and for one of more than `most`. */
hidi_status hidi_words_read(const char *vocabulary, const char *text, size_t most, int32_t *token,
                            int32_t *length, hidi_unknown_words *unknown);

/* The words of some captions, the most frequent first (those as frequent in the order of bytes). */
typedef struct hidi_word_counts {
    size_t n;         /* words                                 */
    char *vocabulary; /* all of them, in lower case            */
    size_t *captions; /* [n], how often each is in them        */
} hidi_word_counts;

hidi_status hidi_words_count(hidi_word_counts *counts, const char *const *text, size_t n);
void hidi_word_counts_free(hidi_word_counts *counts);

#endif
