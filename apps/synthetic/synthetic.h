/*
 * A stencil application whose cost to a checkpoint strategy is set by options, one factor each: how much memory a rank has,
 * how much of it a step writes and where, how large its messages are, how often it takes part in a collective, and how much it
 * computes. A step is
 *
 *     start the exchange with both neighbours on a ring  ->  compute, in the cache  ->  finish the exchange
 *     ->  write pages, by a three-point stencil          ->  every so often: MPI_Allreduce
 *
 * The field is an array of pages. A step writes `written` of them; which ones follows from the step's number:
 *
 *     clustered   ......#######...........    one run of pages
 *     scattered   .#..#..#.#..#..#..#.#..#    as evenly spread as can be
 *
 * and with --move the pattern goes on by so many places in each step. Each page counts its writes, by which the run is
 * verified; everything else that a step computes ends in the digest.
 */
#ifndef SYNTHETIC_H
#define SYNTHETIC_H

#include "apps/common/npb.h"

enum synthetic_order { SYNTHETIC_CLUSTERED, SYNTHETIC_SCATTERED };

struct synthetic_settings {
    size_t footprint_bytes; /* of a rank's field */
    double dirty;           /* part of its pages that a step writes, 0 to 1 */
    enum synthetic_order order;
    long move_pages;
    size_t message_bytes;  /* to each of two neighbours in each step */
    long collective_every; /* steps; 0: never */
    double compute_mflop;  /* per step */
    long steps;            /* when seconds is 0 */
    double seconds;
    bool progress, help;
};

/* All ranks parse the same words, rank 0 talks about them. False: end with *status. */
bool synthetic_parse(int argc, char **argv, const struct npb_run *run,
                     struct synthetic_settings *settings, int *status);

/* A page of the machine, which is what strategies see. */
enum { SYNTHETIC_PAGE_BYTES = 4096, SYNTHETIC_VALUES = SYNTHETIC_PAGE_BYTES / sizeof(double) - 1 };

struct synthetic_page {
    double writes;
    double values[SYNTHETIC_VALUES];
};

struct synthetic_field {
    struct synthetic_page *page;
    size_t pages, written, move, stride;
    void *memory;
};

void synthetic_field_create(const struct synthetic_settings *settings,
                            struct synthetic_field *field);
void synthetic_field_free(struct synthetic_field *field);
/* Random values that depend on the rank; no page has been written. */
void synthetic_field_fill(struct synthetic_field *field, int rank);
/* Writes the pages of step number `step` (from 1). The values beyond the field's ends are `left` and `right`; `drive`
 * is mixed into all that is written. Returns a sample of the new values. */
double synthetic_field_write(struct synthetic_field *field, long step, double left, double right,
                             double drive);
/* Does each page count the writes that so many steps make? */
bool synthetic_field_verify(const struct synthetic_field *field, long steps);

#endif
