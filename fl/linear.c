#include "fl/linear.h"

#include <cblas.h>

#include "base/err.h"

static blasint dim(size_t n)
{
    VS_ASSERT(n >= 1 && n <= ((size_t)1 << 30));
    return (blasint)n;
}

void vs_linear_init(void)
{
    openblas_set_num_threads(1);
}

void vs_linear_mul(double *c, double beta, const double *a, const double *b, size_t m, size_t k,
                   size_t n)
{
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, dim(m), dim(n), dim(k), 1.0, a, dim(k),
                b, dim(n), beta, c, dim(n));
}

void vs_linear_add_tn(double *c, double alpha, const double *a, const double *b, size_t m, size_t k,
                      size_t n)
{
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, dim(k), dim(n), dim(m), alpha, a, dim(k),
                b, dim(n), 1.0, c, dim(n));
}

void vs_linear_mul_nt(double *c, const double *a, const double *b, size_t m, size_t n, size_t k)
{
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, dim(m), dim(k), dim(n), 1.0, a, dim(n), b,
                dim(n), 0.0, c, dim(k));
}
