#include "ledger/tile_path.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define NUMBER_MAX ((uint64_t)INT64_MAX)

/* "x001/x234/067" */
static int format_number(char *out, size_t cap, uint64_t number)
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%03" PRIu64, number);
    size_t pad = (3 - (size_t)n % 3) % 3;
    size_t groups = ((size_t)n + pad) / 3;
    size_t len = 0;
    for (size_t g = 0; g < groups; g++) {
        char three[4] = "000";
        for (size_t i = 0; i < 3; i++) {
            if (g * 3 + i >= pad) three[i] = digits[g * 3 + i - pad];
        }
        bool last = g + 1 == groups;
        len += (size_t)snprintf(out + len, cap - len, "%s%s%s", last ? "" : "x", three,
                                last ? "" : "/");
    }
    return (int)len;
}

void vs_tile_path_format(char out[VS_TILE_PATH_CHARS], const vs_tile_path *path)
{
    bool entries = path->level == VS_TILE_ENTRIES;
    VS_ASSERT(entries || path->level <= VS_TILE_PATH_LEVEL_MAX);
    VS_ASSERT(path->width >= 1 && path->width <= VS_TILE_WIDTH && path->number <= NUMBER_MAX);
    int n = entries ? snprintf(out, VS_TILE_PATH_CHARS, "tile/entries/")
                    : snprintf(out, VS_TILE_PATH_CHARS, "tile/%u/", (unsigned)path->level);
    n += format_number(out + n, VS_TILE_PATH_CHARS - (size_t)n, path->number);
    if (path->width < VS_TILE_WIDTH) {
        n += snprintf(out + n, VS_TILE_PATH_CHARS - (size_t)n, ".p/%u", (unsigned)path->width);
    }
    VS_ASSERT(n < (int)VS_TILE_PATH_CHARS);
}

/* Decimal digits up to the end or to one of `stop`; no sign, at most 19 of them. */
static const char *read_digits(const char *text, uint64_t *out)
{
    *out = 0;
    size_t n = strspn(text, "0123456789");
    if (n == 0 || n > 19) return NULL;
    for (size_t i = 0; i < n; i++) *out = *out * 10 + (uint64_t)(text[i] - '0');
    return *out > NUMBER_MAX ? NULL : text + n;
}

static const char *parse_level(const char *text, uint32_t *level)
{
    uint64_t v;
    if (strncmp(text, "tile/entries/", 13) == 0) {
        *level = VS_TILE_ENTRIES;
        return text + 13;
    }
    if (strncmp(text, "tile/", 5) != 0) return NULL;
    const char *rest = read_digits(text + 5, &v);
    if (rest == NULL || *rest != '/' || v > VS_TILE_PATH_LEVEL_MAX) return NULL;
    *level = (uint32_t)v;
    return rest + 1;
}

static const char *parse_number(const char *text, uint64_t *number)
{
    *number = 0;
    for (int groups = 0; groups < 7; groups++) {
        bool more = *text == 'x';
        if (more) text++;
        if (strspn(text, "0123456789") != 3) return NULL;
        uint64_t three = (uint64_t)(text[0] - '0') * 100 + (uint64_t)(text[1] - '0') * 10 +
                         (uint64_t)(text[2] - '0');
        if (*number > (NUMBER_MAX - three) / 1000) return NULL;
        *number = *number * 1000 + three;
        text += 3;
        if (!more) return text;
        if (*text++ != '/') return NULL;
    }
    return NULL;
}

static bool parse(vs_tile_path *out, const char *text)
{
    char again[VS_TILE_PATH_CHARS];
    uint64_t width = VS_TILE_WIDTH;
    const char *at = parse_level(text, &out->level);
    if (at != NULL) at = parse_number(at, &out->number);
    if (at != NULL && strncmp(at, ".p/", 3) == 0) {
        at = read_digits(at + 3, &width);
        if (width == 0 || width >= VS_TILE_WIDTH) return false;
    }
    if (at == NULL || *at != '\0') return false;
    out->width = (uint32_t)width;
    vs_tile_path_format(again, out); /* leading zeros, empty groups: there is one way to write it */
    return strcmp(again, text) == 0;
}

vs_err vs_tile_path_parse(vs_tile_path *out, const char *text)
{
    if (parse(out, text)) return VS_OK;
    *out = (vs_tile_path){0};
    return VS_ERR_MALFORMED;
}
