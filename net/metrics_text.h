/* net/metrics_text.h - Prometheus text exposition format 0.0.4, written family by family. */
#ifndef VS_NET_METRICS_TEXT_H
#define VS_NET_METRICS_TEXT_H

#include <stdint.h>

#include "base/bytes.h"

#define VS_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* "# HELP" and "# TYPE" of a family; its samples follow. type: "counter", "gauge", "histogram". */
void vs_metrics_family(vs_buf *out, const char *name, const char *type, const char *help);
/* One sample. labels: NULL or `phase="open"` with values free of quotes, backslashes and control
 * characters (ours all are). */
void vs_metrics_uint(vs_buf *out, const char *name, const char *labels, uint64_t value);
void vs_metrics_real(vs_buf *out, const char *name, const char *labels, double value);

/* Durations in fixed buckets, 1 ms to 60 s. Zero-initialise. */
#define VS_HISTOGRAM_BUCKETS 9u
typedef struct vs_histogram {
    uint64_t count[VS_HISTOGRAM_BUCKETS + 1]; /* the last one: longer than all bounds */
    double sum;
} vs_histogram;
void vs_histogram_add(vs_histogram *h, double seconds);
void vs_metrics_histogram(vs_buf *out, const char *name, const char *labels, const vs_histogram *h);

#endif /* VS_NET_METRICS_TEXT_H */
