/* net/claim.h - a client shows which pseudonyms were its own.
 *
 * The ledger holds a pseudonym for each submission, H(label | federation | round | client key |
 * salt), and nothing that ties two of them together. A claim gives the salts: whoever reads it
 * learns which submissions were this key's. It is signed, and says for whom it was made. File: JSON
 * {"veilsum_claim": 1, "federation": hex, "client": base64, "for": text,
 *  "submissions": [{"round", "salt": hex}], "signature": base64}; signed bytes: docs/WIRE.md. */
#ifndef VS_NET_CLAIM_H
#define VS_NET_CLAIM_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "mpc/commit.h"
#include "net/federation.h"
#include "net/keys.h"
#include "net/store.h"

#define VS_CLAIM_MAX 100000u          /* submissions of one claim */
#define VS_CLAIM_FOR_MAX 200u         /* bytes of the text */
#define VS_CLAIM_FILE_MAX (16u << 20) /* bytes */

typedef struct vs_claim_item {
    uint64_t round;
    vs_h32 salt;
    vs_h32 pseudonym; /* derived */
} vs_claim_item;

typedef struct vs_claim_file {
    vs_h32 federation_id, client_key;
    char reader[VS_CLAIM_FOR_MAX + 1]; /* for whom */
    vs_claim_item *item;               /* owned; ascending rounds */
    uint32_t n;
} vs_claim_file;

void vs_claim_free(vs_claim_file *claim);

/* What the client's store keeps of each submission that was sent: under key a value. */
#define VS_CLAIM_KEY_CHARS 40u
void vs_claim_key(char out[VS_CLAIM_KEY_CHARS], uint64_t round);
void vs_claim_value(vs_buf *out, const vs_round_id *id, const vs_h32 *salt);

/* Append the file's text: every submission to this federation that the store knows. VS_ERR_STATE:
 * none; VS_ERR_LIMIT: more than VS_CLAIM_MAX, or reader is empty, too long or has a control
 * character. */
VS_MUST_CHECK vs_err vs_claim_make(vs_buf *out, const vs_h32 *federation_id, const vs_keys *keys,
                                   const vs_store *store, const char *reader, vs_diag *diag);
/* Shape, order and signature; name is for messages. On VS_OK the caller owns *out, else it is zero.
 */
VS_MUST_CHECK vs_err vs_claim_parse(vs_claim_file *out, const uint8_t *bytes, size_t len,
                                    const char *name, vs_diag *diag);

#endif /* VS_NET_CLAIM_H */
