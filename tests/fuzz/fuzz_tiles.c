/* Names of tiles: what parses is written the same way. Bundles: cut within their bytes. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "ledger/tile_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[80] = {0};
    char again[VS_TILE_PATH_CHARS];
    vs_tile_path path;
    uint32_t end[VS_TILE_WIDTH];
    vs_buf bundle = {0};
    memcpy(text, data, size < sizeof text - 1 ? size : sizeof text - 1);
    if (vs_tile_path_parse(&path, text) == VS_OK) {
        vs_tile_path_format(again, &path);
        VS_ASSERT(strcmp(again, text) == 0);
    }
    if (size > 1) {
        uint32_t width = data[0] + 1u;
        vs_buf_bytes(&bundle, data + 1, size - 1);
        if (vs_bundle_cut(&bundle, width, false, end, NULL) == VS_OK) {
            VS_ASSERT(end[width - 1] == bundle.len);
        }
    }
    vs_buf_free(&bundle);
    return 0;
}
