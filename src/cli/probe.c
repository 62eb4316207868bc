/* probe.c - hidi probe: evaluates one computation on given tensors, so that other
 * implementations can be compared with this one. */
#include "cli/cli.h"

#include <string.h>

#include "lab/probe.h"

static hidi_status evaluate(hidi_cli *cli, hidi_probe *probe, const char *in, const char *out)
{
    HIDI_TRY(hidi_cli_check_outputs(out, NULL));
    HIDI_TRY(hidi_session_backend(&cli->session));
    probe->backend = cli->session.backend;
    return hidi_probe_evaluate(probe, in, out);
}

/* " dit dit-grad ..." into text[size]; returns text. */
static const char *kinds(char *text, size_t size)
{
    text[0] = '\0';
    for (const hidi_probe_kind *kind = hidi_probe_kinds; kind->name != NULL; kind++) {
        const size_t used = strlen(text);
        snprintf(text + used, size - used, " %s", kind->name);
    }
    return text;
}

static int run_probe(const hidi_command *command, int argc, char **argv)
{
    hidi_cli cli;
    hidi_probe probe = {.kind = NULL};
    const char **path = probe.path, *in = NULL, *out = NULL;
    const hidi_flag flags[] = {
        HIDI_VALUE("model", "FILE", &path[HIDI_PROBE_MODEL],
                   "the model: a network, the student or the backbone"),
        HIDI_VALUE("key", "KEY", &probe.key, "the part of --model's file (ema, state_dict)"),
        HIDI_VALUE("model-teacher", "FILE", &path[HIDI_PROBE_TEACHER], "the teacher"),
        HIDI_VALUE("model-fake", "FILE", &path[HIDI_PROBE_FAKE], "the fake score"),
        HIDI_VALUE("model-heads", "FILE", &path[HIDI_PROBE_HEADS], "the discriminator's heads"),
        HIDI_VALUE("in", "FILE", &in, "the inputs, a safetensors file"),
        HIDI_RESULT("out", "FILE", &out, "the results, a safetensors file"),
        HIDI_VALUE("set", "KEY=VALUE", NULL, "a constant of the formulas; may be repeated"),
        HIDI_NO_FLAG("quiet"),
        {0}};
    char text[256];
    int first, code;
    if (!hidi_cli_begin(&cli, command, flags, argc, argv, &first, &code))
        return code;
    path[HIDI_PROBE_NET] = path[HIDI_PROBE_CODER] = path[HIDI_PROBE_MODEL];
    if (first == argc)
        return hidi_cli_usage(&cli, "KIND is missing: one of%s",
                              kinds(text, sizeof text));
    if (first + 1 < argc)
        return hidi_cli_usage(&cli, "unexpected argument %s", argv[first + 1]);
    if ((probe.kind = hidi_probe_find(argv[first])) == NULL)
        return hidi_cli_usage(&cli, "no kind \"%s\": expected one of%s", argv[first],
                              kinds(text, sizeof text));
    if (hidi_probe_check_paths(&probe) != HIDI_OK)
        return hidi_cli_usage(&cli, "%s", hidi_error_message());
    if (in == NULL || out == NULL)
        return hidi_cli_usage(&cli, "--in FILE and --out FILE are needed");
    if (hidi_probe_set(&probe, cli.session.set, cli.session.n_sets) != HIDI_OK)
        return hidi_cli_usage(&cli, "%s", hidi_error_message());
    return hidi_cli_end(&cli, evaluate(&cli, &probe, in, out));
}

const hidi_command hidi_command_probe = {
    "probe", "KIND", "evaluates one computation on tensors from a file, to compare with yours",
    "Inputs and results are safetensors files; t and r are [B] in [0, 1] with r <= t, y is [B]\n"
    "integers (n_classes: no class; for a model that takes captions c [B, L, D_c], or words\n"
    "[B, L], and mask [B, L] take its place, and a row of zeros is no caption), images are\n"
    "[B, C, H, W].  Nothing is drawn at random.\n"
    "\n"
    "KIND      --model                inputs                results\n"
    "dit       a DiT                  z t y [r]             out\n"
    "dit-grad  a DiT                  z t y [r] dout        out, gradients of <dout, out>:\n"
    "                                                       grad.z, grad.NAME of each parameter\n"
    "dit-jvp   a DiT                  z t y [r] dz dt [dr]  out, dout (along dz, dt and dr)\n"
    "velocity  a DiT                  z t y [r]             v, in this convention whatever the\n"
    "                                                       network predicts\n"
    "ddpm      a DiT for epsilon      e y noise             x: ancestral sampling from e; noise\n"
    "                                                       [K, B, C, H, W] in the order of use\n"
    "flow      a DiT                  x e t y               loss, grad.NAME\n"
    "meanflow  student, and -teacher  x e t r y             v, u, dudt, target, loss, grad.NAME\n"
    "progressive\n"
    "          student, and -teacher  x e t r y             u, target, loss, grad.NAME\n"
    "dmd       student, and -teacher  e y t e2              x_gen, x_real, x_fake, dm_grad, loss,\n"
    "          and -fake                                    grad.NAME\n"
    "awd       backbone, and -heads   z t y [dlogits]       logits [B]; weights and scores\n"
    "                                                       [B, heads, N]; with dlogits [B] also\n"
    "                                                       grad.z, grad.NAME of the heads\n"
    "encode    an autoencoder        x                     mean, logvar of the latents, before the\n"
    "                                                       scaling factor\n"
    "decode    an autoencoder        z (not scaled)        image\n"
    "vae       an autoencoder        x e                   z, image, error, kl, loss, grad.*\n"
    "features  a feature net          images                features [B, D]\n"
    "frechet   none                   f1 [N, D] f2 [M, D]   distance, mean_term, trace_1,\n"
    "                                                       trace_2, cross_term\n"
    "Heads of kind token also give token_logits [B, N], and logits is their mean; heads of kind\n"
    "conv have no weights and scores.\n"
    "\n"
    "A model may be a plain state dict with the names of the DiT code.  Not told by its shapes:\n"
    "  --set heads=N         attention heads\n"
    "  --set time_scale=S    factor of t and t - r before their sin-cos features;\n"
    "                        1 if neither this nor the file sets it (1000 for epsilon)\n"
    "  --set prediction=P    velocity, sit or epsilon: what the network predicts; dit, dit-grad and\n"
    "                        dit-jvp are about the network itself, and do not ask\n"
    "  --set code=C          dit or diffusers: whose arithmetic (diffusers' for its names)\n"
    "  --set caption_length=N  tokens of captions that are embeddings (120)\n"
    "Put model., teacher. or fake. before the key to set it for one model alone.\n"
    "Constants of the formulas:\n"
    "  --set guidance=1      w of the teacher (meanflow, progressive, dmd), and of ddpm\n"
    "  --set sample.steps=250, sample.guided_channels=0\n"
    "                        ddpm: K respaced steps; guide the first channels only (0: all)\n"
    "  --set p=1, c=0.01     adaptive weight 1 / (d + c)^p (meanflow, progressive)\n"
    "  --set difference=0    > 0: du/dt by differences over t +- this (meanflow)\n"
    "  --set bound=0         > 0: |(t - r) du/dt| is at most this many times |v| (meanflow)\n",
    "", run_probe};
