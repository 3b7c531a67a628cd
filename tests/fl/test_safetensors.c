#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/bytes.h"
#include "base/file.h"
#include "fl/safetensors.h"
#include "fl/tensors_out.h"
#include "tests/support.h"

enum { MANY = 1000 };

/* Bytes on the heap in their exact size, so that ASan sees one byte too far. */
static vs_err parse_bytes(vs_tensors *out, const uint8_t *bytes, size_t len, size_t max_n,
                          vs_diag *diag, uint8_t **copy)
{
    *copy = malloc(len == 0 ? 1 : len);
    cr_assert_not_null(*copy);
    if (len > 0) memcpy(*copy, bytes, len);
    memset(diag, 0, sizeof *diag);
    vs_err err = vs_tensors_parse(out, *copy, len, "x.safetensors", max_n, diag);
    if (err != VS_OK) {
        cr_expect_null(out->list);
        cr_expect_eq(out->count, 0);
        cr_expect_eq(strncmp(diag->text, "x.safetensors: ", 15), 0, "message: %s", diag->text);
    }
    return err;
}

/* A file with this header and so many bytes 0, 1, 2, ... of values. */
static vs_buf file_of(const char *header, size_t values)
{
    vs_buf b = {0};
    vs_buf_u64(&b, strlen(header));
    vs_buf_text(&b, header);
    for (size_t i = 0; i < values; i++) vs_buf_u8(&b, (uint8_t)i);
    cr_assert_eq(vs_buf_check(&b), VS_OK);
    return b;
}

static void expect_refusal(const char *header, size_t values, vs_err want, const char *part)
{
    vs_buf b = file_of(header, values);
    vs_tensors t;
    vs_diag diag;
    uint8_t *copy;
    cr_expect_eq(parse_bytes(&t, b.p, b.len, MANY, &diag, &copy), want, "%s: %s", header,
                 diag.text);
    cr_expect_not_null(strstr(diag.text, part), "'%s' lacks '%s'", diag.text, part);
    vs_tensors_free(&t);
    free(copy);
    vs_buf_free(&b);
}

#define W "\"w\":{\"dtype\":\"F32\",\"shape\":[3,2],\"data_offsets\":[0,24]}"
#define B "\"b\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[24,40]}"

Test(safetensors, reads_tensors_in_the_order_of_their_values)
{
    vs_buf b = file_of("{\"__metadata__\":{\"format\":\"pt\"}," B "," W "}   ", 40);
    vs_tensors t;
    vs_diag diag;
    uint8_t *copy;
    cr_assert_eq(parse_bytes(&t, b.p, b.len, MANY, &diag, &copy), VS_OK, "%s", diag.text);
    cr_assert_eq(t.count, 2);
    cr_expect_eq(t.container, VS_CONTAINER_SAFETENSORS);
    cr_expect_str_eq(t.list[0].shape.name, "w");
    cr_expect_eq(t.list[0].n, 6);
    cr_expect_eq(t.list[0].dtype, VS_DTYPE_F32);
    cr_expect_eq(t.list[0].shape.dims[1], 2);
    cr_expect_str_eq(t.list[1].shape.name, "b");
    cr_expect_eq(t.list[1].dtype, VS_DTYPE_F64);
    cr_expect_eq(t.n, 8);
    vs_tensors_free(&t);
    free(copy);
    vs_buf_free(&b);
}

Test(safetensors, names_the_tensor_and_what_is_wrong_with_its_place)
{
    expect_refusal("{" W "}", 23, VS_ERR_MALFORMED, "tensor w: data_offsets [0, 24] are outside");
    expect_refusal("{" W "}", 25, VS_ERR_MALFORMED, "1 bytes after the values");
    expect_refusal("{\"w\":{\"dtype\":\"F32\",\"shape\":[3,2],\"data_offsets\":[0,20]}}", 20,
                   VS_ERR_MALFORMED,
                   "tensor w: data_offsets span 20 bytes, shape [3, 2] of F32 takes 24");
    expect_refusal("{" W ",\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[20,28]}}", 28,
                   VS_ERR_MALFORMED, "tensor b: its data_offsets overlap");
    expect_refusal("{" W ",\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[28,36]}}", 36,
                   VS_ERR_MALFORMED, "tensor b: its data_offsets leave a hole");
    expect_refusal("{" W ",\"b\":{\"dtype\":\"F32\",\"shape\":[6],\"data_offsets\":[0,24]}}", 24,
                   VS_ERR_MALFORMED, "overlap");
    expect_refusal("{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8,
                   VS_ERR_MALFORMED, "leave a hole");
    expect_refusal("{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,4]}}", 8,
                   VS_ERR_MALFORMED, "outside");
    expect_refusal("{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4,
                   VS_ERR_MALFORMED, "data_offsets must hold whole numbers");
    expect_refusal("{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 4,
                   VS_ERR_MALFORMED, "a list of two numbers");
}

Test(safetensors, names_the_member_that_is_wrong)
{
    expect_refusal("{\"w\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8,
                   VS_ERR_MALFORMED, "tensor w has dtype I64: only F64, F32, F16 and BF16");
    expect_refusal("{\"w\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,8]}}", 8,
                   VS_ERR_MALFORMED, "dtype must be a string");
    expect_refusal("{\"w\":{\"shape\":[1],\"data_offsets\":[0,8]}}", 8, VS_ERR_MALFORMED,
                   "\"dtype\" is missing");
    expect_refusal("{\"w\":{\"dtype\":\"F64\",\"data_offsets\":[0,8]}}", 8, VS_ERR_MALFORMED,
                   "\"shape\" is missing");
    expect_refusal("{\"w\":{\"dtype\":\"F64\",\"shape\":[1]}}", 8, VS_ERR_MALFORMED,
                   "\"data_offsets\" is missing");
    expect_refusal("{\"w\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8],\"x\":1}}", 8,
                   VS_ERR_MALFORMED, "members other than");
    expect_refusal("{\"w\":{\"dtype\":\"F64\",\"shape\":{},\"data_offsets\":[0,8]}}", 8,
                   VS_ERR_MALFORMED, "shape must be a list");
    expect_refusal("{\"w\":{\"dtype\":\"F64\",\"shape\":[1.0],\"data_offsets\":[0,8]}}", 8,
                   VS_ERR_MALFORMED, "shape must hold whole numbers");
    expect_refusal(
        "{\"w\":{\"dtype\":\"F64\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,8]}}", 8,
        VS_ERR_LIMIT, "tensor w has 9 dimensions");
    expect_refusal("{\"w\":7}", 8, VS_ERR_MALFORMED, "tensor w: must be an object");
    expect_refusal("{\"__metadata__\":7}", 0, VS_ERR_MALFORMED, "__metadata__ must be an object");
    expect_refusal("{\"__metadata__\":{\"a\":7}}", 0, VS_ERR_MALFORMED, "\"a\" must be a string");
    expect_refusal("{\"\":{}}", 0, VS_ERR_MALFORMED, "is empty");
    expect_refusal("{\"a\\u0007\":{}}", 0, VS_ERR_MALFORMED, "control character");
    expect_refusal("{" W "," W "}", 24, VS_ERR_MALFORMED, "not JSON: duplicate object key");
    expect_refusal("{" W "} x", 24, VS_ERR_MALFORMED, "not JSON");
}

Test(safetensors, counts_values_before_it_takes_memory)
{
    expect_refusal("{\"w\":{\"dtype\":\"F32\",\"shape\":[1001],\"data_offsets\":[0,4004]}}", 4004,
                   VS_ERR_LIMIT, "tensor w: too many values, at most 1000 more");
    expect_refusal("{" W ",\"b\":{\"dtype\":\"F32\",\"shape\":[995],\"data_offsets\":[24,4004]}}",
                   4004, VS_ERR_LIMIT, "at most 994 more");
    expect_refusal("{\"w\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],"
                   "\"data_offsets\":[0,0]}}",
                   0, VS_ERR_LIMIT, "too many values");
    expect_refusal("{\"w\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],"
                   "\"data_offsets\":[0,0]}}",
                   0, VS_ERR_MALFORMED, "not JSON");
}

Test(safetensors, refuses_every_truncation_and_a_header_that_is_too_long)
{
    vs_buf b = file_of("{" W "}", 24);
    vs_tensors t;
    vs_diag diag;
    uint8_t *copy;
    for (size_t len = 0; len < b.len; len++) {
        cr_expect_eq(parse_bytes(&t, b.p, len, MANY, &diag, &copy), VS_ERR_MALFORMED, "%zu", len);
        free(copy);
    }
    vs_store_le64(b.p, VS_SAFETENSORS_HEADER_MAX + 1);
    cr_expect_eq(parse_bytes(&t, b.p, b.len, MANY, &diag, &copy), VS_ERR_LIMIT);
    free(copy);
    vs_store_le64(b.p, UINT64_MAX);
    cr_expect_eq(parse_bytes(&t, b.p, b.len, MANY, &diag, &copy), VS_ERR_LIMIT);
    free(copy);
    vs_buf_free(&b);
}

/* Whatever one byte of the header is: no crash, no value from outside the file, and a message. */
Test(safetensors, survives_every_change_of_a_byte_before_the_values)
{
    vs_buf b = file_of("{" B "," W "}", 40);
    uint32_t accepted = 0;
    for (size_t i = 0; i < b.len - 40; i++) {
        const uint8_t was = b.p[i];
        for (unsigned v = 0; v < 256; v += 3) {
            vs_tensors t;
            vs_diag diag;
            uint8_t *copy;
            b.p[i] = (uint8_t)v;
            if (parse_bytes(&t, b.p, b.len, MANY, &diag, &copy) == VS_OK) {
                double values[MANY];
                for (uint32_t k = 0; k < t.count; k++) {
                    cr_assert_eq(vs_tensors_read(&t, k, values, "x", &diag), VS_OK);
                }
                accepted++;
                vs_tensors_free(&t);
            }
            free(copy);
        }
        b.p[i] = was;
    }
    cr_expect_gt(accepted, 0); /* other names are as good */
    vs_buf_free(&b);
}

/* --- types --------------------------------------------------------------------------------- */

Test(dtype, half_types_read_and_round_as_IEEE_754_says)
{
    static const struct {
        vs_dtype dtype;
        uint16_t bits;
        double value;
    } exact[] = {
        {VS_DTYPE_F16, 0x3c00, 1.0},         {VS_DTYPE_F16, 0xc000, -2.0},
        {VS_DTYPE_F16, 0x7bff, 65504.0},     {VS_DTYPE_F16, 0x0001, 0x1p-24},
        {VS_DTYPE_F16, 0x03ff, 0x1.ff8p-15}, {VS_DTYPE_F16, 0x0400, 0x1p-14},
        {VS_DTYPE_F16, 0x7c00, INFINITY},    {VS_DTYPE_F16, 0x8000, -0.0},
        {VS_DTYPE_BF16, 0x3f80, 1.0},        {VS_DTYPE_BF16, 0xc040, -3.0},
        {VS_DTYPE_BF16, 0x7f7f, 0x1.fep127}, {VS_DTYPE_BF16, 0x0001, 0x1p-133},
        {VS_DTYPE_BF16, 0xff80, -INFINITY},  {VS_DTYPE_F16, 0x3555, 0x1.554p-2},
    };
    for (size_t i = 0; i < sizeof exact / sizeof exact[0]; i++) {
        uint8_t bytes[2] = {(uint8_t)exact[i].bits, (uint8_t)(exact[i].bits >> 8)}, again[2];
        double v;
        vs_dtype_load(&v, bytes, 1, exact[i].dtype);
        cr_expect_eq(v, exact[i].value, "%04x is %a", exact[i].bits, v);
        vs_dtype_store(again, &v, 1, exact[i].dtype);
        cr_expect_arr_eq(again, bytes, 2, "%04x", exact[i].bits);
    }
    static const struct {
        double value;
        uint16_t half, brain;
    } rounded[] = {
        {1 + 0x1p-11, 0x3c00, 0x3f80},           /* tie to even */
        {1 + 0x1p-11 + 0x1p-40, 0x3c01, 0x3f80}, /* one rounding: not by way of float */
        {1 + 3 * 0x1p-11, 0x3c02, 0x3f80},
        {1 + 0x1p-8, 0x3c04, 0x3f80}, /* tie of bfloat16 */
        {65519.9, 0x7bff, 0x4780},
        {65520, 0x7c00, 0x4780},
        {0x1p-25, 0x0000, 0x3300},
        {0x1.8p-25, 0x0001, 0x3340},
        {0x1.ffcp-15, 0x0400, 0x3880}, /* up into the normal numbers */
        {1e300, 0x7c00, 0x7f80},
    };
    for (size_t i = 0; i < sizeof rounded / sizeof rounded[0]; i++) {
        uint8_t bytes[2];
        vs_dtype_store(bytes, &rounded[i].value, 1, VS_DTYPE_F16);
        cr_expect_eq(bytes[0] | bytes[1] << 8, rounded[i].half, "%zu: %02x%02x", i, bytes[1],
                     bytes[0]);
        vs_dtype_store(bytes, &rounded[i].value, 1, VS_DTYPE_BF16);
        cr_expect_eq(bytes[0] | bytes[1] << 8, rounded[i].brain, "%zu: %02x%02x", i, bytes[1],
                     bytes[0]);
    }
}

Test(dtype, every_half_value_survives_reading_and_writing)
{
    for (int d = VS_DTYPE_F16; d <= VS_DTYPE_BF16; d++) {
        for (uint32_t bits = 0; bits < 65536; bits++) {
            const uint8_t in[2] = {(uint8_t)bits, (uint8_t)(bits >> 8)};
            uint8_t out[2];
            double v;
            vs_dtype_load(&v, in, 1, (vs_dtype)d);
            vs_dtype_store(out, &v, 1, (vs_dtype)d);
            if (isnan(v)) continue;
            cr_assert_arr_eq(in, out, 2, "%04x", bits);
        }
    }
}

/* --- writing ------------------------------------------------------------------------------- */

Test(tensors_out, what_it_writes_in_any_pieces_reads_back)
{
    static const vs_tensor_shape shapes[] = {{"layer.\"w\"", 2, {3, 2}},
                                             {"empty", 1, {0}},
                                             {"scalar", 0, {0}},
                                             {"b", 1, {20000}},
                                             {"none", 2, {0, 7}}};
    static const vs_dtype dtypes[] = {VS_DTYPE_F32, VS_DTYPE_F64, VS_DTYPE_F32, VS_DTYPE_F64,
                                      VS_DTYPE_F16};
    enum { N = 6 + 1 + 20000 };
    static double values[N], back[N];
    char *folder = vs_test_folder_new();
    char path[300];
    for (size_t i = 0; i < N; i++) values[i] = (double)i / 4; /* exact in float32 */
    for (int c = VS_CONTAINER_NPZ; c <= VS_CONTAINER_SAFETENSORS; c++) {
        for (size_t piece = 1; piece < 3 * N; piece = piece * 37 + 1) {
            vs_tensors_out *out;
            vs_tensors t;
            vs_diag diag;
            (void)snprintf(path, sizeof path, "%s/x%s", folder,
                           vs_container_extension((vs_container)c));
            cr_assert_eq(vs_tensors_out_new(&out, path, (vs_container)c, shapes, dtypes, 5, &diag),
                         VS_OK, "%s", diag.text);
            for (size_t at = 0; at < N; at += piece) {
                cr_assert_eq(
                    vs_tensors_out_put(out, values + at, N - at < piece ? N - at : piece, &diag),
                    VS_OK);
            }
            cr_assert_eq(vs_tensors_out_commit(out, &diag), VS_OK, "%s", diag.text);
            vs_tensors_out_free(out);
            cr_assert_eq(vs_tensors_open(&t, path, N, &diag), VS_OK, "%s", diag.text);
            cr_assert_eq(t.count, 5);
            cr_assert_eq(t.n, N);
            size_t at = 0;
            for (uint32_t i = 0; i < t.count; i++) {
                const vs_tensor *x = &t.list[i];
                uint32_t which = 0;
                while (strcmp(shapes[which].name, x->shape.name) != 0) which++;
                cr_assert_eq(x->shape.n_dims, shapes[which].n_dims);
                if (x->n == 0) continue;
                cr_assert_eq(vs_tensors_read(&t, i, back + at, path, &diag), VS_OK);
                at += x->n;
            }
            cr_expect_arr_eq(back, values, sizeof values);
            vs_tensors_free(&t);
        }
    }
    vs_test_folder_remove(folder);
}

Test(tensors_out, a_file_that_is_not_committed_leaves_nothing)
{
    static const vs_tensor_shape shape = {"w", 1, {3}};
    static const vs_dtype dtype = VS_DTYPE_F64;
    const double values[3] = {1, 2, 3};
    char *folder = vs_test_folder_new();
    char path[300];
    vs_tensors_out *out;
    vs_diag diag;
    (void)snprintf(path, sizeof path, "%s/x.npy", folder);
    cr_assert_eq(vs_tensors_out_new(&out, path, VS_CONTAINER_NPY, &shape, &dtype, 1, &diag), VS_OK);
    cr_assert_eq(vs_tensors_out_put(out, values, 3, &diag), VS_OK);
    vs_tensors_out_free(out);
    cr_expect(!vs_file_exists(path));
    cr_expect_eq(rmdir(folder), 0, "something is left in the folder");
    free(folder);
}
