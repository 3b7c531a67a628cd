#include "fl/npz.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>
#include <zlib.h>

#include "fl/npy_header.h"
#include "fl/zip.h"

enum {
    WINDOW_BYTES = 65536,
    WHERE_BYTES = 700, /* "file: member name.npy" */
};

/* --- inflating ------------------------------------------------------------------------------ */

/* A deflated member, from front to back. */
typedef struct source {
    z_stream z;
    const uint8_t *next; /* not handed to zlib yet: that counts in 32 bits */
    size_t left;
    bool ended;
} source;

static bool source_open(source *s, const uint8_t *packed, size_t len)
{
    *s = (source){.next = packed, .left = len};
    return inflateInit2(&s->z, -MAX_WBITS) == Z_OK; /* raw: without header and checksum */
}

/* Exactly len bytes, at most WINDOW_BYTES. VS_ERR_MALFORMED when they end early or are damaged. */
static vs_err source_read(source *s, uint8_t *out, size_t len)
{
    s->z.next_out = out;
    s->z.avail_out = (uInt)len;
    while (s->z.avail_out > 0 && !s->ended) {
        if (s->z.avail_in == 0) {
            const size_t n = s->left < (1u << 30) ? s->left : 1u << 30;
            s->z.next_in = (z_const Bytef *)(uintptr_t)s->next; /* zlib does not write here */
            s->z.avail_in = (uInt)n;
            s->next += n;
            s->left -= n;
        }
        const int rc = inflate(&s->z, Z_NO_FLUSH);
        if (rc == Z_MEM_ERROR) return VS_ERR_NOMEM;
        if (rc != Z_OK && rc != Z_STREAM_END) return VS_ERR_MALFORMED;
        s->ended = rc == Z_STREAM_END;
    }
    return s->z.avail_out == 0 ? VS_OK : VS_ERR_MALFORMED;
}

/* Nothing is left of the member. */
static bool source_is_done(source *s)
{
    uint8_t more;
    s->z.next_out = &more;
    s->z.avail_out = 1;
    if (!s->ended && inflate(&s->z, Z_NO_FLUSH) == Z_STREAM_END) s->ended = true;
    s->z.next_out = NULL; /* more is gone when this returns */
    return s->ended && s->z.avail_out == 1 && s->z.avail_in == 0 && s->left == 0;
}

static vs_err damaged(const char *where, vs_err err, vs_diag *diag)
{
    return err == VS_ERR_NOMEM
               ? vs_fail(diag, err, "%s: out of memory", where)
               : vs_fail(diag, err, "%s: its compressed data is damaged or of another length",
                         where);
}

vs_err vs_npz_inflate(const vs_tensor *tensor, double *out, const char *name, vs_diag *diag)
{
    VS_ASSERT(tensor != NULL && tensor->packed != NULL && out != NULL);
    char where[WHERE_BYTES];
    source s;
    const size_t item = vs_dtype_size(tensor->dtype);
    (void)snprintf(where, sizeof where, "%.300s: member %s.npy", name, tensor->shape.name);
    uint8_t *window = malloc(WINDOW_BYTES);
    if (window == NULL || !source_open(&s, tensor->packed, tensor->packed_len)) {
        free(window);
        return damaged(where, VS_ERR_NOMEM, diag);
    }
    vs_err err = source_read(&s, window, tensor->skip); /* at most VS_NPY_HEAD_MAX */
    for (size_t done = 0; err == VS_OK && done < tensor->n;) {
        const size_t most = WINDOW_BYTES / item;
        const size_t n = tensor->n - done < most ? tensor->n - done : most;
        err = source_read(&s, window, n * item);
        if (err == VS_OK) vs_dtype_load(out + done, window, n, tensor->dtype);
        done += n;
    }
    if (err == VS_OK && !source_is_done(&s)) err = VS_ERR_MALFORMED;
    (void)inflateEnd(&s.z);
    sodium_memzero(window, WINDOW_BYTES);
    free(window);
    return err == VS_OK ? VS_OK : damaged(where, err, diag);
}

/* --- members --------------------------------------------------------------------------------- */

/* The first bytes of a deflated member to head (*head_len of them); the checksum of all of it. */
static vs_err scan_deflated(const vs_zip_entry *e, uint8_t *head, size_t *head_len, uLong *crc,
                            const char *where, vs_diag *diag)
{
    source s;
    uint8_t *window = malloc(WINDOW_BYTES);
    *head_len = 0;
    if (window == NULL || !source_open(&s, e->data, e->packed_len)) {
        free(window);
        return damaged(where, VS_ERR_NOMEM, diag);
    }
    vs_err err = VS_OK;
    for (size_t done = 0; err == VS_OK && done < e->len;) {
        const size_t n = e->len - done < WINDOW_BYTES ? e->len - done : WINDOW_BYTES;
        err = source_read(&s, window, n);
        if (err != VS_OK) break;
        *crc = crc32(*crc, window, (uInt)n);
        if (done == 0) {
            *head_len = n < VS_NPY_HEAD_MAX ? n : VS_NPY_HEAD_MAX;
            memcpy(head, window, *head_len);
        }
        done += n;
    }
    if (err == VS_OK && !source_is_done(&s)) err = VS_ERR_MALFORMED;
    (void)inflateEnd(&s.z);
    sodium_memzero(window, WINDOW_BYTES);
    free(window);
    return err == VS_OK ? VS_OK : damaged(where, err, diag);
}

static uLong crc_of(const uint8_t *data, size_t len)
{
    uLong crc = crc32(0, NULL, 0);
    while (len > 0) {
        const size_t n = len < (1u << 30) ? len : 1u << 30;
        crc = crc32(crc, data, (uInt)n);
        data += n;
        len -= n;
    }
    return crc;
}

static vs_err check_name(vs_tensor *t, const vs_zip_entry *e, const char *name, vs_diag *diag)
{
    static const char extension[] = ".npy";
    const size_t tail = sizeof extension - 1;
    const char *why = "does not end in .npy";
    if (e->name_len > tail && memcmp(e->name + e->name_len - tail, extension, tail) == 0) {
        const size_t len = e->name_len - tail;
        if (vs_tensor_name_check(e->name, len, &why) == VS_OK) {
            memcpy(t->shape.name, e->name, len);
            t->shape.name[len] = '\0';
            return VS_OK;
        }
    }
    return vs_fail(diag, VS_ERR_MALFORMED, "%s: the name of a member (\"%.*s\") %s", name,
                   (int)(e->name_len < 60 ? e->name_len : 60), e->name, why);
}

/* One member; *left values may still come. */
static vs_err read_member(vs_tensor *t, const vs_zip_entry *e, const char *name, size_t *left,
                          vs_diag *diag)
{
    char where[WHERE_BYTES];
    vs_npy_header h = {0};
    size_t head_len = e->len;
    const uint8_t *head = e->data;
    uint8_t *copy = NULL;
    uLong crc = crc32(0, NULL, 0);
    vs_err err = check_name(t, e, name, diag);
    if (err != VS_OK) return err;
    (void)snprintf(where, sizeof where, "%.300s: member %s.npy", name, t->shape.name);
    if (e->len > *left * sizeof(double) + VS_NPY_HEAD_MAX) { /* before any work is done for it */
        return vs_fail(diag, VS_ERR_LIMIT, "%s: %zu bytes, at most %zu more values are taken",
                       where, e->len, *left);
    }
    if (e->deflated) {
        copy = malloc(VS_NPY_HEAD_MAX);
        if (copy == NULL) return vs_fail(diag, VS_ERR_NOMEM, "%s: out of memory", where);
        head = copy;
        err = scan_deflated(e, copy, &head_len, &crc, where, diag);
    } else {
        crc = crc_of(e->data, e->len);
    }
    if (err == VS_OK && crc != e->crc) {
        err = vs_fail(diag, VS_ERR_MALFORMED, "%s: damaged: its CRC-32 is %08lx, not %08x", where,
                      crc, e->crc);
    }
    if (err == VS_OK)
        err = vs_npy_header_read(&h, head, head_len, e->len, false, where, *left, diag);
    free(copy);
    if (err != VS_OK) return err;
    t->dtype = h.item == 8 ? VS_DTYPE_F64 : VS_DTYPE_F32;
    t->n = h.n;
    t->shape.n_dims = h.n_dims;
    for (uint32_t i = 0; i < h.n_dims; i++) t->shape.dims[i] = h.dims[i];
    t->data = e->deflated ? NULL : e->data + h.data_at;
    t->packed = e->deflated ? e->data : NULL;
    t->packed_len = e->deflated ? e->packed_len : 0;
    t->skip = h.data_at;
    *left -= h.n;
    return VS_OK;
}

static int by_name(const void *a, const void *b)
{
    const vs_zip_entry *x = a, *y = b;
    const size_t n = x->name_len < y->name_len ? x->name_len : y->name_len;
    const int order = memcmp(x->name, y->name, n);
    if (order != 0) return order;
    return x->name_len < y->name_len ? -1 : x->name_len > y->name_len;
}

/* Sorts the entries by name. */
static vs_err check_distinct(vs_zip_entry *list, size_t count, const char *name, vs_diag *diag)
{
    if (count > 1) qsort(list, count, sizeof *list, by_name);
    for (size_t i = 1; i < count; i++) {
        if (by_name(&list[i - 1], &list[i]) != 0) continue;
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: two members have the name \"%.*s\"", name,
                       (int)(list[i].name_len < 60 ? list[i].name_len : 60), list[i].name);
    }
    return VS_OK;
}

vs_err vs_npz_parse(vs_tensors *out, const uint8_t *bytes, size_t len, const char *name,
                    size_t max_n, vs_diag *diag)
{
    vs_zip_entry *entries, *sorted = NULL;
    size_t count;
    size_t left = max_n > SIZE_MAX >> 4 ? SIZE_MAX >> 4 : max_n;
    vs_err err = vs_zip_parse(&entries, &count, bytes, len, VS_TENSORS_MAX, name, diag);
    if (err != VS_OK) return err;
    out->container = VS_CONTAINER_NPZ;
    out->list = calloc(count + 1, sizeof *out->list);
    sorted = calloc(count + 1, sizeof *sorted);
    if (out->list == NULL || sorted == NULL) {
        err = vs_fail(diag, VS_ERR_NOMEM, "%s: out of memory", name);
    } else {
        memcpy(sorted, entries, count * sizeof *sorted);
        err = check_distinct(sorted, count, name, diag);
    }
    for (size_t i = 0; err == VS_OK && i < count; i++) {
        err = read_member(&out->list[out->count], &entries[i], name, &left, diag);
        if (err == VS_OK) out->n += out->list[out->count++].n;
    }
    free(sorted);
    free(entries);
    return err;
}
