/* tests/fuzz/world_log.h - the log and blobs of one honest round, held in memory. */
#ifndef VS_TESTS_FUZZ_WORLD_LOG_H
#define VS_TESTS_FUZZ_WORLD_LOG_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "tests/net/support_world.h"

enum { FUZZ_FILES_MAX = 16, FUZZ_ENTRIES_MAX = 16 };

typedef struct fuzz_log {
    vs_world *w; /* the aggregator is stopped */
    vs_buf entry[FUZZ_ENTRIES_MAX];
    uint32_t n_entries;
    char file[FUZZ_FILES_MAX][128]; /* below the folder */
    vs_buf bytes[FUZZ_FILES_MAX];
    uint32_t n_files;
} fuzz_log;

static inline void fuzz_log_take_files(fuzz_log *log, const char *sub)
{
    char folder[512];
    (void)snprintf(folder, sizeof folder, "%s/%s", log->w->folder, sub);
    DIR *d = opendir(folder);
    VS_ASSERT(d != NULL);
    for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        char path[1024];
        if (e->d_name[0] == '.' || strcmp(e->d_name, "blobs") == 0) continue;
        if (strstr(e->d_name, "lock") != NULL) continue;
        VS_ASSERT(log->n_files < FUZZ_FILES_MAX);
        (void)snprintf(log->file[log->n_files], sizeof log->file[0], "%.20s%.100s", sub, e->d_name);
        (void)snprintf(path, sizeof path, "%s%s", folder, e->d_name);
        VS_ASSERT(vs_file_read(&log->bytes[log->n_files], path, 1 << 20, NULL) == VS_OK);
        log->n_files++;
    }
    (void)closedir(d);
}

/* federation, open, set, answers, result; the files as a clean stop leaves them. */
static inline void fuzz_log_make(fuzz_log *log)
{
    const vs_world_config config = {.committee = {.n = 4, .t = 1, .k = 1, .margin = 1},
                                    .n_clients = 2,
                                    .min_clients = 2,
                                    .max_clients = 4,
                                    .dim = 10,
                                    .seed = 6};
    vs_world *w = log->w = vs_world_new(&config);
    VS_ASSERT(vs_world_open(w, 1, 2) == vsw_Code_OK);
    VS_ASSERT(vs_world_run_to(w, vsw_Phase_COLLECT, 2000));
    vs_world_submit(w, 0);
    vs_world_submit(w, 1);
    VS_ASSERT(vs_world_run_to(w, vsw_Phase_FINAL, 60000));
    vs_world_run_for(w, 1000); /* cosignatures of the result */
    log->n_entries = (uint32_t)vs_log_size(w->log);
    VS_ASSERT(log->n_entries <= FUZZ_ENTRIES_MAX);
    for (uint32_t i = 0; i < log->n_entries; i++) {
        VS_ASSERT(vs_log_entry(w->log, i, &log->entry[i], NULL) == VS_OK);
    }
    vs_aggregator_free(w->ag);
    vs_log_close(w->log);
    w->ag = NULL;
    w->log = NULL;
    fuzz_log_take_files(log, "");
    fuzz_log_take_files(log, "blobs/");
}

#endif /* VS_TESTS_FUZZ_WORLD_LOG_H */
