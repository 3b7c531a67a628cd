/* net/monitor_impl.h - what is counted; monitor.c counts, monitor_http.c tells. */
#ifndef VS_NET_MONITOR_IMPL_H
#define VS_NET_MONITOR_IMPL_H

#include "net/metrics_text.h"
#include "net/monitor.h"
#include "net/wire.h"

#define VS_MONITOR_OPS 32u   /* field numbers of Request.op are below */
#define VS_MONITOR_CODES 24u /* values of Code are below */
#define VS_MONITOR_PHASES 12u
#define VS_MONITOR_PLACES 256u

/* A request that is not answered yet. */
typedef struct vs_asked {
    uint64_t conn;
    uint32_t op;
    uint64_t round;
} vs_asked;

typedef struct vs_peer_counts {
    uint64_t sent, replies, lost;
    uint64_t last_reply_ms;
} vs_peer_counts;

struct vs_monitor {
    const vs_federation *fed;
    uint32_t index; /* 0: aggregator */
    vs_edge *edge;
    vs_http *http; /* NULL until served */
    void (*notice)(void *ctx, const char *text);
    void *notice_ctx;
    uint64_t start_ms;  /* unix */
    vs_buf question[2]; /* status, round_info */
    vsw_StatusReply status;
    vsw_RoundInfo info; /* aggregator */
    bool has_info;
    uint64_t phase_since_ms;
    vs_asked asked[VS_MONITOR_PLACES];

    uint64_t requests[VS_MONITOR_OPS][VS_MONITOR_CODES]; /* code 0: ok */
    uint64_t accepted, rejected[VS_MONITOR_CODES];
    uint64_t round_accepted, round_rejected; /* of the newest round */
    uint64_t bytes_in, bytes_out;
    vs_histogram steps[VS_MONITOR_OPS]; /* [0]: ticks and replies of peers */
    vs_histogram commits;
    vs_histogram phases[VS_MONITOR_PHASES];
    uint64_t rounds_final, rounds_aborted;
    vs_peer_counts peers[VS_PEERS_MAX];
};

/* "submit_finish"; NULL for a number that is no operation. */
const char *vs_monitor_op(uint32_t op);
uint64_t vs_monitor_now_ms(void); /* unix */

#endif /* VS_NET_MONITOR_IMPL_H */
