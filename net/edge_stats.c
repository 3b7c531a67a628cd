#include "net/edge_stats.h"

#include <string.h>

#include <nng/nng.h>

static nng_stat *child(nng_stat *scope, const char *name)
{
    nng_stat *s = nng_stat_child(scope);
    while (s != NULL && strcmp(nng_stat_name(s), name) != 0) s = nng_stat_next(s);
    return s;
}

static uint64_t value(nng_stat *scope, const char *name)
{
    nng_stat *s = child(scope, name);
    return s == NULL ? 0 : nng_stat_value(s);
}

static vs_dials count(nng_stat *dialer)
{
    static const char *const failures[] = {"refused", "disconnect", "other", "timeout",
                                           "proto",   "auth",       "oom",   "reject"};
    vs_dials d = {.refused = value(dialer, "refused"), .auth = value(dialer, "auth")};
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        d.failed += value(dialer, failures[i]);
    }
    return d;
}

bool vs_stats_dials(vs_dials *out, const int *dialer, uint32_t n)
{
    nng_stat *root;
    memset(out, 0, n * sizeof *out);
    if (nng_stats_get(&root) != 0) return false;
    for (nng_stat *s = nng_stat_child(root); s != NULL; s = nng_stat_next(s)) {
        if (strcmp(nng_stat_name(s), "dialer") != 0) continue;
        uint64_t id = value(s, "id");
        for (uint32_t i = 0; i < n; i++) {
            if (id == (uint64_t)dialer[i]) out[i] = count(s);
        }
    }
    nng_stats_free(root);
    return true;
}

static bool is_one_of(uint64_t id, const int *socket, uint32_t n)
{
    bool found = false;
    for (uint32_t i = 0; i < n; i++) found |= id == (uint64_t)socket[i];
    return found;
}

uint64_t vs_stats_held(const int *socket, uint32_t n)
{
    nng_stat *root;
    uint64_t held = 0;
    if (nng_stats_get(&root) != 0) return 0;
    for (nng_stat *s = nng_stat_child(root); s != NULL; s = nng_stat_next(s)) {
        const char *kind = nng_stat_name(s);
        bool is_end = strcmp(kind, "dialer") == 0 || strcmp(kind, "listener") == 0;
        if (is_end && is_one_of(value(s, "socket"), socket, n)) held++;
        if (strcmp(kind, "socket") == 0 && is_one_of(value(s, "id"), socket, n)) {
            held += value(s, "pipes");
        }
    }
    nng_stats_free(root);
    return held;
}
