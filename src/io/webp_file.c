/* webp_file.c - reading WebP files that are one picture with libwebp; animations are refused. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "io/picture_file.h"

#ifdef HAVE_WEBP
#include <webp/decode.h>

static const char *reason(VP8StatusCode code)
{
    switch (code) {
    case VP8_STATUS_OUT_OF_MEMORY:
        return "out of memory";
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return "a feature that libwebp does not know";
    case VP8_STATUS_NOT_ENOUGH_DATA:
        return "it ends too early";
    default:
        return "damaged data";
    }
}

static hidi_status webp_error(const char *path, VP8StatusCode code)
{
    return hidi_error(code == VP8_STATUS_OUT_OF_MEMORY ? HIDI_NO_MEMORY : HIDI_BAD_FORMAT,
                      "%s: not a readable WebP file: %s", path, reason(code));
}

hidi_status hidi_webp_decode(hidi_picture *picture, const char *path, const uint8_t *bytes,
                             size_t n)
{
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return hidi_error(HIDI_UNSUPPORTED, "%s: another version of libwebp than hidi was built "
                                            "with", path);
    VP8StatusCode code = WebPGetFeatures(bytes, n, &config.input);
    if (code != VP8_STATUS_OK)
        return webp_error(path, code);
    if (config.input.has_animation)
        return hidi_error(HIDI_UNSUPPORTED, "%s: an animation; one picture is expected", path);
    const int channels = config.input.has_alpha ? 4 : 3;
    HIDI_TRY(hidi_picture_room(picture, path, (size_t)config.input.width,
                               (size_t)config.input.height, channels));
    const size_t row = picture->width * (size_t)channels;
    config.output.colorspace = config.input.has_alpha ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = picture->pixel;
    config.output.u.RGBA.stride = (int)row;
    config.output.u.RGBA.size = row * picture->height;
    code = WebPDecode(bytes, n, &config);
    WebPFreeDecBuffer(&config.output);
    return code == VP8_STATUS_OK ? HIDI_OK : webp_error(path, code);
}
#endif
