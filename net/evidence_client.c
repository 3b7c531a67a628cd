/* Evidence against a client (net/evidence.h). */
#include <stdlib.h>
#include <string.h>

#include "mpc/prg.h"
#include "mpc/proof.h"
#include "net/evidence_impl.h"
#include "net/keys.h"
#include "net/seal.h"

/* Header in part i, signed by the client that it names. */
static vs_err read_header(const evidence *e, uint32_t i, vs_header *h)
{
    vs_bytes text;
    const uint8_t *sig;
    if (!vs_evidence_signed(e, i, &text, &sig) || vs_header_decode(h, text.p, text.len) != VS_OK) {
        return vs_fail(e->diag, VS_ERR_MALFORMED, "evidence: part %u is not a header", i + 1);
    }
    if (!vs_h32_equal(&h->id.federation_id, &e->id.federation_id) || h->id.round != e->id.round) {
        return vs_evidence_refuse(e, "a header is of another federation or round");
    }
    if (vs_verify(sig, text.p, text.len, &h->client_key) != VS_OK) {
        return vs_evidence_refuse(e, "the client's signature of a header fails");
    }
    return VS_OK;
}

/* Trailer in part i, signed by that client for that header. */
static vs_err read_trailer(const evidence *e, uint32_t i, const vs_header *h, vs_fe2 *w)
{
    vs_bytes text;
    const uint8_t *sig;
    const uint32_t r = vs_committee_r(&e->fed->committee);
    if (!vs_evidence_signed(e, i, &text, &sig) ||
        vs_trailer_decode(w, r, &e->id, &h->submission, text.p, text.len) != VS_OK) {
        return vs_fail(e->diag, VS_ERR_MALFORMED,
                       "evidence: part %u is not a trailer of the header", i + 1);
    }
    if (vs_verify(sig, text.p, text.len, &h->client_key) != VS_OK) {
        return vs_evidence_refuse(e, "the client's signature of a trailer fails");
    }
    return VS_OK;
}

static vs_err two_submissions(const evidence *e, vs_header *h)
{
    vs_h32 first, second;
    vs_err err = read_header(e, 0, h);
    if (err != VS_OK) return err;
    first = h->submission;
    second = h->client_key;
    err = read_header(e, 1, h);
    if (err != VS_OK) return err;
    if (!vs_h32_equal(&second, &h->client_key)) {
        return vs_evidence_refuse(e, "the headers are of different clients");
    }
    second = h->submission;
    if (vs_h32_equal(&first, &second)) return vs_evidence_refuse(e, "the headers are the same");
    return read_header(e, 0, h); /* whose pseudonym it is */
}

static vs_err two_proofs(const evidence *e, vs_header *h)
{
    vs_fe2 first[VS_SHAREHOLDERS_MAX], second[VS_SHAREHOLDERS_MAX];
    vs_err err = read_header(e, 0, h);
    if (err == VS_OK) err = read_trailer(e, 1, h, first);
    if (err == VS_OK) err = read_trailer(e, 2, h, second);
    if (err != VS_OK) return err;
    bool same = true;
    for (uint32_t i = 0; i < vs_committee_r(&e->fed->committee); i++) {
        same = same && vs_fe2_equal(first[i], second[i]) == 1;
    }
    return same ? vs_evidence_refuse(e, "the proofs are the same") : VS_OK;
}

/* M of the header: from the sealed length of a share that is a vector. 0: it has none. */
static uint32_t columns_of(const vs_header *h, uint32_t t)
{
    for (uint32_t i = 0; i < h->count; i++) {
        uint64_t len = h->share[i].sealed_len, first = VS_NONCE_BYTES + VS_SEAL_TAG_BYTES;
        uint64_t step = VS_CHUNK_BYTES + VS_SEAL_TAG_BYTES;
        if (h->share[i].j <= t || len <= first || len > VS_EVIDENCE_MAX) continue;
        uint64_t chunks = (len - first + step - 1) / step;
        uint64_t elements = (len - first - chunks * VS_SEAL_TAG_BYTES) / VS_FE_BYTES;
        if (elements < 3 || elements > UINT64_C(1) << 25) return 0;
        uint32_t m = (uint32_t)(elements - 2);
        return vs_sealed_share_len(m, false) == len ? m : 0;
    }
    return 0;
}

/* Elements first.. of the share, from its bytes or its seed. False: not canonical. */
static bool share_elements(vs_fe *out, vs_prg *prg, const uint8_t *bytes, uint64_t first, size_t n)
{
    if (prg != NULL) vs_prg_fill(prg, out, first, n);
    return prg != NULL || vs_fe_decode_many(out, bytes + first * VS_FE_BYTES, n) == VS_OK;
}

/* What the share gives at its point, to be compared with W. */
static vs_err run_proof(const evidence *e, const vs_header *h, const uint8_t *share, uint32_t m,
                        vs_fe2 *ours)
{
    vs_prg *prg = NULL;
    vs_fe2 rho;
    bool canonical = true;
    vs_proof_acc *acc = malloc(sizeof *acc);
    vs_fe *elements = malloc(VS_CHUNK_ELEMENTS * sizeof *elements);
    vs_err err = acc == NULL || elements == NULL ? VS_ERR_NOMEM : VS_OK;
    if (err == VS_OK && e->index <= e->fed->committee.t) {
        err = vs_prg_new(&prg, share, VS_PRG_SHARE);
    }
    if (err == VS_OK) err = vs_challenge(&rho, &h->ctx, &h->commit_root);
    if (err == VS_OK) {
        vs_proof_start(acc, rho, m);
        for (uint64_t at = 0; at < (uint64_t)m + 2 && canonical; at += VS_CHUNK_ELEMENTS) {
            uint64_t left = (uint64_t)m + 2 - at;
            size_t n = left < VS_CHUNK_ELEMENTS ? (size_t)left : VS_CHUNK_ELEMENTS;
            canonical = share_elements(elements, prg, share, at, n);
            if (canonical) vs_proof_update(acc, elements, n);
        }
        if (canonical) *ours = vs_proof_final(acc);
    }
    vs_prg_free(prg);
    free(elements);
    free(acc);
    if (err == VS_OK && !canonical) {
        err = vs_evidence_refuse(e, "the share has an element that is not canonical");
    }
    return err;
}

static vs_err inconsistent_share(const evidence *e, vs_header *h)
{
    const uint32_t t = e->fed->committee.t;
    vs_fe2 w[VS_SHAREHOLDERS_MAX], ours;
    vs_h32 root, c;
    vs_err err = read_header(e, 0, h);
    if (err == VS_OK) err = read_trailer(e, 1, h, w);
    if (err != VS_OK) return err;
    const vs_header_share *named = NULL;
    for (uint32_t i = 0; i < h->count; i++) {
        if (h->share[i].j == e->index) named = &h->share[i];
    }
    uint32_t m = columns_of(h, t);
    bool seed = e->index <= t;
    uint64_t len = seed ? VS_SEED_BYTES : ((uint64_t)m + 2) * VS_FE_BYTES;
    if (named == NULL || m == 0 || e->part[2].len != VS_NONCE_BYTES + len) {
        return vs_evidence_refuse(e, "the share is not of a length that the header says");
    }
    const uint8_t *nonce = e->part[2].p, *share = e->part[2].p + VS_NONCE_BYTES;
    vs_share_root r;
    vs_share_root_init(&r);
    vs_share_root_update(&r, share, (size_t)len);
    if (seed)
        vs_share_root_seed(&root, share);
    else
        vs_share_root_final(&r, &root);
    vs_commit_share(&c, &h->ctx, e->index, nonce, &root);
    if (!vs_h32_equal(&c, &named->commitment)) {
        return vs_evidence_refuse(e, "the share does not open its commitment");
    }
    err = run_proof(e, h, share, m, &ours);
    if (err != VS_OK) return err;
    vs_fe2 claimed = vs_proof_eval(w, vs_committee_r(&e->fed->committee), e->index);
    return vs_fe2_equal(ours, claimed) == 1
               ? vs_evidence_refuse(e, "the share is the one that the client's W proves")
               : VS_OK;
}

vs_err vs_evidence_client(const evidence *e)
{
    vs_err err;
    vs_header *h = malloc(sizeof *h);
    if (h == NULL) return vs_fail(e->diag, VS_ERR_NOMEM, "evidence: out of memory");
    switch (e->claim) {
    case VS_CLAIM_TWO_SUBMISSIONS: err = two_submissions(e, h); break;
    case VS_CLAIM_TWO_PROOFS: err = two_proofs(e, h); break;
    default: err = inconsistent_share(e, h); break;
    }
    if (err == VS_OK) {
        e->out->party = VS_PARTY_CLIENT;
        e->out->key = h->client_key;
        e->out->pseudonym = h->pseudonym;
    }
    free(h);
    return err;
}
