/* What a simulation prints and writes. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/file.h"
#include "cli/simulate.h"

static void print_pipeline(const vs_federation *p)
{
    const vs_quantiser *q = &p->quantiser;
    (void)printf("  quantiser      %u bits, L2 norm at most %g, ", q->bits, q->clip_norm);
    if (p->rotation) {
        (void)printf("rotated, coordinates within %g standard deviations\n", p->k_stddevs);
    } else {
        (void)printf("coordinates in +-%g\n", q->clipping_range);
    }
    if (p->privacy.mechanism != VS_MECHANISM_NONE) {
        (void)printf(
            "  noise          %s, multiplier %g, for %u clients; epsilon at most %g, delta %g\n",
            vs_mechanism_name(p->privacy.mechanism), p->privacy.noise_multiplier,
            p->min_clients - p->privacy.colluding_clients, p->privacy.max_epsilon,
            p->privacy.delta);
    }
    (void)printf("\n");
}

void vs_simulate_print_intro(const vs_simulate *s)
{
    const vs_simulate_options *o = &s->o;
    const vs_committee *c = &o->committee;
    char spec[VS_MODEL_SPEC_BYTES], partition[VS_PARTITION_TEXT_BYTES];
    vs_model_format(spec, &s->model);
    vs_partition_format(partition, o->work.partition);
    (void)printf("  data           %s: %zu rows to train on, %zu to test\n", o->work.data,
                 s->train.n_rows, s->test.n_rows);
    (void)printf("  model          %s: %zu parameters; server %s, rate %g\n", spec, s->n_params,
                 vs_server_rule_name(o->server.rule), o->server.learning_rate);
    (void)printf("  training       %u local epoch%s, batches of %u, rate %g\n",
                 o->training.local_epochs, o->training.local_epochs == 1 ? "" : "s",
                 o->training.batch_size, o->training.learning_rate);
    (void)printf("  clients        %u (%s), %u in each round, %g %% lost\n", o->work.n_clients,
                 partition, o->clients_per_round, 100 * o->dropout);
    if (o->attackers.kind != VS_ATTACK_NONE) {
        char attack[VS_ATTACK_TEXT_BYTES];
        vs_attack_format(attack, &o->attackers);
        (void)printf("  attackers      %u: %s, %s\n", o->attackers.n, attack,
                     o->attackers.skip_clipping ? "not clipping to the norm"
                                                : "clipping as everybody");
    }
    (void)printf("  shareholders   %u; %u together learn nothing\n", c->n, c->t);
    print_pipeline(o->pipeline);
    (void)printf("                clients     accuracy, %%   clipped   upload  seconds\n"
                 "               sent   in  private   plain       %%  kB each  private   plain\n");
    (void)fflush(stdout);
}

void vs_simulate_print_row(const vs_simulate *s, const vs_simulate_row *r)
{
    char round[40], plain[16] = "-", plain_s[16] = "-";
    (void)snprintf(round, sizeof round, "[ROUND %u/%u]", r->round, s->o.rounds);
    if (s->o.plain) {
        (void)snprintf(plain, sizeof plain, "%.2f", 100 * r->plain.accuracy);
        (void)snprintf(plain_s, sizeof plain_s, "%.2f", r->plain_train_s + r->plain_average_s);
    }
    (void)printf("%-14s%5u%5u%9.2f%8s%8.3f%9.1f%9.2f%8s\n", round, r->submitted, r->included,
                 100 * r->private_.accuracy, plain, 100 * r->clipped,
                 (double)r->upload_bytes / 1000, r->train_s + r->submit_s + r->aggregate_s,
                 plain_s);
    if (!isnan(r->private_.auc)) { /* two classes: accuracy may say little */
        (void)printf("%14s AUC %.4f", "", r->private_.auc);
        if (s->o.plain) (void)printf(", plain %.4f", r->plain.auc);
        (void)printf("\n");
    }
    if (r->epsilon > 0) {
        (void)printf("%14s epsilon %.4g of %g, clip_norm %.4g\n", "", r->epsilon,
                     s->o.pipeline->privacy.max_epsilon, r->clip_norm);
    }
    if (s->o.pipeline->metrics) {
        (void)printf(
            "%14s clients before training: loss %.4f, accuracy %.2f %%, within clip_norm %.0f %%\n",
            "", r->metrics.loss, 100 * r->metrics.accuracy, 100 * r->metrics.unclipped);
    }
    (void)fflush(stdout);
}

double vs_simulate_m10(const vs_simulate *s, bool plain)
{
    const uint32_t n = s->n_rows < 10 ? s->n_rows : 10;
    double sum = 0.0;
    for (uint32_t i = s->n_rows - n; i < s->n_rows; i++) {
        sum += plain ? s->row[i].plain.accuracy : s->row[i].private_.accuracy;
    }
    return n > 0 ? sum / n : 0.0;
}

/* Seconds of all rounds: what privacy adds, and what training takes. */
typedef struct total {
    double train, secure, plain_train, average;
} total;

static total add_up(const vs_simulate *s)
{
    total t = {0};
    for (uint32_t i = 0; i < s->n_rows; i++) {
        t.train += s->row[i].train_s;
        t.secure += s->row[i].submit_s + s->row[i].aggregate_s;
        t.plain_train += s->row[i].plain_train_s;
        t.average += s->row[i].plain_average_s;
    }
    return t;
}

void vs_simulate_print_end(const vs_simulate *s)
{
    const total t = add_up(s);
    const vs_simulate_row *last = &s->row[s->n_rows - 1];
    if (s->why_stopped.text[0] != '\0') (void)printf("\nstopped: %s\n", s->why_stopped.text);
    (void)printf("\nmean of the last ten rounds: private %.2f %%", 100 * vs_simulate_m10(s, false));
    if (s->o.plain) {
        (void)printf(", plain %.2f %%, difference %+.2f", 100 * vs_simulate_m10(s, true),
                     100 * (vs_simulate_m10(s, false) - vs_simulate_m10(s, true)));
    }
    if (last->private_.auc == last->private_.auc) { /* two classes */
        (void)printf("\narea under the ROC curve: private %.4f", last->private_.auc);
        if (s->o.plain) (void)printf(", plain %.4f", last->plain.auc);
    }
    (void)printf("\nseconds: training %.2f, sharing to result %.2f", t.train, t.secure);
    if (s->o.plain) {
        (void)printf("; plain: training %.2f, average %.2f\n", t.plain_train, t.average);
        (void)printf("private round / plain round: %.2f with training, %.1f without",
                     (t.train + t.secure) / (t.plain_train + t.average), t.secure / t.average);
    }
    (void)printf("\nledger: %" PRIu64 " entries, audit %s\n", s->ledger_entries,
                 s->audit_ok ? "ok" : "FAILED");
}

/* --- files ----------------------------------------------------------------------------------- */

static json_t *row_json(const vs_simulate *s, const vs_simulate_row *r)
{
    json_t *row =
        json_pack("{s:I, s:f, s:f, s:I, s:I, s:I, s:f, s:f, s:I, s:f, s:f, s:f}", "round",
                  (json_int_t)r->round, "accuracy", r->private_.accuracy, "loss", r->private_.loss,
                  "clients_sampled", (json_int_t)r->sampled, "clients_submitted",
                  (json_int_t)r->submitted, "clients_included", (json_int_t)r->included,
                  "clipped_fraction", r->clipped, "norm_clipped_fraction", r->norm_clipped,
                  "upload_bytes_per_client", (json_int_t)r->upload_bytes, "train_seconds",
                  r->train_s, "submit_seconds", r->submit_s, "aggregate_seconds", r->aggregate_s);
    if (row == NULL) return NULL;
    if (r->private_.auc == r->private_.auc) {
        (void)json_object_set_new(row, "auc", json_real(r->private_.auc));
    }
    if (r->epsilon > 0) (void)json_object_set_new(row, "epsilon", json_real(r->epsilon));
    (void)json_object_set_new(row, "clip_norm", json_real(r->clip_norm));
    if (s->o.pipeline->metrics) {
        (void)json_object_set_new(row, "client_loss", json_real(r->metrics.loss));
        (void)json_object_set_new(row, "client_accuracy", json_real(r->metrics.accuracy));
        (void)json_object_set_new(row, "unclipped_fraction", json_real(r->metrics.unclipped));
    }
    if (s->o.attackers.kind != VS_ATTACK_NONE) {
        (void)json_object_set_new(row, "attackers_submitted", json_integer(r->attackers));
    }
    if (!s->o.plain) return row;
    (void)json_object_set_new(row, "plain_accuracy", json_real(r->plain.accuracy));
    (void)json_object_set_new(row, "plain_loss", json_real(r->plain.loss));
    (void)json_object_set_new(row, "plain_train_seconds", json_real(r->plain_train_s));
    (void)json_object_set_new(row, "plain_average_seconds", json_real(r->plain_average_s));
    if (r->plain.auc == r->plain.auc) {
        (void)json_object_set_new(row, "plain_auc", json_real(r->plain.auc));
    }
    return row;
}

static json_t *all_json(const vs_simulate *s)
{
    const vs_simulate_options *o = &s->o;
    const total t = add_up(s);
    char spec[VS_MODEL_SPEC_BYTES], partition[VS_PARTITION_TEXT_BYTES];
    vs_model_format(spec, &s->model);
    vs_partition_format(partition, o->work.partition);
    json_t *all = json_pack(
        "{s:s, s:s, s:I, s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:[]}", "data",
        o->work.data, "model", spec, "num_params", (json_int_t)s->n_params, "num_clients",
        (json_int_t)o->work.n_clients, "partition", partition, "clients_per_round",
        (json_int_t)o->clients_per_round, "num_rounds", (json_int_t)o->rounds, "num_shares",
        (json_int_t)o->committee.n, "quantization_bits", (json_int_t)o->pipeline->quantiser.bits,
        "seed", (json_int_t)o->work.seed, "clipping_range", o->pipeline->quantiser.clipping_range,
        "m10", vs_simulate_m10(s, false), "train_seconds", t.train, "secure_seconds", t.secure,
        "rounds");
    if (all == NULL) return NULL;
    if (o->attackers.kind != VS_ATTACK_NONE) {
        char attack[VS_ATTACK_TEXT_BYTES];
        vs_attack_format(attack, &o->attackers);
        (void)json_object_set_new(all, "attack", json_string(attack));
        (void)json_object_set_new(all, "num_attackers", json_integer(o->attackers.n));
        (void)json_object_set_new(all, "attackers_skip_clipping",
                                  json_boolean(o->attackers.skip_clipping));
    }
    if (o->plain) {
        (void)json_object_set_new(all, "plain_m10", json_real(vs_simulate_m10(s, true)));
        (void)json_object_set_new(all, "plain_train_seconds", json_real(t.plain_train));
        (void)json_object_set_new(all, "plain_average_seconds", json_real(t.average));
    }
    json_t *rows = json_object_get(all, "rounds");
    for (uint32_t i = 0; i < s->n_rows; i++) {
        if (json_array_append_new(rows, row_json(s, &s->row[i])) == 0) continue;
        json_decref(all);
        return NULL;
    }
    return all;
}

static vs_err write_json(const vs_simulate *s, vs_diag *diag)
{
    json_t *all = all_json(s);
    char *text = all != NULL ? json_dumps(all, JSON_INDENT(2) | JSON_REAL_PRECISION(8)) : NULL;
    vs_err err = text != NULL ? vs_file_write_durable(s->o.json, text, strlen(text), 0644, diag)
                              : vs_fail(diag, VS_ERR_NOMEM, "%s: out of memory", s->o.json);
    free(text);
    json_decref(all);
    return err;
}

/* Empty for what does not apply. */
static void cell(char *out, size_t out_len, double x)
{
    out[0] = '\0';
    if (!isnan(x)) (void)snprintf(out, out_len, "%.6f", x);
}

static vs_err write_csv(const vs_simulate *s, vs_diag *diag)
{
    vs_buf out = {0};
    vs_buf_text(&out,
                "round,accuracy,plain_accuracy,clients_submitted,clients_included,"
                "clipped_fraction,epsilon,upload_bytes_per_client,train_seconds,submit_seconds,"
                "aggregate_seconds,plain_train_seconds,plain_average_seconds,auc,plain_auc,"
                "norm_clipped_fraction,clients_sampled,attackers_submitted\n");
    for (uint32_t i = 0; i < s->n_rows; i++) {
        const vs_simulate_row *r = &s->row[i];
        char plain[24], auc[24], plain_auc[24];
        cell(plain, sizeof plain, s->o.plain ? r->plain.accuracy : NAN);
        cell(auc, sizeof auc, r->private_.auc);
        cell(plain_auc, sizeof plain_auc, s->o.plain ? r->plain.auc : NAN);
        vs_buf_printf(
            &out,
            "%u,%.6f,%s,%u,%u,%.8f,%.6g,%" PRIu64 ",%.4f,%.4f,%.4f,%.4f,%.4f,%s,%s,%.6f,%u,%u\n",
            r->round, r->private_.accuracy, plain, r->submitted, r->included, r->clipped,
            r->epsilon, r->upload_bytes, r->train_s, r->submit_s, r->aggregate_s, r->plain_train_s,
            r->plain_average_s, auc, plain_auc, r->norm_clipped, r->sampled, r->attackers);
    }
    vs_err err = vs_buf_check(&out);
    if (err == VS_OK) {
        err = vs_file_write_durable(s->o.csv, out.p, out.len, 0644, diag);
    } else {
        err = vs_fail(diag, err, "%s: out of memory", s->o.csv);
    }
    vs_buf_free(&out);
    return err;
}

vs_err vs_simulate_write(const vs_simulate *s, vs_diag *diag)
{
    vs_err err = VS_OK;
    if (s->o.json != NULL) err = write_json(s, diag);
    if (err == VS_OK && s->o.csv != NULL) err = write_csv(s, diag);
    if (err == VS_OK && s->o.picture != NULL) err = vs_simulate_draw(s, diag);
    return err;
}
