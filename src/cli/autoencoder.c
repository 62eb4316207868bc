/* autoencoder.c - hidi autoencoder: trains the autoencoder whose latents networks can work on. */
#include "cli/cli.h"

#include "lab/pipeline.h"

static hidi_status autoencoder(hidi_session *session)
{
    hidi_dataset *data;
    hidi_autoencoder *net;
    session->settings.vae.file[0] = '\0'; /* to be trained, not read */
    HIDI_TRY(hidi_session_backend(session));
    HIDI_TRY(hidi_session_data(session, &data));
    hidi_status status = hidi_make_autoencoder(session, data, session->out, &net);
    if (status == HIDI_OK)
        printf("%s/%s\n", session->out, HIDI_AUTOENCODER_FILE);
    hidi_autoencoder_destroy(net);
    hidi_dataset_close(data);
    return status;
}

static int run(const hidi_command *command, int argc, char **argv)
{
    hidi_cli cli;
    int code;
    if (!hidi_cli_begin_with_out(&cli, command, NULL, argc, argv, &code))
        return code;
    return hidi_cli_end(&cli, autoencoder(&cli.session));
}

const hidi_command hidi_command_autoencoder = {
    .name = "autoencoder",
    .arguments = "",
    .summary = "trains an autoencoder, whose latents networks can work on",
    .description =
        "SD-VAE's architecture, trained on the data set's images: L1 and a little KL, and with\n"
        "vae.adversary_weight an adversary that reads the features of vae.adversary_backbone.  Writes\n"
        "autoencoder.safetensors (the moving average of the weights, in the names of diffusers'\n"
        "AutoencoderKL, with the scale of its latents) and autoencoder.csv to the folder given by\n"
        "--out; autoencoder.svg is its plot, drawn anew every ten seconds.  An interruption leaves a\n"
        "checkpoint, from which the same command resumes.\n",
    .sections = "run data vae",
    .run = run};
