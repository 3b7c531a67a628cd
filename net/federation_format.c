/* The text of a federation file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/federation.h"

/* A JSON string literal. Bytes above 0x7f go out as they are: parse judges the UTF-8. */
static void put_string(vs_buf *out, const char *text)
{
    vs_buf_u8(out, '"');
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20) {
            vs_buf_printf(out, "\\u%04x", c);
        } else {
            if (c == '"' || c == '\\') vs_buf_u8(out, '\\');
            vs_buf_u8(out, c);
        }
    }
    vs_buf_u8(out, '"');
}

/* "key": "text", with this many spaces before it. */
static void put_text(vs_buf *out, int indent, const char *key, const char *text, const char *end)
{
    vs_buf_printf(out, "%*s\"%s\": ", indent, "", key);
    put_string(out, text);
    vs_buf_text(out, end);
}

static void put_key(vs_buf *out, int indent, const char *key, const vs_h32 *value, const char *end)
{
    char base64[VS_BASE64_CHARS(32)];
    vs_base64_encode(base64, value->b, 32);
    put_text(out, indent, key, base64, end);
}

static void put_note_key(vs_buf *out, int indent, const char *key, const vs_note_key *value,
                         const char *end)
{
    char vkey[VS_VKEY_CHARS];
    vs_note_key_format(vkey, value);
    put_text(out, indent, key, vkey, end);
}

/* The shortest decimal that reads back as the same value. */
static void put_real(vs_buf *out, const char *key, double value)
{
    char text[40];
    for (int digits = 6; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    /* Without point or exponent it is a whole number to JSON, and that is fine here. */
    vs_buf_printf(out, "  \"%s\": %s,\n", key, text);
}

/* Members of what is off are left out. */
static void put_pipeline(vs_buf *out, const vs_federation *fed)
{
    if (fed->rotation) {
        put_text(out, 2, "rotation", "hadamard", ",\n");
        put_real(out, "k_stddevs", fed->k_stddevs);
    }
    if (fed->metrics) vs_buf_text(out, "  \"metrics\": true,\n");
    if (fed->target_unclipped_quantile != 0) {
        put_real(out, "target_unclipped_quantile", fed->target_unclipped_quantile);
        put_real(out, "adaptive_clip_learning_rate", fed->adaptive_clip_learning_rate);
    }
}

static void put_privacy(vs_buf *out, const vs_privacy *p)
{
    put_text(out, 2, "mechanism", vs_mechanism_name(p->mechanism), ",\n");
    put_real(out, "noise_multiplier", p->noise_multiplier);
    put_real(out, "delta", p->delta);
    put_real(out, "max_epsilon", p->max_epsilon);
    put_real(out, "beta", p->beta);
    vs_buf_printf(out, "  \"colluding_clients\": %u,\n", p->colluding_clients);
    if (p->clients_per_round != 0) {
        vs_buf_printf(out, "  \"clients_per_round\": %u,\n", p->clients_per_round);
    }
    if (p->metrics_noise_multiplier != 0) {
        put_real(out, "metrics_noise_multiplier", p->metrics_noise_multiplier);
    }
}

static void put_numbers(vs_buf *out, const vs_federation *fed)
{
    const vs_committee *c = &fed->committee;
    const vs_quantiser *q = &fed->quantiser;
    vs_buf_printf(out,
                  "  \"num_shares\": %u,\n  \"privacy_threshold\": %u,\n  \"packing\": %u,\n"
                  "  \"reconstruction_threshold\": %llu,\n  \"margin\": %u,\n",
                  c->n, c->t, c->k, (unsigned long long)c->t + c->k, c->margin);
    vs_buf_printf(out, "  \"max_clients\": %u,\n  \"min_clients\": %u,\n", fed->max_clients,
                  fed->min_clients);
    put_real(out, "max_missing", fed->max_missing);
    put_real(out, "min_cover", fed->min_cover);
    if (fed->reward_included > 0) {
        vs_buf_printf(out, "  \"reward_included\": %u,\n", fed->reward_included);
    }
    if (fed->reward_rejected > 0) {
        vs_buf_printf(out, "  \"reward_rejected\": %u,\n", fed->reward_rejected);
    }
    vs_buf_printf(out,
                  "  \"round_timeout\": %u,\n  \"answer_timeout\": %u,\n"
                  "  \"quantization_bits\": %u,\n",
                  fed->round_timeout_s, fed->answer_timeout_s, q->bits);
    put_real(out, "clip_norm", q->clip_norm);
    if (!fed->rotation) put_real(out, "clipping_range", q->clipping_range);
    vs_buf_printf(out, "  \"max_weight\": %llu,\n  \"stochastic_rounding\": %s,\n",
                  (unsigned long long)q->max_weight, q->stochastic_rounding ? "true" : "false");
    put_pipeline(out, fed);
    if (fed->privacy.mechanism != VS_MECHANISM_NONE) put_privacy(out, &fed->privacy);
}

static void put_tensors(vs_buf *out, const vs_federation *fed)
{
    if (fed->num_params != 0) vs_buf_printf(out, "  \"num_params\": %u,\n", fed->num_params);
    if (fed->n_tensors == 0) return;
    vs_buf_text(out, "  \"tensors\": [\n");
    for (uint32_t i = 0; i < fed->n_tensors; i++) {
        char dims[200];
        vs_tensor_dims_text(dims, sizeof dims, &fed->tensor[i]);
        vs_buf_text(out, "    {\"name\": ");
        put_string(out, fed->tensor[i].name);
        vs_buf_printf(out, ", \"shape\": %s}%s\n", dims, i + 1 < fed->n_tensors ? "," : "");
    }
    vs_buf_text(out, "  ],\n");
}

static void put_parties(vs_buf *out, const vs_federation *fed)
{
    vs_buf_text(out, "  \"admin\": {\n");
    put_text(out, 4, "name", fed->admin_name, ",\n");
    put_key(out, 4, "key", &fed->admin_key, "\n  },\n  \"aggregator\": {\n");
    put_text(out, 4, "name", fed->aggregator.name, ",\n");
    put_key(out, 4, "key", &fed->aggregator.key, ",\n");
    put_note_key(out, 4, "log_key", &fed->log_key, ",\n");
    put_text(out, 4, "address", fed->aggregator.address, "\n  },\n  \"shareholders\": [\n");
    for (uint32_t i = 0; i < fed->committee.n && i < VS_SHAREHOLDERS_MAX; i++) {
        const vs_fed_shareholder *s = &fed->shareholder[i];
        vs_buf_printf(out, "%s    {\n      \"index\": %u,\n", i == 0 ? "" : ",\n", i + 1);
        put_text(out, 6, "name", s->party.name, ",\n");
        put_key(out, 6, "key", &s->party.key, ",\n");
        put_note_key(out, 6, "cosigner_key", &s->cosigner_key, ",\n");
        put_text(out, 6, "address", s->party.address, "\n    }");
    }
    vs_buf_text(out, "\n  ]\n");
}

/* "federation: line 5: num_shares ..." -> "num_shares ...": the text is nowhere to look it up. */
static void drop_place(vs_diag *diag)
{
    static const char place[] = "federation: line ";
    if (diag == NULL || strncmp(diag->text, place, sizeof place - 1) != 0) return;
    const char *rule = strstr(diag->text + sizeof place - 1, ": ");
    if (rule != NULL) memmove(diag->text, rule + 2, strlen(rule + 2) + 1);
}

vs_err vs_federation_format(vs_buf *out, const vs_federation *fed, vs_diag *diag)
{
    vs_buf text = {0};
    vs_federation *again = NULL;
    vs_buf_text(&text, "{\n  \"veilsum_federation\": 1,\n");
    put_text(&text, 2, "name", fed->name, ",\n");
    put_text(&text, 2, "origin", fed->origin, ",\n");
    if (fed->demo) vs_buf_text(&text, "  \"demo\": true,\n");
    if (fed->public_results) vs_buf_text(&text, "  \"public_results\": true,\n");
    put_numbers(&text, fed);
    put_tensors(&text, fed);
    put_parties(&text, fed);
    vs_buf_text(&text, "}\n");
    vs_err err = vs_buf_check(&text);
    if (err != VS_OK) {
        (void)vs_fail(diag, err, "federation: out of memory");
        goto cleanup;
    }
    err = vs_federation_parse(&again, text.p, text.len, "federation", diag);
    if (err != VS_OK) {
        drop_place(diag);
        goto cleanup;
    }
    size_t before = out->len;
    vs_buf_bytes(out, text.p, text.len);
    err = vs_buf_check(out);
    if (err != VS_OK) {
        out->len = before;
        (void)vs_fail(diag, err, "federation: out of memory");
    }
cleanup:
    vs_federation_free(again);
    vs_buf_free(&text);
    return err;
}
