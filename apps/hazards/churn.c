/* Hazard: memory that is mapped, moved, protected, grown, shrunk and written all the time, also while it is captured: there
 * is no pause in it. usage: hazard-churn [STEPS [SEED [MIB [OPERATION,OPERATION...]]]]; see churn/churn.h. With HAZARD_WAIT it
 * says DONE after the last step and waits for the file `end`, its memory as it is. */
#include "apps/hazards/churn/churn.h"

int main(int argc, char **argv)
{
    churn_begin(argc, argv);
    while (churn_step())
        ;
    hazard_wait_for("DONE", "end");
    churn_end();
    return hazard_end();
}
