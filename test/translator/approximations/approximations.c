/* rcpps, rcpss, rsqrtps, rsqrtss over numbers of every size and sign, infinities, NaNs, denormals: prints a hash of all results. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <xmmintrin.h>

static uint64_t hash = 1;
static void mix(__m128 v) {
  uint32_t words[4];
  memcpy(words, &v, sizeof words);
  for (int i = 0; i < 4; i++) hash = (hash ^ words[i]) * 0x100000001b3u + (hash >> 29);
}

int main(void) {
  uint32_t seed = 1;
  float exact[4];
  _mm_storeu_ps(exact, _mm_rcp_ps(_mm_setr_ps(0.5f, -4, 1, 0x1p100f)));
  printf("%g %g %g %g\n", exact[0], exact[1], exact[2], exact[3] * 0x1p100);
  _mm_storeu_ps(exact, _mm_rsqrt_ps(_mm_setr_ps(0.25f, 16, 1, 0x1p100f)));
  printf("%g %g %g %g\n", exact[0], exact[1], exact[2], exact[3] * 0x1p50);
  for (int round = 0; round < 20000; round++) {
    uint32_t words[4];
    for (int i = 0; i < 4; i++) {
      seed = seed * 1664525 + 1013904223;
      /* Mostly ordinary numbers, so that all four lanes are. */
      words[i] = round % 4 == 0 ? seed : (seed & 0x007fffff) | 0x30000000 | ((seed >> 5) & 0x1f800000);
    }
    __m128 v;
    memcpy(&v, words, sizeof v);
    mix(_mm_rcp_ps(v)), mix(_mm_rsqrt_ps(v)), mix(_mm_rcp_ss(v)), mix(_mm_rsqrt_ss(v));
  }
  printf("%016lx\n", hash);
}
