/* image_cases.c - patches, convolutions and pools, under windows that are oblong, strided, larger
 * than the image, or reach into the padding. */
#include "lab/selftest/trial.h"

#include <math.h>

/* B, C, H, W, p */
static hidi_sizes images[] = { { 0, 3, 4, 4, 2 },  { 1, 1, 1, 1, 1 },    { 3, 2, 6, 4, 2 },
                               { 5, 3, 8, 8, 4 },  { 2, 5, 9, 6, 3 },    { 67, 3, 16, 16, 4 },
                               { 3, 4, 14, 21, 7 } };

/* The windows that the sizes { i } stand for. */
typedef struct window_shape {
    size_t batch, channels, height, width, out_channels, kernel_h, kernel_w, stride, padding_h,
        padding_w;
} window_shape;

static const window_shape shapes[] = {
    { 0, 2, 4, 4, 3, 3, 3, 1, 1, 1 },    { 2, 0, 4, 4, 3, 3, 3, 1, 1, 1 },
    { 2, 2, 4, 4, 0, 3, 3, 1, 1, 1 },    { 1, 1, 1, 1, 1, 1, 1, 1, 0, 0 },
    { 3, 5, 6, 7, 4, 1, 1, 1, 0, 0 },    { 1, 9, 9, 5, 7, 1, 1, 2, 0, 0 },
    { 2, 3, 8, 8, 5, 3, 3, 1, 1, 1 },    { 1, 17, 13, 11, 6, 3, 3, 2, 1, 1 },
    { 4, 2, 7, 9, 3, 5, 5, 2, 2, 2 },    { 1, 3, 40, 37, 8, 3, 3, 1, 0, 0 },
    { 2, 1, 5, 5, 2, 5, 5, 1, 4, 4 },    { 2, 40, 12, 12, 9, 4, 4, 3, 1, 1 },
    { 1, 2, 3, 3, 2, 7, 7, 1, 3, 3 },    { 5, 4, 16, 16, 4, 2, 2, 2, 0, 0 },
    { 7, 13, 16, 15, 5, 3, 3, 1, 1, 1 }, { 3, 4, 9, 17, 5, 1, 7, 1, 0, 3 },
    { 3, 4, 17, 9, 5, 7, 1, 1, 3, 0 },   { 2, 3, 11, 8, 6, 3, 5, 2, 1, 2 },
    { 33, 3, 5, 5, 4, 3, 3, 1, 1, 1 },   { 1, 11, 35, 37, 41, 3, 3, 1, 1, 1 },
    { 1, 300, 8, 8, 35, 3, 1, 1, 1, 0 }, { 1, 2, 3, 2100, 3, 3, 3, 1, 1, 1 },
    { 2, 20, 8, 10, 9, 3, 3, 2, 0, 0 },
    { 16, 64, 32, 32, 64, 3, 3, 1, 1, 1 } /* for times */
};
enum { LARGE = sizeof shapes / sizeof *shapes - 1 };

#define WINDOWS                                                                                    \
    { 0 }, { 1 }, { 2 }, { 3 }, { 4 }, { 5 }, { 6 }, { 7 }, { 8 }, { 9 }, { 10 }, { 11 }, { 12 },  \
        { 13 }, { 14 }, { 15 }, { 16 }, { 17 }, { 18 }, { 19 }, { 20 }, { 21 }, { 22 }

static hidi_sizes windows[] = { WINDOWS };

/* Convolutions alone: the second size is how many more rows and columns the output has, whose
 * windows reach into padding below and to the right. */
static hidi_sizes conv_windows[] = { WINDOWS, { 22, 1 }, { 4, 1 }, { 5, 1 }, { 6, 2 }, { 16, 3 } };

/* planes, H, W */
static hidi_sizes planes[] = { { 0, 2, 3 }, { 2, 0, 3 },  { 3, 2, 0 },    { 1, 1, 1 },
                               { 3, 5, 7 }, { 2, 33, 31 }, { 40, 8, 16 }, { 1, 3, 2050 } };

/* B, C, n */
static hidi_sizes channels[] = { { 0, 3, 4 },  { 2, 0, 4 },    { 2, 3, 0 },  { 1, 1, 1 },
                                 { 3, 5, 7 },  { 2, 33, 31 },  { 5, 3, 257 }, { 40, 8, 49 },
                                 { 2, 1153, 5 }, { 1, 2, 4099 } };

static hidi_window window_of(const hidi_trial *t)
{
    const window_shape *s = &shapes[t->size[0]];
    hidi_window w = { .batch = s->batch, .channels = s->channels, .height = s->height,
                      .width = s->width, .out_channels = s->out_channels, .kernel_h = s->kernel_h,
                      .kernel_w = s->kernel_w, .stride = s->stride, .padding_h = s->padding_h,
                      .padding_w = s->padding_w };

    w.out_height = (w.height + 2 * w.padding_h - w.kernel_h) / w.stride + 1 + t->size[1];
    w.out_width = (w.width + 2 * w.padding_w - w.kernel_w) / w.stride + 1 + t->size[1];
    return w;
}

static size_t in_size(const hidi_window *v)
{
    return v->batch * v->channels * v->height * v->width;
}

static size_t out_size(const hidi_window *v)
{
    return v->batch * v->out_channels * v->out_height * v->out_width;
}

/* Terms of the sum that an output element is. */
static size_t terms(const hidi_window *v)
{
    return v->channels * v->kernel_h * v->kernel_w;
}

/* --- patches ---------------------------------------------------------------------------------- */

/* Variants: the two orders. */
static void run_patchify(hidi_trial *t)
{
    const size_t B = t->size[0], C = t->size[1], H = t->size[2], W = t->size[3], p = t->size[4];
    hidi_array *x = hidi_trial_input(t, B * C * H * W), *y = hidi_trial_output(t, B * C * H * W);

    HIDI_EACH_SIDE (t)
        t->k->patchify(AT(y), t->beta, AT(x), (hidi_patch_order)t->variant, B, C, H, W, p);
    hidi_compare(t, y, t->beta_given == 0 ? 0 : 2);
}

static void run_unpatchify(hidi_trial *t)
{
    const size_t B = t->size[0], C = t->size[1], H = t->size[2], W = t->size[3], p = t->size[4];
    hidi_array *x = hidi_trial_input(t, B * C * H * W), *y = hidi_trial_output(t, B * C * H * W);

    HIDI_EACH_SIDE (t)
        t->k->unpatchify(AT(y), t->beta, AT(x), (hidi_patch_order)t->variant, B, C, H, W, p);
    hidi_compare(t, y, t->beta_given == 0 ? 0 : 2);
}

/* --- convolutions ----------------------------------------------------------------------------- */

static hidi_array *scratch_of(hidi_trial *t, const hidi_window *v)
{
    t->flop = 2.0 * (double)out_size(v) * (double)terms(v);
    return hidi_trial_scratch(t, t->tested->conv_scratch(v));
}

/* Nothing to compute; scratch_of() is where it is used. */
static void run_conv_scratch(hidi_trial *t)
{
    hidi_window v = window_of(t);

    if (t->tested->conv_scratch(&v) > ((size_t)1 << 40))
        hidi_trial_fail(t, "%zu elements", t->tested->conv_scratch(&v));
}

static void run_conv2d(hidi_trial *t)
{
    const hidi_window v = window_of(t);
    hidi_array *x = hidi_trial_input(t, in_size(&v)),
               *w = hidi_trial_input(t, v.out_channels * terms(&v));
    hidi_array *bias = t->variant ? NULL : hidi_trial_input(t, v.out_channels);
    hidi_array *y = hidi_trial_output(t, out_size(&v)), *s = scratch_of(t, &v);

    HIDI_EACH_SIDE (t)
        t->k->conv2d(AT(y), t->beta, AT(x), AT(w), bias ? AT(bias) : NULL, &v, AT(s));
    hidi_compare(t, y, 4 + sqrt((double)terms(&v)));
}

/* Into a slice of rows; what lies between them stays.  Magnitudes are those before the ReLU. */
static void run_conv2d_relu(hidi_trial *t)
{
    const hidi_window v = window_of(t);
    const size_t image = v.out_channels * v.out_height * v.out_width, ldy = image + 5;
    hidi_array *x = hidi_trial_input(t, in_size(&v)),
               *w = hidi_trial_input(t, v.out_channels * terms(&v));
    hidi_array *bias = hidi_trial_input(t, v.out_channels), *s = scratch_of(t, &v);
    hidi_array *y = hidi_trial_in_out(t, v.batch * ldy);

    HIDI_EACH_SIDE (t)
        t->k->conv2d_relu(AT(y), ldy, AT(x), AT(w), AT(bias), &v, AT(s));
    hidi_compare(t, y, 4 + sqrt((double)terms(&v)));
}

static void run_conv2d_grad_input(hidi_trial *t)
{
    const hidi_window v = window_of(t);
    hidi_array *w = hidi_trial_input(t, v.out_channels * terms(&v)),
               *gy = hidi_trial_input(t, out_size(&v));
    hidi_array *gx = hidi_trial_output(t, in_size(&v)), *s = scratch_of(t, &v);

    HIDI_EACH_SIDE (t)
        t->k->conv2d_grad_input(AT(gx), t->beta, AT(w), AT(gy), &v, AT(s));
    hidi_compare(t, gx, 4 + sqrt((double)(v.out_channels * v.kernel_h * v.kernel_w)));
}

static void run_conv2d_grad_weight(hidi_trial *t)
{
    const hidi_window v = window_of(t);
    hidi_array *x = hidi_trial_input(t, in_size(&v)), *gy = hidi_trial_input(t, out_size(&v));
    hidi_array *gw = hidi_trial_output(t, v.out_channels * terms(&v)), *s = scratch_of(t, &v);

    HIDI_EACH_SIDE (t)
        t->k->conv2d_grad_weight(AT(gw), t->beta, AT(x), AT(gy), &v, AT(s));
    hidi_compare(t, gw, 4 + sqrt((double)(out_size(&v) + 1)));
}

static void run_add_channels(hidi_trial *t)
{
    const size_t B = t->size[0], C = t->size[1], n = t->size[2];
    hidi_array *bias = hidi_trial_input(t, C), *y = hidi_trial_output(t, B * C * n);

    HIDI_EACH_SIDE (t)
        t->k->add_channels(AT(y), t->beta, AT(bias), B, C, n);
    hidi_compare(t, y, 1);
}

static void run_sum_channels(hidi_trial *t)
{
    const size_t B = t->size[0], C = t->size[1], n = t->size[2];
    hidi_array *x = hidi_trial_input(t, B * C * n), *y = hidi_trial_output(t, C);

    HIDI_EACH_SIDE (t)
        t->k->sum_channels(AT(y), t->beta, AT(x), B, C, n);
    hidi_compare(t, y, 3 + sqrt((double)(B * n)));
}

/* Variants: with shift, without, and in place. */
static void run_scale_channels(hidi_trial *t)
{
    const size_t B = t->size[0], C = t->size[1], n = t->size[2];
    const bool in_place = t->variant == 2;
    hidi_array *x = in_place ? hidi_trial_in_out(t, B * C * n) : hidi_trial_input(t, B * C * n);
    hidi_array *scale = hidi_trial_input(t, C);
    hidi_array *shift = t->variant == 0 ? hidi_trial_input(t, C) : NULL;
    hidi_array *y = in_place ? x : hidi_trial_output(t, B * C * n);

    HIDI_EACH_SIDE (t)
        t->k->scale_channels(AT(y), t->beta, AT(x), AT(scale), shift ? AT(shift) : NULL, B, C, n);
    hidi_compare(t, y, 3);
}

static void run_dot_channels(hidi_trial *t)
{
    const size_t B = t->size[0], C = t->size[1], n = t->size[2];
    hidi_array *x = hidi_trial_input(t, B * C * n), *w = hidi_trial_input(t, B * C * n);
    hidi_array *y = hidi_trial_output(t, C);

    HIDI_EACH_SIDE (t)
        t->k->dot_channels(AT(y), t->beta, AT(x), AT(w), B, C, n);
    hidi_compare(t, y, 3 + sqrt((double)(B * n)));
}

static void run_upsample2(hidi_trial *t)
{
    const size_t n = t->size[0] * t->size[1] * t->size[2];
    hidi_array *x = hidi_trial_input(t, n), *y = hidi_trial_output(t, 4 * n);

    HIDI_EACH_SIDE (t)
        t->k->upsample2(AT(y), t->beta, AT(x), t->size[0], t->size[1], t->size[2]);
    hidi_compare(t, y, t->beta_given == 0 ? 0 : 2);
}

static void run_upsample2_vjp(hidi_trial *t)
{
    const size_t n = t->size[0] * t->size[1] * t->size[2];
    hidi_array *gy = hidi_trial_input(t, 4 * n), *gx = hidi_trial_output(t, n);

    HIDI_EACH_SIDE (t)
        t->k->upsample2_vjp(AT(gx), t->beta, AT(gy), t->size[0], t->size[1], t->size[2]);
    hidi_compare(t, gx, 5);
}

/* --- pools ------------------------------------------------------------------------------------ */

static hidi_window pool_of(const hidi_trial *t)
{
    hidi_window v = window_of(t);

    v.out_channels = v.channels;
    return v;
}

static void run_average_pool(hidi_trial *t)
{
    const hidi_window v = pool_of(t);
    hidi_array *x = hidi_trial_input(t, in_size(&v)), *y = hidi_trial_output(t, out_size(&v));

    HIDI_EACH_SIDE (t)
        t->k->average_pool(AT(y), t->beta, AT(x), &v);
    hidi_compare(t, y, 3 + sqrt((double)(v.kernel_h * v.kernel_w)));
}

static void run_average_pool_vjp(hidi_trial *t)
{
    const hidi_window v = pool_of(t);
    hidi_array *gy = hidi_trial_input(t, out_size(&v)), *gx = hidi_trial_output(t, in_size(&v));

    HIDI_EACH_SIDE (t)
        t->k->average_pool_vjp(AT(gx), t->beta, AT(gy), &v);
    hidi_compare(t, gx, 3 + sqrt((double)(v.kernel_h * v.kernel_w)));
}

static void run_max_pool(hidi_trial *t)
{
    const hidi_window v = pool_of(t);
    hidi_array *x = hidi_trial_input(t, in_size(&v)), *y = hidi_trial_output(t, out_size(&v));

    HIDI_BOTH_SIDES (t)
        t->k->max_pool(AT(y), AT(x), &v);
    hidi_compare(t, y, 0);
}

static const hidi_slot_case cases[] = {
    HIDI_CASE(patchify, images, 2, true, 64, 4, 64, 64, 2),
    HIDI_CASE(unpatchify, images, 2, true, 64, 4, 64, 64, 2),
    HIDI_CASE(conv_scratch, conv_windows, 1, false, 0),
    HIDI_CASE(conv2d, conv_windows, 2, true, LARGE),
    HIDI_CASE(conv2d_relu, conv_windows, 1, false, LARGE),
    HIDI_CASE(conv2d_grad_input, conv_windows, 1, true, LARGE),
    HIDI_CASE(conv2d_grad_weight, conv_windows, 1, true, LARGE),
    HIDI_CASE(add_channels, channels, 1, true, 16, 64, 1024),
    HIDI_CASE(sum_channels, channels, 1, true, 16, 64, 1024),
    HIDI_CASE(scale_channels, channels, 3, true, 16, 64, 1024),
    HIDI_CASE(dot_channels, channels, 1, true, 16, 64, 1024),
    HIDI_CASE(upsample2, planes, 1, true, 256, 64, 64),
    HIDI_CASE(upsample2_vjp, planes, 1, true, 256, 64, 64),
    HIDI_CASE(average_pool, windows, 1, true, LARGE),
    HIDI_CASE(average_pool_vjp, windows, 1, true, LARGE),
    HIDI_CASE(max_pool, windows, 1, false, LARGE)
};

const hidi_case_list hidi_image_cases = { cases, sizeof cases / sizeof *cases };
