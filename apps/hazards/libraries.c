/* Hazard: libraries that are loaded and unloaded, also after a restart; thread-local storage of a
 * loaded one; lazy binding and the loader's list of objects. */
#include "apps/hazards/hazard.h"

#include <dlfcn.h>
#include <link.h>

static const char *const names[] = {"libm.so.6", "libz.so.1", "libresolv.so.2", "libgcc_s.so.1"};
#define NAMES (sizeof names / sizeof names[0])

static int count_object(struct dl_phdr_info *info, size_t bytes, void *count)
{
    (void)bytes;
    *(int *)count += info->dlpi_phnum > 0;
    return 0;
}

static uint64_t use_math(void *library)
{
    double (*sine)(double) = (double (*)(double))dlsym(library, "sin");
    double (*gamma_of)(double) = (double (*)(double))dlsym(library, "lgamma");
    CHECK(sine && gamma_of);
    double value = sine(hazard_round()) + gamma_of(hazard_round() + 0.5);
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

int main(int argc, char **argv)
{
    void *held[NAMES] = {0};
    hazard_begin(argc, argv);
    do {
        size_t which = hazard_round() % NAMES;
        int objects = 0;
        void *math = dlopen(names[0], RTLD_NOW | RTLD_LOCAL);
        CHECK(math);
        hazard_mix(use_math(math));
        hazard_sleep_ms(2);
        hazard_mix(use_math(math));
        if (held[which]) {
            CHECK(dlclose(held[which]) == 0);
            held[which] = NULL;
        } else {
            held[which] = dlopen(names[which], RTLD_LAZY);
        }
        CHECK(dlclose(math) == 0);
        CHECK(!dlopen("libhazard-that-is-not-there.so", RTLD_NOW) && dlerror());
        CHECK(dl_iterate_phdr(count_object, &objects) == 0 && objects >= 3);
        Dl_info info;
        CHECK(dladdr((void *)main, &info) && strstr(info.dli_fname, "hazard-libraries"));
    } while (hazard_next());
    return hazard_end();
}
