/* status.c - the message of the latest error, for each thread its own. */
#include "core/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/thread_local.h"

#define MESSAGE_BYTES 1024

static HIDI_THREAD_LOCAL char message[MESSAGE_BYTES];

/* Keeps a message one line, whatever a file's names hold. */
static void set_message(const char *text)
{
    size_t i = 0;

    for (; text[i] != '\0'; i++)
        message[i] = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i];
    message[i] = '\0';
}

hidi_status hidi_error(hidi_status status, const char *format, ...)
{
    char text[MESSAGE_BYTES] = ""; /* the arguments may point into message */
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    set_message(text);
    return status;
}

hidi_status hidi_error_prefix(hidi_status status, const char *format, ...)
{
    char text[MESSAGE_BYTES] = "";
    size_t length, room;
    va_list arguments;

    if (status == HIDI_OK)
        return status;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    length = strlen(text);
    room = sizeof text - length;
    snprintf(text + length, room, ": %.*s", (int)room, message);
    set_message(text);
    return status;
}

const char *hidi_error_message(void)
{
    return message;
}

const char *hidi_status_name(hidi_status status)
{
    switch (status) {
    case HIDI_OK:
        return "ok";
    case HIDI_BAD_ARGUMENT:
        return "bad argument";
    case HIDI_BAD_SHAPE:
        return "bad shape";
    case HIDI_BAD_FILE:
        return "bad file";
    case HIDI_BAD_FORMAT:
        return "bad format";
    case HIDI_NO_MEMORY:
        return "out of memory";
    case HIDI_NOT_FINITE:
        return "not finite";
    case HIDI_BAD_BACKEND:
        return "bad backend";
    case HIDI_UNSUPPORTED:
        return "unsupported";
    case HIDI_INTERRUPTED:
        return "interrupted";
    }
    return "unknown status";
}
