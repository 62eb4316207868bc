/* describe_file.c - what a file of tensors is: known kinds of networks are read on the dry backend,
 * which says whether they are complete; of anything else, names, shapes and totals are listed. */
#include "lab/describe_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab/session.h"
#include "backend/tables.h"
#include "io/open_tensors.h"
#include "eval/feature_net.h"
#include "model/autoencoder.h"
#include "method/heads.h"
#include "model/macs.h"

enum { SOME_KEYS = 12, SOME_TEXT = 200 }; /* of the metadata, unless all of it is asked for */

/* Text from a file: control characters do not reach the terminal. */
static void print_text(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        putchar((unsigned char)text[i] < 32 || text[i] == 127 ? '?' : text[i]);
}

/* --- its kind --------------------------------------------------------------------------------- */

/* Each of these reads the file as one kind of network, on the dry backend: shapes, completeness and
 * finite numbers are checked, and nothing is kept. */

/* "DiT-XL/2", if it is of a published size. */
static void print_size(const hidi_dit_config *c)
{
    const char *name = hidi_dit_published_name(c->width, c->depth);
    if (name != NULL)
        printf("  size        %s/%zu of the published ones\n", name, c->patch);
}

static void print_dit(const hidi_dit *dit)
{
    printf("  parameters  %zu\n", hidi_params_elements(&dit->params));
    printf("  a forward   %.4g million multiply-adds per image\n",
           1e-6 * hidi_dit_macs(&dit->config));
}

/* A DiT that does not say all of itself: complete, finite?  Read with stand-ins for the rest. */
static hidi_status describe_what_is_there(const hidi_tensor_file *file, const hidi_backend *dry,
                                          const hidi_dit_given *given)
{
    char question[1024], asked[96];
    hidi_dit *dit;
    hidi_dit_given guess = *given;
    snprintf(question, sizeof question, "%s", hidi_error_message());
    guess.heads = guess.heads ? guess.heads : 1;
    guess.time_scale = guess.time_scale > 0 ? guess.time_scale : 1;
    guess.prediction = guess.prediction ? guess.prediction : 1 + HIDI_VELOCITY;
    if (guess.image_size == 0 && hidi_tensor_file_find(file, "pos_embed") == NULL)
        guess.image_size = 1024; /* whatever patches divide */
    HIDI_TRY(hidi_dit_read(&dit, dry, file, "", &guess));
    const hidi_dit_config *c = &dit->config;
    printf("  kind        DiT, complete and finite: patch %zu, width %zu, depth %zu, %zu channels "
           "in, %zu out, %s%s%s\n",
           c->patch, c->width, c->depth, c->channels, c->out_channels,
           c->adaln == HIDI_ADALN_SINGLE ? "adaLN-single, " : "", c->qk_norm ? "QK-norm, " : "",
           hidi_dit_asked_text(c, asked, sizeof asked));
    print_size(c);
    printf("  parameters  %zu\n", hidi_params_elements(&dit->params));
    hidi_dit_destroy(dit);
    printf("  to use it   ");
    print_text(question, strlen(question));
    putchar('\n');
    return HIDI_OK;
}

static hidi_status describe_dit(const hidi_tensor_file *file, const hidi_backend *dry,
                                const hidi_dit_given *given)
{
    char text[256];
    hidi_dit *dit;
    const hidi_status status = hidi_dit_read(&dit, dry, file, "", given);
    if (status == HIDI_BAD_ARGUMENT && strstr(hidi_error_message(), "does not say") != NULL)
        return describe_what_is_there(file, dry, given);
    if (status != HIDI_OK)
        return status;
    printf("  kind        %s\n", hidi_dit_text(&dit->config, text, sizeof text));
    if (hidi_tensor_file_meta(file, "hidi.heads") == NULL)
        print_size(&dit->config);
    print_dit(dit);
    hidi_dit_destroy(dit);
    return HIDI_OK;
}

static hidi_status describe_heads(const hidi_tensor_file *file, const hidi_backend *dry)
{
    hidi_heads *heads;
    HIDI_TRY(hidi_heads_from_file(&heads, dry, file));
    printf("  kind        discriminator: %s heads after blocks %s of a DiT of width %zu%s\n",
           hidi_tensor_file_meta(file, "kind"), hidi_tensor_file_meta(file, "blocks"),
           heads->config.width, heads->config.conditional ? ", conditional" : "");
    printf("  parameters  %zu\n", heads->params.count);
    hidi_heads_destroy(heads);
    return HIDI_OK;
}

static hidi_status describe_feature_net(const hidi_tensor_file *file, const hidi_backend *dry)
{
    hidi_feature_net *net;
    HIDI_TRY(hidi_feature_net_from_file(&net, dry, file));
    printf("  kind        feature net for images %zux%zux%zu of %zu classes, %d features\n",
           net->image_size, net->image_size, net->channels, net->n_classes, HIDI_FEATURES);
    printf("  parameters  %zu\n", net->params.count);
    hidi_feature_net_destroy(net);
    return HIDI_OK;
}

/* Complete if both halves are there. */
static hidi_status describe_autoencoder(const hidi_tensor_file *file, const hidi_backend *dry)
{
    char text[512];
    hidi_autoencoder *net;
    HIDI_TRY(hidi_autoencoder_from_file(&net, dry, file, HIDI_ENCODER_AND_DECODER));
    printf("  kind        %s%s\n", hidi_autoencoder_text(&net->config, text, sizeof text),
           hidi_tensor_file_meta(file, "hidi.scale") == NULL ? " (SD-VAE's: the file says none)"
                                                             : "");
    printf("  parameters  %zu\n", net->params.count);
    hidi_autoencoder_destroy(net);
    return HIDI_OK;
}

static hidi_status describe_latents(const hidi_tensor_file *file)
{
    const char *scale = hidi_tensor_file_meta(file, "hidi.scale");
    const char *mirrored = hidi_tensor_file_meta(file, "hidi.mirrored");
    const hidi_file_tensor *mean;
    HIDI_TRY(hidi_tensor_file_need(file, "mean", &mean));
    if (mean->rank != 4)
        return hidi_error(HIDI_BAD_FORMAT, "%s: mean has rank %d", file->path, mean->rank);
    printf("  kind        %zu latents %zux%zux%zu%s%s, scale ", mean->dim[0], mean->dim[2],
           mean->dim[3], mean->dim[1],
           mirrored != NULL && strcmp(mirrored, "yes") == 0 ? ", half of them mirrored" : "",
           hidi_tensor_file_find(file, "logvar") != NULL ? ", with log-variances" : "");
    print_text(scale != NULL ? scale : "1", strlen(scale != NULL ? scale : "1"));
    putchar('\n');
    return HIDI_OK;
}

static hidi_status describe_checkpoint(const hidi_tensor_file *file)
{
    const char *task = hidi_tensor_file_meta(file, "task");
    const hidi_file_tensor *step, *seconds;
    int32_t done;
    double taken;
    char time[32];
    HIDI_TRY(hidi_tensor_file_need(file, "step", &step));
    HIDI_TRY(hidi_tensor_file_need(file, "seconds", &seconds));
    if (task == NULL || step->count != 1 || seconds->count != 1)
        return hidi_error(HIDI_BAD_FORMAT, "%s: no task, step or time", file->path);
    HIDI_TRY(hidi_file_tensor_int(step, &done));
    hidi_file_tensor_double(seconds, &taken);
    printf("  kind        checkpoint: ");
    print_text(task, strlen(task));
    printf(" after step %ld, %s of training\n", (long)done,
           hidi_duration(time, sizeof time, taken));
    return HIDI_OK;
}

/* Is this the first tensor of a DiT, and what is before its name? */
static bool begins_dit(const char *name, size_t *before)
{
    static const char *const first[] = {".x_embedder.proj.weight", ".pos_embed.proj.weight"};
    for (size_t i = 0; i < sizeof first / sizeof first[0]; i++) {
        const char *end = strstr(name, first[i]);
        *before = end != NULL ? (size_t)(end - name) : 0;
        if (end != NULL && strcmp(end, first[i]) == 0)
            return true;
    }
    return false;
}

/* Networks under names that a wrapper, or a checkpoint, put in front of theirs. */
static void print_parts(const hidi_tensor_file *file)
{
    size_t before;
    for (size_t i = 0; i < file->n_tensors; i++) {
        const char *name = file->tensor[i].name;
        if (!begins_dit(name, &before))
            continue;
        printf("  a part      a DiT: --key ");
        print_text(name, before);
        putchar('\n');
    }
}

static void describe(const hidi_tensor_file *file, const hidi_dit_given *given)
{
    const hidi_backend *dry = hidi_dry_backend(hidi_reference_backend());
    const char *format = hidi_tensor_file_meta(file, "format"), *kind = "tensors";
    hidi_status status = HIDI_OK;
    if (format != NULL && strcmp(format, "hidi-checkpoint") == 0) {
        kind = "checkpoint";
        status = describe_checkpoint(file);
    } else if (format != NULL && strcmp(format, "hidi-heads") == 0) {
        kind = "discriminator heads";
        status = describe_heads(file, dry);
    } else if (format != NULL && strcmp(format, "hidi-feature-net") == 0) {
        kind = "feature net";
        status = describe_feature_net(file, dry);
    } else if (format != NULL && strcmp(format, "hidi-latents") == 0) {
        kind = "latents";
        status = describe_latents(file);
    } else if (hidi_is_autoencoder(file)) {
        kind = "autoencoder";
        status = describe_autoencoder(file, dry);
    } else if (hidi_tensor_file_find(file, "x_embedder.proj.weight") != NULL) {
        kind = "DiT";
        status = describe_dit(file, dry, given);
    } else {
        printf("  kind        %s\n", kind);
        print_parts(file);
    }
    if (status != HIDI_OK) {
        printf("  kind        %s, but it cannot be used as it is: ", kind);
        print_text(hidi_error_message(), strlen(hidi_error_message()));
        putchar('\n');
    }
}

/* --- metadata --------------------------------------------------------------------------------- */

static size_t count_lines(const char *text)
{
    size_t n = 0;
    for (; *text != '\0'; text++)
        n += *text == '\n' || text[1] == '\0';
    return n;
}

static void print_metadata(const hidi_tensor_file *file, bool full)
{
    if (file->n_keys > 0)
        printf("  metadata\n");
    for (size_t i = 0; i < file->n_keys; i++) {
        if (!full && i == SOME_KEYS) {
            printf("    ... and %zu more (--metadata)\n", file->n_keys - i);
            break;
        }
        const char *value = file->value[i];
        const size_t lines = count_lines(value), line = strcspn(value, "\n");
        const size_t first = full || line <= SOME_TEXT ? line : SOME_TEXT;
        printf("    ");
        print_text(file->key[i], strlen(file->key[i]));
        printf(" = ");
        if (lines < 2 || !full)
            print_text(value, first);
        if (lines < 2) {
            printf("%s\n", first < line ? " ... (--metadata)" : "");
        } else if (!full) {
            printf(" ... (%zu lines)\n", lines);
        } else {
            for (size_t length; *value != '\0'; value += length + (value[length] == '\n')) {
                length = strcspn(value, "\n");
                printf("\n      ");
                print_text(value, length);
            }
            putchar('\n');
        }
    }
}

/* --- tensors ---------------------------------------------------------------------------------- */

/* Tensors whose names begin alike, up to the first dot, and have the same dtype. */
typedef struct group {
    const char *name;
    size_t length; /* of the common part, with its dot */
    hidi_dtype dtype;
    size_t tensors, elements;
} group;

static size_t group_length(const char *name)
{
    const size_t length = strcspn(name, ".");
    return length + (name[length] == '.');
}

static bool belongs(const group *g, const hidi_file_tensor *tensor)
{
    return g->dtype == tensor->dtype && g->length == group_length(tensor->name) &&
           strncmp(g->name, tensor->name, g->length) == 0;
}

static hidi_status print_groups(const hidi_tensor_file *file)
{
    group *groups = calloc(file->n_tensors + 1, sizeof *groups);
    size_t n = 0;
    if (groups == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < file->n_tensors; i++) {
        const hidi_file_tensor *tensor = &file->tensor[i];
        size_t k = 0;
        while (k < n && !belongs(&groups[k], tensor))
            k++;
        if (k == n)
            groups[n++] = (group){tensor->name, group_length(tensor->name), tensor->dtype, 0, 0};
        groups[k].tensors++;
        groups[k].elements += tensor->count;
    }
    for (size_t k = 0; k < n; k++) {
        const group *g = &groups[k];
        printf("    %-5s %5zu tensor%s %12zu numbers  ", hidi_dtype_name(g->dtype), g->tensors,
               g->tensors == 1 ? " " : "s", g->elements);
        print_text(g->name, g->length);
        printf("%s\n", g->name[g->length - (g->length > 0)] == '.' ? "*" : "");
    }
    free(groups);
    return HIDI_OK;
}

static void print_tensors(const hidi_tensor_file *file)
{
    char text[256];
    for (size_t i = 0; i < file->n_tensors; i++) {
        printf("    %-28s ", hidi_file_tensor_text(&file->tensor[i], text, sizeof text));
        print_text(file->tensor[i].name, strlen(file->tensor[i].name));
        putchar('\n');
    }
}

static void print_unread(const hidi_tensor_file *file)
{
    if (file->n_unread > 0)
        printf("  not read\n");
    for (size_t i = 0; i < file->n_unread; i++) {
        printf("    ");
        print_text(file->unread[i], strlen(file->unread[i]));
        putchar('\n');
    }
}

/* Reads the file; *whole: with its data.  If it has several parts and none is chosen, all of them
 * are listed. */
static hidi_status open_file(hidi_tensor_file *file, const char *path, const char *key,
                             const char **format, bool *whole)
{
    HIDI_TRY(hidi_tensor_file_format(path, format));
    *whole = strncmp(*format, "np", 2) != 0 && (key == NULL || *key != '\0');
    if (!*whole)
        return hidi_tensor_file_list(file, path, key);
    hidi_status status = hidi_tensor_file_open(file, path, key);
    if (status != HIDI_BAD_ARGUMENT || key != NULL)
        return status;
    *whole = false;
    return hidi_tensor_file_list(file, path, "");
}

hidi_status hidi_describe_file(const char *path, const char *key, const hidi_dit_given *given,
                               bool full_metadata, bool all_tensors)
{
    hidi_tensor_file file;
    char size[32];
    const char *format;
    size_t elements = 0;
    double bytes = 0;
    bool whole;
    HIDI_TRY(open_file(&file, path, key, &format, &whole));
    for (size_t i = 0; i < file.n_tensors; i++) {
        elements += file.tensor[i].count;
        bytes += (double)(file.tensor[i].count * hidi_dtype_bytes(file.tensor[i].dtype));
    }
    printf("%s: %zu tensors, %zu numbers, %s\n", path, file.n_tensors, elements,
           hidi_bytes_text(size, sizeof size, bytes));
    printf("  format      %s\n", format);
    hidi_status status = HIDI_OK;
    if (whole)
        status = hidi_dit_adopt(&file);
    if (status != HIDI_OK)
        printf("  kind        DiT, but it cannot be used as it is: %s\n", hidi_error_message());
    else if (whole)
        describe(&file, given);
    else
        print_parts(&file);
    print_metadata(&file, full_metadata);
    if (file.n_tensors > 0)
        printf("  tensors\n");
    status = HIDI_OK;
    if (all_tensors)
        print_tensors(&file);
    else
        status = print_groups(&file);
    print_unread(&file);
    hidi_tensor_file_free(&file);
    return status;
}
