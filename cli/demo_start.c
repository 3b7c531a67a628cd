/* Starting the demo's processes, and waiting until they are ready. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/demo.h"

enum {
    ATTEMPTS = 5,     /* with other ports */
    READY_MS = 60000, /* until daemons listen and clients have loaded their data */
    POLL_MS = 20,
};

/* --- processes
 * ------------------------------------------------------------------------------------- */

/* http: address of the page, or NULL. */
static vs_err start_daemon(vs_demo *d, vs_process *p, const char *role, const char *file,
                           const char *http, vs_diag *diag)
{
    char federation[VS_PROCESS_PATH_BYTES], key[VS_PROCESS_PATH_BYTES], data[VS_PROCESS_PATH_BYTES],
        name[64];
    vs_err err = vs_demo_path(d, federation, "federation.json", diag);
    if (err == VS_OK) err = vs_demo_path(d, data, file, diag);
    (void)snprintf(name, sizeof name, "%s.key", file);
    if (err == VS_OK) err = vs_demo_path(d, key, name, diag);
    (void)snprintf(name, sizeof name, "%s.log", file);
    if (err == VS_OK) err = vs_demo_path(d, p->log, name, diag);
    if (err != VS_OK) return err;
    const char *const args[] = {role, "--federation",         federation, "--key", key, "--data",
                                data, http ? "--http" : NULL, http,       NULL};
    return vs_process_start(p, args, diag);
}

vs_err vs_demo_start_shareholder(vs_demo *d, uint32_t j, vs_diag *diag)
{
    vs_process *p = vs_demo_shareholder(d, j);
    char file[32];
    (void)snprintf(file, sizeof file, "shareholder-%u", j);
    (void)snprintf(p->name, sizeof p->name, "shareholder %u", j);
    return start_daemon(d, p, "shareholder", file, NULL, diag);
}

vs_err vs_demo_start_client(vs_demo *d, uint32_t i, vs_diag *diag)
{
    vs_process *p = vs_demo_client(d, i);
    char federation[VS_PROCESS_PATH_BYTES], key[VS_PROCESS_PATH_BYTES],
        reveal[VS_PROCESS_PATH_BYTES], file[64], index[16], count[16], seed[24], epochs[16],
        batch[16], rate[32], model[VS_MODEL_SPEC_BYTES], partition[VS_PARTITION_TEXT_BYTES];
    (void)snprintf(p->name, sizeof p->name, "client %u", i);
    vs_err err = vs_demo_path(d, federation, "federation.json", diag);
    (void)snprintf(file, sizeof file, "client-%u.key", i);
    if (err == VS_OK) err = vs_demo_path(d, key, file, diag);
    (void)snprintf(file, sizeof file, "client-%u.log", i);
    if (err == VS_OK) err = vs_demo_path(d, p->log, file, diag);
    if (err == VS_OK) err = vs_demo_path(d, reveal, "revealed", diag);
    if (err != VS_OK) return err;
    (void)snprintf(index, sizeof index, "%u", i);
    (void)snprintf(count, sizeof count, "%u", d->o.work.n_clients);
    (void)snprintf(seed, sizeof seed, "%" PRIu64, d->o.work.seed);
    (void)snprintf(epochs, sizeof epochs, "%u", d->o.training.local_epochs);
    (void)snprintf(batch, sizeof batch, "%u", d->o.training.batch_size);
    (void)snprintf(rate, sizeof rate, "%.17g", d->o.training.learning_rate);
    vs_partition_format(partition, d->o.work.partition);
    vs_model_format(model, &d->o.model);
    const char *const args[] = {"train",
                                "--federation",
                                federation,
                                "--key",
                                key,
                                "--data",
                                d->o.work.data,
                                "--model",
                                model,
                                "--client-index",
                                index,
                                "--num-clients",
                                count,
                                "--partition",
                                partition,
                                "--rounds",
                                "1000000", /* until SIGTERM */
                                "--local-epochs",
                                epochs,
                                "--batch-size",
                                batch,
                                "--learning-rate",
                                rate,
                                "--seed",
                                seed,
                                "--reveal",
                                reveal,
                                "--json",
                                NULL};
    return vs_process_start(p, args, diag);
}

static vs_err start_all(vs_demo *d, vs_diag *diag)
{
    vs_process *aggregator = vs_demo_aggregator(d);
    (void)snprintf(aggregator->name, sizeof aggregator->name, "aggregator");
    d->n_processes = 1 + d->o.shareholders + d->o.work.n_clients;
    vs_err err = start_daemon(d, aggregator, "aggregator", "aggregator", d->o.http, diag);
    for (uint32_t j = 1; err == VS_OK && j <= d->o.shareholders; j++) {
        err = vs_demo_start_shareholder(d, j, diag);
    }
    if (err == VS_OK) err = vs_demo_wait_daemons(d, diag);
    for (uint32_t i = 1; err == VS_OK && i <= d->o.work.n_clients; i++) {
        err = vs_demo_start_client(d, i, diag);
    }
    return err;
}

vs_err vs_demo_alive(vs_demo *d, vs_diag *diag)
{
    if (vs_stop_asked(&d->stop)) return vs_fail(diag, VS_ERR_STATE, "stopped by a signal");
    return vs_process_check(d->process, d->n_processes, diag);
}

vs_err vs_demo_wait_daemons(vs_demo *d, vs_diag *diag)
{
    const vs_caller caller = {.fed = d->fed, .timeout_ms = 500};
    uint32_t waited = 0;
    for (uint32_t j = 0; j <= d->o.shareholders; j++) {
        const char *address =
            j == 0 ? d->fed->aggregator.address : d->fed->shareholder[j - 1].party.address;
        vsw_StatusReply status;
        vs_diag why;
        while (vs_call_status(&caller, address, &status, &why) != VS_OK) {
            vs_err err = vs_demo_alive(d, diag);
            if (err != VS_OK) return err;
            if (waited > READY_MS) {
                return vs_fail(diag, VS_ERR_TIMEOUT, "%s does not answer: %s", d->process[j].name,
                               why.text);
            }
            (void)vs_stop_sleep(&d->stop, POLL_MS);
            waited += POLL_MS;
        }
    }
    return VS_OK;
}

static void count_event(void *ctx, const struct json_t *line)
{
    uint32_t *n = ctx;
    (void)line;
    *n += 1;
}

/* Each client says when it has its data, each time it is started. */
vs_err vs_demo_wait_clients(vs_demo *d, vs_diag *diag)
{
    uint32_t waited = 0;
    for (uint32_t i = 1; i <= d->o.work.n_clients; i++) {
        vs_process *p = vs_demo_client(d, i);
        for (;;) {
            uint32_t n_ready = 0;
            vs_process_events(p, "ready", 0, count_event, &n_ready);
            if (n_ready >= p->n_starts) break;
            vs_err err = vs_demo_alive(d, diag);
            if (err != VS_OK) return err;
            if (waited > READY_MS) {
                return vs_fail(diag, VS_ERR_TIMEOUT, "%s is not ready after %d s", p->name,
                               READY_MS / 1000);
            }
            (void)vs_stop_sleep(&d->stop, POLL_MS);
            waited += POLL_MS;
        }
    }
    return VS_OK;
}

/* After a collision of ports: everything that names the old federation goes. */
static void take_back(vs_demo *d)
{
    (void)vs_process_stop_all(d->process, d->n_processes, 2000);
    vs_federation_free(d->fed);
    vs_keys_free(d->admin);
    d->fed = NULL;
    d->admin = NULL;
    vs_demo_remove_folder(d);
}

vs_err vs_demo_start(vs_demo *d, vs_diag *diag)
{
    vs_err err = VS_OK;
    for (uint32_t attempt = 1;; attempt++) {
        err = vs_demo_make_folder(d, diag);
        if (err == VS_OK) err = vs_demo_make_federation(d, diag);
        if (err == VS_OK) err = vs_demo_enrol_clients(d, diag);
        if (err == VS_OK) err = start_all(d, diag);
        if (err == VS_OK) return vs_demo_wait_clients(d, diag);
        if (strstr(diag->text, "in use") == NULL || attempt == ATTEMPTS || d->o.keep != NULL) {
            return err;
        }
        take_back(d);
    }
}
