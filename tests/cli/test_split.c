#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "mpc/share_text.h"
#include "tests/cli/support_run.h"
#include "tests/support.h"

static const char SECRET[] = "no\0text \xff\n"; /* its final zero belongs to it */

static void path_in(char out[512], const char *folder, const char *name)
{
    (void)snprintf(out, 512, "%s/%s", folder, name);
}

static void write_in(const char *folder, const char *name, const void *data, size_t len)
{
    char path[512];
    vs_diag diag;
    path_in(path, folder, name);
    cr_assert_eq(vs_file_write_durable(path, data, len, 0600, &diag), VS_OK, "%s", diag.text);
}

static vs_buf read_in(const char *folder, const char *name)
{
    char path[512];
    vs_buf out = {0};
    vs_diag diag;
    path_in(path, folder, name);
    cr_assert_eq(vs_file_read(&out, path, VS_SHARE_TEXT_MAX, &diag), VS_OK, "%s", diag.text);
    return out;
}

static bool has(const char *folder, const char *name)
{
    char path[512];
    path_in(path, folder, name);
    return vs_file_exists(path);
}

static void split_ok(const char *folder, const char *out)
{
    vs_run run = VS_RUN(folder, "split", "--shares", "5", "--threshold", "3", "--in", "key.bin",
                        "--out", out);
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_expect_str_empty(run.err);
    cr_expect_not_null(strstr(run.out, "any 3 of 5"));
    vs_run_free(&run);
}

/* A folder with key.bin, its shares k.1..k.5, and shares other.1..other.5 of the same secret. */
static char *folder_of(void)
{
    char *folder = vs_test_folder_new();
    write_in(folder, "key.bin", SECRET, sizeof SECRET);
    split_ok(folder, "k");
    split_ok(folder, "other");
    return folder;
}

static void is_secret(const char *folder, const char *name)
{
    struct stat st;
    char path[512];
    vs_buf got = read_in(folder, name);
    cr_expect(got.len == sizeof SECRET && memcmp(got.p, SECRET, got.len) == 0);
    path_in(path, folder, name);
    cr_assert_eq(stat(path, &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0600);
    vs_buf_free(&got);
}

Test(cli_split, any_three_shares_give_the_file_back)
{
    static const char *const sets[][5] = {
        {"k.1", "k.2", "k.3"}, {"k.5", "k.1", "k.4"}, {"k.3", "k.5", "k.2", "k.1", "k.4"}};
    char *folder = folder_of();
    for (size_t i = 0; i < 3; i++) {
        char out[20];
        const char *args[10] = {"combine", "--out", out};
        struct stat st;
        char path[512];
        (void)snprintf(out, sizeof out, "got.%zu", i);
        for (size_t k = 0; k < 5; k++) args[3 + k] = sets[i][k];
        cr_expect(vs_run_expect(folder, 0, "", "", args));
        is_secret(folder, out);
        path_in(path, folder, "k.1");
        cr_assert_eq(stat(path, &st), 0);
        cr_expect_eq(st.st_mode & 0777, 0600);
    }
    write_in(folder, "word", "open sesame\n", 12);
    vs_run run = VS_RUN(folder, "split", "--shares", "2", "--threshold", "2", "--in", "word",
                        "--out", "w", "--prime", "257", "--json");
    cr_expect_eq(run.status, 0, "%s", run.err);
    cr_expect_not_null(strstr(run.out, "\"w.2\""), "%s", run.out);
    vs_run_free(&run);
    cr_expect(VS_RUN_EXPECT(folder, 0, "open sesame\n", "", "combine", "w.2", "w.1"));
    write_in(folder, "nothing", "", 0);
    run = VS_RUN(folder, "split", "--shares", "2", "--threshold", "2", "--in", "nothing", "--out",
                 "n");
    cr_expect_eq(run.status, 0);
    vs_run_free(&run);
    cr_expect(VS_RUN_EXPECT(folder, 0, "", "", "combine", "n.1", "n.2"));
    vs_test_folder_remove(folder);
}

Test(cli_split, combine_names_the_share_that_is_wrong)
{
    char *folder = folder_of();
    vs_buf text = read_in(folder, "k.4");
    text.p[text.len - 100] ^= 1;
    write_in(folder, "bad", text.p, text.len);
    text.p[text.len - 100] ^= 1;
    write_in(folder, "cut", text.p, text.len / 2);
    text.p[15] = '7';
    write_in(folder, "v7", text.p, text.len);
    cr_expect(VS_RUN_EXPECT(folder, 1, "",
                            "veilsum: bad: damaged share: its checksum does not fit\n", "combine",
                            "k.1", "k.2", "k.3", "bad"));
    cr_expect(VS_RUN_EXPECT(folder, 1, "",
                            "veilsum: cut: damaged share: it does not end with a checksum line\n",
                            "combine", "k.1", "cut", "k.3"));
    cr_expect(VS_RUN_EXPECT(folder, 1, "",
                            "veilsum: v7: is a share of another version, \"veilsum-share-v7\"; "
                            "this program reads veilsum-share-v1\n",
                            "combine", "k.1", "k.2", "v7"));
    cr_expect(VS_RUN_EXPECT(folder, 1, "",
                            "veilsum: key.bin: is not a share: a share starts with "
                            "veilsum-share-v1\n",
                            "combine", "key.bin"));
    cr_expect(VS_RUN_EXPECT(folder, 1, "",
                            "veilsum: other.3: foreign share: it is of another set than k.1\n",
                            "combine", "k.1", "k.2", "other.3"));
    cr_expect(VS_RUN_EXPECT(folder, 1, "", "veilsum: k.1: duplicate share: k.1 is share 1 too\n",
                            "combine", "k.1", "k.2", "k.1"));
    cr_expect(VS_RUN_EXPECT(folder, 1, "",
                            "veilsum: too few shares: 2 of the 3 needed, 1 more is missing\n",
                            "combine", "k.1", "k.5"));
    cr_expect(VS_RUN_EXPECT(folder, 1, "", "veilsum: k.9: cannot open: No such file or directory\n",
                            "combine", "k.1", "k.9"));
    vs_buf_free(&text);
    vs_test_folder_remove(folder);
}

/* An attacker who can compute checksums: another index, or another share's payload, still shows. */
Test(cli_split, combine_names_an_altered_share_with_a_right_checksum)
{
    char *folder = folder_of();
    vs_share share;
    vs_diag diag;
    vs_buf text = read_in(folder, "k.4"), swapped = {0}, changed = {0};
    cr_assert_eq(vs_share_decode(&share, text.p, text.len, &diag), VS_OK);
    cr_assert_eq(vs_share_encode(&swapped, &share.set, 5, share.nonce, share.payload.p), VS_OK);
    share.payload.p[0] ^= 1;
    cr_assert_eq(vs_share_encode(&changed, &share.set, 4, share.nonce, share.payload.p), VS_OK);
    write_in(folder, "swapped", swapped.p, swapped.len);
    write_in(folder, "changed", changed.p, changed.len);
    cr_expect(VS_RUN_EXPECT(folder, 1, "",
                            "veilsum: swapped: altered share: its payload is not the one that was "
                            "split as share 5\n",
                            "combine", "k.1", "k.2", "swapped"));
    cr_expect(VS_RUN_EXPECT(folder, 1, "",
                            "veilsum: changed: altered share: its payload is not the one that was "
                            "split as share 4\n",
                            "combine", "k.1", "k.2", "k.3", "changed"));
    vs_share_free(&share);
    vs_buf_free(&text);
    vs_buf_free(&swapped);
    vs_buf_free(&changed);
    vs_test_folder_remove(folder);
}

Test(cli_split, a_set_id_outweighs_the_majority)
{
    char *folder = folder_of();
    vs_buf text = read_in(folder, "k.1");
    char id[65] = {0};
    memcpy(id, text.p + strlen("veilsum-share-v1\nset "), 64);
    cr_expect(VS_RUN_EXPECT(
        folder, 1, "",
        "veilsum: other.1: foreign share: it is of another set than the one asked for\n", "combine",
        "--set", id, "other.1", "other.2", "other.3", "k.1"));
    cr_expect(VS_RUN_EXPECT(folder, 0, "", "", "combine", "--set", id, "--out", "got", "k.1", "k.2",
                            "k.3"));
    is_secret(folder, "got");
    vs_run run = VS_RUN(folder, "combine", "--set", "12", "k.1");
    cr_expect_eq(run.status, 2);
    vs_run_free(&run);
    vs_buf_free(&text);
    vs_test_folder_remove(folder);
}

Test(cli_split, nothing_is_overwritten_and_a_refusal_writes_nothing)
{
    char *folder = vs_test_folder_new();
    write_in(folder, "key.bin", SECRET, sizeof SECRET);
    write_in(folder, "s.2", "mine", 4);
#define SPLIT "split", "--in", "key.bin", "--out", "s", "--shares"
    cr_expect(VS_RUN_EXPECT(folder, 1, "", "veilsum: s.2: exists already, not overwritten\n", SPLIT,
                            "3", "--threshold", "2"));
    cr_expect_not(has(folder, "s.1"));
    cr_expect_not(has(folder, "s.3"));
    cr_expect(VS_RUN_EXPECT(folder, 2, "",
                            "veilsum split: --threshold: 4 is more than the 3 shares of --shares\n"
                            "See: veilsum split --help\n",
                            SPLIT, "3", "--threshold", "4"));
    cr_expect(VS_RUN_EXPECT(folder, 2, "", NULL, SPLIT, "1", "--threshold", "1"));
    cr_expect(VS_RUN_EXPECT(folder, 2, "", NULL, SPLIT, "256", "--threshold", "2"));
    split_ok(folder, "k");
    cr_expect(VS_RUN_EXPECT(folder, 1, "", "veilsum: s.2: exists already, not overwritten\n",
                            "combine", "--out", "s.2", "k.1", "k.2", "k.3"));
    vs_test_folder_remove(folder);
}

Test(cli_split, says_what_is_wrong_with_the_prime_and_the_secret)
{
    static const char *const cases[][2] = {
        {"255", "veilsum: the number of 8 bits given as prime is not prime\n"},
        {"256", "veilsum: --prime: the number given as prime is even\n"},
        {"127", "veilsum: --prime: the prime has 7 bits; 8 to 4096 are allowed\n"},
        {"12x", "veilsum: --prime: the prime is neither decimal digits nor 0x and hexadecimal "
                "digits\n"},
    };
    static uint8_t large[VS_SHARE_SECRET_MAX + 1];
    char *folder = vs_test_folder_new();
    write_in(folder, "key.bin", SECRET, sizeof SECRET);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_expect(VS_RUN_EXPECT(folder, 1, "", cases[i][1], "split", "--in", "key.bin", "--out",
                                "s", "--shares", "3", "--threshold", "2", "--prime", cases[i][0]));
        cr_expect_not(has(folder, "s.1"));
    }
    cr_expect(VS_RUN_EXPECT(folder, 1, "", "veilsum: 251 shares need a prime above 251\n", "split",
                            "--in", "key.bin", "--out", "s", "--shares", "251", "--threshold", "2",
                            "--prime", "251"));
    write_in(folder, "large", large, sizeof large);
    cr_expect(VS_RUN_EXPECT(folder, 1, "",
                            "veilsum: large: larger than the limit of 1048576 bytes\n", "split",
                            "--in", "large", "--out", "s", "--shares", "3", "--threshold", "2"));
    vs_test_folder_remove(folder);
}
