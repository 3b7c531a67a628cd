#include "net/client_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "ledger/dsse.h"
#include "net/claim.h"

#define RECORD_LABEL "veilsum/v1 client record"

/* --- names and hashes --------------------------------------------------------------------------
 */

void vs_client_update_hash(vs_h32 *out, const uint8_t salt[32], const double *update, uint64_t dim,
                           uint64_t weight, const double metrics[2])
{
    vs_hash h;
    vs_h32 root; /* of unsalted bytes: secret */
    vs_share_root_of(&root, update, (size_t)dim * sizeof *update);
    vs_hash_start(&h, "veilsum/v1 client update root");
    vs_hash_bytes(&h, salt, 32);
    vs_hash_u64(&h, weight);
    vs_hash_u64(&h, dim);
    vs_hash_h32(&h, &root);
    if (metrics != NULL) vs_hash_bytes(&h, metrics, 2 * sizeof *metrics);
    vs_hash_final(&h, out);
    sodium_memzero(&root, sizeof root);
}

/* What is sent is a function of it and the seed. */
void vs_client_input_hash(vs_h32 *out, const vs_client *c, const uint8_t salt[32])
{
    const double metrics[2] = {c->input.loss, c->input.accuracy};
    vs_client_update_hash(out, salt, c->input.update, c->input.dim, c->input.weight,
                          c->fed->metrics ? metrics : NULL);
}

void vs_client_record_name(vs_client *c)
{
    char hex[VS_HEX_CHARS(32)];
    vs_h32 name;
    vs_hash h;
    vs_hash_start(&h, "veilsum/v1 client record name");
    vs_hash_h32(&h, &c->keys->pub.identity);
    vs_hash_h32(&h, &c->input.model_hash);
    vs_hash_bytes(&h, c->purpose, strlen(c->purpose));
    vs_hash_final(&h, &name);
    vs_hex_encode(hex, name.b, sizeof name.b);
    (void)snprintf(c->record_key, sizeof c->record_key, "submission/%s", hex);
}

/* One seed file per record and round, so that a new one never overwrites an old one. */
static void seed_name(char out[128], const vs_client *c, uint64_t round)
{
    (void)snprintf(out, 128, "seed-%.32s-%" PRIu64, c->record_key + sizeof "submission/" - 1,
                   round);
}

static void hash_seed(vs_h32 *out, const uint8_t seed[32])
{
    vs_hash h;
    vs_hash_start(&h, "veilsum/v1 client seed check");
    vs_hash_bytes(&h, seed, 32);
    vs_hash_final(&h, out);
}

/* --- the record's bytes ------------------------------------------------------------------------
 */

static void encode(vs_buf *b, const vs_client_record *r)
{
    uint64_t norm_bits;
    memcpy(&norm_bits, &r->norm, sizeof norm_bits);
    vs_buf_label(b, RECORD_LABEL);
    vs_buf_u8(b, (uint8_t)r->state);
    vs_buf_h32(b, &r->federation_id);
    vs_buf_u64(b, r->round);
    vs_buf_h32(b, &r->params_hash);
    vs_buf_bytes(b, r->salt, sizeof r->salt);
    vs_buf_h32(b, &r->update_hash);
    vs_buf_h32(b, &r->seed_hash);
    vs_buf_h32(b, &r->pseudonym);
    vs_buf_h32(b, &r->manifest_hash);
    vs_buf_u32(b, r->receipts);
    vs_buf_u32(b, r->listed);
    vs_buf_u64(b, r->bytes);
    vs_buf_u64(b, r->clipped);
    vs_buf_u64(b, norm_bits);
    vs_buf_u8(b, r->norm_clipped ? 1 : 0);
}

static bool decode(vs_client_record *out, const uint8_t *bytes, size_t len)
{
    vs_client_record r = {0};
    vs_h32 salt;
    vs_reader in = vs_reader_of(bytes, len);
    vs_read_label(&in, RECORD_LABEL);
    uint8_t state = vs_read_u8(&in);
    vs_read_h32(&in, &r.federation_id);
    r.round = vs_read_u64(&in);
    vs_read_h32(&in, &r.params_hash);
    vs_read_h32(&in, &salt);
    vs_read_h32(&in, &r.update_hash);
    vs_read_h32(&in, &r.seed_hash);
    vs_read_h32(&in, &r.pseudonym);
    vs_read_h32(&in, &r.manifest_hash);
    r.receipts = vs_read_u32(&in);
    r.listed = vs_read_u32(&in);
    r.bytes = vs_read_u64(&in);
    r.clipped = vs_read_u64(&in);
    uint64_t norm_bits = vs_read_u64(&in);
    uint8_t norm_clipped = vs_read_u8(&in);
    if (!vs_reader_done(&in) || norm_clipped > 1) return false;
    if (state < VS_CLIENT_RECORD_SENDING || state > VS_CLIENT_RECORD_SENT) return false;
    memcpy(r.salt, salt.b, sizeof r.salt);
    memcpy(&r.norm, &norm_bits, sizeof r.norm);
    r.norm_clipped = norm_clipped != 0;
    r.state = (vs_client_record_state)state;
    *out = r;
    return true;
}

vs_err vs_client_record_load(vs_client *c, bool *found, vs_diag *diag)
{
    vs_buf value = {0};
    vs_err err = c->store.ops->get(c->store.ctx, c->record_key, &value, found, diag);
    if (err == VS_OK && *found && !decode(&c->record, value.p, value.len)) {
        err = vs_fail(diag, VS_ERR_IO,
                      "the record %s of an earlier submission is damaged: restore the client's "
                      "data folder",
                      c->record_key);
    }
    vs_buf_free(&value);
    return err;
}

static vs_err save(vs_client *c, vs_diag *diag)
{
    vs_buf value = {0}, own = {0};
    char own_key[VS_CLAIM_KEY_CHARS];
    const bool sent = /* or being sent: the pseudonym is ours */
        !vs_h32_is_zero(&c->header.salt) && c->record.round == c->round.id.round;
    encode(&value, &c->record);
    vs_claim_key(own_key, c->record.round);
    if (sent) vs_claim_value(&own, &c->round.id, &c->header.salt);
    vs_err err = vs_buf_check(&value);
    if (err == VS_OK) err = vs_buf_check(&own);
    if (err == VS_OK) {
        const vs_store_item item[] = {{.key = c->record_key, .value = value.p, .len = value.len},
                                      {.key = own_key, .value = own.p, .len = own.len}};
        err = c->store.ops->put(c->store.ctx, item, sent ? 2 : 1, diag);
    }
    vs_buf_free(&value);
    vs_buf_free(&own);
    return err;
}

/* --- begin, resume, end ------------------------------------------------------------------------
 */

/* An update that cannot be encoded is the user's mistake, not the machine's. */
static vs_err make_encoder(vs_client *c, const uint8_t seed[32], vs_diag *diag)
{
    vs_diag why = {{0}};
    if (c->input.skip_norm_clip) c->round.quantiser.clip_norm = 0;
    vs_err err = vs_encoder_new(&c->encoder, c->fed, &c->round, seed, c->input.update, c->input.dim,
                                c->input.weight, &why);
    if (err == VS_OK && c->round.open.metrics > 0) {
        err = vs_encoder_set_metrics(c->encoder, c->input.loss, c->input.accuracy);
    }
    if (err == VS_OK) {
        vs_encoder_use_pool(c->encoder, c->pool);
        return VS_OK;
    }
    if (err == VS_ERR_NOMEM) return vs_fail(diag, err, "%s", why.text);
    vs_client_fail(c, "%s", why.text);
    return VS_OK;
}

vs_err vs_client_record_begin(vs_client *c, vs_diag *diag)
{
    char name[128], old_name[128] = "";
    uint8_t seed[32];
    vs_client_record r = {.state = VS_CLIENT_RECORD_SENDING,
                          .federation_id = c->round.id.federation_id,
                          .round = c->round.id.round,
                          .params_hash = c->round.params_hash};
    if (c->record.round != 0) seed_name(old_name, c, c->record.round);
    vs_err err = vs_rng_fill(&c->rng, seed, sizeof seed);
    if (err == VS_OK) err = vs_rng_fill(&c->rng, r.salt, sizeof r.salt);
    if (err != VS_OK) {
        (void)vs_fail(diag, err, "no randomness for the submission");
        goto cleanup;
    }
    err = make_encoder(c, seed, diag);
    if (err != VS_OK || c->encoder == NULL) goto cleanup;
    hash_seed(&r.seed_hash, seed);
    vs_client_input_hash(&r.update_hash, c, r.salt);
    /* The seed first: a record without its seed could never be resumed, a seed without a record
     * is a file that the next attempt replaces. */
    seed_name(name, c, r.round);
    err = c->store.ops->secret_put(c->store.ctx, name, seed, sizeof seed, diag);
    if (err == VS_OK) err = vs_client_open_keep(c, diag);
    if (err != VS_OK) goto cleanup;
    c->record = r;
    err = save(c, diag);
    if (err == VS_OK && old_name[0] != '\0' && strcmp(old_name, name) != 0) {
        err = c->store.ops->secret_erase(c->store.ctx, old_name, diag);
    }

cleanup:
    sodium_memzero(seed, sizeof seed);
    return err;
}

vs_err vs_client_record_resume(vs_client *c, vs_diag *diag)
{
    char name[128];
    vs_buf seed = {0};
    vs_h32 hash = {{0}};
    bool found = false;
    seed_name(name, c, c->record.round);
    vs_err err = c->store.ops->secret_get(c->store.ctx, name, &seed, &found, diag);
    if (err != VS_OK) goto cleanup;
    if (found && seed.len == 32) hash_seed(&hash, seed.p);
    if (!found || !vs_h32_equal(&hash, &c->record.seed_hash)) {
        vs_client_fail(c,
                       "round %" PRIu64
                       ": an interrupted submission cannot go on, its seed is %s; a new one with "
                       "other randomness would look like fraud",
                       c->record.round, found ? "damaged" : "gone");
        goto cleanup;
    }
    err = make_encoder(c, seed.p, diag);

cleanup:
    vs_buf_free_secret(&seed);
    return err;
}

vs_err vs_client_record_erase_seed(vs_client *c, vs_diag *diag)
{
    char name[128];
    seed_name(name, c, c->record.round);
    return c->store.ops->secret_erase(c->store.ctx, name, diag);
}

/* What a restarted client reports without sending anything. */
static void take_status(vs_client *c, vs_client_record_state state)
{
    const vs_client_status *s = &c->status;
    c->record.state = state;
    c->record.pseudonym = s->pseudonym;
    c->record.manifest_hash = s->manifest_hash;
    c->record.receipts = s->receipts;
    c->record.listed = s->listed;
    c->record.bytes = s->bytes_sent;
    c->record.clipped = s->clipped;
    c->record.norm = s->norm;
    c->record.norm_clipped = s->norm_clipped;
}

vs_err vs_client_record_sent(vs_client *c, vs_diag *diag)
{
    take_status(c, VS_CLIENT_RECORD_SENT);
    return save(c, diag);
}

vs_err vs_client_record_end(vs_client *c, vs_client_record_state state, vs_diag *diag)
{
    take_status(c, state);
    vs_err err = save(c, diag);
    if (err == VS_OK) err = vs_client_record_erase_seed(c, diag);
    return err;
}

/* --- closure -----------------------------------------------------------------------------------
 */

/* Index of the shareholder whose valid `closed` statement of the recorded round this is, or 0. */
static vs_err closed_by(const vs_client *c, const uint8_t *envelope, size_t len, uint32_t *index)
{
    vs_dsse dsse = {0};
    vs_entry entry;
    *index = 0;
    vs_err err = vs_dsse_parse(&dsse, envelope, len, NULL);
    if (err == VS_OK) {
        err = vs_entry_decode(&entry, dsse.kind, dsse.payload.p, dsse.payload.len, NULL);
    }
    if (err == VS_OK && entry.kind == VS_ENTRY_CLOSED && entry.round == c->record.round &&
        strcmp(entry.origin, c->fed->origin) == 0 && vs_h32_equal(&entry.federation, &c->fed->id) &&
        vs_h32_equal(&entry.u.closed.params_hash, &c->record.params_hash) &&
        entry.u.closed.index >= 1 && entry.u.closed.index <= c->fed->committee.n) {
        uint32_t j = entry.u.closed.index;
        err = vs_dsse_verify(&dsse, &c->fed->shareholder[j - 1].party.key, NULL);
        if (err == VS_OK) *index = j;
    }
    vs_dsse_free(&dsse);
    return err == VS_ERR_NOMEM ? err : VS_OK; /* anything else: not a valid statement */
}

vs_err vs_client_closure_count(const vs_client *c, const uint8_t *body, size_t len,
                               uint32_t *n_valid)
{
    bool seen[VS_SHAREHOLDERS_MAX + 1] = {false};
    vs_reader in = vs_reader_of(body, len);
    *n_valid = 0;
    for (uint32_t i = 0; i < VS_SHAREHOLDERS_MAX && in.left > 0; i++) {
        uint32_t index, size = vs_read_u32(&in);
        const uint8_t *envelope = vs_read_bytes(&in, size);
        if (envelope == NULL) break;
        vs_err err = closed_by(c, envelope, size, &index);
        if (err != VS_OK) return err;
        if (index != 0 && !seen[index]) {
            seen[index] = true;
            (*n_valid)++;
        }
    }
    return VS_OK;
}
