/* Unit test: nodes lost, and got back from partner copies and from parity, or named when too many are lost. */
#include "store_support.h"

#define MOST 6u

static char *nodes[MOST], node_paths[MOST][PATH_MAX];

static void use(void **state, enum dv_level level, uint32_t count, uint32_t parity)
{
    for (uint32_t i = 0; i < count; i++) {
        snprintf(node_paths[i], sizeof node_paths[i], "%s/node%u", (const char *)*state, i);
        nodes[i] = node_paths[i];
    }
    test_place =
        (struct dv_place){.level = level, .parity = parity, .node_count = count, .node = nodes};
}

/* Files by name and digest of all below a directory. */
static void fingerprint(const char *directory, char *text, size_t text_bytes)
{
    char command[PATH_MAX + 64];
    snprintf(command, sizeof command, "cd '%s' && find . -type f | sort | xargs -r cksum | cksum",
             directory);
    FILE *f = popen(command, "re");
    assert_non_null(f);
    assert_non_null(fgets(text, (int)text_bytes, f));
    pclose(f);
}

static void lose(uint32_t lost)
{
    for (uint32_t i = 0; i < test_place.node_count; i++)
        if (lost & 1u << i)
            assert_int_equal(dv_remove_tree(nodes[i]), DV_OK);
}

/* Every set of nodes of at most the promised size is lost and comes back bitwise. */
static void every_loss(void **state)
{
    uint32_t survives = dv_place_survives(&test_place);
    make_epoch(*state, 1, 0, 1);
    make_epoch(*state, 2, 1, 1);
    for (uint32_t lost = 0; lost < 1u << test_place.node_count; lost++) {
        char before[MOST][64], after[64];
        unsigned rebuilt = 0;
        if ((uint32_t)__builtin_popcount(lost) > survives)
            continue;
        for (uint32_t i = 0; i < test_place.node_count; i++)
            fingerprint(nodes[i], before[i], sizeof before[i]);
        lose(lost);
        assert_int_equal(dv_level_rebuild(*state, 2, 0, &rebuilt), DV_OK);
        assert_true((rebuilt > 0) == (lost != 0));
        for (uint32_t i = 0; i < test_place.node_count; i++) {
            fingerprint(nodes[i], after, sizeof after);
            assert_string_equal(after, before[i]);
        }
        expect_epoch(*state, 1);
        expect_epoch(*state, 2);
    }
}

static void partner(void **state)
{
    use(state, DV_LEVEL_PARTNER, 3, 0);
    every_loss(state);
}

static void partner_of_two(void **state)
{
    use(state, DV_LEVEL_PARTNER, 2, 0);
    every_loss(state);
}

/* Reed-Solomon; more nodes than ranks, so that one has none, and fewer. */
static void rs(void **state)
{
    static const uint32_t shapes[][2] = {{2, 1}, {3, 1}, {3, 2}, {4, 2}, {MOST, 1}, {MOST, 3}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        use(state, DV_LEVEL_RS, shapes[i][0], shapes[i][1]);
        every_loss(state);
        lose(~0u);
        assert_int_equal(dv_remove_tree(check_path(state, "epochs")), DV_OK);
    }
}

static void expect_named(const char *job, uint32_t lost)
{
    unsigned rebuilt = 0;
    assert_int_equal(dv_level_rebuild(job, 1, 0, &rebuilt), DV_ERR_DAMAGED);
    assert_non_null(strstr(dv_why(), "epoch 1 cannot be rebuilt"));
    for (uint32_t i = 0; i < test_place.node_count; i++)
        assert_true((strstr(dv_why(), nodes[i]) != NULL) == !!(lost & 1u << i));
    assert_int_equal(dv_manifest_verify(job, 1, 0), DV_ERR_DAMAGED);
}

static void too_much(void **state)
{
    use(state, DV_LEVEL_RS, 5, 2);
    make_epoch(*state, 1, 0, 1);
    lose(1u << 0 | 1u << 2 | 1u << 3);
    expect_named(*state, 1u << 0 | 1u << 2 | 1u << 3);
    lose(~0u);
    use(state, DV_LEVEL_PARTNER, 4, 0);
    make_epoch(*state, 1, 0, 1);
    lose(1u << 0 | 1u << 2); /* no neighbours: survived */
    unsigned rebuilt = 0;
    assert_int_equal(dv_level_rebuild(*state, 1, 0, &rebuilt), DV_OK);
    expect_epoch(*state, 1);
    lose(1u << 1 | 1u << 2);
    expect_named(*state, 1u << 1 | 1u << 2);
    lose(~0u);
    use(state, DV_LEVEL_DISK, 2, 0);
    make_epoch(*state, 1, 0, 1);
    expect_epoch(*state, 1);
    lose(1u << 1);
    assert_int_equal(dv_level_rebuild(*state, 1, 0, &rebuilt), DV_OK);
    assert_int_equal(rebuilt, 0);
    assert_int_equal(dv_manifest_verify(*state, 1, 0), DV_ERR_DAMAGED);
    assert_non_null(strstr(dv_why(), "node1/epochs/000001/rank-3.dvi"));
}

static void flip(const char *path, uint64_t offset)
{
    char byte = 0;
    size_t got = 0;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(dv_pread_full(fd, &byte, 1, offset, &got), DV_OK);
    byte = (char)(byte ^ 0x10);
    assert_int_equal(dv_pwrite_all(fd, &byte, 1, offset), DV_OK);
    close(fd);
}

/* A flipped bit anywhere in an image, a copy or parity: found when all is read, and repaired. */
static void flipped_bits(void **state)
{
    static const struct {
        enum dv_level level;
        const char *path;
        uint64_t offset;
    } cases[] = {
        {DV_LEVEL_PARTNER, "node0/epochs/000001/rank-0.dvi", 5000},
        {DV_LEVEL_PARTNER, "node0/epochs/000001/rank-0.dvi", 100},
        {DV_LEVEL_PARTNER, "node1/epochs/000001/copy-0.dvi", 9000},
        {DV_LEVEL_RS, "node0/epochs/000001/rank-0.dvi", 5000},
        {DV_LEVEL_RS, "node2/epochs/000001/rank-4.dvi", 9001},
        {DV_LEVEL_RS, "node1/epochs/000001/parity.dvp", 8},
        {DV_LEVEL_RS, "node1/epochs/000001/parity.dvp", 4096},
        {DV_LEVEL_RS, "node2/epochs/000001/parity.dvp", 20000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char before[64], after[64];
        unsigned rebuilt = 0;
        use(state, cases[i].level, 3, cases[i].level == DV_LEVEL_RS ? 1 : 0);
        make_epoch(*state, 1, 0, 1);
        fingerprint(*state, before, sizeof before);
        flip(check_path(state, cases[i].path), cases[i].offset);
        assert_int_equal(dv_level_rebuild(*state, 1, 1, &rebuilt), DV_OK);
        assert_int_equal(rebuilt, 1);
        fingerprint(*state, after, sizeof after);
        assert_string_equal(after, before);
        expect_epoch(*state, 1);
    }
}

/* Parity of images that are other than those that are there does not rebuild anything wrong. */
static void foreign_parity(void **state)
{
    unsigned rebuilt = 0;
    char other[PATH_MAX];
    use(state, DV_LEVEL_RS, 2, 1);
    make_epoch(*state, 1, 0, 1);
    make_epoch(*state, 2, 0, 1);
    snprintf(other, sizeof other, "%s", check_path(state, "node1/epochs/000002/parity.dvp"));
    assert_int_equal(rename(other, check_path(state, "node1/epochs/000001/parity.dvp")), 0);
    assert_int_equal(unlink(check_path(state, "node0/epochs/000001/rank-0.dvi")), 0);
    assert_int_equal(dv_level_rebuild(*state, 1, 0, &rebuilt), DV_ERR_DAMAGED);
    assert_int_equal(dv_level_rebuild(*state, 2, 0, &rebuilt), DV_OK);
    assert_int_equal(rebuilt, 1);
    expect_epoch(*state, 2);
}

static void private_files(void **state)
{
    struct stat st;
    use(state, DV_LEVEL_RS, 2, 1);
    make_epoch(*state, 1, 0, 1);
    assert_int_equal(stat(check_path(state, "node1/epochs/000001/parity.dvp"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(check_path(state, "node1"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(chmod(check_path(state, "node0/epochs/000001/rank-0.dvi"), 0640), 0);
    assert_int_equal(dv_manifest_verify(*state, 1, 0), DV_ERR_USAGE);
    assert_int_equal(chmod(check_path(state, "node0"), 0755), 0);
    assert_int_equal(dv_level_make_roots(&test_place), DV_ERR_USAGE);
}

static void places(void **state)
{
    char a[PATH_MAX], b[PATH_MAX];
    snprintf(a, sizeof a, "%s/a", (const char *)*state);
    snprintf(b, sizeof b, "%s/b/../a", (const char *)*state);
    char *same[] = {a, b}, *one[] = {a};
    assert_int_equal(mkdir(check_path(state, "b"), 0700), 0);
    struct dv_place place = {.level = DV_LEVEL_PARTNER, .node_count = 2};
    assert_int_equal(dv_level_check(&place, same), DV_ERR_USAGE);
    assert_non_null(strstr(dv_why(), "the same directory"));
    place = (struct dv_place){.level = DV_LEVEL_PARTNER, .node_count = 1};
    assert_int_equal(dv_level_check(&place, one), DV_ERR_USAGE);
    place = (struct dv_place){.level = DV_LEVEL_RS, .node_count = 2, .parity = 2};
    assert_int_equal(dv_level_check(&place, same), DV_ERR_USAGE);
    assert_non_null(strstr(dv_why(), "--parity must be from 1 to 1"));
    place = (struct dv_place){.level = DV_LEVEL_SHARED, .node_count = 1};
    assert_int_equal(dv_level_check(&place, one), DV_ERR_USAGE);
    place = (struct dv_place){.level = DV_LEVEL_DISK};
    assert_int_equal(dv_level_check(&place, NULL), DV_ERR_USAGE);
    place = (struct dv_place){.level = DV_LEVEL_DISK, .node_count = 1};
    assert_int_equal(dv_level_check(&place, one), DV_OK);
    enum dv_level level;
    assert_int_equal(dv_level_parse("partnre", &level), DV_ERR_USAGE);
    assert_non_null(strstr(dv_why(), "did you mean \"partner\"?"));
}

#define T(test) cmocka_unit_test_setup_teardown(test, store_begin, store_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(partner),      T(partner_of_two), T(rs),     T(too_much),
        T(flipped_bits), T(foreign_parity), T(places), T(private_files),
    };
    check_quiet();
    cmocka_set_test_filter(getenv("CHECK_ONLY"));
    return cmocka_run_group_tests_name("image-levels", tests, NULL, NULL);
}
