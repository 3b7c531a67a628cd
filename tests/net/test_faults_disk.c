/* The real disk code: SQLite, tiles, blobs, seed files. A party is killed before every change and
 * every fsync of its files, with the power and without; and every one of them fails. Each run of
 * this program tries a part of the places; VEILSUM_FAULT_EVERY=1 tries all of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"

#include "tests/net/disk_shim.h"
#include "tests/net/support_fault_loop.h"
#include "tests/support.h"

static void hit(void *ctx)
{
    vs_fault *f = ctx;
    f->fired = true;
    if (f->at != 0) f->dead = true; /* 0: the process lives on, with an error */
}

/* Places first, first + stride, ... */
static vs_fault_loop loop(disk_fault kind, uint32_t actor, uint64_t first, uint64_t stride)
{
    const char *from = getenv("VEILSUM_FAULT_FROM");
    const char *every = getenv("VEILSUM_FAULT_EVERY"); /* no place left out: takes long */
    if (every != NULL) first = stride = 1;
    bool lives = kind == DISK_EIO || kind == DISK_FULL;
    vs_fault_loop d = {0};
    bool fired = true;
    for (uint64_t k = from == NULL ? first : strtoull(from, NULL, 10); fired; k += stride) {
        char *folder = vs_test_folder_new();
        char root[600], ledger[600];
        vs_sim_config config = vs_fault_loop_round;
        vs_fault fault = {.kind = VS_FAULT_DISK, .actor = actor, .at = lives ? 0 : k};
        (void)snprintf(root, sizeof root, "%s/store-%u", folder, actor);
        (void)snprintf(ledger, sizeof ledger, "%s/ledger", folder);
        config.folder = folder;
        config.group = true;
        config.open_store = vs_store_disk_open;
        config.close_store = vs_store_disk_close;
        config.restarting = disk_shim_revive;
        disk_shim_arm(root, actor == VS_PEER_AGGREGATOR ? ledger : NULL, kind, k, hit, &fault);
        if (getenv("VEILSUM_SIM_VERBOSE") != NULL) {
            (void)fprintf(stderr, "--- %u: %d at %llu\n", actor, (int)kind, (unsigned long long)k);
        }
        vs_fault_loop_one(&config, &fault, &d);
        disk_shim_off();
        fired = fault.fired;
        /* Whoever stops says which disk it was. */
        cr_assert(!fired || d.why[0] == '\0' || strstr(d.why, folder) != NULL, "%s", d.why);
        free(folder);
    }
    printf("party %4u, disk fault %d: %u places tried; %u exact sums, %u aborts, %u stops\n", actor,
           (int)kind, d.places, d.results, d.aborts, d.stops);
    (void)fflush(stdout);
    return d;
}

static void never_lost(disk_fault kind, uint32_t actor, uint64_t first, uint64_t stride,
                       uint32_t at_least)
{
    vs_fault_loop d = loop(kind, actor, first, stride);
    cr_expect_geq(d.places, at_least, "%u", d.places);
    cr_expect_eq(d.results, d.places, "%u of %u", d.results, d.places);
}

Test(faults_disk, a_client_is_in_the_sum_whatever_its_disk_does)
{
    never_lost(DISK_KILL, VS_SIM_CLIENT, 1, 7, 5);
    never_lost(DISK_POWER, VS_SIM_CLIENT, 2, 3, 10);
    never_lost(DISK_POWER_SOME, VS_SIM_CLIENT, 3, 5, 6);
    never_lost(DISK_EIO, VS_SIM_CLIENT, 4, 7, 5);
    never_lost(DISK_FULL, VS_SIM_CLIENT, 1, 5, 4);
}

Test(faults_disk, a_shareholder_loses_nothing_whatever_its_disk_does)
{
    never_lost(DISK_KILL, FAULT_SEED_HOLDER, 1, 61, 4);
    never_lost(DISK_POWER, FAULT_VECTOR_HOLDER, 2, 17, 9);
    never_lost(DISK_POWER_SOME, FAULT_EXTRA_HOLDER, 3, 37, 4);
    never_lost(DISK_EIO, FAULT_VECTOR_HOLDER, 4, 61, 3);
    never_lost(DISK_FULL, FAULT_SEED_HOLDER, 5, 61, 3);
}

Test(faults_disk, the_aggregator_finishes_the_round_whatever_its_disk_does)
{
    never_lost(DISK_KILL, VS_PEER_AGGREGATOR, 1, 67, 3);
    never_lost(DISK_POWER, VS_PEER_AGGREGATOR, 2, 29, 8);
    never_lost(DISK_POWER_SOME, VS_PEER_AGGREGATOR, 3, 53, 4);
    never_lost(DISK_EIO, VS_PEER_AGGREGATOR, 4, 67, 3);
    never_lost(DISK_FULL, VS_PEER_AGGREGATOR, 5, 67, 3);
}

/* --- the failing disk itself --------------------------------------------------------------------
 */

static bool holds(const char *path, const char *text)
{
    vs_buf read = {0};
    bool same = vs_file_read(&read, path, 100, NULL) == VS_OK && read.len == strlen(text) &&
                memcmp(read.p, text, read.len) == 0;
    vs_buf_free(&read);
    return same;
}

/* What is written and synced stays, the rest goes: bytes, a new name, a removed one. */
Test(faults_disk, a_power_cut_takes_back_what_was_not_synced)
{
    char *folder = vs_test_folder_new();
    char watched[600], old[700], new[700], gone[700];
    (void)snprintf(watched, sizeof watched, "%s/watched", folder);
    (void)snprintf(old, sizeof old, "%s/old", watched);
    (void)snprintf(new, sizeof new, "%s/new", watched);
    (void)snprintf(gone, sizeof gone, "%s/gone", watched);
    cr_assert_eq(vs_file_make_folders(watched, 0700, NULL), VS_OK);
    disk_shim_arm(watched, NULL, DISK_POWER, 100, NULL, NULL);
    cr_assert_eq(vs_file_write_durable(old, "first", 5, 0600, NULL), VS_OK);
    cr_assert_eq(vs_file_write_durable(gone, "there", 5, 0600, NULL), VS_OK);
    int fd = open(old, O_WRONLY | O_CLOEXEC);
    cr_assert_eq(pwrite(fd, "FIRST and more", 14, 0), 14);
    (void)close(fd);
    fd = open(new, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    cr_assert_eq(write(fd, "new", 3), 3);
    cr_assert_eq(fsync(fd), 0); /* the bytes, not the name */
    (void)close(fd);
    cr_assert_eq(unlink(gone), 0);
    fd = open(old, O_WRONLY | O_CLOEXEC);
    for (int i = 0; i < 100 && pwrite(fd, "x", 1, 0) == 1; i++)
        continue; /* up to the 100th place */
    (void)close(fd);
    disk_shim_revive();
    cr_expect(holds(old, "first"));
    cr_expect(holds(gone, "there"));
    cr_expect(!vs_file_exists(new));
    disk_shim_off();
    vs_test_folder_remove(folder);
}
