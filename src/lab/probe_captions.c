/* probe_captions.c - captions in the place of y: c [B, L, D_c] for a network that takes
 * embeddings, or words [B, L] (I32) for one with a text encoder; mask [B, L] (I32) has 1 for what
 * counts, and a row of zeros is the null caption. */
#include "lab/probe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *name_of_captions(const hidi_probe *probe)
{
    return probe->dit[HIDI_PROBE_MODEL]->config.words > 0 ? "words" : "c";
}

bool hidi_probe_takes_captions(const hidi_probe *probe)
{
    const hidi_dit *model = probe->dit[HIDI_PROBE_MODEL];
    return model != NULL && model->config.caption_length > 0;
}

bool hidi_probe_is_of_captions(const hidi_probe *probe, const char *name)
{
    return hidi_probe_takes_captions(probe) &&
           (strcmp(name, name_of_captions(probe)) == 0 || strcmp(name, "mask") == 0);
}

/* Moves what the mask has 1 for to the front of each caption: cross-attention does not know the
 * order of embeddings; that of words it does, so that gaps are refused. */
static hidi_status pack(hidi_probe *probe, const int32_t *mask)
{
    const size_t L = probe->captions.most, W = probe->captions.width;
    for (size_t i = 0; i < probe->batch; i++) {
        int32_t n = 0;
        for (size_t k = 0; k < L; k++) {
            if (mask[i * L + k] == 0)
                continue;
            if (mask[i * L + k] != 1)
                return hidi_error(HIDI_BAD_ARGUMENT, "%s: mask holds %ld, expected 0 or 1",
                                  probe->in.path, (long)mask[i * L + k]);
            if (probe->token != NULL && (size_t)n != k)
                return hidi_error(HIDI_BAD_ARGUMENT, "%s: mask has a gap in row %zu, and words "
                                                     "have places",
                                  probe->in.path, i);
            if (probe->embedding != NULL && (size_t)n != k)
                memcpy(probe->embedding + (i * L + (size_t)n) * W,
                       probe->embedding + (i * L + k) * W, W * sizeof *probe->embedding);
            n++;
        }
        probe->length[i] = n;
        probe->label[i] = (int32_t)i;
    }
    return HIDI_OK;
}

static hidi_status read_values(hidi_probe *probe, const hidi_file_tensor *c)
{
    const hidi_dit_config *config = &probe->dit[HIDI_PROBE_MODEL]->config;
    if (config->words > 0)
        return hidi_error_prefix(hidi_file_tensor_int(c, probe->token), "%s", probe->in.path);
    hidi_file_tensor_real(c, probe->embedding);
    for (size_t i = 0; i < c->count; i++)
        if (!isfinite(probe->embedding[i]))
            return hidi_error(HIDI_NOT_FINITE, "%s: c holds %g at element %zu", probe->in.path,
                              (double)probe->embedding[i], i);
    return HIDI_OK;
}

hidi_status hidi_probe_read_captions(hidi_probe *probe)
{
    const hidi_dit_config *config = &probe->dit[HIDI_PROBE_MODEL]->config;
    const hidi_file_tensor *c, *mask;
    char text[128], width[32] = "";
    HIDI_TRY(hidi_tensor_file_need(&probe->in, name_of_captions(probe), &c));
    HIDI_TRY(hidi_tensor_file_need(&probe->in, "mask", &mask));
    const bool is_words = config->words > 0;
    if (!is_words)
        snprintf(width, sizeof width, ", %zu", config->caption_width);
    if (c->rank != (is_words ? 2 : 3) || c->dim[0] != probe->batch || c->dim[1] < 1 ||
        (!is_words && c->dim[2] != config->caption_width))
        return hidi_error(HIDI_BAD_SHAPE, "%s: %s is %s, expected [%zu, L%s]", probe->in.path,
                          c->name, hidi_file_tensor_text(c, text, sizeof text), probe->batch,
                          width);
    if (mask->rank != 2 || mask->dim[0] != probe->batch || mask->dim[1] != c->dim[1])
        return hidi_error(HIDI_BAD_SHAPE, "%s: mask is %s, expected [%zu, %zu]", probe->in.path,
                          hidi_file_tensor_text(mask, text, sizeof text), probe->batch, c->dim[1]);
    int32_t *host = malloc(mask->count * sizeof *host);
    probe->length = calloc(probe->batch, sizeof *probe->length);
    probe->label = calloc(probe->batch, sizeof *probe->label);
    if (is_words)
        probe->token = malloc(c->count * sizeof *probe->token);
    else
        probe->embedding = malloc(c->count * sizeof *probe->embedding);
    hidi_status status = HIDI_OK;
    if (!host || !probe->length || !probe->label || (!probe->token && !probe->embedding))
        status = hidi_error(HIDI_NO_MEMORY, "%s: out of memory for captions", probe->in.path);
    probe->captions = (hidi_captions){.n = probe->batch,
                                      .most = c->dim[1],
                                      .length = probe->length,
                                      .token = probe->token,
                                      .embedding = probe->embedding,
                                      .width = config->caption_width};
    if (status == HIDI_OK)
        status = hidi_error_prefix(hidi_file_tensor_int(mask, host), "%s", probe->in.path);
    if (status == HIDI_OK)
        status = read_values(probe, c);
    if (status == HIDI_OK)
        status = pack(probe, host);
    free(host);
    probe->y = (hidi_condition){.number = probe->label, .captions = &probe->captions};
    return status;
}
