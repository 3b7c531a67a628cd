/* The cases of suite "errors": of every kind one or two that are accepted, and what must be
 * refused, each changed in one place. */
#include "net/vectors_errors.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "mpc/commit.h"
#include "net/submission.h"

typedef vs_errors_making making;

vs_case vs_errors_open(making *m, const char *kind, const char *name, const char *why)
{
    vs_case c = vs_case_new(m->cases, name, &m->err);
    vs_case_put_text(&c, "kind", kind);
    vs_case_put_text(&c, "why", why);
    return c;
}

void vs_errors_close(making *m, const vs_case *c)
{
    if (m->err == VS_OK) m->err = c->err;
}

static void bytes_case(making *m, const char *kind, const char *name, const char *why,
                       const vs_buf *bytes)
{
    vs_case c = vs_errors_open(m, kind, name, why);
    vs_case_put_hex(&c, "bytes", bytes->p, bytes->len);
    vs_errors_close(m, &c);
}

/* A copy of b, to be changed in one place. */
static vs_buf copy_of(making *m, const vs_buf *b)
{
    vs_buf copy = {0};
    vs_buf_bytes(&copy, b->p, b->len);
    if (vs_buf_check(&copy) != VS_OK) m->err = VS_ERR_NOMEM;
    return copy;
}

/* --- elements ----------------------------------------------------------------------------------
 */

static void make_elements(making *m)
{
    static const struct {
        uint64_t v;
        const char *name, *why;
    } list[] = {
        {0, "zero", ""},
        {VS_FE_P - 1, "p - 1", ""},
        {VS_FE_P, "p", "not canonical: p is another form of 0"},
        {VS_FE_P + 1, "p + 1", "not canonical: p + 1 is another form of 1"},
        {UINT64_C(1) << 63, "2^63", "not canonical: the highest bit"},
        {UINT64_MAX, "2^64 - 1", "not canonical"},
    };
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        uint8_t le[8];
        vs_store_le64(le, list[i].v);
        vs_case c = vs_errors_open(m, "element", list[i].name, list[i].why);
        vs_case_put_hex(&c, "bytes", le, sizeof le);
        vs_errors_close(m, &c);
    }
}

/* --- layouts -----------------------------------------------------------------------------------
 */

/* The same bytes cut, extended, and with the first letter of the label changed. */
static void layout_cases(making *m, const char *kind, const vs_buf *good)
{
    vs_buf b = copy_of(m, good);
    if (m->err == VS_OK) {
        bytes_case(m, kind, "as it should be", "", &b);
        b.len--;
        bytes_case(m, kind, "one byte short", "wrong length", &b);
        b.len++;
        b.p[0] ^= 0x20;
        bytes_case(m, kind, "other label", "wrong label", &b);
        b.p[0] ^= 0x20;
        vs_buf_u8(&b, 0);
        if (vs_buf_check(&b) != VS_OK) m->err = VS_ERR_NOMEM;
        bytes_case(m, kind, "one byte more", "leftover bytes", &b);
    }
    vs_buf_free(&b);
}

static void draw_header(const making *m, vs_header *h)
{
    memset(h, 0, sizeof *h);
    h->id.federation_id = vs_draw_h32(m->draw, "header federation_id", 0);
    h->id.round = vs_draw_uint(m->draw, "header round", 0, 48);
    h->model_hash = vs_draw_h32(m->draw, "header model_hash", 0);
    h->params_hash = vs_draw_h32(m->draw, "header params_hash", 0);
    h->client_key = vs_draw_h32(m->draw, "header client_key", 0);
    h->salt = vs_draw_h32(m->draw, "header salt", 0);
    h->count = 2;
    for (uint32_t i = 0; i < 2; i++) {
        h->share[i].j = 1 + 2 * i;
        h->share[i].commitment = vs_draw_h32(m->draw, "header commitment", i);
        h->share[i].ephemeral_key = vs_draw_h32(m->draw, "header ephemeral_key", i);
        h->share[i].sealed_len = vs_draw_uint(m->draw, "header sealed_len", i, 40);
    }
}

/* The header with one u32 of it changed. */
static void header_case(making *m, const vs_buf *good, size_t at, uint32_t value, const char *name,
                        const char *why)
{
    vs_buf b = copy_of(m, good);
    if (m->err == VS_OK) {
        vs_store_le32(b.p + at, value);
        bytes_case(m, "header", name, why, &b);
    }
    vs_buf_free(&b);
}

static void make_headers(making *m)
{
    vs_buf b = {0};
    vs_header *h = malloc(sizeof *h);
    if (h == NULL) {
        m->err = VS_ERR_NOMEM;
        return;
    }
    draw_header(m, h);
    if (m->err == VS_OK) m->err = vs_header_encode(&b, h);
    if (m->err == VS_OK) {
        size_t end = vs_header_len(0); /* the first j; before it stands the count */
        size_t per_share = vs_header_len(1) - end;
        layout_cases(m, "header", &b);
        header_case(m, &b, end - 4, 1, "count too small", "leftover bytes");
        header_case(m, &b, end - 4, 3, "count too large", "more shares announced than there are");
        header_case(m, &b, end - 4, 129, "count 129", "more than 128 shareholders");
        header_case(m, &b, end, 0, "index 0", "shareholders count from 1");
        header_case(m, &b, end, 3, "the same index twice", "indexes must ascend strictly");
        header_case(m, &b, end, 4, "indexes that descend", "indexes must ascend strictly");
        header_case(m, &b, end + per_share, 129, "index 129", "at most 128 shareholders");
        vs_store_le32(b.p + end - 4, 0);
        b.len = end;
        bytes_case(m, "header", "no shares", "a header lists at least one shareholder", &b);
    }
    vs_buf_free(&b);
    free(h);
}

typedef struct trailer {
    vs_round_id id;
    vs_h32 submission;
    uint32_t r;
} trailer;

static void trailer_case(making *m, const trailer *t, const vs_buf *bytes, const char *name,
                         const char *why)
{
    vs_case c = vs_errors_open(m, "trailer", name, why);
    vs_case_put_h32(&c, "federation_id", &t->id.federation_id);
    vs_case_put_uint(&c, "round", t->id.round);
    vs_case_put_h32(&c, "submission", &t->submission);
    vs_case_put_uint(&c, "r", t->r);
    vs_case_put_hex(&c, "bytes", bytes->p, bytes->len);
    vs_errors_close(m, &c);
}

static void make_trailers(making *m)
{
    vs_fe w[4];
    vs_fe2 values[2];
    vs_buf b = {0};
    trailer good = {.r = 2};
    good.id.federation_id = vs_draw_h32(m->draw, "trailer federation_id", 0);
    good.id.round = vs_draw_uint(m->draw, "trailer round", 0, 48);
    good.submission = vs_draw_h32(m->draw, "trailer submission", 0);
    vs_draw_fes(m->draw, "trailer W", 0, w, 4);
    for (size_t i = 0; i < 2; i++) values[i] = (vs_fe2){w[2 * i], w[2 * i + 1]};
    if (m->err == VS_OK) m->err = vs_trailer_encode(&b, &good.id, &good.submission, values, 2);
    if (m->err == VS_OK) {
        trailer t = good;
        trailer_case(m, &t, &b, "as it should be", "");
        t.r = 3;
        trailer_case(m, &t, &b, "fewer values than r", "W has r values");
        t.r = 1;
        trailer_case(m, &t, &b, "more values than r", "W has r values");
        t = good;
        t.id.round ^= 1;
        trailer_case(m, &t, &b, "other round", "it belongs to another round");
        t = good;
        t.id.federation_id.b[0] ^= 1;
        trailer_case(m, &t, &b, "other federation", "it belongs to another federation");
        t = good;
        t.submission.b[31] ^= 1;
        trailer_case(m, &t, &b, "other submission", "it does not name this header's hash");
        vs_store_le64(b.p + b.len - 8, VS_FE_P);
        trailer_case(m, &good, &b, "imaginary part p", "an element that is not canonical");
    }
    vs_buf_free(&b);
}

static int by_pseudonym(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

static void make_records(making *m)
{
    const size_t record = VS_RECORD_BYTES;
    uint8_t raw[3 * VS_RECORD_BYTES + 1] = {0};
    uint8_t swapped[sizeof raw];
    for (uint32_t i = 0; i < 3; i++) {
        vs_draw_bytes(m->draw, "record", i, raw + i * record, record);
    }
    qsort(raw, 3, record, by_pseudonym);
    memcpy(swapped, raw + record, record);
    memcpy(swapped + record, raw, record);
    memcpy(swapped + 2 * record, raw + 2 * record, record);
    vs_buf b = {.p = raw, .len = 3 * record};
    bytes_case(m, "records", "as they should be", "", &b);
    b.len++;
    bytes_case(m, "records", "one byte more", "a record has 96 bytes", &b);
    b = (vs_buf){.p = swapped, .len = 3 * record};
    bytes_case(m, "records", "not in order", "records ascend by pseudonym", &b);
    memcpy(swapped + record, swapped, 32);
    b = (vs_buf){.p = swapped, .len = 2 * record};
    bytes_case(m, "records", "one pseudonym twice", "records ascend strictly by pseudonym", &b);
}

static void make_proposals(making *m)
{
    vs_buf b = {0};
    vs_proposal p = {.id.federation_id = vs_draw_h32(m->draw, "proposal federation_id", 0),
                     .id.round = vs_draw_uint(m->draw, "proposal round", 0, 48),
                     .params_hash = vs_draw_h32(m->draw, "proposal params_hash", 0),
                     .count = 3,
                     .root = vs_draw_h32(m->draw, "proposal root", 0),
                     .rejected_count = 1,
                     .rejected_root = vs_draw_h32(m->draw, "proposal rejected_root", 0)};
    if (m->err == VS_OK) m->err = vs_proposal_encode(&b, &p);
    if (m->err == VS_OK) layout_cases(m, "proposal", &b);
    vs_buf_free(&b);
}

/* --- parameters and ranges ---------------------------------------------------------------------
 */

static void make_committees(making *m)
{
    static const struct {
        vs_committee c;
        const char *name, *why;
    } list[] = {
        {{5, 1, 2, 1}, "robust", ""},
        {{3, 1, 1, 1}, "private", ""},
        {{128, 42, 44, 42}, "largest", ""},
        {{1, 1, 1, 0}, "one shareholder", "n is at least 2"},
        {{129, 1, 2, 1}, "too many shareholders", "n is at most 128"},
        {{5, 0, 2, 0}, "no privacy", "t is at least 1"},
        {{5, 5, 1, 0}, "t = n", "t is below n"},
        {{5, 1, 0, 1}, "no secrets", "k is at least 1"},
        {{5, 2, 4, 0}, "r above n", "t + k is at most n"},
        {{5, 2, 2, 2}, "no room for the margin", "r + margin is at most n"},
        {{5, 2, UINT32_MAX, 0}, "k that overflows", "t + k is at most n"},
    };
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        vs_case c = vs_errors_open(m, "committee", list[i].name, list[i].why);
        vs_case_put_uint(&c, "n", list[i].c.n);
        vs_case_put_uint(&c, "t", list[i].c.t);
        vs_case_put_uint(&c, "k", list[i].c.k);
        vs_case_put_uint(&c, "margin", list[i].c.margin);
        vs_errors_close(m, &c);
    }
}

static void put_layout(vs_case *c, uint32_t bits, uint32_t max_clients, uint32_t k, uint64_t dim)
{
    vs_case_put_uint(c, "bits", bits);
    vs_case_put_uint(c, "max_clients", max_clients);
    vs_case_put_uint(c, "k", k);
    vs_case_put_uint(c, "dim", dim);
}

static void make_layouts(making *m)
{
    static const struct {
        uint32_t bits, max_clients, k;
        uint64_t dim;
        const char *name, *why;
    } list[] = {
        {32, 32768, 1, 33554430, "widest slot, one per element", ""},
        {1, 2, 2, 10, "thirty slots of two bits", ""},
        {0, 10, 2, 10, "no bits", "b is at least 1"},
        {33, 10, 2, 10, "33 bits", "b is at most 32"},
        {8, 1, 2, 10, "one client", "N is at least 2"},
        {8, 32769, 2, 10, "too many clients", "N is at most 32768"},
        {8, 10, 0, 10, "no secrets", "k is at least 1"},
        {8, 10, 129, 10, "too many secrets", "k is below n, n is at most 128"},
        {8, 10, 2, 0, "no coordinates", "L is at least 1"},
        {32, 32768, 1, 33554431, "too many columns", "M + 2 is at most 2^25"},
        {8, 10, 128, UINT64_C(1) << 40, "2^40 coordinates", "L is below 2^32"},
    };
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        vs_case c = vs_errors_open(m, "layout", list[i].name, list[i].why);
        put_layout(&c, list[i].bits, list[i].max_clients, list[i].k, list[i].dim);
        vs_errors_close(m, &c);
    }
}

/* b = 8, N = 10: slots of 12 bits, 5 in an element; L = 8 in k = 2 elements of one column. */
static void make_sums(making *m)
{
    static const struct {
        uint64_t element[2];
        uint32_t clients;
        const char *name, *why;
    } list[] = {
        {{0xfffffffffffffff & (UINT64_C(765) * 0x1001001001001), 765}, 3, "largest sums", ""},
        {{766, 0}, 3, "a slot too large", "a sum of 3 clients is at most 765"},
        {{UINT64_C(766) << 48, 0}, 3, "the last slot too large", "a sum is at most 765"},
        {{UINT64_C(1) << 60, 0}, 3, "above the slots", "an element is below 2^60"},
        {{0, UINT64_C(1) << 36}, 3, "padding", "slots beyond L are zero"},
    };
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        const vs_fe x[2] = {{list[i].element[0]}, {list[i].element[1]}};
        vs_case c = vs_errors_open(m, "sums", list[i].name, list[i].why);
        put_layout(&c, 8, 10, 2, 8);
        vs_case_put_uint(&c, "clients", list[i].clients);
        vs_case_put(&c, "elements", vs_json_fes(x, 2));
        vs_errors_close(m, &c);
    }
}

vs_err vs_errors_make(json_t *cases, const vs_draw *draw)
{
    static void (*const steps[])(making * m) = {
        make_elements,   make_headers,     make_trailers,    make_records,
        make_proposals,  vs_errors_shares, vs_errors_sealed, vs_errors_signatures,
        make_committees, make_layouts,     make_sums,
    };
    making m = {.cases = cases, .draw = draw, .err = VS_OK};
    for (size_t i = 0; m.err == VS_OK && i < sizeof steps / sizeof steps[0]; i++) steps[i](&m);
    return m.err;
}
