#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fl/schema.h"
#include "fl/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Property: a schema is refused with a message that names it, or its text reads back as the same
 * text; and a file after a zero byte is then read by it without harm, to finite values. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vs_schema s, again;
    vs_dataset set;
    vs_diag diag = {0};
    vs_buf text = {0}, twice = {0};
    const uint8_t *end = size > 0 ? memchr(data, 0, size) : NULL;
    const size_t len = end != NULL ? (size_t)(end - data) : size;
    if (vs_schema_parse(&s, data, len, "f", &diag) != VS_OK) {
        VS_ASSERT(s.n_columns == 0 && s.column == NULL && diag.text[0] == 'f');
        return 0;
    }
    vs_schema_format(&text, &s);
    VS_ASSERT(vs_schema_parse(&again, text.p, text.len, "g", &diag) == VS_OK);
    vs_schema_format(&twice, &again);
    VS_ASSERT(again.n_features == s.n_features && text.len == twice.len);
    VS_ASSERT(memcmp(text.p, twice.p, text.len) == 0);
    const vs_table_options o = {.schema = &s, .impute = VS_IMPUTE_MEAN};
    if (end != NULL &&
        vs_table_parse(&set, NULL, end + 1, size - len - 1, "f", &o, &diag) == VS_OK) {
        VS_ASSERT(set.n_features == s.n_features && set.n_rows >= 1);
        for (size_t i = 0; i < set.n_rows * set.n_features; i++) VS_ASSERT(isfinite(set.values[i]));
        for (size_t i = 0; i < set.n_rows; i++) VS_ASSERT(set.labels[i] < set.n_classes);
        vs_dataset_free(&set);
    }
    vs_buf_free(&text);
    vs_buf_free(&twice);
    vs_schema_free(&s);
    vs_schema_free(&again);
    return 0;
}
