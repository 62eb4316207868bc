/* extractor.c - what every extractor may rely on: images of a size that it takes, finite pixels,
 * and nothing wanted that it does not give. */
#include "eval/extractor.h"

#include <math.h>
#include <stdbool.h>

static hidi_status check_wanted(const hidi_extractor *extractor, const hidi_extracted *out)
{
    if (out->probabilities != NULL && extractor->n_classes == 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "%s has no classes", extractor->name);
    if (out->spatial != NULL && extractor->n_spatial == 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "%s has no spatial features", extractor->name);
    return HIDI_OK;
}

static hidi_status check_finite(const hidi_extractor *extractor, const hidi_real *images, size_t n,
                                size_t pixels)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < pixels; k++)
            if (!isfinite(images[i * pixels + k]))
                return hidi_error(HIDI_NOT_FINITE, "%s: image %zu has a pixel that is not finite",
                                  extractor->name, i);
    return HIDI_OK;
}

hidi_status hidi_extract(hidi_extractor *extractor, const hidi_real *images, size_t n,
                         size_t height, size_t width, const hidi_extracted *out)
{
    const size_t side = extractor->image_size;
    if (height == 0 || width == 0)
        return hidi_error(HIDI_BAD_SHAPE, "%s: images of %zux%zu are empty", extractor->name,
                          height, width);
    if (side != 0 && (height != side || width != side))
        return hidi_error(HIDI_BAD_SHAPE, "%s: images of %zux%zu, expected %zux%zu",
                          extractor->name, height, width, side, side);
    HIDI_TRY(check_wanted(extractor, out));
    HIDI_TRY(check_finite(extractor, images, n, extractor->channels * height * width));
    return extractor->extract(extractor, images, n, height, width, out);
}

void hidi_extractor_close(hidi_extractor *extractor)
{
    if (extractor->state != NULL)
        extractor->destroy(extractor);
    extractor->state = NULL;
}
