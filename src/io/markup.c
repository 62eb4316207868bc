/* markup.c - the four characters that mean something in XML and HTML become entities; control
 * characters, of which XML 1.0 has only tab and the line breaks, become spaces. */
#include "io/markup.h"

void hidi_print_markup(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        const unsigned char c = (unsigned char)*text;

        switch (c) {
        case '&': fputs("&amp;", out); break;
        case '<': fputs("&lt;", out); break;
        case '>': fputs("&gt;", out); break;
        case '"': fputs("&quot;", out); break;
        default: fputc(c < 32 && c != '\t' && c != '\n' && c != '\r' ? ' ' : c, out);
        }
    }
}
