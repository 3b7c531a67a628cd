/* cli/blas.h - OpenBLAS settings, which it reads from the environment while it is loaded. */
#ifndef VS_CLI_BLAS_H
#define VS_CLI_BLAS_H

/* Start this program again (once) where the environment lacks them: OPENBLAS_NUM_THREADS=1, so that
 * there is no thread of the library's own in any process, which would take cores from the others
 * and signals from us; and OPENBLAS_CORETYPE for newer processors with AVX-512, which Debian's
 * OpenBLAS does not know. Returns if that was not needed or cannot be done. */
void vs_blas_set_environment(char *const *argv);

#endif /* VS_CLI_BLAS_H */
