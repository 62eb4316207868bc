/* settings.h - every setting of the command, and the table that gives them names, ranges, defaults
 * and help.  Presets (data/presets/) and --set change them. */
#ifndef HIDI_LAB_SETTINGS_H
#define HIDI_LAB_SETTINGS_H

#include "io/config.h"
#include "train/autoencoder_training.h"
#include "train/classifier.h"
#include "train/detection.h"
#include "train/stage2.h"
#include "train/stage1.h"
#include "method/sampler.h"
#include "train/teacher.h"

#define HIDI_SPACES "pixels latents" /* in the order of the enum */
enum { HIDI_SPACE_PIXELS, HIDI_SPACE_LATENTS };

#define HIDI_FROZEN_FORMS "f32 bf16" /* in the order of the enum */
enum { HIDI_FROZEN_F32, HIDI_FROZEN_BF16 };

#define HIDI_LATENT_KINDS "draw mean" /* in the order of the enum */
enum { HIDI_LATENTS_DRAWN, HIDI_LATENT_MEANS };

/* What every kind of training has. */
typedef struct hidi_training_settings {
    long steps, batch, micro_batch, warmup, save_every, log_every;
    double rate, final, beta1, beta2, weight_decay, clip, ema;
    int decay;
} hidi_training_settings;

/* What has an adversary. */
typedef struct hidi_adversary_settings {
    double weight, r1_weight, r1_sigma, head_rate;
    long key_width;
    int loss, conditional;
    char head[HIDI_CONFIG_TEXT], blocks[HIDI_CONFIG_TEXT];
    hidi_time_options time;
} hidi_adversary_settings;

typedef struct hidi_settings {
    struct {
        long seed, threads;
        int recompute, frozen;
        char backend[HIDI_CONFIG_TEXT];
    } run;
    struct {
        char name[HIDI_CONFIG_TEXT], path[HIDI_CONFIG_TEXT], background[HIDI_CONFIG_TEXT];
        char embeddings[HIDI_CONFIG_TEXT];
        long size, validation;
        int resize, mirror, latents, space;
    } data;
    struct {
        hidi_training_settings train;
        char file[HIDI_CONFIG_TEXT], widths[HIDI_CONFIG_TEXT];
        long blocks, latents, groups, test_images, images;
        double kl_weight;
        hidi_adversary_settings adversary;
        char backbone[HIDI_CONFIG_TEXT];
        long adversary_start;
    } vae;
    struct {
        long patch, width, depth, heads, text_depth;
        double time_scale;
        int prediction; /* 0: what the file says; else 1 + a hidi_prediction */
        int adaln;      /* a hidi_dit_adaln */
        int qk_norm;
    } model;
    struct {
        hidi_training_settings train;
        char file[HIDI_CONFIG_TEXT];
        long test_images;
    } features;
    struct {
        hidi_training_settings train;
        long snapshot_every;
        char file[HIDI_CONFIG_TEXT], start[HIDI_CONFIG_TEXT];
        double label_dropout;
        hidi_time_options time;
    } teacher;
    struct {
        long width, depth, heads;
        int start;
    } student;
    struct {
        hidi_training_settings train;
        long snapshot_every;
        hidi_interval_options interval;
        hidi_meanflow_options meanflow;
    } td;
    struct {
        hidi_training_settings train;
        long snapshot_every;
        double guidance, discriminator_weight, td_weight, fake_rate;
        long generator_every;
        int backbone;
        hidi_time_options time;
        hidi_adversary_settings adversary;
    } dm;
    struct {
        hidi_training_settings train;
        char heads[HIDI_CONFIG_TEXT], blocks[HIDI_CONFIG_TEXT];
        long damaged, images, key_width;
        int defect;
        hidi_time_options time;
    } detect;
    struct {
        long steps, student_steps, guided_channels;
        int solver;
        double guidance, guided_from, guided_to, last_step;
        long batch, seed;
    } sample;
    struct {
        long images, neighbours, splits, kernel_subsets, kernel_subset, kernel_seed, grid_rows, zoom;
        int order;
        int split; /* see hidi_settings_split */
    } eval;
} hidi_settings;

extern const hidi_option hidi_settings_table[];

/* The library's options from the settings. */
hidi_adamw hidi_settings_adamw(const hidi_training_settings *train);
hidi_schedule hidi_settings_schedule(const hidi_training_settings *train);
hidi_classifier_options hidi_settings_classifier(const hidi_settings *settings);
hidi_status hidi_settings_autoencoder(const hidi_settings *settings,
                                      hidi_autoencoder_options *options);
hidi_teacher_options hidi_settings_teacher(const hidi_settings *settings);

/* Whose weights and model the teacher has, or starts from: teacher.file or teacher.start, "" if
 * neither is given. */
const char *hidi_settings_teacher_file(const hidi_settings *settings);
hidi_stage1_options hidi_settings_stage1(const hidi_settings *settings);
hidi_status hidi_settings_stage2(const hidi_settings *settings, hidi_stage2_options *options);
/* names: buffers of the heads' names, which the options borrow. */
typedef char hidi_head_names[HIDI_MAX_TRAINED][HIDI_CONFIG_TEXT];
hidi_status hidi_settings_detection(const hidi_settings *settings, hidi_detection_options *options,
                                    hidi_head_names names);
/* The real images that samples are measured against. */
hidi_split hidi_settings_split(const hidi_settings *settings);
/* For a teacher, or (has_interval) for a student. */
hidi_sampler hidi_settings_sampler(const hidi_settings *settings, bool has_interval);
hidi_dit_config hidi_settings_dit(const hidi_settings *settings, const hidi_dataset *data);

/* The lines of the settings that decide a training's result (see hidi_config_print_sections); the
 * caller frees the text.  NULL when out of memory. */
char *hidi_settings_text(const hidi_settings *settings, const char *sections);

#endif
