/* describe_build.c - a report of a wrong result starts with what was built, and what it runs on. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/describe_build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lab/session.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unversioned"
#endif

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define COMPILER "gcc " __VERSION__
#else
#define COMPILER "unknown"
#endif

/* A backend that is built in, but not in use, may lack its device. */
static void print_backends(const hidi_backend *chosen)
{
    char names[128], *rest = NULL;
    snprintf(names, sizeof names, "%s", hidi_backend_names());
    for (char *name = strtok_r(names, " ", &rest); name; name = strtok_r(NULL, " ", &rest)) {
        const hidi_backend *backend;
        if (hidi_backend_open(name, &backend) != HIDI_OK)
            printf("  backend     %s: not usable here: %s\n", name, hidi_error_message());
        else
            printf("  backend     %s: %s%s\n", name, backend->describe(),
                   backend == chosen ? "  (in use)" : "");
    }
    printf("  threads     %d\n", chosen->threads());
}

/* The folder where data files are found, and its presets. */
static void print_data_files(void)
{
    char path[HIDI_PATH], names[HIDI_PATH];
    if (hidi_find_data_file(path, sizeof path, "presets") != HIDI_OK) {
        printf("  data files  %s\n", hidi_error_message());
        return;
    }
    *strrchr(path, '/') = '\0';
    hidi_preset_names(names, sizeof names);
    printf("  data files  %s\n  presets     %s\n", path, names[0] ? names : "none");
}

void hidi_describe_build(const hidi_backend *chosen)
{
    char text[32];
    const double memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    printf("hidi %s\n", PACKAGE_VERSION);
    printf("  compiler    %s\n", COMPILER);
    printf("  precision   %s\n", HIDI_PRECISION);
    printf("  built with  %s\n", hidi_backend_build());
    print_backends(chosen);
    if (memory > 0)
        printf("  memory      %s\n", hidi_bytes_text(text, sizeof text, memory));
    print_data_files();
}
