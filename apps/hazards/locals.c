/* Hazard: state of the thread and of libc: errno, thread-local variables, hidden states of rand,
 * strtok, asctime, stdio's buffers and positions, numbers printed and read. */
#include "apps/hazards/hazard.h"

#include <time.h>

static __thread uint64_t counter = 7;
static __thread char text[64] = "thread-local";
static char words[] = "one two three four five six seven eight nine ten";

static void check_stdio(FILE *scratch)
{
    double number = 0;
    unsigned round = hazard_round();
    CHECK(fprintf(scratch, "%u %.17g\n", round, 1.0 / (round + 3)) > 0);
    hazard_sleep_ms(2);
    unsigned got = 0;
    long end = ftell(scratch);
    static long begin;
    CHECK(fseek(scratch, begin, SEEK_SET) == 0);
    CHECK(fscanf(scratch, "%u %lf\n", &got, &number) == 2);
    CHECK(got == round && number == 1.0 / (round + 3));
    CHECK(fseek(scratch, end, SEEK_SET) == 0);
    begin = end;
}

int main(int argc, char **argv)
{
    unsigned short generator[3] = {1, 2, 3};
    hazard_begin(argc, argv);
    FILE *scratch = fopen("locals.scratch", "w+");
    CHECK(scratch);
    srand(5);
    srand48(6);
    char *word = strtok(words, " ");
    do {
        errno = (int)hazard_round() % 100 + 1;
        volatile uint64_t spin = 0;
        for (int i = 0; i < 3000000; i++)
            spin += (uint64_t)i;
        CHECK(errno == (int)hazard_round() % 100 + 1);
        counter = counter * 31 + hazard_round();
        CHECK(snprintf(text, sizeof text, "%s %u", text[0] == 't' ? "told" : "thread",
                       hazard_round()) > 0);
        hazard_mix(counter);
        hazard_mix((uint64_t)text[1]);
        hazard_mix((uint64_t)rand());
        hazard_mix((uint64_t)lrand48());
        hazard_mix((uint64_t)nrand48(generator));
        if (word && hazard_round() % 5 == 0) {
            hazard_mix((uint64_t)word[0]);
            word = strtok(NULL, " ");
        }
        check_stdio(scratch);
    } while (hazard_next());
    fclose(scratch);
    return hazard_end();
}
