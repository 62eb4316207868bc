/* config.c - one table says for every option where its value is, what it may be and what it means;
 * reading files, --set, defaults and printing all go through it. */
#include "io/config.h"

#include <errno.h>
#include <ini.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/choice.h"
#include "io/number.h"

#define BLANKS " \t\r\n"

/* --- one value -------------------------------------------------------------------------------- */

static size_t value_bytes(hidi_option_type type)
{
    switch (type) {
    case HIDI_OPTION_INT:
        return sizeof(long);
    case HIDI_OPTION_REAL:
        return sizeof(double);
    case HIDI_OPTION_TEXT:
        return HIDI_CONFIG_TEXT;
    default: /* BOOL, CHOICE */
        return sizeof(int);
    }
}

static hidi_status bad_number(const hidi_option *option, const char *text)
{
    const char *kind = option->type == HIDI_OPTION_INT ? "a whole number" : "a number";
    char least[HIDI_NUMBER_TEXT], most[HIDI_NUMBER_TEXT], range[2 * HIDI_NUMBER_TEXT + 16] = "";

    hidi_format_double(least, option->least);
    hidi_format_double(most, option->most);
    if (isfinite(option->least) && isfinite(option->most))
        snprintf(range, sizeof range, " from %s to %s", least, most);
    else if (isfinite(option->least))
        snprintf(range, sizeof range, " of at least %s", least);
    else if (isfinite(option->most))
        snprintf(range, sizeof range, " of at most %s", most);
    return hidi_error(HIDI_BAD_ARGUMENT, "%s: expected %s%s, found \"%s\"", option->key, kind,
                      range, text);
}

static hidi_status parse_bool(const hidi_option *option, const char *text, int *value)
{
    static const char *const words[2][4] = { { "no", "false", "off", "0" },
                                             { "yes", "true", "on", "1" } };

    for (int truth = 0; truth < 2; truth++)
        for (int i = 0; i < 4; i++)
            if (strcmp(text, words[truth][i]) == 0) {
                *value = truth;
                return HIDI_OK;
            }
    return hidi_error(HIDI_BAD_ARGUMENT,
                      "%s: expected yes or no (true, false, on, off, 1, 0), found \"%s\"",
                      option->key, text);
}

static hidi_status parse_choice(const hidi_option *option, const char *text, int *value)
{
    if (hidi_choice_find(option->choices, text, value))
        return HIDI_OK;
    return hidi_error(HIDI_BAD_ARGUMENT, "%s: expected one of: %s; found \"%s\"", option->key,
                      option->choices, text);
}

/* Only what comes back unchanged when it is printed as a line of a file and read again. */
static hidi_status parse_text(const hidi_option *option, const char *text, char *value)
{
    const char *name = strchr(option->key, '.') + 1;
    size_t longest = INI_MAX_LINE - 3 - strlen(" = ") - strlen(name);

    if (longest > HIDI_CONFIG_TEXT - 1)
        longest = HIDI_CONFIG_TEXT - 1;
    if (strlen(text) > longest)
        return hidi_error(HIDI_BAD_ARGUMENT, "%s: %zu characters, more than the %zu that fit",
                          option->key, strlen(text), longest);
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < 32 || *c == 127)
            return hidi_error(HIDI_BAD_ARGUMENT, "%s: a control character (%d) in the value",
                              option->key, *c);
        if (*c == ';' && (c == text || c[-1] == ' '))
            return hidi_error(HIDI_BAD_ARGUMENT,
                              "%s: \";\" at the start of a word would begin a comment",
                              option->key);
    }
    strcpy(value, text);
    return HIDI_OK;
}

/* Parses `text` into the option's place in `values`. */
static hidi_status parse_value(const hidi_option *option, const char *text, void *values)
{
    void *place = (unsigned char *)values + option->offset;

    switch (option->type) {
    case HIDI_OPTION_INT: {
        long number;
        if (!hidi_parse_long(text, &number) || (double)number < option->least ||
            (double)number > option->most)
            return bad_number(option, text);
        *(long *)place = number;
        return HIDI_OK;
    }
    case HIDI_OPTION_REAL: {
        double number;
        if (!hidi_parse_double(text, &number) || number < option->least || number > option->most)
            return bad_number(option, text);
        *(double *)place = number;
        return HIDI_OK;
    }
    case HIDI_OPTION_BOOL:
        return parse_bool(option, text, place);
    case HIDI_OPTION_TEXT:
        return parse_text(option, text, place);
    case HIDI_OPTION_CHOICE:
        return parse_choice(option, text, place);
    }
    return hidi_error(HIDI_BAD_ARGUMENT, "%s: an option of unknown type", option->key);
}

/* --- which option ----------------------------------------------------------------------------- */

static hidi_status find_option(const hidi_option *table, const char *key, const hidi_option **found)
{
    const hidi_option *closest = table;
    size_t least = SIZE_MAX;

    for (const hidi_option *option = table; option->key != NULL; option++) {
        const char *dot = strchr(option->key, '.'); /* a key without section is meant as one */
        const char *name = dot == NULL ? option->key : dot + 1;
        size_t distance = hidi_edit_distance(key, strchr(key, '.') == NULL ? name : option->key);
        if (strcmp(key, option->key) == 0) {
            *found = option;
            return HIDI_OK;
        }
        if (distance < least) {
            least = distance;
            closest = option;
        }
    }
    if (least == SIZE_MAX)
        return hidi_error(HIDI_BAD_ARGUMENT, "unknown option \"%s\"", key);
    return hidi_error(HIDI_BAD_ARGUMENT, "unknown option \"%s\"; did you mean \"%s\"?", key,
                      closest->key);
}

hidi_status hidi_config_defaults(const hidi_option *table, void *values)
{
    for (const hidi_option *option = table; option->key != NULL; option++)
        HIDI_TRY(hidi_error_prefix(parse_value(option, option->initial, values), "default"));
    return HIDI_OK;
}

hidi_status hidi_config_set(const hidi_option *table, void *values, const char *assignment)
{
    const char *equals = strchr(assignment, '=');
    const hidi_option *option = NULL;
    char key[128], value[HIDI_CONFIG_TEXT];

    if (equals == NULL)
        return hidi_error(HIDI_BAD_ARGUMENT, "expected section.name=value, found \"%s\"",
                          assignment);
    const char *key_end = equals, *text = equals + 1 + strspn(equals + 1, BLANKS);
    size_t length = strlen(text);

    assignment += strspn(assignment, BLANKS);
    while (key_end > assignment && strchr(BLANKS, key_end[-1]) != NULL)
        key_end--;
    while (length > 0 && strchr(BLANKS, text[length - 1]) != NULL)
        length--;
    if ((size_t)(key_end - assignment) >= sizeof key || length >= sizeof value)
        return hidi_error(HIDI_BAD_ARGUMENT, "\"%.40s...\" is too long", assignment);
    memcpy(key, assignment, (size_t)(key_end - assignment));
    key[key_end - assignment] = '\0';
    memcpy(value, text, length);
    value[length] = '\0';
    HIDI_TRY(find_option(table, key, &option));
    return parse_value(option, value, values);
}

/* --- a file ----------------------------------------------------------------------------------- */

/* What our line reader and our handler share while inih parses.  We read the lines ourselves,
 * because whether a handler is told a line's number, and whether it is told of a section without
 * values, is fixed when inih is built (INI_HANDLER_LINENO, INI_CALL_HANDLER_ON_NEW_SECTION: both 0
 * in Debian's), and because inih's own reader silently cuts long lines in two. */
typedef struct parse {
    hidi_config_taker *take;
    void *context;
    FILE *in;
    int line;
    hidi_status status; /* of the first error; parsing stops there */
} parse;

static void take_section(parse *state, const char *text)
{
    char section[128];
    const char *end = strchr(text, ']');
    const size_t length = end == NULL ? sizeof section : (size_t)(end - text) - 1;
    if (*text != '[' || length >= sizeof section)
        return;
    memcpy(section, text + 1, length);
    section[length] = '\0';
    state->status = state->take(state->context, state->line, section, NULL, NULL);
}

/* Like fgets, except that it takes leading blanks away (inih would take the line for a continuation
 * of the one before) and the text of comments, and refuses lines that inih would cut in two. */
static char *read_line(char *text, int size, void *stream)
{
    parse *state = stream;
    int used = 0, c = '\n';
    bool any = false, comment = false;

    if (state->status != HIDI_OK)
        return NULL;
    state->line++;
    while ((c = getc(state->in)) != EOF && c != '\n') {
        any = true;
        if (c == '\0') {
            state->status = hidi_error(HIDI_BAD_ARGUMENT, "a 0 byte: not a text file");
            return NULL;
        }
        comment = comment || (used == 0 && (c == ';' || c == '#'));
        if (comment || (used == 0 && (c == ' ' || c == '\t')))
            continue;
        if (used >= size - 3) {
            state->status = hidi_error(HIDI_BAD_ARGUMENT, "the line is longer than %d characters",
                                       size - 3);
            return NULL;
        }
        text[used++] = (char)c;
    }
    if (c == EOF && !any)
        return NULL;
    text[used++] = '\n';
    text[used] = '\0';
    take_section(state, text);
    return text;
}

static int handle(void *user, const char *section, const char *name, const char *value)
{
    parse *state = user;

    if (state->status == HIDI_OK)
        state->status = state->take(state->context, state->line, section, name, value);
    return state->status == HIDI_OK;
}

static hidi_status parse_file(parse *state, const char *path)
{
    /* inih reads through one pointer and reports through another: both are `state`. */
    int result = ini_parse_stream(read_line, state, handle, state);

    if (ferror(state->in))
        return hidi_error(HIDI_BAD_FILE, "%s: cannot read it", path);
    if (result > 0 && (state->status == HIDI_OK || result < state->line))
        return hidi_error(HIDI_BAD_ARGUMENT,
                          "%s:%d: neither \"[section]\" nor \"name = value\"", path, result);
    if (state->status != HIDI_OK)
        return hidi_error_prefix(state->status, "%s:%d", path, state->line);
    if (result < 0)
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory", path);
    return HIDI_OK;
}

hidi_status hidi_config_each(const char *path, hidi_config_taker *take, void *context)
{
    parse state = { take, context, fopen(path, "r"), 0, HIDI_OK };
    if (state.in == NULL)
        return hidi_error(HIDI_BAD_FILE, "%s: %s", path, strerror(errno));
    const hidi_status status = parse_file(&state, path);
    (void)fclose(state.in);
    return status;
}

/* --- a file of a table's options -------------------------------------------------------------- */

typedef struct reading {
    const hidi_option *table;
    unsigned char *values; /* a copy, so that an error leaves the caller's alone  */
    int *line_of;          /* [options] where each was set, 0: not yet            */
} reading;

static hidi_status take_value(void *context, int line, const char *section, const char *name,
                              const char *value)
{
    const reading *state = context;
    const hidi_option *option = NULL;
    char key[128];

    if (name == NULL)
        return HIDI_OK;
    if (*section == '\0')
        return hidi_error(HIDI_BAD_ARGUMENT, "\"%s\" stands before the first [section]", name);
    int length = snprintf(key, sizeof key, "%s.%s", section, name);
    if (length < 0 || (size_t)length >= sizeof key)
        return hidi_error(HIDI_BAD_ARGUMENT, "\"%.40s...\" is too long", name);
    HIDI_TRY(find_option(state->table, key, &option));
    int *seen = &state->line_of[option - state->table];
    if (*seen != 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "%s is already set in line %d", key, *seen);
    *seen = line;
    return parse_value(option, value, state->values);
}

hidi_status hidi_config_read(const hidi_option *table, void *values, const char *path)
{
    size_t options = 0, bytes = 0;
    unsigned char *caller = values;

    for (; table[options].key != NULL; options++) {
        size_t end = table[options].offset + value_bytes(table[options].type);
        bytes = end > bytes ? end : bytes;
    }
    reading state = { table, malloc(bytes + 1), calloc(options + 1, sizeof(int)) };
    hidi_status status;
    if (state.values == NULL || state.line_of == NULL) {
        status = hidi_error(HIDI_NO_MEMORY, "%s: out of memory", path);
    } else {
        memcpy(state.values, values, bytes);
        status = hidi_config_each(path, take_value, &state);
    }
    if (status == HIDI_OK)
        memcpy(caller, state.values, bytes);
    free(state.values);
    free(state.line_of);
    return status;
}

/* --- printing --------------------------------------------------------------------------------- */

static void print_value(const hidi_option *option, const void *place, FILE *out)
{
    char number[HIDI_NUMBER_TEXT], word[HIDI_CONFIG_TEXT];

    switch (option->type) {
    case HIDI_OPTION_INT:
        fprintf(out, "%ld", *(const long *)place);
        break;
    case HIDI_OPTION_REAL:
        fputs(hidi_format_double(number, *(const double *)place), out);
        break;
    case HIDI_OPTION_BOOL:
        fputs(*(const int *)place ? "yes" : "no", out);
        break;
    case HIDI_OPTION_TEXT:
        fputs((const char *)place, out);
        break;
    case HIDI_OPTION_CHOICE:
        fputs(hidi_choice_name(option->choices, *(const int *)place, word, sizeof word), out);
        break;
    }
}

void hidi_config_print(const hidi_option *table, const void *values, FILE *out)
{
    const char *section = "";
    size_t section_length = 0;

    for (const hidi_option *option = table; option->key != NULL; option++) {
        size_t length = strcspn(option->key, ".");

        if (length != section_length || memcmp(option->key, section, length) != 0) {
            fprintf(out, "%s[%.*s]\n", option == table ? "" : "\n", (int)length, option->key);
            section = option->key;
            section_length = length;
        }
        fprintf(out, "; %s", option->help);
        if (option->type == HIDI_OPTION_CHOICE)
            fprintf(out, " (%s)", option->choices);
        fprintf(out, "\n%s = ", option->key + length + 1);
        print_value(option, (const unsigned char *)values + option->offset, out);
        fputc('\n', out);
    }
}

static bool is_among(const char *words, const char *word, size_t length)
{
    size_t other;
    const char *w = hidi_next_word(words, &other);
    for (; w != NULL; w = hidi_next_word(w + other, &other))
        if (other == length && memcmp(w, word, length) == 0)
            return true;
    return false;
}

void hidi_config_print_sections(const hidi_option *table, const void *values, const char *sections,
                                const char *except, FILE *out)
{
    for (const hidi_option *option = table; option->key != NULL; option++) {
        if (!is_among(sections, option->key, strcspn(option->key, ".")) ||
            is_among(except, option->key, strlen(option->key)))
            continue;
        fprintf(out, "%s = ", option->key);
        print_value(option, (const unsigned char *)values + option->offset, out);
        fputc('\n', out);
    }
}
