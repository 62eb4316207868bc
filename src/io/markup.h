/* markup.h - text inside XML and HTML. */
#ifndef HIDI_IO_MARKUP_H
#define HIDI_IO_MARKUP_H

#include <stdio.h>

/* Prints a text so that it stands for itself between tags and in attributes with double quotes. */
void hidi_print_markup(FILE *out, const char *text);

#endif
