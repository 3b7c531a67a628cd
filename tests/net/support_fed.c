#include "tests/net/support_fed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support.h"

static vs_keys *make_keys(uint64_t seed, uint64_t number, const char *prefix)
{
    char name[64];
    uint8_t master[32];
    vs_keys *keys;
    vs_diag diag;
    (void)snprintf(name, sizeof name, "%s%llu", prefix, (unsigned long long)number);
    vs_test_bytes(master, sizeof master, (seed << 32) ^ (number << 8) ^ (uint64_t)prefix[0]);
    VS_ASSERT(vs_keys_from_seed(&keys, name, master, &diag) == VS_OK);
    return keys;
}

static void put_address(char out[VS_ADDRESS_MAX + 1], const vs_test_fed_config *config, uint32_t i)
{
    if (config->tcp_port_base != 0) {
        (void)snprintf(out, VS_ADDRESS_MAX + 1, "tcp://127.0.0.1:%u", config->tcp_port_base + i);
    } else {
        (void)snprintf(out, VS_ADDRESS_MAX + 1, "inproc://veilsum-test-%llu-%u",
                       (unsigned long long)config->seed, i);
    }
}

static uint32_t or_default(uint32_t value, uint32_t fallback)
{
    return value == 0 ? fallback : value;
}

static void fill_numbers(vs_federation *fed, const vs_test_fed_config *config)
{
    (void)snprintf(fed->name, sizeof fed->name, "test federation");
    (void)snprintf(fed->origin, sizeof fed->origin, "veilsum.test/log");
    fed->demo = config->demo;
    fed->public_results = config->public_results;
    fed->committee = config->committee;
    if (fed->committee.n == 0) fed->committee = (vs_committee){.n = 5, .t = 1, .k = 2, .margin = 1};
    fed->max_clients =
        or_default(config->max_clients, config->n_clients > 16 ? config->n_clients : 16);
    fed->min_clients = or_default(config->min_clients, 2);
    fed->max_missing = 0.05;
    fed->min_cover = 0.8;
    fed->round_timeout_s = or_default(config->round_timeout_s, 60);
    fed->answer_timeout_s = or_default(config->answer_timeout_s, 60);
    fed->quantiser = config->quantiser;
    if (fed->quantiser.bits == 0) {
        fed->quantiser = (vs_quantiser){.clip_norm = 8,
                                        .clipping_range = 1,
                                        .bits = 16,
                                        .max_weight = 1000,
                                        .stochastic_rounding = true};
    }
    if (config->adjust != NULL) config->adjust(fed);
}

static void fill_party(vs_fed_party *party, const vs_keys *keys, const vs_test_fed_config *config,
                       uint32_t i)
{
    memcpy(party->name, keys->pub.name, sizeof party->name);
    party->key = keys->pub.identity;
    put_address(party->address, config, i);
}

/* Through the text, as every real party gets it. */
static vs_federation *read_back(const vs_federation *draft)
{
    vs_buf text = {0};
    vs_federation *fed;
    vs_diag diag = {{0}};
    vs_err err = vs_federation_format(&text, draft, &diag);
    if (err == VS_OK) err = vs_federation_parse(&fed, text.p, text.len, "test federation", &diag);
    if (err != VS_OK) (void)fprintf(stderr, "%s\n", diag.text);
    VS_ASSERT(err == VS_OK);
    vs_buf_free(&text);
    return fed;
}

static void add_clients(vs_test_fed *tf, uint32_t n_clients, uint64_t seed)
{
    if (n_clients == 0) return;
    tf->n_clients = n_clients;
    tf->client = calloc(n_clients, sizeof *tf->client);
    tf->enrolment = calloc(n_clients, sizeof *tf->enrolment);
    VS_ASSERT(tf->client != NULL && tf->enrolment != NULL);
    for (uint32_t i = 0; i < n_clients; i++) {
        tf->client[i] = make_keys(seed, i + 1, "client-");
        vs_enrolment_sign(tf->enrolment[i], &tf->fed->id, &tf->client[i]->pub.identity,
                          tf->admin->identity_seed);
    }
}

vs_test_fed *vs_test_federation_new(const vs_test_fed_config *config)
{
    const vs_test_fed_config defaults = {0};
    if (config == NULL) config = &defaults;
    vs_test_fed *tf = calloc(1, sizeof *tf);
    vs_federation *draft = calloc(1, sizeof *draft);
    vs_diag diag;
    VS_ASSERT(tf != NULL && draft != NULL);
    fill_numbers(draft, config);
    tf->admin = make_keys(config->seed, 1, "admin-");
    tf->aggregator = make_keys(config->seed, 2, "aggregator-");
    memcpy(draft->admin_name, tf->admin->pub.name, sizeof draft->admin_name);
    draft->admin_key = tf->admin->pub.identity;
    fill_party(&draft->aggregator, tf->aggregator, config, 0);
    VS_ASSERT(vs_note_key_make(&draft->log_key, draft->origin, VS_NOTE_ED25519,
                               &tf->aggregator->pub.log.public_key, &diag) == VS_OK);
    VS_ASSERT(draft->committee.n <= VS_SHAREHOLDERS_MAX);
    for (uint32_t j = 1; j <= draft->committee.n; j++) {
        tf->shareholder[j - 1] = make_keys(config->seed, j, "shareholder-");
        fill_party(&draft->shareholder[j - 1].party, tf->shareholder[j - 1], config, j);
        draft->shareholder[j - 1].cosigner_key = tf->shareholder[j - 1]->pub.cosigner;
    }
    tf->fed = read_back(draft);
    free(draft);
    add_clients(tf, config->n_clients, config->seed);
    return tf;
}

vs_test_fed *vs_test_federation_of(uint32_t n, uint32_t t, uint32_t k, uint32_t max_clients,
                                   uint32_t n_clients)
{
    const vs_test_fed_config config = {.committee = {.n = n, .t = t, .k = k, .margin = t},
                                       .max_clients = max_clients,
                                       .n_clients = n_clients};
    return vs_test_federation_new(&config);
}

void vs_test_federation_free(vs_test_fed *tf)
{
    if (tf == NULL) return;
    for (uint32_t i = 0; i < tf->n_clients; i++) vs_keys_free(tf->client[i]);
    for (uint32_t i = 0; i < VS_SHAREHOLDERS_MAX; i++) vs_keys_free(tf->shareholder[i]);
    vs_keys_free(tf->aggregator);
    vs_keys_free(tf->admin);
    vs_federation_free(tf->fed);
    free(tf->client);
    free(tf->enrolment);
    free(tf);
}
