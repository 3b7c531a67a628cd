#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *vs_err_name(vs_err err)
{
    switch (err) {
    case VS_OK: return "ok";
    case VS_ERR_MALFORMED: return "malformed";
    case VS_ERR_PROOF: return "proof";
    case VS_ERR_STATE: return "state";
    case VS_ERR_LIMIT: return "limit";
    case VS_ERR_NOMEM: return "nomem";
    case VS_ERR_IO: return "io";
    case VS_ERR_TIMEOUT: return "timeout";
    }
    return "unknown";
}

static void make_printable(char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7f) *text = '?';
    }
}

vs_err vs_fail(vs_diag *diag, vs_err err, const char *fmt, ...)
{
    if (diag == NULL) return err;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(diag->text, sizeof diag->text, fmt, args);
    va_end(args);
    make_printable(diag->text);
    return err;
}

void vs_diag_prefix(vs_diag *diag, const char *fmt, ...)
{
    if (diag == NULL) return;
    char old[VS_DIAG_BYTES];
    char context[VS_DIAG_BYTES];
    va_list args;
    memcpy(old, diag->text, sizeof old);
    old[sizeof old - 1] = '\0';
    va_start(args, fmt);
    (void)vsnprintf(context, sizeof context, fmt, args);
    va_end(args);
    int written = snprintf(diag->text, sizeof diag->text, "%s: %s", context, old);
    if (written < 0) diag->text[0] = '\0';
    make_printable(diag->text);
}

void vs_panic(const char *file, int line, const char *what)
{
    (void)fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, what);
    abort();
}
