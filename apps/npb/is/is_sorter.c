#include "apps/common/npb_random.h"
#include "apps/npb/is/is.h"

#include <string.h>

static int *new_ints(size_t count)
{
    return npb_alloc(count, sizeof(int));
}

/* A key is the mean of four random numbers, scaled: bell-shaped. */
static void draw_keys(struct is_sorter *s)
{
    uint64_t before = 4 * (uint64_t)s->key_count * (uint64_t)s->rank;
    uint64_t state = npb_random_jump(NPB_RANDOM_SEED, before);
    /* NOLINTNEXTLINE(bugprone-integer-division): meant so */
    double scale = s->key_max / 4;

    for (int i = 0; i < s->key_count; i++) {
        double sum = npb_random_next(&state);
        for (int more = 0; more < 3; more++)
            sum += npb_random_next(&state);
        s->keys[i] = (int)(scale * sum);
    }
}

void is_sorter_create(const struct npb_run *run, const struct is_class *class, struct is_sorter *s)
{
    *s = (struct is_sorter){
        .nranks = run->nranks,
        .rank = run->rank,
        .key_count = (1 << class->log2_keys) / run->nranks,
        .key_max = 1 << class->log2_key_max,
        .bucket_count = 1 << class->log2_buckets,
        .bucket_shift = class->log2_key_max - class->log2_buckets,
    };
    size_t keys = (size_t)s->key_count, buckets = (size_t)s->bucket_count;
    size_t ranks = (size_t)s->nranks;
    s->keys = new_ints(keys);
    s->by_bucket = new_ints(keys);
    s->bucket_size = new_ints(buckets + IS_TESTS);
    s->bucket_total = new_ints(buckets + IS_TESTS);
    s->bucket_next = new_ints(buckets);
    s->send_count = new_ints(ranks);
    s->send_start = new_ints(ranks);
    s->recv_count = new_ints(ranks);
    s->recv_start = new_ints(ranks);
    s->first_bucket = new_ints(ranks + 1);
    draw_keys(s);
}

void is_sorter_free(struct is_sorter *s)
{
    size_t keys = (size_t)s->key_count, buckets = (size_t)s->bucket_count;
    size_t ranks = (size_t)s->nranks;
    npb_free(s->keys, keys, sizeof(int));
    npb_free(s->by_bucket, keys, sizeof(int));
    npb_free(s->bucket_size, buckets + IS_TESTS, sizeof(int));
    npb_free(s->bucket_total, buckets + IS_TESTS, sizeof(int));
    npb_free(s->bucket_next, buckets, sizeof(int));
    npb_free(s->send_count, ranks, sizeof(int));
    npb_free(s->send_start, ranks, sizeof(int));
    npb_free(s->recv_count, ranks, sizeof(int));
    npb_free(s->recv_start, ranks, sizeof(int));
    npb_free(s->first_bucket, ranks + 1, sizeof(int));
    npb_free(s->received, s->received_room, sizeof(int));
    npb_free(s->smaller, s->smaller_room, sizeof(int));
}

/* Counts the keys of each bucket, adds up over processes, and spreads the test keys' values. */
static void count_buckets(struct is_sorter *s, const struct is_class *class)
{
    int total = s->bucket_count + IS_TESTS;
    int *restrict size = s->bucket_size;
    const int *restrict keys = s->keys;
    int count = s->key_count, shift = s->bucket_shift;

    memset(size, 0, (size_t)total * sizeof(int));
    for (int i = 0; i < count; i++)
        size[keys[i] >> shift]++;
    for (int i = 0; i < IS_TESTS; i++)
        if (class->test_index[i] / s->key_count == s->rank)
            size[s->bucket_count + i] = keys[class->test_index[i] % count];
    MPI_Allreduce(size, s->bucket_total, total, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
}

static void order_by_bucket(struct is_sorter *s)
{
    int *restrict next = s->bucket_next, *restrict by_bucket = s->by_bucket;
    const int *restrict keys = s->keys;
    int count = s->key_count, shift = s->bucket_shift, start = 0;

    for (int b = 0; b < s->bucket_count; b++) {
        next[b] = start;
        start += s->bucket_size[b];
    }
    for (int i = 0; i < count; i++) {
        int key = keys[i];
        by_bucket[next[key >> shift]++] = key;
    }
}

/* Process p gets buckets until the processes up to it have (p + 1) / P of all keys. */
static void deal_buckets(struct is_sorter *s)
{
    int64_t dealt = 0;
    int bucket = 0;

    s->before = 0;
    for (int rank = 0; rank < s->nranks; rank++) {
        int64_t share = (int64_t)s->key_count * (rank + 1);
        if (rank == s->rank)
            s->before = dealt;
        s->first_bucket[rank] = bucket;
        s->send_count[rank] = 0;
        while (bucket < s->bucket_count && (dealt < share || rank == s->nranks - 1)) {
            dealt += s->bucket_total[bucket];
            s->send_count[rank] += s->bucket_size[bucket++];
        }
    }
    s->first_bucket[s->nranks] = bucket;
    s->key_first = s->first_bucket[s->rank] << s->bucket_shift;
    s->key_last = (s->first_bucket[s->rank + 1] << s->bucket_shift) - 1;
}

static int running_sum(const int *count, int n, int *start)
{
    int sum = 0;
    for (int i = 0; i < n; i++) {
        start[i] = sum;
        sum += count[i];
    }
    return sum;
}

/* At least `count` elements; what was in the array is lost. */
static void reserve(int **array, size_t *room, size_t count)
{
    if (count <= *room)
        return;
    npb_free(*array, *room, sizeof(int));
    *room = count + count / 8;
    *array = new_ints(*room);
}

/* Keys that are with their owner already stay in by_bucket. */
static void move_keys(struct is_sorter *s)
{
    running_sum(s->send_count, s->nranks, s->send_start);
    s->kept_first = s->send_start[s->rank];
    s->kept_count = s->send_count[s->rank];
    s->send_count[s->rank] = 0;
    MPI_Alltoall(s->send_count, 1, MPI_INT, s->recv_count, 1, MPI_INT, MPI_COMM_WORLD);
    s->received_count = running_sum(s->recv_count, s->nranks, s->recv_start);
    reserve(&s->received, &s->received_room, (size_t)s->received_count);
    MPI_Alltoallv(s->by_bucket, s->send_count, s->send_start, MPI_INT, s->received, s->recv_count,
                  s->recv_start, MPI_INT, MPI_COMM_WORLD);
}

/* count[key - first]++ for each key */
static void count_keys(const int *restrict keys, int n, int first, int *restrict count)
{
    for (int i = 0; i < n; i++)
        count[keys[i] - first]++;
}

static void count_smaller(struct is_sorter *s)
{
    /* NOLINTNEXTLINE(bugprone-misplaced-widening-cast): meant so */
    size_t range = (size_t)(s->key_last - s->key_first + 1);

    reserve(&s->smaller, &s->smaller_room, range + 1);
    int *smaller = s->smaller;
    memset(smaller, 0, (range + 1) * sizeof(int));
    count_keys(s->by_bucket + s->kept_first, s->kept_count, s->key_first, smaller + 1);
    count_keys(s->received, s->received_count, s->key_first, smaller + 1);
    for (size_t k = 0; k < range; k++)
        smaller[k + 1] += smaller[k];
}

void is_rank_keys(struct is_sorter *s, const struct is_class *class)
{
    count_buckets(s, class);
    order_by_bucket(s);
    deal_buckets(s);
    move_keys(s);
    count_smaller(s);
}

int64_t is_rank_of(const struct is_sorter *s, int key)
{
    return s->before + s->smaller[key - s->key_first];
}
