/* Finding and checking the application's program file. */
#include "control/program.h"

#include "common/fail.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define MODULE "control"

static bool is_executable_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* An absolute path for what may be relative to the working directory. */
static enum dv_status make_absolute(const char *name, char *path, size_t path_bytes)
{
    char cwd[4096] = "";
    if (name[0] != '/' && !getcwd(cwd, sizeof cwd))
        return dv_fail(MODULE, DV_ERR_SYSTEM, "cannot tell the working directory: %s",
                       strerror(errno));
    while (name[0] == '.' && name[1] == '/')
        name += 2;
    int n = snprintf(path, path_bytes, "%s%s%s", cwd, name[0] == '/' ? "" : "/", name);
    if (n < 0 || (size_t)n >= path_bytes)
        return dv_fail(MODULE, DV_ERR_USAGE, "the path of %.200s is too long", name);
    return DV_OK;
}

enum dv_status dv_program_resolve(const char *name, const char *search_path, char *path,
                                  size_t path_bytes)
{
    if (strchr(name, '/')) {
        if (access(name, F_OK) != 0)
            return dv_fail(MODULE, DV_ERR_NOT_FOUND, "cannot run %s: %s", name, strerror(errno));
        return make_absolute(name, path, path_bytes);
    }
    char candidate[4096];
    for (const char *p = search_path; p && *name; p = *p ? p + 1 : NULL) {
        size_t length = strcspn(p, ":");
        /* An empty element means the working directory. */
        int n = snprintf(candidate, sizeof candidate, "%.*s%s%s", (int)length, p,
                         length ? "/" : "./", name);
        if (n > 0 && (size_t)n < sizeof candidate && is_executable_file(candidate))
            return make_absolute(candidate, path, path_bytes);
        p += length;
    }
    if (access(name, F_OK) == 0)
        return dv_fail(MODULE, DV_ERR_NOT_FOUND,
                       "cannot find the program %s on PATH; did you mean ./%s?", name, name);
    return dv_fail(MODULE, DV_ERR_NOT_FOUND, "cannot find the program %s on PATH", name);
}

static enum dv_status not_elf(const char *path, const unsigned char *head, ssize_t length)
{
    if (length >= 2 && head[0] == '#' && head[1] == '!')
        return dv_fail(MODULE, DV_ERR_USAGE,
                       "%s is a script; name its interpreter before it: dejavu run -- INTERPRETER "
                       "%s",
                       path, path);
    return dv_fail(MODULE, DV_ERR_USAGE, "%s is not an ELF program", path);
}

static enum dv_status check_headers(const char *path, int fd)
{
    Elf64_Ehdr e;
    memset(&e, 0, sizeof e);
    ssize_t n = pread(fd, &e, sizeof e, 0);
    if (n < 0)
        return dv_fail(MODULE, DV_ERR_IO, "cannot read %s: %s", path, strerror(errno));
    if (n < (ssize_t)sizeof e || memcmp(e.e_ident, ELFMAG, SELFMAG) != 0)
        return not_elf(path, e.e_ident, n);
    if (e.e_ident[EI_CLASS] != ELFCLASS64 || e.e_machine != EM_X86_64)
        return dv_fail(MODULE, DV_ERR_USAGE,
                       "%s is built for another kind of processor; DejaVu runs x86-64 programs",
                       path);
    if (e.e_type != ET_EXEC && e.e_type != ET_DYN)
        return dv_fail(MODULE, DV_ERR_USAGE, "%s is an ELF file, but not a program", path);
    for (unsigned i = 0; i < e.e_phnum; i++) {
        Elf64_Phdr p;
        if (pread(fd, &p, sizeof p, (off_t)(e.e_phoff + (uint64_t)i * e.e_phentsize)) != sizeof p)
            return dv_fail(MODULE, DV_ERR_USAGE, "%s is truncated: its program headers are missing",
                           path);
        if (p.p_type == PT_INTERP)
            return DV_OK;
    }
    return dv_fail(MODULE, DV_ERR_USAGE,
                   "%s is statically linked; DejaVu needs a dynamically linked program (link it "
                   "without -static)",
                   path);
}

enum dv_status dv_program_check(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return dv_fail(MODULE, DV_ERR_NOT_FOUND, "cannot run %s: %s", path, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return dv_fail(MODULE, DV_ERR_USAGE, "cannot run %s: it is a directory", path);
    if (!S_ISREG(st.st_mode))
        return dv_fail(MODULE, DV_ERR_USAGE, "cannot run %s: it is not a regular file", path);
    if (access(path, X_OK) != 0)
        return dv_fail(MODULE, DV_ERR_USAGE, "cannot run %s: it is not executable (chmod +x it)",
                       path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return dv_fail(MODULE, DV_ERR_USAGE, "cannot read %s: %s; DejaVu loads the program itself",
                       path, strerror(errno));
    enum dv_status status = check_headers(path, fd);
    close(fd);
    return status;
}

enum dv_status dv_program_digest(const char *path, uint8_t digest[16])
{
    enum dv_status status = DV_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return dv_fail(MODULE, DV_ERR_NOT_FOUND, "cannot open %s: %s", path, strerror(errno));
    static uint8_t buffer[1u << 16];
    XXH3_state_t *state = XXH3_createState();
    if (!state || XXH3_128bits_reset(state) == XXH_ERROR) {
        status = dv_fail(MODULE, DV_ERR_NO_MEMORY, "no memory for a checksum");
        goto out_close;
    }
    ssize_t n;
    while ((n = read(fd, buffer, sizeof buffer)) > 0)
        (void)XXH3_128bits_update(state, buffer, (size_t)n);
    if (n < 0) {
        status = dv_fail(MODULE, DV_ERR_IO, "cannot read %s: %s", path, strerror(errno));
        goto out_close;
    }
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state));
    memcpy(digest, canonical.digest, sizeof canonical.digest);
out_close:
    XXH3_freeState(state);
    close(fd);
    return status;
}
