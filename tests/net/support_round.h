/* tests/net/support_round.h - one round by hand: submissions as a client makes them, and the log's
 * entries as an aggregator writes them. Any failure stops the test. */
#ifndef VS_TESTS_NET_SUPPORT_ROUND_H
#define VS_TESTS_NET_SUPPORT_ROUND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "ledger/entry.h"
#include "net/round.h"
#include "net/submission.h"
#include "tests/net/support_fed.h"

/* What a cheating client does to the share of shareholder j (0: nothing). */
typedef struct vs_test_cheat {
    uint32_t wrong_share;      /* committed and sealed, but not on the polynomials */
    uint32_t wrong_commitment; /* c_j is of something else */
    uint32_t not_canonical;    /* one element is p */
} vs_test_cheat;

typedef struct vs_test_sub {
    const vs_test_fed *tf;
    uint32_t client;
    vs_header h;
    vs_buf begin;  /* body of submit_begin: header, signature, enrolment */
    vs_buf finish; /* body of submit_finish: trailer, signature */
    vs_h32 manifest;
    uint32_t columns;                   /* M */
    vs_fe *rows;                        /* share j at (j-1) * (M+2) */
    vs_buf sealed[VS_SHAREHOLDERS_MAX]; /* [j-1]: all chunks */
    vs_record record;
    uint32_t *coords; /* what it quantised, weight digits included */
    uint32_t n_coords;
} vs_test_sub;

/* Client i's submission; everything random and the update come from seed. */
vs_test_sub *vs_test_sub_new(const vs_test_fed *tf, const vs_round *round, uint32_t i,
                             uint64_t seed, const vs_test_cheat *cheat);
void vs_test_sub_free(vs_test_sub *sub);

/* Records of these submissions, sorted. */
void vs_test_records(vs_buf *out, vs_test_sub *const *subs, uint32_t n);
/* The plain sum share of shareholder j over these submissions: M elements. */
void vs_test_sum_share(vs_buf *out, vs_test_sub *const *subs, uint32_t n, uint32_t j);

/* Append the aggregator's signature of an order over what is in body. */
void vs_test_order(vs_buf *body, const vs_test_fed *tf, uint64_t round, vs_order order);

/* --- entries -------------------------------------------------------------------------------------
 */

#define VS_TEST_LOG_MAX 64u
typedef struct vs_test_log {
    const vs_test_fed *tf;
    uint32_t n;
    vs_buf entry[VS_TEST_LOG_MAX];
    vs_h32 leaf[VS_TEST_LOG_MAX];
    vs_merkle tree;
    vs_h32 prev;
} vs_test_log;

vs_test_log *vs_test_log_new(const vs_test_fed *tf);
void vs_test_log_free(vs_test_log *log);
/* Append the envelope of e signed with seed to *out. */
void vs_test_sign_entry(vs_buf *out, const vs_entry *e, const uint8_t seed[32]);
/* Add a signed envelope as the next entry; prev moves after federation, result and abort. */
void vs_test_log_add(vs_test_log *log, const vs_buf *envelope, vs_entry_kind kind);
/* The checkpoint note of the newest size, cosigned by shareholders 1..cosigners. */
void vs_test_log_note(const vs_test_log *log, vs_buf *note, uint32_t cosigners);

/* Entries of a round; prev, origin and federation filled in. Votes of shareholders 1..votes. */
vs_entry vs_test_entry(const vs_test_log *log, vs_entry_kind kind, uint64_t round);
vs_entry vs_test_entry_federation(const vs_test_log *log);
vs_proposal vs_test_proposal(const vs_round *round, const vs_buf *records);
vs_entry vs_test_entry_set(const vs_test_log *log, const vs_round *round, const vs_buf *records,
                           uint32_t votes);
/* sums[j-1]: the sum share of j; the set is the newest entry of the log. */
vs_entry vs_test_entry_answer(const vs_test_log *log, const vs_round *round, uint32_t j,
                              const vs_h32 *set_leaf, const vs_buf *sum);

#endif /* VS_TESTS_NET_SUPPORT_ROUND_H */
