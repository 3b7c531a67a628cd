/* Group commit of the disk store: what is promised is not durable before flush, and is whole. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/store.h"
#include "tests/support.h"

static vs_store open_in(const char *dir)
{
    vs_store store;
    vs_diag diag = {{0}};
    cr_assert_eq(vs_store_disk_open(&store, dir, &diag), VS_OK, "%s", diag.text);
    return store;
}

static vs_err put_one(const vs_store *s, const char *key, const char *text)
{
    vs_store_item item = {.key = key, .value = text, .len = strlen(text)};
    return s->ops->put(s->ctx, &item, 1, NULL);
}

static bool has(const vs_store *s, const char *key)
{
    vs_buf out = {0};
    bool found = false;
    cr_assert_eq(s->ops->get(s->ctx, key, &out, &found, NULL), VS_OK);
    vs_buf_free(&out);
    return found;
}

/* What a process does before it is killed: true when all calls went well. */
typedef bool (*deeds)(const vs_store *s);

/* Run it in a process of its own that ends without closing anything. */
static char *after(deeds what)
{
    char *dir = vs_test_folder_new();
    int status = 1;
    pid_t pid = fork();
    cr_assert(pid >= 0);
    if (pid == 0) {
        vs_store s;
        if (vs_store_disk_open(&s, dir, NULL) != VS_OK) _exit(2);
        vs_store_hold(&s);
        _exit(what(&s) ? 0 : 1);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %d", status);
    return dir;
}

static bool promise_only(const vs_store *s)
{
    vs_buf out = {0};
    bool found = false;
    bool ok = !vs_store_promised(s) && put_one(s, "a", "1") == VS_OK && vs_store_promised(s) &&
              put_one(s, "b", "2") == VS_OK &&
              s->ops->get(s->ctx, "a", &out, &found, NULL) == VS_OK && found;
    vs_buf_free(&out);
    return ok;
}

static bool promise_and_flush(const vs_store *s)
{
    return promise_only(s) && s->ops->blob_write(s->ctx, "x", 0, "bytes", 5, NULL) == VS_OK &&
           s->ops->blob_sync(s->ctx, "x", NULL) == VS_OK && vs_store_flush(s, NULL) == VS_OK &&
           !vs_store_promised(s) && put_one(s, "c", "3") == VS_OK;
}

static bool promise_and_remove(const vs_store *s)
{
    return s->ops->blob_write(s->ctx, "x", 0, "bytes", 5, NULL) == VS_OK && promise_only(s) &&
           s->ops->blob_remove(s->ctx, "x", NULL) == VS_OK && !vs_store_promised(s) &&
           put_one(s, "c", "3") == VS_OK;
}

static bool promise_and_put_secret(const vs_store *s)
{
    static const uint8_t secret[] = "secret";
    return promise_only(s) &&
           s->ops->secret_put(s->ctx, "s", secret, sizeof secret, NULL) == VS_OK &&
           !vs_store_promised(s) && put_one(s, "c", "3") == VS_OK;
}

static bool promise_and_erase_secret(const vs_store *s)
{
    return promise_only(s) && s->ops->secret_erase(s->ctx, "s", NULL) == VS_OK &&
           !vs_store_promised(s) && put_one(s, "c", "3") == VS_OK;
}

static bool store_later_then_promise(const vs_store *s)
{
    vs_store_item item = {.key = "later", .value = "1", .len = 1};
    return vs_store_put_later(s, &item, 1, NULL) == VS_OK && !vs_store_promised(s) &&
           has(s, "later") && put_one(s, "a", "1") == VS_OK && vs_store_flush(s, NULL) == VS_OK;
}

static bool store_later_only(const vs_store *s)
{
    vs_store_item item = {.key = "later", .value = "1", .len = 1};
    return vs_store_put_later(s, &item, 1, NULL) == VS_OK && has(s, "later");
}

Test(store_hold, what_is_stored_later_promises_nothing_and_is_kept_by_the_next_flush)
{
    char *dir = after(store_later_then_promise);
    vs_store s = open_in(dir);
    cr_expect(has(&s, "a") && has(&s, "later"));
    vs_store_disk_close(&s);
    vs_test_folder_remove(dir);
    dir = after(store_later_only);
    s = open_in(dir);
    cr_expect_not(has(&s, "later"));
    vs_store_disk_close(&s);
    vs_test_folder_remove(dir);
}

Test(store_hold, what_was_promised_and_not_flushed_is_gone_after_a_kill)
{
    char *dir = after(promise_only);
    vs_store s = open_in(dir);
    cr_expect_not(has(&s, "a"));
    cr_expect_not(has(&s, "b"));
    vs_store_disk_close(&s);
    vs_test_folder_remove(dir);
}

Test(store_hold, what_was_flushed_survives_a_kill_and_later_promises_do_not)
{
    char *dir = after(promise_and_flush);
    vs_store s = open_in(dir);
    uint64_t size = 0;
    bool found = false;
    cr_expect(has(&s, "a") && has(&s, "b"));
    cr_expect_not(has(&s, "c"));
    cr_expect_eq(s.ops->blob_size(s.ctx, "x", &size, &found, NULL), VS_OK);
    cr_expect(found && size == 5);
    vs_store_disk_close(&s);
    vs_test_folder_remove(dir);
}

/* A removal cannot be taken back: what was promised before it must not come after it. */
Test(store_hold, what_cannot_be_taken_back_flushes_first)
{
    static const deeds all[] = {promise_and_remove, promise_and_put_secret,
                                promise_and_erase_secret};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        char *dir = after(all[i]);
        vs_store s = open_in(dir);
        cr_expect(has(&s, "a") && has(&s, "b"), "case %zu", i);
        cr_expect_not(has(&s, "c"), "case %zu", i);
        vs_store_disk_close(&s);
        vs_test_folder_remove(dir);
    }
}

Test(store_hold, promises_to_sync_a_blob_that_is_not_there_fail_at_once)
{
    char *dir = vs_test_folder_new();
    vs_store s = open_in(dir);
    vs_store_hold(&s);
    cr_expect_eq(s.ops->blob_sync(s.ctx, "x", NULL), VS_ERR_IO);
    cr_expect_not(vs_store_promised(&s));
    vs_store_disk_close(&s);
    vs_test_folder_remove(dir);
}

/* More than are synced together, and more than stay open: none is forgotten. */
Test(store_hold, any_number_of_blobs_may_be_promised)
{
    char *dir = vs_test_folder_new();
    vs_store s = open_in(dir);
    vs_store_hold(&s);
    for (uint32_t i = 0; i < 600; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "blob/%u", i % 300);
        cr_assert_eq(s.ops->blob_write(s.ctx, name, i / 300, "y", 1, NULL), VS_OK);
        cr_assert_eq(s.ops->blob_sync(s.ctx, name, NULL), VS_OK);
    }
    cr_expect(vs_store_promised(&s));
    cr_expect_eq(vs_store_flush(&s, NULL), VS_OK);
    cr_expect_not(vs_store_promised(&s));
    vs_store_disk_close(&s);
    vs_test_folder_remove(dir);
}

Test(store_hold, a_store_without_group_commit_promises_nothing)
{
    vs_store s;
    cr_assert_eq(vs_store_mem_open(&s), VS_OK);
    vs_store_hold(&s);
    cr_expect_eq(put_one(&s, "a", "1"), VS_OK);
    cr_expect_not(vs_store_promised(&s));
    cr_expect_eq(vs_store_flush(&s, NULL), VS_OK);
    vs_store_mem_close(&s);
}
