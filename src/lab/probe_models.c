/* probe_models.c - reads the models of `hidi probe`, asks for what their files do not say, and
 * checks that they fit together. */
#include "lab/probe.h"

#include <stdio.h>
#include <string.h>

#include "io/open_tensors.h"

const char *const hidi_probe_option[HIDI_PROBE_ROLES] = {"model", "model-teacher", "model-fake",
                                                         "model-heads", "model", "model"};

/* The size of the images that will be given, for a file that does not say it; 0: cannot be told. */
static size_t given_image_size(const hidi_probe *probe)
{
    const hidi_file_tensor *images =
        hidi_tensor_file_find(&probe->in, probe->kind->input[0].name);
    return images != NULL && images->rank == 4 ? images->dim[3] : 0;
}

/* What --set says of the model in this role: of it alone, or else of all. */
static hidi_dit_given given_of(const hidi_probe *probe, hidi_probe_role role)
{
    const hidi_probe_settings *set = &probe->set;
    const long heads = set->heads[1 + role] ? set->heads[1 + role] : set->heads[0];
    const double scale = set->time_scale[1 + role];
    const long length = set->caption_length[1 + role];
    const int prediction = set->prediction[1 + role], code = set->code[1 + role];
    return (hidi_dit_given){.heads = (size_t)heads,
                            .time_scale = scale > 0 ? scale : set->time_scale[0],
                            .prediction = prediction ? prediction : set->prediction[0],
                            .code = code ? code : set->code[0],
                            .caption_length =
                                (size_t)(length ? length : set->caption_length[0])};
}

/* Does the file, or --set, say that it predicts something else than velocity, for which the time
 * scale is known? */
static bool is_foreign(const hidi_tensor_file *file, const hidi_dit_given *given)
{
    const char *said = hidi_tensor_file_meta(file, "hidi.prediction");
    if (given->prediction > 0)
        return given->prediction != 1 + HIDI_VELOCITY;
    return said != NULL && strcmp(said, "velocity") != 0;
}

static hidi_status read_dit(hidi_probe *probe, hidi_probe_role role, const hidi_tensor_file *file)
{
    hidi_dit_given given = given_of(probe, role);
    if (given.prediction == 0 && hidi_tensor_file_meta(file, "hidi.prediction") == NULL)
        given.prediction = probe->kind->prediction;
    /* A file that hidi wrote says it; in one of these that does not, it was lost. */
    const bool ours = hidi_tensor_file_meta(file, "hidi.heads") != NULL ||
                      hidi_tensor_file_meta(file, "hidi.settings") != NULL;
    const bool unknown = !(given.time_scale > 0) && !ours && !is_foreign(file, &given) &&
                         hidi_tensor_file_meta(file, "hidi.time_scale") == NULL;
    if (unknown)
        given.time_scale = 1;
    if (hidi_tensor_file_find(file, "pos_embed") == NULL)
        given.image_size = given_image_size(probe);
    HIDI_TRY(hidi_dit_read(&probe->dit[role], probe->backend, file, "", &given));
    if (unknown)
        fprintf(stderr, "hidi probe: note: %s does not say what t is multiplied by; "
                        "time_scale=1 is assumed\n",
                file->path);
    return HIDI_OK;
}

static hidi_status read_model(hidi_probe *probe, hidi_probe_role role)
{
    hidi_tensor_file file;
    const bool is_model = role == HIDI_PROBE_MODEL || role == HIDI_PROBE_NET ||
                          role == HIDI_PROBE_CODER;
    const bool is_dit = role <= HIDI_PROBE_FAKE;
    const char *key = is_model ? probe->key : NULL;
    hidi_status status = is_dit ? hidi_dit_open(&file, probe->path[role], key)
                                : hidi_tensor_file_open(&file, probe->path[role], key);
    if (status != HIDI_OK)
        return status;
    if (role == HIDI_PROBE_HEADS)
        status = hidi_heads_from_file(&probe->heads, probe->backend, &file);
    else if (role == HIDI_PROBE_NET)
        status = hidi_feature_net_from_file(&probe->net, probe->backend, &file);
    else if (role == HIDI_PROBE_CODER)
        status = hidi_autoencoder_from_file(&probe->coder, probe->backend, &file,
                                            probe->kind->parts);
    else
        status = read_dit(probe, role, &file);
    hidi_tensor_file_free(&file);
    return status;
}

/* Teacher and fake score take the same images and classes as the student. */
static hidi_status check_alike(const hidi_probe *probe, hidi_probe_role role)
{
    const hidi_dit_config *a = &probe->dit[HIDI_PROBE_MODEL]->config;
    const hidi_dit_config *b = &probe->dit[role]->config;
    if (a->image_size == b->image_size && a->channels == b->channels &&
        a->n_classes == b->n_classes && a->caption_length == b->caption_length &&
        a->words == b->words && a->caption_width == b->caption_width)
        return HIDI_OK;
    if (a->caption_length > 0 || b->caption_length > 0)
        return hidi_error(HIDI_BAD_SHAPE, "%s and %s do not take the same images and captions",
                          probe->path[HIDI_PROBE_MODEL], probe->path[role]);
    return hidi_error(HIDI_BAD_SHAPE,
                      "%s takes images %zux%zux%zu of %zu classes, but %s %zux%zux%zu of %zu",
                      probe->path[HIDI_PROBE_MODEL], a->image_size, a->image_size, a->channels,
                      a->n_classes, probe->path[role], b->image_size, b->image_size, b->channels,
                      b->n_classes);
}

static hidi_status check_heads(const hidi_probe *probe)
{
    const hidi_heads_config *heads = &probe->heads->config;
    const hidi_dit_config *backbone = &probe->dit[HIDI_PROBE_MODEL]->config;
    const int last = heads->block[heads->n - 1];
    if (heads->width == backbone->width && (size_t)last < backbone->depth)
        return HIDI_OK;
    return hidi_error(HIDI_BAD_SHAPE, "%s: heads of width %zu up to block %d, but %s has width %zu "
                                      "and blocks 0 to %zu",
                      probe->path[HIDI_PROBE_HEADS], heads->width, last,
                      probe->path[HIDI_PROBE_MODEL], backbone->width, backbone->depth - 1);
}

hidi_status hidi_probe_load(hidi_probe *probe)
{
    for (hidi_probe_role role = 0; role < HIDI_PROBE_ROLES; role++)
        if (probe->kind->roles & 1u << role)
            HIDI_TRY(read_model(probe, role));

    const hidi_dit *model = probe->dit[HIDI_PROBE_MODEL];
    if (model != NULL) {
        probe->channels = model->config.channels;
        probe->out_channels = model->config.out_channels;
        probe->image_size = model->config.image_size;
        probe->n_classes = model->config.n_classes;
    } else if (probe->net != NULL) {
        probe->channels = probe->net->channels;
        probe->image_size = probe->net->image_size;
    } else if (probe->coder != NULL) {
        const hidi_autoencoder_config *config = &probe->coder->config;
        probe->channels = probe->kind->parts & HIDI_ENCODER ? config->image_channels
                                                             : config->latent_channels;
    }
    if (probe->kind->student && !model->config.has_interval)
        return hidi_error(HIDI_BAD_FORMAT, "%s: no interval embedder (h_embedder): not a student, "
                                           "which %s needs",
                          probe->path[HIDI_PROBE_MODEL], probe->kind->name);
    for (hidi_probe_role role = HIDI_PROBE_TEACHER; role <= HIDI_PROBE_FAKE; role++)
        if (probe->dit[role] != NULL)
            HIDI_TRY(check_alike(probe, role));
    return probe->heads != NULL ? check_heads(probe) : HIDI_OK;
}

void hidi_probe_unload(hidi_probe *probe)
{
    for (int i = 0; i < HIDI_PROBE_DITS; i++)
        hidi_dit_destroy(probe->dit[i]);
    hidi_heads_destroy(probe->heads);
    hidi_feature_net_destroy(probe->net);
    hidi_autoencoder_destroy(probe->coder);
}
