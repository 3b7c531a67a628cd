/* Schemas of CSV files, tables read by them, and what is summed to standardise them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "fl/scale.h"
#include "fl/schema.h"
#include "fl/table.h"
#include "tests/support.h"

static const char shop[] = "amount,number,100,50\n"
                           "shop,category,\"Food, drink\",Fuel,\"a \"\"b\"\"\"\n"
                           "card,skip\n"
                           "hour,number\n"
                           "fraud,label,no,yes\n";

static vs_schema schema_of(const char *text)
{
    vs_schema s;
    vs_diag diag = {0};
    cr_assert_eq(vs_schema_parse(&s, (const uint8_t *)text, strlen(text), "s.csv", &diag), VS_OK,
                 "%s", diag.text);
    return s;
}

static vs_err parse(vs_dataset *out, const char *text, const vs_table_options *o, vs_diag *diag)
{
    return vs_table_parse(out, NULL, (const uint8_t *)text, strlen(text), "t.csv", o, diag);
}

static void expect_values(const vs_dataset *set, const float *want, size_t n)
{
    cr_assert_eq(set->n_rows * set->n_features, n);
    for (size_t i = 0; i < n; i++) cr_expect_eq(set->values[i], want[i], "value %zu", i);
}

Test(schema, gives_features_their_places_and_reads_its_own_text)
{
    vs_schema s = schema_of(shop);
    vs_buf text = {0};
    uint32_t which;
    cr_expect_eq(s.n_columns, 5);
    cr_expect_eq(s.n_features, 5);
    cr_expect_eq(s.n_numbers, 2);
    cr_expect_eq(vs_schema_find(&s, "hour")->feature, 4);
    cr_expect(vs_schema_value(&which, vs_schema_find(&s, "shop"), "a \"b\""));
    cr_expect_eq(which, 2);
    cr_expect_not(vs_schema_value(&which, vs_schema_find(&s, "shop"), "food, drink"));
    vs_schema_format(&text, &s);
    cr_expect_eq(text.len, strlen(shop));
    cr_expect_eq(memcmp(text.p, shop, text.len), 0);
    vs_buf_free(&text);
    vs_schema_free(&s);
}

Test(schema, refuses_by_line)
{
    const char *const bad[][2] = {
        {"", "s.csv: no column is the label: want NAME,label"},
        {"y,label\n", "s.csv: no column is a number or category"},
        {"a,number\n", "s.csv: no column is the label: want NAME,label"},
        {"a\n", "s.csv: line 1: column \"a\": want NAME,KIND"},
        {"a,float\n",
         "s.csv: line 1: column \"a\": the kind must be number, category, label or skip"},
        {"a,number\na,skip\n", "s.csv: line 2: column \"a\": stands twice"},
        {"y,label\nz,label\n", "s.csv: line 2: column \"z\": a second label"},
        {"a,number,1\n",
         "s.csv: line 1: column \"a\": want NAME,number or NAME,number,CENTRE,SCALE"},
        {"a,number,1,0\n", "s.csv: line 1: column \"a\": centre and scale must be decimal numbers, "
                           "the scale above 0"},
        {"a,number,nan,1\n", "s.csv: line 1: column \"a\": centre and scale must be decimal "
                             "numbers, the scale above 0"},
        {"a,category\n", "s.csv: line 1: column \"a\": a category needs its values"},
        {"a,category,x,x\n", "s.csv: line 1: column \"a\": a value stands twice"},
        {"a,category,x,\n", "s.csv: line 1: column \"a\": an empty value; missing ones need none"},
        {"a,skip,1\n", "s.csv: line 1: column \"a\": want NAME,skip"},
        {"a,\"number\n", "s.csv: line 1: a quoted field does not end: its closing \" is missing"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        vs_schema s = {.n_columns = 1};
        vs_diag diag = {0};
        cr_expect_neq(
            vs_schema_parse(&s, (const uint8_t *)bad[i][0], strlen(bad[i][0]), "s.csv", &diag),
            VS_OK);
        cr_expect_str_eq(diag.text, bad[i][1]);
        cr_expect_eq(s.n_columns, 0);
        cr_expect_null(s.column);
    }
}

Test(schema, rows_have_its_features_whatever_the_order_of_the_columns)
{
    vs_schema s = schema_of(shop);
    const vs_table_options o = {.schema = &s, .impute = VS_IMPUTE_MEAN};
    const float want[] = {-1, 1, 0, 0, 7, 0, 0, 0, 1, 8, 2, 0, 0, 0, 7.5f};
    const char *const files[] = {
        "fraud,card,hour,shop,amount\nyes,x,7,\"Food, drink\",50\nno,,8,\"a "
        "\"\"b\"\"\",\nno,y,,,200\n",
        "amount,hour,fraud,shop\n50,7,yes,\"Food, drink\"\nNA,8,no,\"a \"\"b\"\"\"\n200,?,no,\n",
    };
    for (size_t i = 0; i < 2; i++) {
        vs_dataset set;
        vs_diag diag = {0};
        cr_assert_eq(parse(&set, files[i], &o, &diag), VS_OK, "%s", diag.text);
        expect_values(&set, want, 15);
        cr_expect_eq(memcmp(set.labels, "\1\0\0", 3), 0);
        cr_expect_eq(set.n_classes, 2);
        vs_dataset_free(&set);
    }
    vs_schema_free(&s);
}

Test(schema, classes_are_as_many_as_it_names_even_where_rows_have_one)
{
    vs_schema s = schema_of("a,number\ny,label,low,middle,high\n");
    const vs_table_options o = {.schema = &s};
    vs_dataset set;
    vs_diag diag = {0};
    cr_assert_eq(parse(&set, "a,y\n1,low\n", &o, &diag), VS_OK, "%s", diag.text);
    cr_expect_eq(set.n_classes, 3);
    vs_dataset_free(&set);
    vs_schema_free(&s);
}

Test(schema, a_star_takes_every_other_value_but_not_a_missing_one)
{
    vs_schema s = schema_of("a,category,x,*\ny,label\n");
    vs_table_options o = {.schema = &s};
    const float want[] = {1, 0, 0, 1, 0, 1, 0, 0};
    uint32_t which;
    cr_expect(vs_schema_value(&which, vs_schema_find(&s, "a"), "anything"));
    cr_expect_eq(which, 1);
    vs_dataset set;
    vs_diag diag = {0};
    cr_expect_eq(parse(&set, "a,y\nx,0\n,1\n", &o, &diag), VS_ERR_MALFORMED);
    cr_expect_not_null(strstr(diag.text, "line 3: column \"a\": the value is missing"), "%s",
                       diag.text);
    o.impute = VS_IMPUTE_ZERO;
    cr_assert_eq(parse(&set, "a,y\nx,0\nz,1\n*,0\n,1\n", &o, &diag), VS_OK, "%s", diag.text);
    expect_values(&set, want, 8);
    vs_dataset_free(&set);
    vs_schema_free(&s);
}

Test(schema, a_file_that_does_not_match_is_refused_by_name)
{
    const char *const bad[][2] = {
        {"amount,shop,hour,fraud,x\n1,Fuel,1,no,1\n",
         "t.csv: column \"x\" is not in the schema; add it there, as kind skip if it is not to be "
         "used"},
        {"amount,shop,fraud\n1,Fuel,no\n", "t.csv: has no column \"hour\" of the schema"},
        {"amount,shop,hour\n1,Fuel,1\n", "t.csv: has no column \"fraud\" of the schema"},
        {"amount,shop,hour,fraud\n1,Toys,1,no\n",
         "t.csv: line 2: column \"shop\": \"Toys\" is not among the schema's categories"},
        {"amount,shop,hour,fraud\n1,Fuel,1,maybe\n",
         "t.csv: line 2: column \"fraud\": \"maybe\" is not among the schema's labels"},
        {"amount,shop,hour,fraud\nmuch,Fuel,1,no\n",
         "t.csv: line 2: column \"amount\": \"much\" is not a decimal number"},
    };
    vs_schema s = schema_of(shop);
    const vs_table_options o = {.schema = &s};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        vs_dataset set;
        vs_diag diag = {0};
        cr_expect_eq(parse(&set, bad[i][0], &o, &diag), VS_ERR_MALFORMED);
        cr_expect_str_eq(diag.text, bad[i][1]);
        cr_expect_null(set.values);
    }
    vs_schema_free(&s);
}

/* Two parties' fractions, weighted by rows, fit what all rows together have. */
Test(scale, mean_of_fractions_gives_centre_and_deviation_of_all_rows)
{
    vs_schema s = schema_of("c,category,p,q\na,number,10,20\nb,number\ny,label\n");
    const vs_table_options o = {.schema = &s, .impute = VS_IMPUTE_KEEP};
    const char *const parts[] = {"a,b,c,y\n20,0.5,p,0\n,-0.5,q,1\n5,0.25,p,0\n",
                                 "a,b,c,y\n10,,p,0\n"};
    const double weight[] = {3, 1};
    double mean[6] = {0}, centre[2], deviation[2];
    uint32_t list[4], n;
    for (size_t i = 0; i < 2; i++) {
        vs_dataset set;
        vs_diag diag = {0};
        double own[6];
        size_t outside[2];
        cr_assert_eq(parse(&set, parts[i], &o, &diag), VS_OK, "%s", diag.text);
        vs_scale_list(list, &n, set.n_features, &s);
        cr_assert_eq(n, 2);
        cr_expect_eq(list[0], 2);
        vs_scale_fractions(own, outside, &set, list, n, 1.0);
        cr_expect_eq(outside[0] + outside[1], 0);
        for (size_t k = 0; k < 6; k++) mean[k] += own[k] * weight[i] / 4;
        vs_dataset_free(&set);
    }
    cr_expect_eq(vs_scale_fit(centre, deviation, mean, 2, 1e-3), 0);
    /* a: 0.5, -0.25, 0 after (a - 10) / 20; b: 0.5, -0.5, 0.25 */
    cr_expect_float_eq(centre[0], 0.25 / 3, 1e-7);
    cr_expect_float_eq(deviation[0], sqrt((0.25 + 0.0625) / 3 - pow(0.25 / 3, 2)), 1e-7);
    cr_expect_float_eq(centre[1], 0.25 / 3, 1e-7);
    cr_expect_float_eq(deviation[1], sqrt(0.5625 / 3 - pow(0.25 / 3, 2)), 1e-7);
    cr_expect_float_eq(mean[2], 0.75, 1e-12, "three of four rows have a value");
    vs_schema_free(&s);
}

Test(scale, values_beyond_the_limit_count_as_the_limit_and_are_counted)
{
    float values[] = {5, -0.5f, -9, 0.5f};
    vs_dataset set = {.n_rows = 4, .n_features = 1, .values = values};
    const uint32_t list[] = {0};
    double f[3], centre, deviation;
    size_t outside;
    vs_scale_fractions(f, &outside, &set, list, 1, 1.0);
    cr_expect_eq(outside, 2);
    cr_expect_eq(f[0], 0);
    cr_expect_eq(f[1], 0.625);
    cr_expect_eq(f[2], 1);
    const double flat[] = {0.5, 0.25, 1}, none[] = {0, 0, 0};
    cr_expect_eq(vs_scale_fit(&centre, &deviation, flat, 1, 1e-3), 1);
    cr_expect_eq(centre, 0.5);
    cr_expect_eq(deviation, 1);
    cr_expect_eq(vs_scale_fit(&centre, &deviation, none, 1, 0), 1);
    cr_expect_eq(centre, 0);
}

Test(scale, applied_to_its_own_rows_gives_mean_0_and_deviation_1)
{
    float values[] = {1, 7, 2, 7, 6, 7};
    vs_dataset set = {.n_rows = 3, .n_features = 2, .values = values};
    uint32_t list[2], n;
    double f[6], centre[2], deviation[2], sum = 0, squares = 0;
    vs_scale_list(list, &n, 2, NULL);
    cr_assert_eq(n, 2);
    vs_scale_fractions(f, NULL, &set, list, n, INFINITY);
    cr_expect_eq(vs_scale_fit(centre, deviation, f, n, 0), 1, "the second is constant");
    vs_scale_apply(&set, list, centre, deviation, n);
    for (size_t i = 0; i < 3; i++) {
        sum += (double)values[2 * i];
        squares += (double)values[2 * i] * (double)values[2 * i];
        cr_expect_eq(values[2 * i + 1], 0);
    }
    cr_expect_float_eq(sum, 0, 1e-6);
    cr_expect_float_eq(squares, 3, 1e-5);
}
