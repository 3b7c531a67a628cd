/* A federation with real daemons for `veilsum load` (cli/load.h). */
#define _XOPEN_SOURCE 700 /* nftw */
#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/demo.h"
#include "cli/load.h"
#include "net/call.h"

enum {
    ROUND_TIMEOUT_S = 3600,
    ANSWER_TIMEOUT_S = 900,
    READY_MS = 30000,
    POLL_MS = 20,
    STOP_MS = 20000,
    ATTEMPTS = 5, /* with other ports */
};

vs_err vs_load_path(const vs_load *l, char out[VS_PROCESS_PATH_BYTES], const char *name,
                    vs_diag *diag)
{
    int len = snprintf(out, VS_PROCESS_PATH_BYTES, "%s/%s", l->folder, name);
    if (len > 0 && len < (int)VS_PROCESS_PATH_BYTES) return VS_OK;
    return vs_fail(diag, VS_ERR_LIMIT, "%s: path too long", l->folder);
}

vs_err vs_load_free_addresses(char (*out)[64], uint32_t n, vs_diag *diag)
{
    int fd[1 + VS_LOAD_SHAREHOLDERS_MAX];
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

/* --- folder --------------------------------------------------------------------------------------
 */

static vs_err make_folder(vs_load *l, vs_diag *diag)
{
    const char *base = getenv("TMPDIR");
    int len = snprintf(l->folder, sizeof l->folder - 64, "%s/veilsum-load-XXXXXX",
                       base != NULL && base[0] == '/' ? base : "/tmp");
    if (len > 0 && len < (int)sizeof l->folder - 64 && mkdtemp(l->folder) != NULL) return VS_OK;
    l->folder[0] = '\0'; /* nothing to remove */
    return vs_fail(diag, VS_ERR_IO, "cannot make a temporary folder: %s", strerror(errno));
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

static void remove_folder(vs_load *l)
{
    if (l->folder[0] != '\0' && nftw(l->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0) {
        (void)fprintf(stderr, "veilsum: %s: could not be removed: %s\n", l->folder,
                      strerror(errno));
    }
    l->folder[0] = '\0';
}

/* --- federation ----------------------------------------------------------------------------------
 */

static vs_err make_keys(const vs_load *l, vs_keys **out, const char *name, vs_diag *diag)
{
    char file[64], path[VS_PROCESS_PATH_BYTES];
    const vs_rng rng = vs_rng_system();
    (void)snprintf(file, sizeof file, "%s.key", name);
    vs_err err = vs_load_path(l, path, file, diag);
    if (err == VS_OK) err = vs_keys_generate(out, name, &rng, diag);
    return err == VS_OK ? vs_keys_save(*out, path, diag) : err;
}

static vs_err fill_party(const vs_load *l, vs_fed_party *party, vs_keys **keys, const char *name,
                         const char *address, vs_diag *diag)
{
    vs_err err = make_keys(l, keys, name, diag);
    if (err != VS_OK) return err;
    memcpy(party->name, (*keys)->pub.name, sizeof party->name);
    party->key = (*keys)->pub.identity;
    (void)snprintf(party->address, sizeof party->address, "%s", address);
    return VS_OK;
}

static vs_err fill_parties(vs_load *l, vs_federation *fed, vs_diag *diag)
{
    char address[1 + VS_LOAD_SHAREHOLDERS_MAX][64];
    vs_keys *keys = NULL;
    vs_err err = vs_load_free_addresses(address, 1 + l->committee.n, diag);
    if (err == VS_OK) err = make_keys(l, &l->admin, "admin", diag);
    if (err != VS_OK) return err;
    memcpy(fed->admin_name, l->admin->pub.name, sizeof fed->admin_name);
    fed->admin_key = l->admin->pub.identity;
    err = fill_party(l, &fed->aggregator, &keys, "aggregator", address[0], diag);
    if (err == VS_OK) {
        err = vs_note_key_make(&fed->log_key, "veilsum.load/log", VS_NOTE_ED25519,
                               &keys->pub.log.public_key, diag);
    }
    memcpy(fed->origin, fed->log_key.name, sizeof fed->origin);
    vs_keys_free(keys);
    for (uint32_t j = 1; err == VS_OK && j <= l->committee.n; j++) {
        char name[32];
        (void)snprintf(name, sizeof name, "shareholder-%u", j);
        keys = NULL;
        err = fill_party(l, &fed->shareholder[j - 1].party, &keys, name, address[j], diag);
        if (err == VS_OK) fed->shareholder[j - 1].cosigner_key = keys->pub.cosigner;
        vs_keys_free(keys);
    }
    return err;
}

static vs_err make_federation(vs_load *l, vs_diag *diag)
{
    char path[VS_PROCESS_PATH_BYTES];
    vs_buf text = {0};
    vs_federation *fed = calloc(1, sizeof *fed);
    if (fed == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    memcpy(fed->name, "load", sizeof "load");
    fed->committee = l->committee;
    fed->max_clients = l->o.clients; /* of the largest round: all have the same M */
    fed->min_clients = 2;
    fed->max_missing = 0.05;
    fed->min_cover = 0.8;
    fed->round_timeout_s = ROUND_TIMEOUT_S;
    fed->answer_timeout_s = ANSWER_TIMEOUT_S;
    fed->quantiser = (vs_quantiser){.clip_norm = 1e6,
                                    .clipping_range = 1,
                                    .bits = 16,
                                    .max_weight = 1,
                                    .stochastic_rounding = true};
    vs_err err = fill_parties(l, fed, diag);
    if (err == VS_OK) err = vs_load_path(l, path, "federation.json", diag);
    if (err == VS_OK) err = vs_federation_format(&text, fed, diag);
    if (err == VS_OK) err = vs_file_create_durable(path, text.p, text.len, 0644, diag);
    if (err == VS_OK) err = vs_federation_load(&l->fed, path, diag);
    vs_buf_free(&text);
    vs_federation_free(fed);
    return err;
}

/* --- daemons -------------------------------------------------------------------------------------
 */

static vs_err start_daemon(vs_load *l, const char *role, const char *name, vs_diag *diag)
{
    vs_process *p = &l->process[l->n_processes];
    char federation[VS_PROCESS_PATH_BYTES], key[VS_PROCESS_PATH_BYTES], data[VS_PROCESS_PATH_BYTES],
        file[64];
    *p = (vs_process){0};
    (void)snprintf(p->name, sizeof p->name, "%s", name);
    vs_err err = vs_load_path(l, federation, "federation.json", diag);
    if (err == VS_OK) err = vs_load_path(l, data, name, diag);
    (void)snprintf(file, sizeof file, "%s.key", name);
    if (err == VS_OK) err = vs_load_path(l, key, file, diag);
    (void)snprintf(file, sizeof file, "%s.log", name);
    if (err == VS_OK) err = vs_load_path(l, p->log, file, diag);
    if (err != VS_OK) return err;
    const char *const args[] = {role, "--federation", federation, "--key",
                                key,  "--data",       data,       NULL};
    err = vs_process_start(p, args, diag);
    if (err == VS_OK) l->n_processes++;
    return err;
}

vs_err vs_load_alive(vs_load *l, vs_diag *diag)
{
    if (vs_stop_asked(&l->stop)) return vs_fail(diag, VS_ERR_STATE, "stopped by a signal");
    return vs_process_check(l->process, l->n_processes, diag);
}

static vs_err wait_daemons(vs_load *l, vs_diag *diag)
{
    const vs_caller caller = {.fed = l->fed, .timeout_ms = 500};
    for (uint32_t j = 0, waited = 0; j <= l->committee.n; j++) {
        const char *address =
            j == 0 ? l->fed->aggregator.address : l->fed->shareholder[j - 1].party.address;
        vsw_StatusReply status;
        vs_diag why;
        for (; vs_call_status(&caller, address, &status, &why) != VS_OK; waited += POLL_MS) {
            vs_err err = vs_load_alive(l, diag);
            if (err != VS_OK) return err;
            if (waited > READY_MS) {
                return vs_fail(diag, VS_ERR_TIMEOUT, "%s does not answer: %s", l->process[j].name,
                               why.text);
            }
            (void)vs_stop_sleep(&l->stop, POLL_MS);
        }
    }
    return VS_OK;
}

static vs_err begin_once(vs_load *l, vs_diag *diag)
{
    vs_err err = make_folder(l, diag);
    if (err == VS_OK) err = make_federation(l, diag);
    if (err == VS_OK) err = start_daemon(l, "aggregator", "aggregator", diag);
    for (uint32_t j = 1; err == VS_OK && j <= l->committee.n; j++) {
        char name[32];
        (void)snprintf(name, sizeof name, "shareholder-%u", j);
        err = start_daemon(l, "shareholder", name, diag);
    }
    return err == VS_OK ? wait_daemons(l, diag) : err;
}

vs_err vs_load_begin(vs_load *l, vs_diag *diag)
{
    for (uint32_t attempt = 1;; attempt++) {
        vs_err err = begin_once(l, diag);
        if (err == VS_OK || strstr(diag->text, "in use") == NULL || attempt == ATTEMPTS) return err;
        vs_load_end(l);
    }
}

void vs_load_end(vs_load *l)
{
    (void)vs_process_stop_all(l->process, l->n_processes, STOP_MS);
    l->n_processes = 0;
    vs_federation_free(l->fed);
    vs_keys_free(l->admin);
    l->fed = NULL;
    l->admin = NULL;
    remove_folder(l);
}
