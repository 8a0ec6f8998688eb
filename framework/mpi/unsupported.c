/* Objects that pass through to the real library and could not be re-created after a restore: what
 * they are and where the application made them. While one lives, a checkpoint is refused with the
 * reason that dv_unsupported_alive gives. */
#include "mpi/objects.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct entry {
    struct entry *next;
    const char *call; /* a string of ours */
    uint64_t object;
    uint64_t return_address;
};
static struct entry *oldest, **end = &oldest;

void dv_unsupported_created(const char *call, uint64_t object, const void *return_address)
{
    struct entry *entry = dv_arena_alloc(sizeof *entry);
    entry->call = call;
    entry->object = object;
    entry->return_address = (uint64_t)return_address;
    dv_objects_lock();
    *end = entry;
    end = &entry->next;
    dv_objects_unlock();
}

void dv_unsupported_freed(uint64_t object)
{
    dv_objects_lock();
    struct entry **link = &oldest;
    while (*link != NULL && (*link)->object != object)
        link = &(*link)->next;
    struct entry *entry = *link;
    if (entry != NULL) {
        *link = entry->next;
        if (end == &entry->next)
            end = link;
    }
    dv_objects_unlock();
    dv_arena_free(entry, sizeof *entry);
}

/* ---- where an address is: from /proc/self/maps, with system calls only --- */

struct line_reader {
    int fd;
    size_t used, filled;
    char buffer[4096];
};

/* The next line, cut at `bytes`; 0 at the end. */
static int read_line(struct line_reader *r, char *line, size_t bytes)
{
    size_t length = 0;
    for (;;) {
        if (r->used == r->filled) {
            ssize_t got = read(r->fd, r->buffer, sizeof r->buffer);
            if (got <= 0)
                return 0;
            r->filled = (size_t)got;
            r->used = 0;
        }
        char c = r->buffer[r->used++];
        if (c == '\n')
            break;
        if (length + 1 < bytes)
            line[length++] = c;
    }
    line[length] = '\0';
    return 1;
}

static uint64_t parse_hex(const char **text)
{
    uint64_t value = 0;
    for (;; (*text)++) {
        char c = **text;
        if (c >= '0' && c <= '9')
            value = value * 16 + (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value * 16 + (uint64_t)(c - 'a' + 10);
        else
            return value;
    }
}

static const char *skip_field(const char *text)
{
    while (*text != ' ' && *text != '\0')
        text++;
    while (*text == ' ')
        text++;
    return text;
}

/* "file+0xoffset" if the line's mapping holds the address. */
static bool locate_in(const char *line, uint64_t address, char *text, size_t bytes)
{
    uint64_t start = parse_hex(&line);
    line++; /* '-' */
    if (address < start || address >= parse_hex(&line))
        return false;
    line = skip_field(line + 1); /* permissions */
    uint64_t offset = parse_hex(&line);
    line = skip_field(skip_field(line + 1)); /* device, inode */
    const char *name = strrchr(line, '/');
    if (name == NULL)
        return false;
    dv_text_add(text, bytes, name + 1);
    dv_text_add(text, bytes, "+");
    dv_text_add_hex(text, bytes, address - start + offset);
    return true;
}

static void locate(uint64_t address, char *text, size_t bytes)
{
    struct line_reader reader = {0};
    char line[512] = "";
    bool found = false;
    reader.fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    while (reader.fd >= 0 && !found && read_line(&reader, line, sizeof line))
        found = locate_in(line, address, text, bytes);
    if (reader.fd >= 0)
        close(reader.fd);
    if (!found)
        dv_text_add_hex(text, bytes, address);
}

int dv_unsupported_alive(char *text, size_t bytes)
{
    const struct entry *entry = oldest;
    if (entry == NULL)
        return 0;
    if (bytes > 0)
        text[0] = '\0';
    dv_text_add(text, bytes, entry->call);
    dv_text_add(text, bytes, " called from ");
    locate(entry->return_address, text, bytes);
    return 1;
}
