/* test_requests.c - the judge of scenes: on pictures of every kind, on what is deliberately not
 * what was asked for, on shapes that are none, on noise and NaN. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "data/drawing.h"
#include "eval/requests.h"
#include "suite.h"

enum { SIDE = 32, PIXELS = 3 * SIDE * SIDE };

static void ok(hidi_status status)
{
    if (status != HIDI_OK)
        ck_abort_msg("%s", hidi_error_message());
}

static hidi_dataset *open_scenes(size_t side)
{
    hidi_dataset *data;
    ok(hidi_dataset_open(&data, "scenes", NULL, side, 7));
    return data;
}

static hidi_scene_request request_of(int32_t caption)
{
    hidi_scene_request r;
    ok(hidi_scene_request_of(&r, caption));
    return r;
}

/* --- captions --------------------------------------------------------------------------------- */

START_TEST(captions_are_taken_apart)
{
    hidi_scene_request r = request_of(0); /* a red plain circle */
    ck_assert(r.n == 1 && !r.in_relation && r.size == HIDI_ANY_SIZE && !r.held_out);
    ck_assert(r.object[0].shape == 0 && r.object[0].colour == 0 && r.object[0].texture == 0);
    r = request_of(2 * 108 + 4 * 18 + 2); /* a large red dotted star */
    ck_assert(r.n == 1 && r.size == HIDI_LARGE && r.held_out);
    ck_assert_str_eq(hidi_scene_shape_name(r.object[0].shape), "star");
    ck_assert_str_eq(hidi_scene_colour_name(r.object[0].colour), "red");
    ck_assert_str_eq(hidi_scene_texture_name(r.object[0].texture), "dotted");
    r = request_of(3 * 108 + 108 + 18 + 3 + 1); /* three yellow striped squares */
    ck_assert(r.n == 3 && !r.in_relation && !r.held_out);
    ck_assert(r.object[2].shape == 1 && r.object[2].colour == 1 && r.object[2].texture == 1);
    r = request_of(47195); /* a purple dotted heart below a purple dotted heart */
    ck_assert(r.n == 2 && r.in_relation && r.relation == HIDI_BELOW && r.held_out);
    /* a red plain circle right of a yellow dotted circle */
    r = request_of(5 * 108 + 108 * 108 + 5);
    ck_assert(r.n == 2 && r.in_relation && r.relation == HIDI_RIGHT_OF);
    ck_assert(r.object[0].colour == 0 && r.object[0].texture == 0);
    ck_assert(r.object[1].colour == 1 && r.object[1].texture == 2);
    ck_assert_int_eq(hidi_scene_request_of(&r, 47196), HIDI_BAD_ARGUMENT);
    ck_assert_int_eq(hidi_scene_request_of(&r, -1), HIDI_BAD_ARGUMENT);
    ck_assert_ptr_null(hidi_scene_shape_name(6));
}
END_TEST

START_TEST(captions_are_drawn)
{
    enum { N = 200 };
    static hidi_real a[PIXELS], b[PIXELS];
    int32_t seen[N], held_out[N], y;
    hidi_dataset *data = open_scenes(SIDE);
    ck_assert(hidi_is_scenes(data));
    hidi_scenes_ask(data, false, N, seen);
    hidi_scenes_ask(data, true, N, held_out);
    for (size_t i = 0; i < N; i++) {
        ck_assert(!request_of(seen[i]).held_out && request_of(held_out[i]).held_out);
        ck_assert_int_eq(seen[i], hidi_dataset_asked(data, i));
    }
    data->get(data, HIDI_TEST, 5, a, &y);
    hidi_scenes_draw(data, seen[5], 5, b);
    ck_assert_int_eq(y, seen[5]);
    ck_assert_mem_eq(a, b, sizeof a);
    hidi_dataset_close(data);
}
END_TEST

/* --- pictures that show what is asked for ----------------------------------------------------- */

/* Pictures of these captions, with normal noise of this deviation (in [0, 1]). */
static hidi_request_counts judge_drawn(const hidi_dataset *data, bool held_out, size_t n,
                                       double noise)
{
    const size_t size = 3 * data->height * data->height;
    hidi_request_counts counts = {.asked = {0}};
    int32_t *caption = malloc(n * sizeof *caption);
    hidi_real *images = malloc(n * size * sizeof *images);
    hidi_real *normal = malloc(size * sizeof *normal);
    ck_assert(caption != NULL && images != NULL && normal != NULL);
    hidi_scenes_ask(data, held_out, n, caption);
    for (size_t i = 0; i < n; i++) {
        hidi_scenes_draw(data, caption[i], i, images + i * size);
        hidi_normal((hidi_random){3, 1, i}, 0, normal, size);
        for (size_t k = 0; k < size; k++)
            images[i * size + k] += (hidi_real)(2.0 * noise) * normal[k];
    }
    ok(hidi_judge_pictures(&counts, images, n, data->height, caption));
    free(caption);
    free(images);
    free(normal);
    return counts;
}

static void assert_all(const hidi_request_counts *counts, double least)
{
    for (int i = 0; i < HIDI_REQUEST_PARTS; i++) {
        const hidi_request_part part = (hidi_request_part)i;
        ck_assert_msg(hidi_request_share(counts, part) >= least, "%s: %g",
                      hidi_request_part_name(part), hidi_request_share(counts, part));
        ck_assert_uint_le(counts->fulfilled[i], counts->asked[i]);
    }
}

START_TEST(pictures_show_what_they_are_of)
{
    hidi_dataset *data = open_scenes(SIDE), *larger = open_scenes(48);
    hidi_request_counts counts = judge_drawn(data, false, 400, 0.0);
    assert_all(&counts, 0.99);
    ck_assert_uint_eq(counts.asked[HIDI_REQUEST_ALL], 400);
    ck_assert(counts.asked[HIDI_REQUEST_SIZE] < 150 && counts.asked[HIDI_REQUEST_SIZE] > 50);
    ck_assert_uint_eq(counts.asked[HIDI_REQUEST_RELATION], counts.asked[HIDI_REQUEST_BOTH]);
    counts = judge_drawn(data, true, 400, 0.0);
    assert_all(&counts, 0.99);
    counts = judge_drawn(data, false, 200, 0.03);
    assert_all(&counts, 0.97);
    counts = judge_drawn(larger, false, 60, 0.0);
    assert_all(&counts, 0.98);
    hidi_dataset_close(data);
    hidi_dataset_close(larger);
}
END_TEST

/* --- pictures that do not --------------------------------------------------------------------- */

static const hidi_ground ground = {{{0.10, 0.12, 0.20}, {0.20, 0.22, 0.25}}, {0.6, 0.8}};

static hidi_figure figure_of(size_t shape, size_t colour, size_t texture, double x, double y,
                             double size)
{
    hidi_figure f = {.x = x, .y = y, .size = size, .cosine = 1, .period = 0.24, .phase = {0.1, 0.4},
                     .wave = {0.8, 0.6}};
    hidi_figure_of(&f, &(hidi_scene_object){shape, colour, texture});
    return f;
}

static hidi_seen see(const hidi_figure *figure, size_t n)
{
    static hidi_real image[PIXELS];
    hidi_seen seen;
    hidi_draw(&ground, figure, n, SIDE, image);
    ok(hidi_see_scene(&seen, image, SIDE));
    return seen;
}

/* Which parts of the request the picture does not fulfil, as "object,all"; "": none. */
static const char *missing(const hidi_scene_request *r, const hidi_figure *figure, size_t n)
{
    static char text[128];
    const hidi_seen seen = see(figure, n);
    const hidi_verdict v = hidi_judge(&seen, r);
    text[0] = '\0';
    for (int i = 0; i < HIDI_REQUEST_PARTS; i++)
        if (v.asked[i] && !v.fulfilled[i]) {
            strcat(text, text[0] ? "," : "");
            strcat(text, hidi_request_part_name((hidi_request_part)i));
        }
    return text;
}

START_TEST(one_wrong_attribute_is_found)
{
    const hidi_scene_request r = {.n = 1, .object = {{4, 2, 1}}, .size = HIDI_LARGE};
    hidi_figure f = figure_of(4, 2, 1, 0.1, -0.1, 0.62);
    ck_assert_str_eq(missing(&r, &f, 1), "");
    f = figure_of(5, 2, 1, 0.1, -0.1, 0.62);
    ck_assert_str_eq(missing(&r, &f, 1), "object,all");
    f = figure_of(4, 3, 1, 0.1, -0.1, 0.62);
    ck_assert_str_eq(missing(&r, &f, 1), "colour,all");
    f = figure_of(4, 2, 2, 0.1, -0.1, 0.62);
    ck_assert_str_eq(missing(&r, &f, 1), "texture,all");
    f = figure_of(4, 2, 0, 0.1, -0.1, 0.62);
    ck_assert_str_eq(missing(&r, &f, 1), "texture,all");
    f = figure_of(4, 2, 1, 0.1, -0.1, 0.34);
    ck_assert_str_eq(missing(&r, &f, 1), "size,all");
    ck_assert_str_eq(missing(&r, &f, 0), "object,colour,texture,count,size,all");
}
END_TEST

START_TEST(every_shape_is_told_from_every_other)
{
    for (size_t drawn = 0; drawn < HIDI_SCENE_SHAPES; drawn++)
        for (size_t colour = 0; colour < HIDI_SCENE_COLOURS; colour++)
            for (size_t texture = 0; texture < HIDI_SCENE_TEXTURES; texture++) {
                const hidi_figure f = figure_of(drawn, colour, texture, -0.2, 0.15, 0.4);
                const hidi_seen seen = see(&f, 1);
                ck_assert_uint_eq(seen.n, 1);
                ck_assert_uint_eq(seen.figure[0].object.shape, drawn);
                ck_assert_uint_eq(seen.figure[0].object.colour, colour);
                ck_assert_uint_eq(seen.figure[0].object.texture, texture);
                ck_assert(fabs(seen.figure[0].x + 0.2) < 0.03);
                ck_assert(fabs(seen.figure[0].y - 0.15) < 0.03);
                ck_assert(fabs(seen.figure[0].size - 0.4) < 0.03);
            }
}
END_TEST

START_TEST(counts_and_relations_are_found)
{
    const hidi_scene_request three = {.n = 3, .object = {{0, 4, 0}, {0, 4, 0}, {0, 4, 0}}};
    const hidi_figure blue[4] = {
        figure_of(0, 4, 0, -0.5, 0.5, 0.3), figure_of(0, 4, 0, 0.5, 0.5, 0.3),
        figure_of(0, 4, 0, 0.5, -0.5, 0.3), figure_of(0, 4, 0, -0.5, -0.5, 0.3)};
    ck_assert_str_eq(missing(&three, blue, 3), "");
    ck_assert_str_eq(missing(&three, blue, 2), "count,all");
    ck_assert_str_eq(missing(&three, blue, 4), "count,all");

    hidi_scene_request pair = {.n = 2, .object = {{1, 0, 0}, {3, 2, 1}}, .in_relation = true,
                               .relation = HIDI_LEFT_OF};
    hidi_figure two[2] = {figure_of(1, 0, 0, -0.4, 0.05, 0.34),
                          figure_of(3, 2, 1, 0.4, -0.1, 0.34)};
    ck_assert_str_eq(missing(&pair, two, 2), "");
    ck_assert_str_eq(missing(&pair, two, 1), "object,colour,texture,count,relation,both,all");
    pair.relation = HIDI_RIGHT_OF;
    ck_assert_str_eq(missing(&pair, two, 2), "relation,all");
    pair.relation = HIDI_ABOVE; /* a little, but much further to the left */
    ck_assert_str_eq(missing(&pair, two, 2), "relation,all");
    two[0] = figure_of(1, 0, 0, -0.1, 0.4, 0.34);
    two[1] = figure_of(3, 2, 1, 0.1, -0.4, 0.34);
    ck_assert_str_eq(missing(&pair, two, 2), "");
    two[0] = figure_of(1, 2, 0, -0.1, 0.4, 0.34); /* colours exchanged */
    two[1] = figure_of(3, 0, 1, 0.1, -0.4, 0.34);
    ck_assert_str_eq(missing(&pair, two, 2), "colour,both,all");
}
END_TEST

/* Of two that are alike, either may be the first. */
START_TEST(alike_figures_are_in_either_order)
{
    const hidi_scene_request r = {.n = 2, .object = {{1, 0, 0}, {1, 0, 0}}, .in_relation = true,
                                  .relation = HIDI_RIGHT_OF};
    const hidi_figure two[2] = {figure_of(1, 0, 0, -0.4, 0.0, 0.34),
                                figure_of(1, 0, 0, 0.4, 0.0, 0.34)};
    ck_assert_str_eq(missing(&r, two, 2), "");
}
END_TEST

START_TEST(figures_that_touch_are_two)
{
    hidi_figure two[2] = {figure_of(1, 0, 0, -0.30, 0.0, 0.38),
                          figure_of(0, 4, 0, 0.30, 0.0, 0.38)};
    hidi_seen seen = see(two, 2); /* of two colours */
    ck_assert_uint_eq(seen.n, 2);
    const size_t square = seen.figure[0].object.shape == 1 ? 0 : 1;
    ck_assert_uint_eq(seen.figure[square].object.colour, 0);
    ck_assert_uint_eq(seen.figure[1 - square].object.shape, 0);
    ck_assert_uint_eq(seen.figure[1 - square].object.colour, 4);
    two[0] = figure_of(0, 4, 0, -0.36, 0.0, 0.42); /* of one */
    two[1] = figure_of(0, 4, 0, 0.36, 0.0, 0.42);
    seen = see(two, 2);
    ck_assert_uint_eq(seen.n, 2);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_uint_eq(seen.figure[i].object.shape, 0);
        ck_assert(fabs(fabs(seen.figure[i].x) - 0.36) < 0.06);
    }
}
END_TEST

/* --- pictures of nothing ---------------------------------------------------------------------- */

START_TEST(other_shapes_are_none)
{
    static const size_t others[] = {1, 6, 9}; /* ring, crescent, hourglass */
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        hidi_figure f = figure_of(0, 2, 0, 0.1, 0.0, 0.6);
        f.shape = others[i];
        const hidi_seen seen = see(&f, 1);
        for (size_t k = 0; k < seen.n; k++)
            ck_assert_msg(seen.figure[k].object.shape == HIDI_SCENE_SHAPES, "%s: %s",
                          hidi_shape_name[others[i]],
                          hidi_scene_shape_name(seen.figure[k].object.shape));
    }
}
END_TEST

/* Noise of any strength, and grey, white and black, fulfil nothing. */
START_TEST(noise_shows_nothing)
{
    enum { N = 40 };
    static hidi_real images[N * PIXELS];
    hidi_dataset *data = open_scenes(SIDE);
    hidi_request_counts counts = {.asked = {0}};
    int32_t caption[N];
    hidi_scenes_ask(data, false, N, caption);
    for (size_t i = 0; i < N; i++) {
        hidi_normal((hidi_random){11, 1, i}, 0, images + i * PIXELS, PIXELS);
        for (size_t k = 0; k < PIXELS; k++)
            images[i * PIXELS + k] *= (hidi_real)i / 20;
        for (size_t k = 0; i < 3 && k < PIXELS; k++)
            images[i * PIXELS + k] = (hidi_real)i - 1;
    }
    ok(hidi_judge_pictures(&counts, images, N, SIDE, caption));
    ck_assert_uint_eq(counts.fulfilled[HIDI_REQUEST_ALL], 0);
    ck_assert_uint_eq(counts.fulfilled[HIDI_REQUEST_BOTH], 0);
    ck_assert_uint_le(counts.fulfilled[HIDI_REQUEST_OBJECT], 1);
    hidi_dataset_close(data);
}
END_TEST

START_TEST(what_cannot_be_judged_is_an_error)
{
    static hidi_real images[3 * PIXELS];
    hidi_request_counts counts = {.asked = {0}};
    int32_t caption[3] = {0, 0, 0};
    images[2 * PIXELS + 17] = (hidi_real)NAN;
    ck_assert_int_eq(hidi_judge_pictures(&counts, images, 3, SIDE, caption), HIDI_NOT_FINITE);
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "picture 2"));
    images[2 * PIXELS + 17] = (hidi_real)INFINITY;
    ck_assert_int_eq(hidi_judge_pictures(&counts, images, 3, SIDE, caption), HIDI_NOT_FINITE);
    caption[1] = 50000;
    ck_assert_int_eq(hidi_judge_pictures(&counts, images, 3, SIDE, caption), HIDI_BAD_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "picture 1: caption 50000"));
    ck_assert_uint_eq(counts.asked[HIDI_REQUEST_ALL], 0);
    ok(hidi_judge_pictures(&counts, images, 0, SIDE, caption));
}
END_TEST

START_TEST(shares_have_errors)
{
    hidi_request_counts counts = {.asked = {[HIDI_REQUEST_COUNT] = 100},
                                  .fulfilled = {[HIDI_REQUEST_COUNT] = 80}};
    ck_assert_double_eq_tol(hidi_request_share(&counts, HIDI_REQUEST_COUNT), 0.8, 1e-12);
    ck_assert_double_eq_tol(hidi_request_error(&counts, HIDI_REQUEST_COUNT), 0.04, 1e-12);
    ck_assert_double_nan(hidi_request_share(&counts, HIDI_REQUEST_SIZE));
    ck_assert_double_nan(hidi_request_error(&counts, HIDI_REQUEST_SIZE));
}
END_TEST

/* --- against the truth ------------------------------------------------------------------------ */

/* What a picture of this caption shows, if nothing is mistaken. */
static hidi_seen truth_of(const hidi_scene_request *r)
{
    hidi_seen seen = {.n = r->n};
    for (size_t i = 0; i < r->n; i++) {
        seen.figure[i].object = r->object[i];
        seen.figure[i].size = r->size == HIDI_LARGE ? 0.6 : 0.34;
    }
    if (r->in_relation) {
        const double sign = r->relation == HIDI_LEFT_OF || r->relation == HIDI_BELOW ? -0.4 : 0.4;
        seen.figure[0].x = r->relation < HIDI_ABOVE ? sign : 0.0;
        seen.figure[0].y = r->relation < HIDI_ABOVE ? 0.0 : sign;
        seen.figure[1].x = -seen.figure[0].x;
        seen.figure[1].y = -seen.figure[0].y;
    }
    return seen;
}

/* Judged by another caption, a picture gets the verdict that the truth gets: refusals are as
 * reliable as what is accepted.  (Size is not known of a caption that does not say it.) */
START_TEST(verdicts_on_others_captions_are_true)
{
    enum { N = 400 };
    static hidi_real image[PIXELS];
    int32_t caption[N];
    int right[HIDI_REQUEST_PARTS] = {0}, asked[HIDI_REQUEST_PARTS] = {0};
    hidi_dataset *data = open_scenes(SIDE);
    hidi_scenes_ask(data, false, N, caption);
    for (size_t i = 0; i < N; i++) {
        hidi_seen seen;
        const hidi_scene_request own = request_of(caption[i]);
        hidi_scene_request other = request_of(caption[(i + 1) % N]);
        other.size = HIDI_ANY_SIZE;
        hidi_scenes_draw(data, caption[i], i, image);
        ok(hidi_see_scene(&seen, image, SIDE));
        const hidi_seen truth = truth_of(&own);
        /* which of several that are equally alike is matched is open */
        if (own.n > 1 && !own.in_relation && other.in_relation)
            continue;
        const hidi_verdict a = hidi_judge(&seen, &other), b = hidi_judge(&truth, &other);
        for (int k = 0; k < HIDI_REQUEST_PARTS; k++) {
            ck_assert_int_eq(a.asked[k], b.asked[k]);
            asked[k] += a.asked[k];
            right[k] += a.asked[k] && a.fulfilled[k] == b.fulfilled[k];
        }
    }
    for (int k = 0; k < HIDI_REQUEST_PARTS; k++)
        ck_assert_msg(right[k] >= 0.97 * asked[k], "%s: %d of %d",
                      hidi_request_part_name((hidi_request_part)k), right[k], asked[k]);
    hidi_dataset_close(data);
}
END_TEST

int main(void)
{
    Suite *suite = begin_suite("requests");
    TCase *tests = tcase_create("requests");
    tcase_add_test(tests, captions_are_taken_apart);
    tcase_add_test(tests, captions_are_drawn);
    tcase_add_test(tests, pictures_show_what_they_are_of);
    tcase_add_test(tests, one_wrong_attribute_is_found);
    tcase_add_test(tests, every_shape_is_told_from_every_other);
    tcase_add_test(tests, counts_and_relations_are_found);
    tcase_add_test(tests, alike_figures_are_in_either_order);
    tcase_add_test(tests, figures_that_touch_are_two);
    tcase_add_test(tests, other_shapes_are_none);
    tcase_add_test(tests, noise_shows_nothing);
    tcase_add_test(tests, what_cannot_be_judged_is_an_error);
    tcase_add_test(tests, shares_have_errors);
    tcase_add_test(tests, verdicts_on_others_captions_are_true);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
