#include "tests/ledger/support_ledger.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support.h"

vs_h32 sample_public_key(const uint8_t seed[32])
{
    vs_h32 public_key;
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    VS_ASSERT(crypto_sign_seed_keypair(public_key.b, secret, seed) == 0);
    return public_key;
}

sample_key sample_key_of(const char *name, uint8_t type, uint64_t n)
{
    sample_key k;
    vs_diag diag;
    memset(&k, 0, sizeof k);
    vs_test_bytes(k.seed, sizeof k.seed, 1000 + n);
    vs_h32 public_key = sample_public_key(k.seed);
    VS_ASSERT(vs_note_key_make(&k.key, name, type, &public_key, &diag) == VS_OK);
    return k;
}

vs_h32 sample_hash(uint64_t n)
{
    vs_h32 h;
    vs_test_bytes(h.b, sizeof h.b, 77000 + n);
    return h;
}

static void sample_open(vs_entry_open *o)
{
    *o = (vs_entry_open){.dim = 7850,
                         .weight_digits = 3,
                         .quantization_bits = 12,
                         .max_clients = 64,
                         .min_clients = 3,
                         .target_clients = 10,
                         .model_hash = sample_hash(1),
                         .clip_norm = 2.5,
                         .clipping_range = 0.1,
                         .max_weight = UINT64_C(1) << 20,
                         .stochastic_rounding = true,
                         .opened_at = 1700000000,
                         .deadline = 1700000600,
                         .hard_expiry = 1700003600,
                         .aggregator_key = sample_hash(2),
                         .n_shareholders = VS_ENTRY_SHAREHOLDERS_MAX};
    for (uint32_t i = 0; i < o->n_shareholders; i++) {
        o->shareholders[i].index = i + 1;
        o->shareholders[i].key = sample_hash(100 + i);
        vs_test_bytes(o->shareholders[i].sig, 64, i);
    }
}

static void sample_set(vs_entry_set *s)
{
    *s = (vs_entry_set){.params_hash = sample_hash(3),
                        .count = 9,
                        .records = sample_hash(4),
                        .rejected_count = 1,
                        .rejected = sample_hash(5),
                        .records_blob = sample_hash(6),
                        .rejected_blob = sample_hash(7),
                        .n_votes = 4};
    for (uint32_t i = 0; i < s->n_votes; i++) {
        s->votes[i].index = 2 * i + 1;
        vs_test_bytes(s->votes[i].sig, 64, i);
    }
}

static void sample_result(vs_entry_result *r)
{
    *r = (vs_entry_result){.set = sample_hash(8),
                           .sum_hash = sample_hash(9),
                           .sum_blob = sample_hash(10),
                           .count = 9,
                           .weight_sum = 5400,
                           .model_hash = sample_hash(1),
                           .n_answers = 5,
                           .n_wrong = 1,
                           .wrong = {2},
                           .n_outvoted = 2,
                           .outvoted = {4, 128},
                           .margin = -1,
                           .certain = false};
    for (uint32_t i = 0; i < r->n_answers; i++) {
        r->answers[i].index = i + 1;
        r->answers[i].blob = sample_hash(20 + i);
    }
}

/* Member by member: the padding stays zero. */
static void sample_evidence(vs_entry_evidence *e)
{
    e->claim = VS_CLAIM_INCONSISTENT_SHARE;
    e->party = VS_PARTY_CLIENT;
    e->index = 4;
    e->key = sample_hash(60);
    e->pseudonym = sample_hash(61);
    e->about = 6;
    e->size = 4711;
    e->blob = sample_hash(62);
}

static void sample_rotation(vs_entry_key *k)
{
    k->action = VS_KEY_ROTATE;
    k->party = VS_PARTY_CLIENT;
    k->old_key = sample_hash(63);
    k->new_key = sample_hash(64);
    k->signer = k->old_key;
    memset(k->sig, 65, sizeof k->sig);
    memset(k->enrolment, 66, sizeof k->enrolment);
}

vs_entry sample_entry(vs_entry_kind kind)
{
    vs_entry e;
    memset(&e, 0, sizeof e);
    e.kind = kind;
    (void)strcpy(e.origin, "example.org/log");
    e.federation = sample_hash(50);
    e.round = kind == VS_ENTRY_FEDERATION ? 0 : 7;
    if (kind != VS_ENTRY_FEDERATION) e.prev = sample_hash(51);
    switch (kind) {
    case VS_ENTRY_FEDERATION:
        e.u.federation.file = e.federation;
        e.u.federation.log_key = sample_key_of("example.org/log", VS_NOTE_ED25519, 1).key;
        break;
    case VS_ENTRY_OPEN: sample_open(&e.u.open); break;
    case VS_ENTRY_SET: sample_set(&e.u.set); break;
    case VS_ENTRY_ANSWER:
        e.u.answer = (vs_entry_answer){.index = 3,
                                       .set = sample_hash(8),
                                       .answer_hash = sample_hash(11),
                                       .checkpoint_size = 12,
                                       .checkpoint_root = sample_hash(12)};
        break;
    case VS_ENTRY_RESULT: sample_result(&e.u.result); break;
    case VS_ENTRY_ABORT:
        e.u.abort = (vs_entry_abort){.reason = VS_ABORT_TOO_FEW_VOTES,
                                     .detail = "3 of 4 \"votes\" in time \\ \xe2\x80\x94",
                                     .closed = true,
                                     .n_not_voting = 2,
                                     .not_voting = {1, 5}};
        break;
    case VS_ENTRY_CLOSED:
        e.u.closed = (vs_entry_closed){.index = 128, .params_hash = sample_hash(3)};
        break;
    case VS_ENTRY_EVIDENCE: sample_evidence(&e.u.evidence); break;
    case VS_ENTRY_KEY: sample_rotation(&e.u.key); break;
    }
    return e;
}

json_t *sample_json(const char *name)
{
    char *path = vs_test_shared(name);
    json_error_t why;
    if (path == NULL) {
        vs_test_skip("no vectors on this machine");
        return NULL;
    }
    json_t *j = json_load_file(path, JSON_ALLOW_NUL, &why);
    VS_ASSERT(j != NULL);
    free(path);
    return j;
}

vs_buf sample_base64(const char *text)
{
    vs_buf b = {0};
    size_t len = 0;
    uint8_t *at = vs_buf_extend(&b, strlen(text) + 1);
    VS_ASSERT(vs_base64_decode(at, b.len, &len, text, strlen(text)) == VS_OK);
    b.len = len;
    return b;
}

vs_h32 sample_hash_base64(const char *text)
{
    vs_h32 h;
    vs_buf b = sample_base64(text);
    VS_ASSERT(b.len == sizeof h.b);
    memcpy(h.b, b.p, sizeof h.b);
    vs_buf_free(&b);
    return h;
}
