#include "net/member.h"

#include "base/beside.h"
#include "base/file.h"

static vs_err load_enrolment(vs_member *m, const vs_member_paths *paths, vs_diag *diag)
{
    char path[VS_BESIDE_BYTES];
    vs_h32 federation_id, client_key;
    const char *file = paths->enrolment == NULL ? path : paths->enrolment;
    vs_err err = VS_OK;
    if (paths->enrolment == NULL) err = vs_path_beside(path, paths->key, ".enrolment", diag);
    if (err == VS_OK && !vs_file_exists(file)) {
        return vs_fail(diag, VS_ERR_IO,
                       "%s: this enrolment is not there: the federation's admin makes it (veilsum "
                       "federation enrol)",
                       file);
    }
    if (err == VS_OK) {
        err = vs_enrolment_load(file, &federation_id, &client_key, m->enrolment, diag);
    }
    if (err != VS_OK) return err;
    if (!vs_h32_equal(&federation_id, &m->fed->id)) {
        return vs_fail(diag, VS_ERR_PROOF,
                       "%s: admits to another federation than %s describes (was the file changed "
                       "after the enrolment?)",
                       file, paths->federation);
    }
    if (!vs_h32_equal(&client_key, &m->keys->pub.identity)) {
        return vs_fail(diag, VS_ERR_PROOF, "%s: admits another key than %s", file, paths->key);
    }
    return VS_OK;
}

vs_err vs_member_load(vs_member *out, const vs_member_paths *paths, vs_diag *diag)
{
    VS_ASSERT(out != NULL && paths != NULL && paths->federation != NULL && paths->key != NULL);
    *out = (vs_member){0};
    vs_err err = vs_federation_load(&out->fed, paths->federation, diag);
    if (err == VS_OK) err = vs_keys_load(&out->keys, paths->key, diag);
    if (err == VS_OK) err = load_enrolment(out, paths, diag);
    if (err != VS_OK) vs_member_free(out);
    return err;
}

vs_err vs_member_open_store(vs_member *m, const vs_member_paths *paths, vs_diag *diag)
{
    char path[VS_BESIDE_BYTES];
    vs_err err = VS_OK;
    VS_ASSERT(m != NULL && m->store.ops == NULL);
    if (paths->data == NULL) err = vs_path_beside(path, paths->key, ".state", diag);
    if (err == VS_OK) {
        err = vs_store_disk_open(&m->store, paths->data == NULL ? path : paths->data, diag);
    }
    if (err != VS_OK) m->store = (vs_store){0};
    return err;
}

void vs_member_free(vs_member *m)
{
    if (m == NULL) return;
    if (m->store.ops != NULL) vs_store_disk_close(&m->store);
    vs_keys_free(m->keys);
    vs_federation_free(m->fed);
    *m = (vs_member){0};
}

vs_caller vs_member_caller(const vs_member *m, uint32_t timeout_ms)
{
    return (vs_caller){
        .fed = m->fed, .keys = m->keys, .enrolment = m->enrolment, .timeout_ms = timeout_ms};
}
