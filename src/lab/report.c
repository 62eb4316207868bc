/* report.c - what a run made, in one HTML file that can be sent to somebody: the pictures are in it
 * as base64, the plots as SVG. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/report.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lab/log_plot.h"
#include "lab/pipeline.h"
#include "lab/run.h"
#include "io/atomic_file.h"
#include "io/choice.h"
#include "io/markup.h"

static const char style[] =
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color:#222;background:#fff}h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.5rem}"
    "table{border-collapse:collapse;margin:1rem 0}td,th{padding:.3rem .8rem;text-align:right;"
    "border-bottom:1px solid #ddd}td:first-child,th:first-child{text-align:left}"
    "tr.result td{font-weight:600;background:#f2f7ff}img{image-rendering:pixelated;max-width:100%}"
    "figure{margin:1rem 0;display:inline-block;vertical-align:top}figcaption{color:#555;"
    "font-size:.9rem;max-width:36rem}svg{max-width:100%;height:auto}"
    "pre{background:#f6f6f6;padding:1rem;overflow-x:auto;font-size:.8rem}.note{color:#555}";

/* --- pieces ----------------------------------------------------------------------------------- */

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

/* A picture of the run's folder, embedded; nothing if it is not there. */
static hidi_status print_picture(FILE *out, const char *dir, const char *file, const char *caption)
{
    char path[HIDI_PATH];
    unsigned char *data;
    size_t n;
    if (access(hidi_path(path, sizeof path, dir, file), F_OK) != 0)
        return HIDI_OK;
    HIDI_TRY(hidi_read_file(path, &data, &n));
    fputs("<figure><img alt=\"", out);
    hidi_print_markup(out, caption);
    fputs("\" src=\"data:image/png;base64,", out);
    print_base64(out, data, n);
    fputs("\"><figcaption>", out);
    hidi_print_markup(out, caption);
    fputs("</figcaption></figure>\n", out);
    free(data);
    return HIDI_OK;
}

static void print_cell(FILE *out, int decimals, double value)
{
    if (isfinite(value))
        fprintf(out, "<td>%.*f</td>", decimals, value);
    else
        fputs("<td></td>", out);
}

static void print_row(FILE *out, const hidi_report *r, const hidi_measured *m)
{
    fprintf(out, "<tr%s><td>", strncmp(m->label, "stage 2", 7) == 0 ? " class=\"result\"" : "");
    hidi_print_markup(out, m->label);
    fputs("</td>", out);
    print_cell(out, 0, m->evaluations > 0 ? (double)m->evaluations : (double)NAN);
    print_cell(out, 2, 1000 * m->seconds);
    for (int v = 0; v < HIDI_VALUES; v++)
        if (r->how->choice.on[hidi_value_texts[v].metric])
            print_cell(out, hidi_value_texts[v].decimals, m->value[v]);
    fputs("</tr>\n", out);
}

static void print_table(FILE *out, const hidi_report *r)
{
    fputs("<table><tr><th>images</th><th>network evaluations</th><th>ms per image</th>", out);
    for (int v = 0; v < HIDI_VALUES; v++)
        if (r->how->choice.on[hidi_value_texts[v].metric])
            fprintf(out, "<th>%s</th>", hidi_value_texts[v].heading);
    fputs("</tr>\n", out);
    for (size_t i = 0; i < r->n_measured; i++)
        print_row(out, r, &r->measured[i]);
    fprintf(out, "</table>\n<p class=\"note\">Fréchet distance of %ld images to as many real %s "
                 "images, in the features of ",
            r->n_measured ? r->measured[0].images : 0,
            hidi_split_name(hidi_settings_split(&r->session->settings)));
    hidi_print_markup(out, r->how->extractor->name);
    fputs(": not FID, and not comparable with published FIDs. Precision and recall: k-nearest "
          "neighbours in the same features. High freq: power at half the Nyquist frequency and "
          "above, relative to the real images'. The first row compares real training images with "
          "these: what is as good as it gets.</p>\n",
          out);
}

static void print_times(FILE *out, const hidi_report *r)
{
    static const struct {
        const char *file, *name;
    } trainings[] = {{HIDI_FEATURES_FILE, "feature net"},
                     {HIDI_TEACHER_FILE, "teacher"},
                     {HIDI_STAGE1_FILE, "stage 1: trajectory distillation"},
                     {HIDI_STAGE2_FILE, "stage 2: distribution matching"}};
    fputs("<table><tr><th>part</th><th>training time</th></tr>\n", out);
    for (size_t i = 0; i < sizeof trainings / sizeof trainings[0]; i++) {
        char text[64] = "ready-made";
        const double seconds = hidi_pipeline_seconds(r->dir, trainings[i].file);
        if (isfinite(seconds))
            hidi_duration(text, sizeof text, seconds);
        fprintf(out, "<tr><td>%s</td><td>%s</td></tr>\n", trainings[i].name, text);
    }
    fprintf(out, "</table>\n<p class=\"note\">On the backend \"%s\"", r->session->backend->name);
    if (r->session->backend->describe != NULL) {
        fputs(": ", out);
        hidi_print_markup(out, r->session->backend->describe());
    }
    fputs(".</p>\n", out);
}

static hidi_status print_pictures(FILE *out, const hidi_report *r)
{
    char caption[256], solver[16];
    fputs("<h2>Side by side</h2>\n", out);
    HIDI_TRY(print_picture(out, r->dir, "compare.png",
                           "From top to bottom: real images; the teacher; the teacher in one Euler "
                           "step; stage 1 in one step; stage 2 in one step. The same noise and "
                           "class in each column but the first row's."));
    fputs("<h2>Samples</h2>\n", out);
    HIDI_TRY(print_picture(out, r->dir, "real.png", "Real images, a class in each column"));
    hidi_choice_name(HIDI_SOLVERS, r->session->settings.sample.solver, solver, sizeof solver);
    solver[0] = (char)toupper((unsigned char)solver[0]);
    snprintf(caption, sizeof caption, "The teacher: %ld %s steps, guidance %g",
             r->session->settings.sample.steps, solver, r->session->settings.sample.guidance);
    HIDI_TRY(print_picture(out, r->dir, "teacher.png", caption));
    HIDI_TRY(print_picture(out, r->dir, "stage1.png", "Stage 1, one step: the sketch"));
    HIDI_TRY(print_picture(out, r->dir, "stage2.png", "Stage 2, one step: the detail"));
    const hidi_settings *s = &r->session->settings;
    if (s->dm.adversary_weight <= 0 || s->dm.head != HIDI_HEAD_AWD)
        return HIDI_OK;
    fputs("<h2>Where the discriminator looks</h2>\n", out);
    HIDI_TRY(print_picture(out, r->dir, "heat-real.png",
                           "Token weights of the adaptive weighted discriminator on real images; "
                           "the largest weight of each image is the deepest red"));
    return print_picture(out, r->dir, "heat-stage2.png", "The same on stage 2's samples");
}

/* The plots of the logs, inline. */
static hidi_status print_plots(FILE *out, const hidi_report *r)
{
    static const char *const names[] = {"teacher", "stage1", "stage2", "features"};
    fputs("<h2>Training</h2>\n", out);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[HIDI_PATH], file[64];
        unsigned char *svg;
        HIDI_TRY(hidi_plot_log(r->dir, names[i]));
        snprintf(file, sizeof file, "%s.svg", names[i]);
        if (access(hidi_path(path, sizeof path, r->dir, file), F_OK) != 0)
            continue;
        HIDI_TRY(hidi_read_file(path, &svg, NULL));
        fprintf(out, "<figure>%s</figure>\n", (const char *)svg);
        free(svg);
    }
    return HIDI_OK;
}

/* --- the page --------------------------------------------------------------------------------- */

static hidi_status print_page(FILE *out, const hidi_report *r)
{
    char text[256];
    fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width\">\n"
          "<title>Hierarchical distillation: ",
          out);
    hidi_print_markup(out, r->session->preset);
    fprintf(out, "</title>\n<style>%s</style></head><body>\n<h1>Hierarchical distillation: ",
            style);
    hidi_print_markup(out, r->session->preset);
    fputs("</h1>\n<p>A teacher diffusion transformer is distilled into one that needs a single "
          "step: stage 1, trajectory distillation (MeanFlow), makes the sketch; stage 2, "
          "distribution matching with an adversary, the detail (arXiv 2511.08930).</p>\n<p>Teacher: ",
          out);
    hidi_print_markup(out, hidi_dit_text(&r->teacher->config, text, sizeof text));
    fprintf(out, "; %zu parameters. Data: ", r->teacher->params.count);
    hidi_print_markup(out, r->data->name);
    fputs(".</p>\n", out);
    print_table(out, r);
    HIDI_TRY(print_pictures(out, r));
    HIDI_TRY(print_plots(out, r));
    fputs("<h2>Times</h2>\n", out);
    print_times(out, r);
    fputs("<h2>Settings</h2>\n<pre>", out);
    char *settings = hidi_settings_text(&r->session->settings, HIDI_RUN_SECTIONS);
    if (settings == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory");
    hidi_print_markup(out, settings);
    free(settings);
    fputs("</pre>\n</body></html>\n", out);
    return HIDI_OK;
}

hidi_status hidi_write_report(const hidi_report *report)
{
    char path[HIDI_PATH];
    hidi_atomic_file file;
    HIDI_TRY(hidi_atomic_open(&file, hidi_path(path, sizeof path, report->dir, HIDI_REPORT_FILE)));
    hidi_status status = print_page(file.out, report);
    if (status == HIDI_OK)
        return hidi_atomic_commit(&file);
    hidi_atomic_abandon(&file);
    return status;
}
