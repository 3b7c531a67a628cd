/* ledger/export_files.h - inside ledger/ only: durable files under one folder. */
#ifndef VS_LEDGER_EXPORT_FILES_H
#define VS_LEDGER_EXPORT_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct vs_export_files {
    char *folder;
    uint64_t n_written;
} vs_export_files;

/* Make the folder. The caller clears *f, also after an error. */
VS_MUST_CHECK vs_err vs_export_files_init(vs_export_files *f, const char *folder, vs_diag *diag);
void vs_export_files_clear(vs_export_files *f);

bool vs_export_files_have(const vs_export_files *f, const char *name);
/* folder/name := data, durable, unless it has these bytes already. Folders on the way are made. */
VS_MUST_CHECK vs_err vs_export_files_put(vs_export_files *f, const char *name, const void *data,
                                         size_t len, vs_diag *diag);
/* Remove "folder/tile.p" with what is in it, as far as that is possible: nothing needs it. */
void vs_export_files_drop_partials(vs_export_files *f, const char *tile);

#endif /* VS_LEDGER_EXPORT_FILES_H */
