/* progress.h - a line that says how far a long task has come and how long it will still take.
 *
 * On a terminal the line is rewritten in place a few times a second; otherwise a plain line is
 * printed now and then.  The library prints nothing itself: the command passes a FILE.
 */
#ifndef HIDI_CORE_PROGRESS_H
#define HIDI_CORE_PROGRESS_H

#include <stdio.h>

typedef struct hidi_progress {
    FILE *out;         /* NULL: silent                                          */
    const char *label; /* "teacher"; borrowed                                   */
    long total;        /* steps in all                                          */
    long first;        /* step at which this run began (after a resume)         */
    double started;    /* hidi_seconds() at the start                           */
    double printed;    /* when the last line was printed                        */
    double interval;   /* seconds between lines                                 */
    int is_terminal;
} hidi_progress;

/* Seconds since an arbitrary start, monotonic. */
double hidi_seconds(void);

void hidi_progress_begin(hidi_progress *progress, FILE *out, const char *label, long first,
                         long total);

/* `done` steps are finished; prints, if it is time to, label, share, rate, time left and `note`
 * (such as "loss 0.0123"; NULL for none). */
void hidi_progress_update(hidi_progress *progress, long done, const char *note);

/* Ends the line with the total time. */
void hidi_progress_end(hidi_progress *progress, const char *note);

/* "1 h 05 min", "2 min 10 s", "3.2 s" into text[size]; returns text. */
char *hidi_duration(char *text, size_t size, double seconds);

#endif
