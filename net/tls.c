#include "net/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sodium.h>

#include "base/bytes.h"
#include "base/file.h"

enum { PATH_BYTES = 4096 };

bool vs_tls_is_address(const char *address)
{
    return strncmp(address, "tls+tcp://", 10) == 0;
}

/* A whole PEM file as text in sodium_malloc. */
static vs_err read_pem(char **out, const char *path, vs_diag *diag)
{
    vs_buf file = {0};
    vs_err err = vs_file_read(&file, path, VS_TLS_FILE_MAX, diag);
    if (err == VS_OK && memchr(file.p, '\0', file.len) != NULL) {
        err = vs_fail(diag, VS_ERR_MALFORMED, "%s: is not a PEM text", path);
    }
    if (err == VS_OK) {
        *out = sodium_malloc(file.len + 1);
        if (*out == NULL) {
            err = vs_fail(diag, VS_ERR_NOMEM, "%s: out of memory", path);
        } else {
            memcpy(*out, file.p, file.len);
            (*out)[file.len] = '\0';
        }
    }
    vs_buf_free_secret(&file);
    return err;
}

/* The first certificate of a PEM text, or NULL. */
static X509 *certificate(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *x = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    ERR_clear_error();
    return x;
}

/* An encrypted key must not make OpenSSL ask at the terminal. */
static int no_password(char *buf, int size, int rwflag, void *arg)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)arg;
    return -1;
}

static EVP_PKEY *private_key(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    BIO_free(bio);
    ERR_clear_error();
    return key;
}

static vs_err check_pair(const vs_tls *tls, const char *dir, vs_diag *diag)
{
    X509 *ca = certificate(tls->ca);
    X509 *host = tls->host == NULL ? NULL : certificate(tls->host);
    EVP_PKEY *key = tls->host == NULL ? NULL : private_key(tls->host);
    EVP_PKEY *ca_key = ca == NULL ? NULL : X509_get0_pubkey(ca);
    vs_err err = VS_OK;
    if (ca == NULL || ca_key == NULL || X509_check_ca(ca) == 0) {
        err = vs_fail(diag, VS_ERR_MALFORMED, "%s/ca.pem: holds no certificate of a CA", dir);
    } else if (tls->host != NULL && (host == NULL || key == NULL)) {
        err = vs_fail(diag, VS_ERR_MALFORMED,
                      "%s/host.pem: must hold a certificate and its private key, unencrypted", dir);
    } else if (host != NULL && X509_check_private_key(host, key) != 1) {
        err = vs_fail(diag, VS_ERR_PROOF,
                      "%s/host.pem: the private key does not belong to the certificate", dir);
    } else if (host != NULL && X509_verify(host, ca_key) != 1) {
        err = vs_fail(diag, VS_ERR_PROOF, "%s/host.pem: was not signed by the CA in %s/ca.pem", dir,
                      dir);
    }
    ERR_clear_error();
    EVP_PKEY_free(key);
    X509_free(host);
    X509_free(ca);
    return err;
}

vs_err vs_tls_load(vs_tls **out, const char *dir, vs_diag *diag)
{
    char ca[PATH_BYTES];
    char host[PATH_BYTES];
    *out = NULL;
    VS_ASSERT(sodium_init() >= 0);
    if (strlen(dir) > PATH_BYTES - 16) return vs_fail(diag, VS_ERR_LIMIT, "%s: path too long", dir);
    (void)snprintf(ca, sizeof ca, "%s/ca.pem", dir);
    (void)snprintf(host, sizeof host, "%s/host.pem", dir);
    vs_tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL) return vs_fail(diag, VS_ERR_NOMEM, "%s: out of memory", dir);
    vs_err err = read_pem(&tls->ca, ca, diag);
    if (err == VS_OK && vs_file_exists(host)) err = read_pem(&tls->host, host, diag);
    if (err == VS_OK) err = check_pair(tls, dir, diag);
    if (err != VS_OK) {
        vs_tls_free(tls);
        return err;
    }
    *out = tls;
    return VS_OK;
}

void vs_tls_free(vs_tls *tls)
{
    if (tls == NULL) return;
    sodium_free(tls->ca); /* wipes */
    sodium_free(tls->host);
    free(tls);
}

/* --- what a certificate says --------------------------------------------------------------------
 */

static int64_t unix_of(const ASN1_TIME *t)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0, seconds = 0;
    bool ok = epoch != NULL && ASN1_TIME_diff(&days, &seconds, epoch, t) == 1;
    ASN1_TIME_free(epoch);
    return ok ? (int64_t)days * 86400 + seconds : 0;
}

vs_err vs_tls_read_dates(vs_tls_dates *out, const vs_tls *tls, vs_diag *diag)
{
    X509 *ca = certificate(tls->ca);
    X509 *host = tls->host == NULL ? NULL : certificate(tls->host);
    *out = (vs_tls_dates){0};
    vs_err err = VS_OK;
    if (ca == NULL || (tls->host != NULL && host == NULL)) {
        err = vs_fail(diag, VS_ERR_MALFORMED, "a certificate does not decode");
    } else {
        out->ca_start = unix_of(X509_get0_notBefore(ca));
        out->ca_end = unix_of(X509_get0_notAfter(ca));
        if (host != NULL) out->host_start = unix_of(X509_get0_notBefore(host));
        if (host != NULL) out->host_end = unix_of(X509_get0_notAfter(host));
    }
    X509_free(host);
    X509_free(ca);
    return err;
}

bool vs_tls_names_host(const vs_tls *tls, const char *host)
{
    X509 *x = tls->host == NULL ? NULL : certificate(tls->host);
    if (x == NULL) return false;
    /* mbedTLS 2.28 looks at DNS names only, so addresses stand in the certificate as such too. */
    bool named = X509_check_host(x, host, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
    ERR_clear_error();
    X509_free(x);
    return named;
}
