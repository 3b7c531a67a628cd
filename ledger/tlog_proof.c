#include "ledger/tlog_proof.h"

#include <string.h>

#include "base/hash.h"
#include "ledger/text.h"

static const char header[] = "c2sp.org/tlog-proof@v1";
static const char extra_head[] = "extra ";
static const char index_head[] = "index ";

static void put_base64(vs_buf *out, const void *data, size_t len)
{
    uint8_t *at = vs_buf_extend(out, VS_BASE64_CHARS(len));
    if (at == NULL) return;
    vs_base64_encode((char *)at, data, len);
    out->p[out->len - 1] = '\n'; /* in place of the final zero */
}

vs_err vs_tlog_proof_format(vs_buf *out, const vs_tlog_proof *proof)
{
    if (proof->path.n > VS_TREE_PATH_MAX || proof->index > (uint64_t)INT64_MAX ||
        proof->checkpoint.len == 0 || proof->checkpoint.len > VS_NOTE_MAX_BYTES ||
        proof->extra.len > VS_TLOG_PROOF_EXTRA_MAX || (proof->extra.len == 0) == proof->has_extra) {
        return VS_ERR_LIMIT;
    }
    vs_buf_printf(out, "%s\n", header);
    if (proof->has_extra) {
        vs_buf_text(out, extra_head);
        put_base64(out, proof->extra.p, proof->extra.len);
    }
    vs_buf_printf(out, "%s%llu\n", index_head, (unsigned long long)proof->index);
    for (uint32_t i = 0; i < proof->path.n; i++) {
        put_base64(out, proof->path.node[i].b, VS_H32_BYTES);
    }
    vs_buf_u8(out, '\n');
    vs_buf_bytes(out, proof->checkpoint.p, proof->checkpoint.len);
    return vs_buf_check(out);
}

static vs_err bad(vs_diag *diag, const char *why)
{
    return vs_fail(diag, VS_ERR_MALFORMED, "receipt: %s", why);
}

static bool skip_head(const char **line, size_t *len, const char *head)
{
    size_t n = strlen(head);
    if (*len < n || memcmp(*line, head, n) != 0) return false;
    *line += n;
    *len -= n;
    return true;
}

static vs_err get_extra(vs_tlog_proof *out, const char *text, size_t len, vs_diag *diag)
{
    uint8_t raw[VS_TLOG_PROOF_EXTRA_MAX];
    size_t got = 0;
    if (vs_base64_decode(raw, sizeof raw, &got, text, len) != VS_OK || got == 0) {
        return bad(diag, "extra is not base64 of 1 to 4096 bytes");
    }
    vs_buf_bytes(&out->extra, raw, got);
    out->has_extra = true;
    return out->extra.failed ? vs_fail(diag, VS_ERR_NOMEM, "out of memory") : VS_OK;
}

static vs_err get_path(vs_tlog_proof *out, vs_lines *lines, vs_diag *diag)
{
    const char *line;
    size_t n;
    for (;;) {
        size_t got = 0;
        if (!vs_lines_next(lines, &line, &n)) return bad(diag, "no blank line after the path");
        if (n == 0) return VS_OK;
        if (out->path.n == VS_TREE_PATH_MAX) return bad(diag, "more than 63 hashes");
        vs_h32 *node = &out->path.node[out->path.n];
        if (vs_base64_decode(node->b, sizeof node->b, &got, line, n) != VS_OK ||
            got != sizeof node->b) {
            return bad(diag, "a line of the path is not the base64 of a 32-byte hash");
        }
        out->path.n++;
    }
}

static vs_err parse(vs_tlog_proof *out, const uint8_t *text, size_t len, vs_diag *diag)
{
    vs_lines lines = {.next = (const char *)text, .left = len};
    const char *line;
    size_t n;
    if (!vs_lines_next(&lines, &line, &n) || !skip_head(&line, &n, header) || n != 0) {
        return bad(diag, "the first line is not c2sp.org/tlog-proof@v1");
    }
    bool more = vs_lines_next(&lines, &line, &n);
    if (more && skip_head(&line, &n, extra_head)) {
        vs_err err = get_extra(out, line, n, diag);
        if (err != VS_OK) return err;
        more = vs_lines_next(&lines, &line, &n);
    }
    if (!more || !skip_head(&line, &n, index_head) || !vs_text_decimal(&out->index, line, n)) {
        return bad(diag, "no line \"index N\"");
    }
    vs_err err = get_path(out, &lines, diag);
    if (err != VS_OK) return err;
    if (lines.left == 0 || lines.left > VS_NOTE_MAX_BYTES) {
        return bad(diag, "no checkpoint, or one longer than 128 KiB");
    }
    vs_buf_bytes(&out->checkpoint, lines.next, lines.left);
    return out->checkpoint.failed ? vs_fail(diag, VS_ERR_NOMEM, "out of memory") : VS_OK;
}

vs_err vs_tlog_proof_parse(vs_tlog_proof *out, const uint8_t *text, size_t len, vs_diag *diag)
{
    memset(out, 0, sizeof *out);
    if (len > VS_TLOG_PROOF_MAX_BYTES) {
        return vs_fail(diag, VS_ERR_LIMIT, "receipt: %zu bytes, at most %u", len,
                       VS_TLOG_PROOF_MAX_BYTES);
    }
    vs_err err = parse(out, text, len, diag);
    if (err != VS_OK) vs_tlog_proof_free(out);
    return err;
}

void vs_tlog_proof_free(vs_tlog_proof *proof)
{
    vs_buf_free(&proof->extra);
    vs_buf_free(&proof->checkpoint);
    memset(proof, 0, sizeof *proof);
}

vs_err vs_tlog_proof_verify(vs_policy_result *out, const vs_tlog_proof *proof,
                            const vs_policy *policy, const vs_h32 *leaf_hash, vs_diag *diag)
{
    vs_policy_result result;
    vs_err err =
        vs_policy_verify(&result, policy, proof->checkpoint.p, proof->checkpoint.len, diag);
    if (err == VS_OK) {
        const vs_checkpoint *c = &result.checkpoint;
        err = vs_tree_verify_inclusion(leaf_hash, proof->index, c->size, &c->root, &proof->path);
        if (err != VS_OK) {
            (void)vs_fail(diag, err,
                          "receipt: the entry is not entry %llu of the tree of size %llu",
                          (unsigned long long)proof->index, (unsigned long long)c->size);
        }
    }
    if (err != VS_OK) memset(&result, 0, sizeof result);
    if (out != NULL) *out = result;
    return err;
}

vs_err vs_tlog_proof_verify_entry(vs_policy_result *out, const uint8_t *receipt, size_t receipt_len,
                                  const vs_policy *policy, const void *entry, size_t entry_len,
                                  vs_diag *diag)
{
    vs_tlog_proof proof;
    vs_h32 leaf_hash;
    if (out != NULL) memset(out, 0, sizeof *out);
    vs_err err = vs_tlog_proof_parse(&proof, receipt, receipt_len, diag);
    if (err != VS_OK) return err;
    vs_merkle_leaf(&leaf_hash, entry, entry_len);
    err = vs_tlog_proof_verify(out, &proof, policy, &leaf_hash, diag);
    vs_tlog_proof_free(&proof);
    return err;
}
