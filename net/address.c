#include "net/address.h"

#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { IPC_PATH_MAX = 107 }; /* sun_path of a Unix socket, without its zero */

static bool is_host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
}

/* NULL, or what is wrong. */
static const char *check_host(const char *host, size_t len)
{
    if (len == 0) return "has no host";
    bool v6 = host[0] == '[';
    if (v6 && (len < 4 || host[len - 1] != ']')) return "has an IPv6 address without ]";
    for (size_t i = v6 ? 1 : 0; i < (v6 ? len - 1 : len); i++) {
        bool hex = strchr("0123456789abcdefABCDEF:.", host[i]) != NULL;
        if (v6 ? !hex : !is_host_char(host[i])) return "has a character that no host name has";
    }
    return NULL;
}

static const char *check_port(const char *port)
{
    unsigned value = 0;
    size_t len = strlen(port);
    if (len < 1 || len > 5 || port[0] == '0') return "needs a port from 1 to 65535";
    for (size_t i = 0; i < len; i++) {
        if (port[i] < '0' || port[i] > '9') return "needs a port from 1 to 65535";
        value = value * 10 + (unsigned)(port[i] - '0');
    }
    return value <= 65535 ? NULL : "needs a port from 1 to 65535";
}

static const char *check_host_port(const char *rest)
{
    const char *colon = strrchr(rest, ':');
    const char *bracket = strrchr(rest, ']');
    if (colon == NULL || (bracket != NULL && bracket > colon)) return "has no port";
    const char *wrong = check_host(rest, (size_t)(colon - rest));
    return wrong != NULL ? wrong : check_port(colon + 1);
}

vs_err vs_address_check(const char *address, vs_diag *diag)
{
    static const struct {
        const char *scheme;
        bool has_port;
        size_t max;
    } kinds[] = {{"tcp://", true, VS_ADDRESS_MAX},
                 {"tls+tcp://", true, VS_ADDRESS_MAX},
                 {"ipc://", false, sizeof "ipc://" - 1 + IPC_PATH_MAX},
                 {"inproc://", false, 127}};
    const char *wrong = "must start with tcp://, tls+tcp://, ipc:// or inproc://";
    size_t len = strlen(address);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t scheme_len = strlen(kinds[i].scheme);
        if (strncmp(address, kinds[i].scheme, scheme_len) != 0) continue;
        wrong = NULL;
        if (len > kinds[i].max) wrong = "is too long";
        if (len == scheme_len) wrong = kinds[i].has_port ? "has no host" : "has no name";
        if (wrong == NULL && kinds[i].has_port) wrong = check_host_port(address + scheme_len);
    }
    for (size_t i = 0; wrong == NULL && i < len; i++) {
        if ((unsigned char)address[i] <= 0x20 || address[i] == 0x7f) wrong = "has a space in it";
    }
    if (wrong == NULL) return VS_OK;
    return vs_fail(diag, VS_ERR_MALFORMED, "address \"%.100s\": %s", address, wrong);
}

bool vs_address_is_known(const char *address)
{
    char host[VS_ADDRESS_MAX + 1];
    struct addrinfo *found = NULL;
    const char *start = strstr(address, "tcp://");
    const char *end = strrchr(address, ':');
    if (start == NULL || end <= start + 6) return true;
    start += 6;
    if (*start == '[') {
        start++;
        end--;
    }
    (void)snprintf(host, sizeof host, "%.*s", (int)(end - start), start);
    bool known = getaddrinfo(host, NULL, NULL, &found) == 0;
    if (found != NULL) freeaddrinfo(found);
    return known;
}
