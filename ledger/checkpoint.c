#include <string.h>

#include "ledger/note.h"
#include "ledger/text.h"

static vs_err bad(vs_checkpoint *out, vs_diag *diag, const char *why)
{
    memset(out, 0, sizeof *out);
    return vs_fail(diag, VS_ERR_MALFORMED, "checkpoint: %s", why);
}

vs_err vs_checkpoint_parse(vs_checkpoint *out, const uint8_t *text, size_t len, vs_diag *diag)
{
    vs_lines lines = {.next = (const char *)text, .left = len};
    const char *line;
    size_t n;
    size_t root_len = 0;
    memset(out, 0, sizeof *out);
    if (!vs_lines_next(&lines, &line, &n) || n == 0 || n > VS_NOTE_NAME_MAX ||
        !vs_text_ok(line, n, false)) {
        return bad(out, diag, "the first line is not an origin of 1 to 255 bytes");
    }
    memcpy(out->origin, line, n);
    if (!vs_lines_next(&lines, &line, &n) || !vs_text_decimal(&out->size, line, n)) {
        return bad(out, diag, "the second line is not a tree size");
    }
    if (!vs_lines_next(&lines, &line, &n) ||
        vs_base64_decode(out->root.b, sizeof out->root.b, &root_len, line, n) != VS_OK ||
        root_len != sizeof out->root.b) {
        return bad(out, diag, "the third line is not the base64 of a 32-byte root");
    }
    while (vs_lines_next(&lines, &line, &n)) { /* extension lines: not ours, and not empty */
        if (n == 0 || !vs_text_ok(line, n, false)) {
            return bad(out, diag, "an extension line is empty or not text");
        }
    }
    if (lines.left != 0) return bad(out, diag, "the last line does not end in LF");
    return VS_OK;
}

vs_err vs_checkpoint_format(vs_buf *out, const vs_checkpoint *c)
{
    char root[VS_BASE64_CHARS(VS_H32_BYTES)];
    vs_base64_encode(root, c->root.b, sizeof c->root.b);
    vs_buf_printf(out, "%s\n%llu\n%s\n", c->origin, (unsigned long long)c->size, root);
    return vs_buf_check(out);
}
