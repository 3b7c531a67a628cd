#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/federation_tensors.h"
#include "net/round.h"
#include "tests/net/support_fed.h"

#define TENSORS                                                                                    \
    "  \"tensors\": [\n    {\"name\": \"w\", \"shape\": [3, 2]},\n"                                \
    "    {\"name\": \"b\", \"shape\": [2]},\n    {\"name\": \"s\", \"shape\": []}\n  ],\n"

/* The test federation's file with these lines before "admin"; *line is the first of them. */
static vs_buf with_lines(const vs_test_fed *tf, const char *lines, uint32_t *line)
{
    vs_buf out = {0};
    const char *text = (const char *)tf->fed->file.p;
    size_t at = 0;
    *line = 1;
    while (memcmp(text + at, "  \"admin\"", 9) != 0) {
        if (text[at++] == '\n') ++*line;
    }
    vs_buf_bytes(&out, text, at);
    vs_buf_text(&out, lines);
    vs_buf_bytes(&out, text + at, tf->fed->file.len - at);
    cr_assert_eq(vs_buf_check(&out), VS_OK);
    return out;
}

static vs_federation *parse(const char *lines)
{
    vs_test_fed *tf = vs_test_federation_of(5, 1, 2, 10, 0);
    vs_federation *fed;
    vs_diag diag;
    uint32_t line;
    vs_buf text = with_lines(tf, lines, &line);
    cr_assert_eq(vs_federation_parse(&fed, text.p, text.len, "federation.json", &diag), VS_OK, "%s",
                 diag.text);
    vs_buf_free(&text);
    vs_test_federation_free(tf);
    return fed;
}

Test(federation_tensors, are_read_in_order_and_make_num_params)
{
    vs_federation *fed = parse(TENSORS);
    cr_assert_eq(fed->n_tensors, 3);
    cr_expect_eq(fed->num_params, 9);
    cr_expect_str_eq(fed->tensor[0].name, "w");
    cr_expect_eq(fed->tensor[0].dims[0], 3);
    cr_expect_eq(fed->tensor[2].n_dims, 0);
    vs_federation_free(fed);
    fed = parse("  \"num_params\": 9,\n" TENSORS);
    vs_buf text = {0};
    vs_diag diag;
    cr_assert_eq(vs_federation_format(&text, fed, &diag), VS_OK, "%s", diag.text);
    cr_expect_eq(text.len, fed->file.len); /* what is written is what was read */
    cr_expect_arr_eq(text.p, fed->file.p, text.len);
    vs_buf_free(&text);
    vs_federation_free(fed);
}

Test(federation_tensors, a_broken_list_is_named_with_its_line)
{
    static const struct {
        const char *lines;
        uint32_t line; /* of lines, from 0 */
        const char *message;
    } cases[] = {
        {"  \"num_params\": 10,\n" TENSORS, 0,
         "num_params 10 is not the 9 values that tensors hold"},
        {"  \"tensors\": [],\n", 0, "tensors must be a list of 1 to 4096 tensors"},
        {"  \"tensors\": 7,\n", 0, "tensors must be a list of 1 to 4096 tensors"},
        {"  \"tensors\": [\n {\"name\": \"w\", \"shape\": [1]},\n 7],\n", 2,
         "tensors[1] must have the members name and shape, no others"},
        {"  \"tensors\": [\n {\"name\": \"w\"}],\n", 1,
         "tensors[0] must have the members name and shape, no others"},
        {"  \"tensors\": [\n {\"name\": \"w\", \"shape\": [1], \"dtype\": \"F32\"}],\n", 1,
         "tensors[0] must have the members name and shape, no others"},
        {"  \"tensors\": [\n {\"name\": 7, \"shape\": [1]}],\n", 1,
         "tensors[0].name must be a string"},
        {"  \"tensors\": [\n {\"name\": \"\", \"shape\": [1]}],\n", 1, "tensors[0].name is empty"},
        {"  \"tensors\": [\n {\"name\": \"w\",\n \"shape\": 7}],\n", 2,
         "tensors[0].shape must be a list of at most 8 whole numbers"},
        {"  \"tensors\": [\n {\"name\": \"w\",\n \"shape\": [1,1,1,1,1,1,1,1,1]}],\n", 2,
         "tensors[0].shape must be a list of at most 8 whole numbers"},
        {"  \"tensors\": [\n {\"name\": \"w\",\n \"shape\": [0]}],\n", 2,
         "tensors[0].shape must hold whole numbers above 0"},
        {"  \"tensors\": [\n {\"name\": \"w\", \"shape\": [65536]},\n {\"name\": \"v\", \"shape\": "
         "[65536, 65535]}],\n",
         2, "tensors[1].shape makes the update longer than the limit of 2^32 - 65 values"},
        {"  \"tensors\": [\n {\"name\": \"w\", \"shape\": [1]},\n {\"name\": \"v\", \"shape\": "
         "[1]},\n"
         "{\"name\": \"w\", \"shape\": [2]}],\n",
         3, "tensors[2].name is the name of tensors[0] as well"},
        {"  \"num_params\": 0,\n", 0, "num_params 0 is outside 1..4294967231"},
    };
    vs_test_fed *tf = vs_test_federation_of(5, 1, 2, 10, 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vs_federation *fed;
        vs_diag diag;
        uint32_t line;
        char want[VS_DIAG_BYTES];
        vs_buf text = with_lines(tf, cases[i].lines, &line);
        cr_expect_neq(vs_federation_parse(&fed, text.p, text.len, "federation.json", &diag), VS_OK);
        (void)snprintf(want, sizeof want, "federation.json: line %u: %s", line + cases[i].line,
                       cases[i].message);
        cr_expect_str_eq(diag.text, want, "%zu: %s", i, diag.text);
        vs_federation_free(fed);
        vs_buf_free(&text);
    }
    vs_test_federation_free(tf);
}

Test(federation_tensors, a_round_of_another_size_is_refused)
{
    vs_federation *fed = parse(TENSORS);
    vs_entry_open open = {.dim = 9, .clip_norm = fed->quantiser.clip_norm};
    vs_diag diag;
    cr_expect_eq(vs_round_fill_open(&open, fed, &diag), VS_OK);
    open.dim = 10;
    cr_expect_eq(vs_round_fill_open(&open, fed, &diag), VS_ERR_LIMIT);
    cr_expect_str_eq(diag.text, "dim is 10, the federation's num_params is 9");
    vs_federation_free(fed);
}

/* --- files against the list ---------------------------------------------------------------- */

static vs_tensor part(const char *name, uint32_t n_dims, uint64_t d0, uint64_t d1)
{
    vs_tensor t = {.shape = {.n_dims = n_dims, .dims = {d0, d1}}};
    (void)snprintf(t.shape.name, sizeof t.shape.name, "%s", name);
    cr_assert_eq(vs_tensor_size(&t.n, &t.shape, 1000), VS_OK);
    return t;
}

static void expect_mismatch(const vs_federation *fed, const vs_tensors *t, const char *message)
{
    uint32_t order[8];
    vs_diag diag = {{0}};
    cr_expect_eq(vs_federation_match(order, fed, t, "update.x", &diag), VS_ERR_MALFORMED);
    cr_expect_str_eq(diag.text, message);
}

Test(federation_tensors, a_file_must_hold_exactly_these_tensors_in_any_order)
{
    vs_federation *fed = parse(TENSORS);
    vs_tensor list[5] = {part("s", 0, 0, 0), part("w", 2, 3, 2), part("b", 1, 2, 0),
                         part("empty", 1, 0, 0), part("extra", 1, 1, 0)};
    vs_tensors t = {.container = VS_CONTAINER_SAFETENSORS, .list = list, .count = 4};
    uint32_t order[8];
    vs_diag diag;
    cr_expect_eq(vs_federation_match_count(fed, &t), 3);
    cr_assert_eq(vs_federation_match(order, fed, &t, "update.x", &diag), VS_OK, "%s", diag.text);
    cr_expect_eq(order[0], 1);
    cr_expect_eq(order[1], 2);
    cr_expect_eq(order[2], 0);
    list[1] = part("w", 2, 2, 3);
    expect_mismatch(fed, &t, "update.x: tensor w has shape [2, 3], the federation says [3, 2]");
    list[1] = part("w", 1, 6, 0);
    expect_mismatch(fed, &t, "update.x: tensor w has shape [6], the federation says [3, 2]");
    list[1] = part("v", 2, 3, 2);
    expect_mismatch(fed, &t, "update.x: tensor w [3, 2] of the federation is missing");
    list[1] = part("w", 2, 3, 2);
    t.count = 5;
    expect_mismatch(fed, &t, "update.x: tensor extra is not one of the federation's");
    vs_federation_free(fed);
}

Test(federation_tensors, a_npy_is_the_flat_vector)
{
    vs_federation *fed = parse(TENSORS);
    vs_tensor flat = part("", 1, 9, 0);
    vs_tensors t = {.container = VS_CONTAINER_NPY, .list = &flat, .count = 1};
    uint32_t order[8];
    vs_diag diag;
    cr_expect_eq(vs_federation_match_count(fed, &t), 1);
    cr_expect_eq(vs_federation_match(order, fed, &t, "update.x", &diag), VS_OK);
    flat = part("", 2, 3, 3);
    expect_mismatch(
        fed, &t,
        "update.x: has shape [3, 3]: in a .npy the federation's 3 tensors are one vector "
        "of 9 values");
    vs_federation_free(fed);
}

Test(federation_tensors, without_a_list_one_array_is_an_update)
{
    vs_test_fed *tf = vs_test_federation_of(5, 1, 2, 10, 0);
    vs_tensor list[2] = {part("a", 1, 9, 0), part("b", 1, 9, 0)};
    vs_tensors t = {.container = VS_CONTAINER_NPZ, .list = list, .count = 1};
    uint32_t order[8];
    vs_diag diag;
    cr_expect_eq(tf->fed->num_params, 0);
    cr_expect_eq(vs_federation_match(order, tf->fed, &t, "update.x", &diag), VS_OK);
    t.count = 2;
    expect_mismatch(tf->fed, &t,
                    "update.x: holds 2 tensors, and the federation file does not name them: in "
                    "which order is not clear (federation new --tensors-from)");
    vs_test_federation_free(tf);
}
