/* receipt complete, receipt verify: what became of a submission. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/ledger.h"
#include "cli/out.h"
#include "net/http_client.h"
#include "net/receipt.h"

enum { HTTP_TIMEOUT_MS = 20000 };

static int tell_json(const vs_receipt_verdict *v)
{
    char pseudonym[VS_HEX_CHARS(VS_H32_BYTES)], manifest[VS_HEX_CHARS(VS_H32_BYTES)];
    vs_hex_encode(pseudonym, v->claim.pseudonym.b, VS_H32_BYTES);
    vs_hex_encode(manifest, v->claim.manifest_hash.b, VS_H32_BYTES);
    bool rejected = v->outcome == VS_RECEIPT_REJECTED;
    bool aborted = v->outcome == VS_RECEIPT_ABORTED;
    return vs_out_json(json_pack("{s:b, s:s, s:I, s:s, s:s, s:s, s:i, s:b, s:I, s:i, s:s}", "valid",
                                 1, "outcome", vs_receipt_outcome_name(v->outcome), "round",
                                 (json_int_t)v->claim.round, "pseudonym", pseudonym, "manifest",
                                 manifest, "reason",
                                 rejected  ? vs_reject_name(v->reason)
                                 : aborted ? v->abort
                                           : "",
                                 "clients", (int)v->included, "certain", v->certain ? 1 : 0, "size",
                                 (json_int_t)v->size, "cosignatures", (int)v->n_cosignatures,
                                 "federation", v->own_federation ? "within the receipt" : "given"));
}

static int tell(const vs_args *args, const vs_receipt_verdict *v)
{
    if (vs_args_flag(args, "json")) return tell_json(v);
    (void)printf("round %" PRIu64 ": ", v->claim.round);
    switch (v->outcome) {
    case VS_RECEIPT_PENDING: (void)printf("pending: nothing is proven yet\n"); return VS_EXIT_OK;
    case VS_RECEIPT_COUNTED:
        (void)printf("counted: one of %u clients in the sum%s", v->included,
                     v->certain ? ", which is certain" : "");
        break;
    case VS_RECEIPT_REJECTED: (void)printf("rejected: %s", vs_reject_name(v->reason)); break;
    case VS_RECEIPT_ABORTED:
        (void)printf("not counted, the round was aborted: %s", v->abort);
        break;
    }
    (void)printf("\nlog of %" PRIu64 " entries, %u cosignatures\n", v->size, v->n_cosignatures);
    if (v->own_federation) {
        (void)printf(
            "federation: the file within the receipt; with --federation FILE it is yours\n");
    }
    return VS_EXIT_OK;
}

static vs_err load(vs_federation **fed, vs_buf *text, const vs_args *args, vs_diag *diag)
{
    const char *file = vs_args_text(args, "federation");
    vs_err err = file == NULL ? VS_OK : vs_federation_load(fed, file, diag);
    if (err == VS_OK) {
        err = vs_file_read(text, vs_args_positional(args, 0), VS_RECEIPT_MAX_BYTES, diag);
    }
    return err;
}

/* --- receipt complete --------------------------------------------------------------------------
 */

static vs_err complete(vs_buf *done, const vs_buf *text, const vs_federation *fed,
                       const vs_args *args, vs_diag *diag)
{
    const char *where = vs_args_positional(args, 1);
    vs_http_client *http = NULL;
    vs_fetch fetch = vs_fetch_folder(where);
    vs_err err = VS_OK;
    if (strstr(where, "://") != NULL) {
        err = vs_http_client_new(&http, where, HTTP_TIMEOUT_MS, diag);
        if (err == VS_OK) fetch = vs_fetch_http(http);
    }
    if (err == VS_OK) err = vs_receipt_complete(done, text->p, text->len, fed, &fetch, diag);
    vs_http_client_free(http);
    return err;
}

static int run_complete(const vs_args *args)
{
    vs_federation *fed = NULL;
    vs_buf text = {0};
    vs_buf done = {0};
    vs_receipt_verdict v;
    vs_diag diag = {{0}};
    vs_err err = load(&fed, &text, args, &diag);
    if (err == VS_OK) err = complete(&done, &text, fed, args, &diag);
    if (err == VS_OK) err = vs_receipt_verify(&v, done.p, done.len, fed, &diag);
    if (err == VS_OK) {
        err = vs_file_write_durable(vs_args_positional(args, 0), done.p, done.len, 0600, &diag);
    }
    int status = err == VS_OK ? tell(args, &v) : vs_out_fail(&diag);
    vs_buf_free(&text);
    vs_buf_free(&done);
    vs_federation_free(fed);
    return status;
}

static const vs_opt complete_options[] = {{.name = "federation",
                                           .arg = "FILE",
                                           .kind = VS_OPT_TEXT,
                                           .required = true,
                                           .help = "The federation file that you trust."},
                                          VS_OPT_JSON,
                                          {0}};
static const vs_positional complete_positionals[] = {
    {.name = "RECEIPT", .min = 1, .max = 1, .help = "File of veilsum submit --receipt."},
    {.name = "LOG",
     .min = 1,
     .max = 1,
     .help = "The published ledger: a URL (http://HOST:PORT) or a folder."},
    {0}};

const vs_command vs_cmd_receipt_complete = {
    .name = "receipt complete",
    .summary = "add to a receipt what became of it",
    .description =
        "Reads the published ledger and writes the proofs into the receipt: that the submission is "
        "in "
        "the round's set (or why it was rejected), under a checkpoint that a quorum of "
        "shareholders "
        "cosigned, and how the round ended. From then on the file alone proves it.\n\nNobody is "
        "asked: the file's owner reads what everybody reads. Exit status 1 while the round has no "
        "cosigned end.",
    .options = complete_options,
    .positionals = complete_positionals,
    .examples = "veilsum receipt complete round3.receipt http://127.0.0.1:8080 \\\n"
                "    --federation federation.json",
    .run = run_complete};

/* --- receipt verify ----------------------------------------------------------------------------
 */

static int run_verify(const vs_args *args)
{
    vs_federation *fed = NULL;
    vs_buf text = {0};
    vs_receipt_verdict v;
    vs_diag diag = {{0}};
    int status;
    vs_err err = load(&fed, &text, args, &diag);
    if (err != VS_OK) {
        status = vs_out_fail(&diag);
    } else {
        err = vs_receipt_verify(&v, text.p, text.len, fed, &diag);
        status = err == VS_OK ? tell(args, &v) : vs_ledger_invalid(args, &diag);
    }
    vs_buf_free(&text);
    vs_federation_free(fed);
    return status;
}

static const vs_opt verify_options[] = {
    {.name = "federation",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .help =
         "The federation file that you trust. Without it the one within the receipt is believed."},
    VS_OPT_JSON,
    {0}};
static const vs_positional verify_positionals[] = {
    {.name = "RECEIPT", .min = 1, .max = 1, .help = "The receipt."}, {0}};

const vs_command vs_cmd_receipt_verify = {
    .name = "receipt verify",
    .summary = "check a receipt, offline",
    .description =
        "Checks from the file alone: the log's signature and a quorum of cosignatures on the "
        "checkpoint, that the round's set and its end are in that log and signed by the "
        "aggregator, "
        "that the record is in the list that the set commits to, and that the pseudonym is made "
        "from "
        "the client's key. Says counted, rejected with the reason, or aborted; exit status 1 if "
        "anything does not hold.",
    .options = verify_options,
    .positionals = verify_positionals,
    .examples = "veilsum receipt verify round3.receipt --federation federation.json",
    .run = run_verify};
