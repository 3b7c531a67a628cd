/* Sum shares to sums: location, margin, range, against sums added up in the clear. */
#include "net/result.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "fl/quantise.h"
#include "mpc/pack.h"
#include "mpc/sharing.h"
#include "tests/support.h"

enum { BITS = 8, MAX_CLIENTS = 10, CLIENTS = 3, DIGITS = 2, ROWS = 16 };

typedef struct round_case {
    vs_committee committee;
    vs_layout layout;
    vs_result_in in;
    uint64_t *sums;        /* dim, in the clear */
    uint8_t *answer[ROWS]; /* by position */
    size_t answer_len[ROWS];
    uint64_t *decoded; /* what the sink got */
    uint64_t n_decoded;
    uint32_t fail_read_of; /* position + 1 whose read fails */
    uint32_t reads;
    uint32_t change_at_read; /* this read (from 1) gives other bytes: the file changed meanwhile */
} round_case;

static vs_err source_size(void *ctx, uint32_t a, uint64_t *bytes)
{
    round_case *c = ctx;
    *bytes = c->answer_len[a];
    return VS_OK;
}

static vs_err source_read(void *ctx, uint32_t a, uint64_t first, uint8_t *out, size_t count)
{
    round_case *c = ctx;
    cr_assert_leq((first + count) * VS_FE_BYTES, c->answer_len[a]);
    if (c->fail_read_of == a + 1) return VS_ERR_IO;
    memcpy(out, c->answer[a] + first * VS_FE_BYTES, count * VS_FE_BYTES);
    if (++c->reads == c->change_at_read) out[0] ^= 1;
    return VS_OK;
}

static vs_err sink_sums(void *ctx, uint64_t first, const uint64_t *sums, size_t n)
{
    round_case *c = ctx;
    cr_assert_eq(first, c->n_decoded, "sums come in order");
    cr_assert_leq(first + n, c->layout.dim);
    memcpy(c->decoded + first, sums, n * sizeof *sums);
    c->n_decoded += n;
    return VS_OK;
}

static void log_hash(round_case *c, uint32_t a)
{
    vs_hash h;
    vs_answer_hash_start(&h, &c->in.id, c->in.index[a]);
    vs_hash_bytes(&h, c->answer[a], c->answer_len[a]);
    vs_hash_final(&h, &c->in.answer_hash[a]);
}

static vs_fe *rows_new(uint32_t rows, uint32_t columns)
{
    vs_fe *p = calloc((size_t)rows * columns, sizeof *p);
    cr_assert_not_null(p);
    return p;
}

/* Share packed elements (k rows of M) and add the n shares to the answers. */
static void add_shares(round_case *c, vs_fe *secrets, uint64_t seed)
{
    const vs_committee *cm = &c->committee;
    uint32_t columns = c->layout.columns;
    vs_fe *shares = rows_new(cm->n, columns);
    const vs_fe *secret_row[ROWS];
    const vs_fe *seed_row[ROWS];
    vs_fe *out_row[ROWS];
    vs_sharing *s = NULL;

    for (uint32_t i = 0; i < cm->t * columns; i++) {
        shares[i] = vs_fe_of_u64(vs_test_u64(seed, i));
    }
    for (uint32_t i = 0; i < cm->k; i++) secret_row[i] = secrets + (size_t)i * columns;
    for (uint32_t j = 0; j < cm->n; j++) {
        if (j < cm->t)
            seed_row[j] = shares + (size_t)j * columns;
        else
            out_row[j - cm->t] = shares + (size_t)j * columns;
    }
    cr_assert_eq(vs_sharing_new(&s, cm->n, cm->t, cm->k), VS_OK);
    vs_share_columns(s, out_row, secret_row, seed_row, columns);
    vs_sharing_free(s);
    for (uint32_t j = 0; j < cm->n; j++) {
        for (uint32_t m = 0; m < columns; m++) {
            vs_fe x;
            (void)vs_fe_decode(&x, c->answer[j] + (size_t)m * VS_FE_BYTES);
            x = vs_fe_add(x, shares[(size_t)j * columns + m]);
            vs_fe_encode(c->answer[j] + (size_t)m * VS_FE_BYTES, x);
        }
    }
    free(shares);
}

/* All n answers of a round of CLIENTS clients with random coordinates. */
static void case_make(round_case *c, vs_committee committee, uint32_t dim, uint64_t seed)
{
    memset(c, 0, sizeof *c);
    c->committee = committee;
    cr_assert_eq(vs_layout_make(&c->layout, BITS, MAX_CLIENTS, committee.k, dim, NULL), VS_OK);
    uint32_t columns = c->layout.columns;
    c->in = (vs_result_in){.committee = &c->committee,
                           .layout = &c->layout,
                           .id = {.round = 7},
                           .n_clients = CLIENTS,
                           .weight_digits = DIGITS,
                           .n_answers = committee.n};
    vs_test_bytes(&c->in.id.federation_id, sizeof c->in.id.federation_id, seed);
    vs_test_bytes(&c->in.set_leaf_hash, sizeof c->in.set_leaf_hash, seed + 1);
    c->sums = calloc(dim, sizeof *c->sums);
    c->decoded = calloc(dim, sizeof *c->decoded);
    uint32_t *coords = calloc(dim, sizeof *coords);
    cr_assert(c->sums != NULL && c->decoded != NULL && coords != NULL);
    for (uint32_t j = 0; j < committee.n; j++) {
        c->answer_len[j] = (size_t)columns * VS_FE_BYTES;
        c->answer[j] = calloc(columns, VS_FE_BYTES);
        cr_assert_not_null(c->answer[j]);
        c->in.index[j] = j + 1;
    }
    for (uint32_t i = 0; i < CLIENTS; i++) {
        vs_fe *secrets = rows_new(committee.k, columns);
        vs_fe *row[ROWS];
        for (uint32_t x = 0; x < committee.k; x++) row[x] = secrets + (size_t)x * columns;
        for (uint32_t x = 0; x < dim; x++) {
            coords[x] = (uint32_t)vs_test_u64(seed + 10 + i, x) & 0xFF;
            c->sums[x] += coords[x];
        }
        vs_pack_columns(&c->layout, row, coords, dim, columns);
        add_shares(c, secrets, seed + 100 + i);
        free(secrets);
    }
    for (uint32_t j = 0; j < committee.n; j++) log_hash(c, j);
    free(coords);
}

static void case_free(round_case *c)
{
    for (uint32_t j = 0; j < ROWS; j++) free(c->answer[j]);
    free(c->sums);
    free(c->decoded);
}

static vs_result run(round_case *c)
{
    vs_result out;
    vs_diag diag = {{0}};
    vs_sum_source source = {source_size, source_read, c};
    vs_sum_sink sink = {sink_sums, c};
    c->n_decoded = 0;
    cr_assert_eq(vs_result_compute(&out, &c->in, &source, &sink, &diag), VS_OK, "%s", diag.text);
    return out;
}

/* Leave answer number a out, as if its shareholder had not answered. */
static void drop(round_case *c, uint32_t a)
{
    free(c->answer[a]);
    for (uint32_t i = a; i + 1 < c->in.n_answers; i++) {
        c->answer[i] = c->answer[i + 1];
        c->answer_len[i] = c->answer_len[i + 1];
        c->in.index[i] = c->in.index[i + 1];
        c->in.answer_hash[i] = c->in.answer_hash[i + 1];
    }
    c->in.n_answers--;
    c->answer[c->in.n_answers] = NULL;
}

/* The shareholder adds 1 to one element and logs the hash of that: a lie. */
static void lie(round_case *c, uint32_t a)
{
    uint8_t *at = c->answer[a] + (size_t)(a % c->layout.columns) * VS_FE_BYTES;
    vs_fe x;
    (void)vs_fe_decode(&x, at);
    vs_fe_encode(at, vs_fe_add(x, (vs_fe){1}));
    log_hash(c, a);
}

static void expect_sums(round_case *c, const vs_result *out)
{
    vs_hash h;
    vs_h32 hash;
    uint64_t weight = 0;
    cr_expect_eq(out->verdict, VS_RESULT_OK, "verdict %d", out->verdict);
    cr_expect_eq(c->n_decoded, c->layout.dim);
    cr_expect(memcmp(c->decoded, c->sums, c->layout.dim * sizeof *c->sums) == 0);
    vs_result_hash_start(&h, &c->in.id, CLIENTS);
    for (uint32_t i = 0; i < c->layout.dim; i++) vs_hash_u64(&h, c->sums[i]);
    vs_hash_final(&h, &hash);
    cr_expect(vs_h32_equal(&hash, &out->sum_hash), "the hash covers every sum");
    cr_expect_eq(vs_dequantise_weight(&weight, c->sums + c->layout.dim - DIGITS, DIGITS, BITS),
                 VS_OK);
    cr_expect_eq(out->weight_sum, weight);
}

static const vs_committee COMMITTEES[] = {{.n = 4, .t = 1, .k = 1, .margin = 1},
                                          {.n = 5, .t = 1, .k = 2, .margin = 1},
                                          {.n = 3, .t = 1, .k = 1, .margin = 1},
                                          {.n = 10, .t = 2, .k = 4, .margin = 2},
                                          {.n = 7, .t = 2, .k = 3, .margin = 0}};
enum { N_COMMITTEES = sizeof COMMITTEES / sizeof COMMITTEES[0] };

Test(result, is_the_sum_for_every_committee_and_odd_dimension)
{
    const uint32_t dims[] = {3, 4, 5, 17, 1000};
    for (size_t i = 0; i < N_COMMITTEES; i++) {
        for (size_t d = 0; d < sizeof dims / sizeof dims[0]; d++) {
            round_case c;
            case_make(&c, COMMITTEES[i], dims[d], 1000 * i + d);
            vs_result out = run(&c);
            expect_sums(&c, &out);
            cr_expect_eq(out.n_wrong, 0);
            cr_expect_eq(out.margin, (int32_t)(COMMITTEES[i].n - vs_committee_r(&COMMITTEES[i])));
            case_free(&c);
        }
    }
}

/* More columns than one block: the pieces join up. */
Test(result, streams_more_than_one_block)
{
    round_case c;
    case_make(&c, COMMITTEES[0], 100000, 5);
    cr_assert_gt(c.layout.columns, 8192);
    lie(&c, 2);
    vs_result out = run(&c);
    expect_sums(&c, &out);
    cr_expect(out.wrong[2] && out.n_wrong == 1);
    case_free(&c);
}

/* n = 10, r = 6: up to 2 liars among 10 answers are found and named, wherever they are. */
Test(result, corrects_and_names_up_to_half_of_the_surplus)
{
    for (uint32_t a = 0; a < 10; a++) {
        for (uint32_t b = a; b < 10; b++) {
            round_case c;
            case_make(&c, COMMITTEES[3], 60, 31 * a + b);
            lie(&c, a);
            if (b != a) lie(&c, b);
            vs_result out = run(&c);
            expect_sums(&c, &out);
            for (uint32_t i = 0; i < 10; i++) cr_expect_eq(out.wrong[i], i == a || i == b);
            cr_expect_eq(out.n_wrong, a == b ? 1 : 2);
            cr_expect(out.certain, "m - r - e = 4 - e >= t = 2");
            cr_expect_eq(out.margin, a == b ? 3 : 2);
            case_free(&c);
        }
    }
}

Test(result, refuses_more_liars_than_can_be_located)
{
    round_case c;
    case_make(&c, COMMITTEES[3], 60, 77);
    lie(&c, 0);
    lie(&c, 4);
    lie(&c, 9);
    vs_result out = run(&c);
    cr_expect_eq(out.verdict, VS_RESULT_UNDECODABLE);
    cr_expect_not(out.certain);
    cr_expect_eq(out.weight_sum, 0);
    cr_expect_eq(c.n_decoded, 0, "nothing is decoded from a word that is not located");
    case_free(&c);
}

/* n = 5, r = 3, margin 1. */
Test(result, needs_the_margin_of_the_federation)
{
    struct {
        uint32_t drop, lies;
        vs_result_verdict verdict;
        int32_t margin;
        bool certain;
    } row[] = {{0, 0, VS_RESULT_OK, 2, true},         {0, 1, VS_RESULT_OK, 1, true},
               {1, 0, VS_RESULT_OK, 1, true},         {1, 1, VS_RESULT_UNDECODABLE, 1, false},
               {2, 0, VS_RESULT_UNCERTAIN, 0, false}, {3, 0, VS_RESULT_TOO_FEW, -1, false}};
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        round_case c;
        case_make(&c, COMMITTEES[1], 40, 200 + i);
        for (uint32_t k = 0; k < row[i].drop; k++) drop(&c, 1);
        for (uint32_t k = 0; k < row[i].lies; k++) lie(&c, k);
        vs_result out = run(&c);
        cr_expect_eq(out.verdict, row[i].verdict, "row %zu: verdict %d", i, out.verdict);
        cr_expect_eq(out.margin, row[i].margin, "row %zu: margin %d", i, out.margin);
        cr_expect_eq(out.certain, row[i].certain, "row %zu", i);
        case_free(&c);
    }
}

/* A federation with a margin below t publishes, and says that it is not certain. */
Test(result, marks_an_uncertain_result_where_the_margin_allows_it)
{
    round_case c;
    case_make(&c, COMMITTEES[4], 40, 9);
    drop(&c, 0);
    vs_result out = run(&c); /* m - r = 6 - 5 = 1 < t = 2 */
    expect_sums(&c, &out);
    cr_expect_not(out.certain);
    cr_expect_eq(out.margin, 1);
    case_free(&c);
}

static void erase_hash(round_case *c, uint32_t a)
{
    c->in.answer_hash[a].b[31] ^= 1;
}
static void erase_bit(round_case *c, uint32_t a)
{
    c->answer[a][c->answer_len[a] - 8] ^= 1;
}
static void erase_short(round_case *c, uint32_t a)
{
    c->answer_len[a] -= 8;
    log_hash(c, a);
}
static void erase_long(round_case *c, uint32_t a)
{
    c->answer[a] = realloc(c->answer[a], c->answer_len[a] + 8);
    memset(c->answer[a] + c->answer_len[a], 0, 8);
    c->answer_len[a] += 8;
    log_hash(c, a);
}
static void erase_empty(round_case *c, uint32_t a)
{
    c->answer_len[a] = 0;
    log_hash(c, a);
}
static void erase_noncanonical(round_case *c, uint32_t a)
{
    vs_store_le64(c->answer[a] + c->answer_len[a] - 8, VS_FE_P);
    log_hash(c, a);
}
static void erase_far_noncanonical(round_case *c, uint32_t a)
{
    vs_fe x;
    (void)vs_fe_decode(&x, c->answer[a]);
    vs_store_le64(c->answer[a], x.v + VS_FE_P); /* the same element, written differently */
    log_hash(c, a);
}

Test(result, erases_an_answer_that_is_not_what_was_logged_or_not_canonical)
{
    void (*erase[])(round_case *,
                    uint32_t) = {erase_hash,  erase_bit,          erase_short,           erase_long,
                                 erase_empty, erase_noncanonical, erase_far_noncanonical};
    for (size_t i = 0; i < sizeof erase / sizeof erase[0]; i++) {
        for (uint32_t a = 0; a < 5; a += 2) {
            round_case c;
            case_make(&c, COMMITTEES[1], 40, 50 + i);
            erase[i](&c, a);
            vs_result out = run(&c);
            expect_sums(&c, &out);
            cr_expect(out.wrong[a] && out.n_wrong == 1, "case %zu", i);
            cr_expect_eq(out.margin, 1, "an erasure costs one answer, case %zu", i);
            case_free(&c);
        }
    }
}

Test(result, erasures_below_the_threshold_are_too_few)
{
    round_case c;
    case_make(&c, COMMITTEES[1], 40, 3);
    for (uint32_t a = 0; a < 3; a++) erase_bit(&c, a);
    vs_result out = run(&c);
    cr_expect_eq(out.verdict, VS_RESULT_TOO_FEW);
    cr_expect_eq(out.n_wrong, 3);
    cr_expect_eq(out.margin, -1);
    case_free(&c);
}

Test(result, no_answers_are_too_few)
{
    round_case c;
    case_make(&c, COMMITTEES[1], 40, 3);
    while (c.in.n_answers > 0) drop(&c, 0);
    vs_result out = run(&c);
    cr_expect_eq(out.verdict, VS_RESULT_TOO_FEW);
    case_free(&c);
}

/* Add `delta` to secret `i` of column `column`, consistently shared: only the range check sees it.
 */
static void add_secret(round_case *c, uint32_t i, uint32_t column, vs_fe delta)
{
    vs_fe *secrets = rows_new(c->committee.k, c->layout.columns);
    secrets[(size_t)i * c->layout.columns + column] = delta;
    add_shares(c, secrets, 4242);
    for (uint32_t j = 0; j < c->committee.n; j++) log_hash(c, j);
    free(secrets);
}

Test(result, refuses_sums_out_of_range)
{
    /* b = 8, N = 10: w = 12, S = 5 slots; dim 22 = 5 elements (the last with 2 used slots) in 3
     * columns of k = 2, the last secret of which is padding. */
    const struct {
        uint32_t i, column;
        uint64_t delta;
        const char *what;
    } row[] = {{0, 0, 1000, "a slot above n_clients * (2^b - 1)"},
               {0, 0, UINT64_C(1) << 60, "an element of 2^(S w) or more"},
               {0, 2, UINT64_C(1) << 24, "a slot at L"},
               {1, 2, 1, "an element of padding"},
               {1, 1, VS_FE_P - 1000, "a negative slot"}};
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        round_case c;
        case_make(&c, COMMITTEES[1], 22, 60 + i);
        cr_assert(c.layout.slots == 5 && c.layout.columns == 3);
        add_secret(&c, row[i].i, row[i].column, vs_fe_of_u64(row[i].delta));
        vs_result out = run(&c);
        cr_expect_eq(out.verdict, VS_RESULT_RANGE, "%s: verdict %d", row[i].what, out.verdict);
        cr_expect(out.certain, "the shareholders are honest: %s", row[i].what);
        cr_expect_eq(out.weight_sum, 0);
        case_free(&c);
    }
}

Test(result, refuses_a_weight_sum_of_zero)
{
    round_case c;
    case_make(&c, COMMITTEES[0], 20,
              61); /* k = 1, 4 columns: digits are slots 3 and 4 of the last */
    uint64_t digits = c.sums[18] << 36 | c.sums[19] << 48;
    add_secret(&c, 0, 3, vs_fe_neg(vs_fe_of_u64(digits)));
    vs_result out = run(&c);
    cr_expect_eq(out.verdict, VS_RESULT_RANGE);
    case_free(&c);
}

Test(result, hash_depends_on_round_clients_and_every_sum)
{
    round_case c;
    case_make(&c, COMMITTEES[0], 20, 62);
    vs_result first = run(&c);
    for (uint32_t column = 0; column < 4; column++) {
        round_case d;
        case_make(&d, COMMITTEES[0], 20, 62);
        add_secret(&d, 0, column,
                   vs_fe_of_u64(1)); /* may leave the range of one slot: never here */
        vs_result out = run(&d);
        cr_expect_eq(out.verdict, VS_RESULT_OK);
        cr_expect_not(vs_h32_equal(&out.sum_hash, &first.sum_hash));
        case_free(&d);
    }
    c.in.n_clients++;
    vs_result out = run(&c);
    cr_expect_not(vs_h32_equal(&out.sum_hash, &first.sum_hash));
    case_free(&c);
}

Test(result, passes_up_a_sum_share_that_cannot_be_read)
{
    round_case c;
    vs_result out;
    vs_diag diag = {{0}};
    case_make(&c, COMMITTEES[1], 40, 8);
    vs_sum_source source = {source_size, source_read, &c};
    c.fail_read_of = 3;
    cr_expect_eq(vs_result_compute(&out, &c.in, &source, NULL, &diag), VS_ERR_IO);
    cr_expect_neq(out.verdict, VS_RESULT_OK);
    cr_expect_not_null(strstr(diag.text, "round 7"));
    c.fail_read_of = 0;
    c.reads = 0;
    c.change_at_read = 6; /* the first read of the second pass */
    cr_expect_eq(vs_result_compute(&out, &c.in, &source, NULL, &diag), VS_ERR_IO,
                 "bytes that change between the passes are never decoded");
    cr_expect_neq(out.verdict, VS_RESULT_OK);
    case_free(&c);
}
