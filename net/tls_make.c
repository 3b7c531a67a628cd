/* Making a private CA and certificates of hosts, with OpenSSL's X.509 functions. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/bytes.h"
#include "base/file.h"
#include "net/tls.h"

enum { PATH_BYTES = 4096, BACKDATE_S = 3600, SERIAL_BITS = 127 };

/* Another clock may be a little behind. */
static bool set_dates(X509 *x, uint32_t days)
{
    return X509_gmtime_adj(X509_getm_notBefore(x), -BACKDATE_S) != NULL &&
           X509_time_adj_ex(X509_getm_notAfter(x), (int)days, 0, NULL) != NULL;
}

static bool set_serial(X509 *x)
{
    BIGNUM *n = BN_new();
    bool ok = n != NULL && BN_rand(n, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
              BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x)) != NULL;
    BN_free(n);
    return ok;
}

static bool set_subject(X509 *x, const char *name)
{
    return X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
                                      (const unsigned char *)name, -1, -1, 0) == 1;
}

static bool add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = e != NULL && X509_add_ext(x, e, -1) == 1;
    X509_EXTENSION_free(e);
    return ok;
}

static X509 *new_certificate(EVP_PKEY *key, const char *subject, uint32_t days)
{
    X509 *x = X509_new();
    if (x != NULL && X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) &&
        set_dates(x, days) && set_subject(x, subject) && X509_set_pubkey(x, key) == 1) {
        return x;
    }
    X509_free(x);
    return NULL;
}

/* Certificate (may be NULL) and key (may be NULL) as PEM, appended. */
static bool to_pem(vs_buf *out, X509 *x, EVP_PKEY *key)
{
    char *text;
    BIO *bio = BIO_new(BIO_s_secmem());
    bool ok = bio != NULL && (x == NULL || PEM_write_bio_X509(bio, x) == 1) &&
              (key == NULL || PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
    if (ok) {
        long len = BIO_get_mem_data(bio, &text);
        vs_buf_bytes(out, text, (size_t)len);
    }
    BIO_free(bio);
    return ok && vs_buf_check(out) == VS_OK;
}

static vs_err in_folder(char path[PATH_BYTES], const char *dir, const char *name, vs_diag *diag)
{
    int n = snprintf(path, PATH_BYTES, "%s/%s", dir, name);
    if (n >= 0 && n < PATH_BYTES) return VS_OK;
    return vs_fail(diag, VS_ERR_LIMIT, "%s: path too long", dir);
}

static vs_err openssl_failed(vs_diag *diag, const char *doing)
{
    char text[128];
    ERR_error_string_n(ERR_get_error(), text, sizeof text);
    ERR_clear_error();
    return vs_fail(diag, VS_ERR_NOMEM, "cannot %s: %s", doing, text);
}

vs_err vs_tls_make_ca(const char *dir, const char *name, uint32_t days, vs_diag *diag)
{
    char cert_path[PATH_BYTES];
    char key_path[PATH_BYTES];
    vs_buf cert = {0}, secret = {0};
    EVP_PKEY *key = NULL;
    X509 *x = NULL;
    vs_err err = in_folder(cert_path, dir, "ca.pem", diag);
    if (err == VS_OK) err = in_folder(key_path, dir, "ca.key", diag);
    if (err == VS_OK) err = vs_file_make_folders(dir, 0700, diag);
    if (err != VS_OK) goto cleanup;
    key = EVP_EC_gen("P-256");
    x = key == NULL ? NULL : new_certificate(key, name, days);
    if (x == NULL || X509_set_issuer_name(x, X509_get_subject_name(x)) != 1 ||
        !add_extension(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
        !add_extension(x, x, NID_key_usage, "critical,keyCertSign,cRLSign") ||
        !add_extension(x, x, NID_subject_key_identifier, "hash") ||
        X509_sign(x, key, EVP_sha256()) == 0 || !to_pem(&cert, x, NULL) ||
        !to_pem(&secret, NULL, key)) {
        err = openssl_failed(diag, "make a CA");
        goto cleanup;
    }
    err = vs_file_create_durable(key_path, secret.p, secret.len, 0600, diag);
    if (err == VS_OK) err = vs_file_write_durable(cert_path, cert.p, cert.len, 0644, diag);
cleanup:
    vs_buf_free(&cert);
    vs_buf_free_secret(&secret);
    X509_free(x);
    EVP_PKEY_free(key);
    return err;
}

/* Characters of a DNS name or an address: nothing that means something in an extension's text. */
static bool is_host(const char *host)
{
    size_t len = strlen(host);
    return len > 0 && len <= VS_TLS_HOST_MAX &&
           strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:_") ==
               len;
}

static bool is_ip(const char *host)
{
    unsigned char bytes[16];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* mbedTLS 2.28 compares the host with DNS names only: an address stands there in both forms. */
static bool add_names(X509 *x, const char *const *hosts, uint32_t n)
{
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    bool ok = names != NULL;
    for (uint32_t i = 0; ok && i < n; i++) {
        for (int form = 0; ok && form < (is_ip(hosts[i]) ? 2 : 1); form++) {
            int type = form == 0 ? GEN_DNS : GEN_IPADD;
            GENERAL_NAME *name = a2i_GENERAL_NAME(NULL, NULL, NULL, type, hosts[i], 0);
            ok = name != NULL && sk_GENERAL_NAME_push(names, name) > 0;
            if (!ok) GENERAL_NAME_free(name);
        }
    }
    ok = ok && X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1;
    sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
    return ok;
}

/* The CA of a folder: certificate and key. */
static vs_err load_ca(X509 **ca, EVP_PKEY **key, vs_buf *ca_pem, const char *dir, vs_diag *diag)
{
    char path[PATH_BYTES];
    char no_password[] = ""; /* else OpenSSL would ask at the terminal */
    vs_buf secret = {0};
    vs_err err = in_folder(path, dir, "ca.pem", diag);
    if (err == VS_OK) err = vs_file_read(ca_pem, path, VS_TLS_FILE_MAX, diag);
    if (err == VS_OK) err = in_folder(path, dir, "ca.key", diag);
    if (err == VS_OK) err = vs_file_read(&secret, path, VS_TLS_FILE_MAX, diag);
    if (err == VS_OK) {
        BIO *cert_bio = BIO_new_mem_buf(ca_pem->p, (int)ca_pem->len);
        BIO *key_bio = BIO_new_mem_buf(secret.p, (int)secret.len);
        *ca = cert_bio == NULL ? NULL : PEM_read_bio_X509(cert_bio, NULL, NULL, NULL);
        *key = key_bio == NULL ? NULL : PEM_read_bio_PrivateKey(key_bio, NULL, NULL, no_password);
        BIO_free(cert_bio);
        BIO_free(key_bio);
        if (*ca == NULL || *key == NULL || X509_check_private_key(*ca, *key) != 1) {
            err = vs_fail(diag, VS_ERR_MALFORMED,
                          "%s: ca.pem and ca.key are not a CA's certificate and its key", dir);
        }
    }
    vs_buf_free_secret(&secret);
    return err;
}

/* The signed certificate, or NULL. */
static X509 *sign_host(X509 *ca, EVP_PKEY *ca_key, EVP_PKEY *key, const char *const *hosts,
                       uint32_t n, uint32_t days)
{
    X509 *x = new_certificate(key, hosts[0], days);
    if (x != NULL && X509_set_issuer_name(x, X509_get_subject_name(ca)) == 1 &&
        add_extension(x, ca, NID_basic_constraints, "critical,CA:FALSE") &&
        add_extension(x, ca, NID_key_usage, "critical,digitalSignature") &&
        add_extension(x, ca, NID_ext_key_usage, "serverAuth,clientAuth") &&
        add_extension(x, ca, NID_authority_key_identifier, "keyid") && add_names(x, hosts, n) &&
        X509_sign(x, ca_key, EVP_sha256()) != 0) {
        return x;
    }
    X509_free(x);
    return NULL;
}

static vs_err check_hosts(const char *const *hosts, uint32_t n, vs_diag *diag)
{
    VS_ASSERT(n >= 1 && n <= VS_TLS_HOSTS_MAX);
    for (uint32_t i = 0; i < n; i++) {
        if (is_host(hosts[i])) continue;
        return vs_fail(diag, VS_ERR_MALFORMED, "\"%.60s\" is neither a host name nor an address",
                       hosts[i]);
    }
    return VS_OK;
}

vs_err vs_tls_make_host(const char *ca_dir, const char *out_dir, const char *const *hosts,
                        uint32_t n_hosts, uint32_t days, vs_diag *diag)
{
    char path[PATH_BYTES];
    vs_buf ca_pem = {0}, pem = {0};
    X509 *ca = NULL, *x = NULL;
    EVP_PKEY *ca_key = NULL, *key = NULL;
    vs_err err = check_hosts(hosts, n_hosts, diag);
    if (err != VS_OK) return err;
    err = load_ca(&ca, &ca_key, &ca_pem, ca_dir, diag);
    if (err != VS_OK) goto cleanup;
    key = EVP_EC_gen("P-256");
    x = key == NULL ? NULL : sign_host(ca, ca_key, key, hosts, n_hosts, days);
    if (x == NULL || !to_pem(&pem, x, key)) {
        err = openssl_failed(diag, "make a certificate");
        goto cleanup;
    }
    err = vs_file_make_folders(out_dir, 0700, diag);
    if (err == VS_OK) err = in_folder(path, out_dir, "ca.pem", diag);
    if (err == VS_OK) err = vs_file_write_durable(path, ca_pem.p, ca_pem.len, 0644, diag);
    if (err == VS_OK) err = in_folder(path, out_dir, "host.pem", diag);
    if (err == VS_OK) err = vs_file_write_durable(path, pem.p, pem.len, 0600, diag);
cleanup:
    vs_buf_free(&ca_pem);
    vs_buf_free_secret(&pem);
    X509_free(x);
    X509_free(ca);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key);
    return err;
}

/* --- a key that stays on its host ---------------------------------------------------------------
 */

static bool make_csr(vs_buf *out, EVP_PKEY *key)
{
    char *text;
    X509_REQ *req = X509_REQ_new();
    BIO *bio = BIO_new(BIO_s_mem());
    bool ok = req != NULL && bio != NULL && X509_REQ_set_version(req, X509_REQ_VERSION_1) == 1 &&
              X509_REQ_set_pubkey(req, key) == 1 && X509_REQ_sign(req, key, EVP_sha256()) != 0 &&
              PEM_write_bio_X509_REQ(bio, req) == 1;
    if (ok) {
        long len = BIO_get_mem_data(bio, &text);
        vs_buf_bytes(out, text, (size_t)len);
    }
    BIO_free(bio);
    X509_REQ_free(req);
    return ok && vs_buf_check(out) == VS_OK;
}

vs_err vs_tls_make_request(const char *dir, vs_diag *diag)
{
    char path[PATH_BYTES];
    vs_buf secret = {0}, csr = {0};
    EVP_PKEY *key = NULL;
    vs_err err = in_folder(path, dir, "host.key", diag);
    if (err == VS_OK) err = vs_file_make_folders(dir, 0700, diag);
    if (err != VS_OK) goto cleanup;
    key = EVP_EC_gen("P-256");
    if (key == NULL || !to_pem(&secret, NULL, key) || !make_csr(&csr, key)) {
        err = openssl_failed(diag, "make a request");
        goto cleanup;
    }
    err = vs_file_create_durable(path, secret.p, secret.len, 0600, diag);
    if (err == VS_OK) err = in_folder(path, dir, "host.csr", diag);
    if (err == VS_OK) err = vs_file_write_durable(path, csr.p, csr.len, 0644, diag);
cleanup:
    vs_buf_free_secret(&secret);
    vs_buf_free(&csr);
    EVP_PKEY_free(key);
    return err;
}

/* The public key of a request whose own signature holds. */
static vs_err read_csr(EVP_PKEY **key, const char *path, vs_diag *diag)
{
    vs_buf file = {0};
    *key = NULL;
    vs_err err = vs_file_read(&file, path, VS_TLS_FILE_MAX, diag);
    if (err == VS_OK) {
        BIO *bio = BIO_new_mem_buf(file.p, (int)file.len);
        X509_REQ *req = bio == NULL ? NULL : PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
        EVP_PKEY *named = req == NULL ? NULL : X509_REQ_get0_pubkey(req);
        if (named == NULL) {
            err = vs_fail(diag, VS_ERR_MALFORMED, "%s: is no certificate request", path);
        } else if (X509_REQ_verify(req, named) != 1) {
            err = vs_fail(diag, VS_ERR_PROOF, "%s: the signature of this request fails", path);
        } else if (EVP_PKEY_up_ref(named) == 1) {
            *key = named;
        }
        BIO_free(bio);
        X509_REQ_free(req);
        ERR_clear_error();
    }
    vs_buf_free(&file);
    return err;
}

vs_err vs_tls_sign(const char *ca_dir, const char *request_path, const char *out_path,
                   const char *const *hosts, uint32_t n_hosts, uint32_t days, vs_diag *diag)
{
    vs_buf ca_pem = {0}, pem = {0};
    X509 *ca = NULL, *x = NULL;
    EVP_PKEY *ca_key = NULL, *key = NULL;
    vs_err err = check_hosts(hosts, n_hosts, diag);
    if (err == VS_OK) err = load_ca(&ca, &ca_key, &ca_pem, ca_dir, diag);
    if (err == VS_OK) err = read_csr(&key, request_path, diag);
    if (err != VS_OK) goto cleanup;
    x = key == NULL ? NULL : sign_host(ca, ca_key, key, hosts, n_hosts, days);
    if (x == NULL || !to_pem(&pem, x, NULL)) {
        err = openssl_failed(diag, "sign a certificate");
        goto cleanup;
    }
    err = vs_file_write_durable(out_path, pem.p, pem.len, 0644, diag);
cleanup:
    vs_buf_free(&ca_pem);
    vs_buf_free(&pem);
    X509_free(x);
    X509_free(ca);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key);
    return err;
}
