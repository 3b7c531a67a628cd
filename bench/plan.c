#include "bench/plan.h"

#include <math.h>
#include <string.h>

/* --- results ---------------------------------------------------------------------------------- */

static double smaller(double a, double b) /* NAN: not measured */
{
    if (isnan(a)) return b;
    if (isnan(b)) return a;
    return a < b ? a : b;
}

/* read + write, whichever stores are faster; or both at once, or in place, if that is faster. */
static double memory_floor(const vs_bench_stat *s)
{
    double write = smaller(s[VS_BENCH_WRITE].median, s[VS_BENCH_WRITE_PAST].median);
    double read = s[VS_BENCH_READ].median;
    double apart = isnan(write) ? read : isnan(read) ? write : read + write;
    double best = smaller(apart, smaller(s[VS_BENCH_CHANGE].median, s[VS_BENCH_CHANGE_2].median));
    for (uint32_t i = 0; i < VS_BENCH_MOVES; i++) best = smaller(best, s[VS_BENCH_MOVE + i].median);
    return best;
}

static void fill_parts(vs_bench_result *out, const vs_bench_plan *plan, const vs_bench_stat *s)
{
    double sum = 0;
    for (uint32_t i = 0; i < VS_BENCH_SLOTS - VS_BENCH_PART; i++) {
        if (plan->part_name[i] == NULL) continue;
        double ns = s[VS_BENCH_PART + i].median;
        out->part[out->n_parts++] = (vs_bench_part){plan->part_name[i], ns};
        sum += ns;
    }
    if (out->n_parts == 0) return;
    out->ratio_to_parts = out->time.median / sum;
    out->hash_many = s[VS_BENCH_HASH_MANY].median;
    out->ratio_to_own_parts = out->time.median / (sum - out->part[0].ns + out->hash_many);
}

vs_err vs_bench_plan_run(vs_bench_result *out, const vs_bench_plan *plan, const vs_bench_spec *spec)
{
    static const vs_bench_stat none = {NAN, NAN, NAN, NAN};
    vs_bench_work work[VS_BENCH_SLOTS];
    vs_bench_stat got[VS_BENCH_SLOTS], stat[VS_BENCH_SLOTS];
    uint32_t n = 0, reps = spec->reps;
    for (uint32_t i = 0; i < VS_BENCH_SLOTS; i++) {
        if (plan->work[i].run != NULL) work[n++] = plan->work[i];
    }
    vs_err err = vs_bench_measure(got, work, n, spec->threads > 1, &reps);
    if (err != VS_OK) return err;
    n = 0;
    for (uint32_t i = 0; i < VS_BENCH_SLOTS; i++) {
        stat[i] = plan->work[i].run != NULL ? got[n++] : none;
    }
    const double elements = plan->work[VS_BENCH_OP].elements;
    memset(out, 0, sizeof *out);
    out->time = stat[VS_BENCH_OP];
    out->len = (uint64_t)elements;
    out->reps = reps;
    out->gb_per_s = plan->bytes / elements / out->time.median;
    out->floor_prg = stat[VS_BENCH_PRG].median;
    out->floor_memory = memory_floor(stat);
    out->ratio_to_floor = -smaller(-out->floor_prg, -out->floor_memory) / out->time.median;
    out->gmp = stat[VS_BENCH_GMP].median;
    out->flint = stat[VS_BENCH_FLINT].median;
    out->isal = stat[VS_BENCH_ISAL].median;
    out->accumulate = stat[VS_BENCH_ACCUMULATE].median;
    out->ratio_to_parts = NAN;
    out->hash_many = NAN;
    out->ratio_to_own_parts = NAN;
    out->peak_memory_mb = NAN;
    fill_parts(out, plan, stat);
    return VS_OK;
}

vs_err vs_bench_wrong(const vs_bench_spec *spec, vs_diag *diag, size_t column)
{
    return vs_fail(diag, VS_ERR_PROOF,
                   "bench %s: the result is wrong: it differs from the portable kernel near column "
                   "%zu",
                   spec->name, column);
}

/* --- PRG alone -------------------------------------------------------------------------------- */

vs_err vs_bench_prg_new(vs_bench_prg *out, uint32_t n, uint8_t salt, size_t cols, vs_pool *pool)
{
    uint8_t seed[VS_SEED_BYTES];
    memset(out, 0, sizeof *out);
    out->cols = cols;
    out->pool = pool;
    for (uint32_t i = 0; i < n; i++) {
        vs_bench_seed(seed, (uint8_t)(salt + i));
        vs_err err = vs_prg_new(&out->stream[i], seed, VS_PRG_SHARE);
        if (err != VS_OK) return err;
        out->n++;
    }
    return VS_OK;
}

void vs_bench_prg_free(vs_bench_prg *prg)
{
    for (uint32_t i = 0; i < prg->n; i++) vs_prg_free(prg->stream[i]);
    memset(prg, 0, sizeof *prg);
}

static void prg_slice(void *ctx, size_t item, uint32_t thread)
{
    const vs_bench_prg *prg = ctx;
    vs_fe buffer[VS_PRG_TILE];
    size_t end = (item + 1) * VS_BENCH_SLICE < prg->cols ? (item + 1) * VS_BENCH_SLICE : prg->cols;
    (void)thread;
    for (size_t c = item * VS_BENCH_SLICE; c < end; c += VS_PRG_TILE) {
        size_t count = end - c < VS_PRG_TILE ? end - c : VS_PRG_TILE;
        for (uint32_t i = 0; i < prg->n; i++) vs_prg_fill(prg->stream[i], buffer, c, count);
    }
}

void vs_bench_prg_run(void *ctx)
{
    vs_bench_prg *prg = ctx;
    vs_pool_run(prg->pool, vs_bench_slices(prg->cols), prg_slice, prg);
}

/* --- memory alone ----------------------------------------------------------------------------- */

typedef struct slice {
    vs_fe *p;
    size_t at, cols;
} slice;

static slice slice_of(const vs_bench_floor *f, size_t item)
{
    size_t per_row = vs_bench_slices(f->rows->cols);
    size_t at = item % per_row * VS_BENCH_SLICE, left = f->rows->cols - at;
    return (slice){f->rows->row[item / per_row] + at, at,
                   left < VS_BENCH_SLICE ? left : VS_BENCH_SLICE};
}

static void read_item(void *ctx, size_t item, uint32_t thread)
{
    vs_bench_floor *f = ctx;
    slice s = slice_of(f, item);
    uint64_t sum = f->traffic->read(s.p, s.cols);
    if (thread == 0) f->sink ^= sum;
}

static void write_item(void *ctx, size_t item, uint32_t thread)
{
    const vs_bench_floor *f = ctx;
    slice s = slice_of(f, item);
    (void)thread;
    f->traffic->write(s.p, s.cols);
}

static void write_past_item(void *ctx, size_t item, uint32_t thread)
{
    const vs_bench_floor *f = ctx;
    slice s = slice_of(f, item);
    (void)thread;
    f->traffic->write_past(s.p, s.cols);
}

static void change_item(void *ctx, size_t item, uint32_t thread)
{
    const vs_bench_floor *f = ctx;
    slice s = slice_of(f, item);
    (void)thread;
    f->traffic->change(s.p, f->other + s.at, s.cols);
}

/* Which of them is fastest depends on the number of rows and on the machine. */
static const struct {
    uint32_t traffic;
    size_t tile;
    bool past;
} moves[VS_BENCH_MOVES] = {{0, 16, true}, {0, 64, true}, {1, 32, true}, {0, 128, false}};

static void move_item(void *ctx, size_t item, uint32_t thread)
{
    vs_bench_floor *f = ctx;
    size_t at = item * VS_BENCH_SLICE, cols = f->rows->cols;
    const vs_bench_move_work work = {.out = f->rows->row,
                                     .in = (const vs_fe *const *)f->in->row,
                                     .n_out = f->rows->n_rows,
                                     .n_in = f->in->n_rows,
                                     .at = at,
                                     .end = at + VS_BENCH_SLICE < cols ? at + VS_BENCH_SLICE : cols,
                                     .tile = moves[f->way].tile,
                                     .past = moves[f->way].past};
    uint64_t sum = f->traffic->move(&work);
    if (thread == 0) f->sink ^= sum;
}

static void over_rows(vs_bench_floor *f, vs_pool_item run)
{
    vs_pool_run(f->pool, vs_bench_slices(f->rows->cols) * f->rows->n_rows, run, f);
}

static void floor_read(void *floor)
{
    over_rows(floor, read_item);
}

static void floor_write(void *floor)
{
    over_rows(floor, write_item);
}

static void floor_write_past(void *floor)
{
    over_rows(floor, write_past_item);
}

static void floor_change(void *floor)
{
    over_rows(floor, change_item);
}

static void floor_move(void *floor)
{
    vs_bench_floor *f = floor;
    vs_pool_run(f->pool, vs_bench_slices(f->rows->cols), move_item, f);
}

void vs_bench_floor_plan(vs_bench_plan *plan, vs_bench_floors *floors, vs_bench_rows *in,
                         vs_bench_rows *out, vs_pool *pool, double elements)
{
    const vs_bench_traffic *widest = vs_bench_traffic_get(0);
    floors->read = (vs_bench_floor){.rows = in, .pool = pool, .traffic = widest};
    floors->write = (vs_bench_floor){.rows = out, .pool = pool, .traffic = widest};
    if (in != NULL) {
        plan->work[VS_BENCH_READ] = (vs_bench_work){floor_read, &floors->read, elements};
    }
    if (out == NULL) return;
    plan->work[VS_BENCH_WRITE] = (vs_bench_work){floor_write, &floors->write, elements};
    plan->work[VS_BENCH_WRITE_PAST] = (vs_bench_work){floor_write_past, &floors->write, elements};
    for (uint32_t i = 0; in != NULL && i < VS_BENCH_MOVES; i++) {
        vs_bench_floor *move = &floors->move[i];
        *move = floors->write;
        move->in = in;
        move->way = i;
        move->traffic = vs_bench_traffic_get(moves[i].traffic);
        if (move->traffic == NULL) continue;
        plan->work[VS_BENCH_MOVE + i] = (vs_bench_work){floor_move, move, elements};
    }
}

void vs_bench_floor_change(vs_bench_plan *plan, vs_bench_floors *floors, vs_bench_rows *rows,
                           const vs_fe *other, vs_pool *pool, double elements)
{
    for (uint32_t i = 0; i < 2; i++) {
        vs_bench_floor *change = &floors->change[i];
        *change = (vs_bench_floor){
            .rows = rows, .other = other, .pool = pool, .traffic = vs_bench_traffic_get(i)};
        if (change->traffic == NULL) continue;
        plan->work[VS_BENCH_CHANGE + i] = (vs_bench_work){floor_change, change, elements};
    }
}
