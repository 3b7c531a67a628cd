/* Sharing fused with the expansion of the seed shares; the interface is in sharing.h.
 *
 * A PRG tile (1,024 columns) is drawn piece by piece, each piece used while it is in L1. If a
 * value turns out to be p (in one of 2^51 tiles), the whole tile is done again from redrawn
 * elements: the columns before that value are written twice, the second time right. */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "mpc/kernels.h"
#include "mpc/sharing.h"

/* Columns per piece: long enough to hide the start of the AES kernel, short enough that the
 * stores of one piece drain while the next one is drawn. */
#define PIECE_COLUMNS 128u

/* Between rows of expansions: one more cache line, so that rows spread over the sets of L1. */
#define ROW_PAD 8u

typedef struct stream_work {
    const vs_sharing *s;
    const vs_share_job *job;
    const vs_kernels *kernels;
    size_t start;      /* column of the call where its whole tiles begin */
    bool drawn;        /* the kernel draws the seed shares */
    size_t lane_words; /* of one thread */
    uint64_t *lanes;   /* by thread: scratch, then t rows of up to a tile; secret */
} stream_work;

static uint64_t *lane_of(const stream_work *sw, uint32_t thread)
{
    return sw->lanes + sw->lane_words * thread;
}

/* Columns at .. at+cols-1 of the call, whose expansions are in the lane's rows. */
static void share_rows(const stream_work *sw, uint64_t *lane, size_t stride, size_t at, size_t cols)
{
    const vs_share_job *job = sw->job;
    const vs_fe *rows[VS_SHAREHOLDERS_MAX];
    const vs_fe *seeds = (const vs_fe *)(lane + VS_SHARE_SCRATCH_OF(sw->s->r));
    for (uint32_t j = 0; j < sw->s->t; j++) {
        rows[j] = seeds + j * stride;
        if (job->seed_out != NULL && job->seed_out[j] != NULL) {
            memcpy(job->seed_out[j] + at, rows[j], cols * sizeof(vs_fe));
        }
    }
    const vs_share_work range = {.out = job->out,
                                 .secrets = job->secrets,
                                 .seeds = rows,
                                 .first = at,
                                 .cols = cols,
                                 .to_memory = job->to_memory,
                                 .scratch = lane};
    sw->kernels->share(sw->s, &range);
}

static vs_fe *seed_row(const stream_work *sw, uint64_t *lane, uint32_t j, size_t stride)
{
    return (vs_fe *)(lane + VS_SHARE_SCRATCH_OF(sw->s->r)) + j * stride;
}

/* Any columns inside one tile, in the calling thread. */
static void share_part(const stream_work *sw, size_t at, size_t cols)
{
    const size_t stride = VS_PRG_TILE + ROW_PAD;
    if (cols == 0) return;
    for (uint32_t j = 0; j < sw->s->t; j++) {
        vs_prg_fill(sw->job->streams[j], seed_row(sw, sw->lanes, j, stride), sw->job->first + at,
                    cols);
    }
    share_rows(sw, sw->lanes, stride, at, cols);
    sw->kernels->finish();
}

/* A whole tile from redrawn elements. */
static void share_redrawn(const stream_work *sw, uint64_t *lane, size_t at)
{
    const size_t stride = VS_PRG_TILE + ROW_PAD;
    uint64_t tile = (sw->job->first + at) / VS_PRG_TILE;
    for (uint32_t j = 0; j < sw->s->t; j++) {
        vs_prg_draw_tile(sw->job->streams[j], seed_row(sw, lane, j, stride), (uint32_t)tile);
    }
    share_rows(sw, lane, stride, at, VS_PRG_TILE);
}

/* A whole tile, its seed shares drawn by the kernel. */
static uint64_t share_drawn(const stream_work *sw, uint64_t *lane, size_t at)
{
    const vs_share_job *job = sw->job;
    const vs_share_work range = {.out = job->out,
                                 .secrets = job->secrets,
                                 .first = at,
                                 .cols = VS_PRG_TILE,
                                 .to_memory = job->to_memory,
                                 .scratch = lane};
    vs_share_draw draw = {.ctr = vs_prg_counter(job->streams[0], job->first + at),
                          .seed_out = job->seed_out};
    for (uint32_t j = 0; j < sw->s->t; j++) draw.key[j] = vs_prg_key(job->streams[j]);
    return sw->kernels->share_drawn(sw->s, &range, &draw);
}

/* A whole tile, a piece of the expansions at a time. */
static uint64_t share_pieces(const stream_work *sw, uint64_t *lane, size_t at)
{
    uint64_t hits = 0;
    size_t piece = vs_prg_is_native(sw->job->streams[0]) ? PIECE_COLUMNS : VS_PRG_TILE;
    size_t stride = piece + ROW_PAD;
    for (size_t c = 0; c < VS_PRG_TILE && hits == 0; c += piece) {
        for (uint32_t j = 0; j < sw->s->t; j++) {
            hits |= vs_prg_draw(sw->job->streams[j], seed_row(sw, lane, j, stride),
                                sw->job->first + at + c, piece);
        }
        VS_CT_PUBLIC(&hits, sizeof hits); /* says nothing about the values that are kept */
        if (hits == 0) share_rows(sw, lane, stride, at + c, piece);
    }
    return hits;
}

/* A whole tile. */
static void share_tile(void *ctx, size_t item, uint32_t thread)
{
    const stream_work *sw = ctx;
    uint64_t *lane = lane_of(sw, thread);
    size_t at = sw->start + item * VS_PRG_TILE;
    uint64_t hits = sw->drawn ? share_drawn(sw, lane, at) : share_pieces(sw, lane, at);
    VS_CT_PUBLIC(&hits, sizeof hits); /* as above */
    if (hits != 0) share_redrawn(sw, lane, at);
    sw->kernels->finish();
}

/* All streams of the same kind and stream id, so that they differ in their keys only. */
static bool all_native(const vs_sharing *s, const vs_share_job *job)
{
    bool native = true;
    for (uint32_t j = 0; j < s->t; j++) {
        native =
            native && vs_prg_is_native(job->streams[j]) &&
            vs_prg_counter(job->streams[j], 0).stream == vs_prg_counter(job->streams[0], 0).stream;
    }
    return native;
}

vs_err vs_share_stream(const vs_sharing *s, const vs_share_job *job)
{
    bool native = all_native(s, job);
    vs_pool *pool = native ? job->pool : NULL;
    stream_work sw = {.s = s, .job = job, .kernels = vs_kernels_get()};
    sw.drawn = native && sw.kernels->draws != NULL && sw.kernels->draws(s);
    sw.lane_words = VS_SHARE_SCRATCH_OF(s->r) + (size_t)s->t * (VS_PRG_TILE + ROW_PAD);
    size_t bytes = sw.lane_words * vs_pool_threads(pool) * sizeof(uint64_t);
    sw.lanes = aligned_alloc(64, bytes); /* a multiple of 64: each term of lane_words is */
    if (sw.lanes == NULL) return VS_ERR_NOMEM;

    size_t in_tile = (size_t)(job->first % VS_PRG_TILE);
    size_t head = in_tile == 0 ? 0 : VS_PRG_TILE - in_tile;
    sw.start = head < job->cols ? head : job->cols;
    size_t n_tiles = (job->cols - sw.start) / VS_PRG_TILE;
    size_t end = sw.start + n_tiles * VS_PRG_TILE;
    share_part(&sw, 0, sw.start);
    vs_pool_run(pool, n_tiles, share_tile, &sw);
    share_part(&sw, end, job->cols - end);

    sodium_memzero(sw.lanes, bytes);
    free(sw.lanes);
    return VS_OK;
}
