/* net/vectors_impl.h - inside net/vectors*.c: one case and its members, the draws, the suites.
 *
 * A case is a JSON object. Its compute function reads each input member from `in`, which copies it
 * to `out`, and puts the outputs there in file order. So the same function generates (in holds the
 * inputs only) and checks (in is the file's object, out is what it should be). Errors are sticky:
 * after the first one getters give zeros, putters do nothing. struct json_t is jansson's json_t. */
#ifndef VS_NET_VECTORS_IMPL_H
#define VS_NET_VECTORS_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "mpc/commit.h"
#include "mpc/field.h"
#include "mpc/params.h"
#include "net/vectors.h"

struct json_t;

#define VS_CASE_PATH 48u
#define VS_CASE_NAMES 8u
typedef struct vs_case {
    const struct json_t *in;         /* borrowed; NULL while inputs are being made */
    struct json_t *out;              /* owned by whoever made the case; NULL in a nested object */
    char path[VS_CASE_PATH];         /* "cases[3]." or "": before a member's name in messages */
    size_t n_read;                   /* members read */
    const char *read[VS_CASE_NAMES]; /* the first of them, for vs_case_end */
    vs_err err;
    vs_diag *diag;
} vs_case;

/* --- reading -----------------------------------------------------------------------------------
 * A missing or wrong member sets err and writes a message. */
vs_err vs_case_fail(vs_case *c, vs_err err, const char *name, const char *fmt, ...) VS_PRINTF(4, 5);
const struct json_t *vs_case_any(vs_case *c, const char *name); /* NULL if missing */
uint64_t vs_case_uint(vs_case *c, const char *name, uint64_t min, uint64_t max);
const char *vs_case_text(vs_case *c, const char *name); /* never NULL */
void vs_case_hex(vs_case *c, const char *name, void *out, size_t len);
void vs_case_h32(vs_case *c, const char *name, vs_h32 *out);
/* Any length up to max, appended. */
void vs_case_blob(vs_case *c, const char *name, vs_buf *out, size_t max);
/* An array of min..max entries, else NULL; *count is its size, 0 when NULL. */
const struct json_t *vs_case_array(vs_case *c, const char *name, size_t min, size_t max,
                                   size_t *count);
/* Entry i of an array that was read. name is the array's, for messages. */
uint64_t vs_entry_uint(vs_case *c, const struct json_t *array, size_t i, const char *name,
                       uint64_t max);
uint64_t vs_entry_u64(vs_case *c, const struct json_t *array, size_t i, const char *name,
                      uint64_t max); /* decimal string */
vs_fe vs_entry_fe(vs_case *c, const struct json_t *array, size_t i, const char *name);
vs_fe2 vs_entry_fe2(vs_case *c, const struct json_t *array, size_t i, const char *name);
void vs_entry_hex(vs_case *c, const struct json_t *array, size_t i, const char *name, void *out,
                  size_t len);
void vs_entry_blob(vs_case *c, const struct json_t *array, size_t i, const char *name, vs_buf *out,
                   size_t max);
const struct json_t *vs_entry_array(vs_case *c, const struct json_t *array, size_t i,
                                    const char *name, size_t count);
/* Read a nested object of inputs (a member, or entry i of an array): begin, get, end. end refuses
 * members that were not read and hands the error up. */
vs_case vs_case_nested(vs_case *c, const char *name);
vs_case vs_entry_nested(vs_case *c, const struct json_t *array, size_t i, const char *name);
void vs_case_end(vs_case *c, vs_case *nested);

/* --- writing -----------------------------------------------------------------------------------
 */
void vs_case_put(vs_case *c, const char *name,
                 struct json_t *value); /* takes it; NULL: no memory */
void vs_case_put_uint(vs_case *c, const char *name, uint64_t v);
void vs_case_put_text(vs_case *c, const char *name, const char *text);
void vs_case_put_bool(vs_case *c, const char *name, bool v);
void vs_case_put_hex(vs_case *c, const char *name, const void *data, size_t len);
void vs_case_put_h32(vs_case *c, const char *name, const vs_h32 *v);
struct json_t *vs_json_hex(const void *data, size_t len);
struct json_t *vs_json_u64(uint64_t v); /* decimal string */
struct json_t *vs_json_fe2(vs_fe2 v);   /* [re, im] */
/* Append and take value; false and released when out of memory or NULL. */
bool vs_json_push(struct json_t *array, struct json_t *value);
struct json_t *vs_json_fes(const vs_fe *x, size_t n);
struct json_t *vs_json_fe2s(const vs_fe2 *x, size_t n);

/* --- draws -------------------------------------------------------------------------------------
 * D(what, index): SHA-256 in counter mode under the seed (docs/VECTORS.md "Inputs from a seed"). */
typedef struct vs_draw {
    vs_vectors_seed seed;
    const char *prefix; /* "<suite>/", or "" in the core object */
} vs_draw;
void vs_draw_bytes(const vs_draw *d, const char *what, uint32_t index, void *out, size_t len);
vs_h32 vs_draw_h32(const vs_draw *d, const char *what, uint32_t index);
uint64_t vs_draw_uint(const vs_draw *d, const char *what, uint32_t index, uint32_t bits);
void vs_draw_fes(const vs_draw *d, const char *what, uint32_t index, vs_fe *out, size_t n);

/* --- suites ------------------------------------------------------------------------------------
 */
/* Open the next case of a suite: append an object to cases. */
vs_case vs_case_new(struct json_t *cases, const char *name, vs_err *err);
typedef struct vs_suite {
    const char *name;
    vs_err (*make)(struct json_t *cases, const vs_draw *draw); /* append the input cases */
    void (*compute)(vs_case *c);
} vs_suite;
extern const vs_suite vs_suite_reconstruction, vs_suite_sealing, vs_suite_manifest,
    vs_suite_records, vs_suite_quantiser, vs_suite_redraw, vs_suite_errors, vs_suite_update,
    vs_suite_chunk;

/* The core object: inputs into c->out, and compute. */
void vs_core_make(vs_case *c, const vs_vectors_params *params, const vs_draw *draw);
void vs_core_compute(vs_case *c);

/* A line "<name>: <path>: ..." for every member of got that want lacks, lacks of want's, or has
 * otherwise. only_want: members that want lacks are not looked at. */
VS_MUST_CHECK vs_err vs_vectors_compare(vs_buf *report, const char *name, const char *path,
                                        const struct json_t *got, const struct json_t *want,
                                        bool only_want);

#endif /* VS_NET_VECTORS_IMPL_H */
