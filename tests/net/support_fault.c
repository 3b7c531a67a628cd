#include "tests/net/support_fault.h"

#include <stdlib.h>
#include <string.h>

const char *vs_fault_name(vs_fault_kind kind)
{
    switch (kind) {
    case VS_FAULT_NONE: return "none";
    case VS_FAULT_KILL_BEFORE_WRITE: return "killed before write";
    case VS_FAULT_KILL_AFTER_WRITE: return "killed after write";
    case VS_FAULT_KILL_TORN_WRITE: return "killed in the middle of write";
    case VS_FAULT_EIO: return "EIO at write";
    case VS_FAULT_ENOSPC: return "ENOSPC from write";
    case VS_FAULT_KILL_AT_MESSAGE: return "killed at message";
    case VS_FAULT_RNG: return "no randomness at call";
    case VS_FAULT_ALLOC: return "no memory at allocation";
    case VS_FAULT_DISK: return "disk fault at";
    }
    return "?";
}

/* --- store --------------------------------------------------------------------------------------
 */

static bool is_of_writes(vs_fault_kind kind)
{
    return kind >= VS_FAULT_KILL_BEFORE_WRITE && kind <= VS_FAULT_ENOSPC;
}

/* Every change begins here. *after: it is to die when the change is done. */
static vs_err before(vs_fault *f, const char *name, bool *after, vs_diag *diag)
{
    *after = false;
    if (f->dead) return vs_fail(diag, VS_ERR_IO, "store: %s: the process is dead", name);
    if (!is_of_writes(f->kind) || f->kind == VS_FAULT_KILL_TORN_WRITE) return VS_OK;
    f->seen++;
    bool full = f->kind == VS_FAULT_ENOSPC && f->fired;
    if (f->seen != f->at && !full) return VS_OK;
    f->fired = true;
    if (f->kind == VS_FAULT_EIO) {
        return vs_fail(diag, VS_ERR_IO, "store: %s: Input/output error", name);
    }
    if (f->kind == VS_FAULT_ENOSPC) {
        return vs_fail(diag, VS_ERR_IO, "store: %s: No space left on device", name);
    }
    if (f->kind == VS_FAULT_KILL_AFTER_WRITE) {
        *after = true;
        return VS_OK;
    }
    f->dead = true;
    return vs_fail(diag, VS_ERR_IO, "store: %s: killed", name);
}

static vs_err after_change(vs_fault *f, vs_err err, bool after, const char *name, vs_diag *diag)
{
    if (err != VS_OK || !after) return err;
    f->dead = true;
    return vs_fail(diag, VS_ERR_IO, "store: %s: killed", name);
}

static vs_err put(void *ctx, const vs_store_item *items, size_t n, vs_diag *diag)
{
    vs_fault *f = ctx;
    bool after;
    const char *name = n == 0 ? "nothing" : items[0].key;
    vs_err err = n == 0 ? VS_OK : before(f, name, &after, diag);
    if (err != VS_OK || n == 0) return err;
    err = f->inner.ops->put(f->inner.ctx, items, n, diag);
    return after_change(f, err, after, name, diag);
}

static vs_err get(void *ctx, const char *key, vs_buf *out, bool *found, vs_diag *diag)
{
    vs_fault *f = ctx;
    return f->inner.ops->get(f->inner.ctx, key, out, found, diag);
}

static vs_err scan(void *ctx, const char *prefix, vs_store_visit visit, void *visit_ctx,
                   vs_diag *diag)
{
    vs_fault *f = ctx;
    return f->inner.ops->scan(f->inner.ctx, prefix, visit, visit_ctx, diag);
}

static vs_err blob_write(void *ctx, const char *name, uint64_t offset, const void *data, size_t len,
                         vs_diag *diag)
{
    vs_fault *f = ctx;
    bool after;
    vs_err err = before(f, name, &after, diag);
    if (err != VS_OK) return err;
    if (f->kind == VS_FAULT_KILL_TORN_WRITE && len > 1 && ++f->seen == f->at) {
        f->fired = f->dead = true;
        (void)f->inner.ops->blob_write(f->inner.ctx, name, offset, data, len / 2, diag);
        return vs_fail(diag, VS_ERR_IO, "store: %s: killed", name);
    }
    err = f->inner.ops->blob_write(f->inner.ctx, name, offset, data, len, diag);
    return after_change(f, err, after, name, diag);
}

static vs_err blob_sync(void *ctx, const char *name, vs_diag *diag)
{
    vs_fault *f = ctx;
    bool after;
    vs_err err = before(f, name, &after, diag);
    if (err != VS_OK) return err;
    err = f->inner.ops->blob_sync(f->inner.ctx, name, diag);
    return after_change(f, err, after, name, diag);
}

static vs_err blob_read(void *ctx, const char *name, uint64_t offset, size_t len, vs_buf *out,
                        bool *found, vs_diag *diag)
{
    vs_fault *f = ctx;
    return f->inner.ops->blob_read(f->inner.ctx, name, offset, len, out, found, diag);
}

static vs_err blob_size(void *ctx, const char *name, uint64_t *size, bool *found, vs_diag *diag)
{
    vs_fault *f = ctx;
    return f->inner.ops->blob_size(f->inner.ctx, name, size, found, diag);
}

static vs_err blob_remove(void *ctx, const char *name, vs_diag *diag)
{
    vs_fault *f = ctx;
    bool after;
    vs_err err = before(f, name, &after, diag);
    if (err != VS_OK) return err;
    err = f->inner.ops->blob_remove(f->inner.ctx, name, diag);
    return after_change(f, err, after, name, diag);
}

static vs_err secret_put(void *ctx, const char *name, const uint8_t *data, size_t len,
                         vs_diag *diag)
{
    vs_fault *f = ctx;
    bool after;
    vs_err err = before(f, name, &after, diag);
    if (err != VS_OK) return err;
    err = f->inner.ops->secret_put(f->inner.ctx, name, data, len, diag);
    return after_change(f, err, after, name, diag);
}

static vs_err secret_get(void *ctx, const char *name, vs_buf *out, bool *found, vs_diag *diag)
{
    vs_fault *f = ctx;
    return f->inner.ops->secret_get(f->inner.ctx, name, out, found, diag);
}

static vs_err secret_erase(void *ctx, const char *name, vs_diag *diag)
{
    vs_fault *f = ctx;
    bool after;
    vs_err err = before(f, name, &after, diag);
    if (err != VS_OK) return err;
    err = f->inner.ops->secret_erase(f->inner.ctx, name, diag);
    return after_change(f, err, after, name, diag);
}

static const vs_store_ops ops = {
    .put = put,
    .get = get,
    .scan = scan,
    .blob_write = blob_write,
    .blob_sync = blob_sync,
    .blob_read = blob_read,
    .blob_size = blob_size,
    .blob_remove = blob_remove,
    .secret_put = secret_put,
    .secret_get = secret_get,
    .secret_erase = secret_erase,
};

vs_store vs_fault_store(vs_fault *f, vs_store inner)
{
    f->inner = inner;
    return (vs_store){.ops = &ops, .ctx = f};
}

/* --- randomness, messages and memory
 * ------------------------------------------------------------------------
 */

static vs_err fill(void *ctx, void *out, size_t len)
{
    vs_fault *f = ctx;
    if (f->kind != VS_FAULT_RNG || ++f->seen != f->at) return vs_rng_fill(&f->inner_rng, out, len);
    f->fired = true;
    memset(out, 0, len);
    return VS_ERR_IO;
}

vs_rng vs_fault_rng(vs_fault *f, vs_rng inner)
{
    f->inner_rng = inner;
    return (vs_rng){.fill = fill, .ctx = f};
}

bool vs_fault_message(vs_fault *f)
{
    if (f->kind != VS_FAULT_KILL_AT_MESSAGE || ++f->seen != f->at) return false;
    f->fired = f->dead = true;
    return true;
}

bool vs_fault_fired(const vs_fault *f)
{
    return f->fired;
}

void vs_fault_heal(vs_fault *f)
{
    f->dead = false;
    if (f->fired) f->kind = VS_FAULT_NONE;
}

static vs_fault *allocating; /* whose allocations count now */
static bool paused;

void vs_fault_alloc_begin(vs_fault *f)
{
    allocating = f != NULL && f->kind == VS_FAULT_ALLOC ? f : NULL;
}

void vs_fault_alloc_end(void)
{
    allocating = NULL;
}

void vs_fault_alloc_pause(bool pause)
{
    paused = pause;
}

bool vs_fault_alloc_fails(void)
{
    if (paused || allocating == NULL || ++allocating->seen != allocating->at) return false;
    allocating->fired = true;
    return true;
}
