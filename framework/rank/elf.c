/* Symbols of ELF images that are mapped whole (vdso, resident), without any loader. */
#include "rank/rank.h"

#include <elf.h>
#include <string.h>

uint64_t dv_elf_symbol(uint64_t base, const char *name)
{
    const Elf64_Ehdr *ehdr = (const Elf64_Ehdr *)base;
    const Elf64_Phdr *phdr = (const Elf64_Phdr *)(base + ehdr->e_phoff);
    const Elf64_Dyn *dynamic = NULL;
    uint64_t bias = base;
    for (int i = 0; i < ehdr->e_phnum; i++) {
        if (phdr[i].p_type == PT_LOAD && phdr[i].p_offset == 0)
            bias = base - phdr[i].p_vaddr;
        if (phdr[i].p_type == PT_DYNAMIC)
            dynamic = (const Elf64_Dyn *)(base + phdr[i].p_offset);
    }
    if (dynamic == NULL)
        return 0;
    const Elf64_Sym *symbols = NULL;
    const char *strings = NULL;
    const uint32_t *hash = NULL, *gnu_hash = NULL;
    for (; dynamic->d_tag != DT_NULL; dynamic++) {
        uint64_t address =
            dynamic->d_un.d_ptr < base ? bias + dynamic->d_un.d_ptr : dynamic->d_un.d_ptr;
        switch (dynamic->d_tag) {
        case DT_SYMTAB:
            symbols = (const Elf64_Sym *)address;
            break;
        case DT_STRTAB:
            strings = (const char *)address;
            break;
        case DT_HASH:
            hash = (const uint32_t *)address;
            break;
        case DT_GNU_HASH:
            gnu_hash = (const uint32_t *)address;
            break;
        default:
            break;
        }
    }
    if (symbols == NULL || strings == NULL || (hash == NULL && gnu_hash == NULL))
        return 0;
    /* The symbol table has no length; dynsym precedes dynstr in every linker's layout when DT_HASH
     * is absent. */
    size_t count =
        hash ? hash[1] : (size_t)(((uint64_t)strings - (uint64_t)symbols) / sizeof *symbols);
    for (size_t i = 1; i < count; i++)
        if (symbols[i].st_shndx != SHN_UNDEF && strcmp(strings + symbols[i].st_name, name) == 0)
            return bias + symbols[i].st_value;
    return 0;
}
