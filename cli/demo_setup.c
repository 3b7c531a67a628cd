/* Federation and clients' keys of the demo. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/demo.h"
#include "cli/pipeline.h"

enum { ROUND_TIMEOUT_S = 120, ANSWER_TIMEOUT_S = 60 };

void vs_demo_draft(const vs_demo *d, vs_federation *draft)
{
    memcpy(draft->name, "demo", sizeof "demo");
    draft->demo = true;
    draft->committee = d->o.committee;
    draft->max_clients = d->o.work.n_clients;
    draft->min_clients = d->o.min_clients;
    draft->max_missing = 0.05;
    draft->min_cover = 0.8;
    draft->round_timeout_s = ROUND_TIMEOUT_S;
    draft->answer_timeout_s = ANSWER_TIMEOUT_S;
    vs_pipeline_use(draft, d->o.pipeline, &d->parts, d->o.work.n_clients);
}

static vs_err enrol_one(vs_demo *d, uint32_t i, vs_diag *diag)
{
    char name[32], file[64], path[VS_PROCESS_PATH_BYTES];
    uint8_t sig[64];
    vs_keys *keys = NULL;
    (void)snprintf(name, sizeof name, "client-%u", i);
    (void)snprintf(file, sizeof file, "%s.enrolment", name);
    vs_err err = vs_loopback_path(&d->here, path, file, diag);
    if (err == VS_OK) err = vs_loopback_keys(&d->here, &keys, name, diag);
    if (err == VS_OK) {
        const vs_h32 *id = &d->here.fed->id;
        vs_enrolment_sign(sig, id, &keys->pub.identity, d->here.admin->identity_seed);
        err = vs_enrolment_save(path, id, &keys->pub, sig, diag);
    }
    vs_keys_free(keys);
    return err;
}

vs_err vs_demo_enrol_clients(void *demo, vs_diag *diag)
{
    vs_demo *d = demo;
    vs_err err = VS_OK;
    for (uint32_t i = 1; err == VS_OK && i <= d->o.work.n_clients; i++) {
        err = enrol_one(d, i, diag);
    }
    return err;
}
