/* inception_plan.c - the network: a function for each kind of block (Szegedy et al., arXiv
 * 1512.00567, figures 5 to 7), with the names and widths of the graph of 2015-12-05. */
#include "eval/inception_plan.h"

#include <stdio.h>
#include <string.h>

/* The plan being written: the block at hand, and where a branch stands. */
typedef struct writer {
    hidi_inception_plan *plan;
    size_t input, output;   /* the block's buffers                                      */
    size_t channels;        /* of the block's input                                     */
    size_t written, total;  /* channels of its output: so far, and in the end           */
    size_t at, branch;      /* where the next step of the branch reads, and how many channels */
} writer;

enum { FIRST_TEMPORARY = 2 };
enum { INNER, LAST }; /* a branch's last step writes its channels of the block's output */

static void begin_block(writer *w, const char *name, size_t out_channels)
{
    hidi_inception_plan *p = w->plan;
    if (p->n_blocks > 0) {
        w->input = w->output;
        w->channels = w->total;
    }
    w->output = w->input == 0 ? 1 : 0;
    w->total = out_channels;
    w->written = 0;
    p->block_name[p->n_blocks] = name;
    p->block_channels[p->n_blocks] = out_channels;
    p->block_buffer[p->n_blocks++] = w->output;
}

static void begin_branch(writer *w)
{
    w->at = w->input;
    w->branch = w->channels;
}

/* Adds a step that reads where the branch stands and puts out `out` channels. */
static hidi_inception_step *add(writer *w, hidi_inception_kind kind, size_t out, int place)
{
    hidi_inception_plan *p = w->plan;
    hidi_inception_step *s = &p->step[p->n_steps++];
    const size_t temporary = w->at == FIRST_TEMPORARY ? FIRST_TEMPORARY + 1 : FIRST_TEMPORARY;
    *s = (hidi_inception_step){.kind = kind,
                               .block = p->n_blocks - 1,
                               .from = w->at,
                               .in = w->branch,
                               .out = out,
                               .to = place == LAST ? w->output : temporary,
                               .first = place == LAST ? w->written : 0,
                               .total = place == LAST ? w->total : out,
                               .stride = 1};
    if (place == LAST)
        w->written += out;
    return s;
}

/* The branch goes on from what s puts out. */
static void follow(writer *w, const hidi_inception_step *s)
{
    w->at = s->to;
    w->branch = s->out;
}

/* A convolution with batch norm and ReLU.  part: its name inside the block; "": the block's. */
static hidi_inception_step *conv(writer *w, const char *part, size_t out, size_t kernel_h,
                                 size_t kernel_w, int place)
{
    hidi_inception_plan *p = w->plan;
    hidi_inception_step *s = add(w, HIDI_INCEPTION_CONV, out, place);
    snprintf(s->name, sizeof s->name, "%s%s%s", p->block_name[p->n_blocks - 1],
             part[0] ? "." : "", part);
    s->kernel_h = kernel_h;
    s->kernel_w = kernel_w;
    s->padding_h = kernel_h / 2;
    s->padding_w = kernel_w / 2;
    s->weight = p->n_params;
    s->bias = s->weight + out * s->in * kernel_h * kernel_w;
    p->n_params = s->bias + out;
    return s;
}

/* The same, and the branch goes on from it. */
static void then(writer *w, const char *part, size_t out, size_t kernel_h, size_t kernel_w,
                 int place)
{
    follow(w, conv(w, part, out, kernel_h, kernel_w, place));
}

/* A 3 x 3 convolution or pool that halves the image: no padding. */
static void halve(hidi_inception_step *s)
{
    s->stride = 2;
    s->padding_h = s->padding_w = 0;
}

static hidi_inception_step *pool(writer *w, hidi_inception_kind kind, int place)
{
    hidi_inception_step *s = add(w, kind, w->branch, place);
    s->kernel_h = s->kernel_w = 3;
    s->padding_h = s->padding_w = 1;
    return s;
}

/* A block's branch of a pool that keeps the size, and a 1 x 1 convolution. */
static void pool_branch(writer *w, hidi_inception_kind kind, size_t out)
{
    begin_branch(w);
    follow(w, pool(w, kind, INNER));
    conv(w, "branch_pool", out, 1, 1, LAST);
}

/* --- the stem: blocks of one step ------------------------------------------------------------- */

static void stem_conv(writer *w, const char *name, size_t out, size_t kernel, size_t stride,
                      size_t padding)
{
    begin_block(w, name, out);
    begin_branch(w);
    hidi_inception_step *s = conv(w, "", out, kernel, kernel, LAST);
    s->stride = stride;
    s->padding_h = s->padding_w = padding;
}

static void stem_pool(writer *w, const char *name)
{
    begin_block(w, name, w->total);
    begin_branch(w);
    halve(pool(w, HIDI_INCEPTION_MAX_POOL, LAST));
}

/* --- the blocks, at 35 x 35, 17 x 17 and 8 x 8 ------------------------------------------------ */

static void block_a(writer *w, const char *name, size_t pool_channels)
{
    begin_block(w, name, 64 + 64 + 96 + pool_channels);
    begin_branch(w);
    conv(w, "branch1x1", 64, 1, 1, LAST);
    begin_branch(w);
    then(w, "branch5x5_1", 48, 1, 1, INNER);
    then(w, "branch5x5_2", 64, 5, 5, LAST);
    begin_branch(w);
    then(w, "branch3x3dbl_1", 64, 1, 1, INNER);
    then(w, "branch3x3dbl_2", 96, 3, 3, INNER);
    then(w, "branch3x3dbl_3", 96, 3, 3, LAST);
    pool_branch(w, HIDI_INCEPTION_AVERAGE_POOL, pool_channels);
}

/* 35 x 35 -> 17 x 17 */
static void block_b(writer *w, const char *name)
{
    begin_block(w, name, 384 + 96 + w->total);
    begin_branch(w);
    halve(conv(w, "branch3x3", 384, 3, 3, LAST));
    begin_branch(w);
    then(w, "branch3x3dbl_1", 64, 1, 1, INNER);
    then(w, "branch3x3dbl_2", 96, 3, 3, INNER);
    halve(conv(w, "branch3x3dbl_3", 96, 3, 3, LAST));
    begin_branch(w);
    halve(pool(w, HIDI_INCEPTION_MAX_POOL, LAST));
}

/* 7 x 7 windows as pairs of 1 x 7 and 7 x 1; c: channels inside the branches. */
static void block_c(writer *w, const char *name, size_t c)
{
    begin_block(w, name, 4 * 192);
    begin_branch(w);
    conv(w, "branch1x1", 192, 1, 1, LAST);
    begin_branch(w);
    then(w, "branch7x7_1", c, 1, 1, INNER);
    then(w, "branch7x7_2", c, 1, 7, INNER);
    then(w, "branch7x7_3", 192, 7, 1, LAST);
    begin_branch(w);
    then(w, "branch7x7dbl_1", c, 1, 1, INNER);
    then(w, "branch7x7dbl_2", c, 7, 1, INNER);
    then(w, "branch7x7dbl_3", c, 1, 7, INNER);
    then(w, "branch7x7dbl_4", c, 7, 1, INNER);
    then(w, "branch7x7dbl_5", 192, 1, 7, LAST);
    pool_branch(w, HIDI_INCEPTION_AVERAGE_POOL, 192);
}

/* 17 x 17 -> 8 x 8 */
static void block_d(writer *w, const char *name)
{
    begin_block(w, name, 320 + 192 + w->total);
    begin_branch(w);
    then(w, "branch3x3_1", 192, 1, 1, INNER);
    halve(conv(w, "branch3x3_2", 320, 3, 3, LAST));
    begin_branch(w);
    then(w, "branch7x7x3_1", 192, 1, 1, INNER);
    then(w, "branch7x7x3_2", 192, 1, 7, INNER);
    then(w, "branch7x7x3_3", 192, 7, 1, INNER);
    halve(conv(w, "branch7x7x3_4", 192, 3, 3, LAST));
    begin_branch(w);
    halve(pool(w, HIDI_INCEPTION_MAX_POOL, LAST));
}

/* kind: the average of 7b, and the max pool of 7c that sets this graph apart. */
static void block_e(writer *w, const char *name, hidi_inception_kind kind)
{
    begin_block(w, name, 320 + 2 * 384 + 2 * 384 + 192);
    begin_branch(w);
    conv(w, "branch1x1", 320, 1, 1, LAST);
    begin_branch(w);
    then(w, "branch3x3_1", 384, 1, 1, INNER);
    conv(w, "branch3x3_2a", 384, 1, 3, LAST);
    conv(w, "branch3x3_2b", 384, 3, 1, LAST);
    begin_branch(w);
    then(w, "branch3x3dbl_1", 448, 1, 1, INNER);
    then(w, "branch3x3dbl_2", 384, 3, 3, INNER);
    conv(w, "branch3x3dbl_3a", 384, 1, 3, LAST);
    conv(w, "branch3x3dbl_3b", 384, 3, 1, LAST);
    pool_branch(w, kind, 192);
}

void hidi_inception_make_plan(hidi_inception_plan *plan)
{
    writer w = {.plan = plan, .input = HIDI_INCEPTION_IMAGE, .channels = 3};
    memset(plan, 0, sizeof *plan);
    stem_conv(&w, "Conv2d_1a_3x3", 32, 3, 2, 0);
    stem_conv(&w, "Conv2d_2a_3x3", 32, 3, 1, 0);
    stem_conv(&w, "Conv2d_2b_3x3", 64, 3, 1, 1);
    stem_pool(&w, "maxpool1");
    stem_conv(&w, "Conv2d_3b_1x1", 80, 1, 1, 0);
    stem_conv(&w, "Conv2d_4a_3x3", 192, 3, 1, 0);
    stem_pool(&w, "maxpool2");
    block_a(&w, "Mixed_5b", 32);
    block_a(&w, "Mixed_5c", 64);
    block_a(&w, "Mixed_5d", 64);
    block_b(&w, "Mixed_6a");
    block_c(&w, "Mixed_6b", 128);
    block_c(&w, "Mixed_6c", 160);
    block_c(&w, "Mixed_6d", 160);
    block_c(&w, "Mixed_6e", 192);
    block_d(&w, "Mixed_7a");
    block_e(&w, "Mixed_7b", HIDI_INCEPTION_AVERAGE_POOL);
    block_e(&w, "Mixed_7c", HIDI_INCEPTION_MAX_POOL);
}

size_t hidi_inception_out_size(const hidi_inception_step *step, size_t size)
{
    return (size + 2 * step->padding_h - step->kernel_h) / step->stride + 1;
}
