/* The draws of a step.  Each is a pure function of (seed, stream, step, sample), so that a training
 * that goes on from a checkpoint draws what it would have drawn, and each part of a batch what the
 * whole would have had there; made in host memory, copied onto the tape. */
#include "train/batch.h"

#include <stdlib.h>
#include <string.h>

#include "train/options.h"

hidi_status hidi_batch_init(hidi_batch *batch, const hidi_dataset *data, uint64_t seed,
                            size_t total, size_t most)
{
    const size_t pixels = data->channels * data->height * data->width;
    *batch = (hidi_batch){.data = data, .seed = seed, .total = total, .most = most};
    HIDI_TRY(hidi_batch_size_check(total));
    HIDI_TRY(hidi_batch_size_check(most));
    batch->label = calloc(most, sizeof *batch->label);
    batch->y = (hidi_condition){.number = batch->label, .captions = data->captions};
    batch->image = malloc(most * pixels * sizeof *batch->image);
    batch->t = malloc(most * sizeof *batch->t);
    batch->r = malloc(most * sizeof *batch->r);
    if (!batch->label || !batch->image || !batch->t || !batch->r) {
        hidi_batch_free(batch);
        return hidi_error(HIDI_NO_MEMORY, "no memory for a batch of %zu images", most);
    }
    hidi_batch_part(batch, 0, 0);
    return HIDI_OK;
}

void hidi_batch_free(hidi_batch *batch)
{
    free(batch->label);
    free(batch->image);
    free(batch->t);
    free(batch->r);
    memset(batch, 0, sizeof *batch);
}

void hidi_batch_part(hidi_batch *batch, long step, size_t first)
{
    const size_t left = batch->total - first;
    batch->step = step;
    batch->first = first;
    batch->size = left < batch->most ? left : batch->most;
}

hidi_shape hidi_batch_shape(const hidi_batch *batch)
{
    return hidi_shape4(batch->size, batch->data->channels, batch->data->height, batch->data->width);
}

static hidi_random draw(const hidi_batch *batch, hidi_stream stream)
{
    return (hidi_random){batch->seed, (uint32_t)stream, (uint64_t)batch->step};
}

void hidi_batch_draw_images(hidi_batch *batch)
{
    hidi_dataset_batch(batch->data, batch->seed, (uint64_t)batch->step, batch->total, batch->first,
                       batch->size, batch->image, batch->label);
}

hidi_var *hidi_batch_images(hidi_batch *batch, hidi_tape *tape)
{
    hidi_batch_draw_images(batch);
    return hidi_constant(tape, hidi_batch_shape(batch), batch->image);
}

hidi_var *hidi_batch_noise(hidi_batch *batch, hidi_tape *tape, hidi_stream stream)
{
    const hidi_dataset *data = batch->data;
    return hidi_batch_noise_of(batch, tape, stream,
                               hidi_shape3(data->channels, data->height, data->width));
}

hidi_var *hidi_batch_noise_of(hidi_batch *batch, hidi_tape *tape, hidi_stream stream,
                              hidi_shape sample)
{
    const size_t n = hidi_count(sample);
    hidi_normal(draw(batch, stream), n * batch->first, batch->image, n * batch->size);
    return hidi_constant(tape, hidi_shape4(batch->size, sample.dim[0], sample.dim[1], sample.dim[2]),
                         batch->image);
}

hidi_var *hidi_batch_times(hidi_batch *batch, hidi_tape *tape, const hidi_time_options *options,
                           hidi_stream stream)
{
    hidi_draw_times(options, draw(batch, stream), batch->first, batch->t, batch->size);
    return hidi_constant(tape, hidi_shape1(batch->size), batch->t);
}

void hidi_batch_intervals(hidi_batch *batch, hidi_tape *tape, const hidi_interval_options *options,
                          hidi_var **t, hidi_var **r)
{
    hidi_draw_intervals(options, draw(batch, HIDI_STREAM_TIME), batch->total, batch->first,
                        batch->t, batch->r, batch->size);
    *t = hidi_constant(tape, hidi_shape1(batch->size), batch->t);
    *r = hidi_constant(tape, hidi_shape1(batch->size), batch->r);
}

hidi_meanflow_target hidi_batch_target(hidi_batch *batch, hidi_tape *tape,
                                       const hidi_meanflow_options *options,
                                       const hidi_dit *average)
{
    const hidi_time_options all = {.density = HIDI_TIME_UNIFORM, .least = 0, .most = 1};
    hidi_meanflow_target target = {.share = 1};
    if (options->tangent == HIDI_TANGENT_OF_AVERAGE)
        target.net = average;
    if (options->window > 0)
        target.place = hidi_batch_times(batch, tape, &all, HIDI_STREAM_TANGENT_PLACE);
    return target;
}

void hidi_batch_drop_labels(hidi_batch *batch, double share)
{
    for (size_t i = 0; i < batch->size; i++) {
        double u;
        hidi_uniform(draw(batch, HIDI_STREAM_DROPOUT), batch->first + i, &u, 1);
        if (u < share)
            batch->label[i] = (int32_t)hidi_dataset_null(batch->data);
    }
}

void hidi_draw_classes(uint64_t seed, uint64_t step, size_t n_classes, int32_t *label, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t y;
        hidi_uniform_int((hidi_random){seed, HIDI_STREAM_LABEL, step}, i, n_classes, &y, 1);
        label[i] = (int32_t)y;
    }
}
