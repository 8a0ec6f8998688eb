/*
 * The eigenvectors of the flux Jacobians (Pulliam and Chaussee, "A diagonal form of an implicit
 * approximate-factorization algorithm", J. Comput. Phys. 39, 1981). Between two directions their
 * product is a constant matrix. Variables: three that travel with the velocity, then the sound
 * waves with it and against it.
 */
#include "apps/npb/sp/sp.h"

#include <math.h>

void sp_enter(const struct adi_lines *lines, ptrdiff_t at, adi_lanes v[ADI_VARS])
{
    const struct adi_cell *cell = lines->cell;
    const adi_lanes inverse = adi_load(lines, cell->inverse, at);
    const adi_lanes sound = adi_load(lines, cell->sound, at);
    const adi_lanes vx = adi_load(lines, cell->velocity[ADI_X], at);
    const adi_lanes vy = adi_load(lines, cell->velocity[ADI_Y], at);
    const adi_lanes vz = adi_load(lines, cell->velocity[ADI_Z], at);
    const adi_lanes pressure = ADI_K2 * (adi_load(lines, cell->kinetic, at) * v[0] - vx * v[1] -
                                         vy * v[2] - vz * v[3] + v[4]);
    const adi_lanes scale = M_SQRT1_2 * inverse;
    const adi_lanes momentum = scale * (vx * v[0] - v[1]);
    const adi_lanes entropy = pressure / (sound * sound), wave = scale * sound * entropy;
    const adi_lanes density = v[0];

    v[0] = density - entropy;
    v[1] = inverse * (v[3] - vz * density);
    v[2] = inverse * (vy * density - v[2]);
    v[3] = wave - momentum;
    v[4] = wave + momentum;
}

static inline void leave(const struct adi_lines *lines, ptrdiff_t at, adi_lanes v[ADI_VARS])
{
    const struct adi_cell *cell = lines->cell;
    const adi_lanes density = adi_load(lines, cell->u[0], at);
    const adi_lanes sound = adi_load(lines, cell->sound, at);
    const adi_lanes vx = adi_load(lines, cell->velocity[ADI_X], at);
    const adi_lanes vy = adi_load(lines, cell->velocity[ADI_Y], at);
    const adi_lanes vz = adi_load(lines, cell->velocity[ADI_Z], at);
    const adi_lanes kinetic = adi_load(lines, cell->kinetic, at);
    const adi_lanes scale = M_SQRT1_2 * density;
    const adi_lanes wave = scale / sound * (v[3] + v[4]), momentum = scale * (v[3] - v[4]);
    const adi_lanes first = v[0], second = v[1], change = v[2] + wave;

    v[0] = change;
    v[1] = vx * change - density * second;
    v[2] = vy * change + density * first;
    v[3] = vz * change + momentum;
    v[4] = density * (vy * first - vx * second) + kinetic * change + sound * sound / ADI_K2 * wave +
           vz * momentum;
}

void sp_turn(const struct adi_lines *lines, ptrdiff_t at, adi_lanes v[ADI_VARS])
{
    if (lines->direction == ADI_Z) {
        leave(lines, at, v);
        return;
    }
    const adi_lanes mean = 0.5 * (v[3] + v[4]), difference = M_SQRT1_2 * (v[3] - v[4]);
    const adi_lanes turned = M_SQRT1_2 * (lines->direction == ADI_X ? v[2] : v[0]);
    const adi_lanes first = v[0], second = v[1], third = v[2];

    if (lines->direction == ADI_X) {
        v[0] = -second;
        v[1] = first;
        v[2] = difference;
    } else {
        v[0] = difference;
        v[1] = -third;
        v[2] = second;
    }
    v[3] = mean - turned;
    v[4] = mean + turned;
}
