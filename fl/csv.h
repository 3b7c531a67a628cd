/* fl/csv.h - comma-separated text (RFC 4180), one record at a time.
 *
 * A field may be quoted; in quotes "" is a quote, and commas and line ends are text. Records end
 * with LF or CRLF. An empty line ends nothing and is passed over. A UTF-8 byte order mark at the
 * start is passed over. Spaces are part of a field. */
#ifndef VS_FL_CSV_H
#define VS_FL_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define VS_CSV_FIELDS_MAX 65537u /* of one record: VS_DATASET_FEATURES_MAX and a label */
#define VS_CSV_RECORD_MAX ((size_t)16 << 20) /* bytes of one record */

/* Zero-initialise, then open; free releases. name and bytes are borrowed. */
typedef struct vs_csv {
    const char *name; /* for messages */
    const uint8_t *p, *end;
    size_t line; /* where the last record started, from 1 */
    size_t next_line;
    vs_buf text; /* owned: fields of the last record, each with a final zero */
    size_t *at;  /* owned: where field i starts in text.p */
    size_t n_fields, room;
} vs_csv;

void vs_csv_open(vs_csv *csv, const uint8_t *bytes, size_t len, const char *name);
void vs_csv_free(vs_csv *csv); /* wipes */

/* The next record; *more is false when there is none. VS_ERR_MALFORMED: a quote that does not end,
 * text after a closing quote, a zero byte; VS_ERR_LIMIT; VS_ERR_NOMEM: with file and line. */
VS_MUST_CHECK vs_err vs_csv_next(vs_csv *csv, bool *more, vs_diag *diag);
/* Field i < n_fields of the last record, borrowed until the next. */
const char *vs_csv_field(const vs_csv *csv, size_t i);

#endif /* VS_FL_CSV_H */
