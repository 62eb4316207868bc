/* test_defects.c - token maps of discriminators, planted defects, and finding them. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "eval/defects.h"
#include "backbone.h"
#include "near.h"
#include "suite.h"

enum { SIZE = 8, C = 2, PATCH = 4, N = 4, PIXELS = C * SIZE * SIZE, B = 3, D = BACKBONE_WIDTH };

static const hidi_backend *backend; /* set by main */
static const int32_t y[B] = {0, 2, 1};
static hidi_real x[B * PIXELS];
static const hidi_random none = {0, HIDI_STREAM_DEFECT, 0}; /* of defects without noise */

static void draw(hidi_real *to, size_t n, uint64_t which)
{
    hidi_normal((hidi_random){5, HIDI_STREAM_TEST, which}, 0, to, n);
}

/* --- defects ---------------------------------------------------------------------------------- */

static bool in_token(size_t k, size_t at)
{
    const size_t row = k / SIZE % SIZE, column = k % SIZE;
    return row / PATCH == at / 2 && column / PATCH == at % 2;
}

START_TEST(blur_is_a_mean_of_the_neighbourhood)
{
    hidi_real image[PIXELS], before[PIXELS];
    draw(before, PIXELS, 1);
    memcpy(image, before, sizeof image);
    ck_assert_int_eq(hidi_plant_defect(image, C, SIZE, PATCH, 2, HIDI_DEFECT_BLUR, none), HIDI_OK);
    for (size_t k = 0; k < PIXELS; k++)
        if (!in_token(k, 2))
            ck_assert(image[k] == before[k]);
    /* Channel 1, row 5, column 1: rows 3 to 7, columns 0 to 3. */
    double sum = 0;
    for (size_t i = 3; i <= 7; i++)
        for (size_t j = 0; j <= 3; j++)
            sum += (double)before[(SIZE + i) * SIZE + j];
    ck_assert(image[(SIZE + 5) * SIZE + 1] == (hidi_real)(sum / 20));
}
END_TEST

START_TEST(broken_is_a_quarter_turn)
{
    hidi_real image[PIXELS], before[PIXELS];
    draw(before, PIXELS, 2);
    memcpy(image, before, sizeof image);
    ck_assert_int_eq(hidi_plant_defect(image, C, SIZE, PATCH, 1, HIDI_DEFECT_BROKEN, none), HIDI_OK);
    for (size_t k = 0; k < PIXELS; k++)
        if (!in_token(k, 1))
            ck_assert(image[k] == before[k]);
    ck_assert(image[PATCH] == before[3 * SIZE + PATCH]); /* bottom left to top left */
    ck_assert(image[PATCH + 3] == before[PATCH]);        /* top left to top right   */
    for (int turn = 1; turn < 4; turn++)
        ck_assert_int_eq(hidi_plant_defect(image, C, SIZE, PATCH, 1, HIDI_DEFECT_BROKEN, none),
                         HIDI_OK);
    ck_assert_mem_eq(image, before, sizeof image);
}
END_TEST

/* Of four tokens with different variances, each of the larger two for half of the draws. */
START_TEST(defects_are_where_detail_is)
{
    static const hidi_real scale[N] = {1, 4, 2, 3};
    hidi_real image[PIXELS];
    size_t at = 9;
    for (size_t k = 0; k < PIXELS; k++)
        for (size_t i = 0; i < N; i++)
            if (in_token(k, i))
                image[k] = scale[i] * (hidi_real)(k % 2) + 100; /* the level does not count */
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(hidi_defect_place(image, C, SIZE, PATCH, (i + 0.5) / 100, &at), HIDI_OK);
        ck_assert_uint_eq(at, i < 50 ? 1 : 3);
    }
}
END_TEST

/* The same values in another order, or (noise) moved by about its size; nothing outside the
 * patch. */
START_TEST(other_defects)
{
    static const hidi_defect kinds[] = {HIDI_DEFECT_SHIFTED, HIDI_DEFECT_RECOLOURED,
                                        HIDI_DEFECT_NOISE};
    hidi_real image[PIXELS], before[PIXELS];
    for (int i = 0; i < 3; i++) {
        double moved = 0;
        draw(before, PIXELS, 3);
        memcpy(image, before, sizeof image);
        ck_assert_int_eq(hidi_plant_defect(image, C, SIZE, PATCH, 3, kinds[i], none), HIDI_OK);
        for (size_t k = 0; k < PIXELS; k++) {
            const size_t row = k / SIZE, column = k % SIZE;
            if (!in_token(k, 3))
                ck_assert(image[k] == before[k]);
            else if (kinds[i] == HIDI_DEFECT_SHIFTED)
                ck_assert(image[k] == before[row * SIZE + 4 + (column - 4 + 2) % 4]);
            else if (kinds[i] == HIDI_DEFECT_RECOLOURED)
                ck_assert(image[k] == before[(k + SIZE * SIZE) % PIXELS]);
            moved += pow((double)image[k] - (double)before[k], 2);
        }
        if (kinds[i] == HIDI_DEFECT_NOISE) { /* 32 draws: a deviation of a quarter */
            const double size = sqrt(moved / (C * PATCH * PATCH));
            ck_assert(size > 0.5 * HIDI_DEFECT_NOISE_SIZE && size < 2 * HIDI_DEFECT_NOISE_SIZE);
        }
    }
}
END_TEST

/* k tokens are damaged, those that are said to be, and the same ones again; each token comes up; of
 * one damaged token, only those with detail. */
START_TEST(damage_is_where_it_is_said_to_be)
{
    hidi_real image[PIXELS], again[PIXELS], before[PIXELS];
    bool damaged[N], same[N];
    size_t times[N] = {0}, alone = 0;
    draw(before, PIXELS, 4);
    for (size_t k = 0; k < PIXELS; k++)
        if (in_token(k, 0) || in_token(k, 3))
            before[k] *= (hidi_real)0.01;
    for (uint64_t step = 0; step < 200; step++) {
        const hidi_random random = {7, HIDI_STREAM_DEFECT, step};
        const size_t k = 1 + step % N;
        size_t n = 0;
        memcpy(image, before, sizeof image);
        memcpy(again, before, sizeof again);
        ck_assert_int_eq(hidi_damage_image(image, C, SIZE, PATCH, k, HIDI_DEFECT_ANY, random,
                                           damaged), HIDI_OK);
        ck_assert_int_eq(hidi_damage_image(again, C, SIZE, PATCH, k, HIDI_DEFECT_ANY, random,
                                           same), HIDI_OK);
        ck_assert_mem_eq(image, again, sizeof image);
        ck_assert_mem_eq(damaged, same, sizeof same);
        for (size_t i = 0; i < N; i++) {
            bool changed = false;
            for (size_t p = 0; p < PIXELS; p++)
                changed = changed || (in_token(p, i) && image[p] != before[p]);
            ck_assert(changed == damaged[i]);
            n += damaged[i];
            times[i] += damaged[i];
            alone += k == 1 && damaged[i] && (i == 1 || i == 2);
        }
        ck_assert_uint_eq(n, k);
    }
    ck_assert_uint_eq(alone, 50);
    for (size_t i = 0; i < N; i++)
        ck_assert_uint_ge(times[i], 50);
    ck_assert_int_eq(hidi_damage_image(image, C, SIZE, PATCH, 0, HIDI_DEFECT_ANY, none, damaged),
                     HIDI_BAD_ARGUMENT);
    ck_assert_int_eq(hidi_damage_image(image, C, SIZE, PATCH, N + 1, HIDI_DEFECT_ANY, none,
                                       damaged), HIDI_BAD_ARGUMENT);
}
END_TEST

START_TEST(what_is_no_token)
{
    hidi_real image[PIXELS] = {0};
    size_t at;
    ck_assert_int_eq(hidi_plant_defect(image, C, SIZE, PATCH, N, HIDI_DEFECT_BLUR, none),
                     HIDI_BAD_ARGUMENT);
    ck_assert_int_eq(hidi_plant_defect(image, C, SIZE, 3, 0, HIDI_DEFECT_BLUR, none),
                     HIDI_BAD_ARGUMENT);
    ck_assert_int_eq(hidi_defect_place(image, C, SIZE, 0, 0.5, &at), HIDI_BAD_ARGUMENT);
}
END_TEST

START_TEST(ranks)
{
    const hidi_real map[5] = {3, 1, 2, 2, 0};
    double auc, top;
    hidi_rank_token(map, 5, 0, 1, &auc, &top);
    ck_assert(auc == 1 && top == 1);
    hidi_rank_token(map, 5, 0, -1, &auc, &top);
    ck_assert(auc == 0 && top == 0);
    hidi_rank_token(map, 5, 2, 1, &auc, &top); /* below: 1 and 0; a tie */
    ck_assert(auc == 2.5 / 4 && top == 0);
    hidi_rank_token(map, 5, 4, -1, &auc, &top);
    ck_assert(auc == 1 && top == 1);
    hidi_rank_token(map + 2, 2, 0, 1, &auc, &top); /* two equal ones: neither is the first */
    ck_assert(auc == 0.5 && top == 0);
}
END_TEST

/* --- maps ------------------------------------------------------------------------------------- */

static hidi_heads *heads_of(hidi_head_kind kind)
{
    const hidi_heads_config config = {.kind = kind, .n = 2, .block = {0, 1}, .width = D,
                                      .key_width = 8};
    hidi_heads *heads;
    ck_assert_int_eq(hidi_heads_create(&heads, backend, &config), HIDI_OK);
    ck_assert_int_eq(hidi_heads_initialise(heads, 1), HIDI_OK);
    return heads;
}

/* D of one image that is noised as the maps are. */
static double logit(const hidi_heads *heads, const hidi_dit *dit, const hidi_real *z, double t,
                    int32_t label)
{
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_head_output output;
    hidi_real host[N], sum = 0;
    hidi_var *v = hidi_constant(tape, hidi_shape4(1, C, SIZE, SIZE), z);
    hidi_var *time = hidi_filled(tape, hidi_shape1(1), (hidi_real)t);
    ck_assert_int_eq(hidi_heads_forward(tape, heads, true, dit, true, v, time,
                                        HIDI_CLASSES(&label), &output),
                     HIDI_OK);
    const size_t n = hidi_count(output.logits->shape);
    ck_assert_int_eq(hidi_read(tape, output.logits, host), HIDI_OK);
    for (size_t i = 0; i < n; i++)
        sum += host[i] / (hidi_real)n;
    hidi_tape_destroy(tape);
    return (double)sum;
}

/* The gradient's map against central differences of D, pixel by pixel. */
START_TEST(gradient_is_that_of_differences)
{
    const double t = 0.25, eps = sizeof(hidi_real) == 8 ? 1e-5 : 1e-2;
    hidi_dit *dit = random_backbone(backend, SIZE, C, PATCH, 3);
    hidi_heads *heads = heads_of((hidi_head_kind)_i);
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_real gradient[B * N], z[B * PIXELS];
    ck_assert_int_eq(hidi_token_maps(tape, heads, dit, x, HIDI_CLASSES(y), B, t, 7, 11, NULL,
                                     NULL, gradient),
                     HIDI_OK);
    hidi_normal((hidi_random){7, HIDI_STREAM_SAMPLE, 11}, 0, z, B * PIXELS);
    for (size_t k = 0; k < B * PIXELS; k++)
        z[k] = (hidi_real)((1 - t) * (double)x[k] + t * (double)z[k]);
    double expected[N] = {0};
    const size_t image = 1; /* not the first: images must not mix */
    for (size_t k = 0; k < PIXELS; k++) {
        hidi_real *pixel = &z[image * PIXELS + k];
        const hidi_real before = *pixel;
        *pixel = before + (hidi_real)eps;
        const double above = logit(heads, dit, z + image * PIXELS, t, y[image]);
        *pixel = before - (hidi_real)eps;
        const double below = logit(heads, dit, z + image * PIXELS, t, y[image]);
        *pixel = before;
        for (size_t i = 0; i < N; i++)
            if (in_token(k, i))
                expected[i] += fabs(above - below) / (2 * eps);
    }
    /* float: logits near 1 are rounded to 6e-8, 32 differences of them over 2e-2 a token */
    const double tolerance = sizeof(hidi_real) == 8 ? 1e-8 : 5e-4;
    for (size_t i = 0; i < N; i++) {
        ck_assert_double_gt(expected[i], 10 * tolerance);
        ck_assert_double_eq_tol((double)gradient[image * N + i], expected[i],
                                tolerance * (1 + expected[i]));
    }
    hidi_tape_destroy(tape);
    hidi_heads_destroy(heads);
    hidi_dit_destroy(dit);
}
END_TEST

START_TEST(maps_that_there_are)
{
    hidi_dit *dit = random_backbone(backend, SIZE, C, PATCH, 3);
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_real weight[B * N], score[B * N];
    for (int kind = 0; kind < HIDI_HEAD_COUNT; kind++) {
        hidi_heads *heads = heads_of((hidi_head_kind)kind);
        const hidi_status with_weights =
            hidi_token_maps(tape, heads, dit, x, HIDI_CLASSES(y), B, 0.1, 1, 0, weight, NULL, NULL);
        const hidi_status with_scores =
            hidi_token_maps(tape, heads, dit, x, HIDI_CLASSES(y), B, 0.1, 1, 0, NULL, score, NULL);
        const hidi_head *head = hidi_head_of((hidi_head_kind)kind);
        ck_assert_int_eq(with_weights, head->has_weights ? HIDI_OK : HIDI_UNSUPPORTED);
        ck_assert_int_eq(with_scores, head->has_scores ? HIDI_OK : HIDI_UNSUPPORTED);
        hidi_heads_destroy(heads);
    }
    for (size_t i = 0; i < B * N; i++) /* a query of 0: all the same */
        ck_assert_double_eq_tol((double)weight[i], 1.0 / N, 1e-6);
    hidi_tape_destroy(tape);
    hidi_dit_destroy(dit);
}
END_TEST

/* --- finding ---------------------------------------------------------------------------------- */

START_TEST(found_by_chance)
{
    hidi_dataset *data;
    hidi_found found[HIDI_FINDERS], again[HIDI_FINDERS];
    const hidi_dit_config config = {.image_size = SIZE, .channels = 3, .out_channels = 3,
                                    .patch = 2, .width = D, .depth = 2, .heads = 2,
                                    .mlp_width = 32, .n_classes = 10, .time_scale = 10};
    hidi_dit *dit;
    ck_assert_int_eq(hidi_dit_create(&dit, backend, &config), HIDI_OK);
    ck_assert_int_eq(hidi_dit_initialise(dit, 1), HIDI_OK);
    ck_assert_int_eq(hidi_dataset_open(&data, "shapes", NULL, SIZE, 1), HIDI_OK);
    hidi_heads *heads = heads_of(HIDI_HEAD_AWD);
    ck_assert_int_eq(hidi_find_defects(heads, dit, data, HIDI_VALIDATION, 100, HIDI_DEFECT_BLUR,
                                       0.1, 3, found),
                     HIDI_OK);
    /* Weights that are all the same point nowhere. */
    ck_assert(found[HIDI_FINDER_WEIGHT].auc == 0.5 && found[HIDI_FINDER_WEIGHT].auc_clean == 0.5);
    ck_assert(found[HIDI_FINDER_WEIGHT].top == 0 && found[HIDI_FINDER_WEIGHT].auc_error == 0);
    for (int f = HIDI_FINDER_SCORE; f < HIDI_FINDERS; f++) {
        ck_assert(found[f].auc > 0 && found[f].auc < 1 && found[f].auc_error > 0);
        ck_assert(found[f].top >= 0 && found[f].top <= 1);
    }
    ck_assert(found[HIDI_FINDER_SCORE].auc != found[HIDI_FINDER_SCORE].auc_clean);
    ck_assert_int_eq(hidi_find_defects(heads, dit, data, HIDI_VALIDATION, 100, HIDI_DEFECT_BLUR,
                                       0.1, 3, again),
                     HIDI_OK);
    ck_assert_mem_eq(found, again, sizeof found);
    hidi_heads_destroy(heads);
    heads = heads_of(HIDI_HEAD_CONV);
    ck_assert_int_eq(hidi_find_defects(heads, dit, data, HIDI_TEST, 10, HIDI_DEFECT_BROKEN, 0.1, 3,
                                       found),
                     HIDI_OK);
    ck_assert(isnan(found[HIDI_FINDER_WEIGHT].auc) && isnan(found[HIDI_FINDER_SCORE].auc));
    ck_assert(isfinite(found[HIDI_FINDER_GRADIENT].auc));
    hidi_heads_destroy(heads);
    hidi_dit_destroy(dit);
    hidi_dataset_close(data);
}
END_TEST

int main(void)
{
    if (hidi_backend_open("cpu", &backend) != HIDI_OK)
        return EXIT_FAILURE;
    draw(x, B * PIXELS, 0);
    Suite *suite = begin_suite("defects");
    TCase *tcase = tcase_create("defects");
    tcase_add_test(tcase, blur_is_a_mean_of_the_neighbourhood);
    tcase_add_test(tcase, broken_is_a_quarter_turn);
    tcase_add_test(tcase, defects_are_where_detail_is);
    tcase_add_test(tcase, other_defects);
    tcase_add_test(tcase, damage_is_where_it_is_said_to_be);
    tcase_add_test(tcase, what_is_no_token);
    tcase_add_test(tcase, ranks);
    tcase_add_loop_test(tcase, gradient_is_that_of_differences, 0, HIDI_HEAD_COUNT);
    tcase_add_test(tcase, maps_that_there_are);
    tcase_add_test(tcase, found_by_chance);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
