/* The log of an aggregator that changes what it likes and signs it, blobs too: every entry is
 * refused without a trace, or moves the replay by exactly itself. */
#include "ledger/dsse.h"
#include "net/replay.h"
#include "tests/fuzz/script.h"
#include "tests/fuzz/world_log.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static fuzz_log good;

typedef struct blobs {
    vs_buf bytes[FUZZ_FILES_MAX];
    vs_h32 name[FUZZ_FILES_MAX];
    uint32_t n;
} blobs;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_log_make(&good);
    return 0;
}

static const vs_buf *find(const blobs *b, const vs_h32 *name)
{
    for (uint32_t i = 0; i < b->n; i++) {
        if (vs_h32_equal(&b->name[i], name)) return &b->bytes[i];
    }
    return NULL;
}

static vs_err blob_size(void *ctx, const vs_h32 *name, uint64_t *bytes)
{
    const vs_buf *b = find(ctx, name);
    if (b == NULL) return VS_ERR_STATE;
    *bytes = b->len;
    return VS_OK;
}

static vs_err blob_read(void *ctx, const vs_h32 *name, uint64_t offset, uint8_t *out, size_t len)
{
    const vs_buf *b = find(ctx, name);
    if (b == NULL || offset > b->len || len > b->len - offset) return VS_ERR_STATE;
    if (len > 0) memcpy(out, b->p + offset, len);
    return VS_OK;
}

/* An entry with another payload, signed by whoever signed the original. */
static void sign_again(vs_buf *envelope, const vs_dsse *d, const vs_buf *payload)
{
    const vs_test_fed *tf = good.w->tf;
    const uint8_t *seed = tf->aggregator->identity_seed;
    for (uint32_t j = 0; j < tf->fed->committee.n; j++) {
        if (vs_h32_equal(&d->keyid[0], &tf->fed->shareholder[j].party.key)) {
            seed = tf->shareholder[j]->identity_seed;
        }
    }
    vs_buf_reset(envelope);
    (void)!vs_dsse_sign(envelope, d->kind, payload->p, payload->len, seed, NULL);
}

static void change(vs_buf *envelope, vs_reader *in)
{
    vs_dsse d = {0};
    vs_buf payload = {0};
    uint8_t how = vs_read_u8(in);
    if (how % 4 == 0) {
        (void)fuzz_damage(envelope, in);
    } else if (how % 4 == 1 && vs_dsse_parse(&d, envelope->p, envelope->len, NULL) == VS_OK) {
        vs_buf_bytes(&payload, d.payload.p, d.payload.len);
        (void)fuzz_damage(&payload, in);
        sign_again(envelope, &d, &payload);
    }
    vs_dsse_free(&d);
    vs_buf_free(&payload);
}

/* Damaged blobs keep their name, or take the one of their new bytes. */
static void make_blobs(blobs *b, vs_reader *in)
{
    for (uint32_t i = 0; i < good.n_files; i++) {
        if (strncmp(good.file[i], "blobs/", 6) != 0) continue;
        uint8_t how = vs_read_u8(in);
        if (how == 255) continue; /* it is not there */
        vs_buf_bytes(&b->bytes[b->n], good.bytes[i].p, good.bytes[i].len);
        vs_sha256(&b->name[b->n], good.bytes[i].p, good.bytes[i].len);
        if (how % 8 == 1) (void)fuzz_damage(&b->bytes[b->n], in);
        if (how % 16 == 1) vs_sha256(&b->name[b->n], b->bytes[b->n].p, b->bytes[b->n].len);
        b->n++;
    }
}

static void feed(vs_replay *rp, const vs_buf *envelope, vs_merkle *tree)
{
    vs_diag diag = {{0}};
    vs_h32 leaf, root, expected;
    vs_err err = vs_replay_entry(rp, envelope->p, envelope->len, &diag);
    VS_ASSERT(err == VS_OK || err == VS_ERR_MALFORMED || err == VS_ERR_PROOF ||
              err == VS_ERR_STATE);
    if (err == VS_OK) {
        vs_merkle_leaf(&leaf, envelope->p, envelope->len);
        vs_merkle_append(tree, &leaf);
    } else {
        VS_ASSERT(strncmp(diag.text, "entry ", 6) == 0 && strchr(diag.text, '\n') == NULL);
    }
    vs_merkle_root(tree, &expected);
    vs_replay_root(rp, &root);
    VS_ASSERT(vs_h32_equal(&root, &expected));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vs_reader in = vs_reader_of(data, size);
    blobs *b = calloc(1, sizeof *b);
    const vs_blob_source source = {blob_size, blob_read, b};
    vs_replay *rp = NULL;
    vs_merkle tree;
    VS_ASSERT(b != NULL);
    vs_merkle_init(&tree);
    make_blobs(b, &in);
    VS_ASSERT(vs_replay_new(&rp, good.w->tf->fed, &source, true) == VS_OK);
    for (uint32_t i = 0; i < good.n_entries; i++) {
        uint8_t op = vs_read_u8(&in);
        vs_buf envelope = {0};
        uint32_t which = op % 8 == 7 ? op / 8 % good.n_entries : i; /* another one first */
        vs_buf_bytes(&envelope, good.entry[which].p, good.entry[which].len);
        if (op % 4 == 1) change(&envelope, &in);
        feed(rp, &envelope, &tree);
        if (op % 4 != 0 && op % 8 != 2) feed(rp, &good.entry[i], &tree);
        vs_buf_free(&envelope);
    }
    vs_replay_free(rp);
    for (uint32_t i = 0; i < b->n; i++) vs_buf_free(&b->bytes[i]);
    free(b);
    return 0;
}
