/* progress.c - how much of a long task is done, its rate, and the time left. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "core/progress.h"

#include <math.h>
#include <time.h>
#include <unistd.h>

#define TERMINAL_INTERVAL 0.25 /* seconds */
#define PLAIN_INTERVAL 10.0

double hidi_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void hidi_progress_begin(hidi_progress *progress, FILE *out, const char *label, long first,
                         long total)
{
    progress->out = out;
    progress->label = label;
    progress->total = total;
    progress->first = first;
    progress->started = hidi_seconds();
    progress->printed = progress->started;
    progress->is_terminal = out != NULL && isatty(fileno(out));
    progress->interval = progress->is_terminal ? TERMINAL_INTERVAL : PLAIN_INTERVAL;
}

/* Ends the line; on a terminal, so that the next one overwrites it. */
static void finish_line(const hidi_progress *progress, const char *note, int keep)
{
    if (note && *note)
        fprintf(progress->out, "  %s", note);
    if (progress->is_terminal)
        fputs("\033[K", progress->out); /* clears what a longer line left behind */
    if (keep || !progress->is_terminal)
        fputc('\n', progress->out);
    fflush(progress->out);
}

void hidi_progress_update(hidi_progress *progress, long done, const char *note)
{
    double now, rate;
    char left[32];

    if (!progress->out)
        return;
    now = hidi_seconds();
    if (now - progress->printed < progress->interval || done <= progress->first)
        return;
    progress->printed = now;
    rate = (double)(done - progress->first) / (now - progress->started);
    hidi_duration(left, sizeof left, (double)(progress->total - done) / rate);
    fprintf(progress->out, "%s%s  %5.1f %%  %ld/%ld  %.3g/s  %s left",
            progress->is_terminal ? "\r" : "", progress->label,
            progress->total > 0 ? 100.0 * (double)done / (double)progress->total : 100.0, done,
            progress->total, rate, left);
    finish_line(progress, note, 0);
}

void hidi_progress_end(hidi_progress *progress, const char *note)
{
    char taken[32];

    if (!progress->out)
        return;
    hidi_duration(taken, sizeof taken, hidi_seconds() - progress->started);
    fprintf(progress->out, "%s%s  done in %s", progress->is_terminal ? "\r" : "", progress->label,
            taken);
    finish_line(progress, note, 1);
}

char *hidi_duration(char *text, size_t size, double seconds)
{
    double whole = floor(seconds + 0.5); /* rounded before it is split: never "1 min 60 s" */

    if (!(seconds >= 0.0 && seconds < 1e12))
        snprintf(text, size, "?");
    else if (seconds < 59.95)
        snprintf(text, size, "%.1f s", seconds);
    else if (whole < 3600.0)
        snprintf(text, size, "%.0f min %02.0f s", floor(whole / 60.0), fmod(whole, 60.0));
    else
        snprintf(text, size, "%.0f h %02.0f min", floor(whole / 3600.0),
                 floor(fmod(whole, 3600.0) / 60.0));
    return text;
}
