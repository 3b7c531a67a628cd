#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/bytes.h"
#include "base/file.h"
#include "fl/npy.h"
#include "fl/tensors.h"
#include "tests/fl/npy_samples.h"
#include "tests/support.h"

enum { MANY = 1000 };

static const double F8_VALUES[] = {1.5, -2.0, 0.0, 1e-300, -0.1, 3.25e10};
static const double F4_VALUES[] = {1.5, -2.0, 0.0, 0.5, -0.25, 7.0};

/* Bytes on the heap in their exact size, so that ASan sees one byte too far. */
static vs_err parse(vs_npy *out, const uint8_t *bytes, size_t len, size_t max_n, vs_diag *diag)
{
    uint8_t *copy = malloc(len == 0 ? 1 : len);
    cr_assert_not_null(copy);
    memcpy(copy, bytes, len);
    memset(diag, 0, sizeof *diag);
    vs_err err = vs_npy_parse(out, copy, len, "x.npy", max_n, diag);
    free(copy);
    if (err != VS_OK) {
        cr_expect_null(out->data);
        cr_expect_eq(out->n, 0);
        cr_expect_eq(strncmp(diag->text, "x.npy: ", 7), 0, "message: %s", diag->text);
    }
    return err;
}

static void expect_values(const uint8_t *bytes, size_t len, const double *want, size_t n,
                          uint32_t n_dims)
{
    vs_npy npy;
    vs_diag diag;
    cr_assert_eq(parse(&npy, bytes, len, MANY, &diag), VS_OK, "%s", diag.text);
    cr_assert_eq(npy.n, n);
    cr_assert_eq(npy.n_dims, n_dims);
    for (size_t i = 0; i < n; i++) cr_expect_eq(npy.data[i], want[i], "value %zu", i);
    vs_npy_free(&npy);
}

static void expect_refusal(const uint8_t *bytes, size_t len, size_t max_n, vs_err want,
                           const char *part)
{
    vs_npy npy;
    vs_diag diag;
    cr_expect_eq(parse(&npy, bytes, len, max_n, &diag), want, "%s", diag.text);
    cr_expect_not_null(strstr(diag.text, part), "'%s' lacks '%s'", diag.text, part);
}

/* A v1.0 file whose text header is dict, and n zero values. */
static vs_err parse_dict(vs_npy *out, const char *dict, size_t n, vs_diag *diag)
{
    vs_buf b = {0};
    size_t len = strlen(dict) + 1;
    const uint8_t head[10] = {
        0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (uint8_t)(len & 0xff), (uint8_t)(len >> 8)};
    vs_buf_bytes(&b, head, sizeof head);
    vs_buf_text(&b, dict);
    vs_buf_u8(&b, '\n');
    for (size_t i = 0; i < n; i++) vs_buf_u64(&b, 0);
    cr_assert_eq(vs_buf_check(&b), VS_OK);
    vs_err err = parse(out, b.p, b.len, MANY, diag);
    vs_buf_free(&b);
    return err;
}

Test(npy, reads_what_numpy_writes)
{
    const double scalar = -4.5;
    expect_values(F8_1D, sizeof F8_1D, F8_VALUES, 6, 1);
    expect_values(F4_2D, sizeof F4_2D, F4_VALUES, 6, 2);
    expect_values(F8_V2, sizeof F8_V2, F8_VALUES, 6, 2);
    expect_values(F8_SCALAR, sizeof F8_SCALAR, &scalar, 1, 0);
    expect_values(F8_EMPTY, sizeof F8_EMPTY, &scalar, 0, 2);
}

Test(npy, refuses_other_dtypes_and_fortran_order_by_name)
{
    expect_refusal(F8_FORTRAN, sizeof F8_FORTRAN, MANY, VS_ERR_MALFORMED, "Fortran order");
    expect_refusal(F8_BIG_ENDIAN, sizeof F8_BIG_ENDIAN, MANY, VS_ERR_MALFORMED, "dtype '>f8'");
    expect_refusal(RECORD, sizeof RECORD, MANY, VS_ERR_MALFORMED, "dtype 'record'");
}

/* A v1.0 file of one whole number: its type, bytes, value. */
static void expect_integer(const char *descr, const char *bytes, size_t item, double want)
{
    vs_buf b = {0};
    char dict[96];
    (void)snprintf(dict, sizeof dict, "{'descr': '%s', 'fortran_order': False, 'shape': (1,), }\n",
                   descr);
    const size_t len = strlen(dict);
    const uint8_t head[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (uint8_t)len, 0};
    vs_buf_bytes(&b, head, sizeof head);
    vs_buf_text(&b, dict);
    vs_buf_bytes(&b, bytes, item);
    cr_assert_eq(vs_buf_check(&b), VS_OK);
    expect_values(b.p, b.len, &want, 1, 1);
    vs_buf_free(&b);
}

Test(npy, reads_whole_numbers_of_every_width)
{
    const double labels[] = {0, 1, 2};
    expect_values(I8, sizeof I8, labels, 3, 1); /* what numpy makes of range(3) */
    expect_integer("|b1", "\1", 1, 1);
    expect_integer("|u1", "\377", 1, 255);
    expect_integer("|i1", "\377", 1, -1);
    expect_integer("|i1", "\200", 1, -128);
    expect_integer("<u2", "\1\2", 2, 513);
    expect_integer("<i2", "\376\377", 2, -2);
    expect_integer("<u4", "\377\377\377\377", 4, 4294967295.0);
    expect_integer("<i4", "\0\0\0\200", 4, -2147483648.0);
    expect_integer("<u8", "\377\377\377\377\377\377\377\377", 8, 18446744073709551616.0);
    expect_integer("<i8", "\0\0\0\0\0\0\0\200", 8, -9223372036854775808.0);
    expect_integer("<i8", "\377\377\377\377\377\377\377\177", 8, 9223372036854775808.0);
}

Test(npy, whole_numbers_are_no_update)
{
    char *folder = vs_test_folder_new();
    char path[256];
    vs_tensors tensors;
    vs_diag diag;
    (void)snprintf(path, sizeof path, "%s/update.npy", folder);
    cr_assert_eq(vs_file_write_durable(path, I8, sizeof I8, 0600, &diag), VS_OK);
    cr_expect_eq(vs_tensors_open(&tensors, path, MANY, &diag), VS_ERR_MALFORMED);
    cr_expect_not_null(strstr(diag.text, "dtype '<i8'"), "%s", diag.text);
    vs_test_folder_remove(folder);
}

Test(npy, refuses_every_truncation)
{
    for (size_t len = 0; len < sizeof F8_1D; len++) {
        expect_refusal(F8_1D, len, MANY, VS_ERR_MALFORMED, len == 0 ? "empty" : "truncated");
    }
    for (size_t len = 1; len < sizeof F8_V2; len++) {
        expect_refusal(F8_V2, len, MANY, VS_ERR_MALFORMED, "truncated");
    }
    expect_refusal(F8_1D, sizeof F8_1D - 1, MANY, VS_ERR_MALFORMED, "175 of 176 bytes");
}

Test(npy, refuses_leftovers_and_too_many_values)
{
    uint8_t longer[sizeof F8_1D + 3] = {0};
    memcpy(longer, F8_1D, sizeof F8_1D);
    expect_refusal(longer, sizeof longer, MANY, VS_ERR_MALFORMED, "3 bytes after the end");
    expect_refusal(F8_1D, sizeof F8_1D, 5, VS_ERR_LIMIT, "too many values: 6, the limit is 5");
    vs_npy npy;
    vs_diag diag;
    cr_assert_eq(parse(&npy, F8_1D, sizeof F8_1D, 6, &diag), VS_OK);
    vs_npy_free(&npy);
}

Test(npy, refuses_other_files_and_versions)
{
    uint8_t bytes[sizeof F8_1D];
    for (size_t i = 0; i < 6; i++) {
        memcpy(bytes, F8_1D, sizeof bytes);
        bytes[i] ^= 1;
        expect_refusal(bytes, sizeof bytes, MANY, VS_ERR_MALFORMED, "not a .npy file");
    }
    memcpy(bytes, F8_1D, sizeof bytes);
    bytes[6] = 3;
    expect_refusal(bytes, sizeof bytes, MANY, VS_ERR_MALFORMED, "version 3");
    bytes[6] = 1;
    bytes[7] = 1;
    expect_refusal(bytes, sizeof bytes, MANY, VS_ERR_MALFORMED, "version 1.1");
    bytes[7] = 0;
    bytes[9] = 0xff; /* header of 65,000 bytes */
    expect_refusal(bytes, sizeof bytes, MANY, VS_ERR_LIMIT, "the limit is 10000");
}

Test(npy, accepts_equivalent_headers)
{
    const char *const dicts[] = {
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2,)}",
        "{\"shape\":(1,2),\"descr\":\"<f8\",\"fortran_order\":False}   ",
        "{'fortran_order': False, 'shape': (2, 1,), 'descr': '<f8', }",
    };
    for (size_t i = 0; i < sizeof dicts / sizeof dicts[0]; i++) {
        vs_npy npy;
        vs_diag diag;
        cr_assert_eq(parse_dict(&npy, dicts[i], 2, &diag), VS_OK, "%s: %s", dicts[i], diag.text);
        cr_expect_eq(npy.n, 2);
        vs_npy_free(&npy);
    }
}

Test(npy, refuses_broken_headers)
{
    const char *const dicts[] = {
        "",
        "{}",
        "{'descr': '<f8', 'fortran_order': False}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2,,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-2,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1 2)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2,)} x",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2,)",
        "{'descr': '<f8', 'fortran_order': False 'shape': (2,)}",
        "{'descr': '<f8', 'fortran_order': 0, 'shape': (2,)}",
        "{'descr': '<f8', 'descr': '<f8', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), 'more': 1}",
        "{'descr: '<f8', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999,)}",
    };
    for (size_t i = 0; i < sizeof dicts / sizeof dicts[0]; i++) {
        vs_npy npy;
        vs_diag diag;
        cr_expect_eq(parse_dict(&npy, dicts[i], 2, &diag), VS_ERR_MALFORMED, "%s", dicts[i]);
    }
}

/* A shape whose product wraps must not pass as a small one. */
Test(npy, refuses_shapes_that_overflow)
{
    const char *const dicts[] = {
        "{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (9223372036854775807, 2, 2)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2305843009213693952,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1, 1, 1, 1, 2)}",
    };
    for (size_t i = 0; i < sizeof dicts / sizeof dicts[0]; i++) {
        vs_npy npy;
        vs_diag diag;
        cr_expect_eq(parse_dict(&npy, dicts[i], 2, &diag), VS_ERR_LIMIT, "%s", dicts[i]);
    }
}

/* Random edits of a good file: any verdict, no crash, and never more values than bytes. */
Test(npy, survives_random_mutations)
{
    for (uint64_t run = 0; run < 20000; run++) {
        uint8_t bytes[sizeof F8_V2];
        vs_npy npy;
        vs_diag diag;
        uint64_t r = vs_test_u64(7, run);
        size_t len = (r & 7) == 0 ? (size_t)(r >> 40) % sizeof bytes : sizeof bytes;
        memcpy(bytes, F8_V2, sizeof bytes);
        for (uint64_t k = 0; k <= (r >> 3 & 3); k++) {
            uint64_t at = vs_test_u64(1000 + k, run);
            bytes[at % sizeof bytes] = (at >> 32 & 1)
                                           ? (uint8_t)(at >> 40)
                                           : (uint8_t) "0123456789(),'{} "[(at >> 40) % 17];
        }
        if (parse(&npy, bytes, len, MANY, &diag) == VS_OK) cr_assert_leq(npy.n * 4, len);
        vs_npy_free(&npy);
    }
}

Test(npy, writes_what_it_reads_and_in_numpys_layout)
{
    char *folder = vs_test_folder_new();
    char path[256];
    const size_t dims[] = {3, 2};
    const size_t n[] = {6};
    vs_npy npy;
    vs_diag diag;
    vs_buf file = {0};
    (void)snprintf(path, sizeof path, "%s/out.npy", folder);

    cr_assert_eq(vs_npy_write(path, F8_VALUES, n, 1, &diag), VS_OK);
    cr_assert_eq(vs_file_read(&file, path, 4096, &diag), VS_OK);
    cr_assert_eq(file.len, sizeof F8_1D);
    cr_expect_eq(memcmp(file.p, F8_1D, sizeof F8_1D), 0, "byte for byte as numpy");
    vs_buf_free(&file);

    cr_assert_eq(vs_npy_write(path, F8_VALUES, dims, 2, &diag), VS_OK);
    cr_assert_eq(vs_npy_read(&npy, path, 6, &diag), VS_OK, "%s", diag.text);
    cr_expect_eq(npy.n_dims, 2);
    cr_expect_eq(npy.dims[0], 3);
    cr_expect_eq(npy.dims[1], 2);
    cr_expect_eq(memcmp(npy.data, F8_VALUES, sizeof F8_VALUES), 0);
    vs_npy_free(&npy);
    vs_test_folder_remove(folder);
}

Test(npy, names_a_missing_file)
{
    vs_npy npy;
    vs_diag diag;
    cr_expect_eq(vs_npy_read(&npy, "/nonexistent/update.npy", MANY, &diag), VS_ERR_IO);
    cr_expect_not_null(strstr(diag.text, "/nonexistent/update.npy: cannot open"), "%s", diag.text);
    cr_expect_null(npy.data);
}
