#include "net/keyring.h"

#include <string.h>

#include "net/keys.h"

#define SLOT_BYTES (VS_H32_BYTES + 1u)

void vs_keyring_free(vs_keyring *ring)
{
    vs_buf_free(&ring->clients);
    memset(ring, 0, sizeof *ring);
}

vs_err vs_keyring_copy(vs_keyring *out, const vs_keyring *ring)
{
    vs_keyring copy = *ring;
    copy.clients = (vs_buf){0};
    if (ring->clients.len > 0) vs_buf_bytes(&copy.clients, ring->clients.p, ring->clients.len);
    vs_err err = vs_buf_check(&copy.clients);
    if (err == VS_OK) *out = copy;
    return err;
}

/* First slot whose key is not below `key`. */
static size_t position(const vs_keyring *ring, const vs_h32 *key)
{
    size_t first = 0, end = ring->clients.len / SLOT_BYTES;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        if (memcmp(ring->clients.p + middle * SLOT_BYTES, key->b, VS_H32_BYTES) < 0)
            first = middle + 1;
        else
            end = middle;
    }
    return first;
}

vs_key_state vs_keyring_client(const vs_keyring *ring, const vs_h32 *key)
{
    size_t at = position(ring, key) * SLOT_BYTES;
    if (at >= ring->clients.len || memcmp(ring->clients.p + at, key->b, VS_H32_BYTES) != 0) {
        return VS_KEY_PLAIN;
    }
    return (vs_key_state)ring->clients.p[at + VS_H32_BYTES];
}

vs_err vs_keyring_admits(const vs_keyring *ring, const vs_federation *fed, const vs_h32 *key,
                         const uint8_t enrolment[64])
{
    switch (vs_keyring_client(ring, key)) {
    case VS_KEY_REVOKED: return VS_ERR_STATE;
    case VS_KEY_ADMITTED: return VS_OK;
    case VS_KEY_PLAIN: break;
    }
    return vs_enrolment_verify(enrolment, &fed->id, key, &fed->admin_key);
}

vs_err vs_key_statement_bytes(vs_buf *out, const vs_h32 *federation_id, const vs_entry_key *k)
{
    vs_buf_label(out, "veilsum/v1 key");
    vs_buf_h32(out, federation_id);
    vs_buf_u8(out, (uint8_t)k->action);
    vs_buf_u8(out, (uint8_t)k->party);
    vs_buf_u32(out, k->index);
    vs_buf_h32(out, &k->old_key);
    vs_buf_h32(out, &k->new_key);
    vs_buf_h32(out, &k->new_cosigner);
    return vs_buf_check(out);
}

uint32_t vs_keyring_cosigned(const vs_keyring *ring, const vs_federation *fed,
                             const vs_policy_result *found)
{
    uint32_t n = found->n_cosigned;
    for (uint32_t j = 1; j <= fed->committee.n; j++) {
        if (!ring->revoked[j]) continue;
        const vs_h32 *key = &fed->shareholder[j - 1].cosigner_key.public_key;
        for (uint32_t i = 0; i < fed->policy.n_cosigners; i++) {
            n -= found->cosigned[i] && vs_h32_equal(&fed->policy.cosigner[i].public_key, key);
        }
    }
    return n;
}

static vs_err refuse(vs_diag *diag, const char *why)
{
    return vs_fail(diag, VS_ERR_PROOF, "key: %s", why);
}

static vs_err check_signature(const vs_federation *fed, const vs_entry_key *k, vs_diag *diag)
{
    vs_buf bytes = {0};
    bool admin = vs_h32_equal(&k->signer, &fed->admin_key);
    if (!admin && !vs_h32_equal(&k->signer, &k->old_key)) {
        return refuse(diag, "signed neither with the admin's key nor with the old key");
    }
    vs_err err = vs_key_statement_bytes(&bytes, &fed->id, k);
    if (err == VS_OK && vs_verify(k->sig, bytes.p, bytes.len, &k->signer) != VS_OK) {
        err = refuse(diag, "its signature fails");
    }
    vs_buf_free(&bytes);
    return err;
}

/* A client that rotates by itself shows that it is one. */
static vs_err check_client(const vs_keyring *ring, const vs_federation *fed, const vs_entry_key *k,
                           vs_diag *diag)
{
    vs_key_state state = vs_keyring_client(ring, &k->old_key);
    bool admin = vs_h32_equal(&k->signer, &fed->admin_key);
    if (state == VS_KEY_REVOKED) return refuse(diag, "the client's old key is revoked already");
    if (state == VS_KEY_PLAIN && !admin &&
        vs_enrolment_verify(k->enrolment, &fed->id, &k->old_key, &fed->admin_key) != VS_OK) {
        return refuse(diag, "the client's old key is not enrolled");
    }
    if (k->action == VS_KEY_ROTATE && vs_keyring_client(ring, &k->new_key) != VS_KEY_PLAIN) {
        return refuse(diag, "the client's new key was used before");
    }
    if (ring->clients.len / SLOT_BYTES + 2 > VS_KEYRING_CLIENTS_MAX) {
        return refuse(diag, "too many clients' keys were revoked: make a new federation file");
    }
    return VS_OK;
}

vs_err vs_keyring_check(const vs_keyring *ring, const vs_federation *fed, const vs_entry_key *k,
                        vs_diag *diag)
{
    vs_err err = check_signature(fed, k, diag);
    if (err != VS_OK) return err;
    if (k->party == VS_PARTY_CLIENT) return check_client(ring, fed, k, diag);
    if (k->index == 0 || k->index > fed->committee.n ||
        !vs_h32_equal(&k->old_key, &fed->shareholder[k->index - 1].party.key)) {
        return refuse(diag, "old_key is not that of the shareholder");
    }
    if (ring->revoked[k->index]) return refuse(diag, "the shareholder's key is revoked already");
    if (k->action == VS_KEY_ROTATE) {
        return refuse(diag, "a shareholder's key can be revoked, not rotated: its place in the "
                            "federation file is for this key");
    }
    return VS_OK;
}

static vs_err set_client(vs_buf *clients, const vs_keyring *ring, const vs_h32 *key,
                         vs_key_state state)
{
    size_t at = position(ring, key) * SLOT_BYTES;
    bool there = at < clients->len && memcmp(clients->p + at, key->b, VS_H32_BYTES) == 0;
    if (!there) {
        size_t after = clients->len - at;
        if (vs_buf_extend(clients, SLOT_BYTES) == NULL) return VS_ERR_NOMEM;
        memmove(clients->p + at + SLOT_BYTES, clients->p + at, after);
        memcpy(clients->p + at, key->b, VS_H32_BYTES);
    }
    clients->p[at + VS_H32_BYTES] = (uint8_t)state;
    return VS_OK;
}

vs_err vs_keyring_take(vs_keyring *ring, const vs_entry_key *k)
{
    vs_keyring next;
    if (k->party == VS_PARTY_SHAREHOLDER) {
        VS_ASSERT(k->index >= 1 && k->index <= VS_SHAREHOLDERS_MAX);
        ring->revoked[k->index] = true;
        return VS_OK;
    }
    vs_err err = vs_keyring_copy(&next, ring);
    if (err != VS_OK) return err;
    err = set_client(&next.clients, &next, &k->old_key, VS_KEY_REVOKED);
    if (err == VS_OK && k->action == VS_KEY_ROTATE) {
        err = set_client(&next.clients, &next, &k->new_key, VS_KEY_ADMITTED);
    }
    if (err != VS_OK) {
        vs_keyring_free(&next);
        return err;
    }
    vs_keyring_free(ring);
    *ring = next;
    return VS_OK;
}

/* --- request ---------------------------------------------------------------------------------- */

void vs_key_request_encode(uint8_t out[VS_KEY_REQUEST_BYTES], const vs_entry_key *k)
{
    out[0] = (uint8_t)k->action;
    out[1] = (uint8_t)k->party;
    vs_store_le32(out + 2, k->index);
    memcpy(out + 6, k->old_key.b, VS_H32_BYTES);
    memcpy(out + 38, k->new_key.b, VS_H32_BYTES);
    memcpy(out + 70, k->new_cosigner.b, VS_H32_BYTES);
    memcpy(out + 102, k->signer.b, VS_H32_BYTES);
    memcpy(out + 134, k->sig, sizeof k->sig);
    memcpy(out + 198, k->enrolment, sizeof k->enrolment);
}

vs_err vs_key_request_decode(vs_entry_key *out, const uint8_t *bytes, size_t len)
{
    vs_reader r = vs_reader_of(bytes, len);
    vs_entry_key k = {0};
    uint8_t action = vs_read_u8(&r), party = vs_read_u8(&r);
    k.index = vs_read_u32(&r);
    vs_read_h32(&r, &k.old_key);
    vs_read_h32(&r, &k.new_key);
    vs_read_h32(&r, &k.new_cosigner);
    vs_read_h32(&r, &k.signer);
    const uint8_t *sig = vs_read_bytes(&r, 64), *enrolment = vs_read_bytes(&r, 64);
    if (!vs_reader_done(&r)) return VS_ERR_MALFORMED;
    if (action != VS_KEY_REVOKE && action != VS_KEY_ROTATE) return VS_ERR_MALFORMED;
    if (party != VS_PARTY_CLIENT && party != VS_PARTY_SHAREHOLDER) return VS_ERR_MALFORMED;
    k.action = (vs_key_action)action;
    k.party = (vs_party)party;
    memcpy(k.sig, sig, sizeof k.sig);
    memcpy(k.enrolment, enrolment, sizeof k.enrolment);
    bool client = k.party == VS_PARTY_CLIENT, revoke = k.action == VS_KEY_REVOKE;
    if (client != (k.index == 0) || revoke != vs_h32_is_zero(&k.new_key) ||
        !vs_h32_is_zero(&k.new_cosigner) || vs_h32_equal(&k.old_key, &k.new_key)) {
        return VS_ERR_MALFORMED;
    }
    *out = k;
    return VS_OK;
}
