#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <zlib.h>

#include "base/file.h"
#include "fl/npy_header.h"
#include "fl/npz.h"
#include "fl/tensors_out.h"
#include "fl/zip.h"
#include "tests/support.h"

enum { MANY = 1000, LOCAL = 30, CENTRAL = 46, END = 22 };

static const double VALUES[6] = {1.5, -2, 0, 0.25, 7, -0.5};

static vs_err parse(vs_tensors *out, const vs_buf *file, size_t max_n, vs_diag *diag,
                    uint8_t **copy)
{
    *copy = malloc(file->len == 0 ? 1 : file->len); /* exact size: ASan sees one byte too far */
    cr_assert_not_null(*copy);
    memcpy(*copy, file->p, file->len);
    memset(diag, 0, sizeof *diag);
    vs_err err = vs_tensors_parse(out, *copy, file->len, "x.npz", max_n, diag);
    if (err != VS_OK) {
        cr_expect_null(out->list);
        cr_expect_eq(strncmp(diag->text, "x.npz: ", 7), 0, "message: %s", diag->text);
    }
    return err;
}

static void expect_refusal(const vs_buf *file, size_t max_n, vs_err want, const char *part)
{
    vs_tensors t;
    vs_diag diag;
    uint8_t *copy;
    cr_expect_eq(parse(&t, file, max_n, &diag, &copy), want, "%s", diag.text);
    cr_expect_not_null(strstr(diag.text, part), "'%s' lacks '%s'", diag.text, part);
    vs_tensors_free(&t);
    free(copy);
}

static void put16(vs_buf *b, unsigned v)
{
    vs_buf_u8(b, (uint8_t)v);
    vs_buf_u8(b, (uint8_t)(v >> 8));
}

/* A member as its two headers say it is. */
typedef struct member {
    const char *name;
    vs_buf data; /* packed */
    size_t len;
    uint32_t crc;
    unsigned method, flags;
    bool zip64; /* as numpy writes: the local sizes are in a ZIP64 field */
    size_t at;
} member;

/* The .npy of VALUES as 6 float64, packed or not. */
static member member_of(const char *name, bool deflated)
{
    const size_t dims[2] = {3, 2};
    vs_buf npy = {0};
    member m = {.name = name, .method = deflated ? 8 : 0};
    vs_npy_header_put(&npy, 8, dims, 2);
    vs_buf_bytes(&npy, VALUES, sizeof VALUES);
    m.len = npy.len;
    m.crc = (uint32_t)crc32(0, npy.p, (uInt)npy.len);
    if (!deflated) {
        m.data = npy;
        return m;
    }
    z_stream z = {0};
    uint8_t *to = vs_buf_extend(&m.data, 4096);
    cr_assert_eq(deflateInit2(&z, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = npy.p;
    z.avail_in = (uInt)npy.len;
    z.next_out = to;
    z.avail_out = 4096;
    cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    m.data.len = z.total_out;
    cr_assert_eq(deflateEnd(&z), Z_OK);
    vs_buf_free(&npy);
    return m;
}

static void put_sizes(vs_buf *b, const member *m, bool wide)
{
    put16(b, m->flags);
    put16(b, m->method);
    vs_buf_u32(b, 0x00210000);
    vs_buf_u32(b, (m->flags & 8) != 0 && wide ? 0 : m->crc);
    vs_buf_u32(b, wide && m->zip64 ? UINT32_MAX : (uint32_t)m->data.len);
    vs_buf_u32(b, wide && m->zip64 ? UINT32_MAX : (uint32_t)m->len);
    put16(b, (unsigned)strlen(m->name));
}

static vs_buf archive_of(member *m, size_t count)
{
    vs_buf b = {0};
    for (size_t i = 0; i < count; i++) {
        m[i].at = b.len;
        vs_buf_u32(&b, 0x04034b50);
        put16(&b, 45);
        put_sizes(&b, &m[i], true);
        put16(&b, m[i].zip64 ? 20 : 0);
        vs_buf_text(&b, m[i].name);
        if (m[i].zip64) {
            put16(&b, 1);
            put16(&b, 16);
            vs_buf_u64(&b, m[i].len);
            vs_buf_u64(&b, m[i].data.len);
        }
        vs_buf_bytes(&b, m[i].data.p, m[i].data.len);
    }
    const size_t directory = b.len;
    for (size_t i = 0; i < count; i++) {
        vs_buf_u32(&b, 0x02014b50);
        put16(&b, 45);
        put16(&b, 45);
        put_sizes(&b, &m[i], false);
        for (int k = 0; k < 4; k++) put16(&b, 0); /* extra, comment, disk, attributes */
        vs_buf_u32(&b, 0);
        vs_buf_u32(&b, (uint32_t)m[i].at);
        vs_buf_text(&b, m[i].name);
    }
    const size_t len = b.len - directory;
    vs_buf_u32(&b, 0x06054b50);
    vs_buf_u32(&b, 0);
    put16(&b, (unsigned)count);
    put16(&b, (unsigned)count);
    vs_buf_u32(&b, (uint32_t)len);
    vs_buf_u32(&b, (uint32_t)directory);
    put16(&b, 0);
    cr_assert_eq(vs_buf_check(&b), VS_OK);
    return b;
}

static void free_members(member *m, size_t count)
{
    for (size_t i = 0; i < count; i++) vs_buf_free(&m[i].data);
}

static void expect_values(const vs_tensors *t, uint32_t i)
{
    double back[6];
    vs_diag diag;
    cr_assert_eq(t->list[i].n, 6);
    cr_assert_eq(vs_tensors_read(t, i, back, "x.npz", &diag), VS_OK, "%s", diag.text);
    cr_expect_arr_eq(back, VALUES, sizeof VALUES);
}

Test(npz, reads_stored_and_deflated_members_with_sizes_in_every_place)
{
    for (int way = 0; way < 8; way++) {
        member m[2] = {member_of("layer/w.npy", (way & 1) != 0), member_of("b.npy", false)};
        m[0].zip64 = (way & 2) != 0;
        m[0].flags = (way & 4) != 0 ? 8 : 0;
        vs_buf file = archive_of(m, 2);
        vs_tensors t;
        vs_diag diag;
        uint8_t *copy;
        cr_assert_eq(parse(&t, &file, 12, &diag, &copy), VS_OK, "%d: %s", way, diag.text);
        cr_assert_eq(t.count, 2);
        cr_expect_eq(t.n, 12);
        cr_expect_str_eq(t.list[0].shape.name, "layer/w");
        cr_expect_eq(t.list[0].shape.n_dims, 2);
        cr_expect_eq(t.list[0].data == NULL, (way & 1) != 0);
        expect_values(&t, 0);
        expect_values(&t, 1);
        vs_tensors_free(&t);
        free(copy);
        vs_buf_free(&file);
        free_members(m, 2);
    }
}

Test(npz, refuses_every_truncation)
{
    member m[2] = {member_of("w.npy", true), member_of("b.npy", false)};
    vs_buf file = archive_of(m, 2);
    const size_t whole = file.len;
    for (file.len = 0; file.len < whole; file.len++) {
        vs_tensors t;
        vs_diag diag;
        uint8_t *copy;
        cr_expect_neq(parse(&t, &file, MANY, &diag, &copy), VS_OK, "%zu bytes", file.len);
        free(copy);
    }
    vs_buf_free(&file);
    free_members(m, 2);
}

/* Every byte, several values: refused with a message, or the same values under some name. Times and
 * attributes are nobody's business; nothing else may change unseen. */
Test(npz, a_changed_byte_is_refused_or_changes_no_value)
{
    member m[2] = {member_of("w.npy", true), member_of("b.npy", false)};
    m[1].zip64 = true;
    vs_buf file = archive_of(m, 2);
    uint32_t accepted = 0, refused = 0;
    for (size_t i = 0; i < file.len; i++) {
        const uint8_t was = file.p[i];
        static const uint8_t changes[] = {1, 2, 4, 8, 16, 32, 64, 128, 255};
        for (size_t k = 0; k < sizeof changes; k++) {
            vs_tensors t;
            vs_diag diag;
            uint8_t *copy;
            file.p[i] = was ^ changes[k];
            if (parse(&t, &file, MANY, &diag, &copy) == VS_OK) {
                cr_assert_eq(t.count, 2, "byte %zu", i);
                expect_values(&t, 0);
                expect_values(&t, 1);
                accepted++;
                vs_tensors_free(&t);
            } else {
                refused++;
            }
            free(copy);
        }
        file.p[i] = was;
    }
    cr_expect_gt(refused, 20 * accepted / 10, "%u accepted, %u refused", accepted, refused);
    vs_buf_free(&file);
    free_members(m, 2);
}

/* Offsets of fields in the directory's record of the first member. */
static size_t central_at(const vs_buf *file)
{
    return vs_load_le32(file->p + file->len - END + 16);
}

Test(npz, names_the_member_and_what_is_wrong)
{
    member m[2] = {member_of("w.npy", true), member_of("b.npy", false)};
    vs_buf file = archive_of(m, 2);
    const size_t at = central_at(&file), end = file.len - END;
    static const struct {
        size_t offset; /* in the first record of the directory */
        uint8_t value;
        const char *part;
    } cases[] = {
        {8, 1, "member w.npy is encrypted"},
        {10, 12, "compression method 12"},
        {16, 0x5a, "member w.npy: local header and directory differ"},
        {20, 1, "member w.npy: local header and directory differ"},
        {24, 1, "differ"},
        {26, 100, "cannot be packed in"},
        {30, 200, "directory is damaged"},
        {34, 1, "other ZIP features"},
        {42, 200, "member w.npy: no local header at byte 200"},
        {45, 1, "no local header"},
        {CENTRAL, 'x', "differ"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t *p = file.p + at + cases[i].offset, was = *p;
        *p = cases[i].value;
        expect_refusal(&file, MANY, VS_ERR_MALFORMED, cases[i].part);
        *p = was;
    }
    file.p[end + 4] = 1;
    expect_refusal(&file, MANY, VS_ERR_MALFORMED, "several parts");
    file.p[end + 4] = 0;
    file.p[end + 16]++;
    expect_refusal(&file, MANY, VS_ERR_MALFORMED, "does not end where it should");
    vs_buf_free(&file);
    free_members(m, 2);
}

Test(npz, bounds_members_values_and_inflated_bytes_before_work_is_done)
{
    member m[2] = {member_of("w.npy", true), member_of("b.npy", false)};
    vs_buf file = archive_of(m, 2);
    expect_refusal(&file, 5, VS_ERR_LIMIT, "member w.npy: too many values: 6, the limit is 5");
    expect_refusal(&file, 11, VS_ERR_LIMIT, "member b.npy: too many values: 6, the limit is 5");
    vs_buf_free(&file);
    /* A member that says it is 1 MiB where 6 values are asked for is not even inflated. */
    m[0].len = 1000000;
    vs_buf_free(&m[0].data);
    (void)memset(vs_buf_extend(&m[0].data, 2000), 0, 2000);
    file = archive_of(m, 1);
    expect_refusal(&file, 6, VS_ERR_LIMIT, "at most 6 more values are taken");
    vs_buf_free(&file);
    m[0].len = 3000000; /* more than deflate can do */
    file = archive_of(m, 1);
    expect_refusal(&file, SIZE_MAX, VS_ERR_MALFORMED, "3000000 bytes cannot be packed in 2000");
    vs_buf_free(&file);
    free_members(m, 2);
}

Test(npz, refuses_names_that_repeat_or_are_not_of_arrays)
{
    static const struct {
        const char *first, *second, *part;
    } cases[] = {{"w.npy", "w.npy", "two members have the name \"w.npy\""},
                 {"w.npy", "notes.txt", "(\"notes.txt\") does not end in .npy"},
                 {"w.npy", ".npy", "(\".npy\") does not end"},
                 {"w.npy", "a\xff.npy", "is not UTF-8"},
                 {"w.npy", "a\n.npy", "control character"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        member m[2] = {member_of(cases[i].first, false), member_of(cases[i].second, false)};
        vs_buf file = archive_of(m, 2);
        expect_refusal(&file, MANY, VS_ERR_MALFORMED, cases[i].part);
        vs_buf_free(&file);
        free_members(m, 2);
    }
}

Test(npz, two_members_may_not_share_their_bytes)
{
    member m[2] = {member_of("w.npy", false), member_of("w.npy", false)};
    vs_buf file = archive_of(m, 2);
    const size_t second = central_at(&file) + CENTRAL + strlen("w.npy");
    vs_store_le32(file.p + second + 42, 0); /* both records of the first local header */
    expect_refusal(&file, MANY, VS_ERR_MALFORMED, "overlap");
    vs_buf_free(&file);
    free_members(m, 2);
}

/* Sizes and offsets beyond 32 bits: headers alone, without 4 GiB of values. */
Test(zip, zip64_fields_appear_where_a_number_needs_them)
{
    const vs_zip_stored small = {.name = "w.npy", .len = 10, .at = 0, .crc = 7};
    const vs_zip_stored large = {
        .name = "w.npy", .len = UINT64_C(5) << 30, .at = UINT64_C(6) << 30};
    vs_buf b = {0};
    vs_zip_local_put(&b, &small);
    cr_expect_eq(b.len, LOCAL + 5);
    vs_buf_reset(&b);
    vs_zip_local_put(&b, &large);
    cr_assert_eq(b.len, LOCAL + 5 + 20);
    cr_expect_eq(vs_load_le32(b.p + 18), UINT32_MAX);
    cr_expect_eq(vs_load_le64(b.p + LOCAL + 5 + 4), large.len);
    vs_buf_reset(&b);
    vs_zip_directory_put(&b, &large, 1, UINT64_C(12) << 30);
    const size_t record = CENTRAL + 5 + 4 + 24;
    cr_assert_eq(b.len, record + 56 + 20 + END);
    cr_expect_eq(vs_load_le64(b.p + record - 8), large.at);
    cr_expect_eq(vs_load_le32(b.p + record), 0x06064b50);
    cr_expect_eq(vs_load_le64(b.p + record + 48), UINT64_C(12) << 30);
    vs_buf_free(&b);
}
