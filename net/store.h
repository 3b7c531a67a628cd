/* net/store.h - where a role keeps what must survive it.
 *
 * Three kinds of state: keyed values (atomic durable batches), blobs (large files, durable after
 * blob_sync), secrets (one small file each outside the database, erasable). The daemon uses
 * net/store_disk.h; tests use net/store_mem.h, which can also drop what was not synced. */
#ifndef VS_NET_STORE_H
#define VS_NET_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

typedef struct vs_store_item {
    const char *key;   /* ASCII, at most 200 chars, such as "round/00000007/open" */
    const void *value; /* NULL deletes */
    size_t len;
} vs_store_item;

/* The callback gives VS_OK to go on; anything else ends the scan and is returned. It must not
 * change the store. */
typedef vs_err (*vs_store_visit)(void *ctx, const char *key, const uint8_t *value, size_t len);

#define VS_STORE_NAME_MAX 200u                /* chars of a key or name */
#define VS_STORE_BLOB_MAX (UINT64_C(1) << 40) /* bytes of a blob */
#define VS_STORE_SECRET_MAX 65536u            /* bytes of a secret */

/* Names of blobs and secrets, and keys: parts of [A-Za-z0-9._-] joined by single
 * '/', no part starting with '.', no ".tmp-", at most VS_STORE_NAME_MAX chars in all. Anything else
 * is refused with VS_ERR_LIMIT by every operation: no name can leave its folder. */

/* Every error is of the machine (VS_ERR_IO, VS_ERR_NOMEM): the role passes it up and the process
 * stops; state on disk stays as it was after the last successful call. */
typedef struct vs_store_ops {
    /* All items in order or none, durable on return. */
    vs_err (*put)(void *ctx, const vs_store_item *items, size_t n, vs_diag *diag);
    /* Append the value to *out; a missing key leaves it alone. */
    vs_err (*get)(void *ctx, const char *key, vs_buf *out, bool *found, vs_diag *diag);
    /* Keys with this prefix in byte order; "" is every key. */
    vs_err (*scan)(void *ctx, const char *prefix, vs_store_visit visit, void *visit_ctx,
                   vs_diag *diag);
    /* Blobs: name is a key-like path ("7/uploads/00000000"). write makes the blob and extends it
     * with zeros as needed, len 0 too. */
    vs_err (*blob_write)(void *ctx, const char *name, uint64_t offset, const void *data, size_t len,
                         vs_diag *diag);
    /* Bytes, size and existence are durable on return. A missing blob is VS_ERR_IO. */
    vs_err (*blob_sync)(void *ctx, const char *name, vs_diag *diag);
    /* Append up to len bytes from offset to *out (fewer at the end). Missing blob: found false. */
    vs_err (*blob_read)(void *ctx, const char *name, uint64_t offset, size_t len, vs_buf *out,
                        bool *found, vs_diag *diag);
    vs_err (*blob_size)(void *ctx, const char *name, uint64_t *size, bool *found, vs_diag *diag);
    vs_err (*blob_remove)(void *ctx, const char *name, vs_diag *diag); /* missing is VS_OK */
    /* Durable on return, replaces what was there. */
    vs_err (*secret_put)(void *ctx, const char *name, const uint8_t *data, size_t len,
                         vs_diag *diag);
    vs_err (*secret_get)(void *ctx, const char *name, vs_buf *out, bool *found, vs_diag *diag);
    /* Overwritten, then gone, durably. Missing is VS_OK. */
    vs_err (*secret_erase)(void *ctx, const char *name, vs_diag *diag);
    /* Group commit; all three may be NULL, then every call is durable by itself. After hold, put
     * and blob_sync only promise: what they did is seen by every later call, and becomes durable,
     * all of it or nothing, by flush. blob_remove, secret_put and secret_erase cannot be taken
     * back, so they flush first. While something is promised, nothing may leave the process. */
    void (*hold)(void *ctx);
    bool (*promised)(const void *ctx);
    vs_err (*flush)(void *ctx, vs_diag *diag);
    /* As put, for what may be lost in a crash as long as nothing later is kept: it promises nothing
     * and is durable with the next flush. May be NULL: put is called instead. */
    vs_err (*put_later)(void *ctx, const vs_store_item *items, size_t n, vs_diag *diag);
} vs_store_ops;

typedef struct vs_store {
    const vs_store_ops *ops;
    void *ctx;
} vs_store;

/* The three operations of group commit, for a store that may not have them. */
void vs_store_hold(const vs_store *store);
bool vs_store_promised(const vs_store *store);
VS_MUST_CHECK vs_err vs_store_flush(const vs_store *store, vs_diag *diag);
VS_MUST_CHECK vs_err vs_store_put_later(const vs_store *store, const vs_store_item *items, size_t n,
                                        vs_diag *diag);

/* The check behind every operation, for implementations. */
VS_MUST_CHECK vs_err vs_store_check_name(const char *name, vs_diag *diag);

/* DIR (made if needed, mode 0700): state.db (ledger/db.h), blobs/, secrets/ (files 0600, '/' in a
 * name written as '%'). VS_ERR_STATE while another process has it open. */
VS_MUST_CHECK vs_err vs_store_disk_open(vs_store *out, const char *dir, vs_diag *diag);
void vs_store_disk_close(vs_store *store);

/* In memory, for tests and simulation. */
VS_MUST_CHECK vs_err vs_store_mem_open(vs_store *out);
/* Forget every blob byte written since its last blob_sync, as a power cut does; a blob never synced
 * is gone. */
void vs_store_mem_power_cut(vs_store *store);
/* Make the k-th call from now that changes something fail with VS_ERR_IO (0 = never), changing
 * nothing. */
void vs_store_mem_fail_at(vs_store *store, uint64_t k);
uint64_t vs_store_mem_calls(const vs_store *store); /* calls so far that change something */
void vs_store_mem_close(vs_store *store);

#endif /* VS_NET_STORE_H */
