/* folder.c - trains a teacher on your own pictures: PNG files in a folder with one folder for each
 * class, all square and of one size.
 *
 *     ./folder leaves leaves.safetensors 5000
 *
 * Interrupted (Ctrl-C), it leaves a checkpoint, and the same command goes on.  The result can be
 * drawn (draw.c) and distilled:
 *
 *     hidi stage1 --teacher leaves.safetensors --set data.name=folder --set data.path=leaves \
 *         --set data.size=0 --out run-leaves
 */
#include <hidi/hidi.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { WIDTH = 128, DEPTH = 4, HEADS = 4, BATCH = 16, SEED = 1 };

static volatile sig_atomic_t stop;

static void on_interrupt(int number)
{
    (void)number;
    stop = 1; /* the library looks at it: a training after each step */
}

/* A DiT for these images, in at most about 8 x 8 tokens. */
static hidi_status make_net(hidi_dit **net, const hidi_backend *backend, const hidi_dataset *data)
{
    size_t patch = 1;
    while (data->height / patch > 8 && data->height % (2 * patch) == 0)
        patch *= 2;
    if (data->height != data->width)
        return hidi_error(HIDI_UNSUPPORTED, "pictures of %zux%zu are not square", data->height,
                          data->width);
    const hidi_dit_config config = {.image_size = data->height, .channels = data->channels,
                                    .out_channels = data->channels, .patch = patch, .width = WIDTH,
                                    .depth = DEPTH, .heads = HEADS, .mlp_width = 4 * WIDTH,
                                    .n_classes = data->n_classes, .time_scale = 30};
    HIDI_TRY(hidi_dit_create(net, backend, &config));
    return hidi_dit_initialise(*net, SEED);
}

/* Trains it, and saves the moving average of its weights. */
static hidi_status train(hidi_dit *net, const hidi_dataset *data, long steps, const char *path)
{
    char checkpoint[1024], log[1024], settings[256];
    hidi_teacher_options options = hidi_teacher_defaults();
    options.batch = BATCH;
    options.seed = SEED;
    options.schedule.warmup = 100;
    options.schedule.steps = steps;
    snprintf(checkpoint, sizeof checkpoint, "%s.checkpoint", path);
    snprintf(log, sizeof log, "%s.csv", path);
    /* what decides the result: a checkpoint of something else is refused */
    snprintf(settings, sizeof settings, "steps = %ld, images %zux%zux%zu, %zu classes", steps,
             data->height, data->width, data->channels, data->n_classes);
    const hidi_training training = {.steps = steps, .save_every = 500, .log_every = 10,
                                    .checkpoint = checkpoint, .log = log, .progress = stderr};
    hidi_teacher *teacher; /* takes the network over */
    HIDI_TRY(hidi_teacher_create(&teacher, net, data, &options, settings));
    hidi_status status = hidi_train(hidi_teacher_task(teacher), &training);
    if (status == HIDI_OK)
        status = hidi_dit_save(hidi_teacher_result(teacher), path);
    if (status == HIDI_OK)
        remove(checkpoint);
    hidi_teacher_destroy(teacher);
    return status;
}

static hidi_status run(const char *folder, const char *path, long steps)
{
    const hidi_backend *backend;
    hidi_dataset *data;
    hidi_dit *net = NULL;
    HIDI_TRY(hidi_backend_open("cpu", &backend));
    HIDI_TRY(hidi_dataset_open(&data, "folder", folder, 0, SEED));
    fprintf(stderr, "%s: %llu pictures of %zux%zux%zu in %zu classes\n", folder,
            (unsigned long long)data->count[HIDI_TRAIN], data->height, data->width, data->channels,
            data->n_classes);
    hidi_status status = make_net(&net, backend, data);
    if (status == HIDI_OK)
        status = train(net, data, steps, path);
    else
        hidi_dit_destroy(net);
    hidi_dataset_close(data);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 4 || atol(argv[3]) < 1) {
        fprintf(stderr, "usage: folder FOLDER TEACHER.safetensors STEPS\n");
        return 2;
    }
    signal(SIGINT, on_interrupt);
    hidi_stop_on(&stop);
    if (run(argv[1], argv[2], atol(argv[3])) != HIDI_OK) {
        fprintf(stderr, "folder: %s\n", hidi_error_message());
        return 1;
    }
    return 0;
}
