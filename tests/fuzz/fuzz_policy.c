/* A checkpoint note under a policy of one log and three cosigners: what is accepted was signed by
 * the log and by a quorum, each of them counted once. */
#include <string.h>

#include <sodium.h>

#include "ledger/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { COSIGNERS = 3 };

static void seed_of(uint8_t seed[32], uint8_t fill)
{
    memset(seed, fill, 32);
}

static vs_note_key key_of(const char *name, uint8_t type, uint8_t fill)
{
    vs_note_key key;
    vs_h32 public_key;
    uint8_t seed[32];
    uint8_t secret[64];
    seed_of(seed, fill);
    VS_ASSERT(crypto_sign_seed_keypair(public_key.b, secret, seed) == 0);
    VS_ASSERT(vs_note_key_make(&key, name, type, &public_key, NULL) == VS_OK);
    return key;
}

static vs_policy policy_of(uint8_t quorum)
{
    static const char *const names[COSIGNERS] = {"a", "b", "c"};
    vs_policy p = {.n_cosigners = COSIGNERS, .quorum = quorum % (COSIGNERS + 1)};
    p.log_key = key_of("log", VS_NOTE_ED25519, 0);
    for (uint8_t i = 0; i < COSIGNERS; i++) {
        p.cosigner[i] = key_of(names[i], VS_NOTE_COSIGNATURE, (uint8_t)(1 + i));
    }
    return p;
}

static void check(const vs_policy *policy, const uint8_t *note, size_t len, uint32_t at_most)
{
    vs_policy_result r;
    vs_diag diag = {{0}};
    uint32_t n = 0;
    vs_err err = vs_policy_verify(&r, policy, note, len, &diag);
    for (uint32_t i = 0; i < VS_POLICY_COSIGNERS_MAX; i++) {
        n += r.cosigned[i];
        VS_ASSERT(!r.cosigned[i] || i < COSIGNERS);
    }
    VS_ASSERT(n == r.n_cosigned && n <= at_most);
    if (err == VS_OK) {
        VS_ASSERT(n >= policy->quorum && strcmp(r.checkpoint.origin, "log") == 0);
    } else {
        VS_ASSERT(n == 0 && r.checkpoint.size == 0 && strchr(diag.text, '\n') == NULL);
    }
}

/* A note of our own: whose lines it has, and which byte is changed, is the input's choice. */
static void scripted(vs_reader *in, const vs_policy *policy)
{
    vs_checkpoint c = {.origin = "log", .size = vs_read_u64(in) >> 1};
    vs_buf text = {0}, note = {0};
    uint8_t seed[32], sig[VS_COSIGNATURE_BYTES];
    bool signed_by[COSIGNERS] = {false};
    uint32_t n = 0;
    vs_read_h32(in, &c.root);
    VS_ASSERT(vs_checkpoint_format(&text, &c) == VS_OK);
    seed_of(seed, 0);
    VS_ASSERT(vs_note_sign(&note, (const char *)text.p, text.len, &policy->log_key, seed) == VS_OK);
    for (uint32_t i = vs_read_u8(in) % 6; i > 0; i--) {
        uint8_t who = vs_read_u8(in);
        seed_of(seed, (uint8_t)(1 + who % COSIGNERS));
        vs_cosign(sig, (const char *)text.p, text.len, vs_read_u32(in), seed);
        VS_ASSERT(vs_note_add_line(&note, &policy->cosigner[who / COSIGNERS % COSIGNERS], sig,
                                   sizeof sig) == VS_OK);
        if (who % COSIGNERS == who / COSIGNERS % COSIGNERS) signed_by[who % COSIGNERS] = true;
    }
    if (in->left > 2) {
        size_t at = vs_read_u32(in) % note.len;
        note.p[at] ^= vs_read_u8(in);
    }
    for (uint32_t i = 0; i < COSIGNERS; i++) n += signed_by[i];
    check(policy, note.p, note.len, n);
    vs_buf_free(&text);
    vs_buf_free(&note);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vs_reader in = vs_reader_of(data, size);
    uint8_t op = vs_read_u8(&in);
    const vs_policy policy = policy_of(op >> 1);
    if ((op & 1) == 0) {
        scripted(&in, &policy);
    } else {
        check(&policy, in.next, in.left, COSIGNERS);
    }
    return 0;
}
