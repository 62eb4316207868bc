/* memory_cases.c - the slots of life and memory: pieces are aligned and lie apart, what goes up
 * comes down unchanged, copies may overlap. */
#include "lab/selftest/trial.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static hidi_sizes none[] = { { 1 } };
static hidi_sizes lengths[] = { { 0 },   { 1 },   { 31 },   { 32 },   { 33 },   { 255 },
                                { 256 }, { 257 }, { 1009 }, { 4097 }, { 40009 } };
static hidi_sizes blocks[] = { { 0, 5 },    { 5, 0 },   { 1, 1 },     { 3, 16 },   { 7, 33 },
                               { 64, 64 },  { 5, 511 }, { 257, 33 },  { 1031, 37 }, { 3, 2049 } };

static void run_describe(hidi_trial *t)
{
    if (t->tested->describe() == NULL || t->tested->describe()[0] == '\0')
        hidi_trial_fail(t, "describes nothing");
}

static void run_open(hidi_trial *t)
{
    if (t->tested->name == NULL || t->tested->name[0] == '\0')
        hidi_trial_fail(t, "has no name");
}

static void run_check(hidi_trial *t)
{
    if (t->tested->check() != HIDI_OK)
        hidi_trial_fail(t, "%s", hidi_error_message());
}

/* The number stays as it was. */
static void run_set_threads(hidi_trial *t)
{
    const int before = t->tested->threads();

    t->tested->set_threads(before);
    if (t->tested->threads() != before)
        hidi_trial_fail(t, "%d threads, %d after set_threads(%d)", before, t->tested->threads(),
                        before);
}

static void run_threads(hidi_trial *t)
{
    if (t->tested->threads() < 1)
        hidi_trial_fail(t, "%d threads", t->tested->threads());
}

/* Numbers that several threads at a time have the backend make. */
typedef struct shared_array {
    const hidi_backend *backend;
    hidi_real *x; /* [SHARED_PIECES, SHARED_PIECE] */
} shared_array;
enum { SHARED_PIECES = 16, SHARED_PIECE = 1000 };

static hidi_status make_piece(void *context, int member, size_t piece)
{
    const shared_array *a = context;
    hidi_real *x = a->x + piece * SHARED_PIECE;
    (void)member;
    a->backend->fill(x, (hidi_real)piece, SHARED_PIECE);
    a->backend->axpby(x, 2, 1, x, SHARED_PIECE);
    return HIDI_OK;
}

/* Where several threads may call it, they do. */
static void run_concurrent(hidi_trial *t)
{
    const size_t n = SHARED_PIECES * SHARED_PIECE;
    shared_array a = { t->tested, t->tested->allocate(n * sizeof *a.x) };
    hidi_real host[SHARED_PIECES * SHARED_PIECE];

    if (a.x == NULL) {
        hidi_trial_fail(t, "no memory for %zu numbers", n);
        return;
    }
    hidi_backend_share_out(t->tested, SHARED_PIECES, make_piece, &a);
    t->tested->download(host, a.x, sizeof host);
    for (size_t i = 0; i < n; i++)
        if (host[i] != (hidi_real)(3 * (i / SHARED_PIECE))) {
            hidi_trial_fail(t, "element %zu is %g, not %zu", i, (double)host[i],
                            3 * (i / SHARED_PIECE));
            break;
        }
    t->tested->release(a.x);
}

/* A backend of many threads computes on its own ones. */
static void run_large_batches(hidi_trial *t)
{
    if (t->tested->large_batches() && t->tested->concurrent())
        hidi_trial_fail(t, "wants large batches, and small ones side by side");
}

/* Pieces are aligned, and do not overlap. */
static void run_allocate(hidi_trial *t)
{
    enum { PIECES = 9 };
    unsigned char *piece[PIECES];
    const size_t bytes = t->size[0];

    for (int i = 0; i < PIECES; i++) {
        piece[i] = t->tested->allocate(bytes);
        if (piece[i] == NULL)
            hidi_trial_fail(t, "%zu bytes: NULL", bytes);
        if ((uintptr_t)piece[i] % 64 != 0)
            hidi_trial_fail(t, "%zu bytes: not aligned to 64 bytes", bytes);
        for (int j = 0; j < i && bytes > 0; j++)
            if (piece[i] < piece[j] + bytes && piece[j] < piece[i] + bytes)
                hidi_trial_fail(t, "two pieces of %zu bytes overlap", bytes);
    }
    for (int i = 0; i < PIECES; i++)
        t->tested->release(piece[i]);
    if (t->tested->check() != HIDI_OK)
        hidi_trial_fail(t, "%s", hidi_error_message());
}

/* NULL does nothing; a released piece can be taken again. */
static void run_release(hidi_trial *t)
{
    t->tested->release(NULL);
    for (int i = 0; i < 100; i++)
        t->tested->release(t->tested->allocate(t->size[0]));
}

/* There, within the backend, and back; the host's array is free as soon as upload returns.  The
 * upload alone is timed. */
static void run_upload(hidi_trial *t)
{
    const size_t n = t->size[0];
    hidi_array *y = hidi_trial_output(t, n), *x, *between;

    if (t->timed) {
        HIDI_BOTH_SIDES (t)
            t->k->upload(AT(y), HIDI_REALS(y), n * sizeof(hidi_real));
        return;
    }
    x = hidi_trial_input(t, n);
    between = hidi_trial_output(t, n);
    HIDI_BOTH_SIDES (t) {
        hidi_real *host = malloc(n * sizeof *host + 1);
        if (host == NULL) {
            t->no_memory = true;
            break;
        }
        memcpy(host, HIDI_REALS(x), n * sizeof *host);
        t->k->upload(AT(between), host, n * sizeof *host);
        memset(host, 0, n * sizeof *host);
        free(host);
        t->k->copy(AT(y), AT(between), n);
    }
    hidi_compare(t, y, 0);
}

static void run_download(hidi_trial *t)
{
    const size_t n = t->size[0];
    hidi_array *x = hidi_trial_input(t, n), *y;

    if (t->timed) {
        HIDI_BOTH_SIDES (t)
            t->k->download(HIDI_REALS(x), AT(x), n * sizeof(hidi_real));
        return;
    }
    y = hidi_trial_output(t, n);
    HIDI_BOTH_SIDES (t) {
        hidi_real *host = malloc(n * sizeof *host + 1);
        if (host == NULL) {
            t->no_memory = true;
            break;
        }
        t->k->download(host, AT(x), n * sizeof *host);
        t->k->upload(AT(y), host, n * sizeof *host);
        free(host);
    }
    hidi_compare(t, y, 0);
}

/* Variants: apart, and overlapping by a little or much, in both directions. */
static void run_copy(hidi_trial *t)
{
    const size_t n = t->size[0], shift = t->variant < 3 ? (size_t)t->variant : n / 2;
    const bool down = t->variant == 4;
    hidi_array *x = t->variant == 0 ? hidi_trial_input(t, n) : hidi_trial_in_out(t, n + shift);
    hidi_array *y = t->variant == 0 ? hidi_trial_output(t, n) : x;

    HIDI_BOTH_SIDES (t)
        t->k->copy(AT(y) + (down ? 0 : shift), AT(x) + (down ? shift : 0), n);
    hidi_compare(t, y, 0);
}

static void run_fill(hidi_trial *t)
{
    const size_t n = t->size[0];
    hidi_array *y = hidi_trial_output(t, n);

    HIDI_BOTH_SIDES (t)
        t->k->fill(AT(y), t->variant ? (hidi_real)-1.75 : 0, n);
    hidi_compare(t, y, 0);
}

/* What lies between the rows of y stays. */
static void run_copy_block(hidi_trial *t)
{
    const size_t rows = t->size[0], n = t->size[1], ldx = n + 1, ldy = n + 3;
    hidi_array *x = hidi_trial_input(t, rows * ldx), *y = hidi_trial_in_out(t, rows * ldy);

    for (size_t i = 0; i < rows && t->beta_given == 0 && !t->no_memory; i++)
        for (size_t j = 0; j < n; j++)
            HIDI_REALS(y)[i * ldy + j] = (hidi_real)NAN;
    HIDI_EACH_SIDE (t)
        t->k->copy_block(AT(y), ldy, t->beta, AT(x), ldx, rows, n);
    hidi_compare(t, y, 2);
}

/* Any bits are a number, or none: half of the elements of x, which lie in its memory. */
static void run_from_bf16(hidi_trial *t)
{
    const size_t rows = t->size[0], n = t->size[1], ldx = n + 1;
    hidi_array *x = hidi_trial_input(t, rows * ldx), *y = hidi_trial_output(t, rows * n);

    HIDI_BOTH_SIDES (t)
        t->k->from_bf16(AT(y), (const hidi_bf16 *)AT(x), ldx, rows, n);
    hidi_compare(t, y, 0);
}

static const hidi_slot_case cases[] = {
    HIDI_CASE(describe, none, 1, false, 0),
    HIDI_CASE(open, none, 1, false, 0),
    HIDI_CASE(check, none, 1, false, 0),
    HIDI_CASE(set_threads, none, 1, false, 0),
    HIDI_CASE(threads, none, 1, false, 0),
    HIDI_CASE(concurrent, none, 1, false, 0),
    HIDI_CASE(large_batches, none, 1, false, 0),
    HIDI_CASE(allocate, lengths, 1, false, 0),
    HIDI_CASE(release, lengths, 1, false, 0),
    HIDI_CASE(upload, lengths, 1, false, 1 << 22),
    HIDI_CASE(download, lengths, 1, false, 1 << 22),
    HIDI_CASE(copy, lengths, 5, false, 1 << 22),
    HIDI_CASE(fill, lengths, 2, false, 1 << 22),
    HIDI_CASE(copy_block, blocks, 1, true, 2048, 1024),
    HIDI_CASE(from_bf16, blocks, 1, false, 2048, 1024)
};

const hidi_case_list hidi_memory_cases = { cases, sizeof cases / sizeof *cases };
