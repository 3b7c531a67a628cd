/* net/tls.h - TLS for addresses tls+tcp://: a private CA, certificates of hosts, their checks.
 *
 * A TLS folder holds ca.pem (whom to believe; everybody has it) and, where a daemon listens,
 * host.pem (its certificate and its private key). `veilsum tls new` makes both, OpenSSL's X.509
 * does the work; nng's engine (mbedTLS) speaks TLS 1.2 with them (net/edge_tls.c).
 *
 * What travels is sealed and signed end to end already; TLS hides who talks when and how much, and
 * keeps strangers' bytes away. */
#ifndef VS_NET_TLS_H
#define VS_NET_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define VS_TLS_FILE_MAX 65536u /* bytes of a PEM file */
#define VS_TLS_HOST_MAX 253u   /* chars of a host name or address */
#define VS_TLS_HOSTS_MAX 16u   /* names in one certificate */

typedef struct vs_tls {
    char *ca;            /* PEM, zero-terminated */
    char *host;          /* PEM with the private key, sodium_malloc; NULL: a client */
    bool require_client; /* a listener takes only peers with a certificate of this CA */
} vs_tls;

/* Is this an address of TLS? */
bool vs_tls_is_address(const char *address);

/* Read and check DIR/ca.pem and, when it is there, DIR/host.pem: well-formed, the private key
 * belongs to the certificate, the CA signed it. Dates are not looked at here. The caller owns *out.
 * VS_ERR_IO, VS_ERR_LIMIT, VS_ERR_MALFORMED, VS_ERR_PROOF. */
VS_MUST_CHECK vs_err vs_tls_load(vs_tls **out, const char *dir, vs_diag *diag);
void vs_tls_free(vs_tls *tls); /* wipes the key */

/* Unix seconds at which the certificates of *tls end; host_end 0 without one. */
typedef struct vs_tls_dates {
    int64_t ca_start, ca_end, host_start, host_end;
} vs_tls_dates;
VS_MUST_CHECK vs_err vs_tls_read_dates(vs_tls_dates *out, const vs_tls *tls, vs_diag *diag);
/* Does host.pem name this host (a DNS name or an address)? */
bool vs_tls_names_host(const vs_tls *tls, const char *host);

/* Make DIR/ca.pem and DIR/ca.key (mode 0600; P-256) valid for this many days. Refuses
 * (VS_ERR_STATE) to replace a CA that is there. */
VS_MUST_CHECK vs_err vs_tls_make_ca(const char *dir, const char *name, uint32_t days,
                                    vs_diag *diag);
/* Make a key and a certificate of the CA in CA_DIR for these names (the first one is its subject)
 * and write OUT_DIR/ca.pem and OUT_DIR/host.pem (mode 0600). Replaces an older host.pem. */
VS_MUST_CHECK vs_err vs_tls_make_host(const char *ca_dir, const char *out_dir,
                                      const char *const *hosts, uint32_t n_hosts, uint32_t days,
                                      vs_diag *diag);

/* The same when the private key is to stay on its host: there, make DIR/host.key (mode 0600, never
 * over one that is there) and DIR/host.csr, a PKCS #10 request with its public key; */
VS_MUST_CHECK vs_err vs_tls_make_request(const char *dir, vs_diag *diag);
/* where the CA is, sign it (VS_ERR_PROOF unless its own signature holds) for the names that are
 * given here, whatever it asks for, and write the certificate to out_path. host.pem is that
 * certificate and the key, one after the other. */
VS_MUST_CHECK vs_err vs_tls_sign(const char *ca_dir, const char *request_path, const char *out_path,
                                 const char *const *hosts, uint32_t n_hosts, uint32_t days,
                                 vs_diag *diag);

#endif /* VS_NET_TLS_H */
