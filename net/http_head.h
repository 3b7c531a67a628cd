/* net/http_head.h - the head of an HTTP/1.x request, read strictly and in place.
 *
 * Refused: bare line feeds, folded lines, repeated or non-decimal Content-Length, transfer codings,
 * paths that are not absolute or have . .. // or control characters in them. */
#ifndef VS_NET_HTTP_HEAD_H
#define VS_NET_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VS_HTTP_HEAD_MAX 8192u /* bytes with the empty line */
#define VS_HTTP_HEADERS_MAX 64u

typedef struct vs_http_head {
    const char *method;
    const char *path;  /* decoded */
    const char *query; /* "" without one */
    const char *name[VS_HTTP_HEADERS_MAX];
    const char *value[VS_HTTP_HEADERS_MAX];
    uint32_t n;
    uint64_t content_length; /* 0 without one */
    bool is_head;            /* HEAD; method says GET then */
    bool keep_alive;
} vs_http_head;

/* Length of the head with its empty line, 0 when it is not complete yet. */
size_t vs_http_head_length(const char *bytes, size_t len);
/* Read a complete head of len bytes, which is changed; out points into it. 0, or the status to
 * refuse it with (400, 414, 417, 431, 501, 505). out is unspecified then. */
uint16_t vs_http_head_read(vs_http_head *out, char *bytes, size_t len);
/* First value of a header, name in any case; NULL when there is none. */
const char *vs_http_head_find(const vs_http_head *head, const char *name);

#endif /* VS_NET_HTTP_HEAD_H */
