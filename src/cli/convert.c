/* convert.c - hidi convert: a file of tensors as safetensors. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "io/open_tensors.h"
#include "io/safetensors.h"
#include "lab/given.h"
#include "model/dit_foreign.h"

static hidi_status write_tensors(const hidi_tensor_file *file, const char *to, bool tensors_only)
{
    size_t numbers = 0;
    if (file->n_unread > 0 && !tensors_only)
        return hidi_error(HIDI_UNSUPPORTED,
                          "%s: cannot be converted: %s%s; --tensors-only leaves such things out, "
                          "--key chooses a part",
                          file->path, file->unread[0], file->n_unread > 1 ? ", and others" : "");
    HIDI_TRY(hidi_safetensors_write(file, to));
    for (size_t i = 0; i < file->n_tensors; i++)
        numbers += file->tensor[i].count;
    printf("%s: %zu tensors, %zu numbers", to, file->n_tensors, numbers);
    if (file->n_unread > 0)
        printf("; left out: %zu", file->n_unread);
    putchar('\n');
    return HIDI_OK;
}

/* r_embedder.NAME becomes h_embedder.NAME. */
static hidi_status rename_embedder(hidi_tensor_file *file)
{
    size_t n = 0;
    for (size_t i = 0; i < file->n_tensors; i++) {
        char *name = file->tensor[i].name;
        if (strncmp(name, "r_embedder.", strlen("r_embedder.")) != 0)
            continue;
        name[0] = 'h';
        n++;
        for (size_t k = 0; k < file->n_tensors; k++)
            if (k != i && strcmp(file->tensor[k].name, name) == 0)
                return hidi_error(HIDI_BAD_ARGUMENT, "%s: %s is there as well", file->path, name);
    }
    return n > 0 ? HIDI_OK
                 : hidi_error(HIDI_BAD_ARGUMENT, "%s: it has no r_embedder", file->path);
}

/* What the shapes of a DiT do not say, from the texts of --set. */
static hidi_status set_metadata(hidi_tensor_file *file, const char *const *set, int n)
{
    hidi_given given = {{{0}}};
    for (int i = 0; i < n; i++) {
        bool taken = false;
        if (strncmp(set[i], "teacher.", strlen("teacher.")) != 0 &&
            hidi_given_set(&given, set[i], &taken) != HIDI_OK)
            taken = false; /* no such number or word */
        if (!taken && strcmp(set[i], "r_embedder=h") == 0)
            HIDI_TRY(rename_embedder(file));
        else if (!taken)
            return hidi_error(HIDI_BAD_ARGUMENT,
                              "--set %s: there are heads=N, time_scale=S (above 0), "
                              "prediction=velocity, sit or epsilon, image_size=N, code=dit or "
                              "diffusers, caption_length=N, and r_embedder=h",
                              set[i]);
    }
    const hidi_dit_given all = hidi_given_for(&given, HIDI_GIVEN_ALL, 0);
    return hidi_given_to_file(&all, file);
}

/* Tensor i as F16, in the place of F64, F32 or BF16. */
static hidi_status add_half(hidi_tensor_file *out, const hidi_file_tensor *t)
{
    double *value = malloc((t->count + 1) * sizeof *value);
    unsigned char *bytes = malloc(2 * t->count + 1);
    hidi_status status = HIDI_OK;
    if (value == NULL || bytes == NULL)
        status = hidi_error(HIDI_NO_MEMORY, "out of memory");
    else
        hidi_file_tensor_double(t, value);
    for (size_t i = 0; status == HIDI_OK && i < t->count; i++) {
        const uint16_t half = hidi_to_half(value[i]);
        if (fabs(value[i]) > 65504)
            status = hidi_error(HIDI_UNSUPPORTED, "--half: %s has %g, beyond 65504", t->name,
                                value[i]);
        bytes[2 * i] = (unsigned char)(half & 255);
        bytes[2 * i + 1] = (unsigned char)(half >> 8);
    }
    free(value);
    if (status == HIDI_OK)
        status = hidi_tensor_file_take(out, t->name, HIDI_F16, t->rank, t->dim, bytes);
    if (status != HIDI_OK)
        free(bytes);
    return status;
}

/* The file with halves for its floating-point numbers, in its place. */
static hidi_status to_halves(hidi_tensor_file *file)
{
    hidi_tensor_file out;
    hidi_tensor_file_init(&out);
    hidi_status status = hidi_tensor_file_set_path(&out, file->path);
    for (size_t i = 0; i < file->n_tensors && status == HIDI_OK; i++) {
        const hidi_file_tensor *t = &file->tensor[i];
        status = t->dtype <= HIDI_BF16
                     ? add_half(&out, t)
                     : hidi_tensor_file_add(&out, t->name, t->dtype, t->rank, t->dim, t->data);
    }
    for (size_t i = 0; i < file->n_keys && status == HIDI_OK; i++)
        status = hidi_tensor_file_add_meta(&out, file->key[i], file->value[i]);
    if (status != HIDI_OK) {
        hidi_tensor_file_free(&out);
        return status;
    }
    out.unread = file->unread; /* they move along */
    out.n_unread = file->n_unread;
    file->unread = NULL;
    file->n_unread = 0;
    hidi_tensor_file_free(file);
    *file = out;
    return HIDI_OK;
}

static hidi_status convert(const hidi_session *session, const char *from, const char *to,
                           const char *key, bool tensors_only, bool half)
{
    hidi_tensor_file file;
    HIDI_TRY(hidi_cli_check_outputs(to, NULL));
    HIDI_TRY(hidi_tensor_file_open(&file, from, key));
    hidi_status status = set_metadata(&file, session->set, session->n_sets);
    if (status == HIDI_OK) /* no config.json will lie beside the new file */
        status = hidi_dit_take_config(&file);
    if (status == HIDI_OK && half)
        status = to_halves(&file);
    if (status == HIDI_OK)
        status = write_tensors(&file, to, tensors_only);
    hidi_tensor_file_free(&file);
    return status;
}

static int run(const hidi_command *command, int argc, char **argv)
{
    hidi_cli cli;
    int first, code, tensors_only = 0, half = 0;
    const char *key = NULL, *set = NULL;
    const hidi_flag flags[] = {
        HIDI_VALUE("key", "KEY", &key,
                   "the part of a PyTorch file (ema, state_dict); '': all of it"),
        HIDI_VALUE("set", "NAME=VALUE", &set,
                   "heads=N, time_scale=S, prediction=P: what a DiT's shapes do not say"),
        HIDI_SWITCH("tensors-only", &tensors_only, "leave out what safetensors cannot hold"),
        HIDI_SWITCH("half", &half, "write floating-point numbers as F16"),
        HIDI_NO_FLAG("backend"),
        HIDI_NO_FLAG("threads"),
        HIDI_NO_FLAG("quiet"),
        {0}};
    if (!hidi_cli_begin(&cli, command, flags, argc, argv, &first, &code))
        return code;
    if (argc - first != 2)
        return hidi_cli_usage(&cli, "two files are needed: one to read, one to write");
    return hidi_cli_end(&cli, convert(&cli.session, argv[first], argv[first + 1], key,
                                      tensors_only != 0, half != 0));
}

const hidi_command hidi_command_convert = {
    "convert", "FROM TO", "converts PyTorch, npz and npy files to safetensors",
    "FROM is what torch.save wrote (.pt, .pth, of any version), an npz, npy or safetensors, told\n"
    "apart by their content; TO is written as safetensors, whole or not at all.  Numbers keep their\n"
    "type and their bits.\n"
    "\n"
    "Of a PyTorch file with several parts, {'model': ..., 'ema': ...}, --key names the one to\n"
    "take; if only one has tensors, {'state_dict': ..., 'epoch': 3}, it is that one.  With --key\n"
    "'' all is taken, with names joined by dots (ema.x_embedder.proj.weight).  In a flat file\n"
    "KEY is what names begin with, up to a dot: --key module takes module.x_embedder.proj.weight\n"
    "as x_embedder.proj.weight, as --key _orig_mod.module does with _orig_mod.module.\n"
    "\n"
    "A DiT's shapes say neither its heads, nor what t in [0, 1] is multiplied with, nor what it\n"
    "predicts: --set heads=6 --set time_scale=1000 --set prediction=epsilon writes all of it into\n"
    "TO (image_size=N, code=dit or diffusers and caption_length=N, too); of diffusers' networks, what\n"
    "config.json says is written as well.  Codes of MeanFlow embed r as r_embedder, or\n"
    "h = t - r; where it is h, --set r_embedder=h gives its tensors hidi's name, h_embedder.\n"
    "\n"
    "A PyTorch file is a pickle, a program for Python, which is not run: tensors, dicts, lists,\n"
    "numbers and text are read from it, and objects of other classes are refused by their names,\n"
    "or left out with --tensors-only.  Numbers and text become metadata.\n",
    "", run};
