/* A prime as typed: refused with one line, or a number of the right size with one text. */
#include <stdlib.h>
#include <string.h>

#include "mpc/prime_sharing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    char again[VS_PRIME_TEXT_CHARS];
    vs_prime p, q;
    vs_diag diag = {{0}};
    VS_ASSERT(text != NULL);
    if (size != 0) memcpy(text, data, size);
    text[size] = '\0';
    if (vs_prime_read(&p, text, &diag) == VS_OK) {
        VS_ASSERT(p.bits >= VS_PRIME_BITS_MIN && p.bits <= VS_PRIME_BITS_MAX);
        VS_ASSERT(p.bytes == (p.bits + 7) / 8 && p.limbs == (p.bits + 63) / 64 && (p.p[0] & 1));
        vs_prime_format(again, &p);
        VS_ASSERT(vs_prime_read(&q, again, &diag) == VS_OK);
        VS_ASSERT(memcmp(&p, &q, sizeof p) == 0);
        if (p.bits <= 256) (void)!vs_prime_check(&p, &diag);
    } else {
        VS_ASSERT(p.bits == 0 && diag.text[0] != '\0' && strchr(diag.text, '\n') == NULL);
    }
    free(text);
    return 0;
}
