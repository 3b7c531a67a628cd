#include "net/call_wait.h"

#include <inttypes.h>
#include <time.h>

enum { POLL_MS = 200 };

static uint64_t monotonic_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool pause_told_to_stop(const vs_wait_options *o)
{
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
    if (o->sleep != NULL) return o->sleep(o->ctx, POLL_MS);
    (void)nanosleep(&pause, NULL);
    return false;
}

/* The wait is over for another reason than the round's end. */
static vs_err give_up(const vs_wait_options *o, uint64_t round, vs_err heard, uint64_t gone_ms,
                      uint64_t silent_ms, const vsw_RoundInfo *info, vs_diag *diag)
{
    if (o->timeout_ms != 0 && gone_ms >= o->timeout_ms) {
        if (heard != VS_OK) return heard; /* with its message */
        return vs_fail(diag, VS_ERR_TIMEOUT,
                       "round %" PRIu64 " is not over after %" PRIu64 " s: %s", round,
                       o->timeout_ms / 1000, vs_phase_name(info->phase));
    }
    if (o->away_ms != 0 && silent_ms >= o->away_ms) return heard;
    return VS_OK;
}

vs_err vs_call_wait(const vs_caller *caller, uint64_t round, const vs_wait_options *options,
                    vsw_RoundInfo *info, vs_diag *diag)
{
    VS_ASSERT(caller != NULL && options != NULL && info != NULL);
    const uint64_t start = monotonic_ms();
    uint64_t heard_at = start;
    for (;;) {
        vs_err err = vs_call_round_info(caller, round, info, NULL, NULL, diag);
        const uint64_t now = monotonic_ms();
        if (err == VS_ERR_STATE) return err; /* the aggregator's own no */
        if (err == VS_OK) {
            heard_at = now;
            if (options->progress != NULL) options->progress(options->ctx, info);
            if (info->phase == vsw_Phase_FINAL) return VS_OK;
            if (info->phase == vsw_Phase_ABORTED) {
                return vs_fail(diag, VS_ERR_STATE, "round %" PRIu64 " was aborted: %s", info->round,
                               info->detail);
            }
        }
        err = give_up(options, round, err, now - start, now - heard_at, info, diag);
        if (err != VS_OK) return err;
        if (pause_told_to_stop(options)) {
            return vs_fail(diag, VS_ERR_STATE, "interrupted; the round goes on");
        }
    }
}
