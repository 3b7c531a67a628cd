/* bench ledger: proofs at some sizes of one growing log. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "bench/ledger_impl.h"
#include "ledger/tree.h"

enum { REPS = 200, BATCH = 4096, ENTRY_BYTES = 64, PATH_BYTES = 4096 };

typedef struct proofs {
    vs_log *log;
    uint8_t (*entry)[ENTRY_BYTES];
    vs_bytes *bytes;
    double *us[4];
    uint32_t reps;
    uint64_t state; /* of the generator of indexes */
} proofs;

/* splitmix64: indexes only need to be spread. */
static uint64_t next(proofs *p, uint64_t below)
{
    uint64_t z = p->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (z ^ (z >> 31)) % below;
}

static void fill(uint8_t entry[ENTRY_BYTES], uint64_t index)
{
    memset(entry, 0x5a, ENTRY_BYTES);
    vs_store_le64(entry, index);
}

static vs_err grow(proofs *p, uint64_t size, vs_diag *diag)
{
    vs_err err = VS_OK;
    while (err == VS_OK && vs_log_size(p->log) < size) {
        uint64_t first = vs_log_size(p->log);
        uint64_t left = size - first;
        uint32_t n = left < BATCH ? (uint32_t)left : BATCH;
        for (uint32_t i = 0; i < n; i++) fill(p->entry[i], first + i);
        err = vs_log_append(p->log, p->bytes, n, &first, NULL, diag);
    }
    return err;
}

/* One of each: inclusion of a random entry, consistency with a random older size. */
static vs_err sample(proofs *p, uint32_t i, uint64_t size, const vs_h32 *root, vs_diag *diag)
{
    vs_tree_reader tree = vs_log_tree(p->log);
    vs_tree_path path;
    vs_h32 leaf, old_root;
    uint8_t entry[ENTRY_BYTES];
    uint64_t index = next(p, size);
    uint64_t old = 1 + next(p, size - 1);
    double t[5];
    fill(entry, index);
    vs_merkle_leaf(&leaf, entry, sizeof entry);
    vs_err err = vs_tree_root(&tree, old, &old_root);
    t[0] = vs_bench_now_us();
    if (err == VS_OK) err = vs_tree_prove_inclusion(&tree, index, size, &path);
    t[1] = vs_bench_now_us();
    if (err == VS_OK) err = vs_tree_verify_inclusion(&leaf, index, size, root, &path);
    t[2] = vs_bench_now_us();
    if (err == VS_OK) err = vs_tree_prove_consistency(&tree, old, size, &path);
    t[3] = vs_bench_now_us();
    if (err == VS_OK) err = vs_tree_verify_consistency(old, &old_root, size, root, &path);
    t[4] = vs_bench_now_us();
    for (uint32_t k = 0; k < 4; k++) p->us[k][i] = t[k + 1] - t[k];
    return err == VS_OK ? VS_OK
                        : vs_fail(diag, err, "bench ledger: a proof at size %llu does not hold",
                                  (unsigned long long)size);
}

static vs_err at_size(vs_bench_ledger_proofs *out, proofs *p, uint64_t size, vs_diag *diag)
{
    vs_h32 root;
    double from = vs_bench_now_us();
    vs_err err = grow(p, size, diag);
    out->size = size;
    out->build_s = (vs_bench_now_us() - from) / 1e6;
    vs_log_root(p->log, &root);
    for (uint32_t i = 0; err == VS_OK && i < p->reps; i++) err = sample(p, i, size, &root, diag);
    if (err != VS_OK) return err;
    out->prove_inclusion = vs_bench_quantile(p->us[0], p->reps, 0.5);
    out->verify_inclusion = vs_bench_quantile(p->us[1], p->reps, 0.5);
    out->prove_consistency = vs_bench_quantile(p->us[2], p->reps, 0.5);
    out->verify_consistency = vs_bench_quantile(p->us[3], p->reps, 0.5);
    return VS_OK;
}

vs_err vs_bench_ledger_proofs_run(vs_bench_ledger_result *out, const char *dir,
                                  const vs_bench_ledger_spec *spec, vs_diag *diag)
{
    char path[PATH_BYTES + 16];
    vs_bench_log_key key;
    proofs p = {.reps = spec->reps == 0 ? REPS : spec->reps};
    vs_err err = vs_bench_log_key_make(&key, diag);
    p.entry = calloc(BATCH, sizeof *p.entry);
    p.bytes = calloc(BATCH, sizeof *p.bytes);
    for (uint32_t k = 0; k < 4; k++) {
        p.us[k] = calloc(p.reps, sizeof *p.us[k]);
        if (p.us[k] == NULL) err = VS_ERR_NOMEM;
    }
    if (p.entry == NULL || p.bytes == NULL) err = VS_ERR_NOMEM;
    for (uint32_t i = 0; err == VS_OK && i < BATCH; i++) {
        p.bytes[i] = (vs_bytes){p.entry[i], ENTRY_BYTES};
    }
    (void)snprintf(path, sizeof path, "%s/proofs", dir);
    if (err == VS_OK) {
        err = vs_log_create(&p.log, path, key.key.name, &key.key, key.seed, diag);
    }
    for (uint32_t i = 0; err == VS_OK && i < spec->n_sizes; i++) {
        vs_bench_say(spec, "proofs at %llu entries", (unsigned long long)spec->size[i]);
        err = at_size(&out->proofs[i], &p, spec->size[i], diag);
        out->n_proofs = i + 1;
    }
    vs_log_close(p.log);
    for (uint32_t k = 0; k < 4; k++) free(p.us[k]);
    free(p.entry);
    free(p.bytes);
    return err;
}
