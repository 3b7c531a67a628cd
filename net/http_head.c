#include "net/http_head.h"

#include <string.h>
#include <strings.h>

#include "base/err.h"

enum { TARGET_MAX = 2048, METHOD_MAX = 16 };

size_t vs_http_head_length(const char *bytes, size_t len)
{
    for (size_t i = 3; i < len; i++) {
        if (bytes[i] == '\n' && memcmp(bytes + i - 3, "\r\n\r\n", 4) == 0) return i + 1;
    }
    return 0;
}

/* RFC 9110, section 5.6.2 */
static bool is_token(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = s[i];
        bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!alnum && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL)) return false;
    }
    return len > 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* In place; false: a broken escape, or a character that no path of ours has. */
static bool decode_path(char *path)
{
    char *to = path;
    for (const char *from = path; *from != '\0'; from++) {
        int c = (unsigned char)*from;
        if (c == '%') {
            int high = hex_value(from[1]);
            int low = high < 0 ? -1 : hex_value(from[2]);
            if (low < 0) return false;
            c = high * 16 + low;
            from += 2;
        }
        if (c < 0x20 || c == 0x7f || c == '\\') return false;
        *to++ = (char)c;
    }
    *to = '\0';
    return true;
}

/* No empty, "." or ".." segment; the last may be empty. */
static bool is_plain(const char *path)
{
    for (const char *s = path; s != NULL; s = strchr(s, '/')) {
        s++;
        size_t len = strcspn(s, "/");
        if (len == 0 && *s == '/') return false;
        if ((len == 1 && s[0] == '.') || (len == 2 && s[0] == '.' && s[1] == '.')) return false;
    }
    return true;
}

static uint16_t read_target(vs_http_head *out, char *target)
{
    if (strlen(target) > TARGET_MAX) return 414;
    if (target[0] != '/') return 400;
    for (const char *c = target; *c != '\0'; c++) {
        if ((unsigned char)*c <= 0x20 || *c == 0x7f) return 400;
    }
    char *query = strchr(target, '?');
    if (query != NULL) *query++ = '\0';
    out->path = target;
    out->query = query != NULL ? query : "";
    return decode_path(target) && is_plain(target) ? 0 : 400;
}

static uint16_t read_request_line(vs_http_head *out, char *line)
{
    char *target = strchr(line, ' ');
    if (target == NULL) return 400;
    *target++ = '\0';
    char *version = strchr(target, ' ');
    if (version == NULL) return 400;
    *version++ = '\0';
    if (strlen(line) > METHOD_MAX || !is_token(line, strlen(line))) return 400;
    if (strncmp(version, "HTTP/", 5) != 0) return 400;
    out->keep_alive = strcmp(version, "HTTP/1.1") == 0;
    if (!out->keep_alive && strcmp(version, "HTTP/1.0") != 0) return 505;
    out->is_head = strcmp(line, "HEAD") == 0;
    out->method = out->is_head ? "GET" : line;
    return read_target(out, target);
}

static uint16_t read_header(vs_http_head *out, char *line)
{
    char *colon = strchr(line, ':');
    if (colon == NULL || !is_token(line, (size_t)(colon - line))) return 400;
    if (out->n == VS_HTTP_HEADERS_MAX) return 431;
    *colon = '\0';
    char *value = colon + 1;
    value += strspn(value, " \t");
    size_t len = strlen(value);
    while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t')) value[--len] = '\0';
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)value[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) return 400;
    }
    out->name[out->n] = line;
    out->value[out->n++] = value;
    return 0;
}

static uint16_t read_content_length(vs_http_head *out)
{
    uint32_t given = 0;
    for (uint32_t i = 0; i < out->n; i++) {
        if (strcasecmp(out->name[i], "content-length") != 0) continue;
        const char *s = out->value[i];
        VS_ASSERT(s != NULL); /* a name comes with its value */
        size_t len = strspn(s, "0123456789");
        if (len == 0 || len > 18 || s[len] != '\0' || given++ > 0) return 400;
        for (; *s != '\0'; s++)
            out->content_length = out->content_length * 10 + (uint64_t)(*s - '0');
    }
    return 0;
}

/* What the headers mean for this server. */
static uint16_t read_meaning(vs_http_head *out)
{
    uint32_t hosts = 0;
    for (uint32_t i = 0; i < out->n; i++) hosts += strcasecmp(out->name[i], "host") == 0;
    if (hosts > 1 || (hosts == 0 && out->keep_alive)) return 400; /* RFC 9112, section 3.2 */
    if (vs_http_head_find(out, "transfer-encoding") != NULL) return 501;
    if (vs_http_head_find(out, "expect") != NULL) return 417; /* the client sends again without */
    const char *connection = vs_http_head_find(out, "connection");
    if (connection != NULL && strcasecmp(connection, "close") == 0) out->keep_alive = false;
    return read_content_length(out);
}

uint16_t vs_http_head_read(vs_http_head *out, char *bytes, size_t len)
{
    uint16_t status = 0;
    bool first = true;
    *out = (vs_http_head){.query = ""};
    if (len < 4 || memcmp(bytes + len - 4, "\r\n\r\n", 4) != 0) return 400;
    if (memchr(bytes, '\0', len) != NULL) return 400;
    bytes[len - 2] = '\0'; /* the lines end at the empty one */
    for (char *line = bytes; status == 0 && *line != '\0'; first = false) {
        char *end = strchr(line, '\n');
        if (end == NULL || end == line || end[-1] != '\r') return 400;
        end[-1] = '\0';
        if (strchr(line, '\r') != NULL) return 400;
        status = first ? read_request_line(out, line) : read_header(out, line);
        line = end + 1;
    }
    if (first) return 400;
    return status != 0 ? status : read_meaning(out);
}

const char *vs_http_head_find(const vs_http_head *head, const char *name)
{
    for (uint32_t i = 0; i < head->n; i++) {
        if (strcasecmp(head->name[i], name) == 0) return head->value[i];
    }
    return NULL;
}
