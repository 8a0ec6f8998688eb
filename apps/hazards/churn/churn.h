/* Memory churn: memory that is mapped, unmapped, moved, protected, grown, shrunk, given back and written in every way there
 * is, in a sequence that depends on a seed alone, with a model of what every byte must be. It knows nothing of checkpoints
 * and pauses for none. Used by hazard-churn (one process) and hazard-mpi-churn (ranks that exchange messages).
 *
 *      area    a mapping:   | page | page | page | ...         protection, and whether it may have been given back, by page
 *                           | b b b b | b b b b | ...          contents by block of 1 KiB: a seed, 0 for zeros
 *
 * A block's contents follow from its seed: the first word is the seed, the rest depends on its upper 48 bits only, so that
 * a step can change two bytes of a page and the model still says what all of it is.
 *
 * All functions return only on success; what is found wrong is said on stderr, and the program ends with status 1. */
#ifndef CHURN_H
#define CHURN_H

#include "apps/hazards/hazard.h"

#include <stdbool.h>
#include <sys/mman.h>

#define CHURN_PAGE 4096u
#define CHURN_BLOCK 1024u
#define CHURN_PAGE_BLOCKS (CHURN_PAGE / CHURN_BLOCK)
#define CHURN_AREAS 20
#define CHURN_HUGE_BYTES (2u << 20)
#define CHURN_FILE_PAGES 512u

enum churn_kind { CHURN_PRIVATE = 1, CHURN_SHARED = 2, CHURN_FILE = 4 };

struct churn_area {
    unsigned char *at; /* NULL: this place is free */
    size_t pages;
    enum churn_kind kind;
    bool patched;     /* parts were mapped anew, so that the kernel may refuse to move it as one */
    bool busy;        /* a message is on its way: it stays where it is, as it is */
    size_t file_page; /* CHURN_FILE: where in the file it begins */
    uint64_t *seeds;  /* of each block; owned, as the next two */
    unsigned char *protection; /* PROT_ bits of each page */
    unsigned char *given_back; /* of each page: MADV_FREE was called, it is as it was or zero */
};

/* One area and a range of its pages. */
struct churn_range {
    struct churn_area *area;
    size_t first, count;
};

/* The state all operations share. */
struct churn {
    uint64_t random;
    size_t most_pages, pages; /* of all areas together: the limit, and now */
    uint64_t next_seed;
    unsigned moves,
        refused_moves; /* mremap; of these, refused because the kernel sees several mappings */
    int file;          /* the file that is mapped and read from */
    struct churn_area areas[CHURN_AREAS];
};
extern struct churn churn;

/* usage of all: PROGRAM [STEPS [SEED [MIB [OPERATION,OPERATION...]]]] (default: 2000 1 48 and all that are safe anywhere).
 * "+,OPERATION": these besides. */
void churn_begin(int argc, char **argv);
/* Do one thing. Says `STEP n` now and then. Returns 0 after the last. */
int churn_step(void);
/* Verify everything; what it must be goes into the digest. */
void churn_end(void);
/* The next step at the bottom of a deep recursion, for the stack's operation. */
void churn_one(void);

/* area.c: the model. */
uint64_t churn_random(uint64_t below);
/* A new seed, never 0. */
uint64_t churn_seed(void);
void churn_block_fill(unsigned char *at, uint64_t seed);
void churn_block_verify(const unsigned char *at, uint64_t seed, const char *what);
/* The seed of a block of the mapped file. */
uint64_t churn_file_seed(size_t block);
/* A free place, NULL: none, or no room for so many pages. */
struct churn_area *churn_area_new(size_t pages);
/* The model of `area` for memory that was mapped at `at`, all readable and writable, fresh. */
void churn_area_set(struct churn_area *area, enum churn_kind kind, unsigned char *at, size_t pages,
                    size_t file_page);
/* Forget the model (the memory is the caller's to unmap). */
void churn_area_forget(struct churn_area *area);
/* The model of pages that are now as when they were mapped. */
void churn_area_fresh(struct churn_area *area, size_t first, size_t count);
/* Fewer or more pages (more: fresh). */
void churn_area_resize(struct churn_area *area, size_t pages);
/* An area of one of the kinds (a mask) that is not busy, or NULL. */
struct churn_area *churn_pick(unsigned kinds);
/* A range of at most `most` pages of such an area; false: there is none. */
bool churn_pick_range(unsigned kinds, size_t most, struct churn_range *range);
bool churn_writable(const struct churn_area *area, size_t page);
bool churn_all_writable(const struct churn_range *range);
/* Give all pages of the range read and write access. */
void churn_open(const struct churn_range *range);
/* Write `seed` to a block of a writable page; what was given back is taken back first. */
void churn_write(struct churn_area *area, size_t block, uint64_t seed);
/* The model's side of a write that somebody else has done. */
void churn_written(struct churn_area *area, size_t block, uint64_t seed);
/* The page's contents are certain from here on (writes it if it was given back). */
void churn_take_back(struct churn_area *area, size_t page);
void churn_area_verify(const struct churn_area *area, size_t first, size_t count);

/* What can be done, and how often in proportion; ended by a NULL name. */
struct churn_operation {
    const char *name;
    unsigned weight; /* 0: only if it is asked for */
    void (*run)(void);
};
extern const struct churn_operation churn_map_operations[];   /* maps.c */
extern const struct churn_operation churn_write_operations[]; /* writes.c */
extern const struct churn_operation churn_heap_operations[];  /* blocks.c */
/* blocks.c: verify the memory of malloc and of the break. */
void churn_heap_verify(void);

#endif
