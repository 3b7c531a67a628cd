/* ledger verify-inclusion, verify-consistency: RFC 9162 proofs given on the command line. */
#include <stdio.h>

#include <jansson.h>

#include "cli/commands.h"
#include "cli/ledger.h"
#include "cli/out.h"
#include "ledger/tree.h"

static vs_err hash_of(vs_h32 *out, const vs_args *args, const char *name, vs_diag *diag)
{
    return vs_ledger_hash(out, name, vs_args_text(args, name), diag);
}

static vs_err number_of(uint64_t *out, const vs_args *args, const char *name, vs_diag *diag)
{
    return vs_ledger_number(out, name, vs_args_text(args, name), diag);
}

static vs_err path_of(vs_tree_path *out, const vs_args *args, vs_diag *diag)
{
    vs_err err = VS_OK;
    out->n = 0;
    if (vs_args_count(args, "path") > VS_TREE_PATH_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT, "--path: given %u times, a path has at most %u hashes",
                       (unsigned)vs_args_count(args, "path"), VS_TREE_PATH_MAX);
    }
    for (uint32_t i = 0; err == VS_OK && i < vs_args_count(args, "path"); i++) {
        err = vs_ledger_hash(&out->node[i], "path", vs_args_nth(args, "path", i), diag);
        if (err == VS_OK) out->n = i + 1;
    }
    return err;
}

static int valid(const vs_args *args, const char *text)
{
    if (vs_args_flag(args, "json")) return vs_out_json(json_pack("{s:b}", "valid", 1));
    (void)printf("valid: %s\n", text);
    return VS_EXIT_OK;
}

/* --- ledger verify-inclusion -------------------------------------------------------------------
 */

static int run_inclusion(const vs_args *args)
{
    vs_h32 leaf_hash, root;
    uint64_t index = 0;
    uint64_t size = 0;
    vs_tree_path path;
    vs_diag diag = {{0}};
    vs_err err = hash_of(&leaf_hash, args, "leaf-hash", &diag);
    if (err == VS_OK) err = number_of(&index, args, "index", &diag);
    if (err == VS_OK) err = number_of(&size, args, "size", &diag);
    if (err == VS_OK) err = hash_of(&root, args, "root", &diag);
    if (err == VS_OK) err = path_of(&path, args, &diag);
    if (err == VS_OK && index >= size) {
        err = vs_fail(&diag, VS_ERR_PROOF, "a tree of %llu entries has no entry %llu",
                      (unsigned long long)size, (unsigned long long)index);
    }
    if (err == VS_OK) {
        err = vs_tree_verify_inclusion(&leaf_hash, index, size, &root, &path);
        if (err != VS_OK) {
            (void)vs_fail(&diag, err, "the path does not lead from the leaf hash to the root");
        }
    }
    if (err != VS_OK) return vs_ledger_invalid(args, &diag);
    return valid(args, "the leaf hash is in the tree");
}

#define PATH_OPTION                                                                                \
    {                                                                                              \
        .name = "path", .arg = "B64", .kind = VS_OPT_TEXT, .repeat = true,                         \
        .help = "The hashes of the proof, in its order."                                           \
    }
#define HASH_OPTION(name_, help_)                                                                  \
    {                                                                                              \
        .name = (name_), .arg = "B64", .kind = VS_OPT_TEXT, .required = true, .help = (help_)      \
    }
/* Numbers are read here and not by the table: one that no tree can have makes a proof invalid. */
#define NUMBER_OPTION(name_, arg_, help_)                                                          \
    {                                                                                              \
        .name = (name_), .arg = (arg_), .kind = VS_OPT_TEXT, .required = true, .help = (help_)     \
    }

static const vs_opt inclusion_options[] = {
    HASH_OPTION("leaf-hash", "SHA-256 of a zero byte and the entry, in base64."),
    NUMBER_OPTION("index", "I", "Which entry, counted from 0."),
    NUMBER_OPTION("size", "N", "Entries of the tree."),
    HASH_OPTION("root", "The tree's root hash in base64."),
    PATH_OPTION,
    VS_OPT_JSON,
    {0}};

const vs_command vs_cmd_ledger_verify_inclusion = {
    .name = "ledger verify-inclusion",
    .summary = "check that a leaf is in a Merkle tree",
    .description = "By RFC 9162, section 2.1.3.2. Exit status 0 if the proof is valid, else 1 and "
                   "the reason; a hash that is not 32 bytes or a number that no tree has makes it "
                   "invalid.",
    .options = inclusion_options,
    .examples = "veilsum ledger verify-inclusion --index 0 --size 1 \\\n"
                "    --leaf-hash bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0= \\\n"
                "    --root bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=",
    .run = run_inclusion};

/* --- ledger verify-consistency -----------------------------------------------------------------
 */

static int run_consistency(const vs_args *args)
{
    vs_h32 root1, root2;
    uint64_t size1 = 0;
    uint64_t size2 = 0;
    vs_tree_path path;
    vs_diag diag = {{0}};
    vs_err err = number_of(&size1, args, "size1", &diag);
    if (err == VS_OK) err = hash_of(&root1, args, "root1", &diag);
    if (err == VS_OK) err = number_of(&size2, args, "size2", &diag);
    if (err == VS_OK) err = hash_of(&root2, args, "root2", &diag);
    if (err == VS_OK) err = path_of(&path, args, &diag);
    if (err == VS_OK && (size1 == 0 || size1 > size2)) {
        err = vs_fail(&diag, VS_ERR_PROOF,
                      "size1 %llu is not of 1 to size2 %llu: nothing could be proven",
                      (unsigned long long)size1, (unsigned long long)size2);
    }
    if (err == VS_OK) {
        err = vs_tree_verify_consistency(size1, &root1, size2, &root2, &path);
        if (err != VS_OK) {
            (void)vs_fail(&diag, err, "the path does not show the first tree within the second");
        }
    }
    if (err != VS_OK) return vs_ledger_invalid(args, &diag);
    return valid(args, "the second tree extends the first");
}

static const vs_opt consistency_options[] = {
    NUMBER_OPTION("size1", "A", "Entries of the older tree, at least 1."),
    HASH_OPTION("root1", "Its root hash in base64."),
    NUMBER_OPTION("size2", "B", "Entries of the newer tree."),
    HASH_OPTION("root2", "Its root hash in base64."),
    PATH_OPTION,
    VS_OPT_JSON,
    {0}};

const vs_command vs_cmd_ledger_verify_consistency = {
    .name = "ledger verify-consistency",
    .summary = "check that one tree extends another",
    .description = "By RFC 9162, section 2.1.4.2: the newer tree begins with the very entries of "
                   "the older one. Exit status 0 if the proof is valid, else 1 and the reason. An "
                   "older tree without entries is refused: it would prove nothing.",
    .options = consistency_options,
    .examples = "veilsum ledger verify-consistency --size1 1 --size2 1 \\\n"
                "    --root1 bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0= \\\n"
                "    --root2 bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=",
    .run = run_consistency};
