/* The feature net learns to tell a data set's classes apart:  L = -mean log softmax(logits)_y.
 * What it computes before its logits are then the features of the Frechet distance. */
#include "train/classifier.h"

#include <stdlib.h>

#include "model/params_file.h"
#include "train/options.h"
#include "train/terms.h"

struct hidi_classifier {
    hidi_classifier_options options;
    hidi_feature_net *net; /* the result */
    hidi_optimizer optimizer;
    hidi_batch batch;
    hidi_tape *tape;
    hidi_task task;
};

enum { LOSS, GRAD_NORM, RATE };
static const char *const columns[] = {"loss", "grad_norm", "learning_rate", NULL};

static hidi_status step(void *self, long step, double *values)
{
    hidi_classifier *s = self;
    hidi_tape_reset(s->tape);
    hidi_var *x = hidi_batch_images(&s->batch, s->tape, step);
    const int32_t *y = hidi_indices(s->tape, s->batch.label, s->batch.size, s->net->n_classes);
    hidi_var *logits = hidi_feature_net_forward(s->tape, s->net, false, x, NULL);
    hidi_var *loss = hidi_mean(s->tape, hidi_cross_entropy(s->tape, logits, y));

    const hidi_term term = {loss, "the cross entropy", LOSS};
    HIDI_TRY(hidi_read_terms(s->tape, &term, 1, values));
    HIDI_TRY(hidi_tape_backward(s->tape, loss, NULL));
    values[RATE] = hidi_learning_rate(&s->options.schedule, step);
    return hidi_optimizer_step(&s->optimizer, values[RATE], &values[GRAD_NORM]);
}

static hidi_status to_file(void *self, hidi_tensor_file *file)
{
    const hidi_classifier *s = self;
    HIDI_TRY(hidi_params_to_file(&s->net->params, s->net->params.value, "net.", file));
    return hidi_optimizer_to_file(&s->optimizer, "adamw.", file);
}

static hidi_status from_file(void *self, const hidi_tensor_file *file)
{
    hidi_classifier *s = self;
    HIDI_TRY(hidi_params_from_file(&s->net->params, s->net->params.value, "net.", file));
    return hidi_optimizer_from_file(&s->optimizer, "adamw.", file);
}

hidi_classifier_options hidi_classifier_defaults(void)
{
    return (hidi_classifier_options){
        .batch = 64,
        .seed = 1,
        .adamw = hidi_adamw_defaults(),
        .schedule = {.rate = 1e-3, .warmup = 50, .decay = HIDI_DECAY_COSINE, .final = 0.05,
                     .steps = 2000}};
}

static hidi_status check(const hidi_classifier_options *o)
{
    HIDI_TRY(hidi_batch_size_check(o->batch));
    HIDI_TRY(hidi_error_prefix(hidi_adamw_check(&o->adamw), "adamw"));
    return hidi_error_prefix(hidi_schedule_check(&o->schedule), "schedule");
}

hidi_status hidi_classifier_check(const hidi_classifier_options *options)
{
    return hidi_error_prefix(check(options), "feature net");
}

static hidi_status begin(hidi_classifier *s, const hidi_backend *backend, const hidi_dataset *data,
                         const char *settings)
{
    const hidi_classifier_options *o = &s->options;
    s->tape = hidi_tape_create(backend);
    if (s->tape == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for a tape");
    s->task = (hidi_task){"features", columns, settings, s, step, to_file, from_file, s->tape};
    if (data->height != data->width)
        return hidi_error(HIDI_UNSUPPORTED, "images of %zux%zu: only square ones are supported",
                          data->height, data->width);
    HIDI_TRY(hidi_feature_net_create(&s->net, backend, data->channels, data->height,
                                     data->n_classes));
    HIDI_TRY(hidi_feature_net_initialise(s->net, o->seed));
    HIDI_TRY(hidi_optimizer_init(&s->optimizer, &s->net->params, &o->adamw));
    return hidi_batch_init(&s->batch, data, o->batch, o->seed);
}

hidi_status hidi_classifier_create(hidi_classifier **training, const hidi_backend *backend,
                                   const hidi_dataset *data, const hidi_classifier_options *options,
                                   const char *settings)
{
    *training = NULL;
    HIDI_TRY(hidi_classifier_check(options));
    hidi_classifier *s = *training = calloc(1, sizeof *s);
    if (s == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for the training of a feature net");
    s->options = *options;
    const hidi_status status = begin(s, backend, data, settings);
    if (status != HIDI_OK) {
        hidi_classifier_destroy(s);
        *training = NULL;
    }
    return status;
}

void hidi_classifier_destroy(hidi_classifier *s)
{
    if (s == NULL)
        return;
    hidi_optimizer_free(&s->optimizer);
    hidi_batch_free(&s->batch);
    hidi_tape_destroy(s->tape);
    hidi_feature_net_destroy(s->net);
    free(s);
}

const hidi_task *hidi_classifier_task(const hidi_classifier *s)
{
    return &s->task;
}

const hidi_feature_net *hidi_classifier_result(const hidi_classifier *s)
{
    return s->net;
}

hidi_feature_net *hidi_classifier_take_result(hidi_classifier *s)
{
    hidi_feature_net *result = s->net;
    hidi_optimizer_free(&s->optimizer); /* it borrows the net's parameters */
    s->net = NULL;
    return result;
}

static hidi_status test(hidi_classifier *s, size_t n, double *accuracy)
{
    const size_t B = s->batch.size;
    size_t right = 0, seen = 0;
    int32_t *found = malloc(B * sizeof *found);
    if (found == NULL)
        return hidi_error(HIDI_NO_MEMORY, "feature net: out of memory");
    hidi_status status = HIDI_OK;
    for (; seen < n && status == HIDI_OK; seen += B) {
        hidi_dataset_range(s->batch.data, HIDI_TEST, seen, B, s->batch.image, s->batch.label);
        status = hidi_feature_net_classify(s->net, s->tape, s->batch.image, B, found);
        for (size_t i = 0; i < B && status == HIDI_OK; i++)
            right += found[i] == s->batch.label[i];
    }
    free(found);
    *accuracy = (double)right / (double)(seen ? seen : 1);
    return status;
}

hidi_status hidi_classifier_finish(hidi_classifier *s, size_t n, double *accuracy)
{
    enum { SCALE_IMAGES = 2048 };
    const hidi_dataset *data = s->batch.data;
    const size_t pixels = data->channels * data->height * data->width;
    hidi_real *images = malloc(SCALE_IMAGES * pixels * sizeof *images);
    int32_t *labels = malloc(SCALE_IMAGES * sizeof *labels);
    hidi_status status = HIDI_OK;
    if (images == NULL || labels == NULL)
        status = hidi_error(HIDI_NO_MEMORY, "feature net: out of memory");
    if (status == HIDI_OK) {
        hidi_dataset_range(data, HIDI_TRAIN, 0, SCALE_IMAGES, images, labels);
        status = hidi_feature_net_standardise(s->net, s->tape, images, SCALE_IMAGES);
    }
    if (status == HIDI_OK)
        status = test(s, n, accuracy);
    free(images);
    free(labels);
    return status;
}
