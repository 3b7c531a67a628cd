#include "cli/out.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "cli/args.h"

int vs_out_fail(const vs_diag *diag)
{
    (void)fflush(stdout); /* what was printed before comes first */
    (void)fprintf(stderr, "veilsum: %s\n", diag->text);
    return VS_EXIT_FAILED;
}

int vs_out_error(const char *fmt, ...)
{
    char raw[VS_DIAG_BYTES];
    vs_diag diag;
    va_list list;
    va_start(list, fmt);
    (void)vsnprintf(raw, sizeof raw, fmt, list);
    va_end(list);
    (void)vs_fail(&diag, VS_ERR_IO, "%s", raw); /* makes it one printable line */
    return vs_out_fail(&diag);
}

int vs_out_json(struct json_t *value)
{
    if (value == NULL) return vs_out_error("out of memory");
    int failed = json_dumpf(value, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    json_decref(value);
    if (failed != 0) return vs_out_error("cannot write JSON to standard output");
    (void)fputc('\n', stdout);
    return VS_EXIT_OK;
}

/* --- tables ------------------------------------------------------------------------------------
 */

void vs_table_cell(vs_table *t, const char *fmt, ...)
{
    char text[1024];
    va_list list;
    if (t->failed) return;
    if (t->n == t->cap) {
        size_t cap = t->cap == 0 ? 64 : 2 * t->cap;
        char **grown = realloc(t->cell, cap * sizeof *grown);
        if (grown == NULL) {
            t->failed = true;
            return;
        }
        t->cell = grown;
        t->cap = cap;
    }
    va_start(list, fmt);
    (void)vsnprintf(text, sizeof text, fmt, list);
    va_end(list);
    for (char *c = text; *c != '\0'; c++) { /* a peer's text must not steer the terminal */
        if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = '?';
    }
    char *copy = strdup(text);
    t->failed = copy == NULL;
    if (copy != NULL) t->cell[t->n++] = copy;
}

/* Characters, not bytes, of UTF-8. */
static int width_of(const char *text)
{
    int width = 0;
    for (; *text != '\0'; text++) width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

int vs_table_print(const vs_table *t, FILE *out)
{
    int width[VS_TABLE_COLUMNS_MAX] = {0};
    if (t->failed) return vs_out_error("out of memory");
    VS_ASSERT(t->columns >= 1 && t->columns <= VS_TABLE_COLUMNS_MAX && t->n % t->columns == 0);
    for (size_t i = 0; i < t->n; i++) {
        int w = width_of(t->cell[i]);
        if (w > width[i % t->columns]) width[i % t->columns] = w;
    }
    size_t end = 0; /* of the row: behind its last cell that is not empty */
    for (size_t i = 0; i < t->n; i++) {
        size_t c = i % t->columns;
        if (c == 0) {
            end = i + t->columns;
            while (end > i + 1 && t->cell[end - 1][strspn(t->cell[end - 1], " ")] == '\0') end--;
        }
        if (i >= end) continue;
        bool last = i + 1 == end;
        bool right = (t->right >> c & 1u) != 0;
        int pad = width[c] - width_of(t->cell[i]);
        (void)fprintf(out, "%*s%*s%s%*s%s", c == 0 ? (int)t->indent : 0, "", right ? pad : 0, "",
                      t->cell[i], right || last ? 0 : pad, "", last ? "\n" : "  ");
    }
    return VS_EXIT_OK;
}

void vs_table_free(vs_table *t)
{
    for (size_t i = 0; i < t->n; i++) free(t->cell[i]);
    free(t->cell);
    *t = (vs_table){0};
}

/* --- progress ----------------------------------------------------------------------------------
 */

enum { BAR_WIDTH = 40 };

vs_progress vs_progress_start(const char *label)
{
    return (vs_progress){.label = label, .shown = isatty(STDERR_FILENO) == 1, .percent = -1};
}

void vs_progress_set(vs_progress *p, uint64_t done, uint64_t total)
{
    static const char full[] = "########################################";
    if (!p->shown || total == 0) return;
    if (done > total) done = total;
    int percent = (int)((double)done / (double)total * 100.0);
    if (percent == p->percent) return;
    p->percent = percent;
    (void)fprintf(stderr, "\r%s [%-*.*s] %3d %%", p->label, BAR_WIDTH, percent * BAR_WIDTH / 100,
                  full, percent);
    (void)fflush(stderr);
}

void vs_progress_end(vs_progress *p)
{
    if (p->shown && p->percent >= 0) (void)fprintf(stderr, "\r\033[K");
    p->percent = -1;
}
