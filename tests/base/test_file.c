#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/file.h"
#include "tests/support.h"

enum { PATH_CHARS = 512 };

static char *folder;

static void setup(void)
{
    folder = vs_test_folder_new();
}

static void teardown(void)
{
    vs_test_folder_remove(folder);
}

TestSuite(file, .init = setup, .fini = teardown);

static const char *path_of(char out[PATH_CHARS], const char *name)
{
    cr_assert_lt(snprintf(out, PATH_CHARS, "%s/%s", folder, name), PATH_CHARS);
    return out;
}

static void expect_content(const char *path, const char *want)
{
    vs_buf b = {0};
    vs_diag diag = {""};
    cr_assert_eq(vs_file_read(&b, path, 100, &diag), VS_OK, "%s", diag.text);
    cr_expect_eq(b.len, strlen(want));
    cr_expect(b.len == 0 || memcmp(b.p, want, b.len) == 0);
    vs_buf_free(&b);
}

static void expect_names(const vs_diag *diag, const char *path, const char *why)
{
    cr_expect_not_null(strstr(diag->text, path), "no path in: %s", diag->text);
    cr_expect_not_null(strstr(diag->text, why), "no \"%s\" in: %s", why, diag->text);
}

static unsigned entries(void)
{
    unsigned n = 0;
    DIR *dir = opendir(folder);
    cr_assert_not_null(dir);
    while (readdir(dir) != NULL) n++;
    (void)closedir(dir);
    return n - 2; /* . and .. */
}

Test(file, write_replaces_with_the_given_mode_and_leaves_no_temporary_file)
{
    char path[PATH_CHARS];
    struct stat st;
    path_of(path, "a");
    cr_expect_not(vs_file_exists(path));
    cr_assert_eq(vs_file_write_durable(path, "one", 3, 0600, NULL), VS_OK);
    expect_content(path, "one");
    cr_assert_eq(vs_file_write_durable(path, "three", 5, 0640, NULL), VS_OK);
    expect_content(path, "three");
    cr_assert_eq(stat(path, &st), 0);
    cr_expect_eq(st.st_mode & 07777, 0640);
    cr_assert_eq(vs_file_write_durable(path, NULL, 0, 0600, NULL), VS_OK);
    expect_content(path, "");
    cr_expect(vs_file_exists(path));
    cr_expect_eq(entries(), 1);
}

Test(file, create_refuses_to_replace)
{
    char path[PATH_CHARS];
    vs_diag diag = {""};
    path_of(path, "key");
    cr_assert_eq(vs_file_create_durable(path, "one", 3, 0600, &diag), VS_OK);
    cr_expect_eq(vs_file_create_durable(path, "two", 3, 0600, &diag), VS_ERR_STATE);
    expect_names(&diag, path, "exists already");
    expect_content(path, "one");
    cr_expect_eq(entries(), 1);
}

Test(file, read_appends_and_stops_at_the_limit)
{
    char path[PATH_CHARS];
    vs_diag diag = {""};
    vs_buf b = {0};
    path_of(path, "a");
    cr_assert_eq(vs_file_write_durable(path, "12345", 5, 0600, NULL), VS_OK);
    vs_buf_text(&b, "ab");
    cr_expect_eq(vs_file_read(&b, path, 4, &diag), VS_ERR_LIMIT);
    expect_names(&diag, path, "limit of 4 bytes");
    cr_expect_eq(b.len, 2, "the buffer keeps its old length");
    cr_expect_eq(vs_file_read(&b, path, 5, &diag), VS_OK);
    cr_expect_eq(b.len, 7);
    cr_expect_arr_eq(b.p, "ab12345", 7);
    vs_buf_free(&b);
}

Test(file, read_goes_on_over_many_blocks)
{
    enum { LEN = 100000 };
    static uint8_t data[LEN];
    char path[PATH_CHARS];
    vs_buf b = {0};
    vs_test_bytes(data, LEN, 1);
    path_of(path, "a");
    cr_assert_eq(vs_file_write_durable(path, data, LEN, 0600, NULL), VS_OK);
    cr_expect_eq(vs_file_read(&b, path, LEN - 1, NULL), VS_ERR_LIMIT);
    cr_expect_eq(b.len, 0);
    cr_assert_eq(vs_file_read(&b, path, LEN, NULL), VS_OK);
    cr_assert_eq(b.len, LEN);
    cr_expect_arr_eq(b.p, data, LEN);
    vs_buf_free(&b);
}

/* Every function's message names the path and says what the system said. */
Test(file, errors_name_the_path_and_the_cause)
{
    char path[PATH_CHARS];
    char as_folder[PATH_CHARS];
    vs_buf b = {0};
    vs_map map;
    vs_diag diag = {""};
    const char *missing = "No such file or directory";
    path_of(path, "no-folder/x");
    cr_expect_eq(vs_file_read(&b, path, 10, &diag), VS_ERR_IO);
    expect_names(&diag, path, missing);
    cr_expect_eq(vs_file_write_durable(path, "x", 1, 0600, &diag), VS_ERR_IO);
    expect_names(&diag, path, missing);
    cr_expect_eq(vs_file_create_durable(path, "x", 1, 0600, &diag), VS_ERR_IO);
    expect_names(&diag, path, missing);
    cr_expect_eq(vs_map_file(&map, path, &diag), VS_ERR_IO);
    expect_names(&diag, path, missing);
    cr_expect_null(map.p);
    cr_expect_eq(vs_file_sync_folder_of(path, &diag), VS_ERR_IO);
    expect_names(&diag, "no-folder", missing);
    path_of(path, "plain");
    cr_assert_eq(vs_file_write_durable(path, "x", 1, 0600, NULL), VS_OK);
    path_of(as_folder, "plain/sub");
    cr_expect_eq(vs_file_make_folders(as_folder, 0700, &diag), VS_ERR_IO);
    expect_names(&diag, as_folder, "Not a directory");
    cr_expect_eq(vs_file_make_folders(path, 0700, &diag), VS_ERR_IO);
    expect_names(&diag, path, "is not a folder");
    cr_expect_eq(vs_map_file(&map, folder, &diag), VS_ERR_IO);
    expect_names(&diag, folder, "is not a regular file");
    cr_expect_eq(vs_file_erase(folder, &diag), VS_ERR_IO);
    expect_names(&diag, folder, "Is a directory");
    cr_expect_eq(vs_file_write_durable(folder, "x", 1, 0600, &diag), VS_ERR_IO);
    expect_names(&diag, folder, "rename");
    vs_buf_free(&b);
}

Test(file, failed_write_keeps_the_old_file)
{
    char path[PATH_CHARS];
    path_of(path, "d");
    cr_assert_eq(vs_file_make_folders(path, 0700, NULL), VS_OK);
    path_of(path, "d/x");
    cr_assert_eq(vs_file_write_durable(path, "old", 3, 0600, NULL), VS_OK);
    cr_expect_eq(vs_file_create_durable(path, "new", 3, 0600, NULL), VS_ERR_STATE);
    expect_content(path, "old");
}

Test(file, too_long_paths_are_refused)
{
    enum { LONG = 5000 };
    static char path[LONG + 1];
    vs_diag diag = {""};
    memset(path, 'a', LONG);
    cr_expect_eq(vs_file_write_durable(path, "x", 1, 0600, &diag), VS_ERR_LIMIT);
    cr_expect_eq(vs_file_create_durable(path, "x", 1, 0600, &diag), VS_ERR_LIMIT);
    path[LONG / 2 + 2000] = '/';
    cr_expect_eq(vs_file_sync_folder_of(path, &diag), VS_ERR_LIMIT);
    cr_expect_eq(vs_file_make_folders(path, 0700, &diag), VS_ERR_LIMIT);
    cr_expect_eq(vs_file_make_folders("", 0700, &diag), VS_ERR_LIMIT);
}

/* Another name for the same file shows that the bytes themselves are gone. */
Test(file, erase_overwrites_before_it_unlinks)
{
    enum { LEN = 10000 };
    static uint8_t secret[LEN];
    char path[PATH_CHARS];
    char other[PATH_CHARS];
    vs_buf b = {0};
    memset(secret, 0x5a, LEN);
    path_of(path, "secret");
    path_of(other, "other-name");
    cr_assert_eq(vs_file_write_durable(path, secret, LEN, 0600, NULL), VS_OK);
    cr_assert_eq(link(path, other), 0);
    cr_assert_eq(vs_file_erase(path, NULL), VS_OK);
    cr_expect_not(vs_file_exists(path));
    cr_assert_eq(vs_file_read(&b, other, LEN, NULL), VS_OK);
    cr_assert_eq(b.len, LEN);
    for (size_t i = 0; i < LEN; i++) cr_assert_eq(b.p[i], 0, "byte %zu", i);
    vs_buf_free(&b);
    cr_expect_eq(vs_file_erase(path, NULL), VS_OK, "missing is fine");
}

Test(file, remove_of_a_missing_file_is_fine)
{
    char path[PATH_CHARS];
    path_of(path, "x");
    cr_expect_eq(vs_file_remove(path, NULL), VS_OK);
    cr_assert_eq(vs_file_write_durable(path, "x", 1, 0600, NULL), VS_OK);
    cr_expect_eq(vs_file_remove(path, NULL), VS_OK);
    cr_expect_not(vs_file_exists(path));
    vs_diag diag = {""};
    cr_expect_eq(vs_file_remove(folder, &diag), VS_ERR_IO);
    expect_names(&diag, folder, "remove");
}

Test(file, make_folders_makes_parents_and_accepts_existing)
{
    char path[PATH_CHARS];
    struct stat st;
    path_of(path, "a/b//c");
    cr_assert_eq(vs_file_make_folders(path, 0700, NULL), VS_OK);
    cr_assert_eq(stat(path, &st), 0);
    cr_expect(S_ISDIR(st.st_mode));
    cr_expect_eq(st.st_mode & 0777, 0700);
    cr_expect_eq(vs_file_make_folders(path, 0700, NULL), VS_OK);
    path_of(path, "a/b/d/");
    cr_expect_eq(vs_file_make_folders(path, 0700, NULL), VS_OK);
}

Test(file, relative_names_sync_the_current_folder)
{
    cr_assert_eq(chdir(folder), 0);
    cr_expect_eq(vs_file_write_durable("plain", "x", 1, 0600, NULL), VS_OK);
    expect_content("plain", "x");
    cr_expect_eq(vs_file_sync_folder_of("/x", NULL), VS_OK);
    cr_assert_eq(chdir("/"), 0);
}

Test(file, map_shows_the_bytes_and_empty_files_map_to_nothing)
{
    char path[PATH_CHARS];
    vs_map map;
    path_of(path, "m");
    cr_assert_eq(vs_file_write_durable(path, "hello", 5, 0600, NULL), VS_OK);
    cr_assert_eq(vs_map_file(&map, path, NULL), VS_OK);
    cr_assert_eq(map.len, 5);
    cr_expect_arr_eq(map.p, "hello", 5);
    vs_unmap(&map);
    cr_expect_null(map.p);
    vs_unmap(&map);
    cr_assert_eq(vs_file_write_durable(path, NULL, 0, 0600, NULL), VS_OK);
    cr_assert_eq(vs_map_file(&map, path, NULL), VS_OK);
    cr_expect_eq(map.len, 0);
    vs_unmap(&map);
}
