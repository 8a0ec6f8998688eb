/* Callbacks that MPI makes into the application: one small piece of code per user function, which
 * knows its index, then the upper thread pointer for the length of the call. Compiled with
 * -fno-stack-protector. */
#include "rank/rank.h"

#include <dejavu/log.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define THUNK_BYTES ((size_t)64)
#define THUNKS_PER_BLOCK 1024u
#define BLOCKS 1024u

typedef long (*upper_function)(uint64_t index, uint64_t a, uint64_t b, uint64_t c, uint64_t d);
static struct {
    unsigned char *code;
    upper_function function[THUNKS_PER_BLOCK];
} * blocks[BLOCKS];

static long call_upper(uint64_t index, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    upper_function function = blocks[index / THUNKS_PER_BLOCK]->function[index % THUNKS_PER_BLOCK];
    uint64_t lower_fs = dv_fs_get();
    dv_fs_set(*(uint64_t *)(lower_fs + (uint64_t)DV_GATE->upper_fs_offset));
    long ret = function(index, a, b, c, d);
    dv_fs_set(lower_fs);
    return ret;
}

/* Shift the arguments by one, put the index in front, go to call_upper. */
static void emit(unsigned char *code, uint32_t index)
{
    static const unsigned char shift[] = {0x49, 0x89, 0xc8,  /* mov %rcx, %r8 */
                                          0x48, 0x89, 0xd1,  /* mov %rdx, %rcx */
                                          0x48, 0x89, 0xf2,  /* mov %rsi, %rdx */
                                          0x48, 0x89, 0xfe}; /* mov %rdi, %rsi */
    uint64_t target = (uint64_t)call_upper;
    memcpy(code, shift, sizeof shift);
    code += sizeof shift;
    *code++ = 0xbf; /* mov $index, %edi */
    memcpy(code, &index, 4);
    code += 4;
    *code++ = 0x48; /* movabs $call_upper, %rax */
    *code++ = 0xb8;
    memcpy(code, &target, 8);
    code += 8;
    *code++ = 0xff; /* jmp *%rax */
    *code = 0xe0;
}

static int make_block(uint32_t block)
{
    size_t bytes = THUNK_BYTES * THUNKS_PER_BLOCK;
    blocks[block] = calloc(1, sizeof *blocks[block]);
    if (blocks[block] == NULL)
        return -1;
    unsigned char *code =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code == MAP_FAILED)
        return -1;
    for (uint32_t i = 0; i < THUNKS_PER_BLOCK; i++)
        emit(code + i * THUNK_BYTES, block * THUNKS_PER_BLOCK + i);
    blocks[block]->code = code;
    return mprotect(code, bytes, PROT_READ | PROT_EXEC);
}

void *dv_thunk(uint32_t index, void *function)
{
    uint32_t block = index / THUNKS_PER_BLOCK;
    if (block >= BLOCKS || (blocks[block] == NULL && make_block(block) != 0)) {
        dv_error("thunk", "cannot make code for callback %u: %s", index,
                 block >= BLOCKS ? "too many" : strerror(errno));
        return NULL;
    }
    blocks[block]->function[index % THUNKS_PER_BLOCK] = (upper_function)function;
    return blocks[block]->code + index % THUNKS_PER_BLOCK * THUNK_BYTES;
}
