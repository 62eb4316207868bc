/* flops.h - what an image costs in multiply-adds, and in time: a pass of each network, and sampling
 * by the teacher's solver and by the student's steps. */
#ifndef HIDI_LAB_FLOPS_H
#define HIDI_LAB_FLOPS_H

#include "lab/session.h"
#include "model/macs.h"

/* A way to an image. */
typedef struct hidi_sampling_cost {
    hidi_sampler sampler;
    char name[64];
    long passes;    /* of the network                                           */
    double macs;    /* of the passes together                                   */
    double all;     /* ... and of the decoder                                   */
    double ratio;   /* `all` relative to that of one step of the student        */
    double seconds; /* per image, without the decoder; < 0: not measured        */
} hidi_sampling_cost;

enum { HIDI_SAMPLINGS = 6 };

typedef struct hidi_flops {
    char name[16]; /* "XL/2"; "": the network of a preset                        */
    hidi_dit_config config;              /* the teacher's                        */
    hidi_macs teacher, student, decoder; /* of a pass; decoder.n 0: has none     */
    hidi_sampling_cost sampling[HIDI_SAMPLINGS];
    int n_samplings;
    double decoding; /* seconds of the decoder, per image; < 0: not measured         */
} hidi_flops;

/* Counts, for the teacher `config` and the student of the same size: the layers of a pass and, with
 * has_decoder, of Stable Diffusion's decoder; the teacher as the settings sample it, and without
 * guidance; the student in 1, 2 and 4 steps, and as the settings sample it. */
hidi_status hidi_flops_count(hidi_flops *flops, const char *name, const hidi_dit_config *config,
                             bool has_decoder, const hidi_settings *settings);

/* Times a step of each sampler (the median of `repeat`), on random weights, sample.batch images at
 * a time, and the decoder, one image at a time. */
hidi_status hidi_flops_time(hidi_flops *flops, const hidi_session *session, long repeat);

/* The two tables of a network: its passes, with `layers` in detail, and its samplers. */
void hidi_flops_print_passes(const hidi_flops *flops, bool layers);
void hidi_flops_print_samplings(const hidi_flops *flops);

/* All of n networks in one CSV file. */
hidi_status hidi_flops_write_csv(const hidi_flops *flops, int n, const char *path);

#endif
