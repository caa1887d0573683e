/* Memory of what lives as long as a cell is looked at: taken piece by piece, given back at once.
 *
 * Large blocks are kept for the next cell. The system would map them anew each time, page by page, and one page table serves all
 * threads: at a million columns that took a third of the time, and two threads were no faster than one.
 */

#ifndef MEMORY_H
#define MEMORY_H

#include <stdatomic.h>

#include "arrays.h"

#define PIECE 65536          /* Bytes of the blocks that small arrays share */
#define LEAST_KEPT 131072    /* Least bytes of a block that is kept */
#define MOST_KEPT 32         /* Blocks kept at a time, */
#define BYTES_KEPT 134217728 /* and their bytes */

typedef struct Block {
    struct Block *next;
    size_t size;
} Block;

#define HEAD ((sizeof(Block) + 63) / 64 * 64)

static struct {
    atomic_flag busy;
    int n;
    size_t bytes;
    Block *blocks[MOST_KEPT];
} kept = {ATOMIC_FLAG_INIT, 0, 0, {NULL}};

static void hold_kept(void) {
    while (atomic_flag_test_and_set_explicit(&kept.busy, memory_order_acquire))
        ;
}

static void release_kept(void) { atomic_flag_clear_explicit(&kept.busy, memory_order_release); }

/* The least kept block that is large enough and not much too large, or a new one. */
static Block *take_block(size_t size) {
    Block *found = NULL;
    if (size >= LEAST_KEPT) {
        int best = -1;
        hold_kept();
        for (int k = 0; k < kept.n; k++)
            if (kept.blocks[k]->size >= size && kept.blocks[k]->size / 4 <= size &&
                (best < 0 || kept.blocks[k]->size < kept.blocks[best]->size))
                best = k;
        if (best >= 0) {
            found = kept.blocks[best];
            kept.bytes -= found->size;
            kept.blocks[best] = kept.blocks[--kept.n];
        }
        release_kept();
    }
    if (!found) {
        found = malloc(HEAD + size);
        if (!found)
            return NULL;
        found->size = size;
    }
    found->next = NULL;
    return found;
}

static void give_block(Block *block) {
    bool keep = false;
    if (block->size >= LEAST_KEPT) {
        hold_kept();
        keep = kept.n < MOST_KEPT && kept.bytes + block->size <= BYTES_KEPT;
        if (keep) {
            kept.blocks[kept.n++] = block;
            kept.bytes += block->size;
        }
        release_kept();
    }
    if (!keep)
        free(block);
}

/* What is taken from a store is given back with it. Where memory ends, `failed` says so, and nothing more is taken. */
typedef struct {
    Block *blocks;
    char *piece;
    size_t left;
    bool failed;
} Store;

static void *take(Store *s, size_t bytes) {
    bytes = (bytes + 63) / 64 * 64;
    if (bytes > PIECE / 4 || bytes > s->left) {
        bool shared = bytes <= PIECE / 4;
        Block *block = s->failed ? NULL : take_block(shared ? PIECE : bytes);
        if (!block) {
            s->failed = true;
            return NULL;
        }
        block->next = s->blocks;
        s->blocks = block;
        if (!shared)
            return (char *)block + HEAD;
        s->piece = (char *)block + HEAD;
        s->left = PIECE;
    }
    void *taken = s->piece;
    s->piece += bytes;
    s->left -= bytes;
    return taken;
}

static double *take_doubles(Store *s, i64 n) { return take(s, (size_t)n * sizeof(double)); }
static i64 *take_ints(Store *s, i64 n) { return take(s, (size_t)n * sizeof(i64)); }

static double *take_filled(Store *s, i64 n, double value) {
    double *taken = take_doubles(s, n);
    for (i64 k = 0; taken && k < n; k++)
        taken[k] = value;
    return taken;
}

static void give_back(Store *s) {
    while (s->blocks) {
        Block *block = s->blocks;
        s->blocks = block->next;
        give_block(block);
    }
    s->piece = NULL;
    s->left = 0;
}

/* Lets a store give back what another one has taken. */
static void hand_over(Store *from, Store *to) {
    Block **last = &from->blocks;
    while (*last)
        last = &(*last)->next;
    *last = to->blocks;
    to->blocks = from->blocks;
    from->blocks = NULL;
}

#endif
