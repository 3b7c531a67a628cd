/* Folder, keys, federation file and enrolments of the demo. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/demo.h"
#include "cli/scratch.h"

enum { ROUND_TIMEOUT_S = 120, ANSWER_TIMEOUT_S = 60 };

vs_committee vs_demo_committee(uint32_t n)
{
    vs_committee c = {.n = n, .t = n / 5 > 0 ? n / 5 : 1};
    c.k = n > 3 * c.t ? n - 3 * c.t : 1;
    c.margin = c.t;
    return c;
}

vs_err vs_demo_path(const vs_demo *d, char out[VS_PROCESS_PATH_BYTES], const char *name,
                    vs_diag *diag)
{
    int len = snprintf(out, VS_PROCESS_PATH_BYTES, "%s/%s", d->folder, name);
    if (len > 0 && len < (int)VS_PROCESS_PATH_BYTES) return VS_OK;
    return vs_fail(diag, VS_ERR_LIMIT, "%s: path too long", d->folder);
}

/* --- folder
 * --------------------------------------------------------------------------------------- */

vs_err vs_demo_make_folder(vs_demo *d, vs_diag *diag)
{
    return vs_scratch_make(d->folder, sizeof d->folder - 64, "demo", d->o.keep, diag);
}

void vs_demo_remove_folder(const vs_demo *d)
{
    if (d->o.keep == NULL) vs_scratch_remove(d->folder);
}

/* --- ports
 * ---------------------------------------------------------------------------------------- */

/* n free ports of the loopback, all different: held together, then given back. */
static vs_err free_ports(uint16_t *port, uint32_t n, vs_diag *diag)
{
    int fd[1 + VS_DEMO_SHAREHOLDERS_MAX];
    uint32_t made = 0;
    bool ok = true;
    VS_ASSERT(n <= sizeof fd / sizeof fd[0]);
    for (; made < n && ok; made++) {
        struct sockaddr_in a = {.sin_family = AF_INET};
        socklen_t len = sizeof a;
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        fd[made] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ok = fd[made] >= 0 && bind(fd[made], (struct sockaddr *)&a, sizeof a) == 0 &&
             getsockname(fd[made], (struct sockaddr *)&a, &len) == 0;
        port[made] = ntohs(a.sin_port);
    }
    vs_err err = VS_OK;
    if (!ok) {
        err = vs_fail(diag, VS_ERR_IO, "no free port of 127.0.0.1: %s", strerror(errno));
    }
    for (uint32_t i = 0; i < made; i++) {
        if (fd[i] >= 0) (void)close(fd[i]);
    }
    return err;
}

/* --- keys and federation
 * --------------------------------------------------------------------------- */

static vs_err make_keys(const vs_demo *d, vs_keys **out, const char *name, vs_diag *diag)
{
    char file[64], path[VS_PROCESS_PATH_BYTES];
    const vs_rng rng = vs_rng_system();
    (void)snprintf(file, sizeof file, "%s.key", name);
    vs_err err = vs_demo_path(d, path, file, diag);
    if (err == VS_OK) err = vs_keys_generate(out, name, &rng, diag);
    if (err == VS_OK) err = vs_keys_save(*out, path, diag);
    return err;
}

static void fill_party(vs_fed_party *party, const vs_keys *keys, uint16_t port)
{
    memcpy(party->name, keys->pub.name, sizeof party->name);
    party->key = keys->pub.identity;
    (void)snprintf(party->address, sizeof party->address, "tcp://127.0.0.1:%u", port);
}

static vs_err add_parties(vs_demo *d, vs_federation *fed, vs_diag *diag)
{
    uint16_t port[1 + VS_DEMO_SHAREHOLDERS_MAX] = {0};
    vs_keys *keys = NULL;
    vs_err err = free_ports(port, 1 + d->o.shareholders, diag);
    if (err == VS_OK) err = make_keys(d, &d->admin, "admin", diag);
    if (err == VS_OK) err = make_keys(d, &keys, "aggregator", diag);
    if (err != VS_OK) return err;
    memcpy(fed->admin_name, d->admin->pub.name, sizeof fed->admin_name);
    fed->admin_key = d->admin->pub.identity;
    fill_party(&fed->aggregator, keys, port[0]);
    err = vs_note_key_make(&fed->log_key, "veilsum.demo/log", VS_NOTE_ED25519,
                           &keys->pub.log.public_key, diag);
    memcpy(fed->origin, fed->log_key.name, sizeof fed->origin);
    vs_keys_free(keys);
    for (uint32_t j = 1; err == VS_OK && j <= d->o.shareholders; j++) {
        char name[32];
        (void)snprintf(name, sizeof name, "shareholder-%u", j);
        keys = NULL;
        err = make_keys(d, &keys, name, diag);
        if (err == VS_OK) {
            fill_party(&fed->shareholder[j - 1].party, keys, port[j]);
            fed->shareholder[j - 1].cosigner_key = keys->pub.cosigner;
        }
        vs_keys_free(keys);
    }
    return err;
}

static void fill_numbers(const vs_demo *d, vs_federation *fed)
{
    const uint32_t n = d->o.work.n_clients;
    memcpy(fed->name, "demo", sizeof "demo");
    fed->demo = true;
    fed->committee = d->o.committee;
    fed->max_clients = n;
    fed->min_clients = d->o.min_clients;
    fed->max_missing = 0.05;
    fed->min_cover = 0.8;
    fed->round_timeout_s = ROUND_TIMEOUT_S;
    fed->answer_timeout_s = ANSWER_TIMEOUT_S;
    fed->quantiser = d->o.pipeline->quantiser;
    fed->quantiser.stochastic_rounding = true;
    fed->quantiser.max_weight = 1;
    fed->rotation = d->o.pipeline->rotation;
    fed->k_stddevs = d->o.pipeline->k_stddevs;
    fed->metrics = d->o.pipeline->metrics;
    fed->target_unclipped_quantile = d->o.pipeline->target_unclipped_quantile;
    fed->adaptive_clip_learning_rate = d->o.pipeline->adaptive_clip_learning_rate;
    fed->privacy = d->o.pipeline->privacy;
    if (fed->privacy.mechanism != VS_MECHANISM_NONE) return;
    for (uint32_t i = 0; i < n; i++) { /* the largest part: then no bit is wasted */
        size_t rows;
        (void)vs_partition_rows(&d->parts, i, &rows);
        if (rows > fed->quantiser.max_weight) fed->quantiser.max_weight = rows;
    }
}

vs_err vs_demo_make_federation(vs_demo *d, vs_diag *diag)
{
    char path[VS_PROCESS_PATH_BYTES];
    vs_buf text = {0};
    vs_federation *fed = calloc(1, sizeof *fed);
    if (fed == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    fill_numbers(d, fed);
    vs_err err = vs_demo_path(d, path, "federation.json", diag);
    if (err == VS_OK) err = add_parties(d, fed, diag);
    if (err == VS_OK) err = vs_federation_format(&text, fed, diag);
    if (err == VS_OK) err = vs_file_create_durable(path, text.p, text.len, 0644, diag);
    if (err == VS_OK) err = vs_federation_load(&d->fed, path, diag);
    vs_buf_free(&text);
    vs_federation_free(fed);
    return err;
}

vs_err vs_demo_enrol_clients(vs_demo *d, vs_diag *diag)
{
    vs_err err = VS_OK;
    for (uint32_t i = 1; err == VS_OK && i <= d->o.work.n_clients; i++) {
        char name[32], file[64], path[VS_PROCESS_PATH_BYTES];
        uint8_t sig[64];
        vs_keys *keys = NULL;
        (void)snprintf(name, sizeof name, "client-%u", i);
        (void)snprintf(file, sizeof file, "%s.enrolment", name);
        err = vs_demo_path(d, path, file, diag);
        if (err == VS_OK) err = make_keys(d, &keys, name, diag);
        if (err == VS_OK) {
            vs_enrolment_sign(sig, &d->fed->id, &keys->pub.identity, d->admin->identity_seed);
            err = vs_enrolment_save(path, &d->fed->id, &keys->pub, sig, diag);
        }
        vs_keys_free(keys);
    }
    return err;
}
