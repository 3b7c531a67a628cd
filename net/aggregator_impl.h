/* net/aggregator_impl.h - the inside of the aggregator, shared by the net/aggregator*.c files only.
 *
 * One round at a time. What is durable is the log (open, set, answers, result or abort) and, while
 * a round runs, a few store keys: "request" (a round that was asked for and is not open yet),
 * "round/<number>/..." (manifests, end of collection, proposal, closing, answers). Everything else
 * here is rebuilt from them, so a process that dies at any point goes on.
 *
 * Every shareholder has at most one request of ours outstanding. vs_ag_pump looks at the phase,
 * moves it when its condition holds, and gives every idle shareholder its next request. */
#ifndef VS_NET_AGGREGATOR_IMPL_H
#define VS_NET_AGGREGATOR_IMPL_H

#include <stdbool.h>
#include <stdint.h>

#include "ledger/dsse.h"
#include "ledger/entry.h"
#include "net/aggregator.h"
#include "net/budget.h"
#include "net/keyring.h"
#include "net/round.h"
#include "net/seal.h"
#include "net/submission.h"
#include "net/wire.h"

#define VS_AG_GRACE_MS 2000u                /* for stragglers once enough have answered */
#define VS_AG_OPENING_MS 15000u             /* to collect round keys */
#define VS_AG_BACKOFF_MIN_MS 250u           /* first pause after a failure, doubled each time */
#define VS_AG_BACKOFF_MAX_MS 8000u          /* while a phase waits for the answer */
#define VS_AG_SHORT_TIMEOUT_MS 5000u        /* requests that are answered at once */
#define VS_AG_LONG_TIMEOUT_MS 60000u        /* requests that make a shareholder compute */
#define VS_AG_BATCH_BYTES 262144u           /* of log entries in one request */
#define VS_AG_PIECE_BYTES 524288u           /* of a sum share in one request */
#define VS_AG_BLOB_PAGE 1048576u            /* of a blob in one reply */
#define VS_AG_MODEL_MAX (UINT64_C(1) << 31) /* bytes of a model file */
#define VS_AG_MODELS_KEPT 4u

typedef enum ag_op {
    AG_NONE,
    AG_STATUS,
    AG_ROUND_KEY,
    AG_OPEN,
    AG_LIST,
    AG_VOTE,
    AG_LOG_ENTRIES,
    AG_SUM_SHARE,
    AG_COSIGN,
    AG_ANSWER,
    AG_ANSWER_CHUNK,
    AG_CLOSE,
    AG_EVIDENCE,
} ag_op;

/* A shareholder as the aggregator sees it. */
typedef struct ag_peer {
    /* the request that is out */
    ag_op op;     /* AG_NONE: idle */
    uint64_t tag; /* of op */
    uint64_t retry_ms;
    uint32_t backoff_ms;
    /* this phase */
    bool done, failed;
    bool behind; /* it lacks log entries: bring it up to date before the next try */
    /* its log */
    bool log_known;
    uint64_t log_next;      /* entries it has */
    uint64_t sent_size;     /* of the checkpoint in the cosign request */
    uint64_t cosigned_size; /* the largest checkpoint of ours that it cosigned */
    bool forked;            /* says that it knows a larger log: this one may be an old copy */
    uint64_t share_entry;   /* log index of the result whose sum shares it gets, or got */
    uint32_t share_answer;  /* position in that result's answers; = n_answers: has them all */
    uint64_t share_offset;
    /* this round */
    bool listed; /* in `open` */
    vs_h32 round_key;
    uint8_t round_key_sig[64];
    bool opened;   /* has the `open` envelope */
    uint8_t *list; /* records, owned */
    uint32_t n_list;
    uint8_t vote[64];
    vs_buf closed; /* envelope */
    /* evidence that it keeps */
    uint64_t evidence_next; /* number of the first that we did not take */
    bool evidence_done;     /* this phase: it has no more */
    /* answer */
    vs_buf answer; /* envelope */
    vs_h32 answer_hash;
    vs_seal *seal;
    uint32_t next_chunk;
    vs_hash plain_hash;
} ag_peer;

typedef struct ag_manifest {
    vs_h32 client_key;
    vs_record record;
    bool duplicate; /* the client signed another manifest too */
} ag_manifest;

/* Where an entry stands in the log. */
typedef struct ag_entry {
    uint64_t round;
    vs_entry_kind kind;
} ag_entry;

/* What control_open asked for; durable as "request" until the round is open. */
typedef struct ag_request {
    uint64_t round;
    uint32_t dim, target_clients, collect_s;
    vs_h32 model_hash;
} ag_request;

typedef struct ag_upload {
    bool active;
    vs_h32 name;
    uint64_t next, total;
    vs_hash hash;
} ag_upload;

struct vs_aggregator {
    const vs_federation *fed;
    const vs_keys *keys;
    vs_log *log;
    vs_store store;
    vs_rng rng;
    void (*notice)(void *ctx, const char *text);
    void *notice_ctx;
    /* of the step that runs */
    uint64_t now_ms;
    vs_outbox *out;
    vs_diag *diag;

    uint64_t last_tag;
    ag_entry *entries; /* one per log entry */
    size_t n_entries, cap_entries;
    vs_h32 prev;
    uint64_t last_round;             /* the newest one in the log, 0 if none */
    vs_keyring ring;                 /* what key entries did */
    uint32_t evidence_from;          /* the shareholder whose evidence is under way, 0: none */
    vs_buf evidence;                 /* so far */
    bool own_logged;                 /* this phase */
    uint32_t n_proofs, n_statements; /* logged since the round was opened */

    vsw_Phase phase;
    uint64_t phase_ms;  /* when it began here */
    uint64_t enough_ms; /* when its condition was first met, 0 before */
    ag_request request; /* OPENING */
    vs_budget budget;   /* of rounds 1..budget_round; vs_ag_budget brings it up to date */
    uint64_t budget_round;
    char detail[VS_ENTRY_DETAIL_MAX + 100];

    /* the newest round of the log */
    vs_round round;
    uint64_t collected_ms;  /* when collection ended, 0 before */
    ag_manifest *manifests; /* ascending client_key */
    uint32_t n_manifests, cap_manifests;
    uint32_t included; /* |U| once fixed */
    bool proposed;
    vs_proposal proposal;
    vs_h32 records_blob, rejected_blob;
    vs_buf vote_body;                 /* proposal, records, rejected records */
    bool covers[VS_SHAREHOLDERS_MAX]; /* [j-1]: its list covers U */
    vs_abort_reason closing_reason;
    bool closing_not_voting[VS_SHAREHOLDERS_MAX];
    bool set_logged, answers_logged;
    uint32_t tried_answers; /* so many gave no result, 0: not tried */
    uint64_t set_index;
    vs_h32 set_leaf;
    uint8_t round_secret[32];    /* X25519; wiped at the end of the round */
    uint64_t share_result_index; /* cache for publishing: log index of .share_result, 0 = none */
    vs_entry_result share_result;
    uint64_t share_result_round;

    ag_upload upload;
    ag_peer peer[VS_SHAREHOLDERS_MAX + 1]; /* [j]; [0] is not used */
};

typedef struct vs_aggregator ag_t;

/* --- aggregator.c ----------------------------------------------------------------------------- */

void vs_ag_notice(ag_t *ag, const char *fmt, ...) VS_PRINTF(2, 3);
/* Enter a phase: shareholders forget what they did in the last one, replies under way are void. */
void vs_ag_enter(ag_t *ag, vsw_Phase phase);
/* Send to shareholder j; its outstanding request must be none. */
VS_MUST_CHECK vs_err vs_ag_send(ag_t *ag, uint32_t j, ag_op op, vsw_Request *head, const void *body,
                                size_t body_len, uint32_t timeout_ms);
void vs_ag_peer_ok(ag_peer *p);              /* the last request went well */
void vs_ag_peer_retry(ag_t *ag, uint32_t j); /* it did not: again after a pause */
/* Lost for this phase, with a notice that says why. */
void vs_ag_peer_fail(ag_t *ag, uint32_t j, const char *fmt, ...) VS_PRINTF(3, 4);
/* An Error reply: fail or retry, as its code says. */
void vs_ag_peer_error(ag_t *ag, uint32_t j, const vsw_Error *error);
uint32_t vs_ag_count_done(const ag_t *ag);
/* True while a shareholder that matters to this phase may still answer. listed_only: those of
 * `open`. */
bool vs_ag_any_waiting(const ag_t *ag, bool listed_only);
/* True once `met` has held for VS_AG_GRACE_MS. */
bool vs_ag_grace_over(ag_t *ag, bool met);
vs_round_id vs_ag_id(const ag_t *ag, uint64_t round);

/* --- aggregator_log.c ------------------------------------------------------------------------- */

/* Index the log and derive the phase from it and the store. */
VS_MUST_CHECK vs_err vs_ag_restore(ag_t *ag);
/* Fill origin, federation, round and prev of an entry of the current round. */
void vs_ag_entry_begin(const ag_t *ag, vs_entry *entry, vs_entry_kind kind, uint64_t round);
/* Sign with the identity key; append the envelope. */
/* Append our signature of this order over what is in body. */
VS_MUST_CHECK vs_err vs_ag_order_sign(const ag_t *ag, vs_order order, vs_buf *body);
VS_MUST_CHECK vs_err vs_ag_entry_sign(ag_t *ag, vs_buf *envelope, const vs_entry *entry);
/* Durable append of n envelopes of this round; *leaf (may be NULL) is the last one's leaf hash. */
VS_MUST_CHECK vs_err vs_ag_append(ag_t *ag, uint64_t round, const vs_entry_kind *kinds,
                                  const vs_bytes *envelopes, uint32_t n, vs_h32 *leaf);
/* Log index of the nth entry of a kind in a round; false if there is none. */
bool vs_ag_find(const ag_t *ag, uint64_t round, vs_entry_kind kind, uint32_t nth, uint64_t *index);
/* Read and decode entry `index`; its envelope is appended to *envelope when not NULL. */
VS_MUST_CHECK vs_err vs_ag_read_entry(ag_t *ag, uint64_t index, vs_entry *entry, vs_buf *envelope);
/* ag->budget from the log, up to the last round (which is over). */
VS_MUST_CHECK vs_err vs_ag_budget(ag_t *ag);
/* "round/00000007/<rest>" */
void vs_ag_key(char out[VS_STORE_NAME_MAX + 1], uint64_t round, const char *rest);
VS_MUST_CHECK vs_err vs_ag_put(ag_t *ag, const char *key, const void *value, size_t len);
VS_MUST_CHECK vs_err vs_ag_get(ag_t *ag, const char *key, vs_buf *value, bool *found);
/* A blob of the log, whole (at most max bytes), appended to *out. */
VS_MUST_CHECK vs_err vs_ag_blob_read(ag_t *ag, const vs_h32 *name, size_t max, vs_buf *out);

/* --- aggregator_open.c: control_open, OPENING ------------------------------------------------- */

VS_MUST_CHECK vs_err vs_ag_open_request(ag_t *ag, uint64_t conn, const vsw_ControlOpen *m);
VS_MUST_CHECK vs_err vs_ag_open_restore(ag_t *ag);
/* Cancel before `open` is logged: nothing has happened. */
VS_MUST_CHECK vs_err vs_ag_open_cancel(ag_t *ag);
VS_MUST_CHECK vs_err vs_ag_open_next(ag_t *ag, uint32_t j);
VS_MUST_CHECK vs_err vs_ag_open_reply(ag_t *ag, uint32_t j, const vs_reply *reply);
VS_MUST_CHECK vs_err vs_ag_open_advance(ag_t *ag, bool *moved);

/* --- aggregator_collect.c: COLLECT, LISTING --------------------------------------------------- */

VS_MUST_CHECK vs_err vs_ag_collect_restore(ag_t *ag);
VS_MUST_CHECK vs_err vs_ag_manifest(ag_t *ag, uint64_t conn, uint64_t round, const uint8_t *body,
                                    size_t len);
/* Send the `open` envelope to shareholder j. */
VS_MUST_CHECK vs_err vs_ag_send_open(ag_t *ag, uint32_t j);
/* End collection now (durable), and go to LISTING. */
VS_MUST_CHECK vs_err vs_ag_collect_end(ag_t *ag);
VS_MUST_CHECK vs_err vs_ag_collect_next(ag_t *ag, uint32_t j);
VS_MUST_CHECK vs_err vs_ag_collect_reply(ag_t *ag, uint32_t j, const vs_reply *reply);
VS_MUST_CHECK vs_err vs_ag_collect_advance(ag_t *ag, bool *moved);
VS_MUST_CHECK vs_err vs_ag_list_next(ag_t *ag, uint32_t j);
VS_MUST_CHECK vs_err vs_ag_list_reply(ag_t *ag, uint32_t j, const vs_reply *reply);
VS_MUST_CHECK vs_err vs_ag_list_advance(ag_t *ag, bool *moved);

/* --- aggregator_propose.c: Q and U out of the lists ------------------------------------------- */

typedef struct ag_choice {
    bool in_q[VS_SHAREHOLDERS_MAX + 1];
    uint32_t n_q;
    uint32_t count, rejected_count;
    vs_buf records, rejected; /* owned by the caller */
} ag_choice;
/* From the lists that are there (at least the needed number). */
VS_MUST_CHECK vs_err vs_ag_choose(ag_t *ag, ag_choice *out);

/* --- aggregator_set.c: VOTING, SETTING -------------------------------------------------------- */

VS_MUST_CHECK vs_err vs_ag_propose(ag_t *ag);
VS_MUST_CHECK vs_err vs_ag_set_restore(ag_t *ag);
VS_MUST_CHECK vs_err vs_ag_vote_next(ag_t *ag, uint32_t j);
VS_MUST_CHECK vs_err vs_ag_vote_reply(ag_t *ag, uint32_t j, const vs_reply *reply);
VS_MUST_CHECK vs_err vs_ag_vote_advance(ag_t *ag, bool *moved);
VS_MUST_CHECK vs_err vs_ag_setting_advance(ag_t *ag, bool *moved);

/* --- aggregator_close.c: CLOSING, abort ------------------------------------------------------- */

/* Abort before a certificate exists. detail is made durable with the reason. */
VS_MUST_CHECK vs_err vs_ag_closing_begin(ag_t *ag, vs_abort_reason reason, const char *fmt, ...)
    VS_PRINTF(3, 4);
VS_MUST_CHECK vs_err vs_ag_closing_restore(ag_t *ag, bool *closing);
VS_MUST_CHECK vs_err vs_ag_close_next(ag_t *ag, uint32_t j);
VS_MUST_CHECK vs_err vs_ag_close_reply(ag_t *ag, uint32_t j, const vs_reply *reply);
VS_MUST_CHECK vs_err vs_ag_close_advance(ag_t *ag, bool *moved);
/* Abort after the set: nothing can be closed any more. */
VS_MUST_CHECK vs_err vs_ag_abort(ag_t *ag, vs_abort_reason reason, const char *fmt, ...)
    VS_PRINTF(3, 4);
uint64_t vs_ag_expiry_ms(const ag_t *ag);
/* What is left for a phase before the set: `part` thirds of answer_timeout after collection. */
bool vs_ag_phase_expired(const ag_t *ag, uint32_t part);

/* --- aggregator_follow.c: shareholders follow the log ----------------------------------------- */

/* Next of status, log_entries, sum_share, cosign; nothing if it has cosigned the newest size. */
VS_MUST_CHECK vs_err vs_ag_follow_next(ag_t *ag, uint32_t j);
VS_MUST_CHECK vs_err vs_ag_follow_reply(ag_t *ag, uint32_t j, ag_op op, const vs_reply *reply);
/* Ask where it is. */
VS_MUST_CHECK vs_err vs_ag_follow_status(ag_t *ag, uint32_t j);
/* If shareholder j is `behind`: its next of these, until it is not. */
VS_MUST_CHECK vs_err vs_ag_catch_up(ag_t *ag, uint32_t j);
/* Shareholders that cosigned the newest checkpoint. */
uint32_t vs_ag_cosigned(const ag_t *ag);
VS_MUST_CHECK vs_err vs_ag_follow_restore(ag_t *ag);

/* --- aggregator_answer.c: ANSWERING ----------------------------------------------------------- */

VS_MUST_CHECK vs_err vs_ag_answer_restore(ag_t *ag);
VS_MUST_CHECK vs_err vs_ag_answer_next(ag_t *ag, uint32_t j);
VS_MUST_CHECK vs_err vs_ag_answer_reply(ag_t *ag, uint32_t j, ag_op op, const vs_reply *reply);
VS_MUST_CHECK vs_err vs_ag_answer_advance(ag_t *ag, bool *moved);
void vs_ag_answer_forget(ag_peer *p);
/* aggregator_trial.c: do the answers that are here give a result? Computes it like the real one;
 * says no without computing as long as no further answer came. */
VS_MUST_CHECK vs_err vs_ag_answers_decode(ag_t *ag, bool *enough);
void vs_ag_sum_name(char out[64], uint64_t round, uint32_t j);

/* --- aggregator_evidence.c: evidence and keys ------------------------------------------------- */

VS_MUST_CHECK vs_err vs_ag_evidence_restore(ag_t *ag);
/* Keep evidence of our own until the round is over; what proves nothing is dropped. */
VS_MUST_CHECK vs_err vs_ag_evidence_keep(ag_t *ag, const vs_buf *bytes);
/* Between rounds: log our own, ask shareholder j for the next of its. */
VS_MUST_CHECK vs_err vs_ag_evidence_next(ag_t *ag, uint32_t j);
VS_MUST_CHECK vs_err vs_ag_evidence_reply(ag_t *ag, uint32_t j, const vs_reply *reply);
void vs_ag_evidence_lost(ag_t *ag, uint32_t j);
VS_MUST_CHECK vs_err vs_ag_key_request(ag_t *ag, uint64_t conn, const uint8_t *body, size_t len);

/* --- aggregator_final.c: answers and result into the log, PUBLISHING -------------------------- */

/* Log the answers (unless they are there), compute, log the result or the abort. */
VS_MUST_CHECK vs_err vs_ag_finish(ag_t *ag);
VS_MUST_CHECK vs_err vs_ag_publish_advance(ag_t *ag, bool *moved);
/* Forget what the store keeps of a finished round: keys, sum shares, secret. */
VS_MUST_CHECK vs_err vs_ag_clean(ag_t *ag, uint64_t round);
/* How many clients had submitted to a finished round, for one that ended before its set (the log
 * does not tell); 0 where nothing is known. */
VS_MUST_CHECK vs_err vs_ag_submitted(ag_t *ag, uint64_t round, uint32_t *count);

/* --- aggregator_serve.c, aggregator_blob.c: requests ------------------------------------------ */

VS_MUST_CHECK vs_err vs_ag_serve(ag_t *ag, uint64_t conn, const uint8_t *msg, size_t len);
VS_MUST_CHECK vs_err vs_ag_reply(ag_t *ag, uint64_t conn, const vsw_Reply *head, const void *body,
                                 size_t body_len);
VS_MUST_CHECK vs_err vs_ag_reply_error(ag_t *ag, uint64_t conn, vsw_Code code, uint64_t value,
                                       const char *fmt, ...) VS_PRINTF(5, 6);
/* What is known of a round (one of the log, or the one that opens). */
VS_MUST_CHECK vs_err vs_ag_round_info(ag_t *ag, uint64_t round, vsw_RoundInfo *info);
/* Signed by the admin for this operation, round and arguments, and fresh. */
bool vs_ag_is_admin(const ag_t *ag, bool has_control, const vsw_Control *control, vs_operation op,
                    uint64_t round, const vs_buf *arguments);
VS_MUST_CHECK vs_err vs_ag_blob_serve(ag_t *ag, uint64_t conn, const vsw_Blob *m);
VS_MUST_CHECK vs_err vs_ag_blob_take(ag_t *ag, uint64_t conn, const vsw_ControlBlob *m,
                                     const uint8_t *body, size_t len);
VS_MUST_CHECK vs_err vs_ag_blob_restore(ag_t *ag);
/* Evidence of a member's or the admin's key over a control statement. */
bool vs_ag_is_member(const ag_t *ag, bool has_control, const vsw_Control *control,
                     const vs_buf *arguments);
/* Is this model file here? */
VS_MUST_CHECK vs_err vs_ag_model_known(ag_t *ag, const vs_h32 *name, bool *known);

#endif /* VS_NET_AGGREGATOR_IMPL_H */
