#include "tests/cli/support_log.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "ledger/dsse.h"
#include "ledger/entry.h"
#include "tests/support.h"

small_key small_log_key(const char *name, uint8_t type, uint64_t n)
{
    small_key k = {0};
    vs_h32 public_key;
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    vs_test_bytes(k.seed, sizeof k.seed, n);
    cr_assert_eq(crypto_sign_seed_keypair(public_key.b, secret, k.seed), 0);
    cr_assert_eq(vs_note_key_make(&k.note, name, type, &public_key, NULL), VS_OK);
    vs_note_key_format(k.vkey, &k.note);
    return k;
}

static void put_entry(small_log *w, uint32_t i, const vs_entry *e)
{
    vs_buf payload = {0};
    const char *kind = vs_entry_kind_name(e->kind);
    cr_assert_eq(vs_entry_encode(&payload, e, NULL), VS_OK);
    cr_assert_eq(vs_dsse_sign(&w->entry[i], kind, payload.p, payload.len, w->log.seed, NULL),
                 VS_OK);
    vs_buf_free(&payload);
}

static vs_entry entry_of(vs_entry_kind kind, uint64_t round)
{
    vs_entry e = {.kind = kind, .origin = ORIGIN, .federation = {{7}}, .round = round};
    if (round > 0) e.prev.b[0] = 1;
    return e;
}

static void make_entries(small_log *w, const vs_h32 *blob)
{
    vs_entry e = entry_of(VS_ENTRY_FEDERATION, 0);
    e.federation = *blob;
    e.u.federation.file = *blob;
    e.u.federation.log_key = w->log.note;
    put_entry(w, 0, &e);
    e = entry_of(VS_ENTRY_OPEN, 1);
    e.u.open = (vs_entry_open){.dim = 10,
                               .weight_digits = 1,
                               .quantization_bits = 16,
                               .max_clients = 8,
                               .min_clients = 2,
                               .clipping_range = 1,
                               .max_weight = 9,
                               .opened_at = 1700000000,
                               .deadline = 1700000001,
                               .hard_expiry = 1700000002,
                               .n_shareholders = 1,
                               .shareholders = {{.index = 3}}};
    put_entry(w, 1, &e);
    e = entry_of(VS_ENTRY_CLOSED, 1);
    e.u.closed.index = 3;
    put_entry(w, 2, &e);
    e = entry_of(VS_ENTRY_ABORT, 1);
    e.u.abort = (vs_entry_abort){.reason = VS_ABORT_TOO_FEW_CLIENTS,
                                 .detail = "1 of 2 \x7f clients",
                                 .closed = true,
                                 .n_not_voting = 2,
                                 .not_voting = {1, 4}};
    put_entry(w, 3, &e);
    vs_buf_text(&w->entry[4], "{\"of\": \"another\x1b[31m program\"}");
}

static void cosign(vs_log *log, const small_key *who, uint64_t size)
{
    vs_buf note = {0};
    vs_note_result r;
    uint8_t sig[VS_COSIGNATURE_BYTES];
    cr_assert_eq(vs_log_checkpoint_at(log, size, &note, NULL), VS_OK);
    cr_assert_eq(vs_note_verify(&r, note.p, note.len, vs_log_key(log), 1, NULL), VS_OK);
    vs_cosign(sig, (const char *)note.p, r.text_len, 1700000000, who->seed);
    cr_assert_eq(vs_log_add_cosignature(log, size, &who->note, sig, NULL), VS_OK);
    vs_buf_free(&note);
}

char *small_log_path(char out[400], const small_log *w, const char *name)
{
    (void)snprintf(out, 400, "%s/%s", w->folder, name);
    return out;
}

small_log small_log_new(void)
{
    small_log w = {.log = small_log_key(ORIGIN, VS_NOTE_ED25519, 1),
                   .w1 = small_log_key("w1", VS_NOTE_COSIGNATURE, 2),
                   .w2 = small_log_key("w2", VS_NOTE_COSIGNATURE, 3)};
    char dir[400];
    vs_log *log;
    vs_h32 blob;
    uint64_t first;
    w.folder = vs_test_folder_new();
    cr_assert_eq(vs_log_create(&log, small_log_path(dir, &w, "agg/ledger"), ORIGIN, &w.log.note,
                               w.log.seed, NULL),
                 VS_OK);
    cr_assert_eq(vs_log_blob_put(log, "federation", 10, &blob, NULL), VS_OK);
    make_entries(&w, &blob);
    vs_bytes e[5];
    for (int i = 0; i < 5; i++) e[i] = (vs_bytes){w.entry[i].p, w.entry[i].len};
    cr_assert_eq(vs_log_append(log, e, 4, &first, w.leaf, NULL), VS_OK);
    cosign(log, &w.w1, 4);
    cosign(log, &w.w2, 4);
    cr_assert_eq(vs_log_append(log, e + 4, 1, &first, w.leaf + 4, NULL), VS_OK);
    vs_log_close(log);
    return w;
}

void small_log_free(small_log *w)
{
    for (int i = 0; i < 5; i++) vs_buf_free(&w->entry[i]);
    vs_test_folder_remove(w->folder);
}

json_t *small_log_json(const vs_run *run)
{
    json_t *j = json_loads(run->out, JSON_REJECT_DUPLICATES, NULL);
    cr_assert_not_null(j, "%s%s", run->out, run->err);
    return j;
}

void expect_in(const char *text, const char *what)
{
    cr_expect_not_null(strstr(text, what), "no \"%s\" in:\n%s", what, text);
}

void small_log_save(const small_log *w, const char *name, const void *data, size_t len)
{
    char path[400];
    cr_assert_eq(vs_file_write_durable(small_log_path(path, w, name), data, len, 0644, NULL),
                 VS_OK);
}
