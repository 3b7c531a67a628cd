/* Pass 1 of the client: the leaves of all share vectors, many at a time (mpc/commit.h). */
#include <stdlib.h>

#include <sodium.h>

#include "net/encoder.h"

#define LEAVES_MAX 128u /* collected before they are hashed */

typedef struct leaves {
    vs_share_root *root[LEAVES_MAX];
    const uint8_t *data[LEAVES_MAX];
    size_t n, len; /* all of one length */
    size_t cap;
    uint8_t *scratch; /* where memory is not the encoding: of one chunk, else NULL */
    vs_pool *pool;
} leaves;

static void flush(leaves *l)
{
    if (l->n > 0) vs_share_root_leaves(l->root, l->data, l->len, l->n, l->pool);
    l->n = 0;
}

static void add(leaves *l, vs_share_root *root, const vs_fe *row, size_t count)
{
    const size_t len = count * VS_FE_BYTES;
    if (l->n == l->cap || (l->n > 0 && l->len != len)) flush(l);
    l->len = len;
    l->root[l->n] = root;
    l->data[l->n++] = vs_fe_bytes(row, count, l->scratch);
}

/* Does this machine keep elements in another order than the wire? */
static bool encodes(void)
{
    const vs_fe x = {1};
    uint8_t bytes[VS_FE_BYTES];
    return vs_fe_bytes(&x, 1, bytes) == bytes;
}

vs_err vs_encoder_hash(const vs_encoder *enc, vs_share_root *const *roots, uint32_t n,
                       uint32_t first, uint32_t count, vs_pool *pool)
{
    leaves l = {.cap = LEAVES_MAX, .pool = pool};
    VS_ASSERT(enc != NULL && roots != NULL && n <= VS_SHAREHOLDERS_MAX);
    if (encodes()) {
        l.cap = 1;
        l.scratch = malloc(VS_CHUNK_BYTES);
        if (l.scratch == NULL) return VS_ERR_NOMEM;
    }
    for (uint32_t b = first; b < first + count; b++) {
        for (uint32_t j = 1; j <= n; j++) {
            size_t columns;
            if (roots[j - 1] == NULL) continue;
            const vs_fe *row = vs_encoder_share(enc, j, b, &columns);
            add(&l, roots[j - 1], row, columns);
        }
    }
    flush(&l);
    if (l.scratch != NULL) sodium_memzero(l.scratch, VS_CHUNK_BYTES);
    free(l.scratch);
    return VS_OK;
}
