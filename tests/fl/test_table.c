#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "fl/csv.h"
#include "fl/table.h"
#include "tests/support.h"

static vs_err parse(vs_dataset *out, const char *text, const vs_table_options *o, vs_diag *diag)
{
    return vs_table_parse(out, NULL, (const uint8_t *)text, strlen(text), "t.csv", o, diag);
}

/* The fields of all records, joined by '|', a '/' between records; or the message. */
static void expect_records(const char *text, size_t len, const char *want)
{
    vs_csv csv;
    vs_diag diag = {0};
    vs_buf got = {0};
    bool more = true;
    vs_err err = VS_OK;
    vs_csv_open(&csv, (const uint8_t *)text, len, "f.csv");
    for (size_t n = 0; err == VS_OK; n++) {
        err = vs_csv_next(&csv, &more, &diag);
        if (err != VS_OK || !more) break;
        if (n > 0) vs_buf_text(&got, "/");
        for (size_t i = 0; i < csv.n_fields; i++) {
            vs_buf_printf(&got, "%s%s", i > 0 ? "|" : "", vs_csv_field(&csv, i));
        }
    }
    vs_buf_u8(&got, 0);
    cr_expect_str_eq(err == VS_OK ? (const char *)got.p : diag.text, want);
    vs_buf_free(&got);
    vs_csv_free(&csv);
}

Test(csv, reads_fields_quotes_and_line_ends)
{
    const char *const cases[][2] = {
        {"", ""},
        {"a", "a"},
        {"a\n", "a"},
        {"a,b\r\nc,d\r\n", "a|b/c|d"},
        {"a,,b,\n,\n", "a||b|/|"},
        {"\n\na\n\n\nb", "a/b"},
        {"\"a,b\",\"c\"\"d\"\n", "a,b|c\"d"},
        {"\"two\nlines\",x\ny", "two\nlines|x/y"},
        {"\"\",\"\"", "|"},
        {"a\rb", "a\rb"},
        {"a \"quote\" inside", "a \"quote\" inside"},
        {"\xef\xbb\xbfname", "name"},
        {"\"open", "f.csv: line 1: a quoted field does not end: its closing \" is missing"},
        {"a\n\"x\"y\n", "f.csv: line 2: field 1 has text after its closing quote"},
        {"\"a\nb\"\n\"x\"y\n", "f.csv: line 3: field 1 has text after its closing quote"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect_records(cases[i][0], strlen(cases[i][0]), cases[i][1]);
    }
    expect_records("a,b\0c", 5, "f.csv: line 1: field 2 holds a zero byte");
}

Test(table, reads_features_and_the_label)
{
    vs_dataset set;
    vs_diag diag = {0};
    vs_buf names = {0};
    const char *text = "amount,fraud,hour\n1.5,0,2\n-3e2,1,\"4\"\n";
    const vs_table_options o = {.label = "fraud"};
    cr_assert_eq(vs_table_parse(&set, &names, (const uint8_t *)text, strlen(text), "t", &o, &diag),
                 VS_OK, "%s", diag.text);
    cr_expect_eq(set.n_rows, 2);
    cr_expect_eq(set.n_features, 2);
    cr_expect_eq(set.n_classes, 2);
    const float want[] = {1.5f, 2.0f, -300.0f, 4.0f};
    cr_expect_eq(memcmp(set.values, want, sizeof want), 0);
    cr_expect_eq(set.labels[0], 0);
    cr_expect_eq(set.labels[1], 1);
    cr_expect_eq(names.len, 12);
    cr_expect_eq(memcmp(names.p, "amount\0hour", 12), 0);
    double x[2];
    const uint32_t second = 1;
    vs_dataset_features(x, &set, &second, 0, 1);
    cr_expect_eq(x[0], -300.0);
    vs_dataset own;
    cr_assert_eq(vs_dataset_take(&own, &set, &second, 1), VS_OK);
    cr_expect_eq(own.values[1], 4.0f);
    cr_expect_eq(own.labels[0], 1);
    vs_dataset_free(&own);
    vs_buf_free(&names);
    vs_dataset_free(&set);
    cr_assert_eq(parse(&set, "a,b\n7,9\n", NULL, &diag), VS_OK);
    cr_expect_eq(set.labels[0], 9, "without a name the last column");
    vs_dataset_free(&set);
}

Test(table, missing_values_are_an_error_or_imputed_on_request)
{
    const char *text = "a,b,y\n1,,0\n,NA,1\n3,nan,0\n5,?,1\n,4,0\n";
    const float zero[] = {1, 0, 0, 0, 3, 0, 5, 0, 0, 4};
    const float mean[] = {1, 4, 3, 4, 3, 4, 5, 4, 3, 4};
    vs_dataset set;
    vs_diag diag = {0};
    vs_table_options o = {0};
    cr_expect_eq(parse(&set, text, &o, &diag), VS_ERR_MALFORMED);
    cr_expect_str_eq(diag.text, "t.csv: line 2: column \"b\": the value is missing; fill it in, or "
                                "ask for impute zero or mean");
    cr_expect_null(set.values);
    o.impute = VS_IMPUTE_ZERO;
    cr_assert_eq(parse(&set, text, &o, &diag), VS_OK);
    cr_expect_eq(memcmp(set.values, zero, sizeof zero), 0);
    vs_dataset_free(&set);
    o.impute = VS_IMPUTE_MEAN;
    cr_assert_eq(parse(&set, text, &o, &diag), VS_OK);
    cr_expect_eq(memcmp(set.values, mean, sizeof mean), 0);
    vs_dataset_free(&set);
    cr_expect_eq(parse(&set, "a,y\n,0\n", &o, &diag), VS_ERR_MALFORMED);
    cr_expect_not_null(strstr(diag.text, "has no value, so no mean"), "%s", diag.text);
}

Test(table, refuses_by_line_and_column)
{
    const struct {
        const char *text, *want;
        vs_err err;
    } bad[] = {
        {"", "t.csv: empty, not a CSV file", VS_ERR_MALFORMED},
        {"a\n1\n", "t.csv: line 1: one column; want the names of features and a label",
         VS_ERR_MALFORMED},
        {"a,y\n", "t.csv: has no rows after its first line", VS_ERR_MALFORMED},
        {"a,a,y\n1,2,0\n", "t.csv: line 1: two columns are named \"a\"", VS_ERR_MALFORMED},
        {"a,y\n1,0\n1,0,2\n", "t.csv: line 3: 3 fields, the first line has 2", VS_ERR_MALFORMED},
        {"a,y\nred,0\n", "t.csv: line 2: column \"a\": \"red\" is not a decimal number",
         VS_ERR_MALFORMED},
        {"a,y\n0x10,0\n", "t.csv: line 2: column \"a\": \"0x10\" is not a decimal number",
         VS_ERR_MALFORMED},
        {"a,y\ninf,0\n", "t.csv: line 2: column \"a\": \"inf\" is not a decimal number",
         VS_ERR_MALFORMED},
        {"a,y\n1e99,0\n", "t.csv: line 2: column \"a\": \"1e99\" is too large", VS_ERR_MALFORMED},
        {"a,y\n1,256\n", "t.csv: line 2: column \"y\": \"256\" is not a label: want 0, 1, ... 255",
         VS_ERR_MALFORMED},
        {"a,y\n1,\n", "t.csv: line 2: column \"y\": \"\" is not a label: want 0, 1, ... 255",
         VS_ERR_MALFORMED},
        {"a,y\n1,1.0\n", "t.csv: line 2: column \"y\": \"1.0\" is not a label: want 0, 1, ... 255",
         VS_ERR_MALFORMED},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        vs_dataset set = {.n_rows = 1};
        vs_diag diag = {0};
        cr_expect_eq(parse(&set, bad[i].text, NULL, &diag), bad[i].err);
        cr_expect_str_eq(diag.text, bad[i].want);
        cr_expect_eq(set.n_rows, 0);
    }
    vs_dataset set;
    vs_diag diag = {0};
    const vs_table_options o = {.label = "z"};
    cr_expect_eq(parse(&set, "a,y\n1,0\n", &o, &diag), VS_ERR_MALFORMED);
    cr_expect_str_eq(diag.text, "t.csv: has no column \"z\" for the label");
    vs_impute impute;
    cr_expect_eq(vs_impute_parse(&impute, "mean", &diag), VS_OK);
    cr_expect_eq((int)impute, VS_IMPUTE_MEAN);
    cr_expect_eq(vs_impute_parse(&impute, "median", &diag), VS_ERR_MALFORMED);
}
