/* What attackers of a simulation do. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/simulate.h"

vs_err vs_attack_parse(vs_attackers *out, const char *text, vs_diag *diag)
{
    static const char scale[] = "scale:";
    const size_t len = sizeof scale - 1;
    VS_ASSERT(out != NULL && text != NULL);
    out->factor = 1;
    if (strcmp(text, "none") == 0) {
        out->kind = VS_ATTACK_NONE;
        return VS_OK;
    }
    if (strcmp(text, "label-flip") == 0) {
        out->kind = VS_ATTACK_LABEL_FLIP;
        return VS_OK;
    }
    if (strncmp(text, scale, len) == 0) {
        char *end;
        const double x = strtod(text + len, &end);
        if (end != text + len && *end == '\0' && x != 0 && fabs(x) <= VS_ATTACK_FACTOR_MAX) {
            out->kind = VS_ATTACK_SCALE;
            out->factor = x;
            return VS_OK;
        }
    }
    return vs_fail(diag, VS_ERR_MALFORMED,
                   "attack \"%.40s\": want none, label-flip or scale:FACTOR, as scale:10", text);
}

void vs_attack_format(char out[VS_ATTACK_TEXT_BYTES], const vs_attackers *a)
{
    static const char *const names[] = {"none", "label-flip", "scale"};
    if (a->kind == VS_ATTACK_SCALE) {
        (void)snprintf(out, VS_ATTACK_TEXT_BYTES, "scale:%g", a->factor);
    } else {
        (void)snprintf(out, VS_ATTACK_TEXT_BYTES, "%s", names[a->kind]);
    }
}

uint8_t *vs_attack_labels(const vs_dataset *set)
{
    uint8_t *labels = malloc(set->n_rows);
    for (size_t i = 0; labels != NULL && i < set->n_rows; i++) {
        labels[i] = (uint8_t)(set->n_classes - 1 - set->labels[i]);
    }
    return labels;
}
