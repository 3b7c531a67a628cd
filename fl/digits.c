#include "fl/digits.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fl/draw.h"

enum {
    SIDE = VS_DIGITS_SIDE,
    STROKES_MAX = 3,
    ARC_STEPS = 12,  /* segments of an arc */
    N_STRAY_MAX = 2, /* stray strokes */
};

static const double PI = 3.141592653589793;

/* A part of an ellipse, in glyph units: x to the right, y down, the glyph fills [-1, 1] twice.
 * Angles in degrees, clockwise from the right. A straight line is an arc of kind LINE from
 * (cx, cy) to (rx, ry). */
typedef enum stroke_kind { END, LINE, ARC } stroke_kind;
typedef struct stroke {
    stroke_kind kind;
    double cx, cy, rx, ry;
    double from, to;
} stroke;

static const stroke GLYPHS[VS_DIGITS_CLASSES][STROKES_MAX] = {
    {{ARC, 0.0, 0.0, 0.58, 0.95, 0, 360}},
    {{LINE, -0.35, -0.55, 0.1, -0.95, 0, 0}, {LINE, 0.1, -0.95, 0.1, 0.95, 0, 0}},
    {{ARC, 0.0, -0.42, 0.55, 0.53, 180, 390},
     {LINE, 0.476, -0.155, -0.6, 0.92, 0, 0},
     {LINE, -0.6, 0.92, 0.62, 0.92, 0, 0}},
    {{ARC, -0.05, -0.48, 0.52, 0.46, 200, 450}, {ARC, -0.05, 0.45, 0.6, 0.48, 270, 520}},
    {{LINE, 0.25, -0.95, -0.62, 0.3, 0, 0},
     {LINE, -0.62, 0.3, 0.65, 0.3, 0, 0},
     {LINE, 0.28, -0.4, 0.28, 0.95, 0, 0}},
    {{LINE, 0.5, -0.92, -0.42, -0.92, 0, 0},
     {LINE, -0.42, -0.92, -0.48, -0.1, 0, 0},
     {ARC, -0.05, 0.35, 0.6, 0.58, 225, 510}},
    {{ARC, 0.55, 0.3, 1.08, 1.25, 180, 262}, {ARC, 0.0, 0.42, 0.54, 0.52, 0, 360}},
    {{LINE, -0.58, -0.92, 0.58, -0.92, 0, 0}, {LINE, 0.58, -0.92, -0.15, 0.95, 0, 0}},
    {{ARC, 0.0, -0.47, 0.45, 0.46, 0, 360}, {ARC, 0.0, 0.46, 0.56, 0.5, 0, 360}},
    {{ARC, 0.0, -0.42, 0.54, 0.52, 0, 360}, {ARC, -0.55, -0.3, 1.08, 1.25, 0, 82}},
};

/* How one image differs from its glyph. */
typedef struct pose {
    double m[4];        /* glyph units to pixels */
    double x, y;        /* centre, pixels */
    double bend, phase; /* a slow wave along y */
    double radius;      /* half the pen's width, pixels */
    double ink;         /* 0..255 */
} pose;

static pose pose_draw(vs_draw *d)
{
    pose p;
    double turn = vs_draw_between(d, -0.35, 0.35); /* radians: 20 degrees */
    double shear = vs_draw_between(d, -0.25, 0.25);
    double sx = vs_draw_between(d, 6.0, 9.0);
    double sy = vs_draw_between(d, 7.0, 10.0);
    double c = cos(turn);
    double s = sin(turn);
    p.m[0] = c * sx;
    p.m[1] = c * shear * sx - s * sy;
    p.m[2] = s * sx;
    p.m[3] = s * shear * sx + c * sy;
    p.x = SIDE / 2.0 + vs_draw_between(d, -2.4, 2.4);
    p.y = SIDE / 2.0 + vs_draw_between(d, -2.4, 2.4);
    p.bend = vs_draw_between(d, 0.0, 0.18);
    p.phase = vs_draw_between(d, 0.0, 2.0 * PI);
    p.radius = vs_draw_between(d, 0.6, 1.7);
    p.ink = vs_draw_between(d, 140.0, 255.0);
    return p;
}

static void to_pixels(double out[2], const pose *p, double x, double y)
{
    x += p->bend * sin(2.5 * y + p->phase);
    out[0] = p->x + p->m[0] * x + p->m[1] * y;
    out[1] = p->y + p->m[2] * x + p->m[3] * y;
}

static int clamp_pixel(double v)
{
    return v < 0.0 ? 0 : v > SIDE - 1.0 ? SIDE - 1 : (int)v;
}

/* A round pen from a to b: full ink within the radius, fading over one pixel; the darker of
 * old and new stays, so that crossings do not show. */
static void draw_segment(double *image, const double a[2], const double b[2], double radius,
                         double ink)
{
    const double reach = radius + 1.0;
    const double dx = b[0] - a[0];
    const double dy = b[1] - a[1];
    const double len2 = dx * dx + dy * dy;
    const int x_end = clamp_pixel(fmax(a[0], b[0]) + reach);
    const int y_end = clamp_pixel(fmax(a[1], b[1]) + reach);
    for (int y = clamp_pixel(fmin(a[1], b[1]) - reach); y <= y_end; y++) {
        for (int x = clamp_pixel(fmin(a[0], b[0]) - reach); x <= x_end; x++) {
            double px = x + 0.5 - a[0];
            double py = y + 0.5 - a[1];
            double t = len2 > 0.0 ? (px * dx + py * dy) / len2 : 0.0;
            t = t < 0.0 ? 0.0 : t > 1.0 ? 1.0 : t;
            double far = sqrt((px - t * dx) * (px - t * dx) + (py - t * dy) * (py - t * dy));
            double v = ink * (radius + 0.5 - far);
            v = v > ink ? ink : v;
            double *at = &image[y * SIDE + x];
            *at = v > *at ? v : *at;
        }
    }
}

static void draw_stroke(double *image, const stroke *s, const pose *p)
{
    double last[2];
    double next[2];
    for (int i = 0; i <= ARC_STEPS; i++) {
        double t = (double)i / ARC_STEPS;
        if (s->kind == LINE) {
            to_pixels(next, p, s->cx + t * (s->rx - s->cx), s->cy + t * (s->ry - s->cy));
        } else {
            double angle = (s->from + t * (s->to - s->from)) * PI / 180.0;
            to_pixels(next, p, s->cx + s->rx * cos(angle), s->cy + s->ry * sin(angle));
        }
        if (i > 0) draw_segment(image, last, next, p->radius, p->ink);
        memcpy(last, next, sizeof last);
    }
}

/* Short lines anywhere, as on a form that was filled in. */
static void draw_stray(double *image, vs_draw *d, const pose *p)
{
    uint32_t n = vs_draw_below(d, N_STRAY_MAX + 1);
    for (uint32_t i = 0; i < n; i++) {
        double a[2] = {vs_draw_between(d, 0, SIDE), vs_draw_between(d, 0, SIDE)};
        double b[2] = {a[0] + vs_draw_between(d, -7, 7), a[1] + vs_draw_between(d, -7, 7)};
        draw_segment(image, a, b, p->radius * 0.8, p->ink * vs_draw_between(d, 0.5, 1.0));
    }
}

/* Sum of four uniform bytes, centred: a fair bell curve for one u32 of stream. */
static double noise_of(uint32_t word)
{
    double sum = (double)((word & 0xff) + (word >> 8 & 0xff) + (word >> 16 & 0xff) + (word >> 24));
    return (sum - 510.0) / 148.0; /* variance 4 (256^2 - 1)/12 = 148^2 */
}

void vs_digits_draw(uint8_t *pixels, uint32_t digit, uint64_t seed)
{
    VS_ASSERT(pixels != NULL && digit < VS_DIGITS_CLASSES);
    vs_draw d;
    double image[SIDE * SIDE] = {0};
    vs_draw_init(&d, seed, VS_DRAW_DIGITS);
    pose p = pose_draw(&d);
    for (int i = 0; i < STROKES_MAX && GLYPHS[digit][i].kind != END; i++) {
        draw_stroke(image, &GLYPHS[digit][i], &p);
    }
    draw_stray(image, &d, &p);
    double noise = vs_draw_between(&d, 5.0, 35.0);
    for (int i = 0; i < SIDE * SIDE; i += 2) {
        uint64_t word = vs_draw_u64(&d);
        for (int k = 0; k < 2; k++) {
            double v = image[i + k] + noise * noise_of((uint32_t)(word >> (32 * k)));
            pixels[i + k] = (uint8_t)(v < 0.0 ? 0.0 : v > 255.0 ? 255.0 : v);
        }
    }
}

vs_err vs_digits_labels(uint8_t **out, uint32_t n_rows, uint64_t seed, vs_diag *diag)
{
    VS_ASSERT(out != NULL);
    *out = NULL;
    if (n_rows < 1 || n_rows > VS_DATASET_ROWS_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT, "%u generated images: want 1 to %u", n_rows,
                       VS_DATASET_ROWS_MAX);
    }
    uint8_t *labels = malloc(n_rows);
    uint32_t *order = malloc(n_rows * sizeof *order);
    if (labels == NULL || order == NULL) {
        free(labels);
        free(order);
        return vs_fail(diag, VS_ERR_NOMEM, "out of memory for %u images", n_rows);
    }
    vs_draw d;
    vs_draw_init(&d, seed, VS_DRAW_DIGITS);
    for (uint32_t i = 0; i < n_rows; i++) order[i] = i;
    vs_draw_shuffle(&d, order, n_rows);
    for (uint32_t i = 0; i < n_rows; i++) labels[i] = (uint8_t)(order[i] % VS_DIGITS_CLASSES);
    free(order);
    *out = labels;
    return VS_OK;
}

vs_err vs_digits_take(vs_dataset *out, uint32_t n_rows, uint64_t seed, const uint32_t *rows,
                      size_t n, vs_diag *diag)
{
    VS_ASSERT(out != NULL && (rows != NULL ? n <= VS_DATASET_ROWS_MAX : n == n_rows));
    uint8_t *all_labels = NULL;
    memset(out, 0, sizeof *out);
    vs_err err = vs_digits_labels(&all_labels, n_rows, seed, diag);
    if (err != VS_OK) return err;
    uint8_t *pixels = malloc(n * VS_DIGITS_FEATURES + 1);
    uint8_t *labels = malloc(n + 1);
    if (pixels == NULL || labels == NULL) {
        free(pixels);
        free(labels);
        free(all_labels);
        return vs_fail(diag, VS_ERR_NOMEM, "out of memory for %zu images", n);
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t row = rows != NULL ? rows[i] : (uint32_t)i;
        VS_ASSERT(row < n_rows);
        labels[i] = all_labels[row];
        vs_digits_draw(pixels + i * VS_DIGITS_FEATURES, labels[i],
                       vs_draw_derive(seed, VS_DRAW_DIGITS, row));
    }
    free(all_labels);
    *out = (vs_dataset){.n_rows = n,
                        .n_features = VS_DIGITS_FEATURES,
                        .n_classes = VS_DIGITS_CLASSES,
                        .pixels = pixels,
                        .labels = labels};
    return VS_OK;
}

vs_err vs_digits_make(vs_dataset *out, uint32_t n_rows, uint64_t seed, vs_diag *diag)
{
    return vs_digits_take(out, n_rows, seed, NULL, n_rows, diag);
}
