/* What differs between two JSON values: the first place in each member (net/vectors_impl.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "net/vectors_impl.h"

enum { PATH_CHARS = 160, SHOWN_CHARS = 72, DEPTH_MAX = 8 };

/* A value as one short text: longer ones end in "...". */
static void show(char out[SHOWN_CHARS + 4], const json_t *value)
{
    if (value == NULL) {
        (void)snprintf(out, SHOWN_CHARS, "nothing");
    } else if (json_is_object(value)) {
        (void)snprintf(out, SHOWN_CHARS, "an object of %zu members", json_object_size(value));
    } else if (json_is_array(value)) {
        (void)snprintf(out, SHOWN_CHARS, "an array of %zu entries", json_array_size(value));
    } else {
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
        size_t len = text == NULL ? 0 : strlen(text);
        size_t part = len < SHOWN_CHARS ? len : SHOWN_CHARS;
        if (text != NULL) memcpy(out, text, part);
        memcpy(out + part, part < len ? "..." : "", part < len ? 4 : 1);
        free(text);
    }
}

static void append(char path[PATH_CHARS], const char *fmt, ...) VS_PRINTF(2, 3);
static void append(char path[PATH_CHARS], const char *fmt, ...)
{
    size_t used = strlen(path);
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(path + used, PATH_CHARS - used, fmt, args);
    va_end(args);
}

/* Go down to the first place that differs, extending path; depth bounds the recursion: `want` is
 * ours and no deeper. Both are left at what differs. False: they are equal. */
static bool first_difference(const json_t **got, const json_t **want, char path[PATH_CHARS],
                             int depth)
{
    if (json_equal(*got, *want)) return false;
    if (depth < DEPTH_MAX && json_is_array(*got) && json_is_array(*want) &&
        json_array_size(*got) == json_array_size(*want)) {
        for (size_t i = 0; i < json_array_size(*want); i++) {
            const json_t *a = json_array_get(*got, i);
            const json_t *b = json_array_get(*want, i);
            if (json_equal(a, b)) continue;
            append(path, "[%zu]", i);
            *got = a;
            *want = b;
            return first_difference(got, want, path, depth + 1);
        }
    }
    if (depth < DEPTH_MAX && json_is_object(*got) && json_is_object(*want)) {
        const char *key;
        json_t *b;
        json_object_foreach((json_t *)*want, key, b)
        {
            const json_t *a = json_object_get(*got, key);
            if (a == NULL || json_equal(a, b)) continue;
            append(path, ".%s", key);
            *got = a;
            *want = b;
            return first_difference(got, want, path, depth + 1);
        }
    }
    return true;
}

static void line(vs_buf *report, const char *name, const char *path, const char *what)
{
    vs_diag text; /* makes control characters of a file harmless */
    (void)vs_fail(&text, VS_ERR_PROOF, "%s: %s: %s", name, path, what);
    vs_buf_printf(report, "%s\n", text.text);
}

static void compare_member(vs_buf *report, const char *name, const char *prefix, const char *key,
                           const json_t *got, const json_t *want)
{
    char path[PATH_CHARS];
    char there[SHOWN_CHARS + 4], computed[SHOWN_CHARS + 4];
    char what[2 * SHOWN_CHARS + 64];
    (void)snprintf(path, sizeof path, "%s%s", prefix, key);
    if (got == NULL) {
        line(report, name, path, "the member is missing");
    } else if (first_difference(&got, &want, path, 0)) {
        show(there, got);
        show(computed, want);
        (void)snprintf(what, sizeof what, "the file has %s, computed is %s", there, computed);
        line(report, name, path, what);
    }
}

vs_err vs_vectors_compare(vs_buf *report, const char *name, const char *path, const json_t *got,
                          const json_t *want, bool only_want)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)want, key, value)
    {
        compare_member(report, name, path, key, json_object_get(got, key), value);
    }
    json_object_foreach((json_t *)got, key, value)
    {
        char member[PATH_CHARS];
        if (only_want || json_object_get(want, key) != NULL) continue;
        (void)snprintf(member, sizeof member, "%s%s", path, key);
        line(report, name, member, "is not a member of this object");
    }
    return vs_buf_check(report);
}
