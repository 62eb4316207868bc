/* zip_file.c - what libzip reads, with limits: no name twice, no member larger than its archive,
 * and every member that is read to its end has the right checksum. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "io/zip_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zip.h>

hidi_status hidi_zip_open_single(hidi_zip *zip, const char *path, const char *name)
{
    struct stat info;

    memset(zip, 0, sizeof *zip);
    zip->path = strdup(path);
    if (zip->path == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory for a file name", path);
    zip->single = fopen(path, "rb");
    if (zip->single == NULL || fstat(fileno(zip->single), &info) != 0) {
        hidi_status status = hidi_error(HIDI_BAD_FILE, "%s: %s", path, strerror(errno));
        hidi_zip_close(zip);
        return status;
    }
    zip->single_name = name;
    zip->n_members = 1;
    zip->file_bytes = info.st_size > 0 ? (size_t)info.st_size : 0;
    return HIDI_OK;
}

hidi_status hidi_zip_open(hidi_zip *zip, const char *path)
{
    struct stat info;
    int reason = 0;

    memset(zip, 0, sizeof *zip);
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return hidi_error(HIDI_BAD_FILE, "%s: not a regular file, which an archive has to be: its "
                                         "directory is at its end", path);
    zip->path = strdup(path);
    if (zip->path == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory for a file name", path);
    zip->archive = zip_open(path, ZIP_RDONLY, &reason);
    if (zip->archive == NULL) {
        zip_error_t error;
        zip_error_init_with_code(&error, reason);
        hidi_status status = hidi_error(reason == ZIP_ER_OPEN || reason == ZIP_ER_NOENT ||
                                                reason == ZIP_ER_READ
                                            ? HIDI_BAD_FILE
                                            : HIDI_BAD_FORMAT,
                                        "%s: %s%s", path, zip_error_strerror(&error),
                                        reason == ZIP_ER_NOZIP ? ", or cut short" : "");
        zip_error_fini(&error);
        hidi_zip_close(zip);
        return status;
    }
    zip->n_members = (size_t)zip_get_num_entries(zip->archive, 0);
    if (stat(path, &info) == 0 && info.st_size > 0)
        zip->file_bytes = (size_t)info.st_size;
    for (size_t i = 0; i < zip->n_members; i++) {
        const char *name = hidi_zip_name(zip, i);
        size_t first = i;

        if (hidi_zip_find(zip, name, &first) && first != i) {
            hidi_status status = hidi_error(HIDI_BAD_FORMAT, "%s: \"%s\" is there twice", path,
                                            name);
            hidi_zip_close(zip);
            return status;
        }
    }
    return HIDI_OK;
}

void hidi_zip_close(hidi_zip *zip)
{
    if (zip->archive != NULL)
        zip_discard(zip->archive);
    if (zip->single != NULL)
        (void)fclose(zip->single);
    free(zip->path);
    memset(zip, 0, sizeof *zip);
}

const char *hidi_zip_name(const hidi_zip *zip, size_t i)
{
    if (zip->single != NULL)
        return zip->single_name;
    const char *name = zip_get_name(zip->archive, i, ZIP_FL_ENC_RAW);

    return name == NULL ? "" : name;
}

bool hidi_zip_find(const hidi_zip *zip, const char *name, size_t *i)
{
    if (zip->single != NULL) {
        *i = 0;
        return strcmp(name, zip->single_name) == 0;
    }
    zip_int64_t found = zip_name_locate(zip->archive, name, ZIP_FL_ENC_RAW);

    if (found < 0)
        return false;
    *i = (size_t)found;
    return true;
}

static hidi_status bad(const hidi_zip_member *member, hidi_status status, const char *reason)
{
    return hidi_error(status, "%s: \"%s\": %s", member->zip->path, member->name, reason);
}

hidi_status hidi_zip_begin(hidi_zip_member *member, const hidi_zip *zip, size_t i)
{
    const zip_uint64_t needed = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD |
                                ZIP_STAT_ENCRYPTION_METHOD;
    zip_stat_t about;

    *member = (hidi_zip_member){ .zip = zip, .name = hidi_zip_name(zip, i) };
    if (zip->single != NULL) {
        rewind(zip->single);
        member->bytes = member->left = zip->file_bytes;
        return HIDI_OK;
    }
    if (zip_stat_index(zip->archive, i, 0, &about) != 0 || (about.valid & needed) != needed)
        return bad(member, HIDI_BAD_FORMAT, zip_strerror(zip->archive));
    if (about.encryption_method != ZIP_EM_NONE)
        return bad(member, HIDI_UNSUPPORTED, "it is encrypted");
    if (about.comp_method != ZIP_CM_STORE && about.comp_method != ZIP_CM_DEFLATE)
        return bad(member, HIDI_UNSUPPORTED, "it is neither stored nor deflated");
    if (about.comp_method == ZIP_CM_STORE && about.size != about.comp_size)
        return bad(member, HIDI_BAD_FORMAT, "it is stored, but has two sizes");
    if (about.comp_size > zip->file_bytes)
        return bad(member, HIDI_BAD_FORMAT, "it is larger than the file");
    member->bytes = about.size;
    member->left = about.size;
    member->file = zip_fopen_index(zip->archive, i, 0);
    if (member->file == NULL)
        return bad(member, HIDI_BAD_FORMAT, zip_strerror(zip->archive));
    return HIDI_OK;
}

hidi_status hidi_zip_read(hidi_zip_member *member, void *out, size_t n)
{
    unsigned char *bytes = out, beyond;

    if (n > member->left)
        return bad(member, HIDI_BAD_FORMAT, "truncated");
    member->left -= n;
    if (member->zip->single != NULL)
        return fread(bytes, 1, n, member->zip->single) == n
                   ? HIDI_OK
                   : bad(member, HIDI_BAD_FORMAT, "truncated");
    while (n > 0) {
        zip_int64_t got = zip_fread(member->file, bytes, n);

        if (got < 0)
            return bad(member, HIDI_BAD_FORMAT, zip_file_strerror(member->file));
        if (got == 0)
            return bad(member, HIDI_BAD_FORMAT, "truncated");
        bytes += got;
        n -= (size_t)got;
    }
    if (member->left == 0) { /* libzip compares the checksum when it meets the end */
        zip_int64_t got = zip_fread(member->file, &beyond, 1);

        if (got != 0)
            return bad(member, HIDI_BAD_FORMAT,
                       got < 0 ? zip_file_strerror(member->file)
                               : "longer than the directory says");
    }
    return HIDI_OK;
}

void hidi_zip_end(hidi_zip_member *member)
{
    if (member->file != NULL)
        (void)zip_fclose(member->file);
    member->file = NULL;
}
