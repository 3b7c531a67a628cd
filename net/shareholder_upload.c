/* Clients of a round and their uploads: chunks in order, each opened, hashed and fed into the
 * proof as it comes (net/shareholder_impl.h). */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "mpc/prg.h"
#include "net/shareholder_impl.h"

/* --- clients -------------------------------------------------------------------------------------
 */

static const vs_h32 *key_of(const sh_client *c)
{
    return &c->key;
}

static const vs_h32 *submission_of(const sh_client *c)
{
    return &c->submission;
}

typedef const vs_h32 *(*sh_name_of)(const sh_client *c);

/* Place in a sorted index of the first client whose name is not below `name`. */
static uint32_t lower_bound(const sh_round *r, const uint32_t *index, sh_name_of of,
                            const vs_h32 *name)
{
    uint32_t lo = 0, hi = r->n_clients;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (vs_h32_compare_vartime(of(&r->client[index[mid]]), name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static sh_client *find(const sh_round *r, const uint32_t *index, sh_name_of of, const vs_h32 *name)
{
    uint32_t at = lower_bound(r, index, of, name);
    if (at == r->n_clients || !vs_h32_equal(of(&r->client[index[at]]), name)) return NULL;
    return &r->client[index[at]];
}

sh_client *vs_sh_client_by_key(sh_round *r, const vs_h32 *key)
{
    return find(r, r->by_key, key_of, key);
}

sh_client *vs_sh_client_by_submission(sh_round *r, const vs_h32 *submission)
{
    return find(r, r->by_submission, submission_of, submission);
}

static bool grow_clients(sh_round *r)
{
    uint32_t cap = r->cap_clients == 0 ? 16 : 2 * r->cap_clients;
    sh_client *client = realloc(r->client, cap * sizeof *client);
    if (client != NULL) r->client = client;
    uint32_t *by_key = realloc(r->by_key, cap * sizeof *by_key);
    if (by_key != NULL) r->by_key = by_key;
    uint32_t *by_submission = realloc(r->by_submission, cap * sizeof *by_submission);
    if (by_submission != NULL) r->by_submission = by_submission;
    if (client == NULL || by_key == NULL || by_submission == NULL) return false;
    r->cap_clients = cap;
    return true;
}

static void insert(sh_round *r, uint32_t *index, sh_name_of of, uint32_t position)
{
    uint32_t at = lower_bound(r, index, of, of(&r->client[position]));
    memmove(index + at + 1, index + at, (r->n_clients - at) * sizeof *index);
    index[at] = position;
}

vs_err vs_sh_client_add(sh_round *r, const sh_client *c)
{
    if (r->n_clients == r->cap_clients && !grow_clients(r)) return VS_ERR_NOMEM;
    uint32_t position = r->n_clients;
    r->client[position] = *c;
    insert(r, r->by_key, key_of, position);
    insert(r, r->by_submission, submission_of, position);
    r->n_clients++;
    r->n_accepted += c->state == SH_ACCEPTED;
    r->n_rejected += c->state == SH_REJECTED;
    return VS_OK;
}

void vs_sh_client_encode(uint8_t out[SH_CLIENT_BYTES], const sh_client *c)
{
    out[0] = (uint8_t)c->state;
    out[1] = (uint8_t)c->reason;
    out[2] = c->twice;
    out[3] = 0;
    memcpy(out + 4, c->submission.b, VS_H32_BYTES);
    memcpy(out + 36, c->pseudonym.b, VS_H32_BYTES);
    memcpy(out + 68, c->manifest_hash.b, VS_H32_BYTES);
    memcpy(out + 100, c->commit_root.b, VS_H32_BYTES);
    vs_store_le32(out + SH_CLIENT_FILE_AT, c->file);
    vs_store_le32(out + SH_CLIENT_FILE_AT + 4, c->slot);
}

static vs_err load_client(void *ctx, const char *key, const uint8_t *value, size_t len)
{
    sh_round *r = ctx;
    sh_client c = {0};
    const char *hex = strrchr(key, '/') + 1;
    if (vs_hex_decode(c.key.b, VS_H32_BYTES, hex) != VS_OK || len != SH_CLIENT_BYTES ||
        value[0] < SH_UPLOADING || value[0] > SH_REJECTED) {
        return VS_ERR_IO;
    }
    c.state = (sh_client_state)value[0];
    c.reason = (vs_reject)value[1];
    c.twice = value[2] != 0;
    memcpy(c.submission.b, value + 4, VS_H32_BYTES);
    memcpy(c.pseudonym.b, value + 36, VS_H32_BYTES);
    memcpy(c.manifest_hash.b, value + 68, VS_H32_BYTES);
    memcpy(c.commit_root.b, value + 100, VS_H32_BYTES);
    c.file = vs_load_le32(value + SH_CLIENT_FILE_AT);
    c.slot = vs_load_le32(value + SH_CLIENT_FILE_AT + 4);
    if (c.file > r->next_file || (c.file == r->next_file && c.slot >= r->next_slot)) {
        r->next_file = c.file;
        r->next_slot = c.slot + 1;
    }
    return vs_sh_client_add(r, &c);
}

vs_err vs_sh_clients_load(vs_shareholder *sh, sh_round *r, vs_diag *diag)
{
    sh_name prefix = vs_sh_key(r->round.id.round, "client/", NULL);
    vs_err err = sh->store.ops->scan(sh->store.ctx, prefix.text, load_client, r, diag);
    if (err == VS_ERR_IO) vs_diag_prefix(diag, "stored clients do not decode");
    return err;
}

vs_err vs_sh_header_load(vs_shareholder *sh, const vs_h32 *submission, vs_buf *bytes, vs_header *h,
                         vs_diag *diag)
{
    sh_name key = vs_sh_key(sh->newest, "header", submission);
    bool found = false;
    vs_err err = vs_sh_get(sh, &key, bytes, &found, diag);
    if (err == VS_OK &&
        (!found || bytes->len < 128 || vs_header_decode(h, bytes->p, bytes->len - 128) != VS_OK)) {
        err = vs_fail(diag, VS_ERR_IO, "%s is lost or does not decode", key.text);
    }
    return err;
}

/* --- shape of a sealed share ---------------------------------------------------------------------
 */

size_t vs_sh_chunk_len(const sh_round *r, uint32_t chunk)
{
    return vs_sealed_share_plain(r->round.layout.columns, r->is_seed, chunk) + VS_SEAL_TAG_BYTES;
}

/* All chunks between the first and the last have the same length. */
static uint64_t chunk_offset(const sh_round *r, uint32_t chunk)
{
    if (chunk == 0) return 0;
    return vs_sh_chunk_len(r, 0) + (uint64_t)(chunk - 1) * vs_sh_chunk_len(r, 1);
}

void vs_sh_client_place(sh_round *r, sh_client *c)
{
    uint64_t slots = SH_UPLOAD_FILE_BYTES / vs_sealed_share_len(r->sum.columns, r->is_seed);
    if (r->next_slot >= (slots == 0 ? 1 : slots)) {
        r->next_file++;
        r->next_slot = 0;
    }
    c->file = r->next_file;
    c->slot = r->next_slot++;
}

sh_place vs_sh_chunk_place(const vs_shareholder *sh, const sh_client *c, uint32_t chunk)
{
    const sh_round *r = sh->round;
    const uint64_t slot_bytes = vs_sealed_share_len(r->sum.columns, r->is_seed);
    return (sh_place){.blob = vs_sh_uploads_name(sh->newest, c->file),
                      .offset = c->slot * slot_bytes + chunk_offset(r, chunk)};
}

/* --- one upload ----------------------------------------------------------------------------------
 */

static void upload_free(vs_shareholder *sh, sh_upload *up)
{
    if (up == NULL) return;
    vs_seal_free(up->seal);
    if (up->kept != NULL) sodium_memzero(up->kept, up->kept_bytes);
    free(up->kept);
    sh->kept_bytes -= up->kept_bytes;
    sodium_free(up); /* wipes */
}

void vs_sh_upload_drop(vs_shareholder *sh, const sh_client *c)
{
    for (uint32_t i = 0; i < SH_UPLOADS_MAX; i++) {
        sh_upload *up = sh->upload[i];
        if (up == NULL) continue;
        if (c != NULL && !vs_h32_equal(&up->submission, &c->submission)) continue;
        upload_free(sh, up);
        sh->upload[i] = NULL;
    }
}

void vs_sh_upload_expire(vs_shareholder *sh)
{
    for (uint32_t i = 0; i < SH_UPLOADS_MAX; i++) {
        sh_upload *up = sh->upload[i];
        if (up == NULL || sh->now_ms < up->used_ms + UINT64_C(30) * SH_UPLOAD_IDLE_MS) continue;
        upload_free(sh, up);
        sh->upload[i] = NULL;
    }
}

/* The share of a seed holder is 32 bytes; the vector that it stands for is what W is about. */
static vs_err feed_seed(vs_shareholder *sh, sh_upload *up, const uint8_t seed[VS_SEED_BYTES])
{
    const uint32_t n = sh->round->round.layout.columns + VS_MASK_COLUMNS;
    vs_prg *prg = NULL;
    vs_err err = vs_prg_new(&prg, seed, VS_PRG_SHARE);
    if (err != VS_OK) return err;
    vs_share_root_seed(&up->seed_root, seed);
    for (uint32_t first = 0; first < n; first += VS_CHUNK_ELEMENTS) {
        size_t count = n - first < VS_CHUNK_ELEMENTS ? n - first : VS_CHUNK_ELEMENTS;
        vs_prg_fill(prg, sh->elements, first, count);
        vs_proof_update(&up->proof, sh->elements, count);
    }
    vs_prg_free(prg);
    return VS_OK;
}

/* Place for a whole opened vector share, so that it need not be opened again to be added. */
static void keep(vs_shareholder *sh, sh_upload *up)
{
    size_t n = (size_t)sh->round->round.layout.columns + VS_MASK_COLUMNS;
    if (sh->round->is_seed || n * sizeof *up->kept > SH_KEPT_BYTES_MAX - sh->kept_bytes) return;
    up->kept = malloc(n * sizeof *up->kept);
    if (up->kept == NULL) return;
    up->kept_bytes = n * sizeof *up->kept;
    sh->kept_bytes += up->kept_bytes;
}

static vs_err feed_plain(vs_shareholder *sh, sh_upload *up, size_t len)
{
    vs_fe *to = sh->elements;
    if (up->next == 0) {
        memcpy(up->nonce, sh->plain, VS_NONCE_BYTES);
        return VS_OK;
    }
    if (sh->round->is_seed) return feed_seed(sh, up, sh->plain);
    if (up->kept != NULL) to = up->kept + (size_t)(up->next - 1) * VS_CHUNK_ELEMENTS;
    vs_err err = vs_fe_decode_many(to, sh->plain, len / VS_FE_BYTES);
    if (err != VS_OK) return err;
    vs_share_root_update(&up->root, sh->plain, len);
    vs_proof_update(&up->proof, to, len / VS_FE_BYTES);
    return VS_OK;
}

vs_err vs_sh_upload_feed(vs_shareholder *sh, sh_upload *up, const uint8_t *sealed, size_t len)
{
    const sh_round *r = sh->round;
    VS_ASSERT(up->next < r->chunks && len == vs_sh_chunk_len(r, up->next));
    vs_err err =
        vs_unseal_chunk(up->seal, sh->plain, sealed, len, up->next, up->next + 1 == r->chunks);
    if (err == VS_OK) err = feed_plain(sh, up, len - VS_SEAL_TAG_BYTES);
    if (err == VS_OK) up->next++;
    sodium_memzero(sh->plain, VS_SEAL_CHUNK_MAX);
    sodium_memzero(sh->elements, VS_CHUNK_ELEMENTS * sizeof *sh->elements);
    return err;
}

/* Everything but the stored chunks. */
static vs_err upload_start(vs_shareholder *sh, sh_upload *up, const sh_client *c, vs_diag *diag)
{
    sh_round *r = sh->round;
    vs_header *h = malloc(sizeof *h);
    vs_buf bytes = {0}, secret = {0};
    bool found = false;
    vs_fe2 rho;
    vs_err err = h == NULL ? VS_ERR_NOMEM : vs_sh_header_load(sh, &c->submission, &bytes, h, diag);
    if (err == VS_OK) err = vs_sh_round_secret(sh, sh->newest, &secret, &found, diag);
    if (err == VS_OK && !found) err = VS_ERR_STATE;
    if (err == VS_OK) {
        const vs_header_share *share = &h->share[vs_round_position(&r->round, sh->j)];
        up->client = (uint32_t)(c - r->client);
        up->submission = c->submission;
        up->ctx = h->ctx;
        up->commitment = share->commitment;
        up->used_ms = sh->now_ms;
        err = vs_seal_new_receiver(&up->seal, secret.p, &share->ephemeral_key, &h->ctx, sh->j);
    }
    if (err == VS_OK) err = vs_challenge(&rho, &h->ctx, &h->commit_root);
    if (err == VS_OK) {
        vs_share_root_init(&up->root);
        vs_proof_start(&up->proof, rho, r->round.layout.columns);
        keep(sh, up);
    }
    free(h);
    vs_buf_free(&bytes);
    vs_buf_free_secret(&secret);
    return err;
}

/* Feed what is on disk. A chunk that is short or does not open (a power cut before it was durable)
 * is the one to be sent again. */
static vs_err upload_catch_up(vs_shareholder *sh, sh_upload *up, vs_diag *diag)
{
    const sh_round *r = sh->round;
    vs_err err = VS_OK;
    while (err == VS_OK && up->next < r->chunks) {
        bool found = false;
        size_t len = vs_sh_chunk_len(r, up->next);
        vs_buf_reset(&sh->sealed);
        sh_place at = vs_sh_chunk_place(sh, &r->client[up->client], up->next);
        err = sh->store.ops->blob_read(sh->store.ctx, at.blob.text, at.offset, len, &sh->sealed,
                                       &found, diag);
        if (err != VS_OK || !found || sh->sealed.len != len) break;
        err = vs_sh_upload_feed(sh, up, sh->sealed.p, len);
    }
    return vs_sh_is_fatal(err) ? err : VS_OK;
}

/* A free place, or that of the upload that waited longest. */
static sh_upload **find_place(vs_shareholder *sh)
{
    sh_upload **oldest = NULL;
    for (uint32_t i = 0; i < SH_UPLOADS_MAX; i++) {
        if (sh->upload[i] == NULL) return &sh->upload[i];
        if (oldest == NULL || sh->upload[i]->used_ms < (*oldest)->used_ms) oldest = &sh->upload[i];
    }
    return sh->now_ms >= (*oldest)->used_ms + SH_UPLOAD_IDLE_MS ? oldest : NULL;
}

vs_err vs_sh_upload_get(vs_shareholder *sh, sh_client *c, sh_upload **out, vs_diag *diag)
{
    *out = NULL;
    for (uint32_t i = 0; i < SH_UPLOADS_MAX; i++) {
        sh_upload *up = sh->upload[i];
        if (up == NULL || !vs_h32_equal(&up->submission, &c->submission)) continue;
        up->used_ms = sh->now_ms;
        *out = up;
        return VS_OK;
    }
    sh_upload **place = find_place(sh);
    if (place == NULL) return VS_OK;
    sh_upload *up = sodium_malloc(sizeof *up);
    if (up == NULL) return vs_fail(diag, VS_ERR_NOMEM, "upload: out of memory");
    memset(up, 0, sizeof *up);
    vs_err err = upload_start(sh, up, c, diag);
    if (err == VS_OK) err = upload_catch_up(sh, up, diag);
    if (err != VS_OK) {
        upload_free(sh, up);
        return err;
    }
    upload_free(sh, *place);
    *place = up;
    *out = up;
    return VS_OK;
}
