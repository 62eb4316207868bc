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
    hidi_task task;
};

enum { LOSS, GRAD_NORM, RATE };
static const char *const columns[] = {"loss", "grad_norm", "learning_rate", NULL};

static hidi_status accumulate(void *self, hidi_worker *worker, double *terms)
{
    const hidi_classifier *s = self;
    hidi_tape *tape = worker->tape;
    hidi_batch *batch = &worker->batch;
    hidi_var *x = hidi_batch_images(batch, tape);
    for (size_t i = 0; i < batch->size; i++)
        batch->label[i] = hidi_dataset_class(batch->data, batch->label[i]);
    const int32_t *y = hidi_indices(tape, batch->label, batch->size, s->net->n_classes);
    hidi_var *logits = hidi_feature_net_forward(tape, s->net, false, x, NULL);
    hidi_var *loss = hidi_mean(tape, hidi_cross_entropy(tape, logits, y));

    const hidi_term term = {loss, "the cross entropy", LOSS};
    HIDI_TRY(hidi_read_terms(tape, &term, 1, terms));
    return hidi_worker_backward(worker, loss);
}

static hidi_status update(void *self, long step, double *values)
{
    hidi_classifier *s = self;
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
        .micro_batch = HIDI_MICRO_BATCH,
        .seed = 1,
        .adamw = hidi_adamw_defaults(),
        .schedule = {.rate = 1e-3, .warmup = 50, .decay = HIDI_DECAY_COSINE, .final = 0.05,
                     .steps = 2000}};
}

static hidi_status check(const hidi_classifier_options *o)
{
    HIDI_TRY(hidi_batch_sizes_check(o->batch, o->micro_batch));
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
    if (data->height != data->width)
        return hidi_error(HIDI_UNSUPPORTED, "images of %zux%zu: only square ones are supported",
                          data->height, data->width);
    HIDI_TRY(hidi_feature_net_create(&s->net, backend, data->channels, data->height,
                                     data->n_classes));
    HIDI_TRY(hidi_feature_net_initialise(s->net, o->seed));
    s->task = (hidi_task){.label = "features", .columns = columns, .settings = settings,
                          .data = data, .seed = o->seed, .batch = o->batch,
                          .micro_batch = o->micro_batch, .trained = {&s->net->params}, .self = s,
                          .accumulate = accumulate, .update = update, .to_file = to_file,
                          .from_file = from_file};
    return hidi_optimizer_init(&s->optimizer, &s->net->params, &o->adamw);
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

/* --- after the training ----------------------------------------------------------------------- */

/* A piece of a data set on its way through the net. */
typedef struct piece {
    hidi_tape *tape;
    size_t most;
    hidi_real *image;        /* [most, C, H, W] */
    int32_t *label, *found;  /* [most]          */
} piece;

static void free_piece(piece *p)
{
    hidi_tape_destroy(p->tape);
    free(p->image);
    free(p->label);
    free(p->found);
}

static hidi_status new_piece(piece *p, const hidi_classifier *s, size_t most)
{
    const hidi_dataset *data = s->task.data;
    p->tape = hidi_tape_create(s->net->params.backend);
    p->most = most;
    p->image = malloc(most * data->channels * data->height * data->width * sizeof *p->image);
    p->label = malloc(most * sizeof *p->label);
    p->found = malloc(most * sizeof *p->found);
    if (p->tape != NULL && p->image != NULL && p->label != NULL && p->found != NULL)
        return HIDI_OK;
    free_piece(p);
    return hidi_error(HIDI_NO_MEMORY, "feature net: out of memory");
}

static hidi_status test(const hidi_classifier *s, piece *p, size_t n, double *accuracy)
{
    size_t right = 0;
    for (size_t seen = 0; seen < n; seen += p->most) {
        const size_t m = n - seen < p->most ? n - seen : p->most;
        hidi_dataset_range(s->task.data, HIDI_TEST, seen, m, p->image, p->label);
        HIDI_TRY(hidi_feature_net_classify(s->net, p->tape, p->image, m, p->found));
        for (size_t i = 0; i < m; i++)
            right += p->found[i] == hidi_dataset_class(s->task.data, p->label[i]);
    }
    *accuracy = (double)right / (double)(n ? n : 1);
    return HIDI_OK;
}

hidi_status hidi_classifier_finish(hidi_classifier *s, size_t n, double *accuracy)
{
    enum { SCALE_IMAGES = 2048 };
    piece p;
    HIDI_TRY(new_piece(&p, s, SCALE_IMAGES));
    hidi_dataset_range(s->task.data, HIDI_TRAIN, 0, SCALE_IMAGES, p.image, p.label);
    hidi_status status = hidi_feature_net_standardise(s->net, p.tape, p.image, SCALE_IMAGES);
    if (status == HIDI_OK)
        status = test(s, &p, n, accuracy);
    free_piece(&p);
    return status;
}
