/* decode.c - hidi decode: latents become pictures. */
#include "cli/cli.h"

#include "io/number.h"
#include "lab/decoding.h"

static hidi_status decode(hidi_session *session, const hidi_decode_request *request)
{
    hidi_sample_form form;
    HIDI_TRY(hidi_sample_form_of(session->out, &form));
    HIDI_TRY(hidi_cli_check_outputs(form == HIDI_SAMPLES_FOLDER ? NULL : session->out, NULL));
    HIDI_TRY(hidi_session_backend(session));
    HIDI_TRY(hidi_decode_file(session, request));
    printf("%s\n", session->out);
    return HIDI_OK;
}

static int run(const hidi_command *command, int argc, char **argv)
{
    hidi_cli cli;
    int first, code;
    const char *scale = NULL, *count = NULL, *columns = NULL;
    hidi_decode_request r = {.columns = 10};
    hidi_sample_form form;
    const hidi_flag flags[] = {
        HIDI_VALUE("autoencoder", "FILE", &r.autoencoder, "the autoencoder, such as an SD-VAE"),
        HIDI_VALUE("key", "KEY", &r.key, "the part of its file that is it (state_dict)"),
        HIDI_RESULT("out", "PATH", &cli.session.out,
                    "NAME.png, a folder NAME/ of pictures, NAME.npz or NAME.safetensors (decoded.png)"),
        HIDI_VALUE("scale", "S", &scale,
         "what the latents were multiplied by (the autoencoder's scale; 1 for files of hidi encode)"),
        HIDI_VALUE("count", "N", &count, "only the first N latents"),
        HIDI_VALUE("columns", "N", &columns, "pictures per row of NAME.png (10)"),
        {0}};
    if (!hidi_cli_begin(&cli, command, flags, argc, argv, &first, &code))
        return code;
    if (first + 1 != argc)
        return hidi_cli_usage(&cli, first == argc ? "LATENTS, a file, is missing"
                                                  : "one file of latents at a time");
    if (r.autoencoder == NULL)
        return hidi_cli_usage(&cli, "--autoencoder FILE is missing");
    r.latents = argv[first];
    if (cli.session.out == NULL)
        cli.session.out = "decoded.png";
    if (scale != NULL && (!hidi_parse_double(scale, &r.scale) || !(r.scale > 0)))
        return hidi_cli_usage(&cli, "--scale %s: expected a number above 0", scale);
    if (hidi_sample_form_of(cli.session.out, &form) != HIDI_OK ||
        hidi_cli_number("count", count, 1, 1000000000, &r.count) != HIDI_OK ||
        hidi_cli_number("columns", columns, 1, 1000, &r.columns) != HIDI_OK)
        return hidi_cli_usage(&cli, "%s", hidi_error_message());
    return hidi_cli_end(&cli, decode(&cli.session, &r));
}

const hidi_command hidi_command_decode = {
    "decode", "LATENTS", "makes pictures of latents, with an autoencoder's decoder",
    "LATENTS is a file of tensors with latents [N, z, h, w]: what hidi sample wrote of a network on\n"
    "latents (NAME.safetensors), what hidi encode wrote (their means), or anybody's.  --out is as\n"
    "that of hidi sample.  One is decoded at a time; a folder or an npz takes them as they come.\n"
    "The autoencoder is a file of diffusers' or CompVis' AutoencoderKL, or of hidi's; where it does\n"
    "not say its scaling factor, SD-VAE's 0.18215 is taken.\n",
    "run", run};
