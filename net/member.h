/* net/member.h - a client's own files together: federation, key, enrolment, and what it keeps. */
#ifndef VS_NET_MEMBER_H
#define VS_NET_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "net/call.h"
#include "net/federation.h"
#include "net/keys.h"
#include "net/store.h"

/* Paths; NULL for enrolment and data: the key's path with .enrolment and .state for .key. */
typedef struct vs_member_paths {
    const char *federation, *key, *enrolment, *data;
} vs_member_paths;

typedef struct vs_member {
    vs_federation *fed;
    vs_keys *keys;
    uint8_t enrolment[64];
    vs_store store; /* open while ops is not NULL */
} vs_member;

/* Federation, key and enrolment, which must admit this key to this federation: messages say what to
 * do. The store stays closed. On error *out is zero. */
VS_MUST_CHECK vs_err vs_member_load(vs_member *out, const vs_member_paths *paths, vs_diag *diag);
/* Its folder (made if needed). VS_ERR_STATE while another process has it open. */
VS_MUST_CHECK vs_err vs_member_open_store(vs_member *m, const vs_member_paths *paths,
                                          vs_diag *diag);
void vs_member_free(vs_member *m); /* closes the store, wipes the key */

/* Who asks the aggregator; borrows m. timeout_ms: of each request. */
vs_caller vs_member_caller(const vs_member *m, uint32_t timeout_ms);

#endif /* VS_NET_MEMBER_H */
