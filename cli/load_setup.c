/* The federation of `veilsum load` (cli/load.h). */
#include <stdlib.h>
#include <string.h>

#include "cli/load.h"

enum { ROUND_TIMEOUT_S = 3600, ANSWER_TIMEOUT_S = 900, STOP_MS = 20000 };

vs_err vs_load_begin(vs_load *l, vs_diag *diag)
{
    vs_federation *draft = calloc(1, sizeof *draft);
    if (draft == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory for a federation");
    memcpy(draft->name, "load", sizeof "load");
    draft->committee = l->committee;
    draft->max_clients = l->o.clients; /* of the largest round: all have the same M */
    draft->min_clients = 2;
    draft->max_missing = 0.05;
    draft->min_cover = 0.8;
    draft->round_timeout_s = ROUND_TIMEOUT_S;
    draft->answer_timeout_s = ANSWER_TIMEOUT_S;
    draft->quantiser = (vs_quantiser){.clip_norm = 1e6,
                                      .clipping_range = 1,
                                      .bits = 16,
                                      .max_weight = 1,
                                      .stochastic_rounding = true};
    const vs_loopback_plan plan = {.what = "load", .draft = draft};
    vs_err err = vs_loopback_begin(&l->here, &plan, diag);
    free(draft);
    return err;
}

void vs_load_end(vs_load *l)
{
    vs_loopback_end(&l->here, STOP_MS);
}
