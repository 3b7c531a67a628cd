/* ledger/policy_text.h - trust policies as text (C2SP tlog-policy), nested groups included.
 *
 * Lines "log VKEY [URL]", "witness NAME VKEY [URL]", "group NAME all|any|K NAME...", "quorum
 * NAME|none"; '#' begins a comment line; names are defined before they are used. A checkpoint is
 * good when one of the logs signed it and the quorum's witnesses cosigned it. Public data. */
#ifndef VS_LEDGER_POLICY_TEXT_H
#define VS_LEDGER_POLICY_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "ledger/note.h"
#include "ledger/policy.h"

#define VS_TLOG_LOGS_MAX 32u
#define VS_TLOG_WITNESSES_MAX 128u
#define VS_TLOG_GROUPS_MAX 32u
#define VS_TLOG_NODES_MAX (VS_TLOG_WITNESSES_MAX + VS_TLOG_GROUPS_MAX)
#define VS_TLOG_URL_MAX 255u /* bytes */
#define VS_TLOG_POLICY_MAX_BYTES 131072u

typedef struct vs_tlog_party {
    vs_note_key key;
    char url[VS_TLOG_URL_MAX + 1]; /* "" if there is none */
} vs_tlog_party;

/* At least k of the members. Members are nodes: witness i is node i, group g is node
 * VS_TLOG_WITNESSES_MAX + g. */
typedef struct vs_tlog_group {
    uint32_t k;
    bool member[VS_TLOG_NODES_MAX];
} vs_tlog_group;

/* About 100 KiB, no pointers, copyable. */
typedef struct vs_tlog_policy {
    uint32_t n_logs, n_witnesses, n_groups;
    vs_tlog_party log[VS_TLOG_LOGS_MAX];
    vs_tlog_party witness[VS_TLOG_WITNESSES_MAX];
    vs_tlog_group group[VS_TLOG_GROUPS_MAX];
    bool needs_quorum; /* false: "quorum none" */
    uint32_t quorum;   /* node */
} vs_tlog_policy;

/* VS_ERR_MALFORMED ("line 3: ..."), VS_ERR_LIMIT, VS_ERR_NOMEM; *out is zero then. */
VS_MUST_CHECK vs_err vs_tlog_policy_parse(vs_tlog_policy *out, const void *text, size_t len,
                                          vs_diag *diag);
VS_MUST_CHECK vs_err vs_tlog_policy_load(vs_tlog_policy *out, const char *path, vs_diag *diag);

/* Who signed one checkpoint. */
typedef struct vs_tlog_result {
    vs_checkpoint checkpoint;
    size_t text_len;     /* bytes of the signed text */
    uint32_t log;        /* position of the log */
    uint32_t n_cosigned; /* witnesses that verified */
    bool quorum;         /* are they enough? */
    bool cosigned[VS_TLOG_WITNESSES_MAX];
    uint64_t time_s[VS_TLOG_WITNESSES_MAX];
} vs_tlog_result;

/* The log's signature is needed, its name being the origin; a wrong signature by a known key is
 * VS_ERR_PROOF. Whether the quorum is met is in out->quorum. On error *out is zero. */
VS_MUST_CHECK vs_err vs_tlog_policy_verify(vs_tlog_result *out, const vs_tlog_policy *policy,
                                           const uint8_t *note, size_t len, vs_diag *diag);

/* Are these witnesses a quorum? */
bool vs_tlog_policy_met(const vs_tlog_policy *policy, const bool cosigned[VS_TLOG_WITNESSES_MAX]);

/* Append a simple policy as text: the log, its cosigners as group "committee". VS_ERR_NOMEM. */
VS_MUST_CHECK vs_err vs_policy_text_format(vs_buf *out, const vs_policy *policy);
/* A simple policy as one that can hold more. */
void vs_tlog_policy_of(vs_tlog_policy *out, const vs_policy *policy);

#endif /* VS_LEDGER_POLICY_TEXT_H */
