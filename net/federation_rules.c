#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "net/address.h"
#include "net/federation_json.h"

enum { PATH_CHARS = 64 };

/* --- numbers -----------------------------------------------------------------------------------
 */

static uint32_t ceil_log2(uint32_t v)
{
    uint32_t bits = 0;
    while ((UINT64_C(1) << bits) < v) bits++;
    return bits;
}

/* A message that starts with the member's name. */
static vs_err bad_rule(const vs_fed_text *text, vs_err err, const vs_diag *rule)
{
    char path[PATH_CHARS];
    (void)snprintf(path, sizeof path, "%.*s", (int)strcspn(rule->text, " "), rule->text);
    return vs_fed_bad(text, err, path, "%s", rule->text);
}

static vs_err check_clipping(const vs_federation *fed, vs_diag *rule)
{
    const double quantile = fed->target_unclipped_quantile;
    if (fed->rotation && fed->quantiser.clip_norm == 0) {
        return vs_fail(rule, VS_ERR_LIMIT,
                       "clip_norm is 0: rotation hadamard takes its range from it");
    }
    if (!(fed->k_stddevs > 0 && fed->k_stddevs <= 1000)) {
        return vs_fail(rule, VS_ERR_LIMIT, "k_stddevs %g must be above 0 and at most 1000",
                       fed->k_stddevs);
    }
    if (!(quantile >= 0 && quantile < 1)) {
        return vs_fail(rule, VS_ERR_LIMIT,
                       "target_unclipped_quantile %g must be above 0 and below 1, or 0 for a fixed "
                       "clip_norm",
                       quantile);
    }
    if (quantile > 0 && (!fed->metrics || fed->quantiser.clip_norm == 0)) {
        return vs_fail(rule, VS_ERR_LIMIT,
                       "target_unclipped_quantile needs metrics and a clip_norm to begin with");
    }
    if (!(fed->adaptive_clip_learning_rate > 0 && fed->adaptive_clip_learning_rate <= 10)) {
        return vs_fail(rule, VS_ERR_LIMIT,
                       "adaptive_clip_learning_rate %g must be above 0 and at most 10",
                       fed->adaptive_clip_learning_rate);
    }
    return VS_OK;
}

/* From the update to the grid: what the words of fl/ allow. */
static vs_err check_pipeline(const vs_federation *fed, const vs_fed_text *text)
{
    vs_diag rule = {{0}};
    vs_err err = check_clipping(fed, &rule);
    if (err == VS_OK) err = vs_quantiser_check(&fed->quantiser, &rule);
    if (err == VS_OK) {
        err = vs_privacy_check(&fed->privacy, &fed->quantiser, fed->min_clients, fed->max_clients,
                               vs_federation_n_metrics(fed), &rule);
    }
    return err == VS_OK ? VS_OK : bad_rule(text, err, &rule);
}

static vs_err check_numbers(const vs_federation *fed, const vs_fed_text *text)
{
    if (fed->min_clients > fed->max_clients) {
        return vs_fed_bad(text, VS_ERR_LIMIT, "min_clients",
                          "min_clients %u is above max_clients %u", fed->min_clients,
                          fed->max_clients);
    }
    if (!(fed->max_missing >= 0 && fed->max_missing < 1)) {
        return vs_fed_bad(text, VS_ERR_LIMIT, "max_missing",
                          "max_missing %g must be at least 0 and below 1", fed->max_missing);
    }
    if (!(fed->min_cover > 0 && fed->min_cover <= 1)) {
        return vs_fed_bad(text, VS_ERR_LIMIT, "min_cover",
                          "min_cover %g must be above 0 and at most 1", fed->min_cover);
    }
    vs_err err = check_pipeline(fed, text);
    if (err != VS_OK) return err;
    uint32_t width = fed->quantiser.bits + ceil_log2(fed->max_clients);
    if (width > VS_ELEMENT_BITS) {
        return vs_fed_bad(text, VS_ERR_LIMIT, "quantization_bits",
                          "quantization_bits %u + %u bits for the sum over max_clients %u is above "
                          "the %u bits of an element",
                          fed->quantiser.bits, width - fed->quantiser.bits, fed->max_clients,
                          VS_ELEMENT_BITS);
    }
    return VS_OK;
}

/* --- parties -----------------------------------------------------------------------------------
 */

typedef struct named_key {
    char path[PATH_CHARS];
    const vs_h32 *key;
} named_key;

/* One key per role: a signature must never fit two meanings. */
static vs_err check_keys(const vs_federation *fed, const vs_fed_text *text)
{
    named_key list[3 + 2 * VS_SHAREHOLDERS_MAX] = {
        {"admin.key", &fed->admin_key},
        {"aggregator.key", &fed->aggregator.key},
        {"aggregator.log_key", &fed->log_key.public_key}};
    uint32_t n = 3;
    for (uint32_t i = 0; i < fed->committee.n; i++) {
        const vs_fed_shareholder *s = &fed->shareholder[i];
        (void)snprintf(list[n].path, PATH_CHARS, "shareholders[%u].key", i);
        list[n++].key = &s->party.key;
        (void)snprintf(list[n].path, PATH_CHARS, "shareholders[%u].cosigner_key", i);
        list[n++].key = &s->cosigner_key.public_key;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (crypto_core_ed25519_is_valid_point(list[i].key->b) != 1) {
            return vs_fed_bad(text, VS_ERR_MALFORMED, list[i].path,
                              "%s is not an Ed25519 public key", list[i].path);
        }
        for (uint32_t before = 0; before < i; before++) {
            if (vs_h32_compare_vartime(list[i].key, list[before].key) != 0) continue;
            return vs_fed_bad(text, VS_ERR_LIMIT, list[i].path,
                              "%s is the same key as %s; every role needs its own", list[i].path,
                              list[before].path);
        }
    }
    return VS_OK;
}

static vs_err check_address(const vs_fed_text *text, const char *address, const char *prefix)
{
    char path[PATH_CHARS];
    vs_diag why;
    vs_err err = vs_address_check(address, &why);
    if (err == VS_OK) return VS_OK;
    (void)snprintf(path, sizeof path, "%s.address", prefix);
    return vs_fed_bad(text, err, path, "%s.%s", prefix, why.text);
}

static vs_err check_shareholder(const vs_federation *fed, const vs_fed_text *text, uint32_t i)
{
    char prefix[PATH_CHARS / 2];
    char path[PATH_CHARS];
    const vs_fed_party *party = &fed->shareholder[i].party;
    (void)snprintf(prefix, sizeof prefix, "shareholders[%u]", i);
    vs_err err = check_address(text, party->address, prefix);
    if (err != VS_OK) return err;
    if (strcmp(party->address, fed->aggregator.address) == 0) {
        (void)snprintf(path, sizeof path, "%s.address", prefix);
        return vs_fed_bad(text, VS_ERR_LIMIT, path, "%s is the aggregator's address", path);
    }
    for (uint32_t before = 0; before < i; before++) {
        const vs_fed_party *other = &fed->shareholder[before].party;
        const char *same = NULL;
        if (strcmp(party->name, other->name) == 0) same = "name";
        if (strcmp(party->address, other->address) == 0) same = "address";
        if (same == NULL) continue;
        (void)snprintf(path, sizeof path, "%s.%s", prefix, same);
        return vs_fed_bad(text, VS_ERR_LIMIT, path, "%s is the same as shareholders[%u].%s", path,
                          before, same);
    }
    return VS_OK;
}

static vs_err fill_policy(vs_federation *fed, const vs_fed_text *text)
{
    vs_diag why;
    if (strcmp(fed->log_key.name, fed->origin) != 0) {
        return vs_fed_bad(text, VS_ERR_LIMIT, "aggregator.log_key",
                          "aggregator.log_key has the name \"%.80s\", it must be the origin "
                          "\"%.80s\"",
                          fed->log_key.name, fed->origin);
    }
    fed->policy.log_key = fed->log_key;
    fed->policy.n_cosigners = fed->committee.n;
    fed->policy.quorum = vs_committee_q(&fed->committee);
    for (uint32_t i = 0; i < fed->committee.n; i++) {
        fed->policy.cosigner[i] = fed->shareholder[i].cosigner_key;
    }
    vs_err err = vs_policy_check(&fed->policy, &why);
    return err == VS_OK ? VS_OK : vs_fed_bad(text, err, "shareholders", "%s", why.text);
}

vs_err vs_fed_check_rules(vs_federation *fed, const vs_fed_text *text)
{
    vs_err err = check_numbers(fed, text);
    if (err == VS_OK) err = check_address(text, fed->aggregator.address, "aggregator");
    for (uint32_t i = 0; err == VS_OK && i < fed->committee.n; i++) {
        err = check_shareholder(fed, text, i);
    }
    if (err == VS_OK) err = check_keys(fed, text);
    if (err == VS_OK) err = fill_policy(fed, text);
    return err;
}
