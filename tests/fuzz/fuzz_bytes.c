#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever text decodes must be the one encoding of what came out. */
static void text_forms(const char *text, size_t len)
{
    uint8_t *out = malloc(len + 1);
    char *back = malloc(2 * len + 8);
    size_t out_len = 0;
    VS_ASSERT(out != NULL && back != NULL);
    if (vs_base64_decode(out, len, &out_len, text, len) == VS_OK) {
        vs_base64_encode(back, out, out_len);
        VS_ASSERT(strlen(back) == len && memcmp(back, text, len) == 0);
    }
    if (vs_hex_decode(out, len / 2, text) == VS_OK) {
        vs_hex_encode(back, out, len / 2);
        VS_ASSERT(strlen(back) == strlen(text));
        for (size_t i = 0; back[i] != '\0'; i++) VS_ASSERT((back[i] | 0x20) == (text[i] | 0x20));
    }
    free(out);
    free(back);
}

/* Reads chosen by the input over the rest of it: never out of bounds, bad is sticky, and what was
 * read plus what is left is the whole. */
static void reads(const uint8_t *data, size_t size)
{
    size_t n_ops = size < 16 ? size : 16;
    vs_reader r = vs_reader_of(data + n_ops, size - n_ops);
    for (size_t i = 0; i < n_ops; i++) {
        bool was_bad = r.bad;
        size_t before = r.left;
        vs_h32 h;
        switch (data[i] % 6) {
        case 0: (void)vs_read_u8(&r); break;
        case 1: (void)vs_read_u32(&r); break;
        case 2: (void)vs_read_u64(&r); break;
        case 3: vs_read_h32(&r, &h); break;
        case 4: (void)vs_read_bytes(&r, data[i]); break;
        default: vs_read_label(&r, "ab"); break;
        }
        VS_ASSERT(r.left <= before);
        VS_ASSERT(!was_bad || (r.bad && r.left == before));
        VS_ASSERT(r.next == data + size - r.left);
    }
    VS_ASSERT(vs_reader_done(&r) == (!r.bad && r.left == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    VS_ASSERT(text != NULL);
    if (size != 0) memcpy(text, data, size);
    text[size] = '\0';
    text_forms(text, size);
    reads(data, size);
    free(text);
    return 0;
}
