/* A log as files: what is written, in which state of affairs, and that fsck sees every change. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "ledger/dsse.h"
#include "ledger/export.h"
#include "ledger/fsck.h"
#include "ledger/log.h"
#include "ledger/tile_log.h"
#include "tests/ledger/support_ledger.h"
#include "tests/support.h"

#define ORIGIN "example.org/log"

typedef struct scene {
    char *dir; /* dir/ledger, dir/public */
    char ledger[300], public[300];
    sample_key log, w1, w2;
    vs_policy policy;
    vs_log *l;
    vs_export *e;
    vs_buf text; /* of fsck's problems */
    vs_fsck_report report;
} scene;

static void scene_export(scene *s, bool whole)
{
    vs_diag diag = {{0}};
    vs_export_free(s->e);
    cr_assert_eq(vs_export_open(&s->e, s->public, s->l, &s->policy, false, whole, &diag), VS_OK,
                 "%s", diag.text);
}

static scene scene_new(void)
{
    scene s = {.dir = vs_test_folder_new(),
               .log = sample_key_of(ORIGIN, VS_NOTE_ED25519, 1),
               .w1 = sample_key_of("w1", VS_NOTE_COSIGNATURE, 2),
               .w2 = sample_key_of("w2", VS_NOTE_COSIGNATURE, 3)};
    (void)snprintf(s.ledger, sizeof s.ledger, "%s/ledger", s.dir);
    (void)snprintf(s.public, sizeof s.public, "%s/public", s.dir);
    s.policy = (vs_policy){.log_key = s.log.key, .n_cosigners = 2, .quorum = 2};
    s.policy.cosigner[0] = s.w1.key;
    s.policy.cosigner[1] = s.w2.key;
    cr_assert_eq(vs_log_create(&s.l, s.ledger, ORIGIN, &s.log.key, s.log.seed, NULL), VS_OK);
    scene_export(&s, false);
    return s;
}

static void scene_free(scene *s)
{
    vs_export_free(s->e);
    vs_log_close(s->l);
    vs_buf_free(&s->text);
    vs_test_folder_remove(s->dir);
}

static void append(scene *s, uint32_t n)
{
    char(*text)[32] = calloc(n, sizeof *text);
    vs_bytes *e = calloc(n, sizeof *e);
    uint64_t first;
    for (uint32_t i = 0; i < n; i++) {
        int len = snprintf(text[i], sizeof text[i], "entry %llu",
                           (unsigned long long)(vs_log_size(s->l) + i));
        e[i] = (vs_bytes){(const uint8_t *)text[i], (size_t)len};
    }
    cr_assert_eq(vs_log_append(s->l, e, n, &first, NULL, NULL), VS_OK);
    free(text);
    free(e);
}

static void cosign(scene *s, const sample_key *w)
{
    vs_buf note = {0};
    uint8_t sig[VS_COSIGNATURE_BYTES];
    vs_note_result who;
    cr_assert_eq(vs_log_checkpoint(s->l, &note, NULL), VS_OK);
    cr_assert_eq(vs_note_verify(&who, note.p, note.len, &s->log.key, 1, NULL), VS_OK);
    vs_cosign(sig, (const char *)note.p, who.text_len, 1700000000, w->seed);
    cr_assert_eq(vs_log_add_cosignature(s->l, vs_log_size(s->l), &w->key, sig, NULL), VS_OK);
    vs_buf_free(&note);
}

static void update(scene *s)
{
    vs_diag diag = {{0}};
    cr_assert_eq(vs_export_update(s->e, &diag), VS_OK, "%s", diag.text);
}

static void remember(void *ctx, const char *text)
{
    vs_buf_printf(ctx, "%s\n", text);
}

static const char *fsck(scene *s)
{
    vs_diag diag = {{0}};
    s->text.len = 0;
    cr_assert_eq(vs_fsck_folder(s->public, &s->log.key, remember, &s->text, &s->report, &diag),
                 VS_OK, "%s", diag.text);
    vs_buf_u8(&s->text, 0);
    return (const char *)s->text.p;
}

static char *file(char out[400], const scene *s, const char *name)
{
    (void)snprintf(out, 400, "%s/%s", s->public, name);
    return out;
}

static bool there(const scene *s, const char *name)
{
    char path[400];
    return vs_file_exists(file(path, s, name));
}

static vs_buf content(const scene *s, const char *name)
{
    char path[400];
    vs_buf b = {0};
    cr_assert_eq(vs_file_read(&b, file(path, s, name), 1 << 24, NULL), VS_OK, "%s", name);
    return b;
}

static void save(const scene *s, const char *name, const void *p, size_t len)
{
    char path[400];
    FILE *f = fopen(file(path, s, name), "wb");
    cr_assert_not_null(f);
    cr_assert_eq(fwrite(p, 1, len, f), len);
    cr_assert_eq(fclose(f), 0);
}

/* --- what is written ---------------------------------------------------------------------------
 */

/* Sizes around every edge, each exported on its way to the next. */
Test(export, is_whole_at_every_size)
{
    static const uint32_t sizes[] = {0, 1, 2, 3, 255, 256, 257, 511, 512, 700};
    scene s = scene_new();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint32_t have = (uint32_t)vs_log_size(s.l);
        if (sizes[i] > have) append(&s, sizes[i] - have);
        update(&s);
        cr_expect_str_eq(fsck(&s), "", "size %u", sizes[i]);
        cr_expect_eq(s.report.n_entries, sizes[i]);
    }
    scene_free(&s);
}

Test(export, writes_the_names_that_the_specification_gives)
{
    scene s = scene_new();
    append(&s, 255);
    update(&s);
    cr_expect(there(&s, "tile/0/000.p/255") && there(&s, "tile/entries/000.p/255"));
    cr_expect(!there(&s, "tile/1/000.p/1"));
    append(&s, 3);
    update(&s);
    cr_expect(there(&s, "tile/0/000") && there(&s, "tile/entries/000"));
    cr_expect(there(&s, "tile/0/001.p/2") && there(&s, "tile/entries/001.p/2"));
    cr_expect(there(&s, "tile/1/000.p/1"));
    cr_expect(!there(&s, "tile/0/000.p/255") && !there(&s, "tile/0/000.p"),
              "partial tiles go when their tile is full");
    vs_buf tile = content(&s, "tile/0/001.p/2");
    vs_h32 leaf;
    vs_merkle_leaf(&leaf, "entry 257", 9);
    cr_assert_eq(tile.len, 64);
    cr_expect_eq(memcmp(tile.p + 32, leaf.b, 32), 0);
    vs_buf bundle = content(&s, "tile/entries/001.p/2");
    cr_expect_eq(memcmp(bundle.p,
                        "\0\x09"
                        "entry 256\0\x09"
                        "entry 257",
                        22),
                 0);
    vs_buf_free(&tile);
    vs_buf_free(&bundle);
    scene_free(&s);
}

Test(export, gives_the_newest_checkpoint_and_the_newest_that_a_quorum_cosigned)
{
    scene s = scene_new();
    append(&s, 2);
    cosign(&s, &s.w1);
    update(&s);
    cr_expect(!there(&s, VS_EXPORT_COSIGNED), "one cosignature of two");
    cosign(&s, &s.w2);
    update(&s);
    append(&s, 1);
    cosign(&s, &s.w1);
    update(&s);
    vs_buf newest = content(&s, VS_EXPORT_CHECKPOINT);
    vs_buf cosigned = content(&s, VS_EXPORT_COSIGNED);
    vs_policy_result who;
    vs_policy one = s.policy;
    one.quorum = 1;
    cr_expect_eq(vs_policy_verify(&who, &one, newest.p, newest.len, NULL), VS_OK);
    cr_expect_eq(who.checkpoint.size, 3);
    cr_expect_eq(vs_policy_verify(&who, &s.policy, cosigned.p, cosigned.len, NULL), VS_OK);
    cr_expect_eq(who.checkpoint.size, 2);
    cr_expect_str_eq(fsck(&s), "");
    vs_buf_free(&newest);
    vs_buf_free(&cosigned);
    scene_free(&s);
}

Test(export, puts_out_records_and_never_a_private_result)
{
    scene s = scene_new();
    vs_h32 records;
    vs_h32 sums;
    uint64_t first;
    cr_assert_eq(vs_log_blob_put(s.l, "records", 7, &records, NULL), VS_OK);
    cr_assert_eq(vs_log_blob_put(s.l, "the sums", 8, &sums, NULL), VS_OK);
    vs_entry set = sample_entry(VS_ENTRY_SET);
    set.u.set.records_blob = set.u.set.rejected_blob = records;
    vs_entry result = sample_entry(VS_ENTRY_RESULT);
    result.u.result.sum_blob = sums;
    for (uint32_t i = 0; i < result.u.result.n_answers; i++) result.u.result.answers[i].blob = sums;
    const vs_entry *all[] = {&set, &result};
    for (size_t i = 0; i < 2; i++) {
        vs_buf payload = {0};
        vs_buf envelope = {0};
        cr_assert_eq(vs_entry_encode(&payload, all[i], NULL), VS_OK);
        cr_assert_eq(vs_dsse_sign(&envelope, vs_entry_kind_name(all[i]->kind), payload.p,
                                  payload.len, s.w1.seed, NULL),
                     VS_OK);
        vs_bytes bytes = {envelope.p, envelope.len};
        cr_assert_eq(vs_log_append(s.l, &bytes, 1, &first, NULL, NULL), VS_OK);
        vs_buf_free(&payload);
        vs_buf_free(&envelope);
    }
    update(&s);
    char hex[VS_HEX_CHARS(32)], name[100];
    vs_hex_encode(hex, records.b, 32);
    (void)snprintf(name, sizeof name, "blob/%s", hex);
    cr_expect(there(&s, name));
    vs_hex_encode(hex, sums.b, 32);
    (void)snprintf(name, sizeof name, "blob/%s", hex);
    cr_expect(!there(&s, name));
    cr_expect_str_eq(fsck(&s), "");
    vs_export_free(s.e);
    cr_assert_eq(vs_export_open(&s.e, s.public, s.l, &s.policy, true, true, NULL), VS_OK);
    update(&s);
    cr_expect(there(&s, name), "with results: all of them");
    scene_free(&s);
}

Test(export, files_are_for_everybody_to_read)
{
    struct stat st;
    char path[400];
    scene s = scene_new();
    append(&s, 1);
    update(&s);
    cr_assert_eq(stat(file(path, &s, "tile/0/000.p/1"), &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0644);
    cr_assert_eq(stat(file(path, &s, "tile"), &st), 0);
    cr_expect_eq(st.st_mode & 0755, 0755);
    scene_free(&s);
}

/* --- going on ----------------------------------------------------------------------------------
 */

Test(export, goes_on_where_the_folder_stands)
{
    scene s = scene_new();
    append(&s, 300);
    update(&s);
    scene_export(&s, false);
    append(&s, 1);
    update(&s);
    cr_expect_leq(vs_export_n_files(s.e), 4, "entry bundle, tile, checkpoint: %llu",
                  (unsigned long long)vs_export_n_files(s.e));
    cr_expect_str_eq(fsck(&s), "");
    update(&s);
    cr_expect_leq(vs_export_n_files(s.e), 4, "nothing changed");
    scene_free(&s);
}

Test(export, mends_what_was_lost_or_changed_when_asked_for_the_whole)
{
    char path[400];
    scene s = scene_new();
    append(&s, 300);
    update(&s);
    cr_assert_eq(unlink(file(path, &s, "tile/0/000")), 0);
    save(&s, "tile/entries/001.p/44", "x", 1);
    cr_expect_str_neq(fsck(&s), "");
    scene_export(&s, true);
    update(&s);
    cr_expect_eq(vs_export_n_files(s.e), 2);
    cr_expect_str_eq(fsck(&s), "");
    scene_free(&s);
}

/* A folder that has seen more: the log was restored from a backup. */
Test(export, refuses_a_log_that_has_lost_its_tail)
{
    vs_diag diag = {{0}};
    scene s = scene_new();
    append(&s, 5);
    update(&s);
    vs_export_free(s.e);
    s.e = NULL;
    vs_log_close(s.l);
    (void)snprintf(s.ledger, sizeof s.ledger, "%s/old", s.dir);
    cr_assert_eq(vs_log_create(&s.l, s.ledger, ORIGIN, &s.log.key, s.log.seed, NULL), VS_OK);
    append(&s, 4);
    vs_err err = vs_export_open(&s.e, s.public, s.l, &s.policy, false, false, &diag);
    cr_expect_eq(err, VS_ERR_PROOF);
    cr_expect_not_null(strstr(diag.text, "published 5 entries, this copy of it has 4"), "%s",
                       diag.text);
    cr_expect_null(s.e);
    vs_bytes other = {(const uint8_t *)"other", 5};
    uint64_t first;
    cr_assert_eq(vs_log_append(s.l, &other, 1, &first, NULL, NULL), VS_OK);
    err = vs_export_open(&s.e, s.public, s.l, &s.policy, false, true, &diag);
    cr_expect_eq(err, VS_ERR_PROOF);
    cr_expect_not_null(strstr(diag.text, "another tree of 5 entries"), "%s", diag.text);
    scene_free(&s);
}

/* --- fsck of a published log --------------------------------------------------------------------
 */

typedef struct damage {
    const char *name;
    size_t offset;
    const char *says;
} damage;

Test(export, fsck_names_the_first_bad_tile_or_entry)
{
    static const damage all[] = {
        {"tile/entries/000", 2, "tile/entries/000: entry 0: its bytes do not match"},
        {"tile/entries/001.p/44", 25, "tile/entries/001.p/44: entry 258: its bytes do not match"},
        {"tile/entries/001.p/44", 1, "tile/entries/001.p/44: "},
        {"tile/0/000", 32 * 7, "tile/0/000: hash 7 is wrong"},
        {"tile/0/001.p/44", 32 * 43 + 31, "tile/0/001.p/44: hash 43 is wrong"},
        {"tile/1/000.p/1", 3, "tile/1/000.p/1: hash 0 is wrong"},
        {"tile/0/001.p/10", 320 - 1, "tile/0/001.p/10: hash 9 is wrong"},
        {"tile/entries/001.p/10", 3, "tile/entries/001.p/10: entry 256 is not the one"},
        {"checkpoint", 0, "checkpoint: "},
        {"checkpoint", 17, "checkpoint: "},
        {"checkpoint.cosigned", 20, "checkpoint.cosigned: "},
    };
    scene s = scene_new();
    append(&s, 266);
    cosign(&s, &s.w1);
    cosign(&s, &s.w2);
    update(&s);
    append(&s, 34);
    update(&s);
    cr_assert_str_eq(fsck(&s), "");
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        vs_buf b = content(&s, all[i].name);
        cr_assert_lt(all[i].offset, b.len);
        b.p[all[i].offset] ^= 1;
        save(&s, all[i].name, b.p, b.len);
        const char *says = fsck(&s);
        cr_expect_eq(strncmp(says, all[i].says, strlen(all[i].says)), 0, "%s: %s", all[i].name,
                     says);
        b.p[all[i].offset] ^= 1;
        save(&s, all[i].name, b.p, b.len);
        vs_buf_free(&b);
    }
    cr_assert_str_eq(fsck(&s), "");
    scene_free(&s);
}

/* Flip one bit of every byte of every file, in steps through them; none stays unseen. */
static uint32_t flip_all(scene *s, const char *name)
{
    char path[400], inner[300];
    uint32_t n = 0;
    const struct dirent *e;
    struct stat st;
    cr_assert_eq(stat(file(path, s, name), &st), 0);
    if (!S_ISDIR(st.st_mode)) {
        vs_buf b = content(s, name);
        size_t step = b.len / 5 + 1;
        for (size_t at = 0; at < b.len; at += step, n++) {
            b.p[at] ^= (uint8_t)(1u << (at % 8));
            save(s, name, b.p, b.len);
            cr_expect_str_neq(fsck(s), "", "%s: byte %zu", name, at);
            b.p[at] ^= (uint8_t)(1u << (at % 8));
            save(s, name, b.p, b.len);
        }
        vs_buf_free(&b);
        return n;
    }
    DIR *d = opendir(path);
    cr_assert_not_null(d);
    while ((e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.') continue;
        (void)snprintf(inner, sizeof inner, "%s%s%s", name, name[0] ? "/" : "", e->d_name);
        if (strcmp(inner, VS_EXPORT_POLICY) != 0) n += flip_all(s, inner);
    }
    (void)closedir(d);
    return n;
}

Test(export, fsck_finds_one_flipped_bit_in_every_file)
{
    scene s = scene_new();
    append(&s, 3);
    cosign(&s, &s.w1);
    cosign(&s, &s.w2);
    update(&s);
    append(&s, 2);
    update(&s);
    cr_assert_str_eq(fsck(&s), "");
    cr_expect_gt(flip_all(&s, ""), 20);
    cr_assert_str_eq(fsck(&s), "");
    scene_free(&s);
}

Test(export, fsck_names_files_that_are_missing)
{
    static const char *const names[] = {"checkpoint", "tile/0/000", "tile/entries/001.p/4",
                                        "tile/1/000.p/1"};
    scene s = scene_new();
    append(&s, 260);
    update(&s);
    for (size_t i = 0; i < 4; i++) {
        char path[400];
        vs_buf b = content(&s, names[i]);
        cr_assert_eq(unlink(file(path, &s, names[i])), 0);
        cr_expect_not_null(strstr(fsck(&s), names[i]), "%s: %s", names[i], (const char *)s.text.p);
        save(&s, names[i], b.p, b.len);
        vs_buf_free(&b);
    }
    save(&s, "tile/0/01", "x", 1);
    cr_expect_str_eq(fsck(&s), "tile/0/01: is not the name of a tile\n");
    scene_free(&s);
}
