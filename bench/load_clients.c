/* Real clients, each with its own key and submission (bench/load.h). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "bench/load.h"
#include "net/client_run.h"

/* A wave that every client has in another phase: cheap, different, and with a known mean. */
double vs_load_coordinate(uint32_t client, uint32_t c)
{
    uint32_t at = (client * UINT32_C(7919) + c * UINT32_C(104729)) % UINT32_C(65536);
    return (double)at / 32768.0 - 1.0;
}

static vs_err submit(const vs_load_spec *spec, vs_keys *keys, vs_store store, const double *update,
                     bool (*stop)(void *), void *stop_ctx, uint64_t *bytes, vs_diag *diag)
{
    vs_client_status status;
    const vs_client_run_options options = {
        .patience_ms = (uint64_t)spec->patience_s * 1000, .stop = stop, .stop_ctx = stop_ctx};
    vs_client_input input = {
        .round = spec->round, .update = update, .dim = spec->dim, .weight = 1, .purpose = "load"};
    vs_enrolment_sign(input.enrolment, &spec->fed->id, &keys->pub.identity,
                      spec->admin->identity_seed);
    vs_err err = vs_client_run(&status, spec->fed, keys, store, &input, &options, diag);
    *bytes = status.bytes_sent;
    return err;
}

static vs_err run_one(void *ctx, uint32_t client, bool (*stop)(void *), void *stop_ctx,
                      uint64_t *bytes, vs_diag *diag)
{
    const vs_load_spec *spec = ctx;
    const vs_rng rng = vs_rng_system();
    char name[32];
    vs_keys *keys = NULL;
    vs_store store = {0};
    (void)snprintf(name, sizeof name, "client-%u", client + 1);
    double *update = malloc(spec->dim * sizeof *update);
    vs_err err = update == NULL ? vs_fail(diag, VS_ERR_NOMEM, "load: out of memory") : VS_OK;
    for (uint32_t c = 0; err == VS_OK && c < spec->dim; c++) {
        update[c] = vs_load_coordinate(client, c);
    }
    if (err == VS_OK) err = vs_keys_generate(&keys, name, &rng, diag);
    if (err == VS_OK) err = vs_store_mem_open(&store);
    if (err == VS_OK) err = submit(spec, keys, store, update, stop, stop_ctx, bytes, diag);
    if (err != VS_OK) vs_diag_prefix(diag, "%s", name);
    vs_store_mem_close(&store);
    vs_keys_free(keys);
    free(update);
    return err;
}

vs_err vs_load_clients(vs_load_result *out, const vs_load_spec *spec, vs_diag *diag)
{
    vs_load_spec copy = *spec;
    const vs_load_pool pool = {.clients = spec->clients,
                               .parallel = spec->parallel,
                               .job = run_one,
                               .ctx = &copy,
                               .watch = spec->watch,
                               .watch_ctx = spec->watch_ctx};
    return vs_load_pool_run(out, &pool, diag);
}
