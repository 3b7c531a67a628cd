/* Names and small helpers around the shareholder's store (net/shareholder_impl.h). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "net/shareholder_impl.h"

#define DELETE_BATCH 128u /* keys deleted in one transaction */

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

/* Names one after the other, each with its final zero: a scan may not change the store. */
static vs_err collect(void *ctx, const char *key, const uint8_t *value, size_t len)
{
    vs_buf *names = ctx;
    (void)value;
    (void)len;
    vs_buf_bytes(names, key, strlen(key) + 1);
    return vs_buf_check(names);
}

vs_err vs_sh_delete_all(vs_shareholder *sh, const char *prefix, sh_each before, vs_diag *diag)
{
    vs_store_item items[DELETE_BATCH];
    size_t n = 0;
    vs_buf names = {0};
    vs_err err = sh->store.ops->scan(sh->store.ctx, prefix, collect, &names, diag);
    for (size_t at = 0; at < names.len && err == VS_OK;) {
        const char *key = (const char *)names.p + at;
        at += strlen(key) + 1;
        if (before != NULL) err = before(sh, key, diag);
        items[n++] = (vs_store_item){.key = key};
        if (err == VS_OK && (n == DELETE_BATCH || at == names.len)) {
            err = vs_sh_put(sh, items, n, diag);
            n = 0;
        }
    }
    vs_buf_free(&names);
    return err;
}
