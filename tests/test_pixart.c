/* test_pixart.c - PixArt: diffusers' files and values (golden/pixart.py); adaLN-single's
 * derivatives, students, first values; networks without a null caption. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "each_backend.h"
#include "io/open_tensors.h"
#include "model/dit.h"
#include "near.h"
#include "random_weights.h"
#include "scratch.h"
#include "source.h"

#ifdef HIDI_DOUBLE
#define GOLDEN_ERROR 1e-12
#else
#define GOLDEN_ERROR 1e-5 /* generate.py's rule; diffusers' own float32 is off by 1.7e-6 */
#endif

static const hidi_backend *backend; /* set by main */

static void ok(hidi_status status)
{
    if (status != HIDI_OK)
        ck_abort_msg("%s", hidi_error_message());
}

enum { B = 3, C = 4, SIDE = 8, IMAGE = C * SIDE * SIDE, L = 5, WIDTH = 10 };

static const char *const kinds[] = {"plain", "sized"};
static const char *const models[] = {"pixart", "pixart-sized"};

/* A network of diffusers', and all of golden/in/pixart.safetensors that is about it. */
typedef struct point {
    hidi_dit *dit;
    hidi_real z[B * IMAGE], dz[B * IMAGE], t[B], dt[B], c[B * L * WIDTH];
    double out[2 * B * IMAGE], v[B * IMAGE], dv[B * IMAGE];
    int32_t length[B];
    hidi_captions captions;
    hidi_condition y;
} point;

static void read_values(point *p, const char *kind)
{
    static const int32_t in_order[B] = {0, 1, 2};
    hidi_tensor_file file;
    const hidi_file_tensor *tensor;
    ok(hidi_tensor_file_open(&file, source_file("tests/golden/in/pixart.safetensors"), NULL));
    const struct {
        const char *name;
        hidi_real *values;
    } inputs[] = {{"z", p->z}, {"dz", p->dz}, {"t", p->t}, {"dt", p->dt}, {"c", p->c}};
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        ok(hidi_tensor_file_need(&file, inputs[i].name, &tensor));
        hidi_file_tensor_real(tensor, inputs[i].values);
    }
    const struct {
        const char *name;
        double *values;
    } results[] = {{"out", p->out}, {"v", p->v}, {"dv", p->dv}};
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s.%s", kind, results[i].name);
        ok(hidi_tensor_file_need(&file, name, &tensor));
        hidi_file_tensor_double(tensor, results[i].values);
    }
    ok(hidi_tensor_file_need(&file, "length", &tensor));
    ok(hidi_file_tensor_int(tensor, p->length));
    hidi_tensor_file_free(&file);
    p->captions = (hidi_captions){
        .n = B, .most = L, .length = p->length, .embedding = p->c, .width = WIDTH};
    p->y = (hidi_condition){.number = in_order, .captions = &p->captions};
}

static void read_point(point *p, int kind)
{
    char path[128];
    read_values(p, kinds[kind]);
    snprintf(path, sizeof path, "tests/golden/models/%s/diffusion_pytorch_model.safetensors",
             models[kind]);
    ok(hidi_dit_load(&p->dit, backend, source_file(path)));
}

static hidi_shape images(void)
{
    return hidi_shape4(B, C, SIDE, SIDE);
}

static void assert_near(const hidi_real *a, const double *b, size_t n, double most)
{
    ck_assert_msg(relative(a, b, n) <= most, "off by %g", relative(a, b, n));
}

static void velocity_of(const hidi_dit *dit, const point *p, const hidi_condition *y, hidi_real *v)
{
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_var *z = hidi_constant(tape, images(), p->z);
    hidi_var *t = hidi_constant(tape, hidi_shape1(B), p->t);
    ok(hidi_read(tape, hidi_dit_velocity(tape, dit, true, z, t, NULL, y), v));
    hidi_tape_destroy(tape);
}

/* --- against diffusers ------------------------------------------------------------------------ */

/* All eight channels, as they come out at a step of the chain. */
START_TEST(outputs_are_diffusers)
{
    point p;
    static hidi_real out[2 * B * IMAGE];
    read_point(&p, _i);
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_var *z = hidi_constant(tape, images(), p.z);
    ok(hidi_read(tape, hidi_dit_at_step(tape, p.dit, z, 500, &p.y), out));
    assert_near(out, p.out, 2 * B * IMAGE, GOLDEN_ERROR);
    hidi_tape_destroy(tape);
    hidi_dit_destroy(p.dit);
}
END_TEST

START_TEST(velocities_and_tangents_are_diffusers)
{
    point p;
    hidi_real v[B * IMAGE], dv[B * IMAGE];
    read_point(&p, _i);
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_var *z = hidi_dual(tape, hidi_constant(tape, images(), p.z),
                            hidi_constant(tape, images(), p.dz));
    hidi_var *t = hidi_dual(tape, hidi_constant(tape, hidi_shape1(B), p.t),
                            hidi_constant(tape, hidi_shape1(B), p.dt));
    hidi_var *out = hidi_dit_velocity(tape, p.dit, true, z, t, NULL, &p.y);
    ok(hidi_read(tape, out, v));
    ok(hidi_read_tangent(tape, out, dv));
    assert_near(v, p.v, B * IMAGE, GOLDEN_ERROR);
    assert_near(dv, p.dv, B * IMAGE, 10 * GOLDEN_ERROR); /* angles of s: see golden/README.md */
    hidi_tape_destroy(tape);
    hidi_dit_destroy(p.dit);
}
END_TEST

/* What is written is the same network: places of i / 2, no null caption, the size in a bias. */
START_TEST(files_keep_everything)
{
    point p;
    hidi_dit *again;
    hidi_real v[B * IMAGE];
    char a[256], b[256];
    read_point(&p, _i);
    ok(hidi_dit_save(p.dit, scratch("again.safetensors")));
    ok(hidi_dit_load(&again, backend, scratch("again.safetensors")));
    ck_assert_str_eq(hidi_dit_text(&p.dit->config, a, sizeof a),
                     hidi_dit_text(&again->config, b, sizeof b));
    ck_assert_ptr_nonnull(strstr(a, "adaLN-single, captions of 120 tokens of width 10 without a "
                                    "null caption, time scale 1000, predicts epsilon"));
    ck_assert_double_eq(again->config.position_scale, 2);
    velocity_of(again, &p, &p.y, v);
    assert_near(v, p.v, B * IMAGE, GOLDEN_ERROR);
    hidi_dit_destroy(again);
    hidi_dit_destroy(p.dit);
}
END_TEST

/* --- derivatives ------------------------------------------------------------------------------ */

/* Conditions of the tests below: a class, words, embeddings. */
enum { OF_CLASSES, OF_WORDS, OF_EMBEDDINGS, CONDITIONS };

/* A network with adaLN-single and random weights. */
static hidi_dit *make_dit(int condition, bool has_interval)
{
    hidi_dit_config config = {.image_size = SIDE,
                              .channels = C,
                              .out_channels = C,
                              .patch = 4,
                              .width = 8,
                              .depth = 2,
                              .heads = 2,
                              .mlp_width = 32,
                              .time_scale = 10,
                              .adaln = HIDI_ADALN_SINGLE,
                              .has_interval = has_interval};
    hidi_dit *dit;
    if (condition == OF_CLASSES)
        config.n_classes = 4;
    else
        config.caption_length = L;
    if (condition == OF_WORDS) {
        config.words = 7;
        config.text_depth = 1;
    } else if (condition == OF_EMBEDDINGS) {
        config.caption_width = WIDTH;
    }
    ok(hidi_dit_create(&dit, backend, &config));
    random_weights(dit, 5);
    return dit;
}

/* Inputs of such a network, the second sample of captions being null. */
typedef struct inputs {
    hidi_real z[B * IMAGE], t[B], r[B];
    hidi_real c[B * L * WIDTH];
    int32_t token[B * L], length[B], number[B];
    hidi_captions captions;
    hidi_condition y;
} inputs;

static void make_inputs(inputs *x, int condition)
{
    static const int32_t length[B] = {5, 0, 3};
    hidi_normal((hidi_random){2, HIDI_STREAM_TEST, 1}, 0, x->z, B * IMAGE);
    hidi_normal((hidi_random){2, HIDI_STREAM_TEST, 2}, 0, x->c, B * L * WIDTH);
    for (int i = 0; i < B; i++) {
        x->t[i] = (hidi_real)(0.3 + 0.2 * i);
        x->r[i] = (hidi_real)(0.1 * i);
        x->number[i] = i;
    }
    for (int i = 0; i < B * L; i++)
        x->token[i] = 2 + i % 5;
    memcpy(x->length, length, sizeof length);
    x->captions = (hidi_captions){.n = B, .most = L, .length = x->length};
    if (condition == OF_WORDS)
        x->captions.token = x->token;
    else
        x->captions.embedding = x->c;
    x->captions.width = condition == OF_WORDS ? 0 : WIDTH;
    x->y = (hidi_condition){.number = x->number,
                            .captions = condition == OF_CLASSES ? NULL : &x->captions};
}

/* <w, u> for fixed random w, and with gradients if they are wanted */
static double loss_of(hidi_tape *tape, const hidi_dit *dit, const inputs *x, bool gradients)
{
    static hidi_real w[B * IMAGE], u[B * IMAGE];
    hidi_tape_reset(tape);
    hidi_normal((hidi_random){2, HIDI_STREAM_TEST, 3}, 0, w, B * IMAGE);
    hidi_var *z = hidi_constant(tape, images(), x->z);
    hidi_var *t = hidi_constant(tape, hidi_shape1(B), x->t);
    hidi_var *r = dit->config.has_interval ? hidi_constant(tape, hidi_shape1(B), x->r) : NULL;
    hidi_var *out = hidi_dit_velocity(tape, dit, !gradients, z, t, r, &x->y);
    ok(hidi_read(tape, out, u));
    if (gradients)
        ok(hidi_tape_backward(tape, out, w));
    double sum = 0;
    for (int i = 0; i < B * IMAGE; i++)
        sum += (double)w[i] * (double)u[i];
    return sum;
}

/* Adds a step along a direction to all weights. */
static void move(hidi_dit *dit, const hidi_real *w, const hidi_real *direction, double step)
{
    const size_t n = dit->params.count;
    hidi_real *moved = malloc(n * sizeof *moved);
    ck_assert_ptr_nonnull(moved);
    for (size_t i = 0; i < n; i++)
        moved[i] = w[i] + (hidi_real)step * direction[i];
    backend->upload(dit->params.value, moved, n * sizeof *moved);
    free(moved);
}

/* Along a random direction of all weights the gradient is the central difference; and every
 * weight's part of it is there. */
START_TEST(gradients_are_differences)
{
    const double step = sizeof(hidi_real) == 8 ? 1e-5 : 2e-3;
    inputs x;
    hidi_dit *dit = make_dit(_i / 2, _i % 2 == 1);
    const size_t n = dit->params.count;
    hidi_real *w = malloc(n * sizeof *w), *u = malloc(n * sizeof *u), *g = malloc(n * sizeof *g);
    ck_assert(w && u && g);
    make_inputs(&x, _i / 2);
    ok(hidi_params_train(&dit->params));
    hidi_params_zero_grad(&dit->params);
    hidi_tape *tape = hidi_tape_create(backend);
    loss_of(tape, dit, &x, true);
    backend->download(g, dit->params.grad, n * sizeof *g);
    backend->download(w, dit->params.value, n * sizeof *w);
    hidi_normal((hidi_random){2, HIDI_STREAM_TEST, 4}, 0, u, n);
    double slope = 0, at[2];
    for (size_t i = 0; i < n; i++)
        slope += (double)g[i] * (double)u[i];
    for (int side = 0; side < 2; side++) {
        move(dit, w, u, side ? step : -step);
        at[side] = loss_of(tape, dit, &x, false);
    }
    const double difference = (at[1] - at[0]) / (2 * step);
    ck_assert_msg(fabs(slope - difference) <=
                      (sizeof(hidi_real) == 8 ? 1e-6 : 2e-2) * fabs(difference),
                  "gradient %g, difference %g", slope, difference);
    assert_all_have_gradients(dit, g);
    free(w);
    free(u);
    free(g);
    hidi_tape_destroy(tape);
    hidi_dit_destroy(dit);
}
END_TEST

/* <w, J d> = <J^T w, d> for d in z and t; and J d is the central difference. */
START_TEST(tangents_belong_to_gradients)
{
    static hidi_real dz[B * IMAGE], w[B * IMAGE], du[B * IMAGE], gz[B * IMAGE], gt[B];
    const hidi_real dt[B] = {1, -1, (hidi_real)0.5};
    const double step = sizeof(hidi_real) == 8 ? 1e-5 : 2e-3;
    double along = 0, back = 0, at[2];
    inputs x;
    hidi_dit *dit = make_dit(_i / 2, _i % 2 == 1);
    make_inputs(&x, _i / 2);
    hidi_normal((hidi_random){2, HIDI_STREAM_TEST, 6}, 0, dz, B * IMAGE);
    hidi_normal((hidi_random){2, HIDI_STREAM_TEST, 3}, 0, w, B * IMAGE); /* loss_of's */
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_var *z_in = hidi_input(tape, images(), x.z, true);
    hidi_var *t_in = hidi_input(tape, hidi_shape1(B), x.t, true);
    hidi_var *u = hidi_dit_velocity(
        tape, dit, true, hidi_dual(tape, z_in, hidi_constant(tape, images(), dz)),
        hidi_dual(tape, t_in, hidi_constant(tape, hidi_shape1(B), dt)),
        dit->config.has_interval ? hidi_constant(tape, hidi_shape1(B), x.r) : NULL, &x.y);
    ok(hidi_read_tangent(tape, u, du));
    ok(hidi_tape_backward(tape, u, w));
    ok(hidi_read_grad(tape, z_in, gz));
    ok(hidi_read_grad(tape, t_in, gt));
    for (int i = 0; i < B * IMAGE; i++) {
        along += (double)w[i] * (double)du[i];
        back += (double)gz[i] * (double)dz[i];
    }
    for (int i = 0; i < B; i++)
        back += (double)gt[i] * (double)dt[i];
    ck_assert_msg(fabs(along - back) <= 1000 * (double)HIDI_REAL_EPSILON * (1 + fabs(along)),
                  "<w, J d> %.9g, <J^T w, d> %.9g", along, back);
    for (int side = 0; side < 2; side++) {
        inputs moved = x;
        const hidi_real by = (hidi_real)(side ? step : -step);
        moved.y.captions = x.y.captions; /* of x */
        for (int i = 0; i < B * IMAGE; i++)
            moved.z[i] += by * dz[i];
        for (int i = 0; i < B; i++)
            moved.t[i] += by * dt[i];
        at[side] = loss_of(tape, dit, &moved, false);
    }
    const double difference = (at[1] - at[0]) / (2 * step);
    ck_assert_msg(fabs(along - difference) <=
                      (sizeof(hidi_real) == 8 ? 1e-6 : 2e-2) * (1 + fabs(difference)),
                  "tangent %g, difference %g", along, difference);
    hidi_tape_destroy(tape);
    hidi_dit_destroy(dit);
}
END_TEST

/* Blocks that are computed again give the same bits, of captions too, which all of them read; of
 * DiT's form as well. */
START_TEST(recomputed_is_kept)
{
    inputs x;
    hidi_dit *dit = make_dit(_i, true), *zero;
    make_inputs(&x, _i);
    hidi_dit_config config = dit->config;
    config.adaln = HIDI_ADALN_ZERO;
    ok(hidi_dit_create(&zero, backend, &config));
    random_weights(zero, 6);
    for (int form = 0; form < 2; form++) {
        hidi_dit *net = form == 0 ? dit : zero;
        const size_t bytes = net->params.count * sizeof(hidi_real);
        hidi_real *g[2];
        ok(hidi_params_train(&net->params));
        for (int again = 0; again < 2; again++) {
            hidi_tape *tape = hidi_tape_create(backend);
            g[again] = malloc(bytes);
            ck_assert_ptr_nonnull(g[again]);
            net->config.recompute = again == 1;
            hidi_params_zero_grad(&net->params);
            loss_of(tape, net, &x, true);
            backend->download(g[again], net->params.grad, bytes);
            hidi_tape_destroy(tape);
        }
        ck_assert_mem_eq(g[0], g[1], bytes);
        free(g[0]);
        free(g[1]);
    }
    hidi_dit_destroy(dit);
    hidi_dit_destroy(zero);
}
END_TEST

/* --- first values, students ------------------------------------------------------------------- */

static double deviation_of(const hidi_dit *dit, const char *name)
{
    const int i = hidi_params_find(&dit->params, name);
    ck_assert_msg(i >= 0, "no %s", name);
    const size_t n = hidi_count(dit->params.param[i].shape);
    hidi_real *host = malloc(n * sizeof *host);
    ck_assert_ptr_nonnull(host);
    backend->download(host, dit->params.value + dit->params.param[i].offset, n * sizeof *host);
    double sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += (double)host[k] * (double)host[k];
    free(host);
    return sqrt(sum / (double)n);
}

/* PixArt's: tables N(0, 1/D), the shared layer N(0, 0.02^2), the last ones of all and of
 * cross-attention 0. */
START_TEST(first_values_are_pixarts)
{
    enum { D = 64 };
    const hidi_dit_config config = {.image_size = SIDE, .channels = C, .out_channels = C,
                                    .patch = 2, .width = D, .depth = 3, .heads = 4,
                                    .mlp_width = 4 * D, .time_scale = 10,
                                    .adaln = HIDI_ADALN_SINGLE, .caption_length = L,
                                    .caption_width = WIDTH};
    hidi_dit *dit;
    ok(hidi_dit_create(&dit, backend, &config));
    ok(hidi_dit_initialise(dit, 1));
    ck_assert_double_eq_tol(deviation_of(dit, "blocks.2.scale_shift_table"), 0.125, 0.02);
    ck_assert_double_eq_tol(deviation_of(dit, "final_layer.scale_shift_table"), 0.125, 0.03);
    ck_assert_double_eq_tol(deviation_of(dit, "t_block.1.weight"), 0.02, 0.0005);
    ck_assert_double_eq(deviation_of(dit, "t_block.1.bias"), 0);
    ck_assert_double_eq(deviation_of(dit, "blocks.0.cross_attn.proj.weight"), 0);
    ck_assert_double_eq(deviation_of(dit, "final_layer.linear.weight"), 0);
    hidi_dit_destroy(dit);
}
END_TEST

/* A student starts as its teacher: alike, deeper, or of evenly spaced blocks. */
START_TEST(students_start_as_their_teacher)
{
    inputs x;
    hidi_dit *dit = make_dit(_i, false), *student;
    hidi_tape *tape = hidi_tape_create(backend);
    make_inputs(&x, _i);
    const double loss = loss_of(tape, dit, &x, false);
    for (size_t depth = 2; depth < 6; depth++) {
        ok(hidi_dit_student_of_depth(&student, dit, depth, 1));
        ck_assert_uint_eq(student->config.depth, depth);
        ck_assert_int_eq(student->config.adaln, HIDI_ADALN_SINGLE);
        ck_assert_double_eq_tol(loss_of(tape, student, &x, false), loss,
                                1e3 * (double)HIDI_REAL_EPSILON * (1 + fabs(loss)));
        hidi_dit_destroy(student);
    }
    ok(hidi_dit_student_of_depth(&student, dit, 1, 1)); /* the first block */
    ck_assert_double_gt(fabs(loss_of(tape, student, &x, false) - loss), 1e-3);
    hidi_dit_destroy(student);
    hidi_tape_destroy(tape);
    hidi_dit_destroy(dit);
}
END_TEST

/* Places are those of i / scale. */
START_TEST(positions_are_scaled)
{
    hidi_dit *any = make_dit(OF_CLASSES, false), *dit[2];
    hidi_dit_config config = any->config;
    enum { D = 8, SIDE_OF_TOKENS = 4, T = SIDE_OF_TOKENS * SIDE_OF_TOKENS };
    hidi_real p[2][T * D];
    config.patch = SIDE / SIDE_OF_TOKENS;
    for (int i = 0; i < 2; i++) {
        config.position_scale = i == 0 ? 0 : 2;
        ok(hidi_dit_create(&dit[i], backend, &config));
        backend->download(p[i], dit[i]->positions, sizeof p[i]);
    }
    for (int k = 0; k < D; k++) { /* row 2, column 0, is where row 1 was; and not the other way */
        ck_assert_double_eq((double)p[1][2 * SIDE_OF_TOKENS * D + k],
                            (double)p[0][SIDE_OF_TOKENS * D + k]);
        ck_assert_double_eq((double)p[1][2 * D + k], (double)p[0][D + k]);
    }
    ck_assert_int_ne(memcmp(p[0], p[1], sizeof p[0]), 0);
    hidi_dit_destroy(any);
    hidi_dit_destroy(dit[0]);
    hidi_dit_destroy(dit[1]);
    config.position_scale = -1;
    ck_assert_int_eq(hidi_dit_create(&dit[0], backend, &config), HIDI_BAD_ARGUMENT);
}
END_TEST

/* --- without a null caption ------------------------------------------------------------------- */

static void assert_no_null(const point *p, const hidi_condition *y)
{
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_var *z = hidi_constant(tape, images(), p->z);
    hidi_var *t = hidi_constant(tape, hidi_shape1(B), p->t);
    ck_assert_ptr_null(hidi_dit_velocity(tape, p->dit, true, z, t, NULL, y));
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "no null caption"));
    hidi_tape_destroy(tape);
}

START_TEST(a_null_caption_can_be_given)
{
    point p;
    hidi_real v[B * IMAGE], null[2 * WIDTH];
    read_point(&p, 0);
    assert_no_null(&p, NULL);
    p.length[1] = 0;
    assert_no_null(&p, &p.y);
    hidi_captions list = {.width = WIDTH, .null_length = 1};
    ck_assert_int_eq(hidi_dit_give_null(&p.dit, &list), HIDI_BAD_ARGUMENT);
    memcpy(null, p.c + L * WIDTH, WIDTH * sizeof *null); /* what sample 1, of one token, asks for */
    list.null = null;
    ck_assert_int_eq(hidi_dit_set_null(p.dit, &list), HIDI_BAD_ARGUMENT);
    list.width = WIDTH - 1;
    ck_assert_int_eq(hidi_dit_give_null(&p.dit, &list), HIDI_BAD_SHAPE);
    list.width = WIDTH;
    ok(hidi_dit_give_null(&p.dit, &list));
    velocity_of(p.dit, &p, &p.y, v);
    assert_near(v, p.v, B * IMAGE, GOLDEN_ERROR);
    ck_assert_int_eq(hidi_dit_give_null(&p.dit, &list), HIDI_BAD_ARGUMENT); /* it has one */
    hidi_dit_destroy(p.dit);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_loop_test(tcase, outputs_are_diffusers, 0, 2);
    tcase_add_loop_test(tcase, velocities_and_tangents_are_diffusers, 0, 2);
    tcase_add_loop_test(tcase, files_keep_everything, 0, 2);
    tcase_add_loop_test(tcase, gradients_are_differences, 0, 2 * CONDITIONS);
    tcase_add_loop_test(tcase, tangents_belong_to_gradients, 0, 2 * CONDITIONS);
    tcase_add_loop_test(tcase, recomputed_is_kept, 0, CONDITIONS);
    tcase_add_test(tcase, first_values_are_pixarts);
    tcase_add_loop_test(tcase, students_start_as_their_teacher, 0, CONDITIONS);
    tcase_add_test(tcase, positions_are_scaled);
    tcase_add_test(tcase, a_null_caption_can_be_given);
}

int main(void)
{
    scratch_begin();
    return run_on_each_backend("PixArt", &backend, add);
}
