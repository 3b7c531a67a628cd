#include "base/beside.h"

#include <string.h>

vs_err vs_path_beside(char out[VS_BESIDE_BYTES], const char *key, const char *ending, vs_diag *diag)
{
    size_t len = strlen(key);
    if (len > 4 && strcmp(key + len - 4, ".key") == 0) len -= 4;
    if (len + strlen(ending) >= VS_BESIDE_BYTES) {
        return vs_fail(diag, VS_ERR_LIMIT, "%.80s...: the path is too long", key);
    }
    memcpy(out, key, len);
    memcpy(out + len, ending, strlen(ending) + 1);
    return VS_OK;
}
