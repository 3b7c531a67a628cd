#include "cli/loopback.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/scratch.h"

enum {
    ATTEMPTS = 5, /* with other ports */
    READY_MS = 60000,
    POLL_MS = 20,
    STOP_MS = 2000, /* before another attempt */
    NAME_BYTES = 32,
};

/* "aggregator", "shareholder-1". */
static void name_of(char out[NAME_BYTES], uint32_t j)
{
    if (j == 0) {
        (void)snprintf(out, NAME_BYTES, "aggregator");
    } else {
        (void)snprintf(out, NAME_BYTES, "shareholder-%u", j);
    }
}

vs_err vs_loopback_path(const vs_loopback *here, char out[VS_PROCESS_PATH_BYTES], const char *name,
                        vs_diag *diag)
{
    char path[VS_PROCESS_PATH_BYTES]; /* out may be a member of here */
    int len = snprintf(path, sizeof path, "%s/%s", here->folder, name);
    if (len > 0 && len < (int)sizeof path) {
        memcpy(out, path, (size_t)len + 1);
        return VS_OK;
    }
    return vs_fail(diag, VS_ERR_LIMIT, "%s: path too long", here->folder);
}

vs_err vs_loopback_addresses(char (*out)[VS_LOOPBACK_ADDRESS_BYTES], uint32_t n, vs_diag *diag)
{
    int fd[1 + VS_LOOPBACK_SHAREHOLDERS_MAX];
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
        (void)snprintf(out[made], sizeof out[made], "tcp://127.0.0.1:%u", ntohs(a.sin_port));
    }
    vs_err err = VS_OK;
    if (!ok) err = vs_fail(diag, VS_ERR_IO, "no free port of 127.0.0.1: %s", strerror(errno));
    for (uint32_t i = 0; i < made; i++) { /* held together, so that all are different */
        if (fd[i] >= 0) (void)close(fd[i]);
    }
    return err;
}

/* --- keys and federation file -------------------------------------------------------------------
 */

vs_err vs_loopback_keys(const vs_loopback *here, vs_keys **out, const char *name, vs_diag *diag)
{
    char file[64], path[VS_PROCESS_PATH_BYTES];
    const vs_rng rng = vs_rng_system();
    (void)snprintf(file, sizeof file, "%s.key", name);
    vs_err err = vs_loopback_path(here, path, file, diag);
    if (err == VS_OK) err = vs_keys_generate(out, name, &rng, diag);
    if (err == VS_OK) err = vs_keys_save(*out, path, diag);
    return err;
}

static vs_err fill_log(vs_federation *fed, const vs_keys *aggregator, vs_diag *diag)
{
    char origin[64];
    (void)snprintf(origin, sizeof origin, "veilsum.%.40s/log", fed->name);
    vs_err err = vs_note_key_make(&fed->log_key, origin, VS_NOTE_ED25519,
                                  &aggregator->pub.log.public_key, diag);
    if (err == VS_OK) memcpy(fed->origin, fed->log_key.name, sizeof fed->origin);
    return err;
}

/* The aggregator (0) or shareholder j. */
static vs_err fill_party(const vs_loopback *here, vs_federation *fed, uint32_t j,
                         const char *address, vs_diag *diag)
{
    vs_fed_party *party = j == 0 ? &fed->aggregator : &fed->shareholder[j - 1].party;
    vs_keys *keys = NULL;
    char name[NAME_BYTES];
    name_of(name, j);
    vs_err err = vs_loopback_keys(here, &keys, name, diag);
    if (err == VS_OK) {
        memcpy(party->name, keys->pub.name, sizeof party->name);
        party->key = keys->pub.identity;
        (void)snprintf(party->address, sizeof party->address, "%s", address);
        if (j > 0) fed->shareholder[j - 1].cosigner_key = keys->pub.cosigner;
        if (j == 0) err = fill_log(fed, keys, diag);
    }
    vs_keys_free(keys);
    return err;
}

static vs_err fill_parties(vs_loopback *here, vs_federation *fed, vs_diag *diag)
{
    char address[1 + VS_LOOPBACK_SHAREHOLDERS_MAX][VS_LOOPBACK_ADDRESS_BYTES];
    vs_err err = vs_loopback_addresses(address, 1 + fed->committee.n, diag);
    if (err == VS_OK) err = vs_loopback_keys(here, &here->admin, "admin", diag);
    if (err != VS_OK) return err;
    memcpy(fed->admin_name, here->admin->pub.name, sizeof fed->admin_name);
    fed->admin_key = here->admin->pub.identity;
    for (uint32_t j = 0; err == VS_OK && j <= fed->committee.n; j++) {
        err = fill_party(here, fed, j, address[j], diag);
    }
    return err;
}

static vs_err make_federation(vs_loopback *here, const vs_federation *draft, vs_diag *diag)
{
    char path[VS_PROCESS_PATH_BYTES];
    vs_buf text = {0};
    vs_federation *fed = malloc(sizeof *fed);
    if (fed == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory for a federation");
    *fed = *draft;
    vs_err err = vs_loopback_path(here, path, "federation.json", diag);
    if (err == VS_OK) err = fill_parties(here, fed, diag);
    if (err == VS_OK) err = vs_federation_format(&text, fed, diag);
    if (err == VS_OK) err = vs_file_create_durable(path, text.p, text.len, 0644, diag);
    if (err == VS_OK) err = vs_federation_load(&here->fed, path, diag);
    vs_buf_free(&text);
    free(fed);
    return err;
}

/* --- daemons -------------------------------------------------------------------------------------
 */

vs_err vs_loopback_start(vs_loopback *here, uint32_t j, const char *http, vs_diag *diag)
{
    vs_process *p = &here->process[j];
    char federation[VS_PROCESS_PATH_BYTES], key[VS_PROCESS_PATH_BYTES], data[VS_PROCESS_PATH_BYTES],
        name[NAME_BYTES], file[64];
    name_of(name, j);
    (void)snprintf(p->name, sizeof p->name, "%s", name);
    vs_err err = vs_loopback_path(here, federation, "federation.json", diag);
    if (err == VS_OK) err = vs_loopback_path(here, data, name, diag);
    (void)snprintf(file, sizeof file, "%s.key", name);
    if (err == VS_OK) err = vs_loopback_path(here, key, file, diag);
    (void)snprintf(file, sizeof file, "%s.log", name);
    if (err == VS_OK) err = vs_loopback_path(here, p->log, file, diag);
    if (err != VS_OK) return err;
    const char *const args[] = {j == 0 ? "aggregator" : "shareholder",
                                "--federation",
                                federation,
                                "--key",
                                key,
                                "--data",
                                data,
                                http ? "--http" : NULL,
                                http,
                                NULL};
    return vs_process_start(p, args, diag);
}

vs_err vs_loopback_alive(vs_loopback *here, vs_diag *diag)
{
    if (vs_stop_asked(&here->stop)) return vs_fail(diag, VS_ERR_STATE, "stopped by a signal");
    return vs_process_check(here->process, here->n_processes, diag);
}

vs_err vs_loopback_wait(vs_loopback *here, vs_diag *diag)
{
    const vs_caller caller = {.fed = here->fed, .timeout_ms = 500};
    for (uint32_t j = 0, waited = 0; j <= here->fed->committee.n; j++) {
        const char *address =
            j == 0 ? here->fed->aggregator.address : here->fed->shareholder[j - 1].party.address;
        vsw_StatusReply status;
        vs_diag why;
        for (; vs_call_status(&caller, address, &status, &why) != VS_OK; waited += POLL_MS) {
            vs_err err = vs_loopback_alive(here, diag);
            if (err != VS_OK) return err;
            if (waited > READY_MS) {
                return vs_fail(diag, VS_ERR_TIMEOUT, "%s does not answer: %s",
                               here->process[j].name, why.text);
            }
            (void)vs_stop_sleep(&here->stop, POLL_MS);
        }
    }
    return VS_OK;
}

static vs_err begin_once(vs_loopback *here, const vs_loopback_plan *plan, vs_diag *diag)
{
    here->keep = plan->keep != NULL;
    /* 64 bytes are left for names in it. */
    vs_err err =
        vs_scratch_make(here->folder, sizeof here->folder - 64, plan->what, plan->keep, diag);
    if (err == VS_OK) err = make_federation(here, plan->draft, diag);
    if (err == VS_OK && plan->enrol != NULL) err = plan->enrol(plan->ctx, diag);
    if (err != VS_OK) return err;
    here->n_processes = 1 + here->fed->committee.n;
    for (uint32_t j = 0; err == VS_OK && j < here->n_processes; j++) {
        err = vs_loopback_start(here, j, j == 0 ? plan->http : NULL, diag);
    }
    return err == VS_OK ? vs_loopback_wait(here, diag) : err;
}

vs_err vs_loopback_begin(vs_loopback *here, const vs_loopback_plan *plan, vs_diag *diag)
{
    VS_ASSERT(plan->draft->committee.n <= VS_LOOPBACK_SHAREHOLDERS_MAX);
    for (uint32_t attempt = 1;; attempt++) {
        vs_err err = begin_once(here, plan, diag);
        bool again = err != VS_OK && strstr(diag->text, "in use") != NULL && !here->keep;
        if (!again || attempt == ATTEMPTS) return err;
        vs_loopback_end(here, STOP_MS);
    }
}

void vs_loopback_end(vs_loopback *here, uint32_t wait_ms)
{
    (void)vs_process_stop_all(here->process, here->n_processes, wait_ms);
    here->n_processes = 0;
    vs_federation_free(here->fed);
    vs_keys_free(here->admin);
    here->fed = NULL;
    here->admin = NULL;
    if (!here->keep) vs_scratch_remove(here->folder);
    here->folder[0] = '\0';
}
