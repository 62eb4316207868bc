/* open_extractor.c - numbers are comparable if they were measured in the same features: an
 * extractor's identity is its kind and a hash of its weights, whichever file holds them. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/open_extractor.h"

#include <string.h>

#include "lab/measuring.h"
#include "lab/pipeline.h"
#include "core/hash.h"
#include "io/open_tensors.h"
#include "eval/inception.h"

static const char weights_of_fid[] = "pt_inception-2015-12-05-6726825d.pth";

hidi_status hidi_extractor_choose(hidi_opened_extractor *o, const hidi_extractor_request *r)
{
    memset(o, 0, sizeof *o);
    o->inception = strcmp(r->name, "inception") == 0;
    if (!o->inception && strcmp(r->name, "small") != 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "--extractor %s: expected inception or small",
                          r->name);
    if (r->input != NULL && !o->inception)
        return hidi_error(HIDI_BAD_ARGUMENT, "--input goes with --extractor inception");
    if (r->weights != NULL && r->features != NULL)
        return hidi_error(HIDI_BAD_ARGUMENT, "--weights and --features are the same option: give one");
    return HIDI_OK;
}

hidi_status hidi_extractor_find(hidi_opened_extractor *o, const hidi_extractor_request *r,
                                const hidi_settings *settings)
{
    const char *given = r->weights ? r->weights : r->features;
    if (given != NULL) {
        snprintf(o->weights, sizeof o->weights, "%s", given);
        return HIDI_OK;
    }
    if (o->inception)
        return hidi_error(HIDI_BAD_ARGUMENT,
                          "--extractor inception needs --weights %s, the file of pytorch-fid's "
                          "releases; --extractor small compares in features of hidi's own, and "
                          "not by FID", weights_of_fid);
    if (settings->features.file[0] == '\0')
        return hidi_error(HIDI_BAD_ARGUMENT,
                          "no feature net: --features FILE, or features.file in the preset");
    return hidi_find_ready(settings->features.file, o->weights, sizeof o->weights);
}

/* The weights, and their identity: the same tensors have the same in any format of file and
 * order. */
static hidi_status read_weights(hidi_opened_extractor *o, const char *kind, const char *key,
                                hidi_tensor_file *file)
{
    uint64_t sum = 0;
    HIDI_TRY(hidi_tensor_file_open(file, o->weights, key));
    for (size_t i = 0; i < file->n_tensors; i++) {
        const hidi_file_tensor *t = &file->tensor[i];
        sum += hidi_hash(t->data, t->count * hidi_dtype_bytes(t->dtype)) *
               (2 * hidi_hash(t->name, strlen(t->name)) + 1);
    }
    snprintf(o->identity, sizeof o->identity, "%s, weights %016llx", kind, (unsigned long long)sum);
    return HIDI_OK;
}

static hidi_status open_inception(hidi_opened_extractor *o, const hidi_extractor_request *r,
                                  const hidi_backend *backend)
{
    hidi_tensor_file file;
    hidi_inception_input input;
    char kind[64];
    HIDI_TRY(hidi_inception_input_named(&input, r->input ? r->input : "pytorch-fid"));
    snprintf(kind, sizeof kind, "Inception-v3 (%s input)", hidi_inception_input_name(input));
    HIDI_TRY(read_weights(o, kind, r->key, &file));
    hidi_status status = hidi_inception_extractor(&o->extractor, backend, &file, input);
    hidi_tensor_file_free(&file);
    return status;
}

static hidi_status open_small(hidi_opened_extractor *o, const hidi_extractor_request *r,
                              const hidi_backend *backend, const hidi_dataset *data)
{
    hidi_tensor_file file;
    hidi_feature_net *net;
    HIDI_TRY(read_weights(o, "hidi's small feature net", r->key, &file));
    hidi_status status =
        hidi_inception_is_in(&file)
            ? hidi_error(HIDI_BAD_ARGUMENT, "%s: the weights of Inception-v3, which --extractor "
                                            "inception takes", o->weights)
            : hidi_feature_net_from_file(&net, backend, &file);
    hidi_tensor_file_free(&file);
    if (status == HIDI_OK)
        status = hidi_small_extractor(&o->extractor, net, data);
    if (status != HIDI_OK || data == NULL ||
        (o->extractor.image_size == data->height && o->extractor.channels == data->channels))
        return status;
    return hidi_error(HIDI_BAD_ARGUMENT, "%s is for images %zux%zux%zu, %s has %zux%zux%zu",
                      o->weights, o->extractor.image_size, o->extractor.image_size,
                      o->extractor.channels, data->name, data->height, data->width, data->channels);
}

hidi_status hidi_extractor_open(hidi_opened_extractor *o, const hidi_extractor_request *r,
                                const hidi_backend *backend, const hidi_dataset *data)
{
    return o->inception ? open_inception(o, r, backend) : open_small(o, r, backend, data);
}
