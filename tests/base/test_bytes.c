#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/bytes.h"
#include "tests/support.h"

/* --- reader ------------------------------------------------------------------------------------
 */

Test(bytes, reader_reads_little_endian_in_order)
{
    uint8_t in[1 + 4 + 8 + 32 + 3];
    for (size_t i = 0; i < sizeof in; i++) in[i] = (uint8_t)(i + 1);
    vs_reader r = vs_reader_of(in, sizeof in);
    vs_h32 h;
    cr_expect_eq(vs_read_u8(&r), 1);
    cr_expect_eq(vs_read_u32(&r), 0x05040302);
    cr_expect_eq(vs_read_u64(&r), UINT64_C(0x0d0c0b0a09080706));
    vs_read_h32(&r, &h);
    cr_expect_arr_eq(h.b, in + 13, 32);
    cr_expect_not(vs_reader_done(&r), "three bytes are left");
    cr_expect_eq(vs_read_bytes(&r, 3), in + 45);
    cr_expect(vs_reader_done(&r));
}

/* Every length that is too short, for every kind of read: zero output, sticky. The input is
 * malloc'd to its exact size so that a read past it is seen. */
Test(bytes, reader_never_passes_its_end)
{
    for (size_t len = 0; len < 32; len++) {
        uint8_t *in = malloc(len + 1);
        uint8_t *exact = realloc(in, len == 0 ? 1 : len);
        cr_assert_not_null(exact);
        memset(exact, 0xff, len == 0 ? 1 : len);
        vs_reader r = vs_reader_of(exact, len);
        vs_h32 h;
        memset(&h, 0xaa, sizeof h);
        vs_read_h32(&r, &h);
        cr_expect(vs_h32_is_zero(&h));
        cr_expect(r.bad);
        cr_expect_not(vs_reader_done(&r));
        cr_expect_eq(vs_read_u8(&r), 0, "bad is sticky");
        cr_expect_null(vs_read_bytes(&r, 0));
        r = vs_reader_of(exact, len);
        if (len < 8) {
            cr_expect_eq(vs_read_u64(&r), 0);
            cr_expect(r.bad);
        }
        r = vs_reader_of(exact, len);
        if (len < 4) {
            cr_expect_eq(vs_read_u32(&r), 0);
            cr_expect(r.bad);
        }
        r = vs_reader_of(exact, len);
        cr_expect_null(vs_read_bytes(&r, len + 1));
        r = vs_reader_of(exact, len);
        cr_expect_null(vs_read_bytes(&r, SIZE_MAX));
        r = vs_reader_of(exact, len);
        cr_expect_eq(vs_read_bytes(&r, len), exact);
        cr_expect(vs_reader_done(&r));
        free(exact);
    }
}

Test(bytes, reader_of_nothing_is_done)
{
    vs_reader r = vs_reader_of(NULL, 0);
    cr_expect(vs_reader_done(&r));
    cr_expect_eq(vs_read_u8(&r), 0);
    cr_expect_not(vs_reader_done(&r));
}

Test(bytes, reader_wants_the_label_and_its_zero)
{
    static const struct {
        const char *bytes;
        size_t len;
        bool good;
    } cases[] = {
        {"veilsum/v1 x", 13, true},  {"veilsum/v1 x", 12, false},  {"veilsum/v1 y", 13, false},
        {"Veilsum/v1 x", 13, false}, {"veilsum/v1 xx", 14, false}, {"", 0, false},
        {"veilsum/v1 ", 12, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vs_reader r = vs_reader_of(cases[i].bytes, cases[i].len);
        vs_read_label(&r, "veilsum/v1 x");
        cr_expect_eq(vs_reader_done(&r), cases[i].good, "case %zu", i);
        cr_expect_eq(r.bad, !cases[i].good, "case %zu", i);
    }
}

/* --- buffer -------------------------------------------------------------------------------------
 */

Test(bytes, buffer_writes_what_the_reader_reads)
{
    vs_buf b = {0};
    vs_h32 h;
    vs_h32 back;
    vs_test_bytes(h.b, sizeof h.b, 1);
    vs_buf_label(&b, "veilsum/v1 t");
    vs_buf_u8(&b, 0xab);
    vs_buf_u32(&b, 0xdeadbeef);
    vs_buf_u64(&b, UINT64_C(0x1122334455667788));
    vs_buf_h32(&b, &h);
    vs_buf_text(&b, "end");
    vs_buf_printf(&b, "%d-%s", 42, "x");
    cr_assert_eq(vs_buf_check(&b), VS_OK);
    vs_reader r = vs_reader_of(b.p, b.len);
    vs_read_label(&r, "veilsum/v1 t");
    cr_expect_eq(vs_read_u8(&r), 0xab);
    cr_expect_eq(vs_read_u32(&r), 0xdeadbeef);
    cr_expect_eq(vs_read_u64(&r), UINT64_C(0x1122334455667788));
    vs_read_h32(&r, &back);
    cr_expect(vs_h32_equal(&h, &back));
    cr_expect_arr_eq(vs_read_bytes(&r, 7), "end42-x", 7);
    cr_expect(vs_reader_done(&r));
    vs_buf_free(&b);
    cr_expect_null(b.p);
    cr_expect_eq(b.len + b.cap, 0);
}

Test(bytes, buffer_grows_without_losing_a_byte)
{
    vs_buf b = {0};
    for (uint32_t i = 0; i < 5000; i++) vs_buf_u32(&b, i);
    cr_assert_eq(b.len, 20000);
    vs_reader r = vs_reader_of(b.p, b.len);
    for (uint32_t i = 0; i < 5000; i++) cr_assert_eq(vs_read_u32(&r), i);
    size_t cap = b.cap;
    vs_buf_reset(&b);
    cr_expect_eq(b.len, 0);
    cr_expect_eq(b.cap, cap);
    vs_buf_free_secret(&b);
    vs_buf_free_secret(&b); /* of nothing */
}

Test(bytes, buffer_remembers_that_it_could_not_grow)
{
    vs_buf b = {0};
    vs_buf_u8(&b, 1);
    cr_expect_null(vs_buf_extend(&b, SIZE_MAX));
    cr_expect_eq(vs_buf_check(&b), VS_ERR_NOMEM);
    vs_buf_u8(&b, 2); /* a no-op from here on */
    cr_expect_eq(b.len, 1);
    cr_expect_eq(vs_buf_check(&b), VS_ERR_NOMEM);
    vs_buf_free(&b);
    cr_expect_eq(vs_buf_check(&b), VS_OK);
}

/* --- ids
 * ------------------------------------------------------------------------------------------ */

Test(bytes, ids_compare_over_every_byte)
{
    vs_h32 a = {{0}};
    cr_expect(vs_h32_is_zero(&a));
    for (size_t i = 0; i < VS_H32_BYTES; i++) {
        vs_h32 b = a;
        b.b[i] = 0x80;
        cr_expect_not(vs_h32_equal(&a, &b));
        cr_expect_not(vs_h32_is_zero(&b));
        cr_expect_lt(vs_h32_compare_vartime(&a, &b), 0);
        cr_expect_gt(vs_h32_compare_vartime(&b, &a), 0);
        cr_expect_eq(vs_h32_compare_vartime(&b, &b), 0);
        cr_expect(vs_h32_equal(&b, &b));
    }
}

/* --- text forms
 * ------------------------------------------------------------------------------------ */

Test(bytes, hex_goes_both_ways)
{
    uint8_t in[16];
    uint8_t out[16];
    char text[VS_HEX_CHARS(16)];
    vs_test_bytes(in, sizeof in, 3);
    vs_hex_encode(text, in, sizeof in);
    cr_expect_eq(strlen(text), 32);
    cr_expect_eq(vs_hex_decode(out, 16, text), VS_OK);
    cr_expect_arr_eq(in, out, 16);
    cr_expect_eq(vs_hex_decode(out, 2, "aBCd"), VS_OK);
    cr_expect_eq(out[0], 0xab);
    cr_expect_eq(out[1], 0xcd);
    cr_expect_eq(vs_hex_decode(out, 0, ""), VS_OK);
}

Test(bytes, hex_refuses_everything_else)
{
    static const char *const bad[] = {"",
                                      "a",
                                      "abc",
                                      "abcde",
                                      "abcdef",
                                      "abcg",
                                      " abc",
                                      "ab c",
                                      "abc ",
                                      "ab:c",
                                      "0xab",
                                      "ab\ncd",
                                      "-1ab",
                                      "\xc3\xa9"
                                      "ab"};
    uint8_t out[2];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_eq(vs_hex_decode(out, 2, bad[i]), VS_ERR_MALFORMED, "\"%s\"", bad[i]);
    }
}

/* RFC 4648 section 10. */
Test(bytes, base64_matches_the_rfc)
{
    static const char *const known[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    char text[VS_BASE64_CHARS(100)];
    uint8_t out[8];
    size_t len = 99;
    for (size_t i = 0; i < 7; i++) {
        vs_base64_encode(text, known[i][0], strlen(known[i][0]));
        cr_expect_str_eq(text, known[i][1]);
    }
    cr_expect_eq(vs_base64_decode(out, sizeof out, &len, "", 0), VS_OK);
    cr_expect_eq(len, 0);
}

Test(bytes, base64_round_trips_every_length)
{
    for (size_t n = 1; n <= 100; n++) {
        uint8_t in[100];
        uint8_t out[100];
        char text[VS_BASE64_CHARS(100)];
        size_t len = 0;
        vs_test_bytes(in, sizeof in, n);
        vs_base64_encode(text, in, n);
        cr_expect_eq(strlen(text) + 1, VS_BASE64_CHARS(n));
        cr_assert_eq(vs_base64_decode(out, n, &len, text, strlen(text)), VS_OK);
        cr_expect_eq(len, n);
        cr_expect_arr_eq(in, out, n);
        cr_expect_eq(vs_base64_decode(out, n - 1, &len, text, strlen(text)), VS_ERR_MALFORMED,
                     "does not fit");
    }
}

Test(bytes, base64_refuses_what_is_not_canonical)
{
    static const char *const bad[] = {
        "Zg",       "Zg=",      "Z",    "=",     "====",         "Zg=a",   "Z===",
        "Zh==",     "Zm9=",     "Zm8",  "Zm8==", "Zm 8=",        "Zm8=\n", " Zm8=",
        "Zm8=Zm8=", "Zm9v====", "Zm-v", "Zm_v",  "Zm9v\n\n\n\n", "Zm9vZg", "Z*9v",
    };
    uint8_t out[16];
    size_t len = 0;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_eq(vs_base64_decode(out, sizeof out, &len, bad[i], strlen(bad[i])),
                     VS_ERR_MALFORMED, "\"%s\"", bad[i]);
    }
    /* Every byte that is no digit, at every place. */
    for (int c = 0; c < 256; c++) {
        char text[4];
        bool digit = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                     c == '+' || c == '/';
        for (size_t at = 0; at < 4; at++) {
            if (c == '=' && at == 3) continue; /* padding */
            memcpy(text, "AAAA", 4);
            text[at] = (char)c;
            cr_expect_eq(vs_base64_decode(out, sizeof out, &len, text, 4),
                         digit ? VS_OK : VS_ERR_MALFORMED, "byte %d at %zu", c, at);
        }
    }
    /* A zero byte inside is not the end. */
    cr_expect_eq(vs_base64_decode(out, sizeof out, &len, "Zm9v\0Zm9", 8), VS_ERR_MALFORMED);
}
