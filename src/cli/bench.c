/* bench.c - hidi bench: how long steps take, compared with a matrix product. */
#include "cli/cli.h"

#include "core/processes.h"
#include "lab/bench.h"
#include "lab/exchange_bench.h"

typedef struct request {
    const char *repeat_text, *models, *image_text, *channels_text, *batch_text, *csv;
    long repeat, image, channels, batch;
    int train, inception, exchange;
    hidi_dit_name names[HIDI_DIT_NAMES]; /* of --model */
    int n_names;
} request;

static hidi_status read_request(request *r, const hidi_session *session)
{
    if (r->models == NULL && (r->image_text || r->channels_text || r->train))
        return hidi_error(HIDI_BAD_ARGUMENT, "--image, --channels and --train go with --model");
    if (!r->exchange && hidi_processes() > 1)
        return hidi_error(HIDI_BAD_ARGUMENT, "of several processes only --exchange is timed: start "
                                             "it without mpirun");
    if (r->models == NULL && !r->inception && r->batch_text)
        return hidi_error(HIDI_BAD_ARGUMENT, "--batch goes with --model or --inception");
    if ((r->models != NULL) + r->inception + r->exchange + (session->preset != NULL) > 1)
        return hidi_error(HIDI_BAD_ARGUMENT,
                          "--model, --inception, --exchange and --preset exclude each other");
    HIDI_TRY(hidi_dit_names(r->models, r->names, &r->n_names));
    HIDI_TRY(hidi_cli_number("repeat", r->repeat_text, 1, 10000, &r->repeat));
    HIDI_TRY(hidi_cli_number("image", r->image_text, 1, 16384, &r->image));
    HIDI_TRY(hidi_cli_number("channels", r->channels_text, 1, 2048, &r->channels));
    return hidi_cli_number("batch", r->batch_text, 1, 1000000, &r->batch);
}

static hidi_status bench(hidi_session *session, const request *r)
{
    hidi_bench b = {.session = session, .repeat = r->repeat};
    HIDI_TRY(hidi_cli_check_outputs(r->csv, NULL));
    HIDI_TRY(hidi_session_backend(session));
    const hidi_backend *backend = session->backend;
    const int threads = backend->threads();
    printf("backend %s: %s, %d thread%s; %s precision; median of %ld\n", backend->name,
           backend->describe(), threads, threads == 1 ? "" : "s", HIDI_PRECISION, b.repeat);
    if (r->exchange)
        return hidi_bench_exchange(backend, b.repeat, stdout, r->csv);
    if (r->inception)
        HIDI_TRY(hidi_bench_inception(&b, (size_t)r->batch));
    else if (r->models == NULL)
        HIDI_TRY(hidi_bench_settings(&b));
    for (int i = 0; i < r->n_names; i++)
        HIDI_TRY(hidi_bench_dit_size(&b, r->names[i], r->image, r->channels, r->batch,
                                     r->train != 0));
    HIDI_TRY(hidi_bench_print(&b));
    return r->csv != NULL ? hidi_bench_write_csv(&b, r->csv) : HIDI_OK;
}

static int run(const hidi_command *command, int argc, char **argv)
{
    hidi_cli cli;
    int code;
    request r = {.repeat = 9, .image = 32, .channels = 4, .batch = 4};
    const hidi_flag flags[] = {
        HIDI_VALUE("repeat", "N", &r.repeat_text, "repetitions; the median is reported (9)"),
        HIDI_VALUE("model", "NAME", &r.models, "a published size, or several: S/2,B/2,L/4,XL/2"),
        HIDI_VALUE("image", "N", &r.image_text, "--model: N x N pixels, or latents (32)"),
        HIDI_VALUE("channels", "N", &r.channels_text, "--model: channels (4)"),
        HIDI_VALUE("batch", "N", &r.batch_text, "--model and --inception: images per step (4)"),
        HIDI_SWITCH("train", &r.train, "--model: a teacher's training step as well"),
        HIDI_SWITCH("inception", &r.inception, "Inception-v3 on images of 299 x 299"),
        HIDI_SWITCH("exchange", &r.exchange,
                    "mpirun: the exchange of gradients, by their size, between processes"),
        HIDI_RESULT("csv", "FILE", &r.csv, "also write the table to FILE"),
        HIDI_NO_FLAG("out"),
        {0}};
    if (!hidi_cli_begin(&cli, command, flags, argc, argv, NULL, &code))
        return code;
    if (read_request(&r, &cli.session) != HIDI_OK)
        return hidi_cli_usage(&cli, "%s", hidi_error_message());
    return hidi_cli_end(&cli, bench(&cli.session, &r));
}

const hidi_command hidi_command_bench = {
    "bench", "", "times the steps of all stages and of sampling, against a large matrix product",
    "Takes the real steps of a run with the given settings (on random weights): teacher, stage 1,\n"
    "stage 2, and sampling; or, with --model, those of a published DiT size on noise; or, with\n"
    "--inception, the network of the FID; or, with --exchange, what processes that mpirun has\n"
    "started take to exchange gradients of 4 KiB to 64 MiB, and the latency and rate that fit.\n"
    "\n"
    "GFLOP counts the matrix products, or convolutions, by formula: those of a forward pass once,\n"
    "once more for its tangent (JVP), twice more for its backward pass (once if the parameters\n"
    "are frozen).  The column sgemm is the rate as a share of that of large square matrix\n"
    "products, which are timed between the steps.  One step of a sampler is timed, and multiplied\n"
    "by their number.  The column models is the memory of parameters, gradients, moments and\n"
    "averages; tape that of activations at their peak.\n"
    "\n"
    "The machine should be idle: other work shows in the quartiles of the matrix product.\n",
    "run data model teacher student td dm sample", run};
