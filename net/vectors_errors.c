/* Suite "errors": one judgement per kind, with the decoders and checks that the roles use. The
 * cases are made in vectors_errors_make.c. */
#include "net/vectors_errors.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "mpc/pack.h"
#include "mpc/prg.h"
#include "mpc/proof.h"
#include "net/keys.h"
#include "net/seal.h"
#include "net/submission.h"

enum { BLOB_MAX = 1 << 16, ELEMENTS_MAX = 4096, CHUNKS_MAX = 16 };

static vs_err judge_element(vs_case *c)
{
    uint8_t bytes[VS_FE_BYTES];
    vs_fe x;
    vs_case_hex(c, "bytes", bytes, sizeof bytes);
    return vs_fe_decode_many(&x, bytes, 1);
}

/* A layout that is decoded from member "bytes" alone. */
static vs_err judge_bytes(vs_case *c, vs_err (*decode)(const uint8_t *bytes, size_t len))
{
    vs_buf b = {0};
    vs_case_blob(c, "bytes", &b, BLOB_MAX);
    vs_err err = decode(b.p, b.len);
    vs_buf_free(&b);
    return err;
}

static vs_err decode_header(const uint8_t *bytes, size_t len)
{
    vs_header *h = malloc(sizeof *h);
    vs_err err = h == NULL ? VS_ERR_NOMEM : vs_header_decode(h, bytes, len);
    free(h);
    return err;
}

static vs_err decode_proposal(const uint8_t *bytes, size_t len)
{
    vs_proposal p;
    return vs_proposal_decode(&p, bytes, len);
}

static vs_err decode_records(const uint8_t *bytes, size_t len)
{
    vs_h32 root;
    if (len % VS_RECORD_BYTES != 0) return VS_ERR_MALFORMED;
    return vs_records_root(&root, bytes, (uint32_t)(len / VS_RECORD_BYTES));
}

static vs_err judge_header(vs_case *c)
{
    return judge_bytes(c, decode_header);
}

static vs_err judge_proposal(vs_case *c)
{
    return judge_bytes(c, decode_proposal);
}

static vs_err judge_records(vs_case *c)
{
    return judge_bytes(c, decode_records);
}

static vs_err judge_trailer(vs_case *c)
{
    vs_round_id id;
    vs_h32 submission;
    vs_fe2 w[VS_SHAREHOLDERS_MAX];
    vs_buf b = {0};
    vs_case_h32(c, "federation_id", &id.federation_id);
    id.round = vs_case_uint(c, "round", 0, INT64_MAX);
    vs_case_h32(c, "submission", &submission);
    uint32_t r = (uint32_t)vs_case_uint(c, "r", 1, VS_SHAREHOLDERS_MAX);
    vs_case_blob(c, "bytes", &b, BLOB_MAX);
    vs_err err = vs_trailer_decode(w, r, &id, &submission, b.p, b.len);
    vs_buf_free(&b);
    return err;
}

/* --- a share at its shareholder ----------------------------------------------------------------
 */

typedef struct share {
    vs_h32 ctx, commitment;
    uint32_t j, t, columns, r;
    uint8_t nonce[VS_NONCE_BYTES];
    vs_fe2 rho, w[VS_SHAREHOLDERS_MAX];
    vs_buf bytes;
} share;

/* Length, canonical elements, commitment, W: in this order. */
static vs_err check_share(const share *s)
{
    vs_fe x[ELEMENTS_MAX];
    uint32_t cols = s->columns + VS_MASK_COLUMNS;
    bool is_seed = s->j <= s->t;
    vs_h32 root, commitment;
    vs_proof_acc acc;
    if (s->bytes.len != (is_seed ? VS_SEED_BYTES : (size_t)cols * VS_FE_BYTES)) {
        return VS_ERR_MALFORMED;
    }
    if (is_seed) {
        vs_prg *prg = NULL;
        vs_err err = vs_prg_new(&prg, s->bytes.p, VS_PRG_SHARE);
        if (err != VS_OK) return err;
        vs_prg_fill(prg, x, 0, cols);
        vs_prg_free(prg);
        vs_share_root_seed(&root, s->bytes.p);
    } else {
        vs_share_root tree;
        if (vs_fe_decode_many(x, s->bytes.p, cols) != VS_OK) return VS_ERR_MALFORMED;
        vs_share_root_init(&tree);
        vs_share_root_update(&tree, s->bytes.p, s->bytes.len);
        vs_share_root_final(&tree, &root);
    }
    vs_commit_share(&commitment, &s->ctx, s->j, s->nonce, &root);
    if (!vs_h32_equal(&commitment, &s->commitment)) return VS_ERR_PROOF;
    vs_proof_start(&acc, s->rho, s->columns);
    vs_proof_update(&acc, x, cols);
    vs_fe2 mine = vs_proof_final(&acc);
    return vs_fe2_equal(mine, vs_proof_eval(s->w, s->r, s->j)) ? VS_OK : VS_ERR_PROOF;
}

static vs_err judge_share(vs_case *c)
{
    size_t r, two;
    share *s = calloc(1, sizeof *s);
    if (s == NULL) return VS_ERR_NOMEM;
    vs_case_h32(c, "ctx", &s->ctx);
    s->j = (uint32_t)vs_case_uint(c, "j", 1, VS_SHAREHOLDERS_MAX);
    s->t = (uint32_t)vs_case_uint(c, "t", 1, VS_SHAREHOLDERS_MAX);
    s->columns = (uint32_t)vs_case_uint(c, "columns", 1, ELEMENTS_MAX - VS_MASK_COLUMNS);
    vs_case_hex(c, "nonce", s->nonce, sizeof s->nonce);
    vs_case_h32(c, "commitment", &s->commitment);
    const json_t *rho = vs_case_array(c, "rho", 2, 2, &two);
    s->rho.re = vs_entry_fe(c, rho, 0, "rho");
    s->rho.im = vs_entry_fe(c, rho, 1, "rho");
    const json_t *w = vs_case_array(c, "W", 1, VS_SHAREHOLDERS_MAX, &r);
    for (size_t i = 0; i < r; i++) s->w[i] = vs_entry_fe2(c, w, i, "W");
    s->r = (uint32_t)r;
    vs_case_blob(c, "bytes", &s->bytes, BLOB_MAX);
    vs_err err = c->err == VS_OK ? check_share(s) : c->err;
    vs_buf_free(&s->bytes);
    free(s);
    return err;
}

/* --- sealed chunks, signatures -----------------------------------------------------------------
 */

static vs_err unseal_entry(vs_case *c, vs_seal *seal, const json_t *chunks, size_t i, bool last)
{
    vs_buf in = {0}, out = {0};
    vs_entry_blob(c, chunks, i, "chunks", &in, VS_SEAL_CHUNK_MAX + VS_SEAL_TAG_BYTES);
    uint8_t *to = vs_buf_extend(&out, in.len + 1);
    vs_err err = to == NULL ? VS_ERR_NOMEM : VS_OK;
    if (err == VS_OK && in.len < VS_SEAL_TAG_BYTES) err = VS_ERR_MALFORMED;
    if (err == VS_OK) err = vs_unseal_chunk(seal, to, in.p, in.len, (uint32_t)i, last);
    vs_buf_free(&in);
    vs_buf_free(&out);
    return err;
}

static vs_err judge_sealed(vs_case *c)
{
    uint8_t round_secret[32];
    vs_h32 ephemeral_key, ctx;
    vs_seal *seal = NULL;
    size_t count;
    vs_case_hex(c, "round_secret", round_secret, sizeof round_secret);
    vs_case_h32(c, "ephemeral_key", &ephemeral_key);
    vs_case_h32(c, "ctx", &ctx);
    uint32_t j = (uint32_t)vs_case_uint(c, "j", 1, VS_SHAREHOLDERS_MAX);
    const json_t *chunks = vs_case_array(c, "chunks", 1, CHUNKS_MAX, &count);
    if (c->err != VS_OK) return c->err;
    vs_err err = vs_seal_new_receiver(&seal, round_secret, &ephemeral_key, &ctx, j);
    for (size_t i = 0; err == VS_OK && i < count; i++) {
        err = unseal_entry(c, seal, chunks, i, i + 1 == count);
    }
    vs_seal_free(seal);
    return err;
}

static vs_err judge_signature(vs_case *c)
{
    uint8_t signature[64];
    vs_h32 key;
    vs_buf message = {0};
    vs_case_h32(c, "public_key", &key);
    vs_case_blob(c, "message", &message, BLOB_MAX);
    vs_case_hex(c, "signature", signature, sizeof signature);
    vs_err err = vs_verify(signature, message.p == NULL ? (const uint8_t *)"" : message.p,
                           message.len, &key);
    vs_buf_free(&message);
    return err;
}

/* --- parameters and ranges ---------------------------------------------------------------------
 */

static vs_err judge_committee(vs_case *c)
{
    vs_committee m;
    m.n = (uint32_t)vs_case_uint(c, "n", 0, UINT32_MAX);
    m.t = (uint32_t)vs_case_uint(c, "t", 0, UINT32_MAX);
    m.k = (uint32_t)vs_case_uint(c, "k", 0, UINT32_MAX);
    m.margin = (uint32_t)vs_case_uint(c, "margin", 0, UINT32_MAX);
    return vs_committee_check(&m, NULL);
}

static vs_err read_layout(vs_case *c, vs_layout *layout)
{
    uint32_t bits = (uint32_t)vs_case_uint(c, "bits", 0, UINT32_MAX);
    uint32_t max_clients = (uint32_t)vs_case_uint(c, "max_clients", 0, UINT32_MAX);
    uint32_t k = (uint32_t)vs_case_uint(c, "k", 0, UINT32_MAX);
    uint64_t dim = vs_case_uint(c, "dim", 0, INT64_MAX);
    return vs_layout_make(layout, bits, max_clients, k, dim, NULL);
}

static vs_err judge_layout(vs_case *c)
{
    vs_layout layout;
    return read_layout(c, &layout);
}

static vs_err judge_sums(vs_case *c)
{
    vs_layout layout;
    vs_fe rows[VS_SHAREHOLDERS_MAX];
    const vs_fe *row[VS_SHAREHOLDERS_MAX];
    uint64_t sums[VS_SHAREHOLDERS_MAX * 60];
    size_t count;
    vs_err err = read_layout(c, &layout);
    uint32_t clients = (uint32_t)vs_case_uint(c, "clients", 1, VS_CLIENTS_MAX);
    const json_t *elements = vs_case_array(c, "elements", 1, VS_SHAREHOLDERS_MAX, &count);
    if (c->err == VS_OK && (err != VS_OK || layout.columns != 1 || count != layout.packing ||
                            clients > layout.max_clients)) {
        return vs_case_fail(c, VS_ERR_MALFORMED, "elements",
                            "must be the k elements of one column, of at most max_clients clients");
    }
    for (size_t i = 0; i < count; i++) {
        rows[i] = vs_entry_fe(c, elements, i, "elements");
        row[i] = &rows[i];
    }
    if (c->err != VS_OK) return c->err;
    uint64_t max_sum = clients * ((UINT64_C(1) << layout.bits) - 1);
    return vs_unpack_columns(&layout, sums, layout.dim, row, 1, max_sum);
}

/* --- the suite ---------------------------------------------------------------------------------
 */

static const struct kind {
    const char *name;
    vs_err (*judge)(vs_case *c);
} kinds[] = {
    {"element", judge_element},     {"header", judge_header}, {"trailer", judge_trailer},
    {"share", judge_share},         {"sealed", judge_sealed}, {"signature", judge_signature},
    {"records", judge_records},     {"sums", judge_sums},     {"proposal", judge_proposal},
    {"committee", judge_committee}, {"layout", judge_layout},
};

static void compute(vs_case *c)
{
    const char *kind = vs_case_text(c, "kind");
    (void)vs_case_text(c, "why");
    if (c->err != VS_OK) return;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].name, kind) != 0) continue;
        vs_err verdict = kinds[i].judge(c);
        if (verdict == VS_ERR_NOMEM) (void)vs_case_fail(c, verdict, "kind", "out of memory");
        vs_case_put_bool(c, "accepted", verdict == VS_OK);
        vs_case_put(c, "error", verdict == VS_OK ? json_null() : json_string(vs_err_name(verdict)));
        return;
    }
    (void)vs_case_fail(c, VS_ERR_MALFORMED, "kind", "is not a kind of error case");
}

const vs_suite vs_suite_errors = {.name = "errors", .make = vs_errors_make, .compute = compute};
