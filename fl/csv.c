#include "fl/csv.h"

#include <stdlib.h>
#include <string.h>

void vs_csv_open(vs_csv *csv, const uint8_t *bytes, size_t len, const char *name)
{
    static const uint8_t mark[3] = {0xef, 0xbb, 0xbf};
    VS_ASSERT(csv != NULL && name != NULL && (bytes != NULL || len == 0));
    *csv = (vs_csv){.name = name, .p = bytes, .end = len > 0 ? bytes + len : bytes, .next_line = 1};
    if (len >= sizeof mark && memcmp(bytes, mark, sizeof mark) == 0) csv->p += sizeof mark;
}

void vs_csv_free(vs_csv *csv)
{
    if (csv == NULL) return;
    vs_buf_free_secret(&csv->text);
    free(csv->at);
    memset(csv, 0, sizeof *csv);
}

const char *vs_csv_field(const vs_csv *csv, size_t i)
{
    VS_ASSERT(i < csv->n_fields);
    return (const char *)csv->text.p + csv->at[i];
}

static vs_err too_long(const vs_csv *csv, vs_diag *diag)
{
    return vs_fail(diag, VS_ERR_LIMIT, "%s: line %zu: the record is longer than %zu bytes",
                   csv->name, csv->line, VS_CSV_RECORD_MAX);
}

static vs_err begin_field(vs_csv *csv, vs_diag *diag)
{
    if (csv->n_fields == VS_CSV_FIELDS_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT, "%s: line %zu: more than %u fields", csv->name,
                       csv->line, VS_CSV_FIELDS_MAX);
    }
    if (csv->n_fields == csv->room) {
        size_t room = csv->room == 0 ? 64 : 2 * csv->room;
        size_t *at = realloc(csv->at, room * sizeof *at);
        if (at == NULL) {
            return vs_fail(diag, VS_ERR_NOMEM, "%s: line %zu: out of memory", csv->name, csv->line);
        }
        csv->at = at;
        csv->room = room;
    }
    csv->at[csv->n_fields++] = csv->text.len;
    return VS_OK;
}

static bool at_line_end(const vs_csv *csv)
{
    return *csv->p == '\n' || (*csv->p == '\r' && csv->p + 1 < csv->end && csv->p[1] == '\n');
}

static bool at_field_end(const vs_csv *csv)
{
    return csv->p == csv->end || *csv->p == ',' || at_line_end(csv);
}

static void take(vs_csv *csv)
{
    if (*csv->p == '\n') csv->next_line++;
    vs_buf_u8(&csv->text, *csv->p++);
}

/* Behind the opening quote, to behind the closing one. */
static vs_err read_quoted(vs_csv *csv, vs_diag *diag)
{
    for (;;) {
        if (csv->p == csv->end) {
            return vs_fail(diag, VS_ERR_MALFORMED,
                           "%s: line %zu: a quoted field does not end: its closing \" is missing",
                           csv->name, csv->line);
        }
        if (*csv->p == '"') {
            csv->p++;
            if (csv->p == csv->end || *csv->p != '"') break;
        }
        if (csv->text.len > VS_CSV_RECORD_MAX) return too_long(csv, diag);
        take(csv);
    }
    if (!at_field_end(csv)) {
        return vs_fail(diag, VS_ERR_MALFORMED,
                       "%s: line %zu: field %zu has text after its closing quote", csv->name,
                       csv->line, csv->n_fields);
    }
    return VS_OK;
}

static vs_err read_field(vs_csv *csv, vs_diag *diag)
{
    vs_err err = begin_field(csv, diag);
    if (err != VS_OK) return err;
    const size_t start = csv->text.len;
    if (csv->p < csv->end && *csv->p == '"') {
        csv->p++;
        err = read_quoted(csv, diag);
        if (err != VS_OK) return err;
    } else {
        while (!at_field_end(csv) && csv->text.len <= VS_CSV_RECORD_MAX) take(csv);
    }
    if (csv->text.failed) {
        return vs_fail(diag, VS_ERR_NOMEM, "%s: line %zu: out of memory", csv->name, csv->line);
    }
    if (csv->text.len > VS_CSV_RECORD_MAX) return too_long(csv, diag);
    if (csv->text.len > start && memchr(csv->text.p + start, 0, csv->text.len - start) != NULL) {
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: line %zu: field %zu holds a zero byte",
                       csv->name, csv->line, csv->n_fields);
    }
    vs_buf_u8(&csv->text, 0);
    return vs_buf_check(&csv->text);
}

static void skip_line_end(vs_csv *csv)
{
    if (*csv->p == '\r') csv->p++;
    csv->p++;
    csv->next_line++;
}

vs_err vs_csv_next(vs_csv *csv, bool *more, vs_diag *diag)
{
    VS_ASSERT(csv != NULL && more != NULL);
    csv->text.len = 0;
    csv->n_fields = 0;
    while (csv->p < csv->end && at_line_end(csv)) skip_line_end(csv);
    *more = csv->p < csv->end;
    csv->line = csv->next_line;
    for (bool last = !*more; !last;) {
        vs_err err = read_field(csv, diag);
        if (err != VS_OK) return err;
        last = csv->p == csv->end || *csv->p != ',';
        if (!last) csv->p++;
    }
    if (csv->p < csv->end) skip_line_end(csv);
    return VS_OK;
}
