/* Loads the application into the upper half as the kernel's execve would: program, interpreter, a
 * fresh stack with arguments, environment and auxiliary vector (elf(5), getauxval(3)). */
#include "rank/rank.h"
#include "rank/raw.h"

#include <dejavu/log.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define PAGE 4096ull
#define PAGE_DOWN(x) ((uint64_t)(x) & ~(PAGE - 1))
#define PAGE_UP(x) PAGE_DOWN((uint64_t)(x) + PAGE - 1)
#define STACK_MAX (64ull << 30)
#define STACK_DEFAULT (1ull << 30) /* for "unlimited" */
#define HEADERS_MAX 64

extern char **environ;

struct object {
    const char *path;
    Elf64_Ehdr ehdr;
    Elf64_Phdr phdr[HEADERS_MAX];
    uint64_t bias, phdr_address;
    char interpreter[256];
};

static enum dv_status bad(const char *path, const char *what)
{
    dv_error("loader", "%s: %s", path, what);
    return DV_ERR_UNSUPPORTED;
}

static enum dv_status read_headers(int fd, struct object *o)
{
    if (pread(fd, &o->ehdr, sizeof o->ehdr, 0) != sizeof o->ehdr ||
        memcmp(o->ehdr.e_ident, ELFMAG, SELFMAG) != 0 || o->ehdr.e_ident[EI_CLASS] != ELFCLASS64 ||
        o->ehdr.e_machine != EM_X86_64 || (o->ehdr.e_type != ET_EXEC && o->ehdr.e_type != ET_DYN))
        return bad(o->path, "not an x86-64 ELF program");
    size_t bytes = o->ehdr.e_phnum * sizeof *o->phdr;
    if (o->ehdr.e_phnum == 0 || o->ehdr.e_phnum > HEADERS_MAX ||
        o->ehdr.e_phentsize != sizeof *o->phdr ||
        pread(fd, o->phdr, bytes, (off_t)o->ehdr.e_phoff) != (ssize_t)bytes)
        return bad(o->path, "damaged program headers");
    return DV_OK;
}

static enum dv_status map_segment(int fd, const struct object *o, const Elf64_Phdr *p)
{
    int prot = ((p->p_flags & PF_R) ? PROT_READ : 0) | ((p->p_flags & PF_W) ? PROT_WRITE : 0) |
               ((p->p_flags & PF_X) ? PROT_EXEC : 0);
    uint64_t start = PAGE_DOWN(p->p_vaddr + o->bias), file_end = p->p_vaddr + o->bias + p->p_filesz;
    uint64_t end = p->p_vaddr + o->bias + p->p_memsz;
    if (p->p_filesz > 0 &&
        mmap((void *)start, PAGE_UP(file_end) - start, prot, MAP_PRIVATE | MAP_FIXED, fd,
             (off_t)PAGE_DOWN(p->p_offset)) == MAP_FAILED)
        return bad(o->path, strerror(errno));
    if (end <= file_end)
        return DV_OK;
    uint64_t zero_from = p->p_filesz > 0 ? PAGE_UP(file_end) : start;
    if (p->p_filesz > 0 && (prot & PROT_WRITE) != 0)
        memset((void *)file_end, 0, zero_from - file_end);
    if (PAGE_UP(end) > zero_from &&
        mmap((void *)zero_from, PAGE_UP(end) - zero_from, prot,
             MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
        return bad(o->path, strerror(errno));
    return DV_OK;
}

/* Choose the bias of a position-independent object: the kernel places it, just below the split. */
static enum dv_status place(struct object *o)
{
    uint64_t low = UINT64_MAX, high = 0, align = PAGE;
    for (int i = 0; i < o->ehdr.e_phnum; i++) {
        const Elf64_Phdr *p = &o->phdr[i];
        if (p->p_type != PT_LOAD)
            continue;
        low = p->p_vaddr < low ? p->p_vaddr : low;
        high = p->p_vaddr + p->p_memsz > high ? p->p_vaddr + p->p_memsz : high;
        align = p->p_align > align ? p->p_align : align;
    }
    if (high <= low)
        return bad(o->path, "no loadable segment");
    low = PAGE_DOWN(low);
    uint64_t span = PAGE_UP(high) - low;
    if (o->ehdr.e_type == ET_EXEC) {
        o->bias = 0;
        long at = DV_RAW(SYS_mmap, low, span, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
        return at == (long)low ? DV_OK : bad(o->path, "its fixed addresses are not free");
    }
    long at = DV_RAW(SYS_mmap, 0, span + align, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at < 0)
        return bad(o->path, strerror((int)-at));
    o->bias = (((uint64_t)at + align - 1) & ~(align - 1)) - low;
    return DV_OK;
}

static enum dv_status map_object(const char *path, struct object *o)
{
    o->path = path;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return bad(path, strerror(errno));
    enum dv_status status = read_headers(fd, o);
    if (status == DV_OK)
        status = place(o);
    o->phdr_address = o->bias + o->ehdr.e_phoff;
    for (int i = 0; status == DV_OK && i < o->ehdr.e_phnum; i++) {
        const Elf64_Phdr *p = &o->phdr[i];
        if (p->p_type == PT_LOAD) {
            if (o->ehdr.e_phoff >= p->p_offset && o->ehdr.e_phoff < p->p_offset + p->p_filesz)
                o->phdr_address = o->bias + p->p_vaddr + (o->ehdr.e_phoff - p->p_offset);
            status = map_segment(fd, o, p);
        } else if (p->p_type == PT_INTERP) {
            size_t bytes =
                p->p_filesz < sizeof o->interpreter ? p->p_filesz : sizeof o->interpreter - 1;
            if (pread(fd, o->interpreter, bytes, (off_t)p->p_offset) != (ssize_t)bytes)
                status = bad(path, "damaged interpreter name");
        }
    }
    close(fd);
    return status;
}

/* ---- the stack ----------------------------------------------------------- */

struct stack {
    uint64_t at, low; /* strings grow down from the top */
    int full;
};

static uint64_t push_bytes(struct stack *s, const void *bytes, size_t length)
{
    if (s->at - length < s->low) {
        s->full = 1;
        return 0;
    }
    s->at -= length;
    memcpy((void *)s->at, bytes, length);
    return s->at;
}

static uint64_t push_string(struct stack *s, const char *text)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): cannot be; the analyser loses track */
    return push_bytes(s, text, strlen(text) + 1);
}

/* The directory of DejaVu's libmpich.so.12, in front of the application's library path. */
static int library_path(char *text, size_t bytes)
{
    char self[512];
    ssize_t got = readlink("/proc/self/exe", self, sizeof self - 1);
    if (got <= 0)
        return -1;
    self[got] = '\0';
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(self, '/');
        if (slash == NULL)
            return -1;
        *slash = '\0';
    }
    const char *theirs = getenv("LD_LIBRARY_PATH");
    int n = snprintf(text, bytes, "LD_LIBRARY_PATH=%s/lib/dejavu%s%s", self, theirs ? ":" : "",
                     theirs ? theirs : "");
    return n > 0 && (size_t)n < bytes ? 0 : -1;
}

static size_t push_environment(struct stack *s, uint64_t *pointers, size_t max)
{
    static char path[65536];
    size_t count = 0;
    if (library_path(path, sizeof path) == 0)
        pointers[count++] = push_string(s, path);
    for (char **e = environ; *e != NULL && count < max; e++)
        if (strncmp(*e, "LD_LIBRARY_PATH=", 16) != 0 && strncmp(*e, "DEJAVU_LOWER_", 13) != 0)
            pointers[count++] = push_string(s, *e);
    return count;
}

static size_t auxiliary_vector(Elf64_auxv_t *aux, const struct object *program,
                               const struct object *interpreter, uint64_t random, uint64_t platform,
                               uint64_t name)
{
    static const unsigned long passed_on[] = {
        AT_HWCAP, AT_HWCAP2, AT_CLKTCK, AT_UID, AT_EUID,
        AT_GID,   AT_EGID,   AT_SECURE, 51 /* AT_MINSIGSTKSZ */};
    size_t n = 0;
#define AUX(type, value)                                                                           \
    aux[n++] = (Elf64_auxv_t)                                                                      \
    {                                                                                              \
        (type),                                                                                    \
        {                                                                                          \
            (uint64_t)(value)                                                                      \
        }                                                                                          \
    }
    AUX(AT_SYSINFO_EHDR, DV_RESIDENT_BASE);
    AUX(AT_PHDR, program->phdr_address);
    AUX(AT_PHENT, sizeof(Elf64_Phdr));
    AUX(AT_PHNUM, program->ehdr.e_phnum);
    AUX(AT_PAGESZ, PAGE);
    AUX(AT_BASE, interpreter->bias);
    AUX(AT_FLAGS, 0);
    AUX(AT_ENTRY, program->bias + program->ehdr.e_entry);
    AUX(AT_RANDOM, random);
    AUX(AT_PLATFORM, platform);
    AUX(AT_EXECFN, name);
    for (size_t i = 0; i < sizeof passed_on / sizeof *passed_on; i++)
        AUX(passed_on[i], getauxval(passed_on[i]));
    AUX(AT_NULL, 0);
#undef AUX
    return n;
}

static uint64_t build_stack(uint64_t low, uint64_t top, const struct object *program,
                            const struct object *interpreter)
{
    size_t arguments = 0, variables = 0;
    while (dv_rank.options.program[arguments] != NULL)
        arguments++;
    while (environ[variables] != NULL)
        variables++;
    struct stack s = {top - 16, low + PAGE, 0};
    uint64_t *argv = calloc(arguments + variables + 2, sizeof *argv);
    if (argv == NULL)
        return 0;
    uint64_t *envp = argv + arguments;
    uint64_t name = push_string(&s, dv_rank.program);
    argv[0] =
        push_string(&s, dv_rank.options.argv0 ? dv_rank.options.argv0 : dv_rank.options.program[0]);
    for (size_t i = 1; i < arguments; i++)
        argv[i] = push_string(&s, dv_rank.options.program[i]);
    variables = push_environment(&s, envp, variables + 1);
    uint64_t platform = push_string(&s, "x86_64");
    uint64_t random = push_bytes(&s, (const void *)getauxval(AT_RANDOM), 16);
    Elf64_auxv_t aux[32];
    size_t aux_count = auxiliary_vector(aux, program, interpreter, random, platform, name);
    size_t words = 1 + arguments + 1 + variables + 1;
    uint64_t sp = (s.at - words * 8 - aux_count * sizeof *aux) & ~15ull;
    if (s.full || sp < s.low) {
        free(argv);
        return 0;
    }
    uint64_t *out = (uint64_t *)sp;
    *out++ = arguments;
    memcpy(out, argv, arguments * 8);
    out += arguments;
    *out++ = 0;
    memcpy(out, envp, variables * 8);
    out += variables;
    *out++ = 0;
    memcpy(out, aux, aux_count * sizeof *aux);
    free(argv);
    return sp;
}

enum dv_status dv_loader_load(struct dv_loaded *loaded)
{
    static struct object program, interpreter;
    enum dv_status status = map_object(dv_rank.program, &program);
    if (status != DV_OK)
        return status;
    if (program.interpreter[0] == '\0')
        return bad(
            dv_rank.program,
            "a static program; DejaVu needs a dynamically linked one (link without -static)");
    status = map_object(program.interpreter, &interpreter);
    if (status != DV_OK)
        return status;
    uint64_t bytes =
        dv_rank.stack_limit == RLIM_INFINITY ? STACK_DEFAULT : PAGE_UP(dv_rank.stack_limit);
    bytes = bytes > STACK_MAX ? STACK_MAX : bytes;
    long low = DV_RAW(SYS_mmap, 0, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (low < 0)
        return bad("stack", strerror((int)-low));
    DV_GATE->stack_start = dv_rank.stack_start = (uint64_t)low;
    DV_GATE->stack_end = dv_rank.stack_end = (uint64_t)low + bytes;
    loaded->stack_pointer =
        build_stack((uint64_t)low, (uint64_t)low + bytes, &program, &interpreter);
    loaded->entry = interpreter.bias + interpreter.ehdr.e_entry;
    return loaded->stack_pointer != 0 ? DV_OK
                                      : bad("stack", "arguments and environment do not fit");
}
