#include "mpc/share_set.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

struct vs_split {
    vs_share_set set;
    uint8_t nonce[VS_PRIME_SHARES_MAX][VS_SHARE_NONCE_BYTES];
    vs_buf payloads; /* n times vs_share_payload_bytes */
};

static vs_err check_request(const vs_prime *prime, uint32_t n, uint32_t t, size_t len,
                            vs_diag *diag)
{
    if (n < 2 || n > VS_PRIME_SHARES_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT, "%u shares; 2 to %u are allowed", n,
                       VS_PRIME_SHARES_MAX);
    }
    if (t < 2 || t > n) {
        return vs_fail(diag, VS_ERR_LIMIT, "threshold %u; 2 to %u, the number of shares, is right",
                       t, n);
    }
    if (!vs_prime_has_points(prime, n)) {
        return vs_fail(diag, VS_ERR_LIMIT, "%u shares need a prime above %u", n, n);
    }
    if (len > VS_SHARE_SECRET_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT, "the secret has %zu bytes; at most %u can be split", len,
                       VS_SHARE_SECRET_MAX);
    }
    if (vs_prime_blocks(prime, VS_SHARE_SALT_BYTES + len) * n * t > VS_SHARE_WORK_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT,
                       "the prime of %u bits is too small for %zu bytes in %u shares with "
                       "threshold %u: choose a larger one",
                       prime->bits, len, n, t);
    }
    return vs_prime_check(prime, diag);
}

/* Shares of salt | secret, and commitments to all. */
static vs_err fill(vs_split *split, const uint8_t *secret, const vs_rng *rng)
{
    vs_share_set *set = &split->set;
    size_t len = vs_share_payload_bytes(set);
    uint8_t *share[VS_PRIME_SHARES_MAX];
    vs_buf salted = {0};
    uint8_t *salt = vs_buf_extend(&salted, VS_SHARE_SALT_BYTES + (size_t)set->secret_len);
    uint8_t *payloads = vs_buf_extend(&split->payloads, set->n * len);
    vs_err err = salt == NULL || payloads == NULL ? VS_ERR_NOMEM : VS_OK;
    if (err != VS_OK) goto cleanup;
    if (set->secret_len != 0) memcpy(salt + VS_SHARE_SALT_BYTES, secret, set->secret_len);
    for (uint32_t j = 0; j < set->n; j++) share[j] = payloads + j * len;
    err = vs_rng_fill(rng, salt, VS_SHARE_SALT_BYTES);
    if (err == VS_OK) err = vs_rng_fill(rng, split->nonce, set->n * sizeof split->nonce[0]);
    if (err == VS_OK) {
        err = vs_prime_split(share, &set->prime, set->n, set->t, salt, salted.len, rng);
    }
    if (err != VS_OK) goto cleanup;
    vs_share_commit_secret(&set->secret, salt, set->secret_len);
    for (uint32_t j = 0; j < set->n; j++) {
        vs_share_commit(&set->commit[j], j + 1, split->nonce[j], share[j], len);
    }
    vs_share_set_id(&set->id, set);
cleanup:
    vs_buf_free_secret(&salted);
    return err;
}

vs_err vs_split_new(vs_split **out, const vs_prime *prime, uint32_t n, uint32_t t,
                    const uint8_t *secret, size_t len, const vs_rng *rng, vs_diag *diag)
{
    *out = NULL;
    vs_err err = check_request(prime, n, t, len, diag);
    if (err != VS_OK) return err;
    vs_split *split = calloc(1, sizeof *split);
    if (split == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    split->set = (vs_share_set){.n = n, .t = t, .secret_len = (uint32_t)len, .prime = *prime};
    err = fill(split, secret, rng);
    if (err != VS_OK) {
        vs_split_free(split);
        return vs_fail(
            diag, err,
            err == VS_ERR_NOMEM ? "out of memory for %u shares" : "no randomness for %u shares", n);
    }
    *out = split;
    return VS_OK;
}

const vs_share_set *vs_split_set(const vs_split *split)
{
    return &split->set;
}

vs_err vs_split_text(const vs_split *split, vs_buf *out, uint32_t x)
{
    VS_ASSERT(x >= 1 && x <= split->set.n);
    size_t len = vs_share_payload_bytes(&split->set);
    return vs_share_encode(out, &split->set, x, split->nonce[x - 1],
                           split->payloads.p + (x - 1) * len);
}

void vs_split_free(vs_split *split)
{
    if (split == NULL) return;
    vs_buf_free_secret(&split->payloads);
    sodium_memzero(split, sizeof *split);
    free(split);
}

/* --- combining ----------------------------------------------------------------------------------
 */

static bool same_set(const vs_share *a, const vs_share *b)
{
    return vs_h32_compare_vartime(&a->set.id, &b->set.id) == 0;
}

/* How many of the shares belong to the set of share i. */
static uint32_t votes(const vs_share *share, uint32_t n, uint32_t i)
{
    uint32_t count = 0;
    for (uint32_t j = 0; j < n; j++) count += same_set(&share[i], &share[j]);
    return count;
}

/* The first share of the set that most belong to; *rival is one of another set with as many, or n.
 */
static uint32_t majority(const vs_share *share, uint32_t n, uint32_t *rival)
{
    uint32_t best = 0;
    uint32_t most = 0;
    *rival = n;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t count = votes(share, n, i);
        if (count > most) {
            best = i;
            most = count;
            *rival = n;
        } else if (count == most && !same_set(&share[best], &share[i]) && *rival == n) {
            *rival = i;
        }
    }
    return best;
}

vs_err vs_share_check(const vs_share *share, const char *const *name, uint32_t n, const vs_h32 *set,
                      vs_diag *diag)
{
    VS_ASSERT(n >= 1);
    uint32_t rival = n;
    uint32_t best = set == NULL ? majority(share, n, &rival) : 0;
    const vs_h32 *want = set == NULL ? &share[best].set.id : set;
    if (rival < n) {
        return vs_fail(
            diag, VS_ERR_PROOF,
            "%s and %s are shares of different secrets, and as many speak for one as for "
            "the other: say which is right by the set id that split printed",
            name[best], name[rival]);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (vs_h32_compare_vartime(&share[i].set.id, want) == 0) continue;
        return vs_fail(diag, VS_ERR_PROOF, "%s: foreign share: it is of another set than %s",
                       name[i], set == NULL ? name[best] : "the one asked for");
    }
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (share[i].x != share[j].x) continue;
            return vs_fail(diag, VS_ERR_STATE, "%s: duplicate share: %s is share %u too", name[i],
                           name[j], share[j].x);
        }
    }
    uint32_t t = share[0].set.t;
    if (n >= t) return VS_OK;
    return vs_fail(diag, VS_ERR_LIMIT, "too few shares: %u of the %u needed, %u more %s missing", n,
                   t, t - n, t - n == 1 ? "is" : "are");
}

vs_err vs_share_combine(vs_buf *secret, const vs_share *share, uint32_t n, vs_diag *diag)
{
    const vs_share_set *set = &share[0].set;
    uint32_t x[VS_PRIME_SHARES_MAX];
    const uint8_t *payload[VS_PRIME_SHARES_MAX];
    VS_ASSERT(set->t >= 2 && set->t <= n && set->t <= VS_PRIME_SHARES_MAX);
    vs_err err = vs_prime_check(&set->prime, diag);
    if (err != VS_OK) return err;
    for (uint32_t i = 0; i < set->t; i++) {
        VS_ASSERT(same_set(&share[0], &share[i]));
        x[i] = share[i].x;
        payload[i] = share[i].payload.p;
    }
    vs_h32 commitment;
    vs_buf salted = {0};
    size_t len = VS_SHARE_SALT_BYTES + (size_t)set->secret_len;
    uint8_t *salt = vs_buf_extend(&salted, len);
    err =
        salt == NULL ? VS_ERR_NOMEM : vs_prime_combine(salt, len, &set->prime, set->t, x, payload);
    if (err == VS_OK) {
        vs_share_commit_secret(&commitment, salt, set->secret_len);
        if (!vs_h32_equal(&commitment, &set->secret)) err = VS_ERR_PROOF;
    }
    size_t before = secret->len;
    if (err == VS_OK) vs_buf_bytes(secret, salt + VS_SHARE_SALT_BYTES, set->secret_len);
    if (err == VS_OK) err = vs_buf_check(secret);
    vs_buf_free_secret(&salted);
    if (err == VS_OK) return VS_OK;
    secret->len = before;
    if (err == VS_ERR_NOMEM) return vs_fail(diag, err, "out of memory");
    return vs_fail(diag, VS_ERR_PROOF,
                   "the shares fit each other, but do not give the secret that they commit to: "
                   "they were wrong when they were made");
}
