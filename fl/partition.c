#include "fl/partition.h"

#include <stdlib.h>
#include <string.h>

#include "fl/draw.h"

static const char *const NAMES[] = {"iid", "shards", "strided"};

const char *vs_partition_name(vs_partition_kind kind)
{
    VS_ASSERT(kind <= VS_PARTITION_STRIDED);
    return NAMES[kind];
}

vs_err vs_partition_parse(vs_partition_kind *out, const char *name, vs_diag *diag)
{
    VS_ASSERT(out != NULL && name != NULL);
    *out = VS_PARTITION_IID;
    for (unsigned i = 0; i <= VS_PARTITION_STRIDED; i++) {
        if (strcmp(name, NAMES[i]) == 0) {
            *out = (vs_partition_kind)i;
            return VS_OK;
        }
    }
    return vs_fail(diag, VS_ERR_MALFORMED, "partition \"%.40s\": want iid, shards or strided",
                   name);
}

/* Where part k of n_parts starts in n items: the first n % n_parts parts have one more. */
static size_t part_start(size_t n, size_t n_parts, size_t k)
{
    size_t extra = n % n_parts;
    return k * (n / n_parts) + (k < extra ? k : extra);
}

static void cut_iid(vs_partition *p, size_t n_rows, uint64_t seed)
{
    vs_draw draw;
    vs_draw_init(&draw, seed, VS_DRAW_PARTITION);
    for (size_t i = 0; i < n_rows; i++) p->rows[i] = (uint32_t)i;
    vs_draw_shuffle(&draw, p->rows, n_rows);
    for (size_t k = 0; k <= p->n_clients; k++) p->start[k] = part_start(n_rows, p->n_clients, k);
}

static void cut_strided(vs_partition *p, size_t n_rows)
{
    size_t at = 0;
    for (uint32_t k = 0; k < p->n_clients; k++) {
        p->start[k] = at;
        for (size_t row = k; row < n_rows; row += p->n_clients) p->rows[at++] = (uint32_t)row;
    }
    p->start[p->n_clients] = at;
}

/* Counting sort: stable. */
static void sort_by_label(uint32_t *sorted, const uint8_t *labels, size_t n_rows)
{
    size_t at[257] = {0};
    for (size_t i = 0; i < n_rows; i++) at[labels[i] + 1]++;
    for (size_t v = 1; v < 257; v++) at[v] += at[v - 1];
    for (size_t i = 0; i < n_rows; i++) sorted[at[labels[i]]++] = (uint32_t)i;
}

/* sorted[n_rows] and shard[2 * n_clients] are scratch. */
static void deal_shards(vs_partition *p, uint32_t *sorted, uint32_t *shard, const uint8_t *labels,
                        size_t n_rows, uint64_t seed)
{
    const size_t n_shards = 2 * (size_t)p->n_clients;
    vs_draw draw;
    size_t at = 0;
    sort_by_label(sorted, labels, n_rows);
    for (size_t i = 0; i < n_shards; i++) shard[i] = (uint32_t)i;
    vs_draw_init(&draw, seed, VS_DRAW_PARTITION);
    vs_draw_shuffle(&draw, shard, n_shards);
    for (size_t i = 0; i < n_shards; i++) {
        size_t from = part_start(n_rows, n_shards, shard[i]);
        size_t n = part_start(n_rows, n_shards, shard[i] + (size_t)1) - from;
        if (i % 2 == 0) p->start[i / 2] = at;
        memcpy(p->rows + at, sorted + from, n * sizeof *sorted);
        at += n;
    }
    p->start[p->n_clients] = at;
}

static vs_err cut_shards(vs_partition *p, const uint8_t *labels, size_t n_rows, uint64_t seed)
{
    VS_ASSERT(labels != NULL);
    uint32_t *sorted = malloc(n_rows * sizeof *sorted);
    uint32_t *shard = malloc(2 * (size_t)p->n_clients * sizeof *shard);
    vs_err err = sorted != NULL && shard != NULL ? VS_OK : VS_ERR_NOMEM;
    if (err == VS_OK) deal_shards(p, sorted, shard, labels, n_rows, seed);
    free(sorted);
    free(shard);
    return err;
}

vs_err vs_partition_make(vs_partition *out, vs_partition_kind kind, const uint8_t *labels,
                         size_t n_rows, uint32_t n_clients, uint64_t seed, vs_diag *diag)
{
    VS_ASSERT(out != NULL && kind <= VS_PARTITION_STRIDED);
    memset(out, 0, sizeof *out);
    if (n_clients < 1 || n_clients > VS_PARTITION_CLIENTS_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT, "num_clients is %u: must be 1 to %u", n_clients,
                       VS_PARTITION_CLIENTS_MAX);
    }
    size_t n_parts = (kind == VS_PARTITION_SHARDS ? 2 : 1) * (size_t)n_clients;
    if (n_rows < n_parts || n_rows > UINT32_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT, "%zu rows cannot be cut into %zu parts for %u clients",
                       n_rows, n_parts, n_clients);
    }
    out->n_clients = n_clients;
    out->rows = malloc(n_rows * sizeof *out->rows);
    out->start = malloc(((size_t)n_clients + 1) * sizeof *out->start);
    vs_err err = out->rows != NULL && out->start != NULL ? VS_OK : VS_ERR_NOMEM;
    if (err == VS_OK) {
        switch (kind) {
        case VS_PARTITION_IID: cut_iid(out, n_rows, seed); break;
        case VS_PARTITION_SHARDS: err = cut_shards(out, labels, n_rows, seed); break;
        case VS_PARTITION_STRIDED: cut_strided(out, n_rows); break;
        }
    }
    if (err != VS_OK) {
        vs_partition_free(out);
        return vs_fail(diag, err, "out of memory for a partition of %zu rows", n_rows);
    }
    return VS_OK;
}

void vs_partition_free(vs_partition *p)
{
    if (p == NULL) return;
    free(p->rows);
    free(p->start);
    memset(p, 0, sizeof *p);
}

const uint32_t *vs_partition_rows(const vs_partition *p, uint32_t k, size_t *n)
{
    VS_ASSERT(p != NULL && n != NULL && k < p->n_clients);
    *n = p->start[k + 1] - p->start[k];
    return p->rows + p->start[k];
}
