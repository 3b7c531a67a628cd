#include "net/page.h"

vs_err vs_page_put(vs_export *e, vs_diag *diag)
{
    vs_err err = VS_OK;
    for (const vs_page_file *f = vs_page_files; err == VS_OK && f->name != NULL; f++) {
        err = vs_export_put(e, f->name, f->bytes, f->len, diag);
    }
    return err;
}
