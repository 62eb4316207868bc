/* version.h - which version of hidi a program was compiled with, and which it runs with. */
#ifndef HIDI_CORE_VERSION_H
#define HIDI_CORE_VERSION_H

#define HIDI_VERSION_MAJOR 0
#define HIDI_VERSION_MINOR 2
#define HIDI_VERSION_PATCH 0
#define HIDI_VERSION "0.2.0"

/* HIDI_VERSION of the library that is running, which need not be that of the headers. */
const char *hidi_version(void);

#endif
