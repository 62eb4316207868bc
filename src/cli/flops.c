/* flops.c - hidi flops: what an image costs in multiply-adds and in time, teacher and student. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "lab/dit_names.h"
#include "lab/step.h"
#include "io/atomic_file.h"
#include "model/macs.h"

enum { MAX_REPEAT = 10000, MAX_ROWS = 8, PER_MODEL_ROWS = 3 * HIDI_MAC_PARTS + MAX_ROWS };

/* A line of the table. */
typedef struct row {
    char model[16];    /* "XL/2"; "" with a preset                                        */
    const char *kind;  /* "teacher", "student", "decoder": a part; "sampling"             */
    char name[64];
    size_t count;      /* of the part; passes of the network for an image                 */
    double macs;       /* of them together; sampling: with the decoder                    */
    double ratio;      /* sampling: macs / those of one step of the student; else 0       */
    double seconds;    /* an image; < 0: not measured                                     */
} row;

typedef struct flops {
    hidi_cli cli;
    const char *models, *image_text, *channels_text, *batch_text, *repeat_text, *csv;
    long image, channels, batch, repeat; /* batch 0: not given */
    int parts, pixels, time;
    hidi_dit_name names[HIDI_DIT_NAMES];
    int n_names;
    row *rows;
    int n_rows;
} flops;

/* One network or sampler, as it is counted. */
typedef struct subject {
    const char *name; /* of the model; "" with a preset */
    hidi_dit_config teacher, student;
    double teacher_macs, student_macs, decoder_macs; /* decoder 0: none                  */
    double student_step;                             /* seconds an image; 0: not yet timed */
    const hidi_dataset *data;                        /* NULL: published */
} subject;

static double giga(double x)
{
    return 1e-9 * x;
}

static row *add_row(flops *f, const subject *s, const char *kind, size_t count, double macs)
{
    row *r = &f->rows[f->n_rows++];
    *r = (row){.kind = kind, .count = count, .macs = macs, .seconds = -1};
    snprintf(r->model, sizeof r->model, "%s", s->name);
    return r;
}

/* --- a pass ----------------------------------------------------------------------------------- */

/* The parts of a network, and its line in the table; returns their sum. */
static double add_parts(flops *f, const subject *s, const char *kind, const char *title,
                        const hidi_mac_part *part, int n)
{
    const double sum = hidi_macs(part, n);
    printf("  %-48s %10.4g GMAC %10.4g GFLOP\n", title, giga(sum), 2 * giga(sum));
    for (int i = 0; i < n; i++) {
        row *r = add_row(f, s, kind, part[i].count, part[i].macs);
        snprintf(r->name, sizeof r->name, "%s", part[i].name);
        if (f->parts)
            printf("    %3zu x %-40s %10.4g %14.1f %%\n", part[i].count, part[i].name,
                   giga(part[i].macs), 100 * part[i].macs / sum);
    }
    return sum;
}

static void count_passes(flops *f, subject *s)
{
    hidi_mac_part part[HIDI_MAC_PARTS];
    char title[80];
    int n = hidi_dit_mac_parts(&s->teacher, part);
    s->teacher_macs = add_parts(f, s, "teacher", "a pass of the teacher", part, n);
    n = hidi_dit_mac_parts(&s->student, part);
    s->student_macs = add_parts(f, s, "student", "a pass of the student", part, n);
    if (s->data != NULL || f->pixels)
        return;
    const size_t side = s->teacher.image_size;
    n = hidi_vae_decoder_mac_parts(&hidi_sd_vae_decoder, side, part);
    snprintf(title, sizeof title, "decoder (SD-VAE), %zux%zux4 to %zux%zux3", side, side, 8 * side,
             8 * side);
    s->decoder_macs = add_parts(f, s, "decoder", title, part, n);
}

/* --- sampling --------------------------------------------------------------------------------- */

/* Seconds of one step of sampling, for one image. */
static hidi_status time_step(const flops *f, const subject *s, const hidi_settings *settings,
                             bool is_student, double *seconds)
{
    const hidi_step_kind work = is_student ? HIDI_STEP_SAMPLE_STUDENT : HIDI_STEP_SAMPLE_TEACHER;
    hidi_footprint footprint;
    hidi_step load;
    HIDI_TRY(hidi_step_footprint(&footprint, work, settings, &s->teacher, s->data,
                                     f->cli.session.backend));
    HIDI_TRY(hidi_step_fits(&footprint, hidi_step_name(work)));
    hidi_status status =
        hidi_step_begin(&load, work, settings, &s->teacher, s->data, f->cli.session.backend);
    if (status == HIDI_OK)
        status = hidi_step_time(&load, f->repeat, 0, 1, seconds);
    hidi_step_end(&load);
    *seconds /= (double)settings->sample.batch;
    return status;
}

/* Seconds of sampling an image: all steps take the same time.  The student's is measured once. */
static hidi_status time_sampling(const flops *f, subject *s, const hidi_settings *settings,
                                 bool is_student, long steps, double *seconds)
{
    double step = is_student ? s->student_step : 0;
    if (step == 0)
        HIDI_TRY(time_step(f, s, settings, is_student, &step));
    if (is_student)
        s->student_step = step;
    *seconds = step * (double)steps;
    return HIDI_OK;
}

static hidi_status add_sampler(flops *f, subject *s, const hidi_settings *settings,
                               bool is_student)
{
    static const char *const solvers[] = {"euler", "heun"};
    const hidi_sampler sampler = hidi_settings_sampler(settings, is_student);
    const long passes = hidi_sampler_evaluations(&sampler);
    const double macs = (double)passes * (is_student ? s->student_macs : s->teacher_macs);
    row *r = add_row(f, s, "sampling", (size_t)passes, macs + s->decoder_macs);
    r->ratio = r->macs / (s->student_macs + s->decoder_macs);
    if (is_student)
        snprintf(r->name, sizeof r->name, "student, %ld step%s", sampler.steps,
                 sampler.steps == 1 ? "" : "s");
    else
        snprintf(r->name, sizeof r->name, "teacher, %ld %s, w = %g", sampler.steps,
                 solvers[sampler.solver], sampler.guidance);
    if (f->time)
        HIDI_TRY(time_sampling(f, s, settings, is_student, sampler.steps, &r->seconds));
    printf("  %-32s %6ld %12.4g", r->name, passes, giga(macs));
    if (s->decoder_macs > 0)
        printf(" %12.4g", giga(r->macs));
    printf(" %12.2f", r->ratio);
    if (f->time)
        printf(" %12.4g", 1e3 * r->seconds);
    printf("\n");
    return HIDI_OK;
}

/* The teacher as set, also without guidance; the student in 1, 2, 4 steps, and as set. */
static hidi_status count_sampling(flops *f, subject *s)
{
    static const long steps[] = {1, 2, 4};
    hidi_settings settings = f->cli.session.settings;
    if (f->batch > 0 || s->data == NULL)
        settings.sample.batch = f->batch > 0 ? f->batch : 1;
    printf("\n  %-32s %6s %12s", "an image, by sampling", "passes", "GMAC");
    printf("%s %12s", s->decoder_macs > 0 ? " with decoder" : "", "/ one step");
    if (f->time)
        printf(" %12s", "ms");
    printf("\n");
    HIDI_TRY(add_sampler(f, s, &settings, false));
    if (settings.sample.guidance != 1) {
        settings.sample.guidance = 1;
        HIDI_TRY(add_sampler(f, s, &settings, false));
    }
    bool is_listed = false;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        settings.sample.student_steps = steps[i];
        is_listed = is_listed || steps[i] == f->cli.session.settings.sample.student_steps;
        HIDI_TRY(add_sampler(f, s, &settings, true));
    }
    settings.sample.student_steps = f->cli.session.settings.sample.student_steps;
    if (!is_listed)
        HIDI_TRY(add_sampler(f, s, &settings, true));
    if (f->time)
        printf("  ms: an image, in batches of %ld on %d thread%s, random weights; a step is timed "
               "(median of %ld)%s\n",
               settings.sample.batch, f->cli.session.backend->threads(),
               f->cli.session.backend->threads() == 1 ? "" : "s", f->repeat,
               s->decoder_macs > 0 ? "; the decoder is not" : "");
    printf("\n");
    return HIDI_OK;
}

static hidi_status count_subject(flops *f, const char *name, const hidi_dit_config *config,
                                 const hidi_dataset *data)
{
    subject s = {.name = name, .teacher = *config, .student = *config, .data = data};
    char text[256];
    hidi_dit *dit; /* checks that the configuration fits together */
    HIDI_TRY(hidi_dit_create(&dit, hidi_dry_backend(hidi_reference_backend()), config));
    hidi_dit_destroy(dit);
    row *grown = realloc(f->rows, (size_t)(f->n_rows + PER_MODEL_ROWS) * sizeof *grown);
    if (grown == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory");
    f->rows = grown;
    s.student.has_interval = true;
    printf("%s%s%s\n", name, *name ? ": " : "", hidi_dit_text(config, text, sizeof text));
    count_passes(f, &s);
    return count_sampling(f, &s);
}

static hidi_status count_preset(flops *f)
{
    hidi_dataset *data;
    HIDI_TRY(hidi_session_data(&f->cli.session, &data));
    const hidi_dit_config config = hidi_settings_dit(&f->cli.session.settings, data);
    const hidi_status status = count_subject(f, "", &config, data);
    hidi_dataset_close(data);
    return status;
}

static hidi_status write_csv(const flops *f)
{
    hidi_atomic_file file;
    HIDI_TRY(hidi_atomic_open(&file, f->csv));
    fprintf(file.out, "model,kind,name,count,gmac,ratio,seconds\n");
    for (int i = 0; i < f->n_rows; i++) {
        const row *r = &f->rows[i];
        fprintf(file.out, "%s,%s,\"%s\",%zu,%.12g,", r->model, r->kind, r->name, r->count,
                giga(r->macs));
        if (r->ratio > 0)
            fprintf(file.out, "%.6g", r->ratio);
        fprintf(file.out, ",");
        if (r->seconds >= 0)
            fprintf(file.out, "%.6g", r->seconds);
        fprintf(file.out, "\n");
    }
    return hidi_atomic_commit(&file);
}

/* --- the command ------------------------------------------------------------------------------ */

static hidi_status read_arguments(flops *f)
{
    if (f->models == NULL && (f->image_text || f->channels_text || f->pixels))
        return hidi_error(HIDI_BAD_ARGUMENT, "--image, --channels and --pixels go with --model");
    if (f->models != NULL && f->cli.session.preset != NULL)
        return hidi_error(HIDI_BAD_ARGUMENT, "--model and --preset exclude each other");
    if (!f->time && (f->batch_text || f->repeat_text))
        return hidi_error(HIDI_BAD_ARGUMENT, "--batch and --repeat go with --time");
    HIDI_TRY(hidi_dit_names(f->models, f->names, &f->n_names));
    HIDI_TRY(hidi_cli_number("image", f->image_text, 1, 16384, &f->image));
    HIDI_TRY(hidi_cli_number("channels", f->channels_text, 1, 2048, &f->channels));
    HIDI_TRY(hidi_cli_number("batch", f->batch_text, 1, 1000000, &f->batch));
    HIDI_TRY(hidi_cli_number("repeat", f->repeat_text, 1, MAX_REPEAT, &f->repeat));
    if (f->models != NULL && !f->pixels &&
        f->channels != (long)hidi_sd_vae_decoder.latent_channels)
        return hidi_error(HIDI_BAD_ARGUMENT, "latents have 4 channels; for images of %ld, --pixels",
                          f->channels);
    return HIDI_OK;
}

static hidi_status run_flops(flops *f)
{
    HIDI_TRY(hidi_session_backend(&f->cli.session));
    printf("MAC: multiply-adds of matrix products and convolutions, 2 FLOP each; what papers on "
           "DiT call\nFLOPs are these.  For one image.\n\n");
    if (f->models == NULL)
        HIDI_TRY(count_preset(f));
    for (int i = 0; i < f->n_names; i++) {
        hidi_dit_config config;
        HIDI_TRY(hidi_dit_published_config(f->names[i], (size_t)f->image, (size_t)f->channels,
                                           &config));
        HIDI_TRY(count_subject(f, f->names[i], &config, NULL));
    }
    return f->csv != NULL ? write_csv(f) : HIDI_OK;
}

static int run(const hidi_command *command, int argc, char **argv)
{
    int first, code;
    flops f;
    memset(&f, 0, sizeof f);
    f.repeat = 9;
    f.image = 32;
    f.channels = 4;
    const hidi_flag flags[] = {
        {"model", "NAME", &f.models, NULL, "a published size, or several: DiT-XL/2,S/2,B/4"},
        {"image", "N", &f.image_text, NULL, "--model: N x N latents, an eighth of the image (32)"},
        {"channels", "N", &f.channels_text, NULL, "--model: channels (4)"},
        {"pixels", NULL, NULL, &f.pixels, "--model: on images themselves, without a decoder"},
        {"parts", NULL, NULL, &f.parts, "each network part by part"},
        {"time", NULL, NULL, &f.time, "measure sampling, too"},
        {"batch", "N", &f.batch_text, NULL, "--time: images at a time (sample.batch; --model: 1)"},
        {"repeat", "N", &f.repeat_text, NULL, "--time: repetitions; the median is reported (9)"},
        {"csv", "FILE", &f.csv, NULL, "everything as a file, too, with all parts"},
        {"out", NULL, NULL, NULL, NULL},
        {0}};
    if (!hidi_cli_begin(&f.cli, command, flags, argc, argv, &first, &code))
        return code;
    if (first != argc)
        return hidi_cli_usage(&f.cli, "unexpected argument %s", argv[first]);
    if (read_arguments(&f) != HIDI_OK)
        return hidi_cli_usage(&f.cli, "%s", hidi_error_message());
    code = hidi_cli_end(&f.cli, run_flops(&f));
    free(f.rows);
    return code;
}

const hidi_command hidi_command_flops = {
    "flops", "", "counts the multiply-adds of an image, teacher against student",
    "For the network of the settings (--preset, --set), or with --model for published sizes on\n"
    "latents of Stable Diffusion's autoencoder, whose decoder then counts with every image: the\n"
    "multiply-adds of a pass, by formula (test_macs compares it with what a pass asks for), and\n"
    "of an image by the teacher's sampler (sample.steps, sample.solver, sample.guidance: Heun's\n"
    "method takes two passes a step, guidance doubles them) and by the student's steps.  The\n"
    "column / one step is what it costs relative to the student's single step.\n"
    "\n"
    "The paper's factor of 69.7 is 250 passes without guidance against one:\n"
    "  hidi flops --model DiT-XL/2 --set sample.steps=250 --set sample.solver=euler \\\n"
    "      --set sample.guidance=1\n",
    "run data model sample", run};
