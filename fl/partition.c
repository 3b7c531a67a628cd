#include "fl/partition.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fl/draw.h"

static const char *const NAMES[] = {"iid", "shards", "strided", "dirichlet"};

static vs_err parse_alpha(double *out, const char *text, vs_diag *diag)
{
    char *end = NULL;
    *out = 0.5;
    if (*text == '\0') return VS_OK;
    double v = text[1] >= '0' && text[1] <= '9' ? strtod(text + 1, &end) : NAN;
    if (*text != ':' || end == NULL || *end != '\0' ||
        !(v >= VS_PARTITION_ALPHA_MIN && v <= VS_PARTITION_ALPHA_MAX)) {
        return vs_fail(diag, VS_ERR_MALFORMED,
                       "partition \"dirichlet%.40s\": want dirichlet:ALPHA, ALPHA %g to %g", text,
                       VS_PARTITION_ALPHA_MIN, VS_PARTITION_ALPHA_MAX);
    }
    *out = v;
    return VS_OK;
}

vs_err vs_partition_parse(vs_partition_rule *out, const char *text, vs_diag *diag)
{
    VS_ASSERT(out != NULL && text != NULL);
    *out = (vs_partition_rule){0};
    for (unsigned i = 0; i < VS_PARTITION_DIRICHLET; i++) {
        if (strcmp(text, NAMES[i]) == 0) {
            out->kind = (vs_partition_kind)i;
            return VS_OK;
        }
    }
    const size_t len = strlen(NAMES[VS_PARTITION_DIRICHLET]);
    if (strncmp(text, NAMES[VS_PARTITION_DIRICHLET], len) == 0) {
        double alpha;
        vs_err err = parse_alpha(&alpha, text + len, diag);
        if (err == VS_OK) *out = (vs_partition_rule){VS_PARTITION_DIRICHLET, alpha};
        return err;
    }
    return vs_fail(diag, VS_ERR_MALFORMED,
                   "partition \"%.40s\": want iid, shards, strided or dirichlet:ALPHA", text);
}

void vs_partition_format(char out[VS_PARTITION_TEXT_BYTES], vs_partition_rule rule)
{
    VS_ASSERT(rule.kind <= VS_PARTITION_DIRICHLET);
    const bool dealt = rule.kind == VS_PARTITION_DIRICHLET;
    int n = dealt ? snprintf(out, VS_PARTITION_TEXT_BYTES, "dirichlet:%.12g", rule.alpha)
                  : snprintf(out, VS_PARTITION_TEXT_BYTES, "%s", NAMES[rule.kind]);
    VS_ASSERT(n > 0 && (size_t)n < VS_PARTITION_TEXT_BYTES);
}

/* Where part k of n_parts starts in n items: the first n % n_parts parts have one more. */
static size_t part_start(size_t n, size_t n_parts, size_t k)
{
    VS_ASSERT(n_parts > 0);
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

/* --- Dirichlet -------------------------------------------------------------------------------- */

/* edge[k]: how many of n rows the first k clients get, from proportions edge[k] (summed up). */
static void round_edges(size_t *start, const double *edge, uint32_t n_clients, size_t n)
{
    for (uint32_t k = 0; k < n_clients; k++) {
        start[k] = (size_t)floor(edge[k] / edge[n_clients] * (double)n + 0.5);
    }
    start[n_clients] = n;
}

/* owner[row]: the client of each row. sorted: rows by label. edge, start: n_clients + 1 scratch. */
static void deal_labels(uint32_t *owner, uint32_t *sorted, double *edge, size_t *start,
                        const uint8_t *labels, size_t n_rows, const vs_partition *p, double alpha,
                        uint64_t seed)
{
    vs_draw draw;
    vs_draw_init(&draw, seed, VS_DRAW_PARTITION);
    sort_by_label(sorted, labels, n_rows);
    for (size_t from = 0; from < n_rows;) {
        size_t n = 1;
        while (from + n < n_rows && labels[sorted[from + n]] == labels[sorted[from]]) n++;
        vs_draw_shuffle(&draw, sorted + from, n);
        edge[0] = 0.0;
        for (uint32_t k = 0; k < p->n_clients; k++) {
            edge[k + 1] = edge[k] + vs_draw_gamma(&draw, alpha);
        }
        if (edge[p->n_clients] == 0.0) edge[p->n_clients] = 1.0; /* all too small for a double */
        round_edges(start, edge, p->n_clients, n);
        for (uint32_t k = 0; k < p->n_clients; k++) {
            for (size_t i = start[k]; i < start[k + 1]; i++) owner[sorted[from + i]] = k;
        }
        from += n;
    }
}

/* Give each client without a row one of the client that has most. start[k]: rows of client k. */
static void feed_empty(uint32_t *owner, size_t *start, size_t n_rows, uint32_t n_clients)
{
    memset(start, 0, ((size_t)n_clients + 1) * sizeof *start);
    for (size_t i = 0; i < n_rows; i++) start[owner[i]]++;
    for (uint32_t k = 0; k < n_clients; k++) {
        if (start[k] > 0) continue;
        uint32_t most = 0;
        for (uint32_t j = 1; j < n_clients; j++) most = start[j] > start[most] ? j : most;
        size_t row = 0;
        while (owner[row] != most) row++;
        owner[row] = k;
        start[most]--;
        start[k]++;
    }
}

static vs_err cut_dirichlet(vs_partition *p, const uint8_t *labels, size_t n_rows, double alpha,
                            uint64_t seed)
{
    VS_ASSERT(labels != NULL && alpha >= VS_PARTITION_ALPHA_MIN && alpha <= VS_PARTITION_ALPHA_MAX);
    uint32_t *owner = calloc(n_rows, sizeof *owner);
    double *edge = malloc(((size_t)p->n_clients + 1) * sizeof *edge);
    vs_err err = owner != NULL && edge != NULL ? VS_OK : VS_ERR_NOMEM;
    if (err == VS_OK) {
        deal_labels(owner, p->rows, edge, p->start, labels, n_rows, p, alpha, seed);
        feed_empty(owner, p->start, n_rows, p->n_clients);
        size_t at = 0;
        for (uint32_t k = 0; k <= p->n_clients; k++) { /* counts become starts */
            size_t n = k < p->n_clients ? p->start[k] : 0;
            p->start[k] = at;
            at += n;
        }
        for (size_t i = 0; i < n_rows; i++) p->rows[p->start[owner[i]]++] = (uint32_t)i;
        for (uint32_t k = p->n_clients; k > 0; k--) p->start[k] = p->start[k - 1];
        p->start[0] = 0;
    }
    free(owner);
    free(edge);
    return err;
}

vs_err vs_partition_make(vs_partition *out, vs_partition_rule rule, const uint8_t *labels,
                         size_t n_rows, uint32_t n_clients, uint64_t seed, vs_diag *diag)
{
    VS_ASSERT(out != NULL && rule.kind <= VS_PARTITION_DIRICHLET);
    memset(out, 0, sizeof *out);
    if (n_clients < 1 || n_clients > VS_PARTITION_CLIENTS_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT, "num_clients is %u: must be 1 to %u", n_clients,
                       VS_PARTITION_CLIENTS_MAX);
    }
    size_t n_parts = (rule.kind == VS_PARTITION_SHARDS ? 2 : 1) * (size_t)n_clients;
    if (n_rows < n_parts || n_rows > UINT32_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT, "%zu rows cannot be cut into %zu parts for %u clients",
                       n_rows, n_parts, n_clients);
    }
    out->n_clients = n_clients;
    out->rows = malloc(n_rows * sizeof *out->rows);
    out->start = malloc(((size_t)n_clients + 1) * sizeof *out->start);
    vs_err err = out->rows != NULL && out->start != NULL ? VS_OK : VS_ERR_NOMEM;
    if (err == VS_OK) {
        switch (rule.kind) {
        case VS_PARTITION_IID: cut_iid(out, n_rows, seed); break;
        case VS_PARTITION_SHARDS: err = cut_shards(out, labels, n_rows, seed); break;
        case VS_PARTITION_STRIDED: cut_strided(out, n_rows); break;
        case VS_PARTITION_DIRICHLET:
            err = cut_dirichlet(out, labels, n_rows, rule.alpha, seed);
            break;
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
