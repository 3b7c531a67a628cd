#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "cli/ledger.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Hashes and numbers as typed: what is taken prints back to the same text. */
static void check_arguments(const char *text)
{
    char base64[VS_BASE64_CHARS(VS_H32_BYTES)];
    vs_h32 hash;
    uint64_t number = 0;
    vs_diag diag;
    if (vs_ledger_hash(&hash, "root", text, &diag) == VS_OK) {
        vs_base64_encode(base64, hash.b, sizeof hash.b);
        VS_ASSERT(strcmp(base64, text) == 0);
    }
    if (vs_ledger_number(&number, "size", text, &diag) == VS_OK) {
        VS_ASSERT(strspn(text, "0123456789") == strlen(text));
        VS_ASSERT(number == strtoull(text, NULL, 10));
    }
}

/* Properties of any bytes as an entry: the leaf hash is theirs, and what is said of them is one
 * printable line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vs_ledger_line line;
    vs_buf entry = {0};
    vs_dsse dsse = {0};
    vs_h32 leaf;
    char text[64];
    vs_buf_bytes(&entry, data, size);
    vs_ledger_read(&line, &dsse, 7, &entry);
    vs_merkle_leaf(&leaf, data, size);
    VS_ASSERT(vs_h32_equal(&leaf, &line.leaf_hash) && line.index == 7 && line.len == size);
    VS_ASSERT(line.says.text[0] != '\0' && line.kind[0] != '\0');
    for (const char *c = line.says.text; *c != '\0'; c++) {
        VS_ASSERT((unsigned char)*c >= 0x20 && *c != 0x7f);
    }
    vs_dsse_free(&dsse);
    vs_buf_free(&entry);
    if (size < sizeof text) {
        memcpy(text, data, size);
        text[size] = '\0';
        check_arguments(text);
    }
    return 0;
}
