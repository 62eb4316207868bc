/* test_published.c - published teachers: what a network predicts as a velocity, the samplers of its
 * paper, and the names of other people's files.
 *
 *   - for Gaussian data, whose e_hat is known in closed form, the converted velocity is the known
 *     one at every time of the chain, and so is its derivative in t;
 *   - a converted network's tangent belongs to its values, and its gradient to its tangent;
 *   - whole trajectories are those of tests/golden/published.py;
 *   - a student starts as its teacher's velocity;
 *   - tensors under diffusers' names are the same network.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "io/open_tensors.h"
#include "io/safetensors.h"
#include "method/sampler.h"
#include "model/chain.h"
#include "model/prediction.h"
#include "each_backend.h"
#include "near.h"
#include "random_weights.h"
#include "scratch.h"
#include "source.h"

#ifdef HIDI_DOUBLE
#define GOLDEN_ERROR 1e-12
#else
#define GOLDEN_ERROR 1e-5 /* generate.py's rule: twice float32's own */
#endif

static const hidi_backend *backend; /* set by main */

static void ok(hidi_status status)
{
    if (status != HIDI_OK)
        ck_abort_msg("%s", hidi_error_message());
}

/* --- closed forms ----------------------------------------------------------------------------- */

/* Data N(0, c^2): e_hat(z_vp, s) = sqrt(1 - ab) z_vp / (ab c^2 + 1 - ab), and
 * v(z, t) = z (t - (1 - t) c^2) / ((1 - t)^2 c^2 + t^2). */
#define DATA_VARIANCE 0.25

/* ab at a place between two steps. */
static double share_at(double s)
{
    const int below = s < 999 ? (int)s : 998;
    const double ab = hidi_chain_alpha_bar(below);
    return ab + (s - below) * (hidi_chain_alpha_bar(below + 1) - ab);
}

static double known_e_hat(double s, double c2, double *slope)
{
    const double ab = share_at(s), q = ab * c2 + 1 - ab;
    const int below = s < 999 ? (int)s : 998;
    const double dab = hidi_chain_alpha_bar(below + 1) - hidi_chain_alpha_bar(below);
    *slope = (-0.5 / (sqrt(1 - ab) * q) - sqrt(1 - ab) * (c2 - 1) / (q * q)) * dab;
    return sqrt(1 - ab) / q;
}

static double known_velocity(double t, double *slope)
{
    const double c2 = DATA_VARIANCE, q = (1 - t) * (1 - t) * c2 + t * t;
    const double top = t - (1 - t) * c2, dq = -2 * (1 - t) * c2 + 2 * t;
    *slope = ((1 + c2) * q - top * dq) / (q * q);
    return top / q;
}

START_TEST(gaussian_data_has_the_known_velocity)
{
    enum { N = 50 };
    const hidi_dit_config config = {.channels = 1, .out_channels = 1, .time_scale = 1000,
                                    .prediction = HIDI_EPSILON};
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_real times[N], ones[N], z_values[N], v_values[N], dv_values[N];
    for (int i = 0; i < N; i++) {
        times[i] = (hidi_real)(0.0101 + (0.9935 - 0.0101) * i / (N - 1));
        ones[i] = 1;
        z_values[i] = (hidi_real)0.75;
    }
    hidi_var *one = hidi_constant(tape, hidi_shape1(N), ones);
    hidi_var *t = hidi_dual(tape, hidi_constant(tape, hidi_shape1(N), times), one);
    hidi_var *z = hidi_constant(tape, hidi_shape4(N, 1, 1, 1), z_values);
    const hidi_shown shown = hidi_dit_show(tape, &config, z, t);
    ck_assert_double_eq_tol((double)shown.scale, 1, 1e-7);
    hidi_var *e_hat = hidi_scale_samples(
        tape, shown.z, hidi_pointwise(tape, shown.t, known_e_hat, DATA_VARIANCE));
    hidi_var *v = hidi_dit_as_velocity(tape, &config, e_hat, z, t);
    ok(hidi_read(tape, v, v_values));
    ok(hidi_read_tangent(tape, v, dv_values));
    for (int i = 0; i < N; i++) {
        /* e_hat - z, each rounded, is divided by 1 - t; its derivative by (1 - t)^2 */
        const double at = (double)times[i], rest = 1 - at;
        double slope;
        const double known = known_velocity(at, &slope) * 0.75;
        const double rounding = 40 * (double)HIDI_REAL_EPSILON / rest;
        ck_assert_msg(fabs((double)v_values[i] - known) <= rounding, "t = %g: v %g, known %g", at,
                      (double)v_values[i], known);
        ck_assert_msg(fabs((double)dv_values[i] - 0.75 * slope) <= 40 * rounding / rest / 0.01,
                      "t = %g: dv/dt %g, known %g", at, (double)dv_values[i], 0.75 * slope);
    }
    hidi_tape_destroy(tape);
}
END_TEST

/* The ends of the chain, and the whole of the map from t to s. */
START_TEST(places_on_the_chain)
{
    double slope, last = -1;
    ck_assert(hidi_chain_place(0, &slope) == 0 && slope == 0);
    ck_assert(hidi_chain_place(1, &slope) == 999 && slope == 0);
    ck_assert(hidi_chain_alpha_bar(-1) == 1);
    for (int s = 0; s < 1000; s++) {
        const double t = hidi_chain_time(hidi_chain_alpha_bar(s));
        ck_assert_double_eq_tol(hidi_chain_place(t, &slope), s, 1e-7);
        ck_assert(t > last);
        last = t;
    }
    ck_assert_double_eq_tol(last, 0.9936, 1e-4);
    int step[1000];
    hidi_chain_respaced(1000, step);
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(step[i], i);
    hidi_chain_respaced(250, step); /* as diffusion/respace.py has them */
    ck_assert(step[0] == 0 && step[1] == 4 && step[62] == 249 && step[125] == 502 &&
              step[248] == 995 && step[249] == 999);
    hidi_chain_respaced(3, step); /* 499.5: to even */
    ck_assert(step[0] == 0 && step[1] == 500 && step[2] == 999);
}
END_TEST

/* --- networks --------------------------------------------------------------------------------- */

enum { B = 2, C = 2, SIDE = 4, PIXELS = C * SIDE * SIDE };

static void draw(hidi_real *x, size_t n, uint64_t which, double factor)
{
    hidi_normal((hidi_random){9, HIDI_STREAM_TEST, which}, 0, x, n);
    for (size_t i = 0; i < n; i++)
        x[i] *= (hidi_real)factor;
}

static hidi_dit *make_dit(int prediction)
{
    const hidi_dit_config config = {
        .image_size = SIDE, .channels = C, .out_channels = 2 * C, .patch = 2, .width = 8,
        .depth = 2, .heads = 2, .mlp_width = 32, .n_classes = 3,
        .time_scale = prediction == HIDI_EPSILON ? 100 : 2, .prediction = prediction};
    hidi_dit *dit;
    ok(hidi_dit_create(&dit, backend, &config));
    random_weights(dit, 9);
    return dit;
}

static const int32_t labels[B] = {1, 3};

/* u at z + s dz, t + s dt. */
static void velocity_along(const hidi_dit *net, const hidi_real *z, const hidi_real *dz,
                           const hidi_real *t, const hidi_real *r, double s, double *v)
{
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_real moved[B * PIXELS], times[B], out[B * PIXELS];
    for (int i = 0; i < B * PIXELS; i++)
        moved[i] = z[i] + (hidi_real)s * dz[i];
    for (int i = 0; i < B; i++)
        times[i] = t[i] + (hidi_real)s;
    hidi_var *u = hidi_dit_velocity(
        tape, net, true, hidi_constant(tape, hidi_shape4(B, C, SIDE, SIDE), moved),
        hidi_constant(tape, hidi_shape1(B), times),
        r ? hidi_constant(tape, hidi_shape1(B), r) : NULL, HIDI_CLASSES(labels));
    ok(hidi_read(tape, u, out));
    for (int i = 0; i < B * PIXELS; i++)
        v[i] = (double)out[i];
    hidi_tape_destroy(tape);
}

/* _i: prediction, and 3 more for its student. */
START_TEST(tangents_belong_to_values_and_gradients_to_tangents)
{
#ifdef HIDI_DOUBLE
    const double step = 1e-6, tolerance = 1e-6; /* within one step of the chain */
#else
    const double step = 4e-3, tolerance = 0.1; /* over several steps of the chain */
#endif
    hidi_dit *net = make_dit(_i % 3), *student = NULL;
    if (_i >= 3) {
        ok(hidi_dit_student(&student, net, 1));
        hidi_dit_destroy(net);
        net = student;
    }
    hidi_real z[B * PIXELS], dz[B * PIXELS], w[B * PIXELS], du[B * PIXELS], gz[B * PIXELS], gt[B];
    const hidi_real t[B] = {(hidi_real)0.31, (hidi_real)0.72};
    const hidi_real r[B] = {(hidi_real)0.1, (hidi_real)0.5};
    const hidi_real ones[B] = {1, 1}, *interval = student ? r : NULL;
    double ahead[B * PIXELS], behind[B * PIXELS], along = 0, back = 0;
    draw(z, B * PIXELS, 1000, 1);
    draw(dz, B * PIXELS, 1001, 1);
    draw(w, B * PIXELS, 1002, 1);
    velocity_along(net, z, dz, t, interval, step, ahead);
    velocity_along(net, z, dz, t, interval, -step, behind);
    for (int i = 0; i < B * PIXELS; i++)
        ahead[i] = (ahead[i] - behind[i]) / (2 * step);

    hidi_tape *tape = hidi_tape_create(backend);
    const hidi_shape shape = hidi_shape4(B, C, SIDE, SIDE);
    hidi_var *z_in = hidi_input(tape, shape, z, true);
    hidi_var *t_in = hidi_input(tape, hidi_shape1(B), t, true);
    hidi_var *u = hidi_dit_velocity(
        tape, net, true, hidi_dual(tape, z_in, hidi_constant(tape, shape, dz)),
        hidi_dual(tape, t_in, hidi_constant(tape, hidi_shape1(B), ones)),
        interval ? hidi_constant(tape, hidi_shape1(B), r) : NULL, HIDI_CLASSES(labels));
    ok(hidi_read_tangent(tape, u, du));
    ck_assert_msg(relative(du, ahead, B * PIXELS) < tolerance, "tangent off by %g",
                  relative(du, ahead, B * PIXELS));
    ok(hidi_tape_backward(tape, u, w));
    ok(hidi_read_grad(tape, z_in, gz));
    ok(hidi_read_grad(tape, t_in, gt));
    for (int i = 0; i < B * PIXELS; i++) {
        along += (double)w[i] * (double)du[i];
        back += (double)gz[i] * (double)dz[i];
    }
    back += (double)gt[0] + (double)gt[1];
    ck_assert_msg(fabs(along - back) <= 4000 * (double)HIDI_REAL_EPSILON * (1 + fabs(along)),
                  "<w, J v> %.9g, <J^T w, v> %.9g", along, back);
    hidi_tape_destroy(tape);
    hidi_dit_destroy(net);
}
END_TEST

START_TEST(a_student_starts_as_its_teacher)
{
    hidi_dit *teacher = make_dit(_i), *student;
    hidi_real z[B * PIXELS], dz[B * PIXELS], u[B * PIXELS];
    const hidi_real t[B] = {(hidi_real)0.3, (hidi_real)0.65}, r[B] = {0, (hidi_real)0.2};
    double v[B * PIXELS], of_student[B * PIXELS];
    ok(hidi_dit_student(&student, teacher, 1));
    ck_assert_int_eq(student->config.prediction, _i);
    draw(z, B * PIXELS, 1000, 1);
    draw(dz, B * PIXELS, 1001, 0);
    velocity_along(teacher, z, dz, t, NULL, 0, v);
    velocity_along(student, z, dz, t, r, 0, of_student);
    for (int i = 0; i < B * PIXELS; i++)
        u[i] = (hidi_real)of_student[i];
    ck_assert_double_lt(relative(u, v, B * PIXELS), 10 * (double)HIDI_REAL_EPSILON);
    hidi_dit_destroy(student);
    hidi_dit_destroy(teacher);
}
END_TEST

/* --- trajectories ----------------------------------------------------------------------------- */

static hidi_tensor_file in, expected;

static void read_golden(hidi_tensor_file *file, const char *path)
{
    char full[256];
    snprintf(full, sizeof full, "tests/golden/%s.safetensors", path);
    ok(hidi_safetensors_read(file, source_file(full)));
}

static hidi_real *reals(const hidi_tensor_file *file, const char *name, size_t *n)
{
    const hidi_file_tensor *tensor;
    ok(hidi_tensor_file_need(file, name, &tensor));
    hidi_real *x = malloc(tensor->count * sizeof *x);
    ck_assert_ptr_nonnull(x);
    hidi_file_tensor_real(tensor, x);
    *n = tensor->count;
    return x;
}

static const struct {
    const char *name;
    int prediction, solver;
    double guidance;
    size_t channels;
    double from, to;
} trajectories[] = {
    {"ddim", HIDI_EPSILON, HIDI_DDIM, 1, 0, 0, 0},
    {"euler-sit", HIDI_SIT, HIDI_EULER, 1, 0, 0, 0},
    {"heun-sit", HIDI_SIT, HIDI_HEUN, 1.5, 0, 0, 0},
    {"heun-sit-3", HIDI_SIT, HIDI_HEUN, 1.5, 3, 0, 0},
    {"heun-sit-interval", HIDI_SIT, HIDI_HEUN, 1.5, 0, 0.2, 0.7},
    {"euler-epsilon", HIDI_EPSILON, HIDI_EULER, 1, 0, 0, 0},
    {"euler-maruyama-sit", HIDI_SIT, HIDI_EULER_MARUYAMA, 1, 0, 0, 0}};
enum { TRAJECTORIES = sizeof trajectories / sizeof trajectories[0], STEPS = 8 };

START_TEST(whole_trajectories)
{
    const hidi_dit_given given = {.heads = 2, .prediction = 1 + trajectories[_i].prediction};
    const hidi_sampler sampler = {.solver = trajectories[_i].solver, .steps = STEPS, .batch = 2,
                                  .guidance = trajectories[_i].guidance,
                                  .guided_channels = trajectories[_i].channels,
                                  .guided_from = trajectories[_i].from,
                                  .guided_to = trajectories[_i].to, .last_step = 0.1};
    hidi_tensor_file model;
    const hidi_file_tensor *tensor;
    hidi_dit *net;
    size_t n, all;
    int32_t y[2];
    read_golden(&in, "in/samplers");
    read_golden(&expected, "expected/samplers");
    read_golden(&model, "models/published");
    ok(hidi_dit_read(&net, backend, &model, "", &given));
    hidi_real *x = reals(&in, "e", &n), *noise = reals(&in, "noise", &all);
    ck_assert_uint_eq(all, STEPS * n);
    ok(hidi_tensor_file_need(&in, "y", &tensor));
    ok(hidi_file_tensor_int(tensor, y));
    hidi_tape *tape = hidi_tape_create(backend);
    ok(hidi_sampler_check(&sampler, net));
    for (long k = STEPS; k > 0; k--)
        ok(hidi_sample_step_with(&sampler, net, tape, k, x, HIDI_CLASSES(y), 2,
                                 noise + (size_t)(STEPS - k) * n));
    ok(hidi_tensor_file_need(&expected, trajectories[_i].name, &tensor));
    double *reference = malloc(n * sizeof *reference);
    ck_assert_ptr_nonnull(reference);
    hidi_file_tensor_double(tensor, reference);
    ck_assert_msg(relative(x, reference, n) < GOLDEN_ERROR, "%s is off by %g",
                  trajectories[_i].name, relative(x, reference, n));
    free(reference);
    free(x);
    free(noise);
    hidi_tape_destroy(tape);
    hidi_dit_destroy(net);
    hidi_tensor_file_free(&model);
    hidi_tensor_file_free(&in);
    hidi_tensor_file_free(&expected);
}
END_TEST

/* The noise that a sampler draws is the image's own, however many go through the network at
 * once. */
START_TEST(step_noise_does_not_depend_on_the_batch)
{
    enum { N = 3 };
    hidi_dit *net = make_dit(HIDI_EPSILON);
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_real one[N * PIXELS], all[N * PIXELS];
    int32_t y[N] = {0, 1, 2};
    hidi_sampler sampler = {.solver = _i ? HIDI_EULER_MARUYAMA : HIDI_DDPM, .steps = 4,
                            .guidance = 1, .batch = 1, .seed = 5};
    draw(one, N * PIXELS, 1000, 1);
    memcpy(all, one, sizeof all);
    ok(hidi_sample(&sampler, net, tape, one, HIDI_CLASSES(y), N, NULL));
    sampler.batch = N;
    ok(hidi_sample(&sampler, net, tape, all, HIDI_CLASSES(y), N, NULL));
    for (int i = 0; i < N * PIXELS; i++)
        ck_assert_double_eq_tol((double)one[i], (double)all[i],
                                1000 * (double)HIDI_REAL_EPSILON * (1 + fabs((double)all[i])));
    hidi_tape_destroy(tape);
    hidi_dit_destroy(net);
}
END_TEST

START_TEST(samplers_refuse_what_they_cannot_do)
{
    hidi_dit *sit = make_dit(HIDI_SIT), *epsilon = make_dit(HIDI_EPSILON);
    hidi_sampler sampler = {.solver = HIDI_DDPM, .steps = 4, .guidance = 1, .batch = 1};
    ck_assert_int_eq(hidi_sampler_check(&sampler, sit), HIDI_BAD_ARGUMENT);
    ok(hidi_sampler_check(&sampler, epsilon));
    sampler.steps = 1001;
    ck_assert_int_eq(hidi_sampler_check(&sampler, epsilon), HIDI_BAD_ARGUMENT);
    sampler.steps = 1;
    ck_assert_int_eq(hidi_sampler_check(&sampler, epsilon), HIDI_BAD_ARGUMENT);
    sampler.solver = HIDI_EULER_MARUYAMA;
    ck_assert_int_eq(hidi_sampler_check(&sampler, sit), HIDI_BAD_ARGUMENT);
    hidi_dit_destroy(sit);
    hidi_dit_destroy(epsilon);
}
END_TEST

/* --- files ------------------------------------------------------------------------------------ */

static void write_as(const hidi_dit *dit, const char *name,
                     hidi_status (*rename)(hidi_tensor_file *to, const hidi_file_tensor *tensor))
{
    hidi_tensor_file from, to;
    hidi_tensor_file_init(&from);
    hidi_tensor_file_init(&to);
    ok(hidi_dit_to_file(dit, "", &from));
    for (size_t i = 0; i < from.n_tensors; i++)
        ok(rename(&to, &from.tensor[i]));
    ok(hidi_safetensors_write(&to, scratch(name)));
    hidi_tensor_file_free(&from);
    hidi_tensor_file_free(&to);
}

static hidi_status as_wrapped(hidi_tensor_file *to, const hidi_file_tensor *t)
{
    char name[128];
    snprintf(name, sizeof name, "_orig_mod.module.%s", t->name);
    return hidi_tensor_file_add(to, name, t->dtype, t->rank, t->dim, t->data);
}

/* diffusers has q, k and v apart, the embedders in every block, and no table of positions. */
static hidi_status as_diffusers(hidi_tensor_file *to, const hidi_file_tensor *t)
{
    static const char *const names[][2] = {
        {"x_embedder.proj.", "pos_embed.proj."},
        {"final_layer.adaLN_modulation.1.", "proj_out_1."},
        {"final_layer.linear.", "proj_out_2."},
        {"adaLN_modulation.1.", "norm1.linear."},
        {"attn.proj.", "attn1.to_out.0."},
        {"mlp.fc1.", "ff.net.0.proj."},
        {"mlp.fc2.", "ff.net.2."},
        {"t_embedder.mlp.0.", "norm1.emb.timestep_embedder.linear_1."},
        {"t_embedder.mlp.2.", "norm1.emb.timestep_embedder.linear_2."},
        {"y_embedder.embedding_table.", "norm1.emb.class_embedder.embedding_table."}};
    enum { FIRST_SHARED = 7, N = sizeof names / sizeof names[0] };
    const char *name = t->name, *end = strrchr(t->name, '.');
    char renamed[160], front[32] = "";
    unsigned block;
    int used = 0;
    size_t dim[HIDI_FILE_MAX_RANK];
    memcpy(dim, t->dim, sizeof dim);
    if (strcmp(name, "pos_embed") == 0)
        return HIDI_OK;
    if (sscanf(name, "blocks.%u.%n", &block, &used) == 1) {
        snprintf(front, sizeof front, "transformer_blocks.%u.", block);
        name += used;
    }
    if (strncmp(name, "attn.qkv.", strlen("attn.qkv.")) == 0) {
        const size_t bytes = t->count / 3 * hidi_dtype_bytes(t->dtype);
        dim[0] /= 3;
        for (size_t i = 0; i < 3; i++) {
            snprintf(renamed, sizeof renamed, "%sattn1.to_%c%s", front, "qkv"[i], end);
            HIDI_TRY(hidi_tensor_file_add(to, renamed, t->dtype, t->rank, dim, t->data + i * bytes));
        }
        return HIDI_OK;
    }
    size_t k = 0;
    while (strncmp(name, names[k][0], strlen(names[k][0])) != 0)
        ck_assert_uint_lt(++k, N);
    for (unsigned copy = 0; copy < (k >= FIRST_SHARED ? 2u : 1u); copy++) {
        if (k >= FIRST_SHARED)
            snprintf(front, sizeof front, "transformer_blocks.%u.", copy);
        snprintf(renamed, sizeof renamed, "%s%s%s", front, names[k][1], name + strlen(names[k][0]));
        HIDI_TRY(hidi_tensor_file_add(to, renamed, t->dtype, t->rank, dim, t->data));
    }
    return HIDI_OK;
}

static void same_parameters(const hidi_dit *a, const hidi_dit *b)
{
    ck_assert_uint_eq(a->params.count, b->params.count);
    const size_t bytes = a->params.count * sizeof(hidi_real);
    hidi_real *x = malloc(bytes), *y = malloc(bytes);
    ck_assert(x != NULL && y != NULL);
    backend->download(x, a->params.value, bytes);
    backend->download(y, b->params.value, bytes);
    ck_assert_mem_eq(x, y, bytes);
    free(x);
    free(y);
}

START_TEST(other_names_are_the_same_network)
{
    const hidi_dit_given given = {.heads = 2, .image_size = SIDE, .prediction = 1 + HIDI_EPSILON};
    hidi_dit *dit = make_dit(HIDI_EPSILON), *read;
    hidi_tensor_file file;
    write_as(dit, "other.safetensors", _i ? as_diffusers : as_wrapped);
    ok(hidi_dit_open(&file, scratch("other.safetensors"), NULL));
    ok(hidi_dit_read(&read, backend, &file, "", &given));
    same_parameters(read, dit);
    ck_assert_int_eq(read->config.code, _i ? HIDI_CODE_DIFFUSERS : HIDI_CODE_DIT);
    hidi_dit_destroy(read);
    hidi_tensor_file_free(&file);
    ok(hidi_tensor_file_open(&file, scratch("other.safetensors"), NULL)); /* what it says holds */
    ok(hidi_tensor_file_set_meta(&file, "hidi.code", "dit"));
    ok(hidi_dit_adopt(&file));
    ok(hidi_dit_read(&read, backend, &file, "", &given));
    ck_assert_int_eq(read->config.code, HIDI_CODE_DIT);
    hidi_dit_destroy(read);
    hidi_tensor_file_free(&file);
    hidi_dit_destroy(dit);
}
END_TEST

/* What is not said is asked for, all at once, and a published size says its heads. */
START_TEST(a_file_says_what_it_lacks)
{
    hidi_dit *dit = make_dit(HIDI_SIT), *read;
    hidi_tensor_file file;
    write_as(dit, "plain.safetensors", as_wrapped);
    ok(hidi_dit_open(&file, scratch("plain.safetensors"), NULL));
    ck_assert_int_eq(hidi_dit_read(&read, backend, &file, "", NULL), HIDI_BAD_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "--set heads=N"));
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "--set prediction=epsilon"));
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "prediction=sit"));
    const hidi_dit_given given = {.heads = 2, .prediction = 1 + HIDI_SIT};
    ok(hidi_dit_read(&read, backend, &file, "", &given));
    ck_assert_double_eq(read->config.time_scale, 1);
    hidi_dit_destroy(read);
    hidi_tensor_file_free(&file);
    ok(hidi_dit_save(dit, scratch("saved.safetensors")));
    ok(hidi_dit_load(&read, backend, scratch("saved.safetensors")));
    ck_assert_int_eq(read->config.prediction, HIDI_SIT);
    hidi_dit_destroy(read);
    hidi_dit_destroy(dit);
    ck_assert_uint_eq(hidi_dit_published_heads(1152, 28), 16);
    ck_assert_uint_eq(hidi_dit_published_heads(1152, 27), 0);
}
END_TEST

/* A student of an epsilon teacher says in its file how it divides. */
START_TEST(a_students_file_keeps_what_it_is)
{
    hidi_dit *teacher = make_dit(HIDI_EPSILON), *student, *read;
    ok(hidi_dit_student(&student, teacher, 1));
    ok(hidi_dit_save(student, scratch("student.safetensors")));
    ok(hidi_dit_load(&read, backend, scratch("student.safetensors")));
    ck_assert_int_eq(read->config.prediction, HIDI_EPSILON);
    ck_assert_double_eq(read->config.least_data, HIDI_STUDENT_LEAST_DATA);
    hidi_dit_destroy(read);
    hidi_dit_destroy(student);
    hidi_dit_destroy(teacher);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_test(tcase, gaussian_data_has_the_known_velocity);
    tcase_add_test(tcase, places_on_the_chain);
    tcase_add_loop_test(tcase, tangents_belong_to_values_and_gradients_to_tangents, 0, 6);
    tcase_add_loop_test(tcase, a_student_starts_as_its_teacher, 0, 3);
    tcase_add_loop_test(tcase, whole_trajectories, 0, TRAJECTORIES);
    tcase_add_loop_test(tcase, step_noise_does_not_depend_on_the_batch, 0, 2);
    tcase_add_test(tcase, samplers_refuse_what_they_cannot_do);
    tcase_add_loop_test(tcase, other_names_are_the_same_network, 0, 2);
    tcase_add_test(tcase, a_file_says_what_it_lacks);
    tcase_add_test(tcase, a_students_file_keeps_what_it_is);
}

int main(void)
{
    scratch_begin();
    return run_on_each_backend("published teachers", &backend, add);
}
