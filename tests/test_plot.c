/* test_plot.c - plots: where the points go, ticks, smoothing, and XML that is well formed. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "io/plot.h"
#include "suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char svg[1 << 20];

/* Every tag is closed in turn, attributes are quoted, & begins an entity. */
static void check_xml(const char *text)
{
    char open[16][16];
    int depth = 0;

    for (; *text != '\0'; text++) {
        if (*text == '&') {
            ck_assert_msg(strspn(text + 1, "abcdefghijklmnopqrstuvwxyz") > 0 &&
                              text[1 + strspn(text + 1, "abcdefghijklmnopqrstuvwxyz")] == ';',
                          "%.20s", text);
        }
        ck_assert_int_ne(*text, '>');
        if (*text != '<')
            continue;
        bool closes = *++text == '/';
        text += closes;
        size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz");
        ck_assert(length > 0 && length < 16);
        if (closes) {
            ck_assert_int_gt(depth, 0);
            depth--;
            ck_assert_uint_eq(strlen(open[depth]), length);
            ck_assert_mem_eq(open[depth], text, length);
        } else {
            ck_assert_int_lt(depth, 16);
            memcpy(open[depth], text, length);
            open[depth++][length] = '\0';
        }
        bool quoted = false;
        for (text += length; *text != '>' || quoted; text++) {
            ck_assert_msg(*text != '\0' && *text != '<', "an unfinished tag");
            quoted = quoted != (*text == '"');
        }
        depth -= text[-1] == '/';
    }
    ck_assert_int_eq(depth, 0);
}

static void draw(const hidi_plot *plot)
{
    FILE *out = tmpfile();

    ck_assert_ptr_nonnull(out);
    ck_assert_int_eq(hidi_plot_svg(plot, out), HIDI_OK);
    rewind(out);
    size_t n = fread(svg, 1, sizeof svg - 1, out);
    ck_assert_uint_lt(n, sizeof svg - 1);
    svg[n] = '\0';
    fclose(out);
    ck_assert_int_eq(strncmp(svg, "<svg ", 5), 0);
    ck_assert_ptr_null(strstr(svg, "nan"));
    ck_assert_ptr_null(strstr(svg, "inf"));
    check_xml(svg);
}

/* The points of the path that has this style: at most 4000. */
static size_t read_path(const char *style, double (*point)[2])
{
    char *at = strstr(svg, style);
    size_t n = 0;

    ck_assert_msg(at != NULL, "no path with %s", style);
    at = strstr(at, "d=\"") + 3;
    for (; *at == 'M' || *at == 'L'; n++) {
        ck_assert(n < 4000 && (*at == 'M') == (n == 0));
        point[n][0] = strtod(at + 1, &at);
        ck_assert_int_eq(*at, ',');
        point[n][1] = strtod(at + 1, &at);
    }
    ck_assert_int_eq(*at, '"');
    return n;
}

static bool has_label(const char *label)
{
    char text[100];

    snprintf(text, sizeof text, ">%s</text>", label);
    return strstr(svg, text) != NULL;
}

static double point[4000][2];

START_TEST(points_are_in_proportion)
{
    const double x[] = { 0, 1, 4, 10 }, y[] = { -1, 3, 1, 0 };
    const hidi_series series = { "a", x, y, 4 };
    const hidi_plot plot = { "title", "x", "y", false, 0, &series, 1, false };

    draw(&plot);
    ck_assert_uint_eq(read_path("stroke-width=\"1.5\"", point), 4);
    for (int i = 0; i < 4; i++) {
        /* coordinates are rounded to 0.1 */
        double u = (point[i][0] - point[0][0]) / (point[3][0] - point[0][0]);
        double v = (point[i][1] - point[0][1]) / (point[1][1] - point[0][1]);
        ck_assert_double_eq_tol(u, x[i] / 10, 1e-3);
        ck_assert_double_eq_tol(v, (y[i] + 1) / 4, 1e-3);
        ck_assert(point[i][0] > 0 && point[i][0] < HIDI_PLOT_WIDTH);
        ck_assert(point[i][1] > 0 && point[i][1] < HIDI_PLOT_HEIGHT);
    }
    ck_assert_double_lt(point[1][1], point[0][1]); /* upwards */
    ck_assert(has_label("-1") && has_label("0") && has_label("3") && has_label("10"));
    ck_assert(has_label("title") && has_label("x") && has_label("y") && has_label("a"));
}
END_TEST

START_TEST(decades_are_alike_on_a_logarithmic_axis)
{
    const double x[] = { 0, 1, 2, 3, 4 }, y[] = { 1e-6, 1e-4, 0, 1e-2, 1 };
    const hidi_series series = { NULL, x, y, 5 };
    const hidi_plot plot = { NULL, NULL, NULL, true, 0, &series, 1, false };

    draw(&plot);
    ck_assert_uint_eq(read_path("stroke-width=\"1.5\"", point), 4); /* not the 0 */
    double third = (point[0][1] - point[3][1]) / 3;
    for (int i = 1; i < 4; i++)
        ck_assert_double_eq_tol(point[i - 1][1] - point[i][1], third, 0.2);
    ck_assert(has_label("10<tspan dy=\"-5\" font-size=\"13\">-6</tspan>") && has_label("0.001"));
    ck_assert(has_label("1"));
}
END_TEST

START_TEST(decades_are_alike_sideways)
{
    const double x[] = { 1e-3, 1e-1, -1, 10 }, y[] = { 1, 2, 3, 4 };
    const hidi_series series = { NULL, x, y, 4 };
    const hidi_plot plot = { NULL, NULL, NULL, false, 0, &series, 1, true };

    draw(&plot);
    ck_assert_uint_eq(read_path("stroke-width=\"1.5\"", point), 3); /* not the -1 */
    ck_assert_double_eq_tol(point[2][0] - point[1][0], point[1][0] - point[0][0], 0.2);
    ck_assert(has_label("0.001") && has_label("0.1") && has_label("10"));
}
END_TEST

START_TEST(labels_are_short)
{
    const struct {
        double low, high;
        const char *label[3];
    } ranges[] = { { 0, 0.5, { "0.1", "0.3", "0.5" } },
                   { 0, 20000, { "5000", "10000", "20000" } },
                   { 999000, 1001000, { "999000", "1000000", "1001000" } },
                   { 10.57175, 10.57195, { "10", "10.5", "11" } },
                   { -0.3, 0.3, { "-0.3", "0", "0.1" } },
                   { 7, 7, { "6.4", "7", "7.6" } } };

    for (size_t i = 0; i < COUNT(ranges); i++) {
        const double x[] = { 1, 2 }, y[] = { ranges[i].low, ranges[i].high };
        const hidi_series series = { NULL, x, y, 2 };
        const hidi_plot plot = { NULL, NULL, NULL, false, 0, &series, 1, false };
        draw(&plot);
        for (int j = 0; j < 3; j++)
            ck_assert_msg(has_label(ranges[i].label[j]), "no %s", ranges[i].label[j]);
    }
}
END_TEST

START_TEST(what_is_no_number_is_left_out)
{
    const double x[] = { 0, 1, 2, (double)NAN, 4, 5 };
    const double y[] = { 1, (double)NAN, 3, 4, (double)INFINITY, 6 };
    const hidi_series series[] = { { "a", x, y, 6 }, { "none", x, y + 1, 1 }, { "0", x, y, 0 } };
    const hidi_plot plot = { NULL, NULL, NULL, false, 0, series, 3, false };

    draw(&plot);
    ck_assert_uint_eq(read_path("stroke-width=\"1.5\"", point), 3);
    ck_assert_ptr_null(strstr(svg, "no data"));
}
END_TEST

START_TEST(extreme_numbers_do_no_harm)
{
    const double x[] = { -1e100, 1e100, 3, 4e-300 }, y[] = { 1e300, 5e-324, -1e99, 1e-99 };

    for (int log_y = 0; log_y < 2; log_y++)
        for (size_t first = 0; first < 4; first++)
            for (size_t n = 0; n <= 4 - first; n++) {
                const hidi_series series[] = { { "a", x + first, y + first, n } };
                const hidi_plot plot = { "t", "x", "y", log_y, 3, series, 1, false };
                draw(&plot);
            }
}
END_TEST

START_TEST(without_data_it_says_so)
{
    const hidi_plot plot = { "t", "x", "y", true, 0, NULL, 0, false };

    draw(&plot);
    ck_assert(has_label("no data"));
}
END_TEST

START_TEST(text_is_escaped)
{
    const double x[] = { 1 }, y[] = { 1 };
    const hidi_series series = { "a < b & \"c\"\n>\x01", x, y, 1 };
    const hidi_plot plot = { "<script>", "&amp;", "Fr\u00e9chet", false, 0, &series, 1, false };

    draw(&plot);
    ck_assert(has_label("a &lt; b &amp; &quot;c&quot;\n&gt; "));
    ck_assert(has_label("&lt;script&gt;") && has_label("&amp;amp;") && has_label("Fr\u00e9chet"));
}
END_TEST

START_TEST(smoothing_averages_neighbours)
{
    double x[50], y[50];
    const hidi_series series = { NULL, x, y, 50 };
    const hidi_plot plot = { NULL, NULL, NULL, false, 5, &series, 1, false };

    for (int i = 0; i < 50; i++) {
        x[i] = i;
        y[i] = i % 5;
    }
    draw(&plot);
    ck_assert_uint_eq(read_path("stroke-opacity=\"0.25\"", point), 50);
    double middle = point[2][1], bottom = point[0][1], top = point[4][1];
    ck_assert_double_gt(bottom, middle);
    ck_assert_double_gt(middle, top);
    ck_assert_uint_eq(read_path("stroke-width=\"1.8\"", point), 50);
    for (int i = 2; i < 48; i++)
        ck_assert_double_eq_tol(point[i][1], middle, 0.051);
    ck_assert_double_eq_tol(point[0][1], bottom + (top - bottom) / 4, 0.11); /* 0, 1, 2: 1 */
    ck_assert_double_eq_tol(point[49][1], top - (top - bottom) / 4, 0.11);   /* 2, 3, 4: 3 */
}
END_TEST

START_TEST(long_curves_keep_their_extremes)
{
    enum { n = 100000 };
    static double x[n], y[n];
    const hidi_series series = { NULL, x, y, n };
    const hidi_plot plot = { NULL, NULL, NULL, false, 0, &series, 1, false };

    for (int i = 0; i < n; i++) {
        x[i] = i;
        y[i] = sin(i * 0.01);
    }
    y[70007] = 5;
    y[30003] = -4;
    draw(&plot);
    size_t points = read_path("stroke-width=\"1.5\"", point), highest = 0, lowest = 0;
    ck_assert_uint_le(points, 2000);
    for (size_t i = 0; i < points; i++) {
        ck_assert(i == 0 || point[i][0] >= point[i - 1][0]);
        highest = point[i][1] < point[highest][1] ? i : highest;
        lowest = point[i][1] > point[lowest][1] ? i : lowest;
    }
    double width = point[points - 1][0] - point[0][0];
    ck_assert_double_eq_tol((point[highest][0] - point[0][0]) / width, 0.70007, 1e-3);
    ck_assert_double_eq_tol((point[lowest][0] - point[0][0]) / width, 0.30003, 1e-3);
    ck_assert_uint_lt(strlen(svg), 50000);
}
END_TEST

/* On 376 of its 440 pixels, as a telephone has it, a letter of 13 has 11. */
START_TEST(letters_are_large_enough)
{
    const double x[] = { 1, 2 }, y[] = { 1e-8, 1 };
    const hidi_series series = { "a", x, y, 2 };
    const hidi_plot plot = { "t", "x", "y", true, 0, &series, 1, false };
    int sizes = 0;

    draw(&plot);
    for (const char *at = svg; (at = strstr(at, "font-size=\"")) != NULL; at++, sizes++)
        ck_assert_int_ge(atoi(at + strlen("font-size=\"")), 13);
    ck_assert_int_gt(sizes, 2);
    ck_assert_int_eq(HIDI_PLOT_WIDTH, 440);
}
END_TEST

START_TEST(a_dark_page_has_its_colours)
{
    const double x[] = { 1, 2 }, y[] = { 1, 2 };
    const hidi_series series = { "a", x, y, 2 };
    const hidi_plot plot = { "t", "x", "y", false, 0, &series, 1, false };

    draw(&plot);
    ck_assert_ptr_nonnull(strstr(svg, "@media (prefers-color-scheme: dark)"));
    ck_assert_ptr_nonnull(strstr(svg, "class=\"paper\""));
    ck_assert_ptr_nonnull(strstr(svg, "<g class=\"line0\""));
    ck_assert_ptr_nonnull(strstr(svg, "<g class=\"dots0\""));
}
END_TEST

START_TEST(a_long_legend_makes_room_for_itself)
{
    const double x[] = { 1, 2 }, y[] = { 1, 2 };
    hidi_series series[7];
    const hidi_plot plot = { "t", "x", "y", false, 0, series, 7, false };
    char height[40];

    for (int i = 0; i < 7; i++)
        series[i] = (hidi_series){ "a label as long as half of the picture", x, y, 2 };
    draw(&plot);
    snprintf(height, sizeof height, "height=\"%d\"", HIDI_PLOT_HEIGHT + 5 * 20); /* 7 rows, not 2 */
    ck_assert_ptr_nonnull(strstr(svg, height));
}
END_TEST

START_TEST(failed_writes_are_reported)
{
    const hidi_plot plot = { "t", "x", "y", true, 0, NULL, 0, false };
    FILE *out = fopen("/dev/full", "w");

    if (out == NULL)
        return; /* not this system */
    ck_assert_int_eq(hidi_plot_svg(&plot, out), HIDI_BAD_FILE);
    fclose(out);
}
END_TEST

int main(void)
{
    Suite *suite = begin_suite("plot");
    TCase *tcase = tcase_create("plot");
    tcase_add_test(tcase, points_are_in_proportion);
    tcase_add_test(tcase, decades_are_alike_on_a_logarithmic_axis);
    tcase_add_test(tcase, decades_are_alike_sideways);
    tcase_add_test(tcase, labels_are_short);
    tcase_add_test(tcase, what_is_no_number_is_left_out);
    tcase_add_test(tcase, extreme_numbers_do_no_harm);
    tcase_add_test(tcase, without_data_it_says_so);
    tcase_add_test(tcase, text_is_escaped);
    tcase_add_test(tcase, smoothing_averages_neighbours);
    tcase_add_test(tcase, long_curves_keep_their_extremes);
    tcase_add_test(tcase, letters_are_large_enough);
    tcase_add_test(tcase, a_dark_page_has_its_colours);
    tcase_add_test(tcase, a_long_legend_makes_room_for_itself);
    tcase_add_test(tcase, failed_writes_are_reported);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
