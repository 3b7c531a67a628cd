/* The same claims over both stores; what only one of them can do comes after. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "net/store.h"
#include "tests/support.h"

typedef struct fixture {
    bool disk;
    char *folder;
    vs_store store;
} fixture;

static void open_disk(fixture *f)
{
    vs_diag diag = {0};
    cr_assert_eq(vs_store_disk_open(&f->store, f->folder, &diag), VS_OK, "%s", diag.text);
}

static fixture fixture_of(bool disk)
{
    fixture f = {.disk = disk};
    if (disk) {
        f.folder = vs_test_folder_new();
        open_disk(&f);
    } else {
        cr_assert_eq(vs_store_mem_open(&f.store), VS_OK);
    }
    return f;
}

/* A restart of the process; for the memory store a power cut. */
static void reopen(fixture *f)
{
    if (f->disk) {
        vs_store_disk_close(&f->store);
        open_disk(f);
    } else {
        vs_store_mem_power_cut(&f->store);
    }
}

static void fixture_free(fixture *f)
{
    if (f->disk) {
        vs_store_disk_close(&f->store);
        vs_test_folder_remove(f->folder);
    } else {
        vs_store_mem_close(&f->store);
    }
}

/* --- short forms of the operations ---------------------------------------------------------- */

static void put(fixture *f, const char *key, const char *value)
{
    vs_diag diag = {0};
    vs_store_item item = {.key = key, .value = value, .len = value == NULL ? 0 : strlen(value)};
    cr_assert_eq(f->store.ops->put(f->store.ctx, &item, 1, &diag), VS_OK, "%s", diag.text);
}

static void expect_text(fixture *f, const char *key, const char *want)
{
    vs_buf out = {0};
    bool found;
    vs_buf_text(&out, "<");
    cr_assert_eq(f->store.ops->get(f->store.ctx, key, &out, &found, NULL), VS_OK);
    cr_expect_eq(found, want != NULL, "%s", key);
    vs_buf_u8(&out, 0);
    cr_expect_str_eq((char *)out.p + 1, want == NULL ? "" : want, "%s", key);
    vs_buf_free(&out);
}

static void write_blob(fixture *f, const char *name, uint64_t offset, const void *data, size_t len)
{
    vs_diag diag = {0};
    cr_assert_eq(f->store.ops->blob_write(f->store.ctx, name, offset, data, len, &diag), VS_OK,
                 "%s", diag.text);
}

static void sync_blob(fixture *f, const char *name)
{
    vs_diag diag = {0};
    cr_assert_eq(f->store.ops->blob_sync(f->store.ctx, name, &diag), VS_OK, "%s", diag.text);
}

static void expect_blob(fixture *f, const char *name, const void *want, size_t len)
{
    vs_buf out = {0};
    bool found;
    uint64_t size;
    cr_assert_eq(f->store.ops->blob_size(f->store.ctx, name, &size, &found, NULL), VS_OK);
    cr_expect_eq(found, want != NULL, "%s", name);
    cr_expect_eq(size, len, "%s", name);
    cr_assert_eq(f->store.ops->blob_read(f->store.ctx, name, 0, len + 1, &out, &found, NULL),
                 VS_OK);
    cr_expect_eq(found, want != NULL, "%s", name);
    cr_assert_eq(out.len, len, "%s", name);
    if (len != 0) cr_expect_arr_eq(out.p, want, len, "%s", name);
    vs_buf_free(&out);
}

static void expect_secret(fixture *f, const char *name, const char *want)
{
    vs_buf out = {0};
    bool found;
    cr_assert_eq(f->store.ops->secret_get(f->store.ctx, name, &out, &found, NULL), VS_OK);
    cr_expect_eq(found, want != NULL);
    cr_expect_eq(out.len, want == NULL ? 0 : strlen(want));
    if (want != NULL && out.len != 0) cr_expect_arr_eq(out.p, want, out.len);
    vs_buf_free_secret(&out);
}

static vs_err put_secret(fixture *f, const char *name, const char *text)
{
    return f->store.ops->secret_put(f->store.ctx, name, (const uint8_t *)text, strlen(text), NULL);
}

/* --- claims -------------------------------------------------------------------------------------
 */

static void check_values(bool disk)
{
    fixture f = fixture_of(disk);
    expect_text(&f, "round/1/open", NULL);
    put(&f, "round/1/open", "first");
    put(&f, "round/1/open", "second");
    put(&f, "empty", "");
    expect_text(&f, "round/1/open", "second");
    expect_text(&f, "empty", "");
    reopen(&f);
    expect_text(&f, "round/1/open", "second");
    expect_text(&f, "empty", "");
    put(&f, "round/1/open", NULL);
    put(&f, "never/there", NULL);
    expect_text(&f, "round/1/open", NULL);
    reopen(&f);
    expect_text(&f, "round/1/open", NULL);
    fixture_free(&f);
}

Test(store_mem, values_survive_a_reopen)
{
    check_values(false);
}

Test(store_disk, values_survive_a_reopen)
{
    check_values(true);
}

static vs_err collect(void *ctx, const char *key, const uint8_t *value, size_t len)
{
    vs_buf *seen = ctx;
    vs_buf_text(seen, key);
    vs_buf_text(seen, "=");
    vs_buf_bytes(seen, value, len);
    vs_buf_text(seen, " ");
    return seen->len > 60 ? VS_ERR_LIMIT : VS_OK;
}

static void expect_scan(fixture *f, const char *prefix, vs_err want_err, const char *want)
{
    vs_buf seen = {0};
    cr_expect_eq(f->store.ops->scan(f->store.ctx, prefix, collect, &seen, NULL), want_err);
    vs_buf_u8(&seen, 0);
    cr_expect_str_eq((char *)seen.p, want);
    vs_buf_free(&seen);
}

static void check_scan(bool disk)
{
    fixture f = fixture_of(disk);
    const char *keys[] = {"r/10", "r/2", "r", "r/1", "r0", "r.9", "q/1", "r/1/a", "s", "R/1"};
    expect_scan(&f, "", VS_OK, "");
    for (size_t i = 0; i < 10; i++) put(&f, keys[i], "v");
    expect_scan(&f, "r/", VS_OK, "r/1=v r/1/a=v r/10=v r/2=v ");
    expect_scan(&f, "r", VS_OK, "r=v r.9=v r/1=v r/1/a=v r/10=v r/2=v r0=v ");
    expect_scan(&f, "", VS_OK, "R/1=v q/1=v r=v r.9=v r/1=v r/1/a=v r/10=v r/2=v r0=v s=v ");
    expect_scan(&f, "t", VS_OK, "");
    char big[61];
    memset(big, 'x', 60);
    big[60] = '\0';
    put(&f, "r/1/a", big);
    char want[80];
    (void)snprintf(want, sizeof want, "r/1=v r/1/a=%s ", big);
    expect_scan(&f, "r/", VS_ERR_LIMIT, want); /* the visitor's error ends it and comes back */
    fixture_free(&f);
}

Test(store_mem, scan_is_in_byte_order_below_its_prefix)
{
    check_scan(false);
}

Test(store_disk, scan_is_in_byte_order_below_its_prefix)
{
    check_scan(true);
}

static void check_batch(bool disk)
{
    fixture f = fixture_of(disk);
    const vs_store_item batch[] = {{.key = "a", .value = "1", .len = 1},
                                   {.key = "b", .value = "2", .len = 1},
                                   {.key = "a", .value = "3", .len = 1},
                                   {.key = "b", .value = NULL},
                                   {.key = "c", .value = "4", .len = 1}};
    const vs_store_item bad[] = {{.key = "c", .value = "5", .len = 1},
                                 {.key = "../d", .value = "6", .len = 1}};
    cr_assert_eq(f.store.ops->put(f.store.ctx, batch, 5, NULL), VS_OK);
    cr_assert_eq(f.store.ops->put(f.store.ctx, NULL, 0, NULL), VS_OK);
    expect_scan(&f, "", VS_OK, "a=3 c=4 ");
    cr_expect_eq(f.store.ops->put(f.store.ctx, bad, 2, NULL), VS_ERR_LIMIT);
    expect_scan(&f, "", VS_OK, "a=3 c=4 ");
    reopen(&f);
    expect_scan(&f, "", VS_OK, "a=3 c=4 ");
    fixture_free(&f);
}

Test(store_mem, batch_is_applied_in_order_or_not_at_all)
{
    check_batch(false);
}

Test(store_disk, batch_is_applied_in_order_or_not_at_all)
{
    check_batch(true);
}

static void check_blobs(bool disk)
{
    fixture f = fixture_of(disk);
    uint8_t bytes[3000];
    vs_test_bytes(bytes, sizeof bytes, 5);
    expect_blob(&f, "7/upload/ab", NULL, 0);
    write_blob(&f, "7/upload/ab", 0, bytes, 1000);
    write_blob(&f, "7/upload/ab", 1000, bytes + 1000, 2000);
    expect_blob(&f, "7/upload/ab", bytes, 3000);
    sync_blob(&f, "7/upload/ab");
    reopen(&f);
    expect_blob(&f, "7/upload/ab", bytes, 3000);

    memset(bytes + 10, 7, 20); /* inside */
    write_blob(&f, "7/upload/ab", 10, bytes + 10, 20);
    sync_blob(&f, "7/upload/ab");
    reopen(&f);
    expect_blob(&f, "7/upload/ab", bytes, 3000);

    vs_buf out = {0};
    bool found;
    vs_buf_text(&out, "x");
    cr_assert_eq(f.store.ops->blob_read(f.store.ctx, "7/upload/ab", 2990, 100, &out, &found, NULL),
                 VS_OK);
    cr_expect_eq(out.len, 11, "fewer at the end");
    cr_expect_arr_eq(out.p + 1, bytes + 2990, 10);
    cr_assert_eq(f.store.ops->blob_read(f.store.ctx, "7/upload/ab", 5000, 100, &out, &found, NULL),
                 VS_OK);
    cr_expect(found && out.len == 11, "nothing beyond the end");
    vs_buf_free(&out);

    uint8_t gap[30] = {0};
    gap[29] = 9;
    write_blob(&f, "gap", 29, gap + 29, 1);
    expect_blob(&f, "gap", gap, 30);
    write_blob(&f, "gap", 30, NULL, 0);
    expect_blob(&f, "gap", gap, 30);
    uint8_t zeros[40] = {0};
    write_blob(&f, "zeros", 40, NULL, 0);
    expect_blob(&f, "zeros", zeros, 40);
    write_blob(&f, "nothing", 0, NULL, 0);
    sync_blob(&f, "nothing");
    reopen(&f);
    expect_blob(&f, "nothing", "", 0);
    fixture_free(&f);
}

Test(store_mem, blob_reads_what_was_written)
{
    check_blobs(false);
}

Test(store_disk, blob_reads_what_was_written)
{
    check_blobs(true);
}

static void check_remove(bool disk)
{
    fixture f = fixture_of(disk);
    write_blob(&f, "a/b", 0, "one", 3);
    sync_blob(&f, "a/b");
    cr_expect_eq(f.store.ops->blob_remove(f.store.ctx, "a/b", NULL), VS_OK);
    cr_expect_eq(f.store.ops->blob_remove(f.store.ctx, "a/b", NULL), VS_OK, "missing is fine");
    cr_expect_eq(f.store.ops->blob_remove(f.store.ctx, "x/y/z", NULL), VS_OK, "missing folder too");
    expect_blob(&f, "a/b", NULL, 0);
    cr_expect_eq(f.store.ops->blob_sync(f.store.ctx, "a/b", NULL), VS_ERR_IO);
    write_blob(&f, "a/b", 0, "2", 1);
    expect_blob(&f, "a/b", "2", 1);
    cr_expect_eq(f.store.ops->blob_write(f.store.ctx, "a/b", UINT64_MAX, "2", 1, NULL),
                 VS_ERR_LIMIT);
    cr_expect_eq(f.store.ops->blob_write(f.store.ctx, "a/b", VS_STORE_BLOB_MAX, "2", 1, NULL),
                 VS_ERR_LIMIT);
    fixture_free(&f);
}

Test(store_mem, removed_blob_is_gone_and_can_be_written_again)
{
    check_remove(false);
}

Test(store_disk, removed_blob_is_gone_and_can_be_written_again)
{
    check_remove(true);
}

/* More blobs than the disk store keeps open: each must still get its own bytes. */
static void check_many(bool disk)
{
    fixture f = fixture_of(disk);
    char name[32];
    for (uint32_t turn = 0; turn < 3; turn++) {
        for (uint32_t i = 0; i < 100; i++) {
            uint8_t le[4];
            vs_store_le32(le, 1000 * turn + i);
            (void)snprintf(name, sizeof name, "%u/x/%u", i % 7, i);
            write_blob(&f, name, 4 * turn, le, 4);
        }
    }
    for (uint32_t i = 0; i < 100; i++) {
        uint8_t want[12];
        for (uint32_t turn = 0; turn < 3; turn++) vs_store_le32(want + 4 * turn, 1000 * turn + i);
        (void)snprintf(name, sizeof name, "%u/x/%u", i % 7, i);
        expect_blob(&f, name, want, sizeof want);
    }
    fixture_free(&f);
}

Test(store_mem, many_blobs_are_kept_apart)
{
    check_many(false);
}

Test(store_disk, many_blobs_are_kept_apart)
{
    check_many(true);
}

static void check_secrets(bool disk)
{
    fixture f = fixture_of(disk);
    expect_secret(&f, "round-key/3", NULL);
    cr_assert_eq(put_secret(&f, "round-key/3", "hush"), VS_OK);
    cr_assert_eq(put_secret(&f, "round-key/3", "hush hush"), VS_OK);
    expect_secret(&f, "round-key/3", "hush hush");
    reopen(&f);
    expect_secret(&f, "round-key/3", "hush hush");
    cr_expect_eq(f.store.ops->secret_erase(f.store.ctx, "round-key/3", NULL), VS_OK);
    cr_expect_eq(f.store.ops->secret_erase(f.store.ctx, "round-key/3", NULL), VS_OK, "missing");
    expect_secret(&f, "round-key/3", NULL);
    reopen(&f);
    expect_secret(&f, "round-key/3", NULL);
    uint8_t *big = calloc(1, VS_STORE_SECRET_MAX + 1);
    cr_expect_eq(f.store.ops->secret_put(f.store.ctx, "big", big, VS_STORE_SECRET_MAX + 1, NULL),
                 VS_ERR_LIMIT);
    free(big);
    fixture_free(&f);
}

Test(store_mem, erased_secret_is_gone)
{
    check_secrets(false);
}

Test(store_disk, erased_secret_is_gone)
{
    check_secrets(true);
}

static void check_names(bool disk)
{
    static const char *const bad[] = {
        "",     "/",   "/a",   "a/",   "a//b", "..",       "../a", "a/..", "a/../b", ".",      ".a",
        "a/.b", "a b", "a\nb", "a\\b", "a:b",  "\xc3\xa9", "a*",   "~",    "a/./b",  "a.tmp-1"};
    fixture f = fixture_of(disk);
    const vs_store_ops *ops = f.store.ops;
    void *ctx = f.store.ctx;
    vs_buf out = {0};
    bool found;
    uint64_t size;
    char name[300];
    for (size_t i = 0; i <= sizeof bad / sizeof bad[0]; i++) {
        memset(name, 'n', sizeof name);
        name[VS_STORE_NAME_MAX + 1] = '\0';
        if (i < sizeof bad / sizeof bad[0]) (void)snprintf(name, sizeof name, "%s", bad[i]);
        vs_store_item item = {.key = name, .value = "v", .len = 1};
        cr_expect_eq(ops->put(ctx, &item, 1, NULL), VS_ERR_LIMIT, "%s", name);
        cr_expect_eq(ops->get(ctx, name, &out, &found, NULL), VS_ERR_LIMIT, "%s", name);
        cr_expect_eq(ops->blob_write(ctx, name, 0, "x", 1, NULL), VS_ERR_LIMIT, "%s", name);
        cr_expect_eq(ops->blob_sync(ctx, name, NULL), VS_ERR_LIMIT, "%s", name);
        cr_expect_eq(ops->blob_read(ctx, name, 0, 1, &out, &found, NULL), VS_ERR_LIMIT, "%s", name);
        cr_expect_eq(ops->blob_size(ctx, name, &size, &found, NULL), VS_ERR_LIMIT, "%s", name);
        cr_expect_eq(ops->blob_remove(ctx, name, NULL), VS_ERR_LIMIT, "%s", name);
        cr_expect_eq(put_secret(&f, name, "x"), VS_ERR_LIMIT, "%s", name);
        cr_expect_eq(ops->secret_get(ctx, name, &out, &found, NULL), VS_ERR_LIMIT, "%s", name);
        cr_expect_eq(ops->secret_erase(ctx, name, NULL), VS_ERR_LIMIT, "%s", name);
    }
    memset(name, 'n', sizeof name);
    name[VS_STORE_NAME_MAX] = '\0';
    write_blob(&f, name, 0, "x", 1);
    expect_blob(&f, name, "x", 1);
    vs_buf_free(&out);
    fixture_free(&f);
}

Test(store_mem, names_that_could_leave_the_folder_are_refused)
{
    check_names(false);
}

Test(store_disk, names_that_could_leave_the_folder_are_refused)
{
    check_names(true);
}

/* --- memory only ---------------------------------------------------------------------------- */

Test(store_mem, power_cut_forgets_what_was_not_synced)
{
    fixture f = fixture_of(false);
    write_blob(&f, "a", 0, "0123456789", 10);
    sync_blob(&f, "a");
    write_blob(&f, "a", 2, "ABCD", 4); /* overlapping, inside, across the end, beyond it */
    write_blob(&f, "a", 4, "xyzw", 4);
    write_blob(&f, "a", 8, "longer", 6);
    write_blob(&f, "a", 20, "far", 3);
    write_blob(&f, "b", 0, "never synced", 12);
    write_blob(&f, "c", 0, "", 0);
    sync_blob(&f, "c");
    write_blob(&f, "c", 0, "later", 5);
    vs_store_mem_power_cut(&f.store);
    expect_blob(&f, "a", "0123456789", 10);
    expect_blob(&f, "b", NULL, 0);
    expect_blob(&f, "c", "", 0);
    write_blob(&f, "a", 10, "!", 1);
    sync_blob(&f, "a");
    vs_store_mem_power_cut(&f.store);
    expect_blob(&f, "a", "0123456789!", 11);
    fixture_free(&f);
}

static vs_err one_of_each(fixture *f)
{
    const vs_store_ops *ops = f->store.ops;
    void *ctx = f->store.ctx;
    vs_store_item item = {.key = "k", .value = "v", .len = 1};
    vs_err err = ops->put(ctx, &item, 1, NULL);
    if (err == VS_OK) err = ops->blob_write(ctx, "b", 0, "x", 1, NULL);
    if (err == VS_OK) err = ops->blob_sync(ctx, "b", NULL);
    if (err == VS_OK) err = ops->blob_remove(ctx, "b", NULL);
    if (err == VS_OK) err = put_secret(f, "s", "x");
    if (err == VS_OK) err = ops->secret_erase(ctx, "s", NULL);
    return err;
}

Test(store_mem, each_changing_call_can_be_made_to_fail_and_then_changes_nothing)
{
    for (uint64_t k = 1; k <= 7; k++) {
        fixture f = fixture_of(false);
        vs_store_mem_fail_at(&f.store, k);
        cr_expect_eq(one_of_each(&f), k <= 6 ? VS_ERR_IO : VS_OK, "call %u", (unsigned)k);
        cr_expect_eq(vs_store_mem_calls(&f.store), k <= 6 ? k : 6);
        expect_text(&f, "k", k == 1 ? NULL : "v");
        expect_blob(&f, "b", k == 3 || k == 4 ? "x" : NULL, k == 3 || k == 4 ? 1 : 0);
        expect_secret(&f, "s", k == 6 ? "x" : NULL);
        vs_store_mem_fail_at(&f.store, 0);
        cr_expect_eq(one_of_each(&f), VS_OK);
        fixture_free(&f);
    }
}

/* --- disk only ------------------------------------------------------------------------------ */

static char *path_in(const fixture *f, const char *name)
{
    size_t len = strlen(f->folder) + strlen(name) + 2;
    char *path = malloc(len);
    cr_assert_not_null(path);
    (void)snprintf(path, len, "%s/%s", f->folder, name);
    return path;
}

static unsigned mode_of(const fixture *f, const char *name)
{
    struct stat st;
    char *path = path_in(f, name);
    cr_assert_eq(stat(path, &st), 0, "%s", path);
    free(path);
    return (unsigned)st.st_mode & 07777u;
}

Test(store_disk, secrets_and_folder_are_for_the_owner_only)
{
    fixture f = fixture_of(true);
    cr_assert_eq(put_secret(&f, "round-key/3", "hush"), VS_OK);
    cr_expect_eq(mode_of(&f, "secrets"), 0700);
    cr_expect_eq(mode_of(&f, "secrets/round-key%3"), 0600);
    write_blob(&f, "1/upload/x", 0, "x", 1);
    cr_expect_eq(mode_of(&f, "blobs/1%upload%x"), 0600);
    cr_expect_eq(f.store.ops->secret_erase(f.store.ctx, "round-key/3", NULL), VS_OK);
    char *path = path_in(&f, "secrets/round-key%3");
    cr_expect_not(vs_file_exists(path));
    free(path);
    fixture_free(&f);
}

/* A second name keeps the old file in sight. */
static void expect_zeros(const char *path, size_t len)
{
    const uint8_t zeros[16] = {0};
    vs_buf bytes = {0};
    cr_assert_eq(vs_file_read(&bytes, path, 100, NULL), VS_OK);
    cr_assert_eq(bytes.len, len);
    cr_expect_arr_eq(bytes.p, zeros, len);
    vs_buf_free(&bytes);
}

Test(store_disk, bytes_of_an_erased_or_replaced_secret_are_overwritten)
{
    fixture f = fixture_of(true);
    char *path = path_in(&f, "secrets/s");
    char *replaced = path_in(&f, "replaced");
    char *erased = path_in(&f, "erased");
    cr_assert_eq(put_secret(&f, "s", "first"), VS_OK);
    cr_assert_eq(link(path, replaced), 0);
    cr_assert_eq(put_secret(&f, "s", "second"), VS_OK);
    cr_assert_eq(link(path, erased), 0);
    expect_secret(&f, "s", "second");
    cr_assert_eq(f.store.ops->secret_erase(f.store.ctx, "s", NULL), VS_OK);
    expect_zeros(replaced, 5);
    expect_zeros(erased, 6);
    free(path);
    free(replaced);
    free(erased);
    fixture_free(&f);
}

Test(store_disk, makes_its_folder_with_its_parents_closed_to_others)
{
    fixture f = {.disk = true, .folder = vs_test_folder_new()};
    fixture below = {.disk = true, .folder = path_in(&f, "x/y")};
    open_disk(&below);
    cr_expect_eq(mode_of(&f, "x/y"), 0700);
    vs_store_disk_close(&below.store);
    free(below.folder);
    vs_test_folder_remove(f.folder);
}

Test(store_disk, second_opener_is_told_to_wait)
{
    fixture f = fixture_of(true);
    vs_store again;
    vs_diag diag = {0};
    cr_expect_neq(vs_store_disk_open(&again, f.folder, &diag), VS_OK);
    cr_expect_null(again.ctx);
    cr_expect_neq(diag.text[0], '\0');
    fixture_free(&f);
}

Test(store_disk, what_stands_in_the_way_is_named)
{
    fixture f = {.disk = true, .folder = vs_test_folder_new()};
    vs_diag diag = {0};
    char *path = path_in(&f, "blobs");
    cr_assert_eq(vs_file_write_durable(path, "x", 1, 0600, NULL), VS_OK);
    cr_expect_eq(vs_store_disk_open(&f.store, f.folder, &diag), VS_ERR_IO);
    cr_expect_not_null(strstr(diag.text, path), "%s", diag.text);
    free(path);
    vs_test_folder_remove(f.folder);
}

Test(store_disk, crash_leaves_no_temporary_secret_behind)
{
    fixture f = fixture_of(true);
    char *left = path_in(&f, "secrets/round-key%3.tmp-AbCdEf");
    char *half = path_in(&f, "secrets/round-key%2.tmp-erase");
    vs_store_disk_close(&f.store);
    cr_assert_eq(vs_file_write_durable(left, "old secret", 10, 0600, NULL), VS_OK);
    cr_assert_eq(vs_file_write_durable(half, "old secret", 10, 0600, NULL), VS_OK);
    open_disk(&f);
    cr_expect_not(vs_file_exists(left), "left by a crash between create and rename");
    cr_expect_not(vs_file_exists(half), "left by a crash while it was erased");
    free(left);
    free(half);
    fixture_free(&f);
}
