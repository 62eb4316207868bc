/* plot.c - SVG by printf: data to pixels, ticks at 1, 2 and 5 times powers of ten, and a legend.
 *
 * Letters are 14 pixels high on a picture 440 wide, so that they can still be read (12 pixels)
 * where a telephone shows it 376 wide.  Colours are attributes, which every program understands; a
 * style sheet inside replaces them where the reader prefers a dark page. */
#include "io/plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/markup.h"
#include "io/number.h"

#define MOST_TICKS 16
#define MOST_POINTS 2000 /* of a curve; longer ones are drawn by their extremes */
#define DOTTED 40        /* curves of at most this many points show them */
#define LARGEST 1e100

#define LEFT 84
#define RIGHT 14
#define BOTTOM 52
#define MARGIN 8        /* of the title and the legend                             */
#define LETTER 7.7      /* about the width of one                                  */
#define LEGEND_ROW 20
#define LEGEND_ROOM 40  /* of a legend; the picture grows by what a longer one has */

/* Okabe and Ito's colours, which the colour-blind can tell apart, without yellow. */
static const char *const colours[] = { "#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                       "#e69f00", "#56b4e9", "#000000" };

#define COLOURS (sizeof colours / sizeof colours[0])

/* The two that are hard to see on black, and everything that is not a curve. */
static const char dark_style[] =
    "<style>@media (prefers-color-scheme: dark) {.plot {fill: #ddd} .plot .paper {fill: #16181c} "
    ".plot .grid {stroke: #363a42} .plot .axis {stroke: #aaa} .plot .tick {fill: #bbb} "
    ".plot .line0 {stroke: #5aaef0} .plot .dots0 {fill: #5aaef0} .plot .line6 {stroke: #fff} "
    ".plot .dots6 {fill: #fff}}</style>\n";

typedef struct plot_tick {
    double value;
    char label[64];
} plot_tick;

typedef struct plot_axis {
    bool log;
    double low, high;    /* values, or their decimal logarithms */
    double start, end;   /* pixels */
    plot_tick ticks[MOST_TICKS];
    int n_ticks;
} plot_axis;

/* The points of a series that can be drawn. */
typedef struct plot_curve {
    double *x, *y;
    size_t n;
} plot_curve;

/* --- numbers and text ------------------------------------------------------------------------- */

/* A coordinate, to a tenth of a pixel, in every locale. */
static void put(FILE *out, double coordinate)
{
    long tenths = lround(coordinate * 10);

    fprintf(out, "%s%ld", tenths < 0 ? "-" : "", labs(tenths) / 10);
    if (tenths % 10 != 0)
        fprintf(out, ".%ld", labs(tenths) % 10);
}

/* About how wide a text is, in pixels: UTF-8's later bytes have no width. */
static double text_width(const char *text)
{
    double width = 0;

    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) == 0x80 ? 0 : LETTER;
    return width;
}

/* digits * 10^exponent, and its text.  Reading it back from text gives 0.3 where 3 * 0.1 would
 * give 0.30000000000000004. */
static void set_tick(plot_tick *tick, long digits, int exponent)
{
    snprintf(tick->label, sizeof tick->label, "%lde%d", digits, exponent);
    if (!hidi_parse_double(tick->label, &tick->value))
        tick->value = 0;
    double size = fabs(tick->value);
    if (digits == 0 || (size >= 1e-4 && size < 1e7)) {
        hidi_format_double(tick->label, tick->value);
        return;
    }
    for (; digits % 10 == 0; exponent++)
        digits /= 10;
    char mantissa[32] = "";
    if (digits != 1)
        snprintf(mantissa, sizeof mantissa, "%ld\u00d7", digits);
    snprintf(tick->label, sizeof tick->label, "%s10^%d", mantissa, exponent);
}

/* --- axes ------------------------------------------------------------------------------------- */

static double position(const plot_axis *axis, double value)
{
    double t = axis->log ? log10(value) : value;

    return axis->start + (t - axis->low) / (axis->high - axis->low) * (axis->end - axis->start);
}

/* Multiples of 1, 2 or 5 times a power of 10 from low to high, about `wanted` of them. */
static int linear_ticks(double low, double high, int wanted, plot_tick *ticks)
{
    int exponent = (int)floor(log10((high - low) / wanted)), n = 0;
    double unit = pow(10, exponent), times = (high - low) / wanted / unit;
    long factor = times <= 1.5 ? 1 : times <= 3.5 ? 2 : times <= 7.5 ? 5 : 10;
    double step = (double)factor * unit;
    double first = ceil(low / step - 1e-6), last = floor(high / step + 1e-6);

    for (double i = first; i <= last && n < MOST_TICKS; i++)
        set_tick(&ticks[n++], (long)i * factor, exponent);
    return n;
}

/* Powers of 10 between 10^low and 10^high; 2 and 5 times them, too, if they are few. */
static int log_ticks(double low, double high, plot_tick *ticks)
{
    static const long factors[] = { 1, 2, 5 };
    double decades = high - low;
    int every = (int)ceil(decades / 8), n = 0;

    if (decades < 1)
        return linear_ticks(pow(10, low), pow(10, high), 5, ticks);
    int first = (int)floor(low), last = (int)floor(high);
    for (int exponent = first; exponent <= last; exponent++)
        for (int f = 0; f < (decades < 3 ? 3 : 1); f++) {
            double place = exponent + log10((double)factors[f]);
            if (exponent % every == 0 && place >= low && place <= high && n < MOST_TICKS)
                set_tick(&ticks[n++], factors[f], exponent);
        }
    return n;
}

static void find_ticks(plot_axis *axis, int wanted)
{
    axis->n_ticks = axis->log ? log_ticks(axis->low, axis->high, axis->ticks)
                              : linear_ticks(axis->low, axis->high, wanted, axis->ticks);
}

/* Room around the values: `share` of their range, and some if they are all the same, or so nearly
 * that the labels of the axis would be long numbers that hardly differ. */
static void pad(plot_axis *axis, double share)
{
    double range = axis->high - axis->low, size = fabs(axis->low);
    bool positive = axis->low >= 0 && !axis->log;

    if (range <= fmax(axis->log ? 1e-3 : size * 1e-3, 1 / LARGEST)) {
        range = size > 1 / LARGEST ? size * 0.2 : 1;
        share = 0.5;
    }
    axis->low -= share * range;
    axis->high += share * range;
    if (positive && axis->low < 0)
        axis->low = 0;
}

/* The axes' ranges; false: there is nothing to show. */
static bool find_ranges(const plot_curve *curves, size_t n, plot_axis *x, plot_axis *y)
{
    bool any = false;

    x->low = y->low = LARGEST;
    x->high = y->high = -LARGEST;
    for (size_t c = 0; c < n; c++)
        for (size_t i = 0; i < curves[c].n; i++) {
            double u = x->log ? log10(curves[c].x[i]) : curves[c].x[i];
            double v = y->log ? log10(curves[c].y[i]) : curves[c].y[i];
            x->low = fmin(x->low, u);
            x->high = fmax(x->high, u);
            y->low = fmin(y->low, v);
            y->high = fmax(y->high, v);
            any = true;
        }
    if (!any) {
        x->low = y->low = 0;
        x->high = y->high = 1;
    }
    pad(x, 0.01);
    pad(y, 0.05);
    find_ticks(x, 5);
    find_ticks(y, 5);
    return any;
}

/* "10^-5" with the exponent raised. */
static void put_label(FILE *out, const char *label)
{
    size_t base = strcspn(label, "^");

    fprintf(out, "%.*s", (int)base, label);
    if (label[base] == '^')
        fprintf(out, "<tspan dy=\"-5\" font-size=\"13\">%s</tspan>", label + base + 1);
}

static void put_axes(FILE *out, const hidi_plot *plot, const plot_axis *x, const plot_axis *y)
{
    fputs("<g class=\"grid\" stroke=\"#e4e4e4\">\n", out);
    for (int i = 0; i < y->n_ticks; i++) {
        fprintf(out, "<path d=\"M%d,", LEFT);
        put(out, position(y, y->ticks[i].value));
        fprintf(out, "H%d\"/>\n", HIDI_PLOT_WIDTH - RIGHT);
    }
    for (int i = 0; i < x->n_ticks; i++) {
        fputs("<path d=\"M", out);
        put(out, position(x, x->ticks[i].value));
        fputs(",", out);
        put(out, y->end);
        fputs("V", out);
        put(out, y->start);
        fputs("\"/>\n", out);
    }
    fprintf(out, "</g>\n<path class=\"axis\" stroke=\"#444\" fill=\"none\" d=\"M%d,", LEFT);
    put(out, y->end);
    fputs("V", out);
    put(out, y->start);
    fprintf(out, "H%d\"/>\n<g class=\"tick\" fill=\"#444\">\n", HIDI_PLOT_WIDTH - RIGHT);
    for (int i = 0; i < y->n_ticks; i++) {
        fprintf(out, "<text x=\"%d\" y=\"", LEFT - 7);
        put(out, position(y, y->ticks[i].value) + 5);
        fputs("\" text-anchor=\"end\">", out);
        put_label(out, y->ticks[i].label);
        fputs("</text>\n", out);
    }
    for (int i = 0; i < x->n_ticks; i++) {
        fputs("<text x=\"", out);
        put(out, position(x, x->ticks[i].value));
        fputs("\" y=\"", out);
        put(out, y->start + 18);
        fputs("\" text-anchor=\"middle\">", out);
        put_label(out, x->ticks[i].label);
        fputs("</text>\n", out);
    }
    fputs("</g>\n", out);
    if (plot->x_label != NULL) {
        fprintf(out, "<text x=\"%d\" y=\"", (LEFT + HIDI_PLOT_WIDTH - RIGHT) / 2);
        put(out, y->start + BOTTOM - 12);
        fputs("\" text-anchor=\"middle\">", out);
        hidi_print_markup(out, plot->x_label);
        fputs("</text>\n", out);
    }
    if (plot->y_label != NULL) {
        fputs("<text text-anchor=\"middle\" transform=\"translate(16,", out);
        put(out, (y->start + y->end) / 2);
        fputs(") rotate(-90)\">", out);
        hidi_print_markup(out, plot->y_label);
        fputs("</text>\n", out);
    }
}

/* --- curves ----------------------------------------------------------------------------------- */

static void free_curves(plot_curve *curves, size_t n)
{
    for (size_t i = 0; curves != NULL && i < n; i++) {
        free(curves[i].x);
        free(curves[i].y);
    }
    free(curves);
}

static bool collect(plot_curve *curve, const hidi_series *series, const hidi_plot *plot)
{
    curve->x = malloc((series->n + 1) * sizeof(double));
    curve->y = malloc((series->n + 1) * sizeof(double));
    if (curve->x == NULL || curve->y == NULL)
        return false;
    for (size_t i = 0; i < series->n; i++) {
        double x = series->x[i], y = series->y[i];
        if (!(fabs(x) <= LARGEST && fabs(y) <= LARGEST) || (plot->log_x && x < 1 / LARGEST) ||
            (plot->log_y && y < 1 / LARGEST))
            continue;
        curve->x[curve->n] = x;
        curve->y[curve->n++] = y;
    }
    return true;
}

/* average[i]: the mean of the `window` points around i; near the ends, of those that exist. */
static void moving_average(const plot_curve *curve, size_t window, double *average)
{
    size_t reach = window / 2;

    for (size_t i = 0; i < curve->n; i++) {
        size_t first = i > reach ? i - reach : 0;
        size_t last = curve->n - i > reach ? i + reach : curve->n - 1;
        double sum = 0;

        for (size_t j = first; j <= last; j++)
            sum += curve->y[j];
        average[i] = sum / (double)(last - first + 1);
    }
}

static void put_point(FILE *out, const plot_axis *x_axis, const plot_axis *y_axis, double x,
                      double y, char command)
{
    fputc(command, out);
    put(out, position(x_axis, x));
    fputc(',', out);
    put(out, position(y_axis, y));
}

/* A line through the points.  In long curves, only the least and the greatest of each group of
 * neighbours, in their order, which looks the same. */
static void put_line(FILE *out, const plot_axis *x_axis, const plot_axis *y_axis, const double *x,
                     const double *y, size_t n, const char *style)
{
    size_t group = n <= MOST_POINTS ? 1 : (n + MOST_POINTS / 2 - 1) / (MOST_POINTS / 2);

    fprintf(out, "<path %s d=\"", style);
    for (size_t first = 0; first < n; first += group) {
        size_t last = first + group < n ? first + group : n, least = first, greatest = first;

        for (size_t i = first; i < last; i++) {
            least = y[i] < y[least] ? i : least;
            greatest = y[i] > y[greatest] ? i : greatest;
        }
        size_t earlier = least < greatest ? least : greatest, later = least + greatest - earlier;
        put_point(out, x_axis, y_axis, x[earlier], y[earlier], first == 0 ? 'M' : 'L');
        if (later != earlier)
            put_point(out, x_axis, y_axis, x[later], y[later], 'L');
    }
    fputs("\"/>\n", out);
}

static void put_dots(FILE *out, const plot_axis *x_axis, const plot_axis *y_axis,
                     const plot_curve *curve, size_t colour)
{
    fprintf(out, "<g class=\"dots%zu\" fill=\"%s\" stroke=\"none\">\n", colour, colours[colour]);
    for (size_t i = 0; i < curve->n; i++) {
        fputs("<circle r=\"2.5\" cx=\"", out);
        put(out, position(x_axis, curve->x[i]));
        fputs("\" cy=\"", out);
        put(out, position(y_axis, curve->y[i]));
        fputs("\"/>\n", out);
    }
    fputs("</g>\n", out);
}

/* work: [curve->n] */
static void put_curve(FILE *out, const hidi_plot *plot, const plot_axis *x, const plot_axis *y,
                      const plot_curve *curve, size_t colour, double *work)
{
    if (curve->n == 0)
        return;
    fprintf(out, "<g class=\"line%zu\" fill=\"none\" stroke=\"%s\" stroke-linejoin=\"round\">\n",
            colour, colours[colour]);
    if (plot->smooth > 1) {
        moving_average(curve, plot->smooth, work);
        put_line(out, x, y, curve->x, curve->y, curve->n, "stroke-opacity=\"0.25\"");
        put_line(out, x, y, curve->x, work, curve->n, "stroke-width=\"1.8\"");
    } else {
        put_line(out, x, y, curve->x, curve->y, curve->n, "stroke-width=\"1.5\"");
        if (curve->n <= DOTTED)
            put_dots(out, x, y, curve, colour);
    }
    fputs("</g>\n", out);
}

/* --- the picture ------------------------------------------------------------------------------ */

/* The legend, above the plot, in as many rows as it needs; returns where they end.  out NULL: draws
 * nothing. */
static double put_legend(FILE *out, const hidi_plot *plot, double top)
{
    double x = MARGIN, y = top;

    for (size_t i = 0; i < plot->n_series; i++) {
        const char *label = plot->series[i].label;
        if (label == NULL)
            continue;
        double width = 26 + text_width(label);
        if (x > MARGIN && x + width > HIDI_PLOT_WIDTH - MARGIN) {
            x = MARGIN;
            y += LEGEND_ROW;
        }
        if (out != NULL) {
            fprintf(out, "<path class=\"line%zu\" stroke-width=\"3\" d=\"M", i % COLOURS);
            put(out, x);
            fputs(",", out);
            put(out, y + 8);
            fprintf(out, "h20\" stroke=\"%s\"/>\n<text x=\"", colours[i % COLOURS]);
            put(out, x + 26);
            fputs("\" y=\"", out);
            put(out, y + 13);
            fputs("\">", out);
            hidi_print_markup(out, label);
            fputs("</text>\n", out);
        }
        x += width + 16;
    }
    return x > MARGIN || y > top ? y + LEGEND_ROW : y;
}

static void put_frame(FILE *out, const hidi_plot *plot, int height)
{
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" width=\"%d\" height=\"%d\" "
            "viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"14\" fill=\"#222\" "
            "role=\"img\">\n",
            HIDI_PLOT_WIDTH, height, HIDI_PLOT_WIDTH, height);
    if (plot->title != NULL) {
        fputs("<title>", out);
        hidi_print_markup(out, plot->title);
        fputs("</title>\n", out);
    }
    fputs(dark_style, out);
    fputs("<rect class=\"paper\" width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n", out);
    if (plot->title != NULL) {
        fprintf(out, "<text x=\"%d\" y=\"24\" font-size=\"15\" font-weight=\"bold\">", MARGIN);
        hidi_print_markup(out, plot->title);
        fputs("</text>\n", out);
    }
}

/* work: room for the longest curve. */
static void put_plot(FILE *out, const hidi_plot *plot, const plot_curve *curves, double *work)
{
    double top = plot->title != NULL ? 34 : 12;
    plot_axis x = { .log = plot->log_x, .start = LEFT, .end = HIDI_PLOT_WIDTH - RIGHT };
    plot_axis y = { .log = plot->log_y };
    bool any = find_ranges(curves, plot->n_series, &x, &y);
    double legend = put_legend(NULL, plot, top) - top;
    double height = HIDI_PLOT_HEIGHT + fmax(0, legend - LEGEND_ROOM);

    y.start = height - BOTTOM;
    y.end = top + legend + 8;
    put_frame(out, plot, (int)height);
    put_legend(out, plot, top);
    put_axes(out, plot, &x, &y);
    for (size_t i = 0; i < plot->n_series; i++)
        put_curve(out, plot, &x, &y, &curves[i], i % COLOURS, work);
    if (!any)
        fprintf(out,
                "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\" fill=\"#888\">no data</text>\n",
                (LEFT + HIDI_PLOT_WIDTH - RIGHT) / 2, HIDI_PLOT_HEIGHT / 2);
    fputs("</svg>\n", out);
}

hidi_status hidi_plot_svg(const hidi_plot *plot, FILE *out)
{
    plot_curve *curves = calloc(plot->n_series + 1, sizeof *curves);
    size_t longest = 1;
    bool enough_memory = curves != NULL;

    for (size_t i = 0; enough_memory && i < plot->n_series; i++) {
        enough_memory = collect(&curves[i], &plot->series[i], plot);
        longest = plot->series[i].n > longest ? plot->series[i].n : longest;
    }
    double *work = malloc(longest * sizeof *work);
    if (enough_memory && work != NULL)
        put_plot(out, plot, curves, work);
    free_curves(curves, plot->n_series);
    if (!enough_memory || work == NULL) {
        free(work);
        return hidi_error(HIDI_NO_MEMORY, "plot: out of memory");
    }
    free(work);
    if (fflush(out) != 0 || ferror(out))
        return hidi_error(HIDI_BAD_FILE, "plot: cannot write it");
    return HIDI_OK;
}
