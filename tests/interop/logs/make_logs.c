/* Logs for tests/interop: make_logs DIR SIZE... writes for each size DIR/<size>: the published log
 * (two cosignatures, signed DSSE envelopes as entries), receipts/<index>, consistency/<old> (one
 * base64 hash per line, the old root first), vkeys (log, then cosigners), signer (hex). Keys are
 * fixed: nothing here is secret. */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "ledger/dsse.h"
#include "ledger/export.h"
#include "ledger/log.h"
#include "ledger/tlog_proof.h"

#define ORIGIN "example.org/veilsum/interop"
enum { BATCH = 4096, PATH_BYTES = 1000 };

typedef struct party {
    uint8_t seed[32];
    vs_note_key key;
} party;

typedef struct maker {
    party log, w1, w2, signer;
    char dir[PATH_BYTES], public[PATH_BYTES];
    vs_log *l;
    uint64_t size;
} maker;

static void must(vs_err err, const vs_diag *diag)
{
    if (err == VS_OK) return;
    (void)fprintf(stderr, "make_logs: %s: %s\n", vs_err_name(err), diag->text);
    exit(1);
}

static party party_of(const char *name, uint8_t type, uint8_t n)
{
    party p = {.seed = {n}};
    vs_diag diag = {{0}};
    vs_h32 pk;
    uint8_t sk[crypto_sign_SECRETKEYBYTES];
    (void)crypto_sign_seed_keypair(pk.b, sk, p.seed);
    must(vs_note_key_make(&p.key, name, type, &pk, &diag), &diag);
    return p;
}

static void save(const maker *m, const char *folder, const char *name, const vs_buf *bytes)
{
    char path[PATH_BYTES + 64];
    vs_diag diag = {{0}};
    (void)snprintf(path, sizeof path, "%s/%s", m->dir, folder);
    must(vs_file_make_folders(path, 0755, &diag), &diag);
    (void)snprintf(path, sizeof path, "%s/%s/%s", m->dir, folder, name);
    must(vs_file_write_durable(path, bytes->p, bytes->len, 0644, &diag), &diag);
}

static void append_batch(maker *m, uint64_t n)
{
    vs_diag diag = {{0}};
    uint64_t first;
    vs_buf *all = calloc(n, sizeof *all);
    vs_bytes *bytes = calloc(n, sizeof *bytes);
    if (all == NULL || bytes == NULL) exit(1);
    for (uint64_t i = 0; i < n; i++) {
        char payload[100];
        int len = snprintf(payload, sizeof payload, "{\"entry\":%" PRIu64 ",\"of\":%" PRIu64 "}",
                           vs_log_size(m->l) + i, m->size);
        must(vs_dsse_sign(&all[i], "interop", payload, (size_t)len, m->signer.seed, &diag), &diag);
        bytes[i] = (vs_bytes){all[i].p, all[i].len};
    }
    must(vs_log_append(m->l, bytes, (uint32_t)n, &first, NULL, &diag), &diag);
    for (uint64_t i = 0; i < n; i++) vs_buf_free(&all[i]);
    free(all);
    free(bytes);
}

static void cosign(maker *m, const party *w, uint64_t time_s)
{
    vs_diag diag = {{0}};
    vs_checkpoint c = {.size = vs_log_size(m->l)};
    vs_buf text = {0};
    uint8_t sig[VS_COSIGNATURE_BYTES];
    vs_log_root(m->l, &c.root);
    (void)snprintf(c.origin, sizeof c.origin, "%s", ORIGIN);
    must(vs_checkpoint_format(&text, &c), &diag);
    vs_cosign(sig, (const char *)text.p, text.len, time_s, w->seed);
    must(vs_log_add_cosignature(m->l, c.size, &w->key, sig, &diag), &diag);
    vs_buf_free(&text);
}

static void write_receipt(maker *m, uint64_t index)
{
    char name[32];
    vs_diag diag = {{0}};
    vs_buf text = {0};
    vs_tlog_proof proof = {.index = index};
    vs_tree_reader tree = vs_log_tree(m->l);
    must(vs_log_checkpoint(m->l, &proof.checkpoint, &diag), &diag);
    must(vs_tree_prove_inclusion(&tree, index, m->size, &proof.path), &diag);
    must(vs_tlog_proof_format(&text, &proof), &diag);
    (void)snprintf(name, sizeof name, "%" PRIu64, index);
    save(m, "receipts", name, &text);
    vs_buf_free(&text);
    vs_tlog_proof_free(&proof);
}

static void write_consistency(maker *m, uint64_t old)
{
    char name[32], line[VS_BASE64_CHARS(VS_H32_BYTES)];
    vs_diag diag = {{0}};
    vs_buf text = {0};
    vs_h32 root;
    vs_tree_path path;
    vs_tree_reader tree = vs_log_tree(m->l);
    must(vs_tree_root(&tree, old, &root), &diag);
    must(vs_tree_prove_consistency(&tree, old, m->size, &path), &diag);
    vs_base64_encode(line, root.b, sizeof root.b);
    vs_buf_printf(&text, "%s\n", line);
    for (uint32_t i = 0; i < path.n; i++) {
        vs_base64_encode(line, path.node[i].b, VS_H32_BYTES);
        vs_buf_printf(&text, "%s\n", line);
    }
    (void)snprintf(name, sizeof name, "%" PRIu64, old);
    save(m, "consistency", name, &text);
    vs_buf_free(&text);
}

static void write_keys(maker *m)
{
    char vkey[VS_VKEY_CHARS], hex[VS_HEX_CHARS(VS_H32_BYTES)];
    vs_buf text = {0};
    const vs_note_key *keys[] = {&m->log.key, &m->w1.key, &m->w2.key};
    for (size_t i = 0; i < 3; i++) {
        vs_note_key_format(vkey, keys[i]);
        vs_buf_printf(&text, "%s\n", vkey);
    }
    save(m, ".", "vkeys", &text);
    vs_buf_reset(&text);
    vs_hex_encode(hex, m->signer.key.public_key.b, VS_H32_BYTES);
    vs_buf_printf(&text, "%s\n", hex);
    save(m, ".", "signer", &text);
    vs_buf_free(&text);
}

static void make(maker *m)
{
    char ledger[PATH_BYTES + 16];
    vs_diag diag = {{0}};
    vs_export *e = NULL;
    vs_policy policy = {.log_key = m->log.key, .n_cosigners = 2, .quorum = 2};
    policy.cosigner[0] = m->w1.key;
    policy.cosigner[1] = m->w2.key;
    (void)snprintf(ledger, sizeof ledger, "%s/ledger", m->dir);
    must(vs_log_create(&m->l, ledger, ORIGIN, &m->log.key, m->log.seed, &diag), &diag);
    while (vs_log_size(m->l) < m->size) {
        uint64_t left = m->size - vs_log_size(m->l);
        append_batch(m, left < BATCH ? left : BATCH);
    }
    cosign(m, &m->w1, 1700000000);
    cosign(m, &m->w2, 1700000001);
    must(vs_export_open(&e, m->dir, m->l, &policy, true, false, &diag), &diag);
    must(vs_export_update(e, &diag), &diag);
    vs_export_free(e);
    const uint64_t at[] = {0, 1, 254, 255, 256, 4095, 65535, 65536, m->size / 2, m->size - 1};
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        if (at[i] < m->size) write_receipt(m, at[i]);
        if (at[i] + 1 <= m->size) write_consistency(m, at[i] + 1);
    }
    write_keys(m);
    vs_log_close(m->l);
}

int main(int argc, char **argv)
{
    if (argc < 3 || sodium_init() < 0) return 2;
    for (int i = 2; i < argc; i++) {
        maker m = {.log = party_of(ORIGIN, VS_NOTE_ED25519, 1),
                   .w1 = party_of("w1.example.org", VS_NOTE_COSIGNATURE, 2),
                   .w2 = party_of("w2.example.org", VS_NOTE_COSIGNATURE, 3),
                   .signer = party_of("signer", VS_NOTE_ED25519, 4),
                   .size = strtoull(argv[i], NULL, 10)};
        if (m.size == 0) return 2;
        (void)snprintf(m.dir, sizeof m.dir, "%s/%s", argv[1], argv[i]);
        make(&m);
    }
    return 0;
}
