/*
 * BT's systems along a line: for every unknown point i
 *
 *     lower(i) x(i-1) + diagonal(i) x(i) + upper(i) x(i+1) = rhs(i)
 *
 * with 5x5 blocks. Elimination leaves, per point, the record of x(i) = r - C x(i+1): the columns of
 * C, then r.
 */
#ifndef BT_H
#define BT_H

#include "apps/npb/adi/adi.h"

enum { BT_COLUMNS = ADI_VARS + 1, BT_RECORD = BT_COLUMNS * ADI_VARS };

void bt_eliminate(const struct adi_lines *lines, adi_lanes *record);
void bt_substitute(const struct adi_lines *lines, const adi_lanes *record,
                   adi_lanes (*ahead)[ADI_VARS]);

#endif
