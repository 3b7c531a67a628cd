/* Rounds of an arena, submissions, and what must come out of them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "fl/npy.h"
#include "ledger/dsse.h"
#include "net/call.h"
#include "net/keys.h"
#include "tests/attack/support_arena_impl.h"

/* --- rounds ----------------------------------------------------------------------------------- */

static vs_caller admin_of(const arena *a)
{
    return (vs_caller){.fed = a->tf->fed, .keys = a->tf->admin, .timeout_ms = ARENA_CALL_MS};
}

static vsw_RoundInfo info_of(arena *a, uint64_t round, vs_buf *open)
{
    vs_caller caller = admin_of(a);
    vsw_RoundInfo info;
    vs_diag diag = {{0}};
    if (vs_call_round_info(&caller, round, &info, open, NULL, &diag) != VS_OK) {
        info = (vsw_RoundInfo){.next_round = 1};
    }
    return info;
}

vsw_RoundInfo arena_info(arena *a)
{
    return info_of(a, 0, NULL);
}

vsw_Code arena_control_open(arena *a, const vs_h32 *model_hash)
{
    vs_caller caller = admin_of(a);
    vs_diag diag = {{0}};
    vs_call_open open = {.round = a->number + 1, .dim = ARENA_DIM};
    if (model_hash != NULL) open.model_hash = *model_hash;
    vs_err err = vs_call_open_round(&caller, &open, &diag);
    if (err != VS_OK) arena_fail("open", diag.text);
    return vsw_Code_OK;
}

/* Has every shareholder of this round the `open`? Then it takes uploads. */
static bool all_have_it(arena *a)
{
    for (uint32_t i = 0; i < a->round.open.n_shareholders; i++) {
        vsw_Request head = {.which_op = vsw_Request_status_tag};
        uint32_t j = a->round.open.shareholders[i].index;
        if (arena_ask(a, j, &head, NULL, 0) != vsw_Code_OK) return false;
        if (a->head.head.result.status.round != a->number) return false;
    }
    return true;
}

void arena_open(arena *a, const vs_h32 *model_hash)
{
    vs_diag diag = {{0}};
    for (uint32_t i = 0; i < ARENA_SUBS_MAX; i++) {
        vs_test_sub_free(a->sub[i]);
        a->sub[i] = NULL;
    }
    (void)arena_control_open(a, model_hash);
    a->number++;
    uint64_t end = arena_now_ms() + 30000;
    vsw_Phase phase = vsw_Phase_IDLE;
    while (phase != vsw_Phase_COLLECT && arena_now_ms() < end) {
        vs_buf_reset(&a->open);
        phase = info_of(a, a->number, &a->open).phase;
        arena_pump(a, 10);
    }
    if (phase != vsw_Phase_COLLECT) arena_fail("open", vs_phase_name(phase));
    arena_must(vs_round_from_open(&a->round, a->tf->fed, a->open.p, a->open.len, &diag), &diag,
               "open");
    while (!all_have_it(a) && arena_now_ms() < end) arena_pump(a, 10);
}

vsw_Phase arena_wait(arena *a, vsw_Phase phase)
{
    vsw_Phase seen = vsw_Phase_IDLE;
    for (uint64_t end = arena_now_ms() + 60000; arena_now_ms() < end;) {
        seen = info_of(a, a->number, NULL).phase;
        if (seen == phase || seen == vsw_Phase_FINAL || seen == vsw_Phase_ABORTED) return seen;
        arena_pump(a, 15);
    }
    return seen;
}

void arena_control(arena *a, vs_operation op)
{
    vs_caller caller = admin_of(a);
    vs_diag diag = {{0}};
    arena_must(vs_call_end_round(&caller, op, a->number, &diag), &diag, "control");
}

vsw_Phase arena_finish(arena *a)
{
    arena_control(a, VS_OPERATION_CLOSE);
    return arena_wait(a, vsw_Phase_FINAL);
}

bool arena_has_entry(arena *a, vs_entry_kind kind, uint32_t nth)
{
    vsw_Request head = {.which_op = vsw_Request_entry_tag,
                        .op.entry = {.round = a->number, .nth = nth}};
    (void)snprintf(head.op.entry.kind, sizeof head.op.entry.kind, "%s", vs_entry_kind_name(kind));
    return arena_ask(a, 0, &head, NULL, 0) == vsw_Code_OK;
}

vs_entry arena_entry(arena *a, vs_entry_kind kind, uint32_t nth)
{
    vs_entry entry;
    vs_dsse dsse = {0};
    vs_diag diag = {{0}};
    if (!arena_has_entry(a, kind, nth))
        arena_fail(vs_entry_kind_name(kind), (const char *)a->text.p);
    arena_must(vs_dsse_parse(&dsse, a->head.body, a->head.body_len, &diag), &diag, "entry");
    arena_must(vs_entry_decode(&entry, dsse.kind, dsse.payload.p, dsse.payload.len, &diag), &diag,
               "entry");
    vs_dsse_free(&dsse);
    return entry;
}

vs_entry_evidence arena_evidence(arena *a, uint32_t nth)
{
    for (uint64_t end = arena_now_ms() + 20000; arena_now_ms() < end;) {
        if (arena_has_entry(a, VS_ENTRY_EVIDENCE, nth)) break;
        arena_pump(a, 15);
    }
    return arena_entry(a, VS_ENTRY_EVIDENCE, nth).u.evidence;
}

/* --- submissions ------------------------------------------------------------------------------ */

vs_test_sub *arena_sub(arena *a, uint32_t i, uint64_t seed, const vs_test_cheat *cheat)
{
    return vs_test_sub_new(a->tf, &a->round, i, seed + 1000 * a->number, cheat);
}

vsw_Code arena_begin(arena *a, uint32_t j, const vs_buf *body)
{
    vsw_Request head = {.which_op = vsw_Request_submit_begin_tag,
                        .op.submit_begin = {.round = a->number}};
    return arena_ask(a, j, &head, body->p, body->len);
}

vsw_Code arena_chunks(arena *a, uint32_t j, const vs_test_sub *sub, const vs_buf *sealed)
{
    vsw_Request head = {.which_op = vsw_Request_submit_chunk_tag,
                        .op.submit_chunk = {.round = a->number}};
    memcpy(head.op.submit_chunk.submission, sub->h.submission.b, VS_H32_BYTES);
    return arena_ask(a, j, &head, sealed->p, sealed->len);
}

vsw_Code arena_end_upload(arena *a, uint32_t j, const vs_test_sub *sub, const vs_buf *body)
{
    vsw_Request head = {.which_op = vsw_Request_submit_finish_tag,
                        .op.submit_finish = {.round = a->number}};
    memcpy(head.op.submit_finish.submission, sub->h.submission.b, VS_H32_BYTES);
    return arena_ask(a, j, &head, body->p, body->len);
}

vsw_Code arena_upload(arena *a, uint32_t j, const vs_test_sub *sub)
{
    vsw_Code code = arena_begin(a, j, &sub->begin);
    if (code == vsw_Code_OK) code = arena_chunks(a, j, sub, &sub->sealed[j - 1]);
    if (code == vsw_Code_OK) code = arena_end_upload(a, j, sub, &sub->finish);
    return code;
}

vsw_Code arena_manifest(arena *a, const vs_test_sub *sub)
{
    vsw_Request head = {.which_op = vsw_Request_manifest_tag, .op.manifest = {.round = a->number}};
    vs_buf body = {0};
    vs_buf_bytes(&body, sub->begin.p, sub->begin.len);
    vs_buf_bytes(&body, sub->finish.p, sub->finish.len);
    vsw_Code code = arena_ask(a, 0, &head, body.p, body.len);
    vs_buf_free(&body);
    return code;
}

vs_test_sub *arena_submit(arena *a, uint32_t i)
{
    a->sub[i] = arena_sub(a, i, 100 + i, NULL);
    for (uint32_t k = 0; k < a->round.open.n_shareholders; k++) {
        uint32_t j = a->round.open.shareholders[k].index;
        arena_expect(a, arena_upload(a, j, a->sub[i]), vsw_Code_OK, "");
    }
    arena_expect(a, arena_manifest(a, a->sub[i]), vsw_Code_OK, "");
    return a->sub[i];
}

/* --- outcomes --------------------------------------------------------------------------------- */

void arena_expect_sum(arena *a, vs_test_sub *const *subs, uint32_t n)
{
    vs_caller member = {
        .fed = a->tf->fed, .keys = a->tf->shareholder[0], .timeout_ms = ARENA_CALL_MS};
    vs_entry_result result = arena_entry(a, VS_ENTRY_RESULT, 0).u.result;
    vs_buf sums = {0};
    vs_diag diag = {{0}};
    arena_must(vs_call_get_blob(&member, &result.sum_blob, 1 << 24, &sums, &diag), &diag, "sums");
    if (result.count != n || sums.len != (size_t)subs[0]->n_coords * 8) {
        arena_fail("sum", "over another number of clients");
    }
    for (uint32_t x = 0; x < subs[0]->n_coords; x++) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < n; i++) sum += subs[i]->coords[x];
        if (vs_load_le64(sums.p + 8 * (size_t)x) != sum) arena_fail("sum", "it is not exact");
    }
    vs_buf_free(&sums);
}

void arena_expect_honest(arena *a, uint32_t n)
{
    vsw_Phase phase = arena_wait(a, vsw_Phase_FINAL);
    if (phase != vsw_Phase_FINAL) {
        vs_buf_reset(&a->text);
        vs_buf_text(&a->text, info_of(a, a->number, NULL).detail);
        vs_buf_u8(&a->text, 0);
        arena_fail(vs_phase_name(phase), (const char *)a->text.p);
    }
    arena_expect_sum(a, a->sub, n);
}

void arena_expect_audit(arena *a)
{
    const char *args[] = {"audit", "agg", "--federation", "federation.json", NULL};
    arena_stop(a, 0);
    int status = arena_run(a, args);
    if (status != 0 || strstr((const char *)a->text.p, "audit ok") == NULL) {
        arena_fail("audit", (const char *)a->text.p);
    }
    args[1] = "agg/public"; /* as outsiders see it */
    if (arena_run(a, args) != 0) arena_fail("audit of the published log", (const char *)a->text.p);
}

void arena_expect_evidence_file(arena *a, const vs_buf *bytes, const char *words)
{
    const char *args[] = {"evidence", "--federation", "federation.json", "lie.evidence", NULL};
    arena_write_file(a, "lie.evidence", bytes->p, bytes->len);
    int status = arena_run(a, args);
    if (status != 0 || strstr((const char *)a->text.p, words) == NULL) {
        arena_fail("evidence", (const char *)a->text.p);
    }
    bytes->p[bytes->len - 1] ^= 1; /* what was tampered with proves nothing */
    arena_write_file(a, "lie.evidence", bytes->p, bytes->len);
    bytes->p[bytes->len - 1] ^= 1;
    if (arena_run(a, args) != 1) arena_fail("changed evidence", (const char *)a->text.p);
}

void arena_kept_evidence(arena *a, uint32_t j, uint32_t nth, vs_buf *out)
{
    char path[400], name[16];
    vs_diag diag = {{0}};
    (void)snprintf(path, sizeof path, "%s/%s/blobs/evidence-%016" PRIx32, a->folder,
                   arena_party(name, j), nth);
    arena_must(vs_file_read(out, path, 1 << 24, &diag), &diag, "kept evidence");
}

void arena_client_files(arena *a, uint32_t i)
{
    char path[400], name[32];
    vs_diag diag = {{0}};
    double update[ARENA_DIM];
    const size_t dims[] = {ARENA_DIM};
    (void)snprintf(name, sizeof name, "c%u.key", i);
    arena_path(path, a, name);
    arena_must(vs_keys_save(a->tf->client[i], path, &diag), &diag, "client's key");
    (void)snprintf(name, sizeof name, "c%u.enrolment", i);
    arena_path(path, a, name);
    arena_must(vs_enrolment_save(path, &a->tf->fed->id, &a->tf->client[i]->pub, a->tf->enrolment[i],
                                 &diag),
               &diag, "client's enrolment");
    for (uint32_t x = 0; x < ARENA_DIM; x++) update[x] = (double)(x % 7) / 10;
    (void)snprintf(name, sizeof name, "u%u.npy", i);
    arena_path(path, a, name);
    arena_must(vs_npy_write(path, update, dims, 1, &diag), &diag, "update");
}
