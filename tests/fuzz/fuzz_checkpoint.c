/* fuzz_checkpoint.c - hidi_train, resuming the feature net's training from an edited checkpoint,
 * after its last step unless that was edited */
#include "fuzz_model.h"

#include "io/safetensors.h"
#include "train/classifier.h"

static hidi_dataset *images;

static hidi_status train(const char *checkpoint, long steps, long stop_after)
{
    const hidi_training training = {.steps = steps,
                                    .log_every = 1,
                                    .checkpoint = checkpoint,
                                    .stop_after = stop_after};
    hidi_classifier_options options = hidi_classifier_defaults();
    hidi_classifier *classifier;

    options.batch = 1;
    if (hidi_classifier_create(&classifier, hidi_reference_backend(), images, &options, "s") !=
        HIDI_OK)
        abort();
    const hidi_status status = hidi_train(hidi_classifier_task(classifier), &training);
    hidi_classifier_destroy(classifier);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static hidi_tensor_file sound;
    static char path[600];
    hidi_tensor_file file;

    if (sound.n_tensors == 0) {
        snprintf(path, sizeof path, "%s", fuzz_file("checkpoint", data, 0));
        unlink(path);
        if (hidi_dataset_open(&images, "shapes", NULL, 8, 1) != HIDI_OK ||
            train(path, 2, 1) != HIDI_INTERRUPTED ||
            hidi_safetensors_read(&sound, path) != HIDI_OK)
            abort();
    }
    fuzz_edit(&file, &sound, data, size);
    if (hidi_safetensors_write(&file, path) == HIDI_OK && train(path, 1, 0) != HIDI_OK &&
        hidi_error_message()[0] == '\0')
        abort();
    hidi_tensor_file_free(&file);
    return 0;
}
