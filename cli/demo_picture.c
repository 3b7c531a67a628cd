/* Accuracy over rounds, drawn by gnuplot. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/demo.h"
#include "cli/plot.h"

/* Room above and below the curves, in whole steps of 5 %. */
static void write_range(FILE *out, const vs_demo *d)
{
    double lo = 100, hi = 0;
    for (uint32_t i = 0; i < d->n_rows; i++) {
        const double a = 100 * d->row[i].accuracy, b = 100 * d->row[i].plain_accuracy;
        lo = a < lo ? a : lo;
        lo = b < lo ? b : lo;
        hi = a > hi ? a : hi;
        hi = b > hi ? b : hi;
    }
    int from = (int)(lo / 5) * 5, to = ((int)(hi / 5) + 1) * 5;
    (void)fprintf(out, "set yrange [%d:%d]\nset xrange [0.8:%g]\nset xtics %u\n", from,
                  to > 100 ? 100 : to, d->n_rows + 0.2, d->n_rows > 20 ? d->n_rows / 10 : 1);
}

static void write_script(FILE *out, const vs_demo *d, const char *picture)
{
    char spec[VS_MODEL_SPEC_BYTES];
    vs_model_format(spec, &d->o.model);
    vs_plot_output(out, picture, 860, 520);
    (void)fprintf(out,
                  "set title '%u clients, %u shareholders, model %s: accuracy on the test set'\n"
                  "set xlabel 'round'\nset ylabel 'accuracy, %%'\nset key bottom right\n"
                  "set grid ytics lc rgb '#dddddd'\nset border 3\nset tics nomirror out\n",
                  d->o.work.n_clients, d->o.shareholders, spec);
    write_range(out, d);
    (void)fprintf(out, "$data << EOD\n");
    for (uint32_t i = 0; i < d->n_rows; i++) {
        (void)fprintf(out, "%u %.4f %.4f\n", d->row[i].round, 100 * d->row[i].accuracy,
                      100 * d->row[i].plain_accuracy);
    }
    (void)fprintf(out,
                  "EOD\nplot $data using 1:3 with linespoints lw 5 pt 7 ps 1.2 lc rgb '#f0a860' "
                  "title 'plain federated averaging', \\\n"
                  "     $data using 1:2 with linespoints lw 2 pt 7 ps 0.7 lc rgb '#1f4e9c' "
                  "title 'private: only the sum is known'\n");
}

vs_err vs_demo_draw(const vs_demo *d, vs_diag *diag)
{
    char script[VS_PROCESS_PATH_BYTES];
    vs_err err = vs_loopback_path(&d->here, script, "accuracy.gnuplot", diag);
    if (err != VS_OK) return err;
    FILE *out = fopen(script, "w");
    if (out == NULL) return vs_fail(diag, VS_ERR_IO, "%s: %s", script, strerror(errno));
    write_script(out, d, d->o.picture);
    bool bad = ferror(out) != 0;
    bad = fclose(out) != 0 || bad;
    if (bad) return vs_fail(diag, VS_ERR_IO, "%s: cannot be written", script);
    return vs_plot_run(script, diag);
}
