#include "harness/config/tools.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

const char *dv_own_directory(struct dv_arena *memory)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length < 0)
        return ".";
    path[length] = '\0';
    char *slash = strrchr(path, '/');
    if (slash)
        *slash = '\0';
    return dv_arena_text(memory, path);
}

const char *dv_tool_find(const char *name, const char *source, struct dv_arena *memory)
{
    const char *own = dv_own_directory(memory);
    const char *const candidates[] = {
        dv_arena_printf(memory, "%s/%s", own, name),
        dv_arena_printf(memory, "%s/../lib/dejavu/%s", own, name),
        dv_arena_printf(memory, "%s/../../%s", own, source),    /* build/bin */
        dv_arena_printf(memory, "%s/../../../%s", own, source), /* build/debug/bin */
    };
    for (size_t i = 0; i < sizeof candidates / sizeof candidates[0]; i++) {
        if (access(candidates[i], X_OK) == 0)
            return candidates[i];
    }
    return NULL;
}
