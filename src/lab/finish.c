/* finish.c - a checkpoint has the weights that are trained, their moving average and the
 * optimiser's moments; the moving average is the result, and all that a model needs. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/finish.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backend/tables.h"
#include "io/atomic_file.h"
#include "io/open_tensors.h"
#include "io/safetensors.h"
#include "lab/session.h"
#include "model/dit.h"

static hidi_status add_origin(hidi_tensor_file *out, const hidi_tensor_file *checkpoint)
{
    static const char *const keys[][2] = {{"settings", "hidi.settings"}};
    const hidi_file_tensor *step;
    int32_t done;
    char text[32];
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const char *value = hidi_tensor_file_meta(checkpoint, keys[i][0]);
        if (value != NULL)
            HIDI_TRY(hidi_tensor_file_add_meta(out, keys[i][1], value));
    }
    HIDI_TRY(hidi_tensor_file_need(checkpoint, "step", &step));
    if (step->count != 1)
        return hidi_error(HIDI_BAD_FORMAT, "%s: step is not a single number", checkpoint->path);
    HIDI_TRY(hidi_file_tensor_int(step, &done));
    snprintf(text, sizeof text, "%" PRId32, done);
    return hidi_tensor_file_add_meta(out, "hidi.steps", text);
}

static hidi_status finish(const hidi_tensor_file *checkpoint, const char *out)
{
    const char *format = hidi_tensor_file_meta(checkpoint, "format");
    hidi_tensor_file file;
    hidi_dit *net;
    if (format == NULL || strcmp(format, "hidi-checkpoint") != 0)
        return hidi_error(HIDI_BAD_FORMAT, "%s is not a checkpoint of a training",
                          checkpoint->path);
    if (hidi_tensor_file_find(checkpoint, "average.decoder.conv_in.weight") != NULL)
        return hidi_error(HIDI_UNSUPPORTED, "%s is a checkpoint of an autoencoder, whose scale is "
                                            "measured when its training ends: go on, with a number "
                                            "of vae.steps that is soon reached",
                          checkpoint->path);
    if (hidi_tensor_file_find(checkpoint, "average.x_embedder.proj.weight") == NULL)
        return hidi_error(HIDI_UNSUPPORTED, "%s is a checkpoint of \"%s\", which keeps no moving "
                                            "average of a network",
                          checkpoint->path, hidi_tensor_file_meta(checkpoint, "task"));
    HIDI_TRY(hidi_dit_from_file(&net, hidi_reference_backend(), checkpoint, "average.", 0, 0, 0));
    hidi_tensor_file_init(&file);
    hidi_status status = hidi_dit_to_file(net, "", &file);
    if (status == HIDI_OK)
        status = add_origin(&file, checkpoint);
    if (status == HIDI_OK)
        status = hidi_safetensors_write(&file, out);
    hidi_tensor_file_free(&file);
    hidi_dit_destroy(net);
    return status;
}

hidi_status hidi_finish(const char *checkpoint, const char *out)
{
    hidi_tensor_file file;
    HIDI_TRY(hidi_atomic_check(out));
    HIDI_TRY(hidi_safetensors_read(&file, checkpoint));
    const hidi_status status = finish(&file, out);
    hidi_tensor_file_free(&file);
    return status;
}
