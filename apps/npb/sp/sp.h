/*
 * SP's systems along a line: for every unknown point i, and each of the three eigenvalues v, v + c,
 * v - c of the flux's Jacobian
 *
 *     a x(i-2) + b x(i-1) + c x(i) + d x(i+1) + e x(i+2) = rhs(i).
 *
 * Three variables share v. Elimination leaves, per point, the record of
 * x(i) = r - near x(i+1) - far x(i+2): near and far of each eigenvalue, then r of each variable.
 */
#ifndef SP_H
#define SP_H

#include "apps/npb/adi/adi.h"

enum { SP_WAVES = 3, SP_RECORD = 2 * SP_WAVES + ADI_VARS };

void sp_eliminate(const struct adi_lines *lines, adi_lanes *record);
void sp_substitute(const struct adi_lines *lines, const adi_lanes *record,
                   adi_lanes (*ahead)[ADI_VARS]);

/* Changes of variables at a point, in place: into the eigenvectors of x; after solving along a
 * direction, into those of the next, or after z back again. */
void sp_enter(const struct adi_lines *lines, ptrdiff_t at, adi_lanes v[ADI_VARS]);
void sp_turn(const struct adi_lines *lines, ptrdiff_t at, adi_lanes v[ADI_VARS]);

#endif
