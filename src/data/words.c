/* words.c - text is cut into words, and words are looked up in a vocabulary. */
#include "data/words.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

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
