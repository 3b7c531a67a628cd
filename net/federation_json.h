/* net/federation_json.h - inside net/federation*.c: from JSON members to the struct, and errors
 * that name the file, the line and the member. */
#ifndef VS_NET_FEDERATION_JSON_H
#define VS_NET_FEDERATION_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "net/federation.h"

#define VS_FED_K_STDDEVS 4.0 /* defaults */
#define VS_FED_CLIP_RATE 0.2

/* The file that is being read; borrowed. */
typedef struct vs_fed_text {
    const uint8_t *bytes;
    size_t len;
    const char *name; /* for messages */
    vs_diag *diag;
} vs_fed_text;

/* "<file>: line <line of path>: <message>" */
vs_err vs_fed_bad(const vs_fed_text *text, vs_err err, const char *path, const char *fmt, ...)
    VS_PRINTF(4, 5);

/* Read every member into *fed (zeroed by the caller): types, ranges of single members, missing and
 * unknown ones. */
VS_MUST_CHECK vs_err vs_fed_read_json(vs_federation *fed, const vs_fed_text *text);
struct json_t;
/* Member "tensors" (NULL: not there); num_params has been read. */
VS_MUST_CHECK vs_err vs_fed_read_tensors(vs_federation *fed, const vs_fed_text *text,
                                         const struct json_t *list);
/* The rules between members; fills fed->policy. */
VS_MUST_CHECK vs_err vs_fed_check_rules(vs_federation *fed, const vs_fed_text *text);

#endif /* VS_NET_FEDERATION_JSON_H */
