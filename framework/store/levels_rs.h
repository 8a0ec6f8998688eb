/* Reed-Solomon over the nodes: the layout, and reading and writing nodes' streams. Used by levels_rs*.c only. */
/* clang-format off */
/*
 * The images of a node's ranks, one behind the other, are its stream. With n nodes and parity M each stream is cut into
 * K = n - M segments of `width` bytes (the same on all nodes, the last one padded with zeros). There are n stripes; each
 * has one segment of K different nodes, and M parity shards on the M others. Parity goes round, so that all nodes hold
 * and write the same amount. n = 5, M = 2, K = 3; S2.1 is segment 1 of node 2, P3.0 is parity 0 of stripe 3:
 *
 *                 node 0   node 1   node 2   node 3   node 4
 *      stripe 0    P0.0     P0.1     S2.2     S3.1     S4.0
 *      stripe 1    S0.0     P1.0     P1.1     S3.2     S4.1
 *      stripe 2    S0.1     S1.0     P2.0     P2.1     S4.2
 *      stripe 3    S0.2     S1.1     S2.0     P3.0     P3.1
 *      stripe 4    P4.1     S1.2     S2.1     S3.0     P4.0
 *
 * Every stripe has exactly one shard on each node: whichever M nodes are lost, K shards of it are left, and any K give
 * back the others (Cauchy matrix over GF(256)). Stripe c: segment s is of node (c - 1 - s) mod n, parity p is on node
 * (c + p) mod n.
 *
 * NODE/epochs/000007/parity.dvp has the node's parity shards, M of them:
 *
 *      | struct parity_header, 4096 bytes | parity 0 (stripe node) | parity 1 (stripe node - 1) | ... |  each `width` bytes
 */
/* clang-format on */
#ifndef DV_IMAGE_LEVELS_RS_H
#define DV_IMAGE_LEVELS_RS_H

#include "store/levels_internal.h"

#define DV_RS_HEADER 4096u
#define DV_RS_CHUNK (256u * 1024u)

/* One open file of a node's stream at a time. */
struct dv_rs_stream {
    int fd; /* -1: none */
    uint32_t rank;
};

struct dv_rs {
    const struct dv_manifest *m;
    uint32_t n, parity, k;
    uint64_t width;
    uint64_t *start; /* [ranks + 1] where each rank's image begins in its node's stream */
    struct dv_rs_stream stream[DV_MOST_NODES];
    uint8_t *matrix; /* n rows of k: identity, then parity */
    uint8_t *buffer; /* n chunks */
};

enum dv_status dv_rs_open(const struct dv_manifest *m, struct dv_rs *rs) DV_CHECKED;
void dv_rs_close(struct dv_rs *rs);
static inline uint32_t dv_rs_data_node(const struct dv_rs *rs, uint32_t stripe, uint32_t segment)
{
    return (stripe + 2 * rs->n - 1 - segment) % rs->n;
}
static inline uint32_t dv_rs_parity_node(const struct dv_rs *rs, uint32_t stripe, uint32_t parity)
{
    return (stripe + parity) % rs->n;
}
void dv_rs_parity_name(const struct dv_manifest *m, char *name, size_t name_bytes);
/* `length` bytes of a node's stream from `offset` on; zeros behind its end. */
enum dv_status dv_rs_read(struct dv_rs *rs, uint32_t node, uint64_t offset, uint8_t *bytes,
                          size_t length) DV_CHECKED;
/* The same into `<image>.tmp` of the ranks for which `good` is false. */
enum dv_status dv_rs_write(struct dv_rs *rs, uint32_t node, uint64_t offset, const uint8_t *bytes,
                           size_t length, const bool *good) DV_CHECKED;
/* Is the node's parity file there, of these images, and whole? Says what is wrong. `deep`: reads all of it. */
bool dv_rs_parity_is_good(const struct dv_rs *rs, uint32_t node, bool deep);

struct dv_rs_parity_header {
    uint64_t magic;
    uint32_t format, nodes, parity, node, ranks, generation;
    uint64_t epoch, width;
    uint64_t images; /* XXH3-64 of the digests of all images, in the order of ranks */
    uint64_t sum
        [DV_MOST_NODES]; /* [parity] of each shard: XXH3-64 of (sum so far, XXH3-64 of the next chunk) */
    uint8_t zero[1992];
    uint64_t checksum; /* XXH3-64 of all that precedes it */
};
_Static_assert(sizeof(struct dv_rs_parity_header) == DV_RS_HEADER, "one page");
#define DV_RS_MAGIC 0x0a59544952415644ull /* "DVARITY\n" */
#define DV_RS_FORMAT 1u

uint64_t dv_rs_sum(uint64_t sum, const uint8_t *bytes, size_t length);
void dv_rs_header(const struct dv_rs *rs, uint32_t node, struct dv_rs_parity_header *header);

#endif
