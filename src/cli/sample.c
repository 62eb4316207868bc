/* sample.c - hidi sample: pictures from a teacher or a student. */
#include "cli/cli.h"

#include "lab/sampling.h"

static hidi_status sample(hidi_session *session, const hidi_sample_request *request)
{
    hidi_sample_form form;
    HIDI_TRY(hidi_sample_form_of(session->out, &form));
    HIDI_TRY(hidi_cli_check_outputs(form == HIDI_SAMPLES_FOLDER ? NULL : session->out,
                                    request->heads ? request->heat : NULL));
    HIDI_TRY(hidi_session_backend(session));
    HIDI_TRY(hidi_write_samples(session, request));
    printf("%s\n", session->out);
    return HIDI_OK;
}

static int run(const hidi_command *command, int argc, char **argv)
{
    hidi_cli cli;
    int first, code;
    const char *count = NULL, *columns = NULL, *seed = NULL, *heat = NULL;
    hidi_sample_form form;
    hidi_sample_request r = {.heat = "heat.png", .columns = 10};
    const hidi_flag flags[] = {
        HIDI_VALUE("seed", "N", &seed, "the same as --set sample.seed=N"),
        HIDI_RESULT("out", "PATH", &cli.session.out,
                    "NAME.png, a folder NAME/ of pictures, NAME.npz or NAME.safetensors "
                    "(samples.png)"),
        HIDI_VALUE("model", "FILE", &r.model, "a teacher or a student"),
        HIDI_VALUE("key", "KEY", &cli.session.key,
                   "the part of its file that is it (ema; a checkpoint's average)"),
        HIDI_VALUE("count", "N", &count,
                   "number of samples (60; with --noise or --embeddings as many as that has)"),
        HIDI_VALUE("columns", "N", &columns, "samples per row of the picture (10)"),
        HIDI_VALUE("class", "Y", &r.label,
                   "one class for all, its number or its name; else they go round"),
        HIDI_VALUE("prompt", "TEXT", &r.prompt,
                   "the caption of all, where the model takes captions"),
        HIDI_VALUE("negative", "TEXT", &r.negative,
                   "a caption that guidance leads away from, in place of no caption"),
        HIDI_VALUE("embeddings", "FILE", &r.embeddings,
                   "captions that another program has encoded, one for each sample, where the "
                   "model takes those"),
        HIDI_VALUE("negative-embeddings", "FILE", &r.negative_embeddings,
                   "one of these that guidance leads away from"),
        HIDI_VALUE("classes", "FILE", &r.classes,
                   "names for --class, one a line, as imagenet_classes.txt has them"),
        HIDI_VALUE("noise", "FILE", &r.noise, "start from this noise [N, C, H, W] and its labels"),
        HIDI_RESULT("save-noise", "FILE", &r.save_noise,
                    "also write noise and labels: NAME.safetensors or NAME.npz"),
        HIDI_VALUE("heads", "FILE", &r.heads, "awd heads, for a picture of their token weights"),
        HIDI_VALUE("backbone", "FILE", &r.backbone,
                   "the network that these heads read (the teacher)"),
        HIDI_RESULT("heat", "FILE", &heat, "where that picture goes (heat.png)"),
        {0}};
    if (!hidi_cli_begin(&cli, command, flags, argc, argv, &first, &code))
        return code;
    if (first != argc)
        return hidi_cli_usage(&cli, "unexpected argument %s", argv[first]);
    if (r.model == NULL)
        return hidi_cli_usage(&cli, "--model FILE is missing");
    if ((r.heads == NULL) != (r.backbone == NULL))
        return hidi_cli_usage(&cli, "--heads and --backbone go together");
    if (heat != NULL && r.heads == NULL)
        return hidi_cli_usage(&cli, "--heat goes with --heads and --backbone");
    if (heat != NULL)
        r.heat = heat;
    if (cli.session.out == NULL)
        cli.session.out = "samples.png";
    if (seed != NULL && r.noise != NULL)
        return hidi_cli_usage(&cli, "--seed and --noise exclude each other");
    if (hidi_cli_set(&cli, "sample.seed", seed) != HIDI_OK ||
        hidi_sample_form_of(cli.session.out, &form) != HIDI_OK ||
        hidi_cli_number("count", count, 1, 1000000, &r.count) != HIDI_OK ||
        hidi_cli_number("columns", columns, 1, 1000, &r.columns) != HIDI_OK)
        return hidi_cli_usage(&cli, "%s", hidi_error_message());
    if (columns != NULL && form != HIDI_SAMPLES_GRID && r.heads == NULL)
        return hidi_cli_usage(&cli, "--columns is of one picture, and %s is none",
                              cli.session.out);
    return hidi_cli_end(&cli, sample(&cli.session, &r));
}

const hidi_command hidi_command_sample = {
    "sample", "", "draws samples from a teacher or a student: a picture, files or arrays",
    "A teacher is sampled with sample.solver, sample.steps and sample.guidance; a student (a file\n"
    "with an interval embedder) in sample.student_steps steps of its average velocity.\n"
    "Noise and classes depend on sample.seed alone, so that two models can be compared cell by\n"
    "cell.  --out says what is written:\n"
    "  NAME.png           all of them in one picture\n"
    "  NAME/              a folder with 000000.png, 000001.png, ...\n"
    "  NAME.npz           arr_0, u8 [N, H, W, C], and arr_1, the classes\n"
    "  NAME.safetensors   images [N, C, H, W] as the network makes them, and labels; latents, too\n"
    "\n"
    "sample.solver: euler, heun and euler-maruyama (SiT's stochastic sampler) take any teacher; ddpm\n"
    "and ddim are for those that predict epsilon, on sample.steps respaced steps of their chain.\n"
    HIDI_GIVEN_HELP,
    "run sample eval", run};
