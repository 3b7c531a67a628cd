/* What the demo prints: introduction, live line, table, JSON. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/file.h"
#include "cli/demo.h"
#include "net/daemon.h"

static const char *plural(uint32_t n)
{
    return n == 1 ? "" : "s";
}

static void print_parties(const vs_demo *d)
{
    const vs_demo_options *o = &d->o;
    const vs_tolerance t = vs_federation_tolerance(&o->committee);
    char partition[VS_PARTITION_TEXT_BYTES];
    vs_partition_format(partition, o->work.partition);
    (void)printf("  clients        %u processes, about %zu images each (%s)\n", o->work.n_clients,
                 d->train.n_rows / o->work.n_clients, partition);
    (void)printf("  shareholders   %u processes; %u together learn%s nothing, any %u may be lost\n",
                 o->shareholders, t.colluders, t.colluders == 1 ? "s" : "", t.lost_after_set);
    (void)printf("  aggregator     1 process; learns the sum over at least %u clients, no update\n",
                 o->min_clients);
    if (o->drop_clients + o->drop_shareholders == 0) return;
    (void)printf("  in round %-6u", o->drop_round);
    if (o->drop_clients > 0) {
        (void)printf("%u client%s killed before submitting\n", o->drop_clients,
                     o->drop_clients == 1 ? " is" : "s are");
    }
    if (o->drop_shareholders > 0) {
        (void)printf("%*s%u shareholder%s killed after the set is fixed\n",
                     o->drop_clients > 0 ? 17 : 0, "", o->drop_shareholders,
                     o->drop_shareholders == 1 ? " is" : "s are");
    }
}

void vs_demo_print_intro(const vs_demo *d)
{
    const vs_demo_options *o = &d->o;
    char spec[VS_MODEL_SPEC_BYTES];
    vs_model_format(spec, &o->model);
    (void)printf(
        "%u clients train one model, and nobody sees an update: shareholders add up shares,\n"
        "only the sum is put together. Plain federated averaging runs beside it.\n\n",
        o->work.n_clients);
    (void)printf("  data           %s: %zu training images, %zu to test\n", o->work.data,
                 d->train.n_rows, d->test.n_rows);
    (void)printf("  model          %s: %zu parameters; %u local epoch%s, batches of %u, rate %g\n",
                 spec, vs_model_n_params(&o->model), o->training.local_epochs,
                 plural(o->training.local_epochs), o->training.batch_size,
                 o->training.learning_rate);
    print_parties(d);
    if (o->http != NULL) (void)printf("  page           %s/\n", o->http);
    (void)printf("  folder         %s%s\n\n", d->here.folder,
                 o->keep == NULL ? ", removed at the end" : "");
    (void)fflush(stdout);
}

/* 80 columns. */
void vs_demo_print_head(void)
{
    (void)printf("            clients        share-  accuracy, %%      upload\n"
                 "            sent  in lost  holders private   plain    each   sec\n");
    (void)fflush(stdout);
}

void vs_demo_print_row(const vs_demo_row *row, const vs_demo *d)
{
    char round[32], answered[16];
    (void)snprintf(round, sizeof round, "[ROUND %u/%u]", row->round, d->o.rounds);
    (void)snprintf(answered, sizeof answered, "%u of %u", row->answered, d->o.shareholders);
    (void)printf("%-11s%5u%4u%5u  %-7s%8.2f%8.2f%5.0f kB%6.1f  sum exact: %s\n", round,
                 row->submitted, row->included, row->dropped, answered, 100 * row->accuracy,
                 100 * row->plain_accuracy, (double)row->upload_bytes / 1000, row->seconds,
                 row->sum_exact ? "yes" : "NO");
    if (row->epsilon != 0) {
        (void)printf("%11s epsilon %.4g of %g, delta %g, clip_norm %.4g\n", "", row->epsilon,
                     d->here.fed->privacy.max_epsilon, d->here.fed->privacy.delta, row->clip_norm);
    }
    if (row->has_metrics) {
        (void)printf("%11s clients: loss %.4f, accuracy %.2f %%, %.0f %% within clip_norm %.4g\n",
                     "", row->metrics.loss, 100 * row->metrics.accuracy,
                     100 * row->metrics.unclipped, row->clip_norm);
    }
    (void)fflush(stdout);
}

/* --- the line that lives
 * ------------------------------------------------------------------------------ */

static bool is_live(void)
{
    return isatty(STDERR_FILENO) == 1;
}

void vs_demo_progress(const char *fmt, ...)
{
    va_list list;
    if (!is_live()) return;
    (void)fputs("\r\033[K", stderr);
    va_start(list, fmt);
    (void)vfprintf(stderr, fmt, list);
    va_end(list);
    (void)fflush(stderr);
}

void vs_demo_progress_end(void)
{
    if (is_live()) (void)fputs("\r\033[K", stderr);
}

/* --- JSON
 * --------------------------------------------------------------------------------------------- */

static json_t *row_json(const vs_demo_row *r)
{
    json_t *row = json_pack(
        "{s:I, s:f, s:f, s:I, s:I, s:I, s:I, s:b, s:I, s:f}", "round", (json_int_t)r->round,
        "accuracy", r->accuracy, "plain_accuracy", r->plain_accuracy, "clients_submitted",
        (json_int_t)r->submitted, "clients_included", (json_int_t)r->included, "clients_dropped",
        (json_int_t)r->dropped, "shareholders_answered", (json_int_t)r->answered, "sum_exact",
        (int)r->sum_exact, "upload_bytes_per_client", (json_int_t)r->upload_bytes, "seconds",
        r->seconds);
    if (row != NULL && (r->epsilon != 0 || r->has_metrics)) {
        (void)json_object_set_new(row, "epsilon", json_real(r->epsilon));
        (void)json_object_set_new(row, "clip_norm", json_real(r->clip_norm));
    }
    if (row != NULL && r->has_metrics) {
        (void)json_object_set_new(row, "metrics",
                                  json_pack("{s:f, s:f, s:f}", "loss", r->metrics.loss, "accuracy",
                                            r->metrics.accuracy, "unclipped",
                                            r->metrics.unclipped));
    }
    return row;
}

vs_err vs_demo_write_metrics(const vs_demo *d, vs_diag *diag)
{
    char path[VS_PROCESS_PATH_BYTES];
    vs_buf text = {0};
    vs_buf_text(&text, "{\"rounds\": [");
    for (uint32_t i = 0; i < d->n_rows; i++) {
        vs_buf_printf(&text, "%s{\"round\": %" PRIu32 ", \"accuracy\": %.6f}", i > 0 ? ", " : "",
                      d->row[i].round, d->row[i].accuracy);
    }
    vs_buf_text(&text, "]}\n");
    vs_err err = vs_buf_check(&text);
    if (err == VS_OK) {
        err =
            vs_loopback_path(&d->here, path, "aggregator/" VS_DAEMON_PUBLIC "/metrics.json", diag);
    }
    if (err == VS_OK) err = vs_file_write_durable(path, text.p, text.len, 0644, diag);
    vs_buf_free(&text);
    return err;
}

vs_err vs_demo_write_json(const vs_demo *d, vs_diag *diag)
{
    json_t *rounds = json_array();
    bool ok = rounds != NULL;
    for (uint32_t i = 0; ok && i < d->n_rows; i++) {
        ok = json_array_append_new(rounds, row_json(&d->row[i])) == 0;
    }
    json_t *all = json_pack("{s:o, s:{s:I, s:b}}", "rounds", rounds, "ledger", "size",
                            (json_int_t)d->ledger_size, "audit_ok", (int)d->audit_ok);
    char *text = ok ? json_dumps(all, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) : NULL;
    vs_err err = VS_OK;
    if (text == NULL) {
        err = vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    } else {
        vs_buf file = {0};
        vs_buf_text(&file, text);
        vs_buf_text(&file, "\n");
        err = vs_buf_check(&file);
        if (err == VS_OK) err = vs_file_write_durable(d->o.json, file.p, file.len, 0644, diag);
        vs_buf_free(&file);
    }
    free(text);
    json_decref(all);
    return err;
}
