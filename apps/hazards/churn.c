/* Hazard: memory that is mapped, moved, protected, grown, shrunk and written all the time, also while it is captured: there
 * is no pause in it. usage: hazard-churn [STEPS [SEED [MIB [OPERATION,OPERATION...]]]]; see churn/churn.h. */
#include "apps/hazards/churn/churn.h"

int main(int argc, char **argv)
{
    churn_begin(argc, argv);
    while (churn_step())
        ;
    churn_end();
    return hazard_end();
}
