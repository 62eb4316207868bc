/* dit_sizes.c - the sizes of the papers: S, B, L and XL of DiT (arXiv 2212.09748, table 1), which
 * SiT has too, and the network that both have for ImageNet. */
#include "model/dit.h"

#include <string.h>

#include "io/number.h"

static const struct {
    const char *name;
    size_t depth, width, heads;
} sizes[] = {{"S", 12, 384, 6}, {"B", 12, 768, 12}, {"L", 24, 1024, 16}, {"XL", 28, 1152, 16}};

size_t hidi_dit_published_heads(size_t width, size_t depth)
{
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (sizes[i].width == width && sizes[i].depth == depth)
            return sizes[i].heads;
    return 0;
}

const char *hidi_dit_published_name(size_t width, size_t depth)
{
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (sizes[i].width == width && sizes[i].depth == depth)
            return sizes[i].name;
    return NULL;
}

hidi_status hidi_dit_named_size(const char *name, hidi_dit_config *config)
{
    const bool is_long = strncmp(name, "DiT-", 4) == 0 || strncmp(name, "SiT-", 4) == 0;
    const char *letters = is_long ? name + 4 : name, *slash = strchr(letters, '/');
    size_t length = slash ? (size_t)(slash - letters) : strlen(letters);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        long patch = (long)config->patch;
        if (strlen(sizes[i].name) != length || strncmp(sizes[i].name, letters, length) != 0)
            continue;
        if (slash && (!hidi_parse_long(slash + 1, &patch) || patch < 1 || patch > 64))
            break;
        config->depth = sizes[i].depth;
        config->width = sizes[i].width;
        config->heads = sizes[i].heads;
        config->mlp_width = 4 * sizes[i].width;
        config->patch = (size_t)patch;
        return HIDI_OK;
    }
    return hidi_error(HIDI_BAD_ARGUMENT, "\"%s\" is not a DiT size: S, B, L or XL, with /patch",
                      name);
}

hidi_status hidi_dit_imagenet_config(const char *name, size_t side, size_t channels,
                                      hidi_dit_config *config)
{
    *config = (hidi_dit_config){.image_size = side,
                                .channels = channels,
                                .out_channels = 2 * channels,
                                .patch = 2,
                                .n_classes = 1000,
                                .time_scale = 1};
    return hidi_dit_named_size(name, config);
}
