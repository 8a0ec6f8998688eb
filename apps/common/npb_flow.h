/*
 * The flow that LU, BT and SP compute, in the unit cube: the polynomial that solves the problem, and
 * the field that the iteration starts from. Five components: density, three momenta, energy. Pure
 * functions. Source: D. Bailey et al., NASA report RNR-94-007 (1994), chapter 3.
 */
#ifndef NPB_FLOW_H
#define NPB_FLOW_H

enum { NPB_FLOW_COMPONENTS = 5, NPB_FLOW_DIMS = 3 };

/* The component of the exact solution at a place. */
double npb_flow_exact(int component, const double at[NPB_FLOW_DIMS]);

/* The same, interpolated from its values on the surface, where it is exact. */
double npb_flow_interpolated(int component, const double at[NPB_FLOW_DIMS]);

#endif
