/* net/vectors_errors.h - inside net/vectors*.c: the cases of suite "errors". */
#ifndef VS_NET_VECTORS_ERRORS_H
#define VS_NET_VECTORS_ERRORS_H

#include "net/vectors_impl.h"

VS_MUST_CHECK vs_err vs_errors_make(struct json_t *cases, const vs_draw *draw);

/* The cases while they are made; err is sticky. */
typedef struct vs_errors_making {
    struct json_t *cases;
    const vs_draw *draw;
    vs_err err;
} vs_errors_making;

/* Begin a case with name, kind and why ("" where it must be accepted); put its inputs; close. */
vs_case vs_errors_open(vs_errors_making *m, const char *kind, const char *name, const char *why);
void vs_errors_close(vs_errors_making *m, const vs_case *c);

/* vectors_errors_crypto.c */
void vs_errors_shares(vs_errors_making *m);
void vs_errors_sealed(vs_errors_making *m);
void vs_errors_signatures(vs_errors_making *m);

#endif /* VS_NET_VECTORS_ERRORS_H */
