/* `dejavu doctor`: does everything that DejaVu stands on work on this host? Each line says works or
 * missing, and the remedy. Tests that change the process for good run in a child. Exit status: 0
 * all that is needed works, 3 not. */
#include "capture/trackers.h"
#include "rank/rank.h"
#include "rank/raw.h"

#include <dejavu/log.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef HWCAP2_FSGSBASE
#define HWCAP2_FSGSBASE (1 << 1)
#endif

enum need { REQUIRED, HELPFUL };

struct test {
    const char *what;
    enum need need;
    int (*works)(void); /* 1 yes, 0 no */
    const char *remedy;
};

/* Run `body` in a child, its messages unseen; works if it exits with 0. */
static int in_child(int (*body)(void))
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null, 2);
        alarm(20);
        _exit(body() ? 0 : 1);
    }
    int status = -1;
    if (child < 0 || waitpid(child, &status, 0) != child)
        return 0;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int layout(void)
{
    int local;
    return (uint64_t)dv_raw_start >= DV_SPLIT && (uint64_t)&local >= DV_SPLIT &&
           (uint64_t)printf >= DV_SPLIT;
}

static int notifications(void)
{
    struct seccomp_notif_sizes sizes;
    __u32 action = SECCOMP_RET_USER_NOTIF;
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0 &&
           syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) == 0;
}

/* After the split, memory of the upper half is placed below, the lower half's own above, and it can
 * be given back. */
static int split_body(void)
{
    if (dv_split_enter() != DV_OK)
        return 0;
    long upper = DV_RAW(SYS_mmap, 0, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *lower = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (upper < 0 || upper >= DV_SPLIT || lower == MAP_FAILED || (uint64_t)lower < DV_SPLIT)
        return 0;
    lower[0] = 1;
    return munmap(lower, 1 << 20) == 0;
}

static int split(void)
{
    return in_child(split_body);
}

static int opener_body(void)
{
    dv_lower_fds_start();
    return dv_split_enter() == DV_OK && open("/dev/null", O_RDONLY) >= dv_rank.lower_fd_base;
}

static int opener(void)
{
    return in_child(opener_body);
}

static int break_body(void)
{
    if (dv_break_set(DV_BREAK_BASE) != DV_OK)
        return 0;
    return DV_RAW(SYS_brk, DV_BREAK_BASE + 65536) == (long)DV_BREAK_BASE + 65536;
}

static int move_break(void)
{
    return in_child(break_body);
}

static int fsgsbase(void)
{
    return (getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE) != 0;
}

static int arch_prctl_body(void)
{
    uint64_t fs = 0;
    return syscall(SYS_arch_prctl, 0x1003, &fs) == 0 && fs != 0 &&
           syscall(SYS_arch_prctl, 0x1002, fs) == 0;
}

static int own_memory(void)
{
    int from = 42, to = 0;
    struct iovec local = {&to, sizeof to}, remote = {&from, sizeof from};
    return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == sizeof to && to == 42;
}

static int opens(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    char byte;
    int works = read(fd, &byte, 1) == 1;
    close(fd);
    return works;
}

static int blocked_call(void)
{
    return opens("/proc/self/syscall");
}

static int pagemap(void)
{
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC), local = 1;
    uint64_t entry = 0;
    off_t at = (off_t)((uint64_t)&local / 4096 * sizeof entry);
    int works =
        fd >= 0 && pread(fd, &entry, sizeof entry, at) == sizeof entry && (entry >> 63) == 1;
    if (fd >= 0)
        close(fd);
    return works;
}

static int shared_descriptions(void)
{
    return syscall(SYS_kcmp, getpid(), getpid(), 0 /* KCMP_FILE */, 0, 0) == 0 || errno == EBADF;
}

static int vdso(void)
{
    uint64_t base = getauxval(AT_SYSINFO_EHDR);
    return base != 0 && dv_elf_symbol(base, "__vdso_clock_gettime") != 0;
}

static int real_mpich(void)
{
    char version[MPI_MAX_LIBRARY_VERSION_STRING];
    int length = 0;
    PMPI_Get_library_version(version, &length);
    return strncmp(version, "MPICH", 5) == 0;
}

static int launcher(void)
{
    return system("command -v mpiexec.mpich >/dev/null 2>&1") == 0;
}

static int upper_library(void)
{
    static const char relative[] = "/../lib/dejavu/libmpich.so.12";
    char path[512];
    ssize_t got = readlink("/proc/self/exe", path, sizeof path - 64);
    if (got <= 0)
        return 0;
    path[got] = '\0';
    char *slash = strrchr(path, '/');
    memcpy(slash, relative, sizeof relative);
    return access(path, R_OK) == 0;
}

static int written_pages(void)
{
    struct dv_tracker_cost cost;
    char why[256];
    return dv_trackers[0]->test(&cost, why, sizeof why) == DV_OK;
}

static int descriptors(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max >= 512;
}

static const struct test tests[] = {
    {"programs are laid out above the split", REQUIRED, layout,
     "start without `setarch` or a personality that changes the address-space layout"},
    {"seccomp user notification", REQUIRED, notifications,
     "a kernel of 5.0 or later with CONFIG_SECCOMP_FILTER; in a container, a profile that allows "
     "seccomp(2)"},
    {"the address-space split", REQUIRED, split,
     "see the two lines above; in a container allow seccomp(2)"},
    {"opening files beyond the application's descriptors (SECCOMP_ADDFD_FLAG_SEND)", REQUIRED,
     opener, "Linux 5.14 or later"},
    {"moving the break (PR_SET_MM_MAP)", REQUIRED, move_break,
     "a kernel with CONFIG_CHECKPOINT_RESTORE"},
    {"thread pointer by wrfsbase", HELPFUL, fsgsbase,
     "Linux 5.9 or later on a processor with FSGSBASE; until then arch_prctl is used, 170 ns a "
     "call instead of 11"},
    {"thread pointer by arch_prctl", REQUIRED, arch_prctl_body,
     "a kernel that allows arch_prctl(2)"},
    {"own memory by process_vm_readv", REQUIRED, own_memory,
     "a kernel with CONFIG_CROSS_MEMORY_ATTACH"},
    {"which pages are in use (/proc/self/pagemap)", REQUIRED, pagemap,
     "mount /proc; a kernel with CONFIG_PROC_PAGE_MONITOR"},
    {"which pages were written (userfaultfd WP_ASYNC)", HELPFUL, written_pages,
     "Linux 6.7 or later; without it incremental checkpoints compare the contents of all pages, or "
     "use tracker=mprotect"},
    {"what a thread is blocked in (/proc/self/syscall)", HELPFUL, blocked_call,
     "mount /proc; without it an interrupted system call may end with EINTR at a checkpoint"},
    {"shared file descriptions (kcmp)", HELPFUL, shared_descriptions,
     "a kernel with CONFIG_KCMP; without it duplicates of a descriptor lose their common offset at "
     "restart"},
    {"the kernel's vdso", HELPFUL, vdso, "without it clock_gettime is a system call"},
    {"MPICH in the lower half", REQUIRED, real_mpich,
     "install MPICH (apt-get install mpich libmpich-dev) and rebuild"},
    {"mpiexec.mpich", REQUIRED, launcher, "apt-get install mpich"},
    {"DejaVu's libmpich.so.12", REQUIRED, upper_library, "make all"},
    {"room for descriptors", REQUIRED, descriptors, "ulimit -Hn 1024 or more"},
};

int dv_doctor(void)
{
    struct utsname name;
    int missing = 0;
    uname(&name);
    printf("Linux %s, %s, user %s\n", name.release, name.machine,
           geteuid() == 0 ? "root" : "unprivileged");
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        const struct test *t = &tests[i];
        int works = t->works();
        printf("  %-8s %s\n", works ? "works" : "missing", t->what);
        if (works)
            continue;
        printf("           %s: %s\n", t->need == REQUIRED ? "needed" : "helpful", t->remedy);
        missing += t->need == REQUIRED;
    }
    if (missing)
        printf("%d of what DejaVu needs %s missing here\n", missing, missing == 1 ? "is" : "are");
    else
        printf("all that DejaVu needs works here\n");
    return missing ? DV_EXIT_ENV : DV_EXIT_OK;
}
