/* objectives.c - a small network, trained by each kind of trajectory distillation from the same
 * exact velocity, ends at the same function: the average velocity u(e, 0, 1).
 *
 *     ./objectives [DIR [UPDATES [SEEDS]]]      (16000 and 3 by default)
 *         writes DIR/objectives.csv, pairs.csv, curves.csv, curves-line.svg, curves-ring.svg,
 *         map.svg
 *
 *     meanflow      intervals (t, r) of all kinds: method/meanflow.h
 *     consistency   the same with r = 0 alone: a continuous-time consistency model
 *     progressive   from 64 Euler steps to 1 in 6 rounds: method/progressive.h
 *
 * All have the same network, number of updates, points per batch and optimiser.  A point is an
 * image of 1 x 1 pixels with dim channels, so that hidi's DiT is a small adaLN network.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ode.h"
#include "results.h"

enum { MEANFLOW, CONSISTENCY, PROGRESSIVE, OBJECTIVES };
enum { ROUNDS = 6, TEACHER_STEPS = 1 << ROUNDS };
enum { BATCH = 128, EVALUATED = 2048, MAX_SEEDS = 16, CHECKS = 20 };

static const char *const names[OBJECTIVES] = {"meanflow", "consistency", "progressive"};
static const hidi_adamw adamw = {0.9, 0.99, 1e-8, 0, 1};

typedef struct training {
    const mixture *m;
    int objective;
    uint64_t seed;
    long updates; /* in all */
    const hidi_backend *backend;
    hidi_dit *student, *average, *previous; /* previous: the teacher of rounds after the first */
    hidi_optimizer optimizer;
    hidi_tape *tape;
} training;

/* What a map is measured with, for one mixture. */
typedef struct yardstick {
    double e[EVALUATED * MAX_DIM], u[EVALUATED * MAX_DIM]; /* noise, exact u(e, 0, 1)         */
    double limit[EVALUATED * MAX_DIM]; /* what progressive distillation ends at: 64 Euler steps */
    double t[EVALUATED], z[EVALUATED * MAX_DIM], u_t[EVALUATED * MAX_DIM]; /* u(z_t, 0, t)    */
} yardstick;

/* What came of one training. */
typedef struct outcome {
    double u[EVALUATED * MAX_DIM];               /* the learned u(e, 0, 1)             */
    double updates[CHECKS], error[CHECKS];       /* root mean square over the training */
    double to_exact, to_limit, all_t;
} outcome;

static void measure_with(const mixture *m, yardstick *y)
{
    draw_points(m, 5, 0, 1, y->e, EVALUATED);
    for (int j = 0; j < EVALUATED; j++) {
        double *e = y->e + j * m->dim, x[MAX_DIM];
        average_velocity(m, e, 1, 0, y->u + j * m->dim);
        for (int i = 0; i < m->dim; i++)
            x[i] = e[i];
        for (int k = TEACHER_STEPS; k > 0; k--)
            solver_step(m, EULER, x, (double)k / TEACHER_STEPS, (double)(k - 1) / TEACHER_STEPS, x);
        for (int i = 0; i < m->dim; i++)
            y->limit[j * m->dim + i] = e[i] - x[i];
        y->t[j] = (j + 0.5) / EVALUATED;
        draw_points(m, 6, (uint64_t)j, y->t[j], y->z + j * m->dim, 1);
        average_velocity(m, y->z + j * m->dim, y->t[j], 0, y->u_t + j * m->dim);
    }
}

static double distance(const double *a, const double *b, int n)
{
    double square = 0;
    for (int i = 0; i < n; i++)
        square += (a[i] - b[i]) * (a[i] - b[i]) / n;
    return sqrt(square);
}

/* --- a training step -------------------------------------------------------------------------- */

/* Number of the round that an update is in, from 1; and the updates of a round. */
static long updates_of_round(const training *s)
{
    return s->objective == PROGRESSIVE ? s->updates / ROUNDS : s->updates;
}

static int round_of(const training *s, long update)
{
    const long round = 1 + update / updates_of_round(s);
    return round > ROUNDS ? ROUNDS : (int)round;
}

static void draw_times(const training *s, long update, hidi_real *t, hidi_real *r)
{
    const hidi_random random = {s->seed, HIDI_STREAM_TIME, (uint64_t)update};
    const hidi_interval_options all = {HIDI_INTERVAL_COVER, 0.25, 0.5, 0, 0};
    const hidi_interval_options from_zero = {HIDI_INTERVAL_COVER, 0, 1, 0, 0};
    if (s->objective == PROGRESSIVE)
        hidi_draw_grid_steps((size_t)(TEACHER_STEPS >> round_of(s, update)), random, t, r, BATCH);
    else
        hidi_draw_intervals(s->objective == MEANFLOW ? &all : &from_zero, random, BATCH, 0, t, r,
                            BATCH);
}

/* Points z_t, and what is known of them: v(z_t, t), or the average velocity of two Euler steps. */
static void draw_batch(const training *s, long update, hidi_real *t, hidi_real *r, hidi_real *z,
                       hidi_real *known)
{
    const mixture *m = s->m;
    draw_times(s, update, t, r);
    for (int j = 0; j < BATCH; j++) {
        const double T = (double)t[j], R = (double)r[j], middle = 0.5 * (T + R);
        double point[MAX_DIM], z_m[MAX_DIM], z_r[MAX_DIM];
        dual at[MAX_DIM], v[MAX_DIM];
        draw_points(m, s->seed, (uint64_t)(update * BATCH + j), T, point, 1);
        for (int i = 0; i < m->dim; i++)
            at[i] = number(point[i]);
        velocity(m, at, number(T), v);
        solver_step(m, EULER, point, T, middle, z_m);
        solver_step(m, EULER, z_m, middle, R, z_r);
        for (int i = 0; i < m->dim; i++) {
            z[j * m->dim + i] = (hidi_real)point[i];
            known[j * m->dim + i] = (hidi_real)(s->objective == PROGRESSIVE
                                                    ? (point[i] - z_r[i]) / (T - R)
                                                    : v[i].v);
        }
    }
}

static hidi_var *loss_of(training *s, long update)
{
    static hidi_real t_host[BATCH], r_host[BATCH], z_host[BATCH * MAX_DIM],
        known_host[BATCH * MAX_DIM];
    const hidi_meanflow_options options = {.guidance = 1, .p = 1, .c = 1};
    const hidi_shape shape = hidi_shape4(BATCH, (size_t)s->m->dim, 1, 1);
    hidi_meanflow_terms terms;
    hidi_var *error;
    draw_batch(s, update, t_host, r_host, z_host, known_host);
    hidi_var *t = hidi_constant(s->tape, hidi_shape1(BATCH), t_host);
    hidi_var *r = hidi_constant(s->tape, hidi_shape1(BATCH), r_host);
    hidi_var *z = hidi_constant(s->tape, shape, z_host);
    hidi_var *known = hidi_constant(s->tape, shape, known_host);
    if (s->objective != PROGRESSIVE)
        return hidi_meanflow_loss_at(s->tape, s->student, z, known, t, r, NULL, &options, NULL,
                                     &terms);
    if (round_of(s, update) > 1)
        known = hidi_progressive_target(s->tape, s->previous, z, t, r, NULL, 1);
    hidi_var *u = hidi_dit_velocity(s->tape, s->student, false, z, t, r, NULL);
    return hidi_adaptive_loss(s->tape, u, known, options.p, options.c, &error);
}

static hidi_status step(training *s, long update)
{
    const long length = updates_of_round(s);
    const hidi_schedule schedule = {2e-3, 100, HIDI_DECAY_COSINE, 0.02, length};
    double norm;
    if (update > 0 && round_of(s, update) > round_of(s, update - 1)) { /* the student teaches */
        HIDI_TRY(hidi_params_copy(&s->previous->params, &s->average->params));
        HIDI_TRY(hidi_params_copy(&s->student->params, &s->average->params));
    }
    const long in_round = update - (round_of(s, update) - 1) * length;
    hidi_tape_reset(s->tape);
    HIDI_TRY(hidi_tape_backward(s->tape, loss_of(s, update), NULL));
    HIDI_TRY(hidi_optimizer_step(&s->optimizer,
                                 hidi_learning_rate(&schedule, s->objective == PROGRESSIVE
                                                                   ? in_round
                                                                   : update),
                                 &norm));
    hidi_ema_update(&s->average->params, &s->student->params, 0.995, s->optimizer.updates);
    return HIDI_OK;
}

/* --- measuring -------------------------------------------------------------------------------- */

/* u(e, 0, 1) of the averaged weights in `steps` steps, into u [EVALUATED, dim]. */
static hidi_status map_of(training *s, const yardstick *y, long steps, double *u)
{
    static hidi_real x[EVALUATED * MAX_DIM];
    static int32_t label[EVALUATED];
    const hidi_sampler sampler = {
        .solver = HIDI_AVERAGE, .steps = steps, .guidance = 1, .batch = EVALUATED};
    const int n = EVALUATED * s->m->dim;
    for (int j = 0; j < EVALUATED; j++)
        label[j] = 1; /* the null class */
    for (int i = 0; i < n; i++)
        x[i] = (hidi_real)y->e[i];
    HIDI_TRY(hidi_sample(&sampler, s->average, s->tape, x, HIDI_CLASSES(label), EVALUATED, NULL));
    for (int i = 0; i < n; i++)
        u[i] = y->e[i] - (double)x[i];
    return HIDI_OK;
}

/* Root mean square of u(z_t, 0, t) - the exact one, over all t. */
static hidi_status error_at_all_t(training *s, const yardstick *y, double *error)
{
    static hidi_real z[EVALUATED * MAX_DIM], t[EVALUATED], found[EVALUATED * MAX_DIM];
    static double u[EVALUATED * MAX_DIM];
    const int n = EVALUATED * s->m->dim;
    for (int j = 0; j < EVALUATED; j++)
        t[j] = (hidi_real)y->t[j];
    for (int i = 0; i < n; i++)
        z[i] = (hidi_real)y->z[i];
    hidi_tape_reset(s->tape);
    hidi_var *times = hidi_constant(s->tape, hidi_shape1(EVALUATED), t);
    hidi_var *zero = hidi_filled(s->tape, hidi_shape1(EVALUATED), 0);
    hidi_var *points = hidi_constant(s->tape, hidi_shape4(EVALUATED, (size_t)s->m->dim, 1, 1), z);
    hidi_var *out = hidi_dit_velocity(s->tape, s->average, true, points, times, zero, NULL);
    HIDI_TRY(hidi_tape_status(s->tape));
    HIDI_TRY(hidi_read(s->tape, out, found));
    for (int i = 0; i < n; i++)
        u[i] = (double)found[i];
    *error = distance(u, y->u_t, n);
    return HIDI_OK;
}

static hidi_status train(training *s, const yardstick *y, outcome *o)
{
    const int n = EVALUATED * s->m->dim;
    for (long update = 0, check = 0; update < s->updates; update++) {
        HIDI_TRY(step(s, update));
        if (update + 1 < (check + 1) * s->updates / CHECKS)
            continue;
        /* before its last round, progressive distillation's map takes several steps */
        const long steps =
            s->objective == PROGRESSIVE ? TEACHER_STEPS >> round_of(s, update) : 1;
        HIDI_TRY(map_of(s, y, steps, o->u));
        o->updates[check] = (double)(update + 1);
        o->error[check++] = distance(o->u, y->u, n);
    }
    o->to_exact = distance(o->u, y->u, n);
    o->to_limit = distance(o->u, y->limit, n);
    return error_at_all_t(s, y, &o->all_t);
}

/* --- the study -------------------------------------------------------------------------------- */

static hidi_status begin(training *s)
{
    const size_t dim = (size_t)s->m->dim;
    const hidi_dit_config config = {.image_size = 1, .channels = dim, .out_channels = dim,
                                    .patch = 1, .width = 48, .depth = 2, .heads = 1,
                                    .mlp_width = 96, .n_classes = 1, .has_interval = true,
                                    .time_scale = 10};
    if ((s->tape = hidi_tape_create(s->backend)) == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory");
    HIDI_TRY(hidi_dit_create(&s->student, s->backend, &config));
    HIDI_TRY(hidi_dit_initialise(s->student, s->seed));
    HIDI_TRY(hidi_dit_copy(&s->average, s->student));
    HIDI_TRY(hidi_dit_copy(&s->previous, s->student));
    return hidi_optimizer_init(&s->optimizer, &s->student->params, &adamw);
}

static void end(training *s)
{
    hidi_optimizer_free(&s->optimizer);
    hidi_tape_destroy(s->tape);
    hidi_dit_destroy(s->student);
    hidi_dit_destroy(s->average);
    hidi_dit_destroy(s->previous);
}

typedef struct study {
    const char *dir;
    long updates, seeds;
    const hidi_backend *backend;
    hidi_csv results, pairs, curves;
    yardstick y;
    outcome o[OBJECTIVES][MAX_SEEDS];
} study;

/* Mean and standard deviation of x [n]. */
static void moments(const double *x, long n, double *mean, double *deviation)
{
    *mean = *deviation = 0;
    for (long i = 0; i < n; i++)
        *mean += x[i] / (double)n;
    for (long i = 0; i < n && n > 1; i++)
        *deviation += (x[i] - *mean) * (x[i] - *mean) / (double)(n - 1);
    *deviation = sqrt(*deviation);
}

static void begin_row(hidi_csv *csv, const mixture *m, int objective)
{
    hidi_csv_text(csv, m->name);
    hidi_csv_text(csv, names[objective]);
}

static void report_objective(study *st, const mixture *m, int objective)
{
    const outcome *o = st->o[objective];
    double exact[MAX_SEEDS], limit[MAX_SEEDS], all_t[MAX_SEEDS], mean[3], deviation[3];
    for (long s = 0; s < st->seeds; s++) {
        exact[s] = o[s].to_exact;
        limit[s] = o[s].to_limit;
        all_t[s] = o[s].all_t;
        begin_row(&st->results, m, objective);
        hidi_csv_integer(&st->results, s + 1);
        hidi_csv_integer(&st->results, st->updates);
        hidi_csv_number(&st->results, "%.5g", exact[s]);
        hidi_csv_number(&st->results, "%.5g", limit[s]);
        /* Progressive distillation's last round knows t = 1 alone. */
        hidi_csv_number(&st->results, "%.5g",
                        objective == PROGRESSIVE ? (double)NAN : all_t[s]);
        hidi_csv_end_row(&st->results);
    }
    moments(exact, st->seeds, &mean[0], &deviation[0]);
    moments(limit, st->seeds, &mean[1], &deviation[1]);
    moments(all_t, st->seeds, &mean[2], &deviation[2]);
    printf("%s, %-12s u(e, 0, 1) off by %.4f +- %.4f; from 64 Euler steps' by %.4f +- %.4f",
           m->name, names[objective], mean[0], deviation[0], mean[1], deviation[1]);
    if (objective != PROGRESSIVE)
        printf("; u(z_t, 0, t) off by %.4f +- %.4f", mean[2], deviation[2]);
    printf("\n");
    for (int k = 0; k < CHECKS; k++) {
        for (long s = 0; s < st->seeds; s++)
            exact[s] = o[s].error[k];
        moments(exact, st->seeds, &mean[0], &deviation[0]);
        begin_row(&st->curves, m, objective);
        hidi_csv_number(&st->curves, "%.0f", o[0].updates[k]);
        hidi_csv_number(&st->curves, "%.5g", mean[0]);
        hidi_csv_number(&st->curves, "%.5g", deviation[0]);
        hidi_csv_end_row(&st->curves);
    }
}

static void report_pairs(study *st, const mixture *m)
{
    for (int a = 0; a < OBJECTIVES; a++)
        for (int b = a + 1; b < OBJECTIVES; b++)
            for (long s = 0; s < st->seeds; s++) {
                begin_row(&st->pairs, m, a);
                hidi_csv_text(&st->pairs, names[b]);
                hidi_csv_integer(&st->pairs, s + 1);
                hidi_csv_number(&st->pairs, "%.5g",
                                distance(st->o[a][s].u, st->o[b][s].u, EVALUATED * m->dim));
                hidi_csv_end_row(&st->pairs);
            }
}

/* The errors of all trainings over the updates. */
static hidi_status plot_curves(study *st, const mixture *m)
{
    static double mean[OBJECTIVES][CHECKS];
    hidi_series series[OBJECTIVES];
    char title[80], name[64];
    for (int o = 0; o < OBJECTIVES; o++) {
        for (int k = 0; k < CHECKS; k++) {
            mean[o][k] = 0;
            for (long s = 0; s < st->seeds; s++)
                mean[o][k] += st->o[o][s].error[k] / (double)st->seeds;
        }
        series[o] = (hidi_series){names[o], st->o[o][0].updates, mean[o], CHECKS};
    }
    snprintf(title, sizeof title, "Distance to the exact map (%s), mean of %ld seeds", m->name,
             st->seeds);
    snprintf(name, sizeof name, "curves-%s.svg", m->name);
    const hidi_plot plot = {title, "updates", "root mean square", true,
                            0,     series,    OBJECTIVES,         false};
    return write_plot(&plot, st->dir, name);
}

typedef struct pair {
    double e, x[OBJECTIVES + 1];
} pair;

static int by_noise(const void *a, const void *b)
{
    const double x = ((const pair *)a)->e, y = ((const pair *)b)->e;
    return (x > y) - (x < y);
}

/* On the line: x = e - u(e, 0, 1) over e, exact and of each objective's first seed. */
static hidi_status plot_map(const study *st)
{
    static pair p[EVALUATED];
    static double e[EVALUATED], x[OBJECTIVES + 1][EVALUATED];
    hidi_series series[OBJECTIVES + 1];
    for (int j = 0; j < EVALUATED; j++) {
        p[j].e = st->y.e[j];
        for (int o = 0; o < OBJECTIVES; o++)
            p[j].x[o] = p[j].e - st->o[o][0].u[j];
        p[j].x[OBJECTIVES] = p[j].e - st->y.u[j];
    }
    qsort(p, EVALUATED, sizeof *p, by_noise);
    for (int o = 0; o <= OBJECTIVES; o++) {
        for (int j = 0; j < EVALUATED; j++) {
            e[j] = p[j].e;
            x[o][j] = p[j].x[o];
        }
        series[o] = (hidi_series){o < OBJECTIVES ? names[o] : "exact", e, x[o], EVALUATED};
    }
    const hidi_plot plot = {"One step from noise to data on the line, seed 1", "e",
                            "x = e - u(e, 0, 1)", false, 0, series, OBJECTIVES + 1, false};
    return write_plot(&plot, st->dir, "map.svg");
}

static hidi_status run_mixture(study *st, const mixture *m)
{
    measure_with(m, &st->y);
    for (int o = 0; o < OBJECTIVES; o++) {
        for (long seed = 1; seed <= st->seeds; seed++) {
            training s = {.m = m, .objective = o, .seed = (uint64_t)seed, .updates = st->updates,
                          .backend = st->backend};
            hidi_status status = begin(&s);
            if (status == HIDI_OK)
                status = train(&s, &st->y, &st->o[o][seed - 1]);
            end(&s);
            HIDI_TRY(status);
        }
        report_objective(st, m, o);
        fflush(stdout);
    }
    report_pairs(st, m);
    HIDI_TRY(plot_curves(st, m));
    return m->dim == 1 ? plot_map(st) : HIDI_OK;
}

static hidi_status run(study *st)
{
    HIDI_TRY(hidi_backend_open("cpu", &st->backend));
    HIDI_TRY(open_table(&st->results, st->dir, "objectives.csv",
                        "data,objective,seed,updates,to_exact,to_64_euler_steps,all_t"));
    HIDI_TRY(open_table(&st->pairs, st->dir, "pairs.csv", "data,one,other,seed,distance"));
    HIDI_TRY(open_table(&st->curves, st->dir, "curves.csv",
                        "data,objective,updates,mean,standard_deviation"));
    for (int i = 0; i < N_MIXTURES; i++)
        HIDI_TRY(run_mixture(st, &mixtures[i]));
    return HIDI_OK;
}

int main(int argc, char **argv)
{
    static study st = {.dir = "propositions-results", .updates = 16000, .seeds = 3};
    if (argc > 1)
        st.dir = argv[1];
    if (argc > 2)
        st.updates = strtol(argv[2], NULL, 10);
    if (argc > 3)
        st.seeds = strtol(argv[3], NULL, 10);
    if (st.updates < 100 || st.seeds < 1 || st.seeds > MAX_SEEDS) {
        fprintf(stderr, "usage: objectives [DIR [UPDATES [SEEDS]]], at least 100 updates and at "
                        "most %d seeds\n", MAX_SEEDS);
        return 2;
    }
    hidi_status status = run(&st);
    status = hidi_csv_finish(&st.results, status);
    status = hidi_csv_finish(&st.pairs, status);
    status = hidi_csv_finish(&st.curves, status);
    return finish("objectives", status);
}
