/* Key and enrolment files, and addresses: refused with one line, or read. */
#include <stdlib.h>
#include <string.h>

#include "net/federation.h"
#include "net/json_text.h"
#include "net/keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_address(const uint8_t *data, size_t size)
{
    char text[400];
    vs_diag diag;
    if (size >= sizeof text) return;
    if (size > 0) memcpy(text, data, size);
    text[size] = '\0';
    vs_err err = vs_address_check(text, &diag);
    VS_ASSERT(err == VS_OK || err == VS_ERR_MALFORMED);
    VS_ASSERT(err != VS_OK || strlen(text) <= VS_ADDRESS_MAX);
}

/* The flat reader gives slices inside the text, and nothing on error. */
static void try_flat(const uint8_t *data, size_t size)
{
    vs_json_member m[] = {{.name = "a", .is_string = true}, {.name = "b", .is_string = false}};
    vs_diag diag = {{0}};
    vs_err err = vs_json_flat(m, 2, data, size, "fuzz", &diag);
    for (size_t i = 0; i < 2; i++) {
        VS_ASSERT((m[i].p != NULL) == (err == VS_OK));
        if (err != VS_OK) continue;
        VS_ASSERT(m[i].p >= (const char *)data && m[i].p + m[i].len <= (const char *)data + size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vs_public_keys pub;
    vs_h32 federation, client;
    uint8_t sig[64];
    vs_diag diag = {{0}};
    try_address(data, size);
    try_flat(data, size);
    vs_err err = vs_public_keys_parse(&pub, data, size, "fuzz", &diag);
    if (err == VS_OK) {
        VS_ASSERT(strcmp(pub.name, pub.log.name) == 0 && strcmp(pub.name, pub.cosigner.name) == 0);
    }
    if (err != VS_OK) VS_ASSERT(diag.text[0] != '\0' && strchr(diag.text, '\n') == NULL);
    err = vs_enrolment_parse(&federation, &client, sig, data, size, "fuzz", &diag);
    if (err != VS_OK) VS_ASSERT(strchr(diag.text, '\n') == NULL);
    return 0;
}
