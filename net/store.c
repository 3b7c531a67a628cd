#include "net/store.h"

#include <string.h>

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

/* Bounded before it is read: the name may come from far away. */
vs_err vs_store_check_name(const char *name, vs_diag *diag)
{
    size_t len = strnlen(name, VS_STORE_NAME_MAX + 1);
    bool ok = len >= 1 && len <= VS_STORE_NAME_MAX;
    char before = '/';
    for (size_t i = 0; ok && i < len; i++) {
        ok = name[i] == '/' ? before != '/' : is_name_char(name[i]);
        if (before == '/' && name[i] == '.') ok = false;
        before = name[i];
    }
    /* ".tmp-" marks the temporary files of base/file.h, which are swept after a crash. */
    if (ok && before != '/' && strstr(name, ".tmp-") == NULL) return VS_OK;
    return vs_fail(
        diag, VS_ERR_LIMIT,
        "store: '%.64s' is not a name: parts of letters, digits, '.', '_', '-' joined by "
        "'/', at most %u chars",
        name, VS_STORE_NAME_MAX);
}

void vs_store_hold(const vs_store *store)
{
    if (store->ops->hold != NULL) store->ops->hold(store->ctx);
}

bool vs_store_promised(const vs_store *store)
{
    return store->ops->promised != NULL && store->ops->promised(store->ctx);
}

vs_err vs_store_flush(const vs_store *store, vs_diag *diag)
{
    return store->ops->flush == NULL ? VS_OK : store->ops->flush(store->ctx, diag);
}

vs_err vs_store_put_later(const vs_store *store, const vs_store_item *items, size_t n,
                          vs_diag *diag)
{
    const vs_store_ops *ops = store->ops;
    return (ops->put_later != NULL ? ops->put_later : ops->put)(store->ctx, items, n, diag);
}
