/* net/encoder_secrets.h - inside of the encoder: the secrets of the columns, a group of blocks at a
 * time.
 *
 * round -> add noise -> pack, and the mask columns at the end: k rows of packed elements. The
 * client shares every column twice, so the rounded coordinates are kept in as few bytes as they
 * need (1, 2 or 4 each) when all of them fit a bound; else they are made again, from the same seed
 * to the same bits. Secret: everything but shapes. */
#ifndef VS_NET_ENCODER_SECRETS_H
#define VS_NET_ENCODER_SECRETS_H

#include <stddef.h>
#include <stdint.h>

#include "fl/quantise.h"
#include "mpc/commit.h"
#include "mpc/parallel.h"
#include "net/round.h"

#define VS_BLOCK_COLUMNS VS_CHUNK_ELEMENTS /* 8192: one chunk of a share vector */
/* Elements from row to row of so many blocks: not a power of two, so that rows spread over the sets
 * of the caches. A multiple of 64 bytes. */
#define VS_BLOCKS_STRIDE(blocks) ((size_t)(blocks)*VS_BLOCK_COLUMNS + 72)

#define VS_BLOCK_GROUP_MAX 8u

typedef struct vs_secrets vs_secrets;

/* round and update (round->open.dim doubles) are borrowed; *scale is of that update, or the one of
 * vs_quantise_unclipped if vs_secrets_scan follows. There is place for `group` blocks at once, at
 * most VS_BLOCK_GROUP_MAX. Errors: those of vs_stage_new. */
VS_MUST_CHECK vs_err vs_secrets_new(vs_secrets **out, const vs_round *round,
                                    const uint8_t submission_seed[32], const double *update,
                                    const vs_quantise_scale *scale, uint64_t weight, uint32_t group,
                                    vs_diag *diag);
void vs_secrets_free(vs_secrets *s); /* wipes; NULL is a no-op */
/* Before the first block: metrics of a round that has them; keep coordinates that need at most so
 * many bytes (0 if never said). Where there is no memory for them they are not kept. */
VS_MUST_CHECK vs_err vs_secrets_metrics(vs_secrets *s, const vs_metrics *m, uint64_t weight);
void vs_secrets_keep(vs_secrets *s, uint64_t bytes);
bool vs_secrets_keeps(const vs_secrets *s); /* after the first block */

/* Without rotation and noise, after vs_secrets_keep: scans the update and, while that is in cache,
 * rounds it, if coordinates are kept and the L2 clip lets it. Errors: those of vs_quantise_scan. */
VS_MUST_CHECK vs_err vs_secrets_scan(vs_secrets *s, vs_quantise_scale *scale, const double *update,
                                     uint64_t weight, vs_diag *diag);

uint32_t vs_secrets_blocks(const vs_secrets *s); /* ceil((M + 2) / 8192) */
/* Make blocks first .. first+count-1, count <= group. Errors: VS_ERR_NOMEM. */
VS_MUST_CHECK vs_err vs_secrets_make(vs_secrets *s, uint32_t first, uint32_t count, vs_pool *pool);
/* Secret i + 1 of the columns that were made last. */
const vs_fe *vs_secrets_row(const vs_secrets *s, uint32_t i);

/* The quantised coordinates with metrics and weight digits, L of them. */
VS_MUST_CHECK vs_err vs_secrets_coordinates(vs_secrets *s, uint32_t *coords);
uint64_t vs_secrets_clipped(const vs_secrets *s); /* in the blocks made so far */

#endif /* VS_NET_ENCODER_SECRETS_H */
