#include <stdlib.h>
#include <string.h>

#include "net/store.h"

/* What a write replaced or extended since the last sync: `old` goes back to `offset`. */
typedef struct undo {
    uint64_t offset;
    vs_buf old;
} undo;

typedef struct item {
    char *name;
    vs_buf data;
    /* blobs only */
    bool synced; /* existed at the last sync */
    size_t synced_len;
    undo *undo;
    size_t n_undo, undo_cap;
} item;

/* Sorted by name. */
typedef struct table {
    item *at;
    size_t n, cap;
} table;

typedef struct mem_store {
    table values, blobs, secrets;
    uint64_t calls;   /* that change something */
    uint64_t fail_at; /* value of calls at which to fail; 0 = never */
} mem_store;

static void forget_undo(item *it)
{
    for (size_t i = 0; i < it->n_undo; i++) vs_buf_free(&it->undo[i].old);
    it->n_undo = 0;
}

static void item_clear(item *it)
{
    free(it->name);
    vs_buf_free_secret(&it->data);
    forget_undo(it);
    free(it->undo);
    *it = (item){0};
}

/* First position whose name is not below `name`. */
static size_t table_position(const table *t, const char *name)
{
    size_t lo = 0;
    size_t hi = t->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (strcmp(t->at[mid].name, name) < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static item *table_find(const table *t, const char *name)
{
    size_t at = table_position(t, name);
    return at < t->n && strcmp(t->at[at].name, name) == 0 ? &t->at[at] : NULL;
}

static bool table_reserve(table *t, size_t n_more)
{
    if (t->cap - t->n >= n_more) return true;
    size_t cap = t->cap < 16 ? 16 : t->cap;
    while (cap - t->n < n_more) cap *= 2;
    item *grown = realloc(t->at, cap * sizeof *grown);
    if (grown == NULL) return false;
    t->at = grown;
    t->cap = cap;
    return true;
}

/* Needs a reserved place and a new name; takes `name`. */
static item *table_insert(table *t, char *name)
{
    size_t at = table_position(t, name);
    VS_ASSERT(t->n < t->cap);
    memmove(&t->at[at + 1], &t->at[at], (t->n - at) * sizeof t->at[0]);
    t->at[at] = (item){.name = name};
    t->n++;
    return &t->at[at];
}

static void table_remove(table *t, const char *name)
{
    item *it = table_find(t, name);
    if (it == NULL) return;
    item_clear(it);
    size_t at = (size_t)(it - t->at);
    memmove(it, it + 1, (t->n - at - 1) * sizeof *it);
    t->n--;
}

static void table_free(table *t)
{
    for (size_t i = 0; i < t->n; i++) item_clear(&t->at[i]);
    free(t->at);
    *t = (table){0};
}

static item *table_find_or_make(table *t, const char *name)
{
    item *it = table_find(t, name);
    if (it != NULL || !table_reserve(t, 1)) return it;
    char *copy = strdup(name);
    return copy == NULL ? NULL : table_insert(t, copy);
}

static vs_err no_memory(vs_diag *diag)
{
    return vs_fail(diag, VS_ERR_NOMEM, "store: out of memory");
}

/* Every call that changes something starts here. */
static vs_err change(mem_store *s, const char *name, vs_diag *diag)
{
    vs_err err = vs_store_check_name(name, diag);
    if (err != VS_OK) return err;
    if (++s->calls != s->fail_at) return VS_OK;
    return vs_fail(diag, VS_ERR_IO, "store: %s: made to fail by the test", name);
}

/* --- keyed values -------------------------------------------------------------------------------
 */

static void apply(table *t, const vs_store_item *src, char *name, vs_buf *data)
{
    if (src->value == NULL) {
        table_remove(t, src->key);
        free(name);
        return;
    }
    item *it = table_find(t, src->key);
    if (it == NULL) {
        it = table_insert(t, name);
    } else {
        free(name);
    }
    vs_buf_free(&it->data);
    it->data = *data;
}

/* Everything that can fail happens before the first item is applied. */
static vs_err put(void *ctx, const vs_store_item *items, size_t n, vs_diag *diag)
{
    mem_store *s = ctx;
    for (size_t i = 0; i < n; i++) {
        vs_err err = vs_store_check_name(items[i].key, diag);
        if (err != VS_OK) return err;
    }
    vs_err err = n == 0 ? VS_OK : change(s, items[0].key, diag);
    if (err != VS_OK || n == 0) return err;

    char **name = calloc(n, sizeof *name);
    vs_buf *data = calloc(n, sizeof *data);
    bool ok = name != NULL && data != NULL && table_reserve(&s->values, n);
    for (size_t i = 0; ok && i < n; i++) {
        name[i] = strdup(items[i].key);
        if (items[i].value != NULL) vs_buf_bytes(&data[i], items[i].value, items[i].len);
        ok = name[i] != NULL && vs_buf_check(&data[i]) == VS_OK;
    }
    for (size_t i = 0; i < n; i++) {
        if (ok) {
            apply(&s->values, &items[i], name[i], &data[i]);
        } else {
            if (name != NULL) free(name[i]);
            if (data != NULL) vs_buf_free(&data[i]);
        }
    }
    free(name);
    free(data);
    return ok ? VS_OK : no_memory(diag);
}

static vs_err append_found(const table *t, const char *name, vs_buf *out, bool *found,
                           vs_diag *diag)
{
    *found = false;
    vs_err err = vs_store_check_name(name, diag);
    if (err != VS_OK) return err;
    const item *it = table_find(t, name);
    if (it == NULL) return VS_OK;
    vs_buf_bytes(out, it->data.p, it->data.len);
    if (vs_buf_check(out) != VS_OK) return no_memory(diag);
    *found = true;
    return VS_OK;
}

static vs_err get(void *ctx, const char *key, vs_buf *out, bool *found, vs_diag *diag)
{
    mem_store *s = ctx;
    return append_found(&s->values, key, out, found, diag);
}

static vs_err scan(void *ctx, const char *prefix, vs_store_visit visit, void *visit_ctx,
                   vs_diag *diag)
{
    mem_store *s = ctx;
    (void)diag;
    size_t len = strlen(prefix);
    for (size_t i = table_position(&s->values, prefix); i < s->values.n; i++) {
        const item *it = &s->values.at[i];
        if (strncmp(it->name, prefix, len) != 0) break;
        vs_err err = visit(visit_ctx, it->name, it->data.p, it->data.len);
        if (err != VS_OK) return err;
    }
    return VS_OK;
}

/* --- blobs --------------------------------------------------------------------------------------
 */

/* Remember the bytes that a write of len at offset will replace. */
static bool add_undo(item *it, uint64_t offset, size_t len)
{
    if (it->n_undo == it->undo_cap) {
        size_t cap = it->undo_cap == 0 ? 4 : 2 * it->undo_cap;
        undo *grown = realloc(it->undo, cap * sizeof *grown);
        if (grown == NULL) return false;
        it->undo = grown;
        it->undo_cap = cap;
    }
    undo *u = &it->undo[it->n_undo];
    *u = (undo){.offset = offset};
    if (offset < it->synced_len) {
        size_t kept = it->synced_len - (size_t)offset;
        vs_buf_bytes(&u->old, it->data.p + offset, len < kept ? len : kept);
        if (u->old.failed) {
            vs_buf_free(&u->old);
            return false;
        }
    }
    it->n_undo++;
    return true;
}

static vs_err blob_write(void *ctx, const char *name, uint64_t offset, const void *data, size_t len,
                         vs_diag *diag)
{
    mem_store *s = ctx;
    vs_err err = change(s, name, diag);
    if (err != VS_OK) return err;
    if (offset > VS_STORE_BLOB_MAX || len > VS_STORE_BLOB_MAX - offset) {
        return vs_fail(diag, VS_ERR_LIMIT, "blob %s: over the largest size", name);
    }
    item *it = table_find_or_make(&s->blobs, name);
    if (it == NULL || !add_undo(it, offset, len)) return no_memory(diag);
    if (offset + len > it->data.len) {
        size_t more = (size_t)(offset + len) - it->data.len;
        uint8_t *at = vs_buf_extend(&it->data, more);
        if (at == NULL) {
            it->data.failed = false; /* what is there stays good */
            return no_memory(diag);
        }
        memset(at, 0, more);
    }
    if (len != 0) memcpy(it->data.p + offset, data, len);
    return VS_OK;
}

static vs_err blob_sync(void *ctx, const char *name, vs_diag *diag)
{
    mem_store *s = ctx;
    vs_err err = change(s, name, diag);
    if (err != VS_OK) return err;
    item *it = table_find(&s->blobs, name);
    if (it == NULL) return vs_fail(diag, VS_ERR_IO, "blob %s: is not there", name);
    forget_undo(it);
    it->synced = true;
    it->synced_len = it->data.len;
    return VS_OK;
}

static vs_err blob_read(void *ctx, const char *name, uint64_t offset, size_t len, vs_buf *out,
                        bool *found, vs_diag *diag)
{
    mem_store *s = ctx;
    *found = false;
    vs_err err = vs_store_check_name(name, diag);
    if (err != VS_OK) return err;
    const item *it = table_find(&s->blobs, name);
    if (it == NULL) return VS_OK;
    if (offset < it->data.len) {
        size_t left = it->data.len - (size_t)offset;
        vs_buf_bytes(out, it->data.p + offset, len < left ? len : left);
        if (vs_buf_check(out) != VS_OK) return no_memory(diag);
    }
    *found = true;
    return VS_OK;
}

static vs_err blob_size(void *ctx, const char *name, uint64_t *size, bool *found, vs_diag *diag)
{
    mem_store *s = ctx;
    *found = false;
    *size = 0;
    vs_err err = vs_store_check_name(name, diag);
    if (err != VS_OK) return err;
    const item *it = table_find(&s->blobs, name);
    if (it == NULL) return VS_OK;
    *size = it->data.len;
    *found = true;
    return VS_OK;
}

static vs_err blob_remove(void *ctx, const char *name, vs_diag *diag)
{
    mem_store *s = ctx;
    vs_err err = change(s, name, diag);
    if (err == VS_OK) table_remove(&s->blobs, name);
    return err;
}

/* --- secrets ------------------------------------------------------------------------------------
 */

static vs_err secret_put(void *ctx, const char *name, const uint8_t *data, size_t len,
                         vs_diag *diag)
{
    mem_store *s = ctx;
    vs_buf copy = {0};
    vs_err err = change(s, name, diag);
    if (err != VS_OK) return err;
    if (len > VS_STORE_SECRET_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT, "secret %s: over the largest size", name);
    }
    vs_buf_bytes(&copy, data, len);
    item *it = copy.failed ? NULL : table_find_or_make(&s->secrets, name);
    if (it == NULL) {
        vs_buf_free_secret(&copy);
        return no_memory(diag);
    }
    vs_buf_free_secret(&it->data);
    it->data = copy;
    return VS_OK;
}

static vs_err secret_get(void *ctx, const char *name, vs_buf *out, bool *found, vs_diag *diag)
{
    mem_store *s = ctx;
    return append_found(&s->secrets, name, out, found, diag);
}

static vs_err secret_erase(void *ctx, const char *name, vs_diag *diag)
{
    mem_store *s = ctx;
    vs_err err = change(s, name, diag);
    if (err == VS_OK) table_remove(&s->secrets, name);
    return err;
}

/* ------------------------------------------------------------------------------------------------
 */

static const vs_store_ops mem_ops = {
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

vs_err vs_store_mem_open(vs_store *out)
{
    mem_store *s = calloc(1, sizeof *s);
    *out = (vs_store){0};
    if (s == NULL) return VS_ERR_NOMEM;
    *out = (vs_store){.ops = &mem_ops, .ctx = s};
    return VS_OK;
}

static mem_store *mem_of(const vs_store *store)
{
    VS_ASSERT(store->ops == &mem_ops);
    return store->ctx;
}

/* Newest first, so that the oldest bytes win where writes overlapped. */
static void roll_back(item *it)
{
    while (it->n_undo > 0) {
        undo *u = &it->undo[--it->n_undo];
        if (u->old.len != 0) memcpy(it->data.p + u->offset, u->old.p, u->old.len);
        vs_buf_free(&u->old);
    }
    it->data.len = it->synced_len;
}

void vs_store_mem_power_cut(vs_store *store)
{
    table *blobs = &mem_of(store)->blobs;
    size_t n = 0;
    for (size_t i = 0; i < blobs->n; i++) {
        item *it = &blobs->at[i];
        if (!it->synced) {
            item_clear(it);
            continue;
        }
        roll_back(it);
        blobs->at[n++] = *it;
    }
    blobs->n = n;
}

void vs_store_mem_fail_at(vs_store *store, uint64_t k)
{
    mem_store *s = mem_of(store);
    s->fail_at = k == 0 ? 0 : s->calls + k;
}

uint64_t vs_store_mem_calls(const vs_store *store)
{
    return mem_of(store)->calls;
}

void vs_store_mem_close(vs_store *store)
{
    if (store->ctx == NULL) return;
    mem_store *s = mem_of(store);
    table_free(&s->values);
    table_free(&s->blobs);
    table_free(&s->secrets);
    free(s);
    *store = (vs_store){0};
}
