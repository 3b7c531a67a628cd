/* Evidence that a shareholder comes by: kept for ever, given to the aggregator on its order, and as
 * files ("evidence-<number>" among the blobs) for whoever runs it (net/evidence.h).
 *
 * What is kept was checked as anybody else would check it, so nothing honest is ever accused. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/dsse.h"
#include "ledger/tree.h"
#include "net/keys.h"
#include "net/shareholder_impl.h"

/* A stored header ends with the enrolment, which is no part of evidence. */
#define HEADER_TAIL 64u

/* --- keeping ---------------------------------------------------------------------------------- */

/* A file that people find: DIR/blobs/evidence-<number>. */
static sh_name file_of(uint64_t number)
{
    sh_name name;
    (void)snprintf(name.text, sizeof name.text, "evidence-%016" PRIx64, number);
    return name;
}

static vs_err count_evidence(void *ctx, const char *key, const uint8_t *value, size_t len)
{
    vs_shareholder *sh = ctx;
    uint64_t number = strtoull(strrchr(key, '/') + 1, NULL, 16);
    (void)value;
    (void)len;
    if (number >= sh->n_evidence) sh->n_evidence = number + 1;
    return VS_OK;
}

vs_err vs_sh_evidence_load(vs_shareholder *sh, vs_diag *diag)
{
    return sh->store.ops->scan(sh->store.ctx, "evidence/", count_evidence, sh, diag);
}

static vs_err store_evidence(vs_shareholder *sh, const vs_buf *bytes, vs_diag *diag)
{
    sh_name key = vs_sh_key_at("evidence", sh->n_evidence), name = file_of(sh->n_evidence);
    uint8_t size[8];
    vs_store_le64(size, bytes->len);
    vs_store_item item = vs_sh_item(&key, size, sizeof size);
    vs_err err = sh->store.ops->blob_remove(sh->store.ctx, name.text, diag); /* half of one */
    if (err == VS_OK) {
        err = sh->store.ops->blob_write(sh->store.ctx, name.text, 0, bytes->p, bytes->len, diag);
    }
    if (err == VS_OK) err = sh->store.ops->blob_sync(sh->store.ctx, name.text, diag);
    if (err == VS_OK) err = vs_sh_put(sh, &item, 1, diag);
    if (err == VS_OK) sh->n_evidence++;
    return err;
}

static void tell(vs_shareholder *sh, const vs_entry_evidence *e)
{
    vs_diag text, line;
    if (sh->notice == NULL) return;
    vs_evidence_describe(&text, e);
    (void)vs_fail(&line, VS_OK, "evidence kept in %s: %s", file_of(sh->n_evidence - 1).text,
                  text.text);
    sh->notice(sh->notice_ctx, line.text);
}

/* Keep it if it proves what it claims; *kept may be NULL. */
static vs_err keep(vs_shareholder *sh, const vs_buf *bytes, bool *kept, vs_diag *diag)
{
    vs_entry_evidence found;
    if (kept != NULL) *kept = false;
    vs_err err = vs_buf_check(bytes);
    if (err == VS_OK) err = vs_evidence_check(&found, sh->fed, bytes->p, bytes->len, NULL);
    if (vs_sh_is_fatal(err)) return vs_fail(diag, err, "evidence: out of memory");
    if (err != VS_OK || sh->n_evidence >= SH_EVIDENCE_MAX) return VS_OK;
    if (kept != NULL) *kept = true;
    err = store_evidence(sh, bytes, diag);
    if (err == VS_OK) tell(sh, &found);
    return err;
}

/* Against the aggregator: of each kind one a round is enough. */
static vs_err keep_once(vs_shareholder *sh, uint64_t round, vs_claim claim, const vs_buf *bytes,
                        vs_diag *diag)
{
    static const uint8_t one = 1;
    sh_name key = vs_sh_key(round, vs_claim_name(claim), NULL);
    bool there = false, kept = false;
    vs_err err = vs_sh_has(sh, &key, &there, diag);
    if (err != VS_OK || there) return err;
    err = keep(sh, bytes, &kept, diag);
    vs_store_item item = vs_sh_item(&key, &one, 1);
    return err == VS_OK && kept ? vs_sh_put(sh, &item, 1, diag) : err;
}

/* --- clients ---------------------------------------------------------------------------------- */

/* The stored header of a client as a part. */
static vs_err header_part(vs_shareholder *sh, const sh_client *c, vs_buf *out, vs_diag *diag)
{
    sh_name key = vs_sh_key(sh->newest, "header", &c->submission);
    vs_buf stored = {0};
    bool found = false;
    vs_err err = vs_sh_get(sh, &key, &stored, &found, diag);
    if (err == VS_OK && stored.len > HEADER_TAIL) {
        vs_evidence_part(out, stored.p, stored.len - HEADER_TAIL);
    }
    vs_buf_free(&stored);
    return err;
}

vs_err vs_sh_accuse_header(vs_shareholder *sh, const sh_client *c, const uint8_t *begin, size_t len,
                           vs_diag *diag)
{
    vs_buf bytes = {0};
    VS_ASSERT(len > HEADER_TAIL);
    vs_evidence_begin(&bytes, &sh->round->round.id, VS_CLAIM_TWO_SUBMISSIONS, 0, 2);
    vs_err err = header_part(sh, c, &bytes, diag);
    vs_evidence_part(&bytes, begin, len - HEADER_TAIL);
    if (err == VS_OK) err = keep(sh, &bytes, NULL, diag);
    vs_buf_free(&bytes);
    return err;
}

vs_err vs_sh_accuse_proof(vs_shareholder *sh, const sh_client *c, const uint8_t *trailer,
                          size_t len, vs_diag *diag)
{
    sh_name key = vs_sh_key(sh->newest, "trailer", &c->submission);
    vs_buf bytes = {0}, stored = {0};
    bool found = false;
    vs_evidence_begin(&bytes, &sh->round->round.id, VS_CLAIM_TWO_PROOFS, 0, 3);
    vs_err err = header_part(sh, c, &bytes, diag);
    if (err == VS_OK) err = vs_sh_get(sh, &key, &stored, &found, diag);
    if (err == VS_OK && found) {
        vs_evidence_part(&bytes, stored.p, stored.len);
        vs_evidence_part(&bytes, trailer, len);
        err = keep(sh, &bytes, NULL, diag);
    }
    vs_buf_free(&stored);
    vs_buf_free(&bytes);
    return err;
}

/* Nonce and share as they came, chunk by chunk from the disk. */
static vs_err share_part(vs_shareholder *sh, sh_upload *up, vs_buf *out, vs_diag *diag)
{
    const sh_round *r = sh->round;
    uint64_t total = 0;
    for (uint32_t chunk = 0; chunk < r->chunks; chunk++) {
        total += vs_sh_chunk_len(r, chunk) - VS_SEAL_TAG_BYTES;
    }
    vs_buf_u32(out, (uint32_t)total);
    vs_err err = VS_OK;
    for (uint32_t chunk = 0; chunk < r->chunks && err == VS_OK; chunk++) {
        size_t len = vs_sh_chunk_len(r, chunk);
        bool found = false;
        vs_buf_reset(&sh->sealed);
        sh_place at = vs_sh_chunk_place(sh, &r->client[up->client], chunk);
        err = sh->store.ops->blob_read(sh->store.ctx, at.blob.text, at.offset, len, &sh->sealed,
                                       &found, diag);
        if (err == VS_OK && (!found || sh->sealed.len != len)) err = VS_ERR_STATE;
        if (err == VS_OK) {
            err = vs_unseal_chunk(up->seal, sh->plain, sh->sealed.p, len, chunk,
                                  chunk + 1 == r->chunks);
        }
        if (err == VS_OK) vs_buf_bytes(out, sh->plain, len - VS_SEAL_TAG_BYTES);
    }
    memset(sh->plain, 0, VS_SEAL_CHUNK_MAX); /* of a liar, and about to be published */
    return err;
}

vs_err vs_sh_accuse_share(vs_shareholder *sh, const sh_client *c, sh_upload *up,
                          const uint8_t *trailer, size_t len, vs_diag *diag)
{
    vs_buf bytes = {0};
    vs_evidence_begin(&bytes, &sh->round->round.id, VS_CLAIM_INCONSISTENT_SHARE, sh->j, 3);
    vs_err err = header_part(sh, c, &bytes, diag);
    vs_evidence_part(&bytes, trailer, len);
    if (err == VS_OK) err = share_part(sh, up, &bytes, diag);
    if (err == VS_OK) err = keep(sh, &bytes, NULL, diag);
    vs_buf_free_secret(&bytes); /* if it was not the client's fault, it is an honest share */
    return vs_sh_is_fatal(err) ? err : VS_OK;
}

vs_err vs_sh_complain(vs_shareholder *sh, const sh_client *c, vs_reject reason, vs_diag *diag)
{
    const vs_round_id *id = &sh->round->round.id;
    uint8_t sig[64];
    vs_buf bytes = {0}, text = {0};
    vs_err err = vs_complaint_bytes(&text, id, sh->j, &c->pseudonym, &c->submission, reason);
    if (err == VS_OK) {
        vs_sign(sig, text.p, text.len, sh->keys->identity_seed);
        vs_evidence_begin(&bytes, id, VS_CLAIM_STATEMENT, sh->j, 1);
        vs_evidence_part2(&bytes, text.p, text.len, sig, sizeof sig);
        err = keep(sh, &bytes, NULL, diag);
    }
    vs_buf_free(&text);
    vs_buf_free(&bytes);
    return err;
}

/* --- the aggregator --------------------------------------------------------------------------- */

vs_err vs_sh_accuse_entries(vs_shareholder *sh, const uint8_t *first, size_t first_len,
                            const uint8_t *second, size_t second_len, vs_diag *diag)
{
    vs_dsse dsse = {0};
    vs_buf bytes = {0};
    vs_entry *entry = malloc(sizeof *entry);
    if (entry == NULL) return vs_fail(diag, VS_ERR_NOMEM, "evidence: out of memory");
    vs_err err = vs_dsse_parse(&dsse, second, second_len, NULL);
    if (err == VS_OK) {
        err = vs_entry_decode(entry, dsse.kind, dsse.payload.p, dsse.payload.len, NULL);
    }
    if (err == VS_OK) {
        vs_round_id id = {.federation_id = sh->fed->id, .round = entry->round};
        vs_evidence_begin(&bytes, &id, VS_CLAIM_TWO_ENTRIES, 0, 2);
        vs_evidence_part(&bytes, first, first_len);
        vs_evidence_part(&bytes, second, second_len);
        err = keep_once(sh, entry->round, VS_CLAIM_TWO_ENTRIES, &bytes, diag);
    }
    vs_dsse_free(&dsse);
    vs_buf_free(&bytes);
    free(entry);
    return vs_sh_is_fatal(err) ? err : VS_OK; /* what does not decode accuses nobody */
}

/* "order-vote": the first order to vote that was rightly signed: statement, signature. */
vs_err vs_sh_note_proposal(vs_shareholder *sh, const vs_request *req, size_t body_len,
                           vs_diag *diag)
{
    const vs_round_id *id = &sh->round->round.id;
    sh_name key = vs_sh_key(sh->newest, "order-vote", NULL);
    vs_buf order = {0}, stored = {0}, bytes = {0};
    bool found = false;
    vs_err err = vs_order_bytes(&order, id, VS_ORDER_VOTE, req->body, body_len);
    vs_buf_bytes(&order, req->body + body_len, 64);
    if (err == VS_OK) err = vs_buf_check(&order);
    if (err == VS_OK) err = vs_sh_get(sh, &key, &stored, &found, diag);
    if (err == VS_OK && !found) {
        vs_store_item item = vs_sh_item(&key, order.p, order.len);
        err = vs_sh_put(sh, &item, 1, diag);
    } else if (err == VS_OK &&
               (stored.len != order.len || memcmp(stored.p, order.p, order.len) != 0)) {
        vs_evidence_begin(&bytes, id, VS_CLAIM_TWO_PROPOSALS, 0, 2);
        vs_evidence_part(&bytes, stored.p, stored.len);
        vs_evidence_part(&bytes, order.p, order.len);
        err = keep_once(sh, sh->newest, VS_CLAIM_TWO_PROPOSALS, &bytes, diag);
    }
    vs_buf_free(&order);
    vs_buf_free(&stored);
    vs_buf_free(&bytes);
    return err;
}

/* --- the log ---------------------------------------------------------------------------------- */

/* Root of the 2^level entries from index * 2^level on, as we have them. */
static vs_err stored_node(void *ctx, uint32_t level, uint64_t index, vs_h32 *out)
{
    vs_shareholder *sh = ctx;
    vs_merkle tree;
    vs_buf entry = {0};
    vs_err err = VS_OK;
    vs_merkle_init(&tree);
    for (uint64_t i = index << level; i < (index + 1) << level && err == VS_OK; i++) {
        sh_name key = vs_sh_key_at("log/entry", i);
        bool found = false;
        vs_h32 leaf;
        err = vs_sh_get(sh, &key, &entry, &found, NULL);
        if (err == VS_OK && !found) err = VS_ERR_IO;
        vs_merkle_leaf(&leaf, entry.p, entry.len);
        vs_merkle_append(&tree, &leaf);
    }
    vs_buf_free(&entry);
    vs_merkle_root(&tree, out);
    return err;
}

/* Our log's root of the first `size` entries, and that the noted checkpoint goes on from there. */
static vs_err log_part(vs_shareholder *sh, uint64_t size, uint64_t noted, vs_buf *out)
{
    const vs_tree_reader tree = {.node = stored_node, .ctx = sh};
    vs_tree_path path = {0};
    vs_h32 root;
    vs_err err = vs_tree_root(&tree, size, &root);
    if (err == VS_OK && size < noted) err = vs_tree_prove_consistency(&tree, size, noted, &path);
    if (err == VS_OK) {
        vs_evidence_part2(out, root.b, sizeof root.b, path.node, path.n * sizeof path.node[0]);
    }
    return err;
}

vs_err vs_sh_accuse_log(vs_shareholder *sh, const vs_checkpoint *c, const uint8_t *note, size_t len,
                        vs_diag *diag)
{
    const sh_name key = {"log/note"};
    const vs_round_id id = {.federation_id = sh->fed->id};
    vs_buf ours = {0}, bytes = {0};
    vs_checkpoint noted = {0};
    bool found = false;
    vs_err err = vs_sh_get(sh, &key, &ours, &found, diag);
    if (err == VS_OK && found &&
        vs_checkpoint_parse(&noted, ours.p + 8, vs_load_le32(ours.p), NULL) != VS_OK) {
        found = false;
    }
    if (err == VS_OK && found && c->size >= 1 && c->size <= noted.size &&
        noted.size <= vs_replay_size(sh->log)) {
        vs_evidence_begin(&bytes, &id, VS_CLAIM_TWO_LOGS, 0, 3);
        vs_evidence_part(&bytes, ours.p + 8, ours.len - 8);
        vs_evidence_part(&bytes, note, len);
        err = log_part(sh, c->size, noted.size, &bytes);
        if (err == VS_OK) err = keep_once(sh, noted.size, VS_CLAIM_TWO_LOGS, &bytes, diag);
    }
    vs_buf_free(&ours);
    vs_buf_free(&bytes);
    return err;
}

/* "log/note": u32 length of its text, four zero bytes, the newest checkpoint that we cosigned. */
vs_err vs_sh_note_checkpoint(vs_shareholder *sh, const uint8_t *note, size_t len, size_t text_len,
                             vs_diag *diag)
{
    const sh_name key = {"log/note"};
    vs_buf value = {0};
    vs_buf_u32(&value, (uint32_t)text_len);
    vs_buf_u32(&value, 0);
    vs_buf_bytes(&value, note, len);
    vs_err err = vs_buf_check(&value);
    vs_store_item item = vs_sh_item(&key, value.p, value.len);
    if (err == VS_OK) err = vs_sh_put(sh, &item, 1, diag);
    vs_buf_free(&value);
    return err;
}

/* --- serving ---------------------------------------------------------------------------------- */

static bool is_ordered(const vs_shareholder *sh, const vs_request *req, vs_err *err)
{
    const vs_round_id id = {.federation_id = sh->fed->id};
    vs_buf bytes = {0};
    bool good = false;
    if (req->body_len == 64) {
        *err = vs_order_bytes(&bytes, &id, VS_ORDER_EVIDENCE, "", 0);
        good = *err == VS_OK &&
               vs_verify(req->body, bytes.p, bytes.len, &sh->fed->aggregator.key) == VS_OK;
    }
    vs_buf_free(&bytes);
    return good;
}

vs_err vs_sh_on_evidence(vs_shareholder *sh, const vs_request *req, vs_buf *reply, vs_diag *diag)
{
    const vsw_Evidence *op = &req->head.op.evidence;
    vsw_Reply head = {.which_result = vsw_Reply_progress_tag};
    vs_buf piece = {0};
    uint64_t total = 0;
    bool found = false;
    vs_err err = VS_OK;
    if (!is_ordered(sh, req, &err)) {
        return err != VS_OK ? err
                            : vs_reply_error(reply, vsw_Code_UNAUTHORISED, 0,
                                             "the aggregator's signature of this order fails");
    }
    if (op->number >= sh->n_evidence) {
        return vs_reply_error(reply, vsw_Code_NOT_FOUND, sh->n_evidence,
                              "there is no evidence %" PRIu64, op->number);
    }
    sh_name name = file_of(op->number);
    err = sh->store.ops->blob_size(sh->store.ctx, name.text, &total, &found, diag);
    if (err == VS_OK && found) {
        err = sh->store.ops->blob_read(sh->store.ctx, name.text, op->offset, SH_EVIDENCE_PIECE,
                                       &piece, &found, diag);
    }
    if (err == VS_OK && !found) {
        err = vs_reply_error(reply, vsw_Code_CANNOT, 0, "evidence %" PRIu64 " is lost", op->number);
    } else if (err == VS_OK) {
        head.result.progress.next = op->offset + piece.len;
        head.result.progress.total = total;
        err = vs_reply_encode(reply, &head, piece.p, piece.len);
    }
    vs_buf_free(&piece);
    return err;
}
