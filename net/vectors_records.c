/* Suite "records": records of accepted and rejected clients, their order and roots (docs/WIRE.md
 * "Fixed layouts"). */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "net/submission.h"
#include "net/vectors_impl.h"

enum { RECORDS_MAX = 64 };

static const uint32_t counts[] = {0, 1, 2, 3, 5, 8, 13};
enum { N_COUNTS = sizeof counts / sizeof counts[0] };

static int by_pseudonym(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

/* [[pseudonym, manifest_hash, commit_root]...] or [[pseudonym, manifest_hash, reason]...], sorted.
 * Reasons go round 1..10. */
static json_t *make_records(const vs_draw *draw, uint32_t index, uint32_t count, bool rejected)
{
    uint8_t raw[16][96];
    json_t *records = json_array();
    for (uint32_t i = 0; i < count; i++) {
        vs_draw_bytes(draw, rejected ? "rejected" : "record", 256 * index + i, raw[i], 96);
    }
    qsort(raw, count, sizeof raw[0], by_pseudonym);
    for (uint32_t i = 0; i < count; i++) {
        json_t *x = json_object();
        vs_case r = {.out = x};
        vs_case_put_hex(&r, "pseudonym", raw[i], 32);
        vs_case_put_hex(&r, "manifest_hash", raw[i] + 32, 32);
        if (rejected) {
            vs_case_put_uint(&r, "reason", i % VS_REJECT_INCOMPLETE + 1);
        } else {
            vs_case_put_hex(&r, "commit_root", raw[i] + 64, 32);
        }
        if (r.err != VS_OK || !vs_json_push(records, x)) {
            json_decref(records);
            return NULL;
        }
    }
    return records;
}

static vs_err make(json_t *cases, const vs_draw *draw)
{
    vs_err err = VS_OK;
    for (uint32_t i = 0; err == VS_OK && i < 2 * N_COUNTS; i++) {
        bool rejected = i >= N_COUNTS;
        vs_case c = vs_case_new(cases, rejected ? "rejected clients" : "clients of a set", &err);
        vs_case_put_text(&c, "kind", rejected ? "rejected" : "records");
        vs_case_put(&c, "records", make_records(draw, i, counts[i % N_COUNTS], rejected));
        err = c.err;
    }
    return err;
}

static void compute(vs_case *c)
{
    uint8_t raw[RECORDS_MAX * VS_RECORD_BYTES];
    size_t count;
    vs_h32 root, blob;
    const char *kind = vs_case_text(c, "kind");
    bool rejected = strcmp(kind, "rejected") == 0;
    if (c->err == VS_OK && !rejected && strcmp(kind, "records") != 0) {
        (void)vs_case_fail(c, VS_ERR_MALFORMED, "kind", "must be \"records\" or \"rejected\"");
    }
    const json_t *records = vs_case_array(c, "records", 0, RECORDS_MAX, &count);
    for (size_t i = 0; i < count; i++) {
        vs_record r;
        vs_case x = vs_entry_nested(c, records, i, "records");
        vs_case_h32(&x, "pseudonym", &r.pseudonym);
        vs_case_h32(&x, "manifest_hash", &r.manifest_hash);
        if (rejected) {
            vs_reject why =
                (vs_reject)vs_case_uint(&x, "reason", VS_REJECT_LATE, VS_REJECT_INCOMPLETE);
            vs_rejected_encode(raw + i * VS_RECORD_BYTES, &r.pseudonym, &r.manifest_hash, why);
        } else {
            vs_case_h32(&x, "commit_root", &r.commit_root);
            vs_record_encode(raw + i * VS_RECORD_BYTES, &r);
        }
        vs_case_end(c, &x);
    }
    if (c->err != VS_OK) return;
    if (vs_records_root(&root, raw, (uint32_t)count) != VS_OK) {
        (void)vs_case_fail(c, VS_ERR_MALFORMED, "records", "must ascend strictly by pseudonym");
        return;
    }
    vs_sha256(&blob, raw, count * VS_RECORD_BYTES);
    vs_case_put_hex(c, "bytes", raw, count * VS_RECORD_BYTES);
    vs_case_put_h32(c, "root", &root);
    vs_case_put_h32(c, "blob_name", &blob);
}

const vs_suite vs_suite_records = {.name = "records", .make = make, .compute = compute};
