#include "apps/common/npb_flow.h"

enum { DEGREE = 4 };

/* Table 3.1, regrouped: the constant, and the coefficients of x, y, z; x^2, y^2, z^2; ... */
static const double coefficients[NPB_FLOW_COMPONENTS][1 + DEGREE * NPB_FLOW_DIMS] = {
    {2, 0, 0, 4, 5, 3, 0.5, 0.02, 0.01, 0.03, 0.5, 0.4, 0.3},
    {1, 0, 0, 0, 1, 2, 3, 0.01, 0.03, 0.02, 0.4, 0.3, 0.5},
    {2, 2, 0, 0, 0, 2, 3, 0.04, 0.03, 0.05, 0.3, 0.5, 0.4},
    {2, 2, 0, 0, 0, 2, 3, 0.03, 0.05, 0.04, 0.2, 0.1, 0.3},
    {5, 4, 3, 2, 0.1, 0.4, 0.3, 0.05, 0.04, 0.03, 0.1, 0.3, 0.2},
};

double npb_flow_exact(int component, const double at[NPB_FLOW_DIMS])
{
    const double *c = coefficients[component];
    double value = c[0];

    for (int d = 0; d < NPB_FLOW_DIMS; d++) {
        double power = 0;
        for (int p = DEGREE - 1; p >= 0; p--)
            power = (power + c[1 + p * NPB_FLOW_DIMS + d]) * at[d];
        value += power;
    }
    return value;
}

/* For each direction a linear interpolation between two opposite faces; the three combined as
 * a + b + c - ab - ac - bc + abc. */
double npb_flow_interpolated(int component, const double at[NPB_FLOW_DIMS])
{
    double rest = 1;

    for (int d = 0; d < NPB_FLOW_DIMS; d++) {
        double low[NPB_FLOW_DIMS] = {at[0], at[1], at[2]},
               high[NPB_FLOW_DIMS] = {at[0], at[1], at[2]};
        low[d] = 0;
        high[d] = 1;
        rest *= 1 - ((1 - at[d]) * npb_flow_exact(component, low) +
                     at[d] * npb_flow_exact(component, high));
    }
    return 1 - rest;
}
