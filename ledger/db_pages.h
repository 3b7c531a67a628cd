/* ledger/db_pages.h - inside ledger/ only: "<path>.pages", the SHA-256 of every page of a database
 * that was closed cleanly.
 *
 * SQLite checks structure, not bytes: a flipped bit in a free page or in unused space passes its
 * integrity check. With this file any changed byte is found and named. Layout: label
 * "veilsum/v1 pages", u32 page size, u64 file size, one hash per page, hash of all before. */
#ifndef VS_LEDGER_DB_PAGES_H
#define VS_LEDGER_DB_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define VS_PAGE_BYTES 4096u

bool vs_pages_exist(const char *path);
VS_MUST_CHECK vs_err vs_pages_write(const char *path, vs_diag *diag);
/* Durable; missing is VS_OK. */
VS_MUST_CHECK vs_err vs_pages_remove(const char *path, vs_diag *diag);

typedef void (*vs_pages_problem)(void *ctx, const char *text);
/* Calls back once per page that changed ("ledger.db: page 3 (bytes 8192..12287) ..."). VS_OK when
 * all was compared, with the number of problems in *n; VS_ERR_IO when a file cannot be read. */
VS_MUST_CHECK vs_err vs_pages_check(const char *path, vs_pages_problem problem, void *ctx,
                                    uint32_t *n, vs_diag *diag);

/* A non-empty "<path>-wal" is there: the last stop was not clean. */
bool vs_db_has_wal(const char *path);
#define VS_DB_URI_BYTES 12288u
/* "file:" URI that opens path as a file nobody changes: SQLite takes that in no other way. */
VS_MUST_CHECK vs_err vs_db_immutable_uri(char out[VS_DB_URI_BYTES], const char *path,
                                         vs_diag *diag);

#endif /* VS_LEDGER_DB_PAGES_H */
