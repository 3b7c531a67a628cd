/* cli/out.h - what commands print: errors, aligned tables, JSON, a progress bar. */
#ifndef VS_CLI_OUT_H
#define VS_CLI_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

/* "veilsum: <message>" to stderr. Returns VS_EXIT_FAILED, so that a command can
 * `return vs_out_fail(&diag);`. */
int vs_out_fail(const vs_diag *diag);
int vs_out_error(const char *fmt, ...) VS_PRINTF(1, 2);

/* Print the value with indents and release it. NULL counts as out of memory. Returns the exit
 * status. (struct json_t: jansson's json_t.) */
struct json_t;
int vs_out_json(struct json_t *value);

/* --- tables ------------------------------------------------------------------------------------
 */

#define VS_TABLE_COLUMNS_MAX 16u

/* Text in columns, printed at the end. Zero-initialise with the number of columns; free releases.
 */
typedef struct vs_table {
    uint32_t columns;
    uint32_t right;  /* bit c: column c is aligned to the right */
    uint32_t indent; /* spaces before every line */
    char **cell;     /* rows * columns, owned */
    size_t n, cap;
    bool failed; /* out of memory: printing says so */
} vs_table;

/* Append one cell; cells fill rows from left to right. */
void vs_table_cell(vs_table *t, const char *fmt, ...) VS_PRINTF(2, 3);
/* Print all rows, columns two spaces apart. Returns the exit status. */
int vs_table_print(const vs_table *t, FILE *out);
void vs_table_free(vs_table *t);

/* --- progress ----------------------------------------------------------------------------------
 */

/* A bar on stderr, only where that is a terminal, redrawn at most when the percentage changes. */
typedef struct vs_progress {
    const char *label; /* borrowed */
    bool shown;
    int percent; /* drawn last; -1: nothing yet */
} vs_progress;

vs_progress vs_progress_start(const char *label);
void vs_progress_set(vs_progress *p, uint64_t done, uint64_t total);
void vs_progress_end(vs_progress *p); /* clears the line */

#endif /* VS_CLI_OUT_H */
