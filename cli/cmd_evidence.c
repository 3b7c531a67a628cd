/* veilsum evidence: check signed statements that contradict each other, offline. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/out.h"
#include "net/evidence.h"

static json_t *json_of(const vs_entry_evidence *e, const char *file, const vs_diag *says)
{
    char key[VS_BASE64_CHARS(VS_H32_BYTES)], pseudonym[VS_HEX_CHARS(VS_H32_BYTES)];
    vs_base64_encode(key, e->key.b, sizeof e->key.b);
    vs_hex_encode(pseudonym, e->pseudonym.b, sizeof e->pseudonym.b);
    return json_pack("{s:s, s:b, s:s, s:s, s:i, s:I, s:s, s:s, s:s}", "file", file, "proof",
                     e->claim != VS_CLAIM_STATEMENT, "claim", vs_claim_name(e->claim), "party",
                     vs_party_name(e->party), "index", (int)e->index, "round", (json_int_t)e->about,
                     "key", key, "pseudonym", pseudonym, "says", says->text);
}

static vs_err check_one(const vs_federation *fed, const char *file, json_t *list, vs_diag *diag)
{
    vs_map map = {0};
    vs_entry_evidence e;
    vs_diag says = {{0}};
    vs_err err = vs_map_file(&map, file, diag);
    if (err != VS_OK) return err;
    err = vs_evidence_check(&e, fed, map.p, map.len, diag);
    if (err != VS_OK) {
        vs_diag_prefix(diag, "%s", file);
    } else {
        vs_evidence_describe(&says, &e);
        if (list == NULL)
            (void)printf("%s: %s\n", e.claim == VS_CLAIM_STATEMENT ? "stated" : "proven",
                         says.text);
        else if (json_array_append_new(list, json_of(&e, file, &says)) != 0)
            err = vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    }
    vs_unmap(&map);
    return err;
}

static int run_evidence(const vs_args *args)
{
    vs_federation *fed = NULL;
    vs_diag diag = {{0}};
    json_t *list = vs_args_flag(args, "json") ? json_array() : NULL;
    vs_err err = vs_federation_load(&fed, vs_args_text(args, "federation"), &diag);
    for (uint32_t i = 0; i < vs_args_positionals(args) && err == VS_OK; i++) {
        err = check_one(fed, vs_args_positional(args, i), list, &diag);
    }
    vs_federation_free(fed);
    if (err != VS_OK) {
        json_decref(list);
        return vs_out_fail(&diag);
    }
    return vs_args_flag(args, "json") ? vs_out_json(list) : VS_EXIT_OK;
}

static const vs_opt options[] = {{.name = "federation",
                                  .arg = "FILE",
                                  .kind = VS_OPT_TEXT,
                                  .required = true,
                                  .help = "The federation file: whose keys these are."},
                                 VS_OPT_JSON,
                                 {0}};
static const vs_positional positionals[] = {
    {.name = "FILE", .min = 1, .max = 1000, .help = "Evidence, as DATA/blobs/evidence-..."}, {0}};

const vs_command vs_cmd_evidence = {
    .name = "evidence",
    .summary = "check evidence against a party, offline",
    .description =
        "Evidence is signed bytes of one party that contradict each other: two submissions, two "
        "votes, two sets, checkpoints of two logs, a share that its own proof refutes. It needs no "
        "log and nobody's word, only the federation file. A shareholder keeps what it comes by in "
        "DATA/blobs/evidence-...; the ledger's own is checked by veilsum audit.\n\nA line that "
        "begins "
        "with \"proven\" is a proof. \"stated\" is a signed complaint that only its author vouches "
        "for. A file that proves nothing ends the command with status 1.",
    .options = options,
    .positionals = positionals,
    .examples = "veilsum evidence --federation federation.json \\\n"
                "    data/blobs/evidence-0000000000000000",
    .run = run_evidence};
