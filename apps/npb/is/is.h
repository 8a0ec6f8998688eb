/*
 * IS's data: integer keys, and what one ranking of them needs.
 *
 * Keys fall into buckets by their leading bits. Buckets are dealt out in order so that every
 * process gets about the same number of keys; keys travel to the owner of their bucket, which
 * counts equal ones. A process then holds the keys from key_first to key_last and knows how many
 * are smaller than any of them: its own, and `before` on processes below.
 */
#ifndef IS_H
#define IS_H

#include "apps/common/npb.h"

enum { IS_TESTS = 5 };

struct is_class {
    int log2_keys, log2_key_max, log2_buckets;
    int test_index[IS_TESTS]; /* position of a key in the whole array */
    int test_rank[IS_TESTS];  /* its rank, before the shift of the iteration */
};

struct is_sorter {
    int nranks, rank;
    int key_count; /* of this process, before keys travel */
    int key_max;
    int bucket_count, bucket_shift;
    int *keys;
    int *by_bucket; /* keys in order of buckets */
    int kept_first; /* in by_bucket: the keys of the own buckets that were here already */
    int kept_count;
    int *received; /* keys of the own buckets from other processes */
    int received_count;
    size_t received_room;
    int *bucket_size;  /* own keys, then the values of the test keys */
    int *bucket_total; /* over all processes, likewise */
    int *bucket_next;  /* where the next key of a bucket goes in by_bucket */
    int *send_count, *send_start, *recv_count, *recv_start; /* per process */
    int *first_bucket;                                      /* per process, and one past the last */
    int *smaller; /* smaller[k - key_first]: own keys < k; one more than keys */
    size_t smaller_room;
    int key_first, key_last; /* empty when key_last < key_first */
    int64_t before;
};

void is_sorter_create(const struct npb_run *run, const struct is_class *class, struct is_sorter *s);
void is_sorter_free(struct is_sorter *s);

/* Ranks all keys; bucket_total[bucket_count + i] are then the values of the test keys. */
void is_rank_keys(struct is_sorter *s, const struct is_class *class);

/* The number of keys smaller than `key`, which this process must own. */
int64_t is_rank_of(const struct is_sorter *s, int key);

#endif
