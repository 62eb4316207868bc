/* heads.h - discriminators on the tokens of a DiT: AWD and its controls.
 *
 * A head reads the tokens h_1 .. h_N after one block of a backbone, on a noised image:
 *
 *     s_i = score(LN(h_i))                               logit of a token
 *     awd    a_i = softmax_i(<q, W_k LN(h_i)> / sqrt(d)),  D = sum_i a_i s_i   [HD: adaptive weights;
 *                                                                       the form is ours]
 *     gap    a_i = 1/N,                                    D = sum_i a_i s_i
 *     token  a logit per token, each with a loss of its own (like PatchGAN)
 *     conv   two strided 3 x 3 convolutions over the grid of LN(h), mean, score (like DMD2's)
 *
 * Several heads (one a block): the mean of their logits.
 *
 * Parameters of head j (D: backbone's width, d: key width):
 *     heads.j.norm.weight, .bias [D]      the layer norm's affine map
 *     heads.j.score.weight [1, D], .bias  (conv: [1, D/2])
 *     heads.j.key.weight [d, D], heads.j.query [d]                                           (awd)
 *     heads.j.query_map.weight [d, D]     q + W c of the conditioning, if conditional        (awd)
 *     heads.j.conv1.weight [D/2, D, 3, 3], .bias, heads.j.conv2.weight [D/2, D/2, 3, 3], .bias  (conv)
 */
#ifndef HIDI_METHOD_HEADS_H
#define HIDI_METHOD_HEADS_H

#include "../model/dit.h"

typedef enum hidi_head_kind { HIDI_HEAD_AWD, HIDI_HEAD_GAP, HIDI_HEAD_TOKEN, HIDI_HEAD_CONV } hidi_head_kind;

#define HIDI_HEAD_KINDS "awd gap token conv" /* in the order of the enum */

typedef struct hidi_heads_config {
    hidi_head_kind kind;
    int n;                    /* heads, 1 .. HIDI_MAX_TAPS                              */
    int block[HIDI_MAX_TAPS]; /* head j reads the tokens after block[j]; ascending      */
    size_t width;             /* D of the backbone                                      */
    size_t key_width;         /* d (awd)                                                */
    bool conditional;         /* the query depends on the conditioning c (awd)          */
} hidi_heads_config;

typedef struct hidi_heads {
    hidi_heads_config config;
    hidi_params params;
    int first[HIDI_MAX_TAPS]; /* number of each head's first parameter */
} hidi_heads;

typedef struct hidi_head_output {
    hidi_var *logits;                 /* D(x): [B]; token: [B, N]                        */
    hidi_var *weights[HIDI_MAX_TAPS]; /* a: [B, N] per head; NULL: conv, gap, token      */
    hidi_var *scores[HIDI_MAX_TAPS];  /* s: [B, N] per head; NULL: conv                  */
} hidi_head_output;

/* Heads with all parameters 0; the caller destroys them. */
hidi_status hidi_heads_create(hidi_heads **heads, const hidi_backend *backend,
                              const hidi_heads_config *config);
void hidi_heads_destroy(hidi_heads *heads); /* NULL is allowed */

/* Norm 1 and 0; score, key and convolutions N(0, 1 / fan-in); query 0, so that AWD starts as GAP;
 * query_map 0.  seed: as for a DiT. */
hidi_status hidi_heads_initialise(hidi_heads *heads, uint64_t seed);

/* "1,3" -> config->block, n; blocks are 0-based and ascending. */
hidi_status hidi_heads_parse_blocks(const char *text, hidi_heads_config *config);

/* D(z) for the noised images z [B, C, H, W] at t [B], classes y [B] (host).  The backbone's parameters
 * get gradients unless frozen_backbone; the heads' unless frozen_heads; z's always flow. */
hidi_status hidi_heads_forward(hidi_tape *tape, const hidi_heads *heads, bool frozen_heads,
                               const hidi_dit *backbone, bool frozen_backbone, hidi_var *z,
                               hidi_var *t, const int32_t *y, hidi_head_output *output);

/* Files: metadata "format" = "hidi-heads", "kind", "blocks" ("1,3"). */
hidi_status hidi_heads_to_file(const hidi_heads *heads, const char *prefix, hidi_tensor_file *file);
hidi_status hidi_heads_from_file(hidi_heads **heads, const hidi_backend *backend,
                                 const hidi_tensor_file *file);

#endif
