/* ledger/note.h - C2SP signed notes, their keys, checkpoints and cosignatures.
 *
 * Sources: C2SP signed-note, tlog-checkpoint, tlog-cosignature (see docs/LEDGER.md).
 * Secret: seeds only. */
#ifndef VS_LEDGER_NOTE_H
#define VS_LEDGER_NOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define VS_NOTE_MAX_BYTES 131072u   /* 128 KiB */
#define VS_NOTE_SIGNATURES_MAX 160u /* accepted in one note; C2SP asks for at least 16 */
#define VS_NOTE_NAME_MAX 255u       /* bytes of a key name */
#define VS_VKEY_CHARS 384u          /* text of a verifier key, with the final zero */

enum { VS_NOTE_ED25519 = 0x01, VS_NOTE_COSIGNATURE = 0x04 };

/* A verifier key: name+hex8+base64(type || public key). */
typedef struct vs_note_key {
    char name[VS_NOTE_NAME_MAX + 1];
    uint32_t id; /* first 4 bytes of SHA256(name || 0x0A || type || public key), big-endian */
    uint8_t type;
    vs_h32 public_key;
} vs_note_key;

/* Name rules: not empty, no '+', no Unicode white space, valid UTF-8, at most 255 bytes. */
VS_MUST_CHECK vs_err vs_note_key_make(vs_note_key *out, const char *name, uint8_t type,
                                      const vs_h32 *public_key, vs_diag *diag);
VS_MUST_CHECK vs_err vs_note_key_parse(vs_note_key *out, const char *vkey, vs_diag *diag);
void vs_note_key_format(char out[VS_VKEY_CHARS], const vs_note_key *key);

/* --- notes ------------------------------------------------------------------------------------ */

/* Which keys signed. text_len: bytes of the signed text (with its final LF) in the note. */
typedef struct vs_note_result {
    size_t text_len;
    uint32_t n_verified;
    uint64_t verified_time[VS_NOTE_SIGNATURES_MAX]; /* cosignature time by key position, else 0 */
    bool verified[VS_NOTE_SIGNATURES_MAX];          /* by position in keys[] */
} vs_note_result;

/* Verify a note against known keys (n_keys <= VS_NOTE_SIGNATURES_MAX). Unknown keys are ignored;
 * a known key whose signature fails makes the whole note VS_ERR_PROOF, as does no verified
 * signature at all; duplicates count once; not a note at all is VS_ERR_MALFORMED. */
VS_MUST_CHECK vs_err vs_note_verify(vs_note_result *out, const uint8_t *note, size_t len,
                                    const vs_note_key *keys, uint32_t n_keys, vs_diag *diag);

/* Append "text, blank line, one signature line" to out. text ends in LF. seed is the Ed25519 seed
 * of `key` (type 0x01). */
VS_MUST_CHECK vs_err vs_note_sign(vs_buf *out, const char *text, size_t text_len,
                                  const vs_note_key *key, const uint8_t seed[32]);
/* Append one signature line (with the em dash and LF) for any key type; sig_len bytes. */
VS_MUST_CHECK vs_err vs_note_add_line(vs_buf *note, const vs_note_key *key, const uint8_t *sig,
                                      size_t sig_len);

/* --- checkpoints ------------------------------------------------------------------------------ */

typedef struct vs_checkpoint {
    char origin[VS_NOTE_NAME_MAX + 1];
    uint64_t size;
    vs_h32 root;
} vs_checkpoint;

/* "origin LF size LF base64(root) LF"; extension lines are accepted and ignored when parsing. */
VS_MUST_CHECK vs_err vs_checkpoint_parse(vs_checkpoint *out, const uint8_t *text, size_t len,
                                         vs_diag *diag);
VS_MUST_CHECK vs_err vs_checkpoint_format(vs_buf *out, const vs_checkpoint *c);

/* --- cosignature/v1 --------------------------------------------------------------------------- */

#define VS_COSIGNATURE_BYTES 72u /* u64 big-endian time, Ed25519 signature */

/* Sign "cosignature/v1\ntime <t>\n" || note text (the text that ends before the blank line). */
void vs_cosign(uint8_t out[VS_COSIGNATURE_BYTES], const char *text, size_t text_len,
               uint64_t unix_time_s, const uint8_t seed[32]);
VS_MUST_CHECK vs_err vs_cosign_verify(const uint8_t sig[VS_COSIGNATURE_BYTES], const char *text,
                                      size_t text_len, const vs_note_key *key);

#endif /* VS_LEDGER_NOTE_H */
