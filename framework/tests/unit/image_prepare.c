/* Unit test: spare images are made ready in the background and taken by writers. */
#include "image_support.h"

#include <linux/magic.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define PAGES 700u
#define SPARE_BYTES (8u << 20)

struct place {
    char root[64], spare[96], image[128];
};

/* Preparing is for tmpfs only; skipped where /dev/shm is none. */
static void set_up(struct place *p)
{
    struct statfs fs;
    if (statfs("/dev/shm", &fs) != 0 || fs.f_type != TMPFS_MAGIC)
        skip();
    snprintf(p->root, sizeof p->root, "/dev/shm/dejavu-test.XXXXXX");
    assert_non_null(mkdtemp(p->root));
    snprintf(p->spare, sizeof p->spare, "%s/spare", p->root);
    snprintf(p->image, sizeof p->image, "%s/rank-3.dvi", p->spare);
}

static void tear_down(const struct place *p)
{
    assert_int_equal(dv_remove_tree(p->root), DV_OK);
    dv_image_trim();
}

static void spare_is_taken(void **unused)
{
    struct place p;
    struct stat made, written;
    char path[128];
    (void)unused;
    set_up(&p);
    dv_image_prepare(p.spare, "rank-3.dvi", SPARE_BYTES);
    assert_int_equal(stat(p.image, &made), 0);
    assert_int_equal(made.st_size, SPARE_BYTES);
    assert_int_equal(made.st_mode & 0777, 0600);
    assert_true((uint64_t)made.st_blocks * 512 >= SPARE_BYTES);
    char *memory = test_pages(PAGES, 9, 1);
    assert_int_equal(write_test_image(p.root, "new", p.image, memory, PAGES, NULL), DV_OK);
    snprintf(path, sizeof path, "%s/new", p.root);
    assert_int_equal(stat(path, &written), 0);
    assert_int_equal(written.st_ino, made.st_ino);
    assert_true(written.st_size < made.st_size);
    expect_image(path, memory, PAGES, 1);
    free(memory);
    tear_down(&p);
}

/* One that is there already only grows; its name stays the only one. */
static void spare_grows(void **unused)
{
    struct place p;
    struct stat first, second;
    (void)unused;
    set_up(&p);
    dv_image_prepare(p.spare, "rank-3.dvi", SPARE_BYTES);
    assert_int_equal(stat(p.image, &first), 0);
    dv_image_prepare(p.spare, "rank-3.dvi", SPARE_BYTES / 2);
    dv_image_prepare(p.spare, "rank-3.dvi", 2 * SPARE_BYTES);
    assert_int_equal(stat(p.image, &second), 0);
    assert_int_equal(first.st_ino, second.st_ino);
    assert_int_equal(second.st_size, 2 * SPARE_BYTES);
    tear_down(&p);
}

/* Nothing is made where it would be of no use or cannot be, and what others use is left alone. */
static void nothing_is_forced(void **unused)
{
    struct place p;
    struct stat st;
    (void)unused;
    set_up(&p);
    dv_image_prepare("/dev/shm/dejavu-there-is-no-such/spare", "rank-3.dvi", SPARE_BYTES);
    assert_int_equal(stat("/dev/shm/dejavu-there-is-no-such", &st), -1);
    dv_image_prepare(p.spare, "rank-3.dvi", UINT64_MAX / 2);
    assert_int_equal(stat(p.image, &st), 0);
    assert_int_equal(st.st_size, 0);
    int fd = open(p.image, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0 && flock(fd, LOCK_EX) == 0);
    dv_image_prepare(p.spare, "rank-3.dvi", SPARE_BYTES);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, 0);
    close(fd);
    assert_int_equal(unlink(p.image), 0);
    assert_int_equal(symlink("/dev/null", p.image), 0);
    dv_image_prepare(p.spare, "rank-3.dvi", SPARE_BYTES);
    assert_int_equal(lstat(p.image, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    tear_down(&p);
}

static atomic_int preparing;

static void *prepare_again_and_again(void *arg)
{
    const struct place *p = arg;
    while (atomic_load(&preparing))
        dv_image_prepare(p->spare, "rank-3.dvi", 4 * SPARE_BYTES);
    return NULL;
}

/* Writers halt it at any moment, and what they write is whole. */
static void writers_come_first(void **unused)
{
    struct place p;
    pthread_t thread;
    char path[128];
    (void)unused;
    set_up(&p);
    char *memory = test_pages(PAGES, 9, 2);
    snprintf(path, sizeof path, "%s/new", p.root);
    atomic_store(&preparing, 1);
    assert_int_equal(pthread_create(&thread, NULL, prepare_again_and_again, &p), 0);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(
            write_test_image(p.root, "new", i % 3 ? p.image : NULL, memory, PAGES, NULL), DV_OK);
        expect_image(path, memory, PAGES, 1);
    }
    atomic_store(&preparing, 0);
    pthread_join(thread, NULL);
    free(memory);
    tear_down(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spare_is_taken),
        cmocka_unit_test(spare_grows),
        cmocka_unit_test(nothing_is_forced),
        cmocka_unit_test(writers_come_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
