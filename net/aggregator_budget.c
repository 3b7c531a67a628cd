/* What the rounds of the log have spent (net/budget.h), for the next `open`. */
#include <stdlib.h>

#include "net/aggregator_impl.h"

/* The end of a round, if it has one. */
static vs_err read_end(ag_t *ag, uint64_t round, vs_entry *entry, bool *over)
{
    uint64_t index;
    *over = vs_ag_find(ag, round, VS_ENTRY_RESULT, 0, &index) ||
            vs_ag_find(ag, round, VS_ENTRY_ABORT, 0, &index);
    return *over ? vs_ag_read_entry(ag, index, entry, NULL) : VS_OK;
}

static vs_err take_round(ag_t *ag, uint64_t round, vs_entry *entry, bool *over)
{
    vs_quantiser q;
    vs_privacy_round spent;
    uint64_t index;
    *over = false;
    if (!vs_ag_find(ag, round, VS_ENTRY_OPEN, 0, &index)) return VS_OK;
    vs_err err = vs_ag_read_entry(ag, index, entry, NULL);
    if (err == VS_OK) {
        err = vs_round_derive(&q, &spent, ag->fed, entry->u.open.dim, entry->u.open.clip_norm,
                              ag->diag);
    }
    if (err == VS_OK) err = read_end(ag, round, entry, over);
    if (err != VS_OK || !*over) return err;
    const bool result = entry->kind == VS_ENTRY_RESULT;
    vs_budget_take(&ag->budget, &spent, result ? entry->u.result.next_clip_norm : 0,
                   !result && entry->u.abort.closed);
    return VS_OK;
}

vs_err vs_ag_budget(ag_t *ag)
{
    bool over = true;
    vs_err err = VS_OK;
    if (ag->budget_round == 0) vs_budget_init(&ag->budget, ag->fed);
    if (ag->budget_round >= ag->last_round) return VS_OK;
    vs_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL) return VS_ERR_NOMEM;
    while (err == VS_OK && over && ag->budget_round < ag->last_round) {
        err = take_round(ag, ag->budget_round + 1, entry, &over);
        if (err == VS_OK && over) ag->budget_round++;
    }
    free(entry);
    return err;
}
