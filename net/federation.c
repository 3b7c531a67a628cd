#include "net/federation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/file.h"
#include "base/hash.h"
#include "fl/metrics.h"
#include "net/federation_json.h"

vs_err vs_federation_parse(vs_federation **out, const uint8_t *bytes, size_t len, const char *name,
                           vs_diag *diag)
{
    *out = NULL;
    VS_ASSERT(sodium_init() >= 0);
    if (len > VS_FEDERATION_FILE_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT, "%s: larger than the limit of %u bytes", name,
                       VS_FEDERATION_FILE_MAX);
    }
    vs_federation *fed = calloc(1, sizeof *fed);
    if (fed == NULL) return vs_fail(diag, VS_ERR_NOMEM, "%s: out of memory", name);
    const vs_fed_text text = {.bytes = bytes, .len = len, .name = name, .diag = diag};
    vs_err err = vs_fed_read_json(fed, &text);
    if (err == VS_OK) err = vs_fed_check_rules(fed, &text);
    if (err == VS_OK) {
        vs_buf_bytes(&fed->file, bytes, len);
        err = vs_buf_check(&fed->file);
        if (err != VS_OK) (void)vs_fail(diag, err, "%s: out of memory", name);
    }
    if (err != VS_OK) {
        vs_federation_free(fed);
        return err;
    }
    vs_sha256(&fed->id, bytes, len);
    *out = fed;
    return VS_OK;
}

static bool needs_tls(const vs_federation *fed)
{
    bool needs = vs_tls_is_address(fed->aggregator.address);
    for (uint32_t j = 0; j < fed->committee.n; j++) {
        needs |= vs_tls_is_address(fed->shareholder[j].party.address);
    }
    return needs;
}

vs_err vs_federation_use_tls(vs_federation *fed, const char *dir, vs_diag *diag)
{
    vs_tls *tls;
    vs_err err = vs_tls_load(&tls, dir, diag);
    if (err != VS_OK) return err;
    vs_tls_free(fed->tls);
    fed->tls = tls;
    return VS_OK;
}

/* The folder of VEILSUM_TLS, or `tls` beside the federation file. */
static vs_err find_tls(vs_federation *fed, const char *path, vs_diag *diag)
{
    char dir[4096];
    const char *named = getenv("VEILSUM_TLS");
    if (named != NULL && named[0] != '\0') return vs_federation_use_tls(fed, named, diag);
    const char *slash = strrchr(path, '/');
    int folder_len = slash == NULL ? 0 : (int)(slash - path) + 1;
    int n = snprintf(dir, sizeof dir, "%.*stls", folder_len, path);
    if (n < 0 || (size_t)n >= sizeof dir || !vs_file_exists(dir)) return VS_OK;
    return vs_federation_use_tls(fed, dir, diag);
}

vs_err vs_federation_load(vs_federation **out, const char *path, vs_diag *diag)
{
    *out = NULL;
    vs_buf file = {0};
    vs_err err = vs_file_read(&file, path, VS_FEDERATION_FILE_MAX, diag);
    if (err == VS_OK) err = vs_federation_parse(out, file.p, file.len, path, diag);
    vs_buf_free(&file);
    if (err == VS_OK && needs_tls(*out)) err = find_tls(*out, path, diag);
    if (err != VS_OK) {
        vs_federation_free(*out);
        *out = NULL;
    }
    return err;
}

void vs_federation_free(vs_federation *fed)
{
    if (fed == NULL) return;
    vs_tls_free(fed->tls);
    vs_buf_free(&fed->file);
    free(fed->tensor);
    free(fed);
}

uint32_t vs_federation_n_metrics(const vs_federation *fed)
{
    return fed->metrics ? VS_METRICS_N : 0;
}

vs_tolerance vs_federation_tolerance(const vs_committee *c)
{
    uint32_t r = vs_committee_r(c);
    uint32_t spare = c->n - vs_committee_needed(c);
    uint32_t radius = (c->n - r) / 2; /* errors that a Reed-Solomon word of n symbols determines */
    uint32_t certain = c->n - r > c->t ? c->n - r - c->t : 0; /* n - r - e >= t */
    return (vs_tolerance){
        .colluders = c->t,
        .lost_before_set = spare,
        .lost_after_set = spare,
        /* Published: r + margin answers agree, so at least r honest ones among them. */
        .liars_detected = c->margin,
        .liars_corrected = radius < certain ? radius : certain,
        .upload_factor = (double)(c->n - c->t) / c->k,
    };
}

uint32_t vs_federation_shareholder(const vs_federation *fed, const vs_h32 *key)
{
    for (uint32_t j = 1; j <= fed->committee.n; j++) {
        if (vs_h32_equal(&fed->shareholder[j - 1].party.key, key)) return j;
    }
    return 0;
}
