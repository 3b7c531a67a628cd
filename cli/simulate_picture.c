/* The picture of a simulation: panels over the rounds, drawn by gnuplot.
 *
 * Always: accuracy, what was clipped, bytes, seconds by phase. Where there is something to see:
 * area under the ROC curve (two classes), epsilon (a mechanism), clients (some were lost). */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/plot.h"
#include "cli/simulate.h"

enum { PANEL_WIDTH = 480, PANEL_HEIGHT = 350, TITLE_HEIGHT = 40, STEPS = 8 };

#define BLUE "'#1f4e9c'"
#define ORANGE "'#f0a860'"
#define RED "'#b03060'"
#define GREEN "'#2e8b57'"
#define GREY "'#c0c0c0'"

static bool has_auc(const vs_simulate *s)
{
    const double auc = s->row[s->n_rows - 1].private_.auc;
    return !isnan(auc);
}

static bool has_epsilon(const vs_simulate *s)
{
    return s->o.pipeline->privacy.mechanism != VS_MECHANISM_NONE;
}

static bool has_losses(const vs_simulate *s)
{
    for (uint32_t i = 0; i < s->n_rows; i++) {
        if (s->row[i].included < s->row[i].sampled) return true;
    }
    return false;
}

/* Ticks of the rounds: whole ones, about STEPS of them, a step of 1, 2 or 5 times a power of ten.
 */
static uint32_t tick(uint32_t n_rounds)
{
    static const uint32_t steps[] = {1, 2, 5};
    for (uint32_t power = 1;; power *= 10) {
        for (size_t i = 0; i < 3; i++) {
            if (n_rounds / (steps[i] * power) <= STEPS) return steps[i] * power;
        }
    }
}

static void write_data(FILE *out, const vs_simulate *s)
{
    (void)fputs("$data << EOD\n", out);
    for (uint32_t i = 0; i < s->n_rows; i++) {
        const vs_simulate_row *r = &s->row[i];
        (void)fprintf(out, "%u %g %g %g %g %g %g %g %g %g %g %u %u\n", r->round,
                      100 * r->private_.accuracy, 100 * r->plain.accuracy, 100 * r->clipped,
                      100 * r->norm_clipped, (double)r->upload_bytes / 1e3, r->train_s,
                      r->train_s + r->submit_s, r->train_s + r->submit_s + r->aggregate_s,
                      r->private_.auc, r->plain.auc, r->included, r->sampled);
    }
    (void)fputs("EOD\n$epsilon << EOD\n", out);
    for (uint32_t i = 0; i < s->n_rows; i++) {
        (void)fprintf(out, "%u %g\n", s->row[i].round, s->row[i].epsilon);
    }
    (void)fputs("EOD\n", out);
}

/* What a panel of two models shows. */
typedef struct pair {
    double private_, plain;
} pair;

static pair accuracy_of(const vs_simulate_row *r)
{
    return (pair){100 * r->private_.accuracy, 100 * r->plain.accuracy};
}

static pair auc_of(const vs_simulate_row *r)
{
    return (pair){r->private_.auc, r->plain.auc};
}

/* One model beside the other; y is the private one's column, y + 1 the plain one's. least: the
 * smallest range of the axis (gnuplot warns of an empty one); most: what no value exceeds. */
static void write_models(FILE *out, const vs_simulate *s, const char *title, int y,
                         pair (*of)(const vs_simulate_row *), double least, double most)
{
    double lo = INFINITY, hi = -INFINITY;
    for (uint32_t i = 0; i < s->n_rows; i++) {
        const pair p = of(&s->row[i]);
        lo = fmin(lo, s->o.plain ? fmin(p.private_, p.plain) : p.private_);
        hi = fmax(hi, s->o.plain ? fmax(p.private_, p.plain) : p.private_);
    }
    if (hi - lo < least) {
        lo = fmax(0, (hi + lo - least) / 2);
        hi = lo + least;
    }
    (void)fprintf(out, "set title '%s'\nset yrange [%g:%g]\nplot ", title, lo - (hi - lo) / 20,
                  fmin(hi + (hi - lo) / 20, most));
    if (s->o.plain) {
        (void)fprintf(
            out, "$data using 1:%d with @thick lc rgb " ORANGE " title 'plain averaging', ", y + 1);
    }
    (void)fprintf(out, "$data using 1:%d with @thin lc rgb " BLUE " title 'private'\n", y);
}

static void write_epsilon(FILE *out, const vs_simulate *s)
{
    const vs_privacy *p = &s->o.pipeline->privacy;
    (void)fprintf(out,
                  "set title 'epsilon spent (delta %g)'\nset yrange [0:%g]\n"
                  "plot %g with lines lw 2 dt 2 lc rgb " RED " title 'max epsilon %g', "
                  "$epsilon using 1:2 with @thin lc rgb " BLUE " title 'spent'\n",
                  p->delta, 1.1 * p->max_epsilon, p->max_epsilon, p->max_epsilon);
}

static double most_clipped(const vs_simulate *s)
{
    double most = 1; /* %, so that a tiny part looks tiny */
    for (uint32_t i = 0; i < s->n_rows; i++) {
        most = fmax(most, 100 * fmax(s->row[i].clipped, s->row[i].norm_clipped));
    }
    return most;
}

static void write_panels(FILE *out, const vs_simulate *s)
{
    write_models(out, s, "accuracy on the test set, %", 2, accuracy_of, 5, 100);
    if (has_auc(s)) write_models(out, s, "area under the ROC curve", 10, auc_of, 0.05, 1);
    if (has_epsilon(s)) write_epsilon(out, s);
    if (has_losses(s)) {
        (void)fputs("set title 'clients of a round'\nset yrange [0:*]\n"
                    "plot $data using 1:13 with @thick lc rgb " GREY
                    " title 'sampled', $data using 1:12 with @thin lc rgb " BLUE
                    " title 'in the sum'\n",
                    out);
    }
    (void)fprintf(out, "set yrange [0:%g]\n", 1.05 * most_clipped(s));
    (void)fputs("set title 'clipped, %'\n"
                "plot $data using 1:5 with @thick lc rgb " ORANGE " title 'norms of updates', "
                "$data using 1:4 with @thin lc rgb " RED " title 'coordinates'\n"
                "set title 'upload of one client, kB'\nset yrange [0:*]\n"
                "plot $data using 1:6 with @thin lc rgb " GREEN " notitle\n"
                "set title 'seconds of a private round'\n"
                "plot $data using 1:9 with boxes lc rgb " GREY
                " title 'closing', $data using 1:8 with boxes lc rgb " BLUE
                " title 'sharing', $data using 1:7 with boxes lc rgb " ORANGE " title 'training'\n",
                out);
}

static void write_script(FILE *out, const vs_simulate *s)
{
    const unsigned n = 4u + has_auc(s) + has_epsilon(s) + has_losses(s);
    const unsigned columns = n > 4 ? 3 : 2, rows = (n + columns - 1) / columns;
    char spec[VS_MODEL_SPEC_BYTES], partition[VS_PARTITION_TEXT_BYTES], title[512];
    vs_model_format(spec, &s->model);
    vs_partition_format(partition, s->o.work.partition);
    (void)snprintf(title, sizeof title, "%u clients (%s), %u shareholders, model %s, %u bits",
                   s->o.work.n_clients, partition, s->o.committee.n, spec,
                   s->o.pipeline->quantiser.bits);
    const bool many = s->n_rows > 12;
    if (s->o.attackers.kind != VS_ATTACK_NONE) {
        char attack[VS_ATTACK_TEXT_BYTES];
        const size_t len = strlen(title);
        vs_attack_format(attack, &s->o.attackers);
        (void)snprintf(title + len, sizeof title - len, "; %u attackers: %s%s", s->o.attackers.n,
                       attack, s->o.attackers.skip_clipping ? ", not clipping" : "");
    }
    write_data(out, s);
    vs_plot_output(out, s->o.picture, columns * PANEL_WIDTH, rows * PANEL_HEIGHT + TITLE_HEIGHT);
    (void)fprintf(out, "set multiplot layout %u,%u title ", rows, columns);
    vs_plot_quote(out, title);
    (void)fprintf(out,
                  " font ',16'\nset macros\nthick = '%s lw 5'\nthin = '%s lw 2'\nset grid ytics lc "
                  "rgb '#dddddd'\n"
                  "set border 3\nset tics nomirror out\nset xlabel 'round' offset 0,0.5\n"
                  "set xrange [0.5:%u.5]\nset xtics %u\nset key at graph 0.5,1.1 center "
                  "center horizontal maxrows 1 samplen 2\nset title offset 0,1.2 font ',15'\n"
                  "set lmargin 9\nset rmargin 3\nset tmargin 5\nset bmargin 3.5\n"
                  "set boxwidth 0.8\nset style fill solid\nset format y '%%.4g'\n",
                  many ? "lines" : "linespoints pt 7 ps 0.7",
                  many ? "lines" : "linespoints pt 7 ps 0.4", s->n_rows, tick(s->n_rows));
    write_panels(out, s);
    (void)fputs("unset multiplot\n", out);
}

vs_err vs_simulate_draw(const vs_simulate *s, vs_diag *diag)
{
    char script[VS_SIMULATE_PATH_BYTES + 32];
    VS_ASSERT(s->n_rows > 0);
    (void)snprintf(script, sizeof script, "%s/plot.gnuplot", s->folder);
    FILE *out = fopen(script, "w");
    if (out == NULL) return vs_fail(diag, VS_ERR_IO, "%.400s: %s", script, strerror(errno));
    write_script(out, s);
    bool bad = ferror(out) != 0;
    bad = fclose(out) != 0 || bad;
    if (bad) return vs_fail(diag, VS_ERR_IO, "%.400s: cannot be written", script);
    vs_err err = vs_plot_run(script, diag);
    return err == VS_OK ? vs_plot_tidy(s->o.picture, diag) : err;
}
