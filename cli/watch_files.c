#include "cli/watch_files.h"

#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

#include "base/file.h"
#include "base/file_out.h"
#include "base/hash.h"
#include "fl/tensors_out.h"
#include "net/update_file.h"

enum { WORDS_MAX_BYTES = 65536, NAMES_MAX = 100000 };

vs_err vs_watch_path(char out[VS_WATCH_PATH_BYTES], const char *dir, const char *what,
                     uint64_t round, const char *ending, vs_diag *diag)
{
    const int n =
        snprintf(out, VS_WATCH_PATH_BYTES, "%s/%s-%" PRIu64 "%s", dir, what, round, ending);
    if (n > 0 && (size_t)n < VS_WATCH_PATH_BYTES) return VS_OK;
    return vs_fail(diag, VS_ERR_LIMIT, "%.80s...: the path is too long", dir);
}

/* --- what is there ------------------------------------------------------------------------------
 */

bool vs_watch_seen_equal(const vs_watch_seen *a, const vs_watch_seen *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed_s == b->changed_s && a->changed_ns == b->changed_ns;
}

static bool find(char path[VS_WATCH_PATH_BYTES], vs_container *container, vs_watch_seen *seen,
                 const char *dir, const char *what, uint64_t round)
{
    struct stat st;
    for (int c = VS_CONTAINER_SAFETENSORS; c >= VS_CONTAINER_NPY; c--) {
        const char *ending = vs_container_extension((vs_container)c);
        if (vs_watch_path(path, dir, what, round, ending, NULL) != VS_OK) continue;
        if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) continue;
        *container = (vs_container)c;
        *seen = (vs_watch_seen){.device = (uint64_t)st.st_dev,
                                .inode = (uint64_t)st.st_ino,
                                .size = (uint64_t)st.st_size,
                                .changed_s = (int64_t)st.st_mtim.tv_sec,
                                .changed_ns = (int64_t)st.st_mtim.tv_nsec};
        return true;
    }
    return false;
}

bool vs_watch_find_update(char path[VS_WATCH_PATH_BYTES], vs_container *container,
                          vs_watch_seen *seen, const char *dir, uint64_t round)
{
    return find(path, container, seen, dir, "update", round);
}

bool vs_watch_has_result(const char *dir, uint64_t round)
{
    char path[VS_WATCH_PATH_BYTES];
    vs_container container;
    vs_watch_seen seen;
    return find(path, &container, &seen, dir, "result", round);
}

/* Does round-N.json say that there will be no result? */
static bool is_given_up(const char *dir, uint64_t round)
{
    char path[VS_WATCH_PATH_BYTES];
    if (vs_watch_path(path, dir, "round", round, ".json", NULL) != VS_OK) return true;
    json_t *state = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
    const char *phase = json_string_value(json_object_get(state, "phase"));
    const bool given_up =
        phase != NULL && (strcmp(phase, "aborted") == 0 || strcmp(phase, "missed") == 0);
    json_decref(state);
    return given_up;
}

uint64_t vs_watch_unfinished(const char *dir, uint64_t below)
{
    uint64_t found = 0;
    DIR *folder = opendir(dir);
    if (folder == NULL) return 0;
    for (uint32_t i = 0; i < NAMES_MAX; i++) {
        const struct dirent *entry = readdir(folder);
        char path[VS_WATCH_PATH_BYTES];
        vs_container container;
        vs_watch_seen seen;
        if (entry == NULL) break;
        if (strncmp(entry->d_name, "update-", 7) != 0) continue;
        if (entry->d_name[7] < '1' || entry->d_name[7] > '9') continue;
        const uint64_t round = strtoull(entry->d_name + 7, NULL, 10);
        if (round >= below || (found != 0 && round >= found)) continue;
        if (!vs_watch_find_update(path, &container, &seen, dir, round)) continue;
        if (!vs_watch_has_result(dir, round) && !is_given_up(dir, round)) found = round;
    }
    (void)closedir(folder);
    return found;
}

/* --- update-N.json ------------------------------------------------------------------------------
 */

static vs_err take_words(vs_watch_words *w, json_t *root, const char *path, vs_diag *diag)
{
    const char *key;
    json_t *value;
    bool loss = false, accuracy = false;
    json_object_foreach(root, key, value)
    {
        if (strcmp(key, "weight") == 0 && json_is_integer(value) && json_integer_value(value) > 0) {
            w->weight = (uint64_t)json_integer_value(value);
        } else if (strcmp(key, "loss") == 0 && json_is_number(value)) {
            w->loss = json_number_value(value);
            loss = true;
        } else if (strcmp(key, "accuracy") == 0 && json_is_number(value)) {
            w->accuracy = json_number_value(value);
            accuracy = true;
        } else if (strcmp(key, "purpose") == 0 && json_is_string(value) &&
                   json_string_length(value) < VS_WATCH_PURPOSE_BYTES) {
            memcpy(w->purpose, json_string_value(value), json_string_length(value) + 1);
        } else {
            return vs_fail(diag, VS_ERR_MALFORMED,
                           "%s: member \"%.60s\": there are weight (a whole number above 0), loss, "
                           "accuracy (numbers) and purpose (at most 200 bytes)",
                           path, key);
        }
    }
    if (loss != accuracy) {
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: loss and accuracy go together", path);
    }
    w->has_metrics = w->has_metrics || loss;
    return VS_OK;
}

vs_err vs_watch_parse_words(vs_watch_words *words, const uint8_t *bytes, size_t len,
                            const char *name, vs_diag *diag)
{
    json_error_t error;
    vs_watch_words w = *words;
    vs_err err;
    json_t *root = json_loadb((const char *)bytes, len, JSON_REJECT_DUPLICATES, &error);
    if (json_is_object(root)) {
        err = take_words(&w, root, name, diag);
    } else {
        err = vs_fail(diag, VS_ERR_MALFORMED, "%s: line %d: %s", name,
                      root == NULL && error.line > 0 ? error.line : 1,
                      root == NULL ? error.text : "must hold one JSON object");
    }
    json_decref(root);
    if (err == VS_OK) *words = w;
    return err;
}

vs_err vs_watch_read_words(vs_watch_words *words, const char *dir, uint64_t round, vs_diag *diag)
{
    char path[VS_WATCH_PATH_BYTES];
    vs_buf file = {0};
    vs_err err = vs_watch_path(path, dir, "update", round, ".json", diag);
    if (err != VS_OK || !vs_file_exists(path)) return err;
    err = vs_file_read(&file, path, WORDS_MAX_BYTES, diag);
    if (err == VS_OK) err = vs_watch_parse_words(words, file.p, file.len, path, diag);
    vs_buf_free(&file);
    return err;
}

/* --- round-N.json -------------------------------------------------------------------------------
 */

static int put_text(json_t *root, const char *key, const char *value)
{
    return value == NULL || value[0] == '\0' ? 0
                                             : json_object_set_new(root, key, json_string(value));
}

static int put_whole(json_t *root, const char *key, uint64_t value)
{
    return value == 0 ? 0 : json_object_set_new(root, key, json_integer((json_int_t)value));
}

vs_err vs_watch_write_state(const char *dir, const vs_watch_state *s, vs_diag *diag)
{
    char path[VS_WATCH_PATH_BYTES], hash[VS_HEX_CHARS(32)] = "";
    json_t *root = json_object();
    if (!vs_h32_is_zero(&s->model_hash)) vs_hex_encode(hash, s->model_hash.b, 32);
    int bad = put_whole(root, "round", s->round) | put_text(root, "phase", s->phase) |
              put_text(root, "detail", s->detail) | put_whole(root, "num_params", s->dim) |
              put_whole(root, "deadline", s->deadline) |
              put_whole(root, "hard_expiry", s->hard_expiry) | put_text(root, "model_hash", hash) |
              put_text(root, "global", s->global) | put_text(root, "update", s->update) |
              put_text(root, "result", s->result) | put_whole(root, "clients", s->clients) |
              put_whole(root, "weight_sum", s->weight_sum);
    if (s->epsilon > 0) bad |= json_object_set_new(root, "epsilon", json_real(s->epsilon));
    char *text = bad != 0 ? NULL : json_dumps(root, JSON_INDENT(2));
    vs_err err = text == NULL ? vs_fail(diag, VS_ERR_NOMEM, "out of memory") : VS_OK;
    if (err == VS_OK) err = vs_watch_path(path, dir, "round", s->round, ".json", diag);
    if (err == VS_OK) err = vs_file_write_durable(path, text, strlen(text), 0644, diag);
    free(text);
    json_decref(root);
    return err;
}

/* --- global-N.safetensors -----------------------------------------------------------------------
 */

typedef struct download {
    vs_file_out *file;
    vs_hash hash;
} download;

static vs_err put_piece(void *ctx, const uint8_t *bytes, size_t len, vs_diag *diag)
{
    download *d = ctx;
    vs_hash_bytes(&d->hash, bytes, len);
    return vs_file_out_write(d->file, bytes, len, diag);
}

/* The exact bytes of the round's model to path. */
static vs_err fetch_model(const char *path, const vs_caller *caller, const vs_round *round,
                          vs_diag *diag)
{
    const vs_h32 *name = &round->open.model_hash;
    download d = {0};
    vs_h32 hash;
    vs_hash_init(&d.hash);
    vs_err err = vs_file_out_new(&d.file, path, 0600, diag);
    if (err != VS_OK) return err;
    err = vs_call_blob_pieces(caller, name, SIZE_MAX >> 1, put_piece, &d, diag);
    vs_hash_final(&d.hash, &hash);
    if (err == VS_OK && !vs_h32_equal(&hash, name)) {
        err = vs_fail(diag, VS_ERR_PROOF,
                      "the model file does not have the SHA-256 that `open` names");
    }
    if (err == VS_OK) err = vs_file_out_commit(d.file, diag);
    vs_file_out_free(d.file);
    return err;
}

/* A model in another container as .safetensors. */
static vs_err convert(const char *to, const vs_update *model, const char *from,
                      const vs_caller *caller, vs_diag *diag)
{
    vs_result_format format = {0};
    vs_tensors_out *out = NULL;
    vs_err err = vs_result_format_make(&format, caller->fed, (uint32_t)model->n, to, &model->format,
                                       VS_DTYPE_F64, diag);
    if (err == VS_OK) {
        err = vs_tensors_out_new(&out, to, format.container, format.shapes, format.dtypes,
                                 format.count, diag);
    }
    if (err == VS_OK) err = vs_tensors_out_put(out, model->values, (size_t)model->n, diag);
    if (err == VS_OK) err = vs_tensors_out_commit(out, diag);
    vs_tensors_out_free(out);
    vs_result_format_free(&format);
    return err == VS_OK ? vs_file_remove(from, diag) : err;
}

static vs_err write_model(const char *path, const char *dir, const vs_caller *caller,
                          const vs_round *round, vs_diag *diag)
{
    char fetched[VS_WATCH_PATH_BYTES];
    vs_update model;
    vs_err err = vs_watch_path(fetched, dir, "model", round->id.round, ".part", diag);
    if (err == VS_OK) err = fetch_model(fetched, caller, round, diag);
    if (err == VS_OK) err = vs_update_open(&model, caller->fed, fetched, diag);
    if (err != VS_OK) return err;
    if (model.n != round->open.dim) {
        err = vs_fail(diag, VS_ERR_PROOF, "the model file holds %" PRIu64 " values, the round %u",
                      model.n, round->open.dim);
    } else if (model.format.container != VS_CONTAINER_SAFETENSORS) {
        err = convert(path, &model, fetched, caller, diag);
    } else if (rename(fetched, path) != 0) {
        err = vs_fail(diag, VS_ERR_IO, "%s: cannot rename into place", path);
    } else {
        err = vs_file_sync_folder_of(path, diag);
    }
    vs_update_free(&model);
    return err;
}

/* The mean of the round before this one; *there is false where it has none. */
static vs_err write_mean(const char *path, const vs_caller *caller, uint64_t round, bool *there,
                         vs_diag *diag)
{
    vsw_RoundInfo info;
    vs_fetched_result result;
    *there = false;
    if (round < 2) return VS_OK;
    vs_err err = vs_call_round_info(caller, round - 1, &info, NULL, NULL, diag);
    if (err == VS_ERR_STATE) return VS_OK; /* never opened */
    if (err != VS_OK || info.phase != vsw_Phase_FINAL) return err;
    *there = true;
    return vs_result_to_file(&result, caller, round - 1, path, NULL, VS_DTYPE_F64, NULL, diag);
}

vs_err vs_watch_write_global(char name[64], const char *dir, const vs_caller *caller,
                             const vs_round *round, vs_diag *diag)
{
    char path[VS_WATCH_PATH_BYTES];
    bool there = true;
    name[0] = '\0';
    vs_err err = vs_watch_path(path, dir, "global", round->id.round, ".safetensors", diag);
    if (err != VS_OK) return err;
    if (!vs_file_exists(path)) { /* complete when it is there */
        err = vs_h32_is_zero(&round->open.model_hash)
                  ? write_mean(path, caller, round->id.round, &there, diag)
                  : write_model(path, dir, caller, round, diag);
    }
    if (err == VS_OK && there) {
        (void)snprintf(name, 64, "global-%" PRIu64 ".safetensors", round->id.round);
    }
    return err;
}
