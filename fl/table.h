/* fl/table.h - a CSV file as labelled rows of numbers.
 *
 * The first record names the columns. One column is the label, a whole number 0..255; the others
 * are features in their order, decimal numbers. Empty fields and NA, NaN, null and ? (any case) are
 * missing. Text columns need a schema (fl/schema.h), which every party has alike: then features are
 * in the schema's order, every column of the file must be in it, and every one of it in the file
 * (kind skip apart). */
#ifndef VS_FL_TABLE_H
#define VS_FL_TABLE_H

#include "base/bytes.h"
#include "base/err.h"
#include "fl/dataset.h"

/* On VS_OK the caller owns *out (vs_dataset_free), else it is zero. columns (may be NULL; else
 * zero-initialised, vs_buf_free) becomes the names of the columns in use, each with a final zero.
 * VS_ERR_MALFORMED and VS_ERR_LIMIT name file, line and column. */
VS_MUST_CHECK vs_err vs_table_read(vs_dataset *out, vs_buf *columns, const char *path,
                                   const vs_table_options *o, vs_diag *diag);
/* The same from memory; name is for messages. */
VS_MUST_CHECK vs_err vs_table_parse(vs_dataset *out, vs_buf *columns, const uint8_t *bytes,
                                    size_t len, const char *name, const vs_table_options *o,
                                    vs_diag *diag);

/* "none", "zero", "mean". VS_ERR_MALFORMED names the three. */
VS_MUST_CHECK vs_err vs_impute_parse(vs_impute *out, const char *name, vs_diag *diag);

#endif /* VS_FL_TABLE_H */
