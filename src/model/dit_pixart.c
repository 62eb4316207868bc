/* dit_pixart.c - PixArt's embedders of its images' size, in diffusers' files (arXiv 2310.00426).
 *
 * The network of 1024 x 1024 pixels is also told the size and the aspect ratio of its images, in
 * pixels, of which latents have an eighth:
 *
 *     c = t_emb + [e(height), e(width), e'(height / width)],   e, e': linear(silu(linear(sincos)))
 *
 * of D / 3 numbers each.  hidi's images are square and of one size for a network, so that the
 * bracket is a constant, which is added to the bias of t_emb's last layer.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "backend/tables.h"
#include "io/number.h"
#include "model/dit_foreign.h"

enum { PIXELS_OF_A_LATENT = 8 }; /* along a side: Stable Diffusion's autoencoder */

#define BIAS "t_embedder.mlp.2.bias"

/* A parameter of an embedder as a constant; NULL after recording that it is not [rows, columns]
 * (columns 0: [rows]). */
static hidi_var *constant_of(hidi_tape *tape, const hidi_tensor_file *file, const char *embedder,
                             const char *layer, size_t rows, size_t columns)
{
    char name[128], found[96];
    const hidi_file_tensor *tensor;
    snprintf(name, sizeof name, "adaln_single.emb.%s.%s", embedder, layer);
    if (hidi_tensor_file_need(file, name, &tensor) != HIDI_OK)
        return hidi_tape_fail(tape, HIDI_BAD_FORMAT);
    if (tensor->rank != (columns > 0 ? 2 : 1) || tensor->dim[0] != rows ||
        (columns > 0 && tensor->dim[1] != columns) || tensor->data == NULL)
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_FORMAT, "%s: %s is %s, expected %zu rows",
                                               file->path, name,
                                               hidi_file_tensor_text(tensor, found, sizeof found),
                                               rows));
    hidi_real *host = malloc((tensor->count + 1) * sizeof *host);
    if (host == NULL)
        return hidi_tape_fail(tape, hidi_error(HIDI_NO_MEMORY, "out of memory for %s", name));
    hidi_file_tensor_real(tensor, host);
    const hidi_shape shape = columns > 0 ? hidi_shape2(rows, columns) : hidi_shape1(rows);
    hidi_var *constant = hidi_constant(tape, shape, host);
    free(host);
    return constant;
}

static hidi_var *linear(hidi_tape *tape, const hidi_tensor_file *file, const char *embedder, int i,
                        hidi_var *x, size_t out, size_t in)
{
    char weight[32], bias[32];
    snprintf(weight, sizeof weight, "linear_%d.weight", i);
    snprintf(bias, sizeof bias, "linear_%d.bias", i);
    hidi_var *w = constant_of(tape, file, embedder, weight, out, in);
    hidi_var *b = constant_of(tape, file, embedder, bias, out, 0);
    return hidi_linear(tape, x, w, b);
}

/* What an embedder makes of a number, added to out [size]. */
static hidi_status add_embedding(const hidi_tensor_file *file, const char *embedder, double number,
                                 size_t size, hidi_real *out)
{
    hidi_tape *tape = hidi_tape_create(hidi_reference_backend());
    hidi_real *e = malloc((size + 1) * sizeof *e);
    if (tape == NULL || e == NULL) {
        hidi_tape_destroy(tape);
        free(e);
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory", file->path);
    }
    hidi_var *x = hidi_filled(tape, hidi_shape1(1), (hidi_real)number);
    x = hidi_sincos(tape, x, 1, HIDI_TIME_FEATURES);
    x = hidi_silu(tape, linear(tape, file, embedder, 1, x, size, HIDI_TIME_FEATURES));
    x = linear(tape, file, embedder, 2, x, size, size);
    const hidi_status status = hidi_read(tape, x, e);
    for (size_t i = 0; i < size && status == HIDI_OK; i++)
        out[i] += e[i];
    hidi_tape_destroy(tape);
    free(e);
    return status;
}

static hidi_status add_size(const hidi_tensor_file *file, double side, size_t D, hidi_real *bias)
{
    const size_t third = D / 3;
    if (third * 3 != D || third == 0)
        return hidi_error(HIDI_BAD_FORMAT, "%s: embedders of resolution in a network of width %zu, "
                                           "which is no multiple of 3",
                          file->path, D);
    for (size_t i = 0; i < 2; i++)
        HIDI_TRY(add_embedding(file, "resolution_embedder", side, third, bias + i * third));
    return add_embedding(file, "aspect_ratio_embedder", 1, third, bias + 2 * third);
}

/* The bias with the size in it, in the place of the file's. */
static hidi_status replace_bias(hidi_tensor_file *file, double side)
{
    const hidi_file_tensor *tensor;
    HIDI_TRY(hidi_tensor_file_need(file, BIAS, &tensor));
    if (tensor->rank != 1 || tensor->data == NULL)
        return hidi_error(HIDI_BAD_FORMAT, "%s: " BIAS " is not a bias", file->path);
    const size_t D = tensor->dim[0];
    hidi_real *bias = malloc((D + 1) * sizeof *bias);
    if (bias == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory for " BIAS, file->path);
    hidi_file_tensor_real(tensor, bias);
    hidi_status status = add_size(file, side, D, bias);
    if (status == HIDI_OK) {
        hidi_dit_remove_tensor(file, tensor);
        status = hidi_tensor_file_add_real(file, BIAS, 1, &D, bias);
    }
    free(bias);
    return status;
}

static void remove_embedders(hidi_tensor_file *file)
{
    static const char *const embedders[] = {"resolution_embedder", "aspect_ratio_embedder"};
    static const char *const layers[] = {"linear_1.weight", "linear_1.bias", "linear_2.weight",
                                         "linear_2.bias"};
    char name[128];
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "adaln_single.emb.%s.%s", embedders[i / 4], layers[i % 4]);
        hidi_dit_remove_tensor(file, hidi_tensor_file_find(file, name));
    }
}

hidi_status hidi_dit_add_size(hidi_tensor_file *file)
{
    const char *said = hidi_tensor_file_meta(file, "hidi.image_size");
    long side;
    if (hidi_tensor_file_find(file, "adaln_single.emb.resolution_embedder.linear_1.weight") == NULL)
        return HIDI_OK;
    if (said == NULL || !hidi_parse_long(said, &side) || side < 1)
        return hidi_error(HIDI_UNSUPPORTED, "%s: it is told the resolution of its images, which no "
                                            "config.json says (hidi convert --set image_size=N)",
                          file->path);
    HIDI_TRY(replace_bias(file, PIXELS_OF_A_LATENT * (double)side));
    remove_embedders(file);
    return hidi_tensor_file_set_meta(file, "hidi.told_size", said);
}
