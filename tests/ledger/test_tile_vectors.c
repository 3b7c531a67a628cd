/* Tile paths, and a published log that another implementation wrote: vectors/ledger/tiles. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "ledger/fsck.h"
#include "ledger/tile_path.h"
#include "tests/ledger/support_ledger.h"
#include "tests/support.h"

static uint64_t number(const json_t *list, size_t i)
{
    return (uint64_t)json_integer_value(json_array_get(list, i));
}

static void expect_path(vs_tile_path at, const char *want)
{
    char text[VS_TILE_PATH_CHARS];
    vs_tile_path back;
    if (at.width == 0) at.width = VS_TILE_WIDTH; /* as the vectors write a full tile */
    vs_tile_path_format(text, &at);
    cr_expect_str_eq(text, want);
    cr_assert_eq(vs_tile_path_parse(&back, want), VS_OK, "%s", want);
    cr_expect(back.level == at.level && back.number == at.number && back.width == at.width, "%s",
              want);
}

Test(tile_vectors, paths)
{
    size_t i;
    json_t *c;
    json_t *j = sample_json("vectors/ledger/tiles/paths.json");
    if (j == NULL) return;
    json_array_foreach(json_object_get(j, "tile"), i, c)
    {
        expect_path((vs_tile_path){(uint32_t)number(c, 0), number(c, 1), (uint32_t)number(c, 2)},
                    json_string_value(json_array_get(c, 3)));
    }
    cr_expect_eq(i, 6);
    json_array_foreach(json_object_get(j, "entries"), i, c)
    {
        expect_path((vs_tile_path){VS_TILE_ENTRIES, number(c, 0), (uint32_t)number(c, 1)},
                    json_string_value(json_array_get(c, 2)));
    }
    cr_expect_eq(i, 4);
    json_array_foreach(json_object_get(j, "entries_for_index"), i, c)
    {
        uint64_t n = number(c, 0) / VS_TILE_WIDTH;
        uint64_t left = number(c, 1) - n * VS_TILE_WIDTH;
        uint32_t width = left < VS_TILE_WIDTH ? (uint32_t)left : VS_TILE_WIDTH;
        expect_path((vs_tile_path){VS_TILE_ENTRIES, n, width},
                    json_string_value(json_array_get(c, 2)));
    }
    cr_expect_eq(i, 7);
    json_decref(j);
}

Test(tile_vectors, names_that_are_none)
{
    size_t i;
    json_t *c;
    vs_tile_path at;
    json_t *j = sample_json("vectors/ledger/tiles/paths.json");
    if (j == NULL) return;
    json_array_foreach(json_object_get(j, "parse_bad"), i, c)
    {
        char text[200];
        (void)snprintf(text, sizeof text, "tile/%s/%s", json_string_value(json_array_get(c, 0)),
                       json_string_value(json_array_get(c, 1)));
        cr_expect_eq(vs_tile_path_parse(&at, text), VS_ERR_MALFORMED, "%s", text);
        cr_expect(at.level == 0 && at.number == 0 && at.width == 0);
    }
    cr_expect_eq(i, 8);
    json_decref(j);
    static const char *const more[] = {"",
                                       "tile",
                                       "tile/0/000.p/0",
                                       "tile/0/000.p/256",
                                       "tile/0/000.p/01",
                                       "tile/00/000",
                                       "tile/0/x000/001",
                                       "tile/0/001/002",
                                       "tile/0/1234",
                                       "tile/0/-01",
                                       "tile/entries/x001/",
                                       "tile/entry/000",
                                       "tile/0/x999/x999/x999/x999/x999/x999/999",
                                       "tile/0/000.p/5 "};
    for (i = 0; i < sizeof more / sizeof more[0]; i++) {
        cr_expect_eq(vs_tile_path_parse(&at, more[i]), VS_ERR_MALFORMED, "%s", more[i]);
    }
}

/* Full and partial tiles of a tree of each given size. */
Test(tile_vectors, tiles_of_a_size)
{
    size_t i;
    json_t *c;
    json_t *j = sample_json("vectors/ledger/tiles/paths.json");
    if (j == NULL) return;
    json_array_foreach(json_object_get(j, "partial_sizes"), i, c)
    {
        uint64_t size = (uint64_t)json_integer_value(json_object_get(c, "tree_size"));
        for (uint32_t level = 0; level < 3; level++) {
            char full[32], partial[32];
            uint64_t n = size >> (8 * level);
            (void)snprintf(full, sizeof full, "level%u_full", level);
            (void)snprintf(partial, sizeof partial, "level%u_partial", level);
            cr_expect_eq((json_int_t)(n / VS_TILE_WIDTH),
                         json_integer_value(json_object_get(c, full)), "%s", full);
            cr_expect_eq((json_int_t)(n % VS_TILE_WIDTH),
                         json_integer_value(json_object_get(c, partial)), "%s", partial);
            uint64_t last;
            uint32_t width;
            vs_tiles_last(size, level, &last, &width);
            cr_expect_eq(last * VS_TILE_WIDTH + width, n);
        }
    }
    cr_expect_eq(i, 2);
    json_decref(j);
}

/* --- a folder that Tessera wrote ----------------------------------------------------------------
 */

static void remember(void *ctx, const char *text)
{
    vs_buf_printf(ctx, "%s\n", text);
}

static vs_note_key key_of(const char *dir)
{
    char path[600];
    vs_buf text = {0};
    vs_note_key key;
    (void)snprintf(path, sizeof path, "%s/vkey", dir);
    cr_assert_eq(vs_file_read(&text, path, 1000, NULL), VS_OK);
    while (text.len > 0 && text.p[text.len - 1] <= ' ') text.len--;
    vs_buf_u8(&text, 0);
    cr_assert_eq(vs_note_key_parse(&key, (const char *)text.p, NULL), VS_OK);
    vs_buf_free(&text);
    return key;
}

/* The problems, one per line; the caller releases the buffer. */
static vs_buf fsck(const char *dir, const vs_note_key *key, vs_fsck_report *report)
{
    vs_buf says = {0};
    cr_assert_eq(vs_fsck_folder(dir, key, remember, &says, report, NULL), VS_OK);
    vs_buf_u8(&says, 0);
    return says;
}

/* A copy of it that may be damaged. */
static char *copy_of(const char *dir)
{
    char command[1500];
    char *to = vs_test_folder_new();
    (void)snprintf(command, sizeof command, "cp -r --no-preserve=mode '%s'/. '%s'", dir, to);
    cr_assert_eq(system(command), 0);
    return to;
}

Test(tile_vectors, a_log_of_another_implementation_is_whole)
{
    vs_fsck_report report;
    char *dir = vs_test_shared("vectors/ledger/tiles/tessera-15");
    if (dir == NULL) {
        vs_test_skip("no vectors on this machine");
        return;
    }
    vs_note_key key = key_of(dir);
    vs_buf says = fsck(dir, &key, &report);
    cr_expect_str_eq((const char *)says.p, "");
    cr_expect_eq(report.n_entries, 15);
    vs_buf_free(&says);
    free(dir);
}

/* Bytes all over the newest tile and bundle, and one of each older one: the first line names it. */
Test(tile_vectors, damage_in_it_is_named)
{
    vs_fsck_report report;
    char *shared = vs_test_shared("vectors/ledger/tiles/tessera-15");
    if (shared == NULL) {
        vs_test_skip("no vectors on this machine");
        return;
    }
    vs_note_key key = key_of(shared);
    char *dir = copy_of(shared);
    for (uint32_t width = 1; width <= 15; width++) {
        for (uint32_t kind = 0; kind < 2; kind++) {
            char name[64], path[600];
            vs_buf file = {0};
            vs_tile_path at = {kind == 0 ? 0 : VS_TILE_ENTRIES, 0, width};
            vs_tile_path_format(name, &at);
            (void)snprintf(path, sizeof path, "%s/%s", dir, name);
            cr_assert_eq(vs_file_read(&file, path, 1 << 20, NULL), VS_OK);
            size_t step = width == 15 ? 13 : file.len;
            for (size_t k = width == 15 ? 0 : file.len - 1; k < file.len; k += step) {
                file.p[k] ^= 0x20;
                cr_assert_eq(vs_file_write_durable(path, file.p, file.len, 0644, NULL), VS_OK);
                vs_buf says = fsck(dir, &key, &report);
                cr_expect_eq(strncmp((const char *)says.p, name, strlen(name)), 0,
                             "%s, byte %zu: %s", name, k, (const char *)says.p);
                vs_buf_free(&says);
                file.p[k] ^= 0x20;
            }
            cr_assert_eq(vs_file_write_durable(path, file.p, file.len, 0644, NULL), VS_OK);
            vs_buf_free(&file);
        }
    }
    vs_test_folder_remove(dir);
    free(shared);
}

Test(tile_vectors, another_key_does_not_pass)
{
    vs_fsck_report report;
    char *dir = vs_test_shared("vectors/ledger/tiles/tessera-15");
    if (dir == NULL) {
        vs_test_skip("no vectors on this machine");
        return;
    }
    sample_key other = sample_key_of("example.com/log/testdata", VS_NOTE_ED25519, 5);
    vs_buf says = fsck(dir, &other.key, &report);
    cr_expect_eq(strncmp((const char *)says.p, "checkpoint: ", 12), 0, "%s", (const char *)says.p);
    cr_expect_eq(report.n_problems, 1);
    vs_buf_free(&says);
    free(dir);
}
