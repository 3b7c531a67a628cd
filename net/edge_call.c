/* One request to one address, for short commands: an edge with a single peer. */
#include <time.h>

#include "net/address.h"
#include "net/edge.h"

enum { SLICE_MS = 1000 };

static uint64_t now_ms(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

static vs_err send_it(vs_edge *edge, const vs_buf *request, uint32_t timeout_ms, vs_diag *diag)
{
    vs_outbox box = {0};
    vs_out *out = vs_outbox_send(&box, VS_PEER_AGGREGATOR, 0, timeout_ms);
    if (out != NULL) vs_buf_bytes(&out->msg, request->p, request->len);
    vs_err err = out == NULL ? VS_ERR_NOMEM : vs_buf_check(&out->msg);
    err = err == VS_OK ? vs_edge_flush(edge, &box, diag) : vs_fail(diag, err, "out of memory");
    vs_outbox_free(&box);
    return err;
}

vs_err vs_edge_call(const char *address, const vs_buf *request, uint32_t timeout_ms, vs_buf *reply,
                    vs_diag *diag)
{
    return vs_edge_call_tls(address, NULL, request, timeout_ms, reply, diag);
}

vs_err vs_edge_call_tls(const char *address, const vs_tls *tls, const vs_buf *request,
                        uint32_t timeout_ms, vs_buf *reply, vs_diag *diag)
{
    vs_edge *edge = NULL;
    vs_event event;
    uint64_t start = now_ms();
    vs_err err = vs_edge_new_tls(&edge, NULL, 1, tls, diag);
    if (err == VS_OK) err = vs_edge_set_peer(edge, VS_PEER_AGGREGATOR, address, diag);
    if (err == VS_OK) err = send_it(edge, request, timeout_ms, diag);
    if (err != VS_OK) goto cleanup;
    /* The request's own timeout ends the wait: REPLY or LOST always comes. */
    while (vs_edge_wait(edge, &event, SLICE_MS) != VS_OK) continue;
    if (event.kind == VS_EVENT_REPLY) {
        vs_buf_bytes(reply, event.msg, event.len);
        err = vs_buf_check(reply);
        if (err != VS_OK) err = vs_fail(diag, err, "%s: out of memory", address);
    } else {
        err = now_ms() - start >= timeout_ms ? VS_ERR_TIMEOUT : VS_ERR_IO;
        bool known = err == VS_ERR_TIMEOUT || vs_address_is_known(address);
        err = vs_fail(diag, err, "%s: %s", address,
                      known ? event.text : "this host name is not known here");
    }
cleanup:
    vs_edge_free(edge);
    return err;
}
