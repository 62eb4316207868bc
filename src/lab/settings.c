/* Every setting once: its name, range, default and help line, from which presets, --set, the help,
 * the manual pages and the checks are made.  The defaults of the trainings are the library's
 * (hidi_stage1_defaults(), ...), written out here as they would stand in a file;
 * tests/test_options.c compares the two. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/words.h"
#include "io/choice.h"
#include "method/adversarial.h"
#include "train/options.h"

#define AT(field) offsetof(hidi_settings, field)
#define INT(key, field, least, most, initial, help)                                                \
    {key, HIDI_OPTION_INT, AT(field), least, most, NULL, initial, help}
#define REAL(key, field, least, most, initial, help)                                               \
    {key, HIDI_OPTION_REAL, AT(field), least, most, NULL, initial, help}
#define BOOL(key, field, initial, help)                                                            \
    {key, HIDI_OPTION_BOOL, AT(field), 0, 1, NULL, initial, help}
#define TEXT(key, field, initial, help)                                                            \
    {key, HIDI_OPTION_TEXT, AT(field), 0, 0, NULL, initial, help}
#define CHOICE(key, field, choices, initial, help)                                                 \
    {key, HIDI_OPTION_CHOICE, AT(field), 0, 0, choices, initial, help}

/* The settings that all trainings share; `s` is the section's name, `f` the field in the struct. */
#define TRAINING(s, f, steps_, batch_, rate_, warmup_, decay_, ema_)                               \
    INT(s ".steps", f.train.steps, 1, 1e9, steps_, "training steps"),                              \
    INT(s ".batch", f.train.batch, 1, 1e6, batch_, "images per step"),                             \
    INT(s ".micro_batch", f.train.micro_batch, 1, 1e6, "16",                                       \
        "images that are computed at one time, by one thread"),                                    \
    REAL(s ".learning_rate", f.train.rate, 0, 1, rate_, "learning rate after the warm-up"),        \
    INT(s ".warmup", f.train.warmup, 0, 1e9, warmup_, "steps of linear warm-up"),                  \
    CHOICE(s ".decay", f.train.decay, HIDI_DECAY_KINDS, decay_, "decay of the learning rate"),     \
    REAL(s ".final", f.train.final, 0, 1, "0.05", "share of the learning rate left at the end"),   \
    REAL(s ".beta1", f.train.beta1, 0, 1, "0.9", "AdamW: decay of the first moment"),              \
    REAL(s ".beta2", f.train.beta2, 0, 1, "0.99", "AdamW: decay of the second moment"),            \
    REAL(s ".weight_decay", f.train.weight_decay, 0, 10, "0", "AdamW: decoupled weight decay"),    \
    REAL(s ".clip", f.train.clip, 0, 1e9, "1", "largest gradient norm; 0: no clipping"),           \
    REAL(s ".ema", f.train.ema, 0, 1, ema_, "decay of the moving average of the weights"),         \
    INT(s ".save_every", f.train.save_every, 0, 1e9, "500",                                        \
        "steps between checkpoints; 0: only when interrupted"),                                    \
    INT(s ".log_every", f.train.log_every, 1, 1e9, "10", "steps between rows of the CSV log")

/* A density of t, in section `s` with the keys' prefix `p`. */
#define TIMES(s, p, f, density_, least_, most_)                                                    \
    CHOICE(s "." p "density", f.density, HIDI_TIME_DENSITIES, density_, "density of t"),           \
    REAL(s "." p "least", f.least, 0, 1, least_, "uniform density: smallest t"),                   \
    REAL(s "." p "most", f.most, 0, 1, most_, "uniform density: largest t"),                       \
    REAL(s "." p "mean", f.mean, -10, 10, "0", "logit-normal density: mean"),                      \
    REAL(s "." p "deviation", f.deviation, 0, 10, "1", "logit-normal density: deviation")

/* What an adversary reads of its backbone, and how: in section `s`, with the keys' prefix `p`. */
#define HEADS(s, p, f)                                                                             \
    TEXT(s "." p "head", f.head, "awd",                                                            \
         "the discriminator, or a control (awd gap token conv top apt)"),                          \
    TEXT(s "." p "blocks", f.blocks, "1,3", "blocks after which the heads read, counted from 0"),  \
    INT(s "." p "key_width", f.key_width, 1, 65536, "32", "awd, apt: width d of queries and keys"),\
    BOOL(s "." p "conditional", f.conditional, "no", "awd, apt: the query depends on t and class"),\
    REAL(s "." p "r1_weight", f.r1_weight, 0, 1e6, "0", "weight of approximate R1; 0: off"),       \
    REAL(s "." p "r1_sigma", f.r1_sigma, 0, 1, "0.05", "size of its perturbation")

const hidi_option hidi_settings_table[] = {
    INT("run.seed", run.seed, 0, 1e15, "1", "seed of all random draws"),
    INT("run.threads", run.threads, 0, 1024, "0", "threads; 0: OMP_NUM_THREADS, or all processors"),
    TEXT("run.backend", run.backend, "cpu", "reference, cpu or cuda"),
    BOOL("run.recompute", run.recompute, "no",
         "trainings keep the activations of one block, and compute the others again: less memory, "
         "more time, the same result"),
    CHOICE("run.frozen", run.frozen, HIDI_FROZEN_FORMS, "f32",
           "networks that are not trained hold their matrices in f32, or rounded to bf16: half of "
           "the memory"),

    TEXT("data.name", data.name, "shapes", "shapes, scenes, idx, cifar10, folder, captions or latents"),
    TEXT("data.path", data.path, "", "folder (latents: file) of the data set; empty for shapes, scenes"),
    INT("data.size", data.size, 0, 4096, "16", "image size; 0: the data set's own"),
    INT("data.validation", data.validation, 0, 1e9, "0",
        "the last training images, this many, are held out for eval.split=validation; shapes "
        "needs none"),
    CHOICE("data.resize", data.resize, HIDI_RESIZE_KINDS, "none",
           "folder: pictures to data.size, cut to a square or padded; none: they must have it"),
    TEXT("data.background", data.background, "none",
         "folder: what is under transparent pixels, a grey level (255) or #rrggbb; none: "
         "transparency is ignored, and padding is black"),
    TEXT("data.embeddings", data.embeddings, "",
         "captions: a file of their embeddings, computed elsewhere, in the place of texts"),
    BOOL("data.mirror", data.mirror, "no", "a mirrored copy of each training image"),
    CHOICE("data.latents", data.latents, HIDI_LATENT_KINDS, "draw",
           "latents: draws from each one's distribution, or its mean"),
    CHOICE("data.space", data.space, HIDI_SPACES, "pixels",
           "hidi run: networks work on pixels, or on latents of an autoencoder (vae)"),

    TRAINING("vae", vae, "6000", "16", "1e-3", "200", "cosine", "0.995"),
    TEXT("vae.file", vae.file, "", "ready-made autoencoder; empty: train one"),
    TEXT("vae.widths", vae.widths, "32,48,64",
         "channels of each level, from the image's down: three levels make latents of a quarter of "
         "the side"),
    INT("vae.blocks", vae.blocks, 1, HIDI_AUTOENCODER_MOST_BLOCKS, "1",
        "residual blocks a level (the decoder has one more)"),
    INT("vae.latents", vae.latents, 1, 1024, "4", "channels of the latents"),
    INT("vae.groups", vae.groups, 1, 1024, "16", "groups of the group norms"),
    REAL("vae.kl_weight", vae.kl_weight, 0, 1e6, "1e-6",
         "weight of the latents' divergence from N(0, I)"),
    TEXT("vae.adversary_backbone", vae.backbone, "",
         "with an adversary: a teacher of such images, whose features its heads read"),
    REAL("vae.adversary_weight", vae.adversary.weight, 0, 1000, "0",
         "weight of the adversarial loss; 0: no adversary"),
    INT("vae.adversary_start", vae.adversary_start, 0, 1e9, "0", "the first step that has it"),
    REAL("vae.adversary_head_rate", vae.adversary.head_rate, 0, 1000, "1",
         "heads' learning rate, relative to the autoencoder's"),
    TIMES("vae", "adversary_time_", vae.adversary.time, "uniform", "0", "0.3"),
    CHOICE("vae.adversary_loss", vae.adversary.loss, HIDI_ADVERSARIAL_KINDS, "non-saturating",
           "adversarial loss"),
    HEADS("vae", "adversary_", vae.adversary),
    INT("vae.images", vae.images, 1, 1e9, "20000",
        "training images that hidi run makes latents of, for data sets without end (shapes)"),
    INT("vae.test_images", vae.test_images, 1, 1e9, "1024",
        "test images that the error is measured on"),

    INT("model.patch", model.patch, 1, 64, "4", "patch size p: (size / p)^2 tokens"),
    INT("model.width", model.width, 4, 65536, "128", "width D of the tokens"),
    INT("model.depth", model.depth, 1, 1000, "4", "blocks"),
    INT("model.text_depth", model.text_depth, 0, 100, "2", "of captions: blocks of the text encoder"),
    INT("model.heads", model.heads, 1, 1024, "4", "attention heads"),
    REAL("model.time_scale", model.time_scale, 1e-3, 1e6, "30",
         "factor of t in [0, 1] before its sin-cos features"),
    CHOICE("model.prediction", model.prediction, "file " HIDI_PREDICTIONS, "file",
           "what a network predicts; file: what its file says, and velocity if it is made here"),
    CHOICE("model.adaln", model.adaln, HIDI_ADALNS, "zero",
           "modulation by t: zero: a layer in each block (DiT); single: one for all, and tables "
           "(PixArt)"),
    BOOL("model.qk_norm", model.qk_norm, "no",
         "layer norm of the queries and keys of each head: steadier where a training runs away"),

    TRAINING("features", features, "2000", "64", "1e-3", "50", "cosine", "0"),
    TEXT("features.file", features.file, "",
         "ready-made feature net; empty: train one"),
    INT("features.test_images", features.test_images, 1, 1e9, "2048",
        "test images that its accuracy is measured on"),

    TRAINING("teacher", teacher, "20000", "64", "1e-3", "500", "cosine", "0.999"),
    INT("teacher.snapshot_every", teacher.snapshot_every, 0, 1e9, "0",
        "steps between copies of the result so far, teacher-STEP.safetensors; 0: none"),
    TEXT("teacher.file", teacher.file, "", "ready-made teacher; empty: train one"),
    TEXT("teacher.start", teacher.start, "",
         "weights that its training starts from, and whose model it has; empty: random ones"),
    REAL("teacher.label_dropout", teacher.label_dropout, 0, 1, "0.1",
         "share of labels replaced by the null class, for guidance"),
    TIMES("teacher", "time_", teacher.time, "uniform", "0", "1"),

    INT("student.width", student.width, 0, 65536, "0", "width; 0: the teacher's"),
    INT("student.depth", student.depth, 0, 1000, "0", "blocks; 0: the teacher's"),
    INT("student.heads", student.heads, 0, 1024, "0", "attention heads; 0: the teacher's"),
    CHOICE("student.start", student.start, HIDI_STUDENT_STARTS, "teacher",
           "weights that stage 1 starts from; the teacher's need its width and number of heads"),

    TRAINING("td", td, "1500", "64", "1e-3", "100", "cosine", "0.99"),
    INT("td.snapshot_every", td.snapshot_every, 0, 1e9, "0",
        "steps between copies of the result so far, stage1-STEP.safetensors; 0: none"),
    REAL("td.guidance", td.meanflow.guidance, 0, 100, "1.5", "guidance w of the teacher"),
    REAL("td.p", td.meanflow.p, 0, 2, "1", "adaptive weight 1 / (d + c)^p"),
    REAL("td.c", td.meanflow.c, 1e-8, 1e6, "1", "adaptive weight 1 / (d + c)^p"),
    REAL("td.difference", td.meanflow.difference, 0, 0.1, "0.05",
         "du/dt by differences over t +- this much, within [r, 1]; 0: by JVP"),
    REAL("td.window", td.meanflow.window, 0, 0.1, "0",
         "by JVP: du/dt at a random place within t +- this much and [r, 1]; 0: at t"),
    REAL("td.bound", td.meanflow.bound, 0, 100, "1",
         "(t - r) du/dt is at most this many times as long as v; 0: no bound"),
    CHOICE("td.tangent", td.meanflow.tangent, HIDI_TANGENTS, "student",
           "du/dt by the weights that are trained, or by their moving average"),
    INT("td.tangent_warmup", td.meanflow.tangent_warmup, 0, 1e9, "0",
        "steps in which (t - r) du/dt enters the target by and by"),
    CHOICE("td.sampler", td.interval.sampler, HIDI_INTERVAL_SAMPLERS, "cover",
           "how (t, r) is drawn"),
    REAL("td.same", td.interval.same, 0, 1, "0.25", "share of the batch with r = t"),
    REAL("td.from_zero", td.interval.from_zero, 0, 1, "0.6",
         "cover: share of the others with r = 0"),
    REAL("td.mean", td.interval.mean, -10, 10, "-0.4", "meanflow sampler: mean of the logit"),
    REAL("td.deviation", td.interval.deviation, 0, 10, "1",
         "meanflow sampler: deviation of the logit"),

    TRAINING("dm", dm, "600", "64", "1e-4", "20", "cosine", "0.99"),
    INT("dm.snapshot_every", dm.snapshot_every, 0, 1e9, "0",
        "steps between copies of the result so far, stage2-STEP.safetensors; 0: none"),
    REAL("dm.guidance", dm.guidance, 0, 100, "1.25", "guidance w of the teacher"),
    INT("dm.generator_every", dm.generator_every, 1, 1000, "2",
        "k: the generator steps in every k-th iteration"),
    REAL("dm.fake_rate", dm.fake_rate, 0, 1000, "2",
         "fake score's learning rate, relative to the generator's"),
    REAL("dm.head_rate", dm.adversary.head_rate, 0, 1000, "10",
         "heads' learning rate, relative to the generator's"),
    TIMES("dm", "time_", dm.time, "uniform", "0.35", "0.98"),
    REAL("dm.adversary_weight", dm.adversary.weight, 0, 1000, "0.005",
         "lambda_adv, weight of the adversarial loss; 0: no adversary"),
    REAL("dm.discriminator_weight", dm.discriminator_weight, 1e-6, 1000, "1",
         "weight of the heads' loss beside the fake score's, for dm.backbone=fake (DMD2: 0.01)"),
    TIMES("dm", "adversary_time_", dm.adversary.time, "uniform", "0", "0.3"),
    CHOICE("dm.adversarial_loss", dm.adversary.loss, HIDI_ADVERSARIAL_KINDS, "non-saturating",
           "adversarial loss"),
    CHOICE("dm.backbone", dm.backbone, HIDI_BACKBONES, "teacher", "whose features the heads read"),
    HEADS("dm", "", dm.adversary),
    REAL("dm.td_weight", dm.td_weight, 0, 1e6, "0.05",
         "weight of a retained MeanFlow loss; 0: off"),

    TRAINING("detect", detect, "1000", "64", "1e-3", "50", "cosine", "0.99"),
    TEXT("detect.heads", detect.heads, "gap token conv top awd apt",
         "discriminators, at most 12, with blanks between them; options as in awd:queries=4,mean=0.5"),
    TEXT("detect.blocks", detect.blocks, "1,3",
         "blocks after which the heads read, counted from 0"),
    INT("detect.key_width", detect.key_width, 1, 65536, "32",
        "awd, apt: width d of queries and keys"),
    CHOICE("detect.defect", detect.defect, HIDI_DEFECT_KINDS, "any",
           "what is wrong with a damaged token; any: one of the others, drawn"),
    INT("detect.damaged", detect.damaged, 1, 1e6, "1", "k: damaged tokens of a damaged image"),
    INT("detect.images", detect.images, 2, 1e7, "512",
        "images of eval.split that are shown whole, and damaged, in the end"),
    TIMES("detect", "time_", detect.time, "uniform", "0", "0.3"),

    INT("sample.steps", sample.steps, 1, 10000, "25", "teacher's sampling steps"),
    INT("sample.student_steps", sample.student_steps, 1, 10000, "1", "student's sampling steps"),
    CHOICE("sample.solver", sample.solver, HIDI_SOLVERS, "heun", "teacher's sampler"),
    REAL("sample.guidance", sample.guidance, 0, 100, "1.5", "teacher's guidance w"),
    INT("sample.guided_channels", sample.guided_channels, 0, 4096, "0",
        "guide only the first channels, this many (DiT's and SiT's code: 3); 0: all"),
    REAL("sample.guided_from", sample.guided_from, 0, 1, "0", "guide where t is no less than this"),
    REAL("sample.guided_to", sample.guided_to, 0, 1, "1", "guide where t is no more than this"),
    REAL("sample.last_step", sample.last_step, 0, 0.99, "0.04",
         "euler-maruyama: the last step, without noise, is as long as this"),
    INT("sample.batch", sample.batch, 1, 1e6, "128", "images at a time"),
    INT("sample.seed", sample.seed, 0, 1e15, "1000", "seed of the samples that are measured"),

    INT("eval.images", eval.images, 16, 1e7, "2048", "samples, and real images, per distance"),
    CHOICE("eval.split", eval.split, "test validation", "test",
           "the real images: choose settings on validation, report on test"),
    INT("eval.neighbours", eval.neighbours, 1, 1000, "3", "k of precision and recall"),
    INT("eval.splits", eval.splits, 1, 10000, "10", "parts that the Inception Score averages over"),
    CHOICE("eval.order", eval.order, "given torch-fidelity", "given",
           "order of the Inception Score's images: as given, or shuffled as torch-fidelity does"),
    INT("eval.kernel_subsets", eval.kernel_subsets, 1, 1e6, "100", "subsets of a kernel distance"),
    INT("eval.kernel_subset", eval.kernel_subset, 2, 1e6, "1000", "images per subset"),
    INT("eval.kernel_seed", eval.kernel_seed, 0, 4294967295.0, "2020",
        "seed of NumPy's RandomState that draws them"),
    INT("eval.grid_rows", eval.grid_rows, 1, 100, "6", "rows of the picture grids"),
    INT("eval.zoom", eval.zoom, 1, 64, "3", "enlargement of the pictures"),
    {NULL, HIDI_OPTION_INT, 0, 0, 0, NULL, NULL, NULL}};

hidi_adamw hidi_settings_adamw(const hidi_training_settings *t)
{
    return (hidi_adamw){t->beta1, t->beta2, 1e-8, t->weight_decay, t->clip};
}

hidi_schedule hidi_settings_schedule(const hidi_training_settings *t)
{
    return (hidi_schedule){t->rate, t->warmup, t->decay, t->final, t->steps};
}

hidi_classifier_options hidi_settings_classifier(const hidi_settings *s)
{
    const hidi_training_settings *t = &s->features.train;
    return (hidi_classifier_options){(size_t)t->batch, (size_t)t->micro_batch, (uint64_t)s->run.seed,
                                     hidi_settings_adamw(t), hidi_settings_schedule(t)};
}

/* prefix: of its keys, for messages */
static hidi_status read_adversary(const hidi_adversary_settings *s, const char *prefix,
                                  hidi_adversary_options *options)
{
    *options = (hidi_adversary_options){.weight = s->weight, .time = s->time, .loss = s->loss,
                                        .r1_weight = s->r1_weight, .r1_sigma = s->r1_sigma,
                                        .head_rate = s->head_rate};
    options->heads.key_width = (size_t)s->key_width;
    options->heads.conditional = s->conditional != 0;
    HIDI_TRY(hidi_error_prefix(hidi_heads_parse_kind(s->head, &options->heads), "%shead",
                               prefix));
    return hidi_error_prefix(hidi_heads_parse_blocks(s->blocks, &options->heads), "%sblocks",
                             prefix);
}

hidi_status hidi_settings_autoencoder(const hidi_settings *s, hidi_autoencoder_options *options)
{
    const hidi_training_settings *t = &s->vae.train;
    *options = (hidi_autoencoder_options){.batch = (size_t)t->batch,
                                          .micro_batch = (size_t)t->micro_batch,
                                          .seed = (uint64_t)s->run.seed,
                                          .net = hidi_autoencoder_defaults().net,
                                          .kl_weight = s->vae.kl_weight,
                                          .adversary_start = s->vae.adversary_start,
                                          .ema = t->ema,
                                          .adamw = hidi_settings_adamw(t),
                                          .schedule = hidi_settings_schedule(t)};
    options->net.latent_channels = (size_t)s->vae.latents;
    options->net.blocks = (size_t)s->vae.blocks;
    options->net.groups = (size_t)s->vae.groups;
    HIDI_TRY(read_adversary(&s->vae.adversary, "vae.adversary_", &options->adversary));
    return hidi_autoencoder_parse_widths(s->vae.widths, &options->net);
}

const char *hidi_settings_teacher_file(const hidi_settings *s)
{
    return s->teacher.file[0] != '\0' ? s->teacher.file : s->teacher.start;
}

hidi_teacher_options hidi_settings_teacher(const hidi_settings *s)
{
    const hidi_training_settings *t = &s->teacher.train;
    return (hidi_teacher_options){.batch = (size_t)t->batch,
                                  .micro_batch = (size_t)t->micro_batch,
                                  .seed = (uint64_t)s->run.seed,
                                  .label_dropout = s->teacher.label_dropout,
                                  .ema = t->ema,
                                  .time = s->teacher.time,
                                  .adamw = hidi_settings_adamw(t),
                                  .schedule = hidi_settings_schedule(t)};
}

/* The stages draw from seeds of their own, so that neither repeats the teacher's draws. */
enum { SEED_STAGE1 = 1, SEED_STAGE2 = 2 };

hidi_stage1_options hidi_settings_stage1(const hidi_settings *s)
{
    const hidi_training_settings *t = &s->td.train;
    return (hidi_stage1_options){.batch = (size_t)t->batch,
                             .micro_batch = (size_t)t->micro_batch,
                             .seed = (uint64_t)s->run.seed + SEED_STAGE1,
                             .student = {s->student.start, (size_t)s->student.width,
                                         (size_t)s->student.depth, (size_t)s->student.heads},
                             .ema = t->ema,
                             .interval = s->td.interval,
                             .meanflow = s->td.meanflow,
                             .adamw = hidi_settings_adamw(t),
                             .schedule = hidi_settings_schedule(t)};
}

hidi_status hidi_settings_stage2(const hidi_settings *s, hidi_stage2_options *options)
{
    const hidi_training_settings *t = &s->dm.train;
    *options = (hidi_stage2_options){.batch = (size_t)t->batch,
                                 .micro_batch = (size_t)t->micro_batch,
                                 .seed = (uint64_t)s->run.seed + SEED_STAGE2,
                                 .ema = t->ema,
                                 .guidance = s->dm.guidance,
                                 .generator_every = s->dm.generator_every,
                                 .time = s->dm.time,
                                 .discriminator_weight = s->dm.discriminator_weight,
                                 .backbone = s->dm.backbone,
                                 .td_weight = s->dm.td_weight,
                                 .interval = s->td.interval,
                                 .meanflow = s->td.meanflow,
                                 .adamw = hidi_settings_adamw(t),
                                 .schedule = hidi_settings_schedule(t),
                                 .fake_rate = s->dm.fake_rate};
    return read_adversary(&s->dm.adversary, "dm.", &options->adversary);
}

hidi_status hidi_settings_detection(const hidi_settings *s, hidi_detection_options *options,
                                    hidi_head_names names)
{
    const hidi_training_settings *t = &s->detect.train;
    size_t length = 0;
    *options = (hidi_detection_options){.batch = (size_t)t->batch,
                                        .micro_batch = (size_t)t->micro_batch,
                                        .seed = (uint64_t)s->run.seed,
                                        .defect = s->detect.defect,
                                        .damaged = (size_t)s->detect.damaged,
                                        .time = s->detect.time,
                                        .adamw = hidi_settings_adamw(t),
                                        .schedule = hidi_settings_schedule(t)};
    const char *word = hidi_next_word(s->detect.heads, &length);
    for (; word != NULL; word = hidi_next_word(word + length, &length)) {
        if (options->n == HIDI_MAX_TRAINED)
            return hidi_error(HIDI_BAD_ARGUMENT, "detect.heads: more than %d", HIDI_MAX_TRAINED);
        char *name = names[options->n];
        hidi_heads_config *heads = &options->heads[options->n];
        heads->key_width = (size_t)s->detect.key_width;
        snprintf(name, HIDI_CONFIG_TEXT, "%.*s", (int)length, word);
        HIDI_TRY(hidi_error_prefix(hidi_heads_parse_kind(name, heads), "detect.heads"));
        HIDI_TRY(hidi_error_prefix(hidi_heads_parse_blocks(s->detect.blocks, heads),
                                   "detect.blocks"));
        for (char *comma = name; (comma = strchr(comma, ',')) != NULL;)
            *comma = '+'; /* it is a column's name in the log */
        options->name[options->n++] = name;
    }
    return HIDI_OK;
}

hidi_split hidi_settings_split(const hidi_settings *s)
{
    static const hidi_split splits[] = {HIDI_TEST, HIDI_VALIDATION};
    return splits[s->eval.split];
}

hidi_sampler hidi_settings_sampler(const hidi_settings *s, bool has_interval)
{
    if (has_interval)
        return (hidi_sampler){.solver = HIDI_AVERAGE,
                              .steps = s->sample.student_steps,
                              .guidance = 1,
                              .batch = (size_t)s->sample.batch};
    return (hidi_sampler){.solver = s->sample.solver,
                          .steps = s->sample.steps,
                          .guidance = s->sample.guidance,
                          .batch = (size_t)s->sample.batch,
                          .guided_channels = (size_t)s->sample.guided_channels,
                          .guided_from = s->sample.guided_from,
                          .guided_to = s->sample.guided_to,
                          .last_step = s->sample.last_step,
                          .seed = (uint64_t)s->sample.seed};
}

hidi_dit_config hidi_settings_dit(const hidi_settings *s, const hidi_dataset *data)
{
    const size_t width = (size_t)s->model.width;
    const hidi_captions *captions = data->captions;
    return (hidi_dit_config){.image_size = data->height,
                             .channels = data->channels,
                             .out_channels = data->channels,
                             .patch = (size_t)s->model.patch,
                             .width = width,
                             .depth = (size_t)s->model.depth,
                             .heads = (size_t)s->model.heads,
                             .mlp_width = 4 * width,
                             .n_classes = captions != NULL ? 0 : data->n_classes,
                             .caption_length = captions != NULL ? captions->most : 0,
                             .words = captions != NULL && captions->words != NULL
                                          ? hidi_words_rows(captions->words)
                                          : 0,
                             .caption_width = captions != NULL ? captions->width : 0,
                             .null_length = captions != NULL ? captions->null_length : 0,
                             .text_depth = captions != NULL && captions->width == 0
                                               ? (size_t)s->model.text_depth
                                               : 0,
                             .has_interval = false,
                             .time_scale = s->model.time_scale,
                             .adaln = s->model.adaln,
                             .qk_norm = s->model.qk_norm != 0,
                             .recompute = s->run.recompute != 0,
                             .prediction = s->model.prediction > 0 ? s->model.prediction - 1
                                                                   : HIDI_VELOCITY};
}

/* Settings that change how a result is reached or watched, but not the result. */
#define IMMATERIAL                                                                                 \
    "run.threads run.recompute run.frozen vae.save_every vae.log_every vae.test_images "            \
    "features.save_every features.log_every features.test_images "                                 \
    "teacher.save_every teacher.log_every teacher.snapshot_every td.save_every td.log_every "    \
    "td.snapshot_every dm.save_every dm.log_every dm.snapshot_every detect.save_every "            \
    "detect.log_every detect.images"

#define VAE_ADVERSARY                                                                              \
    "vae.adversary_backbone vae.adversary_weight vae.adversary_start vae.adversary_head_rate "     \
    "vae.adversary_time_density vae.adversary_time_least vae.adversary_time_most "                 \
    "vae.adversary_time_mean vae.adversary_time_deviation vae.adversary_loss vae.adversary_head "  \
    "vae.adversary_blocks vae.adversary_key_width vae.adversary_conditional "                      \
    "vae.adversary_r1_weight vae.adversary_r1_sigma"

static bool is_default(const hidi_training_settings *t)
{
    return t->micro_batch == HIDI_MICRO_BATCH;
}

/* A setting that is newer than the file format is left out while it has its default, which is what
 * was built in before: older files then still count as made with the same settings.  (Before there
 * were micro-batches a batch was computed at one time: the same but for rounding.) */
static void left_out(const hidi_settings *s, char *keys, size_t size)
{
    const struct {
        bool has_default;
        const char *key;
    } newer[] = {
        {s->vae.adversary.weight == 0, VAE_ADVERSARY},
        {s->teacher.start[0] == '\0', "teacher.start"},
        {s->td.meanflow.tangent == HIDI_TANGENT_OF_STUDENT, "td.tangent"},
        {s->td.meanflow.window == 0, "td.window"},
        {s->td.meanflow.tangent_warmup == 0, "td.tangent_warmup"},
        {s->dm.discriminator_weight == 1, "dm.discriminator_weight"},
        {s->data.resize == HIDI_RESIZE_NONE, "data.resize"},
        {strcmp(s->data.background, "none") == 0, "data.background"},
        {s->data.embeddings[0] == '\0', "data.embeddings"},
        {s->data.mirror == 0, "data.mirror"},
        {s->data.space == HIDI_SPACE_PIXELS, "data.space"},
        {s->model.prediction == 0, "model.prediction"},
        {s->model.adaln == HIDI_ADALN_ZERO, "model.adaln"},
        {s->model.qk_norm == 0, "model.qk_norm"},
        {s->sample.guided_channels == 0, "sample.guided_channels"},
        {s->sample.guided_from == 0, "sample.guided_from"},
        {s->sample.guided_to == 1, "sample.guided_to"},
        {s->sample.last_step == 0.04, "sample.last_step"},
        {is_default(&s->features.train), "features.micro_batch"},
        {is_default(&s->teacher.train), "teacher.micro_batch"},
        {is_default(&s->td.train), "td.micro_batch"},
        {is_default(&s->dm.train), "dm.micro_batch"},
    };
    size_t end = (size_t)snprintf(keys, size, "%s", IMMATERIAL);
    for (size_t i = 0; i < sizeof newer / sizeof newer[0]; i++)
        if (newer[i].has_default && end < size)
            end += (size_t)snprintf(keys + end, size - end, " %s", newer[i].key);
}

char *hidi_settings_text(const hidi_settings *settings, const char *sections)
{
    char *text = NULL, keys[2048];
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        return NULL;
    left_out(settings, keys, sizeof keys);
    hidi_config_print_sections(hidi_settings_table, settings, sections, keys, out);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
