/* fuzz_pickle.c - what a zip archive's checksums keep the fuzzer from: the pickle in it, the choice
 * of a part, and the tensors. */
#include "fuzz.h"

#include "io/torch_storage.h"

/* Zeros, as many as were asked for. */
static hidi_status load(void *context, const hidi_stored *storage, unsigned char **data,
                        bool *owned)
{
    (void)context;
    *data = calloc(storage->count + 1, hidi_dtype_bytes(storage->dtype));
    *owned = true;
    return *data == NULL ? hidi_error(HIDI_NO_MEMORY, "out of memory") : HIDI_OK;
}

static void read_part(const hidi_value *value, const char *key)
{
    const hidi_storage_source source = { load, NULL, false, 1 << 10 };
    hidi_torch_views views = { 0 };
    hidi_tensor_file file;
    const hidi_value *part;
    const char *prefix;

    hidi_tensor_file_init(&file);
    hidi_status status = hidi_torch_choose(value, key, "in", &part, &prefix);
    if (status == HIDI_OK)
        status = hidi_torch_list_part(&views, part, prefix, &file);
    size_t bytes = 0;
    for (size_t i = 0; i < views.n && bytes <= 1 << 22; i++)
        bytes += views.item[i].view->count > 1 << 22 ? 1 << 23 : views.item[i].view->count * 8;
    for (size_t i = 0; i < views.n; i++)
        bytes += views.item[i].view->storage->count > 1 << 22 ? 1 << 23 : 0;
    if (status == HIDI_OK && bytes <= 1 << 22) /* larger ones only cost time */
        status = hidi_torch_materialise(&file, &views, &source);
    else if (status == HIDI_OK)
        status = hidi_error(HIDI_UNSUPPORTED, "large");
    hidi_torch_views_free(&views);
    if (status == HIDI_OK)
        fuzz_use(&file);
    else
        hidi_tensor_file_free(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const keys[] = { "", NULL, "a.b", "ema" };
    hidi_pickle pickle;

    if (hidi_unpickle(&pickle, data, size, "in") == HIDI_OK)
        for (int i = 0; i < 4; i++)
            read_part(pickle.value, keys[i]);
    hidi_pickle_free(&pickle);
    return 0;
}
