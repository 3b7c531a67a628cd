/* net/shareholder_impl.h - inside of the shareholder: shared by net/shareholder*.c only.
 *
 * Where state lives. Store keys: "shareholder" (whose store this is), "newest" (newest round whose
 * `open` is stored), "key/<round>" (a round secret may exist), "sweep/<round>" (over, files
 * may remain), "round/<round>/..." with open,
 * client/<key>, header/<submission>, trailer/<submission>, order-vote, list, vote, set, closed,
 * answer, sitout, over, blob/<sha256>; "log/entry/<index>", "log/head", "log/root/<size>",
 * "log/refused/<index>" (blob "refused-<index>"), "log/note"; "evidence/<number>" (blob
 * "evidence-<number>"). Rounds, sizes and indices are 16 hex digits. Blobs:
 * "<round>/uploads/<file>" (sealed chunks, a slot for each client),
 * "<round>/answer", "<round>/sum/<j>". Secrets: "round-<round>" (X25519). */
#ifndef VS_NET_SHAREHOLDER_IMPL_H
#define VS_NET_SHAREHOLDER_IMPL_H

#include <stdbool.h>
#include <stdint.h>

#include "mpc/commit.h"
#include "mpc/proof.h"
#include "net/evidence.h"
#include "net/replay.h"
#include "net/round.h"
#include "net/seal.h"
#include "net/shareholder.h"
#include "net/submission.h"
#include "net/wire.h"

#define SH_SKEW_S 300u          /* our clock against the aggregator's */
#define SH_UPLOADS_MAX 64u      /* uploads with running state in memory */
#define SH_UPLOAD_IDLE_MS 2000u /* one that waits so long may lose its place: it is rebuilt */
#define SH_KEPT_BYTES_MAX (UINT32_C(64) << 20)  /* opened shares of running uploads, together */
#define SH_SUM_SLICE_BYTES (UINT32_C(16) << 20) /* of shares added to the sum in one step */
#define SH_SUM_SLICE_CLIENTS 16u                /* of these shares at most */
#define SH_KEYS_MAX 16u        /* round keys handed out for rounds that are not open */
#define SH_LOG_BATCH_MAX 4096u /* entries in one message */
#define SH_SECRET_BYTES 32u    /* X25519 */
#define SH_EVIDENCE_MAX 65536u /* kept in all */
#define SH_EVIDENCE_PIECE (UINT32_C(2) << 20) /* bytes of it in one reply */
#define SH_RECORDS_MAX                                                                             \
    (VS_WIRE_BODY_MAX / VS_RECORD_BYTES) /* included and rejected in a vote message */

/* --- a client of the round -----------------------------------------------------------------------
 */

typedef enum sh_client_state {
    SH_UPLOADING = 1,
    SH_ACCEPTED, /* durable, receipt may be out */
    SH_REJECTED, /* reason says why */
} sh_client_state;

typedef struct sh_client {
    vs_h32 key, submission, pseudonym;
    vs_h32 manifest_hash, commit_root; /* once accepted */
    sh_client_state state;
    vs_reject reason;
    bool twice;  /* signed two different submissions: evidence is stored, left out of the list */
    bool in_sum; /* its share is in the running sum */
    bool broken; /* its stored bytes do not open c_j any more */
    uint32_t file, slot; /* where its sealed chunks are */
} sh_client;

/* An upload that is running: rebuilt from the stored chunks when it is not in memory. In
 * sodium_malloc memory. */
typedef struct sh_upload {
    uint32_t client;
    vs_h32 submission, ctx, commitment;
    vs_seal *seal;
    uint32_t next; /* chunk wanted; all before it are stored and were fed */
    uint8_t nonce[VS_NONCE_BYTES];
    vs_share_root root;
    vs_h32 seed_root; /* R_j of a seed share */
    vs_proof_acc proof;
    uint64_t used_ms;
    vs_fe
        *kept; /* the opened share so far, wiped at the end; NULL where SH_KEPT_BYTES_MAX is used */
    size_t kept_bytes;
} sh_upload;

/* Sum of accepted shares. It has M columns: mask columns have no place in it. */
typedef struct sh_sum {
    vs_fe *column;    /* sodium_malloc; NULL: not there, made when needed */
    uint32_t columns; /* M */
    uint32_t n_in;    /* clients in it */
    uint32_t next;    /* no client before this one is to be added or subtracted */
    bool stuck;       /* the round's secret is gone: nothing opens any more */
    bool *goal;       /* by client: in U; NULL: every accepted client is to be in the sum */
} sh_sum;

/* The newest round whose `open` we took. */
typedef struct sh_round {
    vs_round round;
    vs_h32 prev;     /* that its entries carry */
    vs_buf open;     /* exact envelope */
    bool is_seed;    /* our shares are seeds (j <= t) */
    uint32_t chunks; /* of a sealed share */
    bool over;       /* final in the log, expired, or a later round is open */
    bool sit_out;    /* the log holds a statement of ours that we do not remember */
    bool frozen;
    bool closed;
    bool answered;
    vs_buf vote; /* empty, or proposal and signature */
    vs_buf list; /* frozen: count records */
    vs_h32 list_root;
    uint8_t list_sig[64];
    sh_client *client;
    uint32_t n_clients, cap_clients;
    uint32_t *by_key, *by_submission; /* positions in client, sorted */
    uint32_t n_accepted, n_rejected, n_broken;
    uint32_t next_file, next_slot; /* of the next client's chunks */
    sh_sum sum;
} sh_round;

struct vs_shareholder {
    const vs_federation *fed;
    const vs_keys *keys;
    vs_store store;
    vs_rng rng;
    uint32_t j;
    uint64_t now_ms, now_s;
    uint64_t newest; /* round of `round`, 0 if none */
    bool sweeping;   /* "sweep/..." may hold something */
    sh_round *round;
    uint64_t key[SH_KEYS_MAX]; /* rounds that may have a secret */
    uint32_t n_keys;
    sh_upload *upload[SH_UPLOADS_MAX];
    uint64_t n_evidence;
    void (*notice)(void *ctx, const char *text); /* may be NULL */
    void *notice_ctx;
    size_t kept_bytes; /* of all uploads */
    vs_replay *log;    /* what we cosigned */
    vs_replay *ahead;  /* the same and the entries that were pushed since */
    uint8_t *plain;    /* VS_SEAL_CHUNK_MAX, sodium_malloc */
    vs_fe *elements;   /* VS_CHUNK_ELEMENTS, sodium_malloc */
    vs_buf sealed;     /* one stored chunk */
};

/* --- store (shareholder_store.c) -----------------------------------------------------------------
 */

#define SH_NAME_CHARS 128u
typedef struct sh_name {
    char text[SH_NAME_CHARS];
} sh_name;

/* "round/<round>/<what>", with "/<hex of id>" when id is not NULL. */
sh_name vs_sh_key(uint64_t round, const char *what, const vs_h32 *id);
sh_name vs_sh_key_at(const char *what, uint64_t number); /* "<what>/<number>" */
sh_name vs_sh_blob_name(uint64_t round, const char *what, const vs_h32 *id);
sh_name vs_sh_sum_name(uint64_t round, uint32_t j);
vs_store_item vs_sh_item(const sh_name *key, const void *value, size_t len);

VS_MUST_CHECK vs_err vs_sh_put(vs_shareholder *sh, const vs_store_item *items, size_t n,
                               vs_diag *diag);
/* *out is reset first. */
VS_MUST_CHECK vs_err vs_sh_get(vs_shareholder *sh, const sh_name *key, vs_buf *out, bool *found,
                               vs_diag *diag);
VS_MUST_CHECK vs_err vs_sh_has(vs_shareholder *sh, const sh_name *key, bool *found, vs_diag *diag);
/* Delete the first keys with this prefix, a bounded number; `before` is called for each, if there.
 * *more: there are others. */
typedef vs_err (*sh_each)(vs_shareholder *sh, const char *key, vs_diag *diag);
VS_MUST_CHECK vs_err vs_sh_delete_some(vs_shareholder *sh, const char *prefix, sh_each before,
                                       bool *more, vs_diag *diag);

/* --- replies (shareholder.c) ---------------------------------------------------------------------
 */

VS_MUST_CHECK vs_err vs_sh_ok(vs_buf *reply);
VS_MUST_CHECK vs_err vs_sh_progress(vs_buf *reply, uint64_t next, uint64_t total);
/* The newest round if it is `round` and open is stored; else NULL, and the Error reply is written
 * with its outcome in *err. */
sh_round *vs_sh_active(vs_shareholder *sh, uint64_t round, vs_buf *reply, vs_err *err);
/* Is the body signed by the aggregator as this order (docs/WIRE.md)? *body_len loses the signature.
 * False: the Error reply is written with its outcome in *err. */
bool vs_sh_is_order(vs_shareholder *sh, vs_order order, const vs_request *req, size_t *body_len,
                    vs_buf *reply, vs_err *err);
/* Code of a reply for a peer's fault. */
vsw_Code vs_sh_code(vs_err err);
/* True for errors of the machine, which are passed up. */
bool vs_sh_is_fatal(vs_err err);

/* --- rounds (shareholder_round.c) ----------------------------------------------------------------
 */

VS_MUST_CHECK vs_err vs_sh_load(vs_shareholder *sh, vs_diag *diag);
VS_MUST_CHECK vs_err vs_sh_round_secret(vs_shareholder *sh, uint64_t round, vs_buf *secret,
                                        bool *found, vs_diag *diag);
VS_MUST_CHECK vs_err vs_sh_erase_secret(vs_shareholder *sh, uint64_t round, vs_diag *diag);
/* The round is over: secret and running sum go at once, which makes the submissions unreadable;
 * these are swept away. Vote, statements, answer and evidence stay. Idempotent. */
VS_MUST_CHECK vs_err vs_sh_finish(vs_shareholder *sh, uint64_t round, vs_diag *diag);
/* Remove some files and records of rounds that are over: a little in every step, because removing
 * a file durably takes milliseconds and a round has many. */
VS_MUST_CHECK vs_err vs_sh_sweep(vs_shareholder *sh, vs_diag *diag);
VS_MUST_CHECK vs_err vs_sh_expire(vs_shareholder *sh, vs_diag *diag);
void vs_sh_round_free(sh_round *r);

/* --- clients and uploads (shareholder_upload.c) --------------------------------------------------
 */

sh_client *vs_sh_client_by_key(sh_round *r, const vs_h32 *key);
sh_client *vs_sh_client_by_submission(sh_round *r, const vs_h32 *submission);
VS_MUST_CHECK vs_err vs_sh_client_add(sh_round *r, const sh_client *c);
/* Durable record of a client; more may be put in the same batch. */
#define SH_CLIENT_BYTES 140u
#define SH_CLIENT_FILE_AT 132u /* u32 file, u32 slot */
void vs_sh_client_encode(uint8_t out[SH_CLIENT_BYTES], const sh_client *c);
VS_MUST_CHECK vs_err vs_sh_clients_load(vs_shareholder *sh, sh_round *r, vs_diag *diag);
/* Stored header of a submission: header | client signature | enrolment signature. */
VS_MUST_CHECK vs_err vs_sh_header_load(vs_shareholder *sh, const vs_h32 *submission, vs_buf *bytes,
                                       vs_header *h, vs_diag *diag);

/* Many clients share a file, because a file that is synced once costs the same for many: client c's
 * chunks are in slot c->slot of blob c->file, all slots of a round have the same length. */
#define SH_UPLOAD_FILE_BYTES (UINT64_C(1) << 30)    /* about; at least one slot */
void vs_sh_client_place(sh_round *r, sh_client *c); /* give a new client its slot */
typedef struct sh_place {
    sh_name blob;
    uint64_t offset;
} sh_place;
sh_place vs_sh_chunk_place(const vs_shareholder *sh, const sh_client *c, uint32_t chunk);
sh_name vs_sh_uploads_name(uint64_t round, uint32_t file);
size_t vs_sh_chunk_len(const sh_round *r, uint32_t chunk); /* sealed */
/* The running state of this client's upload, rebuilt if needed. *out NULL and VS_OK: every place
 * is taken. */
VS_MUST_CHECK vs_err vs_sh_upload_get(vs_shareholder *sh, sh_client *c, sh_upload **out,
                                      vs_diag *diag);
void vs_sh_upload_drop(vs_shareholder *sh, const sh_client *c); /* NULL: all */
void vs_sh_upload_expire(vs_shareholder *sh);
/* Next chunk (up->next): VS_ERR_PROOF it does not open, VS_ERR_MALFORMED an element is not
 * canonical. On VS_OK it was fed and next moved. */
VS_MUST_CHECK vs_err vs_sh_upload_feed(vs_shareholder *sh, sh_upload *up, const uint8_t *sealed,
                                       size_t len);

/* --- sum (shareholder_sum.c) ---------------------------------------------------------------------
 */

void vs_sh_sum_wipe(sh_round *r);
/* Add one accepted client: from what its upload kept in memory (NULL: nothing), else from the
 * stored bytes. Trouble with those drops the running sum, nothing else. */
VS_MUST_CHECK vs_err vs_sh_sum_include(vs_shareholder *sh, sh_client *c, const sh_upload *up,
                                       vs_diag *diag);
/* True while shares wait to be added (after a restart) or left out: vs_sh_sum_slice does some. */
bool vs_sh_sum_is_behind(const sh_round *r);
VS_MUST_CHECK vs_err vs_sh_sum_slice(vs_shareholder *sh, vs_diag *diag);
/* Make the sum that of exactly these n records, a slice at a time: *left clients are still to be
 * added or subtracted. *missing: a record is not held, or its stored bytes no longer open to c_j;
 * there is no sum then. */
VS_MUST_CHECK vs_err vs_sh_sum_exactly(vs_shareholder *sh, const uint8_t *records, uint32_t n,
                                       bool *missing, uint32_t *left, vs_diag *diag);

/* --- set (shareholder_set.c) ---------------------------------------------------------------------
 */

/* Decode "round/<round>/vote". */
VS_MUST_CHECK vs_err vs_sh_vote_parse(vs_proposal *p, uint8_t sig[64], const vs_buf *stored);
VS_MUST_CHECK vs_err vs_sh_list_load(vs_shareholder *sh, sh_round *r, vs_diag *diag);

/* --- log (shareholder_log.c) ---------------------------------------------------------------------
 */

VS_MUST_CHECK vs_err vs_sh_log_load(vs_shareholder *sh, vs_diag *diag);
/* Is (size, root) what we followed? If it is ahead of what we cosigned, it becomes durable. */
VS_MUST_CHECK vs_err vs_sh_log_reach(vs_shareholder *sh, uint64_t size, const vs_h32 *root,
                                     bool *ours, vs_diag *diag);

/* --- evidence (shareholder_evidence.c) -----------------------------------------------------------
 */

VS_MUST_CHECK vs_err vs_sh_evidence_load(vs_shareholder *sh, vs_diag *diag);
/* A second header (body of submit_begin), a second trailer (body of submit_finish) of a client. */
VS_MUST_CHECK vs_err vs_sh_accuse_header(vs_shareholder *sh, const sh_client *c,
                                         const uint8_t *begin, size_t len, vs_diag *diag);
VS_MUST_CHECK vs_err vs_sh_accuse_proof(vs_shareholder *sh, const sh_client *c,
                                        const uint8_t *trailer, size_t len, vs_diag *diag);
/* A whole upload that opens its commitment and fails the proof of this signed trailer. */
VS_MUST_CHECK vs_err vs_sh_accuse_share(vs_shareholder *sh, const sh_client *c, sh_upload *up,
                                        const uint8_t *trailer, size_t len, vs_diag *diag);
/* What cannot be proven to others is a statement of ours. */
VS_MUST_CHECK vs_err vs_sh_complain(vs_shareholder *sh, const sh_client *c, vs_reject reason,
                                    vs_diag *diag);
/* Two envelopes of the aggregator, if they contradict each other. */
VS_MUST_CHECK vs_err vs_sh_accuse_entries(vs_shareholder *sh, const uint8_t *first,
                                          size_t first_len, const uint8_t *second,
                                          size_t second_len, vs_diag *diag);
/* An order to vote whose signature is right: the first is kept, another one is evidence. */
VS_MUST_CHECK vs_err vs_sh_note_proposal(vs_shareholder *sh, const vs_request *req, size_t body_len,
                                         vs_diag *diag);
/* A checkpoint that the log signed and that is not of what we cosigned. */
VS_MUST_CHECK vs_err vs_sh_accuse_log(vs_shareholder *sh, const vs_checkpoint *c,
                                      const uint8_t *note, size_t len, vs_diag *diag);
VS_MUST_CHECK vs_err vs_sh_note_checkpoint(vs_shareholder *sh, const uint8_t *note, size_t len,
                                           size_t text_len, vs_diag *diag);

/* --- requests: each writes exactly one reply -----------------------------------------------------
 */

typedef vs_err (*sh_handler)(vs_shareholder *sh, const vs_request *req, vs_buf *reply,
                             vs_diag *diag);
VS_MUST_CHECK vs_err vs_sh_on_round_key(vs_shareholder *, const vs_request *, vs_buf *, vs_diag *);
VS_MUST_CHECK vs_err vs_sh_on_open(vs_shareholder *, const vs_request *, vs_buf *, vs_diag *);
VS_MUST_CHECK vs_err vs_sh_on_begin(vs_shareholder *, const vs_request *, vs_buf *, vs_diag *);
VS_MUST_CHECK vs_err vs_sh_on_chunk(vs_shareholder *, const vs_request *, vs_buf *, vs_diag *);
VS_MUST_CHECK vs_err vs_sh_on_submitted(vs_shareholder *, const vs_request *, vs_buf *, vs_diag *);
VS_MUST_CHECK vs_err vs_sh_on_list(vs_shareholder *, const vs_request *, vs_buf *, vs_diag *);
VS_MUST_CHECK vs_err vs_sh_on_vote(vs_shareholder *, const vs_request *, vs_buf *, vs_diag *);
VS_MUST_CHECK vs_err vs_sh_on_close(vs_shareholder *, const vs_request *, vs_buf *, vs_diag *);
VS_MUST_CHECK vs_err vs_sh_on_entries(vs_shareholder *, const vs_request *, vs_buf *, vs_diag *);
VS_MUST_CHECK vs_err vs_sh_on_cosign(vs_shareholder *, const vs_request *, vs_buf *, vs_diag *);
VS_MUST_CHECK vs_err vs_sh_on_evidence(vs_shareholder *, const vs_request *, vs_buf *, vs_diag *);
VS_MUST_CHECK vs_err vs_sh_on_sum_share(vs_shareholder *, const vs_request *, vs_buf *, vs_diag *);
VS_MUST_CHECK vs_err vs_sh_on_answer(vs_shareholder *, const vs_request *, vs_buf *, vs_diag *);
VS_MUST_CHECK vs_err vs_sh_on_answer_chunk(vs_shareholder *, const vs_request *, vs_buf *,
                                           vs_diag *);

#endif /* VS_NET_SHAREHOLDER_IMPL_H */
