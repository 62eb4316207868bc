/* report_parts.c - parts of the report.  A PNG inside HTML is base64: three bytes in four
 * letters. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/report_parts.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lab/growth.h"
#include "lab/log_plot.h"
#include "io/atomic_file.h"
#include "io/markup.h"

/* --- pictures --------------------------------------------------------------------------------- */

/* RFC 4648 */
static void print_base64(FILE *out, const unsigned char *data, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        const unsigned long a = data[i];
        const unsigned long b = i + 1 < n ? data[i + 1] : 0, c = i + 2 < n ? data[i + 2] : 0;
        const unsigned long bits = a << 16 | b << 8 | c;
        fputc(digits[bits >> 18 & 63], out);
        fputc(digits[bits >> 12 & 63], out);
        fputc(i + 1 < n ? digits[bits >> 6 & 63] : '=', out);
        fputc(i + 2 < n ? digits[bits & 63] : '=', out);
    }
}

static void print_png(FILE *out, const unsigned char *data, size_t n, const char *class,
                      const char *alt)
{
    fputs("<img", out);
    if (class != NULL)
        fprintf(out, " class=\"%s\"", class);
    fputs(" alt=\"", out);
    hidi_print_markup(out, alt);
    fputs("\" src=\"data:image/png;base64,", out);
    print_base64(out, data, n);
    fputs("\">", out);
}

hidi_status hidi_print_image(FILE *out, const hidi_image *image, const char *class, const char *alt)
{
    unsigned char *data;
    size_t n;
    HIDI_TRY(hidi_png_encode(image, &data, &n));
    print_png(out, data, n, class, alt);
    free(data);
    return HIDI_OK;
}

static hidi_status print_png_file(FILE *out, const char *path, const char *alt)
{
    unsigned char *data;
    size_t n;
    HIDI_TRY(hidi_read_file(path, &data, &n));
    print_png(out, data, n, NULL, alt);
    free(data);
    return HIDI_OK;
}

static bool is_there(char *path, size_t size, const char *dir, const char *file)
{
    return access(hidi_path(path, size, dir, file), F_OK) == 0;
}

static void print_caption(FILE *out, const char *caption)
{
    if (caption != NULL)
        fprintf(out, "<figcaption>%s</figcaption>", caption);
}

hidi_status hidi_print_picture(FILE *out, const char *dir, const char *file, const char *alt,
                               const char *caption)
{
    char path[HIDI_PATH];
    if (!is_there(path, sizeof path, dir, file))
        return HIDI_OK;
    fputs("<figure>", out);
    HIDI_TRY(print_png_file(out, path, alt));
    print_caption(out, caption);
    fputs("</figure>\n", out);
    return HIDI_OK;
}

hidi_status hidi_print_log(FILE *out, const char *dir, const char *name, const char *caption)
{
    char path[HIDI_PATH], file[64];
    unsigned char *svg;
    HIDI_TRY(hidi_plot_log(dir, name));
    snprintf(file, sizeof file, "%s.svg", name);
    if (!is_there(path, sizeof path, dir, file))
        return HIDI_OK;
    HIDI_TRY(hidi_read_file(path, &svg, NULL));
    fprintf(out, "<figure>%s<figcaption>%s <a href=\"%s.csv\">%s.csv</a></figcaption></figure>\n",
            (const char *)svg, caption, hidi_plotted_log(name), hidi_plotted_log(name));
    free(svg);
    return HIDI_OK;
}

/* --- the course of a training ----------------------------------------------------------------- */

/* The steps whose picture is there, each once; returns how many. */
static int find_pictures(long *found, const char *dir, int number, long steps)
{
    char path[HIDI_PATH];
    int n = 0;
    for (int i = 0; i < HIDI_GROWTH_PICTURES; i++) {
        const long step = hidi_growth_step(steps, i);
        hidi_growth_path(path, sizeof path, dir, number, step);
        if ((n == 0 || found[n - 1] != step) && access(path, F_OK) == 0)
            found[n++] = step;
    }
    return n;
}

hidi_status hidi_print_growth(FILE *out, const char *dir, int number, long steps)
{
    long step[HIDI_GROWTH_PICTURES];
    char path[HIDI_PATH], alt[96];
    const int n = find_pictures(step, dir, number, steps);
    if (n == 0)
        return HIDI_OK;
    fputs("<div class=\"growth\">\n", out);
    for (int i = 0; i < n; i++) {
        snprintf(alt, sizeof alt, "One-step samples after %ld steps of stage %d", step[i], number);
        fprintf(out, "<figure%s>", i < n - 1 ? " hidden" : "");
        hidi_growth_path(path, sizeof path, dir, number, step[i]);
        HIDI_TRY(print_png_file(out, path, alt));
        fprintf(out, "<figcaption>The same noise in one step, after <b>%ld</b> of %ld training "
                     "steps</figcaption></figure>\n",
                step[i], steps);
    }
    fprintf(out, "<input type=\"range\" min=\"0\" max=\"%d\" value=\"%d\" hidden "
                 "aria-label=\"training steps of stage %d\">\n</div>\n",
            n - 1, n - 1, number);
    return HIDI_OK;
}

/* --- how it was made -------------------------------------------------------------------------- */

/* As a shell reads it. */
static void print_argument(FILE *out, const char *text)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+=.,:/@%";
    char letter[] = " ";
    fputc(' ', out);
    if (text[0] != '\0' && text[strspn(text, plain)] == '\0') {
        hidi_print_markup(out, text);
        return;
    }
    fputc('\'', out);
    for (; *text != '\0'; text++) {
        letter[0] = *text;
        if (*text == '\'')
            fputs("'\\''", out);
        else
            hidi_print_markup(out, letter);
    }
    fputc('\'', out);
}

hidi_status hidi_print_command(FILE *out, const hidi_session *session, const char *dir)
{
    const hidi_settings *s = &session->settings;
    hidi_settings *named = calloc(1, sizeof *named); /* what preset and --set say */
    if (named == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory");
    hidi_status status = hidi_config_defaults(hidi_settings_table, named);
    if (status == HIDI_OK)
        status = hidi_read_preset(session->preset, named);
    for (int i = 0; i < session->n_sets && status == HIDI_OK; i++)
        status = hidi_config_set(hidi_settings_table, named, session->set[i]);
    fputs("<pre>hidi run --preset", out);
    print_argument(out, session->preset);
    for (int i = 0; i < session->n_sets; i++) {
        fputs(" --set", out);
        print_argument(out, session->set[i]);
    }
    if (named->run.seed != s->run.seed)
        fprintf(out, " --seed %ld", s->run.seed);
    if (named->run.threads != s->run.threads)
        fprintf(out, " --threads %ld", s->run.threads);
    if (strcmp(named->run.backend, s->run.backend) != 0)
        fprintf(out, " --backend %s", s->run.backend);
    if (named->teacher.file[0] != '\0' && s->teacher.file[0] == '\0')
        fputs(" --train-teacher", out);
    fputs(" --out", out);
    print_argument(out, dir);
    fputs("</pre>\n", out);
    free(named);
    return status;
}

/* Prints the lines of `text` that are, or are not, in `other`; returns how many. */
static int print_lines(FILE *out, const char *text, const char *other, bool in_other)
{
    char line[2 * HIDI_CONFIG_TEXT];
    int n = 0;
    for (size_t length; *text != '\0'; text += length) {
        length = strcspn(text, "\n") + 1;
        snprintf(line, sizeof line, "%.*s", (int)length, text);
        const char *found = strstr(other, line);
        const bool is_in = found != NULL && (found == other || found[-1] == '\n');
        if (is_in != in_other)
            continue;
        hidi_print_markup(out, line);
        n++;
    }
    return n;
}

hidi_status hidi_print_settings(FILE *out, const hidi_settings *settings, const char *sections)
{
    hidi_settings *defaults = calloc(1, sizeof *defaults);
    char *used = NULL, *initial = NULL;
    hidi_status status = defaults ? hidi_config_defaults(hidi_settings_table, defaults)
                                  : hidi_error(HIDI_NO_MEMORY, "out of memory");
    if (status == HIDI_OK) {
        used = hidi_settings_text(settings, sections);
        initial = hidi_settings_text(defaults, sections);
        if (used == NULL || initial == NULL)
            status = hidi_error(HIDI_NO_MEMORY, "out of memory");
    }
    if (status == HIDI_OK) {
        fputs("<details><summary>Settings that are not the defaults</summary><pre>", out);
        if (print_lines(out, used, initial, false) == 0)
            fputs("(none)\n", out);
        fputs("</pre></details>\n<details><summary>All others</summary><pre>", out);
        print_lines(out, used, initial, true);
        fputs("</pre></details>\n", out);
    }
    free(used);
    free(initial);
    free(defaults);
    return status;
}
