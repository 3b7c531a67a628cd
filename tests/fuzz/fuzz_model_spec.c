#include <string.h>

#include "fl/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Property: an accepted spec is exactly what the model formats to, within the limits. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char spec[256];
    char text[VS_MODEL_SPEC_BYTES];
    vs_model m;
    vs_diag diag = {0};
    if (size >= sizeof spec) return 0;
    if (size > 0) memcpy(spec, data, size);
    spec[size] = '\0';
    if (vs_model_parse(&m, spec, &diag) != VS_OK) {
        VS_ASSERT(m.n_layers == 0 && diag.text[0] != '\0');
        return 0;
    }
    VS_ASSERT(m.n_layers >= 1 && m.n_layers <= VS_MODEL_LAYERS_MAX);
    VS_ASSERT(vs_model_n_params(&m) <= VS_MODEL_PARAMS_MAX);
    vs_model_format(text, &m);
    VS_ASSERT(strcmp(text, spec) == 0);
    return 0;
}
