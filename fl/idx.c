#include "fl/idx.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/file.h"

enum { HEADER_MAX = 4 + 4 * VS_IDX_DIMS_MAX, TYPE_U8 = 8, DEFLATE_RATIO_MAX = 1032 };

/* Where bytes come from: a plain buffer, or one gzip member in it. */
typedef struct source {
    const char *name;
    bool gzip;
    const uint8_t *plain;
    size_t plain_left;
    z_stream z;
    bool ended; /* the gzip member is complete and its checksum was right */
} source;

static vs_err source_open(source *s, const uint8_t *bytes, size_t len, const char *name,
                          vs_diag *diag)
{
    memset(s, 0, sizeof *s);
    s->name = name;
    s->gzip = len >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
    s->plain = bytes;
    s->plain_left = len;
    if (!s->gzip) return VS_OK;
    if (len > INT_MAX) return vs_fail(diag, VS_ERR_LIMIT, "%s: larger than 2 GiB", name);
    s->z.next_in = (z_const Bytef *)(uintptr_t)bytes; /* zlib does not write here */
    s->z.avail_in = (uInt)len;
    if (inflateInit2(&s->z, 16 + MAX_WBITS) != Z_OK) { /* 16: gzip header only */
        s->gzip = false;
        return vs_fail(diag, VS_ERR_NOMEM, "%s: out of memory", name);
    }
    return VS_OK;
}

static void source_close(source *s)
{
    if (s->gzip) (void)inflateEnd(&s->z);
}

/* Up to len bytes; *got says how many there were before the end. */
static vs_err source_read(source *s, uint8_t *out, size_t len, size_t *got, vs_diag *diag)
{
    VS_ASSERT(len <= VS_IDX_BYTES_MAX);
    *got = 0;
    if (!s->gzip) {
        *got = len < s->plain_left ? len : s->plain_left;
        memcpy(out, s->plain, *got);
        s->plain += *got;
        s->plain_left -= *got;
        return VS_OK;
    }
    s->z.next_out = out;
    s->z.avail_out = (uInt)len;
    while (s->z.avail_out > 0 && !s->ended) {
        int rc = inflate(&s->z, Z_NO_FLUSH);
        s->ended = rc == Z_STREAM_END;
        if (rc == Z_BUF_ERROR) break; /* the input ran out: truncated */
        if (rc == Z_MEM_ERROR) return vs_fail(diag, VS_ERR_NOMEM, "%s: out of memory", s->name);
        if (rc != Z_OK && rc != Z_STREAM_END) {
            return vs_fail(diag, VS_ERR_MALFORMED, "%s: damaged gzip data (%s)", s->name,
                           s->z.msg != NULL ? s->z.msg : "unknown reason");
        }
    }
    *got = len - s->z.avail_out;
    s->z.next_out = NULL; /* out is the caller's and may be gone by the next call */
    return VS_OK;
}

/* Nothing may be left, and a gzip member must end with its checksum. */
static vs_err source_finish(source *s, vs_diag *diag)
{
    uint8_t extra;
    size_t got;
    vs_err err = source_read(s, &extra, 1, &got, diag);
    if (err != VS_OK) return err;
    if (got != 0 || (s->gzip && s->z.avail_in > 0)) {
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: bytes after the end of the data", s->name);
    }
    if (s->gzip && !s->ended) {
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: truncated: the gzip checksum is missing",
                       s->name);
    }
    return VS_OK;
}

static vs_err read_header(vs_idx *out, source *s, uint32_t n_dims, vs_diag *diag)
{
    uint8_t head[HEADER_MAX] = {0};
    size_t len = 4 + 4 * (size_t)n_dims;
    size_t got;
    vs_err err = source_read(s, head, len, &got, diag);
    if (err != VS_OK) return err;
    if (got >= 3 && (head[0] != 0 || head[1] != 0 || head[2] != TYPE_U8)) {
        return vs_fail(diag, VS_ERR_MALFORMED,
                       "%s: not an IDX file of unsigned bytes (it starts %02x %02x %02x)", s->name,
                       head[0], head[1], head[2]);
    }
    if (got >= 4 && head[3] != n_dims) {
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: has %u dimensions where %u are needed", s->name,
                       head[3], n_dims);
    }
    if (got < len) {
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: truncated: %zu of %zu header bytes", s->name,
                       got, len);
    }
    out->n_dims = n_dims;
    out->n = 1;
    for (uint32_t i = 0; i < n_dims; i++) {
        const uint8_t *p = head + 4 + 4 * (size_t)i;
        out->dims[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
        if (out->dims[i] == 0) {
            return vs_fail(diag, VS_ERR_MALFORMED, "%s: dimension %u is 0", s->name, i);
        }
        if (out->dims[i] > VS_IDX_BYTES_MAX / out->n) {
            return vs_fail(diag, VS_ERR_LIMIT, "%s: larger than the limit of %zu bytes", s->name,
                           VS_IDX_BYTES_MAX);
        }
        out->n *= out->dims[i];
    }
    return VS_OK;
}

/* Refuses a header whose promise the file cannot hold, before memory is taken for it. */
static vs_err check_size(const vs_idx *idx, const source *s, size_t len, vs_diag *diag)
{
    size_t most = s->gzip ? (len < SIZE_MAX / DEFLATE_RATIO_MAX ? len * DEFLATE_RATIO_MAX : len)
                          : s->plain_left;
    if (idx->n <= most) return VS_OK;
    if (s->gzip) {
        return vs_fail(diag, VS_ERR_MALFORMED,
                       "%s: truncated: its %zu bytes cannot hold the %zu it declares", s->name, len,
                       idx->n);
    }
    return vs_fail(diag, VS_ERR_MALFORMED, "%s: truncated: %zu of %zu bytes", s->name, most,
                   idx->n);
}

static vs_err read_values(vs_idx *out, source *s, vs_diag *diag)
{
    size_t got;
    out->data = malloc(out->n);
    if (out->data == NULL) {
        return vs_fail(diag, VS_ERR_NOMEM, "%s: out of memory for %zu bytes", s->name, out->n);
    }
    vs_err err = source_read(s, out->data, out->n, &got, diag);
    if (err == VS_OK && got < out->n) {
        err = vs_fail(diag, VS_ERR_MALFORMED, "%s: truncated: %zu of %zu bytes", s->name, got,
                      out->n);
    }
    return err;
}

vs_err vs_idx_parse(vs_idx *out, const uint8_t *bytes, size_t len, const char *name,
                    uint32_t n_dims, vs_diag *diag)
{
    VS_ASSERT(out != NULL && name != NULL && (bytes != NULL || len == 0));
    VS_ASSERT(n_dims >= 1 && n_dims <= VS_IDX_DIMS_MAX);
    memset(out, 0, sizeof *out);
    if (len == 0) return vs_fail(diag, VS_ERR_MALFORMED, "%s: empty", name);
    source s;
    vs_err err = source_open(&s, bytes, len, name, diag);
    if (err == VS_OK) err = read_header(out, &s, n_dims, diag);
    if (err == VS_OK) err = check_size(out, &s, len, diag);
    if (err == VS_OK) err = read_values(out, &s, diag);
    if (err == VS_OK) err = source_finish(&s, diag);
    source_close(&s);
    if (err != VS_OK) vs_idx_free(out);
    return err;
}

vs_err vs_idx_read(vs_idx *out, const char *path, uint32_t n_dims, vs_diag *diag)
{
    vs_map map;
    memset(out, 0, sizeof *out);
    vs_err err = vs_map_file(&map, path, diag);
    if (err != VS_OK) return err;
    err = vs_idx_parse(out, map.p, map.len, path, n_dims, diag);
    vs_unmap(&map);
    return err;
}

void vs_idx_free(vs_idx *idx)
{
    if (idx == NULL) return;
    free(idx->data);
    memset(idx, 0, sizeof *idx);
}
