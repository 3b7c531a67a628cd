/* cli/plot.h - pictures by gnuplot. */
#ifndef VS_CLI_PLOT_H
#define VS_CLI_PLOT_H

#include <stdio.h>

#include "base/err.h"

/* "set terminal ..." and "set output ..." for a file, by its ending .svg or .png. */
void vs_plot_output(FILE *script, const char *picture, unsigned width, unsigned height);
/* A text inside single quotes. */
void vs_plot_quote(FILE *script, const char *text);
/* Run a script file. VS_ERR_STATE: there is no gnuplot; VS_ERR_IO: it failed. */
VS_MUST_CHECK vs_err vs_plot_run(const char *script, vs_diag *diag);
/* Take out of an SVG picture the empty groups that gnuplot leaves in it, a fifth of the file. */
VS_MUST_CHECK vs_err vs_plot_tidy(const char *picture, vs_diag *diag);

#endif /* VS_CLI_PLOT_H */
