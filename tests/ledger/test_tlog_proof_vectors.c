#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>

#include "ledger/tlog_proof.h"
#include "tests/ledger/support_ledger.h"
#include "tests/support.h"

static const char *str(const json_t *j, const char *name)
{
    return json_string_value(json_object_get(j, name));
}

static void marshal(const json_t *c)
{
    vs_tlog_proof p = {.index = (uint64_t)json_integer_value(json_object_get(c, "index"))};
    vs_tlog_proof back;
    vs_buf text = {0};
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(c, "hashes"), i, v)
    {
        cr_assert_eq(vs_hex_decode(p.path.node[p.path.n++].b, 32, json_string_value(v)), VS_OK);
    }
    if (str(c, "extra_b64") != NULL) {
        p.extra = sample_base64(str(c, "extra_b64"));
        p.has_extra = true;
    }
    vs_buf_text(&p.checkpoint, str(c, "checkpoint"));
    cr_assert_eq(vs_tlog_proof_format(&text, &p), VS_OK);
    cr_expect(text.len == strlen(str(c, "want")) && memcmp(text.p, str(c, "want"), text.len) == 0,
              "%s", str(c, "want"));
    cr_assert_eq(vs_tlog_proof_parse(&back, text.p, text.len, NULL), VS_OK);
    cr_expect(back.index == p.index && back.path.n == p.path.n && back.has_extra == p.has_extra);
    cr_expect_eq(memcmp(back.path.node, p.path.node, p.path.n * sizeof p.path.node[0]), 0);
    vs_tlog_proof_free(&back);
    vs_tlog_proof_free(&p);
    vs_buf_free(&text);
}

Test(tlog_proof_vectors, format_and_rejects)
{
    json_t *j = sample_json("vectors/ledger/proof/tlog_proof_format.json");
    size_t i;
    json_t *v;
    vs_tlog_proof p;
    if (j == NULL) return;
    json_array_foreach(json_object_get(j, "marshal"), i, v) marshal(v);
    json_array_foreach(json_object_get(j, "bad"), i, v)
    {
        const char *text = json_string_value(v);
        cr_expect_eq(vs_tlog_proof_parse(&p, (const uint8_t *)text, strlen(text), NULL),
                     VS_ERR_MALFORMED, "%s", text);
    }
    json_decref(j);
}
