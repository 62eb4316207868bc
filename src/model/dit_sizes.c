/* dit_sizes.c */
#include "model/dit_sizes.h"

#include <stdio.h>
#include <string.h>

hidi_status hidi_dit_published_config(const char *name, long side, long channels,
                                  hidi_dit_config *config)
{
    *config = (hidi_dit_config){.image_size = (size_t)side,
                                .channels = (size_t)channels,
                                .out_channels = 2 * (size_t)channels,
                                .patch = 2,
                                .n_classes = 1000,
                                .time_scale = 1};
    return hidi_dit_named_size(name, config);
}

hidi_status hidi_dit_size_names(const char *list, hidi_dit_size_name *name, int *n)
{
    hidi_dit_config config = {.patch = 2};
    for (*n = 0; list != NULL && *n < HIDI_DIT_SIZE_NAMES; ++*n) {
        const size_t length = strcspn(list, ",");
        snprintf(name[*n], sizeof name[*n], "%.*s", (int)length, list);
        HIDI_TRY(hidi_dit_named_size(name[*n], &config));
        list = list[length] == ',' ? list + length + 1 : NULL;
    }
    return list == NULL ? HIDI_OK
                        : hidi_error(HIDI_BAD_ARGUMENT, "--model: more than %d sizes",
                                     HIDI_DIT_SIZE_NAMES);
}
