/* bench.c - hidi bench: how long do steps take, and how does that compare with a matrix product? */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "lab/dit_names.h"
#include "lab/inception_bench.h"
#include "lab/step.h"
#include "core/random.h"
#include "io/atomic_file.h"

enum { PRODUCTS = 5, MAX_REPEAT = 10000 };
enum { MAX_ROWS = 2 * HIDI_DIT_NAMES };

typedef struct row {
    char name[64];
    size_t batch;
    double seconds, flop; /* of a step; sampling: of a batch of images */
    size_t models, tape;  /* bytes                                     */
} row;

typedef struct bench {
    hidi_cli cli;
    const char *repeat_text, *models, *image_text, *channels_text, *batch_text, *csv;
    long repeat, image, channels, batch;
    int train, inception;
    hidi_dit_name names[HIDI_DIT_NAMES]; /* of --model */
    int n_names;
    row rows[MAX_ROWS];
    int n_rows;
    size_t gemm_size;   /* n of the n x n products                    */
    double *gemm_times; /* of all of them                             */
    int n_gemm_times;
} bench;

/* --- the yardstick ---------------------------------------------------------------------------- */

static double gemm_flop(size_t n)
{
    return 2.0 * (double)n * (double)n * (double)n;
}

static hidi_status time_product(const hidi_backend *backend, size_t n, hidi_real *matrices,
                                double *seconds)
{
    const hidi_real *a = matrices, *b = matrices + n * n;
    const double start = hidi_seconds();
    backend->gemm(false, false, n, n, n, 1, a, n, b, n, 0, matrices + 2 * n * n, n);
    hidi_status status = backend->check();
    *seconds = hidi_seconds() - start;
    return status;
}

/* The times of `count` products of n x n matrices, after one that is not counted. */
static hidi_status time_products_of(const hidi_backend *backend, size_t n, double *times, int count)
{
    hidi_real *matrices = backend->allocate(3 * n * n * sizeof *matrices);
    if (matrices == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for matrices of %zu x %zu", n, n);
    backend->fill(matrices, 1, 3 * n * n);
    double uncounted;
    hidi_status status = time_product(backend, n, matrices, &uncounted);
    for (int i = 0; i < count && status == HIDI_OK; i++)
        status = time_product(backend, n, matrices, &times[i]);
    backend->release(matrices);
    return status;
}

/* Times PRODUCTS more products.  The first call finds their size: from 256 up to 2048, the first
 * whose product takes 20 ms. */
static hidi_status time_products(bench *b)
{
    const size_t count = (size_t)(b->n_gemm_times + PRODUCTS);
    double seconds = 0, *grown = realloc(b->gemm_times, count * sizeof *grown);
    if (grown == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory");
    b->gemm_times = grown;
    for (size_t n = 256; b->gemm_size == 0; n *= 2) {
        HIDI_TRY(time_products_of(b->cli.session.backend, n, &seconds, 1));
        if (seconds >= 0.02 || n == 2048)
            b->gemm_size = n;
    }
    HIDI_TRY(time_products_of(b->cli.session.backend, b->gemm_size, grown + b->n_gemm_times, PRODUCTS));
    b->n_gemm_times += PRODUCTS;
    return HIDI_OK;
}

/* --- steps ------------------------------------------------------------------------------------ */

static row *add_row(bench *b, const hidi_footprint *footprint, size_t batch, double seconds,
                    double flop)
{
    row *r = &b->rows[b->n_rows++];
    *r = (row){.batch = batch,
               .seconds = seconds,
               .flop = flop,
               .models = footprint->models,
               .tape = footprint->tape};
    return r;
}

/* Stage 2's two kinds of iterations, and their mean as the generator steps in every k-th. */
static hidi_status time_stage2(bench *b, hidi_step *load, const hidi_settings *s,
                               const hidi_dit_config *config, const hidi_footprint *footprint)
{
    const long k = s->dm.generator_every;
    const size_t batch = hidi_step_batch(HIDI_STEP_STAGE2, s);
    const double flop = hidi_step_flop(HIDI_STEP_STAGE2, s, config, 0);
    double seconds, other;
    HIDI_TRY(hidi_step_time(load, b->repeat, 0, k, &seconds));
    row *r = add_row(b, footprint, batch, seconds, flop);
    snprintf(r->name, sizeof r->name, "stage 2 step%s", k > 1 ? ", generator too" : "");
    if (k == 1)
        return HIDI_OK;
    const double other_flop = hidi_step_flop(HIDI_STEP_STAGE2, s, config, 1);
    HIDI_TRY(hidi_step_time(load, b->repeat, 1, k, &other));
    r = add_row(b, footprint, batch, other, other_flop);
    snprintf(r->name, sizeof r->name, "stage 2 step, without generator");
    const double share = 1 / (double)k;
    r = add_row(b, footprint, batch, share * seconds + (1 - share) * other,
                share * flop + (1 - share) * other_flop);
    snprintf(r->name, sizeof r->name, "stage 2 step, mean (k = %ld)", k);
    return HIDI_OK;
}

/* All steps of a sampler take the same time: one is timed. */
static hidi_status time_sampling(bench *b, hidi_step *load, const hidi_settings *s,
                                 const hidi_dit_config *config, const hidi_footprint *footprint)
{
    static const char *const solvers[] = {"euler", "heun"};
    const bool is_student = load->work == HIDI_STEP_SAMPLE_STUDENT;
    const long steps = is_student ? s->sample.student_steps : s->sample.steps;
    double seconds;
    HIDI_TRY(hidi_step_time(load, b->repeat, 0, 1, &seconds));
    row *r = add_row(b, footprint, hidi_step_batch(load->work, s), seconds * (double)steps,
                     hidi_step_flop(load->work, s, config, 0) * (double)steps);
    if (is_student)
        snprintf(r->name, sizeof r->name, "sampling, student, %ld step%s", steps,
                 steps == 1 ? "" : "s");
    else
        snprintf(r->name, sizeof r->name, "sampling, teacher, %ld %s, w = %g", steps,
                 solvers[s->sample.solver], s->sample.guidance);
    return HIDI_OK;
}

static hidi_status time_load(bench *b, hidi_step *load, const hidi_settings *s,
                             const hidi_dit_config *config, const hidi_footprint *footprint)
{
    const hidi_step_kind work = load->work;
    double seconds;
    if (work == HIDI_STEP_STAGE2)
        return time_stage2(b, load, s, config, footprint);
    if (work == HIDI_STEP_SAMPLE_STUDENT || work == HIDI_STEP_SAMPLE_TEACHER)
        return time_sampling(b, load, s, config, footprint);
    HIDI_TRY(hidi_step_time(load, b->repeat, 0, 1, &seconds));
    row *r = add_row(b, footprint, hidi_step_batch(work, s), seconds,
                     hidi_step_flop(work, s, config, 0));
    snprintf(r->name, sizeof r->name, "%s", hidi_step_name(work));
    return HIDI_OK;
}

/* label: what an error calls it. */
static hidi_status measure(bench *b, const char *label, hidi_step_kind work, const hidi_settings *s,
                           const hidi_dit_config *config, const hidi_dataset *data)
{
    hidi_footprint footprint;
    hidi_step load;
    HIDI_TRY(hidi_step_footprint(&footprint, work, s, config, data, b->cli.session.backend));
    HIDI_TRY(hidi_step_fits(&footprint, label));
    HIDI_TRY(time_products(b));
    hidi_status status = hidi_step_begin(&load, work, s, config, data, b->cli.session.backend);
    if (status == HIDI_OK)
        status = time_load(b, &load, s, config, &footprint);
    hidi_step_end(&load);
    return status;
}

/* --- what is measured ------------------------------------------------------------------------- */

static hidi_status bench_preset(bench *b)
{
    char text[256];
    hidi_dataset *data;
    hidi_status status = HIDI_OK;
    HIDI_TRY(hidi_session_data(&b->cli.session, &data));
    const hidi_dit_config config = hidi_settings_dit(&b->cli.session.settings, data);
    printf("%s\n", hidi_dit_text(&config, text, sizeof text));
    for (int work = 0; work < HIDI_STEP_KINDS && status == HIDI_OK; work++) {
        const char *label = hidi_step_name((hidi_step_kind)work);
        if (b->cli.session.progress != NULL)
            fprintf(b->cli.session.progress, "timing: %s\n", label);
        status = measure(b, label, (hidi_step_kind)work, &b->cli.session.settings, &config, data);
    }
    hidi_dataset_close(data);
    return status;
}

/* Noise with labels: published sizes are timed without ImageNet's latents. */
static void get_noise(const hidi_dataset *data, hidi_split split, uint64_t index, hidi_real *image,
                      int32_t *label)
{
    const hidi_random random = {(uint64_t)split, HIDI_STREAM_TEST, index};
    hidi_normal(random, 0, image, data->channels * data->height * data->width);
    *label = (int32_t)(index % data->n_classes);
}

static hidi_status bench_model(bench *b, const char *name)
{
    hidi_settings s = b->cli.session.settings;
    hidi_dit_config config;
    HIDI_TRY(hidi_dit_published_config(name, (size_t)b->image, (size_t)b->channels, &config));
    const hidi_dataset noise = {.name = "noise",
                                .channels = config.channels,
                                .height = config.image_size,
                                .width = config.image_size,
                                .n_classes = config.n_classes,
                                .get = get_noise};
    char text[256];
    printf("%s: %s\n", name, hidi_dit_text(&config, text, sizeof text));
    if (b->cli.session.progress != NULL)
        fprintf(b->cli.session.progress, "timing: %s\n", name);
    s.teacher.train.batch = s.sample.batch = b->batch;
    s.sample.steps = 1; /* of Euler's method without guidance: a forward pass */
    s.sample.solver = HIDI_EULER;
    s.sample.guidance = 1;
    HIDI_TRY(measure(b, name, HIDI_STEP_SAMPLE_TEACHER, &s, &config, &noise));
    snprintf(b->rows[b->n_rows - 1].name, sizeof b->rows[0].name, "%s, forward", name);
    if (!b->train)
        return HIDI_OK;
    HIDI_TRY(measure(b, name, HIDI_STEP_TEACHER, &s, &config, &noise));
    snprintf(b->rows[b->n_rows - 1].name, sizeof b->rows[0].name, "%s, teacher step", name);
    return HIDI_OK;
}

static hidi_status bench_models(bench *b)
{
    for (int i = 0; i < b->n_names; i++)
        HIDI_TRY(bench_model(b, b->names[i]));
    return HIDI_OK;
}

static hidi_status bench_inception(bench *b)
{
    const size_t batch = (size_t)b->batch;
    hidi_footprint footprint;
    double seconds, flop;
    if (b->cli.session.progress != NULL)
        fprintf(b->cli.session.progress, "timing: Inception-v3\n");
    HIDI_TRY(time_products(b));
    HIDI_TRY(hidi_inception_time(b->cli.session.backend, batch, b->repeat, &footprint, &seconds, &flop));
    row *r = add_row(b, &footprint, batch, seconds, flop);
    snprintf(r->name, sizeof r->name, "Inception-v3, features");
    return HIDI_OK;
}

/* --- results ---------------------------------------------------------------------------------- */

/* Of the products, in GFLOP/s; p: quantile of their times. */
static double gemm_rate(bench *b, double p)
{
    return gemm_flop(b->gemm_size) / hidi_quantile(b->gemm_times, b->n_gemm_times, p) * 1e-9;
}

static const char *gemm_name(void)
{
    return sizeof(hidi_real) == sizeof(float) ? "sgemm" : "dgemm";
}

static void print_table(bench *b)
{
    char models[32], tape[32];
    struct rusage usage;
    const double rate = gemm_rate(b, 0.5);
    printf("%s %zu x %zu: %.1f GFLOP/s (median of %d; quartiles %.1f and %.1f)\n\n", gemm_name(),
           b->gemm_size, b->gemm_size, rate, b->n_gemm_times, gemm_rate(b, 0.75),
           gemm_rate(b, 0.25));
    printf("%-38s %6s %10s %9s %8s %6s %10s %9s %9s\n", "", "batch", "ms", "GFLOP", "GFLOP/s",
           gemm_name(), "images/s", "models", "tape");
    for (int i = 0; i < b->n_rows; i++) {
        const row *r = &b->rows[i];
        const double gflop_s = r->flop / r->seconds * 1e-9;
        printf("%-38s %6zu %10.2f %9.3g %8.1f %5.0f%% %10.4g %9s %9s\n", r->name, r->batch,
               1e3 * r->seconds, 1e-9 * r->flop, gflop_s, 100 * gflop_s / rate,
               (double)r->batch / r->seconds,
               hidi_bytes_text(models, sizeof models, (double)r->models),
               hidi_bytes_text(tape, sizeof tape, (double)r->tape));
    }
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        printf("\npeak resident memory of this process: %s\n", /* ru_maxrss: KiB on Linux */
               hidi_bytes_text(models, sizeof models, 1024.0 * (double)usage.ru_maxrss));
}

static hidi_status write_csv(bench *b)
{
    hidi_atomic_file file;
    const double rate = gemm_rate(b, 0.5);
    HIDI_TRY(hidi_atomic_open(&file, b->csv));
    fprintf(file.out, "work,batch,seconds,gflop,gflop_per_second,%s_gflop_per_second,"
                      "images_per_second,model_bytes,tape_bytes\n",
            gemm_name());
    for (int i = 0; i < b->n_rows; i++) {
        const row *r = &b->rows[i];
        fprintf(file.out, "\"%s\",%zu,%.9g,%.9g,%.6g,%.6g,%.6g,%zu,%zu\n", r->name, r->batch,
                r->seconds, 1e-9 * r->flop, 1e-9 * r->flop / r->seconds, rate,
                (double)r->batch / r->seconds, r->models, r->tape);
    }
    return hidi_atomic_commit(&file);
}

/* --- the command ------------------------------------------------------------------------------ */

static hidi_status read_numbers(bench *b)
{
    if (b->models == NULL && (b->image_text || b->channels_text || b->train))
        return hidi_error(HIDI_BAD_ARGUMENT, "--image, --channels and --train go with --model");
    if (b->models == NULL && !b->inception && b->batch_text)
        return hidi_error(HIDI_BAD_ARGUMENT, "--batch goes with --model or --inception");
    if ((b->models != NULL) + b->inception + (b->cli.session.preset != NULL) > 1)
        return hidi_error(HIDI_BAD_ARGUMENT, "--model, --inception and --preset exclude each "
                                             "other");
    HIDI_TRY(hidi_dit_names(b->models, b->names, &b->n_names));
    HIDI_TRY(hidi_cli_number("repeat", b->repeat_text, 1, MAX_REPEAT, &b->repeat));
    HIDI_TRY(hidi_cli_number("image", b->image_text, 1, 16384, &b->image));
    HIDI_TRY(hidi_cli_number("channels", b->channels_text, 1, 2048, &b->channels));
    return hidi_cli_number("batch", b->batch_text, 1, 1000000, &b->batch);
}

static hidi_status run_bench(bench *b)
{
    HIDI_TRY(hidi_session_backend(&b->cli.session));
    const hidi_backend *backend = b->cli.session.backend;
    printf("backend %s: %s; %s precision; median of %ld\n", backend->name, backend->describe(),
           sizeof(hidi_real) == sizeof(float) ? "single" : "double", b->repeat);
    HIDI_TRY(b->inception ? bench_inception(b) : b->models ? bench_models(b) : bench_preset(b));
    HIDI_TRY(time_products(b));
    print_table(b);
    return b->csv != NULL ? write_csv(b) : HIDI_OK;
}

static int run(const hidi_command *command, int argc, char **argv)
{
    int first, code;
    bench b;
    memset(&b, 0, sizeof b);
    b.repeat = 9;
    b.image = 32;
    b.channels = b.batch = 4;
    const hidi_flag flags[] = {
        {"repeat", "N", &b.repeat_text, NULL, "repetitions; the median is reported (9)"},
        {"model", "NAME", &b.models, NULL, "a published size, or several: S/2,B/2,L/4,XL/2"},
        {"image", "N", &b.image_text, NULL, "--model: N x N pixels, or latents (32)"},
        {"channels", "N", &b.channels_text, NULL, "--model: channels (4)"},
        {"batch", "N", &b.batch_text, NULL, "--model and --inception: images a step (4)"},
        {"train", NULL, NULL, &b.train, "--model: a teacher's training step as well"},
        {"inception", NULL, NULL, &b.inception, "Inception-v3 on images of 299 x 299"},
        {"csv", "FILE", &b.csv, NULL, "the table as a file, too"},
        {"out", NULL, NULL, NULL, NULL},
        {0}};
    if (!hidi_cli_begin(&b.cli, command, flags, argc, argv, &first, &code))
        return code;
    if (first != argc)
        return hidi_cli_usage(&b.cli, "unexpected argument %s", argv[first]);
    if (read_numbers(&b) != HIDI_OK)
        return hidi_cli_usage(&b.cli, "%s", hidi_error_message());
    code = hidi_cli_end(&b.cli, run_bench(&b));
    free(b.gemm_times);
    return code;
}

const hidi_command hidi_command_bench = {
    "bench", "", "times steps of all stages and sampling, beside a large matrix product",
    "Takes the real steps of a run with the given settings (on random weights): teacher, stage 1,\n"
    "stage 2, and sampling; or, with --model, those of a published DiT size on noise; or, with\n"
    "--inception, the network of the FID.\n"
    "\n"
    "GFLOP are those of the matrix products, or convolutions, by formula: 1 forward pass, 1 more\n"
    "for its tangent (JVP), 2 more for its backward pass (1 if the parameters are frozen).  The\n"
    "column sgemm is the rate as a share of the rate of large square matrix products, which are\n"
    "timed between the steps.  Of a sampler one step is timed, and multiplied.  models and tape:\n"
    "memory of parameters, gradients, moments and averages, and of activations at their peak.\n"
    "\n"
    "The machine should be idle: other work shows in the quartiles of the matrix product.\n",
    "run data model teacher student td dm sample", run};
