/* Names and small helpers around the shareholder's store (net/shareholder_impl.h). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "net/shareholder_impl.h"

#define DELETE_BATCH 32u /* keys deleted in one transaction, each perhaps with a file */

static void add_id(sh_name *name, const vs_h32 *id)
{
    size_t at = strlen(name->text);
    VS_ASSERT(at + 1 + VS_HEX_CHARS(VS_H32_BYTES) <= sizeof name->text);
    name->text[at] = '/';
    vs_hex_encode(name->text + at + 1, id->b, sizeof id->b);
}

sh_name vs_sh_key(uint64_t round, const char *what, const vs_h32 *id)
{
    sh_name name;
    (void)snprintf(name.text, sizeof name.text, "round/%016" PRIx64 "/%s", round, what);
    if (id != NULL) add_id(&name, id);
    return name;
}

sh_name vs_sh_key_at(const char *what, uint64_t number)
{
    sh_name name;
    (void)snprintf(name.text, sizeof name.text, "%s/%016" PRIx64, what, number);
    return name;
}

sh_name vs_sh_blob_name(uint64_t round, const char *what, const vs_h32 *id)
{
    sh_name name;
    (void)snprintf(name.text, sizeof name.text, "%016" PRIx64 "/%s", round, what);
    if (id != NULL) add_id(&name, id);
    return name;
}

sh_name vs_sh_uploads_name(uint64_t round, uint32_t file)
{
    sh_name name;
    (void)snprintf(name.text, sizeof name.text, "%016" PRIx64 "/uploads/%08" PRIx32, round, file);
    return name;
}

sh_name vs_sh_sum_name(uint64_t round, uint32_t j)
{
    sh_name name;
    (void)snprintf(name.text, sizeof name.text, "%016" PRIx64 "/sum/%" PRIu32, round, j);
    return name;
}

vs_store_item vs_sh_item(const sh_name *key, const void *value, size_t len)
{
    return (vs_store_item){.key = key->text, .value = value, .len = len};
}

vs_err vs_sh_put(vs_shareholder *sh, const vs_store_item *items, size_t n, vs_diag *diag)
{
    return sh->store.ops->put(sh->store.ctx, items, n, diag);
}

vs_err vs_sh_get(vs_shareholder *sh, const sh_name *key, vs_buf *out, bool *found, vs_diag *diag)
{
    vs_buf_reset(out);
    return sh->store.ops->get(sh->store.ctx, key->text, out, found, diag);
}

vs_err vs_sh_has(vs_shareholder *sh, const sh_name *key, bool *found, vs_diag *diag)
{
    vs_buf value = {0};
    vs_err err = vs_sh_get(sh, key, &value, found, diag);
    vs_buf_free(&value);
    return err;
}

typedef struct names {
    vs_buf
        text; /* one after the other, each with its final zero: a scan may not change the store */
    uint32_t n;
} names;

static vs_err collect(void *ctx, const char *key, const uint8_t *value, size_t len)
{
    names *found = ctx;
    (void)value;
    (void)len;
    if (found->n == DELETE_BATCH) return VS_ERR_LIMIT; /* enough: ends the scan */
    vs_buf_bytes(&found->text, key, strlen(key) + 1);
    found->n++;
    return vs_buf_check(&found->text);
}

vs_err vs_sh_delete_some(vs_shareholder *sh, const char *prefix, sh_each before, bool *more,
                         vs_diag *diag)
{
    vs_store_item items[DELETE_BATCH];
    size_t n = 0;
    names found = {0};
    vs_err err = sh->store.ops->scan(sh->store.ctx, prefix, collect, &found, diag);
    *more = err == VS_ERR_LIMIT;
    if (*more) err = VS_OK;
    for (size_t at = 0; at < found.text.len && err == VS_OK;) {
        const char *key = (const char *)found.text.p + at;
        at += strlen(key) + 1;
        if (before != NULL) err = before(sh, key, diag);
        items[n++] = (vs_store_item){.key = key};
    }
    if (err == VS_OK && n > 0) err = vs_sh_put(sh, items, n, diag);
    vs_buf_free(&found.text);
    return err;
}
