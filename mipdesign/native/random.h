/* Pseudo-random numbers: xoshiro256** (Blackman, Vigna 2021), seeded by splitmix64. Equal seeds give equal numbers anywhere. */

#ifndef RANDOM_H
#define RANDOM_H

#include <stdint.h>

typedef struct {
    uint64_t state[4];
} Random;

static Random random_of(uint64_t seed) {
    Random random;
    for (int k = 0; k < 4; k++) {
        uint64_t z = seed += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        random.state[k] = z ^ (z >> 31);
    }
    return random;
}

static inline uint64_t rotated(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

static inline uint64_t next_random(Random *random) {
    uint64_t *s = random->state, result = rotated(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0], s[3] ^= s[1], s[1] ^= s[2], s[0] ^= s[3], s[2] ^= t;
    s[3] = rotated(s[3], 45);
    return result;
}

/* From [0, 1). */
static inline double uniform(Random *random) { return (double)(next_random(random) >> 11) * 0x1p-53; }

/* From 0 to n - 1, for n far below 2^32. */
static inline int64_t below(Random *random, int64_t n) { return (int64_t)(((next_random(random) >> 32) * (uint64_t)n) >> 32); }

#endif
