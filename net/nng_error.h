/* net/nng_error.h - what nng could not do, in words for the user. */
#ifndef VS_NET_NNG_ERROR_H
#define VS_NET_NNG_ERROR_H

#include "base/err.h"

/* "tcp://host:7101: cannot listen: Address in use"; VS_ERR_NOMEM or VS_ERR_IO. rv: nng's code. */
vs_err vs_nng_fail(vs_diag *diag, const char *address, const char *doing, int rv);

#endif /* VS_NET_NNG_ERROR_H */
