/* Hazard: code that was written at run time, in writable and executable memory and in memory that
 * became executable. */
#include "apps/hazards/hazard.h"

#include <sys/mman.h>

#define PAGE 4096

/* mov $constant, %eax; imul %edi, %eax; ret */
static void write_code(unsigned char *to, uint32_t constant)
{
    const unsigned char code[] = {0xb8, 0, 0, 0, 0, 0x0f, 0xaf, 0xc7, 0xc3};
    memcpy(to, code, sizeof code);
    memcpy(to + 1, &constant, sizeof constant);
}

static uint32_t call(const unsigned char *code, uint32_t argument)
{
    uint32_t (*function)(uint32_t);
    memcpy(&function, &code, sizeof function);
    return function(argument);
}

int main(int argc, char **argv)
{
    hazard_begin(argc, argv);
    unsigned char *open_code =
        mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned char *sealed =
        mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(open_code != MAP_FAILED && sealed != MAP_FAILED);
    do {
        uint32_t round = hazard_round() + 1;
        write_code(open_code, round * 7);
        CHECK(mprotect(sealed, PAGE, PROT_READ | PROT_WRITE) == 0);
        write_code(sealed, round * 11);
        CHECK(mprotect(sealed, PAGE, PROT_EXEC) == 0);
        hazard_sleep_ms(3);
        CHECK(call(open_code, 3) == round * 21);
        CHECK(call(sealed, 5) == round * 55);
        hazard_mix(round);
    } while (hazard_next());
    return hazard_end();
}
