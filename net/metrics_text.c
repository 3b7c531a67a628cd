#include "net/metrics_text.h"

#include <inttypes.h>
#include <math.h>

static const double bounds[VS_HISTOGRAM_BUCKETS] = {0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 30, 60};

void vs_metrics_family(vs_buf *out, const char *name, const char *type, const char *help)
{
    vs_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void name_and_labels(vs_buf *out, const char *name, const char *suffix, const char *labels)
{
    vs_buf_printf(out, "%s%s", name, suffix);
    if (labels != NULL) vs_buf_printf(out, "{%s}", labels);
}

void vs_metrics_uint(vs_buf *out, const char *name, const char *labels, uint64_t value)
{
    name_and_labels(out, name, "", labels);
    vs_buf_printf(out, " %" PRIu64 "\n", value);
}

void vs_metrics_real(vs_buf *out, const char *name, const char *labels, double value)
{
    name_and_labels(out, name, "", labels);
    vs_buf_printf(out, " %.9g\n", isfinite(value) ? value : 0);
}

void vs_histogram_add(vs_histogram *h, double seconds)
{
    uint32_t b = 0;
    while (b < VS_HISTOGRAM_BUCKETS && seconds > bounds[b]) b++;
    h->count[b]++;
    h->sum += seconds;
}

void vs_metrics_histogram(vs_buf *out, const char *name, const char *labels, const vs_histogram *h)
{
    uint64_t sum = 0;
    const char *comma = labels == NULL ? "" : ",";
    const char *more = labels == NULL ? "" : labels;
    for (uint32_t b = 0; b < VS_HISTOGRAM_BUCKETS; b++) {
        sum += h->count[b];
        vs_buf_printf(out, "%s_bucket{%s%sle=\"%g\"} %" PRIu64 "\n", name, more, comma, bounds[b],
                      sum);
    }
    sum += h->count[VS_HISTOGRAM_BUCKETS];
    vs_buf_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", name, more, comma, sum);
    name_and_labels(out, name, "_sum", labels);
    vs_buf_printf(out, " %.9g\n", h->sum);
    name_and_labels(out, name, "_count", labels);
    vs_buf_printf(out, " %" PRIu64 "\n", sum);
}
