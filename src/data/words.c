/* words.c - text is cut into words, and words are looked up in a vocabulary. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "data/words.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/captions.h"

/* --- UTF-8 ------------------------------------------------------------------------------------ */

/* Bytes of the character at s; 0: it is none (RFC 3629: no overlong forms, surrogates, or numbers
 * beyond U+10FFFF). */
static size_t character_length(const unsigned char *s)
{
    const size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3
                   : s[0] < 0xf5 ? 4 : 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

static hidi_status check_utf8(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    for (size_t n; *s != '\0'; s += n) {
        n = character_length(s);
        if (n == 0)
            return hidi_error(HIDI_BAD_FORMAT, "a caption is not UTF-8 at byte %zu",
                              (size_t)(s - (const unsigned char *)text));
    }
    return HIDI_OK;
}

/* --- words ------------------------------------------------------------------------------------ */

static bool is_of_word(char c)
{
    return (unsigned char)c >= 0x80 || isalnum((unsigned char)c);
}

/* The next word from *text on, which is moved behind it; 0: there is none. */
static size_t next_word(const char **text, const char **word)
{
    const char *s = *text;
    while (*s != '\0' && !is_of_word(*s))
        s++;
    *word = s;
    while (is_of_word(*s))
        s++;
    *text = s;
    return (size_t)(s - *word);
}

static bool same_word(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (tolower((unsigned char)a[i]) != tolower((unsigned char)b[i]))
            return false;
    return true;
}

static int32_t find_word(const char *vocabulary, const char *word, size_t n)
{
    const char *entry;
    int32_t number = HIDI_FIRST_WORD;
    for (size_t m; (m = next_word(&vocabulary, &entry)) > 0; number++)
        if (m == n && same_word(entry, word, n))
            return number;
    return HIDI_UNKNOWN_WORD;
}

size_t hidi_words_rows(const char *vocabulary)
{
    const char *word;
    size_t rows = HIDI_FIRST_WORD;
    while (next_word(&vocabulary, &word) > 0)
        rows++;
    return rows;
}

hidi_status hidi_words_read(const char *vocabulary, const char *text, size_t most, int32_t *token,
                            int32_t *length, hidi_unknown_words *unknown)
{
    const char *word;
    size_t n = 0;
    HIDI_TRY(check_utf8(text));
    for (size_t m; (m = next_word(&text, &word)) > 0; n++) {
        if (n >= most)
            continue;
        token[n] = find_word(vocabulary, word, m);
        if (token[n] != HIDI_UNKNOWN_WORD || unknown == NULL)
            continue;
        if (unknown->n++ == 0)
            snprintf(unknown->first, sizeof unknown->first, "%.*s", (int)m, word);
    }
    if (n == 0)
        return hidi_error(HIDI_BAD_FORMAT, "a caption without a word");
    if (n > most)
        return hidi_error(HIDI_BAD_FORMAT, "a caption of %zu words, of at most %zu", n, most);
    *length = (int32_t)n;
    return HIDI_OK;
}

/* --- captions as text ------------------------------------------------------------------------- */

/* Word `number` of the vocabulary, of *n bytes; of numbers that are no word's, none. */
static const char *word_of(const char *vocabulary, int32_t number, size_t *n)
{
    const char *word = vocabulary;
    *n = 0;
    for (int32_t k = HIDI_FIRST_WORD; k <= number; k++)
        *n = next_word(&vocabulary, &word);
    return word;
}

/* The words of its tokens, into out, if that is not NULL; returns their bytes. */
static size_t write_words(const hidi_captions *list, size_t i, char *out)
{
    size_t bytes = 0;
    for (size_t k = 0; k < (size_t)list->length[i]; k++) {
        size_t n;
        const char *word = word_of(list->words, list->token[i * list->most + k], &n);
        if (out != NULL)
            snprintf(out + bytes, n + 2, "%s%.*s", k > 0 ? " " : "", (int)n, word);
        bytes += n + (k > 0);
    }
    return bytes;
}

char *hidi_captions_text(const hidi_captions *list, size_t i)
{
    if (list->text != NULL)
        return strdup(list->text[i]);
    if (list->token == NULL || list->words == NULL)
        return calloc(1, 1);
    char *text = calloc(write_words(list, i, NULL) + 2, 1);
    if (text != NULL)
        write_words(list, i, text);
    return text;
}

/* --- a vocabulary ----------------------------------------------------------------------------- */

typedef struct counted {
    char *word;
    size_t n;
} counted;

static int by_word(const void *a, const void *b)
{
    return strcmp(((const counted *)a)->word, ((const counted *)b)->word);
}

static int by_count(const void *a, const void *b)
{
    const counted *p = a, *q = b;
    if (p->n != q->n)
        return p->n > q->n ? -1 : 1;
    return strcmp(p->word, q->word);
}

/* Copies of all words, with repetitions, into one piece of memory, and a list of them. */
static size_t list_words(const char *const *text, size_t n, char *copy, counted *list)
{
    size_t words = 0;
    for (size_t i = 0; i < n; i++) {
        const char *at = text[i], *word;
        for (size_t m; (m = next_word(&at, &word)) > 0; words++) {
            list[words] = (counted){copy, 1};
            for (size_t k = 0; k < m; k++)
                *copy++ = (char)tolower((unsigned char)word[k]);
            *copy++ = '\0';
        }
    }
    return words;
}

/* Equal words become one. */
static size_t merge(counted *list, size_t n)
{
    size_t kept = 0;
    qsort(list, n, sizeof *list, by_word);
    for (size_t i = 0; i < n; i++)
        if (kept > 0 && strcmp(list[kept - 1].word, list[i].word) == 0)
            list[kept - 1].n++;
        else
            list[kept++] = list[i];
    qsort(list, kept, sizeof *list, by_count);
    return kept;
}

hidi_status hidi_words_count(hidi_word_counts *counts, const char *const *text, size_t n)
{
    size_t bytes = 1;
    *counts = (hidi_word_counts){0};
    for (size_t i = 0; i < n; i++)
        bytes += strlen(text[i]) + 1;
    char *copy = malloc(bytes + 1);
    counted *list = malloc(bytes * sizeof *list); /* a word takes a byte or more */
    counts->vocabulary = calloc(bytes + 1, 1);
    counts->captions = calloc(bytes, sizeof *counts->captions);
    const bool complete = copy && list && counts->vocabulary && counts->captions;
    if (complete) {
        counts->n = merge(list, list_words(text, n, copy, list));
        char *end = counts->vocabulary;
        for (size_t k = 0; k < counts->n; k++) {
            const size_t length = strlen(list[k].word);
            memcpy(end, list[k].word, length);
            end[length] = k + 1 < counts->n ? ' ' : '\0';
            end += length + 1;
            counts->captions[k] = list[k].n;
        }
    }
    free(copy);
    free(list);
    return complete ? HIDI_OK : hidi_error(HIDI_NO_MEMORY, "out of memory for a vocabulary");
}

void hidi_word_counts_free(hidi_word_counts *counts)
{
    free(counts->vocabulary);
    free(counts->captions);
    *counts = (hidi_word_counts){0};
}
