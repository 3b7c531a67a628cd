/* Writing the members of a case, and drawing inputs from a seed (net/vectors_impl.h). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/hash.h"
#include "net/vectors_impl.h"

void vs_case_put(vs_case *c, const char *name, json_t *value)
{
    if (c->err != VS_OK) {
        json_decref(value);
        return;
    }
    if (value == NULL || json_object_set_new(c->out, name, value) != 0) {
        (void)vs_case_fail(c, VS_ERR_NOMEM, name, "out of memory");
    }
}

void vs_case_put_uint(vs_case *c, const char *name, uint64_t v)
{
    VS_ASSERT(v <= INT64_MAX);
    vs_case_put(c, name, json_integer((json_int_t)v));
}

void vs_case_put_text(vs_case *c, const char *name, const char *text)
{
    vs_case_put(c, name, json_string(text));
}

void vs_case_put_bool(vs_case *c, const char *name, bool v)
{
    vs_case_put(c, name, json_boolean(v));
}

void vs_case_put_hex(vs_case *c, const char *name, const void *data, size_t len)
{
    vs_case_put(c, name, vs_json_hex(data, len));
}

void vs_case_put_h32(vs_case *c, const char *name, const vs_h32 *v)
{
    vs_case_put_hex(c, name, v->b, sizeof v->b);
}

json_t *vs_json_hex(const void *data, size_t len)
{
    char *text = malloc(VS_HEX_CHARS(len));
    if (text == NULL) return NULL;
    vs_hex_encode(text, data, len);
    json_t *value = json_string(text);
    free(text);
    return value;
}

json_t *vs_json_u64(uint64_t v)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRIu64, v);
    return json_string(text);
}

bool vs_json_push(json_t *array, json_t *value)
{
    return json_array_append_new(array, value) == 0; /* takes NULLs as errors */
}

json_t *vs_json_fe2(vs_fe2 v)
{
    const vs_fe pair[2] = {v.re, v.im};
    return vs_json_fes(pair, 2);
}

json_t *vs_json_fes(const vs_fe *x, size_t n)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++) {
        if (!vs_json_push(array, vs_json_u64(x[i].v))) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

json_t *vs_json_fe2s(const vs_fe2 *x, size_t n)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++) {
        if (!vs_json_push(array, vs_json_fe2(x[i]))) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

vs_case vs_case_new(json_t *cases, const char *name, vs_err *err)
{
    vs_case c = {.out = json_object(), .err = *err};
    if (!vs_json_push(cases, c.out)) {
        c.out = NULL;
        c.err = *err = VS_ERR_NOMEM;
    }
    vs_case_put_text(&c, "name", name);
    return c;
}

/* --- draws -------------------------------------------------------------------------------------
 */

/* D(what, index) = H("veilsum/v1 vectors" || prefix || what || 0x00 || u32 index || u64 0 || seed)
 * || the same with u64 1 || ... */
void vs_draw_bytes(const vs_draw *d, const char *what, uint32_t index, void *out, size_t len)
{
    uint8_t *next = out;
    for (uint64_t block = 0; len > 0; block++) {
        vs_hash h;
        vs_h32 digest;
        size_t part = len < sizeof digest.b ? len : sizeof digest.b;
        vs_hash_start(&h, "veilsum/v1 vectors");
        vs_hash_bytes(&h, d->prefix, strlen(d->prefix));
        vs_hash_bytes(&h, what, strlen(what) + 1);
        vs_hash_u32(&h, index);
        vs_hash_u64(&h, block);
        vs_hash_bytes(&h, d->seed.bytes, d->seed.len);
        vs_hash_final(&h, &digest);
        memcpy(next, digest.b, part);
        next += part;
        len -= part;
    }
}

vs_h32 vs_draw_h32(const vs_draw *d, const char *what, uint32_t index)
{
    vs_h32 out = {{0}};
    vs_draw_bytes(d, what, index, out.b, sizeof out.b);
    return out;
}

uint64_t vs_draw_uint(const vs_draw *d, const char *what, uint32_t index, uint32_t bits)
{
    uint8_t le[8];
    VS_ASSERT(bits >= 1 && bits <= 63);
    vs_draw_bytes(d, what, index, le, sizeof le);
    return vs_load_le64(le) & ((UINT64_C(1) << bits) - 1);
}

void vs_draw_fes(const vs_draw *d, const char *what, uint32_t index, vs_fe *out, size_t n)
{
    vs_draw_bytes(d, what, index, out, n * VS_FE_BYTES);
    for (size_t i = 0; i < n; i++) {
        uint8_t le[8];
        memcpy(le, &out[i], sizeof le);
        uint64_t v = vs_load_le64(le) & VS_FE_P;
        out[i].v = v == VS_FE_P ? 0 : v;
    }
}
