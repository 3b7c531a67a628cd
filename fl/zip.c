#include "fl/zip.h"

#include <stdlib.h>
#include <string.h>

enum {
    END_BYTES = 22,
    END64_BYTES = 56,
    LOCATOR_BYTES = 20,
    CENTRAL_BYTES = 46,
    LOCAL_BYTES = 30,
    EXTRA_ZIP64 = 1,
    METHOD_STORED = 0,
    METHOD_DEFLATED = 8,
    FLAG_SIZES_LATER = 1 << 3,
    FLAG_UTF8 = 1 << 11,
    FLAGS_KNOWN = FLAG_SIZES_LATER | FLAG_UTF8 | 1 << 1 | 1 << 2, /* 1, 2: how hard it deflated */
};
#define LOCAL_SIGN UINT32_C(0x04034b50)
#define CENTRAL_SIGN UINT32_C(0x02014b50)
#define END_SIGN UINT32_C(0x06054b50)
#define END64_SIGN UINT32_C(0x06064b50)
#define LOCATOR_SIGN UINT32_C(0x07064b50)
#define RATIO_MAX 1032u /* deflate cannot do better */

/* The archive being read. */
typedef struct archive {
    const uint8_t *bytes;
    size_t len;
    const char *name;
    vs_diag *diag;
    uint64_t count, directory_at, directory_len;
    uint64_t directory_end; /* where the end records begin */
} archive;

#define BAD(z, err, ...) vs_fail((z)->diag, err, __VA_ARGS__)

static uint32_t load16(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8;
}

/* --- the end of the archive ---------------------------------------------------------------- */

/* The end record: the last 22 bytes, but for a comment of as many bytes as it says. */
static const uint8_t *find_end(const archive *z)
{
    const size_t most = END_BYTES + 65535u;
    const size_t first = z->len > most ? z->len - most : 0;
    for (size_t at = z->len < END_BYTES ? 0 : z->len - END_BYTES + 1; at > first; at--) {
        const uint8_t *p = z->bytes + at - 1;
        if (vs_load_le32(p) == END_SIGN && load16(p + 20) == z->len - (at - 1) - END_BYTES) {
            return p;
        }
    }
    return NULL;
}

/* A 32- or 16-bit number of the end record says the same as the 64-bit one, or that it is there. */
static bool agrees(uint64_t narrow, uint64_t all_ones, uint64_t wide)
{
    return narrow == all_ones || narrow == wide;
}

/* The ZIP64 end record, where a locator stands before the end record. */
static vs_err read_end64(archive *z, const uint8_t *end)
{
    const size_t end_at = (size_t)(end - z->bytes);
    if (end_at < LOCATOR_BYTES || vs_load_le32(end - LOCATOR_BYTES) != LOCATOR_SIGN) return VS_OK;
    const uint8_t *locator = end - LOCATOR_BYTES;
    const uint64_t at = vs_load_le64(locator + 8);
    if (vs_load_le32(locator + 4) != 0 || vs_load_le32(locator + 16) != 1 ||
        end_at < LOCATOR_BYTES + END64_BYTES || at != end_at - LOCATOR_BYTES - END64_BYTES) {
        return BAD(z, VS_ERR_MALFORMED, "%s: its ZIP64 locator is damaged", z->name);
    }
    const uint8_t *p = z->bytes + at;
    const uint64_t count = vs_load_le64(p + 32);
    if (vs_load_le32(p) != END64_SIGN || vs_load_le64(p + 4) != END64_BYTES - 12 ||
        vs_load_le32(p + 16) != 0 || vs_load_le32(p + 20) != 0 || vs_load_le64(p + 24) != count ||
        !agrees(z->count, UINT16_MAX, count) ||
        !agrees(z->directory_len, UINT32_MAX, vs_load_le64(p + 40)) ||
        !agrees(z->directory_at, UINT32_MAX, vs_load_le64(p + 48))) {
        return BAD(z, VS_ERR_MALFORMED, "%s: its ZIP64 end record is damaged", z->name);
    }
    z->count = count;
    z->directory_len = vs_load_le64(p + 40);
    z->directory_at = vs_load_le64(p + 48);
    z->directory_end = at;
    return VS_OK;
}

static vs_err read_end(archive *z, size_t max_entries)
{
    const uint8_t *end = find_end(z);
    if (end == NULL) {
        return BAD(z, VS_ERR_MALFORMED, "%s: truncated: no end of a ZIP archive in it", z->name);
    }
    if (load16(end + 4) != 0 || load16(end + 6) != 0 || load16(end + 8) != load16(end + 10)) {
        return BAD(z, VS_ERR_MALFORMED, "%s: a ZIP archive of several parts", z->name);
    }
    z->count = load16(end + 10);
    z->directory_len = vs_load_le32(end + 12);
    z->directory_at = vs_load_le32(end + 16);
    z->directory_end = (uint64_t)(end - z->bytes);
    vs_err err = read_end64(z, end);
    if (err != VS_OK) return err;
    if (z->directory_at > z->directory_end ||
        z->directory_len != z->directory_end - z->directory_at) {
        return BAD(z, VS_ERR_MALFORMED,
                   "%s: its ZIP directory (%llu bytes at %llu) does not end where it should",
                   z->name, (unsigned long long)z->directory_len,
                   (unsigned long long)z->directory_at);
    }
    if (z->count > max_entries) {
        return BAD(z, VS_ERR_LIMIT, "%s: %llu members, the limit is %zu", z->name,
                   (unsigned long long)z->count, max_entries);
    }
    return VS_OK;
}

/* --- entries ------------------------------------------------------------------------------- */

/* The ZIP64 values of an extra field that stand for all-ones 32-bit numbers, in their order. */
typedef struct wide {
    const uint8_t *p;
    size_t left;
} wide;

static wide find_zip64(const uint8_t *extra, size_t len)
{
    while (len >= 4) {
        const size_t size = load16(extra + 2);
        if (size > len - 4) break;
        if (load16(extra) == EXTRA_ZIP64) return (wide){extra + 4, size};
        extra += 4 + size;
        len -= 4 + size;
    }
    return (wide){0};
}

/* A 32-bit number, or its ZIP64 value. False if that is missing. */
static bool read_size(uint64_t *out, const uint8_t *p, wide *w)
{
    *out = vs_load_le32(p);
    if (*out != UINT32_MAX) return true;
    if (w->left < 8) return false;
    *out = vs_load_le64(w->p);
    w->p += 8;
    w->left -= 8;
    return true;
}

/* Local header against the directory's; fills in where the data is. */
static vs_err read_local(vs_zip_entry *e, const archive *z, uint64_t at, const uint8_t *central)
{
    const uint32_t flags = load16(central + 8);
    if (at > z->directory_at || z->directory_at - at < LOCAL_BYTES ||
        vs_load_le32(z->bytes + at) != LOCAL_SIGN) {
        return BAD(z, VS_ERR_MALFORMED, "%s: member %.*s: no local header at byte %llu", z->name,
                   (int)e->name_len, e->name, (unsigned long long)at);
    }
    const uint8_t *p = z->bytes + at;
    const size_t name_len = load16(p + 26), extra_len = load16(p + 28);
    const uint64_t room = z->directory_at - at - LOCAL_BYTES;
    if (name_len + extra_len > room || e->packed_len > room - name_len - extra_len) {
        return BAD(z, VS_ERR_MALFORMED, "%s: member %.*s: %zu bytes at %llu run into the directory",
                   z->name, (int)e->name_len, e->name, e->packed_len, (unsigned long long)at);
    }
    uint64_t len = 0, packed_len = 0;
    wide w = find_zip64(p + LOCAL_BYTES + name_len, extra_len);
    bool same = load16(p + 6) == flags && load16(p + 8) == load16(central + 10) &&
                name_len == e->name_len && memcmp(p + LOCAL_BYTES, e->name, name_len) == 0 &&
                read_size(&len, p + 22, &w) && read_size(&packed_len, p + 18, &w);
    if ((flags & FLAG_SIZES_LATER) == 0) {
        same =
            same && len == e->len && packed_len == e->packed_len && vs_load_le32(p + 14) == e->crc;
    }
    if (!same) {
        return BAD(z, VS_ERR_MALFORMED, "%s: member %.*s: local header and directory differ",
                   z->name, (int)e->name_len, e->name);
    }
    e->data = p + LOCAL_BYTES + name_len + extra_len;
    return VS_OK;
}

static vs_err check_entry(const vs_zip_entry *e, const archive *z, const uint8_t *central)
{
    const uint32_t flags = load16(central + 8), method = load16(central + 10);
    const int name_len = (int)e->name_len;
    if ((flags & ~(uint32_t)FLAGS_KNOWN) != 0 || load16(central + 34) != 0) {
        return BAD(z, VS_ERR_MALFORMED,
                   "%s: member %.*s is encrypted or uses other ZIP features (flags 0x%04x)",
                   z->name, name_len, e->name, flags);
    }
    if (method != METHOD_STORED && method != METHOD_DEFLATED) {
        return BAD(z, VS_ERR_MALFORMED,
                   "%s: member %.*s: compression method %u, only stored (0) and deflated (8) are "
                   "read",
                   z->name, name_len, e->name, method);
    }
    if ((!e->deflated && e->len != e->packed_len) || e->len / RATIO_MAX > e->packed_len) {
        return BAD(z, VS_ERR_MALFORMED, "%s: member %.*s: %zu bytes cannot be packed in %zu",
                   z->name, name_len, e->name, e->len, e->packed_len);
    }
    return VS_OK;
}

/* The entry at *at of the directory, which moves on. */
static vs_err read_entry(vs_zip_entry *e, const archive *z, uint64_t *at)
{
    const uint64_t left = z->directory_end - *at;
    const uint8_t *p = z->bytes + *at;
    if (left < CENTRAL_BYTES || vs_load_le32(p) != CENTRAL_SIGN) {
        return BAD(z, VS_ERR_MALFORMED, "%s: its ZIP directory is damaged at byte %llu", z->name,
                   (unsigned long long)*at);
    }
    const size_t name_len = load16(p + 28), extra_len = load16(p + 30);
    const size_t size = CENTRAL_BYTES + name_len + extra_len + load16(p + 32);
    if (size > left) {
        return BAD(z, VS_ERR_MALFORMED, "%s: its ZIP directory is damaged at byte %llu", z->name,
                   (unsigned long long)*at);
    }
    if (name_len > VS_ZIP_NAME_MAX) {
        return BAD(z, VS_ERR_LIMIT, "%s: the name of a member has %zu bytes, the limit is %u",
                   z->name, name_len, VS_ZIP_NAME_MAX);
    }
    uint64_t len, packed_len, local_at;
    wide w = find_zip64(p + CENTRAL_BYTES + name_len, extra_len);
    e->name = (const char *)p + CENTRAL_BYTES;
    e->name_len = name_len;
    e->deflated = load16(p + 10) == METHOD_DEFLATED;
    e->crc = vs_load_le32(p + 16);
    if (!read_size(&len, p + 24, &w) || !read_size(&packed_len, p + 20, &w) ||
        !read_size(&local_at, p + 42, &w)) {
        return BAD(z, VS_ERR_MALFORMED, "%s: member %.*s: its ZIP64 sizes are missing", z->name,
                   (int)name_len, e->name);
    }
    e->len = (size_t)len;
    e->packed_len = (size_t)packed_len;
    vs_err err = check_entry(e, z, p);
    if (err == VS_OK) err = read_local(e, z, local_at, p);
    *at += size;
    return err;
}

static int by_place(const void *a, const void *b)
{
    const vs_zip_entry *x = a, *y = b;
    if (x->data != y->data) return x->data < y->data ? -1 : 1;
    return x->packed_len < y->packed_len ? -1 : x->packed_len > y->packed_len;
}

static vs_err read_entries(vs_zip_entry *list, const archive *z)
{
    uint64_t at = z->directory_at;
    for (uint64_t i = 0; i < z->count; i++) {
        vs_err err = read_entry(&list[i], z, &at);
        if (err != VS_OK) return err;
    }
    if (at != z->directory_end) {
        return BAD(z, VS_ERR_MALFORMED, "%s: %llu bytes after the last entry of its ZIP directory",
                   z->name, (unsigned long long)(z->directory_end - at));
    }
    qsort(list, (size_t)z->count, sizeof *list, by_place);
    for (uint64_t i = 1; i < z->count; i++) {
        const vs_zip_entry *e = &list[i], *before = &list[i - 1];
        /* Between them is at least the local header, with its name. */
        if ((size_t)(e->data - before->data) >= before->packed_len + LOCAL_BYTES + e->name_len) {
            continue;
        }
        return BAD(z, VS_ERR_MALFORMED, "%s: members %.*s and %.*s overlap", z->name,
                   (int)before->name_len, before->name, (int)e->name_len, e->name);
    }
    return VS_OK;
}

vs_err vs_zip_parse(vs_zip_entry **out, size_t *count, const uint8_t *bytes, size_t len,
                    size_t max_entries, const char *name, vs_diag *diag)
{
    VS_ASSERT(out != NULL && count != NULL && name != NULL && (bytes != NULL || len == 0));
    archive z = {.bytes = bytes, .len = len, .name = name, .diag = diag};
    *out = NULL;
    *count = 0;
    vs_err err = read_end(&z, max_entries);
    if (err != VS_OK) return err;
    vs_zip_entry *list = calloc((size_t)z.count + 1, sizeof *list);
    if (list == NULL) return BAD(&z, VS_ERR_NOMEM, "%s: out of memory", name);
    err = read_entries(list, &z);
    if (err != VS_OK) {
        free(list);
        return err;
    }
    *out = list;
    *count = (size_t)z.count;
    return VS_OK;
}

/* --- writing ------------------------------------------------------------------------------- */

static void put16(vs_buf *b, uint32_t v)
{
    vs_buf_u8(b, (uint8_t)v);
    vs_buf_u8(b, (uint8_t)(v >> 8));
}

static uint32_t narrow(uint64_t v)
{
    return v >= UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

/* Version, flags, method, time (1 January 1980: the same bytes every time), checksum, sizes. */
static void put_common(vs_buf *b, const vs_zip_stored *e, bool is_wide)
{
    put16(b, is_wide ? 45 : 20);
    put16(b, FLAG_UTF8);
    put16(b, METHOD_STORED);
    vs_buf_u32(b, 0x00210000);
    vs_buf_u32(b, e->crc);
    vs_buf_u32(b, narrow(e->len));
    vs_buf_u32(b, narrow(e->len));
    put16(b, (uint32_t)strlen(e->name));
}

void vs_zip_local_put(vs_buf *out, const vs_zip_stored *entry)
{
    const bool is_wide = entry->len >= UINT32_MAX;
    vs_buf_u32(out, LOCAL_SIGN);
    put_common(out, entry, is_wide);
    put16(out, is_wide ? 20 : 0);
    vs_buf_text(out, entry->name);
    if (!is_wide) return;
    put16(out, EXTRA_ZIP64);
    put16(out, 16);
    vs_buf_u64(out, entry->len);
    vs_buf_u64(out, entry->len);
}

static void put_central(vs_buf *b, const vs_zip_stored *e)
{
    const bool wide_len = e->len >= UINT32_MAX, wide_at = e->at >= UINT32_MAX;
    const uint32_t extra = (wide_len ? 16u : 0u) + (wide_at ? 8u : 0u);
    vs_buf_u32(b, CENTRAL_SIGN);
    put16(b, extra > 0 ? 45 : 20); /* made by */
    put_common(b, e, extra > 0);
    put16(b, extra > 0 ? 4 + extra : 0);
    put16(b, 0); /* comment */
    put16(b, 0); /* disk */
    put16(b, 0);
    vs_buf_u32(b, 0);
    vs_buf_u32(b, narrow(e->at));
    vs_buf_text(b, e->name);
    if (extra == 0) return;
    put16(b, EXTRA_ZIP64);
    put16(b, extra);
    if (wide_len) vs_buf_u64(b, e->len);
    if (wide_len) vs_buf_u64(b, e->len);
    if (wide_at) vs_buf_u64(b, e->at);
}

void vs_zip_directory_put(vs_buf *out, const vs_zip_stored *entries, uint32_t count, uint64_t at)
{
    const size_t start = out->len;
    VS_ASSERT(count < UINT16_MAX);
    for (uint32_t i = 0; i < count; i++) put_central(out, &entries[i]);
    const uint64_t len = out->len - start;
    if (at >= UINT32_MAX) {
        vs_buf_u32(out, END64_SIGN);
        vs_buf_u64(out, END64_BYTES - 12);
        put16(out, 45);
        put16(out, 45);
        vs_buf_u64(out, 0); /* disks */
        vs_buf_u64(out, count);
        vs_buf_u64(out, count);
        vs_buf_u64(out, len);
        vs_buf_u64(out, at);
        vs_buf_u32(out, LOCATOR_SIGN);
        vs_buf_u32(out, 0);
        vs_buf_u64(out, at + len);
        vs_buf_u32(out, 1);
    }
    vs_buf_u32(out, END_SIGN);
    vs_buf_u32(out, 0); /* disks */
    put16(out, count);
    put16(out, count);
    vs_buf_u32(out, narrow(len));
    vs_buf_u32(out, narrow(at));
    put16(out, 0);
}
