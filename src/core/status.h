/* status.h - how the library reports what went wrong.
 *
 * No function of the library exits or prints.  One that can fail returns a status; when it is not
 * HIDI_OK, hidi_error_message() is one line that names the file, the tensor, what was expected and
 * what was found.  Each thread has a message of its own.
 */
#ifndef HIDI_CORE_STATUS_H
#define HIDI_CORE_STATUS_H

typedef enum hidi_status {
    HIDI_OK = 0,
    HIDI_BAD_ARGUMENT, /* a value outside its range, an unknown name or key            */
    HIDI_BAD_SHAPE,    /* tensors that do not fit together                             */
    HIDI_BAD_FILE,     /* cannot be opened, read or written (the system's reason)      */
    HIDI_BAD_FORMAT,   /* readable, but truncated, corrupt or not what it claims to be */
    HIDI_NO_MEMORY,
    HIDI_NOT_FINITE,   /* NaN or infinity in a loss, a gradient or an input            */
    HIDI_BAD_BACKEND,  /* not built in, no device, or a failed call of its library     */
    HIDI_UNSUPPORTED,  /* legal, but not something this build or version does          */
    HIDI_INTERRUPTED   /* stopped on request; a training has saved its state           */
} hidi_status;

#if defined(__GNUC__)
#define HIDI_PRINTF(format_index, first) __attribute__((format(printf, format_index, first)))
#else
#define HIDI_PRINTF(format_index, first)
#endif

/* Records a message (printf style, cut at 1,023 bytes, control characters replaced by '?') and
 * returns `status`:  return hidi_error(HIDI_BAD_FILE, "%s: %s", path, strerror(errno)); */
hidi_status hidi_error(hidi_status status, const char *format, ...) HIDI_PRINTF(2, 3);

/* Puts "prefix: " in front of the current message and returns `status`, for a caller that knows
 * more (the file, the step) than the function that failed.  HIDI_OK is passed through untouched. */
hidi_status hidi_error_prefix(hidi_status status, const char *format, ...) HIDI_PRINTF(2, 3);

/* The message of the calling thread's latest error; "" if there was none.  Valid until its next
 * error. */
const char *hidi_error_message(void);

/* "ok", "bad argument", ... */
const char *hidi_status_name(hidi_status status);

/* `HIDI_TRY(f(x));` returns from the calling function (which returns hidi_status) if f failed. */
#define HIDI_TRY(call)                                                                             \
    do {                                                                                           \
        hidi_status hidi_try_status = (call);                                                      \
        if (hidi_try_status != HIDI_OK)                                                            \
            return hidi_try_status;                                                                \
    } while (0)

#endif
