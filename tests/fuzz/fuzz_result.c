/* Sum shares of up to five shareholders, some changed: what is called certain with at most t liars
 * is the sum, and who is named lied. */
#include <stdlib.h>
#include <string.h>

#include "mpc/commit.h"
#include "net/result.h"
#include "tests/fuzz/script.h"
#include "tests/net/support_open.h"
#include "tests/net/support_round.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { N = 5, CLIENTS = 2, DIM = 30, SUMS_MAX = 64 };

/* Made once: the honest sum shares and what they add up to. */
static struct {
    vs_test_fed *tf;
    vs_round round;
    vs_buf share[N];
    vs_result result;
    uint64_t sums[SUMS_MAX];
} good;

typedef struct play {
    vs_buf share[N];
    uint64_t sums[SUMS_MAX];
    vs_result_in in;
} play;

static vs_err size_of(void *ctx, uint32_t a, uint64_t *bytes)
{
    const play *p = ctx;
    *bytes = p->share[p->in.index[a] - 1].len;
    return VS_OK;
}

static vs_err read_from(void *ctx, uint32_t a, uint64_t first, uint8_t *out, size_t count)
{
    const play *p = ctx;
    const vs_buf *share = &p->share[p->in.index[a] - 1];
    VS_ASSERT(8 * (first + count) <= share->len);
    memcpy(out, share->p + 8 * first, 8 * count);
    return VS_OK;
}

static vs_err take(void *ctx, uint64_t first, const uint64_t *sums, size_t n)
{
    play *p = ctx;
    VS_ASSERT(first + n <= SUMS_MAX);
    memcpy(p->sums + first, sums, n * sizeof *sums);
    return VS_OK;
}

static void answer_hash(vs_h32 *out, uint32_t j, const vs_buf *share)
{
    vs_hash h;
    vs_answer_hash_start(&h, &good.round.id, j);
    vs_hash_bytes(&h, share->p, share->len);
    vs_hash_final(&h, out);
}

static void compute(play *p, vs_result *out)
{
    const vs_sum_source source = {size_of, read_from, p};
    const vs_sum_sink sink = {take, p};
    p->in.committee = &good.tf->fed->committee;
    p->in.layout = &good.round.layout;
    p->in.id = good.round.id;
    p->in.n_clients = CLIENTS;
    p->in.weight_digits = good.round.open.weight_digits;
    VS_ASSERT(vs_result_compute(out, &p->in, &source, &sink, NULL) == VS_OK);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const vs_test_fed_config config = {.n_clients = CLIENTS, .seed = 11};
    vs_test_sub *subs[CLIENTS];
    static play p;
    (void)argc;
    (void)argv;
    good.tf = vs_test_federation_new(&config);
    vs_test_open *open = vs_test_open_new(good.tf, 1, DIM, 1700000000, 21);
    good.round = vs_test_open_round(open, good.tf);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        subs[i] = vs_test_sub_new(good.tf, &good.round, i, 500 + i, NULL);
    }
    for (uint32_t j = 1; j <= N; j++) {
        vs_test_sum_share(&good.share[j - 1], subs, CLIENTS, j);
        p.share[j - 1] = good.share[j - 1];
        p.in.index[p.in.n_answers] = j;
        answer_hash(&p.in.answer_hash[p.in.n_answers++], j, &good.share[j - 1]);
    }
    compute(&p, &good.result);
    VS_ASSERT(good.result.verdict == VS_RESULT_OK && good.result.certain);
    memcpy(good.sums, p.sums, sizeof good.sums);
    for (uint32_t i = 0; i < CLIENTS; i++) vs_test_sub_free(subs[i]);
    vs_test_open_free(open);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vs_reader in = vs_reader_of(data, size);
    play *p = calloc(1, sizeof *p);
    bool wrong[N] = {false}; /* by answer: not what it should be */
    uint32_t n_wrong = 0, t = good.tf->fed->committee.t;
    uint8_t there = vs_read_u8(&in);
    vs_result r;
    VS_ASSERT(p != NULL);
    for (uint32_t j = 1; j <= N; j++) {
        vs_buf *share = &p->share[j - 1];
        const vs_buf *honest = &good.share[j - 1];
        uint32_t a = p->in.n_answers;
        if ((there >> j & 1) != 0) continue;
        vs_buf_bytes(share, honest->p, honest->len);
        uint8_t what = vs_read_u8(&in);
        if (what % 4 == 0) (void)fuzz_damage(share, &in);
        p->in.index[a] = j;
        answer_hash(&p->in.answer_hash[a], j, what % 8 < 4 ? share : honest);
        wrong[a] = share->len != honest->len || memcmp(share->p, honest->p, share->len) != 0;
        n_wrong += wrong[a];
        p->in.n_answers++;
    }
    vs_read_h32(&in, &p->in.set_leaf_hash);
    compute(p, &r);
    VS_ASSERT(r.margin <= (int32_t)p->in.n_answers - 3);
    if (r.verdict == VS_RESULT_OK && r.certain && n_wrong <= t) {
        VS_ASSERT(memcmp(p->sums, good.sums, sizeof good.sums) == 0);
        VS_ASSERT(vs_h32_equal(&r.sum_hash, &good.result.sum_hash));
        VS_ASSERT(memcmp(r.wrong, wrong, sizeof wrong) == 0);
    }
    if (n_wrong == 0) VS_ASSERT((r.verdict == VS_RESULT_OK) == (p->in.n_answers >= 4));
    for (uint32_t j = 0; j < N; j++) vs_buf_free(&p->share[j]);
    free(p);
    return 0;
}
