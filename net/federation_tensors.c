/* The tensors that an update consists of: member "tensors" of the federation file, and files
 * against it. */
#include "net/federation_tensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "mpc/params.h"
#include "net/federation_json.h"

enum { PATH_CHARS = 64, DIMS_CHARS = 200 };

static vs_err bad(const vs_fed_text *text, vs_err err, size_t i, const char *member,
                  const char *why)
{
    char path[PATH_CHARS];
    (void)snprintf(path, sizeof path, "tensors[%zu]%s%s", i, member[0] != '\0' ? "." : "", member);
    return vs_fed_bad(text, err, path, "%s %s", path, why);
}

static vs_err read_shape(vs_tensor_shape *out, const json_t *list, const vs_fed_text *text,
                         size_t i)
{
    if (!json_is_array(list) || json_array_size(list) > VS_TENSOR_DIMS_MAX) {
        return bad(text, VS_ERR_MALFORMED, i, "shape", "must be a list of at most 8 whole numbers");
    }
    out->n_dims = (uint32_t)json_array_size(list);
    for (uint32_t d = 0; d < out->n_dims; d++) {
        const json_t *value = json_array_get(list, d);
        if (!json_is_integer(value) || json_integer_value(value) < 1 ||
            json_integer_value(value) > VS_DIM_MAX) {
            return bad(text, VS_ERR_LIMIT, i, "shape", "must hold whole numbers above 0");
        }
        out->dims[d] = (uint64_t)json_integer_value(value);
    }
    return VS_OK;
}

static vs_err read_tensor(vs_tensor_shape *out, const json_t *object, const vs_fed_text *text,
                          size_t i)
{
    const char *why;
    const json_t *name = json_object_get(object, "name"); /* NULL where it is no object */
    const json_t *shape = json_object_get(object, "shape");
    if (name == NULL || shape == NULL || json_object_size(object) != 2) {
        return bad(text, VS_ERR_MALFORMED, i, "",
                   "must have the members name and shape, no others");
    }
    if (!json_is_string(name)) return bad(text, VS_ERR_MALFORMED, i, "name", "must be a string");
    vs_err err = vs_tensor_name_check(json_string_value(name), json_string_length(name), &why);
    if (err != VS_OK) return bad(text, err, i, "name", why);
    memcpy(out->name, json_string_value(name), json_string_length(name) + 1);
    return read_shape(out, shape, text, i);
}

typedef struct named {
    const vs_tensor_shape *shape;
} named;

static int by_name(const void *a, const void *b)
{
    const named *x = a, *y = b;
    const int order = strcmp(x->shape->name, y->shape->name);
    if (order != 0) return order;
    return x->shape < y->shape ? -1 : x->shape > y->shape;
}

static vs_err check_distinct(const vs_federation *fed, const vs_fed_text *text)
{
    named *sorted = calloc(fed->n_tensors, sizeof *sorted);
    vs_err err = VS_OK;
    if (sorted == NULL) return vs_fail(text->diag, VS_ERR_NOMEM, "%s: out of memory", text->name);
    for (uint32_t i = 0; i < fed->n_tensors; i++) sorted[i].shape = &fed->tensor[i];
    qsort(sorted, fed->n_tensors, sizeof *sorted, by_name);
    for (uint32_t i = 1; err == VS_OK && i < fed->n_tensors; i++) {
        if (strcmp(sorted[i - 1].shape->name, sorted[i].shape->name) != 0) continue;
        char why[80];
        (void)snprintf(why, sizeof why, "is the name of tensors[%zu] as well",
                       (size_t)(sorted[i - 1].shape - fed->tensor));
        err = bad(text, VS_ERR_LIMIT, (size_t)(sorted[i].shape - fed->tensor), "name", why);
    }
    free(sorted);
    return err;
}

/* The sum of the sizes is num_params, which may be left out. */
static vs_err check_total(vs_federation *fed, const vs_fed_text *text)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < fed->n_tensors; i++) {
        size_t n;
        if (vs_tensor_size(&n, &fed->tensor[i], (size_t)(VS_DIM_MAX - total)) != VS_OK) {
            return bad(text, VS_ERR_LIMIT, i, "shape",
                       "makes the update longer than the limit of 2^32 - 65 values");
        }
        total += n;
    }
    if (fed->num_params == 0) fed->num_params = (uint32_t)total;
    if (fed->num_params == total) return VS_OK;
    return vs_fed_bad(text, VS_ERR_LIMIT, "num_params",
                      "num_params %u is not the %" PRIu64 " values that tensors hold",
                      fed->num_params, total);
}

vs_err vs_fed_read_tensors(vs_federation *fed, const vs_fed_text *text, const struct json_t *list)
{
    if (list == NULL) return VS_OK;
    const size_t n = json_array_size(list); /* 0 where it is no list */
    if (n < 1 || n > VS_TENSORS_MAX) {
        return vs_fed_bad(text, VS_ERR_LIMIT, "tensors",
                          "tensors must be a list of 1 to %u tensors", VS_TENSORS_MAX);
    }
    fed->tensor = calloc(n, sizeof *fed->tensor);
    if (fed->tensor == NULL) {
        return vs_fail(text->diag, VS_ERR_NOMEM, "%s: out of memory", text->name);
    }
    fed->n_tensors = (uint32_t)n;
    for (size_t i = 0; i < n; i++) {
        vs_err err = read_tensor(&fed->tensor[i], json_array_get(list, i), text, i);
        if (err != VS_OK) return err;
    }
    vs_err err = check_distinct(fed, text);
    return err == VS_OK ? check_total(fed, text) : err;
}

vs_err vs_federation_set_tensors(vs_federation *fed, const vs_tensors *from, const char *name,
                                 vs_diag *diag)
{
    VS_ASSERT(fed != NULL && fed->tensor == NULL && from != NULL);
    if (from->container == VS_CONTAINER_NPY) {
        return vs_fail(diag, VS_ERR_MALFORMED,
                       "%s: a .npy holds one array without a name: give a .npz or .safetensors",
                       name);
    }
    if (from->count == 0) return vs_fail(diag, VS_ERR_MALFORMED, "%s: holds no tensor", name);
    fed->tensor = calloc(from->count, sizeof *fed->tensor);
    if (fed->tensor == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    for (uint32_t i = 0; i < from->count; i++) {
        if (from->list[i].n == 0) continue; /* nothing to add up */
        fed->tensor[fed->n_tensors++] = from->list[i].shape;
    }
    fed->num_params = (uint32_t)from->n;
    if (fed->n_tensors > 0) return VS_OK;
    return vs_fail(diag, VS_ERR_MALFORMED, "%s: none of its tensors holds a value", name);
}

/* --- a file against the list -------------------------------------------------------------------
 */

static bool same_shape(const vs_tensor_shape *a, const vs_tensor_shape *b)
{
    return a->n_dims == b->n_dims && memcmp(a->dims, b->dims, a->n_dims * sizeof a->dims[0]) == 0;
}

typedef struct placed {
    const char *name;
    uint32_t index;
} placed;

static int by_placed_name(const void *a, const void *b)
{
    const placed *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* A tensor of the file that the list does not have: it names what the two disagree about. */
static vs_err name_stranger(const vs_federation *fed, const placed *sorted, const vs_tensors *t,
                            const char *name, vs_diag *diag)
{
    for (uint32_t i = 0; i < t->count; i++) {
        const placed key = {.name = sorted[i].name};
        bool known = false;
        for (uint32_t k = 0; !known && k < fed->n_tensors; k++) {
            known = strcmp(fed->tensor[k].name, key.name) == 0;
        }
        if (known || t->list[sorted[i].index].n == 0) continue;
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: tensor %s is not one of the federation's", name,
                       key.name);
    }
    return VS_OK;
}

static vs_err match_named(uint32_t *order, const vs_federation *fed, const vs_tensors *t,
                          const char *name, vs_diag *diag)
{
    placed *sorted = calloc((size_t)t->count + 1, sizeof *sorted);
    vs_err err = VS_OK;
    if (sorted == NULL) return vs_fail(diag, VS_ERR_NOMEM, "%s: out of memory", name);
    for (uint32_t i = 0; i < t->count; i++) sorted[i] = (placed){t->list[i].shape.name, i};
    qsort(sorted, t->count, sizeof *sorted, by_placed_name);
    for (uint32_t k = 0; err == VS_OK && k < fed->n_tensors; k++) {
        const vs_tensor_shape *want = &fed->tensor[k];
        const placed key = {.name = want->name};
        const placed *found = bsearch(&key, sorted, t->count, sizeof *sorted, by_placed_name);
        char has[DIMS_CHARS], says[DIMS_CHARS];
        vs_tensor_dims_text(says, sizeof says, want);
        if (found == NULL) {
            err = vs_fail(diag, VS_ERR_MALFORMED, "%s: tensor %s %s of the federation is missing",
                          name, want->name, says);
            break;
        }
        order[k] = found->index;
        const vs_tensor_shape *shape = &t->list[found->index].shape;
        if (same_shape(shape, want)) continue;
        vs_tensor_dims_text(has, sizeof has, shape);
        err = vs_fail(diag, VS_ERR_MALFORMED, "%s: tensor %s has shape %s, the federation says %s",
                      name, want->name, has, says);
    }
    if (err == VS_OK) err = name_stranger(fed, sorted, t, name, diag);
    free(sorted);
    return err;
}

/* A .npy has no names: the flat vector in the federation's order. */
static vs_err match_flat(const vs_federation *fed, const vs_tensors *t, const char *name,
                         vs_diag *diag)
{
    const vs_tensor *x = &t->list[0];
    const bool one = fed->n_tensors == 1 && same_shape(&x->shape, &fed->tensor[0]);
    if (one || (x->shape.n_dims == 1 && x->n == fed->num_params)) return VS_OK;
    char has[DIMS_CHARS];
    vs_tensor_dims_text(has, sizeof has, &x->shape);
    return vs_fail(diag, VS_ERR_MALFORMED,
                   "%s: has shape %s: in a .npy the federation's %u tensors are one vector of %u "
                   "values",
                   name, has, fed->n_tensors, fed->num_params);
}

vs_err vs_federation_match(uint32_t *order, const vs_federation *fed, const vs_tensors *t,
                           const char *name, vs_diag *diag)
{
    VS_ASSERT(order != NULL && fed != NULL && t != NULL);
    if (t->container == VS_CONTAINER_NPY) {
        order[0] = 0;
        return fed->n_tensors == 0 ? VS_OK : match_flat(fed, t, name, diag);
    }
    if (fed->n_tensors > 0) return match_named(order, fed, t, name, diag);
    order[0] = 0;
    if (t->count == 1) return VS_OK;
    return vs_fail(diag, VS_ERR_MALFORMED,
                   "%s: holds %u tensors, and the federation file does not name them: in which "
                   "order is not clear (federation new --tensors-from)",
                   name, t->count);
}

uint32_t vs_federation_match_count(const vs_federation *fed, const vs_tensors *t)
{
    return t->container == VS_CONTAINER_NPY || fed->n_tensors == 0 ? 1 : fed->n_tensors;
}
