#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <zlib.h>

#include "base/bytes.h"
#include "base/file.h"
#include "fl/dataset.h"
#include "fl/idx.h"
#include "tests/support.h"

enum { N = 7, SIDE_A = 2, SIDE_B = 3, WIDTH = SIDE_A * SIDE_B };

static void put_be32(vs_buf *b, uint32_t v)
{
    for (int i = 3; i >= 0; i--) vs_buf_u8(b, (uint8_t)(v >> (8 * i)));
}

/* n images of 2 x 3 pixels: pixel i is 3 i mod 256. */
static vs_buf images_of(uint32_t n)
{
    vs_buf b = {0};
    put_be32(&b, 0x803);
    put_be32(&b, n);
    put_be32(&b, SIDE_A);
    put_be32(&b, SIDE_B);
    for (uint32_t i = 0; i < n * WIDTH; i++) vs_buf_u8(&b, (uint8_t)(3 * i));
    cr_assert_eq(vs_buf_check(&b), VS_OK);
    return b;
}

/* n labels 0, 1, 2, 3, 0, ... */
static vs_buf labels_of(uint32_t n)
{
    vs_buf b = {0};
    put_be32(&b, 0x801);
    put_be32(&b, n);
    for (uint32_t i = 0; i < n; i++) vs_buf_u8(&b, (uint8_t)(i % 4));
    cr_assert_eq(vs_buf_check(&b), VS_OK);
    return b;
}

/* Replaces *b by its gzip form. */
static void gzip(vs_buf *b)
{
    vs_buf out = {0};
    z_stream z = {0};
    uint8_t *p = vs_buf_extend(&out, b->len + 1000);
    cr_assert_not_null(p);
    cr_assert_eq(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = b->p;
    z.avail_in = (uInt)b->len;
    z.next_out = p;
    z.avail_out = (uInt)out.len;
    cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    out.len = z.total_out;
    (void)deflateEnd(&z);
    vs_buf_free(b);
    *b = out;
}

/* Bytes on the heap in their exact size, so that ASan sees one byte too far. */
static vs_err parse(vs_idx *out, const uint8_t *bytes, size_t len, uint32_t n_dims, vs_diag *diag)
{
    uint8_t *copy = malloc(len == 0 ? 1 : len);
    cr_assert_not_null(copy);
    memcpy(copy, bytes, len);
    memset(diag, 0, sizeof *diag);
    vs_err err = vs_idx_parse(out, copy, len, "x.idx", n_dims, diag);
    free(copy);
    if (err != VS_OK) {
        cr_expect_null(out->data);
        cr_expect_eq(strncmp(diag->text, "x.idx: ", 7), 0, "message: %s", diag->text);
    }
    return err;
}

static void expect_refusal(const vs_buf *b, size_t len, uint32_t n_dims, vs_err want,
                           const char *part)
{
    vs_idx idx;
    vs_diag diag;
    cr_expect_eq(parse(&idx, b->p, len, n_dims, &diag), want, "%s", diag.text);
    cr_expect_not_null(strstr(diag.text, part), "'%s' lacks '%s'", diag.text, part);
}

static void write_and_free(const char *folder, const char *name, vs_buf b)
{
    char path[512];
    vs_diag diag;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    cr_assert_eq(vs_file_write_durable(path, b.p, b.len, 0600, &diag), VS_OK, "%s", diag.text);
    vs_buf_free(&b);
}

/* A whole data folder; the test files are gzip'd if asked. */
static char *folder_of(uint32_t n_train_labels, bool gzip_test)
{
    char *folder = vs_test_folder_new();
    vs_buf images = images_of(N);
    vs_buf labels = labels_of(3);
    vs_buf test_images = images_of(3);
    if (gzip_test) {
        gzip(&test_images);
        gzip(&labels);
    }
    write_and_free(folder, "train-images-idx3-ubyte", images);
    write_and_free(folder, "train-labels-idx1-ubyte", labels_of(n_train_labels));
    write_and_free(folder, gzip_test ? "t10k-images-idx3-ubyte.gz" : "t10k-images-idx3-ubyte",
                   test_images);
    write_and_free(folder, gzip_test ? "t10k-labels-idx1-ubyte.gz" : "t10k-labels-idx1-ubyte",
                   labels);
    return folder;
}

Test(dataset, loads_a_folder_of_plain_and_gzipped_files)
{
    for (int gz = 0; gz <= 1; gz++) {
        char *folder = folder_of(N, gz != 0);
        vs_dataset train;
        vs_dataset test;
        vs_diag diag = {0};
        cr_assert_eq(vs_dataset_load(&train, &test, folder, NULL, &diag), VS_OK, "%s", diag.text);
        cr_expect_eq(train.n_rows, N);
        cr_expect_eq(train.n_features, WIDTH);
        cr_expect_eq(train.n_classes, 4);
        cr_expect_eq(test.n_rows, 3);
        cr_expect_eq(test.n_classes, 4, "labels 0..2, but the training labels reach 3");
        for (size_t i = 0; i < N * WIDTH; i++) cr_expect_eq(train.pixels[i], (uint8_t)(3 * i));
        for (size_t i = 0; i < 3 * WIDTH; i++) cr_expect_eq(test.pixels[i], (uint8_t)(3 * i));
        for (size_t i = 0; i < N; i++) cr_expect_eq(train.labels[i], i % 4);
        vs_dataset_free(&train);
        vs_dataset_free(&test);
        vs_test_folder_remove(folder);
    }
}

Test(dataset, copies_rows_as_doubles_and_as_a_set_of_their_own)
{
    char *folder = folder_of(N, false);
    const uint32_t rows[] = {5, 0, 5};
    double x[3 * WIDTH];
    vs_dataset train;
    vs_dataset test;
    vs_dataset own;
    cr_assert_eq(vs_dataset_load(&train, &test, folder, NULL, NULL), VS_OK);
    cr_assert_eq(vs_dataset_take(&own, &train, rows, 3), VS_OK);
    cr_expect_eq(own.n_rows, 3);
    cr_expect_eq(own.n_classes, 4);
    for (size_t i = 0; i < 3; i++) cr_expect_eq(own.labels[i], rows[i] % 4);

    vs_dataset_features(x, &train, rows, 0, 3);
    for (size_t i = 0; i < 3 * WIDTH; i++) {
        size_t at = rows[i / WIDTH] * WIDTH + i % WIDTH;
        cr_expect_eq(x[i], (double)(uint8_t)(3 * at) / 255.0);
        cr_expect_eq(own.pixels[i], (uint8_t)(3 * at));
    }
    vs_dataset_features(x, &train, NULL, 4, 3);
    for (size_t i = 0; i < 3 * WIDTH; i++) {
        cr_expect_eq(x[i], (double)(uint8_t)(3 * (4 * WIDTH + i)) / 255.0);
    }
    vs_dataset_free(&own);
    vs_dataset_free(&train);
    vs_dataset_free(&test);
    vs_test_folder_remove(folder);
}

Test(dataset, names_the_missing_file)
{
    char *folder = vs_test_folder_new();
    char want[64] = "has no train-images-idx3-ubyte or train-images-idx3-ubyte.gz";
    vs_dataset train;
    vs_dataset test;
    vs_diag diag;
    cr_expect_eq(vs_dataset_load(&train, &test, folder, NULL, &diag), VS_ERR_IO);
    cr_expect_not_null(strstr(diag.text, want), "%s", diag.text);
    cr_expect_null(train.pixels);
    write_and_free(folder, "train-images-idx3-ubyte", images_of(N));
    cr_expect_eq(vs_dataset_load(&train, &test, folder, NULL, &diag), VS_ERR_IO);
    cr_expect_not_null(strstr(diag.text, "train-labels-idx1-ubyte"), "%s", diag.text);
    vs_test_folder_remove(folder);
}

Test(dataset, refuses_images_and_labels_that_differ_in_number)
{
    char *folder = folder_of(N - 1, false);
    vs_dataset train;
    vs_dataset test;
    vs_diag diag;
    cr_expect_eq(vs_dataset_load(&train, &test, folder, NULL, &diag), VS_ERR_MALFORMED);
    cr_expect_not_null(strstr(diag.text, "has 7 images, but"), "%s", diag.text);
    cr_expect_not_null(strstr(diag.text, "has 6 labels"), "%s", diag.text);
    cr_expect_null(train.pixels);
    cr_expect_null(test.pixels);
    vs_test_folder_remove(folder);
}

Test(dataset, refuses_every_truncation)
{
    vs_buf plain = images_of(N);
    vs_buf packed = images_of(N);
    gzip(&packed);
    for (size_t len = 0; len < plain.len; len++) {
        expect_refusal(&plain, len, 3, VS_ERR_MALFORMED, len == 0 ? "empty" : "truncated");
    }
    expect_refusal(&plain, plain.len - 1, 3, VS_ERR_MALFORMED, "truncated: 41 of 42 bytes");
    for (size_t len = 2; len < packed.len; len++) {
        expect_refusal(&packed, len, 3, VS_ERR_MALFORMED, "truncated");
    }
    vs_buf_free(&plain);
    vs_buf_free(&packed);
}

Test(dataset, refuses_leftovers)
{
    vs_buf plain = images_of(N);
    vs_buf packed = images_of(N);
    vs_buf inside = images_of(N);
    gzip(&packed);
    vs_buf_u8(&inside, 0);
    gzip(&inside);
    vs_buf_u8(&plain, 0);
    vs_buf_u8(&packed, 0);
    expect_refusal(&plain, plain.len, 3, VS_ERR_MALFORMED, "after the end");
    expect_refusal(&packed, packed.len, 3, VS_ERR_MALFORMED, "after the end");
    expect_refusal(&inside, inside.len, 3, VS_ERR_MALFORMED, "after the end");
    vs_buf_free(&plain);
    vs_buf_free(&packed);
    vs_buf_free(&inside);
}

/* One bit at a time; a padding bit of the last block may be accepted, with the same data. */
Test(dataset, refuses_damaged_gzip_data)
{
    vs_buf plain = images_of(N);
    vs_buf packed = images_of(N);
    size_t n_accepted = 0;
    gzip(&packed);
    for (size_t i = 10; i < packed.len; i++) { /* after the gzip header: data and checksum */
        vs_idx idx;
        vs_diag diag;
        packed.p[i] ^= 0x10;
        if (parse(&idx, packed.p, packed.len, 3, &diag) == VS_OK) {
            n_accepted++;
            cr_expect_eq(memcmp(idx.data, plain.p + 16, idx.n), 0, "byte %zu", i);
            vs_idx_free(&idx);
        }
        packed.p[i] ^= 0x10;
    }
    cr_expect_leq(n_accepted, 1);
    vs_buf_free(&plain);
    vs_buf_free(&packed);
}

Test(dataset, refuses_wrong_magic_type_and_dimensions)
{
    vs_buf b = images_of(N);
    for (size_t i = 0; i < 3; i++) {
        b.p[i] ^= 1;
        expect_refusal(&b, b.len, 3, VS_ERR_MALFORMED, "not an IDX file of unsigned bytes");
        b.p[i] ^= 1;
    }
    expect_refusal(&b, b.len, 1, VS_ERR_MALFORMED, "3 dimensions where 1 are needed");
    b.p[7] = 0;
    expect_refusal(&b, b.len, 3, VS_ERR_MALFORMED, "dimension 0 is 0");
    memset(b.p + 4, 0xff, 12);
    expect_refusal(&b, b.len, 3, VS_ERR_LIMIT, "larger than the limit");
    vs_buf_free(&b);
}

/* A small gzip file that declares a gigabyte is refused before memory is taken. */
Test(dataset, refuses_a_promise_the_file_cannot_hold)
{
    vs_buf b = images_of(N);
    b.p[4] = 0;
    b.p[5] = 0xff; /* 16 million images */
    gzip(&b);
    expect_refusal(&b, b.len, 3, VS_ERR_MALFORMED, "cannot hold");
    vs_buf_free(&b);
}
