/* Data structures over pointers and hashes: an open-addressing hash table, a chained one, a binary search tree. */
#include "bench.h"
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 1 << 17, KEYS = 80000, BUCKETS = 1 << 13, NODES = 20000 };
static uint64_t keys[SLOTS];
static uint32_t values[SLOTS];

static inline size_t slot_of(uint64_t key) {
  size_t at = (key * 0x9e3779b97f4a7c15u) >> (64 - 17);
  while (keys[at] && keys[at] != key) at = (at + 1) & (SLOTS - 1);
  return at;
}

static uint64_t hash_round(void) {
  uint64_t sum = 0;
  for (int round = 0; round < 8; round++) {
    memset(keys, 0, sizeof keys);
    uint64_t seed = 5 + round, again = seed, odd = 99;
    for (int i = 0; i < KEYS; i++) {
      uint64_t key = next_random(&seed) | 1;
      size_t at = slot_of(key);
      keys[at] = key;
      values[at] = i;
    }
    for (int i = 0; i < KEYS; i++) {
      size_t at = slot_of(next_random(&again) | 1);
      if (!keys[at]) wrong("a key is gone from the hash table");
      sum = mix(sum, values[at]);
      sum += keys[slot_of(next_random(&odd) | 1)] != 0;
    }
  }
  return sum;
}

struct node {
  struct node *left, *right, *next;
  uint32_t key, count;
};
static struct node *buckets[BUCKETS];

/* malloc, chains and a tree: what programs with small objects do. */
static uint64_t tree_round(void) {
  uint64_t seed = 21, sum = 0;
  struct node *root = NULL;
  memset(buckets, 0, sizeof buckets);
  for (int i = 0; i < 6 * NODES; i++) {
    uint32_t key = (uint32_t)(next_random(&seed) >> 20) % NODES;
    struct node **chain = &buckets[(key * 2654435761u) >> 19], *found = *chain;
    while (found && found->key != key) found = found->next;
    if (!found) {
      found = malloc(sizeof *found);
      if (!found) wrong("no memory");
      *found = (struct node){.next = *chain, .key = key};
      *chain = found;
      struct node **link = &root;
      while (*link) link = key < (*link)->key ? &(*link)->left : &(*link)->right;
      *link = found;
    }
    found->count++;
  }
  for (int i = 0; i < 6 * NODES; i++) {
    uint32_t key = (uint32_t)(next_random(&seed) >> 20) % NODES;
    const struct node *at = root;
    while (at && at->key != key) at = key < at->key ? at->left : at->right;
    sum = mix(sum, at ? at->count : 0);
  }
  for (int i = 0; i < BUCKETS; i++) {
    for (struct node *at = buckets[i], *next; at; at = next) next = at->next, free(at);
  }
  return sum;
}

const struct kernel hash_kernels[] = {
    {"hash", "hash table, open addressing, 2 MiB", NULL, hash_round},
    {"tree", "malloc, chained hash table and binary tree", NULL, tree_round},
    {0},
};
