#include "apps/common/npb_random.h"
#include "apps/synthetic/synthetic.h"

#include <math.h>
#include <string.h>

_Static_assert(sizeof(struct synthetic_page) == SYNTHETIC_PAGE_BYTES, "a page has no padding");

static size_t common_divisor(size_t a, size_t b)
{
    while (b) {
        size_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Multiples of the golden section lie as evenly on a circle as possible, however many there are (the three-gap theorem).
 * Without a common divisor every page has its place. */
static size_t scattering_stride(size_t pages)
{
    size_t stride = (size_t)((double)pages * (sqrt(5) - 1) / 2);

    while (stride > 1 && common_divisor(pages, stride) != 1)
        stride--;
    return stride > 0 ? stride : 1;
}

void synthetic_field_create(const struct synthetic_settings *settings,
                            struct synthetic_field *field)
{
    size_t pages = settings->footprint_bytes / SYNTHETIC_PAGE_BYTES;

    field->pages = pages;
    field->written = (size_t)lround(settings->dirty * (double)pages);
    field->move = (size_t)settings->move_pages % pages;
    field->stride = settings->order == SYNTHETIC_SCATTERED ? scattering_stride(pages) : 1;
    /* One page more than needed, so that it can start at a page. */
    field->memory = npb_alloc(pages + 1, sizeof *field->page);
    uintptr_t start = (uintptr_t)field->memory + SYNTHETIC_PAGE_BYTES - 1;
    field->page = (struct synthetic_page *)(start - start % SYNTHETIC_PAGE_BYTES);
}

void synthetic_field_free(struct synthetic_field *field)
{
    npb_free(field->memory, field->pages + 1, sizeof *field->page);
}

void synthetic_field_fill(struct synthetic_field *field, int rank)
{
    size_t values = field->pages * (sizeof *field->page / sizeof(double));
    uint64_t state = npb_random_jump(NPB_RANDOM_SEED, (uint64_t)rank * values);

    npb_random_fill(&state, values, (double *)field->page);
    for (size_t p = 0; p < field->pages; p++)
        field->page[p].writes = 0;
}

/* Where in the pattern a step starts; the n-th page that it writes is at place (start + n) mod pages. */
static size_t step_start(const struct synthetic_field *field, long step)
{
    return (size_t)step % field->pages * field->move % field->pages;
}

static size_t page_at_place(const struct synthetic_field *field, size_t place)
{
    return place % field->pages * field->stride % field->pages;
}

/* In [-1/2, 1/2), and another one for each page in each step, so that no page ever comes to rest. */
static double disturbance(long step, size_t page)
{
    uint32_t mixed = (uint32_t)step * 2654435761u + (uint32_t)page * 2246822519u;
    return mixed * 0x1p-32 - 0.5;
}

/* The weights sum up to less than one, so that values stay bounded for any number of steps. */
static void write_page(struct synthetic_page *page, double left, double right, double source)
{
    double old[SYNTHETIC_VALUES + 2];

    old[0] = left;
    memcpy(old + 1, page->values, sizeof page->values);
    old[SYNTHETIC_VALUES + 1] = right;
    for (int i = 0; i < SYNTHETIC_VALUES; i++)
        page->values[i] = 0.249 * (old[i] + old[i + 2]) + 0.5 * old[i + 1] + source;
    page->writes++;
}

double synthetic_field_write(struct synthetic_field *field, long step, double left, double right,
                             double drive)
{
    struct synthetic_page *pages = field->page;
    const size_t start = step_start(field, step), last = field->pages - 1;
    double sample = 0;

    for (size_t n = 0; n < field->written; n++) {
        size_t p = page_at_place(field, start + n);
        double before = p > 0 ? pages[p - 1].values[SYNTHETIC_VALUES - 1] : left;
        double after = p < last ? pages[p + 1].values[0] : right;
        write_page(&pages[p], before, after, 1e-3 * (drive + disturbance(step, p)));
        sample += pages[p].values[0];
    }
    return sample;
}

bool synthetic_field_verify(const struct synthetic_field *field, long steps)
{
    const size_t pages = field->pages;
    /* Differences between the counts of neighbouring places: a step adds 1 to a run of them. */
    long *change = npb_alloc(pages + 1, sizeof *change);
    long expected = 0;
    bool right = true;

    for (long step = 1; step <= steps; step++) {
        size_t start = step_start(field, step), end = start + field->written;
        change[start]++;
        change[end < pages ? end : pages]--;
        if (end > pages) {
            change[0]++;
            change[end - pages]--;
        }
    }
    for (size_t place = 0; place < pages; place++) {
        expected += change[place];
        right &= field->page[page_at_place(field, place)].writes == (double)expected;
    }
    npb_free(change, pages + 1, sizeof *change);
    return right;
}
