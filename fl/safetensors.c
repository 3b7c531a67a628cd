#include "fl/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

/* The file being read. */
typedef struct file {
    const char *name;
    const uint8_t *values;
    uint64_t values_len;
    size_t max_n; /* values that may still come */
    vs_diag *diag;
} file;

#define BAD(f, err, ...) vs_fail((f)->diag, err, __VA_ARGS__)

/* A whole number >= 0. */
static vs_err read_whole(uint64_t *out, const json_t *value, const file *f, const char *tensor,
                         const char *what)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        return BAD(f, VS_ERR_MALFORMED, "%s: tensor %s: %s must hold whole numbers", f->name,
                   tensor, what);
    }
    *out = (uint64_t)json_integer_value(value);
    return VS_OK;
}

static vs_err read_shape(vs_tensor *t, const json_t *list, const file *f)
{
    const char *name = t->shape.name;
    if (!json_is_array(list)) {
        return BAD(f, VS_ERR_MALFORMED, "%s: tensor %s: shape must be a list", f->name, name);
    }
    if (json_array_size(list) > VS_TENSOR_DIMS_MAX) {
        return BAD(f, VS_ERR_LIMIT, "%s: tensor %s has %zu dimensions, the limit is %u", f->name,
                   name, json_array_size(list), VS_TENSOR_DIMS_MAX);
    }
    t->shape.n_dims = (uint32_t)json_array_size(list);
    for (uint32_t i = 0; i < t->shape.n_dims; i++) {
        vs_err err = read_whole(&t->shape.dims[i], json_array_get(list, i), f, name, "shape");
        if (err != VS_OK) return err;
    }
    if (vs_tensor_size(&t->n, &t->shape, f->max_n) == VS_OK) return VS_OK;
    return BAD(f, VS_ERR_LIMIT, "%s: tensor %s: too many values, at most %zu more are taken",
               f->name, name, f->max_n);
}

static vs_err read_dtype(vs_tensor *t, const json_t *value, const file *f)
{
    if (!json_is_string(value)) {
        return BAD(f, VS_ERR_MALFORMED, "%s: tensor %s: dtype must be a string", f->name,
                   t->shape.name);
    }
    if (vs_dtype_parse(&t->dtype, json_string_value(value))) return VS_OK;
    return BAD(f, VS_ERR_MALFORMED,
               "%s: tensor %s has dtype %.20s: only F64, F32, F16 and BF16 can be added up",
               f->name, t->shape.name, json_string_value(value));
}

/* Where its values are: *begin and t->data. */
static vs_err read_offsets(vs_tensor *t, const json_t *list, const file *f)
{
    const char *name = t->shape.name;
    uint64_t begin = 0, end = 0;
    if (!json_is_array(list) || json_array_size(list) != 2) {
        return BAD(f, VS_ERR_MALFORMED, "%s: tensor %s: data_offsets must be a list of two numbers",
                   f->name, name);
    }
    vs_err err = read_whole(&begin, json_array_get(list, 0), f, name, "data_offsets");
    if (err == VS_OK) err = read_whole(&end, json_array_get(list, 1), f, name, "data_offsets");
    if (err != VS_OK) return err;
    if (begin > end || end > f->values_len) {
        return BAD(f, VS_ERR_MALFORMED,
                   "%s: tensor %s: data_offsets [%llu, %llu] are outside the %llu bytes of values "
                   "(truncated?)",
                   f->name, name, (unsigned long long)begin, (unsigned long long)end,
                   (unsigned long long)f->values_len);
    }
    const uint64_t need = (uint64_t)t->n * vs_dtype_size(t->dtype); /* n <= max_n */
    if (end - begin != need) {
        char dims[200];
        vs_tensor_dims_text(dims, sizeof dims, &t->shape);
        return BAD(f, VS_ERR_MALFORMED,
                   "%s: tensor %s: data_offsets span %llu bytes, shape %s of %s takes %llu",
                   f->name, name, (unsigned long long)(end - begin), dims, vs_dtype_name(t->dtype),
                   (unsigned long long)need);
    }
    t->data = f->values + begin;
    return VS_OK;
}

static vs_err read_tensor(vs_tensor *t, const char *key, json_t *object, file *f)
{
    const char *why;
    vs_err err = vs_tensor_name_check(key, strlen(key), &why);
    if (err != VS_OK) {
        return BAD(f, err, "%s: the name of a tensor (\"%.60s\") %s", f->name, key, why);
    }
    memcpy(t->shape.name, key, strlen(key) + 1);
    if (!json_is_object(object)) {
        return BAD(f, VS_ERR_MALFORMED, "%s: tensor %s: must be an object", f->name, key);
    }
    const char *const members[] = {"dtype", "shape", "data_offsets"};
    const json_t *value[3];
    for (size_t i = 0; i < 3; i++) {
        value[i] = json_object_get(object, members[i]);
        if (value[i] != NULL) continue;
        return BAD(f, VS_ERR_MALFORMED, "%s: tensor %s: member \"%s\" is missing", f->name, key,
                   members[i]);
    }
    if (json_object_size(object) != 3) {
        return BAD(f, VS_ERR_MALFORMED,
                   "%s: tensor %s: has members other than dtype, shape and data_offsets", f->name,
                   key);
    }
    err = read_dtype(t, value[0], f);
    if (err == VS_OK) err = read_shape(t, value[1], f);
    if (err == VS_OK) err = read_offsets(t, value[2], f);
    f->max_n -= err == VS_OK ? t->n : 0;
    return err;
}

static vs_err check_metadata(json_t *object, const file *f)
{
    const char *key;
    json_t *value;
    if (!json_is_object(object)) {
        return BAD(f, VS_ERR_MALFORMED, "%s: __metadata__ must be an object", f->name);
    }
    json_object_foreach(object, key, value)
    {
        if (json_is_string(value)) continue;
        return BAD(f, VS_ERR_MALFORMED, "%s: __metadata__: \"%.60s\" must be a string", f->name,
                   key);
    }
    return VS_OK;
}

static int by_place(const void *a, const void *b)
{
    const vs_tensor *x = a, *y = b;
    if (x->data != y->data) return x->data < y->data ? -1 : 1;
    if (x->n != y->n) return x->n < y->n ? -1 : 1; /* empty ones first */
    return strcmp(x->shape.name, y->shape.name);
}

/* Values follow each other without overlap or hole, to the end of the file. */
static vs_err check_places(const vs_tensors *t, const file *f)
{
    const uint8_t *at = f->values;
    for (uint32_t i = 0; i < t->count; i++) {
        const vs_tensor *x = &t->list[i];
        if (x->data != at) {
            return BAD(
                f, VS_ERR_MALFORMED, "%s: tensor %s: its data_offsets %s", f->name, x->shape.name,
                x->data < at ? "overlap those of another tensor" : "leave a hole before them");
        }
        at += x->n * vs_dtype_size(x->dtype);
    }
    const uint64_t used = (uint64_t)(at - f->values);
    if (used == f->values_len) return VS_OK;
    return BAD(f, VS_ERR_MALFORMED, "%s: %llu bytes after the values of the last tensor", f->name,
               (unsigned long long)(f->values_len - used));
}

static vs_err read_root(vs_tensors *out, json_t *root, file *f)
{
    const char *key;
    json_t *value;
    const size_t members = json_object_size(root); /* root is an object: it starts with { */
    if (members > VS_TENSORS_MAX + 1) {
        return BAD(f, VS_ERR_LIMIT, "%s: %zu tensors, the limit is %u", f->name, members,
                   VS_TENSORS_MAX);
    }
    out->list = calloc(members + 1, sizeof *out->list);
    if (out->list == NULL) return BAD(f, VS_ERR_NOMEM, "%s: out of memory", f->name);
    json_object_foreach(root, key, value)
    {
        vs_err err = VS_OK;
        if (strcmp(key, "__metadata__") == 0) {
            err = check_metadata(value, f);
        } else if (out->count == VS_TENSORS_MAX) {
            err = BAD(f, VS_ERR_LIMIT, "%s: more than %u tensors", f->name, VS_TENSORS_MAX);
        } else {
            err = read_tensor(&out->list[out->count], key, value, f);
            if (err == VS_OK) out->n += out->list[out->count++].n;
        }
        if (err != VS_OK) return err;
    }
    qsort(out->list, out->count, sizeof *out->list, by_place);
    return check_places(out, f);
}

vs_err vs_safetensors_parse(vs_tensors *out, const uint8_t *bytes, size_t len, const char *name,
                            size_t max_n, vs_diag *diag)
{
    file f = {.name = name, .max_n = max_n > SIZE_MAX >> 4 ? SIZE_MAX >> 4 : max_n, .diag = diag};
    json_error_t error;
    if (len < 9) {
        return BAD(&f, VS_ERR_MALFORMED, "%s: truncated: %zu bytes, no .safetensors header", name,
                   len);
    }
    const uint64_t head_len = vs_load_le64(bytes);
    if (head_len > VS_SAFETENSORS_HEADER_MAX) {
        return BAD(&f, VS_ERR_LIMIT, "%s: its header has %llu bytes, the limit is %u", name,
                   (unsigned long long)head_len, VS_SAFETENSORS_HEADER_MAX);
    }
    if (head_len > len - 8) {
        return BAD(&f, VS_ERR_MALFORMED, "%s: truncated: %zu of at least %llu bytes", name, len,
                   (unsigned long long)head_len + 8);
    }
    if (bytes[8] != '{') {
        return BAD(&f, VS_ERR_MALFORMED, "%s: its header does not start with {", name);
    }
    f.values = bytes + 8 + head_len;
    f.values_len = len - 8 - head_len;
    json_t *root =
        json_loadb((const char *)bytes + 8, (size_t)head_len, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) {
        const bool memory = json_error_code(&error) == json_error_out_of_memory;
        return BAD(&f, memory ? VS_ERR_NOMEM : VS_ERR_MALFORMED, "%s: its header is not JSON: %s",
                   name, error.text);
    }
    out->container = VS_CONTAINER_SAFETENSORS;
    vs_err err = read_root(out, root, &f);
    json_decref(root);
    return err;
}

/* --- writing ------------------------------------------------------------------------------- */

static void put_name(vs_buf *out, const char *name)
{
    vs_buf_u8(out, '"');
    for (; *name != '\0'; name++) { /* UTF-8 without control characters */
        if (*name == '"' || *name == '\\') vs_buf_u8(out, '\\');
        vs_buf_u8(out, (uint8_t)*name);
    }
    vs_buf_u8(out, '"');
}

void vs_safetensors_head_put(vs_buf *out, const vs_tensor_shape *shapes, const vs_dtype *dtypes,
                             uint32_t count)
{
    const size_t start = out->len;
    uint64_t at = 0;
    vs_buf_u64(out, 0);
    vs_buf_text(out, "{");
    for (uint32_t i = 0; i < count; i++) {
        const vs_tensor_shape *s = &shapes[i];
        uint64_t n = 1;
        if (i > 0) vs_buf_u8(out, ',');
        put_name(out, s->name);
        vs_buf_printf(out, ":{\"dtype\":\"%s\",\"shape\":[", vs_dtype_name(dtypes[i]));
        for (uint32_t d = 0; d < s->n_dims; d++) {
            vs_buf_printf(out, "%s%llu", d > 0 ? "," : "", (unsigned long long)s->dims[d]);
            n *= s->dims[d];
        }
        const uint64_t end = at + n * vs_dtype_size(dtypes[i]);
        vs_buf_printf(out, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)at,
                      (unsigned long long)end);
        at = end;
    }
    vs_buf_text(out, "}");
    while (!out->failed && (out->len - start) % 8 != 0) vs_buf_u8(out, ' ');
    if (!out->failed) vs_store_le64(out->p + start, out->len - start - 8);
}
