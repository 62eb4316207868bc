/* config.h - values from preset files (INI, read by libinih) and from the command line, into a
 * struct, by one table that also makes the help text.
 *
 *     [teacher]            ; a preset file
 *     steps = 20000
 *
 *     hidi run --preset shapes --set teacher.steps=100
 */
#ifndef HIDI_IO_CONFIG_H
#define HIDI_IO_CONFIG_H

#include <stddef.h>
#include <stdio.h>

#include "core/status.h"

#define HIDI_CONFIG_TEXT 256 /* bytes of a text value, with its 0 */

typedef enum hidi_option_type {
    HIDI_OPTION_INT,    /* long                                                     */
    HIDI_OPTION_REAL,   /* double, finite                                           */
    HIDI_OPTION_BOOL,   /* int: yes/no, true/false, on/off, 1/0                     */
    HIDI_OPTION_TEXT,   /* char [HIDI_CONFIG_TEXT]                                  */
    HIDI_OPTION_CHOICE  /* int: index into `choices`, words separated by spaces     */
} hidi_option_type;

typedef struct hidi_option {
    const char *key; /* "section.name"; "name" in a table for the command line alone */
    hidi_option_type type;
    size_t offset;   /* of the value in the struct                                  */
    double least, most; /* range of INT and REAL, inclusive                         */
    const char *choices;
    const char *initial; /* the default, as it would stand in a file                */
    const char *help;    /* one line: meaning, unit, source                         */
} hidi_option;

/* All options to their defaults.  values: the struct.  The table ends with key NULL. */
hidi_status hidi_config_defaults(const hidi_option *table, void *values);

/* Values from a file.  Unknown sections or keys, values that are malformed or out of range, and
 * lines that are not INI at all: HIDI_BAD_ARGUMENT with "path:line: ...", and nothing is
 * changed. */
hidi_status hidi_config_read(const hidi_option *table, void *values, const char *path);

/* For files of other kinds: called for every [section] (name and value NULL) and every name = value
 * in it, in order.  An error ends the reading. */
typedef hidi_status hidi_config_taker(void *context, int line, const char *section,
                                      const char *name, const char *value);

/* Reads an INI file by its lines, with the messages of hidi_config_read. */
hidi_status hidi_config_each(const char *path, hidi_config_taker *take, void *context);

/* One "section.name=value" (from --set). */
hidi_status hidi_config_set(const hidi_option *table, void *values, const char *assignment);

/* All values as a file that hidi_config_read reads, with the help lines as comments. */
void hidi_config_print(const hidi_option *table, const void *values, FILE *out);

/* "section.name = value" lines, without comments, of the sections named in `sections` (words
 * separated by spaces), except the keys named in `except` (likewise): what a result depends on. */
void hidi_config_print_sections(const hidi_option *table, const void *values, const char *sections,
                                const char *except, FILE *out);

#endif
