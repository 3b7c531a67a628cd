#include "tests/net/support_round.h"

#include <stdlib.h>
#include <string.h>

#include "ledger/dsse.h"
#include "mpc/proof.h"
#include "net/encoder.h"
#include "net/seal.h"
#include "tests/support.h"

static void must(vs_err err)
{
    VS_ASSERT(err == VS_OK);
}

/* --- submissions ---------------------------------------------------------------------------------
 */

/* Rows of shareholders that `open` does not list stay zero. */
static void make_rows(vs_test_sub *sub, const vs_round *round, vs_encoder *enc)
{
    const uint32_t n = sub->tf->fed->committee.n, total = sub->columns + VS_MASK_COLUMNS;
    size_t at = 0;
    sub->rows = calloc((size_t)n * total, sizeof *sub->rows);
    VS_ASSERT(sub->rows != NULL);
    for (uint32_t b = 0; b < vs_encoder_blocks(enc); b++) {
        size_t count = 0;
        must(vs_encoder_make(enc, b, 1));
        for (uint32_t j = 1; j <= n; j++) {
            if (j > vs_committee_r(&sub->tf->fed->committee) && vs_round_position(round, j) < 0) {
                continue;
            }
            const vs_fe *row = vs_encoder_share(enc, j, b, &count);
            memcpy(sub->rows + (size_t)(j - 1) * total + at, row, count * sizeof *row);
        }
        at += count;
    }
    VS_ASSERT(at == total);
}

/* The plaintext of share j: nonce, then the vector or the seed. */
static void plain_share(vs_buf *out, const vs_test_sub *sub, const vs_encoder *enc, uint32_t j,
                        const vs_test_cheat *cheat)
{
    const uint32_t total = sub->columns + VS_MASK_COLUMNS;
    uint8_t bytes[32];
    vs_encoder_nonce(enc, j, bytes);
    vs_buf_bytes(out, bytes, sizeof bytes);
    if (j <= sub->tf->fed->committee.t) {
        vs_encoder_seed(enc, j, bytes);
        if (cheat->wrong_share == j) bytes[0] ^= 1;
        vs_buf_bytes(out, bytes, sizeof bytes);
    } else {
        uint8_t *at = vs_buf_extend(out, (size_t)total * VS_FE_BYTES);
        VS_ASSERT(at != NULL);
        vs_fe_encode_many(at, sub->rows + (size_t)(j - 1) * total, total);
        if (cheat->wrong_share == j) at[0] ^= 1; /* stays canonical */
        if (cheat->not_canonical == j) vs_store_le64(at, VS_FE_P);
    }
    must(vs_buf_check(out));
}

static void commit(vs_test_sub *sub, uint32_t i, const vs_buf *plain, const vs_h32 *ctx,
                   const vs_encoder *enc, const vs_test_cheat *cheat)
{
    vs_header_share *share = &sub->h.share[i];
    const bool is_seed = share->j <= sub->tf->fed->committee.t;
    uint8_t secret[32];
    vs_share_root root;
    vs_h32 r;
    if (is_seed) {
        vs_share_root_seed(&r, plain->p + 32);
    } else {
        vs_share_root_init(&root);
        vs_share_root_update(&root, plain->p + 32, plain->len - 32);
        vs_share_root_final(&root, &r);
    }
    vs_commit_share(&share->commitment, ctx, share->j, plain->p, &r);
    if (cheat->wrong_commitment == share->j) share->commitment.b[0] ^= 1;
    vs_encoder_ephemeral_secret(enc, share->j, secret);
    vs_seal_public(&share->ephemeral_key, secret);
    share->sealed_len = vs_sealed_share_len(sub->columns, is_seed);
}

static void seal_share(vs_test_sub *sub, const vs_round *round, uint32_t i, const vs_buf *plain,
                       const vs_encoder *enc)
{
    const uint32_t j = sub->h.share[i].j;
    const bool is_seed = j <= sub->tf->fed->committee.t;
    const uint32_t chunks = vs_sealed_share_chunks(sub->columns, is_seed);
    uint8_t secret[32];
    vs_seal *seal = NULL;
    size_t at = 0;
    vs_encoder_ephemeral_secret(enc, j, secret);
    must(vs_seal_new_sender(&seal, secret, &round->open.shareholders[i].key, &sub->h.ctx, j));
    for (uint32_t c = 0; c < chunks; c++) {
        size_t len = vs_sealed_share_plain(sub->columns, is_seed, c);
        uint8_t *out = vs_buf_extend(&sub->sealed[j - 1], len + VS_SEAL_TAG_BYTES);
        VS_ASSERT(out != NULL);
        must(vs_seal_chunk(seal, out, plain->p + at, len, c, c + 1 == chunks));
        at += len;
    }
    VS_ASSERT(at == plain->len);
    vs_seal_free(seal);
}

static void make_trailer(vs_test_sub *sub)
{
    const vs_test_fed *tf = sub->tf;
    const uint32_t r = vs_committee_r(&tf->fed->committee), total = sub->columns + VS_MASK_COLUMNS;
    vs_fe2 rho, w[VS_SHAREHOLDERS_MAX];
    uint8_t sig[64];
    must(vs_challenge(&rho, &sub->h.ctx, &sub->h.commit_root));
    for (uint32_t x = 0; x < r; x++) {
        vs_proof_acc acc;
        vs_proof_start(&acc, rho, sub->columns);
        vs_proof_update(&acc, sub->rows + (size_t)x * total, total);
        w[x] = vs_proof_final(&acc);
    }
    must(vs_trailer_encode(&sub->finish, &sub->h.id, &sub->h.submission, w, r));
    vs_sign(sig, sub->finish.p, sub->finish.len, tf->client[sub->client]->identity_seed);
    vs_buf_bytes(&sub->finish, sig, sizeof sig);
    vs_manifest_hash(&sub->manifest, sub->begin.p, sub->begin.len - 128, w, r);
}

/* Header, sealed shares and trailer, as the encoder's derived values say. */
static void make_messages(vs_test_sub *sub, const vs_round *round, const vs_encoder *enc,
                          const vs_test_cheat *cheat)
{
    const vs_test_fed *tf = sub->tf;
    const uint32_t i = sub->client;
    vs_buf plain[VS_SHAREHOLDERS_MAX] = {{0}};
    vs_h32 pseudonym, ctx;
    uint8_t sig[64];
    vs_header *h = &sub->h;
    h->id = round->id;
    h->model_hash = round->open.model_hash;
    h->params_hash = round->params_hash;
    h->client_key = tf->client[i]->pub.identity;
    vs_encoder_salt(enc, &h->salt);
    h->count = round->open.n_shareholders;
    vs_pseudonym(&pseudonym, &h->id, &h->client_key, &h->salt);
    vs_context(&ctx, &h->id, &h->model_hash, &h->params_hash, &pseudonym);
    for (uint32_t a = 0; a < h->count; a++) {
        h->share[a].j = round->open.shareholders[a].index;
        plain_share(&plain[a], sub, enc, h->share[a].j, cheat);
        commit(sub, a, &plain[a], &ctx, enc, cheat);
    }
    vs_header_derive(h);
    must(vs_header_encode(&sub->begin, h));
    vs_sign(sig, sub->begin.p, sub->begin.len, tf->client[i]->identity_seed);
    vs_buf_bytes(&sub->begin, sig, sizeof sig);
    vs_buf_bytes(&sub->begin, tf->enrolment[i], 64);
    for (uint32_t a = 0; a < h->count; a++) {
        seal_share(sub, round, a, &plain[a], enc);
        vs_buf_free(&plain[a]);
    }
    make_trailer(sub);
    sub->record = (vs_record){
        .pseudonym = h->pseudonym, .manifest_hash = sub->manifest, .commit_root = h->commit_root};
}

vs_test_sub *vs_test_sub_new(const vs_test_fed *tf, const vs_round *round, uint32_t i,
                             uint64_t seed, const vs_test_cheat *cheat)
{
    static const vs_test_cheat honest = {0};
    vs_test_sub *sub = calloc(1, sizeof *sub);
    double *update = calloc(round->open.dim, sizeof *update);
    VS_ASSERT(sub != NULL && update != NULL);
    if (cheat == NULL) cheat = &honest;
    sub->tf = tf;
    sub->client = i;
    sub->columns = round->layout.columns;
    for (uint32_t a = 0; a < round->open.dim; a++) {
        update[a] = (double)(vs_test_u64(seed, a) >> 11) * 0x1p-53 - 0.5;
    }
    uint8_t bytes[32];
    vs_encoder *enc = NULL;
    vs_test_bytes(bytes, sizeof bytes, seed);
    const uint64_t weight = tf->fed->quantiser.max_weight < 3 ? 1 : 3;
    must(vs_encoder_new(&enc, tf->fed, round, bytes, update, round->open.dim, weight, NULL));
    make_rows(sub, round, enc);
    sub->n_coords = (uint32_t)round->layout.dim;
    sub->coords = calloc(sub->n_coords, sizeof *sub->coords);
    VS_ASSERT(sub->coords != NULL);
    must(vs_encoder_coordinates(enc, sub->coords));
    make_messages(sub, round, enc, cheat);
    vs_encoder_free(enc);
    free(update);
    return sub;
}
void vs_test_sub_free(vs_test_sub *sub)
{
    if (sub == NULL) return;
    vs_buf_free(&sub->begin);
    vs_buf_free(&sub->finish);
    for (uint32_t j = 0; j < VS_SHAREHOLDERS_MAX; j++) vs_buf_free(&sub->sealed[j]);
    free(sub->rows);
    free(sub->coords);
    free(sub);
}

static int by_pseudonym(const void *a, const void *b)
{
    return memcmp(a, b, VS_H32_BYTES);
}

void vs_test_records(vs_buf *out, vs_test_sub *const *subs, uint32_t n)
{
    vs_buf_reset(out);
    for (uint32_t i = 0; i < n; i++) {
        uint8_t *at = vs_buf_extend(out, VS_RECORD_BYTES);
        VS_ASSERT(at != NULL);
        vs_record_encode(at, &subs[i]->record);
    }
    if (n > 0) qsort(out->p, n, VS_RECORD_BYTES, by_pseudonym);
}

void vs_test_sum_share(vs_buf *out, vs_test_sub *const *subs, uint32_t n, uint32_t j)
{
    const uint32_t columns = subs[0]->columns, total = columns + VS_MASK_COLUMNS;
    vs_fe *sum = calloc(columns, sizeof *sum);
    VS_ASSERT(sum != NULL);
    for (uint32_t i = 0; i < n; i++) {
        vs_fe_add_many(sum, subs[i]->rows + (size_t)(j - 1) * total, columns);
    }
    vs_buf_reset(out);
    uint8_t *at = vs_buf_extend(out, (size_t)columns * VS_FE_BYTES);
    VS_ASSERT(at != NULL);
    vs_fe_encode_many(at, sum, columns);
    free(sum);
}

void vs_test_order(vs_buf *body, const vs_test_fed *tf, uint64_t round, vs_order order)
{
    const vs_round_id id = {.federation_id = tf->fed->id, .round = round};
    vs_buf bytes = {0};
    uint8_t sig[64];
    must(vs_order_bytes(&bytes, &id, order, body->p, body->len));
    vs_sign(sig, bytes.p, bytes.len, tf->aggregator->identity_seed);
    vs_buf_bytes(body, sig, sizeof sig);
    must(vs_buf_check(body));
    vs_buf_free(&bytes);
}

/* --- entries -------------------------------------------------------------------------------------
 */

vs_test_log *vs_test_log_new(const vs_test_fed *tf)
{
    vs_test_log *log = calloc(1, sizeof *log);
    VS_ASSERT(log != NULL);
    log->tf = tf;
    vs_merkle_init(&log->tree);
    return log;
}

void vs_test_log_free(vs_test_log *log)
{
    for (uint32_t i = 0; i < log->n; i++) vs_buf_free(&log->entry[i]);
    free(log);
}

void vs_test_sign_entry(vs_buf *out, const vs_entry *e, const uint8_t seed[32])
{
    vs_buf payload = {0};
    vs_diag diag = {{0}};
    must(vs_entry_encode(&payload, e, &diag));
    must(vs_dsse_sign(out, vs_entry_kind_name(e->kind), payload.p, payload.len, seed, &diag));
    vs_buf_free(&payload);
}

void vs_test_log_add(vs_test_log *log, const vs_buf *envelope, vs_entry_kind kind)
{
    VS_ASSERT(log->n < VS_TEST_LOG_MAX);
    vs_buf_bytes(&log->entry[log->n], envelope->p, envelope->len);
    vs_merkle_leaf(&log->leaf[log->n], envelope->p, envelope->len);
    vs_merkle_append(&log->tree, &log->leaf[log->n]);
    if (kind == VS_ENTRY_FEDERATION || kind == VS_ENTRY_RESULT || kind == VS_ENTRY_ABORT) {
        log->prev = log->leaf[log->n];
    }
    log->n++;
}

void vs_test_log_note(const vs_test_log *log, vs_buf *note, uint32_t cosigners)
{
    const vs_test_fed *tf = log->tf;
    vs_checkpoint c = {.size = log->n};
    vs_buf text = {0};
    memcpy(c.origin, tf->fed->origin, sizeof c.origin);
    vs_merkle_root(&log->tree, &c.root);
    must(vs_checkpoint_format(&text, &c));
    vs_buf_reset(note);
    must(vs_note_sign(note, (const char *)text.p, text.len, &tf->fed->log_key,
                      tf->aggregator->log_seed));
    for (uint32_t j = 1; j <= cosigners; j++) {
        uint8_t sig[VS_COSIGNATURE_BYTES];
        vs_cosign(sig, (const char *)text.p, text.len, 1000, tf->shareholder[j - 1]->cosigner_seed);
        must(vs_note_add_line(note, &tf->fed->shareholder[j - 1].cosigner_key, sig, sizeof sig));
    }
    vs_buf_free(&text);
}

vs_entry vs_test_entry(const vs_test_log *log, vs_entry_kind kind, uint64_t round)
{
    vs_entry e;
    memset(&e, 0, sizeof e);
    e.kind = kind;
    memcpy(e.origin, log->tf->fed->origin, sizeof e.origin);
    e.federation = log->tf->fed->id;
    e.round = round;
    e.prev = log->prev;
    return e;
}

vs_entry vs_test_entry_federation(const vs_test_log *log)
{
    vs_entry e = vs_test_entry(log, VS_ENTRY_FEDERATION, 0);
    e.u.federation.file = log->tf->fed->id;
    e.u.federation.log_key = log->tf->fed->log_key;
    return e;
}

vs_proposal vs_test_proposal(const vs_round *round, const vs_buf *records)
{
    vs_proposal p = {.id = round->id, .params_hash = round->params_hash};
    p.count = (uint32_t)(records->len / VS_RECORD_BYTES);
    must(vs_records_root(&p.root, records->p, p.count));
    must(vs_records_root(&p.rejected_root, (const uint8_t *)"", 0));
    return p;
}

vs_entry vs_test_entry_set(const vs_test_log *log, const vs_round *round, const vs_buf *records,
                           uint32_t votes)
{
    vs_entry e = vs_test_entry(log, VS_ENTRY_SET, round->id.round);
    vs_proposal p = vs_test_proposal(round, records);
    vs_entry_set *set = &e.u.set;
    set->params_hash = p.params_hash;
    set->count = p.count;
    set->records = p.root;
    set->rejected = p.rejected_root;
    vs_sha256(&set->records_blob, records->p, records->len);
    vs_sha256(&set->rejected_blob, "", 0);
    for (uint32_t j = 1; j <= votes; j++) {
        vs_buf bytes = {0};
        must(vs_vote_bytes(&bytes, &p, j));
        set->votes[set->n_votes].index = j;
        vs_sign(set->votes[set->n_votes++].sig, bytes.p, bytes.len,
                log->tf->shareholder[j - 1]->identity_seed);
        vs_buf_free(&bytes);
    }
    return e;
}

vs_entry vs_test_entry_answer(const vs_test_log *log, const vs_round *round, uint32_t j,
                              const vs_h32 *set_leaf, const vs_buf *sum)
{
    vs_entry e = vs_test_entry(log, VS_ENTRY_ANSWER, round->id.round);
    vs_hash h;
    e.u.answer.index = j;
    e.u.answer.set = *set_leaf;
    vs_answer_hash_start(&h, &round->id, j);
    vs_hash_bytes(&h, sum->p, sum->len);
    vs_hash_final(&h, &e.u.answer.answer_hash);
    e.u.answer.checkpoint_size = log->n;
    vs_merkle_root(&log->tree, &e.u.answer.checkpoint_root);
    return e;
}
