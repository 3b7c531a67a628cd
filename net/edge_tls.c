/* TLS of the edge: nng's configuration of one listener or dialer. */
#include <string.h>

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>

#include "net/edge_impl.h"
#include "net/nng_error.h"
#include "net/tls.h"

/* tls+tcp://HOST:PORT: the host without brackets. */
static void host_of(char host[VS_TLS_HOST_MAX + 1], const char *address)
{
    const char *start = strstr(address, "://") + 3;
    const char *end = strrchr(start, ':');
    if (*start == '[') {
        start++;
        end--;
    }
    size_t len = (size_t)(end - start);
    if (len > VS_TLS_HOST_MAX) len = VS_TLS_HOST_MAX;
    memcpy(host, start, len);
    host[len] = '\0';
}

static vs_err need_ca(const vs_tls *tls, const char *address, vs_diag *diag)
{
    if (tls != NULL) return VS_OK;
    return vs_fail(diag, VS_ERR_STATE,
                   "%s: needs the federation's CA: put its ca.pem into the folder tls beside the "
                   "federation file, or name the folder in VEILSUM_TLS",
                   address);
}

/* The configuration of one that listens; freed by the caller, also after an error. */
static vs_err server_config(nng_tls_config **cfg, const char *address, const vs_tls *tls,
                            vs_diag *diag)
{
    vs_err err = need_ca(tls, address, diag);
    if (err != VS_OK) return err;
    if (tls->host == NULL) {
        return vs_fail(diag, VS_ERR_STATE,
                       "%s: needs a certificate to listen: host.pem in the TLS folder, made by "
                       "veilsum tls new",
                       address);
    }
    int rv = nng_tls_config_alloc(cfg, NNG_TLS_MODE_SERVER);
    if (rv == 0) rv = nng_tls_config_own_cert(*cfg, tls->host, tls->host, NULL);
    if (rv == 0 && tls->require_client) {
        rv = nng_tls_config_ca_chain(*cfg, tls->ca, NULL);
        if (rv == 0) rv = nng_tls_config_auth_mode(*cfg, NNG_TLS_AUTH_MODE_REQUIRED);
    }
    if (rv == 0) rv = nng_tls_config_version(*cfg, NNG_TLS_1_2, NNG_TLS_1_3);
    return rv == 0 ? VS_OK : vs_nng_fail(diag, address, "set up TLS", rv);
}

vs_err vs_edge_tls_stream(nng_stream_listener *listener, const char *address, const vs_tls *tls,
                          vs_diag *diag)
{
    nng_tls_config *cfg = NULL;
    if (!vs_tls_is_address(address)) return VS_OK;
    vs_err err = server_config(&cfg, address, tls, diag);
    int rv = err == VS_OK ? nng_stream_listener_set_ptr(listener, NNG_OPT_TLS_CONFIG, cfg) : 0;
    if (cfg != NULL) nng_tls_config_free(cfg); /* the listener keeps its own hold */
    return rv == 0 ? err : vs_nng_fail(diag, address, "set up TLS", rv);
}

vs_err vs_edge_tls_dialer(nng_dialer dialer, const char *address, const vs_tls *tls, vs_diag *diag)
{
    char host[VS_TLS_HOST_MAX + 1];
    nng_tls_config *cfg = NULL;
    if (!vs_tls_is_address(address)) return VS_OK;
    vs_err err = need_ca(tls, address, diag);
    if (err != VS_OK) return err;
    host_of(host, address);
    int rv = nng_tls_config_alloc(&cfg, NNG_TLS_MODE_CLIENT);
    if (rv == 0) rv = nng_tls_config_ca_chain(cfg, tls->ca, NULL);
    if (rv == 0) rv = nng_tls_config_auth_mode(cfg, NNG_TLS_AUTH_MODE_REQUIRED);
    if (rv == 0) rv = nng_tls_config_server_name(cfg, host);
    if (rv == 0 && tls->host != NULL) {
        rv = nng_tls_config_own_cert(cfg, tls->host, tls->host, NULL);
    }
    if (rv == 0) rv = nng_tls_config_version(cfg, NNG_TLS_1_2, NNG_TLS_1_3);
    if (rv == 0) rv = nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, cfg);
    if (cfg != NULL) nng_tls_config_free(cfg);
    return rv == 0 ? VS_OK : vs_nng_fail(diag, address, "set up TLS", rv);
}
