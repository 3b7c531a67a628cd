#include "fl/npy.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/bytes.h"
#include "base/file.h"

static const uint8_t MAGIC[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

/* --- the text header: a Python dict literal ------------------------------------------- */

/* Reads [p, end); bad is sticky. */
typedef struct cursor {
    const char *p;
    const char *end;
    bool bad;
} cursor;

enum { KEY_DESCR = 1, KEY_ORDER = 2, KEY_SHAPE = 4, KEY_ALL = 7 };

typedef struct header {
    char descr[16];
    bool fortran;
    uint32_t n_dims;
    size_t dims[VS_NPY_DIMS_MAX];
    bool too_many_dims;
} header;

static void skip_space(cursor *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\t')) c->p++;
}

/* The next character after space, not consumed; 0 at the end. */
static char peek(cursor *c)
{
    skip_space(c);
    return c->p < c->end ? *c->p : '\0';
}

static bool accept(cursor *c, char want)
{
    if (c->bad || want != peek(c)) return false;
    c->p++;
    return true;
}

static void expect(cursor *c, char want)
{
    if (!accept(c, want)) c->bad = true;
}

static bool accept_word(cursor *c, const char *word)
{
    size_t len = strlen(word);
    skip_space(c);
    if (c->bad || (size_t)(c->end - c->p) < len || memcmp(c->p, word, len) != 0) return false;
    c->p += len;
    return true;
}

/* A quoted string without escapes, cut to fit out. */
static void read_string(cursor *c, char *out, size_t out_size)
{
    size_t len = 0;
    char quote = peek(c);
    out[0] = '\0';
    if (quote != '\'' && quote != '"') c->bad = true;
    if (c->bad) return;
    for (c->p++; c->p < c->end && *c->p != quote; c->p++) {
        if (*c->p == '\\') c->bad = true;
        if (len + 1 < out_size) out[len++] = *c->p;
    }
    out[len] = '\0';
    expect(c, quote);
}

static size_t read_number(cursor *c)
{
    size_t value = 0;
    char first = peek(c);
    if (first < '0' || first > '9') c->bad = true;
    while (!c->bad && c->p < c->end && *c->p >= '0' && *c->p <= '9') {
        if (__builtin_mul_overflow(value, (size_t)10, &value) ||
            __builtin_add_overflow(value, (size_t)(*c->p - '0'), &value)) {
            c->bad = true;
        }
        c->p++;
    }
    return value;
}

/* (), (5,), (5, 3) or (5, 3,) */
static void read_shape(cursor *c, header *h)
{
    bool comma = true;
    expect(c, '(');
    while (!c->bad && !accept(c, ')')) {
        if (!comma) c->bad = true;
        size_t dim = read_number(c);
        if (h->n_dims < VS_NPY_DIMS_MAX) {
            h->dims[h->n_dims++] = dim;
        } else {
            h->too_many_dims = true;
        }
        comma = accept(c, ',');
    }
    if (h->n_dims == 1 && !comma) c->bad = true; /* (5) is a number, not a tuple */
}

static unsigned read_entry(cursor *c, header *h)
{
    char key[16];
    read_string(c, key, sizeof key);
    expect(c, ':');
    if (strcmp(key, "descr") == 0) {
        if (peek(c) == '[') { /* a record type: named, then refused as a dtype */
            memcpy(h->descr, "record", sizeof "record");
            while (c->p < c->end && *c->p != ']') c->p++;
            expect(c, ']');
        } else {
            read_string(c, h->descr, sizeof h->descr);
        }
        return KEY_DESCR;
    }
    if (strcmp(key, "fortran_order") == 0) {
        h->fortran = accept_word(c, "True");
        if (!h->fortran && !accept_word(c, "False")) c->bad = true;
        return KEY_ORDER;
    }
    if (strcmp(key, "shape") == 0) {
        read_shape(c, h);
        return KEY_SHAPE;
    }
    c->bad = true;
    return 0;
}

/* The three keys once each, in any order, a comma between and perhaps after them, then spaces
 * and one newline. */
static bool read_header(header *h, const char *text, size_t len)
{
    cursor c = {.p = text, .end = text + len, .bad = false};
    unsigned seen = 0;
    bool comma = true;
    memset(h, 0, sizeof *h);
    if (len == 0 || text[len - 1] != '\n') return false;
    c.end--;
    expect(&c, '{');
    while (!c.bad && !accept(&c, '}')) {
        unsigned key = comma ? read_entry(&c, h) : 0;
        if (key == 0 || (seen & key) != 0) c.bad = true;
        seen |= key;
        comma = accept(&c, ',');
    }
    skip_space(&c);
    return !c.bad && seen == KEY_ALL && c.p == c.end;
}

/* --- the file ---------------------------------------------------------------------------- */

/* Finds the text header; *data_at is where the values start. */
static vs_err find_header(header *h, size_t *data_at, const uint8_t *bytes, size_t len,
                          const char *name, vs_diag *diag)
{
    size_t known = len < sizeof MAGIC ? len : sizeof MAGIC;
    if (len == 0) return vs_fail(diag, VS_ERR_MALFORMED, "%s: empty, not a .npy file", name);
    if (memcmp(bytes, MAGIC, known) != 0) {
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: not a .npy file (no \\x93NUMPY at its start)",
                       name);
    }
    if (len > 6 && bytes[6] != 1 && bytes[6] != 2) {
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: .npy version %u is not supported, only 1 and 2",
                       name, bytes[6]);
    }
    size_t start = len > 6 && bytes[6] == 2 ? 12 : 10;
    if (len < start) {
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: truncated: %zu of at least %zu bytes", name,
                       len, start);
    }
    if (bytes[7] != 0) {
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: .npy version %u.%u is not supported", name,
                       bytes[6], bytes[7]);
    }
    size_t text_len = start == 12 ? vs_load_le32(bytes + 8) : bytes[8] | (size_t)bytes[9] << 8;
    if (text_len > VS_NPY_HEADER_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT, "%s: its header has %zu bytes, the limit is %u", name,
                       text_len, VS_NPY_HEADER_MAX);
    }
    if (len - start < text_len) {
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: truncated: %zu of at least %zu bytes", name,
                       len, start + text_len);
    }
    if (!read_header(h, (const char *)bytes + start, text_len)) {
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: its .npy header cannot be read", name);
    }
    *data_at = start + text_len;
    return VS_OK;
}

/* Value size and count, from the header alone. */
static vs_err check_header(size_t *item, size_t *n, const header *h, const char *name, size_t max_n,
                           vs_diag *diag)
{
    *item = strcmp(h->descr, "<f8") == 0 ? 8 : strcmp(h->descr, "<f4") == 0 ? 4 : 0;
    if (*item == 0) {
        return vs_fail(diag, VS_ERR_MALFORMED,
                       "%s: dtype '%s' is not supported, only little-endian '<f4' and '<f8'", name,
                       h->descr);
    }
    if (h->fortran) {
        return vs_fail(diag, VS_ERR_MALFORMED,
                       "%s: is in Fortran order; save np.ascontiguousarray(x)", name);
    }
    if (h->too_many_dims) {
        return vs_fail(diag, VS_ERR_LIMIT, "%s: more than %u dimensions", name, VS_NPY_DIMS_MAX);
    }
    *n = 1;
    bool over = false;
    bool zero = false;
    for (uint32_t i = 0; i < h->n_dims; i++) {
        zero = zero || h->dims[i] == 0;
        over = over || __builtin_mul_overflow(*n, h->dims[i], n);
    }
    if (zero) *n = 0;
    if (!zero && over) {
        return vs_fail(diag, VS_ERR_LIMIT, "%s: its shape has more values than can be counted",
                       name);
    }
    if (*n > max_n || *n > (SIZE_MAX >> 4)) {
        return vs_fail(diag, VS_ERR_LIMIT, "%s: too many values: %zu, the limit is %zu", name, *n,
                       max_n);
    }
    return VS_OK;
}

static void load_values(double *out, const uint8_t *in, size_t n, size_t item)
{
    for (size_t i = 0; i < n; i++) {
        if (item == 8) {
            uint64_t bits = vs_load_le64(in + 8 * i);
            memcpy(&out[i], &bits, sizeof out[i]);
        } else {
            uint32_t bits = vs_load_le32(in + 4 * i);
            float f;
            memcpy(&f, &bits, sizeof f);
            out[i] = (double)f;
        }
    }
}

/* Shape, and where the values begin. */
static vs_err find_values(vs_npy *out, size_t *at, size_t *item, const uint8_t *bytes, size_t len,
                          const char *name, size_t max_n, vs_diag *diag)
{
    header h;
    size_t n = 0;
    memset(out, 0, sizeof *out);
    vs_err err = find_header(&h, at, bytes, len, name, diag);
    if (err == VS_OK) err = check_header(item, &n, &h, name, max_n, diag);
    if (err != VS_OK) return err;
    if (len - *at < n * *item) {
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: truncated: %zu of %zu bytes", name, len,
                       *at + n * *item);
    }
    if (len - *at > n * *item) {
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: %zu bytes after the end of the array", name,
                       len - *at - n * *item);
    }
    out->n = n;
    out->n_dims = h.n_dims;
    memcpy(out->dims, h.dims, sizeof out->dims);
    return VS_OK;
}

vs_err vs_npy_parse(vs_npy *out, const uint8_t *bytes, size_t len, const char *name, size_t max_n,
                    vs_diag *diag)
{
    VS_ASSERT(out != NULL && name != NULL && (bytes != NULL || len == 0));
    size_t at = 0;
    size_t item = 0;
    vs_npy npy;
    memset(out, 0, sizeof *out);
    vs_err err = find_values(&npy, &at, &item, bytes, len, name, max_n, diag);
    if (err != VS_OK) return err;
    double *data = malloc((npy.n == 0 ? 1 : npy.n) * sizeof *data);
    if (data == NULL) {
        return vs_fail(diag, VS_ERR_NOMEM, "%s: out of memory for %zu values", name, npy.n);
    }
    load_values(data, bytes + at, npy.n, item);
    npy.data = data;
    *out = npy;
    return VS_OK;
}

vs_err vs_npy_read(vs_npy *out, const char *path, size_t max_n, vs_diag *diag)
{
    VS_ASSERT(out != NULL && path != NULL);
    vs_map map;
    memset(out, 0, sizeof *out);
    vs_err err = vs_map_file(&map, path, diag); /* no second copy of a secret to wipe */
    if (err != VS_OK) return err;
    err = vs_npy_parse(out, map.p, map.len, path, max_n, diag);
    vs_unmap(&map);
    return err;
}

static bool is_host_order(void)
{
    const uint16_t one = 1;
    uint8_t first;
    memcpy(&first, &one, 1);
    return first == 1;
}

vs_err vs_npy_map(vs_npy *out, const char *path, size_t max_n, vs_diag *diag)
{
    VS_ASSERT(out != NULL && path != NULL);
    size_t at = 0;
    size_t item = 0;
    vs_map map;
    memset(out, 0, sizeof *out);
    vs_err err = vs_map_file(&map, path, diag);
    if (err != VS_OK) return err;
    err = find_values(out, &at, &item, map.p, map.len, path, max_n, diag);
    bool as_is = item == sizeof(double) && at % _Alignof(double) == 0 && is_host_order();
    if (err == VS_OK && as_is) {
        out->data = (double *)(uintptr_t)(map.p + at);
        out->map = map;
        return VS_OK;
    }
    if (err == VS_OK) err = vs_npy_parse(out, map.p, map.len, path, max_n, diag);
    vs_unmap(&map);
    return err;
}

void vs_npy_free(vs_npy *npy)
{
    if (npy == NULL) return;
    if (npy->map.p != NULL) {
        vs_unmap(&npy->map);
    } else if (npy->data != NULL) {
        sodium_memzero(npy->data, npy->n * sizeof *npy->data);
        free(npy->data);
    }
    memset(npy, 0, sizeof *npy);
}

/* Magic, version 1.0, dict, spaces up to a multiple of 64 bytes, newline: as numpy does. */
static void put_header(vs_buf *b, const size_t *dims, uint32_t n_dims)
{
    const uint8_t version_and_length[4] = {1, 0, 0, 0};
    vs_buf_bytes(b, MAGIC, sizeof MAGIC);
    vs_buf_bytes(b, version_and_length, sizeof version_and_length);
    vs_buf_text(b, "{'descr': '<f8', 'fortran_order': False, 'shape': (");
    for (uint32_t i = 0; i < n_dims; i++) {
        vs_buf_printf(b, "%s%zu%s", i > 0 ? ", " : "", dims[i], n_dims == 1 ? "," : "");
    }
    vs_buf_text(b, "), }");
    while (!b->failed && b->len % 64 != 63) vs_buf_u8(b, ' ');
    vs_buf_u8(b, '\n');
    if (b->failed) return;
    b->p[8] = (uint8_t)((b->len - 10) & 0xff);
    b->p[9] = (uint8_t)((b->len - 10) >> 8);
}

vs_err vs_npy_write(const char *path, const double *data, const size_t *dims, uint32_t n_dims,
                    vs_diag *diag)
{
    VS_ASSERT(path != NULL && dims != NULL && n_dims >= 1 && n_dims <= VS_NPY_DIMS_MAX);
    size_t n = 1;
    for (uint32_t i = 0; i < n_dims; i++) VS_ASSERT(!__builtin_mul_overflow(n, dims[i], &n));
    VS_ASSERT((data != NULL || n == 0) && n <= (SIZE_MAX >> 4));
    vs_buf head = {0};
    vs_buf file = {0};
    put_header(&head, dims, n_dims);
    vs_err err = vs_buf_check(&head);
    if (err == VS_OK) { /* one allocation: growing would leave copies behind */
        uint8_t *p = vs_buf_extend(&file, head.len + n * sizeof *data);
        err = vs_buf_check(&file);
        if (err == VS_OK) memcpy(p, head.p, head.len);
        for (size_t i = 0; err == VS_OK && i < n; i++) {
            uint64_t bits;
            memcpy(&bits, &data[i], sizeof bits);
            vs_store_le64(p + head.len + 8 * i, bits);
        }
    }
    if (err != VS_OK) err = vs_fail(diag, err, "%s: out of memory", path);
    if (err == VS_OK) err = vs_file_write_durable(path, file.p, file.len, 0600, diag);
    vs_buf_free(&head);
    vs_buf_free_secret(&file);
    return err;
}
