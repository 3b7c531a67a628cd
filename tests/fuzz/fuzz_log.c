/* A ledger folder in which bytes were changed: opening, reading, fsck and audit say so or are
 * untouched by it, and never stop the process. */
#include <sys/stat.h>

#include "ledger/fsck.h"
#include "ledger/log.h"
#include "net/audit.h"
#include "tests/fuzz/script.h"
#include "tests/fuzz/world_log.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static fuzz_log good;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_log_make(&good);
    return 0;
}

/* Plain writes: nothing here needs to survive. */
static void write_file(const char *folder, const char *name, const vs_buf *bytes)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    VS_ASSERT(f != NULL);
    VS_ASSERT(bytes->len == 0 || fwrite(bytes->p, 1, bytes->len, f) == bytes->len);
    VS_ASSERT(fclose(f) == 0);
}

/* True: a byte differs or a file is missing. */
static bool make_folder(const char *folder, vs_reader *in)
{
    char blobs[1024];
    bool differs = false;
    (void)snprintf(blobs, sizeof blobs, "%s/blobs", folder);
    VS_ASSERT(mkdir(blobs, 0700) == 0);
    uint8_t pages = vs_read_u8(in); /* odd: as after an unclean stop */
    for (uint32_t i = 0; i < good.n_files; i++) {
        vs_buf b = {0};
        uint8_t how = vs_read_u8(in);
        if ((pages & 1) != 0 && strstr(good.file[i], ".pages") != NULL) continue;
        if (how == 255) {
            differs = true;
            continue;
        }
        vs_buf_bytes(&b, good.bytes[i].p, good.bytes[i].len);
        if (how % 4 == 1) (void)fuzz_damage(&b, in);
        differs |=
            b.len != good.bytes[i].len || (b.len > 0 && memcmp(b.p, good.bytes[i].p, b.len) != 0);
        write_file(folder, good.file[i], &b);
        vs_buf_free(&b);
    }
    return differs;
}

static void read_all(const char *folder)
{
    vs_log *log = NULL;
    vs_diag diag = {{0}};
    vs_buf b = {0};
    vs_h32 leaf;
    if (vs_log_open_read(&log, folder, &diag) != VS_OK) {
        VS_ASSERT(log == NULL && diag.text[0] != '\0');
        return;
    }
    for (uint64_t i = 0; i < vs_log_size(log) && i < FUZZ_ENTRIES_MAX; i++) {
        uint64_t best;
        uint32_t n;
        (void)!vs_log_entry(log, i, &b, &diag);
        (void)!vs_log_leaf_hash(log, i, &leaf, &diag);
        (void)!vs_log_best_checkpoint(log, i, &best, &n, &diag);
        vs_buf_reset(&b);
    }
    (void)!vs_log_checkpoint(log, &b, &diag);
    vs_buf_free(&b);
    vs_log_close(log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vs_reader in = vs_reader_of(data, size);
    char *folder = vs_test_folder_new();
    bool differs = make_folder(folder, &in);
    vs_fsck_report fsck = {0};
    vs_audit_report audit = {0};
    vs_diag diag = {{0}};
    read_all(folder);
    vs_err err = vs_fsck(folder, NULL, NULL, NULL, &fsck, &diag);
    if (err == VS_OK && fsck.n_problems == 0 && !fsck.unclean_stop) VS_ASSERT(!differs);
    if (err == VS_OK && !differs) VS_ASSERT(fsck.n_problems == 0);
    err = vs_audit_dir(&audit, folder, good.w->tf->fed, NULL, NULL, NULL, &diag);
    VS_ASSERT(err != VS_OK || audit.ok == (audit.n_problems == 0));
    if (!differs) VS_ASSERT(err == VS_OK && audit.ok);
    vs_test_folder_remove(folder);
    return 0;
}
