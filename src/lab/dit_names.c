/* dit_names.c - cuts the list of --model at its commas and refuses what is not a published size. */
#include "lab/dit_names.h"

#include <stdio.h>
#include <string.h>

hidi_status hidi_dit_names(const char *list, hidi_dit_name *name, int *n)
{
    hidi_dit_config config = {.patch = 2};
    for (*n = 0; list != NULL && *n < HIDI_DIT_NAMES; ++*n) {
        const size_t length = strcspn(list, ",");
        snprintf(name[*n], sizeof name[*n], "%.*s", (int)length, list);
        HIDI_TRY(hidi_dit_named_size(name[*n], &config));
        list = list[length] == ',' ? list + length + 1 : NULL;
    }
    return list == NULL ? HIDI_OK : hidi_error(HIDI_BAD_ARGUMENT, "--model: more than %d sizes",
                                               HIDI_DIT_NAMES);
}
