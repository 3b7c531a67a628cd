/* cli/ledger.h - what the ledger commands share: where the log is, how an entry, a hash and a
 * verdict read. */
#ifndef VS_CLI_LEDGER_H
#define VS_CLI_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "cli/args.h"
#include "ledger/dsse.h"
#include "ledger/entry.h"
#include "ledger/note.h"

struct json_t;

#define VS_LEDGER_PATH_BYTES 4096u

/* The folder that holds ledger.db: dir itself, or dir/ledger for an aggregator's data folder. */
VS_MUST_CHECK vs_err vs_ledger_folder(char out[VS_LEDGER_PATH_BYTES], const char *dir,
                                      vs_diag *diag);

/* The same, or a published log: *published = true when dir has no ledger.db but a file checkpoint.
 * An aggregator's data folder gives its ledger. */
VS_MUST_CHECK vs_err vs_ledger_or_published(char out[VS_LEDGER_PATH_BYTES], bool *published,
                                            const char *dir, vs_diag *diag);

/* --- arguments; what is wrong with one is a failed check, not wrong usage: such values come from
 * files of others -------------------------------------------------------------------------------
 */

/* The base64 of 32 bytes. */
VS_MUST_CHECK vs_err vs_ledger_hash(vs_h32 *out, const char *option, const char *text,
                                    vs_diag *diag);
/* A decimal number of 64 bits. */
VS_MUST_CHECK vs_err vs_ledger_number(uint64_t *out, const char *option, const char *text,
                                      vs_diag *diag);
/* All --vkey arguments; at most cap of them (*n is how many there are). */
VS_MUST_CHECK vs_err vs_ledger_vkeys(vs_note_key *out, uint32_t cap, uint32_t *n,
                                     const vs_args *args, vs_diag *diag);

/* --- printing ----------------------------------------------------------------------------------
 */

/* One entry of a log, as far as it can be read: kind is "?" and e.kind 0 where it cannot. */
typedef struct vs_ledger_line {
    uint64_t index;
    vs_h32 leaf_hash;
    size_t len; /* bytes of the entry */
    char kind[sizeof((vs_dsse *)0)->kind];
    vs_entry e;
    vs_diag says; /* a few printable words, or what is wrong */
} vs_ledger_line;
/* dsse (may be NULL) receives the envelope, empty where there is none; the caller releases it. */
void vs_ledger_read(vs_ledger_line *out, vs_dsse *dsse, uint64_t index, const vs_buf *entry);

/* "2026-10-15 12:00:00 UTC" */
void vs_ledger_time(char out[32], uint64_t unix_time_s);

/* A JSON string of text that need not be UTF-8: bytes above ASCII become '?' where it is not. */
struct json_t *vs_ledger_json_text(const char *text);
/* A check has failed: "veilsum: invalid: <why>" to stderr, or {"valid": false, "reason"} where
 * --json is given. Returns VS_EXIT_FAILED. */
int vs_ledger_invalid(const vs_args *args, const vs_diag *why);

#endif /* VS_CLI_LEDGER_H */
