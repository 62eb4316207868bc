/* report.c - what a run made, in one HTML file that can be sent to somebody: first what came out,
 * then how each stage got there, with its formula, then pictures, curves and settings. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/report.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/version.h"
#include "lab/path_picture.h"
#include "lab/pictures.h"
#include "lab/growth.h"
#include "lab/pipeline.h"
#include "lab/report_captions.h"
#include "lab/report_parts.h"
#include "lab/run.h"
#include "io/atomic_file.h"
#include "io/choice.h"
#include "io/markup.h"

/* "Euler", "Heun": named after people. */
static char *solver_name(const hidi_report *r, char *text, size_t size)
{
    hidi_choice_name(HIDI_SOLVERS, r->session->settings.sample.solver, text, size);
    text[0] = (char)toupper((unsigned char)text[0]);
    return text;
}

/* --- what came out ---------------------------------------------------------------------------- */

static void print_cell(FILE *out, const char *name, int decimals, double value)
{
    if (isfinite(value))
        fprintf(out, "<td data-name=\"%s\">%.*f</td>", name, decimals, value);
    else
        fputs("<td></td>", out);
}

static void print_row(FILE *out, const hidi_report *r, const hidi_measured *m)
{
    fprintf(out, "<tr%s><td>", strncmp(m->label, "stage 2", 7) == 0 ? " class=\"result\"" : "");
    hidi_print_markup(out, m->label);
    fputs("</td>", out);
    print_cell(out, "evaluations", 0, m->evaluations > 0 ? (double)m->evaluations : (double)NAN);
    print_cell(out, "ms per image", 2, 1000 * m->seconds);
    for (int v = 0; v < HIDI_VALUES; v++)
        if (r->how->choice.on[hidi_value_texts[v].metric])
            print_cell(out, hidi_value_texts[v].heading, hidi_value_texts[v].decimals, m->value[v]);
    fputs("</tr>\n", out);
}

static void print_table(FILE *out, const hidi_report *r)
{
    fputs("<table class=\"wide\"><tbody><tr class=\"head\"><th>images</th><th>evaluations</th>"
          "<th>ms per image</th>",
          out);
    for (int v = 0; v < HIDI_VALUES; v++)
        if (r->how->choice.on[hidi_value_texts[v].metric])
            fprintf(out, "<th>%s</th>", hidi_value_texts[v].heading);
    fputs("</tr>\n", out);
    for (size_t i = 0; i < r->n_measured; i++)
        print_row(out, r, &r->measured[i]);
    fprintf(out, "</tbody></table>\n<p class=\"note\">Evaluations: of the network, for one image. "
                 "Distance: Fréchet's, of %ld images to as many real %s images, in the features "
                 "of ",
            r->n_measured ? r->measured[0].images : 0,
            hidi_split_name(hidi_settings_split(&r->session->settings)));
    hidi_print_markup(out, r->how->extractor->name);
    fputs(": not FID, and not comparable with published FIDs. Precision and recall: k-nearest "
          "neighbours in the same features. High freq: power at half the Nyquist frequency and "
          "above, relative to the real images'. The first row compares real training images with "
          "these: what is as good as it gets. <a href=\"" HIDI_RESULTS_FILE "\">" HIDI_RESULTS_FILE
          "</a></p>\n",
          out);
}

/* Before the table, in a sentence. */
static void print_summary(FILE *out, const hidi_report *r)
{
    const hidi_measured *real = &r->measured[0];
    const hidi_measured *teacher = &r->measured[1 + HIDI_GENERATOR_TEACHER];
    const hidi_measured *result = &r->measured[1 + HIDI_GENERATOR_STAGE2];
    if (r->n_measured < 1 + HIDI_GENERATORS || !(result->seconds > 0))
        return;
    fprintf(out, "<p>Stage 2 makes an image with %ld evaluation%s of the network where the teacher "
                 "needs %ld, %.0f times as fast, at a distance of <b>%.2f</b> from real images "
                 "(teacher: %.2f; other real images: %.2f).</p>\n",
            result->evaluations, result->evaluations == 1 ? "" : "s", teacher->evaluations,
            teacher->seconds / result->seconds, result->value[HIDI_VALUE_DISTANCE],
            teacher->value[HIDI_VALUE_DISTANCE], real->value[HIDI_VALUE_DISTANCE]);
}

static hidi_status print_comparison(FILE *out, const hidi_report *r)
{
    fputs("<h2>Side by side</h2>\n", out);
    if (r->data->captions != NULL)
        return hidi_print_compared(out, r);
    return hidi_print_picture(
        out, r->dir, "compare.png", "Real images, and samples of teacher and students",
        "From top to bottom: real images; the teacher; the teacher in one Euler step; stage 1 in "
        "one step; stage 2 in one step. Below the first row, a column has one noise and one "
        "class.");
}

/* --- one sample's way ------------------------------------------------------------------------- */

/* Tiles of path.png, which hidi_image_grid laid out. */
typedef struct film {
    hidi_image image;
    size_t tile, gap;
} film;

static hidi_status print_tile(FILE *out, const film *f, int row, int column, const char *alt)
{
    hidi_image tile;
    HIDI_TRY(hidi_image_cut(&tile, &f->image, f->gap + (size_t)column * (f->tile + f->gap),
                            f->gap + (size_t)row * (f->tile + f->gap), f->tile, f->tile));
    const hidi_status status = hidi_print_image(out, &tile, NULL, alt);
    hidi_image_free(&tile);
    return status;
}

static hidi_status print_strip(FILE *out, const film *f, int row, int columns, const char *title,
                               const char *alt)
{
    fprintf(out, "<div class=\"row\">%s</div>\n", title);
    for (int i = 0; i < columns; i++)
        HIDI_TRY(print_tile(out, f, row, i, alt));
    fputc('\n', out);
    return HIDI_OK;
}

static hidi_status print_jump(FILE *out, const film *f, int row, int columns, const char *title,
                              const char *alt)
{
    fprintf(out, "<div class=\"row\">%s</div>\n", title);
    HIDI_TRY(print_tile(out, f, row, 0, "The same noise"));
    if (columns > 2)
        fprintf(out, "<div class=\"arrow\" style=\"grid-column:span %d\"><i></i><b>▶</b></div>",
                columns - 2);
    HIDI_TRY(print_tile(out, f, row, columns - 1, alt));
    fputc('\n', out);
    return HIDI_OK;
}

static hidi_status print_film(FILE *out, const hidi_report *r, const film *f)
{
    const long steps = r->session->settings.sample.steps;
    const int columns = hidi_path_columns(steps);
    char solver[16];
    fprintf(out, "<h2>One sample, the long way and at once</h2>\n<p>The teacher goes from noise "
                 "(t = 1) to data (t = 0) in %ld %s step%s of guidance %g. At each, its velocity v "
                 "already points to an image, x = z<sub>t</sub> − t v: a blur at first, the mean "
                 "of "
                 "what this noise may become; structure comes before detail. The students leap "
                 "from the same noise to the end.</p>\n",
            steps, solver_name(r, solver, sizeof solver), steps == 1 ? "" : "s",
            r->session->settings.sample.guidance);
    if (r->data->captions != NULL) {
        fputs("<p dir=\"auto\">The caption: <b>", out);
        HIDI_TRY(hidi_print_caption(out, r->data, 0));
        fputs("</b></p>\n", out);
    }
    fprintf(out, "<div class=\"film\" style=\"grid-template-columns:repeat(%d,minmax(0,6rem))\">\n",
            columns);
    for (int i = 0; i < columns; i++)
        fprintf(out, "<div class=\"t\">t = %.2g</div>",
                (double)hidi_path_step(steps, i) / (double)steps);
    HIDI_TRY(print_strip(out, f, HIDI_PATH_Z, columns, "Teacher: z<sub>t</sub>", "z_t"));
    HIDI_TRY(print_strip(out, f, HIDI_PATH_X, columns,
                         "Teacher: the image it predicts, x = z<sub>t</sub> − t v",
                         "predicted image"));
    HIDI_TRY(print_jump(out, f, HIDI_PATH_STAGE1, columns,
                        "Stage 1, one evaluation: x = e − u(e, 0, 1)", "Stage 1's image"));
    HIDI_TRY(print_jump(out, f, HIDI_PATH_STAGE2, columns,
                        "Stage 2, one evaluation: x = e − u(e, 0, 1)", "Stage 2's image"));
    fputs("</div>\n", out);
    return HIDI_OK;
}

static hidi_status print_path(FILE *out, const hidi_report *r)
{
    const size_t zoom = (size_t)r->session->settings.eval.zoom;
    char path[HIDI_PATH];
    film f = {.tile = r->data->height * zoom, .gap = (zoom + 1) / 2};
    if (access(hidi_path(path, sizeof path, r->dir, "path.png"), F_OK) != 0)
        return HIDI_OK;
    HIDI_TRY(hidi_png_read(&f.image, path, 0));
    const hidi_status status = print_film(out, r, &f);
    hidi_image_free(&f.image);
    return status;
}

/* --- the stages ------------------------------------------------------------------------------- */

/* The samples over the training of stage `number`, and what was measured of them. */
static hidi_status print_growth(FILE *out, const hidi_report *r, int number, long steps)
{
    const long all = r->session->settings.eval.images;
    const long n = all < HIDI_GROWTH_IMAGES ? all : HIDI_GROWTH_IMAGES;
    char name[64], caption[512];
    HIDI_TRY(hidi_print_growth(out, r->dir, number, steps));
    HIDI_TRY(hidi_print_asked(out, r->data, hidi_growth_samples(r->teacher)));
    snprintf(name, sizeof name, "growth/stage%d-distance", number);
    snprintf(caption, sizeof caption,
             "How far one-step samples are from real images while stage %d is trained, by %ld of "
             "each: the fewer images, the larger a distance comes out, so that these compare with "
             "each other, and with the table only if it is of as many.",
             number, n);
    HIDI_TRY(hidi_print_log(out, r->dir, name, caption));
    snprintf(name, sizeof name, "growth/stage%d-detail", number);
    snprintf(caption, sizeof caption,
             "Their power in the upper half of the frequencies, relative to that of real images: "
             "below 1, detail is missing (%ld images).",
             n);
    return hidi_print_log(out, r->dir, name, caption);
}

static hidi_status print_stage1(FILE *out, const hidi_report *r)
{
    fputs("<h2>Stage 1: the sketch</h2>\n"
          "<p>The student u learns the average of the teacher's velocity v over any stretch of its "
          "way, from t to r, so that one step can stand for many (MeanFlow). What is alike in "
          "everything that a noise may become, its structure, is learned first; detail is left as "
          "a blur.</p>\n"
          "<div class=\"formula\"><span><i>u</i>(<i>z<sub>t</sub></i>, <i>r</i>, <i>t</i>) = "
          "<i>v</i>(<i>z<sub>t</sub></i>, <i>t</i>) − (<i>t</i> − <i>r</i>) d<i>u</i>/d<i>t</i>"
          "</span> <span>one step: <i>x</i> = <i>e</i> − <i>u</i>(<i>e</i>, 0, 1)</span></div>\n"
          "<p class=\"note\">In the code: <code>src/method/meanflow.c</code>, "
          "<code>hidi_meanflow_loss</code>; symbol by symbol: <code>docs/paper-map.md</code>, "
          "“Stage 1”.</p>\n<div class=\"grid\">\n",
          out);
    HIDI_TRY(print_growth(out, r, 1, r->session->settings.td.train.steps));
    HIDI_TRY(hidi_print_log(out, r->dir, "stage1",
                            "How far u is from its target, and the sizes of u, of the teacher's v "
                            "and of du/dt. u and v should be of one size; a du/dt that keeps "
                            "growing is a training that runs away."));
    fputs("</div>\n", out);
    return HIDI_OK;
}

static hidi_status print_stage2(FILE *out, const hidi_report *r)
{
    const hidi_settings *s = &r->session->settings;
    fputs("<h2>Stage 2: the detail</h2>\n"
          "<p>From stage 1's weights, the one-step images x<sub>G</sub> as a whole are moved to "
          "where the teacher's are: noised to z<sub>t</sub>, the teacher and a second network, the "
          "fake score, which follows the student's images, predict what was there, and the "
          "difference says where to go. A discriminator on the teacher's features adds what "
          "such predictions, which are means, cannot see.</p>\n"
          "<div class=\"formula\"><span><i>g</i> = (<i>x</i><sub>fake</sub> − "
          "<i>x</i><sub>real</sub>) / "
          "mean |<i>x<sub>G</sub></i> − <i>x</i><sub>real</sub>|</span> "
          "<span><i>L<sub>G</sub></i> = ½ "
          "mean ‖<i>x<sub>G</sub></i> − sg(<i>x<sub>G</sub></i> − <i>g</i>)‖² + "
          "<i>λ</i> <i>L</i><sub>adv</sub></span></div>\n"
          "<p class=\"note\">In the code: <code>src/method/dmd.c</code>, "
          "<code>hidi_dmd_loss</code>, "
          "and <code>src/train/stage2.c</code>; symbol by symbol: <code>docs/paper-map.md</code>, "
          "“Stage 2”.</p>\n<div class=\"grid\">\n",
          out);
    HIDI_TRY(print_growth(out, r, 2, s->dm.train.steps));
    HIDI_TRY(hidi_print_log(out, r->dir, "stage2",
                            "No curve has to fall: the student and its opponents pull against each "
                            "other. The loss of distribution matching says little, since its "
                            "gradient is normalised; look at the samples."));
    fputs("</div>\n", out);
    return HIDI_OK;
}

static hidi_status print_spectrum(FILE *out, const hidi_report *r)
{
    fputs("<h2>From structure to detail</h2>\n", out);
    return hidi_print_log(out, r->dir, "spectrum",
                          "The power of the images at every frequency, relative to that of the "
                          "real ones: structure on the left, detail on the right. At 1 there is as "
                          "much of it as in real images (the line “real” compares other real "
                          "images, "
                          "and so shows what is chance).");
}

/* --- pictures and curves ---------------------------------------------------------------------- */

static hidi_status print_samples(FILE *out, const hidi_report *r)
{
    char caption[128], solver[16];
    snprintf(caption, sizeof caption, "The teacher: %ld %s steps, guidance %g",
             r->session->settings.sample.steps, solver_name(r, solver, sizeof solver),
             r->session->settings.sample.guidance);
    if (r->data->captions != NULL) {
        fprintf(out, "<h2>Other captions</h2>\n<p class=\"note\">%s.  Both stages: one step."
                     "</p>\n", caption);
        return hidi_print_others(out, r);
    }
    fputs("<h2>Samples</h2>\n<p class=\"note\">A class in each column; the same noise at the same "
          "place.</p>\n<div class=\"grid\">\n",
          out);
    HIDI_TRY(hidi_print_picture(out, r->dir, "real.png", "Real images", "Real images"));
    HIDI_TRY(hidi_print_picture(out, r->dir, "teacher.png", "Samples of the teacher", caption));
    HIDI_TRY(hidi_print_picture(out, r->dir, "stage1.png", "Samples of stage 1",
                                "Stage 1, one step: the sketch"));
    HIDI_TRY(hidi_print_picture(out, r->dir, "stage2.png", "Samples of stage 2",
                                "Stage 2, one step: the detail"));
    fputs("</div>\n", out);
    return HIDI_OK;
}

static hidi_status print_heat(FILE *out, const hidi_report *r, const char *file, const char *what,
                              double fullest)
{
    char caption[256];
    snprintf(caption, sizeof caption,
             "%s<span class=\"scale\">0 <i></i> %.3g times the even share</span>", what, fullest);
    return fullest > 0 ? hidi_print_picture(out, r->dir, file, what, caption) : HIDI_OK;
}

static hidi_status print_heat_maps(FILE *out, const hidi_report *r)
{
    const double *fullest = r->pictures->fullest;
    if (fullest[0] <= 0 && fullest[1] <= 0)
        return HIDI_OK;
    fputs("<h2>Where the discriminator looks</h2>\n<p>The adaptive weighted discriminator scores "
          "every token (patch) and adds the scores up with weights a<sub>i</sub> that it chooses "
          "for each image. Below each row of images are these weights; 1 times the even share, "
          "everywhere, is plain average pooling, which it starts from "
          "(<code>src/method/awd.c</code>).</p>\n"
          "<div class=\"formula\"><span><i>D</i>(<i>x</i>) = Σ<sub><i>i</i></sub> "
          "<i>a<sub>i</sub></i> "
          "<i>s<sub>i</sub></i></span> <span><i>a<sub>i</sub></i> = "
          "softmax<sub><i>i</i></sub>(<i>q</i> · "
          "<i>W<sub>k</sub></i> LN(<i>h<sub>i</sub></i>) / √<i>d</i>)</span></div>\n"
          "<div class=\"grid\">\n",
          out);
    HIDI_TRY(print_heat(out, r, "heat-real.png", "Real images, and their token weights",
                        fullest[0]));
    HIDI_TRY(print_heat(out, r, "heat-stage2.png", "Stage 2's samples, and theirs", fullest[1]));
    fputs("</div>\n", out);
    return hidi_print_asked(out, r->data, hidi_heat_images(r->session, r->data));
}

static bool has_log(const hidi_report *r, const char *file)
{
    char path[HIDI_PATH];
    return access(hidi_path(path, sizeof path, r->dir, file), F_OK) == 0;
}

/* Those that were trained here, and not ready-made. */
static hidi_status print_preparations(FILE *out, const hidi_report *r)
{
    if (!has_log(r, "teacher.csv") && !has_log(r, "features.csv"))
        return HIDI_OK;
    fputs("<h2>Before the stages</h2>\n<div class=\"grid\">\n", out);
    HIDI_TRY(hidi_print_log(out, r->dir, "teacher",
                            "The error of the teacher's velocity. It stays above 0: the noise in a "
                            "noisy image cannot be known exactly."));
    HIDI_TRY(hidi_print_log(out, r->dir, "features",
                            "The error of the small net that tells the classes apart, and in whose "
                            "features distances are measured."));
    fputs("</div>\n", out);
    return HIDI_OK;
}

/* --- times and settings ----------------------------------------------------------------------- */

static double stage_seconds(const hidi_report *r, size_t i, const char **name)
{
    static const struct {
        const char *file, *name;
    } trainings[] = {{HIDI_FEATURES_FILE, "feature net"},
                     {HIDI_TEACHER_FILE, "teacher"},
                     {HIDI_STAGE1_FILE, "stage 1: trajectory distillation"},
                     {HIDI_STAGE2_FILE, "stage 2: distribution matching"}};
    *name = i < sizeof trainings / sizeof trainings[0] ? trainings[i].name : NULL;
    return *name != NULL ? hidi_pipeline_seconds(r->dir, trainings[i].file) : (double)NAN;
}

static void print_times(FILE *out, const hidi_report *r)
{
    const char *name;
    char text[64];
    double total = 0, seconds = stage_seconds(r, 0, &name);
    fputs("<h2>Times</h2>\n<table><tr><th>part</th><th>training time</th></tr>\n", out);
    for (size_t i = 0; name != NULL; seconds = stage_seconds(r, ++i, &name)) {
        total += isfinite(seconds) ? seconds : 0;
        fprintf(out, "<tr><td>%s</td><td>%s</td></tr>\n", name,
                isfinite(seconds) ? hidi_duration(text, sizeof text, seconds) : "ready-made");
    }
    fprintf(out, "<tr class=\"result\"><td>together</td><td>%s</td></tr></table>\n"
                 "<p class=\"note\">On the backend “%s”",
            hidi_duration(text, sizeof text, total), r->session->backend->name);
    fputs(": ", out);
    hidi_print_markup(out, r->session->backend->describe());
    const int threads = r->session->backend->threads();
    fprintf(out, ", %d thread%s.</p>\n", threads, threads == 1 ? "" : "s");
}

static void print_facts(FILE *out, const hidi_report *r)
{
    char date[32] = "", text[256], duration[64];
    const char *name;
    const time_t now = time(NULL);
    struct tm local;
    double total = 0, seconds = stage_seconds(r, 0, &name);
    for (size_t i = 0; name != NULL; seconds = stage_seconds(r, ++i, &name))
        total += isfinite(seconds) ? seconds : 0;
    if (localtime_r(&now, &local) != NULL)
        strftime(date, sizeof date, "%Y-%m-%d %H:%M", &local);
    fprintf(out, "<p class=\"facts\">hidi %s · %s · %s of training<br>Teacher: ", hidi_version(),
            date, hidi_duration(duration, sizeof duration, total));
    hidi_print_markup(out, hidi_dit_text(&r->teacher->config, text, sizeof text));
    fprintf(out, "; %zu parameters<br>Data: ", hidi_params_elements(&r->teacher->params));
    hidi_print_markup(out, r->data->name);
    if (r->session->coder != NULL) {
        fputs("<br>Networks work on latents: ", out);
        hidi_print_markup(out, hidi_autoencoder_text(&r->session->coder->config, text,
                                                     sizeof text));
    }
    fputs("</p>\n", out);
}

/* --- the page --------------------------------------------------------------------------------- */

static void print_head(FILE *out, const hidi_report *r)
{
    fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
          "<title>Hierarchical distillation: ",
          out);
    hidi_print_markup(out, r->session->preset);
    fprintf(out, "</title>\n<style>%s</style></head><body>\n<h1>Hierarchical distillation: ",
            hidi_report_style);
    hidi_print_markup(out, r->session->preset);
    fputs("</h1>\n<p>A teacher diffusion transformer is distilled into one that needs a single "
          "step: stage 1, trajectory distillation (MeanFlow), makes the sketch; stage 2, "
          "distribution matching with an adversary, the detail. The paper: <a "
          "href=\"https://arxiv.org/abs/2511.08930\">arXiv 2511.08930</a>; where each of its "
          "symbols is in the code: <code>docs/paper-map.md</code> in the sources.</p>\n",
          out);
}

static hidi_status print_page(FILE *out, const hidi_report *r)
{
    print_head(out, r);
    print_facts(out, r);
    print_summary(out, r);
    print_table(out, r);
    if (r->requests->n > 0)
        hidi_request_table_html(out, r->requests);
    HIDI_TRY(print_comparison(out, r));
    HIDI_TRY(print_path(out, r));
    HIDI_TRY(print_stage1(out, r));
    HIDI_TRY(print_stage2(out, r));
    HIDI_TRY(print_spectrum(out, r));
    HIDI_TRY(print_samples(out, r));
    HIDI_TRY(print_heat_maps(out, r));
    HIDI_TRY(print_preparations(out, r));
    print_times(out, r);
    fputs("<h2>How it was made</h2>\n", out);
    HIDI_TRY(hidi_print_command(out, r->session, r->dir));
    HIDI_TRY(hidi_print_settings(out, &r->session->settings,
                                 hidi_run_sections(&r->session->settings)));
    fprintf(out, "<p class=\"note\">Every setting with its meaning: <a href=\"settings.ini\">"
                 "settings.ini</a>. Distances over several seeds, with error bars: <code>hidi "
                 "study</code>.</p>\n<script>%s</script>\n</body></html>\n",
            hidi_report_script);
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
