/* The words and numbers of the ledger's texts: UTF-8, key names, decimals, lines, kinds, reasons.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fl/partition.h"
#include "ledger/entry.h"
#include "ledger/entry_fields.h"
#include "ledger/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void numbers(const char *text, size_t len)
{
    char again[24];
    uint64_t v = 0;
    if (!vs_text_decimal(&v, text, len)) return;
    VS_ASSERT(v >> 63 == 0);
    (void)snprintf(again, sizeof again, "%" PRIu64, v);
    VS_ASSERT(strlen(again) == len && memcmp(again, text, len) == 0);
}

static void lines(const char *text, size_t len)
{
    vs_lines l = {.next = text, .left = len};
    const char *line;
    size_t line_len, sum = 0;
    while (vs_lines_next(&l, &line, &line_len)) {
        VS_ASSERT(line == text + sum && memchr(line, '\n', line_len) == NULL);
        sum += line_len + 1;
    }
    VS_ASSERT(sum <= len && memchr(text + sum, '\n', len - sum) == NULL);
}

static void words(const char *text)
{
    vs_diag diag;
    vs_entry_kind kind;
    vs_abort_reason reason;
    vs_partition_rule partition, again;
    char format[VS_PARTITION_TEXT_BYTES];
    if (vs_entry_kind_parse(&kind, text) == VS_OK) {
        VS_ASSERT(strcmp(vs_entry_kind_name(kind), text) == 0);
    }
    if (vs_abort_reason_parse(&reason, text) == VS_OK) {
        VS_ASSERT(strcmp(vs_abort_reason_name(reason), text) == 0);
    }
    if (vs_partition_parse(&partition, text, &diag) == VS_OK) {
        vs_partition_format(format, partition);
        VS_ASSERT(vs_partition_parse(&again, format, &diag) == VS_OK);
        VS_ASSERT(again.kind == partition.kind);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    VS_ASSERT(text != NULL);
    if (size != 0) memcpy(text, data, size);
    text[size] = '\0';
    if (vs_text_ok(text, size, false)) VS_ASSERT(vs_text_ok(text, size, true));
    if (vs_text_name_ok(text, size)) {
        VS_ASSERT(size >= 1 && size <= 255 && vs_text_ok(text, size, false));
        VS_ASSERT(memchr(text, '+', size) == NULL && memchr(text, ' ', size) == NULL);
    }
    numbers(text, size);
    lines(text, size);
    words(text);
    free(text);
    return 0;
}
