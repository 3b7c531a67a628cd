/* cli/doctor.h - what `veilsum doctor` found: one line per check, and what to do about it. */
#ifndef VS_CLI_DOCTOR_H
#define VS_CLI_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "net/federation.h"
#include "net/keys.h"

typedef enum vs_health {
    VS_HEALTH_OK,
    VS_HEALTH_WARN, /* works, but not for ever, or not as it should */
    VS_HEALTH_FAIL,
} vs_health;

typedef struct vs_finding {
    char check[40];
    vs_health health;
    char found[300];
    char advice[300]; /* "" when there is nothing to do */
} vs_finding;

typedef struct vs_doctor {
    /* what to look at; NULL: not given, or could not be loaded */
    vs_federation *fed;
    vs_keys *keys;
    const char *federation_path, *key_path, *data_dir;
    uint32_t timeout_ms;
    uint64_t min_free_bytes;
    /* who the key is: index of a shareholder, or 0 and is_aggregator, or neither */
    uint32_t index;
    bool is_aggregator;
    bool holds_lock;    /* a process has the data folder */
    bool own_answers;   /* this party's daemon answers at its address */
    uint32_t log_sizes; /* of parties that answered */
    vs_finding *finding;
    size_t n, cap;
    bool failed; /* out of memory */
} vs_doctor;

/* "what was found|what to do": the advice stands behind the last '|' of the text, if there is one.
 */
void vs_doctor_say(vs_doctor *d, const char *check, vs_health health, const char *fmt, ...)
    VS_PRINTF(4, 5);

void vs_doctor_program(vs_doctor *d); /* version, instruction set, limits, randomness */
void vs_doctor_keys(vs_doctor *d);    /* whose key it is; enrolment of a client */
void vs_doctor_tls(vs_doctor *d);     /* certificates, their dates and names */
void vs_doctor_data(vs_doctor *d);    /* folder, rights, lock, disk */
void vs_doctor_parties(vs_doctor *d); /* every address: reachable, who, version, clock, log */

#endif /* VS_CLI_DOCTOR_H */
