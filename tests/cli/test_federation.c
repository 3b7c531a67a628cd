#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "net/federation.h"
#include "net/keys.h"
#include "tests/cli/support_run.h"
#include "tests/support.h"

static void path_in(char out[512], const char *folder, const char *name)
{
    (void)snprintf(out, 512, "%s/%s", folder, name);
}

/* A folder with key pairs of an admin, an aggregator, five shareholders and two clients. */
static char *folder_with_keys(void)
{
    static const char *const names[] = {"admin", "agg", "s1",    "s2", "s3",
                                        "s4",    "s5",  "alice", "bob"};
    char *folder = vs_test_folder_new();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[512], file[32];
        uint8_t seed[32] = {(uint8_t)(i + 1)};
        vs_keys *keys;
        vs_diag diag;
        (void)snprintf(file, sizeof file, "%s.key", names[i]);
        path_in(path, folder, file);
        cr_assert_eq(vs_keys_from_seed(&keys, names[i], seed, &diag), VS_OK);
        cr_assert_eq(vs_keys_save(keys, path, &diag), VS_OK);
        vs_keys_free(keys);
    }
    return folder;
}

#define PARTIES(n1)                                                                                \
    "--name", "test", "--admin", "admin.pub", "--aggregator", "agg.pub@tcp://127.0.0.1:7100",      \
        "--shareholder", n1 "@tcp://127.0.0.1:7101"
#define S2 "--shareholder", "s2.pub@tcp://127.0.0.1:7102"
#define S3 "--shareholder", "s3.pub@tcp://127.0.0.1:7103"
#define S4 "--shareholder", "s4.pub@tcp://127.0.0.1:7104"
#define S5 "--shareholder", "s5.pub@tcp://127.0.0.1:7105"

static vs_federation *load(const char *folder, const char *name)
{
    char path[512];
    vs_federation *fed;
    vs_diag diag;
    path_in(path, folder, name);
    cr_assert_eq(vs_federation_load(&fed, path, &diag), VS_OK, "%s", diag.text);
    return fed;
}

Test(cli_keygen, writes_a_pair_that_loads_and_never_overwrites_it)
{
    char *folder = vs_test_folder_new();
    char path[512];
    vs_keys *keys;
    vs_public_keys pub;
    vs_diag diag;
    struct stat st;
    vs_run run = VS_RUN(folder, "keygen", "--out", "carol.key");
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_expect(strstr(run.out, "carol.pub") != NULL);
    path_in(path, folder, "carol.key");
    cr_assert_eq(vs_keys_load(&keys, path, &diag), VS_OK, "%s", diag.text);
    cr_expect_str_eq(keys->pub.name, "carol");
    cr_expect_eq(stat(path, &st), 0);
    cr_expect_eq(st.st_mode & 0777u, 0600u);
    char identity[VS_BASE64_CHARS(32)], seed[VS_BASE64_CHARS(32)];
    vs_base64_encode(identity, keys->pub.identity.b, 32);
    vs_base64_encode(seed, keys->master_seed, 32);
    cr_expect(strstr(run.out, identity) != NULL);
    cr_expect_null(strstr(run.out, seed));
    path_in(path, folder, "carol.pub");
    cr_assert_eq(vs_public_keys_load(&pub, path, &diag), VS_OK);
    cr_expect(vs_h32_equal(&pub.identity, &keys->pub.identity));
    cr_expect(VS_RUN_EXPECT(folder, 1, "", "veilsum: carol.pub: exists already, not overwritten\n",
                            "keygen", "--out", "carol.key"));
    vs_keys_free(keys);
    vs_run_free(&run);
    vs_test_folder_remove(folder);
}

Test(cli_keygen, takes_a_name_and_prints_json)
{
    char *folder = vs_test_folder_new();
    vs_run run = VS_RUN(folder, "keygen", "--json", "--out=k", "--name=hospital.example/1");
    cr_assert_eq(run.status, 0, "%s", run.err);
    json_t *root = json_loads(run.out, JSON_REJECT_DUPLICATES, NULL);
    cr_assert_not_null(root);
    cr_expect_str_eq(json_string_value(json_object_get(root, "name")), "hospital.example/1");
    cr_expect_str_eq(json_string_value(json_object_get(root, "public_file")), "k.pub");
    json_decref(root);
    vs_run_free(&run);
    cr_expect(VS_RUN_EXPECT(
        folder, 1, "", "veilsum: key name must be 1 to 255 bytes of UTF-8 without '+' and spaces\n",
        "keygen", "--out", "x", "--name", "a b"));
    vs_test_folder_remove(folder);
}

Test(cli_federation, new_takes_the_thresholds_of_its_profile)
{
    char *folder = folder_with_keys();
    cr_expect(
        VS_RUN_EXPECT(folder, 0, NULL, "", "federation", "new", PARTIES("s1.pub"), S2, S3, S4, S5));
    vs_federation *fed = load(folder, "federation.json");
    cr_expect_eq(fed->committee.n, 5);
    cr_expect_eq(fed->committee.t, 1);
    cr_expect_eq(fed->committee.k, 2);
    cr_expect_eq(fed->committee.margin, 1);
    cr_expect_eq(fed->quantiser.bits, 16);
    cr_expect_str_eq(fed->origin, "agg");
    cr_expect_str_eq(fed->shareholder[4].party.address, "tcp://127.0.0.1:7105");
    vs_federation_free(fed);
    cr_expect(VS_RUN_EXPECT(folder, 0, NULL, "", "federation", "new", PARTIES("s1.pub"), S2, S3, S4,
                            S5, "--profile", "private", "--out", "p.json"));
    fed = load(folder, "p.json");
    cr_expect_eq(fed->committee.t, 2);
    cr_expect_eq(fed->committee.k, 1);
    vs_federation_free(fed);
    cr_expect(VS_RUN_EXPECT(folder, 0, NULL, "", "federation", "new", PARTIES("s1.pub"), S2, S3,
                            "--out", "three.json"));
    fed = load(folder, "three.json");
    cr_expect_eq(fed->committee.t, 1);
    cr_expect_eq(fed->committee.k, 1);
    vs_federation_free(fed);
    vs_test_folder_remove(folder);
}

Test(cli_federation, new_takes_every_option_into_the_file)
{
    char *folder = folder_with_keys();
    cr_expect(VS_RUN_EXPECT(folder, 0, NULL, "", "federation", "new", PARTIES("s1.pub"), S2, S3, S4,
                            S5, "--privacy-threshold", "2", "--packing", "2", "--margin", "1",
                            "--max-clients", "50", "--min-clients", "5", "--max-missing", "0.1",
                            "--min-cover", "0.9", "--round-timeout", "7", "--answer-timeout", "8",
                            "--quantization-bits", "12", "--clip-norm", "2.5", "--clipping-range",
                            "0.125", "--max-weight", "77", "--rounding", "nearest", "--origin",
                            "log.example/a", "--demo", "--public-results", "--out", "f.json"));
    vs_federation *fed = load(folder, "f.json");
    cr_expect_eq(fed->committee.t, 2);
    cr_expect_eq(fed->committee.k, 2);
    cr_expect_eq(fed->committee.margin, 1);
    cr_expect_eq(fed->max_clients, 50);
    cr_expect_eq(fed->min_clients, 5);
    cr_expect_eq(fed->max_missing, 0.1);
    cr_expect_eq(fed->min_cover, 0.9);
    cr_expect_eq(fed->round_timeout_s, 7);
    cr_expect_eq(fed->answer_timeout_s, 8);
    cr_expect_eq(fed->quantiser.bits, 12);
    cr_expect_eq(fed->quantiser.clip_norm, 2.5);
    cr_expect_eq(fed->quantiser.clipping_range, 0.125);
    cr_expect_eq(fed->quantiser.max_weight, 77);
    cr_expect(!fed->quantiser.stochastic_rounding && fed->demo && fed->public_results);
    cr_expect_str_eq(fed->origin, "log.example/a");
    cr_expect_str_eq(fed->log_key.name, "log.example/a");
    vs_federation_free(fed);
    vs_test_folder_remove(folder);
}

Test(cli_federation, new_refuses_what_makes_no_federation)
{
    char *folder = folder_with_keys();
    const char *see = "See: veilsum federation new --help\n";
    char text[600];
    cr_expect(VS_RUN_EXPECT(folder, 1, "",
                            "veilsum: shareholders[1].name is the same as "
                            "shareholders[0].name\n",
                            "federation", "new", PARTIES("s2.pub"), S2, S3));
    cr_expect(VS_RUN_EXPECT(
        folder, 1, "", "veilsum: num_shares 4 is below reconstruction_threshold 5\n", "federation",
        "new", PARTIES("s1.pub"), S2, S3, S4, "--privacy-threshold", "2", "--packing", "3"));
    cr_expect(VS_RUN_EXPECT(folder, 1, "",
                            "veilsum: s9.pub: cannot open: No such file or directory\n",
                            "federation", "new", PARTIES("s9.pub"), S2, S3));
    (void)snprintf(text, sizeof text,
                   "veilsum federation new: profile robust is for 4, 5, 7, 10 or 16 shareholders, "
                   "not 2: give --privacy-threshold T and --packing K with 3T + K <= 2 instead\n%s",
                   see);
    cr_expect(VS_RUN_EXPECT(folder, 2, "", text, "federation", "new", PARTIES("s1.pub"), S2));
    (void)snprintf(text, sizeof text,
                   "veilsum federation new: --shareholder: \"s1.pub\" is not FILE.pub@ADDRESS, as "
                   "in alice.pub@tcp://127.0.0.1:7101\n%s",
                   see);
    cr_expect(VS_RUN_EXPECT(folder, 2, "", text, "federation", "new", PARTIES("s1.pub"), S2, S3,
                            "--shareholder", "s1.pub"));
    (void)snprintf(text, sizeof text,
                   "veilsum federation new: --shareholder: address \"tcp://x\": has no port\n%s",
                   see);
    cr_expect(VS_RUN_EXPECT(folder, 2, "", text, "federation", "new", PARTIES("s1.pub"), S2, S3,
                            "--shareholder", "s4.pub@tcp://x"));
    (void)snprintf(text, sizeof text,
                   "veilsum federation new: --privacy-threshold and --packing go together\n%s",
                   see);
    cr_expect(VS_RUN_EXPECT(folder, 2, "", text, "federation", "new", PARTIES("s1.pub"), S2,
                            "--packing", "1"));
    cr_expect(!vs_file_exists("federation.json"));
    vs_test_folder_remove(folder);
}

Test(cli_federation, new_never_overwrites_a_file)
{
    char *folder = folder_with_keys();
    cr_expect(VS_RUN_EXPECT(folder, 0, NULL, "", "federation", "new", PARTIES("s1.pub"), S2, S3));
    cr_expect(VS_RUN_EXPECT(folder, 1, "",
                            "veilsum: federation.json: exists already, not overwritten\n",
                            "federation", "new", PARTIES("s1.pub"), S2, S3, "--demo"));
    vs_test_folder_remove(folder);
}

Test(cli_federation, show_prints_id_and_tolerance_and_names_a_broken_line)
{
    char *folder = folder_with_keys();
    char path[512], hex[VS_HEX_CHARS(32)];
    vs_diag diag;
    cr_expect(
        VS_RUN_EXPECT(folder, 0, NULL, "", "federation", "new", PARTIES("s1.pub"), S2, S3, S4, S5));
    vs_federation *fed = load(folder, "federation.json");
    vs_hex_encode(hex, fed->id.b, 32);
    vs_run run = VS_RUN(folder, "federation", "show", "federation.json");
    cr_expect_eq(run.status, 0);
    cr_expect(strstr(run.out, hex) != NULL);
    cr_expect(strstr(run.out, "  colluders            1 (") != NULL, "%s", run.out);
    vs_run_free(&run);
    run = VS_RUN(folder, "federation", "show", "federation.json", "--json");
    cr_expect_eq(run.status, 0);
    json_t *root = json_loads(run.out, JSON_REJECT_DUPLICATES, NULL);
    cr_assert_not_null(root);
    cr_expect_str_eq(json_string_value(json_object_get(root, "federation_id")), hex);
    json_t *tolerates = json_object_get(root, "tolerates");
    cr_expect_eq(json_integer_value(json_object_get(tolerates, "liars_corrected")), 1);
    cr_expect_eq(json_real_value(json_object_get(tolerates, "upload_factor")), 2.0);
    json_decref(root);
    vs_run_free(&run);
    path_in(path, folder, "bad.json");
    fed->file.p[fed->file.len - 2] = ']';
    cr_assert_eq(vs_file_write_durable(path, fed->file.p, fed->file.len, 0644, &diag), VS_OK);
    run = VS_RUN(folder, "federation", "show", "bad.json");
    cr_expect_eq(run.status, 1);
    cr_expect_str_empty(run.out);
    cr_expect_eq(strncmp(run.err, "veilsum: bad.json: line 68: ", 28), 0, "%s", run.err);
    vs_run_free(&run);
    vs_federation_free(fed);
    vs_test_folder_remove(folder);
}

static void expect_enrolled(const char *folder, const vs_federation *fed, const char *client,
                            const char *file)
{
    char path[512];
    vs_public_keys pub;
    vs_h32 federation_id, client_key;
    uint8_t sig[64];
    vs_diag diag;
    path_in(path, folder, client);
    cr_assert_eq(vs_public_keys_load(&pub, path, &diag), VS_OK);
    path_in(path, folder, file);
    cr_assert_eq(vs_enrolment_load(path, &federation_id, &client_key, sig, &diag), VS_OK, "%s",
                 diag.text);
    cr_expect(vs_h32_equal(&federation_id, &fed->id));
    cr_expect(vs_h32_equal(&client_key, &pub.identity));
    cr_expect_eq(vs_enrolment_verify(sig, &fed->id, &client_key, &fed->admin_key), VS_OK);
}

Test(cli_federation, enrol_writes_valid_signatures_beside_the_keys)
{
    char *folder = folder_with_keys();
    cr_expect(VS_RUN_EXPECT(folder, 0, NULL, "", "federation", "new", PARTIES("s1.pub"), S2, S3));
    cr_expect(VS_RUN_EXPECT(folder, 0, NULL, "", "federation", "new", PARTIES("s1.pub"), S2, S3,
                            "--demo", "--out", "other.json"));
    vs_federation *fed = load(folder, "federation.json");
    for (int again = 0; again < 2; again++) { /* a second time changes nothing */
        cr_expect(VS_RUN_EXPECT(folder, 0, NULL, "", "federation", "enrol", "--federation",
                                "federation.json", "--key", "admin.key", "alice.pub", "bob.pub"));
        expect_enrolled(folder, fed, "alice.pub", "alice.enrolment");
        expect_enrolled(folder, fed, "bob.pub", "bob.enrolment");
    }
    cr_expect(VS_RUN_EXPECT(folder, 1, "",
                            "veilsum: alice.enrolment: enrols another client or to another "
                            "federation; not overwritten, use --out\n",
                            "federation", "enrol", "--federation", "other.json", "--key",
                            "admin.key", "alice.pub"));
    expect_enrolled(folder, fed, "alice.pub", "alice.enrolment");
    cr_expect(VS_RUN_EXPECT(folder, 0, NULL, "", "federation", "enrol", "--federation",
                            "other.json", "--key", "admin.key", "--out", "alice2", "alice.pub"));
    vs_federation *other = load(folder, "other.json");
    expect_enrolled(folder, other, "alice.pub", "alice2");
    vs_federation_free(other);
    vs_federation_free(fed);
    vs_test_folder_remove(folder);
}

Test(cli_federation, enrol_refuses_a_key_that_is_not_the_admins)
{
    char *folder = folder_with_keys();
    char path[512];
    cr_expect(VS_RUN_EXPECT(folder, 0, NULL, "", "federation", "new", PARTIES("s1.pub"), S2, S3));
    cr_expect(VS_RUN_EXPECT(
        folder, 1, "",
        "veilsum: agg.key: holds the key \"agg\", not the federation's admin key \"admin\"\n",
        "federation", "enrol", "--federation", "federation.json", "--key", "agg.key", "alice.pub"));
    path_in(path, folder, "alice.enrolment");
    cr_expect(!vs_file_exists(path));
    cr_expect(VS_RUN_EXPECT(folder, 2, "",
                            "veilsum federation enrol: --out: fits one CLIENT.pub only, 2 are "
                            "given\nSee: veilsum federation enrol --help\n",
                            "federation", "enrol", "--federation", "federation.json", "--key",
                            "admin.key", "--out", "x", "alice.pub", "bob.pub"));
    vs_test_folder_remove(folder);
}

#define NOISY                                                                                      \
    "--rotation", "hadamard", "--quantization-bits", "18", "--mechanism", "skellam",               \
        "--noise-multiplier", "4", "--max-epsilon", "8", "--min-clients", "20"

Test(cli_federation_new, noise_rotation_and_metrics_go_into_the_file)
{
    char *folder = folder_with_keys();
    vs_run run = VS_RUN(folder, "federation", "new", PARTIES("s1.pub"), S2, S3, NOISY, "--delta",
                        "1e-6", "--metrics", "--metrics-noise-multiplier", "9",
                        "--target-unclipped-quantile", "0.5", "--clip-norm", "0.5");
    cr_assert_eq(run.status, 0, "%s", run.err);
    vs_run_free(&run);
    vs_federation *fed = load(folder, "federation.json");
    cr_expect(fed->rotation && fed->metrics && fed->target_unclipped_quantile == 0.5);
    cr_expect_eq(fed->quantiser.max_weight, 1, "every client counts the same");
    cr_expect_eq(fed->privacy.mechanism, VS_MECHANISM_SKELLAM);
    cr_expect(fed->privacy.noise_multiplier == 4 && fed->privacy.max_epsilon == 8);
    cr_expect(fed->privacy.clients_per_round == 20 && fed->privacy.delta == 1e-6);
    vs_federation_free(fed);
    vs_test_folder_remove(folder);
}

Test(cli_federation_new, options_of_the_pipeline_that_do_not_go_together_are_refused)
{
    char *folder = folder_with_keys();
    vs_run run = VS_RUN(folder, "federation", "new", PARTIES("s1.pub"), S2, S3, NOISY);
    cr_expect_eq(run.status, 2);
    cr_expect_not_null(strstr(run.err, "--delta is needed"), "%s", run.err);
    vs_run_free(&run);
    run = VS_RUN(folder, "federation", "new", PARTIES("s1.pub"), S2, S3, NOISY, "--delta", "1e-6",
                 "--clipping-range", "1");
    cr_expect_eq(run.status, 2);
    cr_expect_not_null(strstr(run.err, "not together with --rotation"), "%s", run.err);
    vs_run_free(&run);
    run = VS_RUN(folder, "federation", "new", PARTIES("s1.pub"), S2, S3, "--max-epsilon", "8");
    cr_expect_eq(run.status, 2);
    cr_expect_not_null(strstr(run.err, "--max-epsilon: only with --mechanism"), "%s", run.err);
    vs_run_free(&run);
    vs_test_folder_remove(folder);
}
