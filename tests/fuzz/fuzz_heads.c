/* fuzz_heads.c - hidi_heads_from_file, of heads of every kind: the first byte says which */
#include "fuzz_model.h"

#include "method/heads.h"

static hidi_tensor_file sound[HIDI_HEAD_COUNT];

static void make_sound(void)
{
    for (int kind = 0; kind < HIDI_HEAD_COUNT; kind++) {
        const hidi_heads_config config = {.kind = (hidi_head_kind)kind, .n = 2, .block = {0, 1},
                                          .width = 8, .key_width = 4, .conditional = true};
        hidi_heads *heads;

        hidi_tensor_file_init(&sound[kind]);
        if (hidi_heads_create(&heads, hidi_reference_backend(), &config) != HIDI_OK ||
            hidi_heads_to_file(heads, "", &sound[kind]) != HIDI_OK)
            abort();
        hidi_heads_destroy(heads);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t kind = size > 0 ? data[0] % HIDI_HEAD_COUNT : 0, skip = size > 0;
    hidi_tensor_file file;
    hidi_heads *heads;

    if (sound[0].n_tensors == 0)
        make_sound();
    fuzz_edit(&file, &sound[kind], data + skip, size - skip);
    if (hidi_heads_from_file(&heads, hidi_reference_backend(), &file) == HIDI_OK)
        hidi_heads_destroy(heads);
    else if (hidi_error_message()[0] == '\0' || heads != NULL)
        abort();
    hidi_tensor_file_free(&file);
    return 0;
}
