#include "fl/npy_header.h"

#include <stdbool.h>
#include <string.h>

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

static vs_err read_dtype(vs_npy_header *out, const char *descr, bool integers, const char *name,
                         vs_diag *diag)
{
    static const char *const known[] = {"<f8", "<f4", "|b1", "|i1", "|u1", "<i2",
                                        "<u2", "<i4", "<u4", "<i8", "<u8"};
    const size_t n = integers ? sizeof known / sizeof known[0] : 2;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(descr, known[i]) != 0) continue;
        out->kind = descr[1];
        out->item = (size_t)(descr[2] - '0');
        return VS_OK;
    }
    return vs_fail(diag, VS_ERR_MALFORMED, "%s: dtype '%s' is not supported, only little-endian %s",
                   name, descr,
                   integers ? "'<f4', '<f8' and whole numbers of 1 to 8 bytes" : "'<f4' and '<f8'");
}

/* The number of values, from the header alone. */
static vs_err check_header(size_t *n, const header *h, const char *name, size_t max_n,
                           vs_diag *diag)
{
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

vs_err vs_npy_header_read(vs_npy_header *out, const uint8_t *bytes, size_t len, size_t total,
                          bool integers, const char *name, size_t max_n, vs_diag *diag)
{
    VS_ASSERT(out != NULL && name != NULL && (bytes != NULL || len == 0));
    VS_ASSERT(len <= total && (len == total || len >= VS_NPY_HEAD_MAX));
    header h;
    vs_npy_header got = {0};
    *out = got;
    vs_err err = find_header(&h, &got.data_at, bytes, len, name, diag);
    if (err == VS_OK) err = read_dtype(&got, h.descr, integers, name, diag);
    if (err == VS_OK) err = check_header(&got.n, &h, name, max_n, diag);
    if (err != VS_OK) return err;
    const size_t whole = got.data_at + got.n * got.item;
    if (total < whole) {
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: truncated: %zu of %zu bytes", name, total,
                       whole);
    }
    if (total > whole) {
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: %zu bytes after the end of the array", name,
                       total - whole);
    }
    got.n_dims = h.n_dims;
    memcpy(got.dims, h.dims, sizeof got.dims);
    *out = got;
    return VS_OK;
}

/* Magic, version 1.0, dict, spaces up to a multiple of 64 bytes, newline: as numpy does. */
void vs_npy_header_put(vs_buf *out, size_t item, const size_t *dims, uint32_t n_dims)
{
    VS_ASSERT((item == 4 || item == 8) && n_dims <= VS_NPY_DIMS_MAX);
    const uint8_t version_and_length[4] = {1, 0, 0, 0};
    const size_t start = out->len;
    vs_buf_bytes(out, MAGIC, sizeof MAGIC);
    vs_buf_bytes(out, version_and_length, sizeof version_and_length);
    vs_buf_printf(out, "{'descr': '<f%zu', 'fortran_order': False, 'shape': (", item);
    for (uint32_t i = 0; i < n_dims; i++) {
        vs_buf_printf(out, "%s%zu%s", i > 0 ? ", " : "", dims[i], n_dims == 1 ? "," : "");
    }
    vs_buf_text(out, "), }");
    while (!out->failed && (out->len - start) % 64 != 63) vs_buf_u8(out, ' ');
    vs_buf_u8(out, '\n');
    if (out->failed) return;
    const size_t text_len = out->len - start - 10;
    out->p[start + 8] = (uint8_t)(text_len & 0xff);
    out->p[start + 9] = (uint8_t)(text_len >> 8);
}
