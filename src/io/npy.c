/* npy.c - the header of a .npy array is a Python dict as text (npy.h): a parser for that one dict,
 * and its writer. */
#include "io/npy.h"

#include <stdio.h>
#include <string.h>

#include "io/bytes.h"

#define MAGIC "\x93NUMPY"
#define LONGEST 65536 /* a longer header is a structure's */

static const struct {
    const char *type; /* without the byte order */
    hidi_dtype dtype;
} types[] = {
    { "f8", HIDI_F64 }, { "f4", HIDI_F32 }, { "f2", HIDI_F16 }, { "i8", HIDI_I64 },
    { "i4", HIDI_I32 }, { "i2", HIDI_I16 }, { "i1", HIDI_I8 },  { "u1", HIDI_U8 },
    { "b1", HIDI_BOOL },
};

/* --- reading ---------------------------------------------------------------------------------- */

bool hidi_is_npy(const unsigned char *first)
{
    return memcmp(first, MAGIC, 6) == 0;
}

hidi_status hidi_npy_length(const unsigned char *prefix, const char *what, size_t *length)
{
    const int version = prefix[6];

    if (!hidi_is_npy(prefix))
        return hidi_error(HIDI_BAD_FORMAT, "%s: not an array: it does not begin with \\x93NUMPY",
                          what);
    if (version < 1 || version > 3)
        return hidi_error(HIDI_UNSUPPORTED, "%s: version %d of .npy; 1 to 3 are read", what,
                          version);
    *length = version == 1 ? (size_t)10 + hidi_load_16(prefix + 8)
                           : (size_t)12 + hidi_load_32(prefix + 8);
    if (*length > LONGEST)
        return hidi_error(HIDI_UNSUPPORTED, "%s: a header of %zu bytes; at most %d are read", what,
                          *length, LONGEST);
    return HIDI_OK;
}

/* Where the parser stands in the text. */
typedef struct cursor {
    const char *at, *end;
} cursor;

static void skip_blanks(cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t'))
        c->at++;
}

/* Goes past `symbol`, and blanks before it, if it is next. */
static bool take(cursor *c, char symbol)
{
    skip_blanks(c);
    if (c->at == c->end || *c->at != symbol)
        return false;
    c->at++;
    return true;
}

/* 'text' or "text", without escapes, into text[size], cut if need be. */
static bool take_string(cursor *c, char *text, size_t size)
{
    size_t used = 0;

    skip_blanks(c);
    if (c->at == c->end || (*c->at != '\'' && *c->at != '"'))
        return false;
    const char quote = *c->at++;
    for (; c->at < c->end && *c->at != quote && *c->at != '\\'; c->at++)
        if (used + 1 < size)
            text[used++] = *c->at;
    text[used] = '\0';
    return c->at < c->end && *c->at++ == quote;
}

static bool take_word(cursor *c, const char *word)
{
    const size_t length = strlen(word);

    skip_blanks(c);
    if ((size_t)(c->end - c->at) < length || memcmp(c->at, word, length) != 0)
        return false;
    c->at += length;
    return true;
}

/* A whole number; Python 2 wrote long ones with an L. */
static bool take_number(cursor *c, size_t *value)
{
    skip_blanks(c);
    const char *begin = c->at;
    for (*value = 0; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
        const size_t digit = (size_t)(*c->at - '0');

        if (*value > (SIZE_MAX - digit) / 10)
            return false;
        *value = 10 * *value + digit;
    }
    if (c->at == begin)
        return false;
    if (c->at < c->end && *c->at == 'L')
        c->at++;
    return true;
}

static void find_dtype(hidi_npy *npy)
{
    const char *type = npy->type;

    npy->readable = false;
    if (strchr("<>=|", type[0]) == NULL)
        return;
    npy->big_endian = type[0] == '>' || (type[0] == '=' && !hidi_little_endian());
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(type + 1, types[i].type) == 0) {
            npy->dtype = types[i].dtype;
            npy->readable = true;
        }
}

/* A text is a type; a list of fields, a structure, is skipped (parentheses in the names of fields
 * do not matter: brackets in quotes are passed over). */
static bool take_descr(cursor *c, hidi_npy *npy)
{
    char skipped[2];
    int depth = 0;

    if (take_string(c, npy->type, sizeof npy->type)) {
        find_dtype(npy);
        return true;
    }
    snprintf(npy->type, sizeof npy->type, "structure");
    do {
        skip_blanks(c);
        if (c->at == c->end)
            return false;
        if (*c->at == '\'' || *c->at == '"') {
            if (!take_string(c, skipped, sizeof skipped))
                return false;
            continue;
        }
        depth += *c->at == '[' || *c->at == '(';
        depth -= *c->at == ']' || *c->at == ')';
        c->at++;
    } while (depth > 0);
    return true;
}

static bool take_shape(cursor *c, hidi_npy *npy)
{
    if (!take(c, '('))
        return false;
    npy->rank = 0;
    while (!take(c, ')')) {
        size_t dim;

        if (!take_number(c, &dim))
            return false;
        if (npy->rank < HIDI_FILE_MAX_RANK)
            npy->dim[npy->rank] = dim;
        npy->rank++;
        if (!take(c, ',')) {
            if (!take(c, ')'))
                return false;
            break;
        }
    }
    return true;
}

/* The dict: its three keys once each, and nothing after it but blanks. */
static bool take_header(cursor *c, hidi_npy *npy)
{
    bool seen[3] = { false, false, false };
    char key[16];

    if (!take(c, '{'))
        return false;
    while (!take(c, '}')) {
        bool ok = false;
        int which = -1;

        if (!take_string(c, key, sizeof key) || !take(c, ':'))
            return false;
        if (strcmp(key, "descr") == 0) {
            which = 0;
            ok = take_descr(c, npy);
        } else if (strcmp(key, "fortran_order") == 0) {
            which = 1;
            npy->fortran = take_word(c, "True");
            ok = npy->fortran || take_word(c, "False");
        } else if (strcmp(key, "shape") == 0) {
            which = 2;
            ok = take_shape(c, npy);
        }
        if (!ok || seen[which])
            return false;
        seen[which] = true;
        if (!take(c, ',')) {
            if (!take(c, '}'))
                return false;
            break;
        }
    }
    skip_blanks(c);
    return seen[0] && seen[1] && seen[2] && c->at == c->end;
}

hidi_status hidi_npy_parse(hidi_npy *npy, const unsigned char *header, size_t length,
                           const char *what)
{
    const size_t prefix = header[6] == 1 ? 10 : 12;
    cursor c = { (const char *)header + prefix, (const char *)header + length };

    memset(npy, 0, sizeof *npy);
    if (!take_header(&c, npy))
        return hidi_error(HIDI_BAD_FORMAT,
                          "%s: its header is not a dict of descr, fortran_order and shape", what);
    if (npy->rank > HIDI_FILE_MAX_RANK) {
        npy->readable = false;
        snprintf(npy->type, sizeof npy->type, "rank %d", npy->rank);
        npy->rank = 0;
    }
    if (npy->rank < 2)
        npy->fortran = false;
    return HIDI_OK;
}

/* --- writing ---------------------------------------------------------------------------------- */

hidi_status hidi_npy_header(unsigned char *text, size_t *length, hidi_dtype dtype, int rank,
                            const size_t *dim)
{
    const size_t width = hidi_dtype_bytes(dtype);
    char *out = (char *)text;
    const char *type = NULL;
    size_t used;

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i].dtype == dtype)
            type = types[i].type;
    if (type == NULL)
        return hidi_error(HIDI_UNSUPPORTED, "NumPy has no %s", hidi_dtype_name(dtype));
    used = 10 + (size_t)snprintf(out + 10, HIDI_NPY_HEADER - 10,
                                 "{'descr': '%c%s', 'fortran_order': False, 'shape': (",
                                 width == 1 ? '|' : '<', type);
    for (int i = 0; i < rank; i++)
        used += (size_t)snprintf(out + used, HIDI_NPY_HEADER - used, "%s%zu%s", i == 0 ? "" : " ",
                                 dim[i], i + 1 < rank || rank == 1 ? "," : "");
    used += (size_t)snprintf(out + used, HIDI_NPY_HEADER - used, "), }");
    while (used % 64 != 63)
        text[used++] = ' ';
    text[used++] = '\n';
    memcpy(text, MAGIC, 6);
    text[6] = 1;
    text[7] = 0;
    text[8] = (unsigned char)((used - 10) & 255);
    text[9] = (unsigned char)((used - 10) >> 8);
    *length = used;
    return HIDI_OK;
}
