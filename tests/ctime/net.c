/* Constant-time cases of net/. */
#include <stddef.h>
#include <string.h>

#include "base/ct.h"
#include "net/seal.h"
#include "tests/ctime/ctime.h"

/* Our ephemeral secret and the plaintext. Opening is not here: libcrypto branches on the verdict
 * of the tag, which is sent to the client anyway. */
static bool sealing(void)
{
    static uint8_t plain[1000], sealed[1000 + VS_SEAL_TAG_BYTES];
    uint8_t secret[32], theirs[32];
    vs_h32 round_key, ctx = {{5}};
    vs_seal *seal = NULL;
    memset(secret, 7, sizeof secret);
    memset(theirs, 9, sizeof theirs);
    vs_seal_public(&round_key, theirs);
    VS_CT_SECRET(secret, sizeof secret);
    VS_CT_SECRET(plain, sizeof plain);
    if (vs_seal_new_sender(&seal, secret, &round_key, &ctx, 3) != VS_OK) return false;
    bool good = vs_seal_chunk(seal, sealed, plain, sizeof plain, 0, true) == VS_OK;
    vs_seal_free(seal);
    return good;
}

const vs_ctime_case vs_ctime_net[] = {{"sealing", sealing}, {NULL, NULL}};
