/* Replies: their head, text, and files. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "net/http_impl.h"

void vs_http_reply_init(vs_http_response *r)
{
    *r = (vs_http_response){.status = 200,
                            .content_type = "text/plain; charset=utf-8",
                            .cache_control = "no-store",
                            .fd = -1};
}

void vs_http_reply_clear(vs_http_response *r)
{
    if (r->fd >= 0) (void)close(r->fd);
    vs_buf_free(&r->body);
    vs_buf_free(&r->headers);
    vs_http_reply_init(r);
}

const char *vs_http_request_header(const vs_http_request *request, const char *name)
{
    return vs_http_head_find(request->head, name);
}

static bool is_one_line(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) return false;
    }
    return true;
}

void vs_http_response_header(vs_http_response *response, const char *name, const char *value)
{
    VS_ASSERT(is_one_line(name) && is_one_line(value));
    vs_buf_printf(&response->headers, "%s: %s\r\n", name, value);
}

void vs_http_response_text(vs_http_response *response, uint16_t status, const char *text)
{
    response->status = status;
    response->content_type = "text/plain; charset=utf-8";
    response->cache_control = "no-store";
    vs_buf_reset(&response->body);
    vs_buf_printf(&response->body, "%s\n", text);
}

const char *vs_http_content_type(const char *path)
{
    static const struct {
        const char *end, *type;
    } types[] = {{".html", "text/html; charset=utf-8"},
                 {".css", "text/css; charset=utf-8"},
                 {".js", "text/javascript; charset=utf-8"},
                 {".mjs", "text/javascript; charset=utf-8"},
                 {".json", "application/json"},
                 {".txt", "text/plain; charset=utf-8"},
                 {".md", "text/markdown; charset=utf-8"},
                 {".csv", "text/csv; charset=utf-8"},
                 {".svg", "image/svg+xml"},
                 {".png", "image/png"},
                 {".jpg", "image/jpeg"},
                 {".ico", "image/x-icon"},
                 {".wasm", "application/wasm"},
                 {".woff2", "font/woff2"},
                 {".pdf", "application/pdf"}};
    size_t len = strlen(path);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        size_t end_len = strlen(types[i].end);
        if (len > end_len && strcasecmp(path + len - end_len, types[i].end) == 0) {
            return types[i].type;
        }
    }
    return "application/octet-stream";
}

void vs_http_response_file(vs_http_response *response, const char *path)
{
    struct stat st;
    /* Without O_NONBLOCK a pipe of that name would stop the thread. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        if (fd >= 0) (void)close(fd);
        vs_http_response_text(response, 404, "not found");
        return;
    }
    if (response->fd >= 0) (void)close(response->fd);
    response->fd = fd;
    response->file_len = (uint64_t)st.st_size;
    response->content_type = vs_http_content_type(path);
}

static const char *reason(uint16_t status)
{
    static const struct {
        uint16_t status;
        const char *text;
    } reasons[] = {{200, "OK"},
                   {202, "Accepted"},
                   {204, "No Content"},
                   {301, "Moved Permanently"},
                   {302, "Found"},
                   {304, "Not Modified"},
                   {400, "Bad Request"},
                   {401, "Unauthorized"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {408, "Request Timeout"},
                   {409, "Conflict"},
                   {413, "Content Too Large"},
                   {414, "URI Too Long"},
                   {415, "Unsupported Media Type"},
                   {417, "Expectation Failed"},
                   {422, "Unprocessable Content"},
                   {429, "Too Many Requests"},
                   {431, "Request Header Fields Too Large"},
                   {500, "Internal Server Error"},
                   {501, "Not Implemented"},
                   {503, "Service Unavailable"},
                   {505, "HTTP Version Not Supported"}};
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].status == status) return reasons[i].text;
    }
    return "Other";
}

void vs_http_reply_head(vs_buf *out, const vs_http_response *r, bool keep_alive)
{
    char when[64];
    struct tm utc;
    time_t now = time(NULL);
    (void)gmtime_r(&now, &utc);
    (void)strftime(when, sizeof when, "%a, %d %b %Y %H:%M:%S GMT", &utc);
    uint64_t len = r->fd >= 0 ? r->file_len : r->body.len;
    vs_buf_printf(out, "HTTP/1.1 %u %s\r\nDate: %s\r\n", (unsigned)r->status, reason(r->status),
                  when);
    if (r->status != 204 && r->status != 304) {
        vs_buf_printf(out, "Content-Type: %s\r\nContent-Length: %llu\r\n", r->content_type,
                      (unsigned long long)len);
    }
    vs_buf_printf(out, "Cache-Control: %s\r\nX-Content-Type-Options: nosniff\r\n",
                  r->cache_control);
    vs_buf_bytes(out, r->headers.p, r->headers.len);
    vs_buf_printf(out, "Connection: %s\r\n\r\n", keep_alive ? "keep-alive" : "close");
}
