/* Floating-point kernels: vectorised matrix multiplication, scalar n-body, scalar escape times, an integer filter. */
#include "bench.h"
#include <math.h>
#include <string.h>

enum { N = 256 };
static double left[N][N], right[N][N], product[N][N];

static void matrix_setup(void) {
  uint64_t seed = 17;
  for (int i = 0; i < N; i++)
    for (int k = 0; k < N; k++) {
      left[i][k] = (double)(next_random(&seed) >> 40) / 4096;
      right[i][k] = (double)(next_random(&seed) >> 40) / 4096;
    }
}

static uint64_t bits(double value) {
  uint64_t result;
  memcpy(&result, &value, sizeof result);
  return result;
}

/* Row by row, so that the inner loop becomes mulpd and addpd at -O3. */
__attribute__((noinline, optimize("O3"))) static void multiply(void) {
  memset(product, 0, sizeof product);
  for (int i = 0; i < N; i++)
    for (int k = 0; k < N; k++) {
      double factor = left[i][k];
      for (int j = 0; j < N; j++) product[i][j] += factor * right[k][j];
    }
}

static uint64_t matrix_round(void) {
  uint64_t sum = 0;
  for (int round = 0; round < 5; round++) multiply();
  for (int i = 0; i < N; i++) sum = mix(sum, bits(product[i][(i * 7) % N]));
  return sum;
}

enum { BODIES = 5 };
struct body {
  double x, y, z, vx, vy, vz, mass;
};

/* A central mass and four light ones on rough orbits: positions and speeds need not be those of any planets. */
static uint64_t bodies_round(void) {
  struct body bodies[BODIES];
  for (int i = 0; i < BODIES; i++) {
    double r = i == 0 ? 0 : 4.0 + 6.5 * i, v = i == 0 ? 0 : sqrt(39.4 / r);
    bodies[i] = (struct body){r, 0.3 * i, -0.1 * i, 0.01 * i, v, 0.02 * v, i == 0 ? 39.4 : 0.004 * i};
  }
  for (int step = 0; step < 200000; step++) {
    for (int i = 0; i < BODIES; i++) {
      struct body *a = &bodies[i];
      for (int k = i + 1; k < BODIES; k++) {
        struct body *b = &bodies[k];
        double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
        double square = dx * dx + dy * dy + dz * dz, pull = 0.001 / (square * sqrt(square));
        a->vx -= dx * b->mass * pull, a->vy -= dy * b->mass * pull, a->vz -= dz * b->mass * pull;
        b->vx += dx * a->mass * pull, b->vy += dy * a->mass * pull, b->vz += dz * a->mass * pull;
      }
    }
    for (int i = 0; i < BODIES; i++) {
      struct body *a = &bodies[i];
      a->x += 0.001 * a->vx, a->y += 0.001 * a->vy, a->z += 0.001 * a->vz;
    }
  }
  uint64_t sum = 0;
  for (int i = 0; i < BODIES; i++) sum = mix(mix(sum, bits(bodies[i].x)), bits(bodies[i].vy));
  return sum;
}

/* Comparisons and conversions between each few operations. */
static uint64_t escape_round(void) {
  uint64_t sum = 0;
  for (int py = 0; py < 160; py++)
    for (int px = 0; px < 200; px++) {
      double cx = px / 80.0 - 2.0, cy = py / 64.0 - 1.25, x = 0, y = 0;
      int steps = 0;
      for (; steps < 1000; steps++) {
        double xx = x * x, yy = y * y;
        if (xx + yy > 4.0) break;
        y = 2 * x * y + cy;
        x = xx - yy + cx;
      }
      sum = mix(sum, steps);
    }
  return sum;
}

enum { POINTS = 1 << 16 };
static int32_t samples[POINTS], filtered[POINTS];

/* Integer vectors: a five-point filter, 32-bit lanes. */
__attribute__((noinline, optimize("O3"))) static void filter(void) {
  for (int i = 2; i < POINTS - 2; i++)
    filtered[i] = (samples[i - 2] + 4 * samples[i - 1] + 6 * samples[i] + 4 * samples[i + 1] + samples[i + 2]) >> 4;
}

static uint64_t filter_round(void) {
  uint64_t seed = 4, sum = 0;
  for (int i = 0; i < POINTS; i++) samples[i] = (int32_t)(next_random(&seed) >> 44);
  for (int round = 0; round < 900; round++) {
    filter();
    memcpy(samples, filtered, sizeof samples);
    samples[round] += 1000;
  }
  for (int i = 0; i < POINTS; i += 61) sum = mix(sum, (uint32_t)filtered[i]);
  return sum;
}

const struct kernel floating_kernels[] = {
    {"matmul", "matrix multiplication, double, vectorised", matrix_setup, matrix_round},
    {"nbody", "n-body, scalar double", NULL, bodies_round},
    {"mandelbrot", "escape times, scalar double with branches", NULL, escape_round},
    {"filter", "five-point filter, 32-bit integers, vectorised", NULL, filter_round},
    {0},
};
