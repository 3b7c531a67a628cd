/* tests/attack/support_arena.h - real daemons on loopback, and a test program that lies to them.
 *
 * An arena is a federation with its own folder and ports: processes of `veilsum aggregator` and
 * `veilsum shareholder`, each started by the test. Shareholders that the test plays itself (liars)
 * are the real role in this process behind a hook that bends its replies. Clients are messages that
 * the test forges (tests/net/support_round.h). Any failure of the arena itself stops the test. */
#ifndef VS_TESTS_ATTACK_SUPPORT_ARENA_H
#define VS_TESTS_ATTACK_SUPPORT_ARENA_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ledger/entry.h"
#include "net/edge.h"
#include "net/evidence.h"
#include "net/shareholder.h"
#include "net/store.h"
#include "net/wire.h"
#include "tests/net/support_round.h"
#include "tests/support.h"

enum { ARENA_N_MAX = 8, ARENA_SUBS_MAX = 8, ARENA_DIM = 300 };

typedef struct arena arena;
/* A request to the liar j, and the real role's reply, which the hook may replace or empty (then
 * nobody answers). */
typedef void (*arena_hook)(void *ctx, arena *a, uint32_t j, const vs_request *request,
                           vs_buf *reply);

typedef struct arena_config {
    vs_committee committee; /* n = 0: n 5, t 1, k 2, margin 1 */
    uint32_t liars;         /* bit j: played by the test */
    uint32_t absent;        /* bit j (0 the aggregator): not started */
    uint32_t min_clients;   /* 0: 2 */
    uint32_t answer_timeout_s;
} arena_config;

struct arena {
    vs_test_fed *tf;
    char *folder;
    uint32_t n;
    pid_t pid[ARENA_N_MAX + 1]; /* 0: not running */
    /* liars */
    uint32_t liars;
    arena_hook hook;
    void *hook_ctx;
    vs_shareholder *role[ARENA_N_MAX + 1];
    vs_store store[ARENA_N_MAX + 1];
    vs_test_rng rng[ARENA_N_MAX + 1];
    vs_edge *edge[ARENA_N_MAX + 1];
    /* the newest round */
    uint64_t number;
    vs_round round;
    vs_buf open;
    vs_test_sub *sub[ARENA_SUBS_MAX]; /* of clients 0.. that submitted */
    /* the last reply */
    vs_buf reply;
    vs_reply head;
    vs_buf text; /* of the last error, or what a program printed; ends with a zero */
};

arena *arena_new(const arena_config *config);
void arena_free(arena *a);
void arena_start(arena *a, uint32_t party); /* 0 the aggregator, j */
void arena_stop(arena *a, uint32_t party);  /* SIGTERM, and it must end well */
/* Let the liars answer for so long. */
void arena_pump(arena *a, uint32_t ms);

/* One request; OK or the code of the error, whose words are in a->text. */
vsw_Code arena_ask(arena *a, uint32_t party, vsw_Request *head, const void *body, size_t len);
/* Expect this code and these words in the message. */
void arena_expect(arena *a, vsw_Code got, vsw_Code code, const char *words);

/* The admin opens the next round; every shareholder that runs has it when this returns. */
void arena_open(arena *a, const vs_h32 *model_hash);
/* A round whose opening is expected to fail is opened by this alone. */
vsw_Code arena_control_open(arena *a, const vs_h32 *model_hash);
/* Client i makes and sends its submission to everybody. */
vs_test_sub *arena_submit(arena *a, uint32_t i);
/* Make, send: parts of it. upload: begin, chunks and finish at shareholder j. */
vs_test_sub *arena_sub(arena *a, uint32_t i, uint64_t seed, const vs_test_cheat *cheat);
vsw_Code arena_begin(arena *a, uint32_t j, const vs_buf *body);
vsw_Code arena_chunks(arena *a, uint32_t j, const vs_test_sub *sub, const vs_buf *sealed);
vsw_Code arena_end_upload(arena *a, uint32_t j, const vs_test_sub *sub, const vs_buf *body);
vsw_Code arena_upload(arena *a, uint32_t j, const vs_test_sub *sub);
vsw_Code arena_manifest(arena *a, const vs_test_sub *sub);

void arena_control(arena *a, vs_operation op);
/* Until the newest round is in this phase; the last phase seen. */
vsw_Phase arena_wait(arena *a, vsw_Phase phase);
/* Close collection and wait for the end: FINAL or ABORTED. */
vsw_Phase arena_finish(arena *a);
vs_entry arena_entry(arena *a, vs_entry_kind kind, uint32_t nth); /* of the newest round */
bool arena_has_entry(arena *a, vs_entry_kind kind, uint32_t nth);
/* The nth evidence entry of the newest round, waited for. */
vs_entry_evidence arena_evidence(arena *a, uint32_t nth);
/* The result's sums are exactly those of these submissions. */
void arena_expect_sum(arena *a, vs_test_sub *const *subs, uint32_t n);
/* FINAL, sum exactly that of clients 0..n-1. */
void arena_expect_honest(arena *a, uint32_t n);
/* Stop the aggregator; `veilsum audit` on its ledger finds nothing wrong. */
void arena_expect_audit(arena *a);
/* Run the program with these arguments (NULL at the end) in the folder; its exit status. */
int arena_run(arena *a, const char *const *args);
/* `veilsum evidence` accepts these bytes as a file and says these words. */
void arena_expect_evidence_file(arena *a, const vs_buf *bytes, const char *words);
/* Files of client i for the program: c<i>.key, c<i>.pub, c<i>.enrolment, u<i>.npy. */
void arena_client_files(arena *a, uint32_t i);
/* What the aggregator says of its newest round. */
vsw_RoundInfo arena_info(arena *a);
/* The nth evidence that shareholder j keeps, from its data folder. */
void arena_kept_evidence(arena *a, uint32_t j, uint32_t nth, vs_buf *out);

#endif /* VS_TESTS_ATTACK_SUPPORT_ARENA_H */
