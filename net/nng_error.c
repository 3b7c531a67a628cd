#include "net/nng_error.h"

#include <nng/nng.h>

vs_err vs_nng_fail(vs_diag *diag, const char *address, const char *doing, int rv)
{
    vs_err err = rv == NNG_ENOMEM ? VS_ERR_NOMEM : VS_ERR_IO;
    const char *why = nng_strerror(rv);
    if (rv == NNG_EADDRINVAL) why = "the host is unknown, or no address of this machine";
    if (rv == NNG_ENOFILES) why = "too many open files: raise the limit (veilsum doctor)";
    if (rv == NNG_EPERM) why = "not permitted (ports below 1024 are for root)";
    return vs_fail(diag, err, "%s: cannot %s: %s", address, doing, why);
}
