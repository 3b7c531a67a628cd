#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "net/submission.h"
#include "tests/support.h"

static vs_header header_of(uint32_t count)
{
    vs_header h = {0};
    vs_test_bytes(&h.id.federation_id, 32, 1);
    h.id.round = 7;
    vs_test_bytes(&h.model_hash, 32, 2);
    vs_test_bytes(&h.params_hash, 32, 3);
    vs_test_bytes(&h.client_key, 32, 4);
    vs_test_bytes(&h.salt, 32, 5);
    h.count = count;
    for (uint32_t i = 0; i < count; i++) {
        h.share[i].j = 1 + i * 128 / count;
        vs_test_bytes(&h.share[i].commitment, 32, 100 + i);
        vs_test_bytes(&h.share[i].ephemeral_key, 32, 300 + i);
        h.share[i].sealed_len = 1000 + i;
    }
    return h;
}

static vs_buf bytes_of(const vs_header *h)
{
    vs_buf b = {0};
    cr_assert_eq(vs_header_encode(&b, h), VS_OK);
    cr_assert_eq(b.len, vs_header_len(h->count));
    return b;
}

Test(submission, header_survives_the_wire)
{
    const uint32_t counts[] = {1, 2, 5, 128};
    for (size_t i = 0; i < 4; i++) {
        vs_header h = header_of(counts[i]), back;
        vs_header_derive(&h);
        vs_buf b = bytes_of(&h);
        vs_h32 submission;
        cr_assert_eq(vs_header_decode(&back, b.p, b.len), VS_OK);
        cr_expect(memcmp(&h.id, &back.id, sizeof h.id) == 0);
        cr_expect_eq(back.count, counts[i]);
        for (uint32_t s = 0; s < counts[i]; s++) {
            cr_expect_eq(back.share[s].j, h.share[s].j);
            cr_expect_eq(back.share[s].sealed_len, h.share[s].sealed_len);
            cr_expect(vs_h32_equal(&back.share[s].commitment, &h.share[s].commitment));
            cr_expect(vs_h32_equal(&back.share[s].ephemeral_key, &h.share[s].ephemeral_key));
        }
        vs_sha256(&submission, b.p, b.len);
        cr_expect(vs_h32_equal(&back.submission, &submission));
        cr_expect(vs_h32_equal(&back.submission, &h.submission));
        cr_expect(vs_h32_equal(&back.pseudonym, &h.pseudonym));
        cr_expect(vs_h32_equal(&back.ctx, &h.ctx));
        cr_expect(vs_h32_equal(&back.commit_root, &h.commit_root));
        vs_buf_free(&b);
    }
}

Test(submission, header_refuses_every_truncation_and_any_leftover)
{
    vs_header h = header_of(3), back;
    vs_buf b = bytes_of(&h);
    for (size_t len = 0; len < b.len; len++) {
        uint8_t *cut = malloc(len == 0 ? 1 : len); /* exact size: a read past it is seen */
        memcpy(cut, b.p, len);
        cr_expect_eq(vs_header_decode(&back, cut, len), VS_ERR_MALFORMED, "length %zu", len);
        free(cut);
    }
    vs_buf_u8(&b, 0);
    cr_expect_eq(vs_header_decode(&back, b.p, b.len), VS_ERR_MALFORMED);
    vs_buf_free(&b);
}

/* offset of fields: label 18, federation 32, round 8, four hashes, count, shares of 76 */
#define COUNT_AT (18 + 32 + 8 + 4 * 32)
#define SHARE_AT(i) (COUNT_AT + 4 + (i)*76)

static void header_with(size_t at, uint32_t value, const char *what)
{
    vs_header h = header_of(3), back;
    memset(&back, 0xaa, sizeof back);
    vs_buf b = bytes_of(&h);
    vs_store_le32(b.p + at, value);
    cr_expect_eq(vs_header_decode(&back, b.p, b.len), VS_ERR_MALFORMED, "%s", what);
    cr_expect_eq(back.count, 0xaaaaaaaa, "%s: output changed", what);
    vs_buf_free(&b);
}

Test(submission, header_refuses_bad_fields)
{
    header_with(0, 0x41414141, "label");
    header_with(COUNT_AT, 0, "count 0");
    header_with(COUNT_AT, 2, "count too small");
    header_with(COUNT_AT, 4, "count too large");
    header_with(COUNT_AT, 129, "count over the maximum");
    header_with(COUNT_AT, UINT32_MAX, "huge count");
    header_with(SHARE_AT(0), 0, "index 0");
    header_with(SHARE_AT(1), 1, "index twice");
    header_with(SHARE_AT(2), 2, "index descending");
    header_with(SHARE_AT(2), 129, "index over 128");
}

Test(submission, derived_values_depend_on_every_field)
{
    vs_header base = header_of(2);
    vs_header_derive(&base);
    vs_buf b = bytes_of(&base);
    for (size_t at = 18; at < b.len; at++) {
        vs_header changed;
        b.p[at] ^= 1;
        if (vs_header_decode(&changed, b.p, b.len) == VS_OK) {
            cr_expect(!vs_h32_equal(&changed.submission, &base.submission), "byte %zu", at);
            if (at < COUNT_AT) cr_expect(!vs_h32_equal(&changed.ctx, &base.ctx), "byte %zu", at);
        }
        b.p[at] ^= 1;
    }
    vs_buf_free(&b);
}

#define R 3u
static vs_buf trailer_of(vs_fe2 w[R], const vs_round_id *id, const vs_h32 *submission)
{
    vs_buf b = {0};
    for (uint32_t i = 0; i < R; i++) {
        w[i].re.v = vs_test_u64(9, 2 * i) >> 4;
        w[i].im.v = VS_FE_P - 1 - i;
    }
    cr_assert_eq(vs_trailer_encode(&b, id, submission, w, R), VS_OK);
    cr_assert_eq(b.len, vs_trailer_len(R));
    return b;
}

Test(submission, trailer_survives_the_wire_and_refuses_changes)
{
    vs_header h = header_of(3);
    vs_header_derive(&h);
    vs_fe2 w[R], back[R];
    vs_buf b = trailer_of(w, &h.id, &h.submission);
    cr_assert_eq(vs_trailer_decode(back, R, &h.id, &h.submission, b.p, b.len), VS_OK);
    cr_expect(memcmp(w, back, sizeof w) == 0);
    for (size_t len = 0; len < b.len; len++) {
        uint8_t *cut = malloc(len == 0 ? 1 : len);
        memcpy(cut, b.p, len);
        cr_expect_eq(vs_trailer_decode(back, R, &h.id, &h.submission, cut, len), VS_ERR_MALFORMED);
        free(cut);
    }
    cr_expect_eq(vs_trailer_decode(back, R + 1, &h.id, &h.submission, b.p, b.len),
                 VS_ERR_MALFORMED);
    cr_expect_eq(vs_trailer_decode(back, R - 1, &h.id, &h.submission, b.p, b.len),
                 VS_ERR_MALFORMED);
    /* every byte of label, federation, round and submission matters */
    for (size_t at = 0; at < b.len - R * VS_FE2_BYTES; at++) {
        b.p[at] ^= 0x20;
        cr_expect_neq(vs_trailer_decode(back, R, &h.id, &h.submission, b.p, b.len), VS_OK,
                      "byte %zu", at);
        b.p[at] ^= 0x20;
    }
    vs_buf_free(&b);
}

Test(submission, trailer_refuses_every_noncanonical_element)
{
    const uint64_t bad[] = {VS_FE_P, VS_FE_P + 1, UINT64_C(1) << 63, UINT64_MAX};
    vs_header h = header_of(3);
    vs_header_derive(&h);
    vs_fe2 w[R], back[R];
    memset(back, 0xaa, sizeof back);
    for (size_t e = 0; e < 2 * R; e++) {
        for (size_t i = 0; i < 4; i++) {
            vs_buf b = trailer_of(w, &h.id, &h.submission);
            vs_store_le64(b.p + b.len - (2 * R - e) * 8, bad[i]);
            cr_expect_eq(vs_trailer_decode(back, R, &h.id, &h.submission, b.p, b.len),
                         VS_ERR_MALFORMED);
            vs_buf_free(&b);
        }
    }
    cr_expect_eq(back[0].re.v, UINT64_C(0xaaaaaaaaaaaaaaaa));
}

Test(submission, manifest_hash_is_of_header_and_w_bytes)
{
    vs_header h = header_of(3);
    vs_header_derive(&h);
    vs_fe2 w[R];
    vs_h32 hash, expected;
    vs_buf head = bytes_of(&h), trailer = trailer_of(w, &h.id, &h.submission);
    vs_manifest_hash(&hash, head.p, head.len, w, R);
    vs_buf_bytes(&head, trailer.p + trailer.len - R * VS_FE2_BYTES, R * VS_FE2_BYTES);
    vs_sha256(&expected, head.p, head.len);
    cr_expect(vs_h32_equal(&hash, &expected));
    vs_buf_free(&head);
    vs_buf_free(&trailer);
}

Test(submission, records_survive_and_must_ascend)
{
    uint8_t records[3][VS_RECORD_BYTES];
    vs_record r[3], back;
    vs_h32 root, empty, one;
    for (uint8_t i = 0; i < 3; i++) {
        vs_test_bytes(&r[i], sizeof r[i], i);
        r[i].pseudonym.b[0] = i;
        vs_record_encode(records[i], &r[i]);
        vs_record_decode(&back, records[i]);
        cr_expect(memcmp(&back, &r[i], sizeof back) == 0);
    }
    cr_assert_eq(vs_records_root(&root, records[0], 3), VS_OK);
    cr_assert_eq(vs_records_root(&one, records[0], 1), VS_OK);
    cr_expect(!vs_h32_equal(&root, &one));
    vs_merkle_leaf(&empty, records[0], VS_RECORD_BYTES);
    cr_expect(vs_h32_equal(&one, &empty));
    cr_assert_eq(vs_records_root(&root, NULL, 0), VS_OK);
    vs_sha256(&empty, NULL, 0);
    cr_expect(vs_h32_equal(&root, &empty));

    memcpy(records[1], records[0], 32); /* same pseudonym twice */
    cr_expect_eq(vs_records_root(&root, records[0], 3), VS_ERR_MALFORMED);
    records[1][0] = 9; /* descending */
    cr_expect_eq(vs_records_root(&root, records[0], 3), VS_ERR_MALFORMED);
}

Test(submission, rejected_record_has_its_reason_and_zeros)
{
    vs_h32 a = {{1}}, b = {{2}};
    uint8_t out[VS_RECORD_BYTES];
    for (int reason = VS_REJECT_LATE; reason <= VS_REJECT_INCOMPLETE; reason++) {
        vs_rejected_encode(out, &a, &b, (vs_reject)reason);
        cr_expect_eq(out[0], 1);
        cr_expect_eq(out[32], 2);
        cr_expect_eq(out[64], reason);
        for (size_t i = 65; i < sizeof out; i++) cr_expect_eq(out[i], 0);
        cr_expect(strcmp(vs_reject_name((vs_reject)reason), "unknown") != 0);
    }
    cr_expect_str_eq(vs_reject_name(VS_REJECT_SHARE_INCONSISTENT), "share-inconsistent");
    cr_expect_str_eq(vs_reject_name((vs_reject)99), "unknown");
}

Test(submission, proposal_survives_and_refuses_cuts)
{
    vs_proposal p = {0}, back;
    vs_test_bytes(&p.id.federation_id, 32, 1);
    p.id.round = 5;
    vs_test_bytes(&p.params_hash, 32, 2);
    p.count = 8;
    vs_test_bytes(&p.root, 32, 3);
    p.rejected_count = 2;
    vs_test_bytes(&p.rejected_root, 32, 4);
    vs_buf b = {0};
    cr_assert_eq(vs_proposal_encode(&b, &p), VS_OK);
    cr_assert_eq(b.len, vs_proposal_len());
    cr_assert_eq(vs_proposal_decode(&back, b.p, b.len), VS_OK);
    cr_expect_eq(back.id.round, 5);
    cr_expect_eq(back.count, 8);
    cr_expect_eq(back.rejected_count, 2);
    cr_expect(vs_h32_equal(&back.root, &p.root));
    cr_expect(vs_h32_equal(&back.rejected_root, &p.rejected_root));
    cr_expect(vs_h32_equal(&back.params_hash, &p.params_hash));
    for (size_t len = 0; len < b.len; len++) {
        cr_expect_eq(vs_proposal_decode(&back, b.p, len), VS_ERR_MALFORMED);
    }
    vs_buf_u8(&b, 0);
    cr_expect_eq(vs_proposal_decode(&back, b.p, b.len), VS_ERR_MALFORMED);
    vs_buf_free(&b);
}

/* A vote names H(proposal): the hash over the fields equals the hash over the bytes. */
Test(submission, vote_names_the_hash_of_the_proposal_bytes)
{
    vs_proposal p = {.id.round = 5, .count = 3, .root = {{3}}, .params_hash = {{4}}};
    vs_buf b = {0}, vote = {0};
    vs_h32 hash;
    cr_assert_eq(vs_proposal_encode(&b, &p), VS_OK);
    cr_assert_eq(vs_vote_bytes(&vote, &p, 6), VS_OK);
    vs_sha256(&hash, b.p, b.len);
    cr_assert_eq(vote.len, sizeof "veilsum/v1 vote" + 32 + 8 + 4 + 32);
    cr_expect(memcmp(vote.p + vote.len - 32, hash.b, 32) == 0);
    cr_expect_eq(vs_load_le32(vote.p + vote.len - 36), 6);
    vs_buf_free(&b);
    vs_buf_free(&vote);
}

/* No two kinds of statement can be mistaken for each other: all bytes differ by label. */
Test(submission, statements_have_their_documented_layout)
{
    vs_round_id id = {.federation_id = {{1}}, .round = 2};
    vs_h32 h = {{9}};
    vs_buf b = {0};
    cr_assert_eq(vs_round_key_bytes(&b, &id, 3, &h), VS_OK);
    cr_expect_str_eq((char *)b.p, "veilsum/v1 round key");
    cr_expect_eq(b.len, 21 + 32 + 8 + 4 + 32);
    vs_buf_reset(&b);
    cr_assert_eq(vs_receipt_bytes(&b, &id, 3, &h), VS_OK);
    cr_expect_str_eq((char *)b.p, "veilsum/v1 receipt");
    cr_expect_eq(b.len, 19 + 32 + 8 + 4 + 32);
    vs_buf_reset(&b);
    cr_assert_eq(vs_list_bytes(&b, &id, 3, 4, &h), VS_OK);
    cr_expect_str_eq((char *)b.p, "veilsum/v1 list");
    cr_expect_eq(b.len, 16 + 32 + 8 + 4 + 4 + 32);
    vs_buf_reset(&b);
    cr_assert_eq(vs_control_bytes(&b, &id, VS_OPERATION_CANCEL, 77, &h), VS_OK);
    cr_expect_str_eq((char *)b.p, "veilsum/v1 control");
    cr_expect_eq(b.len, 19 + 32 + 8 + 1 + 8 + 32);
    cr_expect_eq(b.p[19 + 40], 3);
    vs_buf_free(&b);
}

Test(submission, answer_context_depends_on_every_input)
{
    vs_round_id id = {.federation_id = {{1}}, .round = 2};
    vs_h32 leaf = {{9}}, a, b;
    vs_answer_context(&a, &id, &leaf);
    leaf.b[31] ^= 1;
    vs_answer_context(&b, &id, &leaf);
    cr_expect(!vs_h32_equal(&a, &b));
    leaf.b[31] ^= 1;
    id.round++;
    vs_answer_context(&b, &id, &leaf);
    cr_expect(!vs_h32_equal(&a, &b));
}
