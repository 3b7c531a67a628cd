/* net/address.h - where a process listens. */
#ifndef VS_NET_ADDRESS_H
#define VS_NET_ADDRESS_H

#include <stdbool.h>

#include "base/err.h"

#define VS_ADDRESS_MAX 255u /* chars of an address such as tcp://127.0.0.1:7101 */

/* tcp://HOST:PORT, tls+tcp://HOST:PORT, ipc://PATH or inproc://NAME. VS_ERR_MALFORMED and what is
 * wrong with it: "address \"tcp://host\": has no port". */
VS_MUST_CHECK vs_err vs_address_check(const char *address, vs_diag *diag);

/* tcp:// and tls+tcp://: does the host lead to an address (name service, may wait seconds)? True
 * for other addresses. */
bool vs_address_is_known(const char *address);

#endif /* VS_NET_ADDRESS_H */
