#include "net/serve_log.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "ledger/export.h"
#include "ledger/tile_path.h"

enum { PATH_BYTES = 4096 };

static const char immutable[] = "public, max-age=31536000, immutable";
static const char no_cache[] = "no-cache";
static const char octets[] = "application/octet-stream";
static const char text[] = "text/plain; charset=utf-8";

static void serve(const char *folder, const vs_http_request *q, vs_http_response *r,
                  const char *type, const char *cache)
{
    char path[PATH_BYTES];
    int n = snprintf(path, sizeof path, "%s%s", folder, q->path);
    if (n < 0 || n >= PATH_BYTES) {
        vs_http_response_text(r, 404, "not found");
        return;
    }
    vs_http_response_file(r, path);
    if (r->status != 200) return;
    r->content_type = type;
    r->cache_control = cache;
    vs_http_response_header(r, "Access-Control-Allow-Origin", "*");
}

static void on_text(void *ctx, const vs_http_request *q, vs_http_response *r)
{
    serve(ctx, q, r, text, no_cache);
}

static void on_json(void *ctx, const vs_http_request *q, vs_http_response *r)
{
    serve(ctx, q, r, "application/json", no_cache);
}

static void on_tile(void *ctx, const vs_http_request *q, vs_http_response *r)
{
    vs_tile_path at;
    if (vs_tile_path_parse(&at, q->path + 1) != VS_OK)
        vs_http_response_text(r, 404, "not the name of a tile");
    else
        serve(ctx, q, r, octets, immutable);
}

static void on_blob(void *ctx, const vs_http_request *q, vs_http_response *r)
{
    uint8_t name[VS_H32_BYTES];
    if (vs_hex_decode(name, sizeof name, q->rest) != VS_OK || strpbrk(q->rest, "ABCDEF") != NULL)
        vs_http_response_text(r, 404, "not the name of a blob");
    else
        serve(ctx, q, r, octets, immutable);
}

void vs_serve_log_add(vs_http *http, const char *folder)
{
    static const struct {
        const char *path;
        bool is_prefix;
        vs_http_handler handler;
    } all[] = {{"/" VS_EXPORT_CHECKPOINT, false, on_text},
               {"/" VS_EXPORT_COSIGNED, false, on_text},
               {"/" VS_EXPORT_POLICY, false, on_text},
               {"/" VS_EXPORT_FEDERATION, false, on_json},
               {"/tile", true, on_tile},
               {"/" VS_EXPORT_BLOBS, true, on_blob}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        vs_http_add(http, &(vs_http_route){.method = "GET",
                                           .path = all[i].path,
                                           .is_prefix = all[i].is_prefix,
                                           .kind = VS_HTTP_ANY_THREAD,
                                           .handler = all[i].handler,
                                           .ctx = (void *)(uintptr_t)folder});
    }
    vs_http_add_folder(http, "", folder, no_cache);
}
