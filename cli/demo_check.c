/* The result of a round as the log names it, and whether its sum is exact. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/file.h"
#include "base/hash.h"
#include "cli/demo.h"
#include "ledger/dsse.h"
#include "ledger/entry.h"
#include "net/submission.h"

/* --- entries and blobs
 * ---------------------------------------------------------------------------- */

/* The first entry of this kind in the round, signed by the aggregator. */
static vs_err fetch_entry(const vs_demo *d, uint32_t round, vs_entry_kind kind, vs_entry *out,
                          vs_diag *diag)
{
    const vs_caller caller = vs_demo_caller(d);
    const char *name = vs_entry_kind_name(kind);
    vs_buf envelope = {0};
    vs_dsse dsse = {0};
    vs_err err = vs_call_entry(&caller, round, name, 0, &envelope, diag);
    if (err == VS_OK) err = vs_dsse_parse(&dsse, envelope.p, envelope.len, diag);
    if (err == VS_OK) err = vs_dsse_verify(&dsse, &d->fed->aggregator.key, diag);
    if (err == VS_OK) {
        err = vs_entry_decode(out, dsse.kind, dsse.payload.p, dsse.payload.len, diag);
    }
    if (err == VS_OK && (out->round != round || out->kind != kind)) {
        err =
            vs_fail(diag, VS_ERR_MALFORMED, "the aggregator sent another entry than \"%s\"", name);
    }
    vs_dsse_free(&dsse);
    vs_buf_free(&envelope);
    return err;
}

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
    vs_err err = vs_demo_path(d, path, name, diag);
    if (err == VS_OK) err = vs_map_file(&map, path, diag);
    if (err == VS_OK && map.len != 4 * n) {
        err = vs_fail(diag, VS_ERR_MALFORMED, "%s: %zu bytes, %zu are right", path, map.len, 4 * n);
    }
    for (size_t c = 0; err == VS_OK && c < n; c++) sums[c] += vs_load_le32(map.p + 4 * c);
    vs_unmap(&map);
    return err;
}

/* Every coordinate, weight digits included, equals the integer sum over the included clients. */
static vs_err check_exact(const vs_demo *d, uint32_t round, const vs_buf *sum, vs_demo_result *out,
                          vs_diag *diag)
{
    const size_t n = sum->len / 8;
    uint64_t *sums = calloc(n, sizeof *sums);
    vs_err err = sums == NULL ? vs_fail(diag, VS_ERR_NOMEM, "out of memory") : VS_OK;
    for (uint32_t i = 1; err == VS_OK && i <= d->o.work.n_clients; i++) {
        if (out->included[i]) err = add_update(d, round, i, sums, n, diag);
    }
    bool exact = err == VS_OK;
    for (size_t c = 0; exact && c < n; c++) exact = sums[c] == vs_load_le64(sum->p + 8 * c);
    out->exact = exact;
    free(sums);
    return err;
}

static vs_err decode_mean(const vs_demo *d, const vs_entry *open, const vs_entry *result,
                          const vs_buf *sum, double *mean, vs_diag *diag)
{
    const size_t dim = open->u.open.dim;
    uint64_t *sums = malloc(sum->len + 8);
    uint64_t weight_sum = 0;
    if (sums == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    for (size_t c = 0; c < sum->len / 8; c++) sums[c] = vs_load_le64(sum->p + 8 * c);
    vs_err err = vs_dequantise_weight(&weight_sum, sums + dim, open->u.open.weight_digits,
                                      open->u.open.quantization_bits);
    if (err != VS_OK || weight_sum == 0 || weight_sum != result->u.result.weight_sum) {
        err = vs_fail(diag, VS_ERR_PROOF, "the summed weight is not that of the result");
    } else {
        vs_dequantise(mean, &d->fed->quantiser, sums, dim, result->u.result.count, weight_sum);
    }
    free(sums);
    return err;
}

static vs_err fetch_all(vs_demo *d, uint32_t round, vs_entry *entry, vs_demo_result *out,
                        vs_diag *diag)
{
    vs_entry *open = &entry[0], *set = &entry[1], *result = &entry[2];
    const vs_caller caller = vs_demo_caller(d);
    const size_t n_params = vs_model_n_params(&d->o.model);
    vs_buf records = {0}, sum = {0};
    vs_err err = fetch_entry(d, round, VS_ENTRY_OPEN, open, diag);
    if (err == VS_OK) err = fetch_entry(d, round, VS_ENTRY_SET, set, diag);
    if (err == VS_OK) err = fetch_entry(d, round, VS_ENTRY_RESULT, result, diag);
    if (err != VS_OK) return err;
    const size_t len = 8 * (n_params + open->u.open.weight_digits);
    err = vs_call_get_blob(&caller, &set->u.set.records_blob,
                           (size_t)VS_RECORD_BYTES * VS_DEMO_CLIENTS_MAX, &records, diag);
    if (err == VS_OK) {
        err = vs_call_get_blob(&caller, &result->u.result.sum_blob, len, &sum, diag);
    }
    if (err == VS_OK && (sum.len != len || open->u.open.dim != n_params)) {
        err = vs_fail(diag, VS_ERR_MALFORMED, "the sum has %zu bytes, %zu are right", sum.len, len);
    }
    if (err == VS_OK) {
        find_included(d, round, &records, out);
        if (out->n_included == set->u.set.count) {
            err = check_exact(d, round, &sum, out, diag);
        } else {
            err =
                vs_fail(diag, VS_ERR_STATE, "the set has %u clients, %u of ours say they are in it",
                        set->u.set.count, out->n_included);
        }
    }
    if (err == VS_OK) err = decode_mean(d, open, result, &sum, out->mean, diag);
    vs_buf_free(&records);
    vs_buf_free(&sum);
    return err;
}

vs_err vs_demo_fetch_result(vs_demo *d, uint32_t round, vs_demo_result *out, vs_diag *diag)
{
    vs_entry *entry = calloc(3, sizeof *entry);
    if (entry == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    vs_err err = fetch_all(d, round, entry, out, diag);
    if (err != VS_OK) vs_diag_prefix(diag, "result of round %u", round);
    free(entry);
    return err;
}
