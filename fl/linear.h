/* fl/linear.h - the three dense products of training; the only file that calls BLAS.
 *
 * All matrices are row-major doubles without gaps; outputs do not overlap inputs. One thread:
 * several processes of ours share the cores. Public entry points VS_ASSERT their sizes
 * (each dimension 1..2^30). */
#ifndef VS_FL_LINEAR_H
#define VS_FL_LINEAR_H

#include <stddef.h>

/* Pin BLAS to one thread; cheap, idempotent. Callers also set OPENBLAS_NUM_THREADS=1, since the
 * library starts its threads when it is loaded. */
void vs_linear_init(void);

/* c[m][n] = beta c + a[m][k] b[k][n] */
void vs_linear_mul(double *c, double beta, const double *a, const double *b, size_t m, size_t k,
                   size_t n);
/* c[k][n] += alpha a[m][k]^T b[m][n] */
void vs_linear_add_tn(double *c, double alpha, const double *a, const double *b, size_t m, size_t k,
                      size_t n);
/* c[m][k] = a[m][n] b[k][n]^T */
void vs_linear_mul_nt(double *c, const double *a, const double *b, size_t m, size_t n, size_t k);

#endif /* VS_FL_LINEAR_H */
