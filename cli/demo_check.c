/* The result of a round as the log names it, and whether its sum is exact. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/file.h"
#include "cli/demo.h"
#include "ledger/entry.h"
#include "net/call_result.h"
#include "net/submission.h"

/* --- who is in the set
 * ---------------------------------------------------------------------------- */

typedef struct submitted {
    bool found;
    vs_h32 pseudonym;
    uint64_t bytes;
} submitted;

static void take_submitted(void *ctx, const struct json_t *line)
{
    submitted *s = ctx;
    const char *hex = json_string_value(json_object_get(line, "pseudonym"));
    json_int_t bytes = json_integer_value(json_object_get(line, "bytes_sent"));
    s->found = hex != NULL && vs_hex_decode(s->pseudonym.b, 32, hex) == VS_OK;
    s->bytes = bytes > 0 ? (uint64_t)bytes : 0;
}

static bool is_in_set(const vs_buf *records, const vs_h32 *pseudonym)
{
    for (size_t at = 0; at + VS_RECORD_BYTES <= records->len; at += VS_RECORD_BYTES) {
        vs_record record;
        vs_record_decode(&record, records->p + at);
        if (vs_h32_equal(&record.pseudonym, pseudonym)) return true;
    }
    return false;
}

/* The ledger knows pseudonyms only; each client of the demo tells its own. */
static void find_included(vs_demo *d, uint32_t round, const vs_buf *records, vs_demo_result *out)
{
    uint64_t bytes = 0;
    out->n_included = 0;
    for (uint32_t i = 1; i <= d->o.work.n_clients; i++) {
        submitted s = {0};
        vs_process_events(vs_demo_client(d, i), "submitted", round, take_submitted, &s);
        out->included[i] = s.found && is_in_set(records, &s.pseudonym);
        if (!out->included[i]) continue;
        out->n_included++;
        bytes += s.bytes;
    }
    if (out->n_included > 0) out->upload_bytes = bytes / out->n_included;
}

/* --- the sum -------------------------------------------------------------------------------------
 */

/* Add what a client has left in the demo's folder. */
static vs_err add_update(const vs_demo *d, uint32_t round, uint32_t i, uint64_t *sums, size_t n,
                         vs_diag *diag)
{
    char name[64], path[VS_PROCESS_PATH_BYTES];
    vs_map map = {0};
    (void)snprintf(name, sizeof name, "revealed/round-%u-client-%u.u32", round, i);
    vs_err err = vs_loopback_path(&d->here, path, name, diag);
    if (err == VS_OK) err = vs_map_file(&map, path, diag);
    if (err == VS_OK && map.len != 4 * n) {
        err = vs_fail(diag, VS_ERR_MALFORMED, "%s: %zu bytes, %zu are right", path, map.len, 4 * n);
    }
    for (size_t c = 0; err == VS_OK && c < n; c++) sums[c] += vs_load_le32(map.p + 4 * c);
    vs_unmap(&map);
    return err;
}

/* Every coordinate, weight digits included, equals the integer sum over the included clients. */
static vs_err check_exact(const vs_demo *d, uint32_t round, const uint64_t *sum, size_t n,
                          vs_demo_result *out, vs_diag *diag)
{
    uint64_t *sums = calloc(n, sizeof *sums);
    vs_err err = sums == NULL ? vs_fail(diag, VS_ERR_NOMEM, "out of memory") : VS_OK;
    for (uint32_t i = 1; err == VS_OK && i <= d->o.work.n_clients; i++) {
        if (out->included[i]) err = add_update(d, round, i, sums, n, diag);
    }
    bool exact = err == VS_OK;
    for (size_t c = 0; exact && c < n; c++) exact = sums[c] == sum[c];
    out->exact = exact;
    free(sums);
    return err;
}

static void take_result(const vs_fetched_result *f, vs_demo_result *out)
{
    memcpy(out->mean, f->mean, f->round.open.dim * sizeof *out->mean);
    out->epsilon = f->round.open.epsilon;
    out->clip_norm = f->round.open.clip_norm;
    out->has_metrics = f->round.open.metrics > 0;
    out->metrics = f->metrics;
}

static vs_err fetch_all(vs_demo *d, uint32_t round, vs_entry *set, vs_fetched_result *f,
                        vs_demo_result *out, vs_diag *diag)
{
    const vs_caller caller = vs_loopback_caller(&d->here);
    const size_t n_params = vs_model_n_params(&d->o.model);
    vs_buf records = {0};
    vs_err err = vs_call_checked_entry(&caller, round, VS_ENTRY_SET, 0, set, diag);
    if (err == VS_OK) err = vs_call_result(f, &caller, round, diag);
    if (err == VS_OK && f->round.open.dim != n_params) {
        err = vs_fail(diag, VS_ERR_MALFORMED, "the mean has %u values, the model %zu",
                      f->round.open.dim, n_params);
    }
    if (err == VS_OK) {
        err = vs_call_get_blob(&caller, &set->u.set.records_blob,
                               (size_t)VS_RECORD_BYTES * VS_LOOPBACK_CLIENTS_MAX, &records, diag);
    }
    if (err == VS_OK) {
        find_included(d, round, &records, out);
        if (out->n_included == set->u.set.count) {
            err = check_exact(d, round, f->sums, f->round.layout.dim, out, diag);
        } else {
            err =
                vs_fail(diag, VS_ERR_STATE, "the set has %u clients, %u of ours say they are in it",
                        set->u.set.count, out->n_included);
        }
    }
    if (err == VS_OK) take_result(f, out);
    vs_buf_free(&records);
    return err;
}

vs_err vs_demo_fetch_result(vs_demo *d, uint32_t round, vs_demo_result *out, vs_diag *diag)
{
    vs_entry *set = calloc(1, sizeof *set);
    vs_fetched_result *f = calloc(1, sizeof *f);
    vs_err err = set == NULL || f == NULL ? vs_fail(diag, VS_ERR_NOMEM, "out of memory") : VS_OK;
    if (err == VS_OK) err = fetch_all(d, round, set, f, out, diag);
    if (err != VS_OK) vs_diag_prefix(diag, "result of round %u", round);
    if (f != NULL) vs_fetched_result_free(f);
    free(f);
    free(set);
    return err;
}
