/* probe.c - evaluates one thing on given tensors, so that anybody can check this implementation
 * against theirs.  Every random draw is an input. */
#include "lab/probe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "io/open_tensors.h"
#include "io/safetensors.h"

/* --- --set ------------------------------------------------------------------------------------ */

#define AT(field) offsetof(hidi_probe_settings, field)
#define REAL(key, field, least, most, initial)                                                     \
    {key, HIDI_OPTION_REAL, AT(field), least, most, NULL, initial, ""}
#define HEADS(key, i) {key, HIDI_OPTION_INT, AT(heads[i]), 0, 65536, NULL, "0", ""}
#define SCALE(key, i) REAL(key, time_scale[i], 0, 1e6, "0")

/* What shapes do not say of a DiT, for all (0) and for each role (1 + role). */
static const hidi_option of_dit[1 + HIDI_PROBE_DITS][2] = {
    {HEADS("heads", 0), SCALE("time_scale", 0)},
    {HEADS("model.heads", 1), SCALE("model.time_scale", 1)},
    {HEADS("teacher.heads", 2), SCALE("teacher.time_scale", 2)},
    {HEADS("fake.heads", 3), SCALE("fake.time_scale", 3)}};

static const hidi_option of_kind[] = {
    REAL("guidance", meanflow.guidance, -HUGE_VAL, HUGE_VAL, "1"),
    REAL("p", meanflow.p, 0, HUGE_VAL, "1"),
    REAL("c", meanflow.c, 0, HUGE_VAL, "0.01"),
    REAL("difference", meanflow.difference, 0, 1, "0"),
    REAL("bound", meanflow.bound, 0, HUGE_VAL, "0")};

enum { N_OF_KIND = sizeof of_kind / sizeof of_kind[0] };

static bool has_word(const char *words, const char *word)
{
    const size_t length = strlen(word);
    for (const char *at = words; (at = strstr(at, word)) != NULL; at += length)
        if ((at == words || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

/* The keys that mean something for this kind. */
static void options_of(const hidi_probe_kind *kind, hidi_option *table)
{
    bool any_dit = false;
    for (int i = 0; i < N_OF_KIND; i++)
        if (has_word(kind->settings, of_kind[i].key))
            *table++ = of_kind[i];
    for (int role = 0; role < HIDI_PROBE_DITS; role++)
        if (kind->roles & 1u << role) {
            any_dit = true;
            *table++ = of_dit[1 + role][0];
            *table++ = of_dit[1 + role][1];
        }
    if (any_dit) {
        *table++ = of_dit[0][0];
        *table++ = of_dit[0][1];
    }
    *table = (hidi_option){.key = NULL};
}

static hidi_status read_settings(hidi_probe *probe, const hidi_cli *cli)
{
    hidi_option table[N_OF_KIND + 2 * (1 + HIDI_PROBE_DITS) + 1];
    for (int i = 0; i < N_OF_KIND; i++)
        HIDI_TRY(hidi_config_defaults((hidi_option[]){of_kind[i], {.key = NULL}}, &probe->set));
    options_of(probe->kind, table);
    for (int i = 0; i < cli->session.n_sets; i++) {
        if (table[0].key == NULL)
            return hidi_error(HIDI_BAD_ARGUMENT, "%s takes no --set", probe->kind->name);
        HIDI_TRY(hidi_error_prefix(hidi_config_set(table, &probe->set, cli->session.set[i]), "%s",
                                   probe->kind->name));
    }
    return HIDI_OK;
}

/* --- the command ------------------------------------------------------------------------------ */

static const hidi_probe_kind *find_kind(const char *name)
{
    for (const hidi_probe_kind *kind = hidi_probe_kinds; kind->name != NULL; kind++)
        if (strcmp(kind->name, name) == 0)
            return kind;
    return NULL;
}

/* Which models the kind takes, and which were given; EXIT_OK, or EXIT_USAGE after a message. */
static int check_models(const hidi_probe *probe, const hidi_cli *cli)
{
    const hidi_probe_kind *kind = probe->kind;
    bool wanted[HIDI_PROBE_ROLES] = {false};
    for (int role = 0; role < HIDI_PROBE_ROLES; role++)
        wanted[role] = kind->roles & 1u << role;
    /* --model names a DiT or a feature net, whatever the kind takes */
    wanted[HIDI_PROBE_MODEL] = wanted[HIDI_PROBE_MODEL] || wanted[HIDI_PROBE_NET];
    wanted[HIDI_PROBE_NET] = wanted[HIDI_PROBE_MODEL];
    for (int role = 0; role < HIDI_PROBE_ROLES; role++) {
        if (wanted[role] && probe->path[role] == NULL)
            return hidi_cli_usage(cli, "%s needs --%s FILE", kind->name, hidi_probe_option[role]);
        if (!wanted[role] && probe->path[role] != NULL)
            return hidi_cli_usage(cli, "%s takes no --%s", kind->name, hidi_probe_option[role]);
    }
    return EXIT_OK;
}

static hidi_status evaluate(hidi_probe *probe, const char *in, const char *out)
{
    HIDI_TRY(hidi_tensor_file_open(&probe->in, in, NULL));
    HIDI_TRY(hidi_probe_load(probe));
    HIDI_TRY(hidi_probe_check(probe));
    probe->tape = hidi_tape_create(probe->backend);
    if (probe->tape == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory");
    HIDI_TRY(probe->kind->run(probe));
    return hidi_safetensors_write(&probe->out, out);
}

static int run_probe(const hidi_command *command, int argc, char **argv)
{
    hidi_cli cli;
    hidi_probe probe = {.kind = NULL};
    const char **path = probe.path, *in = NULL, *out = NULL;
    const hidi_flag flags[] = {
        {"model", "FILE", &path[HIDI_PROBE_MODEL], NULL, "the model; the student, the backbone"},
        {"key", "KEY", &probe.key, NULL, "the part of --model's file (ema, state_dict)"},
        {"model-teacher", "FILE", &path[HIDI_PROBE_TEACHER], NULL, "the teacher"},
        {"model-fake", "FILE", &path[HIDI_PROBE_FAKE], NULL, "the fake score"},
        {"model-heads", "FILE", &path[HIDI_PROBE_HEADS], NULL, "the discriminator's heads"},
        {"in", "FILE", &in, NULL, "the inputs, a safetensors file"},
        {"out", "FILE", &out, NULL, "the results, a safetensors file"},
        {"set", "KEY=VALUE", NULL, NULL, "a constant of the formulas; may be repeated"},
        {"quiet", NULL, NULL, NULL, NULL},
        {0}};
    int first, code;
    if (!hidi_cli_begin(&cli, command, flags, argc, argv, &first, &code))
        return code;
    path[HIDI_PROBE_NET] = path[HIDI_PROBE_MODEL];
    if (first == argc)
        return hidi_cli_usage(&cli, "what is to be evaluated?  KIND is missing");
    if (first + 1 < argc)
        return hidi_cli_usage(&cli, "unexpected argument %s", argv[first + 1]);
    if ((probe.kind = find_kind(argv[first])) == NULL)
        return hidi_cli_usage(&cli, "no kind \"%s\"", argv[first]);
    if (check_models(&probe, &cli) != EXIT_OK)
        return EXIT_USAGE;
    if (in == NULL || out == NULL)
        return hidi_cli_usage(&cli, "--in FILE and --out FILE are needed");
    if (read_settings(&probe, &cli) != HIDI_OK)
        return hidi_cli_usage(&cli, "%s", hidi_error_message());

    hidi_tensor_file_init(&probe.in);
    hidi_tensor_file_init(&probe.out);
    hidi_status status = hidi_session_backend(&cli.session);
    probe.backend = cli.session.backend;
    if (status == HIDI_OK)
        status = evaluate(&probe, in, out);
    code = hidi_cli_end(&cli, status);
    hidi_tape_destroy(probe.tape);
    hidi_probe_unload(&probe);
    free(probe.y);
    hidi_tensor_file_free(&probe.in);
    hidi_tensor_file_free(&probe.out);
    return code;
}

const hidi_command hidi_command_probe = {
    "probe", "KIND", "evaluates one computation on tensors from a file, to check it against yours",
    "Inputs and results are safetensors files; t and r are [B] in [0, 1] with r <= t, y is [B]\n"
    "integers (the last class: none), images are [B, C, H, W].  Nothing is drawn at random.\n"
    "\n"
    "KIND      --model                inputs                results\n"
    "dit       a DiT                  z t y [r]             out\n"
    "dit-grad  a DiT                  z t y [r] dout        out, gradients of <dout, out>:\n"
    "                                                       grad.z, grad.NAME of each parameter\n"
    "dit-jvp   a DiT                  z t y [r] dz dt [dr]  out, dout (along dz, dt and dr)\n"
    "flow      a DiT                  x e t y               loss, grad.NAME\n"
    "meanflow  student, and -teacher  x e t r y             v, u, dudt, target, loss, grad.NAME\n"
    "progressive\n"
    "          student, and -teacher  x e t r y             u, target, loss, grad.NAME\n"
    "dmd       student, and -teacher  e y t e2              x_gen, x_real, x_fake, dm_grad, loss,\n"
    "          and -fake                                    grad.NAME\n"
    "awd       backbone, and -heads   z t y [dlogits]       logits [B]; weights and scores\n"
    "                                                       [B, heads, N]; with dlogits [B] also\n"
    "                                                       grad.z, grad.NAME of the heads\n"
    "features  a feature net          images                features [B, D]\n"
    "frechet   none                   f1 [N, D] f2 [M, D]   distance, mean_term, trace_1,\n"
    "                                                       trace_2, cross_term\n"
    "Heads of kind token also give token_logits [B, N], and logits is their mean; heads of kind\n"
    "conv have no weights and scores.\n"
    "\n"
    "A model may be a plain state dict with the names of the DiT code.  What shapes do not say:\n"
    "  --set heads=N         attention heads\n"
    "  --set time_scale=S    what t and t - r are multiplied with before their sin-cos features;\n"
    "                        1 if neither this nor the file says it\n"
    "with model., teacher. or fake. in front of the key for one model alone.\n"
    "Constants of the formulas:\n"
    "  --set guidance=1      w of the teacher (meanflow, progressive, dmd)\n"
    "  --set p=1, c=0.01     adaptive weight 1 / (d + c)^p (meanflow, progressive)\n"
    "  --set difference=0    > 0: du/dt by differences over t +- this (meanflow)\n"
    "  --set bound=0         > 0: (t - r) du/dt is at most this times as long as v (meanflow)\n",
    "", run_probe};
