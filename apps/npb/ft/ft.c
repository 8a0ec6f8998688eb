/*
 * FT, "Fourier transform" (RNR-94-007): a diffusion equation on a periodic box, solved
 * in the spectrum. Each iteration advances time by one factor and transforms back to space.
 */
#include "apps/npb/ft/ft.h"

#include "apps/common/npb_random.h"
#include "apps/npb/ft/ft_reference.h"

#include <math.h>
#include <string.h>

enum {
    SAMPLES = 1024,      /* of a checksum */
    CHECKSUMS_KEPT = 20, /* the last ones; no class has more iterations */
};

#define FT_ALPHA 1e-6
#define FT_EPSILON 1e-12

static const struct npb_program program = {
    .name = "FT",
    .command = "npb-ft",
    .summary = "NPB FT: diffusion by 3-D fast Fourier transforms. The number of ranks must be a "
               "power of two, at most the smaller of the extents in x and z.",
    .rank_rule = NPB_RANKS_POWER_OF_TWO,
    .iterations = {6, 6, 6, 20, 20},
};

static const struct {
    int nx, ny, nz;
} classes[NPB_CLASS_COUNT] = {
    {64, 64, 64}, {128, 128, 32}, {256, 256, 128}, {512, 256, 256}, {512, 512, 512},
};

struct fields {
    ft_complex *spectrum; /* at the present time */
    ft_complex *work;     /* a copy on its way to space */
    ft_complex *room;     /* of the exchange; none on one process */
    double *decay;        /* of each mode in one iteration */
};

static void layout_create(const struct npb_run *run, struct ft_layout *l)
{
    *l = (struct ft_layout){
        .nranks = run->nranks,
        .rank = run->rank,
        .nx = classes[run->class_index].nx,
        .ny = classes[run->class_index].ny,
        .nz = classes[run->class_index].nz,
    };
    l->x_count = l->nx / l->nranks;
    l->z_count = l->nz / l->nranks;
    l->points = (size_t)l->nx * (size_t)l->ny * (size_t)l->z_count;
    MPI_Comm_dup(MPI_COMM_WORLD, &l->comm);
}

static void fields_create(const struct ft_layout *l, struct fields *f)
{
    f->spectrum = npb_alloc(l->points, sizeof *f->spectrum);
    f->work = npb_alloc(l->points, sizeof *f->work);
    f->room = l->nranks > 1 ? npb_alloc(l->points, sizeof *f->room) : NULL;
    f->decay = npb_alloc(l->points, sizeof *f->decay);
}

static void fields_free(const struct ft_layout *l, struct fields *f)
{
    npb_free(f->spectrum, l->points, sizeof *f->spectrum);
    npb_free(f->work, l->points, sizeof *f->work);
    npb_free(f->room, l->points, sizeof *f->room);
    npb_free(f->decay, l->points, sizeof *f->decay);
}

/* Indices above n / 2 stand for negative wave numbers. */
static double wave_number_squared(int index, int n)
{
    double k = index < n / 2 ? index : index - n;
    return k * k;
}

static void set_decay(const struct ft_layout *l, double *decay)
{
    const double rate = -4.0 * FT_ALPHA * M_PI * M_PI;
    int first_x = l->rank * l->x_count;

    for (int z = 0; z < l->nz; z++)
        for (int y = 0; y < l->ny; y++) {
            double yz = wave_number_squared(y, l->ny) + wave_number_squared(z, l->nz);
            for (int x = 0; x < l->x_count; x++)
                *decay++ = exp(rate * (yz + wave_number_squared(first_x + x, l->nx)));
        }
}

static void set_initial(const struct ft_layout *l, ft_complex *space)
{
    uint64_t before = 2 * (uint64_t)l->points * (uint64_t)l->rank;
    uint64_t state = npb_random_jump(NPB_RANDOM_SEED, before);
    npb_random_fill(&state, 2 * l->points, (double *)space);
}

static void start(const struct ft_plan *plan, const struct ft_layout *l, const struct fields *f)
{
    set_decay(l, f->decay);
    set_initial(l, f->spectrum);
    ft_to_spectrum(plan, l, f->spectrum, f->room);
}

static void advance(const struct ft_layout *l, const struct fields *f)
{
    double *restrict spectrum = (double *)f->spectrum, *restrict work = (double *)f->work;
    const double *restrict decay = f->decay;

    for (size_t i = 0; i < l->points; i++) {
        double re = spectrum[2 * i] * decay[i], im = spectrum[2 * i + 1] * decay[i];
        spectrum[2 * i] = work[2 * i] = re;
        spectrum[2 * i + 1] = work[2 * i + 1] = im;
    }
}

static struct ft_checksum sum_samples(const struct ft_layout *l, const ft_complex *space)
{
    double points = (double)l->nx * l->ny * l->nz;
    ft_complex mine = 0, all = 0;

    for (int j = 1; j <= SAMPLES; j++) {
        int x = j % l->nx, y = 3 * j % l->ny, z = 5 * j % l->nz - l->rank * l->z_count;
        if (z >= 0 && z < l->z_count)
            mine += space[((ptrdiff_t)z * l->ny + y) * l->nx + x];
    }
    MPI_Allreduce(&mine, &all, 1, MPI_C_DOUBLE_COMPLEX, MPI_SUM, l->comm);
    return (struct ft_checksum){creal(all) / points, cimag(all) / points};
}

static bool verify(const struct npb_run *run, const struct ft_checksum *sums)
{
    const struct ft_checksum *reference = ft_reference(run->class_index);
    bool good = true;

    if (!run->official)
        return false;
    for (int i = 0; i < run->iterations; i++) {
        double error = hypot(sums[i].re - reference[i].re, sums[i].im - reference[i].im) /
                       hypot(reference[i].re, reference[i].im);
        npb_say(run, "Checksum %3d = %22.12e %22.12e  error %9.2e", i + 1, sums[i].re, sums[i].im,
                error);
        good = good && error <= FT_EPSILON;
    }
    return good;
}

static double count_operations(const struct ft_layout *l, int iterations)
{
    double points = (double)l->nx * l->ny * l->nz, log_points = log(points);
    return points *
           (14.8157 + 7.19641 * log_points + (5.23518 + 7.21113 * log_points) * iterations);
}

static double run_steps(const struct npb_run *run, const struct ft_plan *plan,
                        const struct ft_layout *l, const struct fields *f, struct ft_checksum *sums)
{
    double begin = npb_timer_start();

    start(plan, l, f);
    for (int i = 0; i < run->iterations; i++) {
        advance(l, f);
        ft_to_space(plan, l, f->work, f->room);
        struct ft_checksum sum = sum_samples(l, f->work);
        sums[i % CHECKSUMS_KEPT] = sum;
        npb_progress(run, i + 1, "checksum %.12e %.12e", sum.re, sum.im);
    }
    return MPI_Wtime() - begin;
}

int main(int argc, char **argv)
{
    struct npb_run run;
    struct ft_layout l;
    struct ft_plan plan;
    struct fields f;
    struct ft_checksum sums[CHECKSUMS_KEPT] = {0};

    if (!npb_begin(&program, argc, argv, &run))
        return run.exit_status;
    layout_create(&run, &l);
    if (l.x_count == 0 || l.z_count == 0)
        return npb_reject(&run, "class %c runs on at most %d ranks, not on %d", run.class_name,
                          l.nx < l.nz ? l.nx : l.nz, run.nranks);
    npb_say(&run, "NAS Parallel Benchmarks - FT: %d x %d x %d points, %d iterations, %d ranks",
            l.nx, l.ny, l.nz, run.iterations, run.nranks);
    ft_plan_create(l.nx > l.ny ? (l.nx > l.nz ? l.nx : l.nz) : (l.ny > l.nz ? l.ny : l.nz), &plan);
    fields_create(&l, &f);

    start(&plan, &l, &f); /* touches everything once before the timed part */
    double seconds = run_steps(&run, &plan, &l, &f, sums);

    struct npb_result result = {
        .size = {l.nx, l.ny, l.nz},
        .operations = count_operations(&l, run.iterations),
        .seconds = seconds,
        .op_type = "floating point",
        .verified = verify(&run, sums),
    };
    result.digest = npb_digest(0, f.work, l.points * sizeof *f.work);
    result.digest = npb_digest(result.digest, f.spectrum, l.points * sizeof *f.spectrum);
    result.digest = npb_digest(result.digest, sums, sizeof sums);
    fields_free(&l, &f);
    ft_plan_free(&plan);
    MPI_Comm_free(&l.comm);
    return npb_end(&run, &result);
}
