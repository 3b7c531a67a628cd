/* Starting the demo's federation and clients, and waiting until they are ready. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/demo.h"

enum {
    READY_MS = 60000, /* until clients have loaded their data */
    POLL_MS = 20,
};

vs_err vs_demo_start_client(vs_demo *d, uint32_t i, vs_diag *diag)
{
    vs_process *p = vs_demo_client(d, i);
    const uint32_t used = d->o.shareholders + i + 1;
    if (d->here.n_processes < used) d->here.n_processes = used;
    char federation[VS_PROCESS_PATH_BYTES], key[VS_PROCESS_PATH_BYTES],
        reveal[VS_PROCESS_PATH_BYTES], file[64], index[16], count[16], seed[24], epochs[16],
        batch[16], rate[32], model[VS_MODEL_SPEC_BYTES], partition[VS_PARTITION_TEXT_BYTES];
    (void)snprintf(p->name, sizeof p->name, "client %u", i);
    vs_err err = vs_loopback_path(&d->here, federation, "federation.json", diag);
    (void)snprintf(file, sizeof file, "client-%u.key", i);
    if (err == VS_OK) err = vs_loopback_path(&d->here, key, file, diag);
    (void)snprintf(file, sizeof file, "client-%u.log", i);
    if (err == VS_OK) err = vs_loopback_path(&d->here, p->log, file, diag);
    if (err == VS_OK) err = vs_loopback_path(&d->here, reveal, "revealed", diag);
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
            vs_err err = vs_loopback_alive(&d->here, diag);
            if (err != VS_OK) return err;
            if (waited > READY_MS) {
                return vs_fail(diag, VS_ERR_TIMEOUT, "%s is not ready after %d s", p->name,
                               READY_MS / 1000);
            }
            (void)vs_stop_sleep(&d->here.stop, POLL_MS);
            waited += POLL_MS;
        }
    }
    return VS_OK;
}

vs_err vs_demo_start(vs_demo *d, vs_diag *diag)
{
    vs_federation *draft = calloc(1, sizeof *draft);
    if (draft == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory for a federation");
    vs_demo_draft(d, draft);
    const vs_loopback_plan plan = {.what = "demo",
                                   .keep = d->o.keep,
                                   .http = d->o.http,
                                   .draft = draft,
                                   .enrol = vs_demo_enrol_clients,
                                   .ctx = d};
    vs_err err = vs_loopback_begin(&d->here, &plan, diag);
    free(draft);
    for (uint32_t i = 1; err == VS_OK && i <= d->o.work.n_clients; i++) {
        err = vs_demo_start_client(d, i, diag);
    }
    return err == VS_OK ? vs_demo_wait_clients(d, diag) : err;
}
