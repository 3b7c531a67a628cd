#include "net/json_text.h"

#include <string.h>

typedef struct token {
    char
        kind; /* one of {}[]:, then " for a string, 0 for a number or word, 'e' end, '?' not JSON */
    const char *p; /* string: after the opening quote */
    size_t len;
    uint32_t line;
} token;

typedef struct scan {
    const char *next;
    const char *end;
    uint32_t line;
} scan;

static scan scan_of(const uint8_t *text, size_t len)
{
    const char *p = (const char *)text;
    return (scan){.next = p, .end = len == 0 ? p : p + len, .line = 1};
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_mark(char c)
{
    return c != '\0' && strchr("{}[]:,", c) != NULL;
}

/* The opening quote is consumed. An escaped character never ends the string. */
static token scan_string(scan *s, uint32_t line)
{
    token t = {.kind = '"', .p = s->next, .line = line};
    while (s->next < s->end && *s->next != '"') {
        if (*s->next == '\n') s->line++;
        if (*s->next == '\\' && s->next + 1 < s->end) s->next++;
        s->next++;
    }
    t.len = (size_t)(s->next - t.p);
    if (s->next == s->end) {
        t.kind = '?';
    } else {
        s->next++;
    }
    return t;
}

static token scan_next(scan *s)
{
    while (s->next < s->end && is_space(*s->next)) {
        if (*s->next == '\n') s->line++;
        s->next++;
    }
    token t = {.kind = 'e', .p = s->next, .len = 0, .line = s->line};
    if (s->next == s->end) return t;
    char c = *s->next++;
    if (c == '"') return scan_string(s, t.line);
    if (is_mark(c)) {
        t.kind = c;
        t.len = 1;
        return t;
    }
    t.kind = '\0';
    while (s->next < s->end && !is_space(*s->next) && !is_mark(*s->next) && *s->next != '"') {
        s->next++;
    }
    t.len = (size_t)(s->next - t.p);
    return t;
}

/* --- flat objects ------------------------------------------------------------------------------
 */

static bool token_is(const token *t, const char *text)
{
    return t->len == strlen(text) && memcmp(t->p, text, t->len) == 0;
}

static bool is_plain_string(const token *t)
{
    for (size_t i = 0; i < t->len; i++) {
        unsigned char c = (unsigned char)t->p[i];
        if (c < 0x20 || c == 0x7f || c == '\\') return false;
    }
    return t->kind == '"';
}

static bool is_whole_number(const token *t)
{
    if (t->kind != '\0' || t->len == 0) return false;
    for (size_t i = 0; i < t->len; i++) {
        if (t->p[i] < '0' || t->p[i] > '9') return false;
    }
    return t->len == 1 || t->p[0] != '0';
}

static vs_err flat_member(vs_json_member *members, uint32_t n, scan *s, const token *key,
                          const char *name, vs_diag *diag)
{
    vs_json_member *m = NULL;
    for (uint32_t i = 0; i < n; i++) {
        if (token_is(key, members[i].name)) m = &members[i];
    }
    if (key->kind != '"') {
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: line %u: expected the name of a member", name,
                       key->line);
    }
    if (m == NULL) {
        int shown = key->len < 40 ? (int)key->len : 40;
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: line %u: \"%.*s\" is not a known member", name,
                       key->line, shown, key->p);
    }
    if (m->p != NULL) {
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: line %u: second member \"%s\"", name, key->line,
                       m->name);
    }
    token colon = scan_next(s);
    token value = scan_next(s);
    if (colon.kind != ':' || !(m->is_string ? is_plain_string(&value) : is_whole_number(&value))) {
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: line %u: \"%s\" must be %s", name, key->line,
                       m->name, m->is_string ? "a string without escapes" : "a whole number");
    }
    m->p = value.p;
    m->len = value.len;
    m->line = value.line;
    return VS_OK;
}

static vs_err flat_all(vs_json_member *members, uint32_t n, scan *s, const char *name,
                       vs_diag *diag)
{
    token t = scan_next(s);
    if (t.kind != '{') {
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: line %u: must start with {", name, t.line);
    }
    do {
        t = scan_next(s);
        vs_err err = flat_member(members, n, s, &t, name, diag);
        if (err != VS_OK) return err;
        t = scan_next(s);
    } while (t.kind == ',');
    if (t.kind != '}') {
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: line %u: expected , or }", name, t.line);
    }
    t = scan_next(s);
    if (t.kind != 'e') {
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: line %u: nothing may follow the object", name,
                       t.line);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (members[i].p == NULL) {
            return vs_fail(diag, VS_ERR_MALFORMED, "%s: member \"%s\" is missing", name,
                           members[i].name);
        }
    }
    return VS_OK;
}

vs_err vs_json_flat(vs_json_member *members, uint32_t n, const uint8_t *text, size_t len,
                    const char *name, vs_diag *diag)
{
    scan s = scan_of(text, len);
    for (uint32_t i = 0; i < n; i++) members[i].p = NULL;
    vs_err err = flat_all(members, n, &s, name, diag);
    for (uint32_t i = 0; err != VS_OK && i < n; i++) {
        members[i].p = NULL;
        members[i].len = 0;
    }
    return err;
}

/* --- lines of paths ----------------------------------------------------------------------------
 */

/* t is the first token of a value: go behind its last one. False: the text ends before. */
static bool skip_value(scan *s, token t)
{
    size_t depth = 0;
    for (;; t = scan_next(s)) {
        if (t.kind == 'e' || t.kind == '?') return false;
        if (t.kind == '{' || t.kind == '[') depth++;
        if ((t.kind == '}' || t.kind == ']') && depth > 0) depth--;
        if (depth == 0) return true;
    }
}

/* s stands behind {: find the member and give its name's line; s goes before its value. */
static bool enter_member(scan *s, const char *key, size_t key_len, uint32_t *line)
{
    for (;;) {
        token name = scan_next(s);
        if (name.kind != '"' || scan_next(s).kind != ':') return false;
        if (name.len == key_len && memcmp(name.p, key, key_len) == 0) {
            *line = name.line;
            return true;
        }
        if (!skip_value(s, scan_next(s)) || scan_next(s).kind != ',') return false;
    }
}

/* s stands behind [: go before element number index. */
static bool enter_element(scan *s, uint32_t index, uint32_t *line)
{
    for (uint32_t i = 0;; i++) {
        scan before = *s;
        token first = scan_next(s);
        if (first.kind == ']') return false;
        if (i == index) {
            *line = first.line;
            *s = before;
            return true;
        }
        if (!skip_value(s, first) || scan_next(s).kind != ',') return false;
    }
}

uint32_t vs_json_line(const uint8_t *text, size_t len, const char *path)
{
    scan s = scan_of(text, len);
    uint32_t line = 1;
    while (*path != '\0') {
        token open = scan_next(&s);
        if (*path == '[') {
            uint32_t index = 0;
            for (path++; *path >= '0' && *path <= '9'; path++) {
                index = index * 10 + (uint32_t)(*path - '0');
            }
            VS_ASSERT(*path == ']');
            path++;
            if (open.kind != '[' || !enter_element(&s, index, &line)) return line;
        } else {
            if (*path == '.') path++;
            size_t key_len = strcspn(path, ".[");
            if (open.kind != '{' || !enter_member(&s, path, key_len, &line)) return line;
            path += key_len;
        }
    }
    return line;
}
