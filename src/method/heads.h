/* heads.h - discriminators on the tokens of a DiT: AWD and its controls.
 *
 * A head reads the tokens h_1 .. h_N after one block of a backbone, on a noised image, and says by
 * its logit D whether the image is real (large) or generated (small).  Each kind is one file, which
 * opens with its formula and its parameters:
 *
 *     awd.c     D(h) = sum_i a_i s_i, with learned weights a_i   [HD: adaptive weights; form: ours]
 *     gap.c     D(h) = mean_i s_i                                control: global average pooling
 *     token.c   D_i(h) = s_i, a loss for each token              control: like PatchGAN
 *     conv.c    strided convolutions over the tokens' grid       control: like DMD2's
 *     top.c     D(h) = mean of the k lowest s_i                  control: max pooling
 *     apt.c     D(h) = f(sum_i a_i x_i), features are pooled     control: like APT's
 *
 * Several heads (one for each block that is read): the mean of their logits.
 *
 * A new kind is a new file that defines its hidi_head (head.h has what such files share), and one
 * line in HIDI_HEAD_LIST.  Settings, files and tests/test_heads.c then know it.
 */
#ifndef HIDI_METHOD_HEADS_H
#define HIDI_METHOD_HEADS_H

#include "../model/dit.h"

/* The kinds: HEAD(number, name) is HIDI_HEAD_<number>, hidi_head_<name>, and "name" in settings and
 * files. */
#define HIDI_HEAD_LIST(HEAD)                                                                       \
    HEAD(AWD, awd)                                                                                 \
    HEAD(GAP, gap)                                                                                 \
    HEAD(TOKEN, token)                                                                             \
    HEAD(CONV, conv)                                                                               \
    HEAD(TOP, top)                                                                                 \
    HEAD(APT, apt)

#define HIDI_HEAD_NUMBER(number, name) HIDI_HEAD_##number,
typedef enum hidi_head_kind { HIDI_HEAD_LIST(HIDI_HEAD_NUMBER) HIDI_HEAD_COUNT } hidi_head_kind;

/* "awd gap token conv top apt" */
#define HIDI_HEAD_WORD(number, name) " " #name
#define HIDI_HEAD_KINDS (&(HIDI_HEAD_LIST(HIDI_HEAD_WORD))[1])

typedef struct hidi_heads_config {
    hidi_head_kind kind;
    int n;                    /* heads, 1 .. HIDI_MAX_TAPS                              */
    int block[HIDI_MAX_TAPS]; /* head j reads the tokens after block[j]; ascending      */
    size_t width;             /* D of the backbone                                      */
    size_t key_width;         /* d (awd, apt)                                           */
    bool conditional;         /* the query depends on the conditioning c (awd, apt)     */
    size_t queries;           /* M (awd, apt); 0: 1                                     */
    double temperature;       /* T of the weights' softmax (awd, apt); 0: 1             */
    double mean;              /* share of 1/N in the weights (awd), 0 .. 1              */
    size_t top;               /* k: how many of the lowest scores count (top); 0: 1     */
} hidi_heads_config;

/* --- one kind --------------------------------------------------------------------------------- */

/* What a head makes of its tokens. */
typedef struct hidi_head_terms {
    hidi_var *logits;  /* D: [B], or with per_token [B, N]                                */
    hidi_var *scores;  /* s: [B, N]; NULL without has_scores                              */
    hidi_var *weights; /* a: [B, N]; NULL without has_weights                             */
} hidi_head_terms;

typedef struct hidi_head_pass hidi_head_pass; /* head.h */

typedef struct hidi_head {
    bool has_scores;  /* tokens have scores s_i of their own                              */
    bool has_weights; /* and learned weights a_i                                          */
    bool per_token;   /* a logit, and so a loss, for each token instead of each image     */
    const char *zero; /* a matrix that is 0 at first, "query_map.weight"; NULL: none      */
    /* Declares the parameters "heads.j. ..." of head j, norm.weight [D] among them. */
    hidi_status (*declare)(hidi_params *params, const hidi_heads_config *config, int j);
    hidi_head_terms (*forward)(const hidi_head_pass *pass);
    /* Fills in what the kind has of its own in the config from a file's tensors; NULL: nothing. */
    hidi_status (*infer)(hidi_heads_config *config, const hidi_tensor_file *file);
} hidi_head;

const hidi_head *hidi_head_of(hidi_head_kind kind);
const char *hidi_head_name(hidi_head_kind kind);

/* --- several heads ---------------------------------------------------------------------------- */

typedef struct hidi_heads {
    hidi_heads_config config;
    hidi_params params;
} hidi_heads;

typedef struct hidi_head_output {
    hidi_var *logits;                 /* the mean of the heads' D: [B]; per_token: [B, N]  */
    hidi_var *weights[HIDI_MAX_TAPS]; /* a: [B, N] per head, or NULL                       */
    hidi_var *scores[HIDI_MAX_TAPS];  /* s: [B, N] per head, or NULL                       */
} hidi_head_output;

/* Heads with all parameters 0; the caller destroys them. */
hidi_status hidi_heads_create(hidi_heads **heads, const hidi_backend *backend,
                              const hidi_heads_config *config);
void hidi_heads_destroy(hidi_heads *heads); /* NULL is allowed */

/* Norms' weights 1, other vectors 0 (AWD's query, too: it starts as GAP), matrices and kernels
 * N(0, 1 / fan-in), but for the kind's `zero`; so are several queries.  seed: as for a DiT. */
hidi_status hidi_heads_initialise(hidi_heads *heads, uint64_t seed);

/* D(z) for the noised images z [B, C, H, W] at t [B], classes y [B] (host).  The parameters of the
 * backbone get gradients unless frozen_backbone, the heads' unless frozen_heads; z always does. */
hidi_status hidi_heads_forward(hidi_tape *tape, const hidi_heads *heads, bool frozen_heads,
                               const hidi_dit *backbone, bool frozen_backbone, hidi_var *z,
                               hidi_var *t, const hidi_condition *y, hidi_head_output *output);

/* The same in two steps, for several discriminators on the same tokens: what heads with this config
 * read, and what they make of it.  side: the tokens form a grid, N = side^2. */
hidi_status hidi_heads_tokens(hidi_tape *tape, const hidi_heads_config *config,
                              const hidi_dit *backbone, bool frozen_backbone, hidi_var *z,
                              hidi_var *t, const hidi_condition *y, hidi_taps *taps);
hidi_status hidi_heads_on_tokens(hidi_tape *tape, const hidi_heads *heads, bool frozen_heads,
                                 const hidi_taps *taps, size_t side, hidi_head_output *output);

/* The mean over the heads of output->weights or output->scores, without gradient: [B, N]; NULL: the
 * kind has none, or an error on the tape. */
hidi_var *hidi_heads_mean_map(hidi_tape *tape, const hidi_heads *heads, hidi_var *const *map);

/* --- text and files (heads_file.c) ------------------------------------------------------------ */

/* "awd", or with options, "awd:queries=4,mean=0.5": sets the kind, and what the options name; those
 * are conditional, queries=M, key_width=d, temperature=T, mean=SHARE and k=TOKENS (of top).  What
 * is not named stays.  HIDI_BAD_ARGUMENT, with what can be given. */
hidi_status hidi_heads_parse_kind(const char *text, hidi_heads_config *config);

/* "1,3" -> config->block, n; blocks are 0-based and ascending. */
hidi_status hidi_heads_parse_blocks(const char *text, hidi_heads_config *config);

/* Files: metadata "format" = "hidi-heads", "kind", "blocks" ("1,3"); and "temperature", "mean",
 * "top" where the config has them. */
hidi_status hidi_heads_to_file(const hidi_heads *heads, const char *prefix, hidi_tensor_file *file);
hidi_status hidi_heads_from_file(hidi_heads **heads, const hidi_backend *backend,
                                 const hidi_tensor_file *file);

#endif
