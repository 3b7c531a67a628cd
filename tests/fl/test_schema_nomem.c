/* The k-th allocation fails, for every k (led here by the linker, tests/extra.cmake). */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "fl/schema.h"
#include "fl/table.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__wrap_strdup(const char *text);

static uint32_t calls, fail_at; /* fail_at 0: none; test programs have globals */

static bool fails(void)
{
    return fail_at != 0 && ++calls == fail_at;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return fails() ? NULL : __real_realloc(p, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

static const char schema_text[] = "a,number,1,2\nb,category,x,\"y, z\",*\nc,label,no,yes\nd,skip\n";
static const char table_text[] = "d,c,b,a\n1,no,x,5\n2,yes,\"y, z\",\n3,no,,7\n";

static vs_err read_all(vs_diag *diag)
{
    vs_schema s;
    vs_dataset set;
    vs_buf columns = {0}, text = {0};
    vs_err err = vs_schema_parse(&s, (const uint8_t *)schema_text, strlen(schema_text), "s", diag);
    if (err != VS_OK) {
        cr_expect_null(s.column);
        return err;
    }
    const vs_table_options o = {.schema = &s, .impute = VS_IMPUTE_MEAN};
    err = vs_table_parse(&set, &columns, (const uint8_t *)table_text, strlen(table_text), "t", &o,
                         diag);
    cr_expect_eq(set.values != NULL, err == VS_OK);
    vs_schema_format(&text, &s);
    if (err == VS_OK && vs_buf_check(&text) != VS_OK) err = vs_fail(diag, VS_ERR_NOMEM, "text");
    vs_dataset_free(&set);
    vs_buf_free(&columns);
    vs_buf_free(&text);
    vs_schema_free(&s);
    return err;
}

Test(schema_nomem, every_failing_allocation_is_reported_and_nothing_is_left)
{
    vs_err err = VS_ERR_NOMEM;
    uint32_t k = 0;
    for (; err != VS_OK; k++) {
        vs_diag diag = {{0}};
        calls = 0;
        fail_at = k + 1;
        err = read_all(&diag);
        fail_at = 0;
        cr_assert(err == VS_OK || err == VS_ERR_NOMEM, "call %u: %s", k, diag.text);
        cr_expect(err == VS_OK || diag.text[0] != '\0', "call %u", k);
    }
    cr_expect_gt(k, 15);
}
