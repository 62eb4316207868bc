/* step_flop.c - what a step of each kind asks the networks to do: the passes of train/teacher.c,
 * stage1.c, stage2.c and method/sampler.c, each times what a pass costs. */
#include "lab/step_flop.h"

#include "lab/step.h"
#include "model/macs.h"

/* Of one pass for one image, in multiply-adds. */
typedef struct costs {
    double teacher; /* and the fake score: the same network */
    double student;
    double backbone; /* the blocks that the heads need      */
} costs;

static costs costs_of(const hidi_settings *s, const hidi_dit_config *config, int last_block)
{
    const hidi_student_options options = hidi_settings_stage1(s).student;
    hidi_dit_config c = *config;
    costs cost;
    c.has_interval = false;
    cost.teacher = hidi_dit_macs(&c);
    c.depth++;
    cost.backbone = (last_block + 1) * (hidi_dit_macs(&c) - cost.teacher);
    c = hidi_student_config(config, &options);
    cost.student = hidi_dit_macs(&c);
    return cost;
}

/* Guided teacher, then u and its loss. */
static double meanflow_macs(const costs *c, const hidi_meanflow_options *options)
{
    const double teacher = options->guidance == 1 ? 1 : 2;
    /* two passes; a pass, elsewhere or of the average, and its tangent; the tangent alone */
    const double derivative = options->difference > 0 || options->window > 0 ||
                                      options->tangent == HIDI_TANGENT_OF_AVERAGE
                                  ? 2
                                  : 1;
    return teacher * c->teacher + (1 + derivative + 2) * c->student;
}

/* As stage 2's step (train/stage2.c) goes. */
static double stage2_macs(const hidi_stage2_options *o, const costs *c, bool generator_steps)
{
    const bool has_heads = o->adversary.weight > 0;
    const double seen = 2 + (o->adversary.r1_weight > 0 ? 1 : 0); /* fake, real, perturbed images */
    double macs = c->student + 3 * c->teacher;          /* x_g; the fake score learns it     */
    if (has_heads)
        macs += seen * (o->backbone == HIDI_BACKBONE_FAKE ? 3 : 1) * c->backbone;
    if (!generator_steps)
        return macs;
    macs += 2 * c->student;                                   /* back through G              */
    macs += ((o->guidance == 1 ? 1 : 2) + 1) * c->teacher;    /* v_real, v_fake              */
    macs += has_heads ? 2 * c->backbone : 0;                  /* D(x_g), back to its input   */
    macs += o->td_weight > 0 ? meanflow_macs(c, &o->meanflow) : 0;
    return macs;
}

double hidi_step_flop(hidi_step_kind kind, const hidi_settings *s, const hidi_dit_config *config,
                      long i)
{
    hidi_stage2_options dm;
    hidi_sampler sampler;
    const bool has_blocks = hidi_settings_stage2(s, &dm) == HIDI_OK;
    const costs c = costs_of(s, config, has_blocks ? dm.adversary.heads.block[dm.adversary.heads.n - 1] : 0);
    double macs = 0;
    switch (kind) {
    case HIDI_STEP_TEACHER:
        macs = 3 * c.teacher;
        break;
    case HIDI_STEP_STAGE1:
        macs = meanflow_macs(&c, &s->td.meanflow);
        break;
    case HIDI_STEP_STAGE2:
        macs = stage2_macs(&dm, &c, i % dm.generator_every == 0);
        break;
    case HIDI_STEP_SAMPLE_STUDENT:
        macs = c.student;
        break;
    default:
        sampler = hidi_settings_sampler(s, false);
        hidi_sampler_one_step(&sampler);
        macs = (double)hidi_sampler_evaluations(&sampler) * c.teacher;
    }
    return 2 * macs * (double)hidi_step_batch(kind, s);
}
