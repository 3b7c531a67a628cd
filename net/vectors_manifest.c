/* Suite "manifest": the layouts that a party signs (docs/WIRE.md "Fixed layouts"), each with its
 * bytes and Ed25519 signature. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <sodium.h>

#include "net/keys.h"
#include "net/submission.h"
#include "net/vectors_impl.h"

typedef struct recipe {
    const char *name;
    uint32_t r;
    uint32_t count;
    uint32_t listed[8]; /* j */
    vs_operation operation;
} recipe;
static const recipe recipes[] = {
    {"all of three shareholders", 2, 3, {1, 2, 3}, VS_OPERATION_OPEN},
    {"five of seven shareholders", 5, 5, {1, 2, 4, 6, 7}, VS_OPERATION_CANCEL},
};
enum { N_RECIPES = sizeof recipes / sizeof recipes[0] };

typedef struct work {
    vs_header header;
    vs_fe2 w[VS_SHAREHOLDERS_MAX];
    uint32_t r;
    uint8_t admin_seed[32], client_seed[32], shareholder_seed[32];
    uint32_t j;
    vs_h32 round_key, set_leaf_hash, arguments_hash;
    vs_proposal proposal;
    uint32_t list_count;
    vs_operation operation;
    uint64_t unix_time;
} work;

/* --- inputs ------------------------------------------------------------------------------------
 */

static json_t *make_listed(const vs_draw *draw, uint32_t index)
{
    json_t *listed = json_array();
    for (uint32_t i = 0; i < recipes[index].count; i++) {
        vs_case x = {.out = json_object()};
        uint32_t at = 256 * index + i;
        vs_h32 h = vs_draw_h32(draw, "commitment", at);
        vs_case_put_uint(&x, "j", recipes[index].listed[i]);
        vs_case_put_h32(&x, "commitment", &h);
        h = vs_draw_h32(draw, "ephemeral_key", at);
        vs_case_put_h32(&x, "ephemeral_key", &h);
        vs_case_put_uint(&x, "sealed_len", vs_draw_uint(draw, "sealed_len", at, 40));
        if (x.err != VS_OK || !vs_json_push(listed, x.out)) {
            json_decref(listed);
            return NULL;
        }
    }
    return listed;
}

static vs_err make(json_t *cases, const vs_draw *draw)
{
    static const char *const drawn[] = {"federation_id", "model_hash",     "params_hash",
                                        "salt",          "admin_seed",     "client_seed",
                                        "round_key",     "list_root",      "rejected_root",
                                        "set_leaf_hash", "arguments_hash", "shareholder_seed"};
    vs_err err = VS_OK;
    for (uint32_t i = 0; err == VS_OK && i < N_RECIPES; i++) {
        const recipe *r = &recipes[i];
        vs_fe w[2 * 8];
        vs_case c = vs_case_new(cases, r->name, &err);
        for (size_t d = 0; d < sizeof drawn / sizeof drawn[0]; d++) {
            vs_h32 h = vs_draw_h32(draw, drawn[d], i);
            vs_case_put_h32(&c, drawn[d], &h);
        }
        vs_case_put_uint(&c, "round", vs_draw_uint(draw, "round", i, 48));
        vs_case_put(&c, "listed", make_listed(draw, i));
        vs_draw_fes(draw, "W", i, w, 2 * (size_t)r->r);
        json_t *values = json_array();
        for (uint32_t x = 0; x < r->r; x++) {
            if (!vs_json_push(values, vs_json_fes(w + 2 * (size_t)x, 2))) err = VS_ERR_NOMEM;
        }
        vs_case_put(&c, "W", values);
        vs_case_put_uint(&c, "j", r->listed[r->count - 1]);
        vs_case_put_uint(&c, "list_count", vs_draw_uint(draw, "list_count", i, 15));
        vs_case_put_uint(&c, "rejected_count", vs_draw_uint(draw, "rejected_count", i, 15));
        vs_case_put_uint(&c, "operation", r->operation);
        vs_case_put_uint(&c, "unix_time", vs_draw_uint(draw, "unix_time", i, 40));
        if (err == VS_OK) err = c.err;
    }
    return err;
}

static void read_listed(vs_case *c, vs_header *h)
{
    size_t count;
    const json_t *listed = vs_case_array(c, "listed", 1, VS_SHAREHOLDERS_MAX, &count);
    for (size_t i = 0; i < count; i++) {
        vs_case x = vs_entry_nested(c, listed, i, "listed");
        vs_header_share *share = &h->share[i];
        share->j = (uint32_t)vs_case_uint(&x, "j", i == 0 ? 1 : h->share[i - 1].j + 1u,
                                          VS_SHAREHOLDERS_MAX);
        vs_case_h32(&x, "commitment", &share->commitment);
        vs_case_h32(&x, "ephemeral_key", &share->ephemeral_key);
        share->sealed_len = vs_case_uint(&x, "sealed_len", 0, INT64_MAX);
        vs_case_end(c, &x);
    }
    h->count = (uint32_t)count;
}

static void read_inputs(vs_case *c, work *w)
{
    size_t r;
    vs_proposal *p = &w->proposal;
    vs_case_h32(c, "federation_id", &w->header.id.federation_id);
    vs_case_h32(c, "model_hash", &w->header.model_hash);
    vs_case_h32(c, "params_hash", &w->header.params_hash);
    vs_case_h32(c, "salt", &w->header.salt);
    vs_case_hex(c, "admin_seed", w->admin_seed, 32);
    vs_case_hex(c, "client_seed", w->client_seed, 32);
    vs_case_h32(c, "round_key", &w->round_key);
    vs_case_h32(c, "list_root", &p->root);
    vs_case_h32(c, "rejected_root", &p->rejected_root);
    vs_case_h32(c, "set_leaf_hash", &w->set_leaf_hash);
    vs_case_h32(c, "arguments_hash", &w->arguments_hash);
    vs_case_hex(c, "shareholder_seed", w->shareholder_seed, 32);
    w->header.id.round = vs_case_uint(c, "round", 0, INT64_MAX);
    read_listed(c, &w->header);
    const json_t *values = vs_case_array(c, "W", 1, VS_SHAREHOLDERS_MAX, &r);
    for (size_t i = 0; i < r; i++) w->w[i] = vs_entry_fe2(c, values, i, "W");
    w->r = (uint32_t)r;
    w->j = (uint32_t)vs_case_uint(c, "j", 1, VS_SHAREHOLDERS_MAX);
    w->list_count = (uint32_t)vs_case_uint(c, "list_count", 0, UINT32_MAX);
    p->rejected_count = (uint32_t)vs_case_uint(c, "rejected_count", 0, UINT32_MAX);
    w->operation =
        (vs_operation)vs_case_uint(c, "operation", VS_OPERATION_OPEN, VS_OPERATION_READ_BLOB);
    w->unix_time = vs_case_uint(c, "unix_time", 0, INT64_MAX);
    p->id = w->header.id;
    p->params_hash = w->header.params_hash;
    p->count = w->list_count;
}

/* --- outputs -----------------------------------------------------------------------------------
 */

static vs_h32 public_of(const uint8_t seed[32])
{
    vs_h32 pk;
    uint8_t sk[crypto_sign_SECRETKEYBYTES];
    VS_ASSERT(crypto_sign_seed_keypair(pk.b, sk, seed) == 0);
    sodium_memzero(sk, sizeof sk);
    return pk;
}

static void need(vs_case *c, vs_err err)
{
    if (err != VS_OK) (void)vs_case_fail(c, err, "listed", "out of memory");
}

/* Members "<what>_bytes" and "<what>_signature"; empties bytes. */
static void put_signed(vs_case *c, const char *bytes_name, const char *signature_name,
                       vs_buf *bytes, const uint8_t seed[32])
{
    uint8_t signature[64];
    if (vs_buf_check(bytes) != VS_OK) {
        (void)vs_case_fail(c, VS_ERR_NOMEM, bytes_name, "out of memory");
        return;
    }
    vs_sign(signature, bytes->p, bytes->len, seed);
    vs_case_put_hex(c, bytes_name, bytes->p, bytes->len);
    vs_case_put_hex(c, signature_name, signature, sizeof signature);
    vs_buf_reset(bytes);
}

static void put_submission(vs_case *c, work *w, vs_buf *b)
{
    vs_header *h = &w->header;
    uint8_t signature[64], record[VS_RECORD_BYTES];
    vs_record fields;
    vs_h32 hash;
    vs_h32 admin_key = public_of(w->admin_seed);
    vs_h32 shareholder_key = public_of(w->shareholder_seed);
    h->client_key = public_of(w->client_seed);
    vs_header_derive(h);
    vs_case_put_h32(c, "admin_key", &admin_key);
    vs_case_put_h32(c, "client_key", &h->client_key);
    vs_case_put_h32(c, "shareholder_key", &shareholder_key);
    vs_enrolment_sign(signature, &h->id.federation_id, &h->client_key, w->admin_seed);
    vs_case_put_hex(c, "enrolment_signature", signature, sizeof signature);
    vs_case_put_h32(c, "pseudonym", &h->pseudonym);
    vs_case_put_h32(c, "ctx", &h->ctx);
    vs_case_put_h32(c, "root", &h->commit_root);
    need(c, vs_header_encode(b, h));
    if (c->err != VS_OK) return;
    vs_manifest_hash(&hash, b->p, b->len, w->w, w->r);
    put_signed(c, "header_bytes", "header_signature", b, w->client_seed);
    vs_case_put_h32(c, "submission", &h->submission);
    need(c, vs_trailer_encode(b, &h->id, &h->submission, w->w, w->r));
    put_signed(c, "trailer_bytes", "trailer_signature", b, w->client_seed);
    vs_case_put_h32(c, "manifest_hash", &hash);
    fields = (vs_record){h->pseudonym, hash, h->commit_root};
    vs_record_encode(record, &fields);
    vs_case_put_hex(c, "record", record, sizeof record);
    need(c, vs_receipt_bytes(b, &h->id, w->j, &hash));
    put_signed(c, "receipt_bytes", "receipt_signature", b, w->shareholder_seed);
}

static void put_statements(vs_case *c, work *w, vs_buf *b)
{
    const vs_round_id *id = &w->header.id;
    vs_h32 hash;
    need(c, vs_round_key_bytes(b, id, w->j, &w->round_key));
    put_signed(c, "round_key_bytes", "round_key_signature", b, w->shareholder_seed);
    need(c, vs_list_bytes(b, id, w->j, w->list_count, &w->proposal.root));
    put_signed(c, "list_bytes", "list_signature", b, w->shareholder_seed);
    need(c, vs_proposal_encode(b, &w->proposal));
    if (vs_buf_check(b) == VS_OK) {
        vs_sha256(&hash, b->p, b->len);
        vs_case_put_hex(c, "proposal_bytes", b->p, b->len);
        vs_case_put_h32(c, "proposal_hash", &hash);
    }
    vs_buf_reset(b);
    need(c, vs_vote_bytes(b, &w->proposal, w->j));
    put_signed(c, "vote_bytes", "vote_signature", b, w->shareholder_seed);
    need(c, vs_control_bytes(b, id, w->operation, w->unix_time, &w->arguments_hash));
    put_signed(c, "control_bytes", "control_signature", b, w->admin_seed);
    vs_answer_context(&hash, id, &w->set_leaf_hash);
    vs_case_put_h32(c, "answer_context", &hash);
}

static void compute(vs_case *c)
{
    vs_buf bytes = {0};
    work *w = calloc(1, sizeof *w);
    if (w == NULL) {
        (void)vs_case_fail(c, VS_ERR_NOMEM, "listed", "out of memory");
        return;
    }
    read_inputs(c, w);
    if (c->err == VS_OK) put_submission(c, w, &bytes);
    if (c->err == VS_OK) put_statements(c, w, &bytes);
    vs_buf_free(&bytes);
    free(w);
}

const vs_suite vs_suite_manifest = {.name = "manifest", .make = make, .compute = compute};
