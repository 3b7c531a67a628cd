#include <math.h>
#include <stdlib.h>

#include "fl/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Property: a CSV file is refused with a message that names it, or gives finite values and labels
 * below n_classes. The first byte chooses how missing values are treated. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vs_dataset set;
    vs_diag diag = {0};
    if (size == 0) return 0;
    const vs_table_options o = {.impute = (vs_impute)(data[0] % 3)};
    if (vs_table_parse(&set, NULL, data + 1, size - 1, "f", &o, &diag) != VS_OK) {
        VS_ASSERT(set.n_rows == 0 && set.values == NULL && diag.text[0] == 'f');
        return 0;
    }
    VS_ASSERT(set.n_rows >= 1 && set.n_features >= 1 && set.n_classes <= 256);
    for (size_t i = 0; i < set.n_rows * set.n_features; i++) VS_ASSERT(isfinite(set.values[i]));
    for (size_t i = 0; i < set.n_rows; i++) VS_ASSERT(set.labels[i] < set.n_classes);
    vs_dataset_free(&set);
    return 0;
}
