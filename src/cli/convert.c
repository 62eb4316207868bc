/* convert.c - hidi convert: a file of tensors as safetensors. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <stdio.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "io/open_tensors.h"
#include "io/safetensors.h"

/* The source is not overwritten: what was left out of it would be lost. */
static hidi_status check_target(const char *from, const char *to)
{
    struct stat a, b;
    if (stat(from, &a) == 0 && stat(to, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
        return hidi_error(HIDI_BAD_ARGUMENT, "%s and %s are the same file", from, to);
    return HIDI_OK;
}

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

static hidi_status convert(const char *from, const char *to, const char *key, bool tensors_only)
{
    hidi_tensor_file file;
    HIDI_TRY(check_target(from, to));
    HIDI_TRY(hidi_tensor_file_open(&file, from, key));
    hidi_status status = write_tensors(&file, to, tensors_only);
    hidi_tensor_file_free(&file);
    return status;
}

static int run(const hidi_command *command, int argc, char **argv)
{
    hidi_cli cli;
    int first, code, tensors_only = 0;
    const char *key = NULL;
    const hidi_flag flags[] = {
        {"key", "KEY", &key, NULL, "the part of a PyTorch file (ema, state_dict); '': all of it"},
        {"tensors-only", NULL, NULL, &tensors_only, "leave out what safetensors cannot hold"},
        {"backend", NULL, NULL, NULL, NULL},
        {"threads", NULL, NULL, NULL, NULL},
        {"quiet", NULL, NULL, NULL, NULL},
        {0}};
    if (!hidi_cli_begin(&cli, command, flags, argc, argv, &first, &code))
        return code;
    if (argc - first != 2)
        return hidi_cli_usage(&cli, "two files are needed: one to read, one to write");
    return hidi_cli_end(&cli, convert(argv[first], argv[first + 1], key, tensors_only != 0));
}

const hidi_command hidi_command_convert = {
    "convert", "FROM TO", "turns PyTorch files and npz into safetensors",
    "FROM is what torch.save wrote (.pt, .pth, of any version), an npz or safetensors, told apart\n"
    "by their content; TO is written as safetensors, whole or not at all.  Numbers keep their\n"
    "type and their bits.\n"
    "\n"
    "Of a PyTorch file with several parts, {'model': ..., 'ema': ...}, --key names the one to\n"
    "take; if only one has tensors, {'state_dict': ..., 'epoch': 3}, it is that one.  With --key\n"
    "'' all is taken, with names joined by dots (ema.x_embedder.proj.weight).  In a flat file\n"
    "KEY is what names begin with, up to a dot.\n"
    "\n"
    "A PyTorch file is a pickle, a program for Python, which is not run: tensors, dicts, lists,\n"
    "numbers and text are read from it, and objects of other classes are refused by their names,\n"
    "or left out with --tensors-only.  Numbers and text become metadata.\n",
    "", run};
