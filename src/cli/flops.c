/* flops.c - hidi flops: what an image costs in multiply-adds and in time, teacher and student. */
#include "cli/cli.h"

#include <stdlib.h>

#include "lab/flops.h"
#include "lab/dit_names.h"

typedef struct request {
    const char *models, *image_text, *channels_text, *batch_text, *repeat_text, *csv;
    long image, channels, batch, repeat; /* batch 0: not given */
    int layers, pixels, time;
    hidi_dit_name names[HIDI_DIT_NAMES]; /* of --model */
    int n_names;
} request;

static hidi_status read_request(request *r, const hidi_session *session)
{
    if (r->models == NULL && (r->image_text || r->channels_text || r->pixels))
        return hidi_error(HIDI_BAD_ARGUMENT, "--image, --channels and --pixels go with --model");
    if (r->models != NULL && session->preset != NULL)
        return hidi_error(HIDI_BAD_ARGUMENT, "--model and --preset exclude each other");
    if (!r->time && (r->batch_text || r->repeat_text))
        return hidi_error(HIDI_BAD_ARGUMENT, "--batch and --repeat go with --time");
    HIDI_TRY(hidi_dit_names(r->models, r->names, &r->n_names));
    HIDI_TRY(hidi_cli_number("image", r->image_text, 1, 16384, &r->image));
    HIDI_TRY(hidi_cli_number("channels", r->channels_text, 1, 2048, &r->channels));
    HIDI_TRY(hidi_cli_number("batch", r->batch_text, 1, 1000000, &r->batch));
    HIDI_TRY(hidi_cli_number("repeat", r->repeat_text, 1, 10000, &r->repeat));
    if (r->models != NULL && !r->pixels &&
        r->channels != (long)hidi_sd_vae_decoder.latent_channels)
        return hidi_error(HIDI_BAD_ARGUMENT, "latents have 4 channels; for images of %ld, --pixels",
                          r->channels);
    return HIDI_OK;
}

static hidi_status preset_config(const hidi_session *session, hidi_dit_config *config)
{
    hidi_dataset *data;
    HIDI_TRY(hidi_session_data(session, &data));
    *config = hidi_settings_dit(&session->settings, data);
    hidi_dataset_close(data);
    return HIDI_OK;
}

static hidi_status count(hidi_flops *f, const char *name, const hidi_session *session,
                         const request *r)
{
    hidi_dit_config config;
    if (name == NULL)
        HIDI_TRY(preset_config(session, &config));
    else
        HIDI_TRY(hidi_dit_imagenet_config(name, (size_t)r->image, (size_t)r->channels, &config));
    HIDI_TRY(hidi_flops_count(f, name ? name : "", &config, name && !r->pixels,
                              &session->settings));
    hidi_flops_print_passes(f, r->layers != 0);
    if (r->time)
        HIDI_TRY(hidi_flops_time(f, session, r->repeat));
    hidi_flops_print_samplings(f);
    const int threads = session->backend->threads();
    if (r->time)
        printf("  ms: per image, in batches of %ld on %d thread%s, random weights; a step is timed "
               "(median of %ld)%s\n",
               session->settings.sample.batch, threads, threads == 1 ? "" : "s", r->repeat,
               f->decoder.n > 0 ? ", and the decoder" : "");
    printf("\n");
    return HIDI_OK;
}

static hidi_status flops(hidi_session *session, const request *r)
{
    const int n = r->models != NULL ? r->n_names : 1;
    HIDI_TRY(hidi_cli_check_outputs(r->csv, NULL));
    HIDI_TRY(hidi_session_backend(session));
    if (r->batch > 0 || r->models != NULL)
        session->settings.sample.batch = r->batch > 0 ? r->batch : 1;
    hidi_flops *all = calloc((size_t)n, sizeof *all);
    hidi_status status = all ? HIDI_OK : hidi_error(HIDI_NO_MEMORY, "out of memory");
    printf("MAC: multiply-adds of matrix products and convolutions, 2 FLOP each; papers on DiT "
           "call these\nFLOPs.  For one image.\n\n");
    for (int i = 0; i < n && status == HIDI_OK; i++)
        status = count(&all[i], r->models != NULL ? r->names[i] : NULL, session, r);
    if (status == HIDI_OK && r->csv != NULL)
        status = hidi_flops_write_csv(all, n, r->csv);
    free(all);
    return status;
}

static int run(const hidi_command *command, int argc, char **argv)
{
    hidi_cli cli;
    int code;
    request r = {.repeat = 9, .image = 32, .channels = 4};
    const hidi_flag flags[] = {
        HIDI_VALUE("model", "NAME", &r.models, "a published size, or several: DiT-XL/2,S/2,B/4"),
        HIDI_VALUE("image", "N", &r.image_text,
                   "--model: N x N latents, an eighth of the image (32)"),
        HIDI_VALUE("channels", "N", &r.channels_text, "--model: channels (4)"),
        HIDI_SWITCH("pixels", &r.pixels, "--model: on images themselves, without a decoder"),
        HIDI_SWITCH("parts", &r.layers, "list each network part by part"),
        HIDI_SWITCH("time", &r.time, "time sampling, too: a step of each kind, and the decoder"),
        HIDI_VALUE("batch", "N", &r.batch_text,
                   "--time: images at a time (sample.batch; --model: 1)"),
        HIDI_VALUE("repeat", "N", &r.repeat_text,
                   "--time: repetitions; the median is reported (9)"),
        HIDI_RESULT("csv", "FILE", &r.csv, "also write everything, with all parts, to FILE"),
        HIDI_NO_FLAG("out"),
        {0}};
    if (!hidi_cli_begin(&cli, command, flags, argc, argv, NULL, &code))
        return code;
    if (read_request(&r, &cli.session) != HIDI_OK)
        return hidi_cli_usage(&cli, "%s", hidi_error_message());
    return hidi_cli_end(&cli, flops(&cli.session, &r));
}

const hidi_command hidi_command_flops = {
    "flops", "", "counts the multiply-adds per image, teacher against student",
    "For the network of the settings (--preset, --set), or with --model for published sizes on\n"
    "latents of Stable Diffusion's autoencoder, whose decoder is then counted per image: the\n"
    "multiply-adds of a pass, by formula (test_macs compares it with what a pass computes), and\n"
    "of an image by the teacher's sampler (sample.steps, sample.solver, sample.guidance: Heun's\n"
    "method takes two passes per step, guidance doubles them) and by the student's steps.  The\n"
    "column \"/ one step\" is the cost relative to a single step of the student.\n"
    "\n"
    "The paper's factor of 69.7 is 250 passes without guidance against one:\n"
    "  hidi flops --model DiT-XL/2 --set sample.steps=250 --set sample.solver=euler \\\n"
    "      --set sample.guidance=1\n",
    "run data model student sample", run};
