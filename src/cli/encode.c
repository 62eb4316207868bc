/* encode.c - hidi encode: a folder of pictures becomes a file of latents. */
#include "cli/cli.h"

#include <string.h>

#include "lab/encoding.h"

static hidi_status encode(hidi_session *session, const hidi_encode_request *request)
{
    HIDI_TRY(hidi_cli_check_outputs(session->out, NULL));
    HIDI_TRY(hidi_session_backend(session));
    HIDI_TRY(hidi_encode_folder(session, request));
    printf("%s\n", session->out);
    return HIDI_OK;
}

static int run(const hidi_command *command, int argc, char **argv)
{
    hidi_cli cli;
    int first, code, mirrored = 0;
    const char *size = NULL;
    hidi_encode_request r = {0};
    const hidi_flag flags[] = {
        HIDI_VALUE("autoencoder", "FILE", &r.autoencoder, "the autoencoder, such as an SD-VAE"),
        HIDI_VALUE("key", "KEY", &r.key, "the part of its file that is it (state_dict)"),
        HIDI_RESULT("out", "FILE", &cli.session.out,
                    "the latents, NAME.safetensors (latents.safetensors)"),
        HIDI_VALUE("size", "N", &size, "cut pictures to a square and scale them to N x N pixels"),
        HIDI_SWITCH("mirrored", &mirrored, "and a copy of each, left and right exchanged"),
        {0}};
    if (!hidi_cli_begin(&cli, command, flags, argc, argv, &first, &code))
        return code;
    if (first + 1 != argc)
        return hidi_cli_usage(&cli, first == argc ? "FOLDER is missing" : "one folder at a time");
    r.folder = argv[first];
    r.mirrored = mirrored != 0;
    if (cli.session.out == NULL)
        cli.session.out = "latents.safetensors";
    const size_t length = strlen(cli.session.out), ending = strlen(".safetensors");
    if (length <= ending || strcmp(cli.session.out + length - ending, ".safetensors") != 0)
        return hidi_cli_usage(&cli, "--out %s: expected a name that ends in .safetensors",
                              cli.session.out);
    if (hidi_cli_number("size", size, 1, 4096, &r.size) != HIDI_OK)
        return hidi_cli_usage(&cli, "%s", hidi_error_message());
    return hidi_cli_end(&cli, encode(&cli.session, &r));
}

const hidi_command hidi_command_encode = {
    "encode", "FOLDER", "makes latents of a folder of pictures, with an autoencoder's encoder",
    "FOLDER holds a folder of pictures for each class, or has such a folder called train, or holds\n"
    "pictures of one class.  Written are means and log-variances, not scaled, as F16, and labels:\n"
    "the data set data.name=latents.  Interrupted, it goes on where it was.  A folder with fast-DiT's\n"
    "NAME_features/0.npy ... and NAME_labels needs no autoencoder: these latents are taken as they\n"
    "are.\n",
    "run", run};
