/* given.c - the keys of --set that are of a network in a file, and not of the settings. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/given.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "io/choice.h"
#include "io/number.h"

/* Each has a reader: false for a value that it is not. */
static bool take_heads(const char *text, hidi_dit_given *g)
{
    long n;
    const bool is = hidi_parse_long(text, &n) && n >= 1 && n <= 65536;
    g->heads = is ? (size_t)n : 0;
    return is;
}

static bool take_time_scale(const char *text, hidi_dit_given *g)
{
    return hidi_parse_double(text, &g->time_scale) && g->time_scale > 0 && g->time_scale <= 1e6;
}

static bool take_image_size(const char *text, hidi_dit_given *g)
{
    long n;
    const bool is = hidi_parse_long(text, &n) && n >= 1 && n <= 16384;
    g->image_size = is ? (size_t)n : 0;
    return is;
}

static bool take_word(const char *words, const char *text, int *number)
{
    const bool is = hidi_choice_find(words, text, number);
    *number = is ? *number + 1 : 0;
    return is;
}

static bool take_prediction(const char *text, hidi_dit_given *g)
{
    return take_word(HIDI_PREDICTIONS, text, &g->prediction);
}

static bool take_code(const char *text, hidi_dit_given *g)
{
    return take_word(HIDI_DIT_CODES, text, &g->code);
}

static bool take_caption_length(const char *text, hidi_dit_given *g)
{
    long n;
    const bool is = hidi_parse_long(text, &n) && n >= 1 && n <= 1024;
    g->caption_length = is ? (size_t)n : 0;
    return is;
}

static const struct {
    const char *key;
    bool (*take)(const char *text, hidi_dit_given *given);
    const char *expected;
} keys[] = {{"heads", take_heads, "a whole number from 1"},
            {"time_scale", take_time_scale, "a number above 0"},
            {"prediction", take_prediction, "one of: " HIDI_PREDICTIONS},
            {"image_size", take_image_size, "a whole number from 1"},
            {"code", take_code, "one of: " HIDI_DIT_CODES},
            {"caption_length", take_caption_length, "a whole number from 1 to 1024"}};

hidi_status hidi_given_set(hidi_given *given, const char *assignment, bool *taken)
{
    static const char teacher[] = "teacher.";
    const bool is_teacher = strncmp(assignment, teacher, strlen(teacher)) == 0;
    const char *key = assignment + (is_teacher ? strlen(teacher) : 0);
    const size_t length = strcspn(key, "=");
    *taken = false;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (strlen(keys[i].key) != length || strncmp(keys[i].key, key, length) != 0 ||
            key[length] != '=')
            continue;
        *taken = true;
        if (keys[i].take(key + length + 1,
                         &given->of[is_teacher ? HIDI_GIVEN_TEACHER : HIDI_GIVEN_ALL]))
            return HIDI_OK;
        return hidi_error(HIDI_BAD_ARGUMENT, "%s: expected %s", assignment, keys[i].expected);
    }
    return HIDI_OK;
}

hidi_dit_given hidi_given_for(const hidi_given *given, hidi_given_role role, int unsaid)
{
    const hidi_dit_given *own = &given->of[role], *all = &given->of[HIDI_GIVEN_ALL];
    hidi_dit_given g = {.heads = own->heads ? own->heads : all->heads,
                        .time_scale = own->time_scale > 0 ? own->time_scale : all->time_scale,
                        .image_size = own->image_size ? own->image_size : all->image_size,
                        .prediction = own->prediction ? own->prediction : all->prediction,
                        .code = own->code ? own->code : all->code,
                        .caption_length =
                            own->caption_length ? own->caption_length : all->caption_length};
    if (g.prediction == 0)
        g.prediction = unsaid;
    return g;
}

static hidi_status number_to_file(hidi_tensor_file *file, const char *key, size_t number)
{
    char text[32];
    if (number == 0)
        return HIDI_OK;
    snprintf(text, sizeof text, "%zu", number);
    return hidi_tensor_file_set_meta(file, key, text);
}

static hidi_status word_to_file(hidi_tensor_file *file, const char *key, const char *words, int i)
{
    char text[32];
    if (i == 0)
        return HIDI_OK;
    return hidi_tensor_file_set_meta(file, key, hidi_choice_name(words, i - 1, text, sizeof text));
}

hidi_status hidi_given_to_file(const hidi_dit_given *g, hidi_tensor_file *file)
{
    char text[HIDI_NUMBER_TEXT];
    HIDI_TRY(number_to_file(file, "hidi.heads", g->heads));
    if (g->time_scale > 0)
        HIDI_TRY(hidi_tensor_file_set_meta(file, "hidi.time_scale",
                                           hidi_format_double(text, g->time_scale)));
    HIDI_TRY(word_to_file(file, "hidi.prediction", HIDI_PREDICTIONS, g->prediction));
    HIDI_TRY(number_to_file(file, "hidi.image_size", g->image_size));
    HIDI_TRY(number_to_file(file, "hidi.caption_length", g->caption_length));
    return word_to_file(file, "hidi.code", HIDI_DIT_CODES, g->code);
}

char *hidi_given_text(const hidi_dit_given *g, char *text, size_t size)
{
    char word[32];
    size_t used = 0;
    text[0] = '\0';
    if (g->heads > 0)
        used += (size_t)snprintf(text + used, size - used, "heads = %zu\n", g->heads);
    if (g->time_scale > 0 && used < size) {
        hidi_print_double(word, sizeof word, "%.17g", g->time_scale);
        used += (size_t)snprintf(text + used, size - used, "time_scale = %s\n", word);
    }
    if (g->prediction > 0 && used < size)
        used += (size_t)snprintf(
            text + used, size - used, "prediction = %s\n",
            hidi_choice_name(HIDI_PREDICTIONS, g->prediction - 1, word, sizeof word));
    if (g->image_size > 0 && used < size)
        used += (size_t)snprintf(text + used, size - used, "image_size = %zu\n", g->image_size);
    if (g->code > 0 && used < size)
        used += (size_t)snprintf(text + used, size - used, "code = %s\n",
                                 hidi_choice_name(HIDI_DIT_CODES, g->code - 1, word, sizeof word));
    if (g->caption_length > 0 && used < size)
        snprintf(text + used, size - used, "caption_length = %zu\n", g->caption_length);
    return text;
}
