/* fl/schema.h - what the columns of a CSV file mean, agreed on by everybody who trains together.
 *
 * A schema is a CSV file itself, one record a column, its features in this order:
 *     amount,number             decimal numbers as they are
 *     amount,number,80,250      (value - 80) / 250
 *     shop,category,"Food, drink",Fuel,Travel   one feature for each value listed: 1 or 0. A last
 *                               value of * stands for every other; without it such a value is an
 *                               error. Where the value is missing all are 0.
 *     fraud,label               whole numbers 0..255
 *     fraud,label,no,yes        no is 0, yes is 1
 *     card,skip                 not used
 * So features have the same meaning at all parties, whatever their own rows hold. Public. */
#ifndef VS_FL_SCHEMA_H
#define VS_FL_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define VS_SCHEMA_BYTES_MAX ((size_t)4 << 20)
#define VS_SCHEMA_COLUMNS_MAX 4096u
#define VS_SCHEMA_VALUES_MAX 4096u /* of one column */

typedef enum vs_schema_kind {
    VS_SCHEMA_NUMBER,
    VS_SCHEMA_CATEGORY,
    VS_SCHEMA_LABEL,
    VS_SCHEMA_SKIP,
} vs_schema_kind;

typedef struct vs_schema_column {
    char *name; /* owned */
    vs_schema_kind kind;
    bool scaled;          /* centre and scale were given */
    double centre, scale; /* of a number; else 0 and 1; scale > 0 */
    char **value;         /* owned: categories, or names of labels */
    uint32_t n_values;
    bool other;       /* the last category is * */
    uint32_t feature; /* its first feature, of a number or category */
} vs_schema_column;

typedef struct vs_schema {
    vs_schema_column *column; /* owned */
    size_t n_columns;
    uint32_t n_features; /* 1..VS_DATASET_FEATURES_MAX */
    uint32_t n_numbers;
} vs_schema;

/* On VS_OK the caller owns *out (vs_schema_free), else it is zero. VS_ERR_MALFORMED and
 * VS_ERR_LIMIT name file and line: an unknown kind, a column or value twice, no or two labels, no
 * feature. name is for messages. */
VS_MUST_CHECK vs_err vs_schema_parse(vs_schema *out, const uint8_t *bytes, size_t len,
                                     const char *name, vs_diag *diag);
VS_MUST_CHECK vs_err vs_schema_read(vs_schema *out, const char *path, vs_diag *diag);
void vs_schema_free(vs_schema *schema);

/* The column of this name, or NULL. */
const vs_schema_column *vs_schema_find(const vs_schema *schema, const char *name);
/* Which of the column's values a text is; false: none (and no *). */
bool vs_schema_value(uint32_t *out, const vs_schema_column *column, const char *text);
/* Text that vs_schema_parse reads back: numbers with 9 digits. Appends to out (vs_buf_check). */
void vs_schema_format(vs_buf *out, const vs_schema *schema);

#endif /* VS_FL_SCHEMA_H */
