/* Reading the members of a case (net/vectors_impl.h). */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "net/vectors_impl.h"

vs_err vs_case_fail(vs_case *c, vs_err err, const char *name, const char *fmt, ...)
{
    vs_diag text;
    va_list args;
    if (c->err != VS_OK) return c->err;
    va_start(args, fmt);
    (void)vsnprintf(text.text, sizeof text.text, fmt, args);
    va_end(args);
    c->err = vs_fail(c->diag, err, "%s%s: %s", c->path, name, text.text);
    return c->err;
}

/* The member, copied to out, or NULL and err. */
static const json_t *read_member(vs_case *c, const char *name)
{
    if (c->err != VS_OK) return NULL;
    json_t *value = json_object_get(c->in, name);
    if (value == NULL) {
        (void)vs_case_fail(c, VS_ERR_MALFORMED, name, "the member is missing");
        return NULL;
    }
    if (c->out != NULL && json_object_set(c->out, name, value) != 0) {
        (void)vs_case_fail(c, VS_ERR_NOMEM, name, "out of memory");
        return NULL;
    }
    if (c->n_read < VS_CASE_NAMES) c->read[c->n_read] = name;
    c->n_read++;
    return value;
}

const json_t *vs_case_any(vs_case *c, const char *name)
{
    return read_member(c, name);
}

static uint64_t uint_of(vs_case *c, const json_t *value, const char *name, uint64_t min,
                        uint64_t max)
{
    if (value == NULL) return 0;
    json_int_t v = json_integer_value(value);
    if (!json_is_integer(value) || v < 0 || (uint64_t)v < min || (uint64_t)v > max) {
        (void)vs_case_fail(c, VS_ERR_MALFORMED, name,
                           "must be a whole number from %" PRIu64 " to %" PRIu64, min, max);
        return 0;
    }
    return (uint64_t)v;
}

/* The characters of a string, or NULL and err. */
static const char *text_of(vs_case *c, const json_t *value, const char *name)
{
    if (value == NULL) return NULL;
    if (!json_is_string(value)) {
        (void)vs_case_fail(c, VS_ERR_MALFORMED, name, "must be a string");
        return NULL;
    }
    return json_string_value(value);
}

static void hex_of(vs_case *c, const json_t *value, const char *name, void *out, size_t len)
{
    memset(out, 0, len);
    const char *text = text_of(c, value, name);
    if (text == NULL) return;
    if (json_string_length(value) != 2 * len || strspn(text, "0123456789abcdef") != 2 * len ||
        vs_hex_decode(out, len, text) != VS_OK) {
        (void)vs_case_fail(c, VS_ERR_MALFORMED, name, "must be %zu lower-case hex digits", 2 * len);
    }
}

static void blob_of(vs_case *c, const json_t *value, const char *name, vs_buf *out, size_t max)
{
    const char *text = text_of(c, value, name);
    if (text == NULL) return;
    size_t chars = json_string_length(value);
    if (chars % 2 != 0 || chars / 2 > max || strspn(text, "0123456789abcdef") != chars) {
        (void)vs_case_fail(c, VS_ERR_MALFORMED, name,
                           "must be an even number of lower-case hex digits, at most %zu", 2 * max);
        return;
    }
    uint8_t *p = vs_buf_extend(out, chars / 2);
    if (p == NULL) {
        (void)vs_case_fail(c, VS_ERR_NOMEM, name, "out of memory");
    } else if (vs_hex_decode(p, chars / 2, text) != VS_OK) {
        (void)vs_case_fail(c, VS_ERR_MALFORMED, name, "must be lower-case hex");
    }
}

/* A decimal string without sign or leading zeros, at most max. */
static uint64_t decimal_of(vs_case *c, const json_t *value, const char *name, uint64_t max)
{
    const char *text = text_of(c, value, name);
    if (text == NULL) return 0;
    uint64_t v = 0;
    bool good = text[0] != '\0' && !(text[0] == '0' && text[1] != '\0') &&
                strlen(text) == json_string_length(value);
    for (const char *p = text; good && *p != '\0'; p++) {
        good = *p >= '0' && *p <= '9' && !__builtin_mul_overflow(v, (uint64_t)10, &v) &&
               !__builtin_add_overflow(v, (uint64_t)(*p - '0'), &v);
    }
    if (good && v <= max) return v;
    (void)vs_case_fail(c, VS_ERR_MALFORMED, name,
                       "must be a decimal string, at most \"%" PRIu64 "\"", max);
    return 0;
}

uint64_t vs_case_uint(vs_case *c, const char *name, uint64_t min, uint64_t max)
{
    uint64_t v = uint_of(c, read_member(c, name), name, min, max);
    return c->err == VS_OK ? v : min; /* min: safe to count with */
}

const char *vs_case_text(vs_case *c, const char *name)
{
    const char *text = text_of(c, read_member(c, name), name);
    return text == NULL ? "" : text;
}

void vs_case_hex(vs_case *c, const char *name, void *out, size_t len)
{
    hex_of(c, read_member(c, name), name, out, len);
}

void vs_case_h32(vs_case *c, const char *name, vs_h32 *out)
{
    vs_case_hex(c, name, out->b, sizeof out->b);
}

void vs_case_blob(vs_case *c, const char *name, vs_buf *out, size_t max)
{
    blob_of(c, read_member(c, name), name, out, max);
}

static const json_t *array_of(vs_case *c, const json_t *value, const char *name, size_t min,
                              size_t max)
{
    if (value == NULL) return NULL;
    size_t size = json_array_size(value);
    if (json_is_array(value) && size >= min && size <= max) return value;
    if (!json_is_array(value)) {
        (void)vs_case_fail(c, VS_ERR_MALFORMED, name, "must be an array");
    } else if (min == max) {
        (void)vs_case_fail(c, VS_ERR_MALFORMED, name, "has %zu entries, must have %zu", size, min);
    } else {
        (void)vs_case_fail(c, VS_ERR_MALFORMED, name, "has %zu entries, must have %zu to %zu", size,
                           min, max);
    }
    return NULL;
}

const json_t *vs_case_array(vs_case *c, const char *name, size_t min, size_t max, size_t *count)
{
    const json_t *array = array_of(c, read_member(c, name), name, min, max);
    *count = array == NULL ? 0 : json_array_size(array);
    return array;
}

/* --- entries of arrays -------------------------------------------------------------------------
 */

/* Entry i and its name "shares[2]". */
static const json_t *entry(vs_case *c, const json_t *array, size_t i, const char *name,
                           char path[VS_CASE_PATH])
{
    (void)snprintf(path, VS_CASE_PATH, "%s[%zu]", name, i);
    return c->err == VS_OK ? json_array_get(array, i) : NULL;
}

uint64_t vs_entry_uint(vs_case *c, const json_t *array, size_t i, const char *name, uint64_t max)
{
    char path[VS_CASE_PATH];
    const json_t *value = entry(c, array, i, name, path);
    return uint_of(c, value, path, 0, max);
}

uint64_t vs_entry_u64(vs_case *c, const json_t *array, size_t i, const char *name, uint64_t max)
{
    char path[VS_CASE_PATH];
    const json_t *value = entry(c, array, i, name, path);
    return decimal_of(c, value, path, max);
}

vs_fe vs_entry_fe(vs_case *c, const json_t *array, size_t i, const char *name)
{
    return (vs_fe){vs_entry_u64(c, array, i, name, VS_FE_P - 1)};
}

const json_t *vs_entry_array(vs_case *c, const json_t *array, size_t i, const char *name,
                             size_t count)
{
    char path[VS_CASE_PATH];
    const json_t *value = entry(c, array, i, name, path);
    return array_of(c, value, path, count, count);
}

vs_fe2 vs_entry_fe2(vs_case *c, const json_t *array, size_t i, const char *name)
{
    char path[VS_CASE_PATH];
    const json_t *value = entry(c, array, i, name, path);
    const json_t *pair = array_of(c, value, path, 2, 2);
    vs_fe2 v;
    v.re = vs_entry_fe(c, pair, 0, path);
    v.im = vs_entry_fe(c, pair, 1, path);
    return v;
}

void vs_entry_hex(vs_case *c, const json_t *array, size_t i, const char *name, void *out,
                  size_t len)
{
    char path[VS_CASE_PATH];
    const json_t *value = entry(c, array, i, name, path);
    hex_of(c, value, path, out, len);
}

void vs_entry_blob(vs_case *c, const json_t *array, size_t i, const char *name, vs_buf *out,
                   size_t max)
{
    char path[VS_CASE_PATH];
    const json_t *value = entry(c, array, i, name, path);
    blob_of(c, value, path, out, max);
}

/* --- nested objects ----------------------------------------------------------------------------
 */

static vs_case nested_of(vs_case *c, const json_t *value, const char *name)
{
    vs_case nested = {.in = value, .err = c->err, .diag = c->diag};
    if (value != NULL && !json_is_object(value)) {
        nested.err = vs_case_fail(c, VS_ERR_MALFORMED, name, "must be an object");
    }
    size_t used = strlen(c->path);
    memcpy(nested.path, c->path, used);
    (void)snprintf(nested.path + used, sizeof nested.path - used, "%s.", name);
    return nested;
}

vs_case vs_case_nested(vs_case *c, const char *name)
{
    const json_t *value = read_member(c, name);
    return nested_of(c, value, name);
}

vs_case vs_entry_nested(vs_case *c, const json_t *array, size_t i, const char *name)
{
    char path[VS_CASE_PATH];
    const json_t *value = entry(c, array, i, name, path);
    return nested_of(c, value, path);
}

static bool was_read(const vs_case *c, const char *name)
{
    VS_ASSERT(c->n_read <= VS_CASE_NAMES);
    for (size_t i = 0; i < c->n_read; i++) {
        if (strcmp(c->read[i], name) == 0) return true;
    }
    return false;
}

void vs_case_end(vs_case *c, vs_case *nested)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)nested->in, key, value)
    {
        if (nested->err != VS_OK || was_read(nested, key)) continue;
        (void)vs_case_fail(nested, VS_ERR_MALFORMED, key, "is not a member of this object");
    }
    if (c->err == VS_OK) c->err = nested->err;
}
