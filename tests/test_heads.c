/* test_heads.c - weights of the Adaptive Weighted Discriminator: at the start, and conditional. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "method/heads.h"
#include "backbone.h"
#include "near.h"

enum { B = 3, SIZE = 8, PIXELS = SIZE * SIZE, N = 16, D = BACKBONE_WIDTH, KEY = 8 };

static const hidi_backend *backend; /* set by main */
static const int32_t y[B] = {0, 2, 1};
static const hidi_real t[B] = {0.1f, 0.3f, 0.9f};
static hidi_real z[B * PIXELS];

static void draw(hidi_real *x, size_t n, uint64_t which)
{
    hidi_normal((hidi_random){3, HIDI_STREAM_TEST, which}, 0, x, n);
}

static hidi_heads *awd(bool conditional)
{
    const hidi_heads_config config = {.kind = HIDI_HEAD_AWD, .n = 2, .block = {0, 1}, .width = D,
                                      .key_width = KEY, .conditional = conditional};
    hidi_heads *heads;
    ck_assert_int_eq(hidi_heads_create(&heads, backend, &config), HIDI_OK);
    ck_assert_int_eq(hidi_heads_initialise(heads, 1), HIDI_OK);
    return heads;
}

static void set(hidi_heads *heads, const char *name, const hidi_real *host)
{
    const int i = hidi_params_find(&heads->params, name);
    ck_assert_int_ge(i, 0);
    hidi_params_write(&heads->params, i, host);
}

/* The weights of the first head for the samples first .. first + n - 1. */
static void weights_of(const hidi_heads *heads, const hidi_dit *dit, size_t first, size_t n,
                       hidi_real *weights)
{
    hidi_head_output output;
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_var *images = hidi_constant(tape, hidi_shape4(n, 1, SIZE, SIZE), z + first * PIXELS);
    hidi_var *times = hidi_constant(tape, hidi_shape1(n), t + first);
    ck_assert_int_eq(hidi_heads_forward(tape, heads, true, dit, true, images, times, y + first,
                                        &output), HIDI_OK);
    ck_assert_int_eq(hidi_read(tape, output.weights[0], weights), HIDI_OK);
    hidi_tape_destroy(tape);
}

/* The query is 0: all tokens weigh the same, and AWD is global average pooling. */
START_TEST(begins_as_average_pooling)
{
    hidi_dit *dit = random_backbone(backend, SIZE, 1, 2, 2);
    hidi_heads *heads = awd(_i);
    hidi_real weights[B * N];
    weights_of(heads, dit, 0, B, weights);
    for (int i = 0; i < B * N; i++)
        assert_close((double)weights[i], 1.0 / N, 1.0 / N, 4);
    hidi_heads_destroy(heads);
    hidi_dit_destroy(dit);
}
END_TEST

/* c [B, D], of the backbone */
static void conditions(const hidi_dit *dit, hidi_real *c)
{
    hidi_taps taps = {.n = 1, .block = {0}};
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_dit_forward(tape, dit, true, hidi_constant(tape, hidi_shape4(B, 1, SIZE, SIZE), z),
                     hidi_constant(tape, hidi_shape1(B), t), NULL, y, &taps);
    ck_assert_int_eq(hidi_read(tape, taps.condition, c), HIDI_OK);
    hidi_tape_destroy(tape);
}

/* A conditional head weighs each sample's tokens as a plain one does whose query is q + W c. */
START_TEST(conditional_query)
{
    hidi_dit *dit = random_backbone(backend, SIZE, 1, 2, 2);
    hidi_heads *conditional = awd(true), *plain = awd(false);
    hidi_real c[B * D], query[KEY], map[KEY * D], whole[B * N], one[N], moved[KEY];
    conditions(dit, c);
    draw(query, KEY, 1);
    draw(map, KEY * D, 2);
    set(conditional, "heads.0.query", query);
    set(conditional, "heads.0.query_map.weight", map);
    hidi_real host[KEY * D];
    hidi_params_read(&conditional->params,
                     hidi_params_find(&conditional->params, "heads.0.key.weight"), host);
    set(plain, "heads.0.key.weight", host);
    weights_of(conditional, dit, 0, B, whole);
    for (size_t b = 0; b < B; b++) {
        double spread = 0;
        for (size_t k = 0; k < KEY; k++) {
            double sum = (double)query[k];
            for (size_t d = 0; d < D; d++)
                sum += (double)map[k * D + d] * (double)c[b * D + d];
            moved[k] = (hidi_real)sum;
        }
        set(plain, "heads.0.query", moved);
        weights_of(plain, dit, b, 1, one);
        for (size_t i = 0; i < N; i++) {
            /* logits of size 10 and their rounding */
            assert_close((double)whole[b * N + i], (double)one[i], 1, 200);
            spread = fmax(spread, fabs((double)one[i] - 1.0 / N));
        }
        ck_assert_double_gt(spread, 0.01);
    }
    hidi_heads_destroy(conditional);
    hidi_heads_destroy(plain);
    hidi_dit_destroy(dit);
}
END_TEST

int main(void)
{
    if (hidi_backend_open("cpu", &backend) != HIDI_OK)
        return EXIT_FAILURE;
    draw(z, B * PIXELS, 0);
    Suite *suite = suite_create("heads");
    TCase *tcase = tcase_create("weights");
    tcase_add_loop_test(tcase, begins_as_average_pooling, false, true + 1);
    tcase_add_test(tcase, conditional_query);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
