/* Updates from array files, and results into them, over a federation in this process. */
#include "net/update_file.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "fl/tensors_out.h"
#include "net/federation_tensors.h"
#include "net/local.h"
#include "tests/support.h"

enum { DIM = 70000, CLIENTS = 3, PATH = 300 }; /* two blocks of the rotation, and a bit */

static const vs_tensor_shape SHAPES[] = {{"w", 2, {300, 200}}, {"b", 1, {9999}}, {"s", 0, {0}}};
static const vs_dtype F64[] = {VS_DTYPE_F64, VS_DTYPE_F64, VS_DTYPE_F64};
static const vs_dtype MIXED[] = {VS_DTYPE_F32, VS_DTYPE_F64, VS_DTYPE_F16};

static vs_federation *named(void)
{
    vs_federation *fed = calloc(1, sizeof *fed);
    cr_assert_not_null(fed);
    fed->tensor = calloc(3, sizeof *fed->tensor);
    cr_assert_not_null(fed->tensor);
    memcpy(fed->tensor, SHAPES, sizeof SHAPES);
    fed->n_tensors = 3;
    fed->num_params = DIM;
    return fed;
}

static double value_of(size_t i)
{
    return (double)((i * 7) % 1000) / 1024; /* exact in every type but F16 */
}

/* A file with the three tensors in this order. */
static void write_file(const char *path, vs_container container, const uint32_t order[3],
                       const vs_dtype *dtypes)
{
    static const size_t first[3] = {0, 60000, 69999}, len[3] = {60000, 9999, 1};
    vs_tensor_shape shapes[3];
    vs_dtype types[3];
    vs_tensors_out *out;
    vs_diag diag;
    for (int i = 0; i < 3; i++) {
        shapes[i] = SHAPES[order[i]];
        types[i] = dtypes[order[i]];
    }
    cr_assert_eq(vs_tensors_out_new(&out, path, container, shapes, types, 3, &diag), VS_OK);
    for (int i = 0; i < 3; i++) {
        for (size_t k = 0; k < len[order[i]]; k++) {
            const double v = value_of(first[order[i]] + k);
            cr_assert_eq(vs_tensors_out_put(out, &v, 1, &diag), VS_OK);
        }
    }
    cr_assert_eq(vs_tensors_out_commit(out, &diag), VS_OK);
    vs_tensors_out_free(out);
}

Test(update_file, is_the_same_vector_in_any_order_container_and_type)
{
    static const uint32_t orders[3][3] = {{0, 1, 2}, {2, 0, 1}, {1, 2, 0}};
    char *folder = vs_test_folder_new(), path[PATH];
    vs_federation *fed = named();
    for (int c = VS_CONTAINER_NPZ; c <= VS_CONTAINER_SAFETENSORS; c++) {
        for (int o = 0; o < 6; o++) {
            vs_update u;
            vs_diag diag = {{0}};
            const bool mixed = o >= 3;
            (void)snprintf(path, sizeof path, "%s/u", folder);
            write_file(path, (vs_container)c, orders[o % 3], mixed ? MIXED : F64);
            cr_assert_eq(vs_update_open(&u, fed, path, &diag), VS_OK, "%s", diag.text);
            cr_assert_eq(u.n, DIM);
            for (size_t i = 0; i < DIM; i++) cr_assert_eq(u.values[i], value_of(i), "%zu", i);
            const bool in_place = o == 0 && c == VS_CONTAINER_SAFETENSORS;
            cr_expect_eq(u.own == NULL, in_place, "%d, %d", c, o);
            cr_expect_eq(u.format.dtypes[0], mixed ? VS_DTYPE_F32 : VS_DTYPE_F64);
            cr_expect_str_eq(u.format.shapes[2].name, "s");
            vs_update_drop_values(&u);
            cr_expect_null(u.values);
            vs_update_free(&u);
        }
    }
    vs_federation_free(fed);
    vs_test_folder_remove(folder);
}

Test(update_file, result_formats_follow_federation_path_and_update)
{
    vs_federation *fed = named();
    vs_result_format like = {.container = VS_CONTAINER_NPZ,
                             .count = 3,
                             .shapes = (vs_tensor_shape *)(uintptr_t)SHAPES,
                             .dtypes = (vs_dtype *)(uintptr_t)MIXED};
    vs_result_format f;
    vs_diag diag;
    cr_assert_eq(vs_result_format_make(&f, fed, DIM, "m.npz", &like, VS_DTYPE_F64, &diag), VS_OK);
    cr_expect_eq(f.container, VS_CONTAINER_NPZ);
    cr_expect_eq(f.count, 3);
    cr_expect_eq(f.dtypes[2], VS_DTYPE_F16);
    vs_result_format_free(&f);
    cr_assert_eq(vs_result_format_make(&f, fed, DIM, "m.npy", &like, VS_DTYPE_F32, &diag), VS_OK);
    cr_expect_eq(f.count, 1); /* flat, in the widest type */
    cr_expect_eq(f.shapes[0].dims[0], DIM);
    cr_expect_eq(f.dtypes[0], VS_DTYPE_F64);
    vs_result_format_free(&f);
    cr_assert_eq(vs_result_format_make(&f, fed, DIM, "m.safetensors", NULL, VS_DTYPE_F32, &diag),
                 VS_OK);
    cr_expect_eq(f.count, 3);
    cr_expect_eq(f.dtypes[1], VS_DTYPE_F32);
    vs_result_format_free(&f);
    cr_expect_eq(vs_result_format_make(&f, fed, DIM, "m.txt", NULL, VS_DTYPE_F32, &diag),
                 VS_ERR_MALFORMED);
    vs_federation_free(fed);
}

/* --- results -----------------------------------------------------------------------------------
 */

/* Between us and the aggregator: changes a byte of the k-th reply, or its length. */
typedef struct liar {
    vs_caller honest;
    uint32_t calls, at;
    enum { LIE_BYTE, LIE_SHORTER, LIE_LONGER, LIE_BLOB } what;
} liar;

static vs_err lie(void *ctx, uint32_t peer, const vs_buf *request, vs_buf *reply, vs_diag *diag)
{
    liar *l = ctx;
    vs_err err = l->honest.send(l->honest.send_ctx, peer, request, reply, diag);
    if (err != VS_OK || ++l->calls != l->at || reply->len < 200) return err;
    switch (l->what) {
    case LIE_BYTE: reply->p[reply->len - 100] ^= 1; break;
    case LIE_SHORTER: reply->len -= 8; break;
    case LIE_LONGER: vs_buf_u64(reply, 1); break;
    case LIE_BLOB: reply->p[reply->len / 2] ^= 0x80; break;
    }
    return vs_buf_check(reply);
}

static vs_local *finished_round(const char *folder, bool rotation)
{
    vs_federation draft = {.committee = {.n = 4, .t = 1, .k = 1, .margin = 1},
                           .max_clients = CLIENTS,
                           .min_clients = 2,
                           .max_missing = 0.05,
                           .min_cover = 0.8,
                           .round_timeout_s = 3600,
                           .answer_timeout_s = 600,
                           .rotation = rotation,
                           .k_stddevs = 6,
                           .metrics = true,
                           .adaptive_clip_learning_rate = 0.2,
                           .quantiser = {.clip_norm = 1000,
                                         .clipping_range = rotation ? 1000 : 1,
                                         .bits = 16,
                                         .max_weight = 50,
                                         .stochastic_rounding = true}};
    const vs_local_options o = {.draft = &draft, .n_clients = CLIENTS, .seed = 3, .folder = folder};
    vs_local *l;
    vs_diag diag = {{0}};
    vsw_Phase phase;
    double *update = malloc(DIM * sizeof *update);
    memcpy(draft.name, "files", sizeof "files");
    cr_assert_not_null(update);
    cr_assert_eq(vs_local_new(&l, &o, &diag), VS_OK, "%s", diag.text);
    vs_caller admin = vs_local_caller(l);
    const vs_call_open open = {.round = 1, .dim = DIM};
    cr_assert_eq(vs_call_open_round(&admin, &open, &diag), VS_OK, "%s", diag.text);
    for (uint32_t i = 1; i <= CLIENTS; i++) {
        vs_client_status status;
        for (size_t k = 0; k < DIM; k++) update[k] = sin((double)i + 0.01 * (double)k) / 2;
        const vs_client_input input = {.round = 1,
                                       .update = update,
                                       .dim = DIM,
                                       .weight = 10 * i,
                                       .has_metrics = true,
                                       .loss = 1,
                                       .accuracy = 0.5,
                                       .purpose = ""};
        cr_assert_eq(vs_local_submit(l, i, &input, &status, &diag), VS_OK, "%s", diag.text);
    }
    free(update);
    admin = vs_local_caller(l);
    cr_assert_eq(vs_call_end_round(&admin, VS_OPERATION_CLOSE, 1, &diag), VS_OK, "%s", diag.text);
    cr_assert_eq(vs_local_finish(l, 1, &phase, &diag), VS_OK, "%s", diag.text);
    cr_assert_eq(phase, vsw_Phase_FINAL);
    return l;
}

static void expect_same_mean(bool rotation)
{
    char *folder = vs_test_folder_new(), path[PATH], sums[PATH];
    vs_local *l = finished_round(folder, rotation);
    vs_fetched_result whole, streamed;
    vs_tensors file;
    vs_map map;
    vs_diag diag = {{0}};
    vs_caller admin = vs_local_caller(l);
    (void)snprintf(path, sizeof path, "%s/mean.npy", folder);
    (void)snprintf(sums, sizeof sums, "%s/sums", folder);
    cr_assert_eq(vs_call_result(&whole, &admin, 1, &diag), VS_OK, "%s", diag.text);
    admin = vs_local_caller(l);
    cr_assert_eq(vs_result_to_file(&streamed, &admin, 1, path, NULL, VS_DTYPE_F64, sums, &diag),
                 VS_OK, "%s", diag.text);
    cr_assert_eq(vs_tensors_open(&file, path, DIM, &diag), VS_OK, "%s", diag.text);
    cr_expect_eq(memcmp(file.list[0].data, whole.mean, DIM * sizeof(double)), 0,
                 "the same bits either way");
    cr_assert_eq(vs_map_file(&map, sums, &diag), VS_OK);
    cr_expect_eq(map.len, (size_t)whole.round.layout.dim * 8);
    cr_expect_eq(memcmp(map.p, whole.sums, map.len), 0);
    cr_expect_eq(streamed.metrics.loss, whole.metrics.loss);
    cr_expect_eq(streamed.result.weight_sum, 60);
    vs_unmap(&map);
    vs_tensors_free(&file);
    vs_fetched_result_free(&whole);
    vs_local_free(l);
    vs_test_folder_remove(folder);
}

Test(update_file, a_result_in_pieces_is_the_result_in_one)
{
    expect_same_mean(false);
}

Test(update_file, a_rotated_result_in_pieces_is_the_result_in_one)
{
    expect_same_mean(true);
}

Test(update_file, no_lie_of_the_aggregator_leaves_a_file)
{
    char *folder = vs_test_folder_new(), path[PATH];
    vs_local *l = finished_round(folder, false);
    uint32_t refused = 0;
    (void)snprintf(path, sizeof path, "%s/mean.safetensors", folder);
    for (int what = LIE_BYTE; what <= LIE_BLOB; what++) {
        for (uint32_t at = 1; at <= 3; at++) { /* round info, `result` entry, sums */
            vs_fetched_result f;
            vs_diag diag = {{0}};
            liar between = {.honest = vs_local_caller(l), .at = at, .what = what};
            vs_caller caller = between.honest;
            caller.send = lie;
            caller.send_ctx = &between;
            cr_expect_neq(vs_result_to_file(&f, &caller, 1, path, NULL, VS_DTYPE_F64, NULL, &diag),
                          VS_OK, "lie %d in call %u", what, at);
            cr_expect_neq(diag.text[0], '\0');
            cr_expect(!vs_file_exists(path));
            refused++;
        }
    }
    cr_expect_eq(refused, 12);
    vs_local_free(l);
    vs_test_folder_remove(folder);
}
